"""dbhealth diff: what differs between two schemas, and that the DDL it prints closes it."""
import json
import os
import pathlib

import jsonschema
import pytest

from support import Cluster, Folder, Template, sanitized
from support.base import TOP

OLD = """
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE users(id bigint PRIMARY KEY);
    CREATE TABLE orders(id bigserial PRIMARY KEY, amount integer NOT NULL DEFAULT 0, feeling mood, user_id bigint, code text);
    INSERT INTO users SELECT generate_series(1, 10);
    INSERT INTO orders (user_id, code) SELECT i, i::text FROM generate_series(1, 10) AS i;
    ALTER TABLE orders ADD CONSTRAINT small CHECK (amount < 1000000) NOT VALID;
    CREATE VIEW big AS SELECT id, amount FROM orders WHERE amount > 1000;
    CREATE FUNCTION twice(i integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2 * i';
    CREATE TABLE "we""ird
name é"(id integer PRIMARY KEY, "select" text);
"""
NEW = """
    CREATE SCHEMA "Ümläut";
    CREATE DOMAIN email AS text CHECK (VALUE ~ '@');
    CREATE TYPE pair AS (a int, b text);
    ALTER TYPE mood ADD VALUE 'furious' BEFORE 'sad';
    ALTER TYPE mood ADD VALUE 'so, ''so''' AFTER 'sad';
    ALTER TYPE mood ADD VALUE 'happy';
    ALTER TABLE orders ADD COLUMN note varchar(20) COLLATE "C";
    ALTER TABLE orders ADD COLUMN placed timestamptz NOT NULL DEFAULT now();
    ALTER TABLE orders ADD COLUMN contact email;
    ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();
    ALTER TABLE orders ADD COLUMN tags text[] NOT NULL DEFAULT '{}';
    ALTER TABLE orders ALTER amount SET DEFAULT 7 + 1;
    ALTER TABLE orders ALTER code SET NOT NULL;
    ALTER TABLE orders ALTER amount DROP NOT NULL;
    ALTER TABLE orders VALIDATE CONSTRAINT small;
    ALTER TABLE orders ADD CONSTRAINT positive CHECK (amount >= 0 AND code <> '') NOT VALID;
    ALTER TABLE orders ADD CONSTRAINT "a user's" FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
    ALTER TABLE orders ADD CONSTRAINT one_code UNIQUE (code) DEFERRABLE;
    CREATE INDEX lower_note ON orders (lower(note), placed DESC NULLS LAST) WHERE note IS NOT NULL;
    CREATE INDEX covering ON orders (user_id text_ops) INCLUDE (amount) WITH (fillfactor = 70);
    CREATE INDEX patterns ON orders (code text_pattern_ops);
    ALTER TABLE orders SET (autovacuum_vacuum_scale_factor = 0.01);
    CREATE OR REPLACE VIEW big AS SELECT id, amount, note FROM orders WHERE amount > 2000;
    CREATE VIEW bigger AS SELECT * FROM big WHERE amount > (SELECT avg(amount) FROM orders);
    CREATE MATERIALIZED VIEW sums AS SELECT user_id, sum(amount) AS s FROM orders GROUP BY 1;
    CREATE UNIQUE INDEX sums_key ON sums (user_id);
    CREATE OR REPLACE FUNCTION twice(i integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT i + i';
    CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.placed := now(); RETURN NEW; END';
    CREATE TRIGGER stamped BEFORE UPDATE OF amount ON orders FOR EACH ROW WHEN (NEW.amount > 1) EXECUTE FUNCTION stamp();
    CREATE TABLE "Ümläut"."lines; DROP TABLE users; --"(id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        order_id bigint NOT NULL REFERENCES orders, price numeric(10,2) DEFAULT 1.5, double numeric GENERATED ALWAYS AS (price * 2) STORED,
        CHECK (price > 0), "x y" int UNIQUE);
    CREATE TABLE log(at date NOT NULL, n bigint) PARTITION BY RANGE (at);
    ALTER TABLE users ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON users FOR SELECT USING (id = 1);
    CREATE STATISTICS ab ON amount, code FROM orders;
    COMMENT ON TABLE orders IS 'it''s all';
    COMMENT ON COLUMN orders.code IS E'two\\nlines';
    ALTER TABLE "we""ird
name é" ADD COLUMN "new
line" int;
"""
NEW = NEW.replace("(user_id text_ops)", "(user_id)")


