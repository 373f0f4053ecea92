/* An entry of the log in the words of the API, where names are small and numbers are numbers. */
#include "base/clock.h"
#include "daemon/outlet_entry.h"
#include <ctype.h>

#define LABEL_PREFIX "DBHEALTH_LABEL_"

const char *
entry_kind_word(const json_t *entry)
{
	switch (entry_kind(entry)) {
	case ENTRY_OPENED:
		return "opened";
	case ENTRY_CHANGED:
		return "changed";
	case ENTRY_RESOLVED:
		return "resolved";
	case ENTRY_UNREACHABLE:
		return "unreachable";
	case ENTRY_REACHABLE:
		return "reachable";
	case ENTRY_UNKNOWN:
		return *entry_field(entry, "DBHEALTH_REASON") ? "unknown" : "answers";
	case ENTRY_SUMMARY:
		return "summary";
	case ENTRY_EVENT:
		return "event";
	case ENTRY_ACKNOWLEDGED:
		return "acknowledged";
	case ENTRY_FLAPPING:
		return "flapping";
	case ENTRY_STABLE:
		return "stable";
	case ENTRY_HAPPENED:
		return "happened";
	case ENTRY_NONE:
	case ENTRY_CONFIG_RELOADED:
	case ENTRY_CONFIG_REJECTED:
	case ENTRY_STATE_MOVED:
	case ENTRY_CHECK_REJECTED:
	case ENTRY_DROPPED:
		break;
	}
	return "note";
}

const char *
entry_message_id(const char *word)
{
	static const struct {
		const char *word, *id;
	} kinds[] = { { "opened", ENTRY_MESSAGE_ID "01" }, { "changed", ENTRY_MESSAGE_ID "02" },
		{ "resolved", ENTRY_MESSAGE_ID "03" }, { "unreachable", ENTRY_MESSAGE_ID "04" },
		{ "reachable", ENTRY_MESSAGE_ID "05" }, { "unknown", ENTRY_MESSAGE_ID "06" },
		{ "summary", ENTRY_MESSAGE_ID "09" }, { "event", ENTRY_MESSAGE_ID "0a" },
		{ "acknowledged", ENTRY_MESSAGE_ID "0b" }, { "flapping", ENTRY_MESSAGE_ID "0f" },
		{ "stable", ENTRY_MESSAGE_ID "10" }, { "happened", ENTRY_MESSAGE_ID "11" } };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (streq(kinds[i].word, word))
			return kinds[i].id;
	return NULL;
}

static json_t *
number_or_null(const json_t *entry, const char *name)
{
	const char *text = entry_field(entry, name);
	char *end;
	double value = strtod(text, &end);

	return *text && !*end ? json_real(value) : json_null();
}

static json_t *
integer(const json_t *entry, const char *name)
{
	return json_integer((json_int_t)strtoll(entry_field(entry, name), NULL, 10));
}

static json_t *
labels_of(const json_t *entry)
{
	json_t *labels = json_object(), *value;
	const char *name;

	json_object_foreach ((json_t *)(uintptr_t)entry, name, value) {
		_cleanup_free_ char *label = NULL;

		if (strncmp(name, LABEL_PREFIX, strlen(LABEL_PREFIX)) != 0)
			continue;
		label = xstrdup(name + strlen(LABEL_PREFIX));
		for (char *p = label; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		json_object_set(labels, label, value);
	}
	return labels;
}

json_t *
entry_event_json(const json_t *entry, uint64_t sequence)
{
	static const struct {
		const char *name, *field;
	} texts[] = {
		{ "event_id", "DBHEALTH_EVENT_ID" },
		{ "server", "DBHEALTH_SERVER" },
		{ "database", "DBHEALTH_DATABASE" },
		{ "engine", "DBHEALTH_ENGINE" },
		{ "probe", "DBHEALTH_PROBE" },
		{ "check", "DBHEALTH_CHECK" },
		{ "what", "DBHEALTH_WHAT" },
		{ "title", "DBHEALTH_TITLE" },
		{ "object", "DBHEALTH_OBJECT" },
		{ "severity", "DBHEALTH_SEVERITY" },
		{ "previous_severity", "DBHEALTH_PREVIOUS_SEVERITY" },
		{ "message", "MESSAGE" },
		{ "reason", "DBHEALTH_REASON" },
		{ "unit", "DBHEALTH_UNIT" },
		{ "threshold", "DBHEALTH_THRESHOLD" },
		{ "remedy", "DBHEALTH_REMEDY" },
		{ "finding", "DBHEALTH_FINDING_ID" },
		{ "caused_by", "DBHEALTH_CAUSED_BY" },
		{ "since", "DBHEALTH_SINCE" },
	};
	char stamp[CLOCK_RFC3339_SIZE];
	json_t *o = json_object();

	clock_rfc3339(strtoll(entry_field(entry, ENTRY_TIME), NULL, 10), stamp);
	json_object_set_new(o, "id", json_integer((json_int_t)sequence));
	json_object_set_new(o, "time", json_string(stamp));
	json_object_set_new(o, "kind", json_string(entry_kind_word(entry)));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		json_object_set_new(
		    o, texts[i].name, json_string(entry_field(entry, texts[i].field)));
	json_object_set_new(o, "value", number_or_null(entry, "DBHEALTH_VALUE"));
	json_object_set_new(o, "count", integer(entry, "DBHEALTH_COUNT"));
	json_object_set_new(
	    o, "quiet", json_boolean(*entry_field(entry, "DBHEALTH_QUIET") != '\0'));
	json_object_set_new(o, "labels", labels_of(entry));
	return o;
}
