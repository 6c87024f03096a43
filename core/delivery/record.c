#include "core/delivery/record.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define MAGIC		0x4a50
#define VERSION		1
#define ALIGN		8
#define CRC_FROM	offsetof(struct record, recipient)

_Static_assert(offsetof(struct record, state) == 6
    && offsetof(struct record, crc) == 8 && CRC_FROM == 12,
    "the checksum leaves out 6 octets");
_Static_assert(sizeof(struct record) % ALIGN == 0, "aligned");
_Static_assert(RECORD_MAX < UINT16_MAX, "fits its length");

static uint32_t
checksum(const struct record *r)
{
	const Bytef *p = (const Bytef *)r;
	uLong crc = crc32(0, p, offsetof(struct record, state));

	return (uint32_t)crc32(crc, p + CRC_FROM, r->len - CRC_FROM);
}

static size_t
put(char **to, const char *text, size_t max)
{
	size_t n = strnlen(text, max);

	memcpy(*to, text, n);
	*to += n;
	return n;
}

size_t
record_write(void *to, enum record_kind kind, int64_t epoch,
    const struct outcome *o)
{
	struct record *r = to;
	char *end = r->data;

	memset(r, 0, sizeof(*r));
	r->magic = MAGIC;
	r->kind = (uint8_t)kind;
	r->version = VERSION;
	r->recipient = o->recipient;
	r->message = o->message;
	r->epoch = epoch;
	r->at_ms = o->at_ms;
	r->due_ms = o->due_ms;
	r->deadline_ms = o->deadline_ms;
	r->fence = o->fence;
	r->attempt = o->attempt;
	r->account = o->account;
	r->unknowns = o->unknowns;
	r->took_ms = o->took_ms;
	r->status[0] = (uint16_t)o->status.class;
	r->status[1] = (uint16_t)o->status.subject;
	r->status[2] = (uint16_t)o->status.detail;
	r->outcome = (uint8_t)o->kind;
	r->fault = (uint8_t)o->fault;
	r->tell_delay = o->tell_delay;
	r->text_len = (uint16_t)put(&end, o->text, OUTCOME_TEXT_MAX);
	r->mx_len = (uint8_t)put(&end, o->mx, sizeof(o->mx) - 1);
	r->ip_len = (uint8_t)put(&end, o->ip, sizeof(o->ip) - 1);
	r->tls_len = (uint8_t)put(&end, o->tls, sizeof(o->tls) - 1);
	while ((end - (char *)to) % ALIGN != 0)
		*end++ = '\0';
	r->len = (uint16_t)(end - (char *)to);
	return r->len;
}

void
record_seal(struct record *r, uint64_t seq)
{
	r->seq = seq;
	r->crc = checksum(r);
}

static bool
is_sound(const struct record *r)
{
	return (r->kind == RECORD_START || r->kind == RECORD_RESULT)
	    && r->version == VERSION && r->outcome < OUTCOME_KINDS
	    && r->fault < FAULT_KINDS && r->text_len <= OUTCOME_TEXT_MAX
	    && r->ip_len < sizeof(((struct outcome *)0)->ip)
	    && r->tls_len < sizeof(((struct outcome *)0)->tls)
	    && sizeof(*r) + r->text_len + r->mx_len + r->ip_len + r->tls_len
	    <= r->len;
}

bool
record_is_good(const void *p, size_t n)
{
	const struct record *r = p;

	return n >= sizeof(*r) && r->magic == MAGIC && r->len >= sizeof(*r)
	    && r->len <= n && r->len % ALIGN == 0 && r->crc == checksum(r)
	    && is_sound(r);
}

static void
take(char *to, const char **from, size_t n)
{
	memcpy(to, *from, n);
	to[n] = '\0';
	*from += n;
}

void
record_read(const struct record *r, struct outcome *o)
{
	const char *from = r->data;

	memset(o, 0, sizeof(*o));
	o->message = r->message;
	o->recipient = r->recipient;
	o->fence = r->fence;
	o->attempt = r->attempt;
	o->account = r->account;
	o->kind = (enum outcome_kind)r->outcome;
	o->fault = (enum fault)r->fault;
	o->status.class = r->status[0];
	o->status.subject = r->status[1];
	o->status.detail = r->status[2];
	o->at_ms = r->at_ms;
	o->due_ms = r->due_ms;
	o->deadline_ms = r->deadline_ms;
	o->took_ms = r->took_ms;
	o->tell_delay = r->tell_delay != 0;
	o->unknowns = r->unknowns;
	take(o->text, &from, r->text_len);
	take(o->mx, &from, r->mx_len);
	take(o->ip, &from, r->ip_len);
	take(o->tls, &from, r->tls_len);
	if (r->kind != RECORD_START)
		return;
	o->kind = OUTCOME_UNKNOWN;
	o->unknowns++;
	o->due_ms = 0;
}

static struct record *
good_at(const struct record_scan *s, size_t at)
{
	struct record *r = (struct record *)(void *)(s->map + at);

	return record_is_good(r, s->n - at) && r->seq > s->last ? r : NULL;
}

static bool
is_zero(const struct record_scan *s)
{
	static const char zeros[sizeof(struct record)];

	return s->n - s->at < sizeof(zeros)
	    || memcmp(s->map + s->at, zeros, sizeof(zeros)) == 0;
}

/*
 * Behind a bad record: is there a live one of this use of the segment? Then
 * the bad one is no torn tail. Finished ones may be of an earlier use.
 */
static struct record *
find_again(struct record_scan *s)
{
	struct record *r;
	size_t at;

	for (at = s->at + ALIGN; at + sizeof(*r) <= s->n; at += ALIGN) {
		r = (struct record *)(void *)(s->map + at);
		if (r->magic != MAGIC || (r = good_at(s, at)) == NULL
		    || r->state == RECORD_DONE)
			continue;
		s->damaged++;
		s->at = at;
		return r;
	}
	return NULL;
}

struct record *
record_next(struct record_scan *s)
{
	struct record *r = NULL;

	if (s->n - s->at >= sizeof(*r))
		r = good_at(s, s->at);
	if (r == NULL && !is_zero(s))
		r = find_again(s);
	if (r == NULL)
		return NULL;
	s->last = r->seq;
	s->at = (size_t)((char *)r - s->map) + r->len;
	return r;
}
