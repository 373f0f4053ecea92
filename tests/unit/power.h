#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
/*
 * A writer's life, stopped at every system call.  What a folder holds then is looked at in three
 * ways: as a writer that is killed there leaves it, as a power cut leaves it when nothing is kept
 * that was not synced, and when half of that is.
 */
enum power_kind { POWER_KILLED, POWER_CUT, POWER_TORN, POWER_KIND_N };
struct power {
	const char *dir;     /* of the writer; flat */
	const char *scratch; /* an absent folder for what is looked at */
	/* A process made by fork: tells by *acknowledged, ends by _exit. */
	void (*live)(void *arg, volatile int *acknowledged);
	bool in_worker; /* its worker writes, else it does itself */
	/* At rest in scratch; fails the test itself. */
	void (*look)(enum power_kind, int acknowledged, void *arg);
	void *arg;
	unsigned looks[POWER_KIND_N], stops; /* told: how many there were */
	int acknowledged;
};
/* The status of the life; -1: no process may be traced here. */
int power_walk(struct power *);
/*
 * The same life, with its worker killed before its stop number `at` (0: never); nothing is looked at.
 * *ret_killed: it came so far.
 */
int power_kill(struct power *, unsigned at, bool *ret_killed);
