"""What happens to the file of a running application: replaced, deleted, closed to us, moved to a full disk,
locked for long.  Each is told as one finding, by one entry, over many looks, and its end by another."""
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from proof import proves
from proof_sqlite import look, run
from support import Cli, hold_for, sanitized, wait_until
from support.base import die_with, end

LOOK = "3s" if sanitized() else "1s"
EACH = {f"{probe}_interval": LOOK for probe in ("connectivity", "performance", "schema", "integrity")}
SCRIPT = "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT NOT NULL); INSERT INTO t(a) VALUES ('x'), ('y')"
LOOKS_S = 6  # the fault stays for so many looks
SOON = {f"check {c}": {"interval": "1s", "for": "1s"} for c in ("sqlite-locked", "sqlite-replaced-file", "disk-space-low")}
MAY_PASS = ("sqlite-locked",)  # until its finding opens nobody else tells that checks cannot answer
OPENED, RESOLVED, CHANGES = ("01", "04"), ("03", "05"), ("01", "02", "03", "04", "05")


def told(d, name, *kinds):
    return [(e.get("DBHEALTH_CHECK"), e["MESSAGE_ID"][-2:]) for e in d.transitions(*kinds, database=name)]


def happens_once(d, cases):
    """All faults at once, each on a file of its own; cases: (database, check, does, undoes)."""
    for name, *_ in cases:  # what a first look finds is told as a whole
        wait_until(lambda n=name: d.transitions("09", database=n), 60 * d.slack, lambda n=name: f"{n} is looked at first: {d.log_tail(3)}")
    for _, _, does, _ in cases:
        does()
    for name, check, _, _ in cases:
        d.wait_finding(check, database=name, within=40)
    alone = {name: [check] for name, check, _, _ in cases}

    def stay():
        return {n: [f["check"] for f in d.findings(database=n)] for n in alone} == alone

    hold_for(LOOKS_S, stay, lambda: f"one finding each: {d.findings()}")
    for name, check, _, _ in cases:
        wait_until(lambda n=name: told(d, n, *CHANGES), 10 * d.slack, lambda n=name: f"{n} is told: {d.log_tail(3)}")
        assert [c for c, kind in told(d, name, *CHANGES) if kind in OPENED] == [check], told(d, name)
    for _, _, _, undoes in cases:
        undoes()
    for name, check, _, _ in cases:
        d.wait_gone(check, database=name, within=40)
        wait_until(lambda n=name: d.get(f"/v1/databases/{n}")["status"] == "ok", 30 * d.slack,
                   lambda n=name: f"{n} is well again: {d.database(n)}")
        wait_until(lambda n=name: len(told(d, n, *CHANGES)) == 2, 10 * d.slack, lambda n=name: f"its end is told: {told(d, n)}")
    hold_for(2, lambda: not d.findings(), lambda: f"all is well: {d.findings()}")
    for name, check, _, _ in cases:
        (first, opened), (last, resolved) = told(d, name, *CHANGES)
        assert (first, last) == (check, check) and opened in OPENED and resolved in RESOLVED, told(d, name)
        if check not in MAY_PASS:
            assert not d.transitions("06", database=name), d.transitions("06", database=name)


class Disk:
    """A file system of 4 MB that only those within see; from outside it is reached by /proc."""

    def __init__(self, folder, own):
        self.mount = folder.sub("disk")
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
             'mount -t tmpfs -o size=4m tmpfs "$1"; echo ready; exec cat', "sh", str(self.mount)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=die_with(signal.SIGKILL))
        own(self)
        if self.holder.stdout.readline() != "ready\n":
            pytest.skip("no right to mount here")
        self.inside = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt"]
        self.seen = pathlib.Path(f"/proc/{self.holder.pid}/root{self.mount}")

    def remove(self):
        end(self.holder)
        self.holder.stdin.close()
        self.holder.stdout.close()

    def fill(self):
        (self.seen / "filler").write_bytes(bytes(os.statvfs(self.seen).f_bavail * 4096 - (64 << 10)))

    def free(self):
        (self.seen / "filler").unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="a file system of its own needs root")
