/* `dbhealth migrate revision -m TEXT`: a new file, with what its head is to say. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/migrate.h"
#include "report/report.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* As mkdir -p. */
static int
make_folder(const char *path, struct err *e)
{
	_cleanup_free_ char *copy = xstrdup(path);

	for (char *p = copy + 1; *copy && *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, 0777) < 0 && errno != EEXIST)
			return err_set(e, -errno, "%.300s: %s", copy, strerror(errno));
		*p = '/';
	}
	if (mkdir(copy, 0777) < 0 && errno != EEXIST)
		return err_set(e, -errno, "%.300s: %s", copy, strerror(errno));
	return 0;
}

/* The newest version there, so that the new one comes behind it whatever the clocks of others said. */
static int
newest_in(const char *path, char **ret, struct err *e)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir)
		return err_set(e, -errno, "%.300s: %s", path, strerror(errno));
	while ((entry = readdir(dir))) {
		_cleanup_free_ char *version = migrate_version_of(entry->d_name);

		if (version && strlen(version) == 14 && (!*ret || strcmp(version, *ret) > 0)) {
			free(*ret);
			*ret = TAKE_PTR(version);
		}
	}
	closedir(dir);
	return 0;
}

static char *
version_at(time_t t)
{
	struct tm tm;
	char text[32];

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y%m%d%H%M%S", &tm);
	return xstrdup(text);
}

static int
write_new(const char *path, const char *text, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), r = 0;
	size_t len = strlen(text), done = 0;

	if (fd < 0)
		return err_set(e, -errno, "%.300s: %s", path, strerror(errno));
	while (r == 0 && done < len) {
		ssize_t n = write(fd, text + done, len - done);

		if (n < 0 && errno != EINTR)
			r = err_set(e, -errno, "%.300s: %s", path, strerror(errno));
		done += (size_t)MAX(n, 0);
	}
	if (r == 0 && fsync(fd) < 0)
		r = err_set(e, -errno, "%.300s: %s", path, strerror(errno));
	close(fd);
	if (r < 0)
		unlink(path);
	return r;
}

static int
make_file(const char *dir, const char *message, bool lock_timeout, char **ret, struct err *e)
{
	_cleanup_free_ char *slug = migrate_slug(message), *newest = NULL, *version = NULL;
	_cleanup_free_ char *text = migrate_script_template(message, lock_timeout), *path = NULL;
	time_t t = time(NULL);
	int r;

	if (!*slug)
		return err_set(
		    e, -EINVAL, "a name needs letters or digits: -m 'Add user preferences'");
	r = make_folder(dir, e);
	if (r >= 0)
		r = newest_in(dir, &newest, e);
	if (r < 0)
		return r;
	version = version_at(t);
	/* Two within a second; a clock that is days behind is for a person to see. */
	for (int i = 1; newest && strcmp(version, newest) <= 0 && i < 86400; i++) {
		free(version);
		version = version_at(t + i);
	}
	path = xasprintf("%s/%s_%s.sql", dir, version, slug);
	r = write_new(path, text, e);
	if (r == 0)
		*ret = TAKE_PTR(path);
	return r;
}

static int
engine_of(const struct cli *cli, struct admin_target *target, enum engine *ret)
{
	int r = cli->nargs > 0 || getenv("DATABASE_URL")
	            ? admin_target(cli, cli->nargs > 0 ? cli->args[0] : NULL, target)
	            : 0;

	*ret = target->conf ? target->engine : ENGINE_POSTGRESQL;
	return r;
}

static int
run_revision(struct cli *cli)
{
	struct migrate_job job = { .cli = cli, .out = json_object() };
	struct err e = { 0 };
	enum engine engine;
	int r;

	if (cli->o.output == OUTPUT_NAGIOS || !cli->o.message) {
		json_decref(job.out);
		return cli_refuse(cli, EXIT_USAGE,
		    cli->o.message ? "migrate revision: text or json."
		                   : "migrate revision: what does it do? Say it with -m 'Add user "
		                     "preferences'.");
	}
	r = engine_of(cli, &job.target, &engine);
	if (r == 0) {
		_cleanup_free_ char *path = NULL, *one_line = show_text(cli->o.message);

		job.dir = migrate_dir(cli, job.target.db);
		if (make_file(job.dir, one_line, engine == ENGINE_POSTGRESQL, &path, &e) < 0) {
			r = migrate_end(&job, e.code == -EINVAL ? EXIT_USAGE : EXIT_WARNING,
			    "migrate revision: %s.", e.msg);
		} else {
			json_object_set_new(job.out, "path", report_string(path));
			r = migrate_end(&job, EXIT_OK, "%s", path);
		}
	}
	migrate_job_done(&job);
	return r;
}

const struct command command_migrate_revision = {
	.name = "migrate revision",
	.args = "-m TEXT [DB]",
	.summary = "a new file, to be filled",
	.help = "Makes VERSION_text.sql, VERSION being the time in UTC, and prints its path. Its\n"
	        "head asks for the business context (reason, data impact, rollback) and for\n"
	        "technical notes (constraints, performance); dbhealth migrate lint fails while\n"
	        "they are unfilled. DB tells the engine and the folder; without it PostgreSQL is\n"
	        "meant.",
	.options = { OPT_MESSAGE, OPT_DIR, OPT_CONFIG },
	.max_args = 1,
	.run = run_revision,
};
