#include "api/route.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>

#include "api/native/native.h"
#include "api/ses2/ses2.h"
#include "core/base/mem.h"
#include "core/base/text.h"

#define V2	"/v2/email/"
#define V1	"/v1/email/"

/* bad-input.md A9 */
#define SEND_MAX	(60 * 1024 * 1024)
#define FORM_MAX	(16 * 1024 * 1024)
#define BODY_MAX	(1024 * 1024)

#define RUN_SEND	RUN_LOOP, SEND_MAX
#define RUN_WORK	RUN_WORKER, BODY_MAX
#define SES2(scope_, kind_, handler_) \
	FACE_SES2, SCOPE_##scope_, RUN_##kind_, handler_
#define NATIVE(scope_, handler_) \
	FACE_NATIVE, SCOPE_##scope_, RUN_WORKER, BODY_MAX, handler_
#define PUBLIC(face_, handler_) \
	face_, 0, RUN_LOOP, BODY_MAX, handler_

/*
 * All 116 operations of SES v2 with the paths of older SDKs behind them; the
 * native API; what is public. The two rows of "/" stand for every action of
 * v1, which the form names (ses1/actions.c).
 */
static const struct route routes[] = {
	{ "POST", "/", NULL, FACE_SES1, SCOPE_ALL, RUN_LOOP, FORM_MAX, NULL },
	{ "GET", "/", NULL, FACE_SES1, SCOPE_ALL, RUN_LOOP, BODY_MAX, NULL },

	/* Sending */
	{ "POST", V2 "outbound-emails",
	    "SendEmail", SES2(SEND, SEND, ses2_send_email) },
	{ "POST", V2 "outbound-bulk-emails",
	    "SendBulkEmail", SES2(SEND, SEND, ses2_send_bulk_email) },
	{ "POST", V2 "outbound-custom-verification-emails",
	    "SendCustomVerificationEmail", SES2(SEND, WORK, NULL) },

	/* Email templates */
	{ "POST", V2 "templates",
	    "CreateEmailTemplate",
	    SES2(MANAGE, WORK, ses2_create_email_template) },
	{ "GET", V2 "templates/{TemplateName}",
	    "GetEmailTemplate", SES2(READ, WORK, ses2_get_email_template) },
	{ "GET", V2 "templates",
	    "ListEmailTemplates",
	    SES2(READ, WORK, ses2_list_email_templates) },
	{ "PUT", V2 "templates/{TemplateName}",
	    "UpdateEmailTemplate",
	    SES2(MANAGE, WORK, ses2_update_email_template) },
	{ "DELETE", V2 "templates/{TemplateName}",
	    "DeleteEmailTemplate",
	    SES2(MANAGE, WORK, ses2_delete_email_template) },
	{ "POST", V2 "templates/{TemplateName}/render",
	    "TestRenderEmailTemplate",
	    SES2(READ, WORK, ses2_test_render_email_template) },

	/* Custom verification templates */
	{ "POST", V2 "custom-verification-email-templates",
	    "CreateCustomVerificationEmailTemplate",
	    SES2(MANAGE, WORK, NULL) },
	{ "GET", V2 "custom-verification-email-templates/{TemplateName}",
	    "GetCustomVerificationEmailTemplate", SES2(READ, WORK, NULL) },
	{ "GET", V2 "custom-verification-email-templates",
	    "ListCustomVerificationEmailTemplates", SES2(READ, WORK, NULL) },
	{ "PUT", V2 "custom-verification-email-templates/{TemplateName}",
	    "UpdateCustomVerificationEmailTemplate",
	    SES2(MANAGE, WORK, NULL) },
	{ "DELETE", V2 "custom-verification-email-templates/{TemplateName}",
	    "DeleteCustomVerificationEmailTemplate",
	    SES2(MANAGE, WORK, NULL) },

	/* Configuration sets */
	{ "POST", V2 "configuration-sets",
	    "CreateConfigurationSet",
	    SES2(MANAGE, WORK, ses2_create_configuration_set) },
	{ "GET", V2 "configuration-sets/{ConfigurationSetName}",
	    "GetConfigurationSet",
	    SES2(READ, WORK, ses2_get_configuration_set) },
	{ "POST", V2 "list-configuration-sets",
	    "ListConfigurationSets",
	    SES2(READ, WORK, ses2_list_configuration_sets) },
	{ "GET", V2 "configuration-sets",
	    "ListConfigurationSets",
	    SES2(READ, WORK, ses2_list_configuration_sets) },
	{ "DELETE", V2 "configuration-sets/{ConfigurationSetName}",
	    "DeleteConfigurationSet",
	    SES2(MANAGE, WORK, ses2_delete_configuration_set) },
	{ "POST", V2 "update-configuration-sets",
	    "UpdateConfigurationSet", SES2(MANAGE, WORK, NULL) },
	{ "PUT", V2 "configuration-sets/{ConfigurationSetName}/"
	    "delivery-options",
	    "PutConfigurationSetDeliveryOptions", SES2(MANAGE, WORK, NULL) },
	{ "PUT", V2 "configuration-sets/{ConfigurationSetName}/"
	    "reputation-options",
	    "PutConfigurationSetReputationOptions", SES2(MANAGE, WORK, NULL) },
	{ "PUT", V2 "configuration-sets/{ConfigurationSetName}/sending",
	    "PutConfigurationSetSendingOptions", SES2(MANAGE, WORK, NULL) },
	{ "PUT", V2 "configuration-sets/{ConfigurationSetName}/"
	    "suppression-options",
	    "PutConfigurationSetSuppressionOptions",
	    SES2(MANAGE, WORK, NULL) },
	{ "PUT", V2 "configuration-sets/{ConfigurationSetName}/"
	    "tracking-options",
	    "PutConfigurationSetTrackingOptions", SES2(MANAGE, WORK, NULL) },
	{ "PUT", V2 "configuration-sets/{ConfigurationSetName}/vdm-options",
	    "PutConfigurationSetVdmOptions", SES2(MANAGE, WORK, NULL) },
	{ "PUT", V2 "configuration-sets/{ConfigurationSetName}/"
	    "archiving-options",
	    "PutConfigurationSetArchivingOptions", SES2(MANAGE, WORK, NULL) },

	/* Event destinations */
	{ "POST", V2 "configuration-sets/{ConfigurationSetName}/"
	    "event-destinations",
	    "CreateConfigurationSetEventDestination",
	    SES2(MANAGE, WORK, NULL) },
	{ "GET", V2 "configuration-sets/{ConfigurationSetName}/"
	    "event-destinations",
	    "GetConfigurationSetEventDestinations", SES2(READ, WORK, NULL) },
	{ "PUT", V2 "configuration-sets/{ConfigurationSetName}/"
	    "event-destinations/{EventDestinationName}",
	    "UpdateConfigurationSetEventDestination",
	    SES2(MANAGE, WORK, NULL) },
	{ "DELETE", V2 "configuration-sets/{ConfigurationSetName}/"
	    "event-destinations/{EventDestinationName}",
	    "DeleteConfigurationSetEventDestination",
	    SES2(MANAGE, WORK, NULL) },

	/* Identities and DKIM */
	{ "POST", V2 "identities",
	    "CreateEmailIdentity",
	    SES2(MANAGE, WORK, ses2_create_email_identity) },
	{ "GET", V2 "identities/{EmailIdentity}",
	    "GetEmailIdentity", SES2(READ, WORK, ses2_get_email_identity) },
	{ "POST", V2 "list-identities",
	    "ListEmailIdentities",
	    SES2(READ, WORK, ses2_list_email_identities) },
	{ "GET", V2 "identities",
	    "ListEmailIdentities",
	    SES2(READ, WORK, ses2_list_email_identities) },
	{ "DELETE", V2 "identities/{EmailIdentity}",
	    "DeleteEmailIdentity",
	    SES2(MANAGE, WORK, ses2_delete_email_identity) },
	{ "PUT", V2 "identities/{EmailIdentity}/dkim",
	    "PutEmailIdentityDkimAttributes", SES2(MANAGE, WORK, NULL) },
	{ "PUT", V2 "identities/{EmailIdentity}/dkim/signing",
	    "PutEmailIdentityDkimSigningAttributes",
	    SES2(MANAGE, WORK, NULL) },
	{ "PUT", V1 "identities/{EmailIdentity}/dkim/signing",
	    "PutEmailIdentityDkimSigningAttributes",
	    SES2(MANAGE, WORK, NULL) },
	{ "PUT", V2 "identities/{EmailIdentity}/mail-from",
	    "PutEmailIdentityMailFromAttributes", SES2(MANAGE, WORK, NULL) },
	{ "PUT", V2 "identities/{EmailIdentity}/feedback",
	    "PutEmailIdentityFeedbackAttributes", SES2(MANAGE, WORK, NULL) },
	{ "PUT", V2 "identities/{EmailIdentity}/configuration-set",
	    "PutEmailIdentityConfigurationSetAttributes",
	    SES2(MANAGE, WORK, NULL) },
	{ "POST", V2 "identities/{EmailIdentity}/policies/{PolicyName}",
	    "CreateEmailIdentityPolicy", SES2(MANAGE, WORK, NULL) },
	{ "GET", V2 "identities/{EmailIdentity}/policies",
	    "GetEmailIdentityPolicies", SES2(READ, WORK, NULL) },
	{ "PUT", V2 "identities/{EmailIdentity}/policies/{PolicyName}",
	    "UpdateEmailIdentityPolicy", SES2(MANAGE, WORK, NULL) },
	{ "DELETE", V2 "identities/{EmailIdentity}/policies/{PolicyName}",
	    "DeleteEmailIdentityPolicy", SES2(MANAGE, WORK, NULL) },
	{ "POST", V2 "identity/certificates",
	    "AssociateEmailIdentityCertificate", SES2(MANAGE, WORK, NULL) },
	{ "POST", V2 "identity/certificates/delete",
	    "DisassociateEmailIdentityCertificate", SES2(MANAGE, WORK, NULL) },
	{ "POST", V2 "identity/certificates/list",
	    "ListEmailIdentityCertificates", SES2(READ, WORK, NULL) },

	/* Suppression list */
	{ "PUT", V2 "suppression/addresses",
	    "PutSuppressedDestination", SES2(MANAGE, WORK, NULL) },
	{ "GET", V2 "suppression/addresses/{EmailAddress}",
	    "GetSuppressedDestination", SES2(READ, WORK, NULL) },
	{ "GET", V2 "suppression/addresses",
	    "ListSuppressedDestinations", SES2(READ, WORK, NULL) },
	{ "DELETE", V2 "suppression/addresses/{EmailAddress}",
	    "DeleteSuppressedDestination", SES2(MANAGE, WORK, NULL) },

	/* Contact lists */
	{ "POST", V2 "contact-lists",
	    "CreateContactList", SES2(MANAGE, WORK, NULL) },
	{ "GET", V2 "contact-lists/{ContactListName}",
	    "GetContactList", SES2(READ, WORK, NULL) },
	{ "GET", V2 "contact-lists",
	    "ListContactLists", SES2(READ, WORK, NULL) },
	{ "PUT", V2 "contact-lists/{ContactListName}",
	    "UpdateContactList", SES2(MANAGE, WORK, NULL) },
	{ "DELETE", V2 "contact-lists/{ContactListName}",
	    "DeleteContactList", SES2(MANAGE, WORK, NULL) },
	{ "POST", V2 "contact-lists/{ContactListName}/contacts",
	    "CreateContact", SES2(MANAGE, WORK, NULL) },
	{ "GET", V2 "contact-lists/{ContactListName}/contacts/{EmailAddress}",
	    "GetContact", SES2(READ, WORK, NULL) },
	{ "POST", V2 "contact-lists/{ContactListName}/contacts/list",
	    "ListContacts", SES2(READ, WORK, NULL) },
	{ "GET", V2 "contact-lists/{ContactListName}/contacts",
	    "ListContacts", SES2(READ, WORK, NULL) },
	{ "PUT", V2 "contact-lists/{ContactListName}/contacts/{EmailAddress}",
	    "UpdateContact", SES2(MANAGE, WORK, NULL) },
	{ "DELETE", V2 "contact-lists/{ContactListName}/contacts/"
	    "{EmailAddress}",
	    "DeleteContact", SES2(MANAGE, WORK, NULL) },

	/* Dedicated IPs, pools, warm-up */
	{ "POST", V2 "dedicated-ip-pools",
	    "CreateDedicatedIpPool", SES2(ADMIN, WORK, NULL) },
	{ "GET", V2 "dedicated-ip-pools/{PoolName}",
	    "GetDedicatedIpPool", SES2(READ, WORK, NULL) },
	{ "GET", V2 "dedicated-ip-pools",
	    "ListDedicatedIpPools", SES2(READ, WORK, NULL) },
	{ "DELETE", V2 "dedicated-ip-pools/{PoolName}",
	    "DeleteDedicatedIpPool", SES2(ADMIN, WORK, NULL) },
	{ "GET", V2 "dedicated-ips/{Ip}",
	    "GetDedicatedIp", SES2(READ, WORK, NULL) },
	{ "GET", V2 "dedicated-ips",
	    "GetDedicatedIps", SES2(READ, WORK, NULL) },
	{ "PUT", V2 "dedicated-ips/{Ip}/pool",
	    "PutDedicatedIpInPool", SES2(ADMIN, WORK, NULL) },
	{ "PUT", V2 "dedicated-ips/{Ip}/warmup",
	    "PutDedicatedIpWarmupAttributes", SES2(ADMIN, WORK, NULL) },
	{ "PUT", V2 "account/dedicated-ips/warmup",
	    "PutAccountDedicatedIpWarmupAttributes", SES2(ADMIN, WORK, NULL) },
	{ "PUT", V2 "dedicated-ip-pools/{PoolName}/scaling",
	    "PutDedicatedIpPoolScalingAttributes", SES2(ADMIN, WORK, NULL) },

	/* Account */
	{ "GET", V2 "account",
	    "GetAccount", SES2(READ, WORK, ses2_get_account) },
	{ "PUT", V2 "account/sending",
	    "PutAccountSendingAttributes", SES2(MANAGE, WORK, NULL) },
	{ "PUT", V2 "account/suppression",
	    "PutAccountSuppressionAttributes", SES2(MANAGE, WORK, NULL) },
	{ "POST", V2 "account/details",
	    "PutAccountDetails", SES2(MANAGE, WORK, NULL) },
	{ "PUT", V2 "account/vdm",
	    "PutAccountVdmAttributes", SES2(MANAGE, WORK, NULL) },
	{ "PUT", V2 "account/pricing-attributes",
	    "PutAccountPricingAttributes", SES2(MANAGE, WORK, NULL) },

	/* Tags */
	{ "POST", V2 "tags",
	    "TagResource", SES2(MANAGE, WORK, NULL) },
	{ "GET", V2 "tags",
	    "ListTagsForResource", SES2(READ, WORK, NULL) },
	{ "DELETE", V2 "tags",
	    "UntagResource", SES2(MANAGE, WORK, NULL) },

	/* Import and export jobs */
	{ "POST", V2 "import-jobs",
	    "CreateImportJob", SES2(MANAGE, WORK, NULL) },
	{ "GET", V2 "import-jobs/{JobId}",
	    "GetImportJob", SES2(READ, WORK, NULL) },
	{ "POST", V2 "import-jobs/list",
	    "ListImportJobs", SES2(READ, WORK, NULL) },
	{ "GET", V2 "import-jobs",
	    "ListImportJobs", SES2(READ, WORK, NULL) },
	{ "POST", V2 "export-jobs",
	    "CreateExportJob", SES2(MANAGE, WORK, NULL) },
	{ "GET", V2 "export-jobs/{JobId}",
	    "GetExportJob", SES2(READ, WORK, NULL) },
	{ "POST", V2 "list-export-jobs",
	    "ListExportJobs", SES2(READ, WORK, NULL) },
	{ "PUT", V2 "export-jobs/{JobId}/cancel",
	    "CancelExportJob", SES2(MANAGE, WORK, NULL) },

	/* Metrics, insights, recommendations (VDM) */
	{ "GET", V2 "insights/{MessageId}",
	    "GetMessageInsights", SES2(READ, WORK, NULL) },
	{ "POST", V2 "metrics/batch",
	    "BatchGetMetricData", SES2(READ, WORK, NULL) },
	{ "POST", V2 "vdm/recommendations",
	    "ListRecommendations", SES2(READ, WORK, NULL) },
	{ "POST", V2 "email-address-insights",
	    "GetEmailAddressInsights", SES2(READ, WORK, NULL) },

	/* Deliverability dashboard */
	{ "GET", V2 "deliverability-dashboard",
	    "GetDeliverabilityDashboardOptions", SES2(READ, WORK, NULL) },
	{ "PUT", V2 "deliverability-dashboard",
	    "PutDeliverabilityDashboardOption", SES2(MANAGE, WORK, NULL) },
	{ "POST", V2 "deliverability-dashboard/test",
	    "CreateDeliverabilityTestReport", SES2(MANAGE, WORK, NULL) },
	{ "GET", V2 "deliverability-dashboard/test-reports/{ReportId}",
	    "GetDeliverabilityTestReport", SES2(READ, WORK, NULL) },
	{ "GET", V2 "deliverability-dashboard/test-reports",
	    "ListDeliverabilityTestReports", SES2(READ, WORK, NULL) },
	{ "GET", V2 "deliverability-dashboard/statistics-report/{Domain}",
	    "GetDomainStatisticsReport", SES2(READ, WORK, NULL) },
	{ "GET", V2 "deliverability-dashboard/campaigns/{CampaignId}",
	    "GetDomainDeliverabilityCampaign", SES2(READ, WORK, NULL) },
	{ "GET", V2 "deliverability-dashboard/domains/{SubscribedDomain}/"
	    "campaigns",
	    "ListDomainDeliverabilityCampaigns", SES2(READ, WORK, NULL) },
	{ "GET", V2 "deliverability-dashboard/blacklist-report",
	    "GetBlacklistReports", SES2(READ, WORK, NULL) },

	/* Tenants */
	{ "POST", V2 "tenants",
	    "CreateTenant", SES2(MANAGE, WORK, NULL) },
	{ "POST", V2 "tenants/get",
	    "GetTenant", SES2(READ, WORK, NULL) },
	{ "POST", V2 "tenants/list",
	    "ListTenants", SES2(READ, WORK, NULL) },
	{ "POST", V2 "tenants/delete",
	    "DeleteTenant", SES2(MANAGE, WORK, NULL) },
	{ "POST", V2 "tenants/resources",
	    "CreateTenantResourceAssociation", SES2(MANAGE, WORK, NULL) },
	{ "POST", V2 "tenants/resources/delete",
	    "DeleteTenantResourceAssociation", SES2(MANAGE, WORK, NULL) },
	{ "POST", V2 "tenants/resources/list",
	    "ListTenantResources", SES2(READ, WORK, NULL) },
	{ "POST", V2 "resources/tenants/list",
	    "ListResourceTenants", SES2(READ, WORK, NULL) },
	{ "POST", V2 "tenant/suppression",
	    "PutTenantSuppressionAttributes", SES2(MANAGE, WORK, NULL) },

	/* Reputation */
	{ "GET", V2 "reputation/entities/{ReputationEntityType}/"
	    "{ReputationEntityReference}",
	    "GetReputationEntity", SES2(READ, WORK, NULL) },
	{ "POST", V2 "reputation/entities",
	    "ListReputationEntities", SES2(READ, WORK, NULL) },
	{ "PUT", V2 "reputation/entities/{ReputationEntityType}/"
	    "{ReputationEntityReference}/customer-managed-status",
	    "UpdateReputationEntityCustomerManagedStatus",
	    SES2(MANAGE, WORK, NULL) },
	{ "PUT", V2 "reputation/entities/{ReputationEntityType}/"
	    "{ReputationEntityReference}/policy",
	    "UpdateReputationEntityPolicy", SES2(MANAGE, WORK, NULL) },

	/* Multi-region endpoints */
	{ "POST", V2 "multi-region-endpoints",
	    "CreateMultiRegionEndpoint", SES2(MANAGE, WORK, NULL) },
	{ "GET", V2 "multi-region-endpoints/{EndpointName}",
	    "GetMultiRegionEndpoint", SES2(READ, WORK, NULL) },
	{ "GET", V2 "multi-region-endpoints",
	    "ListMultiRegionEndpoints", SES2(READ, WORK, NULL) },
	{ "DELETE", V2 "multi-region-endpoints/{EndpointName}",
	    "DeleteMultiRegionEndpoint", SES2(MANAGE, WORK, NULL) },
	/* Native */
	{ "GET", "/api/messages", "ListMessages",
	    NATIVE(READ, native_messages_list) },
	{ "GET", "/api/messages/{id}", "GetMessage",
	    NATIVE(READ, native_message_get) },
	{ "GET", "/api/events", "ListEvents",
	    NATIVE(READ, native_events_list) },
	{ "GET", "/api/metrics", "GetMetrics", NATIVE(READ, NULL) },
	{ "GET", "/api/identities/{name}/dns", "GetIdentityDns",
	    NATIVE(READ, NULL) },
	{ "POST", "/api/identities/{name}/verify", "VerifyIdentity",
	    NATIVE(ADMIN, NULL) },
	{ "GET", "/api/sandbox/messages", "ListSandboxMessages",
	    NATIVE(CONTENT, native_sandbox_list) },
	{ "DELETE", "/api/sandbox/messages", "DeleteSandboxMessages",
	    NATIVE(MANAGE, native_sandbox_delete_all) },
	{ "GET", "/api/sandbox/messages/{id}", "GetSandboxMessage",
	    NATIVE(CONTENT, native_sandbox_get) },
	{ "DELETE", "/api/sandbox/messages/{id}", "DeleteSandboxMessage",
	    NATIVE(MANAGE, native_sandbox_delete) },
	{ "GET", "/api/sandbox/messages/{id}/raw", "GetSandboxMessageRaw",
	    NATIVE(CONTENT, native_sandbox_raw) },

	/* Public */
	{ "GET", "/healthz", "Healthz", PUBLIC(FACE_NATIVE, native_healthz) },
	{ "GET", "/readyz", "Readyz", PUBLIC(FACE_NATIVE, native_readyz) },
	{ "GET", "/metrics", "Metrics", PUBLIC(FACE_PLAIN, native_metrics) },
	{ "GET", "/openapi.yaml", "OpenApi",
	    PUBLIC(FACE_PLAIN, native_openapi) },
};

