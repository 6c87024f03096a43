/*
 * classify - what a reply means: whose fault a refusal is. The enhanced
 * status decides, then the words, then the basic code
 * (delivery-engine.md (h)).
 */
#ifndef POSTRIDER_DELIVERY_CLASSIFY_H
#define POSTRIDER_DELIVERY_CLASSIFY_H

#include <stdbool.h>

#include "core/message/outcome.h"
#include "core/smtp/client.h"

/* reply may be NULL: there was none. */
enum fault classify_reply(enum smtp_stage stage, const struct smtp_reply *reply,
    bool first_attempt);

#endif
