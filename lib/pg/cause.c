/*
 * What a failed connect, a lost connection or an error result means.  A failed connect carries its
 * SQLSTATE only in the (verbose) text, and system errors only as strerror's words of this process.
 */
#include "base/str.h"
#include "base/text.h"
#include "pg/session_impl.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

const char *const pg_cause_names[PG_CAUSE_N] = {
	[PG_CAUSE_NONE] = "none",
	[PG_CAUSE_DNS] = "dns",
	[PG_CAUSE_REFUSED] = "refused",
	[PG_CAUSE_UNREACHABLE] = "unreachable",
	[PG_CAUSE_TIMEOUT] = "timeout",
	[PG_CAUSE_TLS] = "tls",
	[PG_CAUSE_AUTH] = "auth",
	[PG_CAUSE_NO_DATABASE] = "no-database",
	[PG_CAUSE_FULL] = "full",
	[PG_CAUSE_STARTING] = "starting",
	[PG_CAUSE_SHUTDOWN] = "shutdown",
	[PG_CAUSE_LOST] = "lost",
	[PG_CAUSE_SETTINGS] = "settings",
	[PG_CAUSE_STRANGER] = "not-postgresql",
	[PG_CAUSE_OTHER] = "other",
};

static const int errnos[PG_CAUSE_N] = {
	[PG_CAUSE_NONE] = 0,
	[PG_CAUSE_DNS] = -EADDRNOTAVAIL,
	[PG_CAUSE_REFUSED] = -ECONNREFUSED,
	[PG_CAUSE_UNREACHABLE] = -EHOSTUNREACH,
	[PG_CAUSE_TIMEOUT] = -ETIMEDOUT,
	[PG_CAUSE_TLS] = -EPROTO,
	[PG_CAUSE_AUTH] = -EACCES,
	[PG_CAUSE_NO_DATABASE] = -ENOENT,
	[PG_CAUSE_FULL] = -EUSERS,
	[PG_CAUSE_STARTING] = -EAGAIN,
	[PG_CAUSE_SHUTDOWN] = -ESHUTDOWN,
	[PG_CAUSE_LOST] = -ECONNRESET,
	[PG_CAUSE_SETTINGS] = -EBADMSG,
	[PG_CAUSE_STRANGER] = -EPFNOSUPPORT,
	[PG_CAUSE_OTHER] = -EIO,
};

/* First match wins; sqlstate is a prefix, word a part of the text.  PgBouncer says
 * 08P01 for all, also before a server's words that it passes on. */
static const struct {
	const char *sqlstate, *word;
	enum pg_cause cause;
} states[] = {
	{ "57P03", "shutting down", PG_CAUSE_SHUTDOWN },
	{ "57P03", "", PG_CAUSE_STARTING },
	{ "57P01", "", PG_CAUSE_SHUTDOWN },
	{ "57P02", "", PG_CAUSE_SHUTDOWN },
	{ "28", "", PG_CAUSE_AUTH },
	{ "42501", "", PG_CAUSE_AUTH },
	{ "3D000", "", PG_CAUSE_NO_DATABASE },
	{ "55000", "", PG_CAUSE_NO_DATABASE },
	{ "53300", "", PG_CAUSE_FULL },
	{ "42704", "", PG_CAUSE_SETTINGS },
	{ "22023", "", PG_CAUSE_SETTINGS },
	{ "08P01", "no such database", PG_CAUSE_NO_DATABASE },
	{ "08P01", "database \"", PG_CAUSE_NO_DATABASE },
	{ "08P01", "no more connections allowed", PG_CAUSE_FULL },
	{ "08P01", "connection slots", PG_CAUSE_FULL },
	{ "08P01", "too many", PG_CAUSE_FULL },
	{ "08P01", "no such user", PG_CAUSE_AUTH },
	{ "08P01", "role \"", PG_CAUSE_AUTH },
	{ "08P01", "pg_hba", PG_CAUSE_AUTH },
	{ "08P01", "authentication failed", PG_CAUSE_AUTH },
	{ "08P01", "starting up", PG_CAUSE_STARTING },
	{ "08P01", "query_wait_timeout", PG_CAUSE_TIMEOUT },
	{ "08P01", "shutting down", PG_CAUSE_SHUTDOWN },
};

/* strerror speaks this process's language, as libpq does when it quotes it. */
static const struct {
	int number;
	enum pg_cause cause;
} numbers[] = {
	{ ECONNREFUSED, PG_CAUSE_REFUSED },
	{ ENOENT, PG_CAUSE_REFUSED },
	{ EACCES, PG_CAUSE_AUTH },
	{ EHOSTUNREACH, PG_CAUSE_UNREACHABLE },
	{ ENETUNREACH, PG_CAUSE_UNREACHABLE },
	{ EHOSTDOWN, PG_CAUSE_UNREACHABLE },
	{ ENETDOWN, PG_CAUSE_UNREACHABLE },
	{ EADDRNOTAVAIL, PG_CAUSE_UNREACHABLE },
	{ ECONNRESET, PG_CAUSE_UNREACHABLE },
	{ EPIPE, PG_CAUSE_UNREACHABLE },
	{ ETIMEDOUT, PG_CAUSE_TIMEOUT },
	/* A Unix socket's full backlog: connect says EAGAIN, libpq then writes to nobody. */
	{ EAGAIN, PG_CAUSE_TIMEOUT },
	{ ENOTCONN, PG_CAUSE_TIMEOUT },
};

/* Tokens that no translation touches. */
static const struct {
	const char *word;
	enum pg_cause cause;
} words[] = {
	{ "SSL", PG_CAUSE_TLS },
	{ "certificate", PG_CAUSE_TLS },
	{ "fe_sendauth", PG_CAUSE_AUTH },
	{ "SCRAM", PG_CAUSE_AUTH },
	{ "requirepeer", PG_CAUSE_AUTH },
	{ "channel_binding", PG_CAUSE_AUTH },
};

