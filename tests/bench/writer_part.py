"""A program that commits as fast as it can, in rounds with and without a daemon that watches its file."""
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


def watched_round(bench, writer, path, name, seconds, settled):
    """settled: the daemon has seen the file, and what comes is what its intervals bring; else all of its first look does."""
    daemon = bench.daemon(name, databases={"app": f"sqlite:{path}"}, wait="alive")
    if settled:
        first_round(daemon, 1, 60)
        time.sleep(3)  # its scrubs, which follow
    else:
        time.sleep(0.2)
    result = writer.round(seconds)
    bench.drop(daemon)
    return result


def compare(bench, writer, path, pairs, seconds, settled):
    watched, alone = [], []
    for i in range(2 * pairs):
        if i % 4 in (1, 2):  # ABBA: what grows with time weighs on both alike
            watched.append(watched_round(bench, writer, path, f"watch{settled:d}{i}", seconds, settled))
        else:
            time.sleep(0.2)
            alone.append(writer.round(seconds))
    both = list(zip(watched, alone))
    return (ratios([(w["rate"], a["rate"]) for w, a in both]), ratios([(w["per_cpu"], a["per_cpu"]) for w, a in both]),
            max(w["wal"] for w in watched), max(a["wal"] for a in alone), Spread([a["rate"] for a in alone]).median)


def measure(bench):
    pairs, seconds = (2, 3) if bench.quick else (6, 15)
    path = bench.folder.path / "app.db"
    writer = bench.own(Writer(path))
    writer.round(1)
    rate, per_cpu, wal, wal_alone, commits = compare(bench, writer, path, pairs, seconds, True)
    first_rate, _, first_wal, first_wal_alone, _ = compare(bench, writer, path, max(pairs // 2, 2), seconds, False)
    bench.drop(writer)
    return [
        Row("writer-rate", f"commits a second of one writer while it is watched, rounds of {seconds} s, against unwatched",
            "at least 0.98 x", rate, least=0.98, unit="x", digits=3),
        Row("writer-cpu", "the same a second of its CPU", "at least 0.98 x", per_cpu, least=0.98, unit="x", digits=3),
        Row("writer-wal", "the largest log, against unwatched", "at most 1.05 x", wal / wal_alone, most=1.05, unit="x", digits=3),
        Row("writer-first-wal", "the same while the daemon looks at the file for the first time", "at most 1.05 x",
            first_wal / first_wal_alone, most=1.05, unit="x", digits=3),
    ], [f"{commits:.0f} commits a second unwatched; the log grows to {wal_alone / 1048576:.1f} MB unwatched and {wal / 1048576:.1f} MB watched. "
        f"While the daemon looks for the first time, when all probes and scrubs come at once, {first_rate.text(1, 3)} x the commits "
        f"and {first_wal / 1048576:.1f} MB of log."]
