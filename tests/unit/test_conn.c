/* conn, tls, listener: two ends on one loop over real loopback sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/net/conn.h"

struct end {
	struct world *w;
	struct conn *conn;
	struct str in;
	int connected, tls_done, written, progress, closed;
	char why[160];
	/* What the end does. */
	bool echo, stop_on_close, free_on_octets, free_on_close, stop_on_tls;
	size_t stop_at;		/* in.n that ends the run; 0: none */
	struct tls_context *tls_on_connect;
};

struct world {
	struct loop *loop;
	struct net_address address;
	int fd;
	struct net_listener *listener;
	struct end client, server;
	struct loop_timer guard;
	bool timed_out;
	struct tls_context *server_tls, *client_tls;
	bool server_starts_tls;
};

static void
on_connected(void *ctx)
{
	struct end *e = ctx;

	e->connected++;
	if (e->tls_on_connect != NULL)
		conn_tls_client(e->conn, e->tls_on_connect, "mx.example.org");
}

static void
on_tls_done(void *ctx)
{
	struct end *e = ctx;

	e->tls_done++;
	if (e->stop_on_tls && e->w->client.tls_done && e->w->server.tls_done)
		loop_stop(e->w->loop);
}

static void
on_octets(void *ctx, const char *p, size_t n)
{
	struct end *e = ctx;
	struct str back = STR_INIT(1 << 20);

	str_put(&e->in, p, n);
	if (e->echo) {
		str_put(&back, p, n);
		conn_write(e->conn, &back);
		str_release(&back);
	}
	if (e->free_on_octets) {
		conn_free(e->conn);
		e->conn = NULL;
	}
	if (e->stop_at > 0 && e->in.n >= e->stop_at)
		loop_stop(e->w->loop);
}

static void
on_written(void *ctx)
{
	((struct end *)ctx)->written++;
}

static void
on_progress(void *ctx)
{
	((struct end *)ctx)->progress++;
}

static void
on_closed(void *ctx, const char *why)
{
	struct end *e = ctx;

	e->closed++;
	snprintf(e->why, sizeof(e->why), "%s", why);
	if (e->free_on_close) {
		conn_free(e->conn);
		e->conn = NULL;
	}
	if (e->stop_on_close)
		loop_stop(e->w->loop);
}

static const struct conn_events events = {
	on_connected, on_tls_done, on_octets, on_written, on_progress, on_closed
};

static void
on_accepted(void *ctx, int fd, const struct net_address *peer)
{
	struct world *w = ctx;
	char text[NET_ADDRESS_TEXT];

	net_address_text(peer, false, text, sizeof(text));
	w->server.conn = conn_accept(w->loop, fd, &events, &w->server);
	assert_string_equal(conn_peer(w->server.conn), text);
	if (w->server_starts_tls)
		conn_tls_server(w->server.conn, w->server_tls);
}

static void
on_guard(void *ctx)
{
	struct world *w = ctx;

	w->timed_out = true;
	loop_stop(w->loop);
}

static void
run(struct world *w)
{
	loop_timer_set(w->loop, &w->guard, 20000, on_guard, w);
	loop_run(w->loop);
	loop_timer_clear(w->loop, &w->guard);
	assert_false(w->timed_out);
}

static void
begin_at(struct world *w, const char *where)
{
	struct err err;

	memset(w, 0, sizeof(*w));
	w->loop = loop_new();
	w->client.w = w->server.w = w;
	w->client.in = w->server.in = STR_INIT(80 << 20);
	assert_int_equal(net_listen("POSTRIDER_MX", where, &w->address, &w->fd,
	    &err), OK);
	w->listener = net_listener_new(w->loop, w->fd, on_accepted, w);
}

static void
begin(struct world *w)
{
	begin_at(w, "127.0.0.1:0");
}

static void
dial(struct world *w)
{
	w->client.conn = conn_dial(w->loop, &w->address, NULL, 5000, &events,
	    &w->client);
}

static void
finish(struct world *w)
{
	conn_free(w->client.conn);
	conn_free(w->server.conn);
	net_listener_free(w->listener);
	close(w->fd);
	str_release(&w->client.in);
	str_release(&w->server.in);
	tls_free(w->client_tls);
	tls_free(w->server_tls);
	loop_free(w->loop);
}

