#pragma once
#include "cli/cli.h"
#include "conf/conf.h"
/*
 * The configuration of one look: the databases that arguments, $DATABASE_URL, -c or the host's
 * configuration name.  None at all: whatever PostgreSQL this host has.  0 and *ret, or an exit
 * code after having said why.
 */
int check_select(const struct cli *, struct conf **ret);
/*
 * The same for a command that takes one file: its argument may also be FLEET/FILE, a file of a section
 * whose path has wildcards.  That section is selected and *ret_file is FILE (owned), else NULL.
 */
int check_select_file(const struct cli *, struct conf **ret, char **ret_file);
/* An argument as people see it: what may be a password, also in what is no DSN, is ***. */
char *check_select_show(const char *arg) _must_check_;
