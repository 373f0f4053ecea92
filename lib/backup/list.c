/* What backups there are, what is known of each, and which of them stay. */
#include "backup/engines.h"
#include "backup/tree.h"
#include "base/str.h"
#include "base/text.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define PROOF_MAX_BYTES ((size_t)1 << 20)

/* ---- proofs ---- */

void
backup_proof_done(struct backup_proof *p)
{
	free(p->message);
	strv_free(p->faults);
	json_decref(p->findings);
	*p = (struct backup_proof){ 0 };
}

void
backup_fault(struct backup_proof *p, const char *fmt, ...)
{
	_cleanup_free_ char *clean = NULL;
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	clean = text_from_peer(text, strlen(text), TEXT_MAX_BYTES);
	free(text);
	p->ok = false;
	if (strv_len(p->faults) < 100)
		strv_add(&p->faults, clean);
}

json_t *
backup_proof_json(const struct backup_proof *p)
{
	json_t *o = json_object(), *faults = json_array();

	for (size_t i = 0; p->faults && p->faults[i]; i++)
		json_array_append_new(faults, json_string(p->faults[i]));
	json_object_set_new(o, "ok", json_boolean(p->ok));
	json_object_set_new(o, "depth", json_string(backup_depth_names[p->depth]));
	json_object_set_new(o, "at_us", json_integer(p->at_us));
	json_object_set_new(o, "took_us", json_integer(p->took_us));
	json_object_set_new(o, "tables", json_integer((json_int_t)p->tables));
	json_object_set_new(o, "rows", json_integer(p->rows));
	json_object_set_new(o, "message", json_string(p->message ? p->message : ""));
	json_object_set_new(o, "faults", faults);
	if (p->findings)
		json_object_set(o, "findings", p->findings);
	return o;
}

int
proof_write(int dirfd, const struct manifest *m, const struct backup_proof *p, struct err *e)
{
	json_t *o = backup_proof_json(p);
	char *text;
	int r;

	json_object_set_new(o, "manifest", json_string(m->checksum));
	text = json_dumps(o, JSON_INDENT(1) | JSON_SORT_KEYS);
	json_decref(o);
	r = folder_put(dirfd, PROOF_NAME, text, e);
	free(text);
	return r;
}

static int64_t
number(const json_t *o, const char *key)
{
	return MAX((int64_t)json_integer_value(json_object_get(o, key)), 0);
}

static void
take_proof(const json_t *o, struct backup_proof *p)
{
	const char *depth = json_string_value(json_object_get(o, "depth"));
	const char *message = json_string_value(json_object_get(o, "message"));
	const json_t *faults = json_object_get(o, "faults"), *v;
	size_t i;

	for (int d = BACKUP_CHECKSUMS; depth && d <= BACKUP_RESTORED; d++)
		if (streq(depth, backup_depth_names[d]))
			p->depth = (enum backup_depth)d;
	p->ok = json_is_true(json_object_get(o, "ok"));
	p->at_us = number(o, "at_us");
	p->took_us = number(o, "took_us");
	p->tables = (size_t)number(o, "tables");
	p->rows = number(o, "rows");
	p->message = xstrdup(message ? message : "");
	json_array_foreach (faults, i, v)
		if (json_is_string(v))
			strv_add(&p->faults, json_string_value(v));
	if (json_is_object(json_object_get(o, "findings")))
		p->findings = json_incref(json_object_get(o, "findings"));
}

void
proof_read(int dirfd, const struct manifest *m, struct backup_proof *ret)
{
	_cleanup_close_ int fd = openat(dirfd, PROOF_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	const char *of;
	struct stat st;
	json_t *o;

	*ret = (struct backup_proof){ 0 };
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size > (off_t)PROOF_MAX_BYTES)
		return;
	o = json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
	of = json_string_value(json_object_get(o, "manifest"));
	if (of && streq(of, m->checksum))
		take_proof(o, ret);
	json_decref(o);
}

/* ---- listed ---- */

