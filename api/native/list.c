#include "api/native/list.h"

#include <string.h>

#include "api/service.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/text.h"

static const char *const common[] = { "limit", "cursor", "order", "from", "to",
	NULL };

static bool
is_among(const char *name, const char *const *names, bool *many)
{
	for (; *names != NULL; names++) {
		*many = **names == '*';
		if (strcmp(name, *names + *many) == 0)
			return true;
	}
	return false;
}

static int
bad(struct err *err, const char *name, const char *words)
{
	return err_set(err, ERR_INVALID, "Query parameter %.40s %s", name,
	    words);
}

static int
check_names(struct request *rq, const char *const *names, struct err *err)
{
	bool many = false;
	int i, j;

	for (i = 0; i < rq->query_count; i++) {
		const char *name = rq->query[i].name;

		if (!is_among(name, common, &many) &&
		    !is_among(name, names, &many))
			return bad(err, name, "is unknown here.");
		for (j = 0; j < i && !many; j++)
			if (strcmp(name, rq->query[j].name) == 0)
				return bad(err, name, "is given twice.");
	}
	return OK;
}

static int
read_time(struct request *rq, const char *name, int64_t *out, struct err *err)
{
	struct slice s = request_query(rq, name);

	if (s.p != NULL && !clock_parse(s, out))
		return bad(err, name, "is no time: write ISO 8601 or epoch "
		    "seconds.");
	return OK;
}

/* The cursor holds for the same list with the same filters only. */
static const char *
filter_of(struct request *rq, const char *list)
{
	struct str text = STR_INIT(65536);
	const char *out;
	int i;

	str_puts(&text, list);
	for (i = 0; i < rq->query_count; i++) {
		if (strcmp(rq->query[i].name, "cursor") == 0 ||
		    strcmp(rq->query[i].name, "limit") == 0)
			continue;
		str_printf(&text, "&%s=%.*s", rq->query[i].name,
		    (int)rq->query[i].value.n, rq->query[i].value.p);
	}
	out = arena_strdup(rq->arena, str_text(&text));
	str_release(&text);
	return out;
}

int
list_read(struct request *rq, const char *list, const char *const *names,
    struct list_query *out, struct err *err)
{
	struct slice s;
	int64_t limit = LIST_LIMIT_DEFAULT;
	int rc;

	memset(out, 0, sizeof(*out));
	if ((rc = check_names(rq, names, err)) != OK ||
	    (rc = read_time(rq, "from", &out->from_ms, err)) != OK ||
	    (rc = read_time(rq, "to", &out->to_ms, err)) != OK)
		return rc;
	s = request_query(rq, "limit");
	if (s.p != NULL && !text_to_int(s, 1, LIST_LIMIT_MAX, &limit))
		return bad(err, "limit", "must be 1 to 1000.");
	out->limit = (int)limit;
	s = request_query(rq, "order");
	out->ascending = slice_is(s, "asc");
	if (s.p != NULL && !out->ascending && !slice_is(s, "desc"))
		return bad(err, "order", "must be asc or desc.");
	out->filter = filter_of(rq, list);
	rc = service_page_open(rq, out->filter, request_query(rq, "cursor"),
	    &out->position, err);
	return rc == OK ? OK : bad(err, "cursor", "is not a cursor of this "
	    "list.");
}

const char *
list_text(struct request *rq, const char *name)
{
	struct slice s = request_query(rq, name);

	return s.p == NULL ? NULL : arena_slice(rq->arena, s);
}

int
list_tags(struct request *rq, const char **out, struct err *err)
{
	struct str text = STR_INIT(65536);
	struct json_writer w = JSON_WRITER(&text);
	struct slice name, value;
	int i, n = 0;

	json_open(&w, '{');
	for (i = 0; i < rq->query_count; i++) {
		if (strcmp(rq->query[i].name, "tag") != 0)
			continue;
		value = rq->query[i].value;
		if (memchr(value.p, ':', value.n) == NULL) {
			str_release(&text);
			return bad(err, "tag", "must be NAME:VALUE.");
		}
		text_split(&value, ':', &name);
		json_key_slice(&w, name);
		json_open(&w, '[');
		json_w_slice(&w, value);
		json_close(&w, ']');
		n++;
	}
	json_close(&w, '}');
	*out = n > 0 ? arena_strdup(rq->arena, str_text(&text)) : NULL;
	str_release(&text);
	return OK;
}

int
list_wait(struct request *rq, bool *waiting, struct err *err)
{
	struct slice s = request_query(rq, "wait");
	int64_t seconds;

	*waiting = false;
	if (s.p == NULL)
		return OK;
	if (!text_to_int(s, 0, LIST_WAIT_MAX_S, &seconds))
		return bad(err, "wait", "must be 0 to 60 seconds.");
	if (rq->wait_until_ms == 0 && rq->ctx == NULL) {
		rq->wait_until_ms = clock_steady_ms() + seconds * 1000;
		rq->ctx = rq;		/* the first turn is over */
	}
	*waiting = clock_steady_ms() < rq->wait_until_ms;
	return OK;
}

int
list_message(struct request *rq, struct id *id, struct err *err)
{
	struct slice s = request_query(rq, "messageId");

	if (s.p != NULL && !id_parse_message(s, id) && !id_parse(s, id))
		return bad(err, "messageId", "is no message id.");
	return OK;
}

void
list_open(struct json_writer *w)
{
	json_open(w, '{');
	json_key(w, "items");
	json_open(w, '[');
}

enum handled
list_close(struct request *rq, const struct list_query *q,
    struct json_writer *w, const char *position)
{
	json_close(w, ']');
	json_kv_text(w, "nextCursor", position == NULL ? NULL :
	    service_page_token(rq, q->filter, position));
	json_close(w, '}');
	return request_ok(rq);
}
