"""One cause, one alert: what follows from a finding is shown under it, and told only if it outlives it."""
import contextlib
import threading

import psycopg2
import pytest

from support import wait_until
from support.alerts import alerts, program, told

WAITERS = 30
FOLLOW = WAITERS + 2  # each waits in a transaction; who holds them has one too, and idles in it
FAST = {"connectivity_interval": "2s", "performance_interval": "2s", "schema_interval": "1h", "integrity_interval": "1h",
        "reconnect_interval": "5s"}
BLOCKERS = {"check lock-blocked": {"param.warning_after": "1s", "param.critical_after": "1h", "param.crowd": "5", "param.crowd_after": "1s",
                                   "clear_for": "0s"},
            "check xact-idle": {"param.warning_after": "1s", "clear_for": "0s"},
            "check xact-long": {"param.warning_after": "1s", "clear_for": "0s"}}


@pytest.fixture
def sessions():
    opened = []

    def make(cluster, application):
        s = cluster.session(dbname="app", application_name=application)
        opened.append(s)
        return s
    yield make
    for s in opened:
        with contextlib.suppress(psycopg2.Error):
            s.close()


def do(session, *statements):
    with session.cursor() as c:
        for s in statements:
            c.execute(s)


def wait_behind(session):
    def run():
        with contextlib.suppress(psycopg2.Error):
            do(session, "BEGIN", "LOCK TABLE t IN ROW SHARE MODE")
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def quiet_start(d):
    wait_until(lambda: len(d.transitions("09")) >= 2, 60 * d.slack, "the first contact is over")


def test_thirty_waiters_are_one_alert_that_names_who_holds_them(cluster, daemon, folder, sessions):
    c = cluster(settings={"max_connections": "60"})
    c.createdb("app")
    c.sql("CREATE TABLE t(id int PRIMARY KEY)", dbname="app")
    tell = program(folder)
    d = daemon(databases={"app": {"dsn": c.dsn("app"), "probes": "connectivity, performance"}}, defaults=FAST,
               sections=BLOCKERS | {"alert pager": {"exec": f"'{tell}'", "group_wait": "1s"}})
    quiet_start(d)
    before = len(told(d))
    blocker = sessions(c, "nightly-report")
    pid = blocker.info.backend_pid
    do(blocker, "BEGIN", "LOCK TABLE t")
    threads = [wait_behind(sessions(c, f"web-{i}")) for i in range(WAITERS)]
    root = d.wait_finding("lock-blocked", f"pid {pid}", severity="critical")
    assert root["labels"]["waiters"] == str(WAITERS) and root["caused_by"] is None

    def family():
        return [f for f in d.findings(state="open") if f["caused_by"] == root["id"]]
    wait_until(lambda: len(family()) == FOLLOW, 30 * d.slack,
               lambda: f"all follow from it: {[(f['check'], f['object'], f['caused_by']) for f in d.findings(state='open')]}")
    idle = next(f for f in family() if f["check"] == "xact-idle")
    assert idle["object"] == f"pid {pid}" and {f["check"] for f in family()} == {"xact-idle", "xact-long"}
    wait_until(lambda: told(d)[before:], 20 * d.slack, "the journal is told")
    assert told(d)[before:] == [("01", "lock-blocked", f"pid {pid}")]
    message = d.transitions("01", check="lock-blocked")[0]["MESSAGE"]
    assert f"pid {pid}" in message and "nightly-report" in message and "postgres" in message, message

    # People see it under its cause.
    text = d.cli("status").out
    assert f"  + {FOLLOW} that follow from it:\n" in text and text.count("xact-long") <= 5, text
    assert all(len(line) <= 80 for line in text.splitlines()), text
    assert f"+ {FOLLOW} that follow" in d.cli("findings").out
    assert f"CAUSE    app lock-blocked pid {pid} (dbhealth explain {root['id'][:6]})" in d.cli("explain", idle["id"]).out
    assert f"FOLLOWS  app xact-idle pid {pid} (dbhealth explain {idle['id'][:6]})" in d.cli("explain", root["id"]).out
    assert "CAUSES   lock-blocked of the same key" in d.cli("explain", "xact-idle").out

    # A restart in the middle tells nothing again.
    d.restart()  # told() is from here on of this start
    wait_until(lambda: d.check("app", "xact-idle")["last_run"], 20 * d.slack, "it was looked at again")
    assert d.wait_finding("xact-idle", f"pid {pid}", where=lambda f: f["caused_by"] == root["id"])

    # The waiters go, the session stays as it is: it outlives its cause, and is told once.
    c.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'web-%'")
    d.wait_gone("lock-blocked", f"pid {pid}")
    alone = d.wait_finding("xact-idle", f"pid {pid}", where=lambda f: f["caused_by"] is None)
    assert alone["id"] == idle["id"]
    wait_until(lambda: len(told(d)) >= 2, 20 * d.slack, lambda: f"it is told: {told(d)}")
    assert told(d) == [("03", "lock-blocked", f"pid {pid}"), ("01", "xact-idle", f"pid {pid}")]
    assert "outlives its cause" in d.transitions("01", check="xact-idle")[0]["MESSAGE"]
    do(blocker, "ROLLBACK")
    d.wait_gone("xact-idle", f"pid {pid}")
    wait_until(lambda: told(d)[-1] == ("03", "xact-idle", f"pid {pid}"), 20 * d.slack, "its end is told")
    wait_until(lambda: ("resolved", "xact-idle") in alerts(tell), 20 * d.slack, "the program hears of it")
    assert alerts(tell) == [("opened", "lock-blocked"), ("resolved", "lock-blocked"), ("opened", "xact-idle"), ("resolved", "xact-idle")]
