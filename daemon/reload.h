#pragma once
#include "conf/conf.h"
#include "daemon/api.h"
#include "daemon/notify.h"
#include "daemon/outlet.h"
#include "monitor/monitor.h"
/*
 * SIGHUP: the configuration is read again and handed to the monitor, or every fault of it is told
 * and nothing changes.  One that is asked for meanwhile follows.
 */
struct reload;
struct reload_parts { /* borrowed, but for nothing */
	struct event_base *base;
	const char *config; /* NULL: the default file */
	struct monitor *monitor;
	struct outlets *outlets;
	struct notify *notify;
	struct api *api;
	void (*on_applied)(const struct conf *, void *arg); /* all that is not named here */
	void *arg;
	const struct conf *started; /* what the process began with; copied where it must last */
};
struct reload *reload_new(const struct reload_parts *) _must_check_;
struct reload *reload_free(struct reload *); /* returns NULL */
void reload_ask(struct reload *);
/* The monitor's on_reloaded. */
void reload_over(struct reload *);
/* Says a file of checks.d that was left out. */
void reload_bad_check(struct outlets *, const struct err *);
