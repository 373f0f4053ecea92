/*
 * From a DSN to a plan.  libpq itself merges DSN, service file, environment and defaults, and looks
 * up passwords: it is given one value that stops it just before it would connect.  What remains
 * here is names to addresses, TLS files to private copies, and what a monitor always wants.
 */
#include "base/str.h"
#include "pg/plan_impl.h"
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

#define ENDPOINTS_MAX 64
/* A path that exists nowhere: libpq then neither looks into the home folder nor minds.  About
 * /dev/null itself, as password file, it would complain on stderr. */
#define NO_FILE "/dev/null/none"

struct endpoint {
	char *host, *addr,
	    *port; /* host "" or a name or a socket's folder; addr "" unless numeric */
};

struct making {
	bool is_local_only;
	char *dsn; /* as libpq reads it */
	PQconninfoOption *given, *merged;
	char *port;
	struct endpoint written[ENDPOINTS_MAX], found[ENDPOINTS_MAX];
	size_t nwritten, nfound;
	char *password, *note;
	json_t *keywords;
	const char *not_utf8; /* a keyword whose value JSON cannot carry */
};

static void
pq_freep(PGconn **pg)
{
	PQfinish(*pg);
}

static void
endpoints_done(struct endpoint *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(all[i].host);
		free(all[i].addr);
		free(all[i].port);
	}
}

static void
making_done(struct making *m)
{
	PQconninfoFree(m->given);
	PQconninfoFree(m->merged);
	endpoints_done(m->written, m->nwritten);
	endpoints_done(m->found, m->nfound);
	secret_free(m->dsn);
	secret_free(m->password);
	free(m->port);
	free(m->note);
	json_decref(m->keywords);
}

static const char *
value_in(const PQconninfoOption *all, const char *keyword)
{
	for (; all && all->keyword; all++)
		if (streq(all->keyword, keyword))
			return all->val && all->val[0] ? all->val : NULL;
	return NULL;
}

/* The DSN with up to 5 keywords in its place; a NULL value is left out. */
static PGconn *
attempt(const struct making *m, const char *const (*extra)[2], size_t n)
{
	const char *k[8] = { "dbname" }, *v[8] = { m->dsn };
	size_t at = 1;

	for (size_t i = 0; i < n; i++)
		if (extra[i][1]) {
			k[at] = extra[i][0];
			v[at++] = extra[i][1];
		}
	k[at] = NULL;
	return PQconnectStartParams(k, v, 1);
}

/*
 * Port 0 passes every test of libpq's but the last one before it would ask for a name, so any other
 * message is a mistake in the DSN, the service or the environment.  A protocol version that does
 * not exist stops it earlier and shows the port.  The password in both keeps it from the password
 * file, which is looked at later, with our own eyes first: libpq's warnings go to stderr.
 */
