#pragma once
#include "cli/admin.h"
/* What `dbhealth release-check` finds, step by step. */
enum release_state {
	RELEASE_OK = 0,
	RELEASE_SKIPPED, /* there is nothing of the kind, said in words */
	RELEASE_WARNING,
	RELEASE_FAILED,
	RELEASE_STATE_N
};
extern const char *const release_state_names[RELEASE_STATE_N];
struct release_step {
	const char *id, *title;
	enum release_state state;
	char *summary; /* one line */
	char **lines;  /* more of it */
	json_t *facts; /* an object, or NULL */
};
enum { RELEASE_STEPS_MAX = 8 };
struct release {
	const struct cli *cli;
	const char *arg; /* as given, or NULL */
	struct admin_target target;
	const char *database; /* its name */
	struct release_step steps[RELEASE_STEPS_MAX];
	size_t nsteps;
};
/* The next step; state only ever becomes worse. */
struct release_step *release_add(struct release *, const char *id, const char *title);
void release_worsen(struct release_step *, enum release_state);
void release_line(struct release_step *, const char *fmt, ...) _printf_(2, 3);

/* Each adds its step or steps. */
void release_checks(struct release *);
void release_migrations(struct release *); /* with the lint of those that are pending */
void release_backup(struct release *);
void release_documents(struct release *);

enum release_state release_verdict(const struct release *);
/* Text of 80 columns; markdown: for a page. */
char *release_text(const struct release *, bool markdown) _must_check_;
json_t *release_json(const struct release *) _must_check_;
/* Lines of 79 columns behind what stands there already; and what may stand on a Markdown page. */
struct str;
void release_wrap(struct str *, size_t column, size_t indent, const char *text);
void release_escape(struct str *, const char *text);
void release_done(struct release *);
