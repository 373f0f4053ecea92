/* Configuration against the catalogue: faults are told with their line, settings are shared. */
#include "base/err.h"
#include "base/str.h"
#include "monitor/plan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
/* after what it needs */
#include <cmocka.h>

#define TWO                                                                                        \
	"[database a]\ndsn = postgresql:///a?user=x\n[database b]\ndsn = postgresql:///b?user=x\n"

struct planned {
	struct conf *conf;
	struct catalogue *catalogue;
	struct plan *plan;
	struct err_list errors;
};

static void
make(struct planned *p, const char *text)
{
	char dir[] = "/tmp/test-plan-XXXXXX", path[64];
	FILE *f;

	*p = (struct planned){ 0 };
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/c.conf", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
	/* A file with a fault is judged to its end too. */
	(void)!conf_load_broken(path, &p->conf, &p->errors);
	assert_non_null(p->conf);
	unlink(path);
	rmdir(dir);
	p->catalogue = catalogue_new();
	(void)!plan_new(p->conf, p->catalogue, &p->plan, &p->errors);
}

static void
unmake(struct planned *p)
{
	plan_free(p->plan);
	catalogue_free(p->catalogue);
	conf_free(p->conf);
	err_list_done(&p->errors);
}

static void
test_faults(void **state)
{
	static const struct {
		const char *section, *line, *words;
	} table[] = {
		{ "[check xid-wraparond]\nwarning = >= 0.3\n",
		    ":5:", "did you mean xid-wraparound?" },
		{ "[check a/xid-wraparound]\nparam.nothing = 3\n", ":6:", "param.nothing" },
		{ "[check vonc-*]\nenabled = no\n", ":5:", "unknown check" },
		{ "[check conv-*]\nparam.gracious = 3h\n", ":6:", "param.gracious" },
		{ "[query conn-up]\nsql = SELECT 1 AS value\ncritical = > 1\n",
		    ":5:", "another name" },
		/* Its severity comes from its SQL: the gates are params. */
		{ "[check lock-blocked]\nwarning = > 3\n", ":6:", "param" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_free_ char *text = xasprintf("%s%s", TWO, table[i].section);
		struct planned p;

		make(&p, text);
		if (strv_len(p.errors.v) != 1 || !strstr(p.errors.v[0], table[i].line) ||
		    !strstr(p.errors.v[0], table[i].words))
			fail_msg(
			    "%s: %s", table[i].section, p.errors.v ? p.errors.v[0] : "no fault");
		unmake(&p);
	}
}

static void
test_shared(void **state)
{
	struct planned p;
	const struct check *xid, *slots;
	const struct conf_database *a, *b;

	(void)state;
	make(&p, TWO "[check b/xid-wraparound]\nwarning = >= 0.3\n");
	assert_non_null(p.plan);
	xid = catalogue_find(p.catalogue, ENGINE_POSTGRESQL, "xid-wraparound");
	slots = catalogue_find(p.catalogue, ENGINE_POSTGRESQL, "conn-slots");
	a = conf_find(p.conf, "a");
	b = conf_find(p.conf, "b");
	assert_ptr_equal(plan_settings(p.plan, slots, a), plan_settings(p.plan, slots, b));
	assert_ptr_not_equal(plan_settings(p.plan, xid, a), plan_settings(p.plan, xid, b));
	assert_ptr_equal(plan_settings(p.plan, xid, b), plan_settings(p.plan, xid, b));
	unmake(&p);
}

/* A section of many checks counts less than that of one, wherever they stand. */
static void
test_glob_of_checks(void **state)
{
	struct planned p;
	const struct check *table, *key;
	const struct settings *s;

	(void)state;
	make(&p, TWO "[check conv-required-table-missing]\nparam.grace = 3h\n"
	             "[check conv-*]\nparam.grace = 5h\nseverity = info\n");
	assert_non_null(p.plan);
	table = catalogue_find(p.catalogue, ENGINE_POSTGRESQL, "conv-required-table-missing");
	key = catalogue_find(p.catalogue, ENGINE_POSTGRESQL, "conv-required-relationship-missing");
	s = plan_settings(p.plan, table, conf_find(p.conf, "a"));
	assert_string_equal(check_param_get(s->params, s->nparams, "grace"), "3h");
	assert_int_equal(s->force, SEVERITY_INFO);
	s = plan_settings(p.plan, key, conf_find(p.conf, "a"));
	assert_string_equal(check_param_get(s->params, s->nparams, "grace"), "5h");
	unmake(&p);
}

static void
test_switches(void **state)
{
	struct planned p;
	const struct settings *s;
	const struct check *c;

	(void)state;
	make(&p, "[database a]\ndsn = postgresql:///a?user=x\ndisable = conn-*\n"
	         "[database b]\ndsn = postgresql:///b?user=x\nprobes = schema\n"
	         "[query mine]\ndatabases = b\nsql = SELECT 1 AS value\ncritical = > 1\n");
	assert_non_null(p.plan);
	c = catalogue_find(p.catalogue, ENGINE_POSTGRESQL, "conn-slots");
	s = plan_settings(p.plan, c, conf_find(p.conf, "a"));
	assert_false(s->enabled);
	assert_string_equal(s->disabled_reason, "disabled in the configuration");
	s = plan_settings(p.plan, c, conf_find(p.conf, "b"));
	assert_false(s->enabled);
	assert_string_equal(s->disabled_reason, "its probe is off");
	c = catalogue_find(p.catalogue, ENGINE_POSTGRESQL, "mine");
	assert_non_null(c);
	assert_false(plan_applies(p.plan, c, conf_find(p.conf, "a")));
	assert_true(plan_applies(p.plan, c, conf_find(p.conf, "b")));
	unmake(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_glob_of_checks),
		cmocka_unit_test(test_switches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