const struct route *
route_table(size_t *count)
{
	*count = COUNT_OF(routes);
	return routes;
}

/* ---- the trie ---- */

#define NODES_MAX	512
#define SEGMENTS_MAX	16
#define ROUTES_MAX	256

struct node {
	struct slice text;		/* p == NULL: a label */
	int child, next;		/* 0: none; node 0 is the root */
	int row;			/* first row + 1; 0: none */
};

/*
 * Built once from the table above and never changed again: file scope so
 * that every thread finds it without being handed it.
 */
static struct {
	struct node nodes[NODES_MAX];
	int count;
	int next_row[ROUTES_MAX];	/* rows of the same path */
} trie;
static pthread_once_t trie_once = PTHREAD_ONCE_INIT;

static int
child_of(int parent, struct slice text)
{
	bool label = text.n > 0 && text.p[0] == '{';
	int i, *at = &trie.nodes[parent].child;

	for (; (i = *at) != 0; at = &trie.nodes[i].next)
		if (label ? trie.nodes[i].text.p == NULL :
		    slice_eq(trie.nodes[i].text, text))
			return i;
	assert(trie.count < NODES_MAX);
	i = *at = trie.count++;
	trie.nodes[i].text = label ? SLICE_NONE : text;
	return i;
}

static void
add_route(int row)
{
	struct slice rest = slice_of(routes[row].path + 1), part;
	int node = 0, *at;

	while (rest.n > 0 && text_split(&rest, '/', &part))
		node = child_of(node, part);
	for (at = &trie.nodes[node].row; *at != 0; )
		at = &trie.next_row[*at - 1];
	*at = row + 1;
}

