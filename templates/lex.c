#include "templates/lex.h"

#include <string.h>

static inline char
peek(const struct template_lexer *l, uint32_t at)
{
	return at < l->end ? l->b->text.p[at] : '\0';
}

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What Handlebars lets an unquoted name consist of. */
static bool
is_name(char c)
{
	if ((unsigned char)c >= 0x80)
		return true;
	return c > ' ' && c != 0x7f && strchr("!\"#%&'()*+,./;<=>@[\\]^`{|}~",
	    c) == NULL;
}

/* What must follow a name, or a number or word. */
static bool
ends_name(char c)
{
	return is_space(c) || (c != '\0' && strchr("=~}/.)|]", c) != NULL);
}

static bool
ends_literal(char c)
{
	return is_space(c) || (c != '\0' && strchr("~})]", c) != NULL);
}

static bool
starts(const struct template_lexer *l, uint32_t at, const char *s)
{
	size_t n = strlen(s);

	return l->end - at >= n && memcmp(l->b->text.p + at, s, n) == 0;
}

/* Where the two octets of s stand next, or the end. */
static uint32_t
find(const struct template_lexer *l, uint32_t at, const char *s)
{
	const char *text = l->b->text.p, *p;

	for (; at < l->end; at = (uint32_t)(p - text) + 1) {
		p = memchr(text + at, s[0], l->end - at);
		if (p == NULL)
			break;
		if (p + 1 < text + l->end && p[1] == s[1])
			return (uint32_t)(p - text);
	}
	return l->end;
}

static uint32_t
skip_space(const struct template_lexer *l, uint32_t at)
{
	while (at < l->end && is_space(peek(l, at)))
		at++;
	return at;
}

static void
take(struct template_lexer *l, struct template_token *t,
    enum template_token_kind kind, uint32_t to)
{
	t->kind = kind;
	t->from = l->at;
	t->to = to;
	l->at = to;
}

/* ---- text ---- */

/* false: nothing stands before the tag. */
static bool
lex_text(struct template_lexer *l, struct template_token *t)
{
	uint32_t from = l->at, tag = find(l, from, "{{"), to = tag;

	if (tag == l->end) {
		take(l, t, from == tag ? TEMPLATE_T_END : TEMPLATE_T_CONTENT,
		    tag);
		return true;
	}
	l->mode = TEMPLATE_LEX_TAG;
	if (tag > from && peek(l, tag - 1) == '\\') {
		to--;
		if (tag < from + 2 || peek(l, tag - 2) != '\\')
			l->mode = TEMPLATE_LEX_ESCAPED;
	}
	take(l, t, TEMPLATE_T_CONTENT, to);
	l->at = tag;
	return to > from;
}

/* Behind a backslash: a tag that is text, up to the next one. */
static void
lex_escaped(struct template_lexer *l, struct template_token *t)
{
	uint32_t least = l->at + 2, to = find(l, least, "{{");
	int i;

	for (i = 0; i < 2 && to < l->end && to > least; i++)
		if (peek(l, to - 1) == '\\')
			to--;
	l->mode = TEMPLATE_LEX_TEXT;
	take(l, t, TEMPLATE_T_CONTENT, to);
}

/* ---- the beginning of a tag ---- */

static void
lex_comment(struct template_lexer *l, struct template_token *t, uint32_t bang)
{
	bool dashes = starts(l, bang, "!--");
	uint32_t to;

	if (!dashes) {
		to = find(l, bang, "}}");
		if (to == l->end) {
			take(l, t, TEMPLATE_T_INVALID, bang);
			return;
		}
		to += 2;
	} else {
		for (to = find(l, bang + 1, "--"); to < l->end;
		    to = find(l, to + 1, "--"))
			if (starts(l, to + 2, "}}") ||
			    starts(l, to + 2, "~}}"))
				break;
		if (to == l->end) {
			take(l, t, TEMPLATE_T_INVALID, bang);
			return;
		}
		to = find(l, to, "}}") + 2;
	}
	l->mode = TEMPLATE_LEX_TEXT;
	take(l, t, TEMPLATE_T_COMMENT, to);
	t->tilde_end = peek(l, to - 3) == '~';
}

/* at stands behind "^" or "else": alone in its tag, or a chain. */
static void
lex_inverse(struct template_lexer *l, struct template_token *t, uint32_t at,
    enum template_token_kind other)
{
	uint32_t to = skip_space(l, at);

	t->tilde_end = peek(l, to) == '~';
	if (starts(l, to + t->tilde_end, "}}")) {
		l->mode = TEMPLATE_LEX_TEXT;
		take(l, t, TEMPLATE_T_INVERSE, to + t->tilde_end + 2);
		return;
	}
	t->tilde_end = false;
	take(l, t, other, at);
}

static void
lex_hash(struct template_lexer *l, struct template_token *t, uint32_t at)
{
	if (peek(l, at) == '>')
		take(l, t, TEMPLATE_T_OPEN_PARTIAL_BLOCK, at + 1);
	else if (peek(l, at) == '*')
		take(l, t, TEMPLATE_T_OPEN_BLOCK_DECORATOR, at + 1);
	else
		take(l, t, TEMPLATE_T_OPEN_BLOCK, at);
}

