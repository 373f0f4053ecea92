#pragma once
#include "base/base.h"
/*
 * Checks of source self: whether our own checks answer.  They ask nothing, so they belong to no run of
 * a probe: the heartbeat judges them.
 */
struct monitor;
struct checkup;

void self_tick(struct monitor *, int64_t now_us);
/* The loop came so late that it was suspended or starved; what was due meanwhile is not overdue. */
void self_note_late(struct monitor *, int64_t now_us);
bool checkup_is_self(const struct checkup *);
