#pragma once
#include "cli/cli.h"
/* What the command line knows: options, commands and groups of commands; options.c reads them. */
struct option_entry {
	int id;
	char letter; /* or 0 */
	bool global;
	const char *name, *arg; /* arg NULL: none */
	const char *help, *example;
	size_t flag, text, time; /* where its value goes in struct options as it is; 0: see apply */
};
#define OPTIONS_MAX  128
#define COMMANDS_MAX 64                             /* with the groups */
extern const struct option_entry option_entries[];  /* ended by a NULL name; up to OPTIONS_MAX */
extern const struct command *const commands[];      /* NULL-terminated */
extern const struct command_group command_groups[]; /* ended by a NULL name */
