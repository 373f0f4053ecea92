#pragma once
#include "cli/cli.h"
#include "conf/conf.h"
/* The files of a section whose path has wildcards, as the daemon would watch them, listed once. */
struct fleet_list {
	char *folder, *pattern;
	char **names;  /* as fleet_name() writes them, in their order */
	json_t *state; /* FLEET_STATE */
};
/* 0, or an exit code with why. */
int fleet_list(
    const struct conf_database *, int64_t budget_us, struct fleet_list *ret, struct err *);
void fleet_list_done(struct fleet_list *);
/* What is no member though the pattern names it: "3 symbolic links, ..."; "" for nothing. */
char *fleet_list_note(const struct fleet_list *) _must_check_;
