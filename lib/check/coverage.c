/* What of a check can be answered by one database as it is now. */
#include "check/facts.h"
#include "check/need.h"
#include <stdio.h>

const char *
fact_role_text(enum fact_role role)
{
	switch (role) {
	case FACT_PRIMARY:
		return "primary";
	case FACT_STANDBY:
		return "standby";
	case FACT_ROLE_UNKNOWN:
		break;
	}
	return NULL;
}

void
facts_done(struct facts *facts)
{
	free(facts->flavour);
	free(facts->login);
	free(facts->datname);
	for (size_t i = 0; i < facts->nextensions; i++) {
		free(facts->extensions[i].name);
		free(facts->extensions[i].version);
		free(facts->extensions[i].schema);
	}
	free(facts->extensions);
	for (size_t i = 0; i < facts->nprivileges; i++)
		free(facts->privileges[i].name);
	free(facts->privileges);
	strv_free(facts->tells);
	*facts = (struct facts){ 0 };
}

#define REASON(ret, ...) snprintf((ret)->reason, sizeof((ret)->reason), __VA_ARGS__)

static enum cover
meet_version(const struct need *need, const struct facts *facts, struct coverage *ret)
{
	if (facts->version[0] == 0) {
		REASON(ret, "the server's version is not known yet");
		return COVER_UNKNOWN;
	}
	if (version_compare(facts->version, need->cmp, need->version, need->nversion))
		return COVER_YES;
	REASON(ret, "needs %s; this is %d.%d", need->text, facts->version[0], facts->version[1]);
	return COVER_NOT;
}

static enum cover
meet_extension(const struct need *need, const struct facts *facts, struct coverage *ret)
{
	int have[3];

	for (size_t i = 0; i < facts->nextensions; i++) {
		const struct fact_extension *ext = &facts->extensions[i];

		if (!streq(ext->name, need->name))
			continue;
		version_parse(ext->version, have);
		if (version_compare(have, need->cmp, need->version, need->nversion))
			return COVER_YES;
		REASON(ret, "needs %s; %s is installed (ALTER EXTENSION %s UPDATE)", need->text,
		    ext->version, need->name);
		return COVER_NOT;
	}
	REASON(ret, "extension %s is not installed in this database (CREATE EXTENSION %s)",
	    need->name, need->name);
	return COVER_NOT;
}

static enum cover
meet_role(const struct need *need, const struct facts *facts, struct coverage *ret)
{
	enum fact_role want = streq(need->name, "primary") ? FACT_PRIMARY : FACT_STANDBY;

	if (facts->role == want)
		return COVER_YES;
	if (facts->role == FACT_ROLE_UNKNOWN) {
		REASON(ret, "whether this is a primary or a standby is not known yet");
		return COVER_UNKNOWN;
	}
	REASON(ret, "only on a %s", need->name);
	return COVER_NOT;
}

static enum cover
meet_privilege(const struct need *need, const struct facts *facts, struct coverage *ret)
{
	_cleanup_free_ char *grant = NULL;

	if (facts->superuser)
		return COVER_YES;
	for (size_t i = 0; i < facts->nprivileges; i++) {
		if (!streq(facts->privileges[i].name, need->name))
			continue;
		if (facts->privileges[i].granted)
			return COVER_YES;
		grant = privilege_grant(need->name, facts->login ? facts->login : "dbhealth");
		REASON(ret, "needs the right (%s)", need->name);
		if (grant && strlen(grant) < sizeof(ret->grant))
			snprintf(ret->grant, sizeof(ret->grant), "%s", grant);
		return need->or_uncovered ? COVER_NOT : COVER_UNKNOWN;
	}
	REASON(ret, "whether we have the right (%s) is not known yet", need->name);
	return COVER_UNKNOWN;
}

/* Whether the value is the word, or a JSON array of texts that holds it. */
static bool
value_names(const char *value, const char *word)
{
	_cleanup_free_ char *quoted = NULL;

	if (*value != '[')
		return streq(value, word);
	/* a quote inside a text stands behind a backslash, so this ends where the text does */
	quoted = xasprintf("\"%s\"", word);
	return strstr(value, quoted) != NULL;
}

static enum cover
meet_configured(const struct need *need, const struct facts *facts, struct coverage *ret)
{
	const char *value =
	    facts->configured ? facts->configured(facts->configured_arg, need->name) : NULL;

	if (!value || !*value)
		REASON(ret, "%s is not configured for this database", need->name);
	else if (need->word && !value_names(value, need->word))
		REASON(ret, "%s does not name %s for this database", need->name, need->word);
	else
		return COVER_YES;
	return COVER_NOT;
}

static bool
is_set(const struct facts *facts, const char *key)
{
	const char *value =
	    facts->configured ? facts->configured(facts->configured_arg, key) : NULL;

	return value && *value;
}

