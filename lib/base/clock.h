#pragma once
#include "base/base.h"
/* Monotonic microseconds for everything that waits; wall microseconds (Unix epoch) for stamps. */
#define USEC_PER_SEC  INT64_C(1000000)
#define USEC_PER_MSEC INT64_C(1000)
int64_t clock_now_us(void);  /* CLOCK_MONOTONIC: excludes suspend */
int64_t clock_wall_us(void); /* CLOCK_REALTIME */
#define CLOCK_RFC3339_SIZE 32
/* "2026-03-01T09:12:00.123Z" */
void clock_rfc3339(int64_t wall_us, char buf[static CLOCK_RFC3339_SIZE]);
int clock_rfc3339_parse(const char *, int64_t *ret_wall_us);