def test_each_is_told_once(folder, sqlite, daemon, own):
    disk = Disk(folder, own)
    files = {name: sqlite(f"{name}.db", SCRIPT) for name in ("replaced", "deleted", "moved", "locked")}
    d = daemon(databases={n: f.dsn for n, f in files.items()}, defaults={**EACH, "timeout": "4s"}, sections=SOON, prefix=disk.inside)
    path = {n: f.path for n, f in files.items()}
    kept, held = folder.path / "kept.db", {}

    def replace():
        held["app"] = files["replaced"].writer("INSERT INTO t(a) VALUES ('z')")
        shutil.copy(path["replaced"], f"{path['replaced']}.new")
        pathlib.Path(f"{path['replaced']}.new").rename(path["replaced"])

    def move():
        shutil.copy(path["moved"], disk.seen / "moved.db")
        disk.fill()
        path["moved"].unlink()
        path["moved"].symlink_to(disk.mount / "moved.db")

    def lock():
        held["locker"] = files["locked"].writer("BEGIN EXCLUSIVE;INSERT INTO t(a) VALUES ('z')")

    happens_once(d, [
        ("replaced", "sqlite-replaced-file", replace, lambda: files["replaced"].end_writer(held["app"])),
        ("deleted", "conn-up", lambda: path["deleted"].rename(kept), lambda: kept.rename(path["deleted"])),
        ("moved", "disk-space-low", move, disk.free),
        ("locked", "sqlite-locked", lock, lambda: files["locked"].end_writer(held["locker"])),
    ])
    assert files["locked"].sql("SELECT count(*) FROM t") == [(2,)]  # its application rolls back


def hot(path):
    """What an application that was killed in the middle of a commit leaves."""
    left = f"{path}.left"
    shutil.copy(path, left)
    db = sqlite3.connect(left, isolation_level=None)
    db.executescript("PRAGMA journal_mode=delete; PRAGMA cache_spill=1; PRAGMA cache_size=1; BEGIN;"
                     "UPDATE t SET a = 'w';"
                     "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t(a) SELECT hex(randomblob(200)) FROM n")
    shutil.copy(f"{left}-journal", f"{path}-journal")
    shutil.copy(left, path)
    db.close()


def test_a_file_that_cannot_be_opened_is_told_once(sqlite, daemon):
    """What cannot answer for that stays unknown and is not told beside its cause."""
    files = {name: sqlite(f"{name}.db", SCRIPT) for name in ("gone", "noise", "killed")}
    databases = {n: f.dsn for n, f in files.items()}
    d = daemon(databases=databases, defaults={**EACH, "integrity_interval": "1h"})  # asked at once all the same
    path = {n: f.path for n, f in files.items()}
    whole, kept = path["noise"].read_bytes(), path["gone"].with_name("kept.db")

    def recover():
        assert files["killed"].sql("SELECT count(*) FROM t") == [(2,)]  # its application rolls back
        d.configure(databases=databases, defaults=EACH)  # an end is told after more than one look
        d.reload()
    happens_once(d, [
        ("gone", "conn-up", lambda: path["gone"].rename(kept), lambda: kept.rename(path["gone"])),
        ("noise", "sqlite-not-a-database", lambda: path["noise"].write_bytes(b"no" * 4096), lambda: path["noise"].write_bytes(whole)),
        ("killed", "sqlite-hot-journal", lambda: hot(path["killed"]), recover),
    ])


@pytest.mark.skipif(os.geteuid() != 0, reason="two users need root")
def test_closed_to_us_is_told_once(folder, sqlite, daemon):
    folder.sub("theirs", user="nobody")
    f = sqlite("theirs/app.db", SCRIPT, user="nobody")
    d = daemon(databases={"app": f.dsn}, defaults=EACH, user="nobody")
    happens_once(d, [("app", "conn-up", lambda: f.path.chmod(0), lambda: f.path.chmod(0o644))])


def asked_once(folder, f):
    begun = time.monotonic()
    answer = Cli(folder, "check", f.dsn, "-o", "json")
    assert [x["check"] for x in answer.json["findings"]] == ["sqlite-locked"], answer
    return time.monotonic() - begun


@proves("sqlite-locked", engine="sqlite")
@pytest.mark.parametrize("keeps", ["BEGIN EXCLUSIVE", "PRAGMA locking_mode=EXCLUSIVE;UPDATE t SET a = 'z'",
                                   "PRAGMA journal_mode=WAL;PRAGMA locking_mode=EXCLUSIVE;UPDATE t SET a = 'z';SELECT * FROM t"],
                         ids=["transaction", "kept", "kept log"])
def test_who_keeps_everybody_out_is_named(folder, sqlite, keeps):
    f = sqlite("it's app.db", SCRIPT)
    keeper = f.writer(keeps)
    found = look(folder, f.dsn, "sqlite-locked")
    assert found[""]["severity"] == "warning" and found[""]["value"] == 1, found
    assert f": pid {keeper.pid} (python3" in found[""]["message"] and found[""]["message"].endswith(" holds the lock"), found
    assert str(f.path) in run(found[""]["remedies"][0], f.path)
    # The whole look waits for the lock once, not at each probe (six times two seconds).
    assert any(asked_once(folder, f) < 9 * (3 if sanitized() else 1) for _ in range(2))
    f.end_writer(keeper)
    assert look(folder, f.dsn, "sqlite-locked") == {}
    for passing in ("BEGIN;SELECT * FROM t", "BEGIN IMMEDIATE;UPDATE t SET a = 'w'"):
        app = f.writer(passing)
        assert look(folder, f.dsn, "sqlite-locked") == {}
        f.end_writer(app)
