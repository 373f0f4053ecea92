"""dbhealth sync: the migration it prints, run on B, makes it A's schema; its way back makes it as it was."""
import json
import re

import jsonschema
import pytest

from support.base import TOP, sanitized
from test_diff import NEW, OLD, dsn

# What cannot be taken back, or is not printed, by nature.
REVERSIBLE = re.sub(r"ALTER TYPE mood ADD VALUE[^;]*;", "", NEW)


def files_of(done):
    """(name, text) of standard output."""
    return [(part.splitlines()[0], part.split("\n", 1)[1]) for part in re.split(r"^-- file: ", done.out, flags=re.M)[1:]]


@pytest.fixture
def migrations(folder):
    made = folder.path / "migrations"
    made.mkdir()
    return made


def sync(cli, migrations, a, b, *more, status=0):
    done = cli("sync", *more, a, b, timeout=120)
    assert done.status == status, done
    files = files_of(done)
    for name, text in files:
        (migrations / name).write_text(text)
    return done, files


def migrate(cli, migrations, action, database, *more):
    done = cli("migrate", action, "--dir", str(migrations), "--yes", database, *more, timeout=120)
    assert done.status == 0, done


def same(cli, a, b):
    done = cli("diff", "-o", "json", a, b, timeout=120)
    rest = [(x["object"], x["part"]) for x in done.json["differences"] if not x["object"].endswith("_migrations")]
    assert rest == [], done.out


def test_there_and_back(cluster, cli, migrations):
    c = cluster()
    c.createdb("stage", "prod", "before")
    c.script(OLD + REVERSIBLE, dbname="stage")
    c.script(OLD, dbname="prod")
    c.script(OLD, dbname="before")
    done, files = sync(cli, migrations, dsn(c, "stage"), dsn(c, "prod"))
    (first, one), (second, two) = files
    assert first.endswith("_sync_with_stage.sql") and second.endswith("_sync_with_stage_outside.sql") and first < second
    assert "\n-- migrate:up\n" in one and "CONCURRENTLY" not in one
    assert "\n-- migrate:up transaction:false\n" in two and "CREATE INDEX CONCURRENTLY lower_note" in two
    assert "lock_timeout" in one and "lock_timeout" in two and "<" not in one.split("-- migrate:up")[0]
    assert one.count("CREATE TABLE") == 2 and two.count("FOREIGN KEY") == 2  # that of the new table too: after what it points at
    migrate(cli, migrations, "upgrade", dsn(c, "prod"))
    same(cli, dsn(c, "stage"), dsn(c, "prod"))
    assert files_of(cli("sync", dsn(c, "stage"), dsn(c, "prod"))) == []
    migrate(cli, migrations, "downgrade", dsn(c, "prod"), f"-{len(files)}")
    same(cli, dsn(c, "before"), dsn(c, "prod"))


@pytest.mark.skipif(sanitized(), reason="the code is that of the test before")
def test_partitions_that_rows_need_stand_as_comments(cluster, cli, migrations):
    """Nobody compares them: they come and go.  A new table without them takes no row."""
    c = cluster()
    c.createdb("stage", "prod")
    c.script("""CREATE TABLE part (at date NOT NULL) PARTITION BY RANGE (at);
        CREATE TABLE "one
DROP TABLE x; --" PARTITION OF part FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
        CREATE TABLE "Two" PARTITION OF part DEFAULT""", dbname="stage")
    _done, files = sync(cli, migrations, dsn(c, "stage"), dsn(c, "prod"))
    text = files[0][1]
    assert "has these:\n" in text and not re.search(r"^DROP TABLE x", text, flags=re.M)
    made = re.findall(r"^--   (CREATE TABLE .*;)$", text, flags=re.M)
    assert len(made) == 2
    migrate(cli, migrations, "upgrade", dsn(c, "prod"))
    c.script(made[0] + 'INSERT INTO part VALUES (\'2027-01-01\')', dbname="prod")
    same(cli, dsn(c, "stage"), dsn(c, "prod"))


