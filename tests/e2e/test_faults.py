"""What happens to the daemon itself: its disk full or read-only, its descriptors used up, its
process stopped, its wall clock moved.  Databases are watched on, and nothing false is told."""
import contextlib
import os
import pathlib
import resource
import signal
import socket
import subprocess
import time

import pytest

from support import Daemon, SqliteFile, hold_for, parse_time, sanitized, wait_until
from support.base import die_with, end
from support.vitals import Vitals

FAST = {"connectivity_interval": "1s", "performance_interval": "1s", "schema_interval": "5s", "integrity_interval": "5s",
        "reconnect_interval": "2s", "timeout": "5s"}
QUERY = {"query faults": {"databases": "a", "probe": "performance", "sql": "SELECT name AS object, 1 AS value FROM faults"}}


def may_mount():
    probe = ["unshare", "--mount", "sh", "-ec", "mount -t tmpfs tmpfs /mnt"]
    return subprocess.run(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


class Small:
    """A daemon whose state lies on a file system of 1 MB that only it and we (by /proc) can see; it
    outlives the daemon."""

    def __init__(self, folder, own):
        self.file = own(SqliteFile(folder.path / "a.db", "CREATE TABLE faults(name TEXT NOT NULL PRIMARY KEY)"))
        state = folder.sub("d") / "state"
        state.mkdir()
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
             f"mount -t tmpfs -o size=1m tmpfs {state}; echo ready; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=die_with(signal.SIGKILL))
        own(self)
        assert self.holder.stdout.readline() == "ready\n"
        self.inside = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt"]
        self.daemon = own(Daemon(folder, databases={"a": self.file.dsn}, defaults=FAST, sections=QUERY, prefix=self.inside))
        self.root = pathlib.Path(f"/proc/{self.holder.pid}/root{state}")
        wait_until(lambda: self.daemon.transitions("09", database="a"), 30 * self.daemon.slack, "the first look is told")

    def remove(self):
        end(self.holder)
        self.holder.stdin.close()
        self.holder.stdout.close()

    def plant(self, *names):
        self.file.sql("INSERT INTO faults VALUES " + ",".join(f"('{n}')" for n in names) + ";")
        for n in names:
            self.daemon.wait_finding("faults", n)

    def heal(self, *names):
        self.file.sql("DELETE FROM faults WHERE name IN (" + ",".join(f"'{n}'" for n in names) + ");")
        for n in names:
            self.daemon.wait_gone("faults", n)

    def fill(self):
        fd = os.open(self.root / "filler", os.O_WRONLY | os.O_CREAT)
        with contextlib.suppress(OSError):
            while os.write(fd, bytes(4096)):
                pass
        os.close(fd)
        assert os.statvfs(self.root).f_bavail == 0

    def told(self, kind, start=None):
        return [e["DBHEALTH_OBJECT"] for e in self.daemon.transitions(kind, start=start, check="faults")]

    def said(self, words):
        return [e["MESSAGE"] for e in self.daemon.log() if words in e["MESSAGE"]]


@pytest.fixture
def small(folder, own):
    if not may_mount():
        pytest.skip("no right to mount here")
    return lambda: Small(folder, own)


def test_state_on_a_full_disk(small):
    """Said once; looking goes on; what was found meanwhile is told once there is room, once, and not
    again after a restart."""
    s = small()
    d = s.daemon
    s.plant("before")
    wait_until(lambda: s.told("01") == ["before"], 20, lambda: f"told {s.told('01')}")
    s.fill()
    mark = Vitals(d)
    s.plant("a1", "a2")
    wait_until(lambda: s.said("state cannot be written"), 20, "it is said")
    s.heal("before")
    s.plant("a3")
    hold_for(4, lambda: len(s.said("state cannot be written")) == 1, "said once")
    assert d.status()["databases"][0]["probes"]["connectivity"]["status"] == "ok"
    assert d.status()["daemon"]["state_trouble"] and "state cannot be written: " in d.cli("status").out
    mark.assert_back(spare=4)
    os.unlink(s.root / "filler")
    wait_until(lambda: sorted(s.told("01")) == ["a1", "a2", "a3", "before"], 40 * d.slack, lambda: f"told {s.told('01')}")
    wait_until(lambda: s.told("03") == ["before"], 20 * d.slack, lambda: f"told {s.told('03')}")
    assert len(s.said("state is written again")) == 1
    assert d.status()["daemon"]["state_trouble"] is None
    d.restart()
    d.run("a", "performance")
    assert sorted(f["object"] for f in d.findings(check="faults")) == ["a1", "a2", "a3"]
    assert s.told("01") == [] and s.told("03") == []


def test_state_on_a_disk_that_turns_read_only(small):
    """As ext4 does after an error: the writer is refused, the rest goes on."""
    s = small()
    d = s.daemon
    # A read-only bind mount over it: files that are opened from now on cannot be written.
    for w in d.workers():
        with contextlib.suppress(OSError):
            if "store" in pathlib.Path(f"/proc/{w}/cmdline").read_text().split("\0"):
                os.kill(w, signal.SIGKILL)
    subprocess.run([*s.inside, "sh", "-ec", f"mount --bind {d.state} {d.state}; mount -o remount,bind,ro {d.state}"], check=True)
    s.plant("one")
    wait_until(lambda: s.said("state cannot be written") or s.said("read"), 40, lambda: f"it is said: {d.log_tail(5)}")
    assert d.status()["databases"][0]["probes"]["connectivity"]["status"] == "ok"
    subprocess.run([*s.inside, "umount", str(d.state)], check=True)
    wait_until(lambda: s.told("01") == ["one"], 60 * d.slack, lambda: f"told {s.told('01')}; {d.log_tail(5)}")


def limit_descriptors(pid, soft):
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def dial(daemon):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(20)
    s.connect(str(daemon.socket))
    return s


def test_descriptors_taken_away_while_it_runs(cluster, daemon, sqlite):
    """A quarter of what is left stays for databases: a server that goes is told although clients hold
    every place that they can get."""
    server, file = cluster(), sqlite("f.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")
    d = daemon(databases={"a": server.dsn(), "f": file.dsn}, defaults=FAST, daemon={"max_clients": 1000})
    mark = Vitals(d)
    wait_until(lambda: d._probe("/readyz") == 200, 20, "ready")
    highest = max(int(f) for f in os.listdir(f"/proc/{d.process.pid}/fd"))
    limit = max(64, (highest + 8) * 4 // 3)
    limit_descriptors(d.process.pid, limit)
    held = [dial(d) for _ in range(300)]
    time.sleep(0.5)
    taken = mark.descriptors()
    assert taken <= limit - limit // 4 + 6, f"{taken} of {limit}"
    busy = mark.cpu_over(2)
    assert busy < 1, f"{busy:.2f} s of processor in 2 s"
    # Silent clients yield to the next ones, so this is answered, too, in its turn.
    server.stop("immediate")
    wait_until(lambda: [e for e in d.log() if e.get("DBHEALTH_CHECK") == "conn-up"], 30 * d.slack, "down is told")
    server.start()
    for s in held:
        s.close()
    d.wait_gone("conn-up", within=30)
    runs = d.database("f")["probes"]["connectivity"]
    assert runs["status"] == "ok" and time.time() - parse_time(runs["last_run"]) < 5 * d.slack
    mark.assert_back(spare=6)
    assert not [e for e in d.log() if e.get("DBHEALTH_DATABASE") == "f" and e["PRIORITY"] < "5"]


def test_no_descriptor_left_at_all(cluster, daemon, sqlite):
    """Not one: nothing spins, nothing ends, what could not be asked is no fault of a database, and all
    is as before when they are back."""
    server, file = cluster(), sqlite("f.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")
    d = daemon(databases={"a": server.dsn(), "f": file.dsn}, defaults=FAST)
    d.wait_check("a", "conn-up", "ok")
    mark = Vitals(d)
    limit_descriptors(d.process.pid, 4)
    busy = mark.cpu_over(5)
    assert busy < 2.5, f"{busy:.2f} s of processor in 5 s"
    limit_descriptors(d.process.pid, 1024)
    wait_until(lambda: d._probe("/healthz") == 200, 30, "it answers again")
    d.wait_gone("conn-up", within=30)
    for name in ("a", "f"):
        wait_until(lambda n=name: d.database(n)["status"] == "ok", 30 * d.slack, lambda n=name: f"{n}: {d.database(n)['status']}, {d.findings()}")
    mark.assert_back(spare=4)


# ---- time ----

def faketime():
    for path in pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"):
        return str(path)
    return None


@pytest.mark.skipif(sanitized(), reason="the sanitizer's library must come first")
@pytest.mark.parametrize("step", [-86400 * 400, 86400 * 400], ids=["a year back", "a year on"])
def test_the_wall_clock_steps(folder, own, step):
    """Intervals, `for` and ages run on; stamps are the clock's; nothing opens, closes or repeats."""
    library = faketime()
    if not library:
        pytest.skip("faketime is not installed")
    clock = folder.path / "clock"
    clock.write_text("+0\n")
    file = own(SqliteFile(folder.path / "a.db", "CREATE TABLE faults(name TEXT NOT NULL PRIMARY KEY); INSERT INTO faults VALUES ('old')"))
    d = own(Daemon(folder, databases={"a": file.dsn}, defaults=FAST, sections={
        **QUERY, "query slow": {"databases": "a", "probe": "performance", "warning": ">= 1", "sql": "SELECT count(*) AS value FROM faults WHERE name = 'slow'"},
        "check a/slow": {"for": "4s"}},
        env={"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1"}))
    old = d.wait_finding("faults", "old")
    file.sql("INSERT INTO faults VALUES ('slow')")
    d.wait_finding("slow", state="pending")
    started = time.monotonic()
    runs = d.database("a")["probes"]["connectivity"]["last_run"]
    clock.write_text(f"{step:+d}\n")
    now = wait_until(lambda: d.database("a")["probes"]["connectivity"]["last_run"], 10, "it runs on")
    wait_until(lambda: abs(parse_time(d.database("a")["probes"]["connectivity"]["last_run"]) - time.time() - step) < 4 * d.slack, 10,
               lambda: f"a run is stamped by the new clock: {now}, before {runs}")
    # `for` is four seconds of real time, whatever the clock says.
    found = d.wait_finding("slow", within=15)
    assert 1.5 < time.monotonic() - started < 12 * d.slack
    assert found["state"] == "open"
    (again,) = [f for f in d.findings(check="faults") if f["object"] == "old"]
    assert (again["id"], again["since"]) == (old["id"], old["since"])
    # It still looks each second: four runs take about four seconds.
    seen, began = set(), time.monotonic()
    wait_until(lambda: seen.add(d.database("a")["probes"]["connectivity"]["last_run"]) or len(seen) >= 5, 12 * d.slack, "it looks each second")
    assert time.monotonic() - began > 2.5
    assert d.status()["daemon"]["uptime_seconds"] < 120
    assert not d.findings(check="conn-up", state="any")
    assert [e["DBHEALTH_OBJECT"] for e in d.transitions("01", check="faults")] in ([], ["old"], ["slow"], ["old", "slow"], ["slow", "old"])
    assert d.transitions("03") == []
    clock.write_text("+0\n")
    file.sql("DELETE FROM faults")
    d.wait_gone("slow", within=30)
    d.wait_gone("faults", within=30)
