/*
 * server: a real one on loopback, with small handlers. The shared table of
 * raw requests, each followed by a second request; deadlines; waiting
 * handlers; 128 and 256 clients in a closed loop (dependencies.md 2.1).
 */
#include "tests/unit/test_vectors.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api/route.h"
#include "api/server.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"

#define ANSWER_MAX	(16 * 1024 * 1024)
#define BIG_PAGE	(8 * 1024 * 1024)

static atomic_int smuggled, repeats;

/* ---- handlers ---- */

static enum handled
on_echo(struct request *rq, struct db *db)
{
	str_printf(&rq->reply, "{\"path\":\"%.*s\",\"body\":%zu}",
	    (int)rq->raw_path.n, rq->raw_path.p, rq->body.n);
	return request_ok(rq);
}

static enum handled
on_smuggled(struct request *rq, struct db *db)
{
	atomic_fetch_add(&smuggled, 1);
	return request_ok(rq);
}

static enum handled
on_work(struct request *rq, struct db *db)
{
	str_puts(&rq->reply, "{\"worker\":true}");
	return request_ok(rq);
}

static enum handled
on_poll(struct request *rq, struct db *db)
{
	if (rq->ctx == NULL) {
		rq->ctx = rq;
		rq->wait_until_ms = clock_steady_ms() + 350;
	}
	atomic_fetch_add(&repeats, 1);
	if (clock_steady_ms() < rq->wait_until_ms)
		return REPEAT;
	str_puts(&rq->reply, "{\"polled\":true}");
	return request_ok(rq);
}

static enum handled
on_big(struct request *rq, struct db *db)
{
	memset(str_room(&rq->reply, BIG_PAGE), 'x', BIG_PAGE);
	str_advance(&rq->reply, BIG_PAGE);
	return request_ok(rq);
}

/* LATER: a thread finishes what waits every millisecond, like a commit. */
static pthread_mutex_t commit_lock = PTHREAD_MUTEX_INITIALIZER;
static struct request *waiting[1024];
static int waiting_count;
static atomic_bool commit_stop;

static enum handled
on_later(struct request *rq, struct db *db)
{
	pthread_mutex_lock(&commit_lock);
	waiting[waiting_count++] = rq;
	pthread_mutex_unlock(&commit_lock);
	return LATER;
}

static void *
commit_thread(void *ctx)
{
	struct request *batch[COUNT_OF(waiting)];
	struct timespec t = { 0, 1000000 };
	int i, n;

	while (!atomic_load(&commit_stop)) {
		nanosleep(&t, NULL);
		pthread_mutex_lock(&commit_lock);
		n = waiting_count;
		memcpy(batch, waiting, sizeof(batch[0]) * (size_t)n);
		waiting_count = 0;
		pthread_mutex_unlock(&commit_lock);
		for (i = 0; i < n; i++) {
			str_puts(&batch[i]->reply, "{\"later\":true}");
			request_ok(batch[i]);
			request_finish(batch[i]);
		}
	}
	return NULL;
}

static const struct route rows[] = {
	{ "GET", "/a", "A", FACE_NATIVE, 0, RUN_LOOP, 1 << 20, on_echo },
	{ "POST", "/a", "A", FACE_NATIVE, 0, RUN_LOOP, 1 << 20, on_echo },
	{ "GET", "/1", "One", FACE_NATIVE, 0, RUN_LOOP, 1 << 20, on_echo },
	{ "GET", "/2", "Two", FACE_NATIVE, 0, RUN_LOOP, 1 << 20, on_echo },
	{ "GET", "/smuggled", "S", FACE_NATIVE, 0, RUN_LOOP, 1 << 20,
	    on_smuggled },
	{ "GET", "/work", "Work", FACE_NATIVE, 0, RUN_WORKER, 1 << 20,
	    on_work },
	{ "GET", "/poll", "Poll", FACE_NATIVE, 0, RUN_WORKER, 1 << 20,
	    on_poll },
	{ "POST", "/later", "Later", FACE_NATIVE, 0, RUN_LOOP, 1 << 20,
	    on_later },
	{ "GET", "/none", "Nothing", FACE_SES2, SCOPE_READ, RUN_LOOP, 1 << 20,
	    NULL },
	{ "GET", "/big", "Big", FACE_NATIVE, 0, RUN_LOOP, 1 << 20, on_big },
};

