#include "core/delivery/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/delivery/record.h"

#define SEGMENTS_MIN	4
#define SEGMENTS_MAX	64
#define PATH_SIZE	1024

/* Sequences that a power cut may have taken with it are not given again. */
#define SEQ_GAP		(UINT64_C(1) << 20)

struct segment {
	int fd;			/* -1: no file */
	char *map;
	size_t size, used;
	size_t live_bytes;
	int live;		/* records that are not committed */
	bool dirty;		/* written since the last sync */
	bool broken;		/* its fdatasync failed once: never again */
};

/* Where a record lies; seq tells whether it still does. */
struct place {
	int segment;
	uint32_t at;
	uint64_t seq;
};

/* A record without commit. The handle that callers hold is its slot here, so
   that the record may move. */
struct live {
	uint32_t generation;
	enum record_kind kind;	/* 0: the slot is free */
	struct place here;
	struct place start;	/* of a RESULT: the START it replaced */
	int64_t when_ms;	/* steady */
	uint32_t next_free;
};

#define NO_SLOT		UINT32_MAX

struct journal {
	pthread_mutex_t lock;
	char dir[PATH_SIZE / 2];
	int64_t epoch;
	struct segment *segments;
	int count, current;
	uint64_t seq, synced;
	struct live *live;
	uint32_t live_size, free_slot;
	int open_records;
	uint64_t *waiting;	/* handles of RESULTs, oldest first: a ring */
	size_t wait_head, wait_n, wait_cap;
	size_t wait_synced;	/* so many at the front are synced */
	bool syncing, failed;
};

static const struct log_subject subject = { "journal", "" };

/* ---- files ---- */

static void
segment_path(const char *dir, int i, const char *suffix, char out[PATH_SIZE])
{
	snprintf(out, PATH_SIZE, "%s/segment-%02d%s", dir, i, suffix);
}

static bool
write_zeros(int fd, size_t size)
{
	static const char zeros[65536];
	size_t at, n;

	for (at = 0; at < size; at += n) {
		n = size - at < sizeof(zeros) ? size - at : sizeof(zeros);
		if (write(fd, zeros, n) != (ssize_t)n)
			return false;
	}
	return fsync(fd) == 0;
}

static void
sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

