/* Files beside applied rows. */
#include "migrate/plan.h"
#include "base/str.h"

const char *const migrate_state_names[MIGRATE_STATE_N] = { "applied", "pending", "out of order",
	"changed", "missing", "unfinished" };

/* By value where both are digits alone: 9 comes before 10, and 007 is 7 but another version. */
static int
compare_versions(const char *a, const char *b)
{
	const char *x = a + strspn(a, "0"), *y = b + strspn(b, "0");
	size_t nx = strspn(x, "0123456789"), ny = strspn(y, "0123456789");

	if (!x[nx] && !y[ny] && nx != ny)
		return nx < ny ? -1 : 1;
	return strcmp(x, y) ? strcmp(x, y) : strcmp(a, b);
}

static int
by_version(const void *a, const void *b)
{
	return compare_versions(
	    ((const struct migrate_step *)a)->version, ((const struct migrate_step *)b)->version);
}

bool
migrate_is_unfinished(const struct migrate_applied *a)
{
	return a->unfinished && a->recorded == a->reverting;
}

/* A row of ours alone is what is left where another tool went back. */
static bool
counts(const struct migrate_applied *a)
{
	return a->recorded || migrate_is_unfinished(a);
}

static enum migrate_state
state_of(const struct migrate_step *s, bool behind)
{
	if (s->applied && migrate_is_unfinished(s->applied))
		return MIGRATE_UNFINISHED;
	if (!s->applied)
		return behind ? MIGRATE_OUT_OF_ORDER : MIGRATE_PENDING;
	if (!s->script)
		return MIGRATE_MISSING;
	if (s->applied->sum && !streq(s->applied->sum, s->script->sum))
		return MIGRATE_CHANGED;
	return MIGRATE_APPLIED;
}

/* Puts each applied row beside the file of its version, or behind all of them. */
static void
put_applied(
    struct migrate_plan *p, size_t nscripts, const struct migrate_applied *applied, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct migrate_step key = { .version = applied[i].version };
		struct migrate_step *s = bsearch(&key, p->v, nscripts, sizeof(*p->v), by_version);

		if (!counts(&applied[i]))
			continue;
		if (!s)
			s = &p->v[p->n++];
		s->version = applied[i].version;
		s->applied = &applied[i];
	}
}

static void
judge(struct migrate_plan *p)
{
	bool behind = false;

	for (size_t i = p->n; i-- > 0;) {
		struct migrate_step *s = &p->v[i];

		s->state = state_of(s, behind);
		behind |= s->applied && s->applied->recorded;
		if (s->state == MIGRATE_PENDING)
			p->npending++;
		else if (s->state != MIGRATE_APPLIED)
			p->nproblems++;
	}
}

int
migrate_plan_make(const struct migrate_script *scripts, size_t nscripts,
    const struct migrate_applied *applied, size_t napplied, struct migrate_plan *ret, struct err *e)
{
	struct migrate_plan p = { .v = xcalloc(nscripts + napplied + 1, sizeof(*p.v)) };

	for (size_t i = 0; i < nscripts; i++) {
		p.v[p.n].version = scripts[i].version;
		p.v[p.n++].script = &scripts[i];
	}
	qsort(p.v, p.n, sizeof(*p.v), by_version);
	for (size_t i = 1; i < p.n; i++) {
		if (streq(p.v[i].version, p.v[i - 1].version)) {
			int r = err_set(e, -EEXIST,
			    "%.150s and %.150s have the same version; give one of them another",
			    p.v[i - 1].script->file, p.v[i].script->file);

			free(p.v);
			return r;
		}
	}
	put_applied(&p, nscripts, applied, napplied);
	qsort(p.v, p.n, sizeof(*p.v), by_version);
	judge(&p);
	*ret = p;
	return 0;
}

void
migrate_plan_done(struct migrate_plan *p)
{
	free(p->v);
	*p = (struct migrate_plan){ 0 };
}

/* ---- what was asked for ---- */

