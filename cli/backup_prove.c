/* A backup is proved: restored into a scratch database, on which `dbhealth check` then looks. */
#include "backup/child.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/backup.h"

#include <stdio.h>
#include <sys/mman.h>

#define ANSWER_MAX ((size_t)64 << 20)

struct proving {
	const struct cli *cli;
};

static json_t *
read_answer(int fd)
{
	return lseek(fd, 0, SEEK_SET) == 0 ? json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

/* How many of each severity.  They are those of the original too: told, and no fault of the backup. */
static json_t *
count_findings(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "findings"), *f;
	json_t *counts;
	size_t i;

	if (!json_is_array(list))
		return NULL;
	counts = json_object();
	for (int s = SEVERITY_INFO; s < SEVERITY_N; s++)
		json_object_set_new(counts, severity_names[s], json_integer(0));
	json_array_foreach (list, i, f) {
		const char *severity = json_string_value(json_object_get(f, "severity"));
		json_t *n = severity ? json_object_get(counts, severity) : NULL;

		if (n)
			json_integer_set(n, json_integer_value(n) + 1);
	}
	return counts;
}

static int
on_copy(enum engine engine, const char *where, struct backup_proof *p, void *arg, struct err *e)
{
	static const char *const argv[] = { "/proc/self/exe", "check", "-o", "json", "--fail-on",
		"none", "--budget", "5min", "--probe", "schema,integrity", NULL };
	/* By environment: the DSN may hold a password. */
	_cleanup_free_ char *url =
	    xasprintf("DATABASE_URL=%s%s", engine == ENGINE_SQLITE ? "sqlite:" : "", where);
	const char *const env[] = { url, NULL };
	_cleanup_close_ int out = memfd_create("check", MFD_CLOEXEC);
	struct child_spec spec = { .argv = argv, .env = env, .in_fd = -1, .out_fd = out };
	json_t *answer;
	int r;

	(void)arg;
	if (out < 0)
		return err_set(e, -errno, "memfd_create: %s", strerror(errno));
	r = child_run(&spec, e);
	explicit_bzero(url, strlen(url));
	if (r < 0)
		return err_prefix(e, "the probes did not run on the copy");
	answer = read_answer(out);
	p->findings = count_findings(answer);
	json_decref(answer);
	return p->findings ? 0 : err_set(e, -EIO, "the probes did not run on the copy");
}

int
backup_prove(const struct cli *cli, const struct backup_place *place, const char *stamp,
    const char *scratch, enum backup_depth depth, struct backup_proof *ret, struct err *e)
{
	struct proving proving = { cli };
	const struct backup_verify_options v = { .root = place->root,
		.database = place->name,
		.stamp = stamp,
		.depth = depth,
		.scratch = scratch ? scratch : place->target.dsn,
		.jobs = place->policy ? place->policy->jobs : 1,
		.timeout_us = place->policy ? place->policy->timeout_us : 0,
		.on_copy = on_copy,
		.on_progress = backup_show,
		.arg = (void *)(uintptr_t)proving.cli };
	int r = backup_verify(&v, ret, e);

	backup_show_done(cli);
	return r;
}

json_t *
backup_proof_shown(const struct backup_proof *p)
{
	json_t *o;

	if (p->at_us == 0)
		return json_null();
	o = backup_proof_json(p);
	if (!p->findings)
		json_object_set_new(o, "findings", json_null());
	return o;
}
