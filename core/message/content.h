/*
 * content - what a message is made of, before it is rendered.
 */
#ifndef POSTRIDER_MESSAGE_CONTENT_H
#define POSTRIDER_MESSAGE_CONTENT_H

#include "core/base/id.h"
#include "core/base/slice.h"
#include "core/mail/compose.h"

/* Stored as numbers: append only. */
enum content_kind { CONTENT_SIMPLE = 1, CONTENT_RAW, CONTENT_TEMPLATE,
    CONTENT_INLINE };

struct content {
	enum content_kind kind;
	const char *template_name;	/* TEMPLATE */
	struct id template_version;	/* TEMPLATE */
	struct slice data, data_over;	/* TEMPLATE, INLINE: JSON; over may be
					   empty */
	struct slice subject, text, html;	/* SIMPLE, INLINE; p == NULL:
						   absent */
	struct slice raw;		/* RAW */
	const struct compose_header *headers;
	int header_count;
};

#endif
