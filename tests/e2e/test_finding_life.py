"""What comes and goes too often is told once; what lost its input stays and says why."""
from support import wait_until
from support.hold import FAST
from test_engine_life import LINT

OPENED, CHANGED, RESOLVED, FLAPPING, STABLE = "01", "02", "03", "0f", "10"
FLIP = {"query flip": {"databases": "a", "probe": "performance", "sql": "SELECT v AS value FROM public.flip",
                       "warning": ">= 1"}}


def told(daemon, starts=2):
    """Of all lives: the kinds of entries about flip, one for each event id."""
    kinds = {}
    for start in range(1, starts + 1):
        for e in daemon.transitions(OPENED, CHANGED, RESOLVED, FLAPPING, STABLE, start=start, check="flip"):
            kinds[e["DBHEALTH_EVENT_ID"]] = e["MESSAGE_ID"][-2:]
    return list(kinds.values())


def test_flapping_is_told_once_and_again_when_it_is_stable(cluster, daemon):
    c = cluster()
    c.sql("CREATE TABLE flip(v int); GRANT SELECT ON flip TO public; INSERT INTO flip VALUES (0)")
    parts = {"databases": {"a": {"dsn": c.dsn(), "probes": "performance"}},
             "defaults": {**FAST, "performance_interval": "1s"}}
    d = daemon(**parts, sections={**FLIP, "check flip": {"flap_changes": "2", "flap_window": "10min"}})
    wait_until(lambda: d.transitions("09", database="a"), 20 * d.slack, "the first look is over")
    c.sql("UPDATE flip SET v = 1")
    d.wait_finding("flip")
    c.sql("UPDATE flip SET v = 0")
    d.wait_gone("flip")
    c.sql("UPDATE flip SET v = 1")
    found = d.wait_finding("flip", where=lambda f: f["flapping"])
    assert found["state"] == "open" and found["flapping_changes"] == 3 and found["flapping_since"]
    c.sql("UPDATE flip SET v = 0")
    wait_until(lambda: d.findings(check="flip")[0]["flapping_changes"] == 4, 20 * d.slack, "it went on")
    assert d.findings(check="flip")[0]["state"] == "open"
    assert "flapping" in d.cli("findings").out
    d.restart()
    found = d.wait_finding("flip", where=lambda f: f["flapping"])
    assert found["flapping_changes"] == 4
    wait_until(lambda: told(d) == [OPENED, RESOLVED, FLAPPING], 20 * d.slack, lambda: f"told: {told(d)}")
    d.configure(**parts, sections={**FLIP, "check flip": {"flap_changes": "2", "flap_window": "4s"}})
    d.reload()
    d.wait_gone("flip")
    wait_until(lambda: told(d) == [OPENED, RESOLVED, FLAPPING, STABLE], 20 * d.slack, lambda: f"told: {told(d)}")
    last = d.transitions(STABLE, check="flip")[-1]
    assert last["DBHEALTH_SEVERITY"] == "none" and "stable again" in last["MESSAGE"]


def test_what_lost_its_extension_stays_until_a_person_closes_it(cluster, daemon):
    c = cluster()
    text = LINT.replace("-- message", "-- needs: extension plpgsql\n-- message") \
        + "SELECT unnest(ARRAY['one', 'two']) AS object, 5 AS value\n"
    d = daemon(databases={"a": c.dsn()}, defaults=FAST, checks_d={"always.sql": text})
    d.wait_finding("always", "one")
    d.stop()
    c.sql("DROP EXTENSION plpgsql")
    d.start()
    found = d.wait_finding("always", "one", where=lambda f: f["lost"])
    assert found["stale"] and "plpgsql is not installed" in found["stale_reason"]
    assert d.check("a", "always")["status"] == "not_covered"
    d.restart()
    found = d.wait_finding("always", "one", where=lambda f: f["lost"])
    shown = d.cli("explain", found["id"]).out
    assert "not installed" in shown and f"dbhealth ack {found['id'][:6]}" in shown, shown
    answer = d.cli("ack", found["id"])
    assert answer.status == 0, answer
    d.wait_gone("always", "one")
    wait_until(lambda: d.transitions(RESOLVED, check="always", object="one", reason="acknowledged"), 10 * d.slack,
               "its end is told")
    assert not any(d.transitions(RESOLVED, start=s, check="always", object="two") for s in (1, 2, 3))
    d.stop()
    c.sql("CREATE EXTENSION plpgsql")
    d.start()
    d.wait_finding("always", "two", where=lambda f: not f["stale"])
