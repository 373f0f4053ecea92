"""What comes and goes while the daemon watches: databases, servers, sections, visits, runs."""
import threading
import time

from support import backlog, hold_for, wait_until
from support.hold import BUDGET, FAST

LINT = "-- id: always\n-- title: always\n-- engine: postgresql\n-- probe: performance\n" \
    "-- topic: sessions\n-- scope: database\n-- kind: gauge\n-- default: on\n-- cost: cheap\n" \
    "-- unit: count\n-- warning: >= 1\n-- for: 0s\n-- message: {value} of it\n" \
    "-- why: A test.\n-- spares: Nothing.\n-- fix: None.\n" \
    "-- remedy.1: look | look | none | | helps\n-- remedy.1.text: SELECT 1;\n"


def checks_of(daemon, name, scope="database"):
    return [c for c in daemon.database(name)["checks"] if c["scope"] == scope]


def test_a_section_whose_database_is_missing_is_told_for_itself_alone(cluster, daemon):
    """The home session moves on; nothing that another database says is taken for its own."""
    c = cluster()
    c.sql("CREATE TABLE no_key(a int)")
    d = daemon(databases={"gone": c.dsn("gone"), "calm": c.dsn()}, defaults=FAST)
    found = d.wait_finding("conn-up", where=lambda f: f["database"] == "gone", severity="critical")
    assert found["labels"]["cause"] == "no-database"
    d.wait_check("calm", "table-no-primary-key", ("warning", "info", "pending"))
    wait_until(lambda: d.database("gone")["probes"]["schema"]["last_run"], 10, "gone had its turn")
    silent = ("unknown", "disabled", "not_covered")
    wait_until(lambda: all(k["status"] in silent for k in checks_of(d, "gone")), 10 * d.slack, "nothing is taken for ok")
    assert d.database("calm")["probes"]["connectivity"]["status"] == "ok"
    assert d.database("gone")["status"] == "critical"
    c.createdb("gone")
    d.wait_gone("conn-up", where=lambda f: f["database"] == "gone")
    wait_until(lambda: d.database("gone")["probes"]["connectivity"]["status"] == "ok", 10, "reachable")


def test_every_database_missing_is_asked_for_in_turn(cluster, daemon):
    c = cluster()
    d = daemon(databases={"one": c.dsn("one"), "two": c.dsn("two")}, defaults=FAST)
    d.wait_finding("conn-up", severity="critical")
    c.createdb("one")
    wait_until(lambda: d.database("one")["probes"]["connectivity"]["status"] == "ok", 15, "one is found")


def test_a_removed_section_takes_its_findings_along(cluster, daemon, folder):
    c = cluster()
    missing = f"sqlite:{folder.path}/missing.db"
    d = daemon(databases={"calm": c.dsn(), "old": missing}, defaults=FAST)
    d.wait_finding("conn-up", database="old")
    d.stop()
    d.configure(databases={"calm": c.dsn()}, defaults=FAST)
    d.start()
    wait_until(lambda: not [f for f in d.findings() if f["database"] == "old"], 10, "nothing of old")


def test_a_member_dropped_while_nobody_watched_takes_its_findings_along(cluster, daemon):
    c = cluster()
    c.createdb("brief")
    d = daemon(databases={"all": {"dsn": c.dsn(), "databases": "*"}}, defaults=FAST,
               checks_d={"always.sql": LINT + "SELECT ''::text AS object, 5 AS value\n"})
    d.wait_finding("always", database="all/brief")
    d.stop()
    c.sql("DROP DATABASE brief")
    d.start()
    wait_until(lambda: [f for f in d.findings() if f["database"] == "all/postgres"], 20, "a finding")
    wait_until(lambda: not [f for f in d.findings() if f["database"] == "all/brief"], 10,
               "no finding of a database that is no more")


def test_a_dropped_member_is_no_alarm(cluster, daemon):
    c = cluster()
    c.createdb("brief")
    d = daemon(databases={"all": {"dsn": c.dsn(), "databases": "*"}}, defaults=FAST)
    wait_until(lambda: "all/brief" in [b["name"] for b in d.status()["databases"]], 10, "brief is seen")
    wait_until(lambda: d.database("all/brief")["probes"]["performance"]["last_run"], 10, "brief is visited")
    c.sql("DROP DATABASE brief WITH (FORCE)")
    wait_until(lambda: "all/brief" not in [b["name"] for b in d.status()["databases"]], 15, "brief goes")
    assert d.transitions("01", "04") == [] or \
        not [e for e in d.transitions("01", "04") if e.get("DBHEALTH_CHECK") == "conn-up"]
    wait_until(lambda: (lambda a: a["first_round_done"] == a["first_round_total"])(d.status()["daemon"]), 10,
               "the first round counts only who is left")
    # the section stands for its members and is no database itself
    assert d.request("POST", "/v1/databases/all/probes/schema/run?wait=5s", timeout=20).status == 404


