/*
 * ses2 - handlers of SES API v2, one an operation.
 */
#ifndef POSTRIDER_API_SES2_SES2_H
#define POSTRIDER_API_SES2_SES2_H

#include "api/request.h"
#include "core/base/json.h"
#include "core/registry/registry.h"

#define SES2_HANDLER(name_) \
	enum handled name_(struct request *rq, struct db *db)

/* On the HTTP loop: they must not block, db is NULL. */
SES2_HANDLER(ses2_send_email);
SES2_HANDLER(ses2_send_bulk_email);

/* On a worker, with a connection. */
SES2_HANDLER(ses2_create_configuration_set);
SES2_HANDLER(ses2_create_email_identity);
SES2_HANDLER(ses2_create_email_template);
SES2_HANDLER(ses2_delete_configuration_set);
SES2_HANDLER(ses2_delete_email_identity);
SES2_HANDLER(ses2_delete_email_template);
SES2_HANDLER(ses2_get_account);
SES2_HANDLER(ses2_get_configuration_set);
SES2_HANDLER(ses2_get_email_identity);
SES2_HANDLER(ses2_get_email_template);
SES2_HANDLER(ses2_list_configuration_sets);
SES2_HANDLER(ses2_list_email_identities);
SES2_HANDLER(ses2_list_email_templates);
SES2_HANDLER(ses2_test_render_email_template);
SES2_HANDLER(ses2_update_email_template);

/* ---- shared by the handlers ---- */

struct ses2_paging {
	int def, min, max;
};

/*
 * PageSize and NextToken of a list. From the query, or (token, size) from a
 * body: token p == NULL and size -1 mean absent. *after is the position of
 * the token, "" for the first page.
 */
int ses2_page(struct request *rq, const char *list, const struct ses2_paging *p,
    struct slice token, int64_t size, int *page_size, const char **after,
    struct err *err);

/* 200 {} */
enum handled ses2_empty(struct request *rq);

/* Deletes what the store keeps under name, and tells the other processes. */
enum handled ses2_delete(struct request *rq, struct db *db,
    enum registry_kind kind, const char *name, int (*store_delete)(
    struct db *db, int32_t account, const char *name, struct err *err));

/* Tags as [{Key, Value}], checked; "[]" when there are none. In the arena. */
int ses2_tags(struct request *rq, const struct json *list, const char **out,
    struct err *err);

#endif
