"""dbhealth backup on PostgreSQL: what was made is what is brought back, or it is said in words."""
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import threading

import jsonschema
import pytest

from support.base import TOP, wait_until

SCHEMA = json.loads((TOP / "docs/schema/backup.json").read_text())
NAME = "o'rd/e rs\"é"
SCRIPT = r"""
    CREATE SCHEMA "we""ird sch'ema";
    CREATE TYPE mood AS ENUM ('sad', 'o''k');
    CREATE DOMAIN email AS text CHECK (VALUE ~ '@');
    CREATE TABLE "we""ird sch'ema"."ta
ble; --" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "select" varchar(10)
        CHECK ("select" IN ('a', 'b')), m mood DEFAULT 'sad', n int GENERATED ALWAYS AS (7) STORED);
    INSERT INTO "we""ird sch'ema"."ta
ble; --" ("select") SELECT CASE i % 2 WHEN 0 THEN 'a' ELSE 'b' END FROM generate_series(1, 5000) i;
    CREATE TABLE part(at date NOT NULL, v email, PRIMARY KEY (at)) PARTITION BY RANGE (at);
    CREATE TABLE part_b(v email, at date NOT NULL) ;
    CREATE TABLE part_a PARTITION OF part FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
    ALTER TABLE part ATTACH PARTITION part_b FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
    INSERT INTO part VALUES ('2020-02-02', 'a@b'), ('2021-02-02', 'c@d');
    CREATE TABLE parent(id int PRIMARY KEY, a int); CREATE TABLE child(b int) INHERITS (parent);
    INSERT INTO parent VALUES (1, 1); INSERT INTO child VALUES (2, 2, 2), (3, 3, 3);
    CREATE TABLE gone(a int, b int, c int REFERENCES parent); ALTER TABLE gone DROP COLUMN b;
    CREATE UNLOGGED TABLE fast(x int); INSERT INTO fast VALUES (1);
    CREATE VIEW seen AS SELECT * FROM part WHERE v IN ('a@b', 'c@d');
    CREATE MATERIALIZED VIEW kept AS SELECT count(*) FROM parent WITH NO DATA;
    CREATE FUNCTION twice(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * i';
    CREATE INDEX half ON parent (twice(a)) WHERE a > 0;
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER told BEFORE INSERT ON part FOR EACH ROW EXECUTE FUNCTION note();
    CREATE RULE quiet AS ON DELETE TO gone DO INSTEAD NOTHING;
    CREATE SEQUENCE counter START 40; SELECT nextval('counter'); SELECT nextval('counter');
    ALTER TABLE gone ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON gone TO "ro le" USING (a = 1);
    ALTER TABLE gone OWNER TO "ro le"; GRANT SELECT ON part TO "ro le";
    SELECT lo_from_bytea(4711, 'large'); SELECT lo_from_bytea(0, repeat('x', 9000)::bytea);
    COMMENT ON TABLE part IS 'it''s';
    CREATE PUBLICATION news FOR TABLE parent;
"""


@pytest.fixture(scope="module")
def server(module_cluster):
    module_cluster.sql('CREATE ROLE "ro le" LOGIN')
    module_cluster.createdb(NAME)
    module_cluster.script(SCRIPT, dbname=NAME)
    quoted = NAME.replace('"', '""')
    module_cluster.sql(f'ALTER DATABASE "{quoted}" SET search_path = "$user", public, "we""ird sch\'ema"')
    module_cluster.sql(f'ALTER DATABASE "{quoted}" SET work_mem = \'7MB\'')
    return module_cluster


@pytest.fixture
def backup(cli, folder):
    """backup(action, ...): its JSON; the root is one of the test's own."""
    def run(action, *args, status=0, root=None, **how):
        option = "--to" if action == "create" else "--from"
        done = cli("backup", action, "-o", "json", option, root or folder.path / "backups", *args, **how)
        assert done.status == status, done
        jsonschema.validate(done.json, SCHEMA)
        assert done.json["ok"] == (status == 0) and done.json["message"]
        return done.json
    return run


def superuser(server, dbname=NAME):
    return server.dsn(dbname, "postgres")


def small(server, name):
    server.createdb(name)
    server.sql("CREATE TABLE t AS SELECT generate_series(1, 100) AS i", dbname=name)
    return superuser(server, name)


