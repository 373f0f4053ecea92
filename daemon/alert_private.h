#pragma once
#include "base/map.h"
#include "daemon/alert.h"
#include <sys/queue.h>
/* One [alert] from the inside. */
struct alert_item { /* one event */
	TAILQ_ENTRY(alert_item) link;
	uint64_t sequence;
	json_t *event;
};
TAILQ_HEAD(alert_items, alert_item);
/* What will be one message; while it is under way nothing is added. */
struct alert_group {
	TAILQ_ENTRY(alert_group) link;
	struct alert *alert; /* borrowed */
	char *key;
	struct alert_items items;
	size_t n;
	int64_t due_us;   /* until then more is waited for */
	int64_t first_us; /* first attempt; 0: none yet */
	unsigned attempts;
	bool busy;
	char *id, *text;        /* of the message, the same at every attempt; NULL: not made yet */
	uint64_t dropped;       /* that the message tells of */
	char *why;              /* exec: what its worker said */
	pid_t program;          /* its group; 0: none runs */
	struct worker_job *job; /* borrowed; exec: while busy */
	struct web_call *call;  /* borrowed; url: while busy */
};
TAILQ_HEAD(alert_groups, alert_group);
struct alert {
	TAILQ_ENTRY(alert) link;
	struct alerts *all; /* borrowed */
	struct conf_alert *conf;
	char *outlet; /* "alert/NAME" */
	struct event_member *member;
	struct alert_groups groups; /* by the time they began; those with attempts first */
	size_t n, busy;
	struct event *turn;
	uint64_t delivered, dropped;
	double tokens; /* messages that may go now */
	int64_t tokens_us;
	bool stopping;    /* nothing new is begun */
	bool throttled;   /* some waited for their turn: they go out as one */
	int64_t retry_us; /* the place is down: not before */
	unsigned failures;
	struct worker_pool *pool;     /* exec */
	struct event *repeat;         /* Alertmanager */
	struct web_call *repeat_call; /* borrowed; NULL: none is under way */
	uint64_t sent_total, failed_total, dropped_total;
};
struct alerts {
	struct event_base *base; /* borrowed, as the log */
	struct event_log *log;
	struct alerts_callbacks on;
	void *arg;
	TAILQ_HEAD(, alert) list;
	struct map *restored; /* name -> JSON */
	struct web *web;      /* NULL until an URL is called */
};

/* ---- alert_queue.c ---- */
bool alert_take(uint64_t sequence, const json_t *entry, void *alert);
void alert_lost(uint64_t n, void *arg);
void alert_queue_free(struct alert *);
/* Looks what is due.  alert_ended is called from the loop for each that begin_fn began. */
void alert_turn(struct alert *);
/* why NULL: it is told. */
void alert_ended(struct alert_group *, const char *why, bool refused);
void alert_set_turn(struct alert *, int64_t after_us);

/* ---- alert_text.c ---- */
void alert_group_render(struct alert_group *);

/* ---- alert_exec.c ---- */
int alert_exec_begin(struct alert_group *, struct err *);
void alert_exec_free(struct alert *);

/* ---- alert_manager.c: whatever has an URL ---- */
int alert_web_begin(struct alert_group *, struct err *);
void alert_repeat(struct alert *); /* tells of all that is open */
void alert_web_free(struct alert *);
