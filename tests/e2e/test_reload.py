"""SIGHUP: the configuration is applied by comparison; what did not change does not notice."""
import os
import random
import time

from support import wait_until
from support.hold import BUDGET, FAST, undisturbed

# Asked once, a long time before it would be asked again: what moves after that moved without a query.
SLOW = {"sql": "SELECT 'a' AS object, 70 AS value UNION ALL SELECT 'b', 20", "probe": "performance",
        "interval": "1h"}
RELOADED, REJECTED = "07", "08"


def reload_with(daemon, kind=RELOADED, **parts):
    """SIGHUP with these parts; returns the one entry that tells how it went."""
    before = len(daemon.transitions(RELOADED, REJECTED))
    if parts:
        daemon.configure(**parts)
    daemon.reload()
    wait_until(lambda: len(daemon.transitions(RELOADED, REJECTED)) > before, 10 * daemon.slack,
               lambda: f"the reload is told; log: {daemon.log_tail()}")
    entry = daemon.transitions(RELOADED, REJECTED)[-1]
    assert entry["MESSAGE_ID"].endswith(kind), entry
    return entry["MESSAGE"]


def loaded_at(daemon):
    return daemon.status()["daemon"]["config_loaded_at"]


def pids(cluster):
    rows = cluster.sql("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'dbhealth%'"
                       " AND backend_type = 'client backend' ORDER BY backend_start")
    return [r[0] for r in rows]


def names(daemon):
    return [b["name"] for b in daemon.status()["databases"]]


def asked(daemon, database, check):
    return daemon.check(database, check)["last_run"]


def test_what_did_not_change_does_not_notice(cluster, daemon, sqlite):
    c = cluster()
    file = sqlite("a.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")
    parts = {"databases": {"calm": c.dsn(), "file": file.dsn}, "defaults": FAST}
    d = daemon(**parts)
    home, before, runs = pids(c)[0], loaded_at(d), d.status()["databases"]
    assert len(runs) == 2
    with undisturbed(d):
        for _ in range(5):
            assert "nothing changed" in reload_with(d, **parts)
            time.sleep(0.3)
    assert home in pids(c) and loaded_at(d) > before
    assert not d.transitions("01", "02", "03", "04", "05", "06")
    assert len(d.transitions("09")) <= 3  # the first contacts, no others


def test_other_alerts_and_silences_are_a_change(daemon, sqlite):
    file = sqlite("a.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")
    d = daemon(databases={"file": file.dsn}, defaults=FAST)

    def change(sections):
        return reload_with(d, databases={"file": file.dsn}, defaults=FAST, sections=sections).partition("reloaded: ")[2]
    page, night = {"exec": "/bin/true"}, {"when": "03:00", "for": "1h", "reason": "backup"}
    assert change({"alert page": page}) == "other alerts"
    assert change({"alert pager": page}) == "other alerts"  # renamed
    assert change({"alert pager": {**page, "timeout": "5s"}, "silence night": night}) == "other alerts; other silences"
    assert change({"alert pager": {**page, "timeout": "5s"}, "silence night": {**night, "for": "2h"}}) == "other silences"
    assert change({"alert pager": {**page, "timeout": "5s"}, "silence night": {**night, "for": "2h"}}) == "nothing changed"