def fingerprint(server, dbname):
    """The whole database as pg_dump writes it, which is another judge than the code under test."""
    text = subprocess.run(["pg_dump", "-h", str(server.socket_dir), "-U", "postgres", dbname], text=True,
                          capture_output=True, check=True).stdout
    # What the server prints of an expression changes once it has read that again: x IN (...).
    return [line for line in text.splitlines()
            if not line.startswith(("\\restrict", "\\unrestrict")) and "ANY (" not in line]


def databases(server):
    return {name for name, in server.sql("SELECT datname FROM pg_database")}


def test_made_verified_and_brought_back(server, backup, folder):
    dsn = superuser(server)
    before = databases(server)
    made = backup("create", dsn)
    assert made["tables"] == 7 and made["rows"] == 5000 + 2 + 3 + 0 + 1 and not made["note"]
    assert made["verified"]["depth"] == "checksums"
    path = pathlib.Path(made["path"])
    assert path.parent.parent == folder.path / "backups" and path.stat().st_mode & 0o777 == 0o700
    assert 'CREATE ROLE "ro le"' in (path / "globals.sql").read_text()
    verified = backup("verify", dsn)["verified"]
    assert verified["ok"] and verified["depth"] == "restored" and verified["rows"] == made["rows"]
    assert set(verified["findings"]) == {"info", "warning", "critical"}
    assert databases(server) == before, "the scratch database is gone"
    # A look at the bytes takes nothing back.
    backup("verify", "--checksums", dsn)
    listed = backup("list", NAME)
    assert listed["message"] == "1 backup"
    (entry,) = listed["backups"]
    assert entry["good"] and entry["verified"]["depth"] == "restored"
    assert entry["tables"]['"we""ird sch\'ema"."ta\nble; --"'] == 5000
    assert "postgres" not in entry["where"].split("@")[0] or "password" not in entry["where"]

    back = backup("restore", NAME, "--to", superuser(server, "co\"py"))
    assert back["rows"] == made["rows"] and not back["aside"] and not back["note"]
    original, copy = fingerprint(server, NAME), fingerprint(server, "co\"py")
    assert copy == original
    assert server.one("SELECT nextval('counter')", dbname="co\"py") == 42
    assert server.one("SELECT convert_from(lo_get(4711), 'UTF8')", dbname="co\"py") == "large"
    assert server.one("SHOW work_mem", dbname="co\"py") == "7MB"
    assert "we" in server.one("SHOW search_path", dbname="co\"py")
    assert server.one("SELECT count(*) FROM pg_stats WHERE schemaname !~ '^pg_'", dbname="co\"py") > 0


def test_what_is_there_is_moved_aside_only_when_told(server, backup):
    dsn = small(server, "aside")
    backup("create", dsn)
    server.sql("INSERT INTO t VALUES (-1)", dbname="aside")
    refused = backup("restore", "aside", "--to", dsn, status=1)
    assert "not empty" in refused["message"] and "--yes" in refused["message"]
    assert server.one("SELECT count(*) FROM t", dbname="aside") == 101
    with contextlib.closing(server.session("aside")):
        busy = backup("restore", "aside", "--yes", "--to", dsn, status=1)
        assert "1 session is connected" in busy["message"]
    back = backup("restore", "aside", "--yes", "--to", dsn)
    assert server.one("SELECT count(*) FROM t", dbname="aside") == 100
    assert server.one("SELECT count(*) FROM t", dbname=back["aside"]) == 101
    # An empty one is as good as none.
    server.createdb("empty")
    assert backup("restore", "aside", "--to", superuser(server, "empty"))["aside"] is None
    assert server.one("SELECT count(*) FROM t", dbname="empty") == 100
    assert not [d for d in databases(server) if d.startswith(("empty_before", "dbhealth_"))]


