/* Variables and credentials in configuration values. */
#include "conf/expand.h"
#include "base/str.h"
#include "base/text.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define CREDENTIAL_MAX ((size_t)1 << 20) /* systemd's own limit of one credential */

static bool
is_text(const char *s, size_t len)
{
	_cleanup_free_ char *valid = text_from_peer(s, len, 3 * len);

	return strlen(valid) == len && memcmp(valid, s, len) == 0;
}

static int
add_variable(struct str *out, char *body, struct err *e)
{
	char *fallback = strstr(body, ":-");
	const char *value;

	if (fallback) {
		*fallback = '\0';
		fallback += 2;
	}
	if (!str_is_name(body))
		return err_set(e, -EINVAL,
		    "what is between ${ and } is no variable; write ${NAME}, "
		    "${NAME:-default}, or $$ for a dollar");
	value = getenv(body);
	if (fallback && (!value || !*value))
		value = fallback;
	if (!value)
		return err_set(e, -ENOENT,
		    "the variable %.60s is not set; set it or write "
		    "${%.60s:-default}",
		    body, body);
	if (!is_text(value, strlen(value)))
		return err_set(e, -EINVAL, "the variable %.60s is not UTF-8", body);
	str_add(out, value);
	return 0;
}

static int
read_credential(struct str *out, const char *name, struct err *e)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	_cleanup_str_ struct str text = { 0 };
	char buf[4096];
	struct stat st;
	ssize_t n;

	if (!*name || *name == '.' || strchr(name, '/'))
		return err_set(
		    e, -EINVAL, "what is between @{ and } is no credential; write @{NAME}");
	if (!dir || !*dir)
		return err_set(e, -ENOKEY,
		    "the credential %.60s: $CREDENTIALS_DIRECTORY is not set; "
		    "give it by LoadCredential= in the unit",
		    name);
	path = xasprintf("%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return err_set(e, errno == EACCES ? -ENOKEY : -errno, "the credential %.60s: %s",
		    name, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "the credential %.60s is not a regular file", name);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		str_addn(&text, buf, (size_t)n);
		if (text.len > CREDENTIAL_MAX)
			return err_set(e, -EFBIG, "the credential %.60s is larger than 1 MB", name);
	}
	if (n < 0)
		return err_set(e, -errno, "the credential %.60s: %s", name, strerror(errno));
	/* Editors end files with a newline; no secret does. */
	while (text.len > 0 && (text.s[text.len - 1] == '\n' || text.s[text.len - 1] == '\r'))
		text.s[--text.len] = '\0';
	if (!is_text(str_text(&text), text.len))
		return err_set(e, -EINVAL, "the credential %.60s is not UTF-8 text", name);
	str_add(out, str_text(&text));
	return 0;
}

static int
add_credential(struct str *out, const char *name, struct snapshot *outside, struct err *e)
{
	const struct snapshot_item *got = snapshot_get(outside, "credential", name);
	_cleanup_str_ struct str text = { 0 };
	struct err err = { 0 };
	int r;

	if (!got) {
		r = read_credential(&text, name, &err);
		got = snapshot_put(outside, "credential", name, r, text.s, text.len, err.msg);
	}
	if (got->code < 0)
		return err_set(e, got->code, "%s", got->why);
	str_addn(out, got->bytes, got->len);
	return 0;
}

int
conf_expand(
    const char *raw, struct snapshot *outside_world, char **ret, bool *ret_outside, struct err *e)
{
	_cleanup_str_ struct str out = { 0 };
	bool outside = false;

	for (const char *p = raw; *p;) {
		const char *end;
		_cleanup_free_ char *body = NULL;
		int r;

		if (p[0] == '$' && p[1] == '$') {
			str_addc(&out, '$');
			p += 2;
			continue;
		}
		if ((*p != '$' && *p != '@') || p[1] != '{') {
			str_addc(&out, *p++);
			continue;
		}
		end = strchr(p, '}');
		if (!end)
			return err_set(e, -EINVAL, "%c{ without }", *p);
		body = xstrndup(p + 2, (size_t)(end - p - 2));
		r = *p == '$' ? add_variable(&out, body, e)
		              : add_credential(&out, body, outside_world, e);
		if (r < 0)
			return r;
		outside = true;
		p = end + 1;
	}
	*ret = str_take(&out);
	*ret_outside = outside;
	return 0;
}
