/*
 * smtp_serve - the inside of struct smtp_server, for server.c, verb.c and
 * login.c alone.
 */
#ifndef POSTRIDER_SMTP_SERVE_H
#define POSTRIDER_SMTP_SERVE_H

#include "core/base/arena.h"
#include "core/smtp/content.h"
#include "core/smtp/parameter.h"
#include "core/smtp/server.h"

/*
 * COMMAND takes lines; between EHLO's and QUIT's it goes to
 *
 *	DATA	after 354, back behind the end of data
 *	CHUNK	after BDAT, back behind its octets
 *	LOGIN	after 334, each line is a part of AUTH
 *	TLS	after STARTTLS's 220, until smtp_server_tls_started()
 *
 * and OVER, which is never left. An answer that is due (due != DUE_NONE)
 * stops the reading in any of them.
 */
enum smtp_serving {
	SERVE_COMMAND, SERVE_DATA, SERVE_CHUNK, SERVE_LOGIN, SERVE_TLS,
	SERVE_OVER
};

enum smtp_due { DUE_NONE, DUE_MAIL, DUE_RCPT, DUE_DATA, DUE_AUTH };

enum smtp_login { LOGIN_PLAIN, LOGIN_USER, LOGIN_PASSWORD };

struct smtp_server {
	struct smtp_server_params params;
	char *hostname, *greeting;
	enum smtp_serving state;
	enum smtp_due due;		/* what the owner still decides */
	int64_t now_ms, deadline_ms;
	struct str *out;		/* of the call in progress */

	struct str line;		/* a line without its end */
	struct str kept;		/* came while an answer was due */
	struct str words;		/* the owner's words of a reply */
	bool skipping;			/* a line over its limit */
	bool more;			/* octets stand behind this line */

	char *helo;			/* NULL: nobody said hello */
	bool authenticated, stopping;
	bool crowded;			/* octets came behind AUTH */
	int errors, junk, auth_failures;

	struct arena *scratch;		/* one command */
	struct arena *transaction;	/* the envelope's texts */
	struct smtp_envelope envelope;
	struct smtp_parameters parameters;	/* of the command at hand */
	const char **rcpt;
	int rcpt_cap;
	bool mail_given;		/* a transaction is open */

	struct smtp_content content;
	bool chunked;			/* it came by BDAT */
	bool chunk_last, chunk_refused;
	int chunks;
	size_t chunk_left;
	enum smtp_login login;
	struct str user;		/* LOGIN's first half */
};

/* server.c */
void smtp_serve_enter(struct smtp_server *s, enum smtp_serving next);

/* One reply; text is split at LF and cleaned. */
void smtp_serve_reply(struct smtp_server *s, int code, const char *text);

/* The same for what the client did wrong; ends the session at the limit. */
void smtp_serve_fault(struct smtp_server *s, int code, const char *text);

/* The last reply. */
void smtp_serve_close(struct smtp_server *s, int code, const char *text);

/* The envelope and what was collected go. */
void smtp_serve_reset(struct smtp_server *s);

/* A decision came, at once or later. */
void smtp_serve_decided(struct smtp_server *s, enum smtp_due what, int code);

/* The message is whole: refusals that need no owner, then data(). */
void smtp_serve_message(struct smtp_server *s);

/* verb.c: a command line. */
void smtp_verb_take(struct smtp_server *s, struct slice line);

/* login.c: AUTH, and the lines behind its 334. */
void smtp_login_auth(struct smtp_server *s, struct slice args);
/* What the client said behind a 334. */
void smtp_login_line(struct smtp_server *s, struct slice line);

#endif