static int
merge(struct making *m, struct err *e)
{
	static const char *const all_but_port[][2] = { { "password", "x" }, { "port", "0" } };
	static const char *const the_port[][2] = { { "password", "x" },
		{ "ssl_min_protocol_version", "none" } };
	_cleanup_(pq_freep) PGconn *first = attempt(m, all_but_port, 2);
	_cleanup_(pq_freep) PGconn *second = attempt(m, the_port, 2);
	PQconninfoOption *ports;
	const char *message = first ? PQerrorMessage(first) : "out of memory", *port;

	if (!first || !second || !strstr(message, "invalid port number"))
		return err_set(e, -EINVAL, "DSN: %.*s", (int)strcspn(message, "\n"), message);
	m->merged = PQconninfo(first);
	ports = PQconninfo(second);
	port = value_in(ports, "port");
	m->port = xstrdup(port ? port : "5432");
	PQconninfoFree(ports);
	return m->merged ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static char *
default_folder(const struct making *m)
{
	static const char *const nowhere[][2] = { { "host", "," }, { "password", "x" },
		{ "ssl_min_protocol_version", "none" }, { "port", "1" } };
	const struct making bare = { .dsn = (char[]){ "" }, .is_local_only = m->is_local_only };
	_cleanup_(pq_freep) PGconn *pg = attempt(&bare, nowhere, ARRAY_SIZE(nowhere));
	const char *host = pg ? PQhost(pg) : NULL;

	return xstrdup(host && host[0] == '/' ? host : "/var/run/postgresql");
}

static size_t
count_of(const char *list)
{
	size_t n = 1;

	for (; list && *list; list++)
		n += *list == ',';
	return n;
}

static char *
nth_of(const char *list, size_t n)
{
	if (!list)
		return xstrdup("");
	for (; n > 0; n--)
		list += strcspn(list, ",") + (list[strcspn(list, ",")] == ',');
	return xstrndup(list, strcspn(list, ","));
}

/* host, hostaddr and port lists as written; libpq has compared their lengths. */
static int
split_hosts(struct making *m, struct err *e)
{
	const char *hosts = value_in(m->merged, "host"), *addrs = value_in(m->merged, "hostaddr");
	size_t n = count_of(addrs ? addrs : hosts), nports = count_of(m->port);

	if (n > ENDPOINTS_MAX || (nports > 1 && nports != n))
		return err_set(e, -EINVAL, "DSN: %zu hosts with %zu ports (at most %d hosts)", n,
		    nports, ENDPOINTS_MAX);
	for (size_t i = 0; i < n; i++) {
		struct endpoint *w = &m->written[m->nwritten++];
		char *end;
		long number;

		w->host = nth_of(hosts, i);
		w->addr = nth_of(addrs, i);
		w->port = nth_of(m->port, nports > 1 ? i : 0);
		if (!w->port[0]) {
			free(w->port);
			w->port = xstrdup("5432");
		}
		number = strtol(w->port, &end, 10);
		if (*end || number < 1 || number > 65535)
			return err_set(
			    e, -EINVAL, "DSN: port \"%.20s\" is not 1 to 65535", w->port);
		if (!w->host[0] && !w->addr[0]) {
			free(w->host);
			w->host = default_folder(m);
		}
	}
	return 0;
}

static bool
is_socket(const struct endpoint *p)
{
	return !p->addr[0] && (p->host[0] == '/' || p->host[0] == '@');
}

static void
add_found(struct making *m, const struct endpoint *w, const char *addr)
{
	if (m->nfound == ENDPOINTS_MAX)
		return;
	m->found[m->nfound++] =
	    (struct endpoint){ xstrdup(w->host), xstrdup(addr), xstrdup(w->port) };
}

static int
resolve_one(struct making *m, const struct endpoint *w, struct err *e)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = w->addr[0] || m->is_local_only ? AI_NUMERICHOST : 0 };
	struct addrinfo *all = NULL;
	char text[INET6_ADDRSTRLEN + 20];
	int r;

	if (is_socket(w)) {
		add_found(m, w, "");
		return 0;
	}
	r = getaddrinfo(w->addr[0] ? w->addr : w->host, NULL, &hints, &all);
	if (r != 0)
		return err_set(e, m->is_local_only ? -EAGAIN : -EADDRNOTAVAIL,
		    "cannot resolve \"%.200s\": %s", w->addr[0] ? w->addr : w->host,
		    gai_strerror(r));
	for (const struct addrinfo *ai = all; ai; ai = ai->ai_next)
		if (getnameinfo(ai->ai_addr, ai->ai_addrlen, text, sizeof(text), NULL, 0,
		        NI_NUMERICHOST) == 0)
			add_found(m, w, text);
	freeaddrinfo(all);
	return 0;
}

/* As libpq: a host that cannot be resolved is passed over while another can. */
static int
resolve_all(struct making *m, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < m->nwritten; i++) {
		int one = resolve_one(m, &m->written[i], e);

		if (one == -EAGAIN)
			return one;
		if (r == 0)
			r = one;
	}
	return m->nfound > 0 ? 0 : r;
}

/* libpq ignores such a password file with a warning on stderr; we say it once, as the plan's note. */
static bool
is_password_file_bad(struct making *m)
{
	const char *path = value_in(m->merged, "passfile"), *why;
	const char *home = getenv("HOME");
	_cleanup_free_ char *own = NULL;
	struct stat st;

	if (value_in(m->merged, "passfile") == NULL) {
		own = home ? xasprintf("%s/.pgpass", home) : NULL;
		path = own;
	}
	if (!path || stat(path, &st) < 0)
		return false;
	if (streq(path, "/dev/null"))
		return true;
	if (!S_ISREG(st.st_mode))
		why = "it is not a plain file";
	else if (st.st_mode & (S_IRWXG | S_IRWXO))
		why = "others may read it; chmod 0600";
	else if (access(path, R_OK) < 0)
		why = "we may not read it";
	else
		return false;
	free(m->note);
	m->note = xasprintf("password file \"%.200s\" is ignored: %s", path, why);
	return true;
}

static int
find_password(struct making *m, struct err *e)
{
	bool is_bad = is_password_file_bad(m);

	for (size_t i = 0; i < m->nwritten; i++) {
		const struct endpoint *w = &m->written[i];
		const char *const one[][2] = { { "host", w->host[0] ? w->host : NULL },
			{ "hostaddr", w->addr[0] ? w->addr : NULL }, { "port", w->port },
			{ "ssl_min_protocol_version", "none" },
			{ "passfile", is_bad ? NO_FILE : NULL } };
		_cleanup_(pq_freep) PGconn *pg = attempt(m, one, ARRAY_SIZE(one));
		const char *found = pg ? PQpass(pg) : NULL;

		if (i > 0 && !streq(found ? found : "", m->password ? m->password : ""))
			return err_set(e, -EINVAL,
			    "the password file has different passwords for the hosts of one DSN: "
			    "make it a section for each host");
		if (i == 0 && found && found[0])
			m->password = xstrdup(found);
	}
	return 0;
}

