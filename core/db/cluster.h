/*
 * cluster - the private PostgreSQL of the embedded default: made under
 * STATE/postgres, unix socket only, full durability, our child process
 * (reliability.md 7.2).
 */
#ifndef POSTRIDER_DB_CLUSTER_H
#define POSTRIDER_DB_CLUSTER_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/base/err.h"

struct cluster;

/*
 * Makes the cluster when there is none, adopts a running one, starts it
 * otherwise. Called on the main thread (the child dies with the thread that
 * forked it), after privileges were dropped. ERR_USAGE names what is missing.
 */
int cluster_start(const char *state_dir, struct cluster **out, struct err *err);

/* libpq text: host=… dbname=postrider user=…; stays the same over restarts
   by cluster_watch(). */
const char *cluster_url(const struct cluster *c);

/* Did we start it (and must stop it)? */
bool cluster_is_ours(const struct cluster *c);

/* Call about once a second, on the main thread: restarts a dead server with
   back-off, and takes over when the one that started it went away. Does not
   wait until it answers. ERR_DB after five deaths in a minute. */
int cluster_watch(struct cluster *c, struct err *err);

/* Fast stop, 60 s, then immediate. NULL is fine. */
void cluster_stop(struct cluster *c);

#endif
