#pragma once
#include "check/cause.h"
#include "finding/finding.h"
/*
 * Which finding explains which: what the checks declare, and the choice among what is there.  Pure, and
 * the same for the same findings in whatever order.
 */
struct cause_rules; /* of all checks */
struct cause_rules *cause_rules_new(void) _must_check_;
void cause_rules_add(struct cause_rules *, const struct check *); /* copies; once each */
struct cause_rules *cause_rules_free(struct cause_rules *);       /* returns NULL */
DEFINE_CLEANUP(struct cause_rules *, cause_rules_free)
/* Whether findings of the check have causes, or may be causes. */
bool cause_rules_concern(const struct cause_rules *, enum engine, const char *check);
/* Whether anything may explain this one. */
bool cause_rules_explain(const struct cause_rules *, const struct finding *);

struct cause_node {
	const struct finding *finding; /* open or pending; of it alone the identity is kept */
	/* The answers. */
	struct cause_node *parent; /* open, and not lost; NULL: it stands for itself */
	bool awaits;               /* something pending may explain it soon */
	enum severity above;       /* the worst of its parents, up to the root */
	/* For the choice itself. */
	struct cause_node *same_place;
	unsigned mark;
};
/*
 * Gives each its parent: among those that the rules name the worst, then the oldest, then by id.
 * Where they would go in a circle the worst of the circle stands for itself.
 */
void causes_choose(const struct cause_rules *, struct cause_node *, size_t n);