static void
add(struct making *m, const char *keyword, const char *value)
{
	json_t *pair = json_array();

	if (json_array_append_new(pair, json_string(keyword)) < 0 ||
	    json_array_append_new(pair, json_string(value)) < 0) {
		m->not_utf8 = keyword;
		json_decref(pair);
		return;
	}
	json_array_append_new(m->keywords, pair);
}

static char *
in_home(const char *file)
{
	const char *home = getenv("HOME");
	const struct passwd *pw = home && home[0] ? NULL : getpwuid(geteuid());

	if (pw)
		home = pw->pw_dir;
	return home && home[0] ? xasprintf("%s/.postgresql/%s", home, file) : xstrdup(NO_FILE);
}

/* libpq's own files in the home folder when the DSN names none. */
static int
add_tls_file(
    struct making *m, const char *keyword, const char *usual, char **ret_path, struct err *e)
{
	const char *given = value_in(m->merged, keyword);
	_cleanup_free_ char *path = given ? xstrdup(given) : in_home(usual), *copy = NULL;
	int r = tls_copy_file(path, streq(keyword, "sslkey"), &copy, e);

	if (r < 0)
		return r;
	add(m, keyword, copy ? copy : NO_FILE);
	*ret_path = copy ? NULL : TAKE_PTR(path); /* set when it is missing */
	return 0;
}

static int
add_tls(struct making *m, struct err *e)
{
	const char *mode = value_in(m->merged, "sslmode"),
	           *folder = value_in(m->merged, "sslcrldir");
	_cleanup_free_ char *no_root = NULL, *no_cert = NULL, *no_key = NULL, *no_crl = NULL,
	                    *copy = NULL;
	int r;

	if (mode && streq(mode, "disable"))
		return 0;
	if (m->is_local_only)
		return err_set(e, -EAGAIN, "TLS files are to be looked at");
	if (value_in(m->merged, "sslrootcert") &&
	    streq(value_in(m->merged, "sslrootcert"), "system"))
		add(m, "sslrootcert", "system");
	else if ((r = add_tls_file(m, "sslrootcert", "root.crt", &no_root, e)) < 0)
		return r;
	if (no_root && mode && str_starts(mode, "verify-"))
		return err_set(e, -EINVAL,
		    "root certificate file \"%.200s\" does not exist (sslmode=%s)", no_root, mode);
	if ((r = add_tls_file(m, "sslcert", "postgresql.crt", &no_cert, e)) < 0)
		return r;
	if (!no_cert) {
		if ((r = add_tls_file(m, "sslkey", "postgresql.key", &no_key, e)) < 0)
			return r;
		if (no_key)
			return err_set(e, -EINVAL,
			    "certificate present, but not its private key file \"%.200s\"", no_key);
	}
	if (folder && (r = tls_copy_folder(folder, &copy, e)) < 0)
		return r;
	if (copy)
		add(m, "sslcrldir", copy);
	return add_tls_file(m, "sslcrl", "root.crl", &no_crl, e);
}

static bool
is_handled(const char *keyword)
{
	static const char *const handled[] = { "host", "hostaddr", "port", "dbname", "password",
		"passfile", "service", "servicefile", "sslcert", "sslkey", "sslrootcert", "sslcrl",
		"sslcrldir", "gssencmode", "application_name", "fallback_application_name",
		"client_encoding", "connect_timeout", "replication", "authtype", "tty" };

	for (size_t i = 0; i < ARRAY_SIZE(handled); i++)
		if (streq(keyword, handled[i]))
			return true;
	return false;
}

/* What every plan has unless the DSN says otherwise.  A dead peer ends even a kept attempt. */
static const struct {
	const char *keyword, *value;
} unless_given[] = {
	{ "keepalives_idle", "10" },
	{ "keepalives_interval", "5" },
	{ "keepalives_count", "4" },
};

static void
add_endpoints(struct making *m)
{
	_cleanup_(str_done) struct str hosts = { 0 }, addrs = { 0 }, ports = { 0 };
	bool is_numeric = false, is_named = false;

	for (size_t i = 0; i < m->nfound; i++) {
		const char *comma = i > 0 ? "," : "";

		str_addf(&hosts, "%s%s", comma, m->found[i].host);
		str_addf(&addrs, "%s%s", comma, m->found[i].addr);
		str_addf(&ports, "%s%s", comma, m->found[i].port);
		is_numeric = is_numeric || m->found[i].addr[0];
		is_named = is_named || m->found[i].host[0];
	}
	if (is_named)
		add(m, "host", str_text(&hosts));
	if (is_numeric)
		add(m, "hostaddr", str_text(&addrs));
	add(m, "port", str_text(&ports));
}

