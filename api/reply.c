#include "api/reply.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "api/error.h"
#include "api/route.h"
#include "api/ses1/xml.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/rand.h"

#define RETRY_AFTER_MAX		5	/* seconds; spread by chance */

/* Errors of HTTP itself have names of their own. */
static const struct {
	int status;
	const char *v2, *v1, *reason;
} refusals[] = {
	{ 400, "BadRequestException", "InvalidRequest", "Bad Request" },
	{ 404, "UnknownOperationException", "UnknownOperationException",
	    "Not Found" },
	{ 405, "MethodNotAllowedException", "MethodNotAllowed",
	    "Method Not Allowed" },
	{ 408, "RequestTimeoutException", "RequestTimeout",
	    "Request Timeout" },
	{ 413, "RequestEntityTooLargeException", "RequestEntityTooLarge",
	    "Content Too Large" },
	{ 414, "UriTooLongException", "UriTooLong", "URI Too Long" },
	{ 415, "UnsupportedMediaTypeException", "UnsupportedMediaType",
	    "Unsupported Media Type" },
	{ 417, "ExpectationFailedException", "ExpectationFailed",
	    "Expectation Failed" },
	{ 429, "TooManyRequestsException", "Throttling",
	    "Too Many Requests" },
	{ 431, "RequestHeaderFieldsTooLargeException",
	    "RequestHeaderFieldsTooLarge", "Request Header Fields Too Large" },
	{ 501, "NotImplementedException", "NotImplemented",
	    "Not Implemented" },
	{ 505, "HttpVersionNotSupportedException", "HttpVersionNotSupported",
	    "HTTP Version Not Supported" },
};

struct words {
	const char *type, *v1_code, *v1_member, *message;
};

/* ---- bodies of errors ---- */

/* "BadRequestException" is "BadRequest" in the body. */
static struct slice
code_of(const char *type)
{
	static const char tail[] = "Exception";
	size_t n = strlen(type), m = sizeof(tail) - 1;

	if (n > m && strcmp(type + n - m, tail) == 0)
		n -= m;
	return slice_make(type, n);
}

static void
put_json(struct request *rq, const struct words *w)
{
	struct json_writer j = JSON_WRITER(&rq->reply);

	json_open(&j, '{');
	json_kv_text(&j, "message", w->message);
	json_kv_slice(&j, "code", code_of(w->type));
	if (rq->err.field != NULL)
		json_kv_text(&j, "field", rq->err.field);
	if (rq->err.hint[0] != '\0')
		json_kv_text(&j, "hint", rq->err.hint);
	json_kv_text(&j, "requestId", rq->id);
	json_close(&j, '}');
	request_set_header(rq, "x-amzn-ErrorType", w->type);
}

static void
put_xml(struct request *rq, const struct words *w)
{
	struct xml x = XML_WRITER(&rq->reply);

	xml_open_root(&x, "ErrorResponse");
	xml_open(&x, "Error");
	xml_text(&x, "Type", rq->status >= 500 ? "Receiver" : "Sender");
	xml_text(&x, "Code", w->v1_code);
	xml_text(&x, "Message", w->message);
	if (w->v1_member != NULL && rq->err.subject[0] != '\0')
		xml_text(&x, w->v1_member, rq->err.subject);
	xml_close(&x, "Error");
	xml_text(&x, "RequestId", rq->id);
	xml_close(&x, "ErrorResponse");
}

static enum handled
put_error(struct request *rq, const struct words *w)
{
	str_clear(&rq->reply);
	rq->reply_type = NULL;
	if (rq->err.retry_after > 0)
		request_set_header(rq, "Retry-After",
		    arena_printf(rq->arena, "%d", rq->err.retry_after));
	switch (rq->face) {
	case FACE_SES1:
		put_xml(rq, w);
		break;
	case FACE_PLAIN:
		str_puts(&rq->reply, w->message);
		str_putc(&rq->reply, '\n');
		break;
	default:
		put_json(rq, w);
	}
	return HANDLED;
}

enum handled
reply_refuse(struct request *rq, int status, const char *words)
{
	struct words w = { .message = words };
	size_t i;

	for (i = 0; i + 1 < COUNT_OF(refusals); i++)
		if (refusals[i].status == status)
			break;
	rq->status = status;
	w.type = refusals[i].v2;
	w.v1_code = refusals[i].v1;
	err_set(&rq->err, status == 404 ? ERR_NOT_FOUND : ERR_INVALID, "%s",
	    words);
	return put_error(rq, &w);
}

