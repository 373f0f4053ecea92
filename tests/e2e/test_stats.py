"""dbhealth stats: each figure against one that was made without it, and files that are no databases."""
import contextlib
import json
import os
import pathlib
import re
import sqlite3
import stat

import jsonschema
import pytest

from support.base import TOP, wait_until

HOSTILE = ["123", "select", "we'ird \"name\né", "x" * 300, "%s\u202e;--", "back`tick", "a.b", " "]
SCRIPT = """
    CREATE TABLE a(id INTEGER PRIMARY KEY, x TEXT, n INT);
    CREATE INDEX a_x ON a(x);
    CREATE INDEX a_n ON a(n, x) WHERE n > 10;
    CREATE TABLE keyed(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
    CREATE TABLE large(d BLOB);
    CREATE TABLE empty(a UNIQUE);
    CREATE VIEW seen AS SELECT * FROM a;
    CREATE VIRTUAL TABLE words USING fts5(x);
    INSERT INTO words VALUES ('one'), ('two');
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
    INSERT INTO a SELECT i * 7919 % 65536 * 65536 + i, hex(randomblob(i % 90)), i % 40 FROM n;
    INSERT INTO keyed SELECT hex(randomblob(20)), id FROM a;
    INSERT INTO large SELECT zeroblob(id % 20000) FROM a LIMIT 150;
    ANALYZE;
    DELETE FROM a WHERE n % 3 = 0;
    DELETE FROM large WHERE rowid % 4 = 1;
    PRAGMA user_version = 7;
    PRAGMA application_id = 77;
"""


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def count(db, table, where="1"):
    with contextlib.closing(db.connect()) as c:
        return c.execute(f"SELECT count(*) FROM {quoted(table)} WHERE {where}").fetchone()[0]


def stats(cli, db, *more, status=0):
    done = cli("stats", "-o", "json", db.dsn, *more)
    assert done.status == status, done
    jsonschema.validate(done.json, json.loads((TOP / "docs/schema/stats.json").read_text()))
    return done.json


def trees(s):
    """Every table and index by its name."""
    return {x["name"]: x for t in s["tables"] for x in [t, *t["indexes"]]}


def walked(db):
    """The same by the pages' own words, one by one: what dbstat says, added up here."""
    out = {}
    with contextlib.closing(db.connect()) as c:
        try:
            rows = c.execute("SELECT name, path, pageno, pagetype, ncell, payload, unused, pgsize FROM dbstat").fetchall()
        except sqlite3.OperationalError:
            pytest.skip("Python's SQLite was built without dbstat")
    for name, path, pageno, kind, _, payload, unused, size in rows:
        t = out.setdefault(name, {"bytes": 0, "leaves": [], "depth": 0, "payload": 0, "unused": 0, "overflow": 0})
        t["bytes"] += size
        t["payload"] += payload
        t["unused"] += unused
        t["overflow"] += kind == "overflow"
        if kind == "leaf":
            t["leaves"].append((path, pageno))
            t["depth"] = max(t["depth"], path.count("/"))
    for t in out.values():
        pages = [page for _, page in sorted(t["leaves"])]
        breaks = sum(b != a + 1 for a, b in zip(pages, pages[1:]))
        t["scattered"] = breaks / (len(pages) - 1) if len(pages) > 1 else 0
    return out


def test_figures_are_those_of_the_file(cli, sqlite):
    db = sqlite("app.db", SCRIPT)
    for name in HOSTILE:
        db.sql(f"CREATE TABLE {quoted(name)} (a UNIQUE); INSERT INTO {quoted(name)} VALUES (1), (2), (3)")
    s = stats(cli, db)
    found, counted = trees(s), walked(db)
    assert set(counted) == {n for n, t in found.items() if t["bytes"] is not None}
    for name, t in counted.items():
        f = found[name]
        assert (f["bytes"], f["depth"], f["payload_bytes"], f["unused_bytes"], f["pages"]["overflow"]) == \
            (t["bytes"], t["depth"], t["payload"], t["unused"], t["overflow"]), name
        assert f["scattered"] == pytest.approx(t["scattered"]), name
    for name in ["a", "keyed", "large", "empty", *HOSTILE]:
        assert found[name]["rows"] == count(db, name), name
        assert found[name]["rows_estimated"] is False
    assert found["a_n"]["rows"] == count(db, "a", "n > 10")
    assert found["a"]["analyzed_rows"] == found["a_x"]["analyzed_rows"] == 9000
    assert found["empty"]["analyzed_rows"] is None and found["keyed"]["without_rowid"] is True
    assert found["words"]["kind"] == "virtual" and found["words_data"]["kind"] == "shadow"
    about = db.path.stat()
    assert s["bytes"] == about.st_size == s["file"]["bytes"]
    assert s["table_bytes"] + s["index_bytes"] + s["free_bytes"] == s["bytes"]
    pragmas = s["pragmas"]
    for name in ("page_size", "page_count", "freelist_count", "encoding", "auto_vacuum", "journal_mode", "schema_version"):
        assert pragmas[name] == db.sql(f"PRAGMA {name}")[0][0], name
    assert (pragmas["user_version"], pragmas["application_id"]) == (7, 77)
    assert int(s["file"]["mode"], 8) == stat.S_IMODE(about.st_mode)


