"""dbhealth diff --data: how many rows, from which key to which, and which ones differ."""
import json

import jsonschema

from support import wait_until
from support.base import TOP

TABLES = """
    CREATE TABLE users(id bigint PRIMARY KEY, name text, at timestamptz DEFAULT '2026-01-02 03:04:05+00', price numeric(10,2) DEFAULT 1.5);
    CREATE TABLE words(word text PRIMARY KEY, n float8, raw bytea DEFAULT '\\x00ff');
    CREATE TABLE pairs(a integer, b text, c text, PRIMARY KEY (b, a));
    CREATE TABLE bare(note text);
    CREATE TABLE parts(at date NOT NULL, n bigint NOT NULL, PRIMARY KEY (at, n)) PARTITION BY RANGE (at);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
    CREATE TABLE "we""ird
é"("ke""y" uuid PRIMARY KEY, "select" text);
    INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 20000) AS i;
    INSERT INTO words SELECT chr(64 + i % 60) || 'ä' || i, i / 7.0 FROM generate_series(1, 3000) AS i;
    INSERT INTO pairs SELECT i % 50, 'p' || i / 50, NULL FROM generate_series(1, 5000) AS i;
    INSERT INTO bare SELECT 'x' FROM generate_series(1, 10);
    INSERT INTO parts SELECT '2026-01-01'::date + i % 58, i FROM generate_series(1, 3000) AS i;
    INSERT INTO "we""ird
é" SELECT md5(i::text)::uuid, NULL FROM generate_series(1, 10) AS i;
"""


def dsn(cluster, dbname, user="postgres"):
    return cluster.dsn(dbname, user=user)


def compare(cli, a, b, *more):
    done = cli("diff", "--data", "--budget", "5min", "-o", "json", a, b, *more, timeout=300)
    assert done.out, done
    jsonschema.validate(done.json, json.loads((TOP / "docs/schema/diff.json").read_text()))
    return done, {t["table"]: t for t in done.json["data"]["tables"]}


def rows(table):
    return {(r["key"], r["what"]) for r in table["rows"]}


def both(c):
    c.createdb("stage", "prod")
    for dbname in ("stage", "prod"):
        c.script(TABLES, dbname=dbname)


def test_each_row_that_differs_is_named(cluster, cli):
    c = cluster()
    both(c)
    # Two hosts that write and sort values each in its own way are no difference.
    c.sql("ALTER DATABASE prod SET DateStyle = 'German'; ALTER DATABASE prod SET TimeZone = 'Asia/Tokyo';"
          "ALTER DATABASE prod SET extra_float_digits = 0; ALTER DATABASE prod SET bytea_output = 'escape'")
    done, tables = compare(cli, dsn(c, "stage"), dsn(c, "prod"))
    assert done.status == 0 and done.json["same"] and done.json["data"]["not_compared"] == 0, done
    assert {t: (x["state"], x["by_row"], x["a"]["rows"]) for t, x in tables.items()} == {
        "public.users": ("same", True, 20000), "public.words": ("same", True, 3000), "public.pairs": ("same", True, 5000),
        "public.bare": ("same", True, 10), "public.parts": ("same", True, 3000), 'public.we"ird\né': ("same", True, 10)}
    assert tables["public.users"]["key"] == "id" and tables["public.users"]["b"]["last"] == "20000"
    c.script("UPDATE users SET name = 'other' WHERE id IN (17, 18, 15000); DELETE FROM users WHERE id = 9999;"
             "INSERT INTO users VALUES (20001, 'new');"
             "UPDATE words SET n = n + 1 WHERE word = 'Aä1'; UPDATE pairs SET c = '' WHERE b = 'p7' AND a = 3;"
             "DELETE FROM bare WHERE ctid = '(0,1)'; INSERT INTO bare VALUES ('y');"
             "DELETE FROM parts WHERE n = 40; CREATE TABLE extra(a int); INSERT INTO extra VALUES (1)", dbname="prod")
    c.script("DROP TABLE \"we\"\"ird\né\"", dbname="prod")
    done, tables = compare(cli, dsn(c, "stage"), dsn(c, "prod"))
    assert done.status == 1 and not done.json["same"], done
    users = tables["public.users"]
    assert rows(users) == {("17", "changed"), ("18", "changed"), ("15000", "changed"), ("9999", "only_a"), ("20001", "only_b")}
    assert (users["a"]["rows"], users["b"]["rows"], users["b"]["last"], users["more"]) == (20000, 20000, "20001", False)
    assert all(r["rows_a"] <= 1001 for r in users["ranges"]) and len(users["ranges"]) in (3, 4)
    assert rows(tables["public.words"]) == {("Aä1", "changed")}
    assert rows(tables["public.pairs"]) == {("p7, 3", "changed")} and tables["public.pairs"]["key"] == "b, a"
    assert (tables["public.bare"]["state"], tables["public.bare"]["key"], tables["public.bare"]["rows"]) == ("differs", None, [])
    assert [what for _, what in rows(tables["public.parts"])] == ["only_a"] and tables["public.parts"]["b"]["rows"] == 2999
    assert tables["public.extra"]["state"] == "only_b" and tables["public.extra"]["b"]["rows"] == 1
    assert tables['public.we"ird\né']["state"] == "only_a"
    text = cli("diff", "--data", dsn(c, "stage"), dsn(c, "prod"), timeout=120)
    assert text.status == 1 and "stage and prod differ in their rows: 7 of 7 tables" in text.out, text
    assert "  rows that differ: [17] [18] [15000]\n  rows only in stage: [9999]\n  rows only in prod: [20001]\n" in text.out
    assert "  stage: id from 1 to 20000\n  prod: id from 1 to 20001\n" in text.out
    assert max(map(len, text.out.splitlines())) <= 80


