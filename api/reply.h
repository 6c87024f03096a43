/*
 * reply - the answer of a request: bodies of errors in the four faces, the
 * headers that every answer carries, and the library's response object.
 * request_ok(), request_fail() and request_error() stand in request.h.
 */
#ifndef POSTRIDER_API_REPLY_H
#define POSTRIDER_API_REPLY_H

#include "api/request.h"

#define REPLY_MAX	(64 * 1024 * 1024)

struct MHD_Response;

/*
 * An answer below the level of operations: unknown path, wrong method, too
 * large, bad framing. Fills rq like request_fail().
 */
enum handled reply_refuse(struct request *rq, int status, const char *words);

/* Content type, request id and what else belongs on every answer. Call once,
   when the answer stands. */
void reply_seal(struct request *rq, bool close);

/* The library's object; it borrows rq->reply until the answer is sent. */
struct MHD_Response *reply_response(const struct request *rq);

/* The same as octets of HTTP/1.1, for a connection that is given up. */
void reply_raw(const struct request *rq, struct str *out);

#endif
