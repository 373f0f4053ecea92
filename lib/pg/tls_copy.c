/*
 * Private copies of TLS files, named after what is in them: libpq opens certificate files inside
 * PQconnectPoll, and the originals may lie on a network file system that hangs.
 */
#include "base/clock.h"
#include "base/sha.h"
#include "base/str.h"
#include "pg/plan_impl.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#define FILE_MAX_BYTES ((size_t)1 << 20)
#define FOLDER_MAX     200
#define KEEP_S         (24 * 3600)

/* One folder of ours alone: systemd's runtime folder, the user's, or one in /tmp under our uid. */
static int
private_folder(bool is_wanted, char **ret, struct err *e)
{
	const char *run = getenv("RUNTIME_DIRECTORY"), *user = getenv("XDG_RUNTIME_DIR");
	_cleanup_free_ char *path = NULL;
	struct stat st;

	if (run && run[0] == '/')
		path = xasprintf("%.*s/tls", (int)strcspn(run, ":"), run);
	else if (user && user[0] == '/' && access(user, W_OK) == 0)
		path = xasprintf("%s/dbhealthd-tls", user);
	else
		path = xasprintf("/tmp/dbhealthd-tls-%ld", (long)geteuid());
	if (is_wanted && mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set(e, -errno, "cannot make the folder %s: %s", path, strerror(errno));
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 077) != 0)
		return err_set(e, -EPERM, "%s is not a folder of ours alone", path);
	*ret = TAKE_PTR(path);
	return 0;
}

/* libpq's rule: a key of root's may be read by its group, any other by its owner only. */
static bool
is_key_open(const struct stat *st)
{
	return st->st_mode & (st->st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO);
}

/* 0 with *ret NULL: there is no such file. */
static int
slurp(const char *path, bool is_key, char **ret, size_t *ret_len, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *buf = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, -EACCES, "cannot read \"%.200s\": %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_MAX_BYTES)
		return err_set(
		    e, -EINVAL, "\"%.200s\" is not a regular file of at most 1 MB", path);
	if (is_key && is_key_open(&st))
		return err_set(
		    e, -EINVAL, "private key \"%.200s\" is open to others; chmod 0600", path);
	buf = xcalloc(1, (size_t)st.st_size + 1);
	n = read(fd, buf, (size_t)st.st_size);
	if (n < 0)
		return err_set(e, -EACCES, "cannot read \"%.200s\": %s", path, strerror(errno));
	*ret_len = (size_t)n;
	*ret = TAKE_PTR(buf);
	return 0;
}

/* Complete under its name or not there; a copy in use is only touched, for the cleaning. */
static int
put(const char *path, const char *data, size_t len, struct err *e)
{
	_cleanup_free_ char *tmp = xasprintf("%s.%ld", path, (long)getpid());
	_cleanup_close_ int fd = -1;

	if (utimensat(AT_FDCWD, path, NULL, 0) == 0)
		return 0;
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len || rename(tmp, path) < 0) {
		int saved = errno ? errno : EIO;

		(void)unlink(tmp);
		return err_set(e, -saved, "cannot write %s: %s", tmp, strerror(saved));
	}
	return 0;
}

/* sha_id takes strings; PEM has no zero byte, and DER is told apart by its length and head. */
static void
name_of(const char *data, size_t len, char ret[static SHA_ID_SIZE])
{
	_cleanup_(str_done) struct str hex = { 0 };
	const char *part;

	for (size_t i = 0; i < len; i++)
		str_addf(&hex, "%02x", (unsigned char)data[i]);
	part = str_text(&hex);
	sha_id(&part, 1, ret);
	if (hex.s)
		explicit_bzero(hex.s, hex.len);
}

int
tls_copy_file(const char *path, bool is_key, char **ret, struct err *e)
{
	_cleanup_free_ char *folder = NULL, *data = NULL, *copy = NULL;
	char name[SHA_ID_SIZE];
	size_t len = 0;
	int r = slurp(path, is_key, &data, &len, e);

	if (r < 0 || !data)
		return r;
	if ((r = private_folder(true, &folder, e)) < 0)
		return r;
	name_of(data, len, name);
	copy = xasprintf("%s/%s", folder, name);
	r = put(copy, data, len, e);
	explicit_bzero(data, len);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(copy);
	return 0;
}

static int
not_hidden(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* OpenSSL finds a revocation list by its file's name, so names are kept. */
int
tls_copy_folder(const char *path, char **ret, struct err *e)
{
	_cleanup_free_ char *folder = NULL, *copy = NULL;
	struct dirent **names = NULL;
	char id[SHA_ID_SIZE];
	int n = scandir(path, &names, not_hidden, alphasort),
	    r = n < 0 ? n : private_folder(true, &folder, e);

	sha_id(&path, 1, id);
	copy = xasprintf("%s/%s.d", folder ? folder : "", id);
	if (r >= 0 && n > FOLDER_MAX)
		r = err_set(e, -EINVAL, "\"%.200s\" holds more than %d files", path, FOLDER_MAX);
	if (r >= 0 && mkdir(copy, 0700) < 0 && errno != EEXIST)
		r = err_set(e, -errno, "cannot make the folder %s: %s", copy, strerror(errno));
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *from = xasprintf("%s/%s", path, names[i]->d_name);
		_cleanup_free_ char *to = xasprintf("%s/%s", copy, names[i]->d_name), *data = NULL;
		size_t len = 0;

		free(names[i]);
		if (r >= 0)
			r = slurp(from, false, &data, &len, e);
		if (r >= 0 && data) {
			(void)unlink(to);
			r = put(to, data, len, e);
		}
	}
	free(names);
	if (n < 0)
		return 0; /* no such folder: libpq does not mind either */
	if (r < 0)
		return r;
	(void)utimensat(AT_FDCWD, copy, NULL, 0);
	*ret = TAKE_PTR(copy);
	return 0;
}

static void
remove_old(const char *path)
{
	struct stat st;
	DIR *dir;
	const struct dirent *d;

	if (lstat(path, &st) < 0 || time(NULL) - st.st_mtime < KEEP_S)
		return;
	if (!S_ISDIR(st.st_mode)) {
		(void)unlink(path);
		return;
	}
	dir = opendir(path);
	if (!dir)
		return;
	while ((d = readdir(dir)))
		(void)unlinkat(dirfd(dir), d->d_name, 0);
	closedir(dir);
	(void)rmdir(path);
}

void
tls_copy_clean(void)
{
	_cleanup_free_ char *folder = NULL;
	const struct dirent *d;
	DIR *dir;

	if (private_folder(false, &folder, NULL) < 0 || !folder || !(dir = opendir(folder)))
		return;
	while ((d = readdir(dir))) {
		_cleanup_free_ char *path = xasprintf("%s/%s", folder, d->d_name);

		if (d->d_name[0] != '.')
			remove_old(path);
	}
	closedir(dir);
}
