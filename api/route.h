/*
 * route - one table of everything that HTTP answers. A row names the SES
 * operation, who may call it and where the handler runs.
 */
#ifndef POSTRIDER_API_ROUTE_H
#define POSTRIDER_API_ROUTE_H

#include "api/request.h"

enum route_run {
	RUN_LOOP,	/* on the HTTP loop: must not block; db is NULL */
	RUN_WORKER,	/* on a worker thread with a database connection */
};

struct route {
	const char *method, *path;	/* "/v2/email/templates/{TemplateName}" */
	const char *operation;		/* "GetEmailTemplate"; also ses:… action */
	enum request_face face;
	unsigned scope;			/* 0: public */
	enum route_run run;
	size_t body_max;
	handler_fn *handler;		/* NULL: not offered by this version */
};

/*
 * Finds the row for a method and a raw path; fills labels. NULL: *status is
 * 404 or 405 (then *allow lists the methods). Trailing slashes do not count.
 */
const struct route *route_find(struct request *rq, int *status, const char **allow);

/* The row of a v1 Action; NULL when there is no such action. */
const struct route *route_find_action(struct slice action);

/* All rows, for tests and the compatibility table. */
const struct route *route_table(size_t *count);
const struct route *route_actions(size_t *count);

#endif