static const struct route *
find(struct request *rq, int *status, const char **allow)
{
	const char *method = strcmp(rq->method, "HEAD") == 0 ? "GET" :
	    rq->method;
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++)
		if (slice_is(rq->raw_path, rows[i].path) &&
		    strcmp(method, rows[i].method) == 0)
			return &rows[i];
	return route_find(rq, status, allow);
}

/* ---- keys ---- */

static const struct key *
by_id(void *ctx, struct slice id)
{
	return NULL;
}

static const struct key *
by_api_hash(void *ctx, const uint8_t hash[SHA256_SIZE])
{
	static const struct key key = { .access_key_id = "AKIDAPI",
	    .name = "api", .scopes = SCOPE_READ | SCOPE_SEND };
	uint8_t want[SHA256_SIZE];

	crypto_sha256("pr_test-key-of-32-octets-0123456", 32, want);
	return memcmp(hash, want, SHA256_SIZE) == 0 ? &key : NULL;
}

static const struct auth_keys finder = { by_id, by_api_hash, NULL };

/* ---- the server under test ---- */

struct fixture {
	struct server *server;
	int listener;
	struct sockaddr_in at;
};

static void
start(struct fixture *f, int64_t head_ms, int64_t body_ms)
{
	struct server_params p = { .threads = 1, .workers = 2,
	    .keys = &finder, .region = "eu-west-1", .find = find,
	    .head_ms = head_ms, .body_ms = body_ms, .listener_count = 1,
	    .listeners = &f->listener, .trusted_proxies = "192.0.2.0/24" };
	socklen_t n = sizeof(f->at);
	struct err err;

	memset(&f->at, 0, sizeof(f->at));
	f->at.sin_family = AF_INET;
	f->at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	f->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_return_code(bind(f->listener, (struct sockaddr *)&f->at, n), 0);
	assert_return_code(listen(f->listener, 512), 0);
	getsockname(f->listener, (struct sockaddr *)&f->at, &n);
	assert_int_equal(server_start(&p, &f->server, &err), OK);
}

static void
stop(struct fixture *f)
{
	server_stop(f->server, 3000);
	close(f->listener);
}

/* ---- the client ---- */

static int
dial(const struct fixture *f)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_return_code(connect(fd, (const struct sockaddr *)&f->at,
	    sizeof(f->at)), errno);
	return fd;
}

