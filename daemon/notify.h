#pragma once
#include "base/base.h"
#include <event2/event.h>
/*
 * What the service manager hears, in datagrams on NOTIFY_SOCKET that never wait for it.  While it
 * takes none, states wait in order, of status texts the last one; a timer tries again.  Without an
 * address everything here does nothing.
 */
struct notify;
/* address: NOTIFY_SOCKET, a path or "@abstract"; NULL or one we cannot use (said): none. */
struct notify *notify_new(struct event_base *, const char *address);
struct notify *notify_free(struct notify *); /* after one last try; returns NULL */
void notify_ready(struct notify *);          /* started, or a reload is over (good or bad) */
void notify_reloading(struct notify *);      /* notify_ready must follow */
void notify_stopping(struct notify *);
void notify_status(struct notify *, const char *text); /* one line; the same again sends nothing */
void notify_ping(struct notify *);
/* A ping that is still waiting is taken back: what it says is not true any more. */
void notify_hold_ping(struct notify *);