def test_a_database_that_came_back_while_nobody_watched(cluster, daemon):
    c = cluster()
    c.createdb("a")
    d = daemon(databases={"home": c.dsn(), "a": c.dsn("a")}, defaults=FAST)
    c.sql("ALTER DATABASE a ALLOW_CONNECTIONS false")
    d.wait_finding("conn-up", where=lambda f: f["database"] == "a")
    d.stop()
    c.sql("ALTER DATABASE a ALLOW_CONNECTIONS true")
    d.start()
    d.wait_gone("conn-up", where=lambda f: f["database"] == "a")


def test_a_down_server_is_asked_again_without_the_connectivity_probe(cluster, daemon):
    c = cluster()
    c.createdb("other")
    d = daemon(databases={n: {"dsn": c.dsn(db), "probes": "performance, schema"}
                          for n, db in (("home", "postgres"), ("other", "other"))}, defaults=FAST)
    c.stop()
    for name in ("home", "other"):
        wait_until(lambda n=name: d.database(n)["probes"]["performance"]["status"] == "unknown", 20, "unknown")
    c.start()
    for name in ("home", "other"):
        wait_until(lambda n=name: d.database(n)["probes"]["performance"]["status"] != "unknown", 20, "answers")


def test_what_was_not_reached_goes_first(cluster, daemon):
    """Twelve statements of 0.9 s in 3 s: none starves."""
    c = cluster()
    queries = {f"query slow-{i:02}": {"databases": "a", "probe": "integrity", "critical": "> 100",
                                      "sql": "SELECT 1 AS value FROM pg_sleep(0.9)"} for i in range(14)}
    d = daemon(databases={"a": {"dsn": c.dsn(), "probes": "integrity"}}, sections=queries,
               defaults={**FAST, "timeout": "1s", "integrity_interval": "1h"})
    answered = set()
    for _ in range(3):
        d.run("a", "integrity", wait="40s")
        answered |= {k["id"] for k in d.database("a")["checks"]
                     if k["id"].startswith("slow-") and k["status"] == "ok"}
    assert len(answered) == len(queries)


def test_a_right_missing_for_one_object_hides_no_other(cluster, daemon):
    c = cluster()
    rows = "SELECT * FROM (VALUES ('a', 5, NULL), ('b', NULL, 'GRANT SELECT ON b TO x')) " \
        "AS v(object, value, \"grant\")\n"
    d = daemon(databases={"a": c.dsn()}, defaults=FAST, checks_d={"always.sql": LINT + rows})
    d.wait_finding("always", "a", severity="warning")
    assert d.database("a")["probes"]["performance"]["status"] == "warning"
    assert d.database("a")["status"] == "warning"


def test_extensions_that_cannot_be_read_are_not_absent(cluster, daemon):
    c = cluster()
    text = LINT.replace("-- message", "-- needs: extension plpgsql\n-- message")
    with c.session(autocommit=False) as locker:
        locker.cursor().execute("LOCK TABLE pg_extension IN ACCESS EXCLUSIVE MODE")
        d = daemon(databases={"a": c.dsn()}, defaults=FAST,
                   checks_d={"always.sql": text + "SELECT ''::text AS object, 5 AS value\n"})
        told = d.wait_check("a", "always", ("unknown", "not_covered"))
        wait_until(lambda: d.check("a", "always")["last_run"], 10, "it was tried")
        told = d.check("a", "always")
        assert told["status"] == "unknown" and "lock" in told["reason"], told
        locker.rollback()
    d.wait_check("a", "always", "warning")


