/*
 * list - what the lists of the native API share: limit, cursor, order, time
 * range, tags; unknown parameters are refused.
 */
#ifndef POSTRIDER_API_NATIVE_LIST_H
#define POSTRIDER_API_NATIVE_LIST_H

#include "api/request.h"
#include "core/base/json.h"

#define LIST_LIMIT_DEFAULT	100
#define LIST_LIMIT_MAX		1000
#define LIST_WAIT_MAX_S		60

struct list_query {
	int limit;
	bool ascending;
	int64_t from_ms, to_ms;		/* 0: any */
	const char *position;		/* of the cursor; "" for the first page */
	const char *filter;		/* names list and filters: binds the cursor */
};

/*
 * names: the parameters that this list knows beside the common ones, NULL at
 * the end; a '*' in front: may come more than once. ERR_INVALID.
 */
int list_read(struct request *rq, const char *list, const char *const *names,
    struct list_query *out, struct err *err);

/* A filter's text, NULL when absent. */
const char *list_text(struct request *rq, const char *name);

/* tag=NAME:VALUE, any number: {"NAME":["VALUE"]}; NULL for none. */
int list_tags(struct request *rq, const char **out, struct err *err);

/*
 * ?wait=SECONDS: sets rq->wait_until_ms at the first call. true while it is
 * worth to answer REPEAT.
 */
int list_wait(struct request *rq, bool *waiting, struct err *err);

/* ?messageId=, with or without SES's region suffix; *id is zero when absent. */
int list_message(struct request *rq, struct id *id, struct err *err);

/* {"items":[ */
void list_open(struct json_writer *w);

/*
 * ],"nextCursor":…} and 200. position is where the next page begins, NULL
 * when this was the last.
 */
enum handled list_close(struct request *rq, const struct list_query *q,
    struct json_writer *w, const char *position);

#endif
