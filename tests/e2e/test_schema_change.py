"""While somebody rebuilds a schema, what its checks find is pending, and told when that is over."""
import os
import subprocess
import threading
import zlib

import pytest

from support import wait_until
from support.base import as_user
from support.cluster import USER, bindir
from support.hold import FAST

CHECK = "table-no-primary-key"
SCHEMA = "CREATE TABLE bare (a int, b text)"


def watch(cluster, daemon, **more):
    return daemon(databases={"shop": cluster.dsn()}, defaults={**FAST, "schema_interval": "1s", **more})


def waits(d, *words, check=CHECK):
    """Pending for that reason, also after one more run, which else decides alone."""
    d.run("shop", "schema")
    d.wait_check("shop", check, "pending", 20 * d.slack)
    d.run("shop", "schema")
    said = d.check("shop", check)
    assert said["status"] == "pending" and all(w in said["reason"] for w in words), said
    assert d.findings(check=check) == []


def opens(d, thing):
    d.wait_finding(CHECK, thing, within=20 * d.slack)
    assert not d.check("shop", CHECK)["reason"]


def test_findings_wait_for_the_end_of_a_restore_and_open_ones_stay(cluster, daemon):
    c = cluster()
    c.sql("CREATE TABLE old (a int)")
    d = watch(c, daemon)
    opens(d, "public.old")
    restore = c.session(application_name="pg_restore")
    d.run("shop", "schema")
    c.sql("DROP TABLE old")
    c.sql(SCHEMA)
    for _ in range(3):
        d.run("shop", "schema")
    # What was open is not closed by a table that --clean has dropped and not made again yet.
    assert [f["object"] for f in d.findings(check=CHECK)] == ["public.old"]
    assert [f["object"] for f in d.findings(check=CHECK, state="pending")] == ["public.bare"]
    restore.close()
    opens(d, "public.bare")
    d.wait_gone(CHECK, "public.old", within=20 * d.slack)


def test_a_pg_restore_that_waits(cluster, daemon, folder):
    c = cluster()
    c.sql(SCHEMA)
    c.sql("INSERT INTO bare VALUES (1, 'x')")
    dump = folder.sub("dump", user=USER) / "file"
    where = ["-h", str(c.socket_dir), "-p", str(c.port), "-U", "postgres", "-d", "postgres"]
    subprocess.run([bindir() / "pg_dump", *where, "-Fc", "-f", dump], check=True, **as_user(USER))
    locker = c.session()
    locker.autocommit = False
    locker.cursor().execute("LOCK TABLE bare IN SHARE MODE")
    restore = subprocess.Popen([bindir() / "pg_restore", *where, "--data-only", dump], **as_user(USER))
    try:
        wait_until(lambda: c.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(1,)], 30, "pg_restore waits")
        d = watch(c, daemon)
        waits(d, "pg_restore is at work")
        locker.rollback()
        assert restore.wait(60) == 0
        opens(d, "public.bare")
    finally:
        restore.kill()
        restore.wait()
        locker.close()


class Load:
    """A COPY that goes on until it is ended."""

    def __init__(self, cluster, table):
        self.session = cluster.session()
        reader, self.writer = os.pipe()
        self.source = os.fdopen(reader, "rb")
        self.thread = threading.Thread(target=lambda: self.session.cursor().copy_expert(f"COPY {table} FROM STDIN", self.source), daemon=True)
        self.thread.start()
        asked = f"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'COPY {table} FROM STDIN'"
        wait_until(lambda: cluster.sql(asked) == [(1,)], 30, "the COPY runs")

    def end(self):
        os.close(self.writer)
        self.thread.join(30)
        self.source.close()
        self.session.close()


def test_a_copy_into_a_new_table_counts_and_one_into_an_old_table_does_not(cluster, daemon):
    c = cluster(settings={"autovacuum": "off"})
    c.sql(SCHEMA)
    c.sql("CREATE TABLE old (id int PRIMARY KEY)")
    c.sql("INSERT INTO old SELECT generate_series(1, 100)")
    c.session().cursor().execute("VACUUM ANALYZE old")
    c.sql("TRUNCATE old")
    c.sql("CREATE TABLE parts (id int) PARTITION BY RANGE (id)")
    c.sql("CREATE TABLE part PARTITION OF parts DEFAULT")
    d = watch(c, daemon)
    # None ends before the next has begun: no look is between them.
    bare = Load(c, "bare")
    waits(d, "COPY fills the new table public.bare")
    parts = Load(c, "parts")
    bare.end()
    waits(d, "COPY fills the new table public.parts")
    old = Load(c, "old")
    parts.end()
    opens(d, "public.bare")
    old.end()


