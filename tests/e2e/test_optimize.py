"""dbhealth optimize: what it promises is what it does, and what it leaves alone is left alone."""
import contextlib
import json
import os
import pathlib
import pty
import re
import select
import signal
import sqlite3
import stat
import subprocess
import sys
import time

import jsonschema
import pytest

from support.base import BUILD, TOP, as_user, end, wait_until

SCRIPT = """
    CREATE TABLE a(id INTEGER PRIMARY KEY, x TEXT, n INT);
    CREATE INDEX a_x ON a(x);
    CREATE INDEX "a ""n\n" ON a(n, x);
    CREATE TABLE keyed(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
    CREATE TABLE "we'ird ""name\né" (a UNIQUE);
    CREATE TRIGGER no BEFORE DELETE ON keyed BEGIN SELECT raise(ABORT, 'never'); END;
    INSERT INTO "we'ird ""name\né" VALUES (1), (2);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
    INSERT INTO a SELECT i * 7919 % 65536 * 65536 + i, hex(randomblob(i % 90)), i % 40 FROM n;
    INSERT INTO keyed SELECT hex(randomblob(20)), id FROM a;
    DELETE FROM a WHERE n % 2 = 0;
    PRAGMA user_version = 7;
    PRAGMA application_id = 77;
"""
SMALL = SCRIPT.replace("9000", "900")
KEYLESS = "CREATE TABLE log(line); INSERT INTO log VALUES (1), (2), (3); DELETE FROM log WHERE rowid = 1;"

