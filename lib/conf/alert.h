#pragma once
#include "base/snapshot.h"
#include "conf/conf.h"
/* [alert NAME] as a whole.  Private to lib/conf. */
/* What no single key can tell; fills argv. */
void alert_judge(
    struct conf_alert *, const char *header, struct snapshot *outside, struct err_list *);
void alert_done(struct conf_alert *);
