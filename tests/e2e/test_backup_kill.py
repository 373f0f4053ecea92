"""kill -9 at each step of create, restore and prune, of both engines: what has a name is whole, nothing is
lost, a second run does what the first one was to do and clears away what it left.

`make backup-kills` takes all steps; here a sample of them.
"""
import contextlib
import hashlib
import json
import os
import shutil
import sqlite3

import pytest

from support import BUILD, Cli, KillSteps, SqliteFile, sanitized, wait_until

SCRIPT = """CREATE TABLE item (id integer PRIMARY KEY, name text);
INSERT INTO item VALUES (1, 'one'), (2, 'two'), (3, 'three');"""
SAMPLE = 6


class Here:
    """A database and the folder of its backups."""

    def __init__(self, folder, engine, cluster=None):
        self.folder, self.cluster = folder, cluster
        self.root = folder.path / "backups"
        self.home = {"HOME": str(folder.path)}
        if engine == "sqlite":
            self.file = SqliteFile(folder.path / "app.db", SCRIPT)
            self.dsn, self.name = self.file.dsn, "app.db"
            self.scratch = ["--scratch", folder.sub("scratch")]
        else:
            cluster.createdb("app")
            cluster.script(SCRIPT, dbname="app")
            self.dsn, self.name = cluster.dsn("app", user="postgres"), "app"
            self.scratch = ["--scratch", cluster.dsn("postgres", user="postgres")]

    def argv(self, action, *more):
        return [BUILD / "dbhealth", "backup", action, "-o", "json", *more]

    def cli(self, action, *more):
        return Cli(self.folder, *self.argv(action, *more)[1:], env=self.home)

    def steps(self, action, *more):
        return KillSteps(self.folder, self.argv(action, *more), where=f" backup {action} ", env=self.home)

    def create(self):
        made = self.cli("create", "--to", self.root, self.dsn)
        assert made.status == 0, made
        return made.json

    def listed(self):
        if not os.path.exists(self.root):  # killed before it was made
            return {"backups": [], "unfinished": []}
        answer = self.cli("list", "--from", self.root, self.name)
        assert answer.status == 0, answer
        return answer.json

    def prove(self, stamp=None, deep=False):
        """That one is what it says: by its checksums, or restored."""
        how = self.scratch if deep else ["--checksums"]
        answer = self.cli("verify", "--from", self.root, *how, self.name, *([stamp] if stamp else []))
        assert answer.status == 0 and answer.json["ok"], answer

    def stamps(self):
        """Those that are told as good are good."""
        good = [b["stamp"] for b in self.listed()["backups"] if b["good"]]
        for stamp in good:
            self.prove(stamp)
        return good

    def hidden(self):
        """What is under way, or left over."""
        place = self.root / self.name
        return sorted(p.name for p in place.glob(".*.*")) if place.is_dir() else []

    def clear(self):
        shutil.rmtree(self.root, ignore_errors=True)


@pytest.fixture
def here(request, folder):
    if request.param == "sqlite":
        yield Here(folder, "sqlite")
        return
    made = Here(folder, "postgresql", request.getfixturevalue("module_cluster"))
    yield made
    drop_all(made)
    made.cluster.sql("DROP DATABASE app WITH (FORCE)")


both = pytest.mark.parametrize("here", ["sqlite", "postgresql"], indirect=True)


def sample(here, number=SAMPLE):
    """Fewer where a step takes seconds: one before it has its name, and one after."""
    return number if here.cluster is None else 3


def free_again(here):
    """Who died holds nothing: what it started is told to end too, and ends."""
    wait_until(lambda: not here.cluster or not here.cluster.one(
        "SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"), 60, "the sessions of the killed command end")


@both
def test_create(here):
    seen = set()
    steps = here.steps("create", "--to", here.root, here.dsn)
    for step in steps.walk(here.clear, sample(here)):
        before = here.stamps()
        left = here.hidden()
        assert len(before) <= 1, step
        seen.add((bool(before), bool(left)))
        for pid in steps.left_running():  # a dump whose parent died was told to end
            wait_until(lambda p=pid: p not in steps.left_running(), 60, "what it started ends")
        here.create()
        now = here.stamps()
        assert set(before) < set(now), step
        assert here.hidden() == [".lock"] * (".lock" in here.hidden()), (step, here.hidden())
        assert here.listed()["unfinished"] == [], step
    here.prove(deep=True)
    # it was killed before it had its name, with something to clear away, and after
    assert {(False, True), (True, False)} <= seen or here.cluster or sanitized(), seen


def restored_rows(here, to):
    """None: there is no such database."""
    if here.cluster is None:
        path = to.removeprefix("sqlite:")
        if not os.path.exists(path):
            return None
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    else:
        if not here.cluster.one("SELECT count(*) FROM pg_database WHERE datname = 'back'"):
            return None
        db = here.cluster.session("back")
    try:
        cursor = db.cursor()
        cursor.execute("SELECT count(*) FROM item")
        return cursor.fetchone()[0]
    finally:
        db.close()


def scratch_databases(here):
    """What no person made."""
    if here.cluster is None:
        return sorted(p.name for p in here.folder.path.glob("back.db?*"))
    return [r[0] for r in here.cluster.sql(
        "SELECT datname FROM pg_database WHERE datname NOT IN"
        " ('postgres', 'template0', 'template1', 'app', 'back')")]


def drop_all(here):
    if here.cluster is None:
        for path in here.folder.path.glob("back.db*"):
            path.unlink()
        return
    free_again(here)
    for name in ["back", *scratch_databases(here)]:
        here.cluster.sql(f'DROP DATABASE IF EXISTS "{name}"')


