/* The rule of what is told. */
#include "daemon/told.h"
#include "daemon/outlet_entry.h"

static enum severity
severity_of(const json_t *entry, const char *name)
{
	enum severity severity = SEVERITY_NONE;

	severity_parse(entry_field(entry, name), &severity);
	return severity;
}

enum severity
entry_severity(const json_t *entry)
{
	if (entry_kind(entry) == ENTRY_UNKNOWN)
		return SEVERITY_WARNING;
	return MAX(severity_of(entry, "DBHEALTH_SEVERITY"),
	    severity_of(entry, "DBHEALTH_PREVIOUS_SEVERITY"));
}

static bool
is_transition(const json_t *entry)
{
	switch (entry_kind(entry)) {
	case ENTRY_OPENED:
	case ENTRY_CHANGED:
	case ENTRY_RESOLVED:
	case ENTRY_UNREACHABLE:
	case ENTRY_REACHABLE:
	case ENTRY_FLAPPING:
	case ENTRY_STABLE:
	case ENTRY_HAPPENED: /* as an event of that severity, which is info */
		return true;
	case ENTRY_EVENT: /* of a finding, or something that happened and is none */
		return *entry_field(entry, "DBHEALTH_FINDING_ID") != '\0';
	case ENTRY_NONE:
	case ENTRY_UNKNOWN:
	case ENTRY_CONFIG_RELOADED:
	case ENTRY_CONFIG_REJECTED:
	case ENTRY_SUMMARY:
	case ENTRY_ACKNOWLEDGED:
	case ENTRY_STATE_MOVED:
	case ENTRY_CHECK_REJECTED:
	case ENTRY_DROPPED:
		break;
	}
	return false;
}

/* Somebody asked for quiet. */
static bool
is_quiet(const json_t *entry)
{
	return *entry_field(entry, "DBHEALTH_QUIET") != '\0';
}

/* Of what is info only events are ever told singly, to those who want to hear of info. */
bool
entry_is_told(const json_t *entry, enum severity level)
{
	enum severity severity = entry_severity(entry);

	if (is_quiet(entry))
		return false;
	/* What is no finding is in no list either: this is the only place. */
	if (!is_transition(entry))
		return true;
	if (severity < SEVERITY_WARNING && !entry_is_event(entry) &&
	    entry_kind(entry) != ENTRY_HAPPENED)
		return false;
	return severity >= level;
}

bool
entry_alerts(const json_t *entry, enum severity level)
{
	if (is_quiet(entry))
		return false;
	if (!is_transition(entry) && entry_kind(entry) != ENTRY_UNKNOWN)
		return false;
	/* What happened is no reason to wake anybody: what came of it is. */
	if (entry_kind(entry) == ENTRY_HAPPENED)
		return false;
	return entry_severity(entry) >= level;
}
