/*
 * For harnesses with a whole engine in them: two databases that nothing leads to, and the engine's
 * workers, none of which is ever a process.
 */
#include "engine.h"

#include "host/host.h"
#include "migration/migration.h"
#include "pg/plan.h"
#include "sqlite/fleet.h"
#include "sqlite/sqlite_role.h"
#include "worker/frame.h"
#include "worker/worker.h"

const struct worker_role *const worker_roles[] = { &resolve_role, &sqlite_role, &host_role,
	&migration_role, &fleet_role, NULL };

/* No process is made here. */
int
worker_spawn(
    const struct worker_role *r, pid_t *ret_pid, int *ret_pidfd, int *ret_fd, struct err *e)
{
	(void)ret_pid;
	(void)ret_pidfd;
	(void)ret_fd;
	return err_set(e, -EAGAIN, "no %s worker", r->name);
}

struct conf *
engine_conf(void)
{
	struct err_list errors = { 0 };
	struct conf *conf = NULL;

	CHECK(conf_default(&conf, &errors) == 0);
	conf_add_database(conf, "orders", "sqlite:////nowhere/orders.db", &conf->defaults)->engine =
	    ENGINE_SQLITE;
	conf_add_database(conf, "crm", "postgresql:///crm", &conf->defaults)->engine =
	    ENGINE_POSTGRESQL;
	return conf;
}
