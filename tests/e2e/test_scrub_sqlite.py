"""SQLite files are verified table by table, so that no writer notices."""
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

from proof import proves
from support import SqliteFile, wait_until
from support.base import sanitized

TABLES = 2000


def many_tables():
    yield "PRAGMA foreign_keys = OFF"
    for i in range(TABLES):
        yield f"CREATE TABLE t{i} (id INTEGER PRIMARY KEY, up INTEGER REFERENCES t0, name TEXT CHECK (length(name) > 2))"
        yield f"INSERT INTO t{i} VALUES (1, 1, 'abc')"
    yield "INSERT INTO t1998 VALUES (2, 77, 'abc')"
    yield "PRAGMA ignore_check_constraints = ON"
    yield "INSERT INTO t1999 VALUES (2, 1, 'a')"


def test_two_thousand_tables_are_verified_in_one_look(cli, folder):
    db = SqliteFile(folder.path / "many.db", "BEGIN;" + ";".join(many_tables()).replace("BEGIN;", "") + ";COMMIT")
    slow = 4 if sanitized() else 1
    done = cli("check", "-o", "json", "--budget", f"{30 * slow}s", "--timeout", f"{5 * slow}s", db.dsn, timeout=60 * slow)
    out = done.json
    cut_short = [u for u in out["unknown"] if u["reason"] == "budget" or "time limit" in u["reason"]]
    assert not cut_short, cut_short
    found = {(f["check"], f["object"]) for f in out["findings"] if f["check"] in ("fk-orphan-rows", "check-violation")}
    assert found == {("fk-orphan-rows", "t1998.up"), ("check-violation", "t1999")}


# Commits one row after the other; the log starts over by itself about once in a thousand pages.
WRITER = """
import os, random, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
db.execute("PRAGMA synchronous = OFF")
print("ready", flush=True)
while True:
    while os.path.exists(sys.argv[2]):
        time.sleep(0.01)
    db.execute("UPDATE big SET at = ? WHERE id = ?", (random.random(), random.randrange(1, ROWS)))
""".replace("ROWS", "300000")
BIG = """
    PRAGMA journal_mode = WAL;
    CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT NOT NULL, at REAL);
    INSERT INTO big SELECT value, printf('name %d', value), 0 FROM generate_series(1, 300000);
    CREATE INDEX big_name ON big (name); CREATE INDEX big_name_at ON big (name, id);
    PRAGMA wal_checkpoint(TRUNCATE);
""".replace("generate_series(1, 300000)",
            "(WITH RECURSIVE g (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM g LIMIT 300000) SELECT value FROM g)")
MB = 1 << 20


class LogSize:
    """The largest size that a log is seen to have."""

    def __init__(self, db):
        self.path = f"{db.path}-wal"
        self.most = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def _look(self):
        while not self.over.wait(0.002):
            with contextlib.suppress(FileNotFoundError):
                self.most = max(self.most, os.stat(self.path).st_size)

    def end(self):
        self.over.set()
        self.thread.join()
        return self.most


def scrub(d):
    return d.check("it", "sqlite-integrity-check") or {}


def says(d, text):
    return text in (scrub(d).get("reason") or "")


def io_classes(d):
    """Of the processes that read files, as the kernel has them."""
    found = set()
    for pid in d.workers():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "dbh-sqlite":
                done = subprocess.run(["ionice", "-p", str(pid)], capture_output=True, text=True, check=False)
                found |= {done.stdout.strip()} if done.returncode == 0 else set()
    return found


def run_until(d, text):
    """Asked for, a look does not wait for the quietest hour."""
    def there():
        d.run("it", "integrity")
        return says(d, text)
    wait_until(there, 60 * d.slack, lambda: f"{text}: {scrub(d)}")


@proves("scrub-overdue", engine="sqlite")
def test_a_busy_log_stays_within_its_budget(daemon, folder):
    db = SqliteFile(folder.path / "it.db", BIG)
    pause = folder.path / "pause"
    budget = 8 * MB
    often = {f"check {c}": {"interval": "1s"} for c in ("sqlite-integrity-check", "scrub-overdue")}
    conf = {"dsn": db.dsn, "integrity_interval": "1s", "scrub_wal_budget": f"{budget}B", "scrub_full": "5s"}
    with subprocess.Popen([sys.executable, "-c", WRITER, db.path, pause], stdout=subprocess.PIPE) as writer:
        try:
            writer.stdout.readline()
            size = LogSize(db)
            time.sleep(1)
            reached = size.most
            d = daemon(databases={"it": conf}, sections=often)
            # First it gives way as soon as the log is longer than it gets by itself ...
            wait_until(lambda: says(d, "put off"), 30 * d.slack, lambda: f"it gives way: {scrub(d)}")
            assert says(d, "gave way to writers")
            gently = size.most
            assert io_classes(d) == {"idle"}
            # ... at the quietest hour only when it grew by the budget ...
            run_until(d, "put off: gave way")
            # ... and then it reads a copy, which writers need not wait for.
            pause.touch()
            wait_until(lambda: scrub(d)["coverage"]["verified"] == 1, 60 * d.slack, lambda: f"it is verified: {scrub(d)}")
            d.stop()
            assert not list(folder.path.glob("**/dbhealth-copy.*"))
            pause.unlink()

            d = daemon(databases={"it": {**conf, "copy_limit": "1MB"}}, sections=often)
            run_until(d, "no private copy: it has ")
            assert scrub(d)["status"] == "unknown" and says(d, "gave way to writers")
            found = d.wait_finding("scrub-overdue", "sqlite-integrity-check", within=60)
            assert re.search(r"the file \(gave way to writers .* no private copy: it has .* copy_limit is 1 MB", found["detail"]), found
            # A view that is given up late lets it grow on: nothing of it adds up.
            print(f"the log reached {reached} bytes alone, {gently} when given way to, {size.end()} within {budget} more")
            assert size.most <= max(reached, 4.2 * MB) + 3 * budget, (size.most, reached)
            assert gently <= max(reached, 4.2 * MB) + budget, (gently, reached)
        finally:
            writer.kill()
