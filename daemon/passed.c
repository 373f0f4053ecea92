/* Socket activation: which descriptor is the API's, and what is wrong with one that cannot be. */
#include "daemon/passed.h"
#include "base/log.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

/* NULL: a listening Unix stream socket, which is what serves the API. */
static const char *
fault_of(int fd)
{
	if (sd_is_socket(fd, AF_UNSPEC, 0, -1) <= 0)
		return "is no socket: the unit needs ListenStream= with a path";
	if (sd_is_socket(fd, AF_INET, 0, -1) > 0 || sd_is_socket(fd, AF_INET6, 0, -1) > 0)
		return "is a network socket: the API is served on a Unix socket, ListenStream= "
		       "with a path";
	if (sd_is_socket_unix(fd, SOCK_STREAM, -1, NULL, 0) <= 0)
		return "is no Unix stream socket: the unit needs ListenStream= with a path";
	if (sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0)
		return "does not listen: the unit needs Accept=no";
	return NULL;
}

static char *
path_of(int fd)
{
	struct sockaddr_un sa = { 0 };
	socklen_t len = sizeof(sa);
	size_t head = offsetof(struct sockaddr_un, sun_path), n;

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0 || len <= head)
		return xstrdup("(no name)");
	n = MIN((size_t)len, sizeof(sa)) - head;
	if (sa.sun_path[0] == '\0')
		return xasprintf("@%.*s", (int)n - 1, sa.sun_path + 1);
	return xstrndup(sa.sun_path, strnlen(sa.sun_path, n));
}

static bool
same_file(const char *a, const char *b)
{
	struct stat x, y;

	if (streq(a, b))
		return true;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int
passed_take(const char *configured, struct passed *ret, struct err *e)
{
	_cleanup_strv_ char **names = NULL;
	const char *fault = NULL, *name;
	int n = sd_listen_fds_with_names(1, &names);

	*ret = (struct passed){ .fd = -1 };
	if (n == 0)
		return 0;
	if (n < 0)
		return err_set(
		    e, n, "the sockets that systemd passed (LISTEN_FDS): %s", strerror(-n));
	if (n > 1)
		return err_set(e, -EINVAL,
		    "systemd passed %d sockets, and one is wanted: keep one ListenStream= with a "
		    "path in the socket unit, and no other unit with Service=dbhealthd.service",
		    n);
	name = names && names[0] && *names[0] ? names[0] : "unnamed";
	fault = fault_of(SD_LISTEN_FDS_START);
	if (fault)
		return err_set(
		    e, -EINVAL, "the descriptor that systemd passed (%s) %s", name, fault);
	ret->fd = SD_LISTEN_FDS_START;
	ret->path = path_of(ret->fd);
	if (!same_file(ret->path, configured))
		log_warning("serving %s, which systemd passed: `socket = %s` of [daemon] is not "
		            "used; make the two the same, so that dbhealth finds it",
		    ret->path, configured);
	return 0;
}

void
passed_done(struct passed *p)
{
	closep(&p->fd);
	free(p->path);
	*p = (struct passed){ .fd = -1 };
}
