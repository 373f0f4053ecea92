/*
 * Causes of findings in a monitor: what the catalogue declares is handed to the findings, which find
 * them each second; and unknown checks follow from a server that is down.
 */
#include "base/clock.h"
#include "finding/cause.h"
#include "monitor/internal.h"
#include "monitor/scope_impl.h"

/*
 * What opens and may have a cause is told after so long: the cause may come from the same round of
 * checks, in whatever order their answers come.
 */
#define WAIT_US (5 * USEC_PER_SEC)

void
monitor_causes_anew(struct monitor *m)
{
	const struct catalogue *catalogue = m->rules->catalogue;
	struct cause_rules *rules = cause_rules_new();

	for (size_t i = 0; i < catalogue_count(catalogue); i++)
		cause_rules_add(rules, catalogue_at(catalogue, i));
	findings_set_causes(m->findings, rules, m->options.one_shot ? 0 : WAIT_US);
}

void
monitor_fold(struct monitor *m)
{
	findings_fold(m->findings, clock_now_us(), clock_wall_us());
	monitor_findings_changed(m);
}

/* Nothing answers there, and that is told: that its checks cannot answer either follows from it. */
bool
scope_is_cut_off(const struct scope *s)
{
	const struct findings *all = s->monitor->findings;
	_cleanup_free_ char *reach = NULL;

	if (findings_status(all, scope_server_name(s), "conn-up") == CHECK_CRITICAL)
		return true;
	if (s->is_server)
		return false;
	reach = xasprintf("%s/", s->name);
	return findings_status(all, s->name, "conn-up") == CHECK_CRITICAL ||
	       findings_status(all, reach, "conn-up") == CHECK_CRITICAL;
}