/* ---- what handlers call ---- */

static bool
is_busy(int code)
{
	return code == ERR_BUSY || code == ERR_UNSURE || code == ERR_DB_AWAY ||
	    code == ERR_TIMEOUT || code == ERR_AGAIN;
}

static void
log_fault(const struct request *rq, enum log_level level)
{
	struct log_subject s = { .area = "http" };

	snprintf(s.text, sizeof(s.text), "request=%s", rq->id);
	log_write(level, &s, "%s failed: %s (%s)",
	    rq->route != NULL && rq->route->operation != NULL ?
	    rq->route->operation : rq->method, rq->err.message,
	    err_name(rq->err.code));
}

enum handled
request_fail(struct request *rq)
{
	const struct api_error *e = api_error_of(rq->err.code);
	struct words w = { e->v2, rq->v1_code != NULL ? rq->v1_code : e->v1,
	    e->v1_member, rq->err.message };

	rq->status = rq->face == FACE_SES1 ? e->status1 : e->status2;
	if (is_busy(rq->err.code)) {
		log_fault(rq, LOG_WARN);
		w.message = "Service is busy, nothing was accepted. Retry.";
		if (rq->err.retry_after == 0)
			rq->err.retry_after = 1 +
			    (int)rand_below(RETRY_AFTER_MAX);
	} else if (rq->status >= 500) {
		log_fault(rq, LOG_ERROR);
		w.message = "An internal error occurred. The log of the "
		    "service has the details under this request id.";
		rq->err.field = NULL;
		rq->err.hint[0] = '\0';
	}
	return put_error(rq, &w);
}

enum handled
request_error(struct request *rq, int code, const char *fmt, ...)
{
	char words[ERR_MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	err_set(&rq->err, code, "%s", words);
	return request_fail(rq);
}

enum handled
request_ok(struct request *rq)
{
	if (str_failed(&rq->reply))
		return request_error(rq, ERR_INTERNAL,
		    "the answer is larger than %d octets", REPLY_MAX);
	rq->status = 200;
	if (rq->reply.n == 0 &&
	    (rq->face == FACE_SES2 || rq->face == FACE_NATIVE))
		str_puts(&rq->reply, "{}");
	return HANDLED;
}

/* ---- on the way out ---- */

static const char *
type_of(const struct request *rq)
{
	if (rq->reply_type != NULL)
		return rq->reply_type;
	switch (rq->face) {
	case FACE_SES1:
		return "text/xml";
	case FACE_PLAIN:
		return "text/plain; charset=utf-8";
	default:
		return "application/json";
	}
}

void
reply_seal(struct request *rq, bool close)
{
	if (rq->status != 204)
		request_set_header(rq, "Content-Type", type_of(rq));
	request_set_header(rq, "x-amzn-RequestId", rq->id);
	request_set_header(rq, "X-Content-Type-Options", "nosniff");
	if (close)
		request_set_header(rq, "Connection", "close");
}

struct MHD_Response *
reply_response(const struct request *rq)
{
	struct MHD_Response *r;
	int i;

	/* The text lives in rq until the library reports completion. */
	r = MHD_create_response_from_buffer(rq->reply.n,
	    (void *)(uintptr_t)str_text(&rq->reply), MHD_RESPMEM_PERSISTENT);
	if (r == NULL)
		return NULL;
	for (i = 0; i < rq->header_count; i++)
		MHD_add_response_header(r, rq->headers[i].name,
		    rq->headers[i].value.p);
	return r;
}

void
reply_raw(const struct request *rq, struct str *out)
{
	const char *reason = "Bad Request";
	size_t j;
	int i;

	for (j = 0; j < COUNT_OF(refusals); j++)
		if (refusals[j].status == rq->status)
			reason = refusals[j].reason;
	str_printf(out, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\n", rq->status,
	    reason, rq->reply.n);
	for (i = 0; i < rq->header_count; i++)
		str_printf(out, "%s: %s\r\n", rq->headers[i].name,
		    rq->headers[i].value.p);
	str_puts(out, "\r\n");
	str_put_slice(out, str_slice(&rq->reply));
}
