/* Reading and writing files as a whole. */
#include "history/file.h"
#include <stdio.h>
#include <sys/stat.h>

int
file_write(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int
file_read_at(int fd, void *bytes, size_t len, uint64_t offset)
{
	char *at = bytes;

	while (len > 0) {
		ssize_t n = pread(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		at += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int
file_read_all(int fd, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *bytes = NULL;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size > max)
		return -EFBIG;
	bytes = xcalloc(1, (size_t)st.st_size + 1);
	r = file_read_at(fd, bytes, (size_t)st.st_size, 0);
	if (r < 0)
		return r;
	*ret_len = (size_t)st.st_size;
	*ret = TAKE_PTR(bytes);
	return 0;
}

bool
file_digits(const char **at, uint64_t *ret)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < 10; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		n = n * 10 + (uint64_t)(**at - '0');
	}
	*ret = n;
	return true;
}

int
file_publish(int dirfd, int fd, const char *tmp, const char *name, struct err *e)
{
	if (fsync(fd) < 0 || renameat(dirfd, tmp, dirfd, name) < 0 || fsync(dirfd) < 0)
		return err_set(e, -errno, "%s: %s", name, strerror(errno));
	return 0;
}
