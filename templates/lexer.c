#include "templates/lexer.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

static bool
refuse(struct lexer *l, uint32_t at, const char *why)
{
	l->at = at;
	l->why = why;
	return false;
}

static struct token *
add(struct lexer *l, enum token_kind kind, uint32_t start, uint32_t from,
    uint32_t to)
{
	struct token *t;

	if (l->count == l->cap) {
		l->cap = l->cap == 0 ? 64 : l->cap * 2;
		l->v = mem_grow(l->v, sizeof(*t) * l->cap);
	}
	t = &l->v[l->count++];
	memset(t, 0, sizeof(*t));
	t->kind = (uint8_t)kind;
	t->start = start;
	t->from = from;
	t->to = to;
	return t;
}

static void
add_text(struct lexer *l, uint32_t from, uint32_t to)
{
	if (from < to)
		add(l, TOKEN_TEXT, from, from, to);
}

static bool
is_at(const struct lexer *l, uint32_t i, const char *word)
{
	size_t n = strlen(word);

	return l->n - i >= n && memcmp(l->s + i, word, n) == 0;
}

/* The next "{{" from i, or the end. */
static uint32_t
next_tag(const struct lexer *l, uint32_t i)
{
	const char *p = memmem(l->s + i, l->n - i, "{{", 2);

	return p == NULL ? l->n : (uint32_t)(p - l->s);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Finds the closing braces; quotes and [ ] may hold them. */
static uint32_t
find_end(const struct lexer *l, uint32_t i, const char *close)
{
	char quote = 0;

	for (; i < l->n; i++) {
		char c = l->s[i];

		if (quote != 0) {
			if (c == '\\' && quote != ']')
				i++;
			else if (c == quote)
				quote = 0;
		} else if (c == '"' || c == '\'') {
			quote = c;
		} else if (c == '[') {
			quote = ']';
		} else if (is_at(l, i, close)) {
			return i;
		}
	}
	return TEMPLATE_NONE;
}

static bool
read_comment(struct lexer *l, uint32_t start, uint32_t i, bool strip,
    uint32_t *next)
{
	bool dashes = is_at(l, i + 1, "--");
	const char *close = dashes ? "--" : "}}";
	uint32_t end = i + 1 + (dashes ? 2 : 0);
	struct token *t;

	for (;; end++) {
		const char *p = end > l->n ? NULL :
		    memmem(l->s + end, l->n - end, close, 2);

		if (p == NULL)
			return refuse(l, start, "a comment without an end");
		end = (uint32_t)(p - l->s);
		if (!dashes || is_at(l, end + 2, "}}") ||
		    is_at(l, end + 2, "~}}"))
			break;
	}
	t = add(l, TOKEN_COMMENT, start, i, end);
	t->strip_before = strip;
	if (dashes)
		end += 2;
	t->strip_after = dashes ? l->s[end] == '~' : l->s[end - 1] == '~';
	*next = end + 2 + (dashes && t->strip_after);
	return true;
}

/* {{{{name}}}} … {{{{/name}}}}: what is between is text. */
static bool
read_raw_block(struct lexer *l, uint32_t start, uint32_t *next)
{
	const char *p = memmem(l->s + start + 4, l->n - start - 4, "}}}}", 4);
	const char *q;
	uint32_t end, close;

	if (p == NULL)
		return refuse(l, start, "a raw block without an end");
	end = (uint32_t)(p - l->s);
	q = memmem(p + 4, l->n - end - 4, "{{{{/", 5);
	if (q == NULL)
		return refuse(l, start, "a raw block that is not closed");
	close = (uint32_t)(q - l->s);
	add(l, TOKEN_OPEN, start, start + 4, end)->raw = true;
	add_text(l, end + 4, close);
	p = memmem(q, l->n - close, "}}}}", 4);
	if (p == NULL)
		return refuse(l, close, "a raw block that is not closed");
	add(l, TOKEN_CLOSE, close, close + 5, (uint32_t)(p - l->s))->raw = true;
	*next = (uint32_t)(p - l->s) + 4;
	return true;
}

static bool
is_word(const struct lexer *l, uint32_t from, uint32_t to, const char *word)
{
	size_t n = strlen(word);

	while (from < to && is_space(l->s[from]))
		from++;
	return to - from >= n && memcmp(l->s + from, word, n) == 0 &&
	    (from + n == to || is_space(l->s[from + n]));
}

/* What stands behind "{{" (and "~") says the kind; *i moves behind it. */
static enum token_kind
kind_of(const struct lexer *l, uint32_t *i, uint32_t end, bool *raw)
{
	static const struct {
		const char *sign;
		enum token_kind kind;
	} signs[] = {
		{ "#>", TOKEN_BLOCK_PARTIAL }, { "#*", TOKEN_INLINE },
		{ "#", TOKEN_OPEN }, { "^", TOKEN_INVERSE },
		{ "/", TOKEN_CLOSE }, { ">", TOKEN_PARTIAL }, { "&", TOKEN_VAR },
	};
	size_t k;

	for (k = 0; k < COUNT_OF(signs); k++) {
		if (!is_at(l, *i, signs[k].sign))
			continue;
		*i += (uint32_t)strlen(signs[k].sign);
		*raw = signs[k].kind == TOKEN_VAR;
		if (signs[k].kind == TOKEN_INVERSE) {
			uint32_t j = *i;

			while (j < end && is_space(l->s[j]))
				j++;
			if (j == end || (j + 1 == end && l->s[j] == '~'))
				return TOKEN_ELSE;
		}
		return signs[k].kind;
	}
	return is_word(l, *i, end, "else") ? TOKEN_ELSE : TOKEN_VAR;
}

static bool
read_tag(struct lexer *l, uint32_t start, uint32_t *next)
{
	bool triple = is_at(l, start, "{{{"), raw = false, strip = false;
	uint32_t i = start + 2, end;
	enum token_kind kind;
	struct token *t;

	if (is_at(l, start, "{{{{"))
		return read_raw_block(l, start, next);
	if (!triple && i < l->n && l->s[i] == '~') {
		strip = true;
		i++;
		triple = i < l->n && l->s[i] == '{';
	}
	if (i < l->n && l->s[i] == '!')
		return read_comment(l, start, i, strip, next);
	if (triple)
		i++;
	end = find_end(l, i, triple ? "}" : "}}");
	if (end == TEMPLATE_NONE)
		return refuse(l, start, "a tag without an end");
	kind = triple ? TOKEN_VAR : kind_of(l, &i, end, &raw);
	t = add(l, kind, start, i, end);
	t->raw = raw || triple;
	t->strip_before = strip;
	if (triple) {
		end++;
		t->strip_after = end < l->n && l->s[end] == '~';
		end += t->strip_after;
		if (!is_at(l, end, "}}"))
			return refuse(l, start, "a tag without an end");
	} else if (end > i && l->s[end - 1] == '~') {
		t->strip_after = true;
		t->to--;
	}
	*next = end + 2;
	return true;
}

/* "\{{x}}" is text up to the next tag; "\\{{x}}" is a backslash and a tag. */
static bool
is_escaped(struct lexer *l, uint32_t from, uint32_t tag, uint32_t *next)
{
	if (tag == from || l->s[tag - 1] != '\\')
		return false;
	if (tag - from >= 2 && l->s[tag - 2] == '\\') {
		add_text(l, from, tag - 1);
		return !read_tag(l, tag, next) || true;
	}
	add_text(l, from, tag - 1);
	*next = next_tag(l, tag + 2);
	if (*next < l->n && l->s[*next - 1] == '\\')
		(*next)--;
	add_text(l, tag, *next);
	return true;
}

static bool
split(struct lexer *l)
{
	uint32_t i = 0, tag, tags = 0;

	while (i < l->n) {
		tag = next_tag(l, i);
		if (tag < l->n && is_escaped(l, i, tag, &i)) {
			if (l->why != NULL)
				return false;
			continue;
		}
		add_text(l, i, tag);
		if (tag == l->n)
			break;
		if (++tags > TEMPLATE_TAGS_MAX)
			return refuse(l, tag, "more than 65,535 tags");
		if (!read_tag(l, tag, &i))
			return false;
	}
	return true;
}

/* ---- white space ---- */

/* Does the text before token i end with a line break and blanks? */
static bool
line_starts(const struct lexer *l, uint32_t i)
{
	const struct token *t;
	uint32_t k;

	if (i == 0)
		return true;
	t = &l->v[i - 1];
	if (t->kind != TOKEN_TEXT)
		return false;
	for (k = l->v[i].start; k > t->start; k--) {
		if (l->s[k - 1] == '\n')
			return true;
		if (!is_space(l->s[k - 1]))
			return false;
	}
	return i == 1;
}

static uint32_t
text_end(const struct lexer *l, uint32_t i)
{
	return i + 1 < l->count ? l->v[i + 1].start : l->n;
}

static bool
line_ends(const struct lexer *l, uint32_t i)
{
	const struct token *t;
	uint32_t k;

	if (i + 1 == l->count)
		return true;
	t = &l->v[i + 1];
	if (t->kind != TOKEN_TEXT)
		return false;
	for (k = t->start; k < text_end(l, i + 1); k++) {
		if (l->s[k] == '\n')
			return true;
		if (!is_space(l->s[k]))
			return false;
	}
	return i + 2 == l->count;
}

static void
cut_line_start(struct lexer *l, uint32_t i)
{
	struct token *t;

	if (i == 0 || (t = &l->v[i - 1])->kind != TOKEN_TEXT)
		return;
	while (t->to > t->from && (l->s[t->to - 1] == ' ' ||
	    l->s[t->to - 1] == '\t'))
		t->to--;
}

static void
cut_line_end(struct lexer *l, uint32_t i)
{
	struct token *t;

	if (i + 1 >= l->count || (t = &l->v[i + 1])->kind != TOKEN_TEXT)
		return;
	while (t->from < t->to && (l->s[t->from] == ' ' ||
	    l->s[t->from] == '\t'))
		t->from++;
	if (t->from < t->to && l->s[t->from] == '\r')
		t->from++;
	if (t->from < t->to && l->s[t->from] == '\n')
		t->from++;
}

static void
strip(struct lexer *l)
{
	uint32_t i;

	for (i = 0; i < l->count; i++) {
		struct token *t = &l->v[i], *x;

		if (t->strip_before && i > 0 && l->v[i - 1].kind == TOKEN_TEXT)
			for (x = t - 1; x->to > x->from &&
			    is_space(l->s[x->to - 1]); )
				x->to--;
		if (t->strip_after && i + 1 < l->count &&
		    l->v[i + 1].kind == TOKEN_TEXT)
			for (x = t + 1; x->from < x->to &&
			    is_space(l->s[x->from]); )
				x->from++;
	}
}

/* The other end of a one-line inline partial: its close, if the line ends. */
static uint32_t
one_line_inline(const struct lexer *l, uint32_t i)
{
	uint32_t k, depth = 0;

	for (k = i + 1; k < l->count; k++) {
		const struct token *t = &l->v[k];

		if (t->kind == TOKEN_TEXT &&
		    memchr(l->s + t->start, '\n', text_end(l, k) - t->start))
			return 0;
		if (t->kind == TOKEN_OPEN || t->kind == TOKEN_INLINE ||
		    t->kind == TOKEN_INVERSE || t->kind == TOKEN_BLOCK_PARTIAL)
			depth++;
		if (t->kind == TOKEN_CLOSE && depth-- == 0)
			return line_ends(l, k) ? k : 0;
	}
	return 0;
}

static void
standalone(struct lexer *l)
{
	uint32_t i, close;

	for (i = 0; i < l->count; i++) {
		struct token *t = &l->v[i];

		if (t->kind == TOKEN_TEXT || t->kind == TOKEN_VAR || t->raw ||
		    !line_starts(l, i))
			continue;
		if (t->kind == TOKEN_INLINE &&
		    (close = one_line_inline(l, i)) != 0) {
			cut_line_start(l, i);
			cut_line_end(l, close);
			continue;
		}
		if (!line_ends(l, i))
			continue;
		if (t->kind == TOKEN_PARTIAL && i > 0)
			t->indent = l->v[i - 1].to;
		cut_line_start(l, i);
		if (t->kind == TOKEN_PARTIAL && i > 0)
			t->indent -= l->v[i - 1].to;
		cut_line_end(l, i);
	}
}

bool
lexer_run(struct lexer *l)
{
	if (!split(l))
		return false;
	standalone(l);
	strip(l);
	return true;
}
