#pragma once
#include "base/log.h"
#include "conf/conf.h"
#include "finding/finding.h"
#include <jansson.h>
/*
 * What is told, as one JSON object of journal fields (names and values are texts): the same for the
 * journal, for JSON lines, for text, and for the store, which keeps transitions in this form.
 */
enum entry_kind {       /* last two digits of MESSAGE_ID */
	ENTRY_NONE = 0, /* lifecycle: no MESSAGE_ID */
	ENTRY_OPENED = 0x01,
	ENTRY_CHANGED = 0x02,
	ENTRY_RESOLVED = 0x03,
	ENTRY_UNREACHABLE = 0x04,
	ENTRY_REACHABLE = 0x05,
	ENTRY_UNKNOWN = 0x06,
	ENTRY_CONFIG_RELOADED = 0x07,
	ENTRY_CONFIG_REJECTED = 0x08,
	ENTRY_SUMMARY = 0x09,
	ENTRY_EVENT = 0x0a,
	ENTRY_ACKNOWLEDGED = 0x0b,
	ENTRY_STATE_MOVED = 0x0c,
	ENTRY_CHECK_REJECTED = 0x0d,
	ENTRY_DROPPED = 0x0e,
	ENTRY_FLAPPING = 0x0f,
	ENTRY_STABLE = 0x10,
	ENTRY_HAPPENED = 0x11,
};
/* Before the two digits. */
#define ENTRY_MESSAGE_ID  "6d1f0c5b1d0f4a5c8a0be4a2d3c7e1"
#define ENTRY_MESSAGE_MAX 300                    /* bytes */
#define ENTRY_TIME        "__REALTIME_TIMESTAMP" /* microseconds, as journalctl -o json has it */

const char *entry_field(const json_t *, const char *name); /* "" when it is not there */
enum entry_kind entry_kind(const json_t *);
/* The MESSAGE_ID of the kind that the API names so; NULL: no such kind, or one without. */
const char *entry_message_id(const char *kind_word);
/* Something that happened, told once (MESSAGE_ID 0a). */
bool entry_is_event(const json_t *);
/* The entry as the API and [alert] give it (docs/schema/events.json); sequence: its number in the log. */
json_t *entry_event_json(const json_t *entry, uint64_t sequence) _must_check_;
/* The word for its kind there. */
const char *entry_kind_word(const json_t *);
/* labels: of the database in the configuration; may be none. */
char *entry_transition(
    const struct transition *, const struct conf_pair *labels, size_t nlabels) _must_check_;
/* FINDINGID-SEQUENCE */
#define ENTRY_ID_SIZE (SHA_ID_SIZE + 24)
void entry_id(const struct finding *, char ret[static ENTRY_ID_SIZE]);
/* Of a server as a whole database is "".  reason NULL: it answers again. */
char *entry_unknown(const char *server, const char *database, enum engine, enum probe,
    const char *reason, size_t checks) _must_check_;
char *entry_summary(const char *server, const char *database, const char *text) _must_check_;
/* Everything else; reason may be NULL, count 0. */
char *entry_note(enum entry_kind, const char *reason, size_t count, const char *fmt, ...)
    _printf_(4, 5) _must_check_;
/* changes: in short words, one each, most important first; none: nothing changed. */
char *entry_reloaded(char *const *changes) _must_check_;
/* errors: as --check-config says them, the first first. */
char *entry_rejected(char *const *errors) _must_check_;
/* No transition: labels as above. */
struct monitor_event;
char *entry_event(
    const struct monitor_event *, const struct conf_pair *labels, size_t nlabels) _must_check_;
char *entry_acknowledged(const struct finding *, const char *who) _must_check_;
/* Made, begun or over: in words. */
struct silence;
char *entry_silence(const struct silence *, const char *text) _must_check_;
char *entry_log(enum log_level, const char *line) _must_check_;
