#include "core/mail/verp.h"

#include <assert.h>
#include <string.h>

#include "core/base/crypto.h"
#include "core/base/encode.h"
#include "core/base/err.h"
#include "core/base/str.h"

/* Octets of the token, in their order. */
enum {
	AT_VERSION = 0,
	AT_ACCOUNT = 1,
	AT_MESSAGE = 5,
	AT_RECIPIENT = 21,
	AT_MAC = 22,
	TOKEN_SIZE = 32,
};

#define MAC_SIZE	(TOKEN_SIZE - AT_MAC)
#define VERSION_AND_KEY	0x10	/* version 1, key id 0 */

/* The word in front keeps it apart from every other token (security 4.14). */
static void
mac(const uint8_t key[VERP_KEY_SIZE], const uint8_t *token,
    uint8_t out[SHA256_SIZE])
{
	uint8_t text[4 + AT_MAC];

	memcpy(text, "verp", 4);
	memcpy(text + 4, token, AT_MAC);
	crypto_hmac(slice_make(key, VERP_KEY_SIZE),
	    slice_make(text, sizeof(text)), out);
}

void
verp_make(const uint8_t key[VERP_KEY_SIZE], uint32_t account,
    struct id message, int recipient, char out[VERP_SIZE])
{
	uint8_t token[TOKEN_SIZE], full[SHA256_SIZE];
	struct str text = STR_INIT(VERP_LENGTH);
	int i;

	assert(recipient >= 0 && recipient <= VERP_WHOLE);
	token[AT_VERSION] = VERSION_AND_KEY;
	for (i = 0; i < 4; i++)
		token[AT_ACCOUNT + i] = (uint8_t)(account >> (24 - 8 * i));
	_Static_assert(sizeof(message) == AT_RECIPIENT - AT_MESSAGE, "16");
	memcpy(token + AT_MESSAGE, &message, sizeof(message));
	token[AT_RECIPIENT] = (uint8_t)recipient;
	mac(key, token, full);
	memcpy(token + AT_MAC, full, MAC_SIZE);
	encode_base32(token, sizeof(token), &text);
	assert(text.n == VERP_LENGTH - 1);
	out[0] = 'b';
	memcpy(out + 1, text.p, text.n + 1);
	str_release(&text);
}

int
verp_open(const uint8_t key[VERP_KEY_SIZE], struct slice local,
    struct verp *out)
{
	struct str text = STR_INIT(VERP_LENGTH);
	uint8_t full[SHA256_SIZE];
	const uint8_t *token;
	int rc = ERR_DENIED, i;

	if (local.n != VERP_LENGTH || (local.p[0] | 0x20) != 'b' ||
	    decode_base32(slice_skip(local, 1), &text) != OK ||
	    text.n != TOKEN_SIZE)
		goto out;
	token = (const uint8_t *)text.p;
	mac(key, token, full);
	if (!crypto_equal(full, token + AT_MAC, MAC_SIZE) ||
	    token[AT_VERSION] != VERSION_AND_KEY)
		goto out;
	out->account = 0;
	for (i = 0; i < 4; i++)
		out->account = out->account << 8 | token[AT_ACCOUNT + i];
	memcpy(&out->message, token + AT_MESSAGE, sizeof(out->message));
	out->recipient = token[AT_RECIPIENT];
	rc = OK;
out:
	str_release(&text);
	return rc;
}
