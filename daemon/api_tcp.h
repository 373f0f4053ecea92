#pragma once
#include "conf/conf.h"
#include "daemon/http.h"
/*
 * The API over TCP: metrics and health for those who cannot reach the Unix socket.  Nothing is
 * written there, and a browser is nobody's way in: the Host field must name this machine by address,
 * as localhost or as listen_hosts says.
 */
struct api_tcp;
/* One listener an address of `listen`; *ret NULL: there is none.  conf is borrowed. */
int api_tcp_new(struct event_base *, const struct conf *, const struct http_limits *,
    http_handler_fn, void *arg, struct api_tcp **ret, struct err *) _must_check_;
struct api_tcp *api_tcp_free(struct api_tcp *);
/* After a reload; clients: for each address. */
void api_tcp_set_conf(struct api_tcp *, const struct conf *, unsigned clients);
void api_tcp_pause(struct api_tcp *);
void api_tcp_add_stats(const struct api_tcp *, struct http_stats *); /* adds its own */
/* False when the request was answered: it came by a name that is not ours. */
bool api_tcp_is_for_us(const struct api_tcp *, struct http_request *);
