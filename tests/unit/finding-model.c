/*
 * The reference model of a finding's life.  It shares nothing with lib/finding but the words of the
 * contract, and prefers being obvious to being fast.
 */
#include "finding-model.h"
#include "base/str.h"
#include <stdio.h>

static void
say(struct model_words *words, int key, char what, int severity)
{
	char *w = words->w[words->n++];

	assert(words->n <= MODEL_WORDS);
	if (key == MODEL_MORE)
		w += snprintf(w, sizeof(words->w[0]), "*");
	else
		*w++ = (char)('a' + key);
	if (what == '-')
		snprintf(w, 4, "-");
	else
		snprintf(w, 4, "%c%d", what, severity);
}

/* ---- looking back ---- */

struct stretch {
	unsigned samples;
	int64_t since;
};

/* The unbroken stretch at the end of all that was seen, at that severity or worse; or good. */
static struct stretch
stretch_of(const struct model_key *k, int severity)
{
	struct stretch s = { 0 };
	unsigned sample = 0;

	for (size_t i = k->nseen; i > 0; i--) {
		const struct model_seen *o = &k->seen[i - 1];

		if (severity > 0 ? o->severity < severity : o->severity != 0)
			break;
		s.samples += s.samples == 0 || o->sample != sample;
		sample = o->sample;
		s.since = o->t;
	}
	return s;
}

static bool
has_lasted(const struct model *m, const struct model_key *k, int severity, int64_t t)
{
	struct stretch s = stretch_of(k, severity);
	int wait = m->rules.for_s[severity];

	if (s.samples == 0)
		return false;
	if (m->rules.kind == KIND_SCRUB)
		return true;
	if (s.samples < 2 && (m->rules.kind == KIND_FINDING || wait > 0))
		return false;
	return t - k->lost - s.since >= wait;
}

static bool
has_cleared(const struct model *m, const struct model_key *k, int64_t t)
{
	struct stretch s = stretch_of(k, 0);

	if (s.samples < 2)
		return false;
	return m->rules.kind == KIND_SCRUB || t - k->lost - s.since >= m->rules.clear_s;
}

static void
see(struct model *m, struct model_key *k, int severity, int64_t t)
{
	assert(k->nseen < MODEL_STEPS);
	k->seen[k->nseen++] = (struct model_seen){ t - k->lost, severity, m->sample };
	k->last = t;
}

/* The sample that was there already, by other rules: it does not count twice. */
static void
see_again(struct model *m, struct model_key *k, int severity, int64_t sampled, int64_t t)
{
	see(m, k, severity, sampled);
	k->last = t;
	if (k->nseen > 1)
		k->seen[k->nseen - 1].sample = k->seen[k->nseen - 2].sample;
}

/* ---- what it does ---- */

static void
fresh(struct model_key *k)
{
	k->stale = k->gone_for_good = false;
}

static void
end(struct model *m, int key, struct model_words *words)
{
	struct model_key *k = &m->keys[key];

	say(words, key, '-', 0);
	k->open = k->now = 0;
	k->flaps = k->pending = k->acked = false;
	k->nmoves = 0;
	k->nseen = 0;
	fresh(k);
}

/* How often it moved within the window that ends at t; what lies before is out of mind. */
static size_t
moves_lately(const struct model *m, struct model_key *k, int64_t t)
{
	size_t n = 0;

	for (size_t i = 0; i < k->nmoves; i++)
		if (t - k->moves[i] < m->rules.window_s)
			k->moves[n++] = k->moves[i];
	return k->nmoves = n;
}

