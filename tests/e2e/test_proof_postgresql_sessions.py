"""Checks of sessions, locks and horizons: real sessions that wait, idle and hold."""
import contextlib
import threading

import psycopg2
import pytest

from proof import look, mend, proves
from support import wait_until


@pytest.fixture
def sessions(module_cluster):
    """sessions(db, name) opens one; all are closed after the test, whatever became of them."""
    opened = []

    def make(db, name="app", **more):
        opened.append(module_cluster.session(db, application_name=name, **more))
        return opened[-1]

    yield make
    # Closing waits for a statement that still runs: end them at the server first.
    module_cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY (%s)", [pid(s) for s in opened])
    for s in opened:
        with contextlib.suppress(psycopg2.Error):
            s.close()


def pid(session):
    return session.info.backend_pid


def do(session, *statements):
    with session.cursor() as c:
        for s in statements:
            c.execute(s)


def behind(session, statement):
    """Runs a statement that will wait, in a thread that ends with it or with its session."""
    def run():
        with contextlib.suppress(psycopg2.Error):
            do(session, statement)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def waiting(cluster, session):
    return cluster.one("SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'", pid(session)) == 1


def ours(found, session):
    return [f for f in found if f["object"] == f"pid {pid(session)}"]


def ended(cluster, session):
    wait_until(lambda: cluster.one("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", pid(session)) == 0, 5, "the session is gone")


