/*
 * lex - the tokens of Handlebars 4.7, as its own lexer cuts them.
 */
#ifndef POSTRIDER_TEMPLATES_LEX_H
#define POSTRIDER_TEMPLATES_LEX_H

#include "templates/build.h"

enum template_token_kind {
	TEMPLATE_T_END, TEMPLATE_T_INVALID, TEMPLATE_T_CONTENT,
	TEMPLATE_T_COMMENT,
	/* "{{" and what follows it */
	TEMPLATE_T_OPEN, TEMPLATE_T_OPEN_AMP, TEMPLATE_T_OPEN_UNESCAPED,
	TEMPLATE_T_OPEN_DECORATOR,
	TEMPLATE_T_OPEN_BLOCK, TEMPLATE_T_OPEN_BLOCK_DECORATOR,
	TEMPLATE_T_OPEN_INVERSE, TEMPLATE_T_OPEN_CHAIN, TEMPLATE_T_INVERSE,
	TEMPLATE_T_OPEN_END, TEMPLATE_T_OPEN_PARTIAL,
	TEMPLATE_T_OPEN_PARTIAL_BLOCK, TEMPLATE_T_OPEN_RAW,
	/* inside */
	TEMPLATE_T_CLOSE, TEMPLATE_T_CLOSE_UNESCAPED, TEMPLATE_T_CLOSE_RAW,
	TEMPLATE_T_ID, TEMPLATE_T_SEP, TEMPLATE_T_DATA, TEMPLATE_T_STRING,
	TEMPLATE_T_NUMBER, TEMPLATE_T_TRUE, TEMPLATE_T_FALSE,
	TEMPLATE_T_UNDEFINED, TEMPLATE_T_NULL, TEMPLATE_T_EQUALS,
	TEMPLATE_T_OPEN_SUB, TEMPLATE_T_CLOSE_SUB, TEMPLATE_T_OPEN_PARAMS,
	TEMPLATE_T_CLOSE_PARAMS,
};

struct template_token {
	enum template_token_kind kind;
	bool tilde;			/* a "~" belongs to it */
	bool tilde_end;			/* comments, {{else}}: the other one */
	bool literal;			/* ID in brackets */
	uint32_t from, to;		/* in the text */
	uint32_t name, name_n;		/* ID, STRING: without quotes */
};

enum template_lex_mode { TEMPLATE_LEX_TEXT, TEMPLATE_LEX_ESCAPED,
    TEMPLATE_LEX_TAG };

struct template_lexer {
	struct template_build *b;
	uint32_t at, end;
	enum template_lex_mode mode;
};

/* The next token; T_END again and again at the end. */
void template_lex_next(struct template_lexer *l, struct template_token *t);

/*
 * Behind {{{{name}}}}: text up to {{{{/name}}}} of the same depth, and that
 * closing name. false when there is none.
 */
bool template_lex_raw(struct template_lexer *l, struct template_token *text,
    struct template_token *name);

#endif
