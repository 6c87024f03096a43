#include "core/delivery/node.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/rand.h"
#include "core/base/text.h"
#include "core/delivery/node_store.h"

struct node {
	int epoch, predecessor;
	int64_t boot_id;
	atomic_int_fast64_t deadline_ms;	/* steady */
	char path[512];
};

static int
read_epoch(const char *path)
{
	char text[32];
	int64_t epoch = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n <= 0 || !text_to_int(text_trim(slice_make(text, (size_t)n)), 1,
	    INT32_MAX, &epoch))
		return 0;
	return (int)epoch;
}

static int
write_epoch(const char *path, int epoch, struct err *err)
{
	char text[32], fresh[528];
	int fd, n = snprintf(text, sizeof(text), "%d\n", epoch);
	bool good;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, ERR_IO, "cannot write %s: %m", fresh);
	good = write(fd, text, (size_t)n) == n && fsync(fd) == 0;
	close(fd);
	if (!good || rename(fresh, path) != 0)
		return err_set(err, ERR_IO, "cannot write %s: %m", path);
	return OK;
}

static void
set_deadline(struct node *n, int64_t asked_ms)
{
	atomic_store(&n->deadline_ms,
	    asked_ms + NODE_LEASE_MS - NODE_MARGIN_MS);
}

int
node_register(struct db *db, const char *state_dir, const char *name,
    int roles, struct node **out, struct err *err)
{
	struct node *n = mem_new(sizeof(*n));
	int64_t asked = clock_steady_ms();
	int rc;

	snprintf(n->path, sizeof(n->path), "%s/node", state_dir);
	n->predecessor = read_epoch(n->path);
	n->boot_id = (int64_t)(rand_u64() >> 1);
	rc = node_store_insert(db, n->predecessor, n->boot_id, name, roles,
	    &n->epoch, err);
	if (rc == OK)
		rc = write_epoch(n->path, n->epoch, err);
	if (rc != OK) {
		free(n);
		return rc;
	}
	set_deadline(n, asked);
	*out = n;
	return OK;
}

void
node_free(struct node *n)
{
	free(n);
}

int
node_epoch(const struct node *n)
{
	return n->epoch;
}

int
node_predecessor(const struct node *n)
{
	return n->predecessor;
}

int
node_release_predecessors(struct node *n, struct db *db, int64_t *rows,
    struct err *err)
{
	int64_t freed;
	int bucket, rc = OK;

	*rows = 0;
	for (bucket = 0; bucket < BUCKETS && rc == OK; bucket++) {
		rc = node_store_release(db, bucket, n->epoch, &freed, err);
		*rows += freed;
	}
	if (rc == OK)
		rc = node_store_bury(db, n->epoch, err);
	return rc;
}

int
node_beat(struct node *n, struct db *db, struct err *err)
{
	int64_t asked = clock_steady_ms();
	int rc = node_store_beat(db, n->epoch, n->boot_id, err);

	if (rc == OK)
		set_deadline(n, asked);
	return rc;
}

bool
node_may_send(const struct node *n)
{
	return clock_steady_ms() < atomic_load(&n->deadline_ms);
}

int
node_leave(struct node *n, struct db *db, struct err *err)
{
	atomic_store(&n->deadline_ms, 0);
	return node_store_leave(db, n->epoch, err);
}
