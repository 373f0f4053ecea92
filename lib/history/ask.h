#pragma once
#include "base/base.h"
/*
 * What the loop may ask of the history without seeing a point of it: the points are read and put
 * together where they are, in a worker, and the answer is small.
 *
 *   {"checks": {"CHECK": {"OBJECT": {...}}}}
 *
 * What stands for an object is the business of the kind: forecast.h, of daemon/history_forecast.c;
 * the baselines of daemon/history_baseline.c.  A check or object without enough of a past is left out.
 */
enum history_ask_kind {
	HISTORY_ASK_FORECAST = 0, /* where each number is going */
	HISTORY_ASK_BASELINE,     /* how each usually is at this hour of the week */
	HISTORY_ASK_KIND_N
};
#define HISTORY_ASK_CHECKS 64 /* of one question */
struct history_ask {
	enum history_ask_kind kind;
	const char *scope; /* name of a database or server */
	char *const *checks;
	int64_t now_s; /* Unix seconds */
};
