/* manifest.json: written whole, read with suspicion. */
#include "backup/manifest.h"
#include "backup/folder.h"
#include "base/sha.h"
#include "base/str.h"
#include "base/text.h"
#include <fcntl.h>
#include <sys/stat.h>

#define NAMES_MAX 1000000
#define TEXT_MAX  ((size_t)65536)

void
manifest_done(struct manifest *m)
{
	char *const texts[] = { m->stamp, m->database, m->engine, m->where, m->version, m->tool,
		m->program, m->host, m->encryption, m->policy, m->fingerprint };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(texts[i]);
	for (size_t i = 0; i < m->nfiles; i++)
		free(m->files[i].path);
	for (size_t i = 0; i < m->ntables; i++)
		free(m->tables[i].name);
	free(m->files);
	free(m->tables);
	json_decref(m->facts);
	*m = (struct manifest){ 0 };
}

void
manifest_add_file(struct manifest *m, const char *path, int64_t bytes, const char *sha256)
{
	struct manifest_file *f;

	assert(strlen(sha256) == MANIFEST_SHA_SIZE - 1);
	m->files = xreallocarray(m->files, m->nfiles + 1, sizeof(*m->files));
	f = &m->files[m->nfiles++];
	*f = (struct manifest_file){ .path = xstrdup(path), .bytes = bytes };
	memcpy(f->sha256, sha256, MANIFEST_SHA_SIZE);
}

void
manifest_add_table(struct manifest *m, const char *name, int64_t rows)
{
	m->tables = xreallocarray(m->tables, m->ntables + 1, sizeof(*m->tables));
	m->tables[m->ntables++] =
	    (struct manifest_table){ .name = text_from_peer(name, strlen(name), TEXT_MAX),
		    .rows = rows };
}

const struct manifest_table *
manifest_find_table(const struct manifest *m, const char *name)
{
	for (size_t i = 0; i < m->ntables; i++)
		if (streq(m->tables[i].name, name))
			return &m->tables[i];
	return NULL;
}

int64_t
manifest_bytes(const struct manifest *m)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < m->nfiles; i++)
		bytes += m->files[i].bytes;
	return bytes;
}

int64_t
manifest_rows(const struct manifest *m)
{
	int64_t rows = 0;

	for (size_t i = 0; i < m->ntables; i++)
		rows += MAX(m->tables[i].rows, 0);
	return rows;
}

/* ---- written ---- */

/* Texts and numbers by their names, for both directions. */
#define TEXT(f)                                                                                    \
	{                                                                                          \
#f, offsetof(struct manifest, f), true                                             \
	}
#define OPTIONAL(f)                                                                                \
	{                                                                                          \
#f, offsetof(struct manifest, f), false                                            \
	}
static const struct field {
	const char *name;
	size_t offset;
	bool required;
} texts[] = { TEXT(stamp), TEXT(database), TEXT(engine), TEXT(where), TEXT(version), TEXT(tool),
	TEXT(program), TEXT(host), OPTIONAL(encryption), OPTIONAL(policy), OPTIONAL(fingerprint) },
  numbers[] = { TEXT(version_number), TEXT(started_us), TEXT(ended_us), TEXT(source_bytes) };
#undef TEXT
#undef OPTIONAL

static char **
text_of(const struct manifest *m, const struct field *f)
{
	return (char **)(void *)((char *)(uintptr_t)m + f->offset);
}

static int64_t *
number_of(const struct manifest *m, const struct field *f)
{
	return (int64_t *)(void *)((char *)(uintptr_t)m + f->offset);
}

static void
set_text(json_t *o, const char *key, const char *s)
{
	_cleanup_free_ char *clean = s ? text_from_peer(s, strlen(s), TEXT_MAX) : NULL;

	json_object_set_new(o, key, clean ? json_string(clean) : json_null());
}

json_t *
manifest_json(const struct manifest *m)
{
	json_t *o = json_object(), *files = json_array(), *tables = json_object();

	json_object_set_new(o, "format", json_integer(MANIFEST_FORMAT));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		set_text(o, texts[i].name, *text_of(m, &texts[i]));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		json_object_set_new(o, numbers[i].name, json_integer(*number_of(m, &numbers[i])));
	for (size_t i = 0; i < m->nfiles; i++)
		json_array_append_new(
		    files, json_pack("{s:s, s:I, s:s}", "path", m->files[i].path, "bytes",
		               (json_int_t)m->files[i].bytes, "sha256", m->files[i].sha256));
	for (size_t i = 0; i < m->ntables; i++)
		json_object_set_new(tables, m->tables[i].name,
		    m->tables[i].rows < 0 ? json_null() : json_integer(m->tables[i].rows));
	json_object_set_new(o, "files", files);
	json_object_set_new(o, "tables", tables);
	return o;
}

static void
seal(const json_t *o, char ret[static MANIFEST_SHA_SIZE])
{
	char *text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
	char hex[SHA_HEX_SIZE];

	sha_hex(256, text, strlen(text), hex);
	memcpy(ret, hex, MANIFEST_SHA_SIZE - 1);
	ret[MANIFEST_SHA_SIZE - 1] = '\0';
	free(text);
}

char *
manifest_text(struct manifest *m)
{
	json_t *o = manifest_json(m);
	char *text;

	if (m->facts)
		json_object_set(o, "facts", m->facts);
	seal(o, m->checksum);
	json_object_set_new(o, "checksum", json_string(m->checksum));
	text = json_dumps(o, JSON_INDENT(1) | JSON_SORT_KEYS);
	json_decref(o);
	return text;
}