@both
def test_restore(here):
    """To a new name: it is not there, or it is all there."""
    here.create()
    to = f"sqlite:{here.folder.path}/back.db" if here.cluster is None \
        else here.cluster.dsn("back", user="postgres")
    seen = set()
    steps = here.steps("restore", "--from", here.root, "--to", to, here.name)
    for step in steps.walk(lambda: drop_all(here), sample(here)):
        rows = restored_rows(here, to)
        assert rows in (None, 3), step
        seen.add(rows)
        free_again(here)
        steps.end_left_running()
        again = here.cli("restore", "--from", here.root, "--to", to, here.name)
        if rows is None:
            assert again.status == 0 and again.json["ok"], (step, again)
        else:
            assert again.status == 1 and "back" in again.json["message"], (step, again)
        assert restored_rows(here, to) == 3, step
        if rows is None:
            assert scratch_databases(here) == [], (step, again)
    assert seen == {None, 3} or sanitized(), seen


def what_is(file):
    """Rows of each table, of a database that is whole."""
    with contextlib.closing(sqlite3.connect(file)) as db:
        tables = {r[0] for r in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], file
        return {t: db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables}


def kept_aside(path):
    return [what_is(p) for p in path.parent.glob(path.name + ".before-*")
            if not p.name.endswith(("-wal", "-shm", "-journal"))]


@pytest.mark.parametrize("here", ["sqlite"], indirect=True)
@pytest.mark.parametrize("log", [False, True], ids=["journal", "log"])
def test_restore_over(here, log):
    """Over one that is there: what it held is there or aside at every moment, with all that was committed,
    and no log or journal of it is taken for the new one's."""
    here.create()
    path = here.folder.path / "back.db"

    def prepare():
        drop_all(here)
        old = SqliteFile(path, "CREATE TABLE old (n); INSERT INTO old VALUES (1);")
        if log:
            old.end_writer(old.writer("PRAGMA journal_mode = WAL;PRAGMA wal_autocheckpoint = 0;"
                                      "INSERT INTO old VALUES (2)"))
        else:
            old.sql("INSERT INTO old VALUES (2)")

    steps = here.steps("restore", "--from", here.root, "--yes", "--to", f"sqlite:{path}", here.name)
    seen = []
    for step in steps.walk(prepare, SAMPLE):
        now = what_is(path)
        assert now in ({"old": 2}, {"item": 3}), (step, now)
        if now == {"item": 3}:
            assert kept_aside(path) == [{"old": 2}], step
        seen.append(now)
        again = here.cli("restore", "--from", here.root, "--yes", "--to", f"sqlite:{path}", here.name)
        assert again.status == 0 and again.json["aside"], (step, again)
        assert what_is(path) == {"item": 3}, step
        assert {"old": 2} in kept_aside(path), step
        assert not list(path.parent.glob("back.db.dbhealth-*")), step
    assert {"old": 2} in seen and {"item": 3} in seen or sanitized(), seen


@pytest.mark.parametrize("here", ["sqlite"], indirect=True)
def test_prune(here):
    """What is to stay stays, and what is told as good is good, whatever was half removed."""
    here.create()
    first, = here.stamps()
    place = here.root / here.name

    def prepare():
        for old in place.iterdir():
            if old.name not in (first, ".lock"):
                shutil.rmtree(old)
        for day in (1, 2):
            stamp = f"2020010{day}T000000Z"
            shutil.copytree(place / first, place / stamp)
            rename_inside(place / stamp, stamp)

    steps = here.steps("prune", "--yes", "--from", here.root, "--keep", "1", here.name)
    left = set()
    for step in steps.walk(prepare, SAMPLE):
        good = here.stamps()
        assert first in good, step
        left.add(len(good))
        again = here.cli("prune", "--yes", "--from", here.root, "--keep", "1", here.name)
        assert again.status == 0, (step, again)
        assert here.stamps() == [first], step
        assert [p for p in here.hidden() if p != ".lock"] == [], (step, here.hidden())
    assert len(left) > 1 or sanitized(), left


def rename_inside(path, stamp):
    """A backup under another stamp, sealed anew."""
    file = path / "manifest.json"
    manifest = json.loads(file.read_text())
    del manifest["checksum"]
    manifest["stamp"] = stamp
    sealed = json.dumps(manifest, separators=(",", ":"), sort_keys=True).encode()
    file.write_text(json.dumps({**manifest, "checksum": hashlib.sha256(sealed).hexdigest()}))
    (path / "verified.json").unlink(missing_ok=True)


@pytest.mark.parametrize("here", ["sqlite", pytest.param("postgresql", marks=pytest.mark.skipif(
    os.environ.get("KILL_ALL") != "1", reason="seconds a step: make backup-kills"))], indirect=True)
def test_verify(here):
    """A killed verification proves nothing, and its copy is gone after the next one."""
    here.create()
    place = here.root / here.name

    def prepare():
        for proof in place.glob("*/verified.json"):
            proof.unlink()

    steps = here.steps("verify", "--from", here.root, *here.scratch, here.name)
    for step in steps.walk(prepare, sample(here, 3)):
        newest = here.listed()["backups"][0]
        assert newest["good"] and (newest["verified"] or {}).get("depth") in (None, "no", "restored"), \
            (step, newest)
        free_again(here)
        steps.end_left_running()
        here.prove(deep=True)
        if here.cluster is None:
            assert list((here.folder.path / "scratch").iterdir()) == [], step
        else:
            assert scratch_databases(here) == [], step
