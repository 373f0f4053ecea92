"""The daemon is stopped for a minute, as by a suspended machine or a debugger, while databases live on."""
import signal
import time

from support import Pulse, parse_time, wait_until

FAST = {"connectivity_interval": "1s", "performance_interval": "2s", "schema_interval": "4s",
        "integrity_interval": "8s", "reconnect_interval": "2s", "timeout": "3s"}


def test_a_minute_without_the_daemon(cluster, daemon, sqlite):
    """Sessions idled for it, timeouts passed, workers ended: none of that is a database's fault."""
    server, file = cluster(), sqlite("f.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")
    server.sql("CREATE TABLE fine(a int PRIMARY KEY); GRANT SELECT ON fine TO dbhealth")
    d = daemon(databases={"a": server.dsn(), "f": file.dsn}, defaults=FAST)
    for name in ("a", "f"):
        wait_until(lambda n=name: d.database(n)["status"] == "ok", 30 * d.slack, lambda n=name: f"{n} is ok: {d.findings()}")
    before = {f["id"] for f in d.findings(state="any")}
    told = len(d.transitions())
    d.signal(signal.SIGSTOP)
    time.sleep(60)
    d.signal(signal.SIGCONT)
    # It comes back by itself: on time again, every database looked at, at most the delay told.
    with Pulse(d, "a", 1) as pulse:
        wait_until(lambda: len(pulse.runs) >= 5, 30, lambda: f"runs {pulse.runs}")
    for name in ("a", "f"):
        for probe in ("connectivity", "performance", "schema", "integrity"):
            d.run(name, probe)
        assert d.database(name)["status"] == "ok", d.findings()
        last = d.database(name)["probes"]["connectivity"]["last_run"]
        assert time.time() - parse_time(last) < 5 * d.slack
    assert {f["id"] for f in d.findings(state="any")} == before
    assert d.transitions()[told:] == []
    late = [e for e in d.log() if "was late by" in e["MESSAGE"]]
    assert len(late) == 1, late
    assert server.max_connections_seen() <= 2
