#pragma once
#include "check/eval.h"
/*
 * What is usual on a scope for its checks with thresholds in mad: asked of the history for all of them
 * at once a few times a day, kept by object for the next hours.
 */
struct scope;
struct checkup;
struct usuals;
/* From the context of a check that is about to be judged: asks when it is time.  Never waits. */
void usuals_refresh(struct checkup *);
/* eval_context.usual; arg is the checkup. */
bool usuals_tell(
    const void *arg, const char *object, int64_t wall_us, double value, struct usual *ret);
void usuals_forget(struct scope *); /* it is another one now, or goes */
