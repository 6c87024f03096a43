/*
 * verp - the local part of return paths: which mail and recipient a bounce
 * is about (delivery-engine.md i).
 *
 * "b" and base32 of: version and key id (4 bits each), account (4 octets),
 * message id (16), recipient index (1), MAC (10). Lower case when made, any
 * case when read. The age is in the message id.
 */
#ifndef POSTRIDER_MAIL_VERP_H
#define POSTRIDER_MAIL_VERP_H

#include <stdint.h>

#include "core/base/id.h"
#include "core/base/slice.h"

#define VERP_LENGTH	53		/* letters */
#define VERP_SIZE	(VERP_LENGTH + 1)
#define VERP_KEY_SIZE	32
#define VERP_WHOLE	255		/* recipient index: the whole message */

struct verp {
	uint32_t account;
	struct id message;
	int recipient;		/* 0 … 254, or VERP_WHOLE */
};

/* Writes the token and a NUL. recipient is in 0 … 255. */
void verp_make(const uint8_t key[VERP_KEY_SIZE], uint32_t account,
    struct id message, int recipient, char out[VERP_SIZE]);

/*
 * Reads the local part of an address. ERR_DENIED: no token, or a forged one;
 * *out is then not touched.
 */
int verp_open(const uint8_t key[VERP_KEY_SIZE], struct slice local,
    struct verp *out);

#endif