static bool
is_else(const struct template_lexer *l, uint32_t at)
{
	char c;

	if (!starts(l, at, "else"))
		return false;
	c = peek(l, at + 4);
	return !is_digit(c) && c != '_' && !((c | 0x20) >= 'a' &&
	    (c | 0x20) <= 'z');
}

static void
lex_open(struct template_lexer *l, struct template_token *t)
{
	static const struct { char c; enum template_token_kind kind; }
	    table[] = {
		{ '>', TEMPLATE_T_OPEN_PARTIAL },
		{ '/', TEMPLATE_T_OPEN_END },
		{ '{', TEMPLATE_T_OPEN_UNESCAPED },
		{ '&', TEMPLATE_T_OPEN_AMP },
		{ '*', TEMPLATE_T_OPEN_DECORATOR },
	};
	uint32_t at = l->at + 2, word;
	size_t i;

	t->tilde = peek(l, at) == '~';
	at += t->tilde;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (peek(l, at) == table[i].c) {
			take(l, t, table[i].kind, at + 1);
			return;
		}
	word = skip_space(l, at);
	if (peek(l, at) == '#')
		lex_hash(l, t, at + 1);
	else if (peek(l, at) == '!')
		lex_comment(l, t, at);
	else if (peek(l, at) == '^')
		lex_inverse(l, t, at + 1, TEMPLATE_T_OPEN_INVERSE);
	else if (is_else(l, word))
		lex_inverse(l, t, word + 4, TEMPLATE_T_OPEN_CHAIN);
	else
		take(l, t, TEMPLATE_T_OPEN, at);
}

/* ---- inside a tag ---- */

/*
 * The closing quote or bracket behind `at`. One behind a backslash does not
 * count, unless no other follows.
 */
static uint32_t
find_close(const struct template_lexer *l, uint32_t at, char close)
{
	uint32_t spare = l->end;

	for (; at < l->end; at++) {
		if (peek(l, at) == '\\' && peek(l, at + 1) == close) {
			spare = ++at;
			continue;
		}
		if (peek(l, at) == close)
			return at;
	}
	return spare;
}

/* Drops backslashes before c (and, in brackets, before themselves). */
static void
set_name(struct template_lexer *l, struct template_token *t, uint32_t from,
    uint32_t to, char c)
{
	const char *p = l->b->text.p;
	struct str made = STR_INIT(TEMPLATE_SOURCE_MAX);
	uint32_t i;

	t->name = from;
	t->name_n = to - from;
	if (memchr(p + from, '\\', to - from) == NULL)
		return;
	for (i = from; i < to; i++) {
		if (p[i] == '\\' && i + 1 < to && (p[i + 1] == c ||
		    (c == ']' && p[i + 1] == '\\')))
			i++;
		str_putc(&made, p[i]);
	}
	t->name_n = (uint32_t)made.n;
	t->name = template_build_text(l->b, str_text(&made), made.n);
	str_release(&made);
}

static void
lex_quoted(struct template_lexer *l, struct template_token *t, char close,
    enum template_token_kind kind)
{
	uint32_t from = l->at + 1, to = find_close(l, from, close);

	if (to == l->end) {
		take(l, t, TEMPLATE_T_INVALID, from);
		return;
	}
	take(l, t, kind, to + 1);
	t->literal = kind == TEMPLATE_T_ID;
	set_name(l, t, from, to, close);
}

/* -12.5 and nothing that would make it a name. */
static bool
lex_number(struct template_lexer *l, struct template_token *t)
{
	uint32_t at = l->at + (peek(l, l->at) == '-'), digits = at;

	while (is_digit(peek(l, at)))
		at++;
	if (at == digits)
		return false;
	if (peek(l, at) == '.' && is_digit(peek(l, at + 1)))
		for (at++; is_digit(peek(l, at)); )
			at++;
	if (!ends_literal(peek(l, at)))
		return false;
	take(l, t, TEMPLATE_T_NUMBER, at);
	return true;
}

static bool
lex_word(struct template_lexer *l, struct template_token *t)
{
	static const struct { const char *s; enum template_token_kind kind; }
	    words[] = {
		{ "true", TEMPLATE_T_TRUE }, { "false", TEMPLATE_T_FALSE },
		{ "undefined", TEMPLATE_T_UNDEFINED },
		{ "null", TEMPLATE_T_NULL },
	};
	uint32_t at;
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		at = l->at + (uint32_t)strlen(words[i].s);
		if (starts(l, l->at, words[i].s) && ends_literal(peek(l, at))) {
			take(l, t, words[i].kind, at);
			return true;
		}
	}
	if (!starts(l, l->at, "as") || !is_space(peek(l, l->at + 2)))
		return false;
	at = skip_space(l, l->at + 2);
	if (peek(l, at) != '|')
		return false;
	take(l, t, TEMPLATE_T_OPEN_PARAMS, at + 1);
	return true;
}

