#include "api/service.h"
#include "api/ses2/ses2.h"

static void
put_quota(struct json_writer *w, struct service *svc, const struct account *a)
{
	struct quota_state q;

	quota_state(svc->quota, a, &q);
	json_key(w, "SendQuota");
	json_open(w, '{');
	json_key(w, "Max24HourSend");
	json_w_double(w, q.max_24_hours);
	json_key(w, "MaxSendRate");
	json_w_double(w, q.max_rate);
	json_key(w, "SentLast24Hours");
	json_w_double(w, q.sent_24_hours);
	json_close(w, '}');
}

enum handled
ses2_get_account(struct request *rq, struct db *db)
{
	const struct snapshot *s = registry_hold(rq->service->registry);
	const struct account *a = service_account(rq, s);
	struct json_writer w = JSON_WRITER(&rq->reply);

	if (a == NULL) {
		registry_drop(s);
		return HANDLED;
	}
	json_open(&w, '{');
	json_kv_bool(&w, "DedicatedIpAutoWarmupEnabled", false);
	json_kv_text(&w, "EnforcementStatus", a->suspended ? "SHUTDOWN" :
	    "HEALTHY");
	json_kv_bool(&w, "ProductionAccessEnabled", true);
	put_quota(&w, rq->service, a);
	json_kv_bool(&w, "SendingEnabled", a->sending_enabled);
	json_key(&w, "SuppressionAttributes");
	json_open(&w, '{');
	json_key(&w, "SuppressedReasons");
	json_open(&w, '[');
	json_w_text(&w, "BOUNCE");
	json_w_text(&w, "COMPLAINT");
	json_close(&w, ']');
	json_close(&w, '}');
	json_close(&w, '}');
	registry_drop(s);
	return request_ok(rq);
}
