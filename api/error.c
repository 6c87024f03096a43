#include "api/error.h"

#include <stddef.h>

#include "core/base/err.h"
#include "core/base/mem.h"

#define BAD		"BadRequestException"
#define VALUE		"InvalidParameterValue"

/* The first row is the answer for every code that has none of its own. */
static const struct api_error errors[] = {
	{ ERR_INTERNAL, 500, 500, "InternalFailure", "InternalFailure", NULL },
	{ ERR_INVALID, 400, 400, BAD, VALUE, NULL },
	{ ERR_SYNTAX, 400, 400, "SerializationException",
	    "MalformedQueryString", NULL },
	{ ERR_VALIDATION, 400, 400, BAD, "ValidationError", NULL },
	{ ERR_MISSING, 400, 400, BAD, "MissingParameter", NULL },
	{ ERR_TOO_BIG, 400, 400, BAD, VALUE, NULL },
	{ ERR_DENIED, 403, 403, "AccessDeniedException", "AccessDenied",
	    NULL },
	{ ERR_NOT_FOUND, 404, 400, "NotFoundException", VALUE, NULL },
	{ ERR_NO_TEMPLATE, 404, 400, "NotFoundException",
	    "TemplateDoesNotExist", "TemplateName" },
	{ ERR_NO_CONFIG_SET, 404, 400, "NotFoundException",
	    "ConfigurationSetDoesNotExist", "ConfigurationSetName" },
	{ ERR_EXISTS, 400, 400, "AlreadyExistsException", "AlreadyExists",
	    "Name" },
	{ ERR_CONFIG_SET_EXISTS, 400, 400, "AlreadyExistsException",
	    "ConfigurationSetAlreadyExists", "ConfigurationSetName" },
	{ ERR_LIMIT, 400, 400, "LimitExceededException", "LimitExceeded",
	    NULL },
	{ ERR_CONFLICT, 409, 400, "ConflictException", VALUE, NULL },
	{ ERR_BAD_TEMPLATE, 400, 400, BAD, "InvalidTemplate",
	    "TemplateName" },
	{ ERR_BAD_DATA, 400, 400, BAD, "InvalidRenderingParameter",
	    "TemplateName" },
	{ ERR_MISSING_ATTRIBUTE, 400, 400, BAD, "MissingRenderingAttribute",
	    "TemplateName" },
	{ ERR_REJECTED, 400, 400, "MessageRejected", "MessageRejected", NULL },
	{ ERR_PAUSED, 400, 400, "SendingPausedException",
	    "AccountSendingPausedException", NULL },
	{ ERR_CONFIG_SET_PAUSED, 400, 400, "SendingPausedException",
	    "ConfigurationSetSendingPausedException", "ConfigurationSetName" },
	{ ERR_SUSPENDED, 400, 400, "AccountSuspendedException",
	    "AccountSendingPausedException", NULL },
	{ ERR_MAIL_FROM, 400, 400, "MailFromDomainNotVerifiedException",
	    "MailFromDomainNotVerifiedException", NULL },
	{ ERR_RATE, 429, 400, "TooManyRequestsException", "Throttling", NULL },
	{ ERR_UNSUPPORTED, 400, 400, BAD, "InvalidAction", NULL },

	{ ERR_NO_AUTH, 403, 403, "MissingAuthenticationTokenException",
	    "MissingAuthenticationToken", NULL },
	{ ERR_BAD_AUTH, 403, 403, "IncompleteSignatureException",
	    "IncompleteSignature", NULL },
	{ ERR_UNKNOWN_KEY, 403, 403, "UnrecognizedClientException",
	    "InvalidClientTokenId", NULL },
	{ ERR_SIGNATURE, 403, 403, "InvalidSignatureException",
	    "SignatureDoesNotMatch", NULL },
	{ ERR_EXPIRED, 403, 403, "InvalidSignatureException",
	    "SignatureDoesNotMatch", NULL },

	{ ERR_BUSY, 429, 400, "TooManyRequestsException", "Throttling", NULL },
	{ ERR_UNSURE, 429, 400, "TooManyRequestsException", "Throttling",
	    NULL },
	{ ERR_DB_AWAY, 429, 400, "TooManyRequestsException", "Throttling",
	    NULL },
	{ ERR_TIMEOUT, 429, 400, "TooManyRequestsException", "Throttling",
	    NULL },
	{ ERR_AGAIN, 429, 400, "TooManyRequestsException", "Throttling",
	    NULL },
};

const struct api_error *
api_error_of(int code)
{
	size_t i;

	for (i = 0; i < COUNT_OF(errors); i++)
		if (errors[i].code == code)
			return &errors[i];
	return &errors[0];
}