def test_text_fits_and_names_do_no_harm(cli, sqlite):
    db = sqlite("app.db", SCRIPT)
    for name in HOSTILE:
        db.sql(f"CREATE TABLE {quoted(name)} (a UNIQUE)")
    for more in ([], ["-v"]):
        done = cli("stats", db.dsn, *more)
        assert done.status == 0 and max(map(len, done.out.splitlines())) <= 80, done
        assert done.out.startswith("ok        app.db: ") and "\u202e" not in done.out
        assert "\n  a_x " in done.out and "VACUUM would return about" in done.out.replace("\n          ", " ")
    assert re.search(r"^keyed +9,000 ", done.out, re.M), done.out
    assert cli("stats", "-q", db.dsn).out == ""


@pytest.mark.parametrize("before", ["PRAGMA page_size = 512", "PRAGMA page_size = 65536", "PRAGMA auto_vacuum = 1", ""])
def test_what_vacuum_returns_is_foretold(cli, sqlite, before):
    db = sqlite("app.db", before + ";" + SCRIPT)
    told, size = stats(cli, db)["reclaimable_bytes"], db.path.stat().st_size
    db.sql("VACUUM")
    got = size - db.path.stat().st_size
    assert got > size / 10 and abs(told - got) <= size * 0.05 + 2 * db.page_size, (told, got, size)
    assert stats(cli, db)["reclaimable_bytes"] <= size * 0.05 + 2 * db.page_size


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_looking_leaves_no_trace(cli, sqlite, mode):
    db = sqlite("app.db", f"PRAGMA journal_mode = {mode};" + SCRIPT)
    before = db.digest(), db.neighbours(), os.stat(db.path).st_mtime_ns
    s = stats(cli, db)
    assert s["pragmas"]["journal_mode"] == mode
    assert (db.digest(), db.neighbours(), os.stat(db.path).st_mtime_ns) == before


def test_a_live_writer_is_read_beside_and_named(cli, sqlite):
    db = sqlite("app.db", "PRAGMA journal_mode = wal;" + SCRIPT)
    writer = db.writer("INSERT INTO large VALUES (zeroblob(100000));BEGIN IMMEDIATE;DELETE FROM keyed")
    rows = trees(stats(cli, db))["large"]["rows"]
    assert rows == count(db, "large")
    holders = stats(cli, db)["lock_holders"]
    assert writer.pid in [h["pid"] for h in holders if h["type"] == "wal-write"], holders
    assert trees(stats(cli, db))["keyed"]["rows"] == 9000


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_folder_that_cannot_be_written(cli, sqlite, folder, mode):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    home = folder.sub("locked", mode=0o755)
    db = sqlite("locked/app.db", f"PRAGMA journal_mode = {mode};" + SCRIPT)
    done = cli("stats", db.dsn, user="nobody")
    assert done.status == 0 and "10 tables" in done.out, done
    db.path.chmod(0o600)
    done = cli("stats", db.dsn, user="nobody")
    assert done.status == 77 and "Permission denied" in done.err, done
    assert sorted(p.name for p in home.iterdir()) == ["app.db"]


def test_what_is_no_database_is_said(cli, folder, sqlite):
    def told(name, content=b""):
        path = folder.path / name
        path.write_bytes(content)
        return cli("stats", f"sqlite:{path}")

    assert told("nothing.db").status == 0
    done = told("text.db", b"Dear diary, today " * 1000)
    assert done.status == 69 and "file is not a database" in done.err
    done = told("encrypted.db", os.urandom(8192))
    assert done.status == 69 and "It is encrypted" in done.err
    short = sqlite("short.db", SCRIPT)
    short.truncate(5000)
    assert cli("stats", short.dsn).status in (2, 69)
    assert cli("stats", f"sqlite:{folder.path}/gone.db").err == f"dbhealth: stats: {folder.path}/gone.db: no such file.\n"
    assert "not a regular file: folder" in cli("stats", f"sqlite:{folder.path}").err
    os.mkfifo(folder.path / "fifo.db")
    assert "not a regular file: fifo" in cli("stats", f"sqlite:{folder.path}/fifo.db").err
    done = cli("stats", "postgresql:///nowhere")
    assert done.status == 64 and "SQLite only" in done.err
    assert cli("stats", "a", "b").status == 64
    assert cli("stats", "-o", "nagios", short.dsn).out.startswith("DBHEALTH UNKNOWN - stats: text or json.")