/* It is `to` from now on: what of that is told? */
static void
become(struct model *m, int key, int to, bool by_rule, int64_t t, struct model_words *words)
{
	struct model_key *k = &m->keys[key];
	int shown = k->open;

	if (!by_rule && !k->flaps)
		moves_lately(m, k, t);
	if (!by_rule)
		k->moves[k->nmoves++] = t;
	if (k->flaps) {
		if (to == 0 && by_rule) {
			end(m, key, words);
			return;
		}
		k->now = to;
		if (to <= shown)
			return;
		say(words, key, '>', to);
		k->open = to;
		k->acked = false;
		return;
	}
	k->pending = false;
	if (!by_rule && m->rules.flaps > 0 && k->nmoves > m->rules.flaps) {
		k->flaps = true;
		k->now = to;
		k->open = MAX(shown, to);
		k->acked = k->acked && to <= shown;
		say(words, key, '~', k->open);
		return;
	}
	if (to == 0) {
		size_t n = by_rule ? 0 : k->nmoves;

		end(m, key, words);
		k->nmoves = n;
		return;
	}
	say(words, key, shown ? '>' : '+', to);
	k->acked = k->acked && shown && to < shown;
	k->open = k->now = to;
}

/* A sample found it as it was: perhaps it has come to rest. */
static void
rest(struct model *m, int key, int64_t t, struct model_words *words)
{
	struct model_key *k = &m->keys[key];

	if (!k->flaps || stretch_of(k, k->now + 1).samples > 0)
		return;
	if (m->rules.flaps > 0 && 2 * (t - k->moves[k->nmoves - 1]) < m->rules.window_s)
		return;
	say(words, key, '=', k->now);
	k->open = k->now;
	k->flaps = false;
	k->nmoves = 0;
	k->acked = k->acked && k->open;
}

/* ---- one row ---- */

static void
breaches(struct model *m, int key, const struct model_look *l, int severity, bool counts, int64_t t,
    struct model_words *words)
{
	struct model_key *k = &m->keys[key];
	int worst = 0, to = severity;

	fresh(k);
	if (counts && l->again)
		see_again(m, k, severity, l->sampled, t);
	else if (counts)
		see(m, k, severity, t);
	else if (l->held && !k->now)
		see(m, k, -1, k->last); /* from when that is over */
	else if (stretch_of(k, 0).samples > 0)
		see(m, k, -1, k->last); /* what was good is refuted */
	else if (stretch_of(k, severity + 1).samples > 0)
		see_again(m, k, severity, k->last, k->last); /* and so is what was worse */
	for (int s = 1; counts && s <= severity; s++)
		if (has_lasted(m, k, s, t))
			worst = s;
	if (k->now && severity > k->now)
		to = MAX(worst, k->now);
	k->pending = k->pending || !k->open;
	if (!k->now) {
		if (worst)
			become(m, key, worst, l->again, t, words);
	} else if (to != k->now) {
		become(m, key, to, l->again, t, words);
	} else if (counts && !l->again) {
		rest(m, key, t, words);
	}
}

static void
forget_pending(struct model_key *k)
{
	k->pending = false;
	k->nseen = 0;
}

static void
holds(struct model *m, int key, bool valued, bool again, int64_t t, struct model_words *words)
{
	struct model_key *k = &m->keys[key];

	if (!k->open) {
		forget_pending(k);
		return;
	}
	see(m, k, -1, t);
	k->stale = !valued;
	if (!valued) {
		k->gone_for_good = false;
		return;
	}
	fresh(k);
	if (!again)
		rest(m, key, t, words);
}

static void
is_good(struct model *m, int key, const struct model_look *l, int64_t t, struct model_words *words)
{
	struct model_key *k = &m->keys[key];
	bool moved = l->again && stretch_of(k, 0).samples == 0;

	if (!k->open) {
		forget_pending(k);
		return;
	}
	if (l->held)
		return;
	fresh(k);
	if (!k->now) { /* good already, beneath the flapping */
		see(m, k, -1, t);
		if (!l->again)
			rest(m, key, t, words);
		return;
	}
	if (l->again)
		see_again(m, k, 0, t, t);
	else
		see(m, k, 0, t);
	if (moved || has_cleared(m, k, t))
		become(m, key, 0, l->again, t, words);
	if (!k->open || !k->now)
		k->nseen = 0;
}

/* ---- one look ---- */

static size_t
open_keys(const struct model *m)
{
	size_t n = 0;

	for (int k = 0; k < MODEL_KEYS; k++)
		n += m->keys[k].open > 0;
	return n;
}