/* Every file that the manifest names is there and as long as it was; contents are verify's. */
static int
look_at_files(int dirfd, const struct manifest *m, struct err *e)
{
	for (size_t i = 0; i < m->nfiles; i++) {
		const struct manifest_file *f = &m->files[i];
		struct stat st;

		if (fstatat(dirfd, f->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_set(e, -EBADMSG, "%s: %s", f->path, strerror(errno));
		if (!S_ISREG(st.st_mode))
			return err_set(e, -EBADMSG, "%s is no regular file", f->path);
		if (st.st_size != f->bytes)
			return err_set(e, -EBADMSG, "%s has %lld bytes, not %lld", f->path,
			    (long long)st.st_size, (long long)f->bytes);
	}
	return 0;
}

static int
look_at(const struct folder *folder, const char *database, const char *stamp, struct manifest *ret,
    int *ret_dirfd, struct err *e)
{
	_cleanup_close_ int dirfd = folder_open_stamp(folder, stamp, e);
	_cleanup_manifest_ struct manifest m = { 0 };
	int r = dirfd < 0 ? dirfd : manifest_read(dirfd, &m, e);

	if (r < 0)
		return r;
	if (!streq(m.database, database))
		return err_set(e, -EBADMSG, "it is a backup of another database: %s", m.database);
	if (!streq(m.stamp, stamp))
		return err_set(e, -EBADMSG, "it is the backup %s under another name", m.stamp);
	r = look_at_files(dirfd, &m, e);
	if (r < 0)
		return r;
	*ret = m;
	*ret_dirfd = TAKE_FD(dirfd);
	m = (struct manifest){ 0 };
	return 0;
}

static void
add_entry(
    const struct folder *folder, const char *database, const char *stamp, struct backup_list *list)
{
	_cleanup_close_ int dirfd = -1;
	struct err e = { 0 };
	struct backup_entry *entry;

	list->v = xreallocarray(list->v, list->n + 1, sizeof(*list->v));
	entry = &list->v[list->n++];
	*entry =
	    (struct backup_entry){ .stamp = xstrdup(stamp), .path = folder_path_of(folder, stamp) };
	if (folder_stamp_parse(stamp, &entry->at_sec) < 0)
		entry->at_sec = 0;
	if (look_at(folder, database, stamp, &entry->manifest, &dirfd, &e) < 0) {
		entry->state = BACKUP_BROKEN;
		entry->why = text_from_peer(e.msg, strlen(e.msg), sizeof(e.msg));
	} else {
		proof_read(dirfd, &entry->manifest, &entry->proof);
	}
}

int
backup_list(const char *root, const char *database, struct backup_list *ret, struct err *e)
{
	_cleanup_(folder_freep) struct folder *folder = NULL;
	_cleanup_strv_ char **stamps = NULL;
	int r = folder_open(root, database, FOLDER_READ, &folder, e);

	*ret = (struct backup_list){ 0 };
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = folder_list(folder, &stamps, e);
	if (r == 0)
		r = folder_unfinished(folder, &ret->unfinished, e);
	for (size_t i = 0; r == 0 && stamps && stamps[i]; i++)
		add_entry(folder, database, stamps[i], ret);
	return r;
}

void
backup_list_done(struct backup_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].stamp);
		free(l->v[i].path);
		free(l->v[i].why);
		manifest_done(&l->v[i].manifest);
		backup_proof_done(&l->v[i].proof);
	}
	free(l->v);
	strv_free(l->unfinished);
	*l = (struct backup_list){ 0 };
}

static bool
is_proved(const struct backup_entry *b)
{
	return b->state == BACKUP_GOOD && b->proof.ok && b->proof.depth == BACKUP_RESTORED;
}

/* One of which a look has found that it cannot be relied on is none. */
static bool
is_refuted(const struct backup_entry *b)
{
	return b->state != BACKUP_GOOD || (b->proof.at_us > 0 && !b->proof.ok);
}

const struct backup_entry *
backup_newest(const struct backup_list *l, bool verified)
{
	for (size_t i = 0; i < l->n; i++)
		if (verified ? is_proved(&l->v[i]) : !is_refuted(&l->v[i]))
			return &l->v[i];
	return NULL;
}

