/* Why something failed, in words, cut on a character when too long. */
#include "base/err.h"
#include <stdarg.h>
#include <stdio.h>

enum { MSG_SIZE = sizeof(((struct err *)0)->msg) };

static void
cut_on_character(char *s, size_t size)
{
	size_t n = strlen(s);

	if (n < size - 1)
		return;
	while (n > 0 && ((unsigned char)s[n - 1] & 0xc0) == 0x80)
		n--;
	/* Now s[n - 1] is a first byte: a whole character again only when it stands alone. */
	if (n > 0 && (unsigned char)s[n - 1] >= 0x80)
		n--;
	s[n] = '\0';
}

int
err_set(struct err *e, int code, const char *fmt, ...)
{
	char msg[MSG_SIZE];
	va_list ap;

	assert(code < 0);
	if (!e)
		return code;
	/* Formatted aside: an argument may be the old message. */
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	cut_on_character(msg, sizeof(msg));
	e->code = code;
	e->sqlstate[0] = '\0';
	memcpy(e->msg, msg, sizeof(msg));
	return code;
}

int
err_prefix(struct err *e, const char *fmt, ...)
{
	char msg[2 * MSG_SIZE];
	va_list ap;
	size_t n;

	assert(e);
	va_start(ap, fmt);
	vsnprintf(msg, MSG_SIZE, fmt, ap);
	va_end(ap);
	n = strlen(msg);
	snprintf(msg + n, sizeof(msg) - n, ": %s", e->msg);
	msg[MSG_SIZE - 1] = '\0';
	cut_on_character(msg, MSG_SIZE);
	memcpy(e->msg, msg, MSG_SIZE);
	return e->code;
}