def go_number(name):
    return zlib.crc32(b"public\0schema_migrations\0" + name) * 1486364155 & 0xffffffff


@pytest.mark.parametrize("tool, number", [
    ("rails", zlib.crc32(b"postgres") * 2053462845), ("sqlx", zlib.crc32(b"postgres") * 0x3d32ad9e),
    ("golang-migrate", go_number(b"postgres")), ("flyway", 77431708279161 - 2**31), ("flyway", 77431708279161 + 12345),
    ("prisma", 72707369), ("goose", 5887940537704921958), ("node-pg-migrate", 7241865325823964), (None, 72707370)])
def test_the_locks_of_migration_tools(module_cluster, cli, tool, number):
    module_cluster.sql("CREATE TABLE IF NOT EXISTS bare (a int, b text)")
    wait_until(lambda: module_cluster.sql("SELECT FROM pg_locks WHERE locktype = 'advisory'") == [], 30, "the session before is gone")
    session = module_cluster.session()
    session.cursor().execute("SELECT pg_advisory_lock(%s)", [number])
    said = cli("check", "-o", "json", "--check", CHECK, module_cluster.dsn())
    session.close()
    assert [f["object"] for f in said.json["findings"]] == ([] if tool else ["public.bare"])
    notes = [n for n in said.json["notes"] if "being changed" in n]
    assert len(notes) == (1 if tool else 0) and all(f"{tool} migrates" in n and "4h" in n for n in notes), notes


@pytest.mark.parametrize("table, row, words", [
    ("alembic_version (version_num varchar(32) PRIMARY KEY)", None, "a migration writes to public.alembic_version"),
    ("databasechangeloglock (id int PRIMARY KEY, locked boolean, lockgranted timestamp, lockedby text)",
     "(1, true, now(), 'me')", "a migration has marked public.databasechangeloglock"),
    ("knex_migrations_lock (index int PRIMARY KEY, is_locked int)", "(1, 1)", "a migration has marked public.knex_migrations_lock"),
    ("knex_migrations_lock (index int PRIMARY KEY, is_locked int)", "(1, 0)", None)])
def test_the_tables_of_migration_tools(module_cluster, cli, table, row, words):
    name = table.split()[0]
    db = module_cluster.createdb(f"{name}_{bool(words)}")
    module_cluster.sql(SCHEMA, dbname=db)
    module_cluster.sql(f"CREATE TABLE {table}", dbname=db)
    module_cluster.sql(f"GRANT SELECT ON {name} TO dbhealth", dbname=db)
    session = module_cluster.session(db)
    session.autocommit = False
    if row:
        module_cluster.sql(f"INSERT INTO {name} VALUES {row}", dbname=db)
    else:
        session.cursor().execute(f"DELETE FROM {name}")
    said = cli("check", "-o", "json", "--check", CHECK, module_cluster.dsn(db))
    session.close()
    assert [f["object"] for f in said.json["findings"]] == ([] if words else ["public.bare"])
    assert [words in n for n in said.json["notes"] if "being changed" in n] == ([True] if words else [])


def test_no_longer_than_the_configuration_says(cluster, daemon):
    c = cluster()
    c.sql(SCHEMA)
    restore = c.session(application_name="pg_restore")
    d = watch(c, daemon, schema_change_max="1h")
    waits(d, "pg_restore is at work", "1h")
    d.configure(databases={"shop": c.dsn()}, defaults={**FAST, "schema_interval": "1s", "schema_change_max": "1s"})
    d.reload()
    opens(d, "public.bare")
    restore.close()


def test_zero_is_never(cluster, daemon):
    c = cluster()
    c.sql(SCHEMA)
    restore = c.session(application_name="pg_restore")
    d = watch(c, daemon, schema_change_max="0")
    opens(d, "public.bare")
    restore.close()
