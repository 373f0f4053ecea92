/* Backups on the disk: which stay, what a manifest admits, how a folder appears and goes. */
#include "backup/backup.h"
#include "backup/child.h"
#include "backup/tree.h"
#include "base/clock.h"
#include "base/str.h"
#include "conf/conf.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

static int
setup(void **state)
{
	char *dir = xstrdup("/tmp/test-backup.XXXXXX");

	*state = mkdtemp(dir);
	return *state ? 0 : -1;
}

static int
teardown(void **state)
{
	_cleanup_free_ char *dir = *state;

	return tree_remove(AT_FDCWD, dir, NULL);
}

/* ---- which stay ---- */

static int64_t
day(const char *stamp)
{
	int64_t sec = 0;

	assert_int_equal(folder_stamp_parse(stamp, &sec), 0);
	return sec;
}

static void
test_keep(void **state)
{
	static const char *const stamps[] = { "20260302T100000Z", "20260302T020000Z",
		"20260301T020000Z", "20260228T020000Z", "20260223T020000Z", "20260222T020000Z",
		"20260131T020000Z", "20251231T020000Z", "20241231T020000Z" };
	static const struct {
		const char *keep, *kept;
	} cases[] = {
		{ "1", "100000000" },
		{ "3", "111000000" },
		{ "1d", "100000000" },
		{ "3d", "101100000" },
		/* Monday 2026-03-02 begins a week; the one before has 02-23 to 03-01. */
		{ "1w", "100000000" },
		{ "2w", "101000000" },
		{ "3w", "101001000" },
		{ "3m", "100100100" },
		{ "2y", "100000010" },
		{ "9y", "100000011" },
		{ "2d, 2w, 2m", "101100000" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t times[ARRAY_SIZE(stamps)];
		bool kept[ARRAY_SIZE(stamps)];
		char got[ARRAY_SIZE(stamps) + 1] = "";
		struct keep k;

		for (size_t j = 0; j < ARRAY_SIZE(stamps); j++)
			times[j] = day(stamps[j]);
		assert_int_equal(keep_parse(cases[i].keep, &k, NULL), 0);
		keep_choose(&k, times, ARRAY_SIZE(stamps), kept);
		for (size_t j = 0; j < ARRAY_SIZE(stamps); j++)
			got[j] = kept[j] ? '1' : '0';
		assert_string_equal(got, cases[i].kept);
	}
}

static void
test_keep_that_is_refused(void **state)
{
	static const char *const bad[] = { "", " , ", "7", "d", "7x", "7dd", "-1d", "0d", "7d,4d",
		"99999999d", "7 d", "+7d" };
	struct keep k;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = { 0 };
		int r = keep_parse(bad[i], &k, &e);

		assert_int_equal(r, streq(bad[i], "7") ? 0 : -EINVAL);
		assert_true(r == 0 || *e.msg);
	}
}

/* ---- names ---- */

static void
test_names(void **state)
{
	static const struct {
		const char *database, *folder;
	} cases[] = { { "orders", "orders" }, { "prod/orders", "prod%2Forders" }, { "..", "%2E." },
		{ ".x", "%2Ex" }, { "a b'c", "a%20b%27c" }, { "%", "%25" }, { "", "%" },
		{ "\n", "%0A" }, { "app.db", "app.db" } };
	char longest[4001];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *name = folder_name(cases[i].database);

		assert_string_equal(name, cases[i].folder);
		assert_null(strchr(name, '/'));
		assert_true(*name != '.');
	}
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	{
		_cleanup_free_ char *one = folder_name(longest), *other = NULL;

		longest[3999] = 'b';
		other = folder_name(longest);
		assert_true(strlen(one) <= 255);
		assert_string_not_equal(one, other);
	}
}

