"""A fleet: thousands of small SQLite files behind one pattern, and what a daemon over them costs."""
import shutil
import sqlite3
import time

from fixture import wait_until
from measure import Meter, Spread, family, family_ns, memory_kb, tasks_ns
from report import Row
from scale import http_ms, reload_seconds, status_of

# An hour unless told: how soon damage is told is a matter of this number, and of how far the turns are behind it.
INTEGRITY_S = 30

MODEL = """
CREATE TABLE tenant (id INTEGER PRIMARY KEY, name TEXT NOT NULL, since TEXT);
CREATE TABLE item (id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL REFERENCES tenant (id), label TEXT NOT NULL);
CREATE INDEX item_tenant ON item (tenant);
CREATE TABLE note (id INTEGER PRIMARY KEY, item INTEGER NOT NULL REFERENCES item (id), body TEXT);
CREATE INDEX note_item ON note (item);
INSERT INTO tenant VALUES (1, 'one', '2020-01-01'), (2, 'two', '2021-01-01');
INSERT INTO item SELECT value, 1 + value % 2, 'item ' || value FROM json_each('[1,2,3,4,5,6,7,8]');
INSERT INTO note SELECT id, id, 'note ' || id FROM item;
ANALYZE;
"""


def fill(folder, count):
    first = folder / "0.db"
    db = sqlite3.connect(first)
    db.executescript(MODEL)
    db.close()
    for i in range(1, count):
        shutil.copyfile(first, folder / f"{i}.db")
    return first.stat().st_size


def pss_kb(daemon):
    """Of the loop, and of its workers together."""
    pid = daemon.process.pid
    return memory_kb(pid, "Pss"), sum(memory_kb(p, "Pss") for p in family(pid) if p != pid)


def fleet_of(daemon):
    return daemon.request("GET", "/v1/status", timeout=60).json["fleets"][0]


def progress(daemon):
    return daemon.request("GET", "/readyz", timeout=60).json["first_round_done"]


def damage(path):
    """The header's magic: the file is no database any more."""
    with open(path, "r+b") as f:
        f.write(b"\0" * 16)


def seconds_to_notice(daemon, folder, name, within=600):
    start = time.monotonic()
    damage(folder / name)

    def told():
        answer = daemon.request("GET", f"/v1/findings?database=tenants%2F{name}&check=sqlite-not-a-database", timeout=60)
        return answer.status == 200 and answer.json["findings"]
    wait_until(told, within, f"the damage of {name} is told", every=0.2)
    return time.monotonic() - start


def bytes_read(daemon):
    """By all workers, from files, pipes and all."""
    total = 0
    for pid in family(daemon.process.pid):
        if pid == daemon.process.pid:
            continue
        try:
            with open(f"/proc/{pid}/io", encoding="ascii") as f:
                total += int(f.readline().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def first_round(daemon, count, within):
    """Seconds, the greatest memory of the loop and of its workers in it, and what the status took meanwhile."""
    start, loop_kb, workers_kb, status = time.monotonic(), 0, 0, []
    while progress(daemon) < count and time.monotonic() - start < within:
        loop, workers = pss_kb(daemon)
        loop_kb, workers_kb = max(loop_kb, loop), max(workers_kb, workers)
        status.append(http_ms(daemon))
        time.sleep(2)
    return time.monotonic() - start, loop_kb, workers_kb, Spread(status or [0])


def measure(bench):
    count, within, steady = (200, 60, 10) if bench.quick else (10000, 900, 60)
    folder = bench.folder.sub("tenants")
    size = fill(folder, count)
    alone = bench.folder.sub("alone")
    fill(alone, 1)
    control = bench.daemon("control", databases={"one": f"sqlite:{alone}/0.db"}, wait="alive")
    start = time.monotonic()
    daemon = bench.daemon("fleet", databases={"tenants": {"dsn": f"sqlite:{folder}/*.db", "integrity_interval": f"{INTEGRITY_S}s"}}, wait="alive")
    pid, ready = daemon.process.pid, time.monotonic() - start
    base_kb = pss_kb(control)[0]
    seconds, loop_kb, workers_kb, status = first_round(daemon, count, within)
    done, cpu = progress(daemon), family_ns(pid) / 1e9
    daemon_late, control_late = status_of(daemon), status_of(control)
    time.sleep(15 if bench.quick else 60)  # what is looked at twice
    kb = pss_kb(daemon)
    meter = Meter(loop=lambda: tasks_ns(pid), all=lambda: family_ns(pid), read=lambda: bytes_read(daemon))
    time.sleep(steady)
    calm = meter.look()
    faults = Spread([seconds_to_notice(daemon, folder, f"{i}.db") for i in ((17, 99, 180) if bench.quick else (4711, 815, 9999))])
    reloads = Spread([reload_seconds(daemon) for _ in range(3)])
    attention = fleet_of(daemon)["attention"]
    rows = [
        Row("fleet-memory", f"memory of the loop a file, {count} files of {size} bytes, over that with one file",
            "at most 40 kB", (kb[0] - base_kb) / count, most=40, unit="kB", digits=1),
        Row("fleet-late", "greatest lateness of the loop in the first round, the status asked every 2 s, over that of an idle daemon",
            "at most 100 ms", daemon_late["loop_lateness_max_ms"] - control_late["loop_lateness_max_ms"], most=100, unit="ms", digits=0),
        Row("fleet-steady", "CPU of the loop while nothing changes, of a core for 1,000 files", "at most 3 %",
            calm["loop"] / steady / 1e7 * 1000 / count, most=3, unit="%"),
        Row("fleet-fault", f"a damaged header in one of them is told, integrity_interval {INTEGRITY_S} s", "at most 45 s",
            faults, most=45, unit="s", digits=1),
    ]
    notes = [f"{count} files: {ready:.2f} s from start to the first answer; first round over {done} of them {seconds:.0f} s and "
             f"{cpu:.0f} s of CPU, {cpu * 1e3 / max(done, 1):.1f} ms a file; the loop takes {loop_kb / 1024:.0f} MB at most, "
             f"{kb[0] / 1024:.0f} MB afterwards, its workers {workers_kb / 1024:.0f} MB and {kb[1] / 1024:.0f} MB; "
             f"an idle daemon's loop {base_kb / 1024:.0f} MB.",
             f"GET /v1/status takes {status.text(1, 0)} ms in that time; greatest lateness of the loop "
             f"{daemon_late['loop_lateness_max_ms']:.0f} ms, {control_late['loop_lateness_max_ms']:.0f} ms of an idle daemon beside it.",
             f"In {steady} s without a change: {calm['loop'] / steady / 1e7:.1f} % of a core in the loop, {calm['all'] / steady / 1e7:.1f} % with its "
             f"workers, which read {calm['read'] / 1024 / count:.2f} kB a file; reload {reloads.text(1, 2)} s; "
             f"{attention} files need attention in the end."]
    bench.drop(daemon)
    bench.drop(control)
    return rows, notes
