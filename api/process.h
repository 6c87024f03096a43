/*
 * process - what every command does before it works: state directory, user,
 * master key, database.
 */
#ifndef POSTRIDER_API_PROCESS_H
#define POSTRIDER_API_PROCESS_H

#include "core/base/crypto.h"
#include "core/base/settings.h"
#include "core/db/cluster.h"
#include "core/db/db.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NOT_FOUND = 3,
    EXIT_REFUSED = 4, EXIT_TRY_AGAIN = 75 };

/* The exit code of an error; says it on stderr, with its hint. */
int process_fail(const struct err *err);

struct process {
	struct settings settings;
	struct master_key *master_key;
	struct cluster *cluster;	/* NULL: DATABASE_URL */
	const char *database_url;
	int lock_fd;			/* of the state directory; -1: none */
};

/* Makes the state directory; for `serve` holds its lock: one process only. */
int process_state(struct process *p, bool lock, struct err *err);

/* As root: becomes POSTRIDER_USER, for good. Ports are bound before. */
int process_drop_privileges(struct process *p, struct err *err);

/* Master key, private cluster (adopted, or started), URL. */
int process_database(struct process *p, struct err *err);

/* Connects with the URL; checks that the master key is the database's. */
int process_connect(struct process *p, struct db **db, struct err *err);

/* Stops the private cluster and frees what the functions above made. */
void process_end(struct process *p);

/* Keeps check when none is kept yet; kept is what the database has. */
int process_store_check(struct db *db, const char *check, char kept[65],
    struct err *err);

#endif