static int
add_all(struct making *m, struct err *e)
{
	const char *gss = value_in(m->merged, "gssencmode");
	bool has_tcp = false, is_gss_asked;

	m->keywords = json_array();
	add_endpoints(m);
	for (size_t i = 0; i < m->nfound; i++)
		has_tcp = has_tcp || !is_socket(&m->found[i]);
	for (const PQconninfoOption *o = m->merged; o && o->keyword; o++)
		if (o->val && o->val[0] && !is_handled(o->keyword))
			add(m, o->keyword, o->val);
	/* Before the next host is tried a silent one must have been given up, within our deadline. */
	if (m->nfound > 1 && !value_in(m->merged, "tcp_user_timeout"))
		add(m, "tcp_user_timeout", "3000");
	else if (!value_in(m->merged, "tcp_user_timeout"))
		add(m, "tcp_user_timeout", "30000");
	for (size_t i = 0; i < ARRAY_SIZE(unless_given); i++)
		if (!value_in(m->merged, unless_given[i].keyword))
			add(m, unless_given[i].keyword, unless_given[i].value);
	/* libpq's own default is "prefer", which would block on the KDC */
	is_gss_asked = gss && (value_in(m->given, "gssencmode") || streq(gss, "require"));
	add(m, "gssencmode", is_gss_asked ? gss : "disable");
	if (m->password)
		add(m, "password", m->password);
	add(m, "passfile", NO_FILE);
	add(m, "application_name", "dbhealthd");
	add(m, "client_encoding", "UTF8");
	return has_tcp ? add_tls(m, e) : 0;
}

static bool
is_loopback(const char *addr)
{
	return str_starts(addr, "127.") || streq(addr, "::1");
}

static json_t *
describe(const struct making *m)
{
	_cleanup_(str_done) struct str endpoint = { 0 };
	const char *user = value_in(m->merged, "user"), *dbname = value_in(m->merged, "dbname");
	bool is_local = true;

	for (size_t i = 0; i < m->nwritten; i++) {
		const struct endpoint *w = &m->written[i];
		const char *host = w->host[0] ? w->host : w->addr;
		size_t len = strlen(host);

		if (len > 1 && host[len - 1] == '/')
			len--;
		str_addf(&endpoint, "%s%.*s:%s", i > 0 ? "," : "", (int)len, host, w->port);
	}
	for (size_t i = 0; i < m->nfound; i++)
		is_local = is_local && (is_socket(&m->found[i]) || is_loopback(m->found[i].addr));
	str_addf(&endpoint, " as %s", user);
	return json_pack("{s:O, s:s, s:s, s:b, s:s*}", "keywords", m->keywords, "dbname",
	    dbname ? dbname : user, "endpoint", str_text(&endpoint), "local", is_local, "note",
	    m->note);
}

/* Whether libpq could do it without reading a file. */
static bool
needs_no_file(const struct making *m)
{
	const char *passfile = value_in(m->given, "passfile");

	return value_in(m->given, "user") && !value_in(m->given, "service") &&
	       !getenv("PGSERVICE") &&
	       (value_in(m->given, "password") || (passfile && str_starts(passfile, "/dev/null")));
}

int
plan_make(const char *dsn, bool is_local_only, json_t **ret, struct err *e)
{
	_cleanup_(making_done) struct making m = { .is_local_only = is_local_only };
	json_t *made;
	int r = dsn_check(dsn, e);

	if (r < 0)
		return r;
	m.dsn = dsn_for_libpq(dsn);
	m.given = PQconninfoParse(m.dsn, NULL);
	if (!m.given)
		return err_set(e, -EINVAL, "DSN: not of PostgreSQL");
	if (is_local_only && !needs_no_file(&m))
		return err_set(e, -EAGAIN, "files are to be read");
	if ((r = merge(&m, e)) < 0 || (r = split_hosts(&m, e)) < 0 ||
	    (r = resolve_all(&m, e)) < 0 || (r = find_password(&m, e)) < 0)
		return r;
	if (!value_in(m.merged, "user"))
		return err_set(e, -EINVAL, "DSN: no user, and we have none of our own");
	if ((r = add_all(&m, e)) < 0)
		return r;
	if (m.not_utf8)
		return err_set(e, -EINVAL, "DSN: %s is not valid UTF-8", m.not_utf8);
	made = describe(&m);
	if (!made)
		return err_set(e, -EINVAL, "DSN: not valid UTF-8");
	*ret = made;
	return 0;
}
