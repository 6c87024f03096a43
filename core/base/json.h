/*
 * json - reading and writing JSON; the only place that knows jansson.
 *
 * Reading: json_parse() checks depth, count, UTF-8 and duplicate keys, then
 * json_bind() fills a struct by a table of fields that holds the checks.
 * Writing: json_put_*() append to a str; json_obj()/json_end() count commas.
 */
#ifndef POSTRIDER_BASE_JSON_H
#define POSTRIDER_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/slice.h"
#include "core/base/str.h"

#define JSON_DEPTH_MAX		64
#define JSON_MEMBERS_MAX	10000
#define JSON_VALUES_MAX		100000

struct json;	/* a value; lives as long as the arena it was parsed into */

enum json_kind { JSON_ABSENT, JSON_NULLED, JSON_BOOL, JSON_NUMBER, JSON_TEXT,
    JSON_LIST, JSON_MAP };

/*
 * Parses exactly one document. ERR_SYNTAX with line and column otherwise.
 * Text that is empty is an empty object.
 */
int json_parse(struct arena *a, struct slice text, const struct json **out,
    struct err *err);

/* The same for a customer's own data: of equal keys the last one wins. */
int json_parse_loose(struct arena *a, struct slice text,
    const struct json **out, struct err *err);

/* Every accessor takes NULL as an absent value. */
enum json_kind json_kind(const struct json *j);
/* NULL: no map, no such key. */
const struct json *json_member(const struct json *j, const char *key);
size_t json_length(const struct json *j);		/* of lists and maps */
const struct json *json_item(const struct json *j, size_t i);
struct slice json_text(const struct json *j);		/* empty when no text */
bool json_bool(const struct json *j);
double json_number(const struct json *j);	/* 0 when it is none. */
bool json_is_int(const struct json *j, int64_t *out);

/* Walks a map in document order: start with *at = NULL. */
const struct json *json_next(const struct json *map, void **at,
    struct slice *key);

/* The value as compact text, appended to out. */
void json_dump(const struct json *j, struct str *out);

/* ---- binding ---- */

enum json_bind_kind { BIND_TEXT, BIND_BOOL, BIND_INT, BIND_TEXTS, BIND_VALUE,
    BIND_BLOB };

struct json_texts {
	const char **v;		/* terminated; no NUL inside */
	size_t n;
};

/*
 * One row a member. Absent and null are the same: the target is left alone.
 * BIND_TEXT: const char *; BIND_BOOL: bool; BIND_INT: int64_t; BIND_TEXTS:
 * struct json_texts; BIND_VALUE: const struct json * (a map or list as it
 * is); BIND_BLOB: struct slice, decoded from base64.
 */
struct json_field {
	const char *name;
	enum json_bind_kind kind;
	void *to;
	bool required;
	size_t max;		/* octets of text, items of a list; 0: 10 MB */
};

#define JSON_FIELD_END	{ NULL, BIND_TEXT, NULL, false, 0 }

/*
 * ERR_SYNTAX for a wrong JSON type, in SES's words ("NUMBER_VALUE can not be
 * converted to a String"); ERR_INVALID for NUL in a text, a missing required
 * member or an overlong one. Unknown members are ignored. Texts are copied
 * into a and terminated.
 */
int json_bind(struct arena *a, const struct json *j,
    const struct json_field *fields, struct err *err);

/* ---- writing ---- */

/* "text", escaped; broken UTF-8 becomes U+FFFD. */
void json_put_text(struct str *out, struct slice text);

/*
 * A writer that sets commas: json_open(w, '{'), json_key(w, "a"),
 * json_w_text(w, …), json_close(w, '}').
 */
struct json_writer {
	struct str *out;
	bool comma;		/* a value stands before this place */
};

#define JSON_WRITER(out_)	((struct json_writer){ (out_), false })

void json_open(struct json_writer *w, char bracket);	/* '{' or '[' */
void json_close(struct json_writer *w, char bracket);	/* '}' or ']' */
void json_key(struct json_writer *w, const char *key);
void json_key_slice(struct json_writer *w, struct slice key);
void json_w_text(struct json_writer *w, const char *s);	/* NULL: null */
void json_w_slice(struct json_writer *w, struct slice s);
void json_w_int(struct json_writer *w, int64_t v);
/* In its shortest form. */
void json_w_double(struct json_writer *w, double v);
void json_w_bool(struct json_writer *w, bool v);
void json_w_null(struct json_writer *w);
void json_w_raw(struct json_writer *w, struct slice json);	/* JSON already */

/* key and value in one call. */
void json_kv_text(struct json_writer *w, const char *key, const char *s);
void json_kv_slice(struct json_writer *w, const char *key, struct slice s);
void json_kv_int(struct json_writer *w, const char *key, int64_t v);
void json_kv_bool(struct json_writer *w, const char *key, bool v);

#endif
