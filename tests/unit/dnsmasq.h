/*
 * dnsmasq - a real DNS server for a test, on a free port of 127.0.0.1.
 */
#ifndef POSTRIDER_TESTS_DNSMASQ_H
#define POSTRIDER_TESTS_DNSMASQ_H

#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct dnsmasq {
	pid_t pid;
	char resolver[32];		/* "127.0.0.1:port" */
};

static int
dnsmasq_bind(int type, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* A port that is free for UDP and TCP. */
static int
dnsmasq_port(void)
{
	struct sockaddr_in a;
	socklen_t n;
	int udp, tcp;

	for (;;) {
		n = sizeof(a);
		udp = dnsmasq_bind(SOCK_DGRAM, 0);
		getsockname(udp, (struct sockaddr *)&a, &n);
		tcp = dnsmasq_bind(SOCK_STREAM, ntohs(a.sin_port));
		close(udp);
		if (tcp >= 0) {
			close(tcp);
			return ntohs(a.sin_port);
		}
	}
}

static bool
dnsmasq_answers(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	close(fd);
	return ok;
}

static const char *
dnsmasq_binary(void)
{
	static const char *const places[] = { "/usr/sbin/dnsmasq",
	    "/usr/bin/dnsmasq", "/usr/local/sbin/dnsmasq" };
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

/* records: options such as --mx-host=…, ended by NULL. false: not here. */
static bool
dnsmasq_start(struct dnsmasq *d, const char *const *records)
{
	const char *binary = dnsmasq_binary();
	const char *argv[160];
	char option[24];
	int n = 0, i, port = dnsmasq_port();

	if (binary == NULL) {
		printf("dnsmasq is missing: test skipped\n");
		return false;
	}
	snprintf(option, sizeof(option), "--port=%d", port);
	snprintf(d->resolver, sizeof(d->resolver), "127.0.0.1:%d", port);
	argv[n++] = binary;
	argv[n++] = "-k";
	argv[n++] = option;
	argv[n++] = "--conf-file=/dev/null";
	argv[n++] = "--listen-address=127.0.0.1";
	argv[n++] = "--bind-interfaces";
	argv[n++] = "--no-resolv";
	argv[n++] = "--no-hosts";
	argv[n++] = "--pid-file=";
	argv[n++] = "--user=";
	argv[n++] = "--local=/test/";
	while (*records != NULL && n < 159)
		argv[n++] = *records++;
	argv[n] = NULL;
	fflush(NULL);
	if ((d->pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(binary, (char *const *)argv);
		_exit(127);
	}
	for (i = 0; i < 200; i++) {
		if (dnsmasq_answers(port))
			return true;
		if (waitpid(d->pid, NULL, WNOHANG) == d->pid)
			break;
		usleep(10000);
	}
	printf("dnsmasq does not start: test skipped\n");
	d->pid = 0;
	return false;
}

static void
dnsmasq_stop(struct dnsmasq *d)
{
	if (d->pid > 0) {
		kill(d->pid, SIGKILL);
		waitpid(d->pid, NULL, 0);
	}
	d->pid = 0;
}

#endif
