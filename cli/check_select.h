#pragma once
#include "cli/cli.h"
#include "conf/conf.h"
/*
 * The configuration of one look: the databases that arguments, $DATABASE_URL, -c or the host's
 * configuration name.  None at all: whatever PostgreSQL this host has.  0 and *ret, or an exit
 * code after having said why.
 */
int check_select(const struct cli *, struct conf **ret);