def test_thresholds_judge_the_last_sample_at_once(cluster, daemon):
    c = cluster()

    def parts(**keys):
        return {"databases": {"calm": c.dsn()}, "defaults": FAST,
                "sections": {"query q": {**SLOW, "critical": "> 90", "databases": "calm"},
                             "check q": {"for": "0s", **keys}}}
    d = daemon(**parts(warning="> 80"))
    d.wait_check("calm", "q", ("ok",))
    wait_until(lambda: d.transitions("09", database="calm"), 20, "the first contact is over")
    first = asked(d, "calm", "q")

    reload_with(d, **parts(warning="> 60"))
    f = d.wait_finding("q", "a", within=15)
    assert f["severity"] == "warning" and f["value"] == 70
    reload_with(d, **parts(warning="> 60", critical="> 65"))
    wait_until(lambda: d.findings(check="q")[0]["severity"] == "critical", 15, "it rises")
    reload_with(d, **parts(warning="> 10", critical="> 90"))
    wait_until(lambda: sorted((f["object"], f["severity"]) for f in d.findings(check="q")) ==
               [("a", "warning"), ("b", "warning")], 15, "one falls, one opens")
    reload_with(d, **parts(warning="> 10", ignore="a"))
    d.wait_gone("q", "a", within=15)
    assert [f["object"] for f in d.findings(check="q")] == ["b"]
    reload_with(d, **parts(warning="> 10", severity="critical"))
    wait_until(lambda: sorted((f["object"], f["severity"]) for f in d.findings(check="q")) ==
               [("a", "critical"), ("b", "critical")], 15, "the severity that is told")
    reload_with(d, **parts(warning="> 80"))
    d.wait_gone("q", within=15)
    assert asked(d, "calm", "q") == first, "the check was asked again"
    wait_until(lambda: len(d.transitions(check="q")) == 9, 15, lambda: d.transitions(check="q"))
    kinds = [e["MESSAGE_ID"][-2:] for e in d.transitions(check="q")]
    assert kinds.count("01") == 3 and kinds.count("03") == 3 and kinds.count("02") == 3, kinds


def test_for_counts_from_the_sample(cluster, daemon):
    """A breach by new settings counts once, however often they are read."""
    c = cluster()

    def parts(**keys):
        return {"databases": {"calm": c.dsn()}, "defaults": FAST,
                "sections": {"query q": {**SLOW, "critical": "> 900"}, "check q": {"for": "1h", **keys}}}
    d = daemon(**parts())
    d.wait_check("calm", "q", ("ok",))
    for limit in (60, 61, 62, 63):
        reload_with(d, **parts(warning=f"> {limit}"))
    d.wait_check("calm", "q", ("pending",))
    assert not d.findings(check="q", state="open")
    reload_with(d, **parts(warning="> 60", **{"for": "0s"}))
    assert d.wait_finding("q", "a", within=15)["severity"] == "warning"


def test_switched_off_and_on_again(cluster, daemon):
    c = cluster()
    c.sql("CREATE TABLE no_key(a int)")
    parts = {"databases": {"calm": c.dsn()}, "defaults": FAST}
    d = daemon(**parts)
    d.wait_finding("table-no-primary-key")
    closed = len(d.transitions("03"))
    reload_with(d, databases=parts["databases"], defaults={**FAST, "disable": "table-no-primary-key"})
    d.wait_gone("table-no-primary-key", within=15)
    assert d.check("calm", "table-no-primary-key")["status"] == "disabled"
    assert len(d.transitions("03")) == closed
    reload_with(d, **parts)
    d.wait_finding("table-no-primary-key")


def test_removed_and_added(cluster, daemon, sqlite):
    c = cluster()
    c.createdb("old")
    missing = "sqlite:/nonexistent/missing.db"
    d = daemon(databases={"calm": c.dsn(), "old": c.dsn("old"), "gone": missing}, defaults=FAST)
    d.wait_finding("conn-up", database="gone")
    home = pids(c)[0]
    closed = len(d.transitions("03"))
    file = sqlite("new.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")
    c.createdb("new")
    said = reload_with(d, databases={"new": c.dsn("new"), "calm": c.dsn(), "file": file.dsn},
                       defaults=FAST)
    assert "added 2; removed 2" in said
    wait_until(lambda: names(d) == ["new", "calm", "file"], 5, lambda: names(d))
    wait_until(lambda: {b["status"] for b in d.status()["databases"]} <= {"ok", "warning"}, 15,
               lambda: d.status()["databases"])
    wait_until(lambda: len([e for e in d.transitions("09") if "new:" in e["MESSAGE"] or
                            "file:" in e["MESSAGE"]]) == 2, 20, "one summary each")
    assert not [f for f in d.findings() if f["database"] in ("gone", "old")]
    assert len(d.transitions("03")) == closed
    assert home in pids(c)
    wait_until(lambda: not c.sql("SELECT 1 FROM pg_stat_activity WHERE datname = 'old'"), 10,
               "no session in the removed database")
    assert c.max_connections_seen() <= BUDGET
    reload_with(d, databases={"calm": c.dsn()}, defaults=FAST)
    wait_until(lambda: names(d) == ["calm"], 5, lambda: names(d))