static void
say(struct end *e, const char *text)
{
	struct str s = STR_INIT(4096);

	str_puts(&s, text);
	conn_write(e->conn, &s);
	assert_int_equal(s.n, 0);
	str_release(&s);
}

static void
test_echo(void **state)
{
	struct world w;

	begin(&w);
	dial(&w);
	assert_int_equal(w.client.connected, 0);
	say(&w.client, "EHLO x\r\n");		/* kept while connecting */
	assert_int_equal(conn_unwritten(w.client.conn), 8);
	w.server.echo = true;
	w.client.stop_at = 8;
	run(&w);
	assert_int_equal(w.client.connected, 1);
	assert_int_equal(w.client.written, 1);
	assert_string_equal(str_text(&w.client.in), "EHLO x\r\n");
	assert_int_equal(w.server.written, 0);	/* went at once */
	assert_int_equal(conn_unwritten(w.server.conn), 0);
	assert_null(conn_tls_name(w.client.conn));
	assert_string_equal(conn_peer(w.client.conn), "127.0.0.1");
	finish(&w);
}

static void
test_ipv6(void **state)
{
	struct net_address bound;
	struct world w;
	int fd;

	if (net_listen("X", "[::1]:0", &bound, &fd, NULL) != OK) {
		print_message("no IPv6 here\n");
		skip();
	}
	close(fd);
	begin_at(&w, "[::1]:0");
	dial(&w);
	say(&w.client, "hello");
	w.server.stop_at = 5;
	run(&w);
	assert_string_equal(conn_peer(w.server.conn), "::1");
	finish(&w);
	/* ":port" serves IPv4, whose peers look like IPv4. */
	begin_at(&w, ":0");
	assert_int_equal(net_address_port(&w.address) > 0, 1);
	net_address_make(&w.address, (unsigned char[]){ 127, 0, 0, 1 }, 4,
	    net_address_port(&w.address));
	dial(&w);
	say(&w.client, "hello");
	w.server.stop_at = 5;
	run(&w);
	assert_string_equal(conn_peer(w.server.conn), "127.0.0.1");
	finish(&w);
}

static void
test_refused_comes_later(void **state)
{
	struct world w;

	begin(&w);
	net_listener_free(w.listener);
	w.listener = NULL;
	shutdown(w.fd, SHUT_RDWR);
	dial(&w);
	assert_int_equal(w.client.closed, 0);
	w.client.stop_on_close = true;
	w.client.free_on_close = true;
	run(&w);
	assert_int_equal(w.client.closed, 1);
	assert_int_equal(w.client.connected, 0);
	assert_string_equal(w.client.why, "Connection refused");
	finish(&w);
}

static void
test_bad_source(void **state)
{
	struct net_address source;
	struct world w;

	begin(&w);
	assert_int_equal(net_address_parse("192.0.2.77:0", &source, NULL), OK);
	w.client.conn = conn_dial(w.loop, &w.address, &source, 5000, &events,
	    &w.client);
	w.client.stop_on_close = true;
	run(&w);
	assert_string_equal(w.client.why, "Cannot assign requested address");
	assert_int_equal(net_address_parse("127.0.0.3:0", &source, NULL), OK);
	conn_free(w.client.conn);
	w.client.conn = conn_dial(w.loop, &w.address, &source, 5000, &events,
	    &w.client);
	say(&w.client, "x");
	w.server.stop_at = 1;
	run(&w);
	assert_string_equal(conn_peer(w.server.conn), "127.0.0.3");
	finish(&w);
}

/* A full backlog swallows SYNs: the dial ends by its own deadline. */
static void
test_connect_times_out(void **state)
{
	struct net_address a = { .len = sizeof(a.sa) };
	struct world w;
	struct conn *fill[8];
	struct end dull = { 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0), i;

	begin(&w);
	dull.w = &w;
	net_address_make(&a, (unsigned char[]){ 127, 0, 0, 1 }, 4, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a.sa, a.len), 0);
	assert_int_equal(listen(fd, 0), 0);
	getsockname(fd, (struct sockaddr *)&a.sa, &a.len);
	for (i = 0; i < 8; i++)
		fill[i] = conn_dial(w.loop, &a, NULL, 60000, &events, &dull);
	w.client.conn = conn_dial(w.loop, &a, NULL, 50, &events, &w.client);
	w.client.stop_on_close = true;
	run(&w);
	assert_string_equal(w.client.why, "connect timed out");
	for (i = 0; i < 8; i++)
		conn_free(fill[i]);
	close(fd);
	finish(&w);
}

