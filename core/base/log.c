#include "core/base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/slice.h"
#include "core/base/str.h"
#include "core/base/text.h"

/* A pipe takes so much at once or nothing (PIPE_BUF). */
#define LINE_MAX_SIZE	4096

static const struct {
	const char *name;
	const char *journal;	/* sd-daemon(3) */
} levels[] = {
	[LOG_DEBUG] = { "debug", "<7>" },
	[LOG_INFO] = { "info", "<6>" },
	[LOG_WARN] = { "warn", "<4>" },
	[LOG_ERROR] = { "error", "<3>" },
};

/*
 * One process has one stderr: set by log_open() before threads start, only
 * read afterwards. The lock keeps "is there room" and "write" together.
 */
static struct {
	enum log_level least;
	bool json;
	bool journal;		/* the reader is journald */
	bool may_block;		/* no plain file */
	pthread_mutex_t lock;	/* one line at a time */
	_Atomic uint64_t dropped;
} sink = { .least = LOG_INFO, .may_block = true,
	.lock = PTHREAD_MUTEX_INITIALIZER };

/* JOURNAL_STREAM is inherited; it holds for the very file that it names. */
static bool
is_journal(const struct stat *st)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char mine[48];

	snprintf(mine, sizeof(mine), "%ju:%ju", (uintmax_t)st->st_dev,
	    (uintmax_t)st->st_ino);
	return stream != NULL && strcmp(stream, mine) == 0;
}

void
log_open(enum log_level least, bool json)
{
	struct stat st;

	sink.least = least;
	sink.json = json;
	if (fstat(STDERR_FILENO, &st) < 0)
		return;
	sink.may_block = !S_ISREG(st.st_mode);
	sink.journal = is_journal(&st);
}

bool
log_wants(enum log_level level)
{
	return level >= sink.least;
}

bool
log_level_parse(const char *word, enum log_level *out)
{
	size_t i;

	for (i = 0; i < COUNT_OF(levels); i++) {
		if (strcmp(levels[i].name, word) != 0)
			continue;
		*out = (enum log_level)i;
		return true;
	}
	return false;
}

uint64_t
log_dropped(void)
{
	return atomic_load_explicit(&sink.dropped, memory_order_relaxed);
}

struct line {
	enum log_level level;
	const char *area;
	char stamp[CLOCK_ISO_SIZE];
	struct slice pairs, words;
};

static void
put_plain(const struct line *l, struct str *out)
{
	str_printf(out, "%s %s", l->stamp, levels[l->level].name);
	if (l->area != NULL)
		str_printf(out, " %s", l->area);
	if (l->pairs.n > 0) {
		str_putc(out, ' ');
		str_put_slice(out, l->pairs);
	}
	str_putc(out, ' ');
	str_put(out, l->words.p,
	    text_cut(l->words.p, l->words.n, LINE_MAX_SIZE - 1 - out->n));
	str_putc(out, '\n');
}

/* "key=value key=value" as members; a bare word becomes true. */
static void
put_pairs(struct json_writer *w, struct slice pairs)
{
	struct slice pair, key;

	while (text_split(&pairs, ' ', &pair)) {
		if (pair.n == 0)
			continue;
		text_split(&pair, '=', &key);
		json_key_slice(w, key);
		if (pair.p == NULL)
			json_w_bool(w, true);
		else
			json_w_slice(w, pair);
	}
}

static void
put_json(const struct line *l, struct str *out)
{
	struct json_writer w = JSON_WRITER(out);

	json_open(&w, '{');
	json_kv_text(&w, "ts", l->stamp);
	json_kv_text(&w, "level", levels[l->level].name);
	if (l->area != NULL)
		json_kv_text(&w, "area", l->area);
	json_kv_slice(&w, "msg", l->words);
	put_pairs(&w, l->pairs);
	json_close(&w, '}');
	str_putc(out, '\n');
}

static void
put_line(struct line *l, struct str *out)
{
	size_t max = l->words.n;

	do {
		str_clear(out);
		if (sink.journal)
			str_puts(out, levels[l->level].journal);
		if (!sink.json) {
			put_plain(l, out);
			return;
		}
		/* Escapes lengthen a text: halve it until the line fits. */
		l->words.n = text_cut(l->words.p, l->words.n, max);
		put_json(l, out);
		max /= 2;
	} while (str_failed(out) && max > 0);
}

static bool
has_room(void)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return !sink.may_block || (poll(&p, 1, 0) == 1 &&
	    (p.revents & POLLOUT) != 0);
}

static void
emit(const char *p, size_t n)
{
	ssize_t did = -1;

	pthread_mutex_lock(&sink.lock);
	if (has_room()) {
		do
			did = write(STDERR_FILENO, p, n);
		while (did < 0 && errno == EINTR);
	}
	pthread_mutex_unlock(&sink.lock);
	if (did != (ssize_t)n)
		atomic_fetch_add_explicit(&sink.dropped, 1, memory_order_relaxed);
}

static size_t
format_words(char *out, size_t size, const char *fmt, va_list ap)
{
	int n = vsnprintf(out, size, fmt, ap);

	if (n < 0)
		n = 0;
	return text_clean(out, (size_t)n < size ? (size_t)n : size - 1);
}

void
log_write(enum log_level level, const struct log_subject *s,
    const char *fmt, ...)
{
	int keep = errno;	/* callers log first and look at errno then */
	struct line l = { .level = level };
	char words[LINE_MAX_SIZE], pairs[sizeof(s->text)];
	struct str out = STR_INIT(LINE_MAX_SIZE);
	va_list ap;

	if (!log_wants(level))
		return;
	va_start(ap, fmt);
	l.words = slice_make(words, format_words(words, sizeof(words), fmt, ap));
	va_end(ap);
	if (s != NULL) {
		size_t n = strnlen(s->text, sizeof(s->text) - 1);

		memcpy(pairs, s->text, n);
		l.pairs = text_trim(slice_make(pairs, text_clean(pairs, n)));
		l.area = s->area;
	}
	clock_iso(clock_wall_ms(), l.stamp);
	put_line(&l, &out);
	emit(out.p, out.n);
	str_release(&out);
	errno = keep;
}
