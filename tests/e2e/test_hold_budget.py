"""Many databases on one server, with two connections."""
import time

import pytest

from support import parse_time, wait_until
from support.alerts import alerts, program, told
from support.hold import BUDGET

COUNT = 54
INTERVALS = {"connectivity": 5, "performance": 15, "schema": 40, "integrity": 40}


def one_alert_down_and_one_back(c, d, script):
    """All databases of a server go and come: one cause, so one alert each time."""
    before, early = len(told(d)), len(alerts(script))
    c.stop("fast")  # recovery from a crash syncs every file of 54 databases
    down = d.wait_finding("conn-up", within=40)
    assert down["database"] == "" and down["caused_by"] is None
    wait_until(lambda: all(x["status"] in ("critical", "unknown") for x in d.status()["databases"]), 40 * d.slack, "all are down")
    wait_until(lambda: len(alerts(script)) > early, 20 * d.slack, "the program is told")
    time.sleep(7)  # a round more, and what something may wait for its cause
    assert [x[:2] for x in told(d)[before:]] == [("04", "conn-up")], told(d)[before:]
    assert alerts(script)[early:] == [("unreachable", "conn-up")]
    c.start()
    d.wait_gone("conn-up", within=60)
    wait_until(lambda: all(x["probes"]["connectivity"]["status"] == "ok" for x in d.status()["databases"]), 60 * d.slack, "all are back")
    wait_until(lambda: len(alerts(script)) > early + 1, 20 * d.slack, "the program is told of the end")
    time.sleep(7)
    assert [x[:2] for x in told(d)[before:]] == [("04", "conn-up"), ("05", "conn-up")], told(d)[before:]
    assert alerts(script)[early:] == [("unreachable", "conn-up"), ("reachable", "conn-up")]


@pytest.mark.alone
def test_54_databases_with_two_connections(cluster, daemon, folder):
    c = cluster()
    names = [f"app{i:02d}" for i in range(COUNT - 1)] + ["postgres"]
    for name in names[:-1]:
        c.sql(f"CREATE DATABASE {name} STRATEGY file_copy")
    c.sql("CREATE TABLE no_key(a int)", dbname="app07")
    script = program(folder)
    d = daemon(databases={"all": {"dsn": c.dsn(), "databases": "*"}},
               defaults={f"{k}_interval": f"{v}s" for k, v in INTERVALS.items()}
               | {"reconnect_interval": "5s"},
               sections={"alert pager": {"exec": f"'{script}'", "group_wait": "1s"}})
    watched = {f"all/{n}" for n in names}
    assert {x["name"] for x in d.status()["databases"]} == watched
    # the section itself is then no database, whoever asks
    assert d.request("GET", "/v1/databases/all").status == 404
    assert d.request("POST", "/v1/databases/all/probes/schema/run").status == 404

    def answered():
        rows = d.status()["databases"]
        return all(p["last_run"] for x in rows for p in x["probes"].values())

    began = time.monotonic()
    wait_until(answered, 90 * d.slack, "every probe of every database has run once")
    a_round = time.monotonic() - began
    oldest = dict.fromkeys(INTERVALS, 0.0)
    end = time.monotonic() + 1.5 * max(INTERVALS.values())
    while time.monotonic() < end:
        rows = d.status()["databases"]
        now = time.time()
        for row in rows:
            for probe, state in row["probes"].items():
                oldest[probe] = max(oldest[probe], now - parse_time(state["last_run"]))
        time.sleep(0.25)
    # two connections make one queue: who is due while all schemas are looked at waits for that round
    late = {p: round(age, 1) for p, age in oldest.items() if age > INTERVALS[p] * 1.2 * d.slack + a_round}
    assert not late, f"answers older than their interval and a round of {a_round:.1f} s: {late}"
    for row in rows:
        assert row["unknown"] == 0 and row["status"] != "unknown", row
    assert d.wait_finding("table-no-primary-key", database="all/app07")
    assert c.max_connections_seen() <= BUDGET
    one_alert_down_and_one_back(c, d, script)


def test_three_ways_to_one_server_are_no_full_server(cluster, daemon, folder):
    """Nobody can know that they are one until each has answered; meanwhile they may meet the limit of
    their own role, which is no outage."""
    c = cluster(tcp=True)
    other = folder.sub("other", user="postgres")
    c.configure(unix_socket_directories=f"'{c.socket_dir},{other}'")
    c.restart()
    c.sql('ALTER ROLE dbhealth CONNECTION LIMIT 3')
    for n in range(3):
        c.createdb(f"d{n}")
    ways = {"a": c.dsn("d0"), "b": c.dsn("d1", tcp=True), "c": f"postgresql://dbhealth@/d2?host={other}&port={c.port}"}
    for start in range(4):
        d = daemon(name=f"w{start}", databases=ways)
        wait_until(lambda: {b["server"] for b in d.status()["databases"]} == {"a"}, 20, "one server")
        assert [f["message"] for f in d.findings() if f["severity"] == "critical"] == []
        if start % 2:
            d.kill9()
        else:
            d.stop()
        assert d.transitions("04", "05", "06") == []


def test_a_long_queue_is_no_shortage(cluster, daemon):
    """Twenty databases take turns for longer than pool_timeout: each comes, and none is unknown."""
    c = cluster()
    c.createdb(*(f"d{i}" for i in range(20)))
    d = daemon(databases={"all": {"dsn": c.dsn(), "databases": "*"}}, defaults={"pool_timeout": "1s"})
    wait_until(lambda: all(p["last_run"] for row in d.get("/v1/status")["databases"] for p in row["probes"].values()),
               120, "each probe of each database had its turn")
    rows = d.get("/v1/status")["databases"]
    assert len(rows) == 21
    assert {row["name"]: row["status"] for row in rows if row["status"] != "ok"} == {}