/* What is open has its place; the others are served by severity, pending ones first, by row. */
static void
give_places(const struct model *m, const struct model_look *l, bool *place)
{
	size_t open = open_keys(m), left = m->rules.max > open ? m->rules.max - open : 0;

	for (size_t i = 0; i < l->n; i++)
		place[i] = l->rows[i].severity > 0 && m->keys[l->rows[i].key].open;
	for (int rank = 2 * SEVERITY_CRITICAL + 1; rank >= 2; rank--)
		for (size_t i = 0; i < l->n && left > 0; i++) {
			const struct model_key *k = &m->keys[l->rows[i].key];

			if (k->open || l->rows[i].severity <= 0 ||
			    2 * l->rows[i].severity + k->pending != rank)
				continue;
			place[i] = true;
			left--;
		}
}

static void
occurs(struct model *m, const struct model_row *r, int64_t t, struct model_words *words)
{
	int key = m->keys[r->key].open || open_keys(m) < m->rules.max ? r->key : MODEL_MORE;
	struct model_key *k = &m->keys[key];

	k->over = m->rules.hold_s ? t + m->rules.hold_s : INT64_MAX;
	if (!k->open) {
		say(words, key, '+', r->severity);
		k->open = k->now = r->severity;
		k->acked = false;
		fresh(k);
	} else if (r->severity > k->open) {
		say(words, key, '>', r->severity);
		k->open = k->now = r->severity;
	}
	fresh(k);
}

static void
look_at_events(struct model *m, const struct model_look *l, int64_t t, struct model_words *words)
{
	bool listed[MODEL_KEYS] = { 0 }, stays = m->rules.hold_s == 0;

	for (int k = 0; l->state == 'C' && k <= MODEL_MORE; k++)
		fresh(&m->keys[k]);
	for (size_t i = 0; !l->late && i < l->n; i++) {
		const struct model_row *r = &l->rows[i];
		struct model_key *k = &m->keys[r->key];
		bool grew = r->value > k->known, other = r->value != k->known;
		bool news = !k->is_known ? m->baselined || (stays && r->value != 0)
		            : k->absent  ? other
		                         : grew || (stays && other && r->value != 0);

		listed[r->key] = k->is_known = true;
		k->known = r->value;
		k->absent = false;
		if (news && r->severity > 0)
			occurs(m, r, t, words);
	}
	for (int k = 0; !l->late && l->state == 'C' && k < MODEL_KEYS; k++)
		m->keys[k].absent = !listed[k];
	m->baselined = m->baselined || (l->state == 'C' && !l->late);
}

static bool
is_looked_at(const struct model_look *l, int key)
{
	return l->item < 0 || (key != MODEL_MORE && key % 2 == l->item);
}

static void
make_stale(struct model_key *k)
{
	k->stale = true;
	k->gone_for_good = false;
}

static void
stale_all(struct model *m, const struct model_look *l)
{
	for (int k = 0; k <= MODEL_MORE; k++)
		if (m->keys[k].open && (!l || is_looked_at(l, k)))
			make_stale(&m->keys[k]);
}

/* The one finding for all without a place; of a scrub, those of every item. */
static void
the_rest(struct model *m, const struct model_look *l, size_t without, int worst, int64_t t,
    struct model_words *words)
{
	const struct model_key *more = &m->keys[MODEL_MORE];
	bool sound = !l->late && (l->state != 'T' || m->rules.kind != KIND_FINDING);
	int mildest = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->rows[i].severity > 0 && (!mildest || l->rows[i].severity < mildest))
			mildest = l->rows[i].severity;
	if (l->item >= 0) {
		if (l->state == 'C' || without > 0)
			m->without[l->item] = without;
		without = m->without[0] + m->without[1];
		if (without > 0 && !worst && !more->open && !mildest)
			return; /* an item that has nothing says nothing of what others have */
		if (!worst)
			worst = more->open ? more->open : mildest;
	}
	if (without > 0 && (sound || more->open))
		breaches(m, MODEL_MORE, l, worst, sound && !l->held, t, words);
	else if (without == 0 && l->state == 'C' && (more->open || more->pending))
		is_good(m, MODEL_MORE, l, t, words);
}

