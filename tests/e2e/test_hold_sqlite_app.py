"""Applications of another user go on writing while their SQLite files are watched: no write fails, no
foreign file appears, and files made to harm the reader are an honest answer in time."""
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from support import as_user, wait_until
from support.base import die_with, end
from support.hold import FAST

SCRIPT = "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT); CREATE INDEX ta ON t(a); INSERT INTO t(a) VALUES ('x'), ('y')"
# Writes without a pause, opening anew each few writes; a failure is told and ends it.
APPLICATION = """
import sqlite3, sys, time
path, wait = sys.argv[1], float(sys.argv[2])
n = 0
print("ready", flush=True)
while True:
    db = sqlite3.connect(path, isolation_level=None, timeout=wait)
    for i in range(40):
        n += 1
        try:
            db.execute("INSERT INTO t(a) VALUES (hex(randomblob(50)))")
            if i % 10 == 9:
                db.execute("DELETE FROM t WHERE id % 3 = 0")
        except sqlite3.Error as e:
            print(f"write {n}: {e}", flush=True)
            sys.exit(1)
    db.close()
    time.sleep(0.005)
"""


@pytest.mark.parametrize("mode, wait", [("wal", 0), ("delete", 2), ("truncate", 2)])
def test_no_write_of_another_user_fails(folder, sqlite, daemon, mode, wait):
    """WAL: not even one that waits for nobody; rollback journal: one that waits 2 s at most."""
    if os.geteuid() != 0:
        pytest.skip("two users need root")
    shared = folder.sub("shared", user="postgres", mode=0o777)  # we could create files there
    app = sqlite("shared/app.db", f"PRAGMA journal_mode = {mode};" + SCRIPT, user="postgres")
    for name in app.neighbours():
        (shared / name).unlink()
    app.path.chmod(0o644)
    writer = subprocess.Popen([sys.executable, "-c", APPLICATION, str(app.path), str(wait)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, cwd="/", preexec_fn=die_with(signal.SIGKILL), **as_user("postgres"))
    try:
        assert writer.stdout.readline() == "ready\n"
        d = daemon(databases={"app": app.dsn}, defaults=FAST, user="nobody", wait="alive")
        owner, strangers = app.path.stat().st_uid, set()
        until = time.monotonic() + 4
        while time.monotonic() < until:
            for probe in ("connectivity", "schema", "integrity", "performance"):
                d.run("app", probe)
                for entry in os.scandir(shared):
                    try:
                        if entry.stat().st_uid != owner:
                            strangers.add(entry.name)
                    except FileNotFoundError:
                        pass
        assert writer.poll() is None, f"a write failed: {writer.stdout.read()}"
        assert not strangers, f"files of ours beside the database: {strangers}"
        false = [(f["check"], f["message"]) for f in d.findings(database="app", state="open") if f["severity"] == "critical"]
        assert not false, false
    finally:
        end(writer, signal.SIGKILL)
        writer.stdout.close()
    end_of = app.writer("INSERT INTO t(a) VALUES ('after')")
    app.end_writer(end_of)
    assert app.sql("PRAGMA integrity_check") == [("ok",)]


def loop_of_pages(f):
    """An interior page of a table names its own root as a child."""
    root = f.root_page("t")
    at = (root - 1) * f.page_size
    data = f.path.read_bytes()
    assert data[at] == 5
    f.overwrite(at + 8, root.to_bytes(4, "big"))


def loop_of_overflow(f):
    """A chain of overflow pages that never ends."""
    f.sql("INSERT INTO t VALUES (100000, hex(zeroblob(20000)))")
    chain = [n for n in range(2, f.path.stat().st_size // f.page_size + 1)
             if f.path.read_bytes()[(n - 1) * f.page_size + 4:n * f.page_size] == b"0" * (f.page_size - 4)]
    assert len(chain) > 10
    f.overwrite((chain[5] - 1) * f.page_size, chain[3].to_bytes(4, "big"))


def schema_loops(f):
    """The schema's own tree has its root as a child."""
    for i in range(60):
        f.sql(f"CREATE TABLE filler_{i}(a, b, c CHECK (c <> 'some long text so that the schema needs many pages'))")
    assert f.path.read_bytes()[100] == 5
    f.overwrite(100 + 8, (1).to_bytes(4, "big"))


def views_of_views(f):
    """Each view names the one below it twice: its columns cost 2^40 steps."""
    f.sql("CREATE VIEW v0 AS SELECT a FROM t;" + "".join(f"CREATE VIEW v{i} AS SELECT x.a FROM v{i - 1} x, v{i - 1} y;" for i in range(1, 40)))


def endless_view(f):
    """Rows without end behind a name that a table had."""
    f.sql("CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n")


@pytest.mark.parametrize("harm", [loop_of_pages, loop_of_overflow, schema_loops, views_of_views, endless_view], ids=lambda f: f.__name__)
def test_loops_end_in_time(sqlite, daemon, harm):
    f = sqlite("bad.db", """PRAGMA page_size = 1024; CREATE TABLE t(id INTEGER PRIMARY KEY, a);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, hex(i) FROM n""")
    harm(f)
    before, well = f.digest(), sqlite("well.db", SCRIPT + "; ANALYZE")
    d = daemon(databases={"bad": f.dsn, "well": well.dsn}, defaults={**FAST, "timeout": "300ms"}, wait="alive")
    start = time.monotonic()
    for probe in ("connectivity", "schema", "performance", "integrity"):
        d.run("bad", probe, wait="15s")
    assert time.monotonic() - start < 25 * d.slack
    bad = d.database("bad")
    if harm is not endless_view:  # nothing looks into it, so nothing is wrong
        told = [x for x in d.findings(database="bad") if x["severity"] != "info"]
        unknown = [c for c in bad["checks"] if c["status"] == "unknown" and c["reason"]]
        assert told or unknown, bad
        assert bad["status"] in ("critical", "warning", "unknown")
    d.run("well", "integrity", wait="20s")
    wait_until(lambda: d.database("well")["status"] == "ok", 10 * d.slack, lambda: f"well: {d.database('well')}")
    d.stop()
    assert f.digest() == before and f.neighbours() == []


def test_flipped_bytes_never_end_it(folder, sqlite, cli):
    """40 files with random bytes changed in header, schema, trees and journal: one command answers for
    all of them, touches none, and no worker crashes or hangs."""
    rng = random.Random(20240)
    seed = sqlite("seed.db", """PRAGMA page_size = 512; CREATE TABLE p(id INTEGER PRIMARY KEY, a TEXT UNIQUE);
        CREATE TABLE c(k TEXT, p REFERENCES p, b AS (length(k)), PRIMARY KEY (k, p)) WITHOUT ROWID; CREATE VIRTUAL TABLE f USING fts5(x);
        CREATE VIEW v AS SELECT * FROM c JOIN p ON p.id = c.p; CREATE INDEX cb ON c(b) WHERE b > 1;
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) INSERT INTO p SELECT i, hex(i) FROM n;
        INSERT INTO c SELECT a, id FROM p; INSERT INTO f SELECT a FROM p; DELETE FROM p WHERE id % 5 = 0; ANALYZE""")
    whole = seed.path.read_bytes()
    files = []
    for i in range(40):
        data = bytearray(whole)
        region = [100, 2048, len(data)][i % 3]
        for _ in range(rng.choice([1, 3, 30])):
            data[rng.randrange(16 if i % 2 else 0, region)] = rng.choice([0, 1, 0x7f, 0x80, 0xff, rng.randrange(256)])
        path = folder.path / f"f{i}.db"
        path.write_bytes(data)
        if i % 4 == 0:  # what lies beside it is as hostile
            path.with_name(path.name + ["-wal", "-journal"][i // 4 % 2]).write_bytes(rng.randbytes(3000))
        files.append((path, bytes(data)))
    start = time.monotonic()
    answer = cli("check", "-o", "json", "--timeout", "2s", "--budget", "40s", *(f"sqlite:{p}" for p, _ in files))
    assert time.monotonic() - start < 45 and answer.status == 2, answer
    report = answer.json
    crashes = [u for u in report["unknown"] if "crash" in u["reason"] or "signal" in u["reason"]]
    assert not crashes, crashes
    assert len(report["databases"]) == len(files)
    assert len({f["database"] for f in report["findings"]} | {u["database"] for u in report["unknown"]}) > 20
    for path, data in files:
        assert path.read_bytes() == data
    beside = {p.name for p in folder.path.iterdir() if p.name.startswith("f")}
    assert beside == {p.name for p, _ in files} | {
        f"f{i}.db" + ["-wal", "-journal"][i // 4 % 2] for i in range(0, 40, 4)}
