/*
 * compose_cat - JSON in, mails out: lets other MIME readers judge compose.
 *
 * Each line of stdin is an object {"from":{"name","spec"}, "to":[…], "cc",
 * "replyTo", "subject", "text", "html", "headers":[{"name","value"}],
 * "attachments":[{"fileName","contentType","contentId","description",
 * "inline","encoding","data"}]}. Each line of stdout is "OK base64" or
 * "ERROR words". With an argument N: composes the first line N times and
 * prints the microseconds of one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/base/encode.h"
#include "core/base/json.h"
#include "core/base/text.h"
#include "core/mail/compose.h"

#define MAIL_MAX	(64 * 1024 * 1024)

static const char *
text_of(struct arena *a, const struct json *j, const char *key)
{
	const struct json *m = json_member(j, key);

	return json_kind(m) == JSON_TEXT ? arena_slice(a, json_text(m)) : NULL;
}

static struct slice
slice_member(const struct json *j, const char *key)
{
	const struct json *m = json_member(j, key);

	return json_kind(m) == JSON_TEXT ? json_text(m) : SLICE_NONE;
}

static struct compose_mailbox
mailbox(struct arena *a, const struct json *j)
{
	return (struct compose_mailbox){ text_of(a, j, "name"),
	    text_of(a, j, "spec") };
}

static struct compose_mailboxes
mailboxes(struct arena *a, const struct json *list)
{
	size_t i, n = json_length(list);
	struct compose_mailbox *v = arena_array_of(a, struct compose_mailbox,
	    n + 1);

	for (i = 0; i < n; i++)
		v[i] = mailbox(a, json_item(list, i));
	return (struct compose_mailboxes){ v, n };
}

static void
take_headers(struct arena *a, const struct json *list, struct compose_in *in)
{
	size_t i, n = json_length(list);
	struct compose_header *v = arena_array_of(a, struct compose_header,
	    n + 1);

	for (i = 0; i < n; i++)
		v[i] = (struct compose_header){
		    text_of(a, json_item(list, i), "name"),
		    text_of(a, json_item(list, i), "value") };
	in->headers = v;
	in->header_count = n;
}

static void
take_attachment(struct arena *a, const struct json *j,
    struct compose_attachment *to)
{
	struct str data = STR_INIT(MAIL_MAX);
	struct slice encoding = slice_member(j, "encoding");

	to->file_name = text_of(a, j, "fileName");
	to->content_type = text_of(a, j, "contentType");
	to->content_id = text_of(a, j, "contentId");
	to->description = text_of(a, j, "description");
	to->is_inline = json_bool(json_member(j, "inline"));
	to->encoding = slice_is(encoding, "qp") ? COMPOSE_QP :
	    slice_is(encoding, "7bit") ? COMPOSE_7BIT : COMPOSE_BASE64;
	decode_base64(slice_member(j, "data"), &data);
	to->data = (struct slice){ arena_dup(a, data.p, data.n), data.n };
	str_release(&data);
}

static void
take_attachments(struct arena *a, const struct json *list,
    struct compose_in *in)
{
	size_t i, n = json_length(list);
	struct compose_attachment *v = arena_array_of(a,
	    struct compose_attachment, n + 1);

	for (i = 0; i < n; i++)
		take_attachment(a, json_item(list, i), &v[i]);
	in->attachments = v;
	in->attachment_count = n;
}

static void
bind(struct arena *a, const struct json *j, struct compose_in *in)
{
	in->date_ms = 1767323045000;
	in->message_id = "0100019b-test@mail.example";
	in->from = mailbox(a, json_member(j, "from"));
	in->to = mailboxes(a, json_member(j, "to"));
	in->cc = mailboxes(a, json_member(j, "cc"));
	in->reply_to = mailboxes(a, json_member(j, "replyTo"));
	in->subject = slice_member(j, "subject");
	in->text = slice_member(j, "text");
	in->html = slice_member(j, "html");
	take_headers(a, json_member(j, "headers"), in);
	take_attachments(a, json_member(j, "attachments"), in);
}

static void
measure(const struct compose_in *in, struct str *out, int64_t times)
{
	int64_t i, from = clock_steady_us();

	for (i = 0; i < times; i++) {
		str_clear(out);
		compose_write(in, out, NULL);
	}
	printf("compose %.2f us, %zu octets\n",
	    (double)(clock_steady_us() - from) / (double)times, out->n);
}

static void
one(const char *line, size_t n, int64_t times)
{
	struct arena *a = arena_new(n);
	struct str out = STR_INIT(MAIL_MAX), text = STR_INIT(2 * MAIL_MAX);
	struct compose_in in = { 0 };
	const struct json *j;
	struct err err = { 0 };
	int rc = json_parse(a, slice_make(line, n), &j, &err);

	if (rc == OK) {
		bind(a, j, &in);
		rc = compose_write(&in, &out, &err);
	}
	if (rc == OK && times > 0) {
		measure(&in, &out, times);
	} else if (rc == OK) {
		encode_base64(out.p, out.n, &text);
		printf("OK %s\n", str_text(&text));
	} else {
		printf("ERROR %d %s\n", rc, err.message);
	}
	str_release(&out);
	str_release(&text);
	arena_free(a);
}

int
main(int argc, char **argv)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int64_t times = 0;

	if (argc > 1 && !text_to_int(slice_of(argv[1]), 1, 100000000, &times))
		return 2;
	while ((n = getline(&line, &cap, stdin)) > 0)
		one(line, (size_t)n, times);
	free(line);
	return 0;
}
