#include <string.h>

#include "core/base/json.h"
#include "core/message/letter.h"

static struct slice
optional(struct arena *a, const struct db_result *r, int row, int col)
{
	struct slice s;

	if (db_is_null(r, row, col))
		return SLICE_NONE;
	s = db_text(r, row, col);
	return slice_make(arena_slice(a, s), s.n);
}

/* Addresses were checked when they were accepted: a fault is skipped. */
static void
add_recipients(struct letter *l, const struct json *list,
    enum recipient_kind kind)
{
	size_t i;

	for (i = 0; i < json_length(list); i++) {
		struct letter_recipient *to = &l->recipients[l->recipient_count];

		if (l->recipient_count == LETTER_RECIPIENTS_MAX)
			return;
		if (smtp_address_parse(l->arena, json_text(json_item(list, i)),
		    &to->address, NULL) != OK)
			continue;
		to->kind = kind;
		l->recipient_count++;
	}
}

static void
read_reply_to(struct letter *l, const struct json *list)
{
	size_t i;

	l->reply_to = arena_array_of(l->arena, struct smtp_address,
	    json_length(list) + 1);
	for (i = 0; i < json_length(list); i++)
		if (smtp_address_parse(l->arena, json_text(json_item(list, i)),
		    &l->reply_to[l->reply_to_count], NULL) == OK)
			l->reply_to_count++;
}

static void
read_head(struct letter *l, struct slice text)
{
	const struct json *head;

	l->recipients = arena_array_of(l->arena, struct letter_recipient,
	    LETTER_RECIPIENTS_MAX);
	if (json_parse(l->arena, text, &head, NULL) != OK)
		return;
	add_recipients(l, json_member(head, "to"), RECIPIENT_TO);
	add_recipients(l, json_member(head, "cc"), RECIPIENT_CC);
	read_reply_to(l, json_member(head, "replyTo"));
	if (json_text(json_member(head, "returnPath")).n > 0)
		l->return_path = arena_slice(l->arena,
		    json_text(json_member(head, "returnPath")));
}

static void
read_extra(struct letter *l, struct slice text)
{
	const struct json *extra, *list;
	struct compose_header *h;
	size_t i;

	if (text.n == 0 || json_parse(l->arena, text, &extra, NULL) != OK)
		return;
	list = json_member(extra, "headers");
	h = arena_array_of(l->arena, struct compose_header,
	    json_length(list) + 1);
	for (i = 0; i < json_length(list); i++) {
		const struct json *j = json_item(list, i);

		h[i].name = arena_slice(l->arena,
		    json_text(json_member(j, "name")));
		h[i].value = arena_slice(l->arena,
		    json_text(json_member(j, "value")));
	}
	l->content.headers = h;
	l->content.header_count = (int)json_length(list);
}

static struct letter *
read_row(const struct db_result *r, int row)
{
	struct letter *l = letter_new(4096);
	struct content *c = &l->content;

	l->id = db_uuid(r, row, 0);
	l->account = (int32_t)db_int(r, row, 1);
	l->accepted_ms = db_time(r, row, 2);
	smtp_address_parse(l->arena, db_text(r, row, 3), &l->from, NULL);
	read_head(l, db_text(r, row, 4));
	c->template_name = optional(l->arena, r, row, 5).p;
	l->config_set = optional(l->arena, r, row, 6).p;
	c->kind = (enum content_kind)db_int(r, row, 7);
	if (!db_is_null(r, row, 8))
		c->template_version = db_uuid(r, row, 8);
	c->data = optional(l->arena, r, row, 9);
	c->data_over = optional(l->arena, r, row, 10);
	c->subject = optional(l->arena, r, row, 11);
	c->text = optional(l->arena, r, row, 12);
	c->html = optional(l->arena, r, row, 13);
	read_extra(l, optional(l->arena, r, row, 14));
	c->raw = optional(l->arena, r, row, 15);
	return l;
}

static int
place_of(const struct id *ids, int n, struct id id)
{
	int i;

	for (i = 0; i < n; i++)
		if (id_compare(&ids[i], &id) == 0)
			return i;
	return -1;
}

static void
args_of(struct db_args *a, int bucket, const struct id *ids, int n)
{
	struct id low = ids[0], high = ids[0];
	int i;

	db_args_init(a);
	db_arg_int2(a, bucket);
	db_array_begin(a, DB_UUID);
	for (i = 0; i < n; i++) {
		db_array_uuid(a, &ids[i]);
		if (id_compare(&ids[i], &low) < 0)
			low = ids[i];
		if (id_compare(&ids[i], &high) > 0)
			high = ids[i];
	}
	db_array_end(a);
	db_arg_uuid(a, &low);
	db_arg_uuid(a, &high);
}

int
letter_store_fetch(struct db *db, int bucket, const struct id *ids, int n,
    struct letter **out, struct err *err)
{
	/* The range of ids lets the planner leave other days out. */
	static const struct db_stmt fetch = { "letter.fetch",
		"SELECT m.id, m.account_id, m.accepted_at, m.sender, m.head,"
		" m.template, m.config_set, c.kind, c.template, c.data,"
		" c.data_over, c.subject, c.body_text, c.body_html, c.extra,"
		" c.raw FROM message m JOIN content c"
		" ON c.bucket = $1 AND c.message = m.id"
		" AND c.message BETWEEN $3 AND $4"
		" WHERE m.bucket = $1 AND m.id = ANY($2)"
		" AND m.id BETWEEN $3 AND $4" };
	struct db_args a;
	struct db_result *r = NULL;
	int i, place, rc;

	memset(out, 0, sizeof(*out) * (size_t)n);
	args_of(&a, bucket, ids, n);
	rc = db_run(db, &fetch, &a, &r, err);
	db_args_release(&a);
	if (rc != OK)
		return rc;
	for (i = 0; i < db_rows(r); i++) {
		place = place_of(ids, n, db_uuid(r, i, 0));
		if (place >= 0 && out[place] == NULL)
			out[place] = read_row(r, i);
	}
	db_result_free(r);
	return OK;
}
