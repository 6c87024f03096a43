/*
 * stored_template - a template under a name; its versions never change.
 */
#ifndef POSTRIDER_REGISTRY_STORED_TEMPLATE_H
#define POSTRIDER_REGISTRY_STORED_TEMPLATE_H

#include <stdint.h>

#include "core/base/arena.h"
#include "core/db/db.h"
#include "templates/template.h"

#define STORED_TEMPLATE_NAME_MAX	64
#define STORED_TEMPLATE_SIZE_MAX	(500 * 1024)	/* text and html, SES */

struct stored_template {
	int32_t account;
	const char *name;
	struct id version;
	const char *subject, *text, *html;	/* NULL: no such part */
	int64_t created_ms;
};

/* Name and size as SES wants them, then the syntax of every part.
   ERR_INVALID, ERR_BAD_TEMPLATE "… line L, column C: words". */
int stored_template_check(const struct stored_template *t, struct err *err);

/* The source of its parts, for template_compile(). */
struct template_source stored_template_source(const struct stored_template *t);

/* The error that every caller uses: "Template X does not exist." */
int stored_template_not_found(const char *name, struct err *err);

/* ERR_EXISTS. Sets t->version. */
int stored_template_store_insert(struct db *db, struct stored_template *t,
    struct err *err);
/* A new version; ERR_NO_TEMPLATE. Sets t->version. */
int stored_template_store_update(struct db *db, struct stored_template *t,
    struct err *err);
int stored_template_store_delete(struct db *db, int32_t account,
    const char *name, struct err *err);
int stored_template_store_get(struct db *db, struct arena *a, int32_t account,
    const char *name, struct stored_template *out, struct err *err);

/* By version, whoever the caller is: for rendering. ERR_NO_TEMPLATE. */
int stored_template_store_version(struct db *db, struct arena *a,
    const struct id *version, struct stored_template *out, struct err *err);

/* Names and times (no parts), in order of names behind `after`. */
int stored_template_store_list(struct db *db, struct arena *a, int32_t account,
    const char *after, int limit, struct stored_template **out, int *count,
    struct err *err);

#endif
