#pragma once
#include "base/base.h"
/*
 * The daemon's own diagnostics (not findings: those are outlets').  The only mutable global of
 * lib/.  One line a change of state, none per routine success.  Never a password, never a DSN.
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
/* Called with one line without newline, already made safe for a terminal. */
typedef void (*log_sink_fn)(enum log_level, const char *line, void *arg);
void log_init(enum log_level max, log_sink_fn, void *arg); /* sink NULL: stderr */
bool log_enabled(enum log_level);
void log_msg(enum log_level, const char *fmt, ...) _printf_(2, 3);
int log_level_parse(const char *, enum log_level *ret); /* error warning info debug; -EINVAL */
#define log_error(...)   log_msg(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_msg(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_msg(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_msg(LOG_LEVEL_DEBUG, __VA_ARGS__)
