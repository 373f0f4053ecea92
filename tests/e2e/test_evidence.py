"""What stood behind a finding is kept: at nine one still sees three in the morning."""
import re
import sqlite3
import threading

from test_api_shapes import validate

from support import wait_until
from support.hold import FAST

SECRET, PASSWORD = "Geheim4711", "Passwort0815"
WITH_EVIDENCE = ("conn-slots", "deadlocks", "disk-space-low", "lock-blocked", "query-long", "repl-slot-inactive",
                 "repl-slot-retained", "vacuum-overdue", "wal-dir-size", "xact-idle", "xact-long", "xmin-horizon")
CHECK = """-- id: counted
-- title: counts
-- engine: postgresql
-- probe: performance
-- kind: gauge
-- for: 0s
-- warning: >= 1
-- critical: >= 10
-- message: {value}

SELECT '' AS object, v AS value FROM public.counted
-- @evidence
"""


def statements(d):
    """Each check's evidence as the program has it."""
    return {c["id"]: c["sql"].split("-- @evidence\n")[1] for c in d.get("/v1/checks")["checks"]
            if c["engine"] == "postgresql" and "-- @evidence\n" in (c["sql"] or "")}


def looks(d, finding, n=1):
    """What is kept of a finding, once there are so many looks and none is on its way."""
    def there():
        answer = d.request("GET", f"/v1/findings/{finding['id']}/evidence")
        if answer.status == 404:
            return None
        then = answer.json["then"]
        return then if len(then) >= n and not any("being taken" in (s["error"] or "") for s in then) else None
    return wait_until(there, 20 * d.slack, f"{n} looks at {finding['check']}")


def rows(look):
    return [dict(zip(look["columns"], row)) for row in look["rows"] or []]


def test_every_evidence_is_told_at_once_whatever_is_locked(cluster, daemon):
    c = cluster()
    c.sql("CREATE TABLE held(a int PRIMARY KEY); INSERT INTO held VALUES (1);"
          "SELECT pg_create_physical_replication_slot('standby', true)")
    d = daemon(databases={"a": c.dsn()})
    with c.session(autocommit=False) as holder, c.session(user="dbhealth") as s:
        holder.cursor().execute("LOCK TABLE held; DELETE FROM held; SELECT pg_notify('x', 'y')")
        cursor = s.cursor()
        cursor.execute("SET lock_timeout = '100ms'; SET search_path = ''; BEGIN READ ONLY")
        told = statements(d)
        assert sorted(told) == sorted(WITH_EVIDENCE)
        for check, sql in told.items():
            cursor.execute(sql)
            got = cursor.fetchall()
            names = [column.name for column in cursor.description]
            assert len(names) <= 24 and len(set(names)) == len(names), check
            if check in ("conn-slots", "wal-dir-size", "disk-space-low", "xact-idle", "xact-long", "repl-slot-retained",
                         "xmin-horizon", "vacuum-overdue"):
                assert got, check


def test_three_in_the_morning_is_seen_at_nine(cluster, daemon):
    c = cluster()
    c.sql("CREATE TABLE orders(id int PRIMARY KEY, note text); INSERT INTO orders VALUES (1, '');"
          "CREATE ROLE nightly LOGIN; GRANT ALL ON orders TO nightly")
    d = daemon(databases={"shop": {"dsn": c.dsn(), "probes": "performance"}},
               defaults={**FAST, "performance_interval": "1s"},
               sections={"check lock-blocked": {"param.warning_after": "1s", "param.critical_after": "4s", "flap_changes": "0"}})
    blocker = c.session(user="nightly", autocommit=False, application_name="nightly-report")
    waiter = c.session(application_name="web", options="-c statement_timeout=60000")
    pids = [str(s.info.backend_pid) for s in (blocker, waiter)]
    blocker.cursor().execute(f"UPDATE orders SET note = '{SECRET}' /* {SECRET} */")
    blocker.cursor().execute(f"SELECT '{SECRET}', \"id\" FROM orders WHERE id = 815")
    ended = []

    def wait_for_it():
        try:
            waiter.cursor().execute(f"UPDATE orders SET note = '{SECRET}' -- PASSWORD {PASSWORD}\n WHERE id = 1")
        finally:
            ended.append(True)
    thread = threading.Thread(target=wait_for_it)
    thread.start()
    try:
        finding = d.wait_finding("lock-blocked")
        looks(d, finding)
        worst = d.wait_finding("lock-blocked", where=lambda f: f["severity"] == "critical")
        then = looks(d, worst, 2)
        now = d.request("POST", f"/v1/findings/{finding['id']}/evidence").json
        validate("evidence", now)
        assert {r["pid"] for r in rows(now["now"])} == set(pids)
        text = d.cli("explain", finding["id"]).out
        assert "NOW" in text and "THEN" in text, text
    finally:
        blocker.rollback()
        thread.join(30)
        blocker.close()
        waiter.close()
    assert ended
    d.wait_gone("lock-blocked")
    assert [s["moment"] for s in then] == ["opened", "worse"]
    assert [s["severity"] for s in then] == ["warning", "critical"]
    for look in then:
        first, second = rows(look)
        assert (first["pid"], first["behind"], second["pid"], second["behind"]) == (pids[0], "nobody", pids[1], pids[0])
        assert first["role"] == "nightly" and first["application"] == "nightly-report" and first["client"] == "local"
        assert first["state"] == "idle in transaction" and second["application"] == "web"
        assert first["query"] == 'SELECT ?, "id" FROM orders WHERE id = ?'
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$", first["backend_start"])
    d.kill9()
    d.start()
    assert looks(d, finding, 2) == then
    answer = d.get(f"/v1/findings/{finding['id']}/evidence")
    validate("evidence", answer)
    text = d.cli("explain", finding["id"]).out
    assert "THEN" in text and "NOW" not in text
    assert all(len(line) <= 80 for line in text.splitlines()), text
    for word in (*pids, "nightly", "web", "local"):
        assert word in text, text
    d.stop()
    state = b"".join(p.read_bytes() for p in d.state.glob("state.db*"))
    shown = (text + str(answer) + str(now)).encode()
    assert b"nightly-report" in state
    for word in (SECRET, PASSWORD):
        assert word.encode() not in shown
        assert not [line for line in evidence_rows(d) if word in line]


