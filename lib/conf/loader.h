#pragma once
#include "conf/merge.h"
/* What reads one configuration; each kind of section fills its part of conf (conf.c, silence.c). */
struct loader {
	struct conf *conf;
	struct snapshot *outside;
	struct err_list *errors;
};
/* Expands and judges one value.  NULL when it was reported; base NULL: judged only. */
char *loader_read_entry(struct loader *, const struct merged_section *, const struct merged_entry *,
    void *base) _must_check_;
/* Defaults, then what the section says, into the struct at base; required keys are asked for. */
void loader_read_fields(struct loader *, const struct merged_section *, void *base);

/* backup.c */
void loader_read_backup(struct loader *, const struct merged_section *);
/* archive.c */
void loader_read_archive(struct loader *, const struct merged_section *);
/* silence.c */
void loader_read_silence(struct loader *, const struct merged_section *);
/* routine.c */
void loader_read_routine(struct loader *, const struct merged_section *);
