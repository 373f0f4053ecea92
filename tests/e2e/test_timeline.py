"""What happened to databases and servers: told once, of the right one, over restarts of the daemon."""
import os
import re

from support import wait_until
from support.orphans import SCRIPT, known

FAST = {"connectivity_interval": "1s", "performance_interval": "2s"}
QUIET = {"check schema-drift": {"enabled": "no"}, "check server-restarted": {"enabled": "no"}}


def happened(d, database="app"):
    """(what, who, reason) of everything, oldest first."""
    events = d.get("/v1/events", kind="happened", database=database, limit=500, after=0)["events"]
    return [(e["what"], e["database"] or f"server {e['server']}", e["reason"]) for e in events]


def told(d, *patterns, database="app", skip=0):
    """Just these, in any order, each once."""
    def there():
        got = happened(d, database)[skip:]
        return len(got) >= len(patterns) and all(
            sum(bool(re.search(p, f"{who}: {reason}")) for _, who, reason in got) == 1 for p in patterns)
    wait_until(there, 30 * d.slack, lambda: f"{patterns}: {happened(d, database)[skip:]}; {d.log_tail(5)}")
    got = happened(d, database)[skip:]
    assert len(got) == len(patterns), got
    return got


def looked(d, database="app"):
    """Everything that was to be seen has been seen: the facts were read after a reload."""
    for _ in range(2):
        d.run(database, "connectivity")
        d.run(database, "performance")


def test_what_becomes_of_a_server(cluster, daemon):
    c = cluster()
    c.createdb("app")
    d = daemon(databases={"app": c.dsn("app")}, defaults=FAST, sections=QUIET)
    looked(d)
    assert happened(d) == []
    # look-alikes: a reload that changes nothing, work of others, what our own sessions have set
    c.script("CREATE TABLE t(a int); CREATE TEMP TABLE x(a int); VACUUM; ANALYZE;"
                   "SET work_mem = '9MB'; ALTER ROLE postgres SET statement_timeout = '1h'", dbname="app")
    c.reload()
    looked(d)
    assert happened(d) == []
    c.sql("ALTER SYSTEM SET work_mem = '1GB'")
    c.sql("ALTER SYSTEM SET archive_command = 'scp %p backup:secret-word'")
    c.sql("ALTER SYSTEM SET max_connections = 77")
    c.sql("CREATE DATABASE second")
    c.sql("CREATE EXTENSION pg_trgm", dbname="app")
    c.sql("SELECT pg_stat_reset()", dbname="app")
    c.reload()
    first = told(d, r"settings changed: .*work_mem 4MB -> 1GB", r"wait for a restart: max_connections$",
                 r"created: database second$", r"^app: extensions: pg_trgm \S+ installed$",
                 r"^app: statistics were reset: of the database at 20..-..-.. \S+ UTC$")
    assert "archive_command (value not shown)" in str(first)
    assert {who.split()[0] for what, who, _ in first if what in ("settings", "database")} == {"server"}
    # while nobody looks
    d.stop()
    c.sql("DROP DATABASE second")
    c.sql("ALTER DATABASE app RENAME TO other")
    c.sql("ALTER DATABASE other RENAME TO app")
    c.restart()
    d.start()
    told(d, r"restarted, running since 20\S+ \S+ UTC$", r"dropped: database second$",
         r"settings changed: .*max_connections \d+ -> 77$", skip=len(first))
    d.restart()
    looked(d)
    everything = happened(d)
    assert len(everything) == len(first) + 3
    text = d.cli("events", "app").out
    assert "work_mem 4MB -> 1GB" in " ".join(text.split()), text
    assert all(len(line) <= 80 for line in text.splitlines())
    state = b"".join(p.read_bytes() for p in d.state.iterdir() if p.is_file())
    assert b"secret-word" not in state + d.log_path.read_bytes()
    assert d.request("GET", "/v1/events?kind=nonsense").status == 400


def test_a_standby_is_promoted(cluster, daemon):
    primary = cluster()
    primary.createdb("app")
    standby = primary.standby()
    d = daemon(databases={"app": standby.dsn("app")}, defaults=FAST, sections=QUIET)
    looked(d)
    assert happened(d) == []
    standby.sql("SELECT pg_promote()")
    wait_until(lambda: "timeline 1 -> 2" in str(happened(d)), 30 * d.slack, lambda: str(happened(d)))
    got = [(what, who.split()[0], reason) for what, who, reason in happened(d)]
    assert [g[2] for g in got if g[0] == "role"][0].startswith("became a primary, was a standby"), got
    assert all(who == "server" for _, who, _ in got) and str(got).count("timeline 1 -> 2") == 1, got


def test_a_file_is_replaced(sqlite, daemon):
    app, new = sqlite("app.db", "CREATE TABLE t(id INTEGER PRIMARY KEY)"), sqlite("new.db", "CREATE TABLE u(a)")
    d = daemon(databases={"app": app.dsn}, defaults=FAST, sections=QUIET)
    looked(d)
    app.sql("INSERT INTO t VALUES (1); VACUUM; ANALYZE")
    looked(d)
    assert happened(d) == []
    app.sql("PRAGMA user_version = 7")
    told(d, r"^app: changed: user_version 0 -> 7$")
    d.stop()
    os.replace(new.path, app.path)
    d.start()
    told(d, r"^app: the file was replaced by another \(inode \d+ -> \d+\)", r"user_version 7 -> 0$", skip=1)
    d.restart()
    looked(d)
    assert len(happened(d)) == 3


def test_explain_shows_what_happened_around(sqlite, daemon):
    app = sqlite("app.db", SCRIPT)
    d = daemon(databases={"app": app.dsn}, defaults={**FAST, "integrity_interval": "1s"}, sections=QUIET)
    known(d, "app")
    app.sql("PRAGMA user_version = 7")
    told(d, r"user_version 0 -> 7$")
    app.sql("INSERT INTO c00(p) VALUES (99)")
    d.run("app", "integrity")
    finding = d.wait_finding("fk-orphan-rows")
    wait_until(lambda: d.get("/v1/events", finding=finding["id"])["events"], 20 * d.slack, "it is in the log")
    text = d.cli("explain", finding["id"][:8]).out
    around = text[text.index("\nAROUND "):].splitlines()
    assert all(len(line) <= 80 for line in around), text
    moves = [i for i, line in enumerate(around) if line.startswith("* ")]
    assert len(moves) == 1 and "user_version 0 -> 7" in " ".join(around[:moves[0]]), text
    listed = d.cli("explain", finding["id"][:8], "-o", "json").json["around"]
    assert [e["kind"] for e in listed] == ["happened", "opened"]
    assert listed[1]["finding"] == finding["id"] and listed[0]["what"] == "file"
