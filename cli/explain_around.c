/* What happened around a finding, for `dbhealth explain`: asked for, never insisted on. */
#include "base/clock.h"
#include "base/str.h"
#include "cli/cli.h"
#include "report/layout.h"
#include "report/report.h"

#define BEFORE_US  (3600 * USEC_PER_SEC)
#define LIST_MAX   500
#define LONGEST_US (30 * 86400 * USEC_PER_SEC)

/* Its beginning says most: of more than a page the last ones are left out.  NULL: none came. */
static json_t *
page(const struct cli *cli, const json_t *finding, const char *since)
{
	bool is_of_server = *layout_get(finding, "database") == '\0';
	_cleanup_free_ char *name =
	    client_encode(layout_get(finding, is_of_server ? "server" : "database"));
	_cleanup_free_ char *from = client_encode(since);
	_cleanup_free_ char *path = xasprintf("/v1/events?%s=%s&since=%s&limit=%d&after=0",
	    is_of_server ? "server" : "database", name, from, LIST_MAX);
	json_t *answer = NULL, *events = NULL;
	struct err e = { 0 };
	int code = 0;

	if (client_call(cli, "GET", path, CLI_TIMEOUT_US, &code, &answer, &e) >= 0 && code == 200)
		events = json_incref(json_object_get(answer, "events"));
	json_decref(answer);
	return events;
}

json_t *
explain_around(const struct cli *cli, const json_t *finding)
{
	int64_t since = layout_get_time(finding, "since"), now = clock_wall_us();
	char from[CLOCK_RFC3339_SIZE];
	json_t *events, *around;

	if (since == 0)
		since = layout_get_time(finding, "first_seen");
	if (since == 0)
		return json_array();
	clock_rfc3339(MAX(since - BEFORE_US, now - LONGEST_US), from);
	events = page(cli, finding, from);
	if (!events)
		return json_array();
	around = report_around(finding, events);
	json_decref(events);
	return around;
}
