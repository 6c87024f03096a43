#include "api/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "core/base/clock.h"
#include "core/base/map.h"
#include "core/base/mem.h"
#include "core/base/text.h"

#define COUNT_SLOTS	16384
#define FAILURE_SLOTS	65536
#define MINUTE_MS	60000
#define HOPS_MAX	32	/* entries of X-Forwarded-For that are read */

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool
is_v4(const struct peer *p)
{
	return memcmp(p->b, mapped, sizeof(mapped)) == 0;
}

void
peer_of(const struct sockaddr *sa, struct peer *out)
{
	memset(out, 0, sizeof(*out));
	if (sa != NULL && sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *s6 = (const void *)sa;

		memcpy(out->b, &s6->sin6_addr, 16);
		return;
	}
	memcpy(out->b, mapped, sizeof(mapped));
	if (sa != NULL && sa->sa_family == AF_INET) {
		const struct sockaddr_in *s4 = (const void *)sa;

		memcpy(out->b + 12, &s4->sin_addr, 4);
	} else {
		out->b[12] = 127;
		out->b[15] = 1;
	}
}

bool
peer_parse(struct slice text, struct peer *out)
{
	char buf[INET6_ADDRSTRLEN];

	text = text_trim(text);
	if (text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
		text = slice_make(text.p + 1, text.n - 2);
	if (text.n == 0 || text.n >= sizeof(buf))
		return false;
	memcpy(buf, text.p, text.n);
	buf[text.n] = '\0';
	memcpy(out->b, mapped, sizeof(mapped));
	return inet_pton(AF_INET, buf, out->b + 12) == 1 ||
	    inet_pton(AF_INET6, buf, out->b) == 1;
}

void
peer_text(const struct peer *p, char *out, size_t size)
{
	const char *s = is_v4(p) ?
	    inet_ntop(AF_INET, p->b + 12, out, (socklen_t)size) :
	    inet_ntop(AF_INET6, p->b, out, (socklen_t)size);

	if (s == NULL && size > 0)
		out[0] = '\0';
}

bool
peer_is_loopback(const struct peer *p)
{
	static const uint8_t one[16] = { [15] = 1 };

	return is_v4(p) ? p->b[12] == 127 : memcmp(p->b, one, 16) == 0;
}

/* ---- networks ---- */

static bool
same_prefix(const struct peer *a, const struct peer *b, int bits)
{
	int whole = bits / 8, rest = bits % 8;

	if (memcmp(a->b, b->b, (size_t)whole) != 0)
		return false;
	return rest == 0 || (a->b[whole] ^ b->b[whole]) >> (8 - rest) == 0;
}

static bool
parse_net(struct slice text, struct peer *net, int *bits)
{
	struct slice address;
	int64_t n = 0;

	text = text_trim(text);
	if (!text_split(&text, '/', &address) || !peer_parse(address, net))
		return false;
	*bits = 128;
	if (text.n == 0)
		return true;
	if (!text_to_int(text, 0, is_v4(net) ? 32 : 128, &n))
		return false;
	*bits = (int)n + (is_v4(net) ? 96 : 0);
	return true;
}

int
peer_nets_parse(const char *text, struct peer_nets *out, struct err *err)
{
	struct slice rest = slice_of(text), part;

	out->n = 0;
	while (text_split(&rest, ',', &part)) {
		if (text_trim(part).n == 0)
			continue;
		if (out->n == PEER_NETS_MAX)
			return err_set(err, ERR_USAGE, "more than %d trusted "
			    "proxies", PEER_NETS_MAX);
		if (!parse_net(part, &out->v[out->n].net,
		    &out->v[out->n].bits))
			return err_set(err, ERR_USAGE, "trusted proxy '%.*s' "
			    "is no address and no network", (int)part.n,
			    part.p);
		out->n++;
	}
	return OK;
}

bool
peer_nets_hold(const struct peer_nets *nets, const struct peer *p)
{
	int i;

	for (i = 0; i < nets->n; i++)
		if (same_prefix(&nets->v[i].net, p, nets->v[i].bits))
			return true;
	return false;
}

/* The last of s before a comma; s becomes what stands before it. */
static struct slice
last_part(struct slice *s)
{
	size_t i = s->n;
	struct slice part;

	while (i > 0 && s->p[i - 1] != ',')
		i--;
	part = slice_skip(*s, i);
	s->n = i > 0 ? i - 1 : 0;
	return text_trim(part);
}

bool
peer_behind(const struct peer_nets *nets, const struct peer *peer,
    const struct request *rq, struct peer *client, bool *https)
{
	int i, hops = 0;
	bool found = false;

	*client = *peer;
	*https = false;
	if (!peer_nets_hold(nets, peer))
		return false;
	/* Several lines are one list; the last line is the nearest hop. */
	for (i = rq->field_count - 1; i >= 0 && !found; i--) {
		struct slice v = slice_of(rq->fields[i].value);

		if (strcasecmp(rq->fields[i].name, "X-Forwarded-Proto") == 0)
			*https = *https || slice_case_is(last_part(&v),
			    "https");
		if (strcasecmp(rq->fields[i].name, "X-Forwarded-For") != 0)
			continue;
		while (v.n > 0 && !found && hops++ < HOPS_MAX) {
			struct peer hop;

			if (!peer_parse(last_part(&v), &hop))
				return true;
			*client = hop;
			found = !peer_nets_hold(nets, &hop);
		}
	}
	for (; i >= 0; i--) {
		struct slice v = slice_of(rq->fields[i].value);

		if (strcasecmp(rq->fields[i].name, "X-Forwarded-Proto") == 0)
			*https = *https || slice_case_is(last_part(&v),
			    "https");
	}
	return true;
}

/* ---- open connections ---- */

/* Two addresses in one slot share their limit: rare, and it fails safe. */
struct peer_counts {
	atomic_int n[COUNT_SLOTS];
};

static size_t
slot_of(const struct peer *p, size_t octets, size_t slots)
{
	return (size_t)map_hash(slice_make(p->b, octets)) % slots;
}

struct peer_counts *
peer_counts_new(void)
{
	return mem_new(sizeof(struct peer_counts));
}

void
peer_counts_free(struct peer_counts *c)
{
	free(c);
}

int
peer_counts_add(struct peer_counts *c, const struct peer *p)
{
	return atomic_fetch_add(&c->n[slot_of(p, 16, COUNT_SLOTS)], 1) + 1;
}

void
peer_counts_drop(struct peer_counts *c, const struct peer *p)
{
	atomic_fetch_sub(&c->n[slot_of(p, 16, COUNT_SLOTS)], 1);
}

/* ---- failures ---- */

struct failure {
	uint64_t tag;
	int64_t minute;
	int count;
};

struct peer_failures {
	pthread_mutex_t lock;
	struct failure v[FAILURE_SLOTS];
};

struct peer_failures *
peer_failures_new(void)
{
	struct peer_failures *f = mem_new(sizeof(*f));

	pthread_mutex_init(&f->lock, NULL);
	return f;
}

void
peer_failures_free(struct peer_failures *f)
{
	if (f == NULL)
		return;
	pthread_mutex_destroy(&f->lock);
	free(f);
}

int
peer_failures_add(struct peer_failures *f, const struct peer *p)
{
	uint64_t tag = map_hash(slice_make(p->b, is_v4(p) ? 16 : 8));
	struct failure *slot = &f->v[tag % FAILURE_SLOTS];
	int64_t now = clock_steady_ms(), minute = now / MINUTE_MS;
	int left = 0;

	pthread_mutex_lock(&f->lock);
	if (slot->tag != tag || slot->minute != minute)
		*slot = (struct failure){ tag, minute, 0 };
	if (slot->count < PEER_FAILURES_MAX)
		slot->count++;
	else
		left = 1 + (int)((MINUTE_MS - now % MINUTE_MS) / 1000);
	pthread_mutex_unlock(&f->lock);
	return left;
}
