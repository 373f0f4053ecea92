#pragma once
#include "daemon/alert.h"
#include "daemon/api.h"
#include "daemon/backup_watch.h"
#include "daemon/daemon.h"
#include "daemon/event_log.h"
#include "daemon/jobs.h"
#include "daemon/losses.h"
#include "daemon/passed.h"
#include "daemon/pulse.h"
#include "daemon/recorder.h"
#include "daemon/reload.h"
#include "daemon/store.h"
#include "daemon/upkeep.h"
#include "monitor/monitor.h"
/*
 * What the files of the daemon share: daemon.c has its life and what ties its parts together,
 * daemon_monitor.c where everything goes that the monitor tells.  Nobody else includes it.
 */
struct daemon {
	struct event_base *base;
	struct monitor *monitor;
	struct store *store;
	struct recorder *recorder;
	struct upkeep *upkeep;
	struct outlets *outlets;
	struct event_log *events; /* NULL: the state is not read yet */
	struct alerts *alerts;
	struct jobs *jobs;
	struct backup_watch *backups;
	struct losses losses;
	struct api *api;
	struct notify *notify;
	struct pulse *pulse; /* NULL: not ready yet */
	int64_t watchdog_us;
	struct passed passed;
	unsigned entries; /* of the log that are no transitions */
	struct event *sigterm, *sigint, *sighup;
	struct reload *reload; /* NULL: not ready yet */
	bool reload_asked;
	const struct daemon_options *options;
	int code;
};

/* daemon_monitor.c */
extern const struct monitor_callbacks daemon_monitor_callbacks;
/* NULL: of none.  A member "orders/x" has the labels of its section. */
const struct conf_database *daemon_section_of(const struct daemon *, const char *name);
