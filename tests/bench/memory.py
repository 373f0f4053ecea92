"""Resident memory of the loop."""
import time

from fixture import wait_until
from measure import family, memory_kb
from report import Row


def settled_kb(daemon, seconds):
    time.sleep(seconds)
    return memory_kb(daemon.process.pid)


def workers_kb(daemon):
    """Proportional share: the pages of program and libraries are one's own only in part."""
    pid = daemon.process.pid
    return sum(memory_kb(p, "Pss") for p in family(pid) if p != pid)


def all_seen(daemon, count, within=120):
    def seen():
        rows = daemon.status()["databases"]
        return len(rows) >= count and all(
            p["last_run"] for d in rows for p in d["probes"].values())
    wait_until(seen, within, f"a first round over {count} databases", every=0.5)


def measure(bench):
    cluster = bench.fixture("memory")
    quiet = 2 if bench.quick else 10
    one = bench.daemon("one", databases={"big": cluster.dsn("big")})
    all_seen(one, 1)
    kb = settled_kb(one, quiet)
    notes = [f"Workers of the daemon with one database, together and by their share of common pages: "
             f"{workers_kb(one) / 1024:.1f} MB; the loop itself {memory_kb(one.process.pid, 'Pss') / 1024:.1f} MB."]
    rows = [Row("rss-1", "resident memory of the loop, 1 database", "at most 10 MB", kb / 1024,
                most=10, unit="MB", digits=1)]
    bench.drop(one)
    every = bench.daemon("every", databases={"all": {"dsn": cluster.dsn("big"), "databases": "*"}})
    count = cluster.one("SELECT count(*) FROM pg_database WHERE datallowconn AND NOT datistemplate")
    all_seen(every, count)
    kb = settled_kb(every, quiet)
    rows.append(Row("rss-54", f"the same, {count + 2} databases on the server (templates are not visited)",
                    "at most 14 MB", kb / 1024, most=14, unit="MB", digits=1))
    raw = bench.floor("raw-pg", "hold", 1, f"host={cluster.socket_dir} user=postgres dbname=big")
    notes.append(f"The raw loop with one idle connection: {memory_kb(raw.pid) / 1024:.1f} MB, most of it "
                 "libpq's libraries.")
    for thing in (raw, every, cluster):
        bench.drop(thing)
    return rows, notes