def dsn(cluster, dbname):
    return cluster.dsn(dbname, user="postgres")


def closes(cli, a, b, dbname_a, dbname_b):
    """The statements, run on B as printed, leave nothing but what is refused."""
    before = cli("diff", dsn(a, dbname_a), dsn(b, dbname_b))
    assert before.status == 1, before
    ddl = cli("diff", "--ddl", dsn(a, dbname_a), dsn(b, dbname_b))
    assert ddl.status == 1 and "not closed" not in ddl.err, ddl
    b.script(ddl.out, dbname=dbname_b)
    shape = json.loads((TOP / "docs/schema/diff.json").read_text())
    jsonschema.validate(cli("diff", "-o", "json", dsn(b, dbname_b), dsn(a, dbname_a)).json, shape)
    after = cli("diff", "-o", "json", dsn(a, dbname_a), dsn(b, dbname_b))
    assert after.json["differences"] == [] and after.status == 0, after
    assert cli("diff", "--ddl", dsn(a, dbname_a), dsn(b, dbname_b)).out == ""
    assert cli("diff", dsn(b, dbname_b), dsn(a, dbname_a)).status == 0


@pytest.mark.skipif(sanitized(), reason="the code is that of test_sync")
def test_the_ddl_run_on_b_makes_the_difference_empty(cluster, cli):
    c = cluster()
    c.createdb("stage", "prod")
    c.script(OLD + NEW, dbname="stage")
    c.script(OLD, dbname="prod")
    closes(cli, c, c, "stage", "prod")


def test_the_same_schema_made_in_another_way_is_the_same(cluster, cli):
    """Numbers of objects, dropped columns, blanks and rows are no difference."""
    c = cluster()
    c.createdb("stage", "prod")
    c.script(OLD + NEW, dbname="stage")
    c.script("CREATE TABLE noise(a serial); DROP TABLE noise;" + OLD.replace("feeling mood", "gone int, feeling mood") +
             "ALTER TABLE orders DROP COLUMN gone; SET search_path = public, pg_catalog;" + NEW, dbname="prod")
    done = cli("diff", dsn(c, "stage"), dsn(c, "prod"))
    assert done.status == 0 and "have the same schema" in done.out, done


def test_what_is_not_safe_is_refused_in_words(cluster, cli):
    c = cluster()
    c.createdb("stage", "prod")
    c.script(OLD, dbname="stage")
    c.script(OLD, dbname="prod")
    c.script(
            "DROP VIEW big; ALTER TABLE orders ALTER amount TYPE bigint; CREATE VIEW big AS SELECT id, amount FROM orders WHERE amount > 1000;"
            "ALTER TABLE users ADD COLUMN must int; UPDATE users SET must = 1; ALTER TABLE users ALTER must SET NOT NULL;"
            "CREATE INDEX i ON orders (code)", dbname="stage")
    c.script("CREATE TABLE extra(a int); CREATE INDEX i ON orders (user_id); ALTER TABLE orders ADD COLUMN more int;"
             "ALTER TYPE mood ADD VALUE 'other'", dbname="prod")
    text = cli("diff", dsn(c, "stage"), dsn(c, "prod"))
    assert text.out.splitlines()[0].startswith("stage and prod differ: ")
    assert "column amount: bigint not null default ... in stage, integer not null default ... in prod" in text.out
    ddl = cli("diff", "--ddl", dsn(c, "stage"), dsn(c, "prod"))
    for words in ("column amount: another type rewrites the table", "column must: NOT NULL without a default",
                  "index i: it would have to be dropped", "table public.extra: dropping it loses what is in it",
                  "column more: dropping it is not printed", "labels: a label cannot be dropped"):
        assert words in ddl.err, ddl.err
    assert "DROP" not in ddl.out and "--" not in ddl.out
    drops = cli("diff", "--ddl", "--drops", dsn(c, "stage"), dsn(c, "prod")).out
    for statement in ("DROP TABLE public.extra;", "DROP INDEX CONCURRENTLY public.i;", "ALTER TABLE public.orders DROP COLUMN more;"):
        assert statement in drops
    c.script(drops, dbname="prod")
    left = cli("diff", "-o", "json", dsn(c, "stage"), dsn(c, "prod")).json["differences"]
    assert sorted({(x["object"], x["part"]) for x in left}) == [
        ("enum public.mood", "labels"), ("table public.orders", "column amount"), ("table public.users", "column must"),
        ("view public.big", "column amount")]


