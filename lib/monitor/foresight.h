#pragma once
#include "base/base.h"
/*
 * Checks of source history: how much time is left until what another check of the same scope measures
 * meets its limit.  A scope asks the history for all of them at once, now and then, and judges each
 * by the newest value at every turn.
 */
struct scope;
struct checkup;
struct foresight;
struct foresight *foresight_free(struct foresight *); /* returns NULL */
/* Its turn has come: it is judged by what is known, and the history asked when that is old. */
void foresight_judge(struct checkup *);
