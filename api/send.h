/*
 * send - what the two SES protocols share of sending: the call's context,
 * idempotency, addresses; from a bound request to message_submit().
 */
#ifndef POSTRIDER_API_SEND_H
#define POSTRIDER_API_SEND_H

#include "api/request.h"
#include "core/base/json.h"
#include "core/message/submit.h"

/* Writes a good answer; results and n as in submit_done. */
typedef void send_answer_fn(struct request *rq,
    const struct submit_result *results, int n);

/*
 * Submits n entries as one call. HANDLED when the answer stands already,
 * else LATER.
 */
enum handled send_submit(struct request *rq, const struct submission *entries,
    int n, bool bulk, send_answer_fn *answer);

/* Texts as slices, in the request's arena. */
struct submit_texts send_texts(struct request *rq, const struct json_texts *t);

/* The MessageId that the caller is told. */
void send_message_id(const struct request *rq, const struct id *id,
    char out[ID_MESSAGE_SIZE]);

#endif