/* The name that folder_name() made of it; what it made of a very long one does not lead back. */
static char *
decoded(const char *name)
{
	_cleanup_str_ struct str out = { 0 };

	if (*name == '.')
		return NULL;
	for (const char *p = name; *p; p++) {
		const char hex[] = { p[0] == '%' ? p[1] : '\0', p[0] == '%' && p[1] ? p[2] : '\0',
			'\0' };
		unsigned long c;

		if (*p != '%') {
			str_addc(&out, *p);
			continue;
		}
		c = strtoul(hex, NULL, 16);
		if (strspn(hex, "0123456789ABCDEF") != 2 || c == 0)
			return NULL;
		str_addc(&out, (char)c);
		p += 2;
	}
	return str_take(&out);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int
backup_databases(const char *root, char ***ret, struct err *e)
{
	_cleanup_close_ int dirfd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_strv_ char **names = NULL, **found = NULL;
	int r;

	if (dirfd < 0 && errno == ENOENT) {
		*ret = NULL;
		return 0;
	}
	r = dirfd < 0 ? -errno : tree_names(dirfd, &names);
	if (r < 0)
		return err_set(e, r, "%s: %s", root, strerror(-r));
	for (size_t i = 0; names && names[i]; i++) {
		_cleanup_free_ char *name = decoded(names[i]),
		                    *again = name ? folder_name(name) : NULL;
		struct stat st;

		if (again && streq(again, names[i]) && fstatat(dirfd, names[i], &st, 0) == 0 &&
		    S_ISDIR(st.st_mode))
			strv_add(&found, name);
	}
	if (found)
		qsort(found, strv_len(found), sizeof(*found), by_name);
	*ret = TAKE_PTR(found);
	return 0;
}

int
backup_pick(const struct folder *folder, const char *stamp, char **ret, struct err *e)
{
	_cleanup_strv_ char **stamps = NULL;
	int r = folder_list(folder, &stamps, e);

	if (r < 0)
		return r;
	if (stamp && !strv_has(stamps, stamp))
		return err_set(e, -ENOENT, "no backup %.40s in %s", stamp, folder_path(folder));
	if (!stamp && strv_len(stamps) == 0)
		return err_set(e, -ENOENT, "no backup in %s", folder_path(folder));
	*ret = xstrdup(stamp ? stamp : stamps[0]);
	return 0;
}

/* ---- removed ---- */

void
backup_pruned_done(struct backup_pruned *p)
{
	strv_free(p->removed);
	strv_free(p->kept);
	strv_free(p->busy);
	*p = (struct backup_pruned){ 0 };
}

/* Only what can be relied on counts: a broken one never pushes a good one out. */
static void
choose(const struct backup_list *l, const struct keep *keep, bool *kept)
{
	_cleanup_free_ int64_t *stamps = xcalloc(l->n + 1, sizeof(*stamps));
	_cleanup_free_ bool *chosen = xcalloc(l->n + 1, sizeof(*chosen));
	const struct backup_entry *proved = backup_newest(l, true);
	int64_t oldest = INT64_MAX;
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (!is_refuted(&l->v[i]))
			stamps[n++] = l->v[i].at_sec;
	keep_choose(keep, stamps, n, chosen);
	n = 0;
	for (size_t i = 0; i < l->n; i++) {
		if (!is_refuted(&l->v[i]))
			kept[i] = chosen[n++] || &l->v[i] == proved;
		if (kept[i])
			oldest = MIN(oldest, l->v[i].at_sec);
	}
	/* A broken one is evidence for as long as good ones of its time are kept. */
	for (size_t i = 0; i < l->n; i++)
		if (is_refuted(&l->v[i]))
			kept[i] = l->v[i].at_sec >= oldest || n == 0;
}

int
backup_prune(const char *root, const char *database, const struct keep *keep, bool dry_run,
    struct backup_pruned *ret, struct err *e)
{
	_cleanup_(folder_freep) struct folder *folder = NULL;
	_cleanup_(backup_list_done) struct backup_list list = { 0 };
	_cleanup_free_ bool *kept = NULL;
	int r = folder_open(root, database, dry_run ? FOLDER_READ : FOLDER_WRITE, &folder, e);

	*ret = (struct backup_pruned){ 0 };
	if (r == 0 && !dry_run)
		r = folder_clear(folder, e);
	if (r == 0)
		r = backup_list(root, database, &list, e);
	if (r < 0)
		return r;
	kept = xcalloc(list.n + 1, sizeof(*kept));
	choose(&list, keep, kept);
	for (size_t i = list.n; r == 0 && i-- > 0;) {
		const struct backup_entry *b = &list.v[i];

		if (!kept[i] && !dry_run)
			r = folder_remove(folder, b->stamp, e);
		if (kept[i]) {
			strv_add(&ret->kept, b->stamp);
		} else if (r == -EBUSY) {
			strv_add(&ret->busy, b->stamp);
			r = 0;
		} else if (r == 0) {
			strv_add(&ret->removed, b->stamp);
			ret->bytes += manifest_bytes(&b->manifest);
		}
	}
	return r;
}
