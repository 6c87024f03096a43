/*
 * bare_path - the work of the line with nothing else: no checks, no retries,
 * no account, one template in memory. What Postrider's end-to-end rate is
 * measured against (tests/bench/README.md).
 *
 *	bare_path HTTP-PORT DATABASE-URL SINK-PORT TEMPLATE-FILE
 *
 *   HTTP thread      POST: jansson, then suspended until its commit
 *   2 accept threads a connection each: all that waits is one commit of
 *                    message, queue row (born leased) and Send event
 *   sender thread    compose, pipelined SMTP over SESSIONS kept connections
 *   2 finish threads a connection each: all that waits is one commit of the
 *                    Delivery event; the queue row goes
 *
 * GET answers {"accepted","delivered","acceptBatch","finishBatch"}. Any
 * trouble ends the program: a bench has no use for half a result.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <libpq-fe.h>
#include <microhttpd.h>

#include "core/base/str.h"

enum {
	SESSIONS = 20,
	VARIABLES = 5,
	PIECES_MAX = 64,
	BATCH_MAX = 1000,
	EXPECT_MAX = 16,	/* replies that a session may owe us */
	BODY_MAX = 65536,
	BUF_MAX = 4 << 20,
};

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("bare_path: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

/* ---- one mail through all stages ---- */

struct mail {
	struct mail *next;
	struct MHD_Connection *connection;	/* until its answer */
	struct str body;			/* the request, then the data */
	json_t *request, *data;
	const char *from, *to;			/* inside request */
	const char *values[VARIABLES];		/* inside data */
	char reply[128];
	int64_t id;
	bool committed;
	atomic_int holders;		/* HTTP side, delivery side */
};

static void
mail_release(struct mail *m)
{
	if (atomic_fetch_sub(&m->holders, 1) > 1)
		return;
	json_decref(m->request);
	json_decref(m->data);
	str_release(&m->body);
	free(m);
}

/* A list that one stage fills and another empties whole. */
struct basket {
	pthread_mutex_t lock;
	pthread_cond_t some;
	struct mail *first, **last;
};

static void
basket_init(struct basket *b)
{
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->some, NULL);
	b->first = NULL;
	b->last = &b->first;
}

static void
basket_put(struct basket *b, struct mail *list)
{
	struct mail *m;

	pthread_mutex_lock(&b->lock);
	*b->last = list;
	for (m = list; m != NULL; m = m->next)
		b->last = &m->next;
	pthread_cond_signal(&b->some);
	pthread_mutex_unlock(&b->lock);
}

/* At most max mails; waits for the first when told so. */
static struct mail *
basket_take(struct basket *b, int max, bool wait)
{
	struct mail *list, **end;

	pthread_mutex_lock(&b->lock);
	while (wait && b->first == NULL)
		pthread_cond_wait(&b->some, &b->lock);
	list = b->first;
	for (end = &list; *end != NULL && max-- > 0; )
		end = &(*end)->next;
	b->first = *end;
	*end = NULL;
	if (b->first == NULL)
		b->last = &b->first;
	else
		pthread_cond_signal(&b->some);
	pthread_mutex_unlock(&b->lock);
	return list;
}

/* Shared by the threads; the program has one line only. */
static struct basket to_accept, to_send, to_finish;
static int http_wake, sender_wake;
static atomic_long accepted, delivered, accept_batches, finish_batches;

static void
wake(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		die("eventfd: %s", strerror(errno));
}

static void
drain(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		die("eventfd: %s", strerror(errno));
}

/* ---- template: pieces of text with a variable behind each ---- */

struct piece {
	const char *text;
	size_t n;
	int variable;		/* -1: none follows */
};

struct text {
	struct piece pieces[PIECES_MAX];
	int count;
};

static struct text subject, plain, html;
static char *names[VARIABLES];

static int
variable_of(const char *name, size_t n)
{
	int i;

	for (i = 0; i < VARIABLES; i++) {
		if (names[i] == NULL)
			names[i] = strndup(name, n);
		if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
			return i;
	}
	die("more than %d variables", VARIABLES);
}

static char *
with_crlf(const char *in)
{
	struct str out = STR_INIT(BUF_MAX);

	for (; *in != '\0'; in++)
		str_put(&out, *in == '\n' ? "\r\n" : in, *in == '\n' ? 2 : 1);
	return str_take(&out);
}