def evidence_rows(d):
    with sqlite3.connect(f"file:{d.state / 'state.db'}?mode=ro", uri=True) as db:
        return [r[0] for r in db.execute("SELECT json FROM state WHERE kind LIKE 'evidence%'")]


def counting(c, d_of, evidence, **sections):
    """A daemon that watches a number of the test's own, with that evidence."""
    c.sql("CREATE TABLE counted(v int); INSERT INTO counted VALUES (1); GRANT SELECT ON counted TO public")
    return d_of(databases={"a": {"dsn": c.dsn(), "probes": "connectivity, performance"}},
                defaults={**FAST, "performance_interval": "1s"}, checks_d={"counted.sql": CHECK + evidence},
                sections={"check counted": {"flap_changes": "0"}, **sections})


def test_a_statement_that_hangs_or_fails_is_cut_and_harms_nothing(cluster, daemon):
    c = cluster()
    d = counting(c, daemon, "-- @when server < 13\nSELECT 1\n-- @evidence\nSELECT pg_sleep(60) AS slept")
    finding = d.wait_finding("counted")
    (look,) = looks(d, finding)
    assert look["error"] == "not taken: it took too long" and look["rows"] is None
    answer = d.request("POST", f"/v1/findings/{finding['id']}/evidence").json
    assert answer["now"]["error"] == "not taken: it took too long"
    c.sql("UPDATE counted SET v = 20")
    d.wait_finding("counted", where=lambda f: f["severity"] == "critical")
    assert [s["error"] for s in looks(d, finding, 2)] == ["not taken: it took too long"] * 2
    assert not d.findings(check="conn-up") and c.one(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active'"
        " AND pid <> pg_backend_pid()") == 0
    text = d.cli("explain", finding["id"]).out
    assert "not taken: it took too long" in text
    c.sql("UPDATE counted SET v = 0")
    d.wait_gone("counted")
    d.write(d.folder / "checks.d/counted.sql", CHECK + "SELECT * FROM public.nothing")
    d.reload()
    c.sql("UPDATE counted SET v = 1")
    d.wait_finding("counted")
    look = wait_until(lambda: [s for s in looks(d, finding) if "nothing" in (s["error"] or "")], 20 * d.slack,
                      "why there is none")[0]
    assert look["error"].startswith("not taken: ") and look["moment"] == "opened"
    nobody = d.request("GET", "/v1/findings/0123456789abcdef/evidence")
    assert nobody.status == 404 and d.request("POST", "/v1/findings/0123456789abcdef/evidence").status == 404
    assert d.request("DELETE", f"/v1/findings/{finding['id']}/evidence").status == 405


def test_what_comes_back_keeps_the_worst_of_the_last_time(cluster, daemon):
    c = cluster()
    d = counting(c, daemon, "SELECT v AS seen, 'x' || v AS note FROM public.counted")
    finding = d.wait_finding("counted")
    looks(d, finding)
    c.sql("UPDATE counted SET v = 50")
    d.wait_finding("counted", where=lambda f: f["severity"] == "critical")
    looks(d, finding, 2)
    c.sql("UPDATE counted SET v = 0")
    d.wait_gone("counted")
    c.sql("UPDATE counted SET v = 3")
    d.wait_finding("counted")
    then = wait_until(lambda: [s for s in [looks(d, finding, 2)] if s[0]["moment"] == "before"], 20 * d.slack,
                      "it opened again")[0]
    assert [(s["moment"], s["value"], rows(s)) for s in then] == [
        ("before", 50, [{"seen": "50", "note": "x50"}]), ("opened", 3, [{"seen": "3", "note": "x3"}])]
    shown = d.cli("explain", "-o", "json", finding["id"]).json
    assert shown["evidence"]["then"] == then and rows(shown["evidence"]["now"]) == [{"seen": "3", "note": "x3"}]
    c.stop("immediate")
    d.wait_finding("conn-up")
    now = d.request("POST", f"/v1/findings/{finding['id']}/evidence").json["now"]
    assert now["error"].startswith("not taken: ") and now["rows"] is None
    assert d.get(f"/v1/findings/{finding['id']}/evidence")["then"] == then
