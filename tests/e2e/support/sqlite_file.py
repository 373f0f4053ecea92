"""A SQLite database file of a test: planting, damaging, locking, and proof that it is untouched."""
import contextlib
import hashlib
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys

from .base import as_user, die_with, end, give


class SqliteFile:
    def __init__(self, path, script=None, user=None):
        self.path = pathlib.Path(path)
        self.user = user
        self._writers = []
        if script is not None:
            self.sql(script)
            give(self.path, user)

    @property
    def dsn(self):
        return f"sqlite:{self.path}"

    def connect(self, **more):
        return sqlite3.connect(self.path, isolation_level=None, **{"timeout": 5, **more})

    def sql(self, script, *params):
        """One statement with params gives rows; a script without gives its last nothing."""
        with contextlib.closing(self.connect()) as db:
            if params or script.lstrip().upper().startswith(("SELECT", "PRAGMA")) \
                    and ";" not in script.rstrip().rstrip(";"):
                return db.execute(script, params).fetchall()
            db.executescript(script)
            return []

    # ---- damage ----
    @property
    def page_size(self):
        size = int.from_bytes(self.path.read_bytes()[16:18], "big")
        return 65536 if size == 1 else size

    def root_page(self, name):
        return self.sql("SELECT rootpage FROM sqlite_schema WHERE name = ?", name)[0][0]

    def overwrite(self, offset, data):
        with open(self.path, "r+b") as f:
            f.seek(offset)
            f.write(data)

    def damage_page(self, number, start=8, length=64):
        """Overwrites bytes of page number (from 1) with what no b-tree holds."""
        self.overwrite((number - 1) * self.page_size + start, b"\xa5" * length)

    def truncate(self, size):
        os.truncate(self.path, size)

    # ---- locks and journals ----
    @contextlib.contextmanager
    def exclusive_lock(self):
        """Another process holds an exclusive lock (POSIX locks are per process)."""
        writer = self.writer("BEGIN EXCLUSIVE")
        try:
            yield writer
        finally:
            self.end_writer(writer)

    def writer(self, script, user=None):
        """A process that ran script on this file and keeps its connection open until ended."""
        code = ("import sqlite3,sys\n"
                "db=sqlite3.connect(sys.argv[1],isolation_level=None,timeout=5)\n"
                "for s in sys.argv[2].split(';'):\n"
                "    db.execute(s).fetchall()\n"
                "print('ready',flush=True)\n"
                "sys.stdin.read()\n")
        process = subprocess.Popen([sys.executable, "-c", code, str(self.path), script],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/",
                                   preexec_fn=die_with(signal.SIGKILL),
                                   **as_user(user or self.user))
        self._writers.append(process)
        line = process.stdout.readline()
        assert line == "ready\n", f"writer said {line!r}"
        return process

    def end_writer(self, process, sig=signal.SIGKILL):
        end(process, sig)
        process.stdin.close()
        process.stdout.close()
        if process in self._writers:
            self._writers.remove(process)

    def hot_journal(self):
        """A writer is killed after its pages went to the file: a journal that must roll back."""
        self.sql("CREATE TABLE IF NOT EXISTS journal_filler(a, b)")
        writer = self.writer(
            "PRAGMA cache_size=2;PRAGMA cache_spill=2;BEGIN IMMEDIATE;"
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2000) "
            "INSERT INTO journal_filler SELECT i, hex(randomblob(100)) FROM n")
        self.end_writer(writer)
        assert pathlib.Path(f"{self.path}-journal").stat().st_size > 512

    # ---- proof ----
    def digest(self):
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def neighbours(self):
        """Names of files beside it that begin with its name, but not itself."""
        return sorted(p.name for p in self.path.parent.glob(self.path.name + "?*"))

    def remove(self):
        for process in list(self._writers):
            self.end_writer(process)