def test_the_home_database_is_removed(cluster, daemon):
    c = cluster()
    c.createdb("one", "two")
    d = daemon(databases={"one": c.dsn("one"), "two": c.dsn("two")}, defaults=FAST)
    reload_with(d, databases={"two": c.dsn("two")}, defaults=FAST)
    wait_until(lambda: names(d) == ["two"] and d.status()["servers"][0]["name"] == "two", 10,
               lambda: d.status()["servers"])
    wait_until(lambda: [r[0] for r in c.sql("SELECT DISTINCT datname FROM pg_stat_activity WHERE"
                                            " application_name LIKE 'dbhealth%'")] == ["two"], 10,
               "the session moves")
    wait_until(lambda: d.database("two")["status"] in ("ok", "warning"), 10, "two is probed")
    assert not d.transitions("01", "04", "06")
    assert c.max_connections_seen() <= BUDGET


def test_a_bad_file_changes_nothing(cluster, daemon):
    c = cluster()
    parts = {"databases": {"calm": c.dsn()}, "defaults": FAST}
    d = daemon(**parts)
    home, before = pids(c)[0], loaded_at(d)
    said = reload_with(d, REJECTED, text="nonsense = 1\n[check nope]\nwarning = >= 1\n", **parts)
    assert "2 faults" in said, said
    told = [e["MESSAGE"] for e in d.log() if e.get("PRIORITY") in ("3", 3)]
    assert any("nonsense" in m for m in told) and any("nope" in m for m in told), told
    d.conf.rename(d.conf.with_suffix(".away"))
    reload_with(d, REJECTED)
    d.configure(**parts)
    d.conf.chmod(0o666)
    assert "writable" in reload_with(d, REJECTED)
    assert loaded_at(d) == before and home in pids(c) and names(d) == ["calm"]
    reload_with(d, **parts)
    assert loaded_at(d) > before


def test_keys_that_want_a_restart_say_so(cluster, daemon, folder):
    c = cluster()
    parts = {"databases": {"calm": c.dsn()}, "defaults": FAST}
    d = daemon(**parts)
    d._keys = {**d._keys, "state_dir": str(folder.path / "elsewhere"), "max_clients": "9"}
    for _ in range(2):
        said = reload_with(d, **parts)
        assert "[daemon] state_dir takes a restart, the rest applies" in said, said


def test_another_role(cluster, daemon):
    """Sessions are replaced one after the other; the server never counts one too many."""
    c = cluster()
    c.create_role("other", limit=-1)
    parts = {"defaults": FAST}
    d = daemon(databases={"calm": c.dsn()}, **parts)
    old = set(pids(c))
    for _ in range(4):
        for user in ("other", "dbhealth"):
            reload_with(d, databases={"calm": c.dsn(user=user)}, **parts)
            wait_until(lambda: {r[0] for r in c.sql(
                "SELECT usename FROM pg_stat_activity WHERE application_name LIKE 'dbhealth%'")} == {user},
                10, f"only {user} is there")
    assert not old & set(pids(c))
    wait_until(lambda: d.database("calm")["status"] in ("ok", "warning"), 10, "probed")
    assert not d.transitions("01", "04", "06"), d.transitions("01", "04", "06")
    assert c.max_connections_seen(("dbhealth", "other")) <= BUDGET


