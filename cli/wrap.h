#pragma once
#include "base/words.h"
#include "cli/cli.h"
/*
 * Other teams' migration tools: the SQL that each would run, where it can say so, and how it is run with
 * everything of ours out of its way.
 */
enum wrap_tool { WRAP_OTHER = 0, WRAP_ALEMBIC, WRAP_DJANGO, WRAP_DBMATE };
enum wrap_tool wrap_tool_of(char *const *argv);
/*
 * What it would run, owned; NULL: it cannot say, *ret_why tells (owned).  current: Alembic's revision,
 * NULL: none.
 */
char *wrap_sql(enum wrap_tool, char *const *argv, const char *current, char **ret_why) _must_check_;
/* stdout of a program whose stdin is empty, owned; NULL: it failed, *ret_why tells. */
char *wrap_capture(const char *const *argv, char **ret_why) _must_check_;
/*
 * With our stdin, stdout and stderr, signals passed on.  Its exit code, 128+N after a signal, 127 or 126
 * when it cannot be started.
 */
int wrap_run(char *const *argv);
