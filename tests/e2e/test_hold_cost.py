"""What watching costs: connections, memory, and nothing at all for who only asks the daemon."""
import threading

import pytest

from support import sanitized
from support.base import wait_until

QUIET = {f"{p}_interval": "1h" for p in ("connectivity", "schema", "integrity", "performance")}


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def all_looked_at(d, count):
    def looked():
        rows = d.status()["databases"]
        return len(rows) == count and all(p["last_run"] for x in rows for p in x["probes"].values())
    wait_until(looked, 60 * d.slack, f"each probe of {count} databases has run", every=0.2)


def resident_settles(d, most_mb):
    """Start-up leaves more than stays: the bound must be reached, and then hold."""
    if sanitized():
        return
    wait_until(lambda: resident_kb(d.process.pid) < most_mb * 1024, 15,
               lambda: f"resident below {most_mb} MB: {resident_kb(d.process.pid)} kB")
    for _ in range(20):
        d.status()
    assert resident_kb(d.process.pid) < most_mb * 1024


def test_one_database_in_10_megabytes(cluster, daemon):
    d = daemon(databases={"a": cluster().dsn()})
    all_looked_at(d, 1)
    resident_settles(d, 10)


def test_54_databases_in_14_megabytes(cluster, daemon):
    c = cluster(settings={"max_wal_size": "4GB"})
    for i in range(53):
        c.sql(f"CREATE DATABASE app{i:02d} STRATEGY file_copy")
    d = daemon(databases={"all": {"dsn": c.dsn(), "databases": "*"}})
    all_looked_at(d, 54)
    resident_settles(d, 14)


def test_a_steady_cycle_opens_no_connection(cluster, daemon):
    c = cluster()
    d = daemon(databases={"a": c.dsn()},
               defaults={"connectivity_interval": "1s", "performance_interval": "1s",
                         "reconnect_interval": "1d"})
    all_looked_at(d, 1)

    def runs():
        return d.database("a")["probes"]["performance"]["last_run"]

    seen = set()
    wait_until(lambda: c.connections() == 1, 15 * d.slack, "the visits of the first round are over")
    before = len(c.connection_log())
    wait_until(lambda: seen.add(runs()) or len(seen) > 5, 30 * d.slack, "five cycles")
    assert len(c.connection_log()) == before


@pytest.mark.alone
def test_200_clients_cost_no_query_and_no_memory(cluster, daemon):
    c = cluster()
    c.createdb("app")
    c.sql("ALTER ROLE dbhealth SET log_statement = 'all'")
    d = daemon(databases={"a": c.dsn("app")}, defaults={**QUIET, "reconnect_interval": "1d"})
    all_looked_at(d, 1)
    wait_until(lambda: c.connections() == 1, 15 * d.slack, "the visits of the first round are over")

    def crowd():
        start, answers = threading.Barrier(200), []

        def client(path):
            start.wait()
            answers.append(d.request("GET", path, timeout=30 * d.slack).status)

        threads = [threading.Thread(target=client, args=(path,))
                   for path in ("/v1/status", "/metrics") * 100]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert answers == [200] * 200

    def statements():
        return c.log.read_text(errors="replace").count("LOG:  execute ")

    crowd()  # what the first crowd makes the daemon allocate, it keeps
    before, asked = resident_kb(d.process.pid), statements()
    assert asked > 0
    for _ in range(3):
        crowd()
    assert statements() == asked
    if not sanitized():
        assert resident_kb(d.process.pid) - before < 4 * 1024
