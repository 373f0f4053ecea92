"""Large objects are verified in parts: over restarts, within a share of the time, not while the server is busy."""
import contextlib
import re
import threading

import psycopg2

from support import wait_until

# A pass is over after 100 ms of work: what takes longer takes several, whatever the machine.
SLOWLY = {"integrity_interval": "1s", "scrub_slice": "100ms", "scrub_share": 50}
ROWS = 100000
TABLES = f"""
    CREATE TABLE p (id bigint PRIMARY KEY); INSERT INTO p SELECT generate_series(1, {ROWS});
    CREATE TABLE c (id bigint PRIMARY KEY, p bigint REFERENCES p);
    INSERT INTO c SELECT g, g FROM generate_series(1, {ROWS}) g;
    %s
    VACUUM ANALYZE; GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth;"""
ORPHAN = "SET session_replication_role = replica; INSERT INTO c VALUES ({0}, {0});"


def coverage(d):
    return (d.check("it", "fk-orphan-rows") or {}).get("coverage") or {}


def goes_on_where_it_stopped(cluster, daemon, index, behind, ahead):
    c = cluster()
    c.script(TABLES % index)
    d = daemon(databases={"it": {"dsn": c.dsn(), **SLOWLY}},
               sections={"check fk-orphan-rows": {"interval": "1s", "param.slice_rows": 50, "param.slice_blocks": 1}})
    wait_until(lambda: coverage(d).get("begun") == 1, 20 * d.slack, lambda: f"a part is verified: {coverage(d)}")
    d.stop()
    # Of one behind the place where it stopped this pass knows nothing; of one ahead it does.
    c.script(behind)
    c.script(ahead)
    d.start()
    found = d.wait_finding("fk-orphan-rows", "public.c.p", within=60)
    assert found["value"] == 1, found
    # It opens with the part that finds it; the next pass, from the start, counts both.
    wait_until(lambda: d.findings(check="fk-orphan-rows")[0]["value"] == 2, 120 * d.slack, "the next pass finds both")
    assert coverage(d)["objects"] == 1


def test_key_ranges_go_on_over_a_restart(cluster, daemon):
    goes_on_where_it_stopped(cluster, daemon, "CREATE INDEX ON c (p);", ORPHAN.format(-5), ORPHAN.format(ROWS + 5))


def test_block_ranges_go_on_over_a_restart(cluster, daemon):
    # Updated rows stay in their blocks, the first and the last, where there is room.
    goes_on_where_it_stopped(
        cluster, daemon, "", f"DELETE FROM c WHERE id BETWEEN 2 AND 50 OR id BETWEEN {ROWS - 50} AND {ROWS - 1}; VACUUM c;"
        "SET session_replication_role = replica; UPDATE c SET p = -5 WHERE id = 1;",
        f"SET session_replication_role = replica; UPDATE c SET p = -6 WHERE id = {ROWS};")


def test_scrubs_wait_while_the_server_is_busy(cluster, daemon):
    c = cluster()
    c.script(TABLES % "")
    sleepers = [c.session() for _ in range(3)]

    def sleep(session):
        with contextlib.suppress(psycopg2.Error):
            session.cursor().execute("SELECT pg_sleep(600)")

    for s in sleepers:
        threading.Thread(target=sleep, args=(s,), daemon=True).start()
    wait_until(lambda: c.one("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(600)' AND state = 'active'") == 3,
               10, "they work")
    d = daemon(databases={"it": {"dsn": c.dsn(), "integrity_interval": "1s", "scrub_max_active": 2, "scrub_full": "2s"}},
               sections={f"check {i}": {"interval": "1s"} for i in ("fk-orphan-rows", "scrub-overdue")})
    wait_until(lambda: "3 sessions are active, the limit is 2" in (coverage(d).get("waits") or ""), 20 * d.slack, "it waits")
    assert coverage(d)["verified"] == 0
    found = d.wait_finding("scrub-overdue", "fk-orphan-rows")
    assert "the server is busy: 3 sessions are active" in found["detail"] and "public.c.p" in found["detail"]
    for s in sleepers:
        s.cancel()
    wait_until(lambda: coverage(d)["verified"] == 1, 40 * d.slack, "it goes on")
    d.wait_gone("scrub-overdue", "fk-orphan-rows", within=30)
    assert re.search(r"fk-orphan-rows: all [\d.]+ MB verified", d.cli("status", "-v", "it").out.replace("\n               ", " "))


def test_one_connection_is_enough(cluster, daemon):
    c = cluster()
    c.script(TABLES % "" + ORPHAN.format(ROWS + 5))
    d = daemon(databases={"it": {"dsn": c.dsn(), "pool_size": 1, "max_overflow": 0, **SLOWLY}},
               sections={"check fk-orphan-rows": {"interval": "1s", "param.slice_rows": 5000}})
    assert d.wait_finding("fk-orphan-rows", "public.c.p", within=60)["value"] == 1
    wait_until(lambda: coverage(d).get("verified") == 1, 60 * d.slack, lambda: f"it is verified: {coverage(d)}")
    assert d.check("it", "conn-up")["status"] == "ok"
