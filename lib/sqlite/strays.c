/*
 * Logs and journals in the folder whose database is not there: it was renamed without them.  Each is
 * told for one database only, the one of the most similar name.
 */
#include "base/str.h"
#include "base/text.h"
#include "sqlite/bytes.h"
#include "sqlite/gather.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#define ENTRIES_MAX 4096
#define STRAYS_MAX  10
#define OPENED_MAX  16

struct folder {
	int fd;
	struct dirent **entries;
	int n;
};

static bool
ends_with(const char *s, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len > n && memcmp(s + len - n, suffix, n) == 0;
}

/* Length of the name of the database, 0 if it is none of its companions. */
static size_t
base_length(const char *name)
{
	static const char *const suffixes[] = { "-wal", "-shm", "-journal" };
	size_t len = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (ends_with(name, len, suffixes[i]))
			return len - strlen(suffixes[i]);
	return 0;
}

/* Its first bytes, if it is a regular file that has so many; its size or -1. */
static int64_t
read_head(int dir, const char *name, unsigned char *buf, size_t len)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    bytes_pread(fd, buf, len, 0) != (ssize_t)len)
		return -1;
	return st.st_size;
}

/* Size of a log or journal that holds something, with its page size; else -1. */
static int64_t
stray_size(const struct folder *d, const char *name, uint32_t *ret_page_size)
{
	unsigned char head[WAL_HEAD];
	int64_t size = read_head(d->fd, name, head, sizeof(head));

	if (size <= WAL_HEAD)
		return -1;
	if (memcmp(head, JOURNAL_MAGIC, 8) == 0)
		*ret_page_size = get_be32(head + 24);
	else if ((get_be32(head) & ~1u) == 0x377f0682)
		*ret_page_size = get_be32(head + 8);
	else
		return -1;
	return size;
}

static size_t
common_prefix(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] && a[n] == b[n])
		n++;
	return n;
}

/*
 * Whether of all databases here ours has the name most similar to that of the stray; of equals the
 * first one by name.
 */
static bool
is_nearest(const struct folder *d, const char *ours, const char *stray)
{
	size_t mine = common_prefix(ours, stray);
	int opened = 0;

	for (int i = 0; i < d->n; i++) {
		const char *name = d->entries[i]->d_name;
		size_t same = common_prefix(name, stray);
		unsigned char magic[16];

		if (streq(name, ours) || base_length(name) > 0 || same < mine ||
		    (same == mine && strcmp(name, ours) > 0))
			continue;
		if (opened++ >= OPENED_MAX)
			return false;
		if (read_head(d->fd, name, magic, sizeof(magic)) > 0 &&
		    memcmp(magic, "SQLite format 3", 16) == 0)
			return false;
	}
	return true;
}

static void
judge_entry(
    const struct folder *d, const char *ours, int64_t page_size, const char *name, json_t *found)
{
	_cleanup_free_ char *base = xstrndup(name, base_length(name)), *shown = NULL, *of = NULL;
	uint32_t stray_page = 0;
	struct stat st;
	int64_t size;
	json_t *o;

	if (base[0] == '\0' || streq(base, ours) || json_array_size(found) >= STRAYS_MAX ||
	    ends_with(name, strlen(name), "-shm") ||
	    fstatat(d->fd, base, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
		return;
	size = stray_size(d, name, &stray_page);
	if (size < 0 || stray_page != page_size || !is_nearest(d, ours, name))
		return;
	shown = text_from_peer(name, strlen(name), 512);
	of = text_from_peer(base, strlen(base), 512);
	/* A remedy for a name that is no text would be one for another file. */
	if (!streq(shown, name))
		return;
	o = json_object();
	json_object_set_new(o, "name", json_string(shown));
	json_object_set_new(o, "base", json_string(of));
	json_object_set_new(o, "size", json_integer(size));
	json_array_append_new(found, o);
}

static int
not_hidden(const struct dirent *e)
{
	return e->d_name[0] != '.' && (e->d_type == DT_REG || e->d_type == DT_UNKNOWN);
}

void
gather_strays(struct file_facts *f)
{
	const char *slash = f->resolved ? strrchr(f->resolved, '/') : NULL;
	_cleanup_free_ char *dir =
	    slash ? xstrndup(f->resolved, (size_t)(slash - f->resolved) + 1) : NULL;
	_cleanup_close_ int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	_cleanup_free_ char *text = NULL;
	struct folder d = { .fd = fd };
	json_t *found;

	if (fd < 0 || (d.n = scandir(dir, &d.entries, not_hidden, alphasort)) < 0)
		return;
	found = json_array();
	for (int i = 0; d.n <= ENTRIES_MAX && i < d.n; i++)
		if (base_length(d.entries[i]->d_name) > 0)
			judge_entry(&d, slash + 1, file_facts_int(f, FACT_PAGE_SIZE),
			    d.entries[i]->d_name, found);
	text = json_dumps(found, JSON_COMPACT);
	if (d.n <= ENTRIES_MAX && text)
		file_facts_set_json(f, FACT_MISPLACED, text);
	json_decref(found);
	for (int i = 0; i < d.n; i++)
		free(d.entries[i]);
	free(d.entries);
}