static void
test_free_in_callbacks(void **state)
{
	struct world w;

	begin(&w);
	dial(&w);
	say(&w.client, "x");
	w.server.free_on_octets = true;
	w.client.free_on_close = true;
	w.client.stop_on_close = true;
	run(&w);
	assert_null(w.server.conn);
	assert_null(w.client.conn);
	assert_int_equal(w.client.closed, 1);
	assert_string_equal(w.client.why, "closed by the peer");
	finish(&w);
}

static void
fill(struct str *s, size_t n)
{
	size_t i;
	char *p = str_room(s, n);

	for (i = 0; i < n; i++)
		p[i] = (char)(i * 7 + (i >> 9));
	str_advance(s, n);
}

static void
big_transfer(struct world *w, size_t n)
{
	struct str s = STR_INIT(80 << 20), copy = STR_INIT(80 << 20);

	fill(&copy, n);
	str_put(&s, copy.p, copy.n / 3);
	conn_write(w->client.conn, &s);
	str_put(&s, copy.p + copy.n / 3, copy.n - copy.n / 3);
	conn_write(w->client.conn, &s);
	w->server.stop_at = n;
	run(w);
	assert_int_equal(w->server.in.n, n);
	assert_memory_equal(w->server.in.p, copy.p, n);
	assert_true(w->client.progress > 0);
	str_release(&s);
	str_release(&copy);
}

static void
test_big_write(void **state)
{
	struct world w;

	begin(&w);
	dial(&w);
	big_transfer(&w, 9 << 20);
	assert_int_equal(w.client.written, 1);
	finish(&w);
}

static void
test_ceiling(void **state)
{
	struct world w;
	struct str s = STR_INIT(80 << 20);

	begin(&w);
	dial(&w);
	str_room(&s, CONN_UNWRITTEN_MAX + 1);
	memset(s.p, 'x', CONN_UNWRITTEN_MAX + 1);
	str_advance(&s, CONN_UNWRITTEN_MAX + 1);
	conn_write(w.client.conn, &s);
	assert_int_equal(s.n, 0);
	assert_int_equal(w.client.closed, 0);
	w.client.stop_on_close = true;
	run(&w);
	assert_string_equal(w.client.why, "the peer reads too slowly");
	str_release(&s);
	finish(&w);
}

static void
pause_over(void *ctx)
{
	struct world *w = ctx;

	assert_int_equal(w->server.in.n, 0);
	conn_resume(w->server.conn);
}

static void
pause_now(void *ctx)
{
	struct world *w = ctx;

	if (w->server.conn != NULL)
		conn_pause(w->server.conn);
	say(&w->client, "late");
	conn_finish(w->client.conn);
}

static void
test_pause(void **state)
{
	struct world w;
	struct loop_timer a = { 0 }, b = { 0 };

	begin(&w);
	dial(&w);
	loop_timer_set(w.loop, &a, 20, pause_now, &w);
	loop_timer_set(w.loop, &b, 60, pause_over, &w);
	w.server.stop_on_close = true;
	run(&w);
	assert_string_equal(str_text(&w.server.in), "late");
	finish(&w);
}

/* The last words of a peer that closed while we wrote are read first. */
static void
test_last_words(void **state)
{
	struct world w;
	struct str s = STR_INIT(1 << 20);
	int i;

	begin(&w);
	net_listener_free(w.listener);
	w.listener = NULL;
	dial(&w);
	i = accept(w.fd, NULL, NULL);		/* the kernel has it already */
	if (i < 0 && errno == EAGAIN) {
		usleep(50000);
		i = accept(w.fd, NULL, NULL);
	}
	assert_true(i >= 0);
	say(&w.client, "EHLO x\r\n");
	w.client.stop_on_close = true;
	assert_int_equal(write(i, "421 go away\r\n", 13), 13);
	close(i);
	str_puts(&s, "MAIL\r\n");
	conn_write(w.client.conn, &s);
	run(&w);
	assert_string_equal(str_text(&w.client.in), "421 go away\r\n");
	str_release(&s);
	finish(&w);
}