int
manifest_write(int dirfd, struct manifest *m, struct err *e)
{
	_cleanup_free_ char *text = manifest_text(m);

	return folder_put(dirfd, MANIFEST_NAME, text, e);
}

/* ---- read ---- */

static int
bad(struct err *e, const char *what)
{
	return err_set(e, -EBADMSG, "the manifest is damaged: %s", what);
}

static bool
is_sha(const char *s)
{
	return strlen(s) == MANIFEST_SHA_SIZE - 1 &&
	       strspn(s, "0123456789abcdef") == MANIFEST_SHA_SIZE - 1;
}

/* What a path of ours is made of; nothing leads out of the folder, nothing is hidden in it. */
static bool
is_safe_path(const char *s)
{
	if (!*s || strlen(s) > 1024 || *s == '/')
		return false;
	for (const char *p = s; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
		if (*p == '.' || *p == '/' || *p == '\0')
			return false;
	return !streq(s, MANIFEST_NAME);
}

static int
take_files(const json_t *list, struct manifest *m, struct err *e)
{
	const json_t *o;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > NAMES_MAX)
		return bad(e, "it lists no files");
	json_array_foreach (list, i, o) {
		const char *path = json_string_value(json_object_get(o, "path"));
		const char *sha = json_string_value(json_object_get(o, "sha256"));
		json_int_t bytes = json_integer_value(json_object_get(o, "bytes"));

		if (!path || !sha || !json_is_integer(json_object_get(o, "bytes")) || bytes < 0 ||
		    !is_sha(sha) || !is_safe_path(path))
			return bad(e, "a file in it is none");
		if (i > 0 && strcmp(m->files[i - 1].path, path) >= 0)
			return bad(e, "its files are out of order");
		manifest_add_file(m, path, bytes, sha);
	}
	return 0;
}

static int
take_tables(json_t *map, struct manifest *m, struct err *e)
{
	const char *name;
	json_t *rows;

	if (!json_is_object(map) || json_object_size(map) > NAMES_MAX)
		return bad(e, "it lists no tables");
	json_object_foreach (map, name, rows) {
		if (!json_is_null(rows) && (!json_is_integer(rows) || json_integer_value(rows) < 0))
			return bad(e, "rows that are no number");
		manifest_add_table(m, name, json_is_null(rows) ? -1 : json_integer_value(rows));
	}
	return 0;
}

static int
take_fields(const json_t *o, struct manifest *m, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const json_t *v = json_object_get(o, texts[i].name);

		if (json_is_string(v))
			*text_of(m, &texts[i]) = xstrdup(json_string_value(v));
		else if (texts[i].required || (v && !json_is_null(v)))
			return bad(e, texts[i].name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		const json_t *v = json_object_get(o, numbers[i].name);

		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return bad(e, numbers[i].name);
		*number_of(m, &numbers[i]) = json_integer_value(v);
	}
	return 0;
}

static int
take_all(json_t *o, struct manifest *m, struct err *e)
{
	const json_t *format = json_object_get(o, "format");
	json_t *facts = json_object_get(o, "facts");
	_cleanup_free_ char *said = NULL;
	int r;

	if (!json_is_integer(format))
		return bad(e, "it has no format");
	if (json_integer_value(format) != MANIFEST_FORMAT)
		return err_set(e, -EBADMSG,
		    "the backup is of format %lld, this version of dbhealth reads %d",
		    (long long)json_integer_value(format), MANIFEST_FORMAT);
	said = xstrdup(json_string_value(json_object_get(o, "checksum")));
	json_object_del(o, "checksum");
	seal(o, m->checksum);
	if (!said || !streq(said, m->checksum))
		return bad(e, "it is not what was written (its checksum differs)");
	r = take_fields(o, m, e);
	if (r == 0)
		r = take_files(json_object_get(o, "files"), m, e);
	if (r == 0)
		r = take_tables(json_object_get(o, "tables"), m, e);
	if (r == 0 && facts) {
		if (!json_is_object(facts))
			return bad(e, "facts");
		m->facts = json_incref(facts);
	}
	return r;
}

int
manifest_parse(const char *text, size_t len, struct manifest *ret, struct err *e)
{
	_cleanup_manifest_ struct manifest m = { 0 };
	json_error_t why;
	json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	int r;

	if (!json_is_object(o)) {
		json_decref(o);
		return bad(e, "it is no JSON object");
	}
	r = take_all(o, &m, e);
	json_decref(o);
	if (r < 0)
		return r;
	*ret = m;
	m = (struct manifest){ 0 };
	return 0;
}

int
manifest_read(int dirfd, struct manifest *ret, struct err *e)
{
	_cleanup_close_ int fd = openat(dirfd, MANIFEST_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t len = 0;

	if (fd < 0)
		return err_set(e, -errno, "it has no manifest: %s", strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return bad(e, "it is no file");
	if (st.st_size > (off_t)MANIFEST_MAX_BYTES)
		return bad(e, "it is too large");
	text = xcalloc((size_t)st.st_size + 1, 1);
	while (len < (size_t)st.st_size) {
		ssize_t n = read(fd, text + len, (size_t)st.st_size - len);

		if (n < 0)
			return err_set(
			    e, -errno, "the manifest cannot be read: %s", strerror(errno));
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return manifest_parse(text, len, ret, e);
}