static void
text_compile(struct text *t, const char *source)
{
	const char *p = with_crlf(source), *open, *close;

	for (;;) {
		if (t->count == PIECES_MAX)
			die("more than %d pieces", PIECES_MAX);
		struct piece *piece = &t->pieces[t->count++];
		open = strstr(p, "{{");
		piece->text = p;
		piece->n = open == NULL ? strlen(p) : (size_t)(open - p);
		piece->variable = -1;
		if (open == NULL)
			return;
		close = strstr(open, "}}");
		if (close == NULL)
			die("a variable does not end");
		piece->variable = variable_of(open + 2,
		    (size_t)(close - open) - 2);
		p = close + 2;
	}
}

static void
text_render(const struct text *t, const struct mail *m, struct str *out)
{
	int i;

	for (i = 0; i < t->count; i++) {
		str_put(out, t->pieces[i].text, t->pieces[i].n);
		if (t->pieces[i].variable >= 0)
			str_puts(out, m->values[t->pieces[i].variable]);
	}
}

static void
template_load(const char *path)
{
	json_error_t error;
	json_t *file = json_load_file(path, 0, &error), *content;

	content = json_object_get(file, "TemplateContent");
	if (content == NULL)
		die("%s: %s", path, error.text);
	text_compile(&subject,
	    json_string_value(json_object_get(content, "Subject")));
	text_compile(&plain,
	    json_string_value(json_object_get(content, "Text")));
	text_compile(&html,
	    json_string_value(json_object_get(content, "Html")));
}

static void
compose(const struct mail *m, struct str *out)
{
	char date[64];
	time_t now = time(NULL);
	struct tm tm;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000",
	    gmtime_r(&now, &tm));
	str_printf(out, "From: %s\r\nTo: %s\r\nDate: %s\r\n"
	    "Message-ID: <%016llx@bare.test>\r\nSubject: ", m->from, m->to,
	    date, (unsigned long long)m->id);
	text_render(&subject, m, out);
	str_printf(out, "\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/alternative; boundary=\"b%016llx\"\r\n"
	    "\r\n--b%016llx\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n\r\n",
	    (unsigned long long)m->id, (unsigned long long)m->id);
	text_render(&plain, m, out);
	str_printf(out, "\r\n--b%016llx\r\n"
	    "Content-Type: text/html; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n\r\n",
	    (unsigned long long)m->id);
	text_render(&html, m, out);
	str_printf(out, "\r\n--b%016llx--\r\n", (unsigned long long)m->id);
}

/* ---- database: one commit for many ---- */

static const char schema[] =
    "DROP TABLE IF EXISTS message, queue, event;"
    "CREATE TABLE message (id bigint PRIMARY KEY, accepted_at timestamptz"
    " NOT NULL, sender text, recipient text, data text);"
    "CREATE TABLE queue (id bigint PRIMARY KEY, due_at timestamptz NOT NULL,"
    " node int NOT NULL, fence int NOT NULL, attempts int NOT NULL DEFAULT 0);"
    "CREATE TABLE event (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " message bigint NOT NULL, kind smallint NOT NULL, at timestamptz NOT NULL,"
    " recipient text, reply text)";

static const struct { const char *name, *sql; int args; } statements[] = {
	{ "accept_message", "INSERT INTO message SELECT id, now(), f, t, d FROM"
	    " unnest($1::bigint[], $2::text[], $3::text[], $4::text[])"
	    " AS u(id, f, t, d)", 4 },
	{ "accept_queue", "INSERT INTO queue SELECT id, now() + interval '60s',"
	    " 1, 1 FROM unnest($1::bigint[]) AS u(id)", 1 },
	{ "accept_event", "INSERT INTO event (message, kind, at) SELECT id, 1,"
	    " now() FROM unnest($1::bigint[]) AS u(id)", 1 },
	{ "finish_event", "INSERT INTO event (message, kind, at, recipient,"
	    " reply) SELECT id, 2, now(), t, r FROM unnest($1::bigint[],"
	    " $2::text[], $3::text[]) AS u(id, t, r)", 3 },
	{ "finish_queue", "DELETE FROM queue WHERE id = ANY($1::bigint[])", 1 },
	{ "begin", "BEGIN", 0 },
	{ "commit", "COMMIT", 0 },
};

