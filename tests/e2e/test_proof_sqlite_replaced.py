"""A file replaced, moved away or deleted under the processes that have it open: found with who it is, what they
have can be saved, look-alikes are not found."""
import os
import pathlib
import shutil
import sqlite3

import pytest

from proof import proves
from proof_sqlite import look, report, run
from test_proof_sqlite_file import ROOT, SCRIPT, severities


def replace(f):
    """A restore by rename, as if nobody had the file open; the log goes with the old one."""
    new = f.path.with_name("restored.db")
    shutil.copy(f.path, new)
    for name in f.neighbours():
        f.path.with_name(name).unlink()
    new.rename(f.path)


def move_away(f):
    """The old file keeps a name, its log the old one."""
    f.path.rename(f.path.with_name("kept.db"))
    shutil.copy(f.path.with_name("kept.db"), f.path)


FAULTS = {
    "replaced, wal": ("wal", replace, "has the deleted file open"),
    "replaced, delete": ("delete", replace, "has the deleted file open"),
    "deleted": ("delete", lambda f: f.path.unlink(), "has the deleted file open"),
    "deleted, wal": ("wal", lambda f: f.path.unlink(), "has the deleted file open"),
    "moved, wal": ("wal", move_away, "has its log open, but not this file"),
}


@proves("sqlite-replaced-file", engine="sqlite")
@pytest.mark.parametrize("name", FAULTS)
def test_replaced_under_a_process(folder, sqlite, name):
    mode, change, words = FAULTS[name]
    f = sqlite(f"{folder.path.name} app's.db", SCRIPT)
    f.sql(f"PRAGMA journal_mode = {mode}")
    bystander = sqlite("other.db", SCRIPT)
    bystander.writer("PRAGMA journal_mode=wal;UPDATE t SET b = 1")
    app = f.writer("PRAGMA wal_autocheckpoint=0;INSERT INTO t VALUES (7777, 'x', 1, NULL)")
    assert look(folder, f.dsn, "sqlite-replaced-file") == {}
    change(f)
    found = look(folder, f.dsn, "sqlite-replaced-file")
    assert severities(found) == {"": "critical"} and found[""]["value"] == 1, found
    assert f"pid {app.pid} (python3" in found[""]["message"] and words in found[""]["message"], found
    saves = [r for r in found[""]["remedies"] if r["kind"] == "command"]
    assert bool(saves) == (words != FAULTS["moved, wal"][2])
    made = pathlib.Path("/var/tmp", f"rescued-{f.path.name}")
    try:
        for save in saves:
            run(save, f.path)
            with sqlite3.connect(made / f.path.name) as db:
                assert db.execute("SELECT a FROM t WHERE id = 7777").fetchall() == [("x",)]
    finally:
        shutil.rmtree(made, ignore_errors=True)
    assert any(r["kind"] == "manual" and str(app.pid) in r["text"] or "unit" in r["text"] for r in found[""]["remedies"])
    f.end_writer(app)  # "restart what still uses it"
    assert look(folder, f.dsn, "sqlite-replaced-file") == {}


@pytest.mark.parametrize("case", ["while it was stopped", "reopened", "other names", "vacuum"])
def test_not_replaced(folder, sqlite, case):
    f = sqlite("app.db", SCRIPT)
    f.sql("PRAGMA journal_mode = wal")
    path = f.path
    if case == "while it was stopped":
        replace(f)
        f.writer("UPDATE t SET b = 1")
    elif case == "reopened":
        f.end_writer(f.writer("UPDATE t SET b = 1"))
        replace(f)
        f.writer("UPDATE t SET b = 2")
    elif case == "other names":
        link, hard = folder.path / "link.db", folder.path / "hard.db"
        link.symlink_to(path)
        os.link(path, hard)
        sqlite("link.db").writer("UPDATE t SET b = 1")
        path = link
    else:
        f.writer("UPDATE t SET b = 1;VACUUM")
    assert look(folder, f"sqlite:{path}", "sqlite-replaced-file") == {}


@proves("sqlite-mmap-hazard", engine="sqlite")
def test_mapped_file(folder, sqlite):
    f = sqlite("it's app.db", SCRIPT)
    f.sql("PRAGMA journal_mode = wal")
    keys = {"enable": "sqlite-mmap-hazard"}
    f.writer("SELECT count(*) FROM t")
    assert look(folder, f.dsn, "sqlite-mmap-hazard", keys=keys) == {}
    app = f.writer("PRAGMA mmap_size=100000000;SELECT count(*) FROM t")
    found = look(folder, f.dsn, "sqlite-mmap-hazard", keys=keys)
    assert severities(found) == {"": "info"} and f"pid {app.pid} (python3" in found[""]["message"], found
    f.end_writer(app)
    assert look(folder, f.dsn, "sqlite-mmap-hazard", keys=keys) == {}


@pytest.mark.skipif(not ROOT, reason="two users need root")
def test_what_cannot_be_seen_is_not_covered(folder, sqlite):
    """Another user's processes are closed to us: said so, with what would open them, and never a verdict."""
    folder.sub("theirs", user="postgres")
    f = sqlite("theirs/app.db", SCRIPT, user="postgres")
    app = f.writer("UPDATE t SET b = 1")
    replace(f)
    f.path.chmod(0o644)
    answer = report(folder, f.dsn, "sqlite-replaced-file", user="nobody")
    assert answer["findings"] == [] and answer["unknown"] == [], answer
    assert "CAP_SYS_PTRACE" in str([x for x in answer["not_covered"] if x["check"] == "sqlite-replaced-file"]), answer["not_covered"]
    assert severities(look(folder, f.dsn, "sqlite-replaced-file")) == {"": "critical"}
    f.end_writer(app)
