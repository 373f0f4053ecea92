#pragma once
#include "cli/cli.h"
/* Options of the command line and its help, by the tables of option_table.h. */
/*
 * Fills cli->o and cli->command and cli->args (argv is permuted).  0; 1 when help or version was
 * printed and nothing else is to be done; or an exit code after having said why.
 */
int options_parse(int argc, char **argv, struct cli *cli);
void options_done(struct options *);