static void
test_stamps(void **state)
{
	static const char *const bad[] = { "", "20261123T150000", "20261323T150000Z",
		"20261123t150000Z", "20261123T150000Zx", "20261123T256000Z", " 0261123T150000Z",
		"00001123T150000Z", "../../../../etc/" };
	char stamp[FOLDER_STAMP_SIZE];
	int64_t sec = 0;

	(void)state;
	folder_stamp(INT64_C(1795446000) * USEC_PER_SEC, stamp);
	assert_string_equal(stamp, "20261123T150000Z");
	assert_int_equal(folder_stamp_parse(stamp, &sec), 0);
	assert_int_equal(sec, 1795446000);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(folder_stamp_parse(bad[i], &sec), -EINVAL);
}

/* ---- manifest ---- */

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void
fill(struct manifest *m, const char *stamp)
{
	*m = (struct manifest){ .stamp = xstrdup(stamp),
		.database = xstrdup("orders"),
		.engine = xstrdup("postgresql"),
		.where = xstrdup("postgresql:///orders"),
		.version = xstrdup("15.8"),
		.version_number = 150008,
		.tool = xstrdup("pg_dump 15"),
		.program = xstrdup("dbhealth"),
		.host = xstrdup("db7"),
		.started_us = 1,
		.ended_us = 2,
		.facts = json_pack("{s:s}", "owner", "joe") };
	manifest_add_table(m, "public.a", 12);
	manifest_add_table(m, "public.\"b\nc\"", -1);
}

static void
test_manifest_round(void **state)
{
	_cleanup_manifest_ struct manifest m = { 0 }, back = { 0 };
	_cleanup_free_ char *text = NULL, *again = NULL;
	struct err e = { 0 };

	(void)state;
	fill(&m, "20261123T150000Z");
	manifest_add_file(&m, "dump/1.dat.gz", 5, SHA);
	manifest_add_file(&m, "dump/toc.dat", 7, SHA);
	text = manifest_text(&m);
	assert_int_equal(manifest_parse(text, strlen(text), &back, &e), 0);
	again = manifest_text(&back);
	assert_string_equal(text, again);
	assert_int_equal(manifest_bytes(&back), 12);
	assert_int_equal(manifest_rows(&back), 12);
	assert_null(back.encryption);
	assert_int_equal(manifest_find_table(&back, "public.\"b\nc\"")->rows, -1);
}

static void
test_manifest_flipped_anywhere(void **state)
{
	_cleanup_manifest_ struct manifest m = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t len;

	(void)state;
	fill(&m, "20261123T150000Z");
	manifest_add_file(&m, "dump/toc.dat", 7, SHA);
	text = manifest_text(&m);
	len = strlen(text);
	for (size_t i = 0; i < len; i++)
		for (int bit = 0; bit < 8; bit++) {
			struct manifest back = { 0 };

			text[i] = (char)(text[i] ^ (1 << bit));
			if (manifest_parse(text, len, &back, NULL) == 0)
				fail_msg("byte %zu bit %d: nobody noticed", i, bit);
			text[i] = (char)(text[i] ^ (1 << bit));
		}
	for (size_t cut = 0; cut < len; cut++) {
		struct manifest back = { 0 };

		assert_true(manifest_parse(text, cut, &back, NULL) < 0);
	}
}

static void
test_manifest_hostile(void **state)
{
	static const char *const paths[] = { "../x", "/etc/passwd", "dump/../../x", "", ".hidden",
		"dump/.x", "a//b", "manifest.json", "dump/" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_manifest_ struct manifest m = { 0 };
		_cleanup_free_ char *text = NULL;
		struct manifest back = { 0 };
		struct err e = { 0 };

		fill(&m, "20261123T150000Z");
		manifest_add_file(&m, paths[i], 7, SHA);
		text = manifest_text(&m);
		assert_int_equal(manifest_parse(text, strlen(text), &back, &e), -EBADMSG);
		assert_non_null(strstr(e.msg, "damaged"));
	}
}

static void
test_manifest_of_another_format(void **state)
{
	struct manifest back = { 0 };
	struct err e = { 0 };
	const char *text = "{\"format\": 2, \"checksum\": \"" SHA "\"}";

	(void)state;
	assert_int_equal(manifest_parse(text, strlen(text), &back, &e), -EBADMSG);
	assert_non_null(strstr(e.msg, "of format 2"));
}

/* ---- folders ---- */

