"""Every SQLite check on the file itself, proven with real damage, real journals and real logs: found with
object, severity and value, look-alikes are not, the repair that is printed works, nothing is touched."""
import dataclasses
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

import pytest

from proof import proves
from proof_sqlite import Kept, closing, configure, look, report, run
from support import BUILD
from support.base import give

FILL = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
SCRIPT = """PRAGMA page_size = 1024; CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT NOT NULL, b INT CHECK (b >= 0), u UNIQUE);
    CREATE INDEX ta ON t(a); CREATE TABLE "o'd""d"(x); CREATE INDEX "i'd""x" ON "o'd""d"(x);
    """ + FILL.format(500) + """INSERT INTO t SELECT i, hex(i * 7919), i, i FROM n;
    INSERT INTO "o'd""d" SELECT a FROM t; ANALYZE;"""
ROOT = os.geteuid() == 0


def found_by(folder, f, check, **more):
    """object -> (severity, value); the file and its neighbours stay as they were."""
    before, beside = f.digest(), f.neighbours()
    found = look(folder, f.dsn, check, **more)
    assert (f.digest(), f.neighbours()) == (before, beside)
    return found


def severities(found):
    return {o: x["severity"] for o, x in found.items()}


@pytest.fixture
def sudo(folder, monkeypatch):
    """What is printed says sudo; where it is not installed, root needs a stand-in for `sudo -u USER COMMAND`."""
    if not shutil.which("sudo"):
        tool = folder.sub("bin") / "sudo"
        tool.write_text('#!/bin/sh\n[ "$1" = -u ] && { user=$2; shift 2; exec runuser -u "$user" -- "$@"; }\nexec "$@"\n')
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")


# ---- conn-up ----
def place(path, kind):
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        subprocess.run([sys.executable, "-c", "import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])", path], check=True)
    elif kind == "device":
        if not ROOT:
            pytest.skip("making a device needs root")
        os.mknod(path, 0o020666, os.makedev(1, 5))
    elif kind == "dangling":
        path.symlink_to("nowhere")
    elif kind == "loop":
        path.symlink_to(path.name)


@proves("conn-up", engine="sqlite")
@pytest.mark.parametrize("kind, words", [
    ("absent", "no such file"), ("folder", "folder"), ("fifo", "fifo"), ("device", "device"), ("socket", "socket"),
    ("dangling", "no such file"), ("loop", "circle")])
def test_what_is_no_file_is_down(folder, sqlite, kind, words):
    path = folder.path / "it's.db"
    place(path, kind)
    found = look(folder, f"sqlite:{path}", "conn-up")
    assert severities(found) == {"": "critical"} and words in found[""]["message"], found
    run(found[""]["remedies"][0], path, fails=True)  # it only looks, and tells what is not there
    if path.is_dir():
        path.rmdir()
    elif path.is_symlink() or path.exists():
        path.unlink()
    sqlite("it's.db", SCRIPT)
    assert look(folder, f"sqlite:{path}", "conn-up") == {}


def test_a_file_that_we_may_not_read_is_down(folder, sqlite, sudo):
    if not ROOT:
        pytest.skip("two users need root")
    closed = folder.sub("closed", mode=0o700)
    for f, words in ((sqlite("it's.db", SCRIPT), "may not read"), (sqlite("closed/it's app.db", SCRIPT), "folder")):
        f.path.chmod(0o600)
        found = look(folder, f.dsn, "conn-up", user="nobody")
        assert severities(found) == {"": "critical"} and words in found[""]["message"], found
        for remedy in found[""]["remedies"]:
            run(dict(remedy, text=remedy["text"].replace("dbhealth", "nobody")), f.path)
        assert look(folder, f.dsn, "conn-up", user="nobody") == {}
        assert look(folder, f.dsn, "conn-up") == {}
    assert closed.exists()


def test_what_can_be_reached_is_up(folder, sqlite):
    f, empty = sqlite("app.db", SCRIPT), sqlite("empty.db")
    empty.path.write_bytes(b"")
    link = folder.path / "link.db"
    link.symlink_to("app.db")
    for dsn in (f.dsn, empty.dsn, f"sqlite:{link}"):
        assert look(folder, dsn, "conn-up") == {}
    for damage in (lambda: f.overwrite(0, b"x" * 100), lambda: f.truncate(3000)):
        damage()
        assert look(folder, f.dsn, "conn-up") == {}


# ---- damage that bytes show ----
@dataclasses.dataclass
class Damage:
    check: str
    do: object  # (file): plants it
    expect: dict  # object -> severity
    words: str = ""
    keys: dict = dataclasses.field(default_factory=dict)
    script: str = SCRIPT


def put(offset, data):
    return lambda f: f.overwrite(offset, data)


def write(data):
    return lambda f: f.path.write_bytes(data)


def schema_change(sql):
    return lambda f: f.sql("PRAGMA writable_schema = on; " + sql + "; PRAGMA writable_schema = reset")


def cut(to):
    return lambda f: f.truncate(to(f.path.stat().st_size))


def append(n):
    return lambda f: f.path.write_bytes(f.path.read_bytes() + b"x" * n)