/* What the database is compared with: a revision, a list, or the files of a folder. */
static enum cover
meet_migrations(const struct need *need, const struct facts *facts, struct coverage *ret)
{
	bool files = facts->migrations || facts->migrations_reason;

	if (streq(need->name, "files") && !files) {
		REASON(ret, "expect_migration names no folder of migrations for this database");
		return COVER_NOT;
	}
	if (streq(need->name, "known") && !files && !is_set(facts, "known_migrations")) {
		REASON(ret, "neither a folder in expect_migration nor known_migrations is "
		            "configured for this database");
		return COVER_NOT;
	}
	if (streq(need->name, "expected") && !is_set(facts, "expect_migration")) {
		REASON(ret, "expect_migration is not configured for this database");
		return COVER_NOT;
	}
	if (facts->migrations_reason) {
		REASON(ret, "%s", facts->migrations_reason);
		return COVER_UNKNOWN;
	}
	return COVER_YES;
}

static enum cover
meet(const struct need *need, const struct facts *facts, struct coverage *ret)
{
	bool same;

	switch (need->kind) {
	case NEED_VERSION:
		return meet_version(need, facts, ret);
	case NEED_EXTENSION:
		return meet_extension(need, facts, ret);
	case NEED_ROLE:
		return meet_role(need, facts, ret);
	case NEED_PRIVILEGE:
		return meet_privilege(need, facts, ret);
	case NEED_FLAVOUR:
		same = streq(need->name, "managed")
		           ? facts->managed
		           : streq(facts->flavour ? facts->flavour : "community", need->name);
		if (same == (need->cmp == CMP_EQ))
			return COVER_YES;
		if (same && facts->managed)
			REASON(ret, "not on %s: it is its provider's business", facts->flavour);
		else
			REASON(ret, same ? "not on %s" : "only on %s", need->name);
		return COVER_NOT;
	case NEED_CONFIGURED:
		return meet_configured(need, facts, ret);
	case NEED_MIGRATIONS:
		return meet_migrations(need, facts, ret);
	case NEED_HOST:
		if (facts->host)
			return COVER_YES;
		REASON(ret,
		    "its disks are seen only on its own host, over its Unix socket, by a role "
		    "with pg_monitor");
		return COVER_NOT;
	}
	return COVER_UNKNOWN;
}

/* NOT wins over UNKNOWN: what can never be answered here needs no right. */
static enum cover
meet_all(const struct need_list *list, const struct facts *facts, struct coverage *ret)
{
	enum cover worst = COVER_YES;

	for (size_t i = 0; i < list->n; i++) {
		struct coverage one = { 0 };
		enum cover cover = meet(&list->v[i], facts, &one);

		if (cover == COVER_YES || worst == COVER_NOT || (cover == worst))
			continue;
		worst = cover;
		ret->need = list->v[i].kind;
		memcpy(ret->reason, one.reason, sizeof(ret->reason));
		memcpy(ret->grant, one.grant, sizeof(ret->grant));
	}
	return worst;
}

/* The first body that applies.  When none does, ret tells why by the one that came nearest. */
static enum cover
choose(const struct check *c, const struct facts *facts, bool items,
    const struct check_body **ret_body, struct coverage *ret)
{
	enum cover best = COVER_NOT;
	bool any = false;

	for (size_t i = 0; i < c->nbodies; i++) {
		struct coverage one = { 0 };
		enum cover cover;

		if (c->bodies[i].items != items || c->bodies[i].evidence)
			continue;
		cover = meet_all(&c->bodies[i].when, facts, &one);
		if (cover == COVER_YES) {
			*ret_body = &c->bodies[i];
			return COVER_YES;
		}
		if (!any || (cover == COVER_UNKNOWN && best == COVER_NOT)) {
			best = cover;
			ret->need = one.need;
			memcpy(ret->reason, one.reason, sizeof(ret->reason));
			memcpy(ret->grant, one.grant, sizeof(ret->grant));
		}
		any = true;
	}
	return any ? best : COVER_YES;
}

const struct check_body *
coverage_evidence(const struct check *c, const struct facts *facts)
{
	for (size_t i = 0; i < c->nbodies; i++) {
		struct coverage one = { 0 };

		if (c->bodies[i].evidence && meet_all(&c->bodies[i].when, facts, &one) == COVER_YES)
			return &c->bodies[i];
	}
	return NULL;
}

void
coverage_of(const struct check *c, const struct facts *facts, struct coverage *ret)
{
	struct coverage cov = { .cover = COVER_NOT };

	if (c->engine != facts->engine)
		REASON(&cov, "only for %s", engine_names[c->engine]);
	else if (c->scope == SCOPE_SERVER && facts->pooled && c->source == SOURCE_SQL)
		REASON(&cov, "connected through a pooler: connect directly to the server");
	else {
		cov.cover = meet_all(&c->needs, facts, &cov);
		if (cov.cover == COVER_YES)
			cov.cover = choose(c, facts, false, &cov.body, &cov);
		if (cov.cover == COVER_YES)
			cov.cover = choose(c, facts, true, &cov.items, &cov);
		if (cov.cover == COVER_YES)
			cov.reason[0] = cov.grant[0] = '\0';
		else
			cov.body = cov.items = NULL;
	}
	*ret = cov;
}
