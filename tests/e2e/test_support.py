"""The helpers themselves: what they promise the other tests."""
import signal
import time

import psycopg2
import pytest

from support import KillSteps, Pulse, SqliteFile, free_port, wait_until
from support.hold import FAST


def connect(port, timeout=2):
    return psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres",
                            connect_timeout=timeout)


def test_server_stops_freezes_and_counts(cluster):
    c = cluster(tcp=True)
    assert c.one("SELECT pg_has_role('dbhealth', 'pg_monitor', 'member')")
    with c.session(user="dbhealth", application_name="dbhealthd") as session:
        assert c.connections() == 1
        c.freeze_postmaster()
        with session.cursor() as cursor:
            cursor.execute("SELECT 1")
        with pytest.raises(psycopg2.OperationalError):
            connect(c.port)
        c.resume()
    session.close()
    connect(c.port).close()
    c.kill9()
    c.start()
    c.restart()
    wait_until(lambda: c.max_connections_seen() == 1, 5, "its own log tells one session of dbhealth")


def test_standby_follows(cluster):
    c = cluster()
    s = c.standby()
    c.sql("CREATE TABLE t AS SELECT 1 AS a")
    wait_until(lambda: s.sql("SELECT to_regclass('t') IS NOT NULL")[0][0], 10, "replays")
    assert s.one("SELECT pg_is_in_recovery()")


def test_proxy_modes(cluster, proxy):
    c = cluster()
    p = proxy(f"{c.socket_dir}/.s.PGSQL.{c.port}")
    first = connect(p.port)
    first.cursor().execute("SELECT 1")
    assert p.open == 1
    p.silent()
    with pytest.raises(psycopg2.OperationalError):
        connect(p.port)
    first.cursor().execute("SELECT 1")
    p.cut()
    with pytest.raises(psycopg2.OperationalError):
        first.cursor().execute("SELECT 1")
    p.refuse()
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        connect(p.port)
    p.resume()
    second = connect(p.port)
    p.freeze()
    p.resume()
    second.cursor().execute("SELECT 1")
    assert free_port() != p.port


def test_sqlite_helpers(sqlite):
    f = sqlite("a.db", "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2)")
    assert f.sql("SELECT count(*) FROM t") == [(2,)]
    before = f.digest()
    with f.exclusive_lock():
        with pytest.raises(Exception, match="locked"):
            f.connect(timeout=0).execute("SELECT * FROM t").fetchall()
    assert f.digest() == before and f.neighbours() == []
    f.damage_page(f.root_page("t"))
    assert f.digest() != before
    hot = sqlite("b.db", "CREATE TABLE t(a)")
    hot.hot_journal()
    assert hot.neighbours() == ["b.db-journal"]
    assert isinstance(hot, SqliteFile)


def test_kill_at_a_step(folder, sqlite):
    """Before it nothing of the call is done, after it all is, and only the program that is meant dies."""
    file = sqlite("a.db", "CREATE TABLE t (n); PRAGMA user_version = 1;")
    command = ["sh", "-c", f"sqlite3 {file.path} 'INSERT INTO t VALUES (1)'; echo $?"]
    steps = KillSteps(folder, command, program="sqlite3")
    names = steps.count()
    assert {"open to create", "pwrite", "fdatasync", "unlink"} <= set(names), names
    assert names[-1] == "unlink"  # of the journal: what commits
    for how, rows in (("before", 0), ("after", 1)):
        file.sql("DELETE FROM t")
        step = steps.at(len(names), how)
        assert step.result.stdout == "137\n" and not step.killed, step  # the shell lives
        assert file.sql("SELECT count(*) FROM t") == [(rows,)], step
    file.sql("DELETE FROM t")
    assert steps.at(len(names) + 1).result.stdout == "0\n"
    steps = KillSteps(folder, ["sqlite3", file.path, "DELETE FROM t"], program="sqlite3")
    seen = list(steps.walk(lambda: file.sql("INSERT INTO t VALUES (1)"), sample=6))
    assert len(seen) >= 3 and all(step.killed for step in seen), seen


def test_pulse_notices_a_pause(cluster, daemon):
    c = cluster()
    d = daemon(databases={"calm": c.dsn()}, defaults=FAST)
    with Pulse(d, "calm", 1) as pulse:
        wait_until(lambda: len(pulse.runs) >= 3, 10, "runs")
        d.signal(signal.SIGSTOP)
        time.sleep(1.4)  # whatever the phase, a run falls into it
        d.signal(signal.SIGCONT)
        seen = len(pulse.runs)
        wait_until(lambda: len(pulse.runs) >= seen + 3, 10, "runs go on")
    assert pulse.lateness() > 0.2
    assert pulse.loop_lateness() > 0.2
