/*
 * The engine SQLite of backups: a backup fetched, decrypted, proved in a private copy.
 */
#include "backup/child.h"
#include "backup/encrypt.h"
#include "backup/sqlite_impl.h"
#include "base/str.h"
#include "sqlite/reader.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#define PART_BYTES ((size_t)1 << 18)

/* ---- bytes ---- */

static void
hex_of(EVP_MD_CTX *md, char ret[static MANIFEST_SHA_SIZE])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (EVP_DigestFinal_ex(md, sum, &n) != 1 || n != 32)
		out_of_memory();
	for (unsigned i = 0; i < n; i++)
		snprintf(ret + 2 * (size_t)i, 3, "%02x", sum[i]);
}

static int
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

/* From where it stands to its end; to_fd -1: nowhere. */
static int
pass(int fd, int to_fd, struct sqlite_watch *w, EVP_MD_CTX *md, int64_t *ret_bytes)
{
	_cleanup_free_ char *part = xmalloc(PART_BYTES);
	ssize_t n = 1;
	int r = 0;

	while (r == 0 && n > 0) {
		n = read(fd, part, PART_BYTES);
		if (n < 0 && errno != EINTR)
			return err_set(w->err, -errno, "read: %s", strerror(errno));
		if (n < 0) {
			n = 1;
			continue;
		}
		EVP_DigestUpdate(md, part, (size_t)n);
		*ret_bytes += n;
		w->at.done = *ret_bytes;
		r = to_fd < 0 ? 0 : write_all(to_fd, part, (size_t)n);
		if (r < 0)
			return err_set(w->err, r, "write: %s", strerror(-r));
		r = sqlite_watch_tick(w);
	}
	return r;
}

static int
hash_and_copy(int fd, int to_fd, struct sqlite_watch *w, char ret[static MANIFEST_SHA_SIZE],
    int64_t *ret_bytes)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int64_t bytes = 0;
	int r;

	if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		out_of_memory();
	r = pass(fd, to_fd, w, md, &bytes);
	if (r == 0) {
		hex_of(md, ret);
		*ret_bytes = bytes;
	}
	EVP_MD_CTX_free(md);
	return r;
}

int
sqlite_hash(int fd, struct sqlite_watch *w, char ret[static MANIFEST_SHA_SIZE], int64_t *ret_bytes)
{
	w->at.what = "hashing";
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_set(w->err, -errno, "seek: %s", strerror(errno));
	return hash_and_copy(fd, -1, w, ret, ret_bytes);
}

/* ---- a backup's file ---- */

static const struct manifest_file *
file_of(const struct manifest *m)
{
	_cleanup_free_ char *name = xasprintf(SQLITE_FILE "%s", encrypt_suffix(m->encryption));

	for (size_t i = 0; i < m->nfiles; i++)
		if (streq(m->files[i].path, name))
			return &m->files[i];
	return NULL;
}

static int
on_decrypting(void *arg, struct err *err)
{
	struct sqlite_watch *w = arg, other = *w;

	other.err = err;
	w->r = sqlite_watch_tick(&other);
	w->next_us = other.next_us;
	return w->r;
}

static int
decrypt(const struct manifest *m, int from, int to_fd, struct sqlite_watch *w,
    char ret[static MANIFEST_SHA_SIZE])
{
	_cleanup_strv_ char **argv = NULL;
	struct err why = { 0 };
	int64_t bytes;
	int r = decrypt_command(m->encryption, &argv, w->err);

	if (r < 0)
		return r;
	w->at.what = "decrypting";
	r = child_run(&(struct child_spec){ .argv = (const char *const *)argv,
	                  .in_fd = from,
	                  .out_fd = to_fd,
	                  .on_tick = on_decrypting,
	                  .arg = w },
	    &why);
	if (w->r < 0 || r == -ENOSPC)
		return err_set(w->err, r, "%s", why.msg);
	if (r < 0 && decrypt_failed(why.msg, 0, w->err) < 0)
		return -EKEYREJECTED;
	if (r < 0)
		return err_set(w->err, -EBADMSG, "it cannot be decrypted: %s", why.msg);
	return sqlite_hash(to_fd, w, ret, &bytes);
}

