/*
 * id - names of things that happen: UUIDv7 (RFC 9562 5.7).
 *
 * The first 48 bits are milliseconds since 1970; the low 6 bits of the last
 * octet are the bucket, the unit of claiming and event order. MessageId,
 * return path and tokens all carry this one value.
 */
#ifndef POSTRIDER_BASE_ID_H
#define POSTRIDER_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

#define BUCKETS		64	/* fixed by the first migration */
#define ID_TEXT_SIZE	37	/* 8-4-4-4-12 and a NUL */

/* SES's form: PPPP + 12 hex digits of milliseconds - UUID - 000000. */
#define ID_MESSAGE_SIZE	61

struct id {
	uint8_t b[16];
};

/* A new id in this bucket; ids of one thread rise within a millisecond. */
struct id id_new(int64_t wall_ms, int bucket);

int id_bucket(const struct id *id);
int64_t id_ms(const struct id *id);
int id_compare(const struct id *a, const struct id *b);
bool id_is_zero(const struct id *id);

void id_text(const struct id *id, char out[ID_TEXT_SIZE]);
bool id_parse(struct slice text, struct id *out);

/* PPPP tells the region, as in SES: "0100" for us-east-1 and unknown ones. */
void id_message(const struct id *id, const char *region, char out[ID_MESSAGE_SIZE]);
/* Any prefix; the milliseconds must be those of the UUID. */
bool id_parse_message(struct slice text, struct id *out);

#endif
