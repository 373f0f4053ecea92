"""Schema and integrity probes beside those who change the schema: no error, no wait, no false alarm."""
import contextlib
import threading
import time

import psycopg2

from support import wait_until

# A probe has as long as its interval: what is run here is run by hand.
SLOW = {"connectivity_interval": "1s", "performance_interval": "1s", "schema_interval": "1min", "integrity_interval": "1min"}
KEYS = {"enable": ["*"], "conventions": ["uuid-primary-key", "timestamps", "soft-delete", "audit"],
        "conventions_exclude": ["public.*"], "users_table": "public.t0"}
CALM = """
    CREATE TABLE t0 (id int PRIMARY KEY);
    SELECT format('CREATE TABLE t%s (id serial PRIMARY KEY, p int REFERENCES t0, c text CHECK (c > ''''))', g) FROM generate_series(1, 60) g \\gexec
    SELECT format('CREATE INDEX ON t%s (p)', g) FROM generate_series(1, 60) g \\gexec
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO dbhealth; ANALYZE;"""


@contextlib.contextmanager
def beside(work):
    """work(ended) in a thread of its own; it must end well."""
    ended, faults = threading.Event(), []

    def body():
        try:
            work(ended)
        except Exception as e:  # noqa: BLE001  told below
            faults.append(e)
    thread = threading.Thread(target=body)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(30)
    assert not faults, faults


def looks(daemon, name, probes=("schema", "integrity"), times=6):
    """Each probe is run so often; what was unknown in any of them."""
    unknown = {}
    for _ in range(times):
        for probe in probes:
            daemon.run(name, probe, wait="60s")
        for check in daemon.get(f"/v1/databases/{name}")["checks"]:
            if check["status"] == "unknown":
                unknown.setdefault(check["id"], set()).add(check["reason"])
    return unknown


def test_tables_come_and_go_as_fast_as_they_can(cluster, daemon):
    c = cluster()
    db = c.createdb("busy")
    c.script(CALM, db)

    def storm(ended):
        with contextlib.closing(c.session(db)) as s, s.cursor() as cur:
            n = 0
            while not ended.is_set():
                n += 1
                cur.execute(f"CREATE TABLE storm{n % 7} (id bigint PRIMARY KEY, p int REFERENCES t0, q int, at timestamptz)")
                cur.execute(f"CREATE INDEX ON storm{n % 7} (p)")
                cur.execute(f"ALTER TABLE storm{n % 7} ADD CHECK (q > 0) NOT VALID")
                cur.execute(f"DROP TABLE storm{n % 7}")
            cur.execute("SELECT 1")
            assert n > 10
    d = daemon(databases={"it": {"dsn": c.dsn(db), **KEYS}}, defaults=SLOW)
    before = looks(d, "it", times=1)
    with beside(storm):
        during = looks(d, "it")
    new = {check: why for check, why in during.items() if check not in before}
    assert new == {}, new
    d.run("it", "schema", wait="60s")
    d.run("it", "schema", wait="60s")
    named = [f["object"] for f in d.findings(database="it") if "storm" in (f["object"] or "")]
    assert named == [], "what is gone is not told"
    assert c.max_connections_seen() <= 2


def test_a_third_of_the_tables_is_locked(cluster, daemon):
    c = cluster(settings={"log_lock_waits": "on", "deadlock_timeout": "60ms", "max_locks_per_transaction": "256"})
    db = c.createdb("locked")
    c.script(CALM, db)
    d = daemon(databases={"it": {"dsn": c.dsn(db), **KEYS}}, defaults=SLOW)
    before = looks(d, "it", times=1)
    with contextlib.closing(c.session(db, autocommit=False)) as s, s.cursor() as cur:
        cur.execute("LOCK TABLE " + ", ".join(f"t{i}" for i in range(0, 60, 3)) + " IN ACCESS EXCLUSIVE MODE")
        start = time.monotonic()
        during = looks(d, "it", times=2)
        took = time.monotonic() - start
        # Who must read a row waits for lock_timeout and says so; nobody else waits at all.
        new = {check: why for check, why in during.items() if check not in before}
        assert all("lock" in w for why in new.values() for w in why), new
        cur.execute("SELECT 1")
    assert took < 60 * d.slack
    assert c.max_connections_seen() <= 2
    wait_until(lambda: [k for k in looks(d, "it", times=1) if k not in before] == [], 60 * d.slack, "all answer again")
    with contextlib.suppress(psycopg2.Error):
        c.sql("SELECT 1")
