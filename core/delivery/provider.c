#include "core/delivery/provider.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/embedded.h"
#include "core/base/mem.h"
#include "core/base/text.h"

#define FILE_NAME	"core/delivery/providers.txt"
#define ROWS_MAX	512

struct providers {
	struct arena *arena;
	int count;
	struct provider v[ROWS_MAX];
};

/* The next word of *s, "" at its end. */
static struct slice
word(struct slice *s)
{
	struct slice w;
	size_t n = 0;

	*s = text_trim(*s);
	while (n < s->n && s->p[n] != ' ' && s->p[n] != '\t')
		n++;
	w = slice_make(s->p, n);
	*s = slice_skip(*s, n);
	return w;
}

static void
read_row(struct providers *p, struct slice line)
{
	struct slice name = word(&line), pattern, group;

	if (name.n == 0 || name.p[0] == '#')
		return;
	pattern = word(&line);
	group = word(&line);
	assert(p->count < ROWS_MAX && name.n <= PROVIDER_NAME_MAX);
	assert(pattern.n > 1 && word(&line).n == 0);
	assert(slice_is(group, "provider") || slice_is(group, "domain-set"));
	p->v[p->count++] = (struct provider){
		.name = arena_slice(p->arena, name),
		.pattern = arena_slice(p->arena, pattern),
		.is_one = slice_is(group, "provider"),
	};
}

struct providers *
providers_new(void)
{
	struct providers *p = mem_new(sizeof(*p));
	const struct embedded_file *f = embedded_files;
	struct slice rest, line;

	p->arena = arena_new(0);
	while (f->path != NULL && strcmp(f->path, FILE_NAME) != 0)
		f++;
	assert(f->path != NULL);
	rest = slice_make(f->data, f->len);
	while (text_split(&rest, '\n', &line))
		read_row(p, line);
	return p;
}

void
providers_free(struct providers *p)
{
	if (p == NULL)
		return;
	arena_free(p->arena);
	free(p);
}

/* The whole of name; "*" is what is left of a label, at least one octet. */
static bool
fits(const char *pattern, const char *name)
{
	size_t n;

	for (; *pattern != '\0'; pattern++) {
		if (*pattern != '*') {
			if (*pattern != *name++)
				return false;
			continue;
		}
		if ((n = strcspn(name, ".")) == 0)
			return false;
		name += n;
	}
	return *name == '\0';
}

static bool
fits_end(const char *pattern, const char *name)
{
	const char *dot;

	if (pattern[0] != '.')
		return fits(pattern, name);
	for (dot = strchr(name, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
		if (fits(pattern, dot))
			return true;
	return false;
}

const struct provider *
providers_find(const struct providers *p, const char *host)
{
	int i;

	for (i = 0; i < p->count; i++)
		if (fits_end(p->v[i].pattern, host))
			return &p->v[i];
	return NULL;
}
