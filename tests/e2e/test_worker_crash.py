"""A worker that a signal ends is a finding on the file it read, and costs no other answer."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from proof import proves
from proof_sqlite import configure
from support import BUILD, wait_until

DEFAULTS = {"connectivity_interval": "1s", "performance_interval": "1s", "timeout": "10s"}
# As long as the limit is far away it never comes to an end.
ENDLESS = """-- id: x-endless
-- title: t
-- engine: sqlite
-- probe: performance
-- kind: gauge
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < (SELECT v FROM bound)) SELECT '' AS object, count(*) AS value FROM n
"""


def links(pid):
    try:
        return [os.readlink(p) for p in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return []


def opened_by_sqlite(pid, path):
    """It does not ask for O_NONBLOCK, with which we read what we know without it."""
    with contextlib.suppress(OSError):
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            info = pathlib.Path(f"/proc/{pid}/fdinfo/{fd.name}").read_text()
            if os.readlink(fd) == str(path) and not int(info.split("flags:")[1].split()[0], 8) & os.O_NONBLOCK:
                return True
    return False


class AtWork:
    """Which worker seems to be at a statement on this file: it has worked since it opened it."""

    def __init__(self, path):
        self.path, self.begun = str(path), {}

    def __call__(self, pid):
        try:
            ticks = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[11])
        except OSError:
            return False
        if self.path not in links(pid):
            self.begun.pop(pid, None)
            return False
        return ticks - self.begun.setdefault(pid, ticks) >= 5


@proves("worker-crashed", engine="sqlite")
@pytest.mark.parametrize("sig", [signal.SIGSYS, signal.SIGKILL])
def test_worker_dies_at_a_statement(sqlite, daemon, sig):
    f = sqlite("app.db", "CREATE TABLE bound(v INTEGER PRIMARY KEY); INSERT INTO bound VALUES (1000000000000)")
    well = sqlite("well.db", "CREATE TABLE bound(v INTEGER PRIMARY KEY); INSERT INTO bound VALUES (1)")
    d = daemon(databases={"app": f.dsn, "well": well.dsn}, defaults=DEFAULTS, checks_d={"endless.sql": ENDLESS})
    for probe in ("schema", "integrity"):  # who falls at these is told until their next look
        d.run("app", probe)

    at_work, killed = AtWork(f.path), [0.0]

    def told():
        """A worker may be hit while it opens the file, too: then once more."""
        found = d.findings(database="app", check="worker-crashed")
        if found and f"{sig.name} while it was at x-endless" in found[0]["message"]:
            return found[0]["severity"] == "warning"
        for pid in filter(at_work, d.workers() if time.monotonic() - killed[0] > 2 else ()):
            killed[0] = time.monotonic()
            os.kill(pid, sig)
        return False

    wait_until(told, 90 * d.slack, "who died at a statement is told with it")
    d.wait_check("app", "sqlite-freelist-high", "ok")
    d.wait_check("app", "disk-space-low", "ok")
    assert d.findings(database="well", check="worker-crashed") == []
    f.sql("UPDATE bound SET v = 2")
    d.wait_gone("worker-crashed", database="app", within=30)
    d.wait_check("app", "x-endless", "ok")


def confined(pid):
    """By the kernel: under a filter of system calls, for good."""
    status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    return status["Name"], status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"


def test_workers_that_read_files_are_confined(sqlite, daemon):
    f = sqlite("app.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")
    d = daemon(databases={"app": f"sqlite:{f.path.parent}/*.db"}, defaults=DEFAULTS, wait="alive")
    seen = {}

    def both():
        for pid in d.workers():
            with contextlib.suppress(OSError, KeyError):
                name, yes = confined(pid)
                seen[name] = seen.get(name, False) or yes
        return seen.get("dbh-sqlite") and seen.get("dbh-fleet")

    wait_until(both, 30 * d.slack, lambda: f"both are confined: {seen}")


def test_worker_dies_when_it_opens_the_file(folder, sqlite):
    """What is known without SQLite is told all the same; the rest is unknown, and why."""
    f = sqlite("app.db", "CREATE TABLE t(a)")
    f.path.chmod(0o666)
    conf = configure(folder, f.dsn)
    with f.exclusive_lock():  # it waits for the writer: time to die
        with subprocess.Popen([BUILD / "dbhealth", "check", "-o", "json", "-c", conf, "app"], text=True, stdout=subprocess.PIPE) as run:
            killed = set()

            def kill_who_waits():
                for pid in pathlib.Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split():
                    if not killed and opened_by_sqlite(pid, f.path):
                        os.kill(int(pid), signal.SIGSYS)
                        killed.add(pid)
                return run.poll() is not None

            wait_until(kill_who_waits, 60, "it ends", every=0.001)  # SQLite has it open for moments
            answer = json.loads(run.stdout.read())
    assert killed
    found = {x["check"]: x for x in answer["findings"]}
    assert "SIGSYS while it opened the file" in found["worker-crashed"]["message"], found
    assert "sqlite-file-permissions" in found
    on_the_file = {"conn-up", "disk-space-low", "sqlite-hard-link", "sqlite-network-fs", "sqlite-file-permissions", "sqlite-zero-length"}
    assert not on_the_file & {u["check"] for u in answer["unknown"]}, answer["unknown"]
    assert any(u["check"] == "table-no-primary-key" for u in answer["unknown"]), answer["unknown"]
