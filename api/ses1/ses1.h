/*
 * ses1 - handlers of SES API v1 (Query, XML): the same core calls as ses2
 * with other names. rq->form holds the parameters.
 */
#ifndef POSTRIDER_API_SES1_SES1_H
#define POSTRIDER_API_SES1_SES1_H

#include "api/request.h"
#include "api/ses1/form.h"
#include "api/ses1/xml.h"

#define SES1_HANDLER(name_) \
	enum handled name_(struct request *rq, struct db *db)

/* On the HTTP loop: they must not block, db is NULL. */
SES1_HANDLER(ses1_send_email);
SES1_HANDLER(ses1_send_templated_email);

/* Eight actions answer without a result element. */
bool ses1_has_result(const char *operation);

/*
 * The envelope of rq's answer in rq->reply: members go between the two.
 * ses1_close() makes it a 200.
 */
struct xml ses1_open(struct request *rq);
enum handled ses1_close(struct request *rq, struct xml *x);

#endif
