/*
 * Connection strings in all forms, and plans as a worker sends them.  The network is not asked:
 * every name is this machine's.  Input: a DSN, FUZZ_GROUP, a worker's answer.
 */
#include "base/str.h"
#include "fuzz.h"
#include "pg/plan.h"
#include "worker/worker.h"

#include <jansson.h>
#include <libpq-fe.h>
#include <netdb.h>
#include <netinet/in.h>

static const char secret[] = "s3cr3tpassw0rd";

/* Every name is this machine's. */
int
getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	struct sockaddr_in *sa;

	(void)service;
	if (!node || strlen(node) > 20 || (hints && hints->ai_family == AF_INET6))
		return EAI_NONAME;
	*ret = xcalloc(1, sizeof(**ret) + sizeof(*sa));
	sa = (struct sockaddr_in *)(*ret + 1);
	sa->sin_family = AF_INET;
	sa->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	**ret = (struct addrinfo){ .ai_family = AF_INET,
		.ai_socktype = SOCK_STREAM,
		.ai_addr = (struct sockaddr *)sa,
		.ai_addrlen = sizeof(*sa) };
	return 0;
}

void
freeaddrinfo(struct addrinfo *list)
{
	free(list);
}

static void check_plan(struct pg_plan *);

/* What the worker makes of a DSN is what the loop can read. */
int
worker_send(uint32_t type, const void *payload, size_t len)
{
	struct pg_plan *plan = NULL;
	struct err e = { 0 };
	int r;

	CHECK(type == RESOLVE_ANSWER && len <= WORKER_FRAME_MAX);
	r = resolve_answer(payload, len, &plan, &e);
	CHECK((r == 0) == (plan != NULL) && (r == 0 || *e.msg));
	if (plan)
		check_plan(plan);
	return 0;
}

/* A device could keep us for ever; what a path leads to is not what we look for here. */
static bool
names_a_device(const char *dsn)
{
	return strstr(dsn, "/dev") || strstr(dsn, "/proc") || strstr(dsn, "/sys") ||
	       strcasestr(dsn, "%2f") || strchr(dsn, '\\');
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const gone[] = { "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGSERVICE",
		"PGPASSFILE", "PGDATABASE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGOPTIONS" };

	(void)argc;
	(void)argv;
	fuzz_quiet();
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		unsetenv(gone[i]);
	setenv("HOME", fuzz_folder(), 1);
	return 0;
}

static void
check_plan(struct pg_plan *plan)
{
	const char *const *k = pg_plan_keywords(plan), *const *v = pg_plan_values(plan);

	for (size_t i = 0; k[i]; i++) {
		CHECK(v[i]);
		CHECK_SHOW(!streq(k[i], "dbname"), k[i]);
	}
	CHECK(pg_plan_equal(plan, plan));
	CHECK(pg_plan_endpoint(plan));
	(void)pg_plan_is_local(plan);
	(void)pg_plan_dbname(plan);
	(void)pg_plan_options(plan);
	pg_plan_unref(plan);
}

/* What libpq takes for the password is not shown.  A secret that stands twice says nothing: of a
 * keyword that is given again only the last counts, and the first may be a host's. */
static void
check_password(const char *dsn, const char *text)
{
	PQconninfoOption *all = PQconninfoParse(dsn, NULL);
	const char *at = strstr(dsn, secret);

	for (PQconninfoOption *o = all; o && o->keyword; o++)
		if (o->val && streq(o->keyword, "password") && strstr(o->val, secret) &&
		    (!at || !strstr(at + 1, secret)))
			CHECK_SHOW(!strstr(text, secret), text);
	PQconninfoFree(all);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = fuzz_in(data, size);
	_cleanup_free_ char *dsn = fuzz_text_until(&in, FUZZ_GROUP), *shown = dsn_show(dsn);
	_cleanup_free_ char *endpoint = NULL, *dbname = NULL, *path = NULL, *job = resolve_job(dsn);
	enum dsn_kind kind = dsn_kind_of(dsn, false);
	struct pg_plan *plan = NULL;
	struct err e = { 0 };
	int r = dsn_check(dsn, &e);

	CHECK(shown && job);
	check_password(dsn, shown);
	if (r < 0)
		check_password(dsn, e.msg);
	if (dsn_split(dsn, &endpoint, &dbname, &e) == 0)
		CHECK_SAME(kind != DSN_POSTGRESQL || r == 0);
	if (dsn_sqlite_path(dsn, &path, &e) == 0)
		CHECK_SHOW(path && *path, dsn);
	if (pg_plan_local(dsn, &plan, &e) == 0) {
		check_password(dsn, pg_plan_endpoint(plan));
		check_plan(plan);
	}
	if (!names_a_device(dsn))
		CHECK(resolve_role.serve(RESOLVE_JOB, job, strlen(job)) == 0);
	plan = NULL;
	r = resolve_answer(in.p, in.left, &plan, &e);
	CHECK(r == 0 || *e.msg);
	CHECK((r == 0) == (plan != NULL));
	if (plan)
		check_plan(plan);
	return 0;
}
