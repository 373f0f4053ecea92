"""dbhealth migrate lint: what it claims of a statement is what the server does, and the way it offers is safe."""
import contextlib
import json
import threading

import jsonschema
import psycopg2
import pytest

from support import Cli, SqliteFile
from support.base import TOP, wait_until

ROWS = """
    CREATE TABLE r(id int PRIMARY KEY);
    INSERT INTO r SELECT generate_series(0, 99);
    CREATE TABLE t(id int NOT NULL, a int, b varchar(20), d numeric(10,2), "order" text);
    INSERT INTO t SELECT i, i % 100, 'b' || i, i, 'o' FROM generate_series(1, 3000) AS i;
    CREATE INDEX t_a ON t(a);
    CREATE TABLE p(id int, at date) PARTITION BY RANGE (id);
    CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10000);
    CREATE TABLE p2(id int, at date);
    INSERT INTO p1 SELECT generate_series(1, 3000);
    INSERT INTO p2 SELECT generate_series(20000, 23000);
    CREATE MATERIALIZED VIEW m AS SELECT id FROM t;
    CREATE UNIQUE INDEX m_id ON m(id);
"""
EXCLUSIVE, WRITERS = "AccessExclusiveLock", "ShareLock ShareRowExclusiveLock"
GENTLE = {"AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock"}

# rule, statement, table, its lock, written anew, read through
UNSAFE = [
    ("index-not-concurrent", "CREATE INDEX t_b ON t (b)", "t", WRITERS, False, True),
    ("index-not-concurrent", "CREATE UNIQUE INDEX ON t (id) WHERE a > 5", "t", WRITERS, False, True),
    ("index-drop-not-concurrent", "DROP INDEX t_a", "t", EXCLUSIVE, False, False),
    ("reindex-not-concurrent", "REINDEX TABLE t", "t", WRITERS, False, True),
    ("reindex-not-concurrent", "REINDEX INDEX t_a", "t", WRITERS, False, True),
    ("default-volatile", "ALTER TABLE t ADD COLUMN c uuid DEFAULT gen_random_uuid()", "t", EXCLUSIVE, True, True),
    ("column-rewrites-table", "ALTER TABLE t ADD COLUMN c bigserial", "t", EXCLUSIVE, True, True),
    ("column-rewrites-table", "ALTER TABLE t ADD COLUMN c int GENERATED ALWAYS AS (id + 1) STORED", "t", EXCLUSIVE, True, True),
    ("column-rewrites-table", "ALTER TABLE t ADD COLUMN c int GENERATED ALWAYS AS IDENTITY", "t", EXCLUSIVE, True, True),
    ("constraint-without-not-valid", "ALTER TABLE t ADD COLUMN c int CHECK (c > 0)", "t", EXCLUSIVE, False, True),
    ("constraint-without-not-valid", "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES r (id)", "t", WRITERS, False, True),
    ("constraint-without-not-valid", "ALTER TABLE t ADD CHECK (a >= 0)", "t", EXCLUSIVE, False, True),
    ("constraint-without-not-valid", "ALTER TABLE t ADD CONSTRAINT k CHECK (d > 0)", "t", EXCLUSIVE, False, True),
    ("unique-without-index", "ALTER TABLE t ADD UNIQUE (id)", "t", EXCLUSIVE, False, True),
    ("unique-without-index", "ALTER TABLE t ADD PRIMARY KEY (id)", "t", EXCLUSIVE, False, True),
    ("exclusion-constraint", "ALTER TABLE t ADD EXCLUDE (id WITH =)", "t", EXCLUSIVE, False, True),
    ("not-null-without-check", "ALTER TABLE t ALTER COLUMN \"order\" SET NOT NULL", "t", EXCLUSIVE, False, True),
    ("type-changed", "ALTER TABLE t ALTER COLUMN a TYPE bigint", "t", EXCLUSIVE, True, True),
    ("type-changed", "ALTER TABLE t ALTER COLUMN b TYPE varchar(10) USING left(b, 10)", "t", EXCLUSIVE, True, True),
    ("type-changed", "ALTER TABLE t ALTER COLUMN d TYPE numeric(12,3)", "t", EXCLUSIVE, True, True),
    ("table-rewritten", "ALTER TABLE t SET UNLOGGED", "t", EXCLUSIVE, True, True),
    ("table-rewritten", "CLUSTER t USING t_a", "t", EXCLUSIVE, True, None),
    ("partition-created", "CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (30000) TO (40000)", "p", EXCLUSIVE, False, False),
    ("partition-scanned", "ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (20000) TO (30000)", "p2", EXCLUSIVE, False, True),
    ("detach-not-concurrent", "ALTER TABLE p DETACH PARTITION p1", "p", EXCLUSIVE, False, False),
    ("refresh-not-concurrent", "REFRESH MATERIALIZED VIEW m", "m", EXCLUSIVE, True, None),
    ("object-renamed", "ALTER TABLE t RENAME TO t_new", "t", EXCLUSIVE, False, False),
    ("object-renamed", "ALTER TABLE t RENAME COLUMN a TO aa", "t", EXCLUSIVE, False, False),
    ("column-dropped", "ALTER TABLE t DROP COLUMN a", "t", EXCLUSIVE, False, False),
    ("table-emptied", "TRUNCATE t", "t", EXCLUSIVE, True, None),
    ("table-emptied", "DELETE FROM t", "t", "RowExclusiveLock", False, True),
    ("table-locked", "LOCK TABLE t", "t", EXCLUSIVE, False, False),
    ("triggers-disabled", "ALTER TABLE t DISABLE TRIGGER ALL", "t", WRITERS, False, False),
]
# What looks like it and costs nothing: nothing is written or read, and lint says nothing.
HARMLESS = [
    "ALTER TABLE t ADD COLUMN c int",
    "ALTER TABLE t ADD COLUMN c timestamptz NOT NULL DEFAULT now() + interval '1 day'",
    "ALTER TABLE t ADD COLUMN c text NOT NULL DEFAULT lower('X') || 'y'",
    "ALTER TABLE t ADD COLUMN c int[] DEFAULT '{}'",
    "ALTER TABLE t ADD COLUMN c int REFERENCES r (id)",
    "ALTER TABLE t ALTER COLUMN b TYPE varchar(40)",
    "ALTER TABLE t ALTER COLUMN b TYPE text",
    "ALTER TABLE t ALTER COLUMN d TYPE numeric(12,2)",
    "ALTER TABLE t ALTER COLUMN d TYPE numeric",
    "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 500) NOT VALID",
    "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES r (id) NOT VALID",
    "ALTER TABLE t ALTER COLUMN a SET DEFAULT 5",
]


