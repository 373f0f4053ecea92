/*
 * Checksums as migration tools take them of their files, and what all readers share.
 */
#include "base/sha.h"
#include "base/str.h"
#include "base/text.h"
#include "migration/tool.h"
#include <stdlib.h>

#define VERSION_MAX_DIGITS 40
#define TEXT_MAX           512

json_t *
migration_add(json_t *known, const char *v, const char *path)
{
	_cleanup_free_ char *clean = text_from_peer(v, strlen(v), TEXT_MAX);
	_cleanup_free_ char *file = text_from_peer(path, strlen(path), TEXT_MAX);
	json_t *o = json_pack("{s:s, s:s}", "v", clean, "file", file);

	json_array_append_new(known, o);
	return o;
}

char *
migration_number(const char *s, const char **ret_rest)
{
	size_t n = strspn(s, "0123456789");

	if (n == 0 || n > VERSION_MAX_DIGITS)
		return NULL;
	*ret_rest = s + n;
	for (; n > 1 && *s == '0'; n--)
		s++;
	return xstrndup(s, n);
}

char *
migration_sha256(const char *text, size_t len)
{
	char hex[SHA_HEX_SIZE];

	sha_hex(256, text, len, hex);
	return xstrdup(hex);
}

char *
migration_sha384(const char *text, size_t len)
{
	char hex[SHA_HEX_SIZE];

	sha_hex(384, text, len, hex);
	return xstrdup(hex);
}

static uint32_t
crc32_add(uint32_t crc, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		crc ^= (unsigned char)s[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? (crc >> 1) ^ UINT32_C(0xedb88320) : crc >> 1;
	}
	return crc;
}

char *
migration_crc32(const char *text, size_t len)
{
	const char *p = text, *end = text + len;
	uint32_t crc = UINT32_MAX;

	if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	while (p < end) {
		const char *q = p;

		while (q < end && *q != '\n' && *q != '\r')
			q++;
		crc = crc32_add(crc, p, (size_t)(q - p));
		p = q + (q + 1 < end && q[0] == '\r' && q[1] == '\n' ? 2 : 1);
	}
	return xasprintf("%d", (int)(int32_t)~crc);
}

static void
add_sum(json_t *sums, char *take_sum)
{
	for (size_t i = 0; i < json_array_size(sums); i++)
		if (streq(json_string_value(json_array_get(sums, i)), take_sum)) {
			free(take_sum);
			return;
		}
	json_array_append_new(sums, json_string(take_sum));
	free(take_sum);
}

void
migration_sums(json_t *o, const char *text, size_t len, char *(*sum)(const char *, size_t))
{
	_cleanup_str_ struct str unix_ends = { 0 }, dos_ends = { 0 };
	json_t *sums = json_array();

	add_sum(sums, sum(text, len));
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\r' && i + 1 < len && text[i + 1] == '\n')
			continue;
		if (text[i] == '\n')
			str_addc(&dos_ends, '\r');
		str_addc(&unix_ends, text[i]);
		str_addc(&dos_ends, text[i]);
	}
	add_sum(sums, sum(str_text(&unix_ends), unix_ends.len));
	add_sum(sums, sum(str_text(&dos_ends), dos_ends.len));
	json_object_set_new(o, "sums", sums);
}
