/*
 * The floor for HTTP: libevent's evhttp on a Unix socket, one body from memory.
 *   raw-http SOCKET BODY-FILE
 * Says "ready" on standard output, ends with standard input.
 */
#include "shared.h"
#include <assert.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static char body[16 << 20];
static size_t body_len;

static void
on_request(struct evhttp_request *request, void *arg)
{
	struct evbuffer *out = evbuffer_new();

	(void)arg;
	evhttp_add_header(
	    evhttp_request_get_output_headers(request), "Content-Type", "application/json");
	evbuffer_add_reference(out, body, body_len, NULL, NULL);
	evhttp_send_reply(request, 200, "OK", out);
	evbuffer_free(out);
}

int
main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct evhttp *http = evhttp_new(base);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct evconnlistener *listener;
	FILE *f = argc == 3 ? fopen(argv[2], "rb") : NULL;

	if (!f || strlen(argv[1]) >= sizeof(address.sun_path)) {
		fprintf(stderr, "usage: raw-http SOCKET BODY-FILE\n");
		return 64;
	}
	body_len = fread(body, 1, sizeof(body), f);
	fclose(f);
	memcpy(address.sun_path, argv[1], strlen(argv[1]) + 1);
	listener = evconnlistener_new_bind(base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE, 1024,
	    (struct sockaddr *)&address, sizeof(address));
	assert(http && listener);
	evhttp_bind_listener(http, listener);
	evhttp_set_gencb(http, on_request, NULL);
	event_add(event_new(base, 0, EV_READ | EV_PERSIST, on_input, base), NULL);
	puts("ready");
	fflush(stdout);
	event_base_dispatch(base);
	evhttp_free(http);
	return 0;
}
