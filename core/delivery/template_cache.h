/*
 * template_cache - compiled programs by version, shared by the press
 * workers. Versions never change, so nothing is ever invalidated.
 */
#ifndef POSTRIDER_DELIVERY_TEMPLATE_CACHE_H
#define POSTRIDER_DELIVERY_TEMPLATE_CACHE_H

#include "core/db/db.h"
#include "templates/template.h"

#define TEMPLATE_CACHE_BYTES	(64u << 20)

struct template_cache;

struct template_cache *template_cache_new(void);
void template_cache_free(struct template_cache *c);	/* None may be out. */

/*
 * The program of a version; read and compiled when it is not there. Give it
 * back with template_cache_drop(). ERR_NO_TEMPLATE, ERR_BAD_TEMPLATE,
 * ERR_DB_AWAY.
 */
struct cached_template;
int template_cache_get(struct template_cache *c, struct db *db,
    const struct id *version, struct cached_template **out, struct err *err);
/* What template_cache_get() gave. */
void template_cache_drop(struct template_cache *c, struct cached_template *t);

/* Valid until the drop. */
const struct template *cached_template_program(const struct cached_template *t);

#endif
