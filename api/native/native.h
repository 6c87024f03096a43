/*
 * native - the JSON API for dashboards and the sandbox, and what operators'
 * tools ask for: health, metrics, the description. CONTRACT.md "HTTP".
 */
#ifndef POSTRIDER_API_NATIVE_NATIVE_H
#define POSTRIDER_API_NATIVE_NATIVE_H

#include "api/request.h"

#define NATIVE_HANDLER(name_) \
	enum handled name_(struct request *rq, struct db *db)

/* On a worker, with a connection. */
NATIVE_HANDLER(native_messages_list);
NATIVE_HANDLER(native_message_get);
NATIVE_HANDLER(native_events_list);
NATIVE_HANDLER(native_sandbox_list);
NATIVE_HANDLER(native_sandbox_get);
NATIVE_HANDLER(native_sandbox_raw);
NATIVE_HANDLER(native_sandbox_delete_all);
NATIVE_HANDLER(native_sandbox_delete);

/* Public, on the HTTP loop: they must not block, db is NULL. */
NATIVE_HANDLER(native_healthz);
NATIVE_HANDLER(native_readyz);
NATIVE_HANDLER(native_metrics);
NATIVE_HANDLER(native_openapi);

#endif
