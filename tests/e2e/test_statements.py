"""What pg_stat_statements tells: statements that became slow, that are new, that are lost, and `top`."""
import contextlib
import datetime
import threading
import time

import psycopg2
import pytest

from proof import look, proves
from support import wait_until

LOADED = {"shared_preload_libraries": "'pg_stat_statements'", "pg_stat_statements.max": "1000"}
FAST = {"connectivity_interval": "1s", "performance_interval": "1s"}


class Load:
    """Sends statements, one after the other, from a session of its own until the end."""

    def __init__(self, cluster, dbname, sql):
        self.cluster, self.dbname, self.sql = cluster, dbname, sql
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.over = False

    def run(self):
        with contextlib.closing(self.cluster.session(self.dbname)) as s, s.cursor() as c:
            while not self.over:
                with contextlib.suppress(psycopg2.ProgrammingError):
                    c.execute(self.sql)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join(30)


def rules(**checks):
    """These checks alone, each second."""
    sections = {"check *": {"enabled": "no"}, "check conn-up": {"enabled": "yes"}}
    for name, keys in checks.items():
        sections[f"check {name.replace('_', '-')}"] = {"enabled": "yes", "interval": "1s", "for": "0s", "clear_for": "0s", **keys}
    return sections


def wait_looks(d, database, parts, seconds=1):
    """Looks at the statements in that many different parts of so many seconds, each with a window before it."""
    seen = set()

    def look_on():
        now = d.get(f"/v1/databases/{database}/statements", limit=1)
        if now["basis"] == "window" and now["at"]:
            seen.add(int(datetime.datetime.fromisoformat(now["at"].replace("Z", "+00:00")).timestamp()) // seconds)
        return len(seen) >= parts

    wait_until(look_on, 30 * d.slack, lambda: f"{parts} looks: {seen}")


def with_extension(cluster, name="app", schema=None):
    db = cluster.createdb(name)
    cluster.sql("CREATE SCHEMA \"Stat's\"" if schema else "SELECT 1", dbname=db)
    cluster.sql("CREATE EXTENSION pg_stat_statements" + (" SCHEMA \"Stat's\"" if schema else ""), dbname=db)
    return db


@proves("pgss-missing")
def test_statistics_of_statements_are_missed_until_the_remedies_ran(cluster):
    c = cluster()
    db = c.createdb("app")

    def now():
        return look(c, db, "pgss-missing")

    one, = now()
    assert one["severity"] == "info" and one["object"] == "pg_stat_statements"
    assert one["detail"].startswith("neither")
    sql = [r["text"] for r in one["remedies"] if r["closes"]]
    assert sql == ["CREATE EXTENSION pg_stat_statements;", "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements';"]
    c.script(sql[0], db)
    one, = now()
    assert "is not loaded" in one["detail"] and len([r for r in one["remedies"] if r["closes"]]) == 1
    c.script(sql[1], db)
    c.restart()
    assert now() == []
    c.sql("DROP EXTENSION pg_stat_statements; CREATE EXTENSION pg_stat_statements VERSION '1.8'" if c.version < 17
          else "DROP EXTENSION pg_stat_statements; CREATE EXTENSION pg_stat_statements VERSION '1.9'", dbname=db)
    if c.version > 13:
        one, = now()
        assert one["object"] == db and "the server brings" in one["detail"]
        c.script(one["remedies"][0]["text"], db)
    assert now() == []


@proves("statement-regression")
def test_statement_that_becomes_slow_is_told_and_what_looks_like_it_is_not(cluster, daemon):
    c = cluster(settings=LOADED)
    db, other = with_extension(c, schema=True), c.createdb("other")
    d = daemon(databases={"app": c.dsn(db), "other": c.dsn(other)}, defaults=FAST,
               sections=rules(statement_regression={"param.span": "28s", "param.min_calls": "1"}))
    refused = d.wait_check("app", "statement-regression", "not_covered")
    assert refused["grant"] == "GRANT USAGE ON SCHEMA \"Stat's\" TO dbhealth;", refused
    c.sql(refused["grant"], dbname=db)
    with Load(c, other, "SELECT pg_sleep(0.05) AS \"it's slow\"") as slow, \
            Load(c, db, "SELECT pg_sleep(0.05), 1 AS steady"), \
            Load(c, db, "SELECT pg_sleep(0.002), 1, 2 AS rare; SELECT pg_sleep(0.3)") as tiny:
        wait_until(lambda: d.check("other", "statement-regression")["status"] == "ok", 20 * d.slack, lambda: [d.check(x, "statement-regression") for x in ("app", "other")])
        wait_looks(d, "other", 4, 2)  # parts of the span: what is usual is known
        assert d.findings(check="statement-regression") == []
        tiny.sql = "SELECT pg_sleep(0.012), 1, 2 AS rare; SELECT pg_sleep(0.3)"  # several times as much of little
        slow.sql = "SELECT pg_sleep(0.5) AS \"it's slow\""
        one = d.wait_finding("statement-regression", database="other", within=30 * d.slack,
                             where=lambda f: "its text is not told" not in f["message"])
        assert one["object"].startswith("query ") and one["value"] >= 3
        assert "pg_sleep($1)" in one["message"] and "postgres:" in one["message"], one["message"]
        assert d.findings(check="statement-regression", database="app") == []
        slow.sql = "SELECT pg_sleep(0.05) AS \"it's slow\""
        d.wait_gone("statement-regression", database="other", within=30 * d.slack)
        # Another life of the counters is no slowness.
        c.sql("SELECT \"Stat's\".pg_stat_statements_reset()", dbname=db)
        wait_looks(d, "other", 2)
        assert d.findings(check="statement-regression") == []


@proves("statement-new-heavy")
def test_new_statement_that_takes_much_is_told(cluster, daemon):
    c = cluster(settings=LOADED)
    db = with_extension(c)
    d = daemon(databases={"app": c.dsn(db)}, defaults=FAST,
               sections=rules(statement_new_heavy={"param.learn": "3s", "param.known_after": "1h"}))
    with Load(c, db, "SELECT pg_sleep(0.02)"):
        wait_until(lambda: d.check("app", "statement-new-heavy")["status"] == "ok", 20 * d.slack, "it is watched")
        time.sleep(4)
        c.sql("SELECT pg_sleep(0.5), 1 AS once", dbname=db)  # a single job is none
        wait_looks(d, "app", 3)
        assert d.findings(check="statement-new-heavy") == []
        with Load(c, db, "SELECT pg_sleep(0.05), 'secret 4711' AS newcomer"):
            one = d.wait_finding("statement-new-heavy", database="app", within=30 * d.slack)
            assert one["value"] > 0.1 and "newcomer" in one["message"] and "4711" not in one["message"]
        d.wait_gone("statement-new-heavy", database="app", within=30 * d.slack)


@proves("statement-slow")
def test_slow_statements_are_reported(cluster):
    c = cluster(settings=LOADED)
    db = with_extension(c)
    with contextlib.closing(c.session(db)) as s, s.cursor() as cur:
        for _ in range(100):
            cur.execute("SELECT pg_sleep(0.021)")
            cur.execute("SELECT 1 AS quick")
        for _ in range(20):
            cur.execute("SELECT pg_sleep(0.03) AS seldom")
    one, = look(c, db, "statement-slow")
    assert one["severity"] == "info" and one["value"] >= 0.02 and "pg_sleep($1)" in one["message"]
    assert "seldom" not in one["message"]
    assert look(c, db, "statement-slow", min_mean="1s") == []


@proves("pgss-dealloc")
def test_evictions_are_told_and_more_places_end_them(cluster, daemon):
    c = cluster(settings={**LOADED, "pg_stat_statements.max": "100"})
    if c.version < 14:
        pytest.skip("13 does not count them")
    db = with_extension(c)
    d = daemon(databases={"app": c.dsn(db)}, defaults=FAST, sections=rules(pgss_dealloc={}))

    def press():
        c.script("".join("SELECT 1" + ", 1" * i + ";\n" for i in range(150)), db)

    def told():
        press()
        time.sleep(0.5)
        return next(iter(d.findings(check="pgss-dealloc")), None)

    one = wait_until(told, 30 * d.slack, "what is thrown away is told")
    assert one["severity"] == "warning" and "is 100" in one["message"]
    sql = one["remedies"][0]
    assert sql["closes"] and sql["text"] == "ALTER SYSTEM SET pg_stat_statements.max = 10000;"
    c.script(sql["text"], db)
    c.restart()
    before = c.sql("SELECT dealloc FROM pg_stat_statements_info", dbname=db)
    press()
    assert c.sql("SELECT dealloc FROM pg_stat_statements_info", dbname=db) == before


def test_top_shows_what_takes_most_by_daemon_and_alone(cluster, daemon, cli):
    c = cluster(settings=LOADED)
    db, other, bare = with_extension(c), c.createdb("other"), c.createdb("bare")
    d = daemon(databases={"app": c.dsn(db), "other": c.dsn(other)}, defaults=FAST,
               sections=rules(statement_regression={}))
    secret = "SELECT pg_sleep(0.02), 'hunter2' AS \"a very long name that does not fit into the line\", 1 AS b, 2 AS c"
    with Load(c, db, secret), Load(c, other, "SELECT pg_sleep(0.03) AS elsewhere"):
        def shown():
            a = d.get("/v1/databases/app/statements", by="time", limit=5)
            return a if a["basis"] == "window" and a["statements"] and "pg_sleep" in (a["statements"][0]["query"] or "") else None
        a = wait_until(shown, 30 * d.slack, "a window with the statement in front")
        first = a["statements"][0]
        assert first["user"] == "postgres" and first["mean_seconds"] >= 0.02 and 0.1 < first["share"] < 0.9
        assert first["calls"] > 1 and first["rows_per_call"] == 1 and a["known"] > 2
        for by in ("time", "calls", "io"):
            out = d.cli("top", "app", "--by", by, "--limit", "3").out
            assert out.startswith(f"app: by {by}, in "), out
            assert all(len(line) <= 80 for line in out.splitlines()), out
            assert "hunter2" not in out and "elsewhere" not in out
        assert "pg_sleep($1)" in d.cli("top", "app").out
        alone = cli("top", c.dsn(db, user="postgres"), "--sample", "1s", "-o", "json").json
        assert alone["basis"] == "window" and "pg_sleep" in alone["statements"][0]["query"]
        assert alone["statements"][0]["calls_per_second"] > 2 and "hunter2" not in str(alone)
        total = cli("top", c.dsn(db, user="postgres"))
        assert "since the statistics were reset" in total.out and total.status == 0, total
        assert all(len(line) <= 80 for line in total.out.splitlines()), total.out
    refused = cli("top", c.dsn(bare, user="postgres"))
    assert refused.status == 3 and "CREATE EXTENSION pg_stat_statements;" in refused.err, refused
    for bad in ("by=size", "limit=0", "limit=x", "what=1"):
        assert d.request("GET", f"/v1/databases/app/statements?{bad}").status == 400, bad
    assert d.request("GET", "/v1/databases/none/statements").status == 404


def test_top_says_what_is_missing(cluster, daemon):
    c = cluster()
    d = daemon(databases={"app": c.dsn(c.createdb("app"))}, defaults=FAST)
    wait_until(lambda: "pgss-missing" in d.cli("top", "app").out, 20 * d.slack, "the reason is known")
    one = d.cli("top", "app")
    assert one.status == 3 and "dbhealth explain pgss-missing" in one.out, one