static void
put(const char *dir, const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static bool
there(const char *dir, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

	return access(path, F_OK) == 0;
}

static void
test_folder_appears_whole(void **state)
{
	_cleanup_(folder_freep) struct folder *f = NULL, *other = NULL;
	_cleanup_free_ char *root = xasprintf("%s/deep/er", (char *)*state), *stamp = NULL,
	                    *path = NULL, *second = NULL, *path2 = NULL, *leftover = NULL;
	_cleanup_strv_ char **list = NULL;
	struct err e = { 0 };

	assert_int_equal(folder_open(root, "orders", FOLDER_READ, &f, &e), -ENOENT);
	assert_int_equal(folder_open(root, "orders", FOLDER_WRITE, &f, &e), 0);
	assert_int_equal(folder_open(root, "orders", FOLDER_WRITE, &other, &e), -EALREADY);
	assert_non_null(strstr(e.msg, "another process"));
	assert_int_equal(folder_open(root, "orders", FOLDER_READ, &other, &e), 0);
	assert_int_equal(folder_begin(f, &stamp, &path, &e), 0);
	put(path, "x", "y");
	assert_int_equal(folder_list(other, &list, &e), 0);
	assert_int_equal(strv_len(list), 0);
	strv_free(list);
	assert_int_equal(folder_finish(f, stamp, &e), 0);
	assert_int_equal(folder_list(other, &list, &e), 0);
	assert_int_equal(strv_len(list), 1);
	assert_string_equal(list[0], stamp);
	/* In the same second the next one gets a name of its own, and leftovers go. */
	leftover = xasprintf("%s/.20200101T000000Z.partial", folder_path(f));
	assert_int_equal(mkdir(leftover, 0700), 0);
	put(leftover, "half", "of it");
	assert_int_equal(folder_begin(f, &second, &path2, &e), 0);
	assert_string_not_equal(stamp, second);
	assert_int_equal(access(leftover, F_OK), -1);
	folder_abandon(f, second);
	assert_int_equal(access(path2, F_OK), -1);
}

static void
test_folder_held_is_not_removed(void **state)
{
	_cleanup_(folder_freep) struct folder *f = NULL;
	_cleanup_free_ char *stamp = NULL, *path = NULL;
	struct err e = { 0 };
	int held;

	assert_int_equal(folder_open(*state, "orders", FOLDER_WRITE, &f, &e), 0);
	assert_int_equal(folder_begin(f, &stamp, &path, &e), 0);
	assert_int_equal(folder_finish(f, stamp, &e), 0);
	held = folder_hold(f, stamp, &e);
	assert_true(held >= 0);
	assert_int_equal(folder_remove(f, stamp, &e), -EBUSY);
	close(held);
	assert_int_equal(folder_remove(f, stamp, &e), 0);
	assert_int_equal(folder_hold(f, stamp, &e), -ENOENT);
	assert_int_equal(folder_hold(f, "../x", &e), -ENOENT);
}

static int
add_path(int dirfd, const char *path, int64_t bytes, void *arg, struct err *e)
{
	(void)dirfd;
	(void)e;
	str_addf(arg, "%s:%lld ", path, (long long)bytes);
	return 0;
}

static void
test_files_are_walked_and_links_refused(void **state)
{
	_cleanup_free_ char *dir = xasprintf("%s/d", (char *)*state), *below = NULL, *link = NULL;
	_cleanup_str_ struct str out = { 0 };
	_cleanup_close_ int fd = -1;
	char sha[65];
	int64_t bytes;
	struct err e = { 0 };

	below = xasprintf("%s/b", dir);
	link = xasprintf("%s/b/link", dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(mkdir(below, 0700), 0);
	put(dir, "z", "abc");
	put(dir, "a", "");
	put(below, "m", "1");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(folder_each_file(fd, add_path, &out, &e), 0);
	assert_string_equal(str_text(&out), "a:0 b/m:1 z:3 ");
	assert_int_equal(folder_hash(fd, "z", sha, &bytes, &e), 0);
	assert_string_equal(
	    sha, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(symlink("/etc/passwd", link), 0);
	assert_int_equal(folder_each_file(fd, add_path, &out, &e), -EBADMSG);
	assert_true(folder_hash(fd, "b/link", sha, &bytes, &e) < 0);
}

/* ---- listed and pruned ---- */

static void
make_backup(const char *root, const char *stamp, const char *content, bool proved)
{
	_cleanup_free_ char *dir = xasprintf("%s/orders/%s", root, stamp),
	                    *parent = xasprintf("%s/orders", root), *proof = NULL;
	_cleanup_manifest_ struct manifest m = { 0 };
	_cleanup_close_ int fd = -1;
	char sha[65];
	int64_t bytes;

	(void)mkdir(parent, 0700);
	assert_int_equal(mkdir(dir, 0700), 0);
	put(dir, "data", content);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fill(&m, stamp);
	assert_int_equal(folder_hash(fd, "data", sha, &bytes, NULL), 0);
	manifest_add_file(&m, "data", bytes, sha);
	assert_int_equal(manifest_write(fd, &m, NULL), 0);
	proof = xasprintf("{\"manifest\": \"%s\", \"ok\": true, \"depth\": \"restored\", "
	                  "\"at_us\": 5, \"message\": \"good\"}",
	    m.checksum);
	if (proved)
		put(dir, "verified.json", proof);
}

static void
test_list_and_prune(void **state)
{
	_cleanup_(backup_list_done) struct backup_list l = { 0 };
	_cleanup_(backup_pruned_done) struct backup_pruned p = { 0 };
	_cleanup_free_ char *broken = xasprintf("%s/orders/20260305T000000Z", (char *)*state);
	const struct keep keep = { .newest = 1 };
	struct err e = { 0 };

	make_backup(*state, "20260301T000000Z", "one", true);
	make_backup(*state, "20260302T000000Z", "two", true);
	make_backup(*state, "20260303T000000Z", "three", false);
	make_backup(*state, "20260304T000000Z", "four", false);
	assert_int_equal(mkdir(broken, 0700), 0);
	assert_int_equal(backup_list(*state, "orders", &l, &e), 0);
	assert_int_equal(l.n, 5);
	assert_int_equal(l.v[0].state, BACKUP_BROKEN);
	assert_non_null(strstr(l.v[0].why, "no manifest"));
	assert_string_equal(backup_newest(&l, false)->stamp, "20260304T000000Z");
	assert_string_equal(backup_newest(&l, true)->stamp, "20260302T000000Z");
	assert_int_equal(backup_prune(*state, "orders", &keep, true, &p, &e), 0);
	assert_int_equal(strv_len(p.removed), 2);
	assert_true(there(*state, "orders/20260301T000000Z"));
	backup_pruned_done(&p);
	assert_int_equal(backup_prune(*state, "orders", &keep, false, &p, &e), 0);
	assert_false(there(*state, "orders/20260301T000000Z"));
	assert_false(there(*state, "orders/20260303T000000Z"));
	assert_true(there(*state, "orders/20260302T000000Z"));
	assert_true(there(*state, "orders/20260304T000000Z"));
	assert_true(there(*state, "orders/20260305T000000Z"));
}

static void
verify_says(const char *root, const char *stamp, const char *what)
{
	const struct backup_verify_options o = {
		.root = root, .database = "orders", .stamp = stamp, .depth = BACKUP_CHECKSUMS
	};
	_cleanup_(backup_proof_done) struct backup_proof p = { 0 };
	struct err e = { 0 };

	assert_int_equal(backup_verify(&o, &p, &e), 0);
	assert_int_equal(p.ok, what == NULL);
	if (what && !strstr(p.message, what))
		fail_msg("\"%s\" does not say \"%s\"", p.message, what);
}

static void
test_verify_sees_what_was_changed(void **state)
{
	static const char stamp[] = "20260301T000000Z", moved[] = "20260301T000001Z";
	_cleanup_free_ char *dir = xasprintf("%s/orders/%s", (char *)*state, stamp),
	                    *other = xasprintf("%s/orders/%s", (char *)*state, moved),
	                    *data = xasprintf("%s/data", dir);

	make_backup(*state, stamp, "content", true);
	verify_says(*state, stamp, NULL);
	put(dir, "data", "Content");
	verify_says(*state, stamp, "checksum");
	put(dir, "data", "conten");
	verify_says(*state, stamp, "truncated");
	assert_int_equal(unlink(data), 0);
	verify_says(*state, stamp, "data is missing");
	put(dir, "data", "content");
	put(dir, "more", "x");
	verify_says(*state, stamp, "not of this backup");
	{
		_cleanup_free_ char *more = xasprintf("%s/more", dir);

		assert_int_equal(unlink(more), 0);
	}
	verify_says(*state, stamp, NULL);
	assert_int_equal(rename(dir, other), 0);
	verify_says(*state, moved, "under another name");
}

/* ---- programs ---- */

static int
run(const char *const *argv, const char *const *then, struct err *e)
{
	struct child_spec spec = { .argv = argv, .then = then, .in_fd = -1, .out_fd = -1 };

	return child_run(&spec, e);
}

static void
test_programs(void **state)
{
	static const char *const good[] = { "true", NULL },
	                         *const missing[] = { "/nonexistent/program", NULL },
	                         *const words[] = { "sh", "-c",
		                         "echo first >&2; echo 'x: error: it is so' >&2; exit 3",
		                         NULL },
	                         *const full[] = { "sh", "-c",
		                         "echo 'x: error: No space left on device' >&2; exit 1",
		                         NULL },
	                         *const many[] = { "sh", "-c", "yes | head -c 1000000", NULL },
	                         *const killed[] = { "sh", "-c", "kill -9 $$", NULL },
	                         *const secret[] = { "sh", "-c", "test \"$SECRET\" = x", NULL },
	                         *const env[] = { "SECRET=x", NULL };
	struct child_spec with = { .argv = secret, .env = env, .in_fd = -1, .out_fd = -1 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(run(good, NULL, &e), 0);
	/* What was not read to its end is not there. */
	assert_int_equal(run(many, good, &e), -EIO);
	assert_int_equal(run(missing, NULL, &e), -ENOENT);
	assert_int_equal(run(words, NULL, &e), -EIO);
	assert_string_equal(e.msg, "sh: it is so");
	assert_int_equal(run(good, words, &e), -EIO);
	assert_int_equal(run(words, good, &e), -EIO);
	assert_int_equal(run(full, NULL, &e), -ENOSPC);
	assert_int_equal(run(killed, NULL, &e), -EIO);
	assert_non_null(strstr(e.msg, "signal 9"));
	assert_int_equal(child_run(&with, &e), 0);
}

static int
stop_it(void *arg, struct err *e)
{
	int *n = arg;

	(*n)++;
	return err_set(e, -ECANCELED, "enough");
}

static void
test_program_is_stopped(void **state)
{
	static const char *const argv[] = { "sleep", "1000", NULL };
	int n = 0;
	struct child_spec spec = {
		.argv = argv, .in_fd = -1, .out_fd = -1, .on_tick = stop_it, .arg = &n
	};
	struct err e = { 0 };

	(void)state;
	assert_int_equal(child_run(&spec, &e), -ECANCELED);
	assert_int_equal(n, 1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
}

static void
test_its_words_may_go_once_it_runs(void **state)
{
	char name[] = "sh", script[] = "echo no >&2; exit 3";
	const char *argv[] = { name, "-c", script, NULL };
	struct child_spec spec = { .argv = argv, .in_fd = -1, .out_fd = -1 };
	_cleanup_(child_freep) struct child *c = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(child_start(&spec, &c, &e), 0);
	memset(name, 'x', strlen(name));
	memset(script, 'x', strlen(script));
	assert_int_equal(child_wait(c, &e), -EIO);
	assert_string_equal(e.msg, "sh: no");
}

static void
test_signals_are_seen_between(void **state)
{
	struct backup_watch w;
	struct err e = { 0 };

	(void)state;
	backup_watch_begin(&w, NULL, NULL, 0);
	assert_int_equal(backup_tick(&w, "x", 0, 0, &e), 0);
	raise(SIGTERM);
	assert_int_equal(backup_tick(&w, "x", 0, 0, &e), -ECANCELED);
	assert_int_equal(backup_tick(&w, "x", 0, 0, &e), -ECANCELED);
	backup_watch_end(&w);
	backup_watch_begin(&w, NULL, NULL, 1);
	while (clock_now_us() < w.deadline_us)
		;
	assert_int_equal(backup_tick(&w, "x", 0, 0, &e), -ETIME);
	backup_watch_end(&w);
}

/* ---- [backup NAME] ---- */

static void
test_section(void **state)
{
	_cleanup_free_ char *path = xasprintf("%s/main.conf", (char *)*state), *folder = NULL,
	                    *other = NULL;
	_cleanup_(conf_freep) struct conf *c = NULL, *same = NULL;
	struct err_list errors = { 0 };
	const struct conf_backup *b;

	put(*state, "main.conf",
	    "[daemon]\nstate_dir = /var/lib/x\n"
	    "[database orders]\ndsn = service=o\n[database bills]\ndsn = service=b\n"
	    "[backup nightly]\ndatabases = ord*\nto = /srv/b\nkeep = 7d, 4w\nshrink = 30%\n"
	    "verify = yes\njobs = 4\n[backup rest]\ndatabases = *\n");
	assert_int_equal(conf_load(path, &c, &errors), 0);
	assert_int_equal(conf_load(path, &same, &errors), 0);
	b = conf_backup_of(c, "orders");
	assert_string_equal(b->name, "nightly");
	assert_int_equal(b->shrink, 30);
	assert_int_equal(b->jobs, 4);
	assert_int_equal(b->verify, BACKUP_VERIFY_YES);
	assert_true(b->globals);
	folder = conf_backup_folder(c, b);
	assert_string_equal(folder, "/srv/b");
	b = conf_backup_of(c, "bills");
	assert_string_equal(b->name, "rest");
	assert_int_equal(b->verify, BACKUP_VERIFY_WEEKLY);
	assert_int_equal(b->shrink, 50);
	other = conf_backup_folder(c, b);
	assert_string_equal(other, "/var/lib/x/backups");
	assert_true(conf_backups_equal(c, same));
	same->backups[0].jobs = 5;
	assert_false(conf_backups_equal(c, same));
	c = conf_free(c);
	put(*state, "main.conf",
	    "[database orders]\ndsn = service=o\n[backup a]\ndatabases = ordes\nkeep = 7\nshrink = "
	    "5\n"
	    "verify = daily\n[backup b]\nto = relative\nkeep = 7q\nschedule = never\n");
	assert_int_equal(conf_load(path, &c, &errors), -EINVAL);
	{
		static const char *const words[] = { "did you mean orders",
			"\"5\" is no percentage", "no, yes, weekly", "databases",
			"no absolute path", "7q", "schedule" };
		_cleanup_str_ struct str all = { 0 };

		for (size_t i = 0; i < strv_len(errors.v); i++)
			str_addf(&all, "%s\n", errors.v[i]);
		for (size_t i = 0; i < ARRAY_SIZE(words); i++)
			if (!strstr(str_text(&all), words[i]))
				fail_msg("no \"%s\" in:\n%s", words[i], str_text(&all));
	}
	err_list_done(&errors);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_keep_that_is_refused),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_stamps),
		cmocka_unit_test(test_manifest_round),
		cmocka_unit_test(test_manifest_flipped_anywhere),
		cmocka_unit_test(test_manifest_hostile),
		cmocka_unit_test(test_manifest_of_another_format),
		cmocka_unit_test_setup_teardown(test_folder_appears_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folder_held_is_not_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_files_are_walked_and_links_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list_and_prune, setup, teardown),
		cmocka_unit_test_setup_teardown(test_verify_sees_what_was_changed, setup, teardown),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_program_is_stopped),
		cmocka_unit_test(test_its_words_may_go_once_it_runs),
		cmocka_unit_test(test_signals_are_seen_between),
		cmocka_unit_test_setup_teardown(test_section, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
