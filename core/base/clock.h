/*
 * clock - time, replaceable in tests.
 *
 * Wall time: milliseconds since 1970 UTC; for dates, ids, signatures.
 * Steady time: milliseconds that never jump and count suspend
 * (CLOCK_BOOTTIME); for every deadline.
 */
#ifndef POSTRIDER_BASE_CLOCK_H
#define POSTRIDER_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

int64_t clock_wall_ms(void);
int64_t clock_steady_ms(void);
int64_t clock_steady_us(void);

/* Tests: freeze both clocks at these values; (0, 0) lets them run again. */
void clock_freeze(int64_t wall_ms, int64_t steady_ms);

#define CLOCK_ISO_SIZE	25	/* 2026-01-02T03:04:05.678Z and a NUL */
#define CLOCK_MAIL_SIZE	32	/* Fri, 02 Jan 2026 03:04:05 +0000 */
#define CLOCK_BASIC_SIZE 17	/* 20260102T030405Z */

/* RFC 3339 with milliseconds, UTC. */
void clock_iso(int64_t wall_ms, char out[CLOCK_ISO_SIZE]);

/* RFC 5322 3.3, always +0000. */
void clock_mail(int64_t wall_ms, char out[CLOCK_MAIL_SIZE]);

/* ISO 8601 basic form, as SigV4 writes it. */
void clock_basic(int64_t wall_ms, char out[CLOCK_BASIC_SIZE]);

/*
 * Reads RFC 3339 ("2026-01-02T03:04:05[.678](Z|+hh:mm)"), a date alone, or
 * epoch seconds with an optional fraction. false when it is none of them.
 */
bool clock_parse(struct slice text, int64_t *wall_ms);

/* Reads the basic form, exactly. */
bool clock_parse_basic(struct slice text, int64_t *wall_ms);

#endif
