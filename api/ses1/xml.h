/*
 * xml - writing the answers of SES v1. Nothing here parses XML. Element
 * names are constants of ours; text is escaped, and what XML 1.0 cannot
 * hold becomes U+FFFD (security.md 4.4).
 */
#ifndef POSTRIDER_API_SES1_XML_H
#define POSTRIDER_API_SES1_XML_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/base/str.h"

struct xml {
	struct str *out;
};

#define XML_WRITER(out_)	((struct xml){ (out_) })

/* The element with SES's namespace. */
void xml_open_root(struct xml *x, const char *name);
/* An element that holds others. */
void xml_open(struct xml *x, const char *name);
void xml_close(struct xml *x, const char *name);

/* <name>escaped text</name>; NULL or empty: an empty element. */
void xml_text(struct xml *x, const char *name, const char *text);
/* As xml_text(). */
void xml_slice(struct xml *x, const char *name, struct slice text);
void xml_int(struct xml *x, const char *name, int64_t v);	/* Decimal. */
void xml_double(struct xml *x, const char *name, double v);
void xml_bool(struct xml *x, const char *name, bool v);	/* true or false. */
void xml_time(struct xml *x, const char *name, int64_t wall_ms);

/* The text alone, escaped. */
void xml_put(struct str *out, struct slice text);

/*
 * The envelope of an answer: <OpResponse><OpResult> … </OpResult>
 * <ResponseMetadata>. has_result is false for the eight actions whose answer
 * has no result element.
 */
void xml_reply_open(struct xml *x, const char *operation, bool has_result);
/* Its other end, with the RequestId. */
void xml_reply_close(struct xml *x, const char *operation, bool has_result,
    const char *request_id);

#endif