def test_two_ways_to_one_server_are_one(cluster, daemon):
    """The name stays, also when the session is made anew; findings of its namesake stay too."""
    c = cluster(tcp=True)
    c.createdb("b")
    d = daemon(databases={"a": c.dsn(), "b": c.dsn("b", tcp=True)},
               defaults={**FAST, "pool_recycle": "3s"},
               checks_d={"always.sql": LINT + "SELECT ''::text AS object, 5 AS value\n"})
    for start in (1, 2):
        wait_until(lambda: len(d.status()["servers"]) == 1, 20, "one server")
        wait_until(lambda: len(d.findings(check="always")) == 2, 20, "both findings")
        hold_for(6, lambda: [s["name"] for s in d.status()["servers"]] == ["a"], "its name is a")
        if start == 1:
            d.restart()
    assert d.transitions("01", check="always") == []


def test_warm_sessions_do_not_replace_fresh_ones(cluster, daemon):
    c = cluster()
    c.createdb("b")
    d = daemon(databases={"a": c.dsn(), "b": c.dsn("b")},
               defaults={**FAST, "pool_size": "3", "max_overflow": "0", "reconnect_interval": "1s"})
    hold_for(3, lambda: True, "warm up")
    before = len(c.connection_log())
    hold_for(6, lambda: True, "it goes on")
    assert len(c.connection_log()) - before >= 3
    assert c.max_connections_seen() <= 3
    assert d.status()["status"] != "critical"


def test_a_large_budget_still_makes_one_attempt_that_nobody_answers(cluster, daemon):
    c = cluster()
    names = [f"d{i}" for i in range(5)]
    c.createdb(*names)
    d = daemon(databases={n: c.dsn(n) for n in names},
               defaults={**FAST, "pool_size": "3", "max_overflow": "2"})
    socket = f"{c.socket_dir}/.s.PGSQL.{c.port}"
    c.freeze_postmaster()
    d.wait_finding("conn-up", severity="critical")
    hold_for(8, lambda: backlog(socket) <= BUDGET, "at most two wait")
    assert not [e for e in d.transitions("06") if "pool_timeout" in e["MESSAGE"]]
    c.resume()
    d.wait_gone("conn-up")


def test_stop_while_visits_wait(cluster, daemon):
    c = cluster()
    names = [f"d{i}" for i in range(6)]
    c.createdb(*names)
    slow = {"query slow": {"probe": "performance", "critical": "> 100",
                           "sql": "SELECT 1 AS value FROM pg_sleep(1.5)"}}
    d = daemon(databases={n: c.dsn(n) for n in names}, defaults=FAST, sections=slow)
    time.sleep(2)
    d.stop()
    d.start("alive")
    time.sleep(0.7)
    d.stop()


def test_waiters_hear_of_the_end(cluster, daemon):
    """Somebody waits for a run of a database on a server that is lost and killed meanwhile."""
    c = cluster()
    slow = {"query slow": {"probe": "integrity", "critical": "> 100",
                           "sql": "SELECT 1 AS value FROM pg_sleep(1.5)"}}
    d = daemon(databases={"a": c.dsn()}, defaults={**FAST, "integrity_interval": "1h"}, sections=slow)
    answers = []
    runs = [threading.Thread(target=lambda: answers.append(d.run("a", "integrity"))) for _ in range(2)]
    for r in runs:
        r.start()
    time.sleep(0.8)
    c.kill9()
    for r in runs:
        r.join(30)
    assert len(answers) == 2 and all(a["status"] for a in answers)


def test_acknowledged_is_told(cluster, daemon):
    c = cluster()
    d = daemon(databases={"a": c.dsn()}, defaults=FAST,
               checks_d={"always.sql": LINT + "SELECT ''::text AS object, 5 AS value\n"})
    found = d.wait_finding("always")
    for _ in range(2):
        assert d.request("POST", f"/v1/findings/{found['id']}/ack").status == 200
    wait_until(lambda: d.transitions("0b", finding_id=found["id"]), 10, "the entry")
    assert len(d.transitions("0b")) == 1


def test_what_an_outage_left_unknown_is_asked_again(cluster, daemon):
    """A check of once an hour does not stay unknown for an hour."""
    c = cluster()
    d = daemon(databases={"a": c.dsn()}, defaults={**FAST, "integrity_interval": "1h", "schema_interval": "1h"})
    wait_until(lambda: all(p["last_run"] for p in d.database("a")["probes"].values()), 20, "first round")
    c.stop()
    d.wait_finding("conn-up")
    d.run("a", "integrity")
    assert d.database("a")["probes"]["integrity"]["status"] == "unknown"
    c.start()
    wait_until(lambda: d.database("a")["probes"]["integrity"]["status"] == "ok", 15, "integrity answers")
    wait_until(lambda: d.database("a")["status"] != "unknown", 15, "nothing stays unknown")