def test_limits_locks_and_rights_are_told(cluster, cli):
    c = cluster()
    both(c)
    c.sql("CREATE ROLE reader LOGIN")
    c.script("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; REVOKE ALL ON words FROM reader;"
             "ALTER TABLE pairs ENABLE ROW LEVEL SECURITY", dbname="prod")
    c.script("ALTER TABLE pairs ENABLE ROW LEVEL SECURITY", dbname="stage")
    locker = c.session(dbname="stage", autocommit=False)
    locker.cursor().execute("LOCK TABLE bare")
    try:
        done, tables = compare(cli, dsn(c, "stage"), dsn(c, "prod", "reader"), "--rows", "4000")
    finally:
        locker.rollback()
        locker.close()
    assert done.status == 3 and done.json["data"]["differ"] == 0, done
    assert tables["public.bare"]["state"] == "not_compared" and "locked" in tables["public.bare"]["reason"]
    assert "permission denied" in tables["public.words"]["reason"] and tables["public.words"]["state"] == "not_compared"
    assert "row-level security" in tables["public.pairs"]["reason"]  # never a part of the rows as if it were all
    users = tables["public.users"]
    assert (users["state"], users["by_row"], users["reason"]) == ("same", False, None)
    text = cli("diff", "--data", "--rows", "4000", dsn(c, "stage"), dsn(c, "prod"), timeout=120)
    assert text.status == 0 and "by count and key only: more than 4000 rows" in text.out, text
    short = cli("diff", "--data", "--budget", "1ms", "-o", "json", dsn(c, "stage"), dsn(c, "prod"))
    assert short.status in (3, 69), short
    if short.status == 3:
        assert {t["state"] for t in short.json["data"]["tables"]} == {"not_compared"}


def test_one_moment_and_no_lock_is_kept(cluster, cli):
    """While it reads one table, another can be changed and dropped: what it compares is of its snapshot."""
    c = cluster()
    both(c)
    c.script("CREATE VIEW slow AS SELECT 1; CREATE FUNCTION pause(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1'", dbname="stage")
    blocker = c.session(dbname="prod", autocommit=False)
    blocker.cursor().execute("LOCK TABLE bare")  # small, so it comes early, and costs a second
    late = c.session(dbname="prod")
    try:
        import threading
        answer = []
        worker = threading.Thread(target=lambda: answer.append(compare(cli, dsn(c, "stage"), dsn(c, "prod"))))
        worker.start()
        wait_until(lambda: c.one("SELECT count(*) FROM pg_locks AS l JOIN pg_class AS k ON k.oid = l.relation"
                                 " WHERE NOT l.granted AND k.relname = 'bare'", dbname="prod") == 1,
                   60, "it waits for bare")
        late.cursor().execute("DELETE FROM users")
        late.cursor().execute("SET lock_timeout = '20s'")
        late.cursor().execute("ALTER TABLE words ADD COLUMN more int")
        worker.join()
    finally:
        blocker.rollback()
        blocker.close()
        late.close()
    done, tables = answer[0]
    assert tables["public.users"]["state"] == "same" and tables["public.users"]["b"]["rows"] == 20000, done
    assert tables["public.bare"]["state"] == "not_compared"


