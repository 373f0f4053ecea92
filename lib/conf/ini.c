/*
 * Reads one file with libini_config, a section at a time.
 *
 * The library drops a whole file at its first error, looks sections up by walking them all, folds
 * the case of keys and has no words for a key that is not ASCII.  So each line is looked at first:
 * what it would stumble over is reported here with its line and hidden from it, and each section
 * is parsed alone, which keeps the time linear and the rest of the file readable.
 */
#include "conf/ini.h"
#include "base/str.h"
#include "base/text.h"
#include <ctype.h>
#include <fcntl.h>
#include <ini_configobj.h>
#include <ini_valueobj.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>

struct reader {
	const char *path;
	struct err_list *errors;
	struct ini_file *file;
	struct str chunk; /* the section being read, as the library will see it */
	char *header;     /* of that section, NULL before the first */
	int header_line;
	bool skipping;          /* below a broken header: its keys belong nowhere */
	bool continuing;        /* an indented line would continue a value */
	bool rejected;          /* that value was reported: what continues it stays hidden too */
	bool in_sql;            /* that value is SQL, where # and ; may begin a line */
	struct ini_entry *seen; /* keys of the section, without values */
	size_t nseen;
};

static int
check_file(int fd, const char *path, struct err_list *errors)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		err_list_add(errors, "%s: cannot be read: %s", path, strerror(errno));
		return -EINVAL;
	}
	if (!S_ISREG(st.st_mode)) {
		err_list_add(errors, "%s: not a regular file", path);
		return -EINVAL;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		err_list_add(errors,
		    "%s: owned by uid %u; it must belong to root or to us: chown root %s", path,
		    (unsigned)st.st_uid, path);
		return -EPERM;
	}
	if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		err_list_add(errors, "%s: writable by others: chmod go-w %s", path, path);
		return -EPERM;
	}
	if (st.st_size > (off_t)INI_MAX_BYTES) {
		err_list_add(errors, "%s: larger than 8 MB", path);
		return -EFBIG;
	}
	return 0;
}

static int
read_text(const char *path, struct str *ret, struct err_list *errors)
{
	/* O_NONBLOCK: a FIFO must not hold us before we know what it is. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char buf[16384];
	ssize_t n;
	int r;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0) {
		r = -errno;
		err_list_add(errors, "%s: cannot be opened: %s", path, strerror(-r));
		return r;
	}
	r = check_file(fd, path, errors);
	if (r < 0)
		return r;
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (ret->len + (size_t)n > INI_MAX_BYTES) {
			err_list_add(errors, "%s: larger than 8 MB", path);
			return -EFBIG;
		}
		str_addn(ret, buf, (size_t)n);
	}
	if (n < 0) {
		r = -errno;
		err_list_add(errors, "%s: cannot be read: %s", path, strerror(-r));
		return r;
	}
	return 0;
}

static bool
is_utf8(const char *s, size_t len)
{
	_cleanup_free_ char *valid = NULL;

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] >= 0x80) {
			valid = text_from_peer(s, len, 3 * len);
			return strlen(valid) == len && memcmp(valid, s, len) == 0;
		}
	return true;
}

static struct ini_section *
add_section(struct reader *r)
{
	struct ini_file *f = r->file;

	/* Grown in doubling steps: one file may hold thousands of databases. */
	if ((f->nsections & (f->nsections - 1)) == 0)
		f->sections = xreallocarray(
		    f->sections, MAX(2 * f->nsections, (size_t)1), sizeof(*f->sections));
	f->sections[f->nsections] =
	    (struct ini_section){ TAKE_PTR(r->header), r->header_line, NULL, 0 };
	return &f->sections[f->nsections++];
}

/* The library counts lines from the header; file lines are these plus where the header stands. */
static void
report_library_errors(const struct reader *r, struct ini_cfgobj *obj, int code)
{
	char **errors = NULL;

	/* A key that is lost on the way would be a database that is not watched as asked. */
	if (code == ENOMEM)
		out_of_memory();
	if (ini_config_error_count(obj) == 0 || ini_config_get_errors(obj, &errors) != 0) {
		err_list_add(r->errors, "%s:%d: [%s]: cannot be parsed: %s", r->path,
		    r->header_line, r->header, strerror(code));
		return;
	}
	for (size_t i = 0; errors[i]; i++) {
		const char *what = strstr(errors[i], ": ");
		const char *number = strstr(errors[i], " on line ");
		int line = number ? (int)strtol(number + 9, NULL, 10) : 1;

		err_list_add(r->errors, "%s:%d: [%s]: %s", r->path, r->header_line + line - 1,
		    r->header, what ? what + 2 : errors[i]);
	}
	ini_config_free_errors(errors);
}

