/*
 * Processes that have the file open, or the one that was here before, by what /proc shows of each.
 */
#include "base/str.h"
#include "base/text.h"
#include "sqlite/gather.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define HOLDERS_MAX 32
#define LINES_MAX   200000
#define DELETED     " (deleted)"

/* The file that is looked for. */
struct wanted {
	const char *path;
	size_t len;
	dev_t device;
	ino_t inode; /* 0: there is none */
};

/* What one process has of it. */
struct seen {
	bool current, companion;
	int deleted, log; /* descriptors; -1: none */
};

/* The first line of a small file of /proc, "" where it cannot be read. */
static void
proc_line(int pid, const char *name, char *buf, size_t size)
{
	char path[48];
	FILE *file;

	buf[0] = '\0';
	if (pid <= 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(buf, (int)size, file))
		buf[strcspn(buf, "\n")] = '\0';
	fclose(file);
}

/* Of the path of a control group the last part that is a unit: /system.slice/app.service/worker. */
static char *
unit_of(int pid)
{
	char line[4096], *save = NULL, *found = NULL;

	proc_line(pid, "cgroup", line, sizeof(line));
	for (char *p = strtok_r(line, "/", &save); p; p = strtok_r(NULL, "/", &save)) {
		size_t n = strlen(p);

		if ((n > 8 && streq(p + n - 8, ".service")) ||
		    (n > 6 && streq(p + n - 6, ".scope")))
			found = p;
	}
	return text_from_peer(found ? found : "", found ? strlen(found) : 0, 256);
}

struct json_t *
gather_process(int pid)
{
	_cleanup_free_ char *command = NULL, *unit = NULL;
	char comm[32];
	json_t *o;

	proc_line(pid, "comm", comm, sizeof(comm));
	/* Another worker that reads, of this program or of one beside it. */
	if (streq(comm, "dbh-sqlite"))
		return NULL;
	command = text_from_peer(comm, strlen(comm), sizeof(comm));
	unit = unit_of(pid);
	o = json_object();
	json_object_set_new(o, "pid", json_integer(pid));
	json_object_set_new(o, "command", json_string(command));
	json_object_set_new(o, "unit", json_string(unit));
	return o;
}

/* link: where the descriptor leads by the kernel's words, which begin with the path of the file. */
static void
look_at_descriptor(
    const struct wanted *w, int dir, const char *name, const char *link, struct seen *s)
{
	const char *rest = link + w->len;
	struct stat st;

	/* Of another mount namespace the same path may be another file. */
	if (fstatat(dir, name, &st, 0) < 0 || st.st_dev != w->device)
		return;
	if (w->inode != 0 && st.st_ino == w->inode)
		s->current = true;
	else if (streq(rest, DELETED) && st.st_nlink == 0)
		s->deleted = (int)strtol(name, NULL, 10);
	else if (str_starts(rest, "-wal") || str_starts(rest, "-shm"))
		s->companion = true;
	if (streq(rest, "-wal") || streq(rest, "-wal" DELETED))
		s->log = (int)strtol(name, NULL, 10);
}

/* By another name of it, too. */
static bool
has_current(const struct wanted *w, DIR *dir)
{
	struct dirent *e;
	struct stat st;

	rewinddir(dir);
	while (w->inode != 0 && (e = readdir(dir)))
		if (e->d_name[0] != '.' && fstatat(dirfd(dir), e->d_name, &st, 0) == 0 &&
		    st.st_dev == w->device && st.st_ino == w->inode)
			return true;
	return false;
}