APPLICATION = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
for n in ("1", "2"):
    db.execute("INSERT INTO keyed VALUES ('app', ?) ON CONFLICT DO UPDATE SET v = excluded.v", (n,))
    print(db.execute("SELECT v FROM keyed WHERE k = 'app'").fetchone()[0], flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def optimize(cli):
    """optimize(db, option ...): its JSON."""
    shape = json.loads((TOP / "docs/schema/optimize.json").read_text())

    def run(db, *more, status=0, **how):
        done = cli("optimize", "-o", "json", db.dsn, *more, **how)
        assert done.status == status, done
        jsonschema.validate(done.json, shape)
        return done.json
    return run


def steps(plan, kind=None):
    return [s for s in plan["steps"] if kind in (None, s["kind"])]


def left_out(plan):
    return {o["what"]: o["why"] for o in plan["left_out"]}


def dump(db):
    """All that an application sees."""
    with contextlib.closing(db.connect()) as c:
        tables = [n for n, in c.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        rows = {n: sorted(c.execute(f"SELECT * FROM \"{n.replace(chr(34), chr(34) * 2)}\"").fetchall()) for n in tables}
        schema = c.execute("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2").fetchall()
        pragmas = [c.execute(f"PRAGMA {p}").fetchone()[0] for p in
                   ("journal_mode", "page_size", "auto_vacuum", "encoding", "user_version", "application_id")]
    return rows, schema, pragmas


def is_whole(path):
    with contextlib.closing(sqlite3.connect(path)) as c:
        return c.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def on_disk(db):
    wal = pathlib.Path(f"{db.path}-wal")
    return db.path.stat().st_size + (wal.stat().st_size if wal.exists() else 0)


@pytest.mark.parametrize("before", ["PRAGMA journal_mode = delete", "PRAGMA journal_mode = wal", "PRAGMA journal_mode = persist",
                                    "PRAGMA page_size = 1024; PRAGMA auto_vacuum = 1", "PRAGMA encoding = 'UTF-16le'"])
def test_what_is_announced_is_what_is_got(optimize, sqlite, before):
    db = sqlite("app.db", before + ";" + SCRIPT)
    seen, about, size, digest, beside = dump(db), db.path.stat(), on_disk(db), db.digest(), db.neighbours()
    plan = optimize(db, "--dry-run")
    assert (db.digest(), db.neighbours(), db.path.stat().st_mtime_ns) == (digest, beside, about.st_mtime_ns)
    assert plan["after"] is None and {s["state"] for s in steps(plan)} == {"planned"}
    assert [s["kind"] for s in steps(plan)][:2] == ["check", "vacuum"]
    done = optimize(db)
    assert {s["state"] for s in steps(done)} == {"done"} and not done["left_out"]
    assert [(s["kind"], s.get("table")) for s in steps(done)] == [(s["kind"], s.get("table")) for s in steps(plan)]
    assert {s["table"] for s in steps(done, "analyze")} == {"a", "keyed", "we'ird \"name\né"}
    assert done["gained_bytes"] == size - on_disk(db) > size / 10
    assert abs(done["expected_gain_bytes"] - done["gained_bytes"]) <= size * 0.05 + 3 * 4096, done
    assert dump(db) == seen and is_whole(db.path)
    now = db.path.stat()
    assert (now.st_ino, now.st_mode, now.st_uid, now.st_gid) == (about.st_ino, about.st_mode, about.st_uid, about.st_gid)
    assert db.neighbours() in ([], beside)
    statistics = dict(db.sql("SELECT idx, CAST(stat AS INTEGER) FROM sqlite_stat1 WHERE idx IS NOT NULL"))
    assert statistics["a_x"] == statistics["a \"n\n"] == len(seen[0]["a"]) and statistics["keyed"] == 9000
    assert steps(optimize(db)) == []  # once is enough


def test_a_name_of_the_configuration_and_a_link(cli, sqlite, folder):
    db = sqlite("app.db", SCRIPT)
    link = folder.path / "link.db"
    link.symlink_to(db.path)
    conf = folder.path / "d.conf"
    conf.write_text(f"[database shop]\ndsn = sqlite:{link}\n")
    done = cli("optimize", "-c", conf, "shop")
    assert done.status == 0 and done.out.startswith("ok        shop: ") and link.is_symlink(), done
    assert cli("stats", "-c", conf, "shop").out.startswith("ok        shop: ")
    assert cli("stats", "-c", conf, "none").status == 64
    assert cli("stats", env={"DATABASE_URL": db.dsn}).out.startswith("ok        app.db: ")


def test_words(cli, sqlite):
    db = sqlite("app.db", SCRIPT)
    before = db.digest()
    for more, word in ((["-n"], "WOULD DO"), ([], "DONE"), ([], "nothing to do")):
        if word == "DONE":
            assert db.digest() == before
        done = cli("optimize", *more, db.dsn)
        assert done.status == 0 and word in done.out and max(map(len, done.out.splitlines())) <= 80, done
        assert done.err == ""  # progress is for terminals
    assert re.search(r"^ok +app.db: ", done.out)


def test_a_backup_comes_first_and_opens(optimize, cli, sqlite, folder):
    for mode in ("delete", "wal"):
        db = sqlite(f"{mode}.db", f"PRAGMA journal_mode = {mode};" + SCRIPT)
        db.path.chmod(0o640)
        if os.geteuid() == 0:
            os.chown(db.path, 65534, 65534)
        seen, to = dump(db), folder.path / f"{mode}'s %20 copy.db"
        done = optimize(db, "--backup", to)
        assert [s["kind"] for s in steps(done)][:3] == ["check", "backup", "vacuum"]
        assert stat.S_IMODE(to.stat().st_mode) == 0o640 and to.stat().st_uid == db.path.stat().st_uid
        assert sorted(p.name for p in folder.path.glob("*copy*")) == sorted({p.name for p in folder.path.glob("*copy.db")})
        copy = sqlite(to.name)
        assert is_whole(copy.path) and dump(copy)[:2] == seen[:2]
        again = cli("optimize", db.dsn, "--backup", to)
        assert again.status == 64 and "such a file already" in again.err, again
    partial = folder.path / "more.db.dbhealth-partial"
    partial.write_bytes(b"half")
    again = cli("optimize", db.dsn, "--backup", folder.path / "more.db")
    assert again.status == 1 and "left by a backup that was killed" in again.err and partial.read_bytes() == b"half"
    missing = cli("optimize", db.dsn, "--vacuum=always", "--backup", folder.path / "none" / "copy.db")
    assert missing.status in (1, 69) and "nothing was changed" in missing.err, missing


def test_rows_that_would_get_new_numbers_stop_vacuum(optimize, sqlite):
    db = sqlite("app.db", SCRIPT + KEYLESS)
    rows = db.sql("SELECT rowid, line FROM log")
    done = optimize(db)
    assert not steps(done, "vacuum") and done["renumbered"] == ["log"] and "new numbers" in left_out(done)["VACUUM"]
    assert steps(done, "analyze") and db.sql("SELECT rowid, line FROM log") == rows
    assert steps(optimize(db, "--vacuum=always"), "vacuum")[0]["state"] == "done"
    search = sqlite("search.db", SCRIPT + KEYLESS + "CREATE VIRTUAL TABLE words USING fts5(line, content='log');"
                    "INSERT INTO words(words) VALUES ('rebuild')")
    done = optimize(search, "--vacuum=always", status=1)
    assert not steps(done, "vacuum") and "search index" in left_out(done)["VACUUM"]
    assert search.sql("SELECT rowid, line FROM log") == rows
    dense = sqlite("dense.db", SCRIPT + "CREATE TABLE log(line); INSERT INTO log VALUES (1), (2), (3)")
    assert steps(optimize(dense), "vacuum")


def test_free_pages_are_cut_off_where_the_file_was_made_for_it(optimize, sqlite):
    db = sqlite("app.db", "PRAGMA auto_vacuum = 2; CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(100000));"
                "CREATE TABLE u(a); INSERT INTO u VALUES (zeroblob(900000)); DROP TABLE u")
    size = on_disk(db)
    done = optimize(db)
    assert [s["kind"] for s in steps(done)] == ["check", "incremental", "optimize"]
    assert done["gained_bytes"] == size - on_disk(db) >= 880000 and db.sql("PRAGMA freelist_count") == [(0,)]


def test_what_is_not_worth_it_is_left(optimize, sqlite):
    db = sqlite("app.db", SCRIPT.replace("DELETE FROM a WHERE n % 2 = 0;", "") + "ANALYZE; VACUUM;")
    before = db.digest()
    assert steps(optimize(db)) == [] and db.digest() == before
    assert steps(optimize(db, "--vacuum=never")) == []
    db.sql("DELETE FROM a WHERE id % 3 > 0")
    done = optimize(db, "--vacuum=never")
    assert [s["kind"] for s in steps(done)] == ["check", "analyze", "optimize"]
    assert "statistics of 9,000" in steps(done, "analyze")[0]["why"]


def test_a_transaction_of_another_is_not_disturbed(cli, sqlite):
    for mode, lock in (("delete", "reserved"), ("wal", "wal-write")):
        db = sqlite(f"{mode}.db", f"PRAGMA journal_mode = {mode};" + SMALL)
        writer = db.writer("BEGIN IMMEDIATE;INSERT INTO keyed VALUES ('x', 1)")
        before = db.digest()
        done = cli("optimize", "--vacuum=always", "--timeout", "300ms", db.dsn)
        assert done.status == 69 and f"pid {writer.pid} (" in done.err and lock in done.err, done
        assert "nothing was changed" in done.err and db.digest() == before
        db.end_writer(writer)
    with db.exclusive_lock():
        done = cli("optimize", "--budget", "3s", "--vacuum=always", "--timeout", "300ms", db.dsn)
        assert done.status == 69 and "locked" in done.err, done
    plain = sqlite("plain.db", SMALL)
    with plain.exclusive_lock() as holder:
        done = cli("optimize", "--budget", "3s", plain.dsn)
        assert done.status == 69 and f"pid {holder.pid} (" in done.err, done


def test_a_reader_of_the_log_is_spared_the_whole_file(optimize, sqlite):
    db = sqlite("app.db", "PRAGMA journal_mode = wal;" + SCRIPT)
    reader = db.writer("INSERT INTO keyed VALUES ('x', 1);BEGIN;SELECT count(*) FROM a")
    done = optimize(db, "--timeout", "300ms", status=1)
    assert not steps(done, "vacuum") and f"pid {reader.pid}" in left_out(done)["VACUUM"]
    assert {s["state"] for s in steps(done, "analyze")} == {"done"}
    assert steps(done, "checkpoint")[0]["state"] == "busy"
    db.end_writer(reader, signal.SIGTERM)
    done = optimize(db)
    assert {s["state"] for s in steps(done)} == {"done"} and db.neighbours() == []
    assert db.sql("PRAGMA journal_mode") == [("wal",)]


def test_an_application_that_has_it_open_goes_on(optimize, sqlite):
    """The trap: files beside the database that belong to us lock its owner out."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for mode in ("wal", "delete"):
        db = sqlite(f"{mode}.db", f"PRAGMA journal_mode = {mode};" + SCRIPT, user="nobody")
        os.chmod(db.path.parent, 0o777)
        app = subprocess.Popen([sys.executable, "-c", APPLICATION, db.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True, cwd="/", **as_user("nobody"))
        try:
            assert app.stdout.readline() == "1\n"
            done = optimize(db)
            assert {s["state"] for s in steps(done)} == {"done"} and steps(done, "vacuum")
            assert abs(done["expected_gain_bytes"] - done["gained_bytes"]) <= done["before"]["disk_bytes"] * 0.05, done
            app.stdin.write("\n")
            app.stdin.flush()
            assert app.stdout.readline() == "2\n"
        finally:
            app.stdin.close()
            app.wait(20)
            app.stdout.close()
        assert app.returncode == 0 and is_whole(db.path) and db.path.stat().st_uid == 65534


def test_a_log_is_emptied_beside_its_application(optimize, sqlite):
    db = sqlite("app.db", "PRAGMA journal_mode = wal;" + SCRIPT + "ANALYZE; VACUUM")
    app = db.writer("PRAGMA wal_autocheckpoint = 0;DELETE FROM a WHERE id % 50 = 1")
    wal = pathlib.Path(f"{db.path}-wal")
    assert wal.stat().st_size > 0
    done = optimize(db)
    assert [s["kind"] for s in steps(done)] == ["check", "checkpoint"] and wal.stat().st_size == 0
    db.end_writer(app)


class Running:
    """dbhealth optimize on a terminal of its own, which shows the step at work."""

    def __init__(self, db, *more, target=None):
        self.leader, follower = pty.openpty()
        self.seen = b""
        self.process = subprocess.Popen([BUILD / "dbhealth", "optimize", target or db.dsn, *more], stdout=subprocess.PIPE,
                                        stderr=follower, text=True)
        os.close(follower)

    def wait(self, word, within=60):
        deadline = time.monotonic() + within
        while word not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.leader], [], [], left)[0], self.seen
            self.seen += os.read(self.leader, 4096)

    def end(self, sig=None):
        """Its exit status and standard output."""
        if sig:
            self.process.send_signal(sig)
        out = self.process.communicate(timeout=60)[0]
        with contextlib.suppress(OSError):  # EIO: all was read
            while part := os.read(self.leader, 4096):
                self.seen += part
        return self.process.returncode, out

    def remove(self):
        end(self.process)
        os.close(self.leader)


def test_interrupted_it_undoes_what_is_under_way(sqlite, own):
    db = sqlite("app.db", SCRIPT)
    reader = db.writer("BEGIN;SELECT count(*) FROM a")  # VACUUM cannot begin while it reads
    before = db.digest()
    run = own(Running(db, "--timeout", "10min"))
    run.wait(b": vacuum, ")
    assert run.end(signal.SIGINT) == (1, "") and b"stopped; nothing was changed" in run.seen, run.seen
    assert db.digest() == before and db.neighbours() == []
    db.end_writer(reader)
    assert is_whole(db.path)


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGKILL])
def test_cut_off_in_its_midst_it_leaves_a_whole_database(sqlite, own, sig):
    db = sqlite("app.db", SCRIPT + "INSERT INTO keyed SELECT hex(randomblob(2000)), id FROM a")
    seen = dump(db)
    run = own(Running(db))
    journal = pathlib.Path(f"{db.path}-journal")
    wait_until(lambda: journal.exists() or run.process.poll() is not None, 60, "VACUUM writes", every=0.001)
    status, _ = run.end(sig)
    assert status in (0, 1, -sig), (status, run.seen)
    wait_until(lambda: not children_of(db), 20, "its worker is gone")
    assert is_whole(db.path) and dump(db) == seen
    assert sig == signal.SIGKILL or db.neighbours() == []  # a journal without pages is nobody's harm


def children_of(db):
    """Processes that have the file open."""
    found = []
    for fd in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(fd) == str(db.path):
                found.append(fd)
    return found


def test_damage_is_left_as_it_is(cli, sqlite):
    db = sqlite("app.db", SCRIPT)
    db.damage_page(db.root_page("a_x"), start=0, length=100)
    before = db.digest()
    done = cli("optimize", db.dsn)
    assert done.status == 2 and "it is damaged; nothing was changed" in done.err, done
    torn = sqlite("torn.db", SCRIPT)
    torn.sql("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = "
             "(SELECT rootpage FROM sqlite_schema WHERE name = 'a') WHERE name = 'keyed'")
    was = torn.digest()
    assert cli("optimize", torn.dsn).status in (1, 2, 69) and torn.digest() == was
    hot = sqlite("hot.db", SCRIPT)
    hot.hot_journal()
    was = hot.digest()
    done = cli("optimize", hot.dsn)
    assert done.status == 69 and "hot journal" in done.err and hot.digest() == was, done
    assert db.digest() == before


def test_damage_that_only_a_check_sees_is_said_before_and_when_run(cli, sqlite):
    """Bytes counted wrongly: the walk that measures takes them for well."""
    db = sqlite("app.db", SCRIPT)
    idle = sqlite("idle.db", "CREATE TABLE t(a); INSERT INTO t VALUES (1)")
    for f, root in (db, "a_x"), (idle, "t"):
        assert cli("optimize", "-n", f.dsn).status == 0
        f.overwrite((f.root_page(root) - 1) * f.page_size + 7, b"\x29")
    before = db.digest(), idle.digest()
    planned, done = cli("optimize", "-n", db.dsn), cli("optimize", db.dsn)
    assert (planned.status, done.status) == (2, 2) and planned.err == done.err and not planned.out, (planned, done)
    assert "damaged: " in done.err and "nothing was changed" in done.err and "dbhealth check" in done.err, done
    for more in (), ("-n",):
        done = cli("optimize", idle.dsn, *more)
        assert done.status == 2 and "damaged: " in done.err, done
    assert (db.digest(), idle.digest()) == before


def test_values_that_a_column_forbids_are_no_damage(optimize, sqlite):
    wrong = ("; CREATE TABLE n(a); INSERT INTO n VALUES (NULL); PRAGMA writable_schema = ON;"
             "UPDATE sqlite_schema SET sql = 'CREATE TABLE n(a NOT NULL)' WHERE name = 'n'")
    idle, db = sqlite("idle.db", "SELECT 1" + wrong), sqlite("app.db", SMALL + wrong)
    assert "NULL value in n.a" in str(db.sql("PRAGMA quick_check")), "the rows are as they are meant to be"
    assert optimize(idle, "-n")["steps"] == []
    assert optimize(db)["steps"][0]["state"] == "done"


def test_who_may_not_write_is_told(cli, sqlite, folder):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    db = sqlite("app.db", SCRIPT)
    db.path.chmod(0o666)
    done = cli("optimize", db.dsn, user="nobody")
    assert done.status == 77 and "it belongs to root" in done.err, done
    folder.sub("closed", mode=0o755)
    mine = sqlite("closed/app.db", SCRIPT, user="nobody")
    done = cli("optimize", mine.dsn, user="nobody")
    assert done.status == 77 and "must be writable" in done.err, done


def test_what_was_not_measured_gets_statistics_from_a_sample(cli, sqlite):
    db = sqlite("app.db", "PRAGMA page_size = 512; CREATE TABLE t(a, b); CREATE INDEX t_a ON t(a);"
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
                "INSERT INTO t SELECT hex(randomblob(20)), i FROM n")
    done = cli("optimize", "-n", "-o", "json", "--budget", "30ms", db.dsn)
    assert done.status in (0, 69), done  # 69: not even the schema was read in time
    if done.status == 0:
        assert "not known" in left_out(done.json)["VACUUM"], done
        assert [(s["table"], s["limit"]) for s in steps(done.json, "analyze")] == [("t", 1000)], done


def test_a_full_disk_is_known_before(sqlite, folder):
    db = sqlite("app.db", SCRIPT)
    kilobytes = db.path.stat().st_size // 1024 * 3 // 2
    script = ('set -e; mount -t tmpfs -o "size=$1k" none "$2"; cp "$3" "$2/app.db"; was=$(sha256sum <"$2/app.db"); '
              '"$4" optimize -o json --vacuum=always "sqlite:$2/app.db" || echo $? >&2; '
              'cat "$2/app.db" >"$5"; ls -A "$2" >&2')
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", str(kilobytes), folder.sub("small"), db.path,
                           BUILD / "dbhealth", folder.path / "after.db"], capture_output=True, text=True, check=False)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip("no right to mount here")
    plan = json.loads(done.stdout)
    assert not steps(plan, "vacuum") and "the disk has less" in left_out(plan)["VACUUM"]
    assert done.stderr.split() == ["1", "app.db"] and is_whole(folder.path / "after.db")
    assert {s["state"] for s in steps(plan, "analyze")} == {"done"}


def test_progress_on_a_terminal(sqlite, own):
    db = sqlite("app.db", SCRIPT)
    reader = db.writer("BEGIN;SELECT count(*) FROM a")
    run = own(Running(db, "--timeout", "10min"))
    run.wait(b": vacuum, ")
    db.end_writer(reader)
    status, out = run.end()
    assert status == 0 and re.search(rb"\d of \d: vacuum, \d+ s", run.seen) and out.startswith("ok "), (run.seen, out)


def test_a_fleet_one_file_after_the_other(cli, sqlite, folder):
    (folder.path / "files").mkdir()
    files = {n: sqlite(f"files/{n}.db", SMALL) for n in ("a", "b", "locked", "torn")}
    files["done"] = sqlite("files/done.db", "CREATE TABLE t(a)")
    files["b"].sql("DELETE FROM a; ANALYZE")
    files["torn"].damage_page(files["torn"].root_page("a_x"), start=0, length=100)
    conf = folder.path / "d.conf"
    conf.write_text(f"[database tenants]\ndsn = sqlite:{folder.path}/files/*.db\n")
    shape, one = (json.loads((TOP / f"docs/schema/{n}.json").read_text()) for n in ("optimize-fleet", "optimize"))
    seen, before = {n: dump(f) for n, f in files.items() if n != "torn"}, {n: f.digest() for n, f in files.items()}

    def run(*more, status):
        done = cli("optimize", "-o", "json", "-c", conf, "--timeout", "300ms", "tenants", *more)
        assert done.status == status, done
        jsonschema.validate(done.json, shape)
        for plan in done.json["plans"]:
            jsonschema.validate(plan, one)
        return done.json, {p["database"][8:-3]: p for p in done.json["plans"]}, {p["database"][8:-3]: p["why"] for p in done.json["refused"]}

    fleet, plans, refused = run("--dry-run", status=2)
    assert set(plans) == {"a", "b", "locked"} and set(refused) == {"torn"} and fleet["nothing_to_do"] == 1
    assert fleet["expected_gain_bytes"] == sum(p["expected_gain_bytes"] for p in plans.values()) > 0
    assert before == {n: f.digest() for n, f in files.items()} and fleet["gained_bytes"] is None
    done = cli("optimize", "-n", "-c", conf, "tenants")
    assert done.status == 2 and "nothing was changed" in done.out and max(map(len, done.out.splitlines())) <= 80, done
    assert "  torn.db: it is damaged; nothing was changed." in done.out
    sizes = {n: on_disk(f) for n, f in files.items()}
    writer = files["locked"].writer("BEGIN IMMEDIATE; INSERT INTO keyed VALUES ('x', 1)")
    fleet, plans, refused = run(status=2)
    files["locked"].end_writer(writer)
    assert set(refused) == {"torn", "locked"} and "locked by pid" in refused["locked"], refused
    assert fleet["gained_bytes"] == sum(sizes[n] - on_disk(files[n]) for n in "ab") > 0
    assert files["torn"].digest() == before["torn"] and files["done"].digest() == before["done"]
    for n, was in seen.items():
        assert dump(files[n]) == was and is_whole(files[n].path), n
    assert cli("optimize", "-c", conf, "tenants/locked.db").out.startswith("ok        tenants/locked.db: ")
    files["torn"].path.unlink()
    fleet, plans, refused = run(status=0)
    assert not refused and not [p for p in plans.values() if p["steps"]], plans
    assert "Name one of the fleet" in cli("optimize", "--backup", folder.path / "b", "-c", conf, "tenants").err


def test_a_fleet_interrupted_ends_after_the_file(sqlite, folder, own):
    (folder.path / "files").mkdir()
    files = [sqlite(f"files/{n}.db", SCRIPT) for n in "ab"]
    conf = folder.path / "d.conf"
    conf.write_text(f"[database tenants]\ndsn = sqlite:{folder.path}/files/*.db\n")
    reader = files[0].writer("BEGIN;SELECT count(*) FROM a")  # VACUUM cannot begin while it reads
    before = files[1].digest()
    run = own(Running(files[0], "--timeout", "10min", "-c", str(conf), target="tenants"))
    run.wait(b": vacuum, ")
    status, out = run.end(signal.SIGINT)
    assert status == 1 and "stopped; nothing was changed" in out and "stopped before 1 more" in out.replace("\n          ", " "), out
    assert files[1].digest() == before
    files[0].end_writer(reader)