static PGconn *
database_open(const char *url, bool prepare)
{
	PGconn *conn = PQconnectdb(url);
	size_t i;

	if (PQstatus(conn) != CONNECTION_OK)
		die("%s", PQerrorMessage(conn));
	for (i = 0; prepare && i < sizeof(statements) / sizeof(*statements);
	    i++) {
		PGresult *r = PQprepare(conn, statements[i].name,
		    statements[i].sql, statements[i].args, NULL);
		if (PQresultStatus(r) != PGRES_COMMAND_OK)
			die("%s", PQerrorMessage(conn));
		PQclear(r);
	}
	return conn;
}

static void
database_reset(const char *url)
{
	PGconn *conn = database_open(url, false);
	PGresult *r = PQexec(conn, schema);

	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		die("%s", PQerrorMessage(conn));
	PQclear(r);
	PQfinish(conn);
}

static void
queue_statement(PGconn *conn, const char *name, const struct str *const *args,
    int n)
{
	const char *values[4];
	int i;

	for (i = 0; i < n; i++)
		values[i] = str_text(args[i]);
	if (!PQsendQueryPrepared(conn, name, n, values, NULL, NULL, 0))
		die("%s", PQerrorMessage(conn));
}

/* Everything that was queued, in one round trip. */
static void
run_pipeline(PGconn *conn)
{
	PGresult *r;
	bool synced = false;

	if (!PQpipelineSync(conn))
		die("%s", PQerrorMessage(conn));
	while (!synced) {
		r = PQgetResult(conn);
		if (r == NULL)
			continue;	/* between two statements */
		synced = PQresultStatus(r) == PGRES_PIPELINE_SYNC;
		if (!synced && PQresultStatus(r) != PGRES_COMMAND_OK)
			die("%s", PQerrorMessage(conn));
		PQclear(r);
	}
}

static void
array_int(struct str *a, int64_t v)
{
	str_putc(a, a->n == 0 ? '{' : ',');
	str_put_int(a, v);
}

static void
array_text(struct str *a, const char *v)
{
	str_puts(a, a->n == 0 ? "{\"" : ",\"");
	for (; *v != '\0'; v++) {
		if (*v == '"' || *v == '\\')
			str_putc(a, '\\');
		str_putc(a, *v);
	}
	str_putc(a, '"');
}

enum { IDS, SENDERS, RECIPIENTS, DATA, ARRAYS };

static void
arrays_open(struct str *a)
{
	int i;

	for (i = 0; i < ARRAYS; i++)
		a[i] = STR_INIT(BUF_MAX);
}

static void
arrays_end(struct str *a)
{
	int i;

	for (i = 0; i < ARRAYS; i++)
		str_putc(&a[i], '}');
}

static void
arrays_clear(struct str *a)
{
	int i;

	for (i = 0; i < ARRAYS; i++)
		str_clear(&a[i]);
}

static const char *
data_of(const struct mail *m)
{
	return json_string_value(json_object_get(json_object_get(
	    json_object_get(m->request, "Content"), "Template"),
	    "TemplateData"));
}

static void
accept_commit(PGconn *conn, struct str *a, struct mail *list)
{
	const struct str *args[] = { &a[0], &a[1], &a[2], &a[3] };
	struct mail *m;
	int n = 0;

	arrays_clear(a);
	for (m = list; m != NULL; m = m->next, n++) {
		array_int(&a[IDS], m->id);
		array_text(&a[SENDERS], m->from);
		array_text(&a[RECIPIENTS], m->to);
		array_text(&a[DATA], data_of(m));
	}
	arrays_end(a);
	queue_statement(conn, "begin", NULL, 0);
	queue_statement(conn, "accept_message", args, 4);
	queue_statement(conn, "accept_queue", args, 1);
	queue_statement(conn, "accept_event", args, 1);
	queue_statement(conn, "commit", NULL, 0);
	run_pipeline(conn);
	atomic_fetch_add(&accepted, n);
	atomic_fetch_add(&accept_batches, 1);
}

/*
 * The HTTP thread and the sender each walk the list in their own time, so the
 * answers get a list of their own: connection and id are all they need.
 */
struct answer {
	struct answer *next;
	struct mail *mail;
};

static pthread_mutex_t answers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct answer *answers;

