"""The daemon watches itself: what its checks cost, those that take too much, those that do not answer."""
import json
import re
import sqlite3

from proof import proves
from support import wait_until
from support.hold import FAST

NAP = """-- id: nap
-- title: it takes its time
-- engine: postgresql
-- probe: performance
-- scope: database
-- kind: finding
-- severity: warning
-- for: 0s
-- default: on
-- cost: dear
-- message: {object}
SELECT 'x' AS object, 1 AS value FROM public.nap WHERE pg_sleep(s) IS NULL
"""
ON = {"enabled": "yes"}
ONLY = {"check *": {"enabled": "no"}, "check conn-up": ON}  # and what is told of by name


def health(d, object):
    found = d.findings(check="probe-health", database="a")
    return next((f for f in found if f["object"] == object), None)


def nap_cost(d):
    return d.check("a", "nap")["cost"] or {"runs": 0, "spaced_out": False}


def test_a_check_over_its_budget_runs_less_often_until_it_is_quick(cluster, daemon):
    c = cluster()
    c.sql("CREATE TABLE nap(s float); GRANT SELECT ON nap TO public; INSERT INTO nap VALUES (1.3)")
    d = daemon(databases={"a": c.dsn()}, checks_d={"nap.sql": NAP},
               defaults={**FAST, "performance_interval": "1s", "timeout": "9s"},
               sections={**ONLY, "check nap": {**ON, "interval": "1s", "budget": "100%"},
                         "check probe-health": {**ON, "for": "0s"}})
    cost = wait_until(lambda: nap_cost(d)["spaced_out"] and nap_cost(d), 30 * d.slack, "it runs less often")
    # Twice; more on a machine where a second and a half are more than two.
    assert cost["interval_seconds"] in (2, 4, 8) and cost["budget_ms"] == 1000, cost
    assert cost["server_ms"] / cost["runs"] >= 1300, cost
    assert cost["runs"] >= 3 and cost["rows"] == 0
    found = d.wait_finding("probe-health", "budget", database="a")
    assert found["severity"] == "info" and found["message"].startswith("1 check runs less often"), found
    assert re.search(r"nap takes [1-7](\.\d+)? s.*now every [248] s", found["message"]), found
    assert "probe-health" not in [f["check"] for f in d.findings(severity="warning")]
    page = d.request("GET", "/metrics").body.decode()
    assert re.search(r'^dbhealth_check_spaced_out{server="a",engine="postgresql",check="nap"} [248]$', page, re.M)
    shown = d.cli("status", "-v").out
    line = next(x for x in shown.splitlines() if x.startswith("  nap ") and re.search("each [248]s", x))
    assert len(line) <= 80, line
    listed = d.cli("status", "-v", "-o", "json").json["cost"][0]
    assert listed["server"] == "a" and any(x["check"] == "nap" and x["spaced_out"] for x in listed["checks"])
    d.restart()
    assert nap_cost(d)["spaced_out"], "a restart forgets it not"
    c.sql("UPDATE nap SET s = 0")
    wait_until(lambda: not nap_cost(d)["spaced_out"], 40 * d.slack, "it has its interval back")
    assert nap_cost(d)["interval_seconds"] == 1
    wait_until(lambda: not health(d, "budget"), 20 * d.slack, "that is over, too")


