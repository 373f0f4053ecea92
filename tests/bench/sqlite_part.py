"""SQLite: quick_check through the worker against the sqlite3 shell on the same file, warm and cold."""
import os
import subprocess
import time

from measure import Spread, family_ns, ratios
from report import Row


def make_file(path, megabytes):
    rows = megabytes * 2400
    subprocess.run(["sqlite3", str(path)], check=True, text=True, input=f"""
        PRAGMA journal_mode = off; PRAGMA synchronous = off;
        CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT);
        INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {rows})
            SELECT i, i * 7919 % 1000003, hex(randomblob(160)) FROM n;
        CREATE INDEX t_a ON t (a);
    """, stdout=subprocess.DEVNULL)
    return path.stat().st_size


def forget(path):
    """The file's pages leave the cache of the kernel."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def shell(path):
    """Seconds of wall and of CPU that the sqlite3 shell takes."""
    before, start = os.times(), time.monotonic()
    subprocess.run(["sqlite3", "-readonly", str(path), "PRAGMA quick_check"], check=True,
                   stdout=subprocess.DEVNULL)
    after = os.times()
    return time.monotonic() - start, after[2] + after[3] - before[2] - before[3]


def scrub(daemon):
    """Seconds of wall and of CPU that one quick_check takes the daemon, by its own word and the kernel's."""
    cpu = family_ns(daemon.process.pid)
    before = (daemon.check("file", "sqlite-quick-check") or {}).get("last_run")
    start = time.monotonic()
    daemon.run("file", "integrity", wait="60s")
    done = daemon.wait_check("file", "sqlite-quick-check", ("ok",), within=60)
    assert done["last_run"] != before, "quick_check did not run again"
    return time.monotonic() - start, (family_ns(daemon.process.pid) - cpu) / 1e9


def measure(bench):
    megabytes, rounds = (8, 2) if bench.quick else (200, 20)
    path = bench.folder.path / "file.db"
    size = make_file(path, megabytes)
    daemon = bench.daemon("sqlite", databases={"file": f"sqlite:{path}"}, defaults={"timeout": "30s"},
                          sections={"check sqlite-integrity-check": {"enabled": "no"},
                                    "check fk-orphan-rows": {"enabled": "no"}})
    scrub(daemon)
    wall, cpu = [], []
    for _ in range(rounds):
        ours, theirs = scrub(daemon), shell(path)
        wall.append((ours[0], theirs[0]))
        cpu.append((ours[1], theirs[1]))
    cold = []
    for _ in range(1 if bench.quick else 3):
        forget(path)
        cold.append(scrub(daemon)[0] / (size / 1e9))
    bench.drop(daemon)
    return [
        Row("sqlite-cpu", f"quick_check of {size // 1000000} MB, warm: CPU against the sqlite3 shell",
            "at most 1.05 x", ratios(cpu), most=1.05, unit="x"),
        Row("sqlite-wall", "the same, time to the answer", "at most 1.05 x", ratios(wall), most=1.05, unit="x"),
        Row("sqlite-cold", "quick_check from cold, a GB", "at most 2 s", Spread(cold), most=2, unit="s"),
    ], []
