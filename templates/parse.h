/*
 * parse - what the two halves of the Handlebars parser share: tags
 * (parse_expr.c) and statements (parse.c).
 */
#ifndef POSTRIDER_TEMPLATES_PARSE_H
#define POSTRIDER_TEMPLATES_PARSE_H

#include "templates/lex.h"

struct template_parser {
	struct template_build *b;
	struct template_lexer lex;
	struct template_token token;	/* the next one */
};

/* Goes on to the next token. */
void template_parse_step(struct template_parser *p);

/* false, with the place of the present token. */
bool template_parse_fail(struct template_parser *p, const char *words);

/* One name, path or literal: Handlebars' helperName. */
bool template_parse_name(struct template_parser *p, uint32_t *expr);

/*
 * helperName param* hash?; the name of a partial may be a sub-expression.
 * Stops before the first token that is none of it.
 */
bool template_parse_call(struct template_parser *p, bool partial,
    uint32_t *call);

#endif