@pytest.fixture
def place(module_cluster, folder):
    """A schema with the tables; (session in it, folder, DSN)."""
    name = "s" + folder.path.name.replace("-", "").replace(".", "").lower()
    c = module_cluster
    c.sql(f'CREATE SCHEMA "{name}"')
    session = c.session(options=f"-c search_path={name} -c lock_timeout=20s")
    with session.cursor() as cursor:
        cursor.execute(ROWS)
    yield session, name
    session.close()
    c.sql(f'DROP SCHEMA "{name}" CASCADE')


def lint(folder, *files, options=(), more=()):
    """files: (sql, transaction) each; the JSON answer."""
    at = folder.path / "m"
    at.mkdir(exist_ok=True)
    for i, (sql, transaction) in enumerate(files):
        mark = "-- migrate:up" + ("" if transaction else " transaction:false")
        first = "" if "sqlite" in options else "SET LOCAL lock_timeout = '2s';\n" if transaction else "SET lock_timeout = '2s';\n"
        (at / f"{i + 1:04}_x.sql").write_text(f"{mark}\n{first}{sql};\n-- migrate:down\n")
    done = Cli(folder, "migrate", "lint", "-o", "json", *options, *(more or [at]))
    answer = done.json
    jsonschema.validate(answer, json.loads((TOP / "docs/schema/migrate-lint.json").read_text()))
    worst = [s for s in ("critical", "warning") if answer[s]]
    assert done.status == {"critical": 2, "warning": 1}.get(worst[0] if worst else "", 0), done
    return answer


def notes(answer):
    return [n for f in answer["files"] for n in f["notes"]]


def run_and_look(session, sql, table):
    """In a transaction that stays open: lock modes on the table, whether it was written anew, read through."""
    with session.cursor() as cursor:
        cursor.execute("SELECT %s::regclass::oid, pg_relation_filenode(%s::regclass)", (table, table))
        oid, node = cursor.fetchone()
        cursor.execute("BEGIN")
        cursor.execute("SELECT pg_stat_get_xact_numscans(%s)", (oid,))
        scans = cursor.fetchone()[0]
        cursor.execute(sql)
        cursor.execute("SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = %s", (oid,))
        modes = {row[0] for row in cursor}
        cursor.execute("SELECT pg_relation_filenode(%s), pg_stat_get_xact_numscans(%s)", (oid, oid))
        after, scans_after = cursor.fetchone()
    return modes, after != node, scans_after > scans


