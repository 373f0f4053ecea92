/*
 * What checks cost, as the API and Prometheus tell it: by check and server, so that it stays as long
 * as the catalogue however many databases there are.
 */
#include "base/clock.h"
#include "base/str.h"
#include "monitor/cost.h"
#include "monitor/internal.h"
#include "monitor/metrics_cost.h"
#include "report/metrics.h"
#include "report/report.h"

static void
add_owner(json_t *list, const char *name, enum engine engine, const struct ledger *l, size_t limit)
{
	json_t *checks = ledger_json(l, limit), *o;

	if (json_array_size(checks) == 0) {
		json_decref(checks);
		return;
	}
	o = json_object();
	json_object_set_new(o, "server", report_string(name));
	json_object_set_new(o, "engine", report_string(engine_names[engine]));
	json_object_set_new(o, "checks", checks);
	json_array_append_new(list, o);
}

json_t *
monitor_cost(const struct monitor *m, const char *server, size_t limit)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->nservers; i++)
		if (!server || streq(server, server_name(m->servers[i])))
			add_owner(list, server_name(m->servers[i]), ENGINE_POSTGRESQL,
			    server_ledger(m->servers[i]), limit);
	if (!server || !*server)
		add_owner(list, "", ENGINE_SQLITE, m->files_ledger, limit);
	return json_pack("{s:o}", "servers", list);
}

/* ---- for Prometheus ---- */

enum cost_family {
	COST_RUNS,
	COST_SERVER,
	COST_CLIENT,
	COST_ROWS,
	COST_BYTES,
	COST_TIMEOUTS,
	COST_SPACED,
	COST_FAMILY_N
};
static const struct {
	enum family_type type;
	const char *name, *help;
} families[COST_FAMILY_N] = {
	[COST_RUNS] = { FAMILY_COUNTER, "dbhealth_check_runs",
	    "Statements of a check on all databases of a server; SQLite files have an empty "
	    "server." },
	[COST_SERVER] = { FAMILY_COUNTER, "dbhealth_check_server_seconds",
	    "Time that a check's statements took, seen from here; of SQLite files that of the "
	    "worker." },
	[COST_CLIENT] = { FAMILY_COUNTER, "dbhealth_check_client_seconds",
	    "Time that the daemon's loop took to read and judge a check's rows." },
	[COST_ROWS] = { FAMILY_COUNTER, "dbhealth_check_rows", "Rows that a check returned." },
	[COST_BYTES] = { FAMILY_COUNTER, "dbhealth_check_received_bytes",
	    "Bytes of the values that a check returned." },
	[COST_TIMEOUTS] = { FAMILY_COUNTER, "dbhealth_check_timeouts",
	    "Runs of a check that came to no end in their time." },
	[COST_SPACED] = { FAMILY_GAUGE, "dbhealth_check_spaced_out",
	    "How many times its interval a check waits that took more than its budget." },
};

static void
add_entry(struct family *const f[static COST_FAMILY_N], const char *labels,
    const struct ledger_entry *e, int64_t now_us)
{
	const struct cost *x = &e->sum;

	family_add(f[COST_RUNS], labels, (double)x->runs);
	family_add(f[COST_SERVER], labels, (double)x->server_us / USEC_PER_SEC);
	family_add(f[COST_CLIENT], labels, (double)x->client_us / USEC_PER_SEC);
	family_add(f[COST_ROWS], labels, (double)x->rows);
	family_add(f[COST_BYTES], labels, (double)x->bytes);
	if (x->timeouts > 0)
		family_add(f[COST_TIMEOUTS], labels, (double)x->timeouts);
	if (ledger_is_spaced(e, now_us))
		family_add(f[COST_SPACED], labels, (double)(1u << e->doublings));
}

void
metrics_cost_add(
    struct exposition *out, const char *server, enum engine engine, const struct ledger *l)
{
	struct family *f[COST_FAMILY_N];
	const struct ledger_entry *e;
	_cleanup_str_ struct str labels = { 0 };
	size_t iter = 0, begin;

	for (enum cost_family i = 0; i < COST_FAMILY_N; i++)
		f[i] = exposition_family(out, families[i].type, families[i].name, families[i].help);
	label_add(&labels, "server", server);
	label_add(&labels, "engine", engine_names[engine]);
	begin = labels.len;
	while (ledger_next(l, &iter, &e)) {
		label_add(&labels, "check", e->check);
		add_entry(f, labels.s, e, clock_now_us());
		labels.len = begin;
		labels.s[begin] = '\0';
	}
}
