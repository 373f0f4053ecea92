"""dbhealth release-check: pending migrations on a scratch copy, lint, backup, documents, one verdict."""
import json
import os
import signal
import subprocess

import jsonschema
import pytest

from support import BUILD, sanitized, wait_until
from support.base import TOP

HEAD = """-- {0}
--
-- Business context:
--   Reason: a test of what is tried
--   Data impact: none
--   Rollback: the section down
--
-- Technical notes:
--   Constraints: none
--   Performance: none

"""
GOOD = HEAD + """-- migrate:up
SET LOCAL lock_timeout = '2s';
ALTER TABLE orders ADD COLUMN note text;
CREATE VIEW notes AS SELECT id, note FROM orders;

-- migrate:down
SET LOCAL lock_timeout = '2s';
DROP VIEW notes;
ALTER TABLE orders DROP COLUMN note;
"""
SCHEMA = """
    CREATE TABLE users(id bigint PRIMARY KEY, name text NOT NULL DEFAULT 'no | one', at timestamptz DEFAULT now());
    COMMENT ON TABLE users IS 'who *buys*'; COMMENT ON COLUMN users.name IS 'as they write it';
    CREATE TABLE orders(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id bigint NOT NULL REFERENCES users, total numeric(10,2),
        CONSTRAINT positive CHECK (total > 0));
    CREATE INDEX by_user ON orders (user_id);
"""


@pytest.fixture
def migrations(folder):
    made = folder.path / "migrations"
    made.mkdir()
    return made


def check(cli, database, migrations, *more):
    done = cli("release-check", "-o", "json", "--dir", str(migrations), database, *more, timeout=300)
    assert done.out, done
    jsonschema.validate(done.json, json.loads((TOP / "docs/schema/release-check.json").read_text()))
    assert done.status == {"go": 0, "warnings": 1, "no-go": 2}[done.json["verdict"]], done
    return done, {s["id"]: s for s in done.json["steps"]}


def scratch(c):
    return [name for (name,) in c.sql("SELECT datname FROM pg_database WHERE datname LIKE 'dbhealth%'")]


def test_what_goes_up_and_comes_back(cluster, cli, migrations, folder):
    c = cluster()
    left = [f"dbhealth_release_20260101t000000z_{n}" for n in "12"]  # of the first nobody holds the lock any more
    c.createdb("app", *left, "dbhealth_scratch_mine", "dbhealth_release")
    holder = c.session(user="postgres")
    holder.cursor().execute("SELECT pg_advisory_lock(hashtextextended(%s, 20261123))", [left[1]])
    c.script(SCHEMA + "CREATE SCHEMA s; CREATE TABLE s.early(a int)", dbname="app")
    c.sql("ALTER DATABASE app SET search_path = public, s")
    (migrations / "20260101000000_notes.sql").write_text(GOOD.format("Notes"))
    (migrations / "20260102000000_index.sql").write_text(
        HEAD.format("Index") + "-- migrate:up transaction:false\nSET lock_timeout = '2s';\nCREATE INDEX CONCURRENTLY by_a ON early (a);\n\n"
        "-- migrate:down transaction:false\nDROP INDEX CONCURRENTLY s.by_a;\n")
    before = c.script("SELECT md5(string_agg(c.oid || relname, ',' ORDER BY c.oid)) FROM pg_class AS c", dbname="app")
    page = folder.path / "schema.md"
    done, steps = check(cli, c.dsn("app", user="postgres"), migrations, "--docs", str(page))
    holder.close()
    assert steps["migrations"]["state"] == "ok", steps["migrations"]
    facts = steps["migrations"]["facts"]
    assert [(m["file"], m["undone"]) for m in facts["pending"]] == [("20260101000000_notes.sql", True), ("20260102000000_index.sql", True)]
    assert facts["fingerprint_before"] == facts["fingerprint_after_down"] != facts["fingerprint_after_up"]
    assert steps["backup"]["summary"].startswith("not configured")
    assert sorted(scratch(c)) == ["dbhealth_release", left[1], "dbhealth_scratch_mine"]
    assert c.script("SELECT md5(string_agg(c.oid || relname, ',' ORDER BY c.oid)) FROM pg_class AS c", dbname="app") == before
    text = page.read_text()
    assert "## table public.orders" in text and "| name | text | no | `` 'no \\| one'::text `` | as they write it |" in text
    assert "who \\*buys\\*" in text and "- positive: `` CHECK ((total > (0)::numeric)) ``" in text and "Referenced by:\n\n- public.orders" in text


