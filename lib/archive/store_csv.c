/*
 * Batches as CSV files in a folder, NAME-000001.csv, each with its journal NAME-000001.json.  Every file is
 * written beside, fsynced and renamed.  A file that its journal does not name was never counted on:
 *
 *   writing   the CSV file may be there, whole or not: what it holds is still at the source
 *   copied, deleting, done: as store.h says, of the file that the journal names
 */
#include "archive/store_impl.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#define FILE_MAX ((off_t)1 << 30)
#define DIGITS   6

struct csv_store {
	struct archive_store store;
	char *folder;
	int dir;      /* locked */
	int64_t last; /* the highest number there is */
};

static struct csv_store *
own(struct archive_store *s)
{
	return (struct csv_store *)s;
}

static void
on_free(struct archive_store *s)
{
	if (own(s)->dir >= 0)
		close(own(s)->dir);
	free(own(s)->folder);
	free(s);
}

/* ---- files ---- */

static int
fail(const struct csv_store *s, const char *name, int error, struct err *e)
{
	return err_set(e, -error, "%.200s/%.120s: %s", s->folder, name, strerror(error));
}

static int
write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Whole under that name, on disk, or not at all. */
static int
write_file(const struct csv_store *s, const char *name, const char *data, size_t len, struct err *e)
{
	_cleanup_free_ char *partial = xasprintf(".%s.partial", name);
	_cleanup_close_ int fd =
	    openat(s->dir, partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	int r = fd < 0 ? -errno : write_all(fd, data, len);

	if (r >= 0 && renameat(s->dir, partial, s->dir, name) < 0)
		r = -errno;
	if (r >= 0 && fsync(s->dir) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(s->dir, partial, 0);
		return fail(s, name, -r, e);
	}
	return 0;
}

static int
read_file(const struct csv_store *s, const char *name, char **ret, size_t *ret_len, struct err *e)
{
	_cleanup_close_ int fd = openat(s->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ char *data = NULL;
	struct stat st;
	size_t len = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(s, name, errno, e);
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return fail(s, name, EFBIG, e);
	data = xcalloc((size_t)st.st_size + 1, 1);
	while (len < (size_t)st.st_size) {
		ssize_t n = read(fd, data + len, (size_t)st.st_size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(s, name, n < 0 ? errno : EIO, e);
		len += (size_t)n;
	}
	*ret = TAKE_PTR(data);
	*ret_len = len;
	return 0;
}

static int
remove_file(const struct csv_store *s, const char *name, struct err *e)
{
	if (unlinkat(s->dir, name, 0) < 0 && errno != ENOENT)
		return fail(s, name, errno, e);
	return 0;
}

/* ---- the journal of one batch ---- */

static char *
journal_name(const char *archive, int64_t number)
{
	return xasprintf("%s-%0*lld.json", archive, DIGITS, (long long)number);
}

static int
read_journal(const struct csv_store *s, int64_t number, json_t **ret, struct err *e)
{
	_cleanup_free_ char *name = journal_name(s->store.archive, number), *text = NULL;
	size_t len = 0;
	int r = read_file(s, name, &text, &len, e);

	if (r < 0)
		return r;
	*ret = json_loadb(text, len, 0, NULL);
	if (!json_is_object(*ret) || !json_string_value(json_object_get(*ret, "state"))) {
		json_decref(*ret);
		*ret = NULL;
		return err_set(e, -EBADMSG, "%.200s/%.120s cannot be read", s->folder, name);
	}
	return 0;
}

static int
write_journal(const struct csv_store *s, int64_t number, json_t *j, struct err *e)
{
	_cleanup_free_ char *name = journal_name(s->store.archive, number),
	                    *at = archive_now_text();
	char *text;
	int r;

	json_object_set_new(j, "at", json_string(at));
	text = json_dumps(j, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	r = text ? write_file(s, name, text, strlen(text), e)
	         : err_set(e, -EBADMSG, "a journal cannot be written: a name is no UTF-8");
	free(text);
	return r;
}

static const char *
word(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

/* Only names of ours: a journal that somebody else wrote leads nowhere else. */
static bool
is_ours(const char *archive, const char *file)
{
	size_t n = strlen(archive);

	return strncmp(file, archive, n) == 0 && file[n] == '-' &&
	       strspn(file + n + 1, "0123456789.csv") == strlen(file + n + 1) &&
	       str_ends(file, ".csv");
}

/* The rows of the file that the journal names, if it is the file that was written. */
static int
read_rows(const struct csv_store *s, const json_t *j, size_t ncolumns, struct archive_rows **ret,
    int64_t *ret_bytes, struct err *e)
{
	const char *file = word(j, "file");
	_cleanup_free_ char *text = NULL, *sum = NULL;
	size_t len;
	int r;

	if (!is_ours(s->store.archive, file))
		return err_set(e, -EBADMSG, "its journal names no file");
	r = read_file(s, file, &text, &len, e);
	if (r < 0)
		return r;
	sum = archive_sum(text, len);
	if (!streq(sum, word(j, "sum")))
		return err_set(e, -EBADMSG,
		    "%.200s/%.120s is not what was written: %.20s..., not %.20s...", s->folder,
		    file, sum, word(j, "sum"));
	*ret_bytes = (int64_t)len;
	r = archive_csv_parse(text, len, ncolumns, ret, e);
	if (r >= 0 && (json_int_t)(*ret)->n != json_integer_value(json_object_get(j, "rows"))) {
		*ret = archive_rows_free(*ret);
		return err_set(
		    e, -EBADMSG, "%.200s/%.120s has another number of rows", s->folder, file);
	}
	return r;
}

/* ---- batches ---- */

static int
same_columns(const struct csv_store *s, const json_t *j, struct err *e)
{
	const json_t *columns = json_object_get(j, "columns");
	bool same = json_array_size(columns) == s->store.source->ncolumns;

	for (size_t i = 0; same && i < s->store.source->ncolumns; i++) {
		const char *name = json_string_value(json_array_get(columns, i));

		same = name && streq(name, s->store.source->columns[i].name);
	}
	if (same)
		return 0;
	return err_set(e, -EBADMSG,
	    "batch %lld was not finished, and the table has other columns now. Its rows are in "
	    "%.100s and may be in the table too: see to them by hand, then set its state to done",
	    (long long)s->last, word(j, "file"));
}

/* What the last batch left of files that its journal does not count on. */
static int
clean(struct csv_store *s, const json_t *j, struct err *e)
{
	for (int revision = 0; revision < 2; revision++) {
		_cleanup_free_ char *file = xasprintf("%s-%0*lld%s.csv", s->store.archive, DIGITS,
		    (long long)s->last, revision ? ".1" : "");

		if (!streq(file, word(j, "file")) && remove_file(s, file, e) < 0)
			return e->code;
	}
	return 0;
}

static int
unfinished(struct archive_store *store, struct archive_batch *ret, struct err *e)
{
	struct csv_store *s = own(store);
	_cleanup_json_ json_t *j = NULL;
	_cleanup_(archive_batch_done) struct archive_batch b = { .number = s->last };
	const char *state;
	int64_t bytes;
	int r = s->last > 0 ? read_journal(s, s->last, &j, e) : 0;

	if (r < 0 || s->last == 0)
		return r;
	state = word(j, "state");
	if (streq(state, "writing") || streq(state, "done"))
		return clean(s, j, e);
	r = same_columns(s, j, e);
	if (r >= 0)
		r = read_rows(s, j, store->source->ncolumns, &b.rows, &bytes, e);
	if (r < 0)
		return r;
	b.drop = xcalloc(b.rows->n + 1, sizeof(bool));
	if (archive_drop_parse(json_object_get(j, "dropped"), b.drop, b.rows->n) < 0)
		return err_set(
		    e, -EBADMSG, "the journal of batch %lld cannot be read", (long long)b.number);
	if (streq(state, "deleting"))
		b.token = xstrdup(word(j, "token"));
	*ret = archive_batch_take(&b);
	return 1;
}

static int
find(struct archive_store *store, const struct archive_rows *rows, struct archive_found *ret,
    struct archive_rows **ret_rows, struct err *e)
{
	(void)e;
	memset(ret, 0, rows->n * sizeof(*ret));
	*ret_rows = archive_rows_new(store->source->ncolumns);
	return 0;
}

static json_t *
key_of(const struct archive_table *t, const struct archive_rows *rows, size_t at)
{
	_cleanup_(archive_rows_freep) struct archive_rows *one = archive_rows_new(rows->ncolumns);
	_cleanup_json_ json_t *keys = NULL;

	archive_rows_copy(one, archive_rows_at(rows, at));
	keys = archive_keys_json(t, one, NULL);
	return json_incref(json_array_get(keys, 0));
}

static json_t *
describe(
    const struct csv_store *s, const struct archive_rows *rows, const char *file, const char *sum)
{
	const struct archive_table *t = s->store.source;
	json_t *columns = json_array(), *key = json_array();

	for (size_t i = 0; i < t->ncolumns; i++)
		json_array_append_new(columns, json_string(t->columns[i].name));
	for (size_t i = 0; i < t->nkey; i++)
		json_array_append_new(key, json_string(t->columns[t->key[i]].name));
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:o,s:o,s:o,s:o}", "archive", s->store.archive,
	    "state", "copied", "source", t->name, "file", file, "sum", sum, "rows",
	    (json_int_t)rows->n, "first", key_of(t, rows, 0), "last", key_of(t, rows, rows->n - 1),
	    "columns", columns, "key", key);
}

static int
next_number(struct csv_store *s, struct err *e)
{
	_cleanup_json_ json_t *j = NULL;
	int r;

	if (s->last > 0) {
		r = read_journal(s, s->last, &j, e);
		if (r < 0)
			return r;
		if (streq(word(j, "state"), "writing"))
			return 0;
	}
	s->last++;
	return 0;
}

static int
write_batch(struct csv_store *s, const struct archive_rows *rows, struct err *e)
{
	_cleanup_json_ json_t *intent =
	    json_pack("{s:s,s:s}", "archive", s->store.archive, "state", "writing");
	_cleanup_json_ json_t *j = NULL;
	size_t len, n;
	_cleanup_free_ char *text =
	    archive_rows_csv(s->store.source->columns, rows, NULL, &len, &n);
	_cleanup_free_ char *sum = archive_sum(text, len), *file = NULL;
	int r = next_number(s, e);

	if (r < 0)
		return r;
	file = xasprintf("%s-%0*lld.csv", s->store.archive, DIGITS, (long long)s->last);
	r = write_journal(s, s->last, intent, e);
	if (r >= 0)
		r = write_file(s, file, text, len, e);
	if (r < 0)
		return r;
	j = describe(s, rows, file, sum);
	return write_journal(s, s->last, j, e);
}

static int
put(struct archive_store *store, const struct archive_rows *rows, const bool *pick,
    struct archive_batch *ret, struct err *e)
{
	struct csv_store *s = own(store);
	_cleanup_(archive_rows_freep) struct archive_rows *picked =
	    archive_rows_new(rows->ncolumns);
	int r;

	for (size_t i = 0; i < rows->n; i++)
		if (pick[i])
			archive_rows_copy(picked, archive_rows_at(rows, i));
	r = write_batch(s, picked, e);
	if (r < 0)
		return r;
	/* What the disk gives back, not what we believe to have written. */
	r = unfinished(store, ret, e);
	return r == 0 ? err_set(e, -EIO, "%.200s: the batch is not there", s->folder) : MIN(r, 0);
}

static int
note(struct archive_store *store, const struct archive_batch *b, struct err *e)
{
	struct csv_store *s = own(store);
	_cleanup_json_ json_t *j = NULL;
	int r = read_journal(s, b->number, &j, e);

	if (r < 0)
		return r;
	json_object_set_new(j, "state", json_string("deleting"));
	json_object_set_new(j, "token", json_string(b->token));
	json_object_set_new(j, "dropped", archive_drop_json(b->drop, b->rows->n));
	return write_journal(s, b->number, j, e);
}

/* None of its rows stays: the number is free again, the file goes. */
static int
forget(struct csv_store *s, struct err *e)
{
	_cleanup_json_ json_t *intent =
	    json_pack("{s:s,s:s}", "archive", s->store.archive, "state", "writing");
	int r = write_journal(s, s->last, intent, e);

	return r < 0 ? r : clean(s, intent, e);
}

static int
finish(struct archive_store *store, const struct archive_batch *b, struct err *e)
{
	struct csv_store *s = own(store);
	_cleanup_json_ json_t *j = NULL;
	size_t len, n;
	_cleanup_free_ char *text = archive_rows_csv(
	                        store->source->columns, b->rows, b->drop, &len, &n),
	                    *sum = archive_sum(text, len), *file = NULL;
	int r = read_journal(s, b->number, &j, e);

	if (r < 0)
		return r;
	if (n == 0)
		return forget(s, e);
	if (n < b->rows->n) {
		file = xasprintf("%s-%0*lld.1.csv", store->archive, DIGITS, (long long)b->number);
		r = write_file(s, file, text, len, e);
		if (r < 0)
			return r;
		json_object_set_new(j, "file", json_string(file));
		json_object_set_new(j, "sum", json_string(sum));
		json_object_set_new(j, "rows", json_integer((json_int_t)n));
	}
	json_object_set_new(j, "state", json_string("done"));
	json_object_del(j, "token");
	json_object_del(j, "dropped");
	r = write_journal(s, b->number, j, e);
	return r < 0 ? r : clean(s, j, e);
}

static const struct archive_store_ops ops = {
	.unfinished = unfinished,
	.find = find,
	.put = put,
	.note = note,
	.finish = finish,
	.free = on_free,
};

/* "NAME-000012.json" is 12; 0: no journal of ours. */
static int64_t
number_of(const char *archive, const char *file)
{
	size_t n = strlen(archive);
	char *end;
	int64_t number;

	if (strncmp(file, archive, n) != 0 || file[n] != '-' ||
	    strspn(file + n + 1, "0123456789") < DIGITS)
		return 0;
	errno = 0;
	number = strtoll(file + n + 1, &end, 10);
	return errno == 0 && streq(end, ".json") ? number : 0;
}

static int
find_last(struct csv_store *s, struct err *e)
{
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		return fail(s, "", error, e);
	}
	for (struct dirent *f; (f = readdir(d));)
		s->last = MAX(s->last, number_of(s->store.archive, f->d_name));
	closedir(d);
	return 0;
}

static int
open_folder(struct csv_store *s, bool lock, struct err *e)
{
	if (lock && mkdir(s->folder, 0750) < 0 && errno != EEXIST)
		return err_set(e, -errno, "%.300s: %s", s->folder, strerror(errno));
	s->dir = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return err_set(e, -errno, "%.300s: %s", s->folder, strerror(errno));
	if (lock && flock(s->dir, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, errno == EWOULDBLOCK ? -EBUSY : -errno,
		    errno == EWOULDBLOCK ? "%.300s: another run writes there"
		                         : "%.300s: cannot be locked",
		    s->folder);
	return find_last(s, e);
}

static struct csv_store *
new_store(const char *archive, const char *folder, const struct archive_table *source)
{
	struct csv_store *s = xcalloc(1, sizeof(*s));

	s->store = (struct archive_store){ &ops, archive, source };
	s->folder = xstrdup(folder);
	s->dir = -1;
	return s;
}

int
archive_store_csv(const char *archive, const char *folder, const struct archive_table *source,
    struct archive_store **ret, struct err *e)
{
	struct csv_store *s = new_store(archive, folder, source);
	int r = open_folder(s, true, e);

	if (r < 0) {
		archive_store_free(&s->store);
		return r;
	}
	*ret = &s->store;
	return 0;
}

/* ---- verify ---- */

static void
prove(struct csv_store *s, int64_t number, struct archive_proof *ret)
{
	_cleanup_json_ json_t *j = NULL;
	_cleanup_(archive_rows_freep) struct archive_rows *rows = NULL;
	_cleanup_free_ char *wrong = NULL;
	struct err why = { 0 };
	int64_t bytes = 0;
	int r = read_journal(s, number, &j, &why);

	if (r >= 0 && streq(word(j, "state"), "writing")) {
		ret->unfinished++;
		return;
	}
	ret->batches++;
	if (r >= 0) {
		ret->unfinished += !streq(word(j, "state"), "done");
		r = read_rows(s, j, MAX(json_array_size(json_object_get(j, "columns")), (size_t)1),
		    &rows, &bytes, &why);
	}
	if (r < 0 || !rows) {
		wrong = xasprintf("batch %lld: %s", (long long)number, why.msg);
		strv_add(&ret->wrong, wrong);
		return;
	}
	ret->rows += (int64_t)rows->n;
	ret->bytes += bytes;
}

int
archive_verify_csv(
    const char *archive, const char *folder, struct archive_proof *ret, struct err *e)
{
	struct csv_store *s = new_store(archive, folder, NULL);
	int r = open_folder(s, false, e);

	for (int64_t i = 1; r >= 0 && i <= s->last; i++)
		prove(s, i, ret);
	archive_store_free(&s->store);
	return r;
}