static const char *
name_of(const struct migrate_step *s)
{
	return s->script ? s->script->file : s->version;
}

int
migrate_plan_find(const struct migrate_plan *p, const char *revision, size_t *ret, struct err *e)
{
	size_t found = p->n;

	for (size_t i = 0; i < p->n; i++) {
		if (streq(p->v[i].version, revision) || streq(name_of(&p->v[i]), revision)) {
			*ret = i;
			return 0;
		}
	}
	for (size_t i = 0; i < p->n; i++) {
		if (!str_starts(name_of(&p->v[i]), revision))
			continue;
		if (found < p->n)
			return err_set(e, -ENOTUNIQ, "%.100s begins both %.150s and %.150s",
			    revision, name_of(&p->v[found]), name_of(&p->v[i]));
		found = i;
	}
	if (found == p->n)
		return err_set(e, -ENOENT,
		    "no migration has the version or name %.100s (dbhealth migrate history)",
		    revision);
	*ret = found;
	return 0;
}

static int
refuse_unfinished(const struct migrate_plan *p, struct err *e)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].state == MIGRATE_UNFINISHED)
			return err_set(e, -EINVAL,
			    "%.150s began outside a transaction and was cut off; see dbhealth "
			    "migrate status, then say what it is with dbhealth migrate resolve",
			    name_of(&p->v[i]));
	return 0;
}

int
migrate_plan_up(const struct migrate_plan *p, const char *revision, bool out_of_order,
    const struct migrate_step ***ret, size_t *ret_n, struct err *e)
{
	_cleanup_free_ const struct migrate_step **v = xcalloc(p->n + 1, sizeof(*v));
	size_t last = p->n, n = 0;
	int r = refuse_unfinished(p, e);

	if (r >= 0 && !streq(revision, "head")) {
		r = migrate_plan_find(p, revision, &last, e);
		last++;
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < last; i++) {
		const struct migrate_step *s = &p->v[i];

		if (s->state == MIGRATE_OUT_OF_ORDER && !out_of_order)
			return err_set(e, -EINVAL,
			    "%.200s is older than what is applied: give it a newer version, or say "
			    "--out-of-order to run it now",
			    name_of(s));
		if (s->state == MIGRATE_PENDING || s->state == MIGRATE_OUT_OF_ORDER)
			v[n++] = s;
	}
	*ret = TAKE_PTR(v);
	*ret_n = n;
	return 0;
}

static int
may_go_down(const struct migrate_step *s, struct err *e)
{
	if (!s->script)
		return err_set(
		    e, -EINVAL, "%.200s: its file is missing, so there is no way down", s->version);
	if (s->script->down.line == 0)
		return err_set(e, -EINVAL, "%.200s has no -- migrate:down", s->script->file);
	return 0;
}

int
migrate_plan_down(const struct migrate_plan *p, const char *revision,
    const struct migrate_step ***ret, size_t *ret_n, struct err *e)
{
	_cleanup_free_ const struct migrate_step **v = xcalloc(p->n + 1, sizeof(*v));
	size_t stop = 0, n = 0, most = p->n;
	int r = refuse_unfinished(p, e);

	if (r < 0)
		return r;
	if (*revision == '-') {
		char *end;

		errno = 0;
		most = strtoul(revision + 1, &end, 10);
		if (errno || *end || most == 0 || !revision[1])
			return err_set(e, -EINVAL, "%.60s: how many? such as -1", revision);
	} else if (!streq(revision, "base")) {
		r = migrate_plan_find(p, revision, &stop, e);
		if (r < 0)
			return r;
		stop++;
	}
	for (size_t i = p->n; i-- > stop && n < most;) {
		const struct migrate_step *s = &p->v[i];

		if (!s->applied)
			continue;
		r = may_go_down(s, e);
		if (r < 0)
			return r;
		v[n++] = s;
	}
	*ret = TAKE_PTR(v);
	*ret_n = n;
	return 0;
}