@pytest.mark.skipif(sanitized(), reason="the code is that of the test before")
def test_what_does_not_come_back_is_named(cluster, cli, migrations):
    c = cluster()
    c.createdb("app")
    c.script(SCHEMA, dbname="app")
    url = c.dsn("app", user="postgres")
    (migrations / "20260101000000_notes.sql").write_text(GOOD.format("Notes"))
    (migrations / "20260102000000_half.sql").write_text(
        HEAD.format("Half") + "-- migrate:up\nSET LOCAL lock_timeout = '2s';\nALTER TABLE users ADD COLUMN a int, ADD COLUMN b int DEFAULT 7;\n\n"
        "-- migrate:down\nSET LOCAL lock_timeout = '2s';\nALTER TABLE users DROP COLUMN a;\n")
    done, steps = check(cli, url, migrations)
    assert steps["migrations"]["state"] == "failed" and done.status == 2, done
    assert "20260102000000_half.sql: the schema is not as before, in 1 place" in steps["migrations"]["lines"]
    assert "table public.users: column b: only in the schema after" in steps["migrations"]["lines"]
    assert [m.get("undone") for m in steps["migrations"]["facts"]["pending"]] == [True, False]
    assert scratch(c) == []


def test_what_cannot_be_run_or_taken_back_is_told(cli, sqlite, migrations):
    f = sqlite("app.db", "CREATE TABLE users(id INTEGER PRIMARY KEY)")
    file = migrations / "20260102000000_it.sql"
    file.write_text(HEAD.format("Bad") + "-- migrate:up\nALTER TABLE users ADD COLUMN a int;\nALTER TABLE nobody ADD COLUMN a int;\n\n"
                    "-- migrate:down\nSELECT 1;\n")
    done, steps = check(cli, f.dsn, migrations)
    (reason,) = [m["reason"] for m in steps["migrations"]["facts"]["pending"] if "reason" in m]
    assert done.status == 2 and "20260102000000_it.sql:14" in reason and "nobody" in reason, reason
    file.write_text("-- migrate:up\nCREATE TABLE one_way(a int PRIMARY KEY);\n")
    done, steps = check(cli, f.dsn, migrations)
    assert steps["migrations"]["state"] == "warning" and "no way back" in steps["migrations"]["lines"][-1], steps
    file.write_text("ALTER TABLE x;\n-- migrate:up\n")
    done, steps = check(cli, f.dsn, migrations)
    assert steps["plan"]["state"] == "failed" and "20260102000000_it.sql:1" in done.err, done


@pytest.mark.skipif(sanitized(), reason="the code is that of the tests before")
def test_findings_and_the_exit_code(cluster, cli, migrations):
    c = cluster()
    c.createdb("app")
    c.script(SCHEMA, dbname="app")
    url = c.dsn("app", user="postgres")
    c.script("CREATE TABLE bare(a int); INSERT INTO bare SELECT generate_series(1, 10000); ANALYZE bare", dbname="app")
    done, steps = check(cli, url, migrations)
    assert steps["checks"]["state"] in ("warning", "failed") and steps["migrations"]["summary"].startswith("none is pending")
    assert "table-no-primary-key" in str(steps["checks"]["facts"]["findings"])
    assert cli("release-check", "-o", "nagios", url).status in (3, 64)