void
model_look(struct model *m, const struct model_look *l, int64_t t, struct model_words *words)
{
	bool place[MODEL_KEYS] = { 0 }, seen[MODEL_KEYS + 1] = { 0 }, all = l->state == 'C';
	bool sound = !l->late && (l->state != 'T' || m->rules.kind != KIND_FINDING);
	bool counts = sound && !l->held, any = false;
	size_t without = 0;
	int worst = 0;

	for (size_t i = 0; i < l->n; i++)
		any = any || l->rows[i].severity > 0;
	if (l->state == 'W' || (l->state == 'U' && !any)) {
		stale_all(m, l);
		return;
	}
	if (m->rules.kind == KIND_EVENT) {
		look_at_events(m, l, t, words);
		return;
	}
	if (!l->again)
		m->sample++;

	give_places(m, l, place);
	for (size_t i = 0; i < l->n; i++) {
		const struct model_row *r = &l->rows[i];
		struct model_key *k = &m->keys[r->key];

		if (r->severity <= 0)
			continue;
		if (!place[i]) {
			without++;
			worst = MAX(worst, r->severity);
			if (k->pending && sound)
				forget_pending(k);
			seen[r->key] = true;
			continue;
		}
		seen[r->key] = true;
		if (sound || k->open)
			breaches(m, r->key, l, r->severity, counts, t, words);
	}
	for (size_t i = 0; all && i < l->n; i++) {
		const struct model_row *r = &l->rows[i];

		if (r->severity != -1 || !(m->keys[r->key].open || m->keys[r->key].pending))
			continue;
		seen[r->key] = true;
		holds(m, r->key, r->valued, l->again, t, words);
	}
	for (int k = 0; all && k < MODEL_KEYS; k++)
		if (!seen[k] && is_looked_at(l, k) && (m->keys[k].open || m->keys[k].pending))
			is_good(m, k, l, t, words);
	the_rest(m, l, without, worst, t, words);
	for (int k = 0; l->state == 'U' && k < MODEL_KEYS; k++)
		if (!seen[k] && m->keys[k].open && is_looked_at(l, k))
			make_stale(&m->keys[k]);
}

/* ---- everything else ---- */

void
model_time(struct model *m, int64_t t, struct model_words *words)
{
	for (int k = 0; m->rules.kind == KIND_EVENT && k <= MODEL_MORE; k++)
		if (m->keys[k].open && t >= m->keys[k].over)
			end(m, k, words);
}

int
model_ack(struct model *m, int key, struct model_words *words)
{
	struct model_key *k = &m->keys[key];

	if (!k->open)
		return -ENOENT;
	if (k->acked && !k->gone_for_good)
		return -EALREADY;
	k->acked = true;
	if (m->rules.kind == KIND_EVENT || k->gone_for_good)
		end(m, key, words);
	return 0;
}

void
model_drop(struct model *m, bool loud, struct model_words *words)
{
	for (int k = 0; k <= MODEL_MORE; k++) {
		struct model_key *x = &m->keys[k];

		if (!loud || x->pending)
			x->nmoves = 0;
		if (loud && x->open)
			end(m, k, words);
		x->open = x->now = 0;
		x->flaps = x->acked = x->is_known = x->absent = false;
		x->known = 0;
		fresh(x);
		forget_pending(x);
	}
	m->baselined = false;
	m->without[0] = m->without[1] = 0;
}

void
model_stale(struct model *m)
{
	stale_all(m, NULL);
}

void
model_lose(struct model *m)
{
	for (int k = 0; k <= MODEL_MORE; k++) {
		if (m->keys[k].open)
			m->keys[k].stale = m->keys[k].gone_for_good = true;
		else if (m->keys[k].pending)
			forget_pending(&m->keys[k]);
	}
}

void
model_cap(struct model *m, int severity, struct model_words *words)
{
	for (int k = 0; k <= MODEL_MORE; k++) {
		struct model_key *x = &m->keys[k];

		if (x->open <= severity)
			continue;
		say(words, k, '>', severity);
		x->open = severity;
		x->now = MIN(x->now, severity);
	}
}

void
model_restart(struct model *m, int64_t t)
{
	for (int k = 0; k <= MODEL_MORE; k++) {
		m->keys[k].lost += t - m->keys[k].last;
		m->keys[k].last = t;
	}
}
