/*
 * record - one record of the outcome journal as it lies on disk: in the
 * machine's own byte order, since no other machine reads it. No socket, no
 * file.
 */
#ifndef POSTRIDER_DELIVERY_RECORD_H
#define POSTRIDER_DELIVERY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/message/outcome.h"

enum record_kind { RECORD_START = 1, RECORD_RESULT = 2 };

/*
 * Changed in place, and so outside the checksum; far enough apart that no
 * flipped bit turns one into another. Every other value counts as live.
 */
enum record_state { RECORD_LIVE = 0, RECORD_DONE = 0xd3, RECORD_MOVED = 0xac };

struct record {
	uint16_t magic, len;		/* len: of all, a multiple of 8 */
	uint8_t kind, version;
	uint8_t state, spare;
	uint32_t crc;			/* CRC-32 of all but these 6 octets */
	int32_t recipient;
	uint64_t seq;			/* rises within a segment */
	struct id message;
	int64_t epoch, at_ms, due_ms, deadline_ms;
	int32_t fence, attempt, account, unknowns, took_ms;
	uint16_t status[3], text_len;
	uint8_t outcome, fault, tell_delay, mx_len, ip_len, tls_len;
	uint8_t pad[6];
	char data[];			/* text, mx, ip, tls */
};

#define RECORD_MAX	(sizeof(struct record) + OUTCOME_TEXT_MAX + 256 + 48 + \
	48 + 8)

/* Writes o without sequence and checksum; the length. to holds RECORD_MAX and
   is aligned. */
size_t record_write(void *to, enum record_kind kind, int64_t epoch,
    const struct outcome *o);

/* Gives it its sequence and checksum. */
void record_seal(struct record *r, uint64_t seq);

/* A whole record with the right checksum lies at p, within n octets. */
bool record_is_good(const void *p, size_t n);

/* Back to an outcome; a START becomes OUTCOME_UNKNOWN. */
void record_read(const struct record *r, struct outcome *o);

/*
 * The records of a segment in the order of their writing. Start with zeros;
 * NULL at the end: zeros, a torn record, or what an earlier use of the
 * segment left. damaged counts bad places before live records.
 */
struct record_scan {
	char *map;
	size_t n, at;
	uint64_t last;
	int damaged;
};

struct record *record_next(struct record_scan *s);

#endif