int
sqlite_fetch(const struct backup_copy_job *job, int to_fd, struct sqlite_watch *w)
{
	const struct manifest *m = job->manifest;
	const struct manifest_file *f = file_of(m);
	const char *want = m->encryption
	                       ? json_string_value(json_object_get(m->facts, "plain_sha256"))
	                   : f ? f->sha256
	                       : NULL;
	_cleanup_close_ int from = -1;
	char sha[MANIFEST_SHA_SIZE];
	int64_t bytes;
	int r;

	if (!f || !want)
		return err_set(w->err, -EBADMSG, "the manifest names no %s%s", SQLITE_FILE,
		    f ? "'s plain checksum" : encrypt_suffix(m->encryption));
	from = openat(job->dirfd, f->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0)
		return err_set(w->err, -EBADMSG, "%s: %s", f->path, strerror(errno));
	w->at = (struct backup_progress){ .what = "reading", .total = f->bytes };
	r = m->encryption ? decrypt(m, from, to_fd, w, sha)
	                  : hash_and_copy(from, to_fd, w, sha, &bytes);
	if (r == 0 && !streq(sha, want))
		return err_set(w->err, -EBADMSG, "%s is not as it was written: another checksum%s",
		    f->path, m->encryption ? " once decrypted" : "");
	return r;
}

/* ---- verified ---- */

static void
on_fault(const char *line, void *arg)
{
	backup_fault(arg, "%s", line);
}

static int
prove(struct backup_copy_job *job, sqlite3 *db, struct sqlite_watch *w)
{
	_cleanup_manifest_ struct manifest found = { 0 };
	_cleanup_free_ char *unchecked = NULL;
	int r = sqlite_check(db, w, on_fault, job->proof, &unchecked);

	if (r == 0)
		r = sqlite_look(db, w, &found);
	if (r == -EBADMSG) {
		backup_fault(job->proof, "%s", w->err->msg);
		return 0;
	}
	if (r < 0)
		return r;
	sqlite_compare(job->manifest, &found, on_fault, job->proof);
	job->proof->tables = found.ntables;
	job->proof->rows = manifest_rows(&found);
	return 0;
}

/* As an application would open it; the folder is ours, so a log may appear beside it. */
static int
open_copy(const char *path, struct sqlite_watch *w, sqlite3 **ret)
{
	if (sqlite3_open_v2(path, ret, SQLITE_OPEN_READWRITE | SQLITE_OPEN_PRIVATECACHE, "unix") !=
	    SQLITE_OK)
		return sqlite_watch_failed(w, *ret, "the copy cannot be opened");
	sqlite_guard(*ret);
	sqlite_watch_connection(w, *ret);
	return 0;
}

static int
verify_in(struct backup_copy_job *job, const struct copy_folder *folder, struct sqlite_watch *w)
{
	_cleanup_free_ char *path = xasprintf("%s/db", folder->dir);
	_cleanup_close_ int fd =
	    openat(folder->fd, "db", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	const struct backup_verify_options *o = job->verify;
	sqlite3 *db = NULL;
	int r = fd < 0 ? err_set(w->err, -errno, "%s: %s", path, strerror(errno))
	               : sqlite_fetch(job, fd, w);

	if (r == -EBADMSG) {
		backup_fault(job->proof, "%s", w->err->msg);
		return 0;
	}
	closep(&fd);
	fd = -1;
	if (r == 0)
		r = open_copy(path, w, &db);
	if (r == 0)
		r = prove(job, db, w);
	sqlite3_close(db);
	if (r == 0 && o->on_copy)
		r = o->on_copy(ENGINE_SQLITE, path, job->proof, o->arg, w->err);
	return r;
}

static int
sqlite_verify(struct backup_copy_job *job, struct err *err)
{
	struct sqlite_watch w = { .watch = job->watch, .err = err };
	struct copy_folder folder = { .fd = -1 };
	const struct manifest_file *f = file_of(job->manifest);
	const char *place = job->verify->scratch;
	int r;

	if (!f) {
		backup_fault(job->proof, "the manifest names no " SQLITE_FILE "%s",
		    encrypt_suffix(job->manifest->encryption));
		return 0;
	}
	r = copy_folder_make(&folder, place, f->bytes);
	if (r < 0)
		return err_set(err, r, "no private copy%s%.200s: %s", place ? " in " : "",
		    place ? place : "",
		    r == -ENOSPC ? "there is no room beside the tenth that stays free"
		                 : strerror(-r));
	r = verify_in(job, &folder, &w);
	copy_folder_done(&folder);
	return r;
}

const struct backup_engine backup_sqlite = {
	.engine = ENGINE_SQLITE,
	.create = sqlite_create,
	.verify = sqlite_verify,
	.restore = sqlite_restore,
};