static void
build(void)
{
	size_t i;

	_Static_assert(COUNT_OF(routes) <= ROUTES_MAX, "rows fit");
	trie.count = 1;
	for (i = 0; i < COUNT_OF(routes); i++)
		add_route((int)i);
}

/* ---- looking up ---- */

struct lookup {
	const char *method;
	struct slice parts[SEGMENTS_MAX];
	int count;
	bool is_label[SEGMENTS_MAX];
	const struct route *found;
	const char *methods[8];		/* of rows with this path */
	int method_count;
};

static void
note_method(struct lookup *l, const char *method)
{
	int i;

	for (i = 0; i < l->method_count; i++)
		if (strcmp(l->methods[i], method) == 0)
			return;
	if (l->method_count < (int)COUNT_OF(l->methods))
		l->methods[l->method_count++] = method;
}

static bool
take_row(struct lookup *l, int node)
{
	const char *method = strcmp(l->method, "HEAD") == 0 ? "GET" :
	    l->method;
	int row;

	for (row = trie.nodes[node].row; row != 0; row = trie.next_row[row - 1]) {
		const struct route *r = &routes[row - 1];

		note_method(l, r->method);
		if (strcmp(r->method, method) == 0) {
			l->found = r;
			return true;
		}
	}
	return false;
}