/* Written full, so that later syncs change no file's size or blocks. */
static int
make_file(const char *dir, int i, size_t size, struct err *err)
{
	char made[PATH_SIZE], path[PATH_SIZE];
	int fd, rc = OK;

	segment_path(dir, i, ".new", made);
	segment_path(dir, i, "", path);
	fd = open(made, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || !write_zeros(fd, size) || rename(made, path) != 0) {
		rc = err_set(err, ERR_IO, "journal: %s: %s", made,
		    strerror(errno));
		err_hint(err, "it needs %d MB in all; without it this node "
		    "cannot deliver", (int)((size * JOURNAL_SEGMENTS) >> 20));
		unlink(made);
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

/* ERR_NOT_FOUND: no such file, or an empty one. */
static int
map_file(const char *dir, int i, struct segment *s, struct err *err)
{
	char path[PATH_SIZE];
	struct stat st;

	memset(s, 0, sizeof(*s));
	segment_path(dir, i, "", path);
	s->fd = open(path, O_RDWR | O_CLOEXEC);
	if (s->fd < 0 && errno == ENOENT)
		return ERR_NOT_FOUND;
	if (s->fd < 0 || fstat(s->fd, &st) != 0)
		goto bad;
	s->size = (size_t)st.st_size;
	if (s->size == 0) {
		close(s->fd);
		s->fd = -1;
		return ERR_NOT_FOUND;
	}
	s->map = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd,
	    0);
	if (s->map != MAP_FAILED)
		return OK;
	s->map = NULL;
bad:
	return err_set(err, ERR_IO, "journal: %s: %s", path, strerror(errno));
}

static void
unmap(struct segment *s)
{
	if (s->map != NULL)
		munmap(s->map, s->size);
	if (s->fd >= 0)
		close(s->fd);
	s->map = NULL;
	s->fd = -1;
}

static struct record *
record_at(const struct journal *j, const struct place *p)
{
	return (struct record *)(void *)(j->segments[p->segment].map + p->at);
}

/* ---- slots of live records ---- */

static uint64_t
handle_of(const struct journal *j, uint32_t slot)
{
	return (uint64_t)j->live[slot].generation << 32 | (slot + 1);
}

/* NULL: committed already. */
static struct live *
find_live(const struct journal *j, uint64_t handle)
{
	uint32_t slot = (uint32_t)handle - 1;
	struct live *l;

	if (handle == 0 || slot >= j->live_size)
		return NULL;
	l = &j->live[slot];
	return l->kind != 0 && l->generation == handle >> 32 ? l : NULL;
}

static void
add_slots(struct journal *j)
{
	uint32_t i, n = j->live_size == 0 ? 1024 : j->live_size * 2;

	j->live = mem_grow(j->live, n * sizeof(j->live[0]));
	memset(j->live + j->live_size, 0,
	    (n - j->live_size) * sizeof(j->live[0]));
	for (i = n; i-- > j->live_size; ) {
		j->live[i].next_free = j->free_slot;
		j->free_slot = i;
	}
	j->live_size = n;
}

static void
count_live(struct journal *j, const struct place *p, int sign)
{
	struct segment *s = &j->segments[p->segment];
	size_t len = record_at(j, p)->len;

	s->live += sign;
	s->live_bytes += sign > 0 ? len : -len;
	assert(s->live >= 0);
}

static uint64_t
add_live(struct journal *j, enum record_kind kind, struct place here,
    struct place start)
{
	uint32_t slot;
	struct live *l;

	if (j->free_slot == NO_SLOT)
		add_slots(j);
	slot = j->free_slot;
	l = &j->live[slot];
	j->free_slot = l->next_free;
	l->generation++;
	l->kind = kind;
	l->here = here;
	l->start = start;
	l->when_ms = clock_steady_ms();
	count_live(j, &here, 1);
	j->open_records++;
	return handle_of(j, slot);
}

/* The record needs its place no longer; its octets stay as they are. */
static void
drop_live(struct journal *j, struct live *l)
{
	count_live(j, &l->here, -1);
	l->kind = 0;
	l->next_free = j->free_slot;
	j->free_slot = (uint32_t)(l - j->live);
	j->open_records--;
}

static void
mark(struct journal *j, const struct place *p, enum record_state state)
{
	struct record *r;

	if (p->seq == 0)
		return;
	r = record_at(j, p);
	if (r->seq == p->seq)
		r->state = (uint8_t)state;
}

/* ---- segments ---- */

static bool
is_free(const struct journal *j, int i)
{
	const struct segment *s = &j->segments[i];

	return i != j->current && s->live == 0 && !s->broken;
}

static int
count_free(const struct journal *j)
{
	int i, n = 0;

	for (i = 0; i < j->count; i++)
		n += is_free(j, i);
	return n;
}

static bool
has_room(const struct journal *j, size_t n)
{
	const struct segment *s = &j->segments[j->current];

	return !s->broken && s->used + n <= s->size;
}

/* The next free one behind the current, so that old records stay longest. */
static bool
enter_next(struct journal *j)
{
	int i, k;

	for (i = 1; i <= j->count; i++) {
		k = (j->current + i) % j->count;
		if (!is_free(j, k))
			continue;
		j->current = k;
		j->segments[k].used = 0;
		j->segments[k].live_bytes = 0;
		return true;
	}
	return false;
}

/* Seals the record and copies it to where the journal grows; there is room. */
static struct place
append(struct journal *j, struct record *r)
{
	struct segment *s = &j->segments[j->current];
	struct place p = { j->current, (uint32_t)s->used, ++j->seq };

	record_seal(r, p.seq);
	memcpy(s->map + s->used, r, r->len);
	s->used += r->len;
	s->dirty = true;
	return p;
}

/* Copies a live record to the head; the old one only then stops to count. */
static bool
move_one(struct journal *j, struct live *l)
{
	_Alignas(struct record) char copy[RECORD_MAX];
	struct record *r = (struct record *)(void *)copy;
	struct place from = l->here;
	const struct record *old = record_at(j, &from);

	if (!has_room(j, old->len) && !enter_next(j))
		return false;
	memcpy(copy, old, old->len);
	r->state = RECORD_LIVE;
	l->here = append(j, r);
	count_live(j, &l->here, 1);
	mark(j, &from, RECORD_MOVED);
	count_live(j, &from, -1);
	j->wait_synced = 0;		/* the copy is not */
	return true;
}

static bool
move_all(struct journal *j, int segment)
{
	uint32_t i;

	for (i = 0; i < j->live_size; i++)
		if (j->live[i].kind != 0 && j->live[i].here.segment == segment
		    && !move_one(j, &j->live[i]))
			return false;
	return true;
}

/*
 * A peer that thinks ten minutes about its dot must not hold a segment that
 * is full of finished records: its START moves on. Only out of a segment
 * that is nearly empty, so that there is always something won.
 */
static void
make_free(struct journal *j)
{
	const struct segment *s;
	int i, best = -1;

	if (count_free(j) > j->count / 4)
		return;
	for (i = 0; i < j->count; i++) {
		s = &j->segments[i];
		if (i == j->current || s->broken || s->live == 0
		    || s->live_bytes > s->size / 4)
			continue;
		if (best < 0 || s->live_bytes < j->segments[best].live_bytes)
			best = i;
	}
	if (best >= 0)
		move_all(j, best);
}

/* The last free segment is the reserve: for RESULTs alone. */
static bool
make_room(struct journal *j, size_t n, int reserve)
{
	if (count_free(j) < reserve)
		return false;
	if (has_room(j, n))
		return true;
	if (count_free(j) <= reserve || !enter_next(j))
		return false;
	make_free(j);
	return has_room(j, n);
}

/* ---- what callers do ---- */

static const struct place nowhere = { 0, 0, 0 };

static void
finish(struct journal *j, uint64_t handle)
{
	struct live *l = find_live(j, handle);

	if (l == NULL)
		return;
	mark(j, &l->here, RECORD_DONE);
	mark(j, &l->start, RECORD_DONE);
	drop_live(j, l);
}

void
journal_committed(struct journal *j, uint64_t seq)
{
	if (seq == 0)
		return;
	pthread_mutex_lock(&j->lock);
	finish(j, seq);
	pthread_mutex_unlock(&j->lock);
}

int
journal_start(struct journal *j, struct outcome *o)
{
	_Alignas(struct record) char buf[RECORD_MAX];
	size_t n = record_write(buf, RECORD_START, j->epoch, o);
	int rc = ERR_BUSY;

	pthread_mutex_lock(&j->lock);
	if (!j->failed && make_room(j, n, 1)) {
		finish(j, o->journal);		/* of an earlier dot */
		o->journal = add_live(j, RECORD_START,
		    append(j, (struct record *)(void *)buf), nowhere);
		rc = OK;
	}
	pthread_mutex_unlock(&j->lock);
	return rc;
}

/* Forgets the committed ones at the front of the queue. */
static void
trim_waiting(struct journal *j)
{
	while (j->wait_n > 0
	    && find_live(j, j->waiting[j->wait_head]) == NULL) {
		j->wait_head = (j->wait_head + 1) % j->wait_cap;
		j->wait_n--;
		if (j->wait_synced > 0)
			j->wait_synced--;
	}
}

/* Turned out straight, without those that are committed. */
static void
rebuild_waiting(struct journal *j)
{
	size_t i, k = 0, cap = j->wait_cap == 0 ? 1024 : j->wait_cap * 2;
	uint64_t *v = mem_new(cap * sizeof(v[0])), handle;

	for (i = 0; i < j->wait_n; i++) {
		handle = j->waiting[(j->wait_head + i) % j->wait_cap];
		if (find_live(j, handle) != NULL)
			v[k++] = handle;
	}
	free(j->waiting);
	j->waiting = v;
	j->wait_cap = cap;
	j->wait_head = j->wait_synced = 0;
	j->wait_n = k;
}

static void
add_waiting(struct journal *j, uint64_t handle)
{
	trim_waiting(j);
	if (j->wait_n == j->wait_cap)
		rebuild_waiting(j);
	j->waiting[(j->wait_head + j->wait_n++) % j->wait_cap] = handle;
}

void
journal_result(struct journal *j, struct outcome *o)
{
	_Alignas(struct record) char buf[RECORD_MAX];
	size_t n = record_write(buf, RECORD_RESULT, j->epoch, o);
	struct place here, start = nowhere;
	struct live *l;

	pthread_mutex_lock(&j->lock);
	l = find_live(j, o->journal);
	if (!make_room(j, n, 0)) {
		/* Its START, if any, is all there is; the commit drops it. */
		if (l == NULL)
			o->journal = 0;
		goto out;
	}
	here = append(j, (struct record *)(void *)buf);
	if (l != NULL) {
		start = l->here;
		drop_live(j, l);
	}
	o->journal = add_live(j, RECORD_RESULT, here, start);
	add_waiting(j, o->journal);
out:
	pthread_mutex_unlock(&j->lock);
}

/* ---- syncing ---- */

/*
 * After a failed fdatasync the kernel may have dropped the pages, and a
 * second one would lie: the segment is never synced again, and what it holds
 * is written to another one. Locked.
 */
static bool
give_up_segment(struct journal *j, int i)
{
	log_error(&subject, "fdatasync failed on segment %d, its records move",
	    i);
	j->segments[i].broken = true;
	return (j->current != i || enter_next(j)) && move_all(j, i);
}

/* Syncs the segments that were dirty. Locked at both ends, not between. */
static bool
sync_dirty(struct journal *j, bool bad[SEGMENTS_MAX])
{
	bool dirty[SEGMENTS_MAX], good = true;
	uint64_t until = j->seq;
	int i;

	for (i = 0; i < j->count; i++) {
		dirty[i] = j->segments[i].dirty && !j->segments[i].broken;
		j->segments[i].dirty = bad[i] = false;
	}
	pthread_mutex_unlock(&j->lock);
	for (i = 0; i < j->count; i++) {
		bad[i] = dirty[i] && fdatasync(j->segments[i].fd) != 0;
		good = good && !bad[i];
	}
	pthread_mutex_lock(&j->lock);
	if (good)
		j->synced = until;
	return good;
}

#define SYNC_TRIES	2

static int
sync_locked(struct journal *j, struct err *err)
{
	bool bad[SEGMENTS_MAX];
	int i, try;

	if (j->syncing)		/* somebody is at it */
		return OK;
	j->syncing = true;
	for (try = 0; try < SYNC_TRIES && !j->failed; try++) {
		if (sync_dirty(j, bad))
			break;
		for (i = 0; i < j->count; i++)
			if (bad[i] && !give_up_segment(j, i))
				j->failed = true;
	}
	if (try == SYNC_TRIES)
		j->failed = true;
	j->syncing = false;
	if (!j->failed)
		return OK;
	err_set(err, ERR_IO, "the journal's disk in %s fails", j->dir);
	err_hint(err, "no mail is sent until it is repaired and the service "
	    "started again");
	return ERR_IO;
}

/* The oldest RESULT without commit; NULL: none. Locked. */
static const struct live *
oldest(struct journal *j)
{
	trim_waiting(j);
	return j->wait_n == 0 ? NULL : find_live(j, j->waiting[j->wait_head]);
}

/* The oldest one that no sync has covered: the queue is in their order. */
static const struct live *
oldest_unsynced(struct journal *j)
{
	const struct live *l;
	size_t i;

	trim_waiting(j);
	for (; j->wait_synced < j->wait_n; j->wait_synced++) {
		i = (j->wait_head + j->wait_synced) % j->wait_cap;
		l = find_live(j, j->waiting[i]);
		if (l != NULL && l->here.seq > j->synced)
			return l;
	}
	return NULL;
}

int
journal_sync_if_due(struct journal *j, struct err *err)
{
	const struct live *l;
	int rc = OK;

	pthread_mutex_lock(&j->lock);
	l = j->synced == j->seq ? NULL : oldest_unsynced(j);
	if (j->failed
	    || (l != NULL && clock_steady_ms() - l->when_ms >= JOURNAL_SYNC_MS))
		rc = sync_locked(j, err);
	pthread_mutex_unlock(&j->lock);
	return rc;
}

int
journal_sync(struct journal *j, struct err *err)
{
	int rc;

	pthread_mutex_lock(&j->lock);
	rc = sync_locked(j, err);
	pthread_mutex_unlock(&j->lock);
	return rc;
}

/* ---- how full ---- */

/* The lock is no part of the journal's value. */
static struct journal *
lock_of(const struct journal *j)
{
	struct journal *k = (struct journal *)(uintptr_t)j;

	pthread_mutex_lock(&k->lock);
	return k;
}

int
journal_level(const struct journal *j)
{
	struct journal *k = lock_of(j);
	int left = count_free(k), level;

	if (k->failed || left < 1 || (left < 2 && !has_room(k, RECORD_MAX)))
		level = 100;
	else
		level = (k->count - 1 - left) * 100 / (k->count - 1);
	pthread_mutex_unlock(&k->lock);
	return level;
}

int
journal_open_records(const struct journal *j)
{
	struct journal *k = lock_of(j);
	int n = k->open_records;

	pthread_mutex_unlock(&k->lock);
	return n;
}

int64_t
journal_oldest_ms(const struct journal *j)
{
	struct journal *k = lock_of(j);
	const struct live *l = oldest(k);
	int64_t age = l == NULL ? 0 : clock_steady_ms() - l->when_ms;

	pthread_mutex_unlock(&k->lock);
	return age;
}

/* ---- opening ---- */

/* What replay left counts as live for as long as we run. */
static void
survey(struct journal *j, struct segment *s)
{
	struct record_scan scan = { .map = s->map, .n = s->size };
	struct record *r;

	while ((r = record_next(&scan)) != NULL) {
		if (r->seq > j->seq)
			j->seq = r->seq;
		if (r->state != RECORD_DONE) {
			s->live++;
			s->live_bytes += r->len;
		}
	}
}

static int
open_segment(struct journal *j, int i, size_t size, struct err *err)
{
	struct segment *s = &j->segments[i];
	int rc = map_file(j->dir, i, s, err);

	if (rc == OK && s->size < size) {
		/* Of another size: nothing may be lost in it. */
		survey(j, s);
		if (s->live == 0) {
			unmap(s);
			rc = ERR_NOT_FOUND;
		}
		s->live = 0;
		s->live_bytes = 0;
	}
	if (rc == ERR_NOT_FOUND
	    && (rc = make_file(j->dir, i, size, err)) == OK)
		rc = map_file(j->dir, i, s, err);
	if (rc == OK)
		survey(j, s);
	return rc;
}

int
journal_open(const struct journal_params *p, struct journal **out,
    struct err *err)
{
	struct journal *j = mem_new(sizeof(*j));
	size_t size = p->segment_bytes == 0 ? JOURNAL_SEGMENT_BYTES
	    : p->segment_bytes;
	int i, rc = OK;

	*out = NULL;
	pthread_mutex_init(&j->lock, NULL);
	snprintf(j->dir, sizeof(j->dir), "%s", p->dir);
	j->epoch = p->epoch;
	j->count = p->segments == 0 ? JOURNAL_SEGMENTS : p->segments;
	j->free_slot = NO_SLOT;
	j->current = -1;
	assert(j->count >= SEGMENTS_MIN && j->count <= SEGMENTS_MAX
	    && size >= 2 * RECORD_MAX);
	j->segments = mem_new((size_t)j->count * sizeof(j->segments[0]));
	for (i = 0; i < j->count; i++)
		j->segments[i].fd = -1;
	if (mkdir(p->dir, 0700) != 0 && errno != EEXIST)
		rc = err_set(err, ERR_IO, "journal: %s: %s", p->dir,
		    strerror(errno));
	for (i = 0; i < j->count && rc == OK; i++)
		rc = open_segment(j, i, size, err);
	if (rc == OK && !enter_next(j))
		rc = err_set(err, ERR_IO, "the journal in %s is full of "
		    "results that were never committed", p->dir);
	sync_dir(p->dir);
	j->seq += SEQ_GAP;
	if (rc == OK)
		*out = j;
	else
		journal_close(j);
	return rc;
}

void
journal_close(struct journal *j)
{
	int i;

	if (j == NULL)
		return;
	if (j->current >= 0 && j->open_records > 0)
		journal_sync(j, NULL);
	for (i = 0; i < j->count; i++)
		unmap(&j->segments[i]);
	pthread_mutex_destroy(&j->lock);
	free(j->segments);
	free(j->live);
	free(j->waiting);
	free(j);
}

/* ---- replay ---- */

struct replay {
	struct segment segments[SEGMENTS_MAX];
	struct record **records;
	size_t n, cap;
	struct group *groups;
	size_t group_n;
};

/* The records of one attempt: one range of records. */
struct group {
	uint64_t seq;
	struct record *say;		/* the one that counts */
	size_t from, to;
};

static int
by_attempt(const void *a, const void *b)
{
	const struct record *x = *(struct record *const *)a;
	const struct record *y = *(struct record *const *)b;
	int d = id_compare(&x->message, &y->message);

	if (d != 0)
		return d;
	if (x->recipient != y->recipient)
		return x->recipient < y->recipient ? -1 : 1;
	if (x->fence != y->fence)
		return x->fence < y->fence ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int
by_seq(const void *a, const void *b)
{
	uint64_t x = ((const struct group *)a)->seq;
	uint64_t y = ((const struct group *)b)->seq;

	return x < y ? -1 : x > y;
}

static int
collect(struct replay *p, const char *dir, struct journal_found *found,
    struct err *err)
{
	struct record_scan scan;
	struct record *r;
	int i, rc;

	for (i = 0; i < SEGMENTS_MAX; i++) {
		rc = map_file(dir, i, &p->segments[i], err);
		if (rc == ERR_NOT_FOUND)
			continue;
		if (rc != OK)
			return rc;
		scan = (struct record_scan){ .map = p->segments[i].map,
		    .n = p->segments[i].size };
		while ((r = record_next(&scan)) != NULL) {
			if (p->n == p->cap) {
				p->cap = p->cap == 0 ? 1024 : p->cap * 2;
				p->records = mem_grow(p->records,
				    p->cap * sizeof(r));
			}
			p->records[p->n++] = r;
		}
		found->damaged += scan.damaged;
	}
	return OK;
}

static bool
same_attempt(const struct record *a, const struct record *b)
{
	return a->recipient == b->recipient && a->fence == b->fence
	    && id_compare(&a->message, &b->message) == 0;
}

/* The last RESULT counts, or else the last START. */
static struct record *
spokesman(struct replay *p, size_t from, size_t to)
{
	struct record *say = p->records[from];
	size_t i;

	for (i = from + 1; i < to; i++)
		if (p->records[i]->kind >= say->kind)
			say = p->records[i];
	return say;
}

static void
finish_group(struct replay *p, size_t from, size_t to)
{
	for (; from < to; from++)
		p->records[from]->state = RECORD_DONE;
}

static void
find_groups(struct replay *p)
{
	struct record *say;
	size_t from, to;

	if (p->n > 0)
		qsort(p->records, p->n, sizeof(p->records[0]), by_attempt);
	p->groups = mem_new((p->n + 1) * sizeof(p->groups[0]));
	for (from = 0; from < p->n; from = to) {
		for (to = from + 1; to < p->n
		    && same_attempt(p->records[from], p->records[to]); to++)
			;
		say = spokesman(p, from, to);
		if (say->state == RECORD_DONE)
			finish_group(p, from, to);
		else
			p->groups[p->group_n++] = (struct group){ say->seq,
			    say, from, to };
	}
	if (p->group_n > 0)
		qsort(p->groups, p->group_n, sizeof(p->groups[0]), by_seq);
}

static int
hand_over(struct replay *p, journal_replay_fn *fn, void *ctx,
    struct journal_found *found, struct err *err)
{
	struct outcome *batch = mem_new(JOURNAL_REPLAY_MAX * sizeof(*batch));
	size_t at, i, n;
	int rc = OK;

	for (at = 0; at < p->group_n && rc == OK; at += n) {
		n = p->group_n - at;
		n = n > JOURNAL_REPLAY_MAX ? JOURNAL_REPLAY_MAX : n;
		for (i = 0; i < n; i++)
			record_read(p->groups[at + i].say, &batch[i]);
		if ((rc = fn(ctx, batch, (int)n, err)) != OK)
			break;
		for (i = 0; i < n; i++) {
			if (p->groups[at + i].say->kind == RECORD_START)
				found->unknowns++;
			else
				found->results++;
			finish_group(p, p->groups[at + i].from,
			    p->groups[at + i].to);
		}
	}
	free(batch);
	return rc;
}

int
journal_replay(const char *dir, journal_replay_fn *fn, void *ctx,
    struct journal_found *found, struct err *err)
{
	struct replay *p = mem_new(sizeof(*p));
	int i, rc;

	memset(found, 0, sizeof(*found));
	for (i = 0; i < SEGMENTS_MAX; i++)
		p->segments[i].fd = -1;
	if ((rc = collect(p, dir, found, err)) == OK) {
		find_groups(p);
		rc = hand_over(p, fn, ctx, found, err);
	}
	for (i = 0; i < SEGMENTS_MAX; i++) {
		/* Marks that a power cut takes mean one more replay. */
		if (p->segments[i].map != NULL)
			msync(p->segments[i].map, p->segments[i].size,
			    MS_ASYNC);
		unmap(&p->segments[i]);
	}
	free(p->records);
	free(p->groups);
	free(p);
	return rc;
}