def test_damage_is_named_and_its_rows_are_not_made_up(cli, sqlite):
    db = sqlite("app.db", SCRIPT)
    rows = count(db, "keyed")
    db.damage_page(db.root_page("a"), start=0, length=100)
    s = stats(cli, db, status=2)
    assert [d["object"] for d in s["damaged"]] == ["a"] and s["reclaimable_bytes"] is None
    found = trees(s)
    assert (found["a"]["rows"], found["a"]["rows_estimated"]) == (9000, True)
    assert (found["keyed"]["rows"], found["keyed"]["rows_estimated"]) == (rows, False)
    done = cli("stats", db.dsn)
    assert done.out.startswith("CRITICAL  app.db: ") and re.search(r"^a +~9,000 ", done.out, re.M), done
    assert "  a: 1 damaged page" in done.out


def lose_a_branch(db, tree):
    """The first branch below a root leads to a page that no file has: SQLite says that it is full."""
    at = (db.root_page(tree) - 1) * db.page_size
    page = db.path.read_bytes()[at:at + db.page_size]
    assert page[0] in (2, 5), "a root with branches"
    db.overwrite(at + int.from_bytes(page[12:14], "big"), b"\x55" * 4)


def test_a_tree_that_cannot_be_walked_is_damaged(cli, sqlite, folder):
    script = ("CREATE TABLE t(a); CREATE INDEX t_a ON t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
              "WHERE i < 2000) INSERT INTO t SELECT hex(randomblob(20)) FROM n; ANALYZE")
    files, conf = fleet_of(sqlite, folder, {"a.db": script, "b.db": script})
    lose_a_branch(files["a.db"], "t_a")
    s = stats(cli, files["a.db"], status=2)
    assert [d["object"] for d in s["damaged"]] == ["t_a"] and s["not_measured"] == [] and s["reclaimable_bytes"] is None
    found = trees(s)
    assert (found["t"]["rows"], found["t"]["rows_estimated"]) == (2000, False) and found["t_a"]["rows_estimated"]
    done = cli("stats", files["a.db"].dsn)
    assert done.out.startswith("CRITICAL  a.db: ") and "dbhealth check" in done.out and "--budget" not in done.out, done
    fleet = fleet_stats(cli, conf, status=2)
    assert {r["database"]: r["state"] for r in fleet["databases"]} == {"tenants/a.db": "damaged", "tenants/b.db": "measured"}
    said = [cli("optimize", *more, files["a.db"].dsn) for more in ((), ("-n",))]
    assert [x.status for x in said] == [2, 2] and said[0].err == said[1].err and "it is damaged" in said[0].err, said


def test_an_interrupted_commit_is_said(cli, sqlite):
    db = sqlite("app.db", SCRIPT)
    db.hot_journal()
    before = db.digest(), db.neighbours()
    done = cli("stats", db.dsn)
    assert done.status == 69 and "hot journal" in done.err, done
    assert (db.digest(), db.neighbours()) == before


def test_an_exclusive_lock_is_said(cli, sqlite):
    db = sqlite("app.db", SCRIPT)
    with db.exclusive_lock():
        done = cli("stats", "--budget", "3s", db.dsn)
        assert done.status == 69 and "locked by a writer" in done.err, done
    assert wait_until(lambda: cli("stats", db.dsn).status == 0, 20, "it answers again")


def test_a_budget_that_is_over_is_said_of_each_tree(cli, sqlite):
    db = sqlite("app.db", "PRAGMA page_size = 512; CREATE TABLE t(a, b); CREATE INDEX t_a ON t(a);"
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000) "
                "INSERT INTO t SELECT hex(randomblob(20)), i FROM n; ANALYZE")
    done = cli("stats", "-o", "json", "--budget", "30ms", db.dsn)
    assert done.status in (3, 69), done  # 69: not even the schema was read in time
    if done.status == 3:
        s = done.json
        assert {m["object"] for m in s["not_measured"]} & {"t", "t_a"} and s["reclaimable_bytes"] is None
        assert all(t["rows_estimated"] or t["bytes"] for t in trees(s).values() if t["rows"])
    assert pathlib.Path(db.path).exists() and db.neighbours() == []


