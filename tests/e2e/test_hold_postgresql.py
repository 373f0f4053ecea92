"""One sick PostgreSQL: told with its cause, delays nobody, costs at most two connections, clears."""
import contextlib
import threading

import psycopg2
import pytest

from support import backlog, hold_for, wait_until
from support.hold import BUDGET, FAST, cause, undisturbed, wait_down

pytestmark = pytest.mark.alone


@pytest.fixture
def two(cluster, daemon):
    """A server "sick" and a server "calm", both watched."""
    sick, calm = cluster("sick", tcp=True), cluster("calm")
    watched = daemon(databases={"sick": sick.dsn(), "calm": calm.dsn()}, defaults=FAST)
    return sick, calm, watched


def test_locked_table(cluster, daemon):
    c = cluster()
    c.createdb("sick", "calm")
    c.sql("CREATE TABLE t(a int PRIMARY KEY, b int); INSERT INTO t VALUES (1)", dbname="sick")
    d = daemon(databases={"sick": c.dsn("sick"), "calm": c.dsn("calm")}, defaults=FAST,
               sections={"check lock-blocked": {"param.warning_after": "2s"}})
    with contextlib.closing(c.session("sick", autocommit=False)) as blocker, \
            undisturbed(d):
        blocker.cursor().execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        waiter = threading.Thread(target=c.sql, args=("SELECT * FROM t",), kwargs={"dbname": "sick"})
        waiter.start()
        found = d.wait_finding("lock-blocked", within=12)
        assert str(blocker.info.backend_pid) in found["object"] + found["detail"]
        # every probe of the locked database still runs to its end
        for probe in ("connectivity", "schema", "performance"):
            d.run("sick", probe)
            assert d.database("sick")["probes"][probe]["status"] != "critical"
        schema = [k for k in d.database("sick")["checks"] if k["status"] == "unknown"]
        assert all(k["reason"] for k in schema), schema
        blocker.rollback()
        waiter.join(10)
        d.wait_gone("lock-blocked", within=15)
    assert c.max_connections_seen() <= BUDGET


def test_frozen_server(two):
    sick, _, d = two
    socket = f"{sick.socket_dir}/.s.PGSQL.{sick.port}"
    with undisturbed(d):
        sick.freeze()
        found = wait_down(d, "timeout")
        assert found["server"] == "sick"
        # connections that nobody accepts pile up in the kernel's queue: ours are two at most
        hold_for(12, lambda: backlog(socket) <= BUDGET, "at most two of our connections wait")
        assert d.status()["status"] == "critical"
        sick.resume()
        d.wait_gone("conn-up", within=15)
    d.wait_check("sick", "conn-up", "ok")
    assert sick.max_connections_seen() <= BUDGET


def test_frozen_postmaster(two):
    """The kept session goes on; only a fresh connection tells."""
    sick, _, d = two
    socket = f"{sick.socket_dir}/.s.PGSQL.{sick.port}"
    with undisturbed(d):
        sick.freeze_postmaster()
        wait_down(d, "timeout")
        hold_for(8, lambda: backlog(socket) <= BUDGET, "at most two of our connections wait")
        sick.resume()
        d.wait_gone("conn-up", within=15)
    assert sick.max_connections_seen() <= BUDGET


def test_stopped_server(two):
    sick, _, d = two
    with undisturbed(d):
        sick.stop()
        wait_down(d, "refused")
        sick.start()
        d.wait_gone("conn-up", within=15)
    assert sick.max_connections_seen() <= BUDGET


def test_accepts_and_never_answers(cluster, proxy, daemon):
    sick, calm = cluster("sick"), cluster("calm")
    between = proxy(f"{sick.socket_dir}/.s.PGSQL.{sick.port}")
    d = daemon(databases={"sick": f"postgresql://dbhealth@127.0.0.1:{between.port}/postgres",
                          "calm": calm.dsn()}, defaults=FAST)
    with undisturbed(d):
        between.silent()
        before = between.accepted
        between.cut()
        wait_down(d, "timeout")
        hold_for(8, lambda: between.open <= BUDGET, "at most two of our connections are open")
        assert between.accepted - before <= BUDGET, "an unanswered attempt was repeated"
        between.resume()
        d.wait_gone("conn-up", within=15)
    assert sick.max_connections_seen() <= BUDGET


def test_answers_stop_in_the_middle(cluster, proxy, daemon):
    """The network stalls under a session that was fine."""
    sick, calm = cluster("sick"), cluster("calm")
    between = proxy(f"{sick.socket_dir}/.s.PGSQL.{sick.port}")
    d = daemon(databases={"sick": f"postgresql://dbhealth@127.0.0.1:{between.port}/postgres",
                          "calm": calm.dsn()}, defaults=FAST)
    with undisturbed(d):
        between.freeze()
        wait_down(d, "timeout")
        between.resume()
        d.wait_gone("conn-up", within=15)


def test_full_server(cluster, daemon):
    c = cluster(settings={"max_connections": "20", "superuser_reserved_connections": "3"})
    c.sql("CREATE ROLE hungry LOGIN")
    # places that come and go until it is full make conn-up come and go, too
    d = daemon(databases={"app": c.dsn()}, defaults=FAST,
               sections={"check conn-slots": {"for": "0s", "interval": "1s"}, "check conn-up": {"flap_changes": "0"}})
    d.wait_check("app", "conn-slots", "ok")
    held = []

    def filled_and_told():
        # again and again: a visit of ours that ends leaves a place
        with pytest.raises(psycopg2.OperationalError, match="too many|remaining"):
            for _ in range(20):
                held.append(c.session(user="hungry"))
        return any("full" in cause(f) for f in d.findings(check="conn-up", severity="critical"))

    try:
        wait_until(filled_and_told, 30 * d.slack, "conn-up tells that the server is full", every=0.2)
        # the session that was there before still says who fills it
        slots = d.wait_finding("conn-slots", severity="critical")
        assert "hungry" in slots["detail"] + slots["message"]
        assert d.database("app")["probes"]["performance"]["status"] != "unknown"
    finally:
        for session in held:
            session.close()
    d.wait_gone("conn-up", within=15)
    d.wait_gone("conn-slots", within=15)


def test_full_before_we_came(cluster, daemon):
    c = cluster(settings={"max_connections": "8", "superuser_reserved_connections": "3"})
    c.sql("CREATE ROLE hungry LOGIN")
    held = [c.session(user="hungry") for _ in range(5)]
    d = daemon(databases={"app": c.dsn()}, defaults=FAST)
    found = wait_down(d, "full")
    assert "too many" in found["message"] + found["detail"] or "remaining" in found["detail"]
    for session in held:
        session.close()
    d.wait_gone("conn-up", within=15)
    d.wait_check("app", "conn-up", "ok")


def test_wrong_password_is_told_as_such(cluster, daemon):
    c = cluster()
    hba = c.data / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text("local all dbhealth reject\n" + before)
    c.reload()
    d = daemon(databases={"app": c.dsn()}, defaults=FAST)
    assert "auth" in cause(wait_down(d, "auth"))
    hba.write_text(before)
    c.reload()
    d.wait_gone("conn-up", within=15)