def log_longer_than_file(f):
    """A writer died with pages that only the WAL holds: the header in the WAL counts them."""
    f.sql("PRAGMA journal_mode = wal")
    f.end_writer(f.writer("PRAGMA wal_autocheckpoint = 0;" + FILL.format(500) + "INSERT INTO t SELECT i + 1000, hex(i), i, i + 1000 FROM n"))


def old_writer(f):
    """A library before 3.7.0 does not keep the page count: then it and the change counter disagree."""
    f.overwrite(28, (9999).to_bytes(4, "big"))
    f.overwrite(92, (1).to_bytes(4, "big"))


def lost_index_entries(f, table="t", index="ta", row="9001, 'lost', 1, 9001"):
    """Rows written while the index was not known to the schema."""
    name = index.replace("'", "''")
    quoted = table.replace('"', '""')
    saved = f.sql("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE name = ?", index)[0]
    schema_change(f"DELETE FROM sqlite_schema WHERE name = '{name}'")(f)
    f.sql(f'INSERT INTO "{quoted}" VALUES ({row}); DELETE FROM "{quoted}" WHERE rowid = 17')
    text = ", ".join("'" + str(v).replace("'", "''") + "'" if isinstance(v, str) else str(v) for v in saved)
    schema_change(f"INSERT INTO sqlite_schema VALUES ({text})")(f)


def leaf(f, table="t"):
    """A leaf page of a table, by the first child of its root."""
    root = f.root_page(table)
    data = f.path.read_bytes()
    at = (root - 1) * f.page_size
    assert data[at] in (2, 5)
    cell = int.from_bytes(data[at + 12:at + 14], "big")
    return int.from_bytes(data[at + cell:at + cell + 4], "big")


def in_page(page, at, change):
    """Bytes of a page that are what change makes of them."""
    def do(f):
        offset = (page(f) - 1) * f.page_size + at
        f.overwrite(offset, change(f.path.read_bytes()[offset:offset + 8]))
    return do


def cut_long_value(f):
    """The first of the pages that a value is continued on leads to no other."""
    f.sql("CREATE TABLE long(x); INSERT INTO long VALUES (zeroblob(9000))")
    end = f.root_page("long") * f.page_size
    first = int.from_bytes(f.path.read_bytes()[end - 4:end], "big")
    f.overwrite((first - 1) * f.page_size, bytes(4))


def random_bytes(f):
    f.path.write_bytes(random.Random(7).randbytes(8192))


