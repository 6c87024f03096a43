#include "core/registry/identity.h"

#include <string.h>

#include "core/base/rand.h"
#include "core/base/text.h"
#include "core/smtp/address.h"

const char *
identity_status_name(enum identity_status s)
{
	static const char *const names[] = { "NOT_STARTED", "PENDING",
		"SUCCESS", "FAILED", "TEMPORARY_FAILURE" };

	return names[s];
}

static int
bad_name(struct err *err)
{
	return err_set(err, ERR_INVALID,
	    "The EmailIdentity value must be a valid domain.");
}

int
identity_name(struct arena *a, struct slice given, const char **name,
    enum identity_kind *kind, struct err *err)
{
	struct smtp_address address;

	if (given.n == 0 || given.n > IDENTITY_NAME_MAX)
		return bad_name(err);
	if (memchr(given.p, '@', given.n) == NULL) {
		*kind = IDENTITY_DOMAIN;
		if (smtp_domain_parse(a, given, name, err) != OK)
			return bad_name(err);
		return OK;
	}
	*kind = IDENTITY_ADDRESS;
	if (memchr(given.p, '<', given.n) != NULL ||
	    smtp_address_parse(a, given, &address, NULL) != OK)
		return bad_name(err);
	*name = address.spec;
	return OK;
}

void
identity_make_tokens(struct arena *a, struct identity *id)
{
	int i;

	for (i = 0; i < 3; i++) {
		char *token = arena_alloc(a, 33);

		rand_text(token, 32, "abcdefghijklmnopqrstuvwxyz234567");
		id->dkim_tokens[i] = token;
	}
}
