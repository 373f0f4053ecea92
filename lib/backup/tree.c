/* Folders with all that is in them: walked, hashed, brought to the disk, removed. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "backup/tree.h"
#include "backup/folder.h"
#include "base/sha.h"
#include <dirent.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <sys/stat.h>

#define DEPTH_MAX   8
#define NAMES_MAX   2000000
#define CHUNK_BYTES ((size_t)1 << 20)

static int
open_folder(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 ? fd : -errno;
}

int
tree_names(int dirfd, char ***ret)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	char **v = NULL;
	size_t n = 0, cap = 0;

	if (!d) {
		r = -errno;
		closep(&fd);
		return r;
	}
	for (;;) {
		struct dirent *e;

		errno = 0;
		e = readdir(d);
		if (!e) {
			r = -errno;
			break;
		}
		if (streq(e->d_name, ".") || streq(e->d_name, ".."))
			continue;
		if (n == NAMES_MAX) {
			r = -E2BIG;
			break;
		}
		if (n + 1 >= cap) {
			cap = cap ? cap * 2 : 64;
			v = xreallocarray(v, cap, sizeof(*v));
		}
		v[n++] = xstrdup(e->d_name);
		v[n] = NULL;
	}
	closedir(d);
	if (r < 0) {
		strv_free(v);
		return r;
	}
	*ret = v;
	return 0;
}

/* ---- removed ---- */

static int
remove_below(int dirfd, const char *name, int depth)
{
	_cleanup_strv_ char **names = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (depth > DEPTH_MAX)
		return -ELOOP;
	fd = open_folder(dirfd, name);
	if (fd < 0)
		return fd;
	r = tree_names(fd, &names);
	for (size_t i = 0; r == 0 && names && names[i]; i++)
		r = remove_below(fd, names[i], depth + 1);
	if (r < 0)
		return r;
	return unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

int
tree_remove(int dirfd, const char *name, struct err *e)
{
	int r = remove_below(dirfd, name, 0);

	/* A program that was just killed may have put one more file there. */
	for (int i = 0; r == -ENOTEMPTY && i < 3; i++)
		r = remove_below(dirfd, name, 0);
	return r < 0 ? err_set(e, r, "%s cannot be removed: %s", name, strerror(-r)) : 0;
}

/* ---- to the disk ---- */

static int
sync_below(int dirfd, const char *name, int depth, struct err *e)
{
	_cleanup_strv_ char **names = NULL;
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, -errno, "%s: %s", name, strerror(errno));
	if (S_ISDIR(st.st_mode)) {
		r = depth > DEPTH_MAX ? -ELOOP : tree_names(fd, &names);
		if (r < 0)
			return err_set(e, r, "%s: %s", name, strerror(-r));
	}
	for (size_t i = 0; r == 0 && names && names[i]; i++)
		r = sync_below(fd, names[i], depth + 1, e);
	if (r == 0 && fsync(fd) < 0)
		r = err_set(e, -errno, "%s: %s", name, strerror(errno));
	return r;
}

int
tree_sync(int dirfd, const char *name, struct err *e)
{
	return sync_below(dirfd, name, 0, e);
}

int
tree_sync_parent(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent = slash && slash > path ? xstrndup(path, (size_t)(slash - path))
	                                                    : xstrdup(slash ? "/" : ".");
	_cleanup_close_ int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_set(e, -errno, "%s: %s", parent, strerror(errno));
	return 0;
}

int
folder_put(int dirfd, const char *name, const char *text, struct err *e)
{
	_cleanup_free_ char *tmp = xasprintf(".%s.new", name);
	_cleanup_close_ int fd =
	    openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	size_t len = strlen(text), done = 0;
	int r = fd < 0 ? -errno : 0;

	while (r == 0 && done < len) {
		ssize_t n = write(fd, text + done, len - done);

		if (n < 0)
			r = -errno;
		else
			done += (size_t)n;
	}
	if (r == 0 && (fsync(fd) < 0 || renameat(dirfd, tmp, dirfd, name) < 0 || fsync(dirfd) < 0))
		r = -errno;
	if (r < 0)
		unlinkat(dirfd, tmp, 0);
	return r < 0 ? err_set(e, r, "%s cannot be written: %s", name, strerror(-r)) : 0;
}