@pytest.mark.parametrize("how", [signal.SIGKILL] if sanitized() else [signal.SIGTERM, signal.SIGKILL])
def test_the_copy_goes_with_whoever_dies(cluster, migrations, how):
    c = cluster()
    c.createdb("app")
    c.script(SCHEMA, dbname="app")
    (migrations / "20260101000000_slow.sql").write_text("-- migrate:up\nSELECT pg_sleep(600);\n")
    program = subprocess.Popen([BUILD / "dbhealth", "release-check", "--dir", str(migrations), c.dsn("app", user="postgres")],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        within = 300 if sanitized() else 120
        wait_until(lambda: c.one("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND datname LIKE 'dbhealth%'"),
                   within, "the migration runs on the copy")
        assert len(scratch(c)) == 1
        os.killpg(program.pid, how)
        program.wait()
        wait_until(lambda: scratch(c) == [], within, "the copy is dropped")
    finally:
        if program.poll() is None:
            program.kill()
            program.wait()


def test_sqlite(cli, sqlite, migrations, folder):
    f = sqlite("app.db", "CREATE TABLE orders(id INTEGER PRIMARY KEY, total REAL NOT NULL DEFAULT 0); INSERT INTO orders VALUES (1, 2);")
    place = folder.path / "scratch"
    place.mkdir()
    sql = GOOD.format("Notes").replace("SET LOCAL lock_timeout = '2s';\n", "")
    (migrations / "20260101000000_notes.sql").write_text(sql)
    digest = f.digest()
    done, steps = check(cli, f.dsn, migrations, "--scratch", str(place))
    assert steps["migrations"]["state"] == "ok", steps["migrations"]
    facts = steps["migrations"]["facts"]
    assert facts["fingerprint_before"] == facts["fingerprint_after_down"] != facts["fingerprint_after_up"]
    assert f.digest() == digest and list(place.iterdir()) == []
    (migrations / "20260101000000_notes.sql").write_text(sql.replace("DROP VIEW notes;\nALTER TABLE orders DROP COLUMN note;", "DROP VIEW notes;"))
    done, steps = check(cli, f.dsn, migrations, "--scratch", str(place))
    assert steps["migrations"]["state"] == "failed" and "table orders: column note: only in the schema after" in steps["migrations"]["lines"], steps
    for form in ((), ("-o", "markdown")):
        shown = cli("release-check", "--fail-on", "none", "--dir", str(migrations), f.dsn, *form, timeout=300)
        assert shown.status == 0 and "notes.sql" in shown.out and (form or max(map(len, shown.out.splitlines())) <= 80), shown
    (place / "dbhealth_scratch_dead00").mkdir()
    (place / "dbhealth_scratch_dead00" / "lock").touch()
    (place / "dbhealth_scratch_dead00" / "copy.db").touch()
    (place / "dbhealth_scratch_else").mkdir()
    (place / "dbhealth_scratch_else" / "theirs").touch()
    check(cli, f.dsn, migrations, "--scratch", str(place))
    assert [p.name for p in place.iterdir()] == ["dbhealth_scratch_else"]
    shown = cli("schema", "-o", "json", f.dsn).json
    jsonschema.validate(shown, json.loads((TOP / "docs/schema/database-schema.json").read_text()))
    assert [c["name"] for c in shown["tables"][0]["columns"]] == ["id", "total"]


def test_schema_as_a_document(cluster, cli):
    c = cluster()
    c.createdb("app")
    c.script(SCHEMA + "CREATE TABLE \"we|ird\n`x`\"(a int)", dbname="app")
    url = c.dsn("app", user="postgres")
    shown = cli("schema", "-o", "json", url).json
    jsonschema.validate(shown, json.loads((TOP / "docs/schema/database-schema.json").read_text()))
    tables = {t["name"]: t for t in shown["tables"]}
    assert tables["public.users"]["referenced_by"] == ["public.orders"] and tables["public.users"]["comment"] == "who *buys*"
    assert tables["public.orders"]["columns"][0] == {"name": "id", "type": "bigint", "not_null": True, "default": None,
                                                     "generated": "always as identity", "comment": None}
    assert [k["kind"] for k in tables["public.orders"]["constraints"]] == ["primary key", "foreign key", "check"]
    assert [x["name"] for x in tables["public.orders"]["indexes"]] == ["by_user"]
    text = cli("schema", url).out
    assert "table public.orders\n" in text and "  id  bigint not null generated always as identity\n" in text, text
    assert max(map(len, text.splitlines())) <= 80
    page = cli("schema", "-o", "markdown", url).out
    assert "## table public.we\\|ird\\\\n\\`x\\`" in page, page


def test_what_one_thing_keeps_from_an_answer_is_told_once(folder, cli):
    (folder.path / "none").mkdir()
    done = cli("release-check", "--dir", folder.path / "none", f"postgresql://nobody@/gone?host={folder.path}")
    said = [line.split()[0] for line in done.out.splitlines() if "unknown " in line[:20]]
    assert done.status == 2 and said == ["unknown"] and " more: " in done.out, done


def test_the_newest_backup_is_judged_and_whose_it_is_told(cli, sqlite, migrations, folder):
    f = sqlite("app.db", "CREATE TABLE users(id INTEGER PRIMARY KEY); INSERT INTO users VALUES (1)")
    root = folder.path / "backups"
    made = cli("backup", "create", "--to", str(root), f.dsn)
    assert made.status == 0, made
    _done, steps = check(cli, f.dsn, migrations, "--from", str(root))
    assert steps["backup"]["state"] == "warning" and steps["backup"]["facts"]["verified"] is False, steps["backup"]
    assert steps["backup"]["lines"][0] == f"made of {f.path}" == f"made of {steps['backup']['facts']['of']}"
    assert any(line.startswith("prove it: dbhealth backup verify") for line in steps["backup"]["lines"])
    assert cli("backup", "verify", "--from", str(root), f.dsn).status == 0
    _done, steps = check(cli, f.dsn, migrations, "--from", str(root))
    assert steps["backup"]["state"] == "ok" and "restored and compared" in steps["backup"]["summary"], steps["backup"]