/* False: it may not be looked into. */
static bool
look_at_process(const struct wanted *w, int pid, struct seen *ret)
{
	char path[48], link[PATH_MAX];
	struct dirent *e;
	DIR *dir;

	*ret = (struct seen){ .deleted = -1, .log = -1 };
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return errno != EACCES && errno != EPERM;
	while ((e = readdir(dir))) {
		ssize_t n = e->d_name[0] == '.'
		                ? -1
		                : readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);

		if (n < (ssize_t)w->len || memcmp(link, w->path, w->len) != 0)
			continue;
		link[n] = '\0';
		look_at_descriptor(w, dirfd(dir), e->d_name, link, ret);
	}
	if (ret->companion && !ret->current && ret->deleted < 0)
		ret->current = has_current(w, dir);
	closedir(dir);
	return true;
}

static bool
has_mapped(const struct wanted *w, int pid)
{
	_cleanup_free_ char *line = NULL;
	bool found = false;
	size_t cap = 0;
	char path[48];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "re");
	for (int i = 0; file && !found && i < LINES_MAX && getline(&line, &cap, file) > 0; i++) {
		const char *name = strchr(line, '/');

		found = name && strncmp(name, w->path, w->len) == 0 && name[w->len] == '\n';
	}
	if (file)
		fclose(file);
	return found;
}

static void
judge_process(
    const struct wanted *w, int pid, const struct seen *s, json_t *replaced, json_t *mapped)
{
	bool moved = s->companion && !s->current && s->deleted < 0;
	json_t *o;

	if ((s->deleted >= 0 || moved) && json_array_size(replaced) < HOLDERS_MAX &&
	    (o = gather_process(pid))) {
		json_object_set_new(o, "how", json_string(moved ? "moved" : "deleted"));
		if (s->deleted >= 0)
			json_object_set_new(o, "fd", json_integer(s->deleted));
		if (s->log >= 0)
			json_object_set_new(o, "wal_fd", json_integer(s->log));
		json_array_append_new(replaced, o);
	}
	if (s->current && json_array_size(mapped) < HOLDERS_MAX && has_mapped(w, pid) &&
	    (o = gather_process(pid)))
		json_array_append_new(mapped, o);
}

static void
set_array(struct file_facts *f, enum fact fact, json_t *array)
{
	_cleanup_free_ char *text = json_dumps(array, JSON_COMPACT);

	json_decref(array);
	if (text)
		file_facts_set_json(f, fact, text);
}

static bool
may_trace(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	return syscall(SYS_capget, &head, data) == 0 &&
	       (data[0].effective & (1U << CAP_SYS_PTRACE)) != 0;
}

/* Told by who we are, not by who runs just now: what cannot be seen does not come and go. */
static bool
may_see(const struct file_facts *f)
{
	return may_trace() ||
	       (file_facts_known(f, FACT_UID) && (int64_t)geteuid() == file_facts_int(f, FACT_UID));
}

static struct wanted
wanted_of(const struct file_facts *f)
{
	_cleanup_free_ char *copy = xstrdup(f->resolved);
	struct wanted w = { .path = f->resolved, .len = strlen(f->resolved) };
	struct stat st;

	if (stat(f->resolved, &st) == 0) {
		w.device = st.st_dev;
		w.inode = st.st_ino;
	} else if (stat(dirname(copy), &st) == 0) {
		w.device = st.st_dev;
	}
	return w;
}

void
gather_users(struct file_facts *f)
{
	const struct wanted w = wanted_of(f);
	json_t *replaced = json_array(), *mapped = json_array();
	bool visible = may_see(f);
	DIR *proc = opendir("/proc");
	struct dirent *e;

	while (proc && (e = readdir(proc))) {
		int pid = (int)strtol(e->d_name, NULL, 10);
		struct seen seen;

		if (pid <= 0 || pid == getpid())
			continue;
		if (look_at_process(&w, pid, &seen))
			judge_process(&w, pid, &seen, replaced, mapped);
		else if (may_trace())
			visible = false; /* something else forbids it */
	}
	if (proc)
		closedir(proc);
	file_facts_set_int(f, FACT_USERS_VISIBLE, proc && visible);
	set_array(f, FACT_REPLACED_HOLDERS, replaced);
	set_array(f, FACT_MAPPED_HOLDERS, mapped);
}