/* ---- walked ---- */

struct walk {
	char **paths;
	size_t n, cap;
	struct err *err;
};

static int
walk_below(struct walk *w, int dirfd, const char *prefix, int depth)
{
	_cleanup_strv_ char **names = NULL;
	int r = depth > DEPTH_MAX ? -ELOOP : tree_names(dirfd, &names);

	if (r < 0)
		return err_set(w->err, r, "%s: %s", *prefix ? prefix : ".", strerror(-r));
	for (size_t i = 0; r == 0 && names && names[i]; i++) {
		_cleanup_free_ char *path = xasprintf("%s%s", prefix, names[i]);
		struct stat st;

		if (fstatat(dirfd, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_set(w->err, -errno, "%s: %s", path, strerror(errno));
		if (S_ISDIR(st.st_mode)) {
			_cleanup_free_ char *below = xasprintf("%s/", path);
			_cleanup_close_ int fd = open_folder(dirfd, names[i]);

			r = fd < 0 ? err_set(w->err, fd, "%s: %s", path, strerror(-fd))
			           : walk_below(w, fd, below, depth + 1);
			continue;
		}
		if (!S_ISREG(st.st_mode))
			return err_set(w->err, -EBADMSG, "%s is no regular file", path);
		if (w->n == w->cap) {
			w->cap = w->cap ? w->cap * 2 : 64;
			w->paths = xreallocarray(w->paths, w->cap, sizeof(*w->paths));
		}
		w->paths[w->n++] = TAKE_PTR(path);
	}
	return r;
}

static int
by_path(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int
folder_each_file(int dirfd, folder_file_fn fn, void *arg, struct err *e)
{
	struct walk w = { .err = e };
	int r = walk_below(&w, dirfd, "", 0);

	if (w.n > 0)
		qsort(w.paths, w.n, sizeof(*w.paths), by_path);
	for (size_t i = 0; r == 0 && i < w.n; i++) {
		struct stat st;

		if (fstatat(dirfd, w.paths[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			r = err_set(e, -errno, "%s: %s", w.paths[i], strerror(errno));
		else
			r = fn(dirfd, w.paths[i], st.st_size, arg, e);
	}
	for (size_t i = 0; i < w.n; i++)
		free(w.paths[i]);
	free(w.paths);
	return r;
}

/* ---- hashed ---- */

static void
to_hex(const unsigned char *hash, size_t n, char *ret)
{
	for (size_t i = 0; i < n; i++)
		snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}

int
folder_hash(
    int dirfd, const char *path, char ret_sha256[static 65], int64_t *ret_bytes, struct err *e)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ char *chunk = NULL;
	unsigned char hash[SHA256_DIGEST_LENGTH];
	int64_t bytes = 0;
	SHA256_CTX ctx;

	if (fd < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	/* What is on the disk counts, not what the kernel still remembers of it. */
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	chunk = xcalloc(CHUNK_BYTES, 1);
	SHA256_Init(&ctx);
	for (;;) {
		ssize_t n = read(fd, chunk, CHUNK_BYTES);

		if (n < 0)
			return err_set(e, -errno, "%s cannot be read: %s", path, strerror(errno));
		if (n == 0)
			break;
		SHA256_Update(&ctx, chunk, (size_t)n);
		bytes += n;
	}
	SHA256_Final(hash, &ctx);
	to_hex(hash, sizeof(hash), ret_sha256);
	*ret_bytes = bytes;
	return 0;
}

uint64_t
tree_hash_name(const char *s)
{
	char hex[SHA_HEX_SIZE];

	sha_hex(256, s, strlen(s), hex);
	hex[16] = '\0';
	return strtoull(hex, NULL, 16);
}