/* Words before labels; a word whose path lacks the method is no dead end. */
static bool
walk(struct lookup *l, int node, int depth)
{
	int i, label = 0;

	if (depth == l->count)
		return take_row(l, node);
	for (i = trie.nodes[node].child; i != 0; i = trie.nodes[i].next) {
		if (trie.nodes[i].text.p == NULL)
			label = i;
		else if (slice_eq(trie.nodes[i].text, l->parts[depth]) &&
		    walk(l, i, depth + 1))
			return true;
	}
	if (label == 0)
		return false;
	l->is_label[depth] = true;
	if (walk(l, label, depth + 1))
		return true;
	l->is_label[depth] = false;
	return false;
}

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	    c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decoded once; "", "." and "..", broken UTF-8 and controls are no labels. */
static bool
decode_label(struct arena *a, struct slice in, struct slice *out)
{
	char *p = arena_alloc(a, in.n + 1);
	size_t i, n = 0;

	for (i = 0; i < in.n; i++) {
		if (in.p[i] != '%') {
			p[n++] = in.p[i];
			continue;
		}
		if (i + 2 >= in.n || hex(in.p[i + 1]) < 0 ||
		    hex(in.p[i + 2]) < 0)
			return false;
		p[n++] = (char)(hex(in.p[i + 1]) << 4 | hex(in.p[i + 2]));
		i += 2;
	}
	p[n] = '\0';
	*out = slice_make(p, n);
	return n > 0 && !slice_is(*out, ".") && !slice_is(*out, "..") &&
	    text_is_utf8(p, n) && !text_has_control(p, n);
}