static void
test_finish_delivers_all(void **state)
{
	struct world w;
	struct str s = STR_INIT(80 << 20);

	begin(&w);
	dial(&w);
	fill(&s, 4 << 20);
	conn_write(w.client.conn, &s);
	conn_finish(w.client.conn);
	say(&w.client, "ignored");
	w.server.stop_on_close = true;
	run(&w);
	assert_int_equal(w.server.in.n, 4 << 20);
	assert_int_equal(w.client.closed, 0);
	conn_finish(w.server.conn);
	conn_free(w.server.conn);
	w.server.conn = NULL;
	w.client.stop_on_close = true;
	run(&w);
	assert_string_equal(w.client.why, "finished");
	str_release(&s);
	finish(&w);
}

/* ---- TLS ---- */

static void
begin_tls(struct world *w)
{
	begin(w);
	w->client_tls = tls_client_new();
	w->server_tls = tls_server_self_signed("mx.example.org");
	w->server_starts_tls = true;
	w->client.tls_on_connect = w->client_tls;
	dial(w);
}

static void
test_tls_echo(void **state)
{
	struct world w;

	begin_tls(&w);
	w.client.stop_on_tls = w.server.stop_on_tls = true;
	run(&w);
	assert_string_equal(conn_tls_name(w.client.conn),
	    "TLSv1.3 TLS_AES_256_GCM_SHA384");
	assert_string_equal(conn_tls_name(w.server.conn),
	    conn_tls_name(w.client.conn));
	say(&w.client, "EHLO again\r\n");
	w.server.echo = true;
	w.client.stop_at = 12;
	run(&w);
	assert_string_equal(str_text(&w.client.in), "EHLO again\r\n");
	conn_finish(w.client.conn);
	w.server.stop_on_close = true;
	run(&w);
	assert_string_equal(w.server.why, "closed by the peer");
	finish(&w);
}

static void
test_tls_big_write(void **state)
{
	struct world w;

	begin_tls(&w);
	w.client.stop_on_tls = w.server.stop_on_tls = true;
	run(&w);
	big_transfer(&w, 5 << 20);
	assert_int_equal(w.client.tls_done, 1);
	finish(&w);
}


static void
starttls_server_octets(void *ctx, const char *p, size_t n)
{
	struct end *e = ctx;
	struct world *w = e->w;

	str_put(&e->in, p, n);
	if (slice_is(str_slice(&e->in), "STARTTLS\r\n")) {
		str_clear(&e->in);
		say(e, "220 go\r\n");
		conn_tls_server(e->conn, w->server_tls);
	} else if (slice_is(str_slice(&e->in), "inside")) {
		loop_stop(w->loop);
	}
}

static void
starttls_client_octets(void *ctx, const char *p, size_t n)
{
	struct end *e = ctx;

	conn_tls_client(e->conn, e->w->client_tls, NULL);
	say(e, "inside");		/* kept until the handshake is over */
}

static const struct conn_events starttls_server = {
	.octets = starttls_server_octets, .closed = on_closed
};
static const struct conn_events starttls_client = {
	.octets = starttls_client_octets, .closed = on_closed
};

static void
starttls_accepted(void *ctx, int fd, const struct net_address *peer)
{
	struct world *w = ctx;

	w->server.conn = conn_accept(w->loop, fd, &starttls_server, &w->server);
}

static void
test_starttls(void **state)
{
	struct world w;

	begin(&w);
	w.client_tls = tls_client_new();
	w.server_tls = tls_server_self_signed("127.0.0.1");
	net_listener_free(w.listener);
	w.listener = net_listener_new(w.loop, w.fd, starttls_accepted, &w);
	w.client.conn = conn_dial(w.loop, &w.address, NULL, 5000,
	    &starttls_client, &w.client);
	say(&w.client, "STARTTLS\r\n");
	run(&w);
	assert_string_equal(str_text(&w.server.in), "inside");
	assert_non_null(conn_tls_name(w.server.conn));
	finish(&w);
}