@pytest.mark.parametrize("rule, sql, table, lock, rewritten, scanned", UNSAFE, ids=[u[1][:60] for u in UNSAFE])
def test_what_is_called_unsafe_is_and_the_way_offered_is_not(folder, module_cluster, place, rule, sql, table, lock,
                                                             rewritten, scanned):
    session, schema = place
    modes, was_rewritten, was_scanned = run_and_look(session, sql, table)
    with session.cursor() as cursor:
        cursor.execute("ROLLBACK")
    assert modes & set(lock.split()), modes
    assert was_rewritten == rewritten
    assert scanned is None or was_scanned == scanned
    (note,) = [n for n in notes(lint(folder, (sql, True))) if n["rule"] == rule]
    if note["sql"]:
        run_offer(module_cluster, session, schema, note["sql"], table)
        lint_offer(folder, note["sql"], rule)


def statements(sql):
    return [line.split("; --")[0].rstrip(";") for line in sql.splitlines()
            if not line.startswith("--")]


def run_offer(cluster, session, schema, sql, table):
    for one in statements(sql):
        if " CONCURRENTLY " in one or one.endswith(" CONCURRENTLY"):
            keeps_nobody_out(cluster, schema, one, table)
        elif one.startswith("CREATE VIEW"):  # the old name goes on
            with session.cursor() as cursor:
                cursor.execute(one + "; SELECT id FROM t LIMIT 1")
        elif not one.startswith(("REFRESH", "LOCK")):
            modes, rewritten, scanned = run_and_look(session, one, table)
            with session.cursor() as cursor:
                cursor.execute("COMMIT")
            assert not rewritten, one
            # Whoever reads all rows lets others write meanwhile.
            assert not scanned or modes <= GENTLE, (one, modes)


def keeps_nobody_out(cluster, schema, sql, table):
    """While it runs, somebody else has written to the table and writes again."""
    options = f"-c search_path={schema} -c lock_timeout=20s"
    with contextlib.closing(cluster.session(autocommit=False, options=options)) as writer, \
            contextlib.closing(cluster.session(options=options)) as runner:
        with writer.cursor() as cursor:
            cursor.execute({"m": "SELECT count(*) FROM m", "p": "SELECT count(*) FROM p"}.get(
                table, "INSERT INTO t (id, a) VALUES (-1, 1)"))
        faults, pid = [], runner.info.backend_pid

        def go():
            try:
                runner.cursor().execute(sql)
            except psycopg2.Error as error:
                faults.append(error)

        thread = threading.Thread(target=go)
        thread.start()
        try:
            wait_until(lambda: not thread.is_alive() or cluster.one(
                "SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted", pid), 60, "it runs")
            with writer.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '5s'")
                cursor.execute({"m": "SELECT count(*) FROM m", "p": "SELECT count(*) FROM p"}.get(
                    table, "INSERT INTO t (id, a) VALUES (-2, 1)"))
            writer.commit()
        finally:
            writer.close()
            thread.join(60)
        assert not faults and not thread.is_alive(), faults


def lint_offer(folder, sql, rule):
    """Each of its steps as a file of its own: nothing critical is left, and not the same again."""
    for old in (folder.path / "m").iterdir():
        old.unlink()
    outside = (" CONCURRENTLY", "UPDATE ", "DELETE ")
    files = [(one, not (outside[0] in one or one.startswith(outside[1:]))) for one in statements(sql)]
    left = [n["rule"] for n in notes(lint(folder, *files))]
    assert rule not in left or rule in ("object-renamed", "table-locked"), left


@pytest.mark.parametrize("sql", HARMLESS)
def test_what_costs_nothing_is_let_off(folder, module_cluster, place, sql):
    session, schema = place
    modes, rewritten, scanned = run_and_look(session, sql, "t")
    with session.cursor() as cursor:
        cursor.execute("ROLLBACK")
    assert not rewritten and not scanned and modes
    created = "CREATE TABLE t(id int NOT NULL, a int, b varchar(20), d numeric(10,2)); CREATE TABLE r(id int PRIMARY KEY)"
    assert [n["rule"] for n in notes(lint(folder, (created, True), (sql, True)))] == []


