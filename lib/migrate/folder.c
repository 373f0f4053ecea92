/* Reads migration files: regular ones of a bounded size, whatever else the folder holds. */
#include "migrate/folder.h"
#include "base/str.h"

#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <sys/stat.h>
#include <unistd.h>

static int
read_all(int fd, const char *file, char **ret, size_t *ret_len, struct err *e)
{
	struct stat st;
	char *text;
	size_t len = 0, size;

	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "%.200s: %s", file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%.200s: is no regular file", file);
	if ((uint64_t)st.st_size > MIGRATE_FILE_MAX)
		return err_set(e, -EFBIG, "%.200s: is larger than %zu MB; split it", file,
		    MIGRATE_FILE_MAX >> 20);
	size = (size_t)st.st_size;
	text = xmalloc(size + 1);
	while (len < size) {
		ssize_t n = read(fd, text + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int r = err_set(e, -errno, "%.200s: %s", file, strerror(errno));

			free(text);
			return r;
		}
		if (n == 0)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
	*ret = text;
	*ret_len = len;
	return 0;
}

static int
read_script(
    int folder, const char *path, const char *file, struct migrate_script *ret, struct err *e)
{
	/* Not blocked by a FIFO of that name. */
	int fd = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), r;
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	if (fd < 0)
		return err_set(e, -errno, "%.200s: %s", file, strerror(errno));
	r = read_all(fd, file, &text, &len, e);
	close(fd);
	return r < 0 ? r : migrate_script_parse(file, text, len, ret, e);
}

int
migrate_file_read(const char *path, struct migrate_script *ret, struct err *e)
{
	_cleanup_free_ char *copy = xstrdup(path);

	return read_script(AT_FDCWD, path, basename(copy), ret, e);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names first, sorted: what is wrong is then told in the same order every time. */
static int
list_names(DIR *dir, char ***ret, char ***ret_ignored, struct err *e)
{
	const struct dirent *entry;
	size_t n = 0;

	while ((errno = 0, entry = readdir(dir))) {
		_cleanup_free_ char *version = migrate_version_of(entry->d_name);

		if (version) {
			strv_add(ret, entry->d_name);
			if (++n > MIGRATE_FILES_MAX)
				return err_set(e, -EFBIG, "more than %d files", MIGRATE_FILES_MAX);
		} else if (str_ends(entry->d_name, ".sql") && strv_len(*ret_ignored) < 100) {
			strv_add(ret_ignored, entry->d_name);
		}
	}
	if (errno)
		return err_set(e, -errno, "%s", strerror(errno));
	if (n > 0)
		qsort(*ret, n, sizeof(**ret), by_name);
	return 0;
}

static int
read_folder(DIR *dir, struct migrate_folder *f, struct err *e)
{
	_cleanup_strv_ char **names = NULL;
	int r = list_names(dir, &names, &f->ignored, e);
	size_t n = strv_len(names);

	f->v = xcalloc(n + 1, sizeof(*f->v));
	for (size_t i = 0; r >= 0 && names && i < n; i++) {
		r = read_script(dirfd(dir), names[i], names[i], &f->v[f->n], e);
		if (r >= 0)
			f->n++;
	}
	return r;
}

int
migrate_folder_read(const char *path, struct migrate_folder *ret, struct err *e)
{
	struct migrate_folder f = { .path = xstrdup(path) };
	DIR *dir = opendir(path);
	int r;

	if (!dir) {
		r = err_set(e, -errno, "%.300s: %s", path, strerror(errno));
	} else {
		r = read_folder(dir, &f, e);
		closedir(dir);
		if (r < 0)
			err_prefix(e, "%.300s", path);
	}
	if (r < 0) {
		migrate_folder_done(&f);
		return r;
	}
	*ret = f;
	return 0;
}

void
migrate_folder_done(struct migrate_folder *f)
{
	for (size_t i = 0; i < f->n; i++)
		migrate_script_done(&f->v[i]);
	free(f->v);
	free(f->path);
	f->ignored = strv_free(f->ignored);
	*f = (struct migrate_folder){ 0 };
}