@proves("probe-health", "probe-health-server")
@proves("probe-health", engine="sqlite")
def test_checks_that_do_not_answer_are_one_finding(cluster, sqlite, daemon):
    c = cluster()
    c.sql("CREATE TABLE nap(s float); GRANT SELECT ON nap TO public; INSERT INTO nap VALUES (0)")
    other = NAP.replace("id: nap", "id: other").replace("pg_sleep(s) IS NULL", "1 / (s - 9) < 0")
    whole = other.replace("id: other", "id: whole").replace("scope: database", "scope: server")
    bad = NAP.replace("engine: postgresql", "engine: sqlite")
    bad = bad[:bad.index("SELECT")] + "SELECT 'x' AS object, abs(s) AS value FROM nap\n"
    file = sqlite("app.db", "CREATE TABLE nap(s); INSERT INTO nap VALUES (-9223372036854775808)")
    d = daemon(databases={"a": c.dsn(), "f": f"sqlite:{file.path}"},
               checks_d={"nap.sql": NAP, "other.sql": other, "whole.sql": whole, "bad.sql": bad},
               defaults={**FAST, "performance_interval": "1s", "timeout": "2s"},
               sections={**ONLY, "check nap": {**ON, "budget": "none"}, "check other": ON, "check whole": ON,
                         "check probe-health": {**ON, "for": "0s"},
                         "check probe-health-server": {**ON, "for": "0s"}})
    found = d.wait_finding("probe-health", "", database="f")
    assert found["message"].startswith("1 check did not answer: nap failed"), found
    assert [f["database"] for f in d.findings(check="probe-health")] == ["f"]
    file.sql("UPDATE nap SET s = 1")
    c.sql("UPDATE nap SET s = 9")
    both = d.wait_finding("probe-health", "", where=lambda f: f["message"].startswith("2 checks"), database="a")
    assert "nap timed out" in both["message"] and "other failed" in both["message"] and both["value"] == 2
    assert both["severity"] in ("warning", "critical")
    server = d.wait_finding("probe-health-server")
    assert server["database"] == "" and server["message"].startswith("1 check did not answer: whole failed"), server
    c.sql("UPDATE nap SET s = 0; REVOKE SELECT ON nap FROM public")
    found = d.wait_finding("probe-health", "rights")
    assert "2 checks lost a right they had: nap, other" in found["message"] and found["severity"] == "warning"
    wait_until(lambda: not health(d, ""), 20 * d.slack, "nothing else is wrong")
    c.stop()
    d.wait_finding("conn-up")
    c.start()
    d.wait_gone("conn-up")
    assert health(d, "rights"), "what cannot be seen is not over"
    c.sql("GRANT SELECT ON nap TO public")
    wait_until(lambda: not d.findings(check="probe-health") and not d.findings(check="probe-health-server"),
               30 * d.slack, "all answer again")
    assert [s["engine"] for s in d.get("/v1/cost")["servers"]] == ["postgresql", "sqlite"]
    assert d.check("f", "nap")["cost"]["rows"] > 0


def test_what_an_upgrade_brought_is_one_entry_and_info_for_a_week(cluster, daemon):
    c = cluster()
    c.sql("CREATE TABLE nokey1(a int); CREATE TABLE nokey2(a int); CREATE TABLE nokey3(a int)")
    d = daemon(databases={"a": c.dsn()}, defaults={**FAST, "schema_interval": "1s"},
               sections={"check table-no-primary-key": {"param.min_rows": "0"}})
    assert d.wait_finding("table-no-primary-key", "public.nokey3")["severity"] == "warning"
    wait_until(lambda: d.transitions("09", database="a"), 20 * d.slack, "the first look is over")
    d.stop()
    with sqlite3.connect(d.state / "state.db") as db:  # as the version before left it: without that check
        known = json.loads(db.execute("SELECT json FROM state WHERE kind = 'checks'").fetchone()[0])
        assert known.pop("postgresql/table-no-primary-key") == 0 and len(known) > 100
        assert set(known.values()) == {0}
        db.execute("UPDATE state SET json = ? WHERE kind = 'checks'", [json.dumps(known)])
        db.execute("DELETE FROM state WHERE key LIKE '%/table-no-primary-key%' OR json LIKE '%table-no-primary-key%'"
                   " AND kind = 'finding'")
    db.close()
    d.start()
    told = wait_until(lambda: [e for e in d.transitions("09", database="a") if "more thing" in e["MESSAGE"]],
                      30 * d.slack, "what is new is summed up")
    assert "looks for 1 more thing: 0 critical, 3 info; until 20" in told[0]["MESSAGE"], told
    found = d.findings(check="table-no-primary-key")
    assert len(found) == 3 and {f["severity"] for f in found} == {"info"}, found
    assert not d.transitions("01", check="table-no-primary-key")
    assert d.check("a", "table-no-primary-key")["new_until"].startswith("20")
    c.sql("DROP TABLE nokey1")
    d.wait_gone("table-no-primary-key", "public.nokey1")
    d.restart()
    wait_until(lambda: d.check("a", "table-no-primary-key")["status"] == "info", 20 * d.slack, "it is still new")
    d.wait_gone("table-no-primary-key", "public.nokey1")
    assert not [e for e in d.transitions("09", database="a") if "more thing" in e["MESSAGE"]]
    d.stop()
    with sqlite3.connect(d.state / "state.db") as db:  # a week later
        known = json.loads(db.execute("SELECT json FROM state WHERE kind = 'checks'").fetchone()[0])
        assert known["postgresql/table-no-primary-key"] > 0
        known["postgresql/table-no-primary-key"] -= 8 * 86400 * 1000000
        db.execute("UPDATE state SET json = ? WHERE kind = 'checks'", [json.dumps(known)])
    db.close()
    d.start()
    d.wait_finding("table-no-primary-key", "public.nokey2", where=lambda f: f["severity"] == "warning")