def test_not_null_by_a_check_of_the_file_before_reads_nothing(folder, place):
    session, _ = place
    with session.cursor() as cursor:
        cursor.execute("ALTER TABLE t ADD CONSTRAINT n CHECK (a IS NOT NULL)")
    modes, rewritten, scanned = run_and_look(session, "ALTER TABLE t ALTER a SET NOT NULL", "t")
    assert not rewritten and not scanned
    answer = lint(folder, ("ALTER TABLE t ADD CONSTRAINT n CHECK (a IS NOT NULL) NOT VALID", True),
                  ("ALTER TABLE t VALIDATE CONSTRAINT n", True), ("ALTER TABLE t ALTER a SET NOT NULL", True))
    assert notes(answer) == []


def test_a_database_tells_rows_types_and_users(folder, module_cluster):
    c = module_cluster
    c.createdb("known")
    c.script(ROWS + """
        CREATE TABLE tiny(a int, b text);
        CREATE VIEW seen AS SELECT a FROM t;
        CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(a) FROM t';
        ALTER TABLE t ADD CONSTRAINT has_id CHECK (id IS NOT NULL); ANALYZE;""", dbname="known")
    url = c.dsn("known", user="postgres")
    files = [("CREATE INDEX tiny_a ON tiny (a); ALTER TABLE tiny ALTER b SET NOT NULL", True),
             ("ALTER TABLE t ALTER b TYPE varchar(30), ALTER id SET NOT NULL", True),
             ("ALTER TABLE t ALTER b TYPE varchar(10)", True), ("ALTER TABLE t DROP COLUMN a", True),
             ("CREATE TABLE made(a int)", True), ("CREATE INDEX made_a ON made(a)", True)]
    answer = lint(folder, *files, options=["--database", url, "--dir", folder.path / "m"], more=["-a"])
    found = [(n["rule"], n["message"]) for n in notes(answer)]
    assert [rule for rule, _ in found] == ["type-changed", "column-dropped"], found
    assert "from varchar(20) to varchar(10)" in found[0][1]
    assert "view seen" in found[1][1] and "function f" in found[1][1]


def test_only_pending_files_of_a_database(folder, cli, module_cluster):
    c = module_cluster
    c.createdb("pending")
    c.script("CREATE TABLE schema_migrations(version varchar(128) PRIMARY KEY); CREATE TABLE t(a int);"
             "INSERT INTO schema_migrations VALUES ('0001')", dbname="pending")
    files = [("DROP TABLE gone", True), ("DROP TABLE t", True)]
    url = c.dsn("pending", user="postgres")
    answer = lint(folder, *files, options=["-d", url], more=["--dir", folder.path / "m"])
    assert [f["version"] for f in answer["files"]] == ["0002"]
    done = cli("migrate", "lint", "-a", "-d", url, "--dir", folder.path / "m")
    assert done.status == 2 and "0001_x.sql" in done.out and done.out.endswith("2 files: 2 critical\n"), done


def test_head_allowances_and_the_way_back(folder, cli):
    at = folder.path / "m"
    at.mkdir()
    assert cli("migrate", "revision", "-m", "Add users", "--dir", at).status == 0
    done = cli("migrate", "lint", "--dir", at)
    assert done.status == 2 and "notes-missing" in done.out and "Performance" in done.out, done
    (path,) = at.iterdir()
    path.write_text("""-- migrate:up
SET LOCAL lock_timeout = '2s';
-- lint:allow column-dropped nobody reads it since 3.2
ALTER TABLE t DROP COLUMN a;
ALTER TABLE t DROP COLUMN b; -- lint:allow column-dropped
-- lint:allow table-emptied it was one once
SELECT 1;
-- migrate:down
SET LOCAL lock_timeout = '2s';
DROP TABLE u;
""")
    answer = json.loads(cli("migrate", "lint", "-o", "json", path).out)
    assert [(n["rule"], n["line"], n["severity"], n["allowed"]) for n in notes(answer)] == [
        ("column-dropped", 4, "info", "nobody reads it since 3.2"), ("column-dropped", 5, "critical", None),
        ("allow-without-reason", 5, "critical", None), ("allow-unused", 6, "warning", None),
        ("object-dropped", 10, "info", None)]
    text = cli("migrate", "lint", "-v", path)
    assert "Because: nobody reads it since 3.2" in text.out and "1 allowed" in text.out
    assert cli("migrate", "lint", "--fail-on", "none", path).status == 0
    assert not [line for line in text.out.splitlines() if len(line) > 80 and str(at) not in line], text.out