SQLITE = """
    CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, n);
    CREATE TABLE words(word TEXT NOT NULL PRIMARY KEY, raw BLOB) WITHOUT ROWID;
    CREATE TABLE nulls(a TEXT PRIMARY KEY, b);
    CREATE TABLE "we""ird"(a, b);
    WITH RECURSIVE i(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM i WHERE i < 5000) INSERT INTO users SELECT i, 'User ' || i, i / 3.0 FROM i;
    INSERT INTO words SELECT 'w' || id, zeroblob(id % 7) FROM users;
    INSERT INTO nulls VALUES (NULL, 1), (NULL, 2), ('x', 3);
    INSERT INTO "we""ird" VALUES (1, 2);
"""


def test_sqlite_with_sqlite(cli, sqlite):
    a, b = sqlite("a", SQLITE), sqlite("b", SQLITE)
    b.sql("PRAGMA journal_mode = wal")
    done, tables = compare(cli, a.dsn, b.dsn)
    assert done.status == 0 and {x["state"] for x in tables.values()} == {"same"} and len(tables) == 4, done
    b.sql("UPDATE users SET n = '' || n WHERE id = 42; DELETE FROM users WHERE id = 4999; INSERT INTO users VALUES (5001, 'x', 1);"
          "UPDATE users SET name = 'user 7' WHERE id = 7; UPDATE words SET raw = x'00' WHERE word = 'w5';"
          "UPDATE nulls SET b = 9 WHERE b = 2")
    digest = a.digest()
    done, tables = compare(cli, a.dsn, b.dsn)
    assert done.status == 1
    assert rows(tables["users"]) == {("42", "changed"), ("7", "changed"), ("4999", "only_a"), ("5001", "only_b")}
    assert rows(tables["words"]) == {("w5", "changed")}
    assert (tables["nulls"]["state"], tables["nulls"]["key"]) == ("differs", None)
    assert tables['we"ird']["state"] == "same"
    assert a.digest() == digest


def test_a_writer_of_sqlite_is_not_held_up(cli, sqlite):
    """Without a write-ahead log the file is read from a copy; one that is being written is told."""
    a, b = sqlite("a", SQLITE), sqlite("b", SQLITE)
    with b.exclusive_lock():
        done = cli("diff", "--data", a.dsn, b.dsn, "--budget", "2s", timeout=60)
    assert done.status == 69, done
    assert compare(cli, a.dsn, b.dsn)[0].status == 0


def test_postgresql_with_sqlite_by_count(cluster, cli, sqlite):
    c = cluster()
    both(c)
    f = sqlite("f", "CREATE TABLE Users(id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE bare(x); INSERT INTO bare VALUES (1);"
               "WITH RECURSIVE i(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM i WHERE i < 20000) INSERT INTO users SELECT i, i FROM i")
    done, tables = compare(cli, dsn(c, "stage"), f.dsn)
    assert done.status == 1 and done.json["differences"] is None, done
    assert tables["users"]["state"] == "same" and not tables["users"]["by_row"] and tables["users"]["b"]["last"] == "20000"
    assert tables["bare"]["state"] == "differs" and (tables["bare"]["a"]["rows"], tables["bare"]["b"]["rows"]) == (10, 1)
    assert tables["words"]["state"] == "only_a"


def test_rows_that_nobody_may_read_are_not_called_the_same(cluster, cli):
    c = cluster("closed")
    c.script("CREATE ROLE reader LOGIN")
    for name in ("stage", "prod"):
        c.createdb(name)
        c.sql("CREATE TABLE t(a integer PRIMARY KEY)", dbname=name)
    done = cli("diff", "--data", dsn(c, "stage", "reader"), dsn(c, "prod", "reader"))
    assert done.status == 3 and "have the same rows is not known" in done.out and "have the same rows:" not in done.out, done