static void
answer_all(struct mail *list)
{
	struct answer *first = NULL, **last = &first;
	struct mail *m;

	for (m = list; m != NULL; m = m->next) {
		struct answer *a = malloc(sizeof(*a));
		a->mail = m;
		*last = a;
		last = &a->next;
	}
	pthread_mutex_lock(&answers_lock);
	*last = answers;
	answers = first;
	pthread_mutex_unlock(&answers_lock);
	wake(http_wake);
}

static void *
accept_main(void *url)
{
	PGconn *conn = database_open(url, true);
	struct str arrays[ARRAYS];

	prctl(PR_SET_NAME, "accept");
	PQenterPipelineMode(conn);
	arrays_open(arrays);
	for (;;) {
		struct mail *list = basket_take(&to_accept, BATCH_MAX, true);
		accept_commit(conn, arrays, list);
		answer_all(list);
		basket_put(&to_send, list);
		wake(sender_wake);
	}
	return NULL;
}

static void *
finish_main(void *url)
{
	PGconn *conn = database_open(url, true);
	struct str a[ARRAYS];
	const struct str *args[] = { &a[0], &a[1], &a[2] };

	prctl(PR_SET_NAME, "finish");
	PQenterPipelineMode(conn);
	arrays_open(a);
	for (;;) {
		struct mail *list = basket_take(&to_finish, BATCH_MAX, true);
		struct mail *m, *next;
		int n = 0;

		arrays_clear(a);
		for (m = list; m != NULL; m = m->next, n++) {
			array_int(&a[0], m->id);
			array_text(&a[1], m->to);
			array_text(&a[2], m->reply);
		}
		arrays_end(a);
		queue_statement(conn, "begin", NULL, 0);
		queue_statement(conn, "finish_event", args, 3);
		queue_statement(conn, "finish_queue", args, 1);
		queue_statement(conn, "commit", NULL, 0);
		run_pipeline(conn);
		atomic_fetch_add(&delivered, n);
		atomic_fetch_add(&finish_batches, 1);
		for (m = list; m != NULL; m = next) {
			next = m->next;
			mail_release(m);
		}
	}
	return NULL;
}

/* ---- SMTP: one thread, kept sessions, everything pipelined ---- */

enum expect { GREETING, EHLO, MAIL, RCPT, GO_AHEAD, DOT };

static const int expected_code[] = { 220, 250, 250, 250, 354, 250 };

struct session {
	int fd;
	struct str in, out;
	enum expect owed[EXPECT_MAX];	/* ring */
	unsigned head, tail;
	struct mail *enveloped;		/* MAIL RCPT DATA were sent */
	struct mail *sent;		/* the dot was sent */
	bool ready;
};

static struct mail *
next_mail(void)
{
	static struct mail *stock;	/* the sender thread's own */
	struct mail *m;

	if (stock == NULL)
		stock = basket_take(&to_send, BATCH_MAX, false);
	if ((m = stock) != NULL)
		stock = m->next;
	return m;
}

static void
owe(struct session *s, enum expect e)
{
	if (s->tail - s->head == EXPECT_MAX)
		die("too many replies owed");
	s->owed[s->tail++ % EXPECT_MAX] = e;
}

static void
flush(struct session *s)
{
	while (s->out.n > 0) {
		ssize_t n = send(s->fd, s->out.p, s->out.n, MSG_NOSIGNAL);
		if (n < 0)
			die("send: %s", strerror(errno));
		str_consume(&s->out, (size_t)n);
	}
}

static const char *
address_of(const char *from, size_t *n)
{
	const char *open = strchr(from, '<');

	from = open == NULL ? from : open + 1;
	*n = strcspn(from, ">");
	return from;
}

static void
put_envelope(struct session *s, struct mail *m)
{
	size_t n;
	const char *from = address_of(m->from, &n);

	str_printf(&s->out, "MAIL FROM:<%.*s>\r\nRCPT TO:<%s>\r\nDATA\r\n",
	    (int)n, from, m->to);
	owe(s, MAIL);
	owe(s, RCPT);
	owe(s, GO_AHEAD);
	s->enveloped = m;
}