def test_rows_are_of_the_snapshot_while_others_write(server, backup):
    dsn = small(server, "written")
    stop = threading.Event()

    def write():
        with contextlib.closing(server.session("written")) as session, session.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("INSERT INTO t SELECT generate_series(1, 50); DELETE FROM t WHERE ctid IN"
                               " (SELECT ctid FROM t LIMIT 20)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert backup("create", "--verify", dsn)["verified"]["depth"] == "restored"
    finally:
        stop.set()
        writer.join()


def test_a_table_that_is_locked_for_a_moment_is_waited_for(server, backup):
    dsn = small(server, "locked")
    with contextlib.closing(server.session("locked")) as session, session.cursor() as cursor:
        cursor.execute("ALTER TABLE t ADD PRIMARY KEY (i); CREATE TABLE u (i integer REFERENCES t)")
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")

        def release():  # as soon as the backup has waited for longer than a look at a database would
            waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND now() - query_start > '3 s'"
            wait_until(lambda: server.one(waits) > 0, 60, "the backup waits")
            cursor.execute("ROLLBACK")

        other = threading.Thread(target=release)
        other.start()
        try:
            made = backup("create", dsn)
        finally:
            other.join()
    assert made["verified"]["depth"] == "checksums" and made["rows"] > 0


def test_by_section_of_the_configuration(server, cli, folder):
    name, jobs = "conf1", 3
    dsn = small(server, name)
    root = folder.path / "of the section"
    conf = folder.path / "main.conf"
    conf.write_text(f"[daemon]\nstate_dir = {folder.path}\n[database {name}]\ndsn = {server.dsn(name)}\n"
                    f"admin_dsn = {dsn}\n[backup other]\ndatabases = {name}x*\nto = /nowhere\n"
                    f"[backup nightly]\ndatabases = conf*\nto = {root}\nkeep = 2\njobs = {jobs}\nglobals = no\n")
    conf.chmod(0o600)

    def run(action, *args, status=0):
        done = cli("backup", action, "-c", conf, "-o", "json", *args)
        assert done.status == status, done
        return done.json
    stamps = [run("create", name)["stamp"] for _ in range(3)]
    (listed,) = {b["policy"] for b in run("list")["backups"]}
    assert listed == "nightly" and not list(root.glob("*/*/globals.sql"))
    run("verify", name, stamps[0])  # the probes look too
    assert cli("backup", "prune", "-c", conf, "--keep", "1", name).status == 64, "nobody is asked"
    assert run("prune", "--dry-run", "--keep", "1", name)["removed"] == [stamps[1]]
    assert run("prune", "--yes", "--keep", "1", name)["kept"] == [stamps[0], stamps[2]]
    assert [b["stamp"] for b in run("list", name)["backups"]] == [stamps[2], stamps[0]]
    assert cli("backup", "create", "-c", conf, "--policy", "none", name).status == 64


def test_one_at_a_time_and_what_died_is_cleared(server, backup, folder):
    dsn = small(server, "alone")
    backup("create", dsn)
    home = folder.path / "backups/alone"
    (home / ".20200101T000000Z.partial/dump").mkdir(parents=True)
    (home / ".20200101T000000Z.gone").mkdir()
    assert backup("list", "alone")["unfinished"] == [".20200101T000000Z.partial"]
    with open(home / ".lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another process" in backup("create", dsn, status=75)["message"]
    backup("create", dsn)
    assert not list(home.glob(".*Z.*")) and len(backup("list", "alone")["backups"]) == 2
    # A scratch database without an owner goes with the next verification; one that is held does not.
    server.createdb("dbhealth_verify_20200101t000000z_1", "dbhealth_verify_20200101t000000z_2",
                    "dbhealth_verify_mine")
    with contextlib.closing(server.session()) as session, session.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended('dbhealth_verify_20200101t000000z_2', 20261123))")
        backup("verify", dsn)
    assert {d for d in databases(server) if d.startswith("dbhealth_")} == \
        {"dbhealth_verify_20200101t000000z_2", "dbhealth_verify_mine"}
    server.sql("DROP DATABASE dbhealth_verify_20200101t000000z_2")
    server.sql("DROP DATABASE dbhealth_verify_mine")


def test_a_backup_of_something_else_is_told(server, backup, folder):
    dsn = small(server, "mine")
    small(server, "yours")
    path = pathlib.Path(backup("create", dsn)["path"])
    home = folder.path / "backups/yours"
    shutil.copytree(path, home / path.name)
    said = backup("verify", superuser(server, "yours"), status=1)["message"]
    assert "a backup of another database: mine" in said
    (entry,) = backup("list", "yours")["backups"]
    assert not entry["good"] and "another database" in entry["why"]
    assert "no good backup" in backup("restore", "yours", "--to", superuser(server, "x"), status=1)["message"]
    # A manifest that says another version than its own.
    manifest = path / "manifest.json"
    text = manifest.read_text()
    for old, new, words in (('"format": 1', '"format": 9', "format 9"),
                            ('"public.t": 100', '"public.t": 101', "not what was written")):
        manifest.write_text(text.replace(old, new))
        assert words in backup("verify", dsn, path.name, status=1)["message"]
    manifest.write_text(text)
    assert "no backup 20200101T000000Z" in backup("verify", dsn, "20200101T000000Z", status=1)["message"]


def test_a_full_disk_is_said_and_leaves_nothing(server, backup, folder):
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    dsn = small(server, "big")
    server.sql("CREATE TABLE noise AS SELECT md5(i::text) || md5((i * 7)::text) AS x"
               " FROM generate_series(1, 30000) i", dbname="big")
    root = folder.path / "small disk"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", root], check=True)
    try:
        said = backup("create", dsn, root=root, status=1)["message"]
        assert "No space left on device" in said, said
        assert [p.name for p in (root / "big").iterdir()] == [".lock"]
        server.sql("DROP TABLE noise", dbname="big")
        backup("create", dsn, root=root)
    finally:
        subprocess.run(["umount", "-l", root], check=True)


def test_what_may_not_be_read_is_said(server, backup, folder):
    small(server, "secret")
    server.sql("GRANT pg_read_all_settings TO \"ro le\"")
    said = backup("create", server.dsn("secret", "ro le"), status=1)["message"]
    assert "permission denied for table t" in said, said
    # Who may read everything but passwords gets a backup, without them.
    server.sql('CREATE ROLE reader LOGIN PASSWORD \'x\'')
    server.sql("GRANT SELECT ON t TO reader", dbname="secret")
    made = backup("create", server.dsn("secret", "reader"))
    text = (pathlib.Path(made["path"]) / "globals.sql").read_text()
    assert "PASSWORD" not in text and "CREATE ROLE reader" in text
    # It may not make databases: that proves nothing, and is not written down as if it did.
    said = backup("verify", server.dsn("secret", "reader"), status=1)["message"]
    assert "permission denied to create database" in said
    assert backup("list", "secret")["backups"][0]["verified"]["ok"]
    assert backup("verify", "--scratch", superuser(server), "secret")["verified"]["depth"] == "restored"


def test_rows_that_differ_and_passwords_that_do_not_show(server, backup, folder):
    dsn = small(server, "hidden")
    server.sql("ALTER ROLE postgres PASSWORD 's3cr3t pw'")
    made = backup("create", "--verify", dsn + "&password=s3cr3t%20pw")
    path = pathlib.Path(made["path"])
    assert "s3cr3t" not in (path / "manifest.json").read_text() + json.dumps(made)
    # The schema of the copy is compared too: what the archive lacks is a fault.
    toc = subprocess.run(["pg_restore", "-l", path / "dump"], text=True, capture_output=True, check=True).stdout
    assert "TABLE DATA public t" in toc


def test_stopped_by_a_person_nothing_is_left(server, folder):
    from support.base import BUILD
    small(server, "stopped")
    with contextlib.closing(server.session("stopped", autocommit=False)) as session, session.cursor() as cursor:
        cursor.execute("LOCK TABLE t")
        process = subprocess.Popen([BUILD / "dbhealth", "backup", "create", "--to", folder.path / "b",
                                    superuser(server, "stopped")], stderr=subprocess.PIPE, text=True)
        wait_until(lambda: server.one("SELECT count(*) FROM pg_locks WHERE NOT granted"), 30, "it waits")
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "stopped" in said
    assert [p.name for p in (folder.path / "b/stopped").iterdir()] == [".lock"]
    wait_until(lambda: not server.one("SELECT count(*) FROM pg_stat_activity WHERE datname = 'stopped'"), 30,
               "its sessions are gone")


def test_a_folder_that_is_not_there_is_no_empty_one(cli, folder):
    file = folder.path / "a-file"
    file.write_text("")
    nowhere = folder.path / "nowhere"
    actions = [("list",), ("list", "app"), ("verify", "app"), ("prune", "app", "--keep", "1d"),
               ("restore", "app", "--to", f"sqlite:{folder.path}/back.db")]
    for action, *more in actions:
        done = cli("backup", action, "--from", nowhere, *more)
        assert done.status == 64 and done.out == "", done
        assert f"backup {action}: --from {nowhere}: there is no such folder." in " ".join(done.err.split()), done
        done = cli("backup", action, "--from", file, *more)
        assert done.status == 64 and "is a file, not a folder" in " ".join(done.err.split()), done
    answer = cli("backup", "list", "--from", nowhere, "-o", "json")
    jsonschema.validate(answer.json, SCHEMA)
    assert answer.status == 64 and answer.json["ok"] is False and str(nowhere) in answer.json["message"], answer
    release = cli("release-check", "--from", nowhere, f"sqlite:{folder.path}/app.db")
    assert release.status == 64 and "there is no such folder" in " ".join(release.err.split()) and release.out == "", release
    empty = cli("backup", "list", "--from", folder.sub("empty"))
    assert (empty.status, empty.out) == (0, "No backups.\n"), empty
