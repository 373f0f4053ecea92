/*
 * The `host` worker: the file systems below a PostgreSQL server of this host.  It may hang on a dead
 * network mount for as long as it likes; the loop kills it at the job's deadline.
 */
#include "base/disk.h"
#include "base/str.h"
#include "base/text.h"
#include "host/host.h"
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* postmaster.pid is made in the data directory before the server notes when it started. */
#define START_SLACK_SECONDS 60

char *
host_job(const char *data_directory, unsigned uid, double start)
{
	_cleanup_free_ char *path =
	    text_from_peer(data_directory, strlen(data_directory), PATH_MAX);
	json_t *o = json_pack(
	    "{s:s, s:I, s:f}", "data_directory", path, "uid", (json_int_t)uid, "start", start);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	return text ? text : xstrdup("{}");
}

static json_t *
text_json(const char *s)
{
	_cleanup_free_ char *clean = s ? text_from_peer(s, strlen(s), PATH_MAX) : NULL;

	return clean ? json_string(clean) : json_null();
}

static json_t *
disk_json(const char *path)
{
	struct disk d = { 0 };
	json_t *o;

	if (disk_of_path(path, &d) < 0 || d.total_bytes <= 0)
		return NULL;
	o = json_pack("{s:o, s:o, s:b, s:b, s:I, s:I, s:I, s:I}", "mount", text_json(d.mount),
	    "type", text_json(d.type), "network", d.network, "readonly", d.readonly, "total",
	    (json_int_t)d.total_bytes, "free", (json_int_t)d.free_bytes, "total_inodes",
	    (json_int_t)d.total_inodes, "free_inodes", (json_int_t)d.free_inodes);
	disk_done(&d);
	return o;
}

/*
 * A server in a container may answer on a socket of this host and name a folder that is here too,
 * but another one: its owner and its last change must fit the process that we talk to.
 */
static const char *
why_not_ours(const char *dir, json_int_t uid, double start, struct stat *ret)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return errno == ENOENT ? "its data directory is not on this host"
		                       : "its data directory cannot be looked at";
	if (!S_ISDIR(st.st_mode) || st.st_uid != uid)
		return "a folder of that name is here, but it is not the server's";
	if ((double)st.st_mtime < start - START_SLACK_SECONDS)
		return "a folder of that name is here, but no server was started in it then";
	*ret = st;
	return NULL;
}

static json_t *
look(const char *dir, json_int_t uid, double start)
{
	struct stat st = { 0 };
	const char *reason = why_not_ours(dir, uid, start, &st);
	_cleanup_free_ char *wal = xasprintf("%s/pg_wal", dir), *resolved = NULL;
	json_t *data, *wal_disk = NULL;
	char mode[8];
	bool assumed = false;

	if (reason)
		return json_pack("{s:s}", "reason", reason);
	data = disk_json(dir);
	if (!data)
		return json_pack("{s:s}", "reason", "its file system tells nothing");
	resolved = realpath(wal, NULL);
	if (resolved) {
		wal_disk = disk_json(resolved);
	} else if (!disk_is_mount_point(wal)) {
		/* Closed to us: where initdb puts it, unless told otherwise. */
		wal_disk = json_incref(data);
		assumed = true;
	}
	snprintf(mode, sizeof(mode), "%04o", (unsigned)st.st_mode & 07777);
	return json_pack("{s:o, s:o, s:b, s:s}", "data", data, "wal",
	    wal_disk ? wal_disk : json_null(), "wal_assumed", assumed, "mode", mode);
}

static int
serve(uint32_t type, const char *payload, size_t len)
{
	json_t *job = json_loadb(payload, len, 0, NULL), *answer;
	const char *dir;
	json_int_t uid;
	double start;
	char *text;
	int r;

	if (type != HOST_JOB || json_unpack(job, "{s:s, s:I, s:F}", "data_directory", &dir, "uid",
	                            &uid, "start", &start) < 0) {
		json_decref(job);
		return -EBADMSG;
	}
	answer = look(dir, uid, start);
	json_decref(job);
	text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	json_decref(answer);
	r = text ? worker_send(HOST_ANSWER, text, strlen(text)) : -ENOMEM;
	free(text);
	return r;
}

const struct worker_role host_role = {
	.name = "host",
	.address_space = (size_t)256 << 20,
	.serve = serve,
};