/* The body of what was enveloped, and the next envelope behind its dot. */
static void
put_body(struct session *s)
{
	struct mail *next = next_mail();

	s->sent = s->enveloped;
	s->enveloped = NULL;
	compose(s->sent, &s->out);
	str_puts(&s->out, ".\r\n");
	owe(s, DOT);
	if (next != NULL)
		put_envelope(s, next);
}

static void
on_reply(struct session *s, const char *line)
{
	enum expect e = s->owed[s->head++ % EXPECT_MAX];

	if (strtol(line, NULL, 10) != expected_code[e])
		die("the sink said: %.60s", line);
	switch (e) {
	case GREETING:
		str_puts(&s->out, "EHLO bare.test\r\n");
		owe(s, EHLO);
		break;
	case EHLO:
		s->ready = true;
		break;
	case GO_AHEAD:
		put_body(s);
		break;
	case DOT:
		snprintf(s->sent->reply, sizeof(s->sent->reply), "%s", line);
		s->sent->next = NULL;
		basket_put(&to_finish, s->sent);
		s->sent = NULL;
		break;
	default:
		break;
	}
}

static void
on_readable(struct session *s)
{
	char *room = str_room(&s->in, 4096), *end;
	ssize_t n = recv(s->fd, room, 4096, 0);

	if (n <= 0)
		die("the sink left");
	str_advance(&s->in, (size_t)n);
	while ((end = memchr(s->in.p, '\n', s->in.n)) != NULL) {
		size_t length = (size_t)(end - s->in.p) + 1;
		s->in.p[length - 2] = '\0';
		if (length < 6 || s->in.p[3] != '-')
			on_reply(s, s->in.p);
		str_consume(&s->in, length);
	}
}

static void
session_open(struct session *s, int port, int epoll)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };
	int one = 1;

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(s->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("sink: %s", strerror(errno));
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->in = STR_INIT(BUF_MAX);
	s->out = STR_INIT(BUF_MAX);
	owe(s, GREETING);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &ev) < 0)
		die("epoll: %s", strerror(errno));
}

/* Idle sessions get a mail each while there are any. */
static void
feed_idle(struct session *sessions)
{
	struct mail *m;
	int i;

	for (i = 0; i < SESSIONS; i++) {
		struct session *s = &sessions[i];
		if (!s->ready || s->enveloped != NULL)
			continue;
		if ((m = next_mail()) == NULL)
			return;
		put_envelope(s, m);
		flush(s);
	}
}

static void *
sender_main(void *arg)
{
	static struct session sessions[SESSIONS];
	struct epoll_event ev[SESSIONS + 1], on_wake = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC), i, n;

	prctl(PR_SET_NAME, "sender");
	for (i = 0; i < SESSIONS; i++)
		session_open(&sessions[i], *(int *)arg, epoll);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, sender_wake, &on_wake) < 0)
		die("epoll: %s", strerror(errno));
	for (;;) {
		n = epoll_wait(epoll, ev, SESSIONS + 1, -1);
		for (i = 0; i < n; i++) {
			if (ev[i].data.ptr == NULL) {
				drain(sender_wake);
				continue;
			}
			on_readable(ev[i].data.ptr);
			flush(ev[i].data.ptr);
		}
		feed_idle(sessions);
	}
	return NULL;
}

/* ---- HTTP: an external epoll loop (internal threads freeze at 128) ---- */

static int64_t
new_id(void)
{
	static int64_t last;		/* the HTTP thread's own */
	struct timespec ts;
	int64_t now;

	clock_gettime(CLOCK_REALTIME, &ts);
	now = ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
	last = now > last ? now : last + 1;
	return last;
}

static void
mail_parse(struct mail *m)
{
	json_error_t error;
	json_t *to;
	int i;

	m->request = json_loadb(m->body.p, m->body.n, 0, &error);
	m->from = json_string_value(json_object_get(m->request,
	    "FromEmailAddress"));
	to = json_object_get(json_object_get(m->request, "Destination"),
	    "ToAddresses");
	m->to = json_string_value(json_array_get(to, 0));
	if (m->from == NULL || m->to == NULL || data_of(m) == NULL)
		die("a request is not as expected: %s", error.text);
	m->data = json_loads(data_of(m), 0, &error);
	for (i = 0; i < VARIABLES; i++) {
		m->values[i] = json_string_value(json_object_get(m->data,
		    names[i]));
		if (m->values[i] == NULL)
			die("%s is missing", names[i]);
	}
	m->id = new_id();
}

