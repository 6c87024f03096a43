#include "core/registry/key.h"

#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/encode.h"
#include "core/base/mem.h"
#include "core/base/rand.h"

#define BASE32_UPPER	"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
#define ALNUM	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define SECRET_ALPHABET	ALNUM "+/"

const char *
key_scope_name(int i)
{
	static const char *const names[] = { "send", "read", "content",
		"manage", "keys", "admin", "metrics" };

	return i < (int)COUNT_OF(names) ? names[i] : NULL;
}

/* Four characters that catch a mistyped key before any look-up. */
static void
check_characters(const char *text, char out[5])
{
	uint8_t hash[SHA256_SIZE];
	int i;

	crypto_sha256(text, strlen(text), hash);
	for (i = 0; i < 4; i++)
		out[i] = ALNUM[hash[i] % (sizeof(ALNUM) - 1)];
	out[4] = '\0';
}

void
key_generate(struct key_fresh *out, int32_t account, const char *name,
    unsigned scopes, const char *region)
{
	char id[17], chance[44], check[5], body[192];
	struct key *k = &out->key;

	memset(out, 0, sizeof(*out));
	rand_text(id, 16, BASE32_UPPER);
	snprintf(k->access_key_id, sizeof(k->access_key_id), "AKIA%s", id);
	rand_text(k->secret, 40, SECRET_ALPHABET);
	rand_text(chance, 43, ALNUM);
	snprintf(body, sizeof(body), "pr_%s_%s", k->access_key_id, chance);
	check_characters(body, check);
	snprintf(out->api_key, sizeof(out->api_key), "%s%s", body, check);
	crypto_sha256(out->api_key, strlen(out->api_key), k->api_hash);
	k->has_api_key = true;
	k->account = account;
	k->scopes = scopes;
	snprintf(k->name, sizeof(k->name), "%s", name);
	key_smtp_password(k->secret, region, out->smtp_password);
	out->created_ms = clock_wall_ms();
}

void
key_smtp_password(const char *secret, const char *region, char out[64])
{
	static const char version = 0x04;
	const char *const steps[] = { "11111111", region, "ses",
		"aws4_request", "SendRawEmail" };
	struct str text = STR_INIT(64);
	char first[132];
	uint8_t mac[1 + SHA256_SIZE];
	struct slice key;
	size_t i;

	snprintf(first, sizeof(first), "AWS4%s", secret);
	key = slice_of(first);
	for (i = 0; i < COUNT_OF(steps); i++) {
		uint8_t next[SHA256_SIZE];

		crypto_hmac(key, slice_of(steps[i]), next);
		memcpy(mac + 1, next, sizeof(next));
		key = slice_make(mac + 1, SHA256_SIZE);
	}
	mac[0] = (uint8_t)version;
	encode_base64(mac, sizeof(mac), &text);
	snprintf(out, 64, "%s", str_text(&text));
	mem_wipe(first, sizeof(first));
	str_release(&text);
}