static void
copy_entries(struct reader *r, struct ini_cfgobj *obj)
{
	int nkeys = 0, error = 0;
	char **keys = ini_get_attribute_list(obj, "s", &nkeys, &error);
	struct ini_section *section;

	if (!keys && error) {
		report_library_errors(r, obj, error);
		return;
	}
	section = add_section(r);
	section->entries = xcalloc(nkeys > 0 ? (size_t)nkeys : 1, sizeof(*section->entries));
	for (int i = 0; keys && i < nkeys; i++) {
		struct value_obj *vo = NULL;
		uint32_t line = 1;
		char *value;

		error = ini_get_config_valueobj("s", keys[i], obj, INI_GET_FIRST_VALUE, &vo);
		/* It was in the list: only memory can be what it is not found for. */
		if (error || !vo)
			out_of_memory();
		value_get_line(vo, &line);
		value = ini_get_string_config_value(vo, &error);
		if (error == ENOMEM)
			out_of_memory();
		section->entries[section->nentries++] = (struct ini_entry){
			.key = xstrdup(keys[i]),
			.value = value ? value : xstrdup(""),
			.line = section->line + (int)line - 1,
		};
	}
	ini_free_attribute_list(keys);
}

/* Parses what was gathered since the last header. */
static void
close_section(struct reader *r)
{
	struct ini_cfgfile *ctx = NULL;
	struct ini_cfgobj *obj = NULL;
	int code;

	if (r->header && !r->skipping && r->nseen == 0) {
		add_section(r);
	} else if (r->header && !r->skipping) {
		code = ini_config_file_from_mem(r->chunk.s, (uint32_t)r->chunk.len, &ctx);
		if (code == 0)
			code = ini_config_create(&obj);
		if (code == 0)
			code = ini_config_parse(ctx, INI_STOP_ON_NONE,
			    INI_MS_MERGE | INI_MV1S_ALLOW | INI_MV2S_ALLOW, INI_PARSE_NO_C_COMMENTS,
			    obj);
		if (code == 0)
			copy_entries(r, obj);
		else
			report_library_errors(r, obj, code);
	}
	ini_config_destroy(obj);
	ini_config_file_destroy(ctx);
	for (size_t i = 0; i < r->nseen; i++)
		free(r->seen[i].key);
	r->nseen = 0;
	free(TAKE_PTR(r->header));
}

/* A DSN that strayed into a header may hold a password, and headers stand in messages. */
static char *
hide_secret(const char *header)
{
	const char *url = strstr(header, "://");

	return url ? xasprintf("%.*s://***", (int)(url - header), header) : xstrdup(header);
}

static void
open_section(struct reader *r, const char *line, size_t len, int number)
{
	_cleanup_free_ char *text = xstrndup(line + 1, len - 1);
	char *end = strrchr(text, ']');

	close_section(r);
	r->continuing = false;
	r->skipping = !end || *str_trim(end + 1);
	if (r->skipping) {
		err_list_add(
		    r->errors, "%s:%d: a section is [NAME] alone on its line", r->path, number);
		r->header = xstrdup("?");
		return;
	}
	*end = '\0';
	r->header = hide_secret(str_trim(text));
	r->header_line = number;
	str_reset(&r->chunk);
	str_add(&r->chunk, "[s]\n");
}

/* Not a piece of a DSN that lost its indent: that may hold a password. */
static bool
looks_like_key(const char *s)
{
	for (; *s; s++)
		if (isascii(*s) && !isalnum((unsigned char)*s) && !strchr("_.-", *s))
			return false;
	return true;
}

/* Whether the library may see the line "key = value". */
static bool
check_key(struct reader *r, const char *line, size_t len, int number)
{
	const char *equal = memchr(line, '=', len);
	_cleanup_free_ char *text = NULL;
	const char *key, *shown;

	r->in_sql = false;
	if (!r->header) {
		err_list_add(r->errors, "%s:%d: text before the first [section]", r->path, number);
		return false;
	}
	text = xstrndup(line, equal ? (size_t)(equal - line) : len);
	key = str_trim(text);
	shown = looks_like_key(key) ? key : "";
	if (strlen(key) > INI_MAX_KEY) {
		err_list_add(r->errors, "%s:%d: [%s]: the key is longer than %d characters",
		    r->path, number, r->header, INI_MAX_KEY);
		return false;
	}
	if (!equal) {
		err_list_add(r->errors,
		    "%s:%d: [%s]%s%s: no \"=\"; write KEY = VALUE, or indent a "
		    "line that continues the value above",
		    r->path, number, r->header, *shown ? " " : "", shown);
		return false;
	}
	if (!*key) {
		err_list_add(
		    r->errors, "%s:%d: [%s]: no key before \"=\"", r->path, number, r->header);
		return false;
	}
	for (const char *p = key; *p; p++)
		if (!isascii(*p) || (!isalnum((unsigned char)*p) && !strchr("_.-", *p))) {
			err_list_add(r->errors,
			    "%s:%d: [%s]%s%s: a key is made of ASCII letters, "
			    "digits, \"_\", \".\" and \"-\"",
			    r->path, number, r->header, *shown ? " " : "", shown);
			return false;
		}
	for (size_t i = 0; i < r->nseen; i++)
		if (strcasecmp(r->seen[i].key, key) == 0) {
			err_list_add(r->errors, "%s:%d: [%s] %s: given twice, first in line %d",
			    r->path, number, r->header, key, r->seen[i].line);
			return false;
		}
	if (r->nseen == INI_MAX_KEYS) {
		err_list_add(r->errors, "%s:%d: [%s]: more than %d keys in one section", r->path,
		    number, r->header, INI_MAX_KEYS);
		return false;
	}
	if ((r->nseen & (r->nseen + 1)) == 0)
		r->seen = xreallocarray(r->seen, 2 * (r->nseen + 1), sizeof(*r->seen));
	r->seen[r->nseen++] = (struct ini_entry){ .key = xstrdup(key), .line = number };
	r->in_sql = streq(key, "sql");
	return true;
}

