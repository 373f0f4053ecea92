"""kill -9 at each step of an archive: no row is lost, none is at two places once the next run is through."""
import contextlib
import json
import os
import sqlite3

import pytest

from support.base import BUILD, wait_until
from support.kill_steps import KillSteps
from test_archive import EVENTS, csv_rows, lite, pair, pg, place  # noqa: F401

LITE = """
CREATE TABLE events (id INTEGER PRIMARY KEY, at, v);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)
INSERT INTO events SELECT i, CASE WHEN i <= 9 THEN '2001-01-01' ELSE '2999-01-01' END, 'v' || i FROM n;
"""
ALL = os.environ.get("KILL_ALL") == "1"
WAYS = ["pg table", "pg database", "pg file", "pg csv", "lite table", "lite file", "lite csv"]
SOME = ["pg database", "lite csv"]


class Ends:
    """Both ends of one way, before and after."""

    def __init__(self, way, place, request):  # noqa: F811
        self.source, self.to = way.split()
        self.place, self.folder = place, place.folder.path
        self.ask = request.getfixturevalue(self.source)
        place.add(batch=4, to={"table": "table old_events", "database": "database other events",
                               "file": f"sqlite:{self.folder}/old.db events", "csv": f"csv:{self.folder}/csv"}[self.to])

    def prepare(self):
        for path in [*self.folder.glob("old.db*"), *self.folder.glob("csv/*"), *self.folder.glob("csv/.*.partial"),
                     *self.folder.glob("app's.db*")]:
            path.unlink()
        if self.source == "lite":
            self.ask(LITE)
            return
        # The server may still be at work for a run that was killed.
        wait_until(lambda: self.ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dbhealth'") == [(0,)],
                   30, "the sessions of the killed run end")
        for b in (False, True):
            self.ask("DROP TABLE IF EXISTS events, old_events, dbhealth_archives", b=b)
        self.ask(EVENTS.format(old=9, all=12))

    def here(self):
        return self.ask("SELECT id, v FROM events ORDER BY id")

    def there(self):
        if self.to == "csv":
            return sorted((int(r["id"]), r["v"]) for r in csv_rows(self.folder / "csv"))
        if self.to == "file":
            if not (self.folder / "old.db").exists():
                return []
            with contextlib.closing(sqlite3.connect(self.folder / "old.db")) as db:
                made = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchall()
                return db.execute("SELECT id, v FROM events ORDER BY id").fetchall() if made else []
        table, b = ("old_events", {}) if self.to == "table" else ("events", {"b": True})
        if self.source == "lite":
            made = self.ask("SELECT 1 FROM sqlite_master WHERE name = ?", table)
        else:
            made = self.ask("SELECT 1 FROM pg_class WHERE relname = %s", table, **b)
        return self.ask(f"SELECT id, v FROM {table} ORDER BY id", **b) if made else []


def files_there(ends):
    """What the folder's journals count on after the kill; more may lie there."""
    rows = []
    for journal in sorted((ends.folder / "csv").glob("old-*.json")):
        said = json.loads(journal.read_text())
        if said["state"] != "writing":
            rows += (ends.folder / "csv" / said["file"]).read_text().splitlines()[1:]
    return {int(r.split(",")[0]) for r in rows}


@pytest.mark.parametrize("way", WAYS if ALL else SOME)
def test_killed_at_each_step(way, place, request):  # noqa: F811
    ends = Ends(way, place, request)
    steps = KillSteps(place.folder, [BUILD / "dbhealth", "archive", "-c", place.path, "-o", "json", "old"])
    killed = 0
    every = [(i, f"v{i}") for i in range(1, 13)]
    for step in steps.walk(prepare=ends.prepare, sample=3):
        killed += step.killed
        there = files_there(ends) if ends.to == "csv" else {r[0] for r in ends.there()}
        assert {r[0] for r in ends.here()} | there == set(range(1, 13)), step
        # A server gives the lock of the killed run back when it notices.
        wait_until(lambda: place._cli("archive", "-c", place.path, "-o", "json", "old").status == 0, 30,  # noqa: SLF001
                   "the next run completes")
        assert ends.here() == every[9:], step
        assert ends.there() == every[:9], step
        assert place.archive()["copied"] == 0
    assert killed  # a step behind the end kills nobody: the server's packets differ from run to run