def test_standard_input_has_its_own_transactions(folder):
    sql = "BEGIN;\nUPDATE alembic_version SET version_num='b';\nALTER TABLE t ADD c int;\n" \
          "CREATE INDEX CONCURRENTLY i ON t (c);\nCOMMIT;\nCREATE INDEX CONCURRENTLY j ON t (c);\n"
    done = Cli(folder, "migrate", "lint", "-o", "json", "-", stdin=sql)
    assert [n["rule"] for n in notes(done.json) if n["severity"] == "critical"] == ["concurrently-in-transaction"]


SQLITE = [  # statement, rule, what SQLite says of it with a row there ("": it runs)
    ("ALTER TABLE t ADD COLUMN c TEXT NOT NULL", "not-null-without-default", "Cannot add a NOT NULL column"),
    ("ALTER TABLE t ADD COLUMN c TEXT DEFAULT CURRENT_TIMESTAMP", "default-not-constant", "non-constant default"),
    ("ALTER TABLE t ADD COLUMN c TEXT UNIQUE", "unique-added", "Cannot add a UNIQUE column"),
    ("ALTER TABLE t ADD COLUMN c INT GENERATED ALWAYS AS (a) STORED", "generated-stored", "cannot add a STORED column"),
    ("ALTER TABLE t ADD COLUMN c INT DEFAULT 1 REFERENCES u(a)", "reference-with-default", "non-NULL default"),
    ("ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0)", "not-sqlite", "syntax error"),
    ("ALTER TABLE t ALTER COLUMN a TYPE TEXT", "not-sqlite", "syntax error"),
    ("SELEC 1", "not-parsed", "syntax error"),
    ("VACUUM", "vacuum-in-transaction", "cannot VACUUM from within a transaction"),
    ("PRAGMA journal_mode = WAL", "pragma-in-transaction", "cannot change into wal mode"),
    ("BEGIN", "transaction-inside", "within a transaction"),
    ("CREATE TABLE x(a STRING)", "type-name", ""),
    ("DROP TABLE u", "object-dropped", ""),
]


def test_what_sqlite_refuses_is_known_before(folder):
    file = SqliteFile(folder.path / "app.db")
    for sql, rule, why in SQLITE:
        with contextlib.closing(file.connect()) as db:
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("CREATE TABLE IF NOT EXISTS t(a, b)")
            db.execute("CREATE TABLE IF NOT EXISTS u(a PRIMARY KEY)")
            db.execute("INSERT INTO t VALUES (1, 2)")
            db.execute("BEGIN")
            try:
                db.execute(sql)
                said = ""
            except Exception as error:  # pylint: disable=broad-except
                said = str(error)
            assert why in said and bool(why) == bool(said), (sql, said)
        answer = Cli(folder, "migrate", "lint", "--engine", "sqlite", "-o", "json", "-", stdin=sql).json \
            if rule not in ("vacuum-in-transaction", "pragma-in-transaction", "transaction-inside") else \
            lint(folder, (sql, True), options=["--engine", "sqlite"])
        assert rule in [n["rule"] for n in notes(answer)], (sql, answer)


def test_a_table_made_anew_in_sqlite(folder):
    steps = ("CREATE TABLE t_new(a TEXT); INSERT INTO t_new SELECT a FROM t; DROP TABLE t; "
             "ALTER TABLE t_new RENAME TO t")
    rules = lambda sql: [n["rule"] for n in notes(lint(folder, (sql, False), options=["--engine", "sqlite"]))]
    wrong = "ALTER TABLE t RENAME TO t_old; CREATE TABLE t(a); INSERT INTO t SELECT a FROM t_old; DROP TABLE t_old"
    assert rules(steps) == ["rebuild-with-keys-on"]
    assert rules("PRAGMA foreign_keys = OFF; BEGIN; " + steps + "; PRAGMA foreign_key_check; COMMIT") == []
    assert "rebuild-without-copy" in rules(steps.replace("INSERT INTO t_new SELECT a FROM t; ", ""))
    assert "rebuild-order" in rules(wrong)
