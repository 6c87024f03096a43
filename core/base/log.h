/*
 * log - one line a fact, on stderr, as text or JSON.
 *
 * A subject carries what is known of the thing at work ("request=… ",
 * "mx=…"); a call adds only what is new. Lines are cleaned of control
 * octets and end at 4 kB. A reader that stops reading blocks nobody: lines
 * are dropped and counted.
 */
#ifndef POSTRIDER_BASE_LOG_H
#define POSTRIDER_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* What a line speaks of. Copied into the line, so it may be on the stack. */
struct log_subject {
	const char *area;	/* "smtp", "api", "writer" … static */
	char text[96];		/* "key=value key=value", "" for none */
};

/* Lines go to stderr, as key=value or JSON, from this level on. */
void log_open(enum log_level least, bool json);
/* Would a line of this level be written? */
bool log_wants(enum log_level level);
/* "debug", "info", "warn", "error". */
bool log_level_parse(const char *word, enum log_level *out);

/* s may be NULL. key=value pairs in the text are kept as they are. */
void log_write(enum log_level level, const struct log_subject *s,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Lines that were lost because stderr did not take them. */
uint64_t log_dropped(void);

#define log_debug(s, ...) do { \
	if (log_wants(LOG_DEBUG)) log_write(LOG_DEBUG, (s), __VA_ARGS__); \
} while (0)
#define log_info(s, ...)	log_write(LOG_INFO, (s), __VA_ARGS__)
#define log_warn(s, ...)	log_write(LOG_WARN, (s), __VA_ARGS__)
#define log_error(s, ...)	log_write(LOG_ERROR, (s), __VA_ARGS__)

#endif
