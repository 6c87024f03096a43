/*
 * form - application/x-www-form-urlencoded as SES v1 uses it: names with
 * dots and indices become lists and structs (security.md 4.3). Also decodes
 * the query of every other request.
 */
#ifndef POSTRIDER_API_SES1_FORM_H
#define POSTRIDER_API_SES1_FORM_H

#include "api/request.h"
#include "core/base/json.h"

#define FORM_PAIRS_MAX	2000
#define FORM_NAME_MAX	256
#define FORM_INDEX_MAX	1000
#define FORM_LEVELS_MAX	3

struct form_pair {
	struct slice name, value;	/* decoded, terminated, UTF-8, no NUL */
};

struct form {
	const struct form_pair *v;
	int n;
};

/*
 * ERR_SYNTAX: does not decode (v1 MalformedQueryString). ERR_INVALID: no
 * UTF-8, a NUL, a name twice or too long, an index outside 1…1,000.
 */
int form_parse(struct arena *a, struct slice text, struct form *out,
    struct err *err);

/* p == NULL when absent. */
struct slice form_get(const struct form *f, const char *name);

/*
 * Values of list.member.N in the order of N; gaps do not count. "list=" is
 * the empty list.
 */
int form_list(struct arena *a, const struct form *f, const char *list,
    size_t max, struct json_texts *out, struct err *err);

/*
 * For lists of structs: the indices N of list.member.N.…, sorted. Build the
 * prefix of a member with form_prefix().
 */
int form_indices(struct arena *a, const struct form *f, const char *list,
    size_t max, int **out, size_t *n, struct err *err);
const char *form_prefix(struct arena *a, const char *list, int index);

/*
 * Binds prefix + name to the same rows that json_bind() takes; prefix is ""
 * or ends in a dot. BIND_VALUE is not for forms. ERR_MISSING for an absent
 * required member, ERR_INVALID for a wrong value.
 */
int form_bind(struct arena *a, const struct form *f, const char *prefix,
    const struct json_field *fields, struct err *err);

/* Decodes rq->raw_query into rq->query. ERR_INVALID. */
int form_query(struct request *rq, struct err *err);

/*
 * Reads the parameters of a v1 call from body or query into rq->form and
 * sets rq->route to the row of its Action.
 */
int form_action(struct request *rq, struct err *err);

#endif
