/* Fields of the frames between the loop and the store's worker. */
#include "daemon/store_wire.h"
#include <stdio.h>

void
wire_add(struct str *s, const char *field)
{
	uint32_t len = (uint32_t)strlen(field);

	str_addn(s, (const char *)&len, sizeof(len));
	str_addn(s, field, len);
}

void
wire_add_int(struct str *s, int64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)n);
	wire_add(s, text);
}

char *
wire_take(struct wire *w)
{
	uint32_t len;
	char *field;

	if (w->left < sizeof(len))
		return NULL;
	memcpy(&len, w->at, sizeof(len));
	if (len > w->left - sizeof(len))
		return NULL;
	field = xstrndup(w->at + sizeof(len), len);
	w->at += sizeof(len) + len;
	w->left -= sizeof(len) + len;
	return field;
}

int
wire_take_int(struct wire *w, int64_t *ret)
{
	_cleanup_free_ char *field = wire_take(w);
	char *end;
	long long n;

	if (!field || !*field)
		return -EPROTO;
	errno = 0;
	n = strtoll(field, &end, 10);
	if (errno || *end)
		return -EPROTO;
	*ret = n;
	return 0;
}
