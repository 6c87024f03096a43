/*
 * lexer - a Handlebars text as a list of tokens: texts and tags, with white
 * space control and standalone lines already taken off the texts.
 */
#ifndef POSTRIDER_TEMPLATES_LEXER_H
#define POSTRIDER_TEMPLATES_LEXER_H

#include "templates/program.h"

enum token_kind { TOKEN_TEXT, TOKEN_VAR, TOKEN_OPEN, TOKEN_INVERSE,
    TOKEN_CLOSE, TOKEN_ELSE, TOKEN_INLINE, TOKEN_PARTIAL, TOKEN_BLOCK_PARTIAL,
    TOKEN_COMMENT };

struct token {
	uint8_t kind;
	bool raw;		/* VAR: not to be escaped; OPEN, CLOSE: {{{{ */
	bool strip_before, strip_after;
	uint32_t start;		/* of the tag in the source */
	uint32_t from, to;	/* TEXT: what is left; tags: what stands inside */
	uint32_t indent;	/* PARTIAL on its own line: octets before it */
};

struct lexer {
	const char *s;
	uint32_t n;
	struct token *v;
	uint32_t count, cap;
	uint32_t at;		/* of a fault */
	const char *why;
};

/* false: why and at say what is wrong. v goes to free(). */
bool lexer_run(struct lexer *l);

#endif