/* Whether the library may see a line that begins with a blank and holds something. */
static bool
check_continuation(const struct reader *r, const char *line, size_t len, int number)
{
	size_t i = 0;

	while (i < len && isspace((unsigned char)line[i]))
		i++;
	if (!r->continuing) {
		err_list_add(r->errors,
		    "%s:%d: an indented line continues a value, and none is "
		    "above it; keys and comments begin at the first column",
		    r->path, number);
		return false;
	}
	if (strchr("#;", line[i]) && !r->in_sql) {
		err_list_add(r->errors,
		    "%s:%d: an indented line continues the value above; a "
		    "comment begins at the first column",
		    r->path, number);
		return false;
	}
	return true;
}

static bool
is_blank(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isspace((unsigned char)line[i]))
			return false;
	return true;
}

/* One mistake is one error: the lines that continue a bad one are not looked at. */
static bool
reject_line(struct reader *r, const char *line)
{
	if (*line != ' ' && *line != '\t')
		r->continuing = r->rejected = true;
	return false;
}

static void
take_line(struct reader *r, const char *line, size_t len, int number)
{
	bool keep = true;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (memchr(line, '\0', len)) {
		err_list_add(r->errors, "%s:%d: NUL byte", r->path, number);
		keep = reject_line(r, line);
	} else if (!is_utf8(line, len)) {
		err_list_add(r->errors, "%s:%d: not UTF-8", r->path, number);
		keep = reject_line(r, line);
	} else if (is_blank(line, len)) {
		r->continuing = false;
		len = 0;
	} else if (*line == '[') {
		open_section(r, line, len, number);
		return;
	} else if (*line == '#' || *line == ';') {
		r->continuing = keep = false;
	} else if (r->skipping) {
		return;
	} else if (*line == ' ' || *line == '\t') {
		keep = check_continuation(r, line, len, number) && !r->rejected;
	} else {
		keep = check_key(r, line, len, number);
		r->continuing = true;
		r->rejected = !keep;
	}
	if (keep)
		str_addn(&r->chunk, line, len);
	str_addc(&r->chunk, '\n');
}

static const struct snapshot_item *
read_file(const char *path, struct snapshot *outside)
{
	const struct snapshot_item *got = snapshot_get(outside, "file", path);
	_cleanup_str_ struct str text = { 0 };
	struct err_list errors = { 0 };
	int r;

	if (got)
		return got;
	r = read_text(path, &text, &errors);
	got =
	    snapshot_put(outside, "file", path, r, text.s, text.len, errors.v ? errors.v[0] : NULL);
	err_list_done(&errors);
	return got;
}

int
ini_read(const char *path, struct snapshot *outside, struct ini_file *ret, struct err_list *errors)
{
	struct ini_file file = { 0 };
	struct reader r = { .path = path, .errors = errors, .file = &file };
	const char *p, *end;
	const struct snapshot_item *text = read_file(path, outside);

	if (text->why[0])
		err_list_add(errors, "%s", text->why);
	if (text->code < 0)
		return text->code;
	p = text->bytes;
	end = p + text->len;
	if (str_starts(p, "\xef\xbb\xbf"))
		p += 3;
	for (int number = 1; p < end; number++) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));

		if (!eol)
			eol = end;
		take_line(&r, p, (size_t)(eol - p), number);
		p = eol + 1;
	}
	close_section(&r);
	str_done(&r.chunk);
	free(r.seen);
	*ret = file;
	return 0;
}

void
ini_done(struct ini_file *f)
{
	for (size_t i = 0; i < f->nsections; i++) {
		struct ini_section *s = &f->sections[i];

		for (size_t j = 0; j < s->nentries; j++) {
			free(s->entries[j].key);
			free(s->entries[j].value);
		}
		free(s->entries);
		free(s->header);
	}
	free(f->sections);
	*f = (struct ini_file){ 0 };
}