/* Clear text where a handshake is due ends the connection on both sides. */
static void
test_tls_garbage(void **state)
{
	struct world w;

	begin_tls(&w);
	w.client.tls_on_connect = NULL;
	say(&w.client, "EHLO x\r\nthis is no client hello at all\r\n");
	w.server.stop_on_close = true;
	run(&w);
	assert_int_equal(strncmp(w.server.why, "TLS: ", 5), 0);
	assert_int_equal(w.server.tls_done, 0);
	finish(&w);
}

static void
write_pem(const char *cert, const char *key, EVP_PKEY *k)
{
	X509 *x = X509_new();
	FILE *f;

	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, k);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const unsigned char *)"x", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	assert_true(X509_sign(x, k, EVP_sha256()) > 0);
	f = fopen(cert, "w");
	assert_non_null(f);
	PEM_write_X509(f, x);
	fclose(f);
	f = fopen(key, "w");
	assert_non_null(f);
	PEM_write_PrivateKey(f, k, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	X509_free(x);
}

static void
test_tls_files(void **state)
{
	char dir[] = "/tmp/postrider-tls-XXXXXX";
	char cert[64], key[64], other[64], spare[64];
	EVP_PKEY *a = EVP_EC_gen("P-256"), *b = EVP_EC_gen("P-256");
	struct tls_context *t = NULL;
	struct err err;

	assert_non_null(mkdtemp(dir));
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	snprintf(other, sizeof(other), "%s/other.pem", dir);
	snprintf(spare, sizeof(spare), "%s/spare.pem", dir);
	write_pem(cert, key, a);
	write_pem(spare, other, b);
	assert_int_equal(tls_server_load(cert, key, &t, &err), OK);
	tls_free(t);
	assert_int_equal(tls_server_load(cert, other, &t, &err), ERR_USAGE);
	assert_non_null(strstr(err.message, "other.pem"));
	assert_int_equal(tls_server_load(key, key, &t, &err), ERR_USAGE);
	assert_non_null(strstr(err.message, "key.pem"));
	assert_int_equal(tls_server_load("/nonexistent", key, &t, &err),
	    ERR_USAGE);
	assert_non_null(strstr(err.message, "/nonexistent"));
	unlink(cert), unlink(key), unlink(other), unlink(spare);
	rmdir(dir);
	EVP_PKEY_free(a);
	EVP_PKEY_free(b);
	tls_free(NULL);
}

static void
test_listen_errors(void **state)
{
	struct net_address bound = { .len = sizeof(bound.sa) };
	char text[NET_ADDRESS_TEXT];
	struct err err;
	int fd, other = socket(AF_INET, SOCK_STREAM, 0);

	/* Taken by a program that does not share its port. */
	net_address_make(&bound, (unsigned char[]){ 127, 0, 0, 1 }, 4, 0);
	assert_int_equal(bind(other, (struct sockaddr *)&bound.sa, bound.len), 0);
	assert_int_equal(listen(other, 1), 0);
	getsockname(other, (struct sockaddr *)&bound.sa, &bound.len);
	net_address_text(&bound, true, text, sizeof(text));
	assert_int_equal(net_listen("POSTRIDER_MX", text, NULL, &fd, &err),
	    ERR_IO);
	assert_non_null(strstr(err.message, "POSTRIDER_MX"));
	assert_non_null(strstr(err.message, "taken"));
	assert_int_equal(net_listen("POSTRIDER_MX", "nowhere", NULL, &fd, &err),
	    ERR_USAGE);
	assert_non_null(strstr(err.message, "POSTRIDER_MX"));
	assert_int_equal(net_listen("POSTRIDER_MX", "192.0.2.1:0", NULL, &fd,
	    &err), ERR_IO);
	close(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_refused_comes_later),
		cmocka_unit_test(test_bad_source),
		cmocka_unit_test(test_connect_times_out),
		cmocka_unit_test(test_free_in_callbacks),
		cmocka_unit_test(test_big_write),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_finish_delivers_all),
		cmocka_unit_test(test_tls_echo),
		cmocka_unit_test(test_tls_big_write),
		cmocka_unit_test(test_starttls),
		cmocka_unit_test(test_tls_garbage),
		cmocka_unit_test(test_tls_files),
		cmocka_unit_test(test_listen_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