def test_what_loses_data_is_a_comment(cluster, cli, migrations):
    """The other way round: everything that NEW adds is to go."""
    c = cluster()
    c.createdb("stage", "prod", "before")
    c.script(OLD, dbname="stage")
    c.script(OLD + REVERSIBLE, dbname="prod")
    c.script(OLD + REVERSIBLE, dbname="before")
    done = cli("sync", dsn(c, "stage"), dsn(c, "prod"))
    assert done.status == 1 and "column note: dropping it loses data" in done.err, done
    sql = [line for line in done.out.splitlines() if not line.startswith("--")]
    assert not [line for line in sql if re.search(r"DROP (TABLE|COLUMN|SCHEMA|MATERIALIZED|TYPE|DOMAIN)", line)]
    assert "-- ALTER TABLE public.orders DROP COLUMN note;" in done.out.splitlines()
    c.script("DROP TABLE \"Ümläut\".\"lines; DROP TABLE users; --\"", dbname="prod")  # GENERATED: cannot be made again but with it
    c.script("DROP TABLE \"Ümläut\".\"lines; DROP TABLE users; --\"", dbname="before")
    done, files = sync(cli, migrations, dsn(c, "stage"), dsn(c, "prod"), "--drops")
    migrate(cli, migrations, "upgrade", dsn(c, "prod"))
    same(cli, dsn(c, "stage"), dsn(c, "prod"))
    migrate(cli, migrations, "downgrade", dsn(c, "prod"), f"-{len(files)}")
    same(cli, dsn(c, "before"), dsn(c, "prod"))


def test_what_cannot_be_taken_back_is_told(cluster, cli, migrations):
    c = cluster()
    c.createdb("stage", "prod")
    c.script("CREATE TYPE mood AS ENUM ('sad', 'ok')", dbname="stage")
    c.script("CREATE TYPE mood AS ENUM ('sad')", dbname="prod")
    done, files = sync(cli, migrations, dsn(c, "stage"), dsn(c, "prod"))
    assert "cannot be taken back: enum public.mood: labels: a label cannot be dropped" in done.err
    assert "-- cannot be taken back: enum public.mood" in files[0][1].split("-- migrate:down")[1]
    migrate(cli, migrations, "upgrade", dsn(c, "prod"))
    same(cli, dsn(c, "stage"), dsn(c, "prod"))


def test_what_is_the_same_needs_no_file_and_a_mark_is_refused(cluster, cli):
    c = cluster()
    c.createdb("stage", "prod")
    done = cli("sync", dsn(c, "stage"), dsn(c, "prod"))
    assert (done.status, done.out) == (0, "") and "have the same schema" in done.err, done
    c.script("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS E'SELECT 1 /*\\n-- migrate:down\\n*/'", dbname="stage")
    done = cli("sync", dsn(c, "stage"), dsn(c, "prod"))
    assert done.status == 3 and done.out == "" and "-- migrate:down" in done.err, done


def test_sqlite(cli, sqlite, migrations):
    old = "CREATE TABLE users(id INTEGER PRIMARY KEY); CREATE TABLE orders(id INTEGER PRIMARY KEY, note TEXT);"
    a, b, before = sqlite("a"), sqlite("b", old), sqlite("before", old)
    a.sql(old + "ALTER TABLE orders ADD COLUMN placed TEXT NOT NULL DEFAULT 'x''y'; CREATE INDEX by_note ON orders (lower(note));"
          "CREATE VIEW v AS SELECT id FROM orders; CREATE TABLE lines(id INTEGER PRIMARY KEY, n INTEGER REFERENCES users);"
          "CREATE TRIGGER after_line AFTER INSERT ON lines BEGIN DELETE FROM lines WHERE n = -1; END;")
    done, files = sync(cli, migrations, a.dsn, b.dsn)
    told = cli("sync", "-o", "json", a.dsn, b.dsn, timeout=120).json
    jsonschema.validate(told, json.loads((TOP / "docs/schema/sync.json").read_text()))
    assert told["files"][0]["text"].split("-- migrate:up")[1] == files[0][1].split("-- migrate:up")[1]
    assert len(files) == 1 and "transaction:false" not in files[0][1]
    migrate(cli, migrations, "upgrade", b.dsn)
    same(cli, a.dsn, b.dsn)
    migrate(cli, migrations, "downgrade", b.dsn, "-1")
    same(cli, before.dsn, b.dsn)
