/*
 * limit - what one site may be given. Pure: state and time in, decision and
 * next time out; no clock, no socket of its own.
 */
#ifndef POSTRIDER_DELIVERY_LIMIT_H
#define POSTRIDER_DELIVERY_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct limit {
	int connections;	/* open at once; 0: none */
	int messages;		/* per connection; 0: none */
	int rate;		/* messages a second; 0: none */
	int64_t tat_us;		/* GCRA: when the bucket is empty again */
};

/* May another connection be opened beside `open`? */
bool limit_may_connect(const struct limit *l, int open);

/* Must a connection that carried `sent` messages close? */
bool limit_is_spent(const struct limit *l, int sent);

/*
 * Takes one message at now. 0: it may go; else microseconds to wait (nothing
 * was taken). Burst: a tenth of a second's worth, at least one.
 */
int64_t limit_take(struct limit *l, int64_t now_us);

#endif
