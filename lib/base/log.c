/* The daemon's own diagnostics: one safe line at a time to a sink or to stderr. */
#include "base/log.h"
#include "base/text.h"
#include <stdarg.h>
#include <stdio.h>

static const char *const level_names[] = { "error", "warning", "info", "debug" };

static struct {
	enum log_level max;
	log_sink_fn sink;
	void *arg;
} logger = { .max = LOG_LEVEL_INFO };

void
log_init(enum log_level max, log_sink_fn sink, void *arg)
{
	logger.max = max;
	logger.sink = sink;
	logger.arg = arg;
}

bool
log_enabled(enum log_level level)
{
	return level <= logger.max;
}

void
log_msg(enum log_level level, const char *fmt, ...)
{
	_cleanup_free_ char *raw = NULL, *line = NULL;
	int saved_errno = errno;
	va_list ap;
	int n;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	n = vasprintf(&raw, fmt, ap);
	va_end(ap);
	if (n < 0)
		raw = xstrdup("out of memory");
	line = show_text(raw);
	if (logger.sink)
		logger.sink(level, line, logger.arg);
	else
		fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, level_names[level],
		    line);
	errno = saved_errno;
}

int
log_level_parse(const char *s, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
		if (streq(s, level_names[i])) {
			*ret = (enum log_level)i;
			return 0;
		}
	return -EINVAL;
}