static void
lex_name(struct template_lexer *l, struct template_token *t)
{
	uint32_t at = l->at;

	if (lex_word(l, t) || lex_number(l, t))
		return;
	while (at < l->end && is_name(peek(l, at)))
		at++;
	if (at == l->end) {
		l->at = at;
		take(l, t, TEMPLATE_T_END, at);
		return;
	}
	if (at == l->at || !ends_name(peek(l, at))) {
		take(l, t, TEMPLATE_T_INVALID, at > l->at ? at : at + 1);
		return;
	}
	take(l, t, TEMPLATE_T_ID, at);
}

static bool
lex_close(struct template_lexer *l, struct template_token *t)
{
	uint32_t at = l->at;

	if (starts(l, at, "}}}}")) {
		take(l, t, TEMPLATE_T_CLOSE_RAW, at + 4);
		return true;
	}
	t->tilde = starts(l, at, "}~}}") || starts(l, at, "~}}");
	if (starts(l, at, "}}}") || starts(l, at, "}~}}"))
		take(l, t, TEMPLATE_T_CLOSE_UNESCAPED, at + 3 + t->tilde);
	else if (starts(l, at, "}}") || starts(l, at, "~}}"))
		take(l, t, TEMPLATE_T_CLOSE, at + 2 + t->tilde);
	else
		return false;
	l->mode = TEMPLATE_LEX_TEXT;
	return true;
}

static void
lex_point(struct template_lexer *l, struct template_token *t)
{
	if (peek(l, l->at + 1) == '.')
		take(l, t, TEMPLATE_T_ID, l->at + 2);
	else
		take(l, t, ends_name(peek(l, l->at + 1)) ? TEMPLATE_T_ID :
		    TEMPLATE_T_SEP, l->at + 1);
}

static void
lex_inside(struct template_lexer *l, struct template_token *t)
{
	static const struct { char c; enum template_token_kind kind; }
	    table[] = {
		{ '(', TEMPLATE_T_OPEN_SUB }, { ')', TEMPLATE_T_CLOSE_SUB },
		{ '=', TEMPLATE_T_EQUALS }, { '/', TEMPLATE_T_SEP },
		{ '@', TEMPLATE_T_DATA }, { '|', TEMPLATE_T_CLOSE_PARAMS },
	};
	size_t i;
	char c;

	l->at = skip_space(l, l->at);
	c = peek(l, l->at);
	if (l->at == l->end) {
		take(l, t, TEMPLATE_T_END, l->end);
		return;
	}
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (c == table[i].c) {
			take(l, t, table[i].kind, l->at + 1);
			return;
		}
	if ((c == '}' || c == '~') && lex_close(l, t))
		return;
	if (c == '.')
		lex_point(l, t);
	else if (c == '"' || c == '\'')
		lex_quoted(l, t, c, TEMPLATE_T_STRING);
	else if (c == '[')
		lex_quoted(l, t, ']', TEMPLATE_T_ID);
	else
		lex_name(l, t);
}

void
template_lex_next(struct template_lexer *l, struct template_token *t)
{
	memset(t, 0, sizeof(*t));
	if (l->mode == TEMPLATE_LEX_TEXT && lex_text(l, t))
		return;
	memset(t, 0, sizeof(*t));
	if (l->mode == TEMPLATE_LEX_ESCAPED)
		lex_escaped(l, t);
	else if (starts(l, l->at, "{{{{"))
		take(l, t, TEMPLATE_T_OPEN_RAW, l->at + 4);
	else if (starts(l, l->at, "{{"))
		lex_open(l, t);
	else
		lex_inside(l, t);
	if (t->name_n == 0 && !t->literal && t->kind != TEMPLATE_T_STRING) {
		t->name = t->from;
		t->name_n = t->to - t->from;
	}
}

/* "{{{{/name}}}}" at this place: the end of name, or 0. */
static uint32_t
raw_close(const struct template_lexer *l, uint32_t at)
{
	uint32_t to;

	if (!starts(l, at, "{{{{/"))
		return 0;
	for (to = at + 5; to < l->end && is_name(peek(l, to)); )
		to++;
	return to > at + 5 && starts(l, to, "}}}}") ? to : 0;
}

bool
template_lex_raw(struct template_lexer *l, struct template_token *text,
    struct template_token *name)
{
	uint32_t at, to, from = l->at;
	int depth = 0;

	memset(text, 0, sizeof(*text));
	memset(name, 0, sizeof(*name));
	for (at = find(l, from, "{{"); at < l->end;
	    at = find(l, at + 1, "{{")) {
		if (!starts(l, at, "{{{{"))
			continue;
		to = raw_close(l, at);
		if (to != 0 && depth-- == 0)
			break;
		if (to == 0 && peek(l, at + 4) != '/')
			depth++;
		at += 3;
	}
	if (at >= l->end)
		return false;
	take(l, text, TEMPLATE_T_CONTENT, at);
	l->at = at + 5;
	take(l, name, TEMPLATE_T_ID, raw_close(l, at));
	name->name = name->from;
	name->name_n = name->to - name->from;
	l->at += 4;
	l->mode = TEMPLATE_LEX_TEXT;
	return true;
}