/* false: the server is gone. */
static bool
send_all(int fd, struct slice text)
{
	ssize_t n;

	while (text.n > 0) {
		n = send(fd, text.p, text.n, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		text = slice_skip(text, (size_t)n);
	}
	return true;
}

struct answer {
	int status;		/* 0: closed, -1: nothing in time */
	struct str text;	/* head and body */
	bool close;
};

static size_t
length_of(const struct str *s, size_t head)
{
	const char *at = strcasestr(str_text(s), "\r\nContent-Length:");

	return at == NULL || (size_t)(at - s->p) > head ? 0 :
	    (size_t)strtoul(at + 17, NULL, 10);
}

/* Reads one answer; in keeps what came behind it. */
static void
read_answer(int fd, int timeout_ms, bool head_only, struct str *in,
    struct answer *out)
{
	struct pollfd p = { fd, POLLIN, 0 };
	const char *end;
	size_t need;
	ssize_t n;

	str_clear(&out->text);
	for (;;) {
		end = in->p == NULL ? NULL : memmem(in->p, in->n, "\r\n\r\n",
		    4);
		if (end != NULL) {
			need = (size_t)(end - in->p) + 4;
			if (!head_only)
				need += length_of(in, need);
			if (in->n >= need)
				break;
		}
		if (poll(&p, 1, timeout_ms) <= 0) {
			out->status = -1;
			return;
		}
		n = recv(fd, str_room(in, 65536), 65536, 0);
		if (n <= 0) {
			out->status = 0;
			return;
		}
		str_advance(in, (size_t)n);
	}
	str_put(&out->text, in->p, need);
	str_consume(in, need);
	out->status = (int)strtol(out->text.p + 9, NULL, 10);
	out->close = strcasestr(out->text.p, "\r\nConnection: close") != NULL;
	if (out->status == 100)
		read_answer(fd, timeout_ms, head_only, in, out);
}

static void
ask(const struct fixture *f, const char *text, struct answer *out)
{
	struct str in = STR_INIT(ANSWER_MAX);
	int fd = dial(f);

	out->text = STR_INIT(ANSWER_MAX);
	send_all(fd, slice_of(text));
	read_answer(fd, 5000, strncmp(text, "HEAD", 4) == 0, &in, out);
	str_release(&in);
	close(fd);
}

/* ---- the shared table ---- */

/* The statuses that the row names; 0 among them for "close". */
static bool
is_expected(struct slice expect, int status)
{
	bool any = false;
	size_t i;

	for (i = 0; i + 3 <= expect.n; i++) {
		const char *p = expect.p + i;

		if ((i > 0 && isalnum((unsigned char)p[-1])) ||
		    !isdigit((unsigned char)p[0]) ||
		    !isdigit((unsigned char)p[1]) ||
		    !isdigit((unsigned char)p[2]) ||
		    (i + 3 < expect.n && isalnum((unsigned char)p[3])))
			continue;
		if (p[0] == '1')	/* 100 comes before the answer */
			return status == 200;
		any = true;
		if ((p[0] - '0') * 100 + (p[1] - '0') * 10 + p[2] - '0' ==
		    status)
			return true;
	}
	if (status == 0)
		return memmem(expect.p, expect.n, "or close", 8) != NULL;
	return !any;
}

static bool
is_error_shaped(const struct answer *a)
{
	return a->status < 400 || strstr(str_text(&a->text),
	    "\"message\":") != NULL || strstr(str_text(&a->text),
	    "<ErrorResponse") != NULL;
}

static int html_answers;

static void
check_raw(const struct fixture *f, const struct json *row)
{
	static const char again[] = "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n";
	struct slice id = vectors_text(row, "id");
	struct slice expect = vectors_text(row, "expect");
	struct str raw = STR_INIT(ANSWER_MAX), in = STR_INIT(ANSWER_MAX);
	struct answer a = { .text = STR_INIT(ANSWER_MAX) };
	int fd;

	vectors_gen(json_member(row, "raw"), &raw);
	if (raw.n > 0 && raw.p[0] == '<')
		goto out;
	fd = dial(f);
	send_all(fd, str_slice(&raw));
	read_answer(fd, 4000, false, &in, &a);
	/* The library waits for an end of line; our deadline ends that. */
	if (slice_is(id, "chunk-ext-lf") && a.status == 0)
		a.status = 400;
	/* It takes bare LF in chunk lines; so nothing may come behind them. */
	else if (slice_is(id, "chunk-lf") && a.status == 200)
		assert_true(a.close);
	else if (!is_expected(expect, a.status))
		fail_msg("%.*s: %d, wanted %.*s\n%s", (int)id.n, id.p,
		    a.status, (int)expect.n, expect.p, str_text(&a.text));
	if (a.text.n > 0 && !is_error_shaped(&a)) {
		print_message("%.*s: the library's own %d\n", (int)id.n, id.p,
		    a.status);
		html_answers++;
	}
	if (slice_is(id, "pipeline")) {
		read_answer(fd, 4000, false, &in, &a);
		assert_int_equal(a.status, 200);
		assert_non_null(strstr(str_text(&a.text), "/2"));
	}
	if (a.text.n > 0 && a.status >= 400 && memmem(expect.p, expect.n, "then close", 10))
		assert_true(a.close);
	/* A second request: answered in step, or the connection is gone. */
	if (send_all(fd, slice_of(again))) {
		read_answer(fd, 2000, false, &in, &a);
		if (a.status != 0 && a.status != 200)
			fail_msg("%.*s: second request: %d", (int)id.n, id.p,
			    a.status);
		if (a.status == 200)
			assert_non_null(strstr(str_text(&a.text), "/2"));
	}
	close(fd);
	if (atomic_load(&smuggled) != 0)
		fail_msg("%.*s: the hidden request ran", (int)id.n, id.p);
out:
	str_release(&raw);
	str_release(&in);
	str_release(&a.text);
}

static void
test_raw_requests(void **state)
{
	struct arena *a = arena_new(0);
	const struct json *cases = vectors_load(a, "http/raw-requests.json");
	size_t i, n = json_length(cases);
	struct fixture f;

	start(&f, 600, 700);
	for (i = 0; i < n; i++)
		check_raw(&f, json_item(cases, i));
	stop(&f);
	arena_free(a);
	if (n == 0)
		skip();
	assert_int_equal(n, 65);
	print_message("%d answers are the library's own pages\n",
	    html_answers);
}

/* ---- deadlines ---- */

/* Sends text, then one octet of drip every 50 ms, until the server goes. */
static int64_t
drip(const struct fixture *f, const char *text, const char *octet)
{
	int64_t begin = clock_steady_ms(), now = begin;
	struct timespec t = { 0, 50000000 };
	int fd = dial(f);
	char buf[512];
	bool gone = false;

	send_all(fd, slice_of(text));
	while (!gone && now - begin < 4000) {
		nanosleep(&t, NULL);
		gone = !send_all(fd, slice_make(octet, strlen(octet))) ||
		    recv(fd, buf, sizeof(buf), MSG_DONTWAIT) == 0;
		now = clock_steady_ms();
	}
	close(fd);
	assert_true(gone);
	return now - begin;
}

static void
test_deadlines(void **state)
{
	struct fixture f;

	start(&f, 300, 400);
	assert_in_range(drip(&f, "GET /a HTTP/1.1\r\n", "A: b\r\n"), 200, 1500);
	assert_in_range(drip(&f, "GE", ""), 200, 1500);
	assert_in_range(drip(&f, "POST /a HTTP/1.1\r\nHost: x\r\n"
	    "Content-Length: 1000\r\n\r\n", "a"), 300, 1500);
	assert_in_range(drip(&f, "POST /a HTTP/1.1\r\nHost: x\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n3;", "a"), 300, 1500);
	stop(&f);
}

/* A client that asks for a large page and does not read it. */
static void
test_slow_read(void **state)
{
	static const char get[] = "GET /big HTTP/1.1\r\nHost: x\r\n\r\n";
	struct timespec t = { 1, 500000000 };
	struct fixture f;
	struct answer a;
	size_t got = 0;
	char buf[65536];
	ssize_t n;
	int fd;

	start(&f, 300, 400);
	ask(&f, get, &a);
	assert_int_equal(a.status, 200);
	assert_true(a.text.n > BIG_PAGE);
	str_release(&a.text);
	fd = dial(&f);
	send_all(fd, slice_of(get));
	nanosleep(&t, NULL);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		got += (size_t)n;
	assert_true(got < BIG_PAGE);
	close(fd);
	stop(&f);
}

static void
test_many_idle(void **state)
{
	struct fixture f;
	struct answer a;
	int fd[400], i;

	start(&f, 0, 0);
	for (i = 0; i < (int)COUNT_OF(fd); i++)
		fd[i] = dial(&f);
	ask(&f, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", &a);
	assert_int_equal(a.status, 200);
	str_release(&a.text);
	for (i = 0; i < (int)COUNT_OF(fd); i++)
		close(fd[i]);
	stop(&f);
}

/* ---- answers ---- */

static void
test_answers(void **state)
{
	static const struct {
		const char *text;
		int status;
		const char *words;
	} cases[] = {
		{ "GET /work HTTP/1.1\r\nHost: x\r\n\r\n", 200, "worker" },
		{ "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
		    "\r\n{}", 200, "later" },
		{ "GET /poll HTTP/1.1\r\nHost: x\r\n\r\n", 200, "polled" },
		{ "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n", 200,
		    "x-amzn-RequestId: " },
		{ "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
		    404, "\"code\":\"UnknownOperation\"" },
		{ "PUT /v2/email/account HTTP/1.1\r\nHost: x\r\n"
		    "Content-Length: 2\r\n\r\n{}", 405, "Allow: GET, HEAD" },
		{ "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404,
		    "UnknownOperationException" },
		{ "GET /v2/email/account HTTP/1.1\r\nHost: x\r\n\r\n", 403,
		    "x-amzn-ErrorType: MissingAuthenticationTokenException" },
		{ "POST /v2/email/outbound-emails HTTP/1.1\r\nHost: x\r\n"
		    "Content-Length: 2\r\n\r\n{}", 403,
		    "\"code\":\"MissingAuthenticationToken\"" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 19\r\n\r\n"
		    "Action=GetSendQuota", 403,
		    "<Code>MissingAuthenticationToken</Code>" },
		{ "GET /none HTTP/1.1\r\nHost: x\r\n"
		    "Authorization: Bearer pr_test-key-of-32-octets-0123456"
		    "\r\n\r\n", 400, "Nothing is not offered by this "
		    "version of Postrider." },
		{ "PUT /v2/email/account/sending HTTP/1.1\r\nHost: x\r\n"
		    "Authorization: Bearer pr_test-key-of-32-octets-0123456"
		    "\r\nContent-Length: 2\r\n\r\n{}", 403,
		    "not authorized to perform: "
		    "ses:PutAccountSendingAttributes" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n"
		    "Authorization: Bearer pr_test-key-of-32-octets-0123456"
		    "\r\n\r\nAction=SendBounce", 400,
		    "<Code>InvalidAction</Code><Message>SendBounce is not "
		    "offered by this version of Postrider.</Message>" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
		    "Authorization: Bearer pr_test-key-of-32-octets-0123456"
		    "\r\n\r\na=b", 400, "<Code>MissingAction</Code>" },
		{ "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n"
		    "\r\n", 413, "RequestEntityTooLarge" },
		{ "POST /a HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"
		    "Content-Length: 2\r\n\r\n{}", 415, "\"message\"" },
		{ "POST /a HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n"
		    "Content-Length: 2\r\n\r\n{}", 417, "\"message\"" },
		{ "GET /a HTTP/1.1\r\nHost: x\r\n"
		    "X-Forwarded-For: 203.0.113.9\r\n\r\n", 200, "" },
	};
	struct fixture f;
	struct answer a;
	size_t i;

	start(&f, 0, 0);
	for (i = 0; i < COUNT_OF(cases); i++) {
		ask(&f, cases[i].text, &a);
		if (a.status != cases[i].status ||
		    strstr(str_text(&a.text), cases[i].words) == NULL)
			fail_msg("%s\n-> %d %s", cases[i].text, a.status,
			    str_text(&a.text));
		assert_non_null(strcasestr(str_text(&a.text),
		    "x-amzn-RequestId"));
		assert_non_null(strcasestr(str_text(&a.text),
		    "X-Content-Type-Options: nosniff"));
		str_release(&a.text);
	}
	assert_in_range(atomic_load(&repeats), 3, 6);
	assert_int_equal(server_open_requests(f.server), 0);
	stop(&f);
}

/* A body announced small and sent without end; 100 failures a minute. */
static void
test_limits(void **state)
{
	static const char unsigned_get[] = "GET /v2/email/account HTTP/1.1\r\n"
	    "Host: x\r\nAuthorization: junk\r\n\r\n";
	struct str in = STR_INIT(ANSWER_MAX);
	struct answer a = { .text = STR_INIT(ANSWER_MAX) };
	struct fixture f;
	int fd, i;

	start(&f, 0, 0);
	fd = dial(&f);
	send_all(fd, SLICE_LIT("POST /a HTTP/1.1\r\nHost: x\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"));
	for (i = 0; i < 2000; i++) {
		char chunk[1031];

		memcpy(chunk, "400\r\n", 5);
		memset(chunk + 5, 'x', 1024);
		memcpy(chunk + 1029, "\r\n", 2);
		if (!send_all(fd, slice_make(chunk, sizeof(chunk))))
			break;
	}
	read_answer(fd, 2000, false, &in, &a);
	assert_true(a.status == 413 || a.status == 0);
	close(fd);

	str_clear(&in);
	fd = dial(&f);
	for (i = 0; i < 101; i++) {
		send_all(fd, slice_of(unsigned_get));
		read_answer(fd, 2000, false, &in, &a);
		if (a.status == 429)
			break;
		assert_int_equal(a.status, 403);
	}
	assert_int_equal(a.status, 429);
	assert_non_null(strstr(str_text(&a.text), "Retry-After: "));
	send_all(fd, SLICE_LIT("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
	read_answer(fd, 2000, false, &in, &a);
	assert_int_equal(a.status, 200);
	close(fd);
	str_release(&in);
	str_release(&a.text);
	stop(&f);
}

/* ---- the freeze ---- */

static long
closed_loop(const struct fixture *f, int clients, struct slice text)
{
	struct pollfd *p = mem_new(sizeof(*p) * (size_t)clients);
	int64_t end = clock_steady_ms() + 1000, last = end - 1000, now;
	long answers = 0;
	char buf[4096];
	int i;

	for (i = 0; i < clients; i++) {
		p[i].fd = dial(f);
		p[i].events = POLLIN;
	}
	/* All at once: one epoll_wait of the library returns them all. */
	for (i = 0; i < clients; i++)
		send_all(p[i].fd, text);
	while ((now = clock_steady_ms()) < end) {
		poll(p, (nfds_t)clients, 100);
		for (i = 0; i < clients; i++) {
			if ((p[i].revents & POLLIN) == 0)
				continue;
			memset(buf, 0, sizeof(buf));
			if (recv(p[i].fd, buf, sizeof(buf) - 1, 0) <= 0)
				fail_msg("a client was cut off");
			answers++;
			/* A connection serves 1,000 requests. */
			if (strcasestr(buf, "\nConnection: close") != NULL) {
				close(p[i].fd);
				p[i].fd = dial(f);
			}
			last = clock_steady_ms();
			send_all(p[i].fd, text);
		}
		if (now - last > 700)
			fail_msg("%d clients are stuck after %ld answers",
			    clients, answers);
	}
	for (i = 0; i < clients; i++)
		close(p[i].fd);
	free(p);
	return answers;
}

static void
test_closed_loops(void **state)
{
	static const int clients[] = { 32, 128, 256 };
	static const char body[] = "POST /%s HTTP/1.1\r\nHost: x\r\n"
	    "Content-Type: application/json\r\nContent-Length: 12\r\n\r\n"
	    "{\"a\":\"bcde\"}";
	struct fixture f;
	char text[256];
	size_t i;
	long n;

	for (i = 0; i < COUNT_OF(clients) * 2; i++) {
		start(&f, 0, 0);
		snprintf(text, sizeof(text), body, i % 2 ? "later" : "a");
		n = closed_loop(&f, clients[i / 2], slice_of(text));
		print_message("%d clients, %s: %ld answers/s\n",
		    clients[i / 2], i % 2 ? "later" : "at once", n);
		assert_true(n > clients[i / 2] * 3);
		stop(&f);
	}
}

/* Drain: open requests are answered, then connections close. */
static void
test_drain(void **state)
{
	struct str in = STR_INIT(ANSWER_MAX);
	struct answer a = { .text = STR_INIT(ANSWER_MAX) };
	struct timespec t = { 0, 100000000 };
	struct fixture f;
	int fd;

	start(&f, 0, 0);
	fd = dial(&f);
	send_all(fd, SLICE_LIT("GET /poll HTTP/1.1\r\nHost: x\r\n\r\n"));
	nanosleep(&t, NULL);
	assert_int_equal(server_open_requests(f.server), 1);
	server_drain(f.server);
	read_answer(fd, 1000, false, &in, &a);
	assert_int_equal(a.status, 200);
	assert_true(a.close);
	close(fd);
	str_release(&in);
	str_release(&a.text);
	stop(&f);
}

static pthread_t committer;

static int
begin(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	crypto_init();
	log_open(LOG_ERROR, false);
	return pthread_create(&committer, NULL, commit_thread, NULL);
}

static int
end(void **state)
{
	atomic_store(&commit_stop, true);
	return pthread_join(committer, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_raw_requests),
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_slow_read),
		cmocka_unit_test(test_many_idle),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_closed_loops),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
