#include "api/route.h"
#include "api/ses1/ses1.h"
#include "core/base/mem.h"

#define SEND_MAX	(16 * 1024 * 1024)	/* 10 MB of mail in base64 */
#define BODY_MAX	(1024 * 1024)

#define RUN_SEND	RUN_LOOP, SEND_MAX
#define RUN_WORK	RUN_WORKER, BODY_MAX
#define ROW(name_, scope_, kind_, handler_) \
	{ "POST", "/", name_, FACE_SES1, SCOPE_##scope_, RUN_##kind_, handler_ }

static const struct route actions[] = {
	/* Sending */
	ROW("SendEmail", SEND, SEND, ses1_send_email),
	ROW("SendRawEmail", SEND, SEND, NULL),
	ROW("SendTemplatedEmail", SEND, SEND, ses1_send_templated_email),
	ROW("SendBulkTemplatedEmail", SEND, SEND, NULL),
	ROW("SendCustomVerificationEmail", SEND, WORK, NULL),
	ROW("SendBounce", SEND, WORK, NULL),

	/* Account and quota */
	ROW("GetSendQuota", READ, WORK, NULL),
	ROW("GetSendStatistics", READ, WORK, NULL),
	ROW("GetAccountSendingEnabled", READ, WORK, NULL),
	ROW("UpdateAccountSendingEnabled", MANAGE, WORK, NULL),

	/* Identities, DKIM, MAIL FROM */
	ROW("VerifyEmailIdentity", MANAGE, WORK, NULL),
	ROW("VerifyDomainIdentity", MANAGE, WORK, NULL),
	ROW("VerifyDomainDkim", MANAGE, WORK, NULL),
	ROW("ListIdentities", READ, WORK, NULL),
	ROW("GetIdentityVerificationAttributes", READ, WORK, NULL),
	ROW("DeleteIdentity", MANAGE, WORK, NULL),
	ROW("GetIdentityDkimAttributes", READ, WORK, NULL),
	ROW("SetIdentityDkimEnabled", MANAGE, WORK, NULL),
	ROW("SetIdentityMailFromDomain", MANAGE, WORK, NULL),
	ROW("GetIdentityMailFromDomainAttributes", READ, WORK, NULL),
	ROW("VerifyEmailAddress", MANAGE, WORK, NULL),
	ROW("ListVerifiedEmailAddresses", READ, WORK, NULL),
	ROW("DeleteVerifiedEmailAddress", MANAGE, WORK, NULL),

	/* Identity notifications */
	ROW("SetIdentityNotificationTopic", MANAGE, WORK, NULL),
	ROW("GetIdentityNotificationAttributes", READ, WORK, NULL),
	ROW("SetIdentityFeedbackForwardingEnabled", MANAGE, WORK, NULL),
	ROW("SetIdentityHeadersInNotificationsEnabled", MANAGE, WORK, NULL),

	/* Identity policies */
	ROW("PutIdentityPolicy", MANAGE, WORK, NULL),
	ROW("GetIdentityPolicies", READ, WORK, NULL),
	ROW("ListIdentityPolicies", READ, WORK, NULL),
	ROW("DeleteIdentityPolicy", MANAGE, WORK, NULL),

	/* Templates */
	ROW("CreateTemplate", MANAGE, WORK, NULL),
	ROW("GetTemplate", READ, WORK, NULL),
	ROW("ListTemplates", READ, WORK, NULL),
	ROW("UpdateTemplate", MANAGE, WORK, NULL),
	ROW("DeleteTemplate", MANAGE, WORK, NULL),
	ROW("TestRenderTemplate", READ, WORK, NULL),

	/* Configuration sets */
	ROW("CreateConfigurationSet", MANAGE, WORK, NULL),
	ROW("DescribeConfigurationSet", READ, WORK, NULL),
	ROW("ListConfigurationSets", READ, WORK, NULL),
	ROW("DeleteConfigurationSet", MANAGE, WORK, NULL),
	ROW("CreateConfigurationSetEventDestination", MANAGE, WORK, NULL),
	ROW("UpdateConfigurationSetEventDestination", MANAGE, WORK, NULL),
	ROW("DeleteConfigurationSetEventDestination", MANAGE, WORK, NULL),
	ROW("PutConfigurationSetDeliveryOptions", MANAGE, WORK, NULL),
	ROW("CreateConfigurationSetTrackingOptions", MANAGE, WORK, NULL),
	ROW("UpdateConfigurationSetTrackingOptions", MANAGE, WORK, NULL),
	ROW("DeleteConfigurationSetTrackingOptions", MANAGE, WORK, NULL),
	ROW("UpdateConfigurationSetReputationMetricsEnabled",
	    MANAGE, WORK, NULL),
	ROW("UpdateConfigurationSetSendingEnabled", MANAGE, WORK, NULL),

	/* Custom verification templates */
	ROW("CreateCustomVerificationEmailTemplate", MANAGE, WORK, NULL),
	ROW("GetCustomVerificationEmailTemplate", READ, WORK, NULL),
	ROW("ListCustomVerificationEmailTemplates", READ, WORK, NULL),
	ROW("UpdateCustomVerificationEmailTemplate", MANAGE, WORK, NULL),
	ROW("DeleteCustomVerificationEmailTemplate", MANAGE, WORK, NULL),

	/* Receiving mail (receipt rules, filters) */
	ROW("CreateReceiptRuleSet", MANAGE, WORK, NULL),
	ROW("CloneReceiptRuleSet", MANAGE, WORK, NULL),
	ROW("DescribeReceiptRuleSet", READ, WORK, NULL),
	ROW("DescribeActiveReceiptRuleSet", READ, WORK, NULL),
	ROW("SetActiveReceiptRuleSet", MANAGE, WORK, NULL),
	ROW("ListReceiptRuleSets", READ, WORK, NULL),
	ROW("ReorderReceiptRuleSet", MANAGE, WORK, NULL),
	ROW("DeleteReceiptRuleSet", MANAGE, WORK, NULL),
	ROW("CreateReceiptRule", MANAGE, WORK, NULL),
	ROW("DescribeReceiptRule", READ, WORK, NULL),
	ROW("UpdateReceiptRule", MANAGE, WORK, NULL),
	ROW("SetReceiptRulePosition", MANAGE, WORK, NULL),
	ROW("DeleteReceiptRule", MANAGE, WORK, NULL),
	ROW("CreateReceiptFilter", MANAGE, WORK, NULL),
	ROW("ListReceiptFilters", READ, WORK, NULL),
	ROW("DeleteReceiptFilter", MANAGE, WORK, NULL),};

static const char *const without_result[] = {
	"UpdateAccountSendingEnabled",
	"VerifyEmailAddress",
	"DeleteVerifiedEmailAddress",
	"UpdateConfigurationSetReputationMetricsEnabled",
	"UpdateConfigurationSetSendingEnabled",
	"CreateCustomVerificationEmailTemplate",
	"UpdateCustomVerificationEmailTemplate",
	"DeleteCustomVerificationEmailTemplate",
};

const struct route *
route_find_action(struct slice action)
{
	size_t i;

	for (i = 0; i < COUNT_OF(actions); i++)
		if (slice_is(action, actions[i].operation))
			return &actions[i];
	return NULL;
}

const struct route *
route_actions(size_t *count)
{
	*count = COUNT_OF(actions);
	return actions;
}

bool
ses1_has_result(const char *operation)
{
	size_t i;

	for (i = 0; i < COUNT_OF(without_result); i++)
		if (strcmp(operation, without_result[i]) == 0)
			return false;
	return true;
}

struct xml
ses1_open(struct request *rq)
{
	struct xml x = XML_WRITER(&rq->reply);

	str_clear(&rq->reply);
	xml_reply_open(&x, rq->route->operation,
	    ses1_has_result(rq->route->operation));
	return x;
}

enum handled
ses1_close(struct request *rq, struct xml *x)
{
	xml_reply_close(x, rq->route->operation,
	    ses1_has_result(rq->route->operation), rq->id);
	return request_ok(rq);
}
