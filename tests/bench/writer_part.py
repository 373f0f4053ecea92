"""A program that commits as fast as it can, in rounds with and without a daemon that watches its file."""
import os
import signal
import subprocess
import sys
import time

from measure import Spread, ratios
from report import Row
from scale import first_round

# One round a line on standard input: its seconds.  Answers: commits, seconds, CPU, largest log.
WRITER = """
import os, sqlite3, sys, time
path = sys.argv[1]
db = sqlite3.connect(path, isolation_level=None, timeout=10)
db.execute("PRAGMA journal_mode = wal")
db.execute("PRAGMA synchronous = normal")
db.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b TEXT NOT NULL)")
db.execute("CREATE INDEX IF NOT EXISTS t_a ON t (a)")
if not db.execute("SELECT EXISTS (SELECT 1 FROM t)").fetchone()[0]:
    db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) INSERT INTO t SELECT i, i % 977, hex(randomblob(40)) FROM n")
    db.execute("ANALYZE")
print("ready", flush=True)
n = 0
for line in sys.stdin:
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    start, cpu, commits, largest = time.monotonic(), time.process_time(), 0, 0
    while time.monotonic() - start < float(line):
        for _ in range(20):
            n += 1
            db.execute("UPDATE t SET a = a + 1 WHERE id = ?", (n * 7919 % 50000 + 1,))
        commits += 20
        largest = max(largest, os.stat(path + "-wal").st_size)
    print(commits, time.monotonic() - start, time.process_time() - cpu, largest, flush=True)
"""


class Writer:
    def __init__(self, path):
        self.process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def round(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        commits, wall, cpu, largest = self.process.stdout.readline().split()
        return {"rate": float(commits) / float(wall), "per_cpu": float(commits) / float(cpu), "wal": int(largest)}

    def remove(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


def first_look(bench, writer, path, rounds, seconds):
    """The largest log, while a daemon's probes and scrubs of its first look all come at once, and without one."""
    watched, alone = [], []
    for i in range(rounds):
        daemon = bench.daemon(f"first{i}", databases={"app": f"sqlite:{path}"}, wait="alive")
        time.sleep(0.2)
        watched.append(writer.round(seconds)["wal"])
        bench.drop(daemon)
        alone.append(writer.round(seconds)["wal"])
    return max(watched), max(alone)


def halted_and_not(pid, writer, pairs, seconds):
    """Rounds in which the loop goes on, and rounds in which it is halted: so short and so many that what else the
    machine does, which weighs more than the daemon, weighs on both alike."""
    watched, alone = [], []
    try:
        for i in range(2 * pairs):
            on = i % 4 in (1, 2)  # ABBA: what grows with time, too
            os.kill(pid, signal.SIGCONT if on else signal.SIGSTOP)
            (watched if on else alone).append(writer.round(seconds))
    finally:
        os.kill(pid, signal.SIGCONT)
    return watched, alone


def whole(watched, alone, name):
    return sum(w[name] for w in watched) / sum(a[name] for a in alone)


def measure(bench):
    pairs, seconds, first_rounds, first_seconds = (4, 0.5, 2, 3) if bench.quick else (120, 0.5, 3, 15)
    path = bench.folder.path / "app.db"
    writer = bench.own(Writer(path))
    writer.round(1)
    daemon = bench.daemon("watch", databases={"app": f"sqlite:{path}"}, wait="alive")
    first_round(daemon, 1, 60)
    time.sleep(3)  # its scrubs, which follow
    watched, alone = halted_and_not(daemon.process.pid, writer, pairs, seconds)
    bench.drop(daemon)
    first_wal, first_wal_alone = first_look(bench, writer, path, first_rounds, first_seconds)
    bench.drop(writer)
    wal, wal_alone = (max(r["wal"] for r in rounds) for rounds in (watched, alone))
    spread = ratios([(w["rate"], a["rate"]) for w, a in zip(watched, alone)])
    return [
        Row("writer-rate", f"commits a second of one writer, all of {pairs} rounds of {seconds} s with the daemon going on against all with it halted",
            "at least 0.98 x", whole(watched, alone, "rate"), least=0.98, unit="x", digits=3),
        Row("writer-cpu", "the same a second of its CPU", "at least 0.98 x", whole(watched, alone, "per_cpu"), least=0.98, unit="x", digits=3),
        Row("writer-wal", "the largest log, likewise", "at most 1.05 x", wal / wal_alone, most=1.05, unit="x", digits=3),
        Row("writer-first-wal", "the same while the daemon looks at the file for the first time, against unwatched", "at most 1.05 x",
            first_wal / first_wal_alone, most=1.05, unit="x", digits=3),
    ], [f"{Spread([a['rate'] for a in alone]).median:.0f} commits a second with the daemon halted; a pair of rounds gives {spread.text(1, 3)} x. "
        f"The log grows to {wal_alone / 1048576:.1f} MB, {wal / 1048576:.1f} MB watched; at the first look, when all probes and scrubs come at "
        f"once, {first_wal / 1048576:.1f} MB against {first_wal_alone / 1048576:.1f} MB."]