int
cause_errno(enum pg_cause cause)
{
	return errnos[cause];
}

static enum pg_cause
cause_of_sqlstate(const char *sqlstate, const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (strncmp(sqlstate, states[i].sqlstate, strlen(states[i].sqlstate)) == 0 &&
		    strstr(text, states[i].word))
			return states[i].cause;
	return PG_CAUSE_OTHER;
}

/* "FATAL:  28000: role ..." in verbose text; the severity may be translated.  The last one counts:
 * it belongs to the host tried last. */
static const char *
find_sqlstate(const char *text)
{
	const char *found = NULL;

	for (const char *p = strstr(text, ":  "); p; p = strstr(p + 1, ":  ")) {
		size_t n = 0;

		while (
		    n < 5 && (isdigit((unsigned char)p[3 + n]) || isupper((unsigned char)p[3 + n])))
			n++;
		if (n == 5 && strncmp(p + 8, ": ", 2) == 0)
			found = p + 3;
	}
	return found;
}

/* The text in one line, without the LOCATION lines and SQLSTATEs that verbosity added. */
static char *
one_line(const char *text)
{
	_cleanup_(str_done) struct str out = { 0 };

	while (*text) {
		size_t len = strcspn(text, "\n");
		bool is_location = strncmp(text, "LOCATION:", 9) == 0;

		if (len > 0 && !is_location) {
			const char *state;
			_cleanup_free_ char *line = xstrndup(text, len);

			if (out.len > 0)
				str_add(&out, "; ");
			state = find_sqlstate(line);
			if (state) {
				str_addn(&out, line, (size_t)(state - line - 1));
				str_add(&out, state + 7);
			} else
				str_add(&out, line[0] == '\t' ? line + 1 : line);
		}
		text += len + (text[len] == '\n');
	}
	return text_from_peer(str_text(&out), out.len, sizeof(((struct err *)NULL)->msg) - 1);
}

static void
set_failure(struct pg_failure *f, enum pg_cause cause, const char *sqlstate, const char *text)
{
	memset(f, 0, sizeof(*f));
	f->cause = cause;
	err_set(&f->err, errnos[cause], "%s", text);
	if (sqlstate)
		snprintf(f->err.sqlstate, sizeof(f->err.sqlstate), "%.5s", sqlstate);
}

static enum pg_cause
cause_of_text(PGconn *pg, ConnStatusType phase, const char *text)
{
	if (PQconnectionNeedsPassword(pg))
		return PG_CAUSE_AUTH;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (strstr(text, strerror(numbers[i].number)))
			return numbers[i].cause;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(text, words[i].word))
			return words[i].cause;
	if (phase == CONNECTION_SSL_STARTUP)
		return PG_CAUSE_TLS;
	/* "server closed the connection unexpectedly", in whatever language. */
	if (phase == CONNECTION_AWAITING_RESPONSE || phase == CONNECTION_MADE)
		return PG_CAUSE_UNREACHABLE;
	return PG_CAUSE_OTHER;
}

void
cause_of_connect(PGconn *pg, ConnStatusType phase, struct pg_failure *ret)
{
	const char *text = PQerrorMessage(pg), *sqlstate = find_sqlstate(text);
	_cleanup_free_ char *line = one_line(text);

	set_failure(ret,
	    sqlstate ? cause_of_sqlstate(sqlstate, text) : cause_of_text(pg, phase, text), sqlstate,
	    line[0] ? line : "connection failed without a word");
}

/* The parting words of the server, if it had any, are in ret already. */
void
cause_of_loss(PGconn *pg, struct pg_failure *ret)
{
	_cleanup_free_ char *line = NULL;

	if (ret->cause != PG_CAUSE_NONE)
		return;
	line = one_line(PQerrorMessage(pg));
	set_failure(ret, PG_CAUSE_LOST, NULL, line[0] ? line : "server closed the connection");
}

/* An error of a statement is OTHER with its SQLSTATE; only an end of the session has a cause. */
void
cause_of_result(const PGresult *res, struct pg_failure *ret)
{
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *primary = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);
	const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
	enum pg_cause cause = PG_CAUSE_OTHER;
	_cleanup_(str_done) struct str all = { 0 };
	_cleanup_free_ char *line = NULL;

	str_add(&all, primary ? primary : PQresultErrorMessage(res));
	if (detail)
		str_addf(&all, "\n%s", detail);
	if (hint)
		str_addf(&all, "\nhint: %s", hint);
	line = one_line(str_text(&all));
	if (!sqlstate)
		cause = PG_CAUSE_LOST; /* libpq's own: the connection went */
	else if (!severity)            /* PgBouncer's own errors have none, and all are fatal */
		cause = cause_of_sqlstate(sqlstate, line);
	else if (streq(severity, "FATAL") || streq(severity, "PANIC"))
		cause = cause_of_sqlstate(sqlstate, line);
	set_failure(ret, cause, sqlstate, line);
	if (cause == PG_CAUSE_OTHER)
		ret->err.code = -EBADMSG;
}

/* PgBouncer: "unsupported startup parameter: options", "... in options: search_path". */
bool
cause_is_refused_options(const struct pg_failure *f)
{
	return strstr(f->err.msg, "startup parameter") && strstr(f->err.msg, "options");
}

int
session_fail(struct pg_session *s, enum pg_cause cause, const char *fmt, ...)
{
	char text[sizeof(s->failure.err.msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	s->failure = (struct pg_failure){ .cause = cause };
	return err_set(&s->failure.err, cause_errno(cause), "%s", text);
}
