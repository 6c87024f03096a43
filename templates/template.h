/*
 * template - the template language: compile once to a flat program, render
 * many times from any thread. Knows no account, database, clock or mail.
 *
 * A template has three parts (subject, text, html) over the same data. The
 * dialect is chosen when it is compiled; the program carries it.
 */
#ifndef POSTRIDER_TEMPLATES_TEMPLATE_H
#define POSTRIDER_TEMPLATES_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/slice.h"
#include "core/base/str.h"

struct template;
struct template_data;

enum template_dialect { TEMPLATE_SES, TEMPLATE_HANDLEBARS, TEMPLATE_MUSTACHE };

enum template_part { TEMPLATE_SUBJECT, TEMPLATE_TEXT, TEMPLATE_HTML,
    TEMPLATE_PARTS };

/* Bits that the Handlebars suite asks for; 0 for everybody else. */
enum template_option {
	TEMPLATE_INLINE = 1,		/* substitutions only, no blocks */
	TEMPLATE_COMPAT = 2,
	TEMPLATE_STRICT = 4,
	TEMPLATE_ASSUME_OBJECTS = 8,
	TEMPLATE_NO_ESCAPE = 16,
	TEMPLATE_PREVENT_INDENT = 32,
	TEMPLATE_IGNORE_STANDALONE = 64,
	TEMPLATE_EXPLICIT_PARTIAL_CONTEXT = 128,
	TEMPLATE_NO_DATA = 256,		/* data=false: no @ variables */
	TEMPLATE_ESCAPE_HTML = 512,	/* escape in the html part although ses */
};

struct template_source {
	struct slice part[TEMPLATE_PARTS];	/* p == NULL: no such part */
	const struct template_partial {
		struct slice name, text;
	} *partials;				/* from outside; may be NULL */
	size_t partial_count;
};

enum template_fault {
	TEMPLATE_OK,
	TEMPLATE_BAD_SYNTAX,	/* compile: refused, with line and column */
	TEMPLATE_UNSUPPORTED,	/* compile: blocks in an inline template */
	TEMPLATE_BAD_JSON,	/* data is no JSON */
	TEMPLATE_NOT_OBJECT,	/* data is JSON, but no object (ses) */
	TEMPLATE_MISSING,	/* render: an attribute is absent */
	TEMPLATE_LIMIT,		/* steps, depth, size or time used up */
	TEMPLATE_FAILED,	/* render: wrong arguments and the like */
};

struct template_error {
	enum template_fault fault;
	enum template_part part;
	int line, column;	/* from 1, in octets; 0 when unknown */
	char message[512];	/* names at most, never data; clean */
};

/* 0 in a field: its default, templates.md 5. */
struct template_limits {
	int64_t fuel;		/* 1 an instruction and 1 per 64 octets written */
	size_t output_max;	/* octets of the three parts together */
	int depth;		/* of partials */
	int64_t time_ms;
};

/* Three growing buffers, reused by their owner. */
struct template_output {
	struct str part[TEMPLATE_PARTS];
};

#define TEMPLATE_SOURCE_MAX	(1024 * 1024)
#define TEMPLATE_DATA_MAX	262144
#define TEMPLATE_OUTPUT_MAX	(10 * 1024 * 1024)

/* TEMPLATE_OK and a program in *out, to be given to template_free(). */
enum template_fault template_compile(const struct template_source *src,
    enum template_dialect dialect, unsigned options, struct template **out,
    struct template_error *err);
void template_free(struct template *t);	/* NULL is fine. */

/* Was this part given at compile time? */
bool template_has_part(const struct template *t, enum template_part part);

/* Octets the program takes, for caches. */
size_t template_size(const struct template *t);

/*
 * Reads data for this template: keys that no template step names get no
 * number. Texts are views into json, which must outlive the data; the rest
 * lies in a. The last of equal keys wins.
 * The second document, if any (n > 0), is merged over the first: maps merge
 * at every level, everything else replaces (SES bulk sends).
 */
enum template_fault template_data_parse(const struct template *t, struct arena *a,
    struct slice json, struct slice over, struct template_data **out,
    struct template_error *err);

/* The @ variables of a caller, as a JSON object. */
enum template_fault template_data_vars(const struct template *t, struct arena *a,
    struct slice json, struct template_data *data, struct template_error *err);

/* Empty; must come first. */
void template_output_init(struct template_output *out);
/* Empty again, the memory is kept. */
void template_output_clear(struct template_output *out);
/* Frees the memory. */
void template_output_release(struct template_output *out);

/*
 * Renders every part that the template has; out is cleared first. limits
 * may be NULL. Not thread safe in data and out, thread safe in t.
 */
enum template_fault template_render(const struct template *t,
    const struct template_data *data, const struct template_limits *limits,
    struct template_output *out, struct template_error *err);

#endif
