#pragma once
#include "report/metrics.h"
/* What every exporter tells of its own process, from /proc/self; its workers are not in it. */
void process_metrics_add(struct exposition *);