def test_a_locked_table_is_named_and_nothing_waits(cluster, cli):
    c = cluster()
    c.createdb("stage", "prod")
    for dbname in ("stage", "prod"):
        c.script(OLD, dbname=dbname)
    c.script("ALTER TABLE orders ADD COLUMN note text; ALTER TABLE users ADD COLUMN note text", dbname="stage")
    locker = c.session(dbname="stage", autocommit=False)
    locker.cursor().execute("LOCK TABLE orders")
    try:
        done = cli("diff", "-o", "json", dsn(c, "stage"), dsn(c, "prod"), timeout=60)
    finally:
        locker.rollback()
        locker.close()
    by = {(x["object"], x["part"]): x for x in done.json["differences"]}
    assert by["table public.orders", "column note"]["refused"]
    assert by["table public.users", "column note"]["ddl"] == ["ALTER TABLE public.users ADD COLUMN note text;"]
    assert sorted(done.json["not_compared"], reverse=True) == ["view public.big in stage", "table public.orders in stage"]


def test_what_cannot_be_looked_at(cluster, cli, sqlite):
    c = cluster()
    f = sqlite("f")
    f.sql("CREATE TABLE t(a)")
    assert cli("diff", dsn(c, "postgres"), dsn(c, "nowhere")).status == 69
    assert cli("diff", dsn(c, "postgres"), f.dsn).status == 64
    assert cli("diff", dsn(c, "postgres")).status == 64
    assert cli("diff", f.dsn, "no-such-name").status == 64
    for secret in "postgresql://u:geheim@127.0.0.1:1/x", "mysql://u:geheim@h/d", "postgres:/u:geheim@h/d":
        for words in ["diff", f.dsn, secret], ["stats", secret], ["migrate", "status", f.dsn, secret]:
            said = cli(*words)
            assert said.status in (64, 69) and "***" in said.err and "geheim" not in said.err, said


def test_sqlite_with_sqlite(cli, sqlite):
    a, b = sqlite("a"), sqlite("b")
    old = "CREATE TABLE users(id INTEGER PRIMARY KEY); CREATE TABLE orders(id INTEGER PRIMARY KEY, note TEXT);" \
        "CREATE TABLE \"we\"\"ird\"(a, b);"
    a.sql(old + "ALTER TABLE orders ADD COLUMN placed TEXT NOT NULL DEFAULT 'x''y'; ALTER TABLE orders ADD COLUMN user_id INTEGER;"
          "CREATE INDEX by_note ON orders (lower(note)) WHERE note IS NOT NULL; CREATE VIEW v AS SELECT id FROM orders;"
          f"CREATE TABLE lines(id INTEGER PRIMARY KEY, n INTEGER NOT NULL, CHECK (n NOT IN ({', '.join(map(str, range(1000)))})));"
          "CREATE TRIGGER after_line AFTER INSERT ON lines BEGIN DELETE FROM lines WHERE n = -1; END;"
          "ALTER TABLE \"we\"\"ird\" ADD COLUMN \"c\"\"d\" int")
    b.sql(old)
    done = cli("diff", a.dsn, b.dsn)
    assert done.status == 1 and "table lines: only in a" in done.out and "column placed: only in a" in done.out
    ddl = cli("diff", "--ddl", a.dsn, b.dsn)
    assert ddl.err == ""
    b.sql(ddl.out)
    after = cli("diff", "-o", "json", a.dsn, b.dsn)
    assert after.json["same"] and after.status == 0, after
    b.sql("CREATE INDEX more ON orders (placed); DROP TABLE lines; CREATE TABLE lines(id INTEGER PRIMARY KEY, n INTEGER)")
    ddl = cli("diff", "--ddl", a.dsn, b.dsn)
    assert "index more: dropping it is not printed" in ddl.err and "table lines: column n" in ddl.err
    assert "DROP" not in ddl.out