def test_pool_and_timeout(cluster, daemon):
    c = cluster()
    c.createdb(*[f"m{i}" for i in range(6)])
    wide = {**FAST, "pool_size": 3, "max_overflow": 1}
    databases = {"all": {"dsn": c.dsn(), "databases": "*"}}
    d = daemon(databases=databases, defaults=wide)
    wait_until(lambda: len(names(d)) == 7, 15, lambda: names(d))
    reload_with(d, databases=databases, defaults={**FAST, "pool_size": 1, "max_overflow": 1})
    wait_until(lambda: len(pids(c)) <= 2, 15, lambda: pids(c))
    end = time.monotonic() + 4
    while time.monotonic() < end:
        assert len(pids(c)) <= 2
        time.sleep(0.05)
    reload_with(d, databases=databases, defaults={**wide, "timeout": "3s"})
    wait_until(lambda: len(pids(c)) > 2, 20, lambda: pids(c))
    assert not d.transitions("01", "04", "06")
    reload_with(d, databases={"all": {**databases["all"], "exclude_databases": "m1, m2"}}, defaults=wide)
    wait_until(lambda: len(names(d)) == 5, 15, lambda: names(d))
    assert c.max_connections_seen() <= 4


def test_nothing_waits_for_a_server_that_does_not_answer(cluster, daemon):
    c, hung = cluster(), cluster("hung")
    d = daemon(databases={"calm": c.dsn(), "hung": hung.dsn()}, defaults=FAST)
    hung.freeze()
    try:
        time.sleep(1.5)
        begun = time.monotonic()
        reload_with(d, databases={"calm": {"dsn": c.dsn(), "note": "x"}, "hung": hung.dsn()}, defaults=FAST)
        wait_until(lambda: d.database("calm")["note"] == "x", 15, "applied")
        reload_with(d, databases={"calm": c.dsn()}, defaults=FAST)
        assert names(d) == ["calm"]
        assert time.monotonic() - begun < 5 * d.slack
        reload_with(d, databases={"calm": c.dsn(), "hung": hung.dsn()}, defaults=FAST)
        d.wait_finding("conn-up", where=lambda f: f["server"] == "hung", within=40)
    finally:
        hung.resume()
    wait_until(lambda: d.database("hung")["status"] in ("ok", "warning"), 30, "it is back")


def test_a_hundred_in_a_row(cluster, daemon, sqlite):
    """Sections, servers, files, roles, checks and budgets at random; the last word counts."""
    c, other = cluster(), cluster("other")
    c.createdb("m1", "m2")
    c.create_role("second", limit=-1)
    files = [sqlite(f"f{i}.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)").dsn for i in range(2)]
    draw = random.Random(int(os.environ.get("SEED", "20")))

    def section():
        return draw.choice([c.dsn(), c.dsn("m1"), c.dsn(user="second"), other.dsn(), other.dsn("template1"),
                            files[0], files[1], "postgresql://x@/x?host=/nonexistent",
                            {"dsn": c.dsn(), "databases": "*"}])

    def parts():
        defaults = {**FAST, "pool_size": draw.choice((1, 2)), "timeout": draw.choice(("2s", "3s")),
                    "disable": draw.choice(("conn-latency", "table-no-primary-key"))}
        databases = {n: section() for n in draw.sample("abcdef", draw.randint(1, 5))}
        sections = {"query q": {**SLOW, "interval": "5s", "warning": f"> {draw.randint(1, 90)}"}} \
            if draw.random() < 0.7 else {}
        return {"databases": {"calm": c.dsn(), **databases}, "defaults": defaults, "sections": sections}

    d = daemon(databases={"calm": c.dsn()}, defaults=FAST)
    for i in range(100):
        d.configure(**parts())
        d.reload()
        if i % 10 == 3:
            d.request("POST", "/v1/databases/calm/run?probe=connectivity")
        time.sleep(draw.choice((0, 0.02, 0.2, 0.5)))
    last = {"databases": {"calm": c.dsn(), "other": other.dsn(), "file": files[0]}, "defaults": FAST}
    wait_until(lambda: reload_with(d, **last) and names(d) == ["calm", "other", "file"], 20,
               lambda: names(d))
    wait_until(lambda: all(d.database(n)["status"] in ("ok", "warning") for n in ("calm", "other", "file")),
               40 * d.slack, lambda: d.status()["databases"])
    wait_until(lambda: len(pids(c)) <= BUDGET and len(pids(other)) <= BUDGET, 20, lambda: pids(c))
    with undisturbed(d):
        pass
    assert not [e for e in d.log() if "assert" in e["MESSAGE"].lower()]