def fleet_of(sqlite, folder, scripts):
    """Files name -> script in one folder, and the configuration that names them all; one file is left out."""
    (folder.path / "files").mkdir()
    files = {name: sqlite(f"files/{name}", script) for name, script in scripts.items()}
    sqlite("files/left.db", "CREATE TABLE t(a)")
    conf = folder.path / "d.conf"
    conf.write_text(f"[database tenants]\ndsn = sqlite:{folder.path}/files/*.db\nexclude_files = le*.db\n")
    return files, conf


def fleet_stats(cli, conf, *more, status=0, name="tenants"):
    done = cli("stats", "-o", "json", "-c", conf, name, *more)
    assert done.status == status, done
    jsonschema.validate(done.json, json.loads((TOP / "docs/schema/stats-fleet.json").read_text()))
    return done.json


def test_a_fleet_is_the_sum_of_its_files(cli, sqlite, folder):
    small = "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES (1), (2)"
    scripts = {"big.db": SCRIPT, "we'ird %é.db": small, "b.db": small, "wal.db": "PRAGMA journal_mode = wal;" + small}
    files, conf = fleet_of(sqlite, folder, scripts)
    (folder.path / "files/link.db").symlink_to(files["b.db"].path)
    before = {n: (f.digest(), f.neighbours()) for n, f in files.items()}
    fleet = fleet_stats(cli, conf)
    rows = fleet["databases"]
    assert [r["database"] for r in rows][0] == "tenants/big.db" and len(rows) == fleet["files"] == fleet["measured"] == 4
    assert fleet["left_out"] == "1 file by exclude_files, 1 symbolic link"
    assert [r["disk_bytes"] for r in rows] == sorted((r["disk_bytes"] for r in rows), reverse=True)
    for row in rows:  # one of them, by its name, says the same of itself
        one = cli("stats", "-o", "json", "-c", conf, row["database"]).json
        assert one["path"] == row["path"] and one["database"] == row["database"]
        for key in ("bytes", "table_bytes", "index_bytes", "free_bytes", "reclaimable_bytes"):
            assert row[key] == one[key], (row, key)
        assert row["rows"] == sum(t["rows"] or 0 for t in one["tables"] if t["kind"] != "internal")
    for key, total in fleet["totals"].items():
        assert key == "rows_estimated" or total == sum(r[key] for r in rows), key
    assert before == {n: (f.digest(), f.neighbours()) for n, f in files.items()}
    for more in ([], ["-v"]):
        done = cli("stats", "-c", conf, "tenants", *more)
        assert done.status == 0 and max(map(len, done.out.splitlines())) <= 80, done
        assert done.out.startswith("ok        tenants: 4 files, ") and re.search(r"^all together ", done.out, re.M), done
    assert cli("stats", "-c", conf, "tenants/left.db").status == 69
    assert "has no such file" in cli("stats", "-c", conf, "tenants/../d.conf").err


def test_a_fleet_goes_on_where_a_file_cannot_be_read(cli, sqlite, folder):
    files, conf = fleet_of(sqlite, folder, {f"{n:02}.db": "CREATE TABLE t(a); INSERT INTO t VALUES (1)" for n in range(25)})
    files["03.db"].damage_page(files["03.db"].root_page("t"), start=0, length=100)
    files["04.db"].path.write_bytes(b"no database, though it has the name of one" * 40)
    fleet = fleet_stats(cli, conf, status=2)
    states = {r["database"]: r["state"] for r in fleet["databases"]}
    assert fleet["databases"][0]["database"] == "tenants/03.db" and states.pop("tenants/03.db") == "damaged"
    assert states.pop("tenants/04.db") == "unread" and set(states.values()) == {"measured"}
    assert (fleet["files"], fleet["measured"], fleet["damaged"]) == (25, 23, 1)
    done = cli("stats", "-c", conf, "tenants")
    assert done.status == 2 and done.out.startswith("CRITICAL  tenants: 25 files, "), done
    assert "  03.db: t: 1 damaged page" in done.out and re.search(r"^ +04.db: .*not a database", done.out, re.M), done
    assert "and 4 more (-v)" in done.out and max(map(len, done.out.splitlines())) <= 80
    for f in folder.path.glob("files/*"):
        f.unlink()
    done = cli("stats", "-c", conf, "tenants")
    assert done.status == 3 and "no file matches" in done.out, done
