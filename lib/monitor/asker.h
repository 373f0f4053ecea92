#pragma once
#include "base/err.h"
#include "history/ask.h"
#include <jansson.h>
/*
 * Questions of the monitor to the history, one at a time however many scopes have one: the others
 * wait in line.  From the loop; never blocks.
 */
struct monitor;
struct asker;
struct asker_question;
/* answer: borrowed; NULL: it failed, err says why.  Not called once it is forgotten. */
typedef void (*asker_fn)(const json_t *answer, const struct err *, void *arg);
struct asker *asker_new(struct monitor *) _must_check_;
/* What waits is told that it failed; who asks from then on gets NULL.  Returns NULL. */
struct asker *asker_free(struct asker *);
/* Whether there is a history at all: dbhealth check has none. */
bool asker_has_history(const struct monitor *);
/* checks: names, copied.  NULL: there is no history. */
struct asker_question *asker_ask(struct monitor *, enum history_ask_kind, const char *scope,
    char *const *checks, asker_fn, void *arg) _must_check_;
void asker_forget(struct asker_question *); /* also NULL */