static enum MHD_Result
reply(struct MHD_Connection *c, const char *text)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text),
	    (void *)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	MHD_add_response_header(r, "Content-Type", "application/json");
	result = MHD_queue_response(c, 200, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result
reply_counts(struct MHD_Connection *c)
{
	char text[160];
	long a = atomic_load(&accepted), d = atomic_load(&delivered);
	long ab = atomic_load(&accept_batches), fb = atomic_load(
	    &finish_batches);

	snprintf(text, sizeof(text), "{\"accepted\":%ld,\"delivered\":%ld,"
	    "\"acceptBatch\":%.1f,\"finishBatch\":%.1f}", a, d,
	    ab == 0 ? 0.0 : (double)a / (double)ab,
	    fb == 0 ? 0.0 : (double)d / (double)fb);
	return reply(c, text);
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *c, const char *url,
    const char *method, const char *version, const char *data, size_t *n,
    void **state)
{
	struct mail *m = *state;
	char text[64];

	if (*method == 'G')
		return reply_counts(c);
	if (m == NULL) {
		*state = m = calloc(1, sizeof(*m));
		m->body = STR_INIT(BODY_MAX);
		m->connection = c;
		atomic_init(&m->holders, 2);
		return MHD_YES;
	}
	if (*n > 0) {
		str_put(&m->body, data, *n);
		*n = 0;
		return MHD_YES;
	}
	if (m->committed) {
		snprintf(text, sizeof(text), "{\"MessageId\":\"%016llx\"}",
		    (unsigned long long)m->id);
		return reply(c, text);
	}
	mail_parse(m);
	MHD_suspend_connection(c);
	basket_put(&to_accept, m);
	return MHD_YES;
}

static void
on_completed(void *cls, struct MHD_Connection *c, void **state,
    enum MHD_RequestTerminationCode why)
{
	if (*state != NULL)
		mail_release(*state);
	*state = NULL;
}

static void
resume_answered(void)
{
	struct answer *a, *next;

	pthread_mutex_lock(&answers_lock);
	a = answers;
	answers = NULL;
	pthread_mutex_unlock(&answers_lock);
	for (; a != NULL; a = next) {
		next = a->next;
		a->mail->committed = true;
		MHD_resume_connection(a->mail->connection);
		free(a);
	}
}

static void
http_main(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct MHD_Daemon *d = MHD_start_daemon(MHD_USE_EPOLL |
	    MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, NULL,
	    MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_NOTIFY_COMPLETED,
	    on_completed, NULL, MHD_OPTION_END);
	struct epoll_event ev[2], in = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC), i, n;
	MHD_UNSIGNED_LONG_LONG wait_ms;

	if (d == NULL)
		die("port %d: %s", port, strerror(errno));
	in.data.fd = MHD_get_daemon_info(d, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	epoll_ctl(epoll, EPOLL_CTL_ADD, in.data.fd, &in);
	in.data.fd = http_wake;
	epoll_ctl(epoll, EPOLL_CTL_ADD, http_wake, &in);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int timeout = MHD_get_timeout(d, &wait_ms) == MHD_YES ?
		    (int)wait_ms : -1;
		n = epoll_wait(epoll, ev, 2, timeout);
		for (i = 0; i < n; i++)
			if (ev[i].data.fd == http_wake)
				drain(http_wake);
		resume_answered();
		MHD_run(d);
	}
}

static void
start(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, arg) != 0)
		die("no thread");
}

static int
number(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

int
main(int argc, char **argv)
{
	static int sink_port;

	if (argc != 5)
		die("usage: bare_path HTTP-PORT DATABASE-URL SINK-PORT "
		    "TEMPLATE-FILE");
	signal(SIGPIPE, SIG_IGN);
	sink_port = number(argv[3]);
	template_load(argv[4]);
	database_reset(argv[2]);
	basket_init(&to_accept);
	basket_init(&to_send);
	basket_init(&to_finish);
	http_wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	sender_wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	start(accept_main, argv[2]);
	start(accept_main, argv[2]);
	start(finish_main, argv[2]);
	start(finish_main, argv[2]);
	start(sender_main, &sink_port);
	prctl(PR_SET_NAME, "http");
	http_main(number(argv[1]));
	return 0;
}
