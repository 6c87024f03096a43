#include "api/request.h"

#include <assert.h>
#include <strings.h>

#include "core/base/mem.h"
#include "core/base/text.h"

const char *
request_header(const struct request *rq, const char *name)
{
	int i;

	for (i = 0; i < rq->field_count; i++)
		if (strcasecmp(rq->fields[i].name, name) == 0)
			return rq->fields[i].value;
	return NULL;
}

void
request_each_header(const struct request *rq,
    void (*fn)(void *ctx, const char *name, const char *value), void *ctx)
{
	int i;

	for (i = 0; i < rq->field_count; i++)
		fn(ctx, rq->fields[i].name, rq->fields[i].value);
}

struct slice
request_query(const struct request *rq, const char *name)
{
	int i;

	for (i = 0; i < rq->query_count; i++)
		if (strcmp(rq->query[i].name, name) == 0)
			return rq->query[i].value;
	return SLICE_NONE;
}

/* Setting a header again replaces it: an error may follow half an answer. */
void
request_set_header(struct request *rq, const char *name, const char *value)
{
	struct request_param *h = rq->headers;
	char *copy = arena_strdup(rq->arena, value);
	int i;

	assert(!text_has_line_break(copy, strlen(copy)));
	for (i = 0; i < rq->header_count; i++)
		if (strcasecmp(h[i].name, name) == 0)
			break;
	assert(i < (int)COUNT_OF(rq->headers));
	h[i].name = name;
	h[i].value = slice_of(copy);
	if (i == rq->header_count)
		rq->header_count++;
}