OWN = "".join(f"CREATE TABLE {name}(a INTEGER PRIMARY KEY, b TEXT);" for name in
              ("dbhealth_migrations", "dbhealth_archived", "dbhealth_archives"))


def test_our_own_tables_are_no_schema(cluster, cli, sqlite):
    a, b = sqlite("a"), sqlite("b")
    a.sql("CREATE TABLE t(a INTEGER PRIMARY KEY);" + OWN)
    b.sql("CREATE TABLE t(a INTEGER PRIMARY KEY)")
    server = cluster("own")
    for name in ("own_a", "own_b"):
        server.createdb(name)
        server.sql("CREATE TABLE t(a int PRIMARY KEY)", dbname=name)
    server.sql(OWN, dbname="own_a")
    # PostgreSQL counts the schema public and plpgsql, too
    for first, second, n in ((a.dsn, b.dsn, "1 object"), (dsn(server, "own_a"), dsn(server, "own_b"), "3 objects")):
        for args in ((first, second), (second, first)):
            done = cli("diff", *args)
            assert done.status == 0 and f"have the same schema: {n}\n" in done.out, done
            synced = cli("sync", *args)
            assert synced.status == 0 and "dbhealth_arch" not in synced.out + synced.err, synced
    b.sql("CREATE TABLE dbhealth_of_theirs(a INTEGER PRIMARY KEY)")
    assert "table dbhealth_of_theirs: only in b" in cli("diff", a.dsn, b.dsn).out


def other_servers():
    """The oldest and the newest that tests/matrix/servers.sh has made; none where it was not run."""
    made = sorted(pathlib.Path(os.environ.get("MATRIX") or TOP / "build/matrix").glob("*/made"), key=lambda p: int(p.parent.name))
    return [p.parent / "usr/lib/postgresql" / p.parent.name / "bin" for p in (made[0], made[-1])] if len(made) > 1 else []


@pytest.fixture
def old_and_new(folder, own, monkeypatch):
    """cluster(), of two versions."""
    servers = other_servers()
    if not servers:
        pytest.skip("no servers of two versions here (tests/matrix/servers.sh)")
    if os.environ.get("DBHEALTH_PG_BINDIR") and not servers[0].samefile(os.environ["DBHEALTH_PG_BINDIR"]):
        pytest.skip("once for all versions is enough: with the oldest")
    made = []
    for place, name in zip(servers, ("old", "new")):
        monkeypatch.setenv("DBHEALTH_PG_BINDIR", str(place))
        sub = own(Folder())
        made.append(own(Cluster(Template(sub), sub, name)))
    return made


@pytest.mark.proves("diff-across-versions")
def test_across_versions_the_same_is_the_same_and_the_ddl_closes_what_is_not(old_and_new, cli):
    """What a server gives as text differs between versions; the schema does not."""
    old, new = old_and_new
    for c in old_and_new:
        c.createdb("same", "stage", "prod")
        c.script(OLD + NEW, dbname="same")
        c.script(OLD + NEW, dbname="stage")
        c.script(OLD, dbname="prod")
    done = cli("diff", dsn(old, "same"), dsn(new, "same"))
    assert done.status == 0 and "have the same schema" in done.out, done
    closes(cli, old, new, "stage", "prod")
    closes(cli, new, old, "stage", "prod")
