/*
 * The API's listening Unix socket where none was passed, made for its group only; and who is at the
 * other end of a connection.
 */
#include "daemon/api_socket.h"

#include "base/log.h"
#include "daemon/api.h"

#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define PEER_GROUPS_MAX ((socklen_t)65536)

int
api_group_find(const char *name, gid_t *ret)
{
	_cleanup_free_ char *buf = xcalloc(1, 65536);
	struct group g, *found = NULL;

	if (getgrnam_r(name, &g, buf, 65536, &found) != 0 || !found)
		return -ENOENT;
	*ret = found->gr_gid;
	return 0;
}

/* SO_PEERCRED has the primary group only, and the group database may be slow: the kernel knows. */
static bool
peer_has_group(int fd, gid_t gid)
{
	socklen_t len = 64 * sizeof(gid_t);
	_cleanup_free_ gid_t *groups = xcalloc(64, sizeof(gid_t));

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0) {
		if (errno != ERANGE || len > PEER_GROUPS_MAX * sizeof(gid_t))
			return false;
		free(groups);
		groups = xcalloc(1, len);
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
			return false;
	}
	for (size_t i = 0; i < len / sizeof(gid_t); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

static bool
peer_cred(int fd, struct ucred *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &len) == 0 && len == sizeof(*ret) &&
	       ret->pid != 0;
}

void
peer_name(int fd, char ret[static PEER_NAME_SIZE])
{
	struct ucred cred;

	if (!peer_cred(fd, &cred))
		snprintf(ret, PEER_NAME_SIZE, "somebody");
	else if (cred.uid == 0)
		snprintf(ret, PEER_NAME_SIZE, "root");
	else
		snprintf(ret, PEER_NAME_SIZE, "uid %u", (unsigned)cred.uid);
}

bool
peer_may_write(int fd, const gid_t *admin_gid)
{
	struct ucred cred;

	if (!peer_cred(fd, &cred))
		return false;
	if (cred.uid == 0 || cred.uid == geteuid())
		return true;
	return admin_gid && (cred.gid == *admin_gid || peer_has_group(fd, *admin_gid));
}

/* ---- listening ---- */

/* Removes a socket file that nobody serves, if it is ours. */
static int
remove_dead(const char *path, const struct sockaddr_un *sa, struct err *e)
{
	struct stat st;
	_cleanup_close_ int fd = -1;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, -EEXIST, "%s: is there and is no socket", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, -errno, "socket: %s", strerror(errno));
	/* A full backlog (EAGAIN) is somebody alive too. */
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno != ECONNREFUSED)
		return err_set(e, -EADDRINUSE, "%s: another process serves it", path);
	if (st.st_uid != geteuid())
		return err_set(e, -EPERM, "%s: a dead socket of another user (uid %u)", path,
		    (unsigned)st.st_uid);
	if (unlink(path) < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

static int
give_to_group(const struct conf_daemon *d, struct err *e)
{
	gid_t gid;

	if (!d->socket_group || !*d->socket_group)
		return 0;
	if (api_group_find(d->socket_group, &gid) < 0) {
		/* The built-in name need not exist: a test, or a first look without the package. */
		if (!d->socket_group_set)
			return 0;
		return err_set(e, -ENOENT, "socket_group: no group %s", d->socket_group);
	}
	if (chown(d->socket, (uid_t)-1, gid) == 0)
		return 0;
	if (d->socket_group_set)
		return err_set(e, -errno, "%s: cannot give it to group %s: %s", d->socket,
		    d->socket_group, strerror(errno));
	log_warning("%s stays with our own group: %s", d->socket, strerror(errno));
	return 0;
}

static void
make_folder(const char *path)
{
	_cleanup_free_ char *copy = xstrdup(path);

	/* A failure shows in bind(), with the same reason. */
	(void)mkdir(dirname(copy), 0755);
}

int
api_listen(const struct conf *conf, int *ret_fd, struct err *e)
{
	const char *path = conf->daemon.socket;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	mode_t old;
	int r;

	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(e, -ENAMETOOLONG, "socket: %s: longer than %zu bytes", path,
		    sizeof(sa.sun_path) - 1);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	make_folder(path);
	r = remove_dead(path, &sa, e);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, -errno, "socket: %s", strerror(errno));
	/* From its first moment nobody but user and group may connect. */
	old = umask(0117);
	r = bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
	umask(old);
	if (r < 0)
		return err_set(e, r, "%s: %s", path, strerror(-r));
	r = give_to_group(&conf->daemon, e);
	if (r == 0 && listen(fd, SOMAXCONN) < 0)
		r = err_set(e, -errno, "%s: listen: %s", path, strerror(errno));
	if (r < 0) {
		unlink(path);
		return r;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}