static bool
split_path(struct request *rq, struct lookup *l)
{
	struct slice rest = rq->raw_path, part, decoded;

	if (rest.n == 0 || rest.p[0] != '/')
		return false;
	rest = slice_skip(rest, 1);
	if (rest.n == 0)
		return true;
	if (rest.p[rest.n - 1] == '/')
		rest.n--;
	while (text_split(&rest, '/', &part)) {
		if (l->count == SEGMENTS_MAX ||
		    !decode_label(rq->arena, part, &decoded))
			return false;
		l->parts[l->count++] = decoded;
	}
	return true;
}

static void
keep_labels(struct request *rq, const struct lookup *l)
{
	int i;

	rq->label_count = 0;
	for (i = 0; i < l->count; i++)
		if (l->is_label[i] && rq->label_count < REQUEST_LABELS_MAX)
			rq->labels[rq->label_count++] = l->parts[i];
}

static const char *
list_methods(struct request *rq, const struct lookup *l)
{
	struct str s = STR_INIT(256);
	const char *text;
	int i;

	for (i = 0; i < l->method_count; i++) {
		str_printf(&s, "%s%s", i > 0 ? ", " : "", l->methods[i]);
		if (strcmp(l->methods[i], "GET") == 0)
			str_puts(&s, ", HEAD");
	}
	text = arena_slice(rq->arena, str_slice(&s));
	str_release(&s);
	return text;
}

const struct route *
route_find(struct request *rq, int *status, const char **allow)
{
	struct lookup l = { .method = rq->method };

	pthread_once(&trie_once, build);
	*allow = NULL;
	*status = 404;
	if (!split_path(rq, &l))
		return NULL;
	if (walk(&l, 0, 0)) {
		keep_labels(rq, &l);
		return l.found;
	}
	if (l.method_count > 0) {
		*status = 405;
		*allow = list_methods(rq, &l);
	}
	return NULL;
}
