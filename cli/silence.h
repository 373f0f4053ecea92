#pragma once
#include "cli/cli.h"
/* What the commands of silences and accepts share (silence.c). */
/* 0, or an exit code after having asked for one. */
int silence_need_reason(const struct cli *, const char *command);
/* DB, DB/CHECK or DB/CHECK/OBJECT-GLOB, each part a glob, DB the longest name that is watched; an
 * empty or no DB: any.  Sets those members of body; 0 or an exit code. */
int silence_set_target(const struct cli *, const char *text, json_t *body);
/* POST, and what came back: 0 or an exit code after having said why. */
int silence_post(const struct cli *, const char *path, const json_t *body, json_t **ret);
/* The list at path, shown. */
int silence_show_list(const struct cli *, const char *path, const char *member, const char *none);
/* Takes back each that begins with one of the arguments. */
int silence_take_back(struct cli *, const char *path, const char *member, const char *what);
/* "warning: ..." on stderr, where the answer has one. */
void silence_warn(const struct cli *, const json_t *answer);