DAMAGE = {
    # not a database
    "program": Damage("sqlite-not-a-database", write(b"\x7fELF and so on" * 600), {"": "critical"}),
    "encrypted": Damage("sqlite-not-a-database", random_bytes, {"": "critical"}, "encrypted?"),
    "text": Damage("sqlite-not-a-database", write(b"id,name\n1,x\n" * 200), {"": "critical"}),
    "sqlite 2": Damage("sqlite-not-a-database", write(b"** This file contains an SQLite 2.1 database **\0" * 30), {"": "critical"}),
    "short": Damage("sqlite-not-a-database", cut(lambda size: 60), {"": "critical"}),
    "page size": Damage("sqlite-not-a-database", put(16, b"\x07\x09"), {"": "critical"}, "page size"),
    "read version": Damage("sqlite-not-a-database", put(18, b"\x09\x09"), {"": "critical"}),
    "fractions": Damage("sqlite-not-a-database", put(21, b"\x41\x20\x20"), {"": "critical"}),
    "format": Damage("sqlite-not-a-database", put(44, b"\0\0\0\x09"), {"": "critical"}),
    "encoding": Damage("sqlite-not-a-database", put(56, b"\0\0\0\x09"), {"": "critical"}),
    "no: zero length": Damage("sqlite-not-a-database", write(b""), {}),
    "no: new and only set up": Damage("sqlite-not-a-database", lambda f: None, {}, script="PRAGMA user_version = 1"),
    "no: application id, reserved bytes": Damage("sqlite-not-a-database", lambda f: None, {}, script="PRAGMA application_id = -5; PRAGMA page_size = 65536; VACUUM"),
    "no: utf-16": Damage("sqlite-not-a-database", lambda f: None, {}, script="PRAGMA encoding = 'UTF-16be'; CREATE TABLE t(a)"),
    # zero length
    "empty": Damage("sqlite-zero-length", write(b""), {"": "info"}),
    "empty, tables required": Damage("sqlite-zero-length", write(b""), {"": "critical"}, keys={"require_tables": "t"}),
    "no: no tables": Damage("sqlite-zero-length", lambda f: None, {}, script="PRAGMA user_version = 1", keys={"require_tables": "t"}),
    # truncated
    "half": Damage("sqlite-truncated", cut(lambda size: size // 2048 * 1024), {"": "critical"}, "the file is cut off: "),
    "last page": Damage("sqlite-truncated", cut(lambda size: size - 1024), {"": "critical"}),
    "last byte": Damage("sqlite-truncated", cut(lambda size: size - 1), {"": "critical"}),
    "count not kept, within a page": Damage("sqlite-truncated", lambda f: (old_writer(f), cut(lambda size: size - 300)(f)), {"": "critical"}, "the file is cut off: "),
    "bytes behind": Damage("sqlite-truncated", append(700), {"": "warning"}, "700 bytes stand behind the last of "),
    "pages and bytes behind": Damage("sqlite-truncated", append(1024 + 1), {"": "warning"}, "1,025 bytes stand behind the last of "),
    "bytes behind, with a log": Damage("sqlite-truncated", append(700), {"": "warning"}, "700 bytes stand behind", script=SCRIPT + "; PRAGMA journal_mode = wal"),
    "no: whole": Damage("sqlite-truncated", lambda f: None, {}),
    "no: newest pages in the log": Damage("sqlite-truncated", log_longer_than_file, {}),
    "no: count not kept": Damage("sqlite-truncated", old_writer, {}),
    "no: longer": Damage("sqlite-truncated", lambda f: f.path.write_bytes(f.path.read_bytes() + bytes(4096)), {}),
    "no: empty": Damage("sqlite-truncated", write(b""), {}),
    # the schema
    "bad sql": Damage("sqlite-schema-malformed", schema_change("UPDATE sqlite_schema SET sql = 'CREATE TIGER t(a)' WHERE name = 't'"), {"": "critical"}),
    "bad root page": Damage("sqlite-schema-malformed", schema_change("UPDATE sqlite_schema SET rootpage = 999999 WHERE name = 't'"), {"": "critical"}),
    "name twice": Damage("sqlite-schema-malformed", schema_change("INSERT INTO sqlite_schema SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE name = 't'"), {"": "critical"}),
    "index of no table": Damage("sqlite-schema-malformed", schema_change("DELETE FROM sqlite_schema WHERE name = 't'"), {"": "critical"}),
    "first page": Damage("sqlite-schema-malformed", put(100, b"\xa5" * 60), {"": "critical"}),
    "no: module": Damage("sqlite-schema-malformed", schema_change("INSERT INTO sqlite_schema VALUES ('table', 'v', 'v', 0, 'CREATE VIRTUAL TABLE v USING nowhere(a)')"), {}),
    "no: collation": Damage("sqlite-schema-malformed", schema_change("UPDATE sqlite_schema SET sql = replace(sql, 'a TEXT', 'a TEXT COLLATE mine') WHERE name = 't'"), {}),
    "no: view of nothing": Damage("sqlite-schema-malformed", lambda f: f.sql("CREATE VIEW v AS SELECT * FROM gone"), {}),
    "no: program": Damage("sqlite-schema-malformed", write(b"\x7fELF and so on" * 600), {}),
    # structure
    "table page": Damage("sqlite-quick-check", lambda f: f.damage_page(leaf(f), start=0), {"t": "critical"}, "damaged table t: page 7 is no page of a tree any more: "),
    "index root": Damage("sqlite-quick-check", lambda f: f.damage_page(f.root_page("ta"), start=0), {"t.ta": "critical"}, "damaged index ta of table t: page 4 is no page"),
    "index page": Damage("sqlite-quick-check", lambda f: f.damage_page(leaf(f, "ta"), start=0), {"t.ta": "critical"}, "damaged index ta of table t: page "),
    "schema": Damage("sqlite-quick-check", in_page(lambda f: 1, 7 + 100, lambda b: bytes([b[0] + 9])), {"": "critical"}, "damaged schema: page 1 counts its free bytes wrongly"),
    "no such page": Damage("sqlite-quick-check", in_page(lambda f: f.root_page("t"), 8, lambda b: (9999).to_bytes(4, "big")), {"t": "critical"}, "page 9999 does not exist, but is pointed to"),
    "page twice": Damage("sqlite-quick-check", in_page(lambda f: f.root_page("t"), 8, lambda b: (7).to_bytes(4, "big")), {"t": "critical"}, "page 7 is in use at two places"),
    "a tree in circles": Damage("sqlite-quick-check", lambda f: in_page(lambda f: f.root_page("t"), 8, lambda b: f.root_page("t").to_bytes(4, "big"))(f), {"t": "critical"}, "damaged table t: page "),
    "entry outside": Damage("sqlite-quick-check", in_page(leaf, 8, lambda b: b"\xff\xff"), {"t": "critical"}, "an entry of page 7 lies outside of it: those rows cannot be read"),
    "rows swapped": Damage("sqlite-quick-check", in_page(leaf, 8, lambda b: b[2:4] + b[:2]), {"t": "critical"}, "damaged table t: the row with rowid 2 stands at a wrong place"),
    "fragments": Damage("sqlite-quick-check", in_page(leaf, 7, lambda b: bytes([b[0] + 9])), {"t": "critical"}, "page 7 counts its free bytes wrongly"),
    "free bytes": Damage("sqlite-quick-check", in_page(leaf, 1, lambda b: b"\x03\xff"), {"t": "critical"}, "damaged table t: "),
    "long value": Damage("sqlite-quick-check", cut_long_value, {"long": "critical"}, "damaged table long: a long value of page "),
    "free list, length": Damage("sqlite-quick-check", lambda f: (f.sql("DROP INDEX ta"), f.overwrite(36, b"\0\0\0\1")), {"": "critical"}, "damaged file: "),
    "map of pages": Damage("sqlite-quick-check", lambda f: f.overwrite(1024 + 5, b"\x03"), {"": "critical"}, "the map of pages (auto_vacuum) is wrong about page 4", script="PRAGMA page_size = 1024; PRAGMA auto_vacuum = 1;" + SCRIPT),
    "odd name": Damage("sqlite-quick-check", lambda f: f.damage_page(f.root_page('i\'d"x'), start=0), {'o\'d"d.i\'d"x': "critical"}),
    "free list": Damage("sqlite-quick-check", lambda f: (f.sql("DROP INDEX ta"), f.overwrite((int.from_bytes(f.path.read_bytes()[32:36], "big") - 1) * 1024, b"\xff" * 64)), {"": "critical"}),
    "lost pages": Damage("sqlite-quick-check", lambda f: f.path.write_bytes(f.path.read_bytes()[:28] + (f.path.stat().st_size // 1024 + 2).to_bytes(4, "big") + f.path.read_bytes()[32:] + bytes(2048)), {"": "critical"}),
    "no: index misses rows (structure)": Damage("sqlite-quick-check", lost_index_entries, {}),
    "no: broken rules (structure)": Damage("sqlite-quick-check", lambda f: f.sql("PRAGMA ignore_check_constraints = on; UPDATE t SET b = -1 WHERE id = 3"), {}),
    "no: orphans (structure)": Damage("sqlite-quick-check", lambda f: f.sql("CREATE TABLE c(t REFERENCES t); INSERT INTO c VALUES (9999)"), {}),
    "r-tree without a column": Damage("sqlite-quick-check", lambda f: (f.sql("CREATE VIRTUAL TABLE \"r'\" USING rtree(id, x0, x1); ALTER TABLE \"r'_parent\" RENAME COLUMN parentnode TO p")), {"r'": "critical"}, "parentnode"),
    "full text without a column": Damage("sqlite-quick-check", lambda f: f.sql("CREATE VIRTUAL TABLE f5 USING fts5(x, y); ALTER TABLE f5_content RENAME COLUMN c1 TO d"), {"f5": "critical"}, "c1"),
    "no: r-tree, full text (structure)": Damage("sqlite-quick-check", lambda f: f.sql("CREATE VIRTUAL TABLE r USING rtree(id, x0, x1); INSERT INTO r VALUES (1, 0, 1); CREATE VIRTUAL TABLE ft USING fts5(x, content=gone); CREATE VIRTUAL TABLE f4 USING fts4(x); CREATE VIRTUAL TABLE f5 USING fts5(x, y UNINDEXED, z)"), {}),
    # tables and indexes
    "index misses rows": Damage("sqlite-integrity-check", lost_index_entries, {"t.ta": "critical"}),
    "index misses rows, odd name": Damage("sqlite-integrity-check", lambda f: lost_index_entries(f, 'o\'d"d', 'i\'d"x', "'lost'"), {'o\'d"d.i\'d"x': "critical"}),
    "null": Damage("sqlite-integrity-check", lambda f: (f.sql("CREATE TABLE z(q, r)"), f.sql("INSERT INTO z VALUES (NULL, 1)"), schema_change("UPDATE sqlite_schema SET sql = 'CREATE TABLE z(q NOT NULL, r)' WHERE name = 'z'")(f)), {"z.q": "critical"}),
    "twice": Damage("sqlite-integrity-check", lambda f: (f.sql("CREATE TABLE z(q); CREATE INDEX zq ON z(q); INSERT INTO z VALUES (1), (1)"), schema_change("UPDATE sqlite_schema SET sql = 'CREATE UNIQUE INDEX zq ON z(q)' WHERE name = 'zq'")(f)), {"z.zq": "critical"}),
    "strict": Damage("sqlite-integrity-check", lambda f: (f.sql("CREATE TABLE z(q TEXT)"), f.sql("INSERT INTO z VALUES (x'00')"), schema_change("UPDATE sqlite_schema SET sql = 'CREATE TABLE z(q TEXT) STRICT' WHERE name = 'z'")(f)), {"z.q": "critical"}),
    "rows out of order": Damage("sqlite-integrity-check", lambda f: (f.sql("CREATE TABLE \"z'\"\"z\"(q PRIMARY KEY) WITHOUT ROWID"), f.sql("INSERT INTO \"z'\"\"z\" VALUES (1), (2), (3)"), schema_change("UPDATE sqlite_schema SET sql = replace(sql, 'q PRIMARY KEY', 'q, PRIMARY KEY(q DESC)') WHERE name LIKE 'z%'")(f)), {"z'\"z": "critical"}),
    "no: structure alone": Damage("sqlite-integrity-check", lambda f: f.damage_page(f.root_page("ta"), start=0), {}),
    "no: sound": Damage("sqlite-integrity-check", lambda f: None, {}),
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=proves(d.check, engine="sqlite")) for n, d in DAMAGE.items()])
def test_damage_is_told(folder, sqlite, name):
    proof = DAMAGE[name]
    f = sqlite("app.db", proof.script)
    whole = f.path.read_bytes()
    proof.do(f)
    if name == "no: structure alone":  # cannot be told apart there: unknown, while sqlite-quick-check tells it
        answer = report(folder, f.dsn, proof.check)
        assert answer["findings"] == [] and "malformed" in answer["unknown"][0]["reason"]
        return
    found = found_by(folder, f, proof.check, keys=proof.keys)
    assert severities(found) == proof.expect, found
    for finding in found.values():
        assert proof.words in finding["message"] and finding["remedies"], finding
        assert finding["remedies"][0]["risk"] != "data-loss"
        for remedy in closing(finding):
            run(remedy, f.path)
    if found and not any(closing(x) for x in found.values()):
        f.path.write_bytes(whole)  # the backup is restored, as the remedy says
    elif found:
        assert f.sql("PRAGMA integrity_check") == [("ok",)]
    if found and not name.startswith("empty"):
        assert found_by(folder, f, proof.check) == {}


def test_damage_beside_a_log_is_named(folder, sqlite):
    """Newer pages of the same tree are in the log only."""
    f = sqlite("app.db", SCRIPT + "; PRAGMA journal_mode = wal")
    kept = f.writer("INSERT INTO t SELECT i + 20000, hex(i), i, i + 20000 FROM (" + FILL.format(900) + "SELECT i FROM n)")
    assert pathlib.Path(f"{f.path}-wal").stat().st_size > 0
    f.damage_page(leaf(f), start=0)
    found = look(folder, f.dsn, "sqlite-quick-check")
    f.end_writer(kept)
    assert severities(found) == {"t": "critical"} and "damaged table t: page " in found["t"]["message"], found


def test_an_index_alone_is_built_anew(folder, sqlite):
    """The way out where nothing but an index is damaged; where a table is, too, nothing is offered that would not do."""
    f = sqlite("app.db", SCRIPT)
    in_page(lambda f: leaf(f, "ta"), 7, lambda b: bytes([b[0] + 9]))(f)
    remedies = look(folder, f.dsn, "sqlite-quick-check")["t.ta"]["remedies"]
    assert [r["risk"] for r in remedies] == ["load", "load", "data-loss", "data-loss"], remedies
    assert [r["kind"] for r in remedies] == ["command", "sql", "manual", "command"] and ".recover" in remedies[3]["text"]
    shown = subprocess.run([BUILD / "dbhealth", "check", f.dsn], text=True, capture_output=True, check=False).stdout
    assert 0 < shown.find("cp -p") < shown.find('REINDEX "ta"') < shown.find("verified backup") and ".recover" not in shown, shown
    copy = sqlite("copy.db", None)
    copy.path.write_bytes(f.path.read_bytes())
    run(remedies[1], copy.path)
    assert copy.sql("PRAGMA integrity_check") == [("ok",)] and look(folder, copy.dsn, "sqlite-quick-check") == {}
    f.damage_page(leaf(f), start=0)
    found = look(folder, f.dsn, "sqlite-quick-check")
    assert set(found) == {"t", "t.ta"}
    assert not [r for x in found.values() for r in x["remedies"] if r["kind"] == "sql"], found


@pytest.mark.parametrize("script, now, column, told", [
    ("CREATE TABLE z(q, r)", "CREATE TABLE z(q NOT NULL, r)", "z.q", " (rowid 2, 5, 7, ...)"),
    ("CREATE TABLE z(q, r); CREATE INDEX zq ON z(q)", "CREATE TABLE z(q NOT NULL, r)", "z.q", " (rowid 2, 5, 7, ...)"),
    ('CREATE TABLE "z.\'\"\""("q%""\'", rowid INT)', 'CREATE TABLE "z.\'\"\""("q%""\'" NOT NULL, rowid INT)', 'z.\'".q%"\'', " (rowid 2, 5, 7, ...)"),
    ("CREATE TABLE z(q, r PRIMARY KEY) WITHOUT ROWID", "CREATE TABLE z(q NOT NULL, r PRIMARY KEY) WITHOUT ROWID", "z.q", ""),
])
def test_rows_with_null_are_named(folder, sqlite, script, now, column, told):
    f = sqlite("app.db", script)
    name = f.sql("SELECT name FROM sqlite_schema WHERE type = 'table'")[0][0]
    table = '"' + name.replace('"', '""') + '"'
    f.sql(f"INSERT INTO {table} VALUES (1, 1), (NULL, 2), (0, 3), ('', 4), (NULL, 5), (x'', 6), (NULL, 7), (NULL, 8)")
    schema_change("UPDATE sqlite_schema SET sql = '" + now.replace("'", "''") + "' WHERE type = 'table'")(f)
    for settings in ({}, {"settings": {"whole_limit": "1kB"}}):
        found = found_by(folder, f, "sqlite-integrity-check", **settings)
        assert set(found) == {column}, found
        assert found[column]["message"] == f"column {column}: rows hold NULL though the column is NOT NULL{told}"
        shown = run(next(r for r in found[column]["remedies"] if r["kind"] == "look"), f.path).splitlines()
        assert [int(line.split("|")[-1]) for line in shown] == [2, 5, 7, 8], shown


def test_large_files_are_gone_through_table_by_table(folder, sqlite):
    """As over 1 GB: one finding still, and one table that cannot be read hides no other."""
    f = sqlite("app.db", SCRIPT + """; CREATE TABLE "a'b%s"(x UNIQUE); CREATE VIEW v AS SELECT 1; CREATE VIRTUAL TABLE ft USING fts5(x);""")
    small = {"settings": {"whole_limit": "1kB"}}
    assert found_by(folder, f, "sqlite-integrity-check", **small) == {}
    lost_index_entries(f, 'o\'d"d', 'i\'d"x', "'lost'")
    found = found_by(folder, f, "sqlite-integrity-check", **small)
    assert severities(found) == {'o\'d"d.i\'d"x': "critical"}, found
    f.damage_page(leaf(f), start=0)
    answer = report(folder, f.dsn, "sqlite-integrity-check", **small)
    assert [x["object"] for x in answer["findings"]] == ['o\'d"d.i\'d"x']
    assert [u["reason"].split(":")[0] for u in answer["unknown"]] == ["1 of 10 could not be verified"], answer["unknown"]


def test_what_damage_prints_saves_the_rows(folder, sqlite):
    """The steps of a corrupt file, in their order: copy, the newest backup, .recover from the copy where there is none."""
    f = sqlite(f"my app's {folder.path.name}.db", SCRIPT)
    f.damage_page(leaf(f), start=0)
    found = look(folder, f.dsn, "sqlite-quick-check")
    copy, restore, recover = found["t"]["remedies"]
    assert copy["kind"] == "command" and restore["risk"] == "data-loss"
    made = pathlib.Path("/var/tmp", f"damaged-{f.path.name}")
    try:
        run(copy, f.path)
        assert (made / f.path.name).read_bytes() == f.path.read_bytes() and made.stat().st_mode & 0o777 == 0o700
        run(recover, f.path, fails=True)
        rows = subprocess.run(["sqlite3", made / "recovered.db", "SELECT count(*) FROM t; PRAGMA integrity_check"],
                              text=True, capture_output=True, check=True).stdout.split()
        assert 400 < int(rows[0]) < 500 and rows[1] == "ok"
    finally:
        shutil.rmtree(made, ignore_errors=True)


def test_all_checks_on_damage_agree_on_one_cause(folder, sqlite):
    """A file that is no database is told once; what it makes impossible is unknown, not a finding."""
    f = sqlite("app.db", SCRIPT)
    f.path.write_bytes(b"\x7fELF and so on" * 600)
    answer = report(folder, f.dsn)
    assert [x["check"] for x in answer["findings"]] == ["sqlite-not-a-database"] and answer["status"] == "critical"
    assert {"sqlite-quick-check", "fk-missing-index"} <= {u["check"] for u in answer["unknown"]}


@pytest.mark.parametrize("check, damage", [
    ("sqlite-quick-check", lambda f: f.damage_page(leaf(f), start=0)),
    ("sqlite-integrity-check", lost_index_entries),
])
def test_no_vacuum_is_offered_for_a_damaged_file(folder, sqlite, check, damage):
    """It would drop what a rescue could still read: free pages and small ones wait until the damage is mended."""
    f = sqlite("app.db", SCRIPT + "CREATE TABLE gone(x); " + FILL.format(3000)
               + "INSERT INTO gone SELECT randomblob(3000) FROM n; DROP TABLE gone;")
    waits = {"sqlite-freelist-high", "sqlite-page-size"}

    def shown():
        # What is said of pages and of the format does not depend on how large the file is here.
        conf = configure(folder, f.dsn, "sqlite-page-size", settings={"min_bytes": "1MB"})
        answer = subprocess.run([BUILD / "dbhealth", "check", "-o", "json", "-c", conf, "app"], text=True, capture_output=True, check=False)
        text = subprocess.run([BUILD / "dbhealth", "check", "-c", conf, "app"], text=True, capture_output=True, check=False)
        return {x["check"]: x for x in json.loads(answer.stdout)["findings"]}, text.stdout

    found, text = shown()
    assert waits <= found.keys() and check not in found and "VACUUM" in text
    assert all("VACUUM;" in found[c]["remedy"] for c in waits), found
    damage(f)
    found, text = shown()
    assert waits <= found.keys() and check in found, found.keys()
    for c in waits:
        assert found[c]["caused_by"] == found[check]["id"], found[c]
        assert [r["kind"] for r in found[c]["remedies"]] == ["manual"] and found[check]["id"] in found[c]["remedy"], found[c]
        assert "VACUUM" not in found[c]["remedy"]
    assert "VACUUM;" not in text and "2 that follow from it" in text, text


@proves("sqlite-hot-journal", engine="sqlite")
# ---- the rollback journal ----
@pytest.mark.parametrize("owner", [None, "postgres"])
def test_hot_journal(folder, sqlite, sudo, owner):
    if owner and not ROOT:
        pytest.skip("two users need root")
    place_ = folder.sub("app's", user=owner)
    f = sqlite("app's/it.db", SCRIPT, user=owner)
    rows = f.sql("SELECT count(*), sum(id) FROM t")
    f.hot_journal()
    kept = Kept(f.path)
    found = found_by(folder, f, "sqlite-hot-journal")
    assert severities(found) == {"": "critical"}
    assert found[""]["value"] == (place_ / "it.db-journal").stat().st_size
    assert not any(r["text"].lstrip().startswith("rm") for r in found[""]["remedies"])
    answer = report(folder, f.dsn, argv=["--deep"])
    assert {x["check"] for x in answer["findings"]} == {"sqlite-hot-journal"}, answer["findings"]
    assert Kept(f.path).files == kept.files, "the journal of another is not ours to play back"
    for remedy in found[""]["remedies"]:
        run(remedy, f.path)
    assert look(folder, f.dsn, "sqlite-hot-journal") == {} and f.neighbours() == []
    assert f.sql("SELECT count(*), sum(id) FROM t") == rows and f.sql("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("mode", ["persist", "truncate", "memory", "writer", "exclusive", "stale", "wal"])
def test_journal_that_is_not_hot(folder, sqlite, mode):
    f = sqlite("app.db", SCRIPT)
    if mode in ("writer", "exclusive"):
        # alive, in the middle of its transaction, pages already in the file or not
        spill = "PRAGMA cache_size=2;PRAGMA cache_spill=2;" if mode == "exclusive" else ""
        f.writer(spill + "BEGIN IMMEDIATE;UPDATE t SET a = a || 'x'")
        assert f.neighbours() == ["app.db-journal"]
        answer = report(folder, f.dsn, "sqlite-hot-journal")
        assert answer["findings"] == [], answer["findings"]
        return
    if mode == "stale":  # a super-journal that is gone: the transaction was committed
        f.hot_journal()
        journal = f.path.parent / "app.db-journal"
        name = b"/nowhere/app.db-mj12345678"
        tail = (0x40000000 // 1024 + 1).to_bytes(4, "big") + name + len(name).to_bytes(4, "big") + (sum(name) & 0xffffffff).to_bytes(4, "big")
        journal.write_bytes(journal.read_bytes() + tail + b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
    else:
        f.writer(f"PRAGMA journal_mode={mode};UPDATE t SET b = 1 WHERE id = 1")
    assert found_by(folder, f, "sqlite-hot-journal") == {}


# ---- the log ----
def grow(f, kilobytes, extra=""):
    """A process that wrote so much to the log without a checkpoint, and stays."""
    return f.writer(f"PRAGMA wal_autocheckpoint=0;{extra}" + FILL.format(kilobytes)
                    + "INSERT INTO \"o'd\"\"d\" SELECT randomblob(900) FROM n")


SMALL = {"min_bytes": "1MB"}


@proves("sqlite-wal-large", engine="sqlite")
def test_large_log(folder, sqlite):
    f = sqlite("it's app.db", SCRIPT)
    f.sql("PRAGMA journal_mode = wal")
    reader = f.writer("BEGIN;SELECT * FROM t LIMIT 1")
    writer = grow(f, 3000)
    beside = f.neighbours()
    found = look(folder, f.dsn, "sqlite-wal-large", settings=SMALL)
    assert severities(found) == {"": "warning"} and f"pid {reader.pid}" in found[""]["message"], found
    size = (f.path.parent / f"{f.path.name}-wal").stat().st_size
    assert 0.9 * size < found[""]["value"] <= size and f.neighbours() == beside
    assert look(folder, f.dsn, "sqlite-wal-large") == {}, "64 MB are allowed"
    assert look(folder, f.dsn, "sqlite-wal-large", settings={**SMALL, "min_ratio": "100000%"}) == {}, "small against its database"
    first, last = found[""]["remedies"]
    assert first["kind"] == "manual" and first["text"].startswith(f"End the transaction of pid {reader.pid} (python3"), first
    assert (first["closes"], last["closes"]) == (False, True)
    run(last, f.path)
    assert severities(look(folder, f.dsn, "sqlite-wal-large", settings=SMALL)) == {"": "warning"}, "not before the reader ends"
    f.end_writer(reader)
    found = look(folder, f.dsn, "sqlite-wal-large", settings=SMALL)
    assert found[""]["remedies"][1]["text"].startswith("Nobody holds it back now."), found
    run(found[""]["remedies"][0], f.path)
    run(closing(found[""])[0], f.path)
    assert look(folder, f.dsn, "sqlite-wal-large", settings=SMALL) == {}
    f.end_writer(writer)


def test_log_that_is_only_a_large_file(folder, sqlite):
    """After a checkpoint the log is written from its start again; its size stays, its frames are old."""
    f = sqlite("app.db", SCRIPT)
    f.sql("PRAGMA journal_mode = wal")
    f.writer("PRAGMA wal_autocheckpoint=0;" + FILL.format(3000) + "INSERT INTO \"o'd\"\"d\" SELECT randomblob(900) FROM n;"
             "PRAGMA wal_checkpoint(RESTART);UPDATE t SET b = 2 WHERE id = 1")
    assert (f.path.parent / "app.db-wal").stat().st_size > 3 << 20
    assert look(folder, f.dsn, "sqlite-wal-large", settings={**SMALL, "min_ratio": "1%"}) == {}


# ---- permissions ----
PERMISSIONS = {
    "file": (lambda p: p.chmod(0o666), {"file": "warning"}),
    "file, write only": (lambda p: p.chmod(0o642), {"file": "warning"}),
    "folder": (lambda p: p.parent.chmod(0o777), {"folder": "warning"}),
    "both": (lambda p: (p.chmod(0o646), p.parent.chmod(0o757)), {"file": "warning", "folder": "warning"}),
    "folder of its owner": (lambda p: (give(p, "postgres"), give(p.parent, "postgres"), p.parent.chmod(0o555)), {"folder (owner)": "warning"}),
    "no: group": (lambda p: (p.chmod(0o664), p.parent.chmod(0o2775)), {}),
    "no: sticky": (lambda p: p.parent.chmod(0o1777), {}),
    "no: everybody reads": (lambda p: p.chmod(0o644), {}),
    "no: private": (lambda p: (p.chmod(0o600), p.parent.chmod(0o700)), {}),
}


@proves("sqlite-file-permissions", engine="sqlite")
@pytest.mark.parametrize("name", PERMISSIONS)
def test_permissions(folder, sqlite, name):
    change, expect = PERMISSIONS[name]
    if name == "folder of its owner" and not ROOT:
        pytest.skip("two users need root")
    folder.sub("it's")
    f = sqlite("it's/my app.db", SCRIPT)
    change(f.path)
    found = found_by(folder, f, "sqlite-file-permissions")
    assert severities(found) == expect
    for finding in found.values():
        run(closing(finding)[0], f.path)
    assert look(folder, f.dsn, "sqlite-file-permissions") == {}


def test_permissions_of_companions(folder, sqlite):
    f = sqlite("app.db", SCRIPT)
    f.sql("PRAGMA journal_mode = wal")
    f.writer("UPDATE t SET b = 1 WHERE id = 1")
    for name in f.neighbours():
        (f.path.parent / name).chmod(0o666)
    found = found_by(folder, f, "sqlite-file-permissions")
    assert severities(found) == {"-wal": "warning", "-shm": "warning"}
    for finding in found.values():
        run(closing(finding)[0], f.path)
    assert look(folder, f.dsn, "sqlite-file-permissions") == {}


@pytest.mark.skipif(not ROOT, reason="two users need root")
def test_companions_of_another_owner(folder, sqlite):
    """The database was given to its user, what lies beside it was forgotten."""
    f = sqlite("it's app.db", SCRIPT)
    f.sql("PRAGMA journal_mode = wal")
    f.end_writer(f.writer("UPDATE t SET b = 1 WHERE id = 1"))
    assert found_by(folder, f, "sqlite-file-permissions") == {}
    give(f.path, "postgres")
    for name in f.neighbours():
        (f.path.parent / name).chmod(0o664)
    assert found_by(folder, f, "sqlite-file-permissions") == {}, "a group may be theirs"
    for name in f.neighbours():
        (f.path.parent / name).chmod(0o644)
    found = found_by(folder, f, "sqlite-file-permissions")
    assert severities(found) == {"-wal (owner)": "warning", "-shm (owner)": "warning"}, found
    for finding in found.values():
        run(closing(finding)[0], f.path)
    assert look(folder, f.dsn, "sqlite-file-permissions") == {}


# ---- the disk ----
def disk(folder, options, fill, argv, settings=None):
    """The answer on a file system of its own in a namespace of its own: options of mount, bytes and
    files to fill it with."""
    mount = folder.sub("disk's")
    conf = configure(folder, f"sqlite:{mount}/app.db", "disk-space-low", settings=settings)
    script = ('set -e; mount -t tmpfs -o "$1" none "$2"; cp "$3" "$2/app.db"; if [ "$4" -gt 0 ]; then head -c "$4" /dev/zero >"$2/big"; fi; '
              'i=0; while [ $i -lt "$5" ]; do : >"$2/f$i"; i=$((i+1)); done; [ -z "$6" ] || mount -o remount,"$6" "$2"; '
              'shift 6; exec "$@"')
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", options, mount, folder.path / "seed.db", str(fill[0]), str(fill[1]), argv,
                           BUILD / "dbhealth", "check", "-o", "json", "--check", "disk-space-low", "-c", conf, "app"],
                          text=True, capture_output=True, check=False, timeout=30)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip("no right to mount here")
    answer = json.loads(done.stdout)
    assert answer["unknown"] == [], answer["unknown"]
    return {f["object"]: f for f in answer["findings"]}


MB = 1 << 20


@proves("disk-space-low", engine="sqlite")
@pytest.mark.parametrize("options, fill, remount, settings, severity", [
    ("size=10m", (9 * MB, 0), "", {}, "warning"),
    ("size=10m", (9 * MB + 700 * 1024, 0), "", {}, "critical"),
    ("size=10m,nr_inodes=100", (0, 96), "", {}, "critical"),
    ("size=10m,nr_inodes=100", (0, 86), "", {}, "warning"),
    ("size=10m", (5 * MB, 0), "", {}, None),
    ("size=10m", (9 * MB, 0), "", {"warning_bytes": "500kB", "critical_bytes": "100kB"}, None),
    ("size=10m", (9 * MB, 0), "ro", {}, None),
], ids=["warning", "critical", "inodes", "few inodes", "half", "enough bytes", "read-only"])
def test_disk_space(folder, sqlite, options, fill, remount, settings, severity):
    sqlite("seed.db", "CREATE TABLE t(a)")
    found = disk(folder, options, fill, remount, settings)
    assert severities(found) == ({str(folder.path / "disk's"): severity} if severity else {}), found
    if severity:
        run(next(iter(found.values()))["remedies"][0], folder.path)
