/*
 * A client that asks over a Unix socket, without a library that would cost more than the server.
 *   http-load SOCKET PATH CLIENTS REQUESTS PAUSE_US keep|fresh
 * CLIENTS at once ask REQUESTS in all, one under way each, PAUSE_US apart; on connections that stay
 * open, or on a fresh one for each.  Prints a line: requests, answers that were no 200, bytes,
 * seconds, then the latencies' median, p99 and maximum in microseconds (connecting included).
 */
#include "shared.h"
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct client {
	int fd;
	int64_t sent_us;
	char head[16384];
	size_t got, want; /* want: bytes of head and body; 0: the head is not complete */
	bool busy;
};
static struct {
	const char *socket_path;
	char request[512];
	size_t request_len;
	long left, done, failed;
	bool keep;
	int64_t bytes;
	int64_t *latencies;
} load;

static void
open_client(struct client *c)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strncpy(address.sun_path, load.socket_path, sizeof(address.sun_path) - 1);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		perror("http-load: connect");
		exit(1);
	}
}

static void
close_client(struct client *c)
{
	close(c->fd);
	c->fd = -1;
}

static void
ask(struct client *c)
{
	c->got = c->want = 0;
	c->busy = true;
	c->sent_us = now_us();
	load.left--;
	if (c->fd < 0)
		open_client(c);
	if (write(c->fd, load.request, load.request_len) != (ssize_t)load.request_len) {
		perror("http-load: write");
		exit(1);
	}
}

static void
end_answer(struct client *c, bool ok)
{
	load.latencies[load.done++] = now_us() - c->sent_us;
	load.failed += !ok;
	c->busy = false;
	if (!load.keep || !ok)
		close_client(c);
}

static void
look_at_head(struct client *c)
{
	const char *end, *length;

	c->head[c->got < sizeof(c->head) ? c->got : sizeof(c->head) - 1] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	length = end ? strcasestr(c->head, "\r\nContent-Length:") : NULL;
	if (length && length < end)
		c->want = (size_t)(end - c->head) + 4 + strtoul(length + 17, NULL, 10);
}

static void
on_readable(struct client *c)
{
	static char sink[262144];
	bool in_head = c->want == 0 && c->got < sizeof(c->head) - 1;
	ssize_t n = in_head ? read(c->fd, c->head + c->got, sizeof(c->head) - 1 - c->got)
	                    : read(c->fd, sink, sizeof(sink));

	if (n <= 0) {
		end_answer(c, false);
		return;
	}
	c->got += (size_t)n;
	load.bytes += n;
	if (in_head)
		look_at_head(c);
	if (c->want > 0 && c->got >= c->want)
		end_answer(c, strncmp(c->head + 8, " 200", 4) == 0);
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	long nclients = argc == 7 ? atol(argv[3]) : 0, requests = argc == 7 ? atol(argv[4]) : 0;
	struct client *clients = calloc((size_t)nclients + 1, sizeof(*clients));
	struct pollfd *polls = calloc((size_t)nclients + 1, sizeof(*polls));
	int64_t start;

	if (nclients < 1 || requests < 1) {
		fprintf(
		    stderr, "usage: http-load SOCKET PATH CLIENTS REQUESTS PAUSE_US keep|fresh\n");
		return 64;
	}
	load.socket_path = argv[1];
	load.request_len = (size_t)snprintf(load.request, sizeof(load.request),
	    "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", argv[2]);
	load.left = requests;
	load.latencies = calloc((size_t)requests + 1, sizeof(int64_t));
	assert(clients && polls && load.latencies);
	load.keep = strcmp(argv[6], "keep") == 0;
	for (long i = 0; i < nclients; i++)
		clients[i].fd = -1;
	start = now_us();
	while (load.done < requests) {
		for (long i = 0; i < nclients; i++) {
			if (!clients[i].busy && load.left > 0) {
				if (load.done > 0 && atol(argv[5]) > 0)
					usleep((useconds_t)atol(argv[5]));
				ask(&clients[i]);
			}
			polls[i] =
			    (struct pollfd){ clients[i].busy ? clients[i].fd : -1, POLLIN, 0 };
		}
		if (poll(polls, (nfds_t)nclients, 30000) <= 0) {
			fprintf(stderr, "http-load: no answer within 30 s\n");
			return 1;
		}
		for (long i = 0; i < nclients; i++)
			if (polls[i].revents)
				on_readable(&clients[i]);
	}
	qsort(load.latencies, (size_t)requests, sizeof(int64_t), compare);
	printf("%ld %ld %lld %.6f %lld %lld %lld\n", requests, load.failed, (long long)load.bytes,
	    (double)(now_us() - start) / 1e6, (long long)load.latencies[requests / 2],
	    (long long)load.latencies[requests * 99 / 100],
	    (long long)load.latencies[requests - 1]);
	return 0;
}
