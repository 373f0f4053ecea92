/*
 * Configuration files, the whole way: reading, merging, expanding, validating, and what the
 * catalogue has to say.  Input: the main file and its drop-ins, parted by FUZZ_GROUP.
 */
#include "base/str.h"
#include "conf/conf.h"
#include "fuzz.h"
#include "monitor/monitor.h"
#include "report/report.h"

#include <sys/stat.h>

#define SECRET "s3cr3t-of-the-environment"
#define FILES  4

static char *main_path, *dropin[FILES];

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	_cleanup_free_ char *dropins = NULL, *credential = NULL;

	(void)argc;
	(void)argv;
	fuzz_quiet();
	main_path = xasprintf("%s/main.conf", fuzz_folder());
	dropins = xasprintf("%s.d", main_path);
	CHECK(mkdir(dropins, 0700) == 0);
	for (int i = 0; i < FILES; i++)
		dropin[i] = xasprintf("%s/%d.conf", dropins, i);
	credential = xasprintf("%s/password", fuzz_folder());
	fuzz_write(credential, SECRET "\n", sizeof(SECRET));
	setenv("CREDENTIALS_DIRECTORY", fuzz_folder(), 1);
	setenv("SECRET", SECRET, 1);
	unsetenv("DATABASE_URL");
	return 0;
}

static void
check_errors(const struct err_list *errors, bool may_show_secret)
{
	for (size_t i = 0; errors->v && errors->v[i]; i++) {
		check_shown(errors->v[i], false);
		CHECK_SHOW(strlen(errors->v[i]) <= 1003, errors->v[i]);
		CHECK_SHOW(may_show_secret || !strstr(errors->v[i], SECRET), errors->v[i]);
	}
}

static void
check_conf(const struct conf *a, const struct conf *b)
{
	_cleanup_strv_ char **restart = conf_needs_restart(a, b);

	CHECK(strv_len(restart) == 0);
	CHECK(a->ndatabases == b->ndatabases);
	for (size_t i = 0; i < a->ndatabases; i++) {
		const struct conf_database *d = &a->databases[i];

		CHECK(conf_database_equal(d, &b->databases[i]));
		CHECK(conf_find(a, d->name) == d);
		CHECK(d->dsn && d->engine != ENGINE_NONE);
		CHECK(!conf_database_get(d, "dsn"));
		for (int p = 0; p < PROBE_N; p++)
			CHECK(d->interval_us[p] > 0);
		CHECK(d->timeout_us > 0);
		for (size_t k = 0; k < d->noptions; k++)
			CHECK(conf_database_get(d, d->options[k].name));
	}
}

/* A configuration without faults can be watched, and what is shown of it is fit to be shown. */
static void
check_monitor(struct conf *take_conf)
{
	static const struct monitor_callbacks none = { 0 };
	static const struct monitor_options options = { 0 };
	struct report_options show = { .verbose = 2 };
	struct err_list errors = { 0 };
	struct event_base *base = event_base_new();
	struct monitor *m = NULL;
	size_t n = take_conf->ndatabases;

	if (monitor_new(base, take_conf, catalogue_new(), &options, &none, NULL, &m, &errors) ==
	    0) {
		json_t *status = monitor_status(m), *findings = json_array();
		_cleanup_free_ char *text = report_status_text(status, findings, &show);

		check_report(text);
		CHECK(json_array_size(json_object_get(status, "databases")) >= n);
		json_decref(status);
		json_decref(findings);
		monitor_free(m);
	}
	check_errors(&errors, true);
	err_list_done(&errors);
	event_base_free(base);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = fuzz_in(data, size), file = fuzz_until(&in, FUZZ_GROUP);
	bool may_show = memmem(data, size, SECRET, sizeof(SECRET) - 1) != NULL;
	struct err_list errors = { 0 }, again = { 0 };
	struct conf *a = NULL, *b = NULL;
	int i, r;

	fuzz_write(main_path, file.p, file.left);
	for (i = 0; i < FILES && in.left > 0; i++) {
		file = fuzz_until(&in, FUZZ_GROUP);
		fuzz_write(dropin[i], file.p, file.left);
	}
	r = conf_load(main_path, &a, &errors);
	CHECK((r == 0) == (strv_len(errors.v) == 0));
	CHECK((r == 0) == (a != NULL));
	check_errors(&errors, may_show);
	if (conf_load_broken(main_path, &b, &again) == 0)
		CHECK_SAME(r == 0);
	CHECK_SAME(strv_len(again.v) >= strv_len(errors.v));
	if (a)
		check_conf(a, b);
	if (b)
		monitor_find_faults(b, NULL, &again);
	check_errors(&again, may_show);
	conf_free(b);
	if (a && strv_len(again.v) == 0)
		check_monitor(TAKE_PTR(a));
	conf_free(a);
	err_list_done(&errors);
	err_list_done(&again);
	while (i > 0)
		unlink(dropin[--i]);
	return 0;
}
