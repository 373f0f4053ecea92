#pragma once
#include "daemon/alert_private.h"
/*
 * Posts by libcurl's multi interface on the loop.  The library is loaded when the first URL is
 * called: its thirty others are in no process that does not need them, workers least of all.
 */
struct web;
struct web_call;
int web_new(
    struct event_base *, struct web **ret, struct err *) _must_check_; /* -ENOSYS: no library */
struct web *web_free(struct web *); /* calls are gone without on_end */
struct web_request {
	const struct conf_alert *conf; /* url, header, ca_file, timeout; borrowed until on_end */
	const char *path;              /* behind the URL; "" none */
	char *take_text;
};
/* why NULL: the answer was 2xx; refused: it will never do.  From the loop only, once. */
typedef void (*web_end_fn)(const char *why, bool refused, void *arg);
int web_post(struct web *, const struct web_request *, web_end_fn, void *arg, struct web_call **ret,
    struct err *) _must_check_;
void web_cancel(struct web_call *); /* on_end does not come */