@proves("xact-long")
def test_long_transaction(module_cluster, sessions):
    db = module_cluster.createdb("xact_long")
    busy, reader, idle_long, dump = (sessions(db, n) for n in ("writer", "reader", "no snapshot", "pg_dump"))
    do(busy, "BEGIN", "SELECT txid_current()")
    do(reader, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
    do(idle_long, "BEGIN", "SELECT 1")  # holds neither a number nor a snapshot
    do(dump, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1")

    def now(**more):
        return look(module_cluster, db, "xact-long", **{"warning_after": "0s", **more})
    assert not ours(now(warning_after="1h"), busy)
    wait_until(lambda: ours(now(), busy) and ours(now(), reader), 5, "both are told")
    found = now()
    assert ours(found, busy)[0]["severity"] == "warning" and 0 < ours(found, busy)[0]["value"] < 60
    assert not ours(found, idle_long) and not ours(found, dump)
    assert ours(now(critical_after="0s"), busy)[0]["severity"] == "critical"
    assert ours(now(critical_after="0s", maintenance_after="0s"), dump)[0]["severity"] == "warning"
    assert not ours(now(idle_elsewhere="0s"), busy), "one that idles is told by xact-idle"
    for session in (busy, reader):
        assert "end the session" in mend(module_cluster, db, ours(now(), session)[0])[-1]
        ended(module_cluster, session)
    assert not ours(now(), busy) and not ours(now(), reader)


def test_remedies_are_guarded_against_a_pid_used_again(module_cluster, sessions):
    db = module_cluster.createdb("guarded")
    s = sessions(db)
    do(s, "BEGIN", "SELECT txid_current()")
    f, = ours(look(module_cluster, db, "xact-long", warning_after="0s"), s)
    assert [r["kind"] for r in f["remedies"]] == ["look", "sql", "sql"]
    texts = [r["text"] for r in f["remedies"]]
    assert "pg_cancel_backend" in texts[1] and "pg_terminate_backend" in texts[2]
    start = str(module_cluster.one("SELECT to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') FROM pg_stat_activity WHERE pid = %s", pid(s)))
    for t in texts:
        assert start in t
        other = t.replace(start, "2001-01-01 00:00:00.000000")
        assert module_cluster.script(other, db).strip() == ""
    do(s, "SELECT 1")  # still alive


@proves("xact-idle")
def test_idle_in_transaction(module_cluster, sessions):
    db = module_cluster.createdb("xact_idle")
    module_cluster.sql("CREATE TABLE t (i int)", dbname=db)
    idle, aborted, plain, active = (sessions(db) for _ in range(4))
    do(idle, "BEGIN", "LOCK TABLE t")
    do(aborted, "BEGIN")
    with pytest.raises(psycopg2.Error):
        do(aborted, "SELECT 1/0")
    do(plain, "SELECT 1")
    behind(active, "BEGIN; SELECT pg_sleep(30)")

    def now(**more):
        return look(module_cluster, db, "xact-idle", **{"warning_after": "0s", **more})
    wait_until(lambda: len(now()) == 2, 5, "two are told")
    assert {f["object"] for f in now()} == {f"pid {pid(idle)}", f"pid {pid(aborted)}"}
    assert {f["severity"] for f in now()} == {"warning"}
    assert now(warning_after="10min") == []
    waiter = sessions(db)
    behind(waiter, "SELECT * FROM t")
    wait_until(lambda: waiting(module_cluster, waiter), 5, "it waits")
    assert ours(now(), idle)[0]["severity"] == "warning", "nobody waits for a minute yet"
    blocking = ours(now(blocks_after="0s"), idle)[0]
    assert blocking["severity"] == "critical" and "1 waiting" in blocking["detail"]
    assert ours(now(blocks_after="0s"), aborted)[0]["severity"] == "warning"
    do(aborted, "ROLLBACK")
    assert mend(module_cluster, db, blocking)
    ended(module_cluster, idle)
    assert now() == []


@proves("query-long")
def test_long_statement(module_cluster, sessions):
    db = module_cluster.createdb("query_long")
    module_cluster.sql("CREATE TABLE t (i int)", dbname=db)
    busy, idle, holder, waiter, dump = sessions(db), sessions(db), sessions(db), sessions(db), sessions(db, "pg_dump")
    do(holder, "BEGIN", "LOCK TABLE t")
    do(idle, "BEGIN", "SELECT pg_sleep(0)")
    behind(busy, "SELECT pg_sleep(30)")
    behind(dump, "SELECT pg_sleep(30)")
    behind(waiter, "SELECT * FROM t")
    wait_until(lambda: waiting(module_cluster, waiter), 5, "it waits")

    def now(**more):
        return look(module_cluster, db, "query-long", **{"warning_after": "0s", **more})
    wait_until(lambda: len(now()) == 1, 5, "one is told")
    f, = now()
    assert f["object"] == f"pid {pid(busy)}" and f["severity"] == "warning"
    assert now(warning_after="30min") == []
    cancel = [r for r in f["remedies"] if r["closes"]][0]
    assert "pg_cancel_backend" in cancel["text"]
    module_cluster.script(cancel["text"], db)
    wait_until(lambda: now() == [], 5, "it is cancelled")


@proves("lock-blocked")
def test_queue_behind_a_lock_is_told_by_its_root(module_cluster, sessions):
    db = module_cluster.createdb("lock_blocked")
    module_cluster.sql("CREATE TABLE t (i int); CREATE TABLE u (i int)", dbname=db)
    root, middle, innocent = sessions(db, "root"), sessions(db, "middle"), sessions(db, "innocent")
    do(innocent, "BEGIN", "LOCK TABLE u IN ACCESS SHARE MODE")
    do(root, "BEGIN", "SELECT * FROM t")
    behind(middle, "BEGIN; LOCK TABLE t")
    wait_until(lambda: waiting(module_cluster, middle), 5, "the middle waits")
    queue = [sessions(db, "queue") for _ in range(3)]
    for s in queue:
        behind(s, "SELECT * FROM t")
    wait_until(lambda: all(waiting(module_cluster, s) for s in queue), 5, "the queue waits")

    def now(**more):
        return look(module_cluster, db, "lock-blocked", **{"warning_after": "0s", **more})
    f, = now()
    assert f["object"] == f"pid {pid(root)}" and f["labels"]["waiters"] == "4" and f["severity"] == "warning"
    assert "root" in f["detail"] and "idle in transaction" in f["detail"]
    assert now(warning_after="30s") == []
    assert now(critical_after="0s")[0]["severity"] == "critical"
    assert now(crowd="4", crowd_after="0s")[0]["severity"] == "critical"
    assert now(crowd="5", crowd_after="0s")[0]["severity"] == "warning"
    assert mend(module_cluster, db, f)
    wait_until(lambda: not ours(now(), root), 5, "the queue moved on")


@proves("lock-blocked")
def test_lock_of_a_prepared_transaction(cluster):
    c = cluster(settings={"max_prepared_transactions": "2"})
    c.sql("CREATE TABLE t (i int)")
    with contextlib.closing(c.session()) as s, contextlib.ExitStack() as stack:
        waiter = c.session()
        stack.callback(c.sql, "SELECT pg_terminate_backend(%s)", pid(waiter))
        do(s, "BEGIN", "LOCK TABLE t", "PREPARE TRANSACTION 'it''s mine'")
        behind(waiter, "SELECT * FROM t")
        wait_until(lambda: waiting(c, waiter), 5, "it waits")
        c.sql("SELECT txid_current()")
        f, = look(c, "postgres", "lock-blocked", warning_after="0s")
        assert f["object"] == "prepared transaction" and "it's mine" in f["detail"]
        assert f["remedies"][0]["kind"] == "look" and f["remedies"][-1]["risk"] == "data-loss"
        horizon, = look(c, "postgres", "xmin-horizon", warning=">= 1")
        assert horizon["object"] == "it's mine" and horizon["labels"]["holder"] == "prepared"
        assert mend(c, "postgres", f)
        wait_until(lambda: look(c, "postgres", "lock-blocked", warning_after="0s") == [], 5, "the lock is gone")
        assert look(c, "postgres", "xmin-horizon", warning=">= 1") == []


@proves("xmin-horizon")
def test_who_holds_the_horizon(module_cluster, sessions):
    db = module_cluster.createdb("horizon")
    holder, later = sessions(db, "holder"), sessions(db, "later")
    do(holder, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
    for _ in range(5):
        module_cluster.sql("SELECT txid_current()", dbname=db)
    do(later, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
    for _ in range(5):
        module_cluster.sql("SELECT txid_current()", dbname=db)

    def now(limit=">= 8"):
        return look(module_cluster, db, "xmin-horizon", warning=limit)
    f, = now()
    assert f["object"] == f"pid {pid(holder)}" and f["value"] >= 10 and "holder" in f["detail"]
    assert now(">= 10000000") == []
    assert mend(module_cluster, db, f)
    ended(module_cluster, holder)
    assert now() == []


@proves("xmin-horizon")
def test_slot_holds_the_horizon(cluster):
    c = cluster(settings={"wal_level": "logical"})
    c.sql("SELECT pg_create_logical_replication_slot('cdc', 'test_decoding')")
    for _ in range(5):
        c.sql("SELECT txid_current()")
    f, = look(c, "postgres", "xmin-horizon", warning=">= 5")
    assert f["object"] == "cdc" and f["labels"]["holder"] == "slot"
    assert mend(c, "postgres", f) == ["drop the slot; its consumer must then be built anew"]
    assert look(c, "postgres", "xmin-horizon", warning=">= 5") == []


@proves("conn-slots")
def test_connection_slots(cluster):
    c = cluster(settings={"max_connections": "20"})
    c.sql("CREATE ROLE app LOGIN")
    assert look(c, "postgres", "conn-slots") == []
    with contextlib.ExitStack() as stack:
        for _ in range(13):
            stack.enter_context(contextlib.closing(c.session(user="app")))
        f, = look(c, "postgres", "conn-slots")   # 13 and the one that looks, of 17
        assert f["severity"] == "warning" and f["value"] == pytest.approx(14 / 17)
        assert "role app (13)" in f["detail"]
        assert look(c, "postgres", "conn-slots", warning_free="3") == [], "enough are free in number"
        for _ in range(2):
            stack.enter_context(contextlib.closing(c.session(user="app")))
        f, = look(c, "postgres", "conn-slots", idle_after="0s")
        assert f["severity"] == "critical" and f["labels"]["free"] == "1"
        assert mend(c, "postgres", f)
        wait_until(lambda: look(c, "postgres", "conn-slots") == [], 5, "the idle sessions ended")
