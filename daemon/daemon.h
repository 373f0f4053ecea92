#pragma once
#include "base/log.h"
#include "conf/conf.h"
#include "daemon/outlet.h"
/* The running daemon: event base, state, monitor, API, outlets, signals and systemd. */
struct daemon_options {
	enum outlet_format log;
	enum log_level log_level;
	const char *config; /* its file, for a reload; NULL: the default */
};
/* Serves until SIGTERM or SIGINT.  Takes the configuration.  The exit code of the process. */
int daemon_run(const struct daemon_options *, struct conf *take);
/* Validates as a start would, without touching state or sockets; faults go to errors. */
int daemon_check(struct conf *take, struct err_list *errors);
/* A line of ours for a person at stderr, shown safely. */
void daemon_complain(const char *line);
