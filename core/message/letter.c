#include "core/message/letter.h"

#include "core/base/json.h"

struct letter *
letter_new(size_t hint)
{
	struct arena *a = arena_new(hint);
	struct letter *l = arena_new_of(a, struct letter);

	atomic_init(&l->holds, 1);
	l->arena = a;
	return l;
}

struct letter *
letter_hold(struct letter *l)
{
	atomic_fetch_add_explicit(&l->holds, 1, memory_order_relaxed);
	return l;
}

void
letter_drop(struct letter *l)
{
	if (l == NULL)
		return;
	if (atomic_fetch_sub_explicit(&l->holds, 1, memory_order_acq_rel) == 1)
		arena_free(l->arena);
}

const char *
letter_source_name(enum letter_source s)
{
	static const char *const names[] = { "", "v1", "v2", "smtp" };

	return names[s];
}

static void
put_recipients(struct json_writer *w, const char *key, const struct letter *l,
    enum recipient_kind kind)
{
	int i, n = 0;

	for (i = 0; i < l->recipient_count; i++) {
		if (l->recipients[i].kind != kind)
			continue;
		if (n++ == 0) {
			json_key(w, key);
			json_open(w, '[');
		}
		json_w_text(w, l->recipients[i].address.given);
	}
	if (n > 0)
		json_close(w, ']');
}

void
letter_head(const struct letter *l, struct str *out)
{
	struct json_writer w = JSON_WRITER(out);
	int i;

	json_open(&w, '{');
	put_recipients(&w, "to", l, RECIPIENT_TO);
	put_recipients(&w, "cc", l, RECIPIENT_CC);
	if (l->reply_to_count > 0) {
		json_key(&w, "replyTo");
		json_open(&w, '[');
		for (i = 0; i < l->reply_to_count; i++)
			json_w_text(&w, l->reply_to[i].given);
		json_close(&w, ']');
	}
	if (l->return_path != NULL)
		json_kv_text(&w, "returnPath", l->return_path);
	json_close(&w, '}');
}

void
letter_extra(const struct letter *l, struct str *out)
{
	struct json_writer w = JSON_WRITER(out);
	int i;

	if (l->content.header_count == 0)
		return;
	json_open(&w, '{');
	json_key(&w, "headers");
	json_open(&w, '[');
	for (i = 0; i < l->content.header_count; i++) {
		json_open(&w, '{');
		json_kv_text(&w, "name", l->content.headers[i].name);
		json_kv_text(&w, "value", l->content.headers[i].value);
		json_close(&w, '}');
	}
	json_close(&w, ']');
	json_close(&w, '}');
}
