#pragma once
#include "base/words.h"
#include <jansson.h>
/*
 * Which entries of the log of events reach people, decided here alone: for the journal and for every
 * [alert].  The log itself has them all: clients that listen and the timeline see the rest too.
 */
/* What the journal tells: findings of that severity or above, and what is no finding. */
bool entry_is_told(const json_t *entry, enum severity level);
/* What an [alert] is for: findings, and what cannot answer any more, of that severity or above. */
bool entry_alerts(const json_t *entry, enum severity level);
/* The worse of what it is and was; unknown weighs like a warning. */
enum severity entry_severity(const json_t *entry);
