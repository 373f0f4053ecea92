#pragma once
#include "conf/conf.h"
/* The running daemon: event base, state, monitor, API, outlets, signals and systemd. */
enum log_form { LOG_FORM_AUTO = 0, LOG_FORM_TEXT, LOG_FORM_JSON, LOG_FORM_JOURNAL };
struct daemon_options {
	const char *config; /* -c, or NULL */
	enum log_form log;
	int log_level; /* enum log_level */
};
/* Serves until SIGTERM or SIGINT.  Takes the configuration.  The exit code of the process. */
int daemon_run(const struct daemon_options *, struct conf *take);
/* Validates as a start would, without touching state or sockets; faults go to errors. */
int daemon_check(struct conf *take, struct err_list *errors);
