"""Many databases: 1,000 of PostgreSQL on a few servers, 10,000 SQLite files, and the starts of 1,000 probes."""
import concurrent.futures
import sqlite3
import time

from fixture import Failure, wait_until
from measure import Spread, family, family_ns, memory_kb, tasks_ns
from report import Row


def first_round(daemon, total, within):
    """Seconds until every database of the configuration has a verdict."""
    start = time.monotonic()

    # Not the status: building it for thousands is work that is no part of a first round.
    wait_until(lambda: daemon.request("GET", "/readyz").json["first_round_done"] >= total, within,
               lambda: f"a first round: {daemon.request('GET', '/readyz').body}", every=0.2)
    return time.monotonic() - start


def status_of(daemon):
    """What the daemon says of itself, without the look at the schema that tests take."""
    return daemon.request("GET", "/v1/status", timeout=60).json["daemon"]


def http_ms(daemon):
    start = time.monotonic()
    daemon.request("GET", "/v1/status", timeout=60)
    return (time.monotonic() - start) * 1e3


def create(cluster, each):
    cluster.createdb("d0")
    cluster.sql("CREATE TABLE t (id int PRIMARY KEY, a int)", dbname="d0")
    for i in range(1, each):
        cluster.sql(f"CREATE DATABASE d{i} TEMPLATE d0 STRATEGY file_copy")


def start_to_ready(bench, name, **parts):
    """A daemon started now, and the seconds until its API answered: READY is told in the same turn."""
    daemon = bench.daemon(name, start=False, **parts)
    start = time.monotonic()
    daemon.start("alive")
    return daemon, time.monotonic() - start


def reload_seconds(daemon):
    """From SIGHUP to the daemon's word that the file is in force."""
    seen = len(daemon.transitions("07"))
    start = time.monotonic()
    daemon.reload()
    wait_until(lambda: len(daemon.transitions("07")) > seen, 20, "a reload", every=0.002)
    return time.monotonic() - start


def cpu_share(daemon, seconds):
    """Of one core, in percent: loop and all."""
    pid = daemon.process.pid
    loop, all_ = tasks_ns(pid), family_ns(pid)
    time.sleep(seconds)
    return (tasks_ns(pid) - loop) / seconds / 1e7, (family_ns(pid) - all_) / seconds / 1e7


def postgresql(bench):
    servers, each = (2, 5) if bench.quick else (4, 250)
    clusters, databases = [], {}
    for s in range(servers):
        cluster = bench.cluster(f"many{s}", max_connections=each + 30, shared_buffers="32MB")
        clusters.append(cluster)
        databases.update({f"s{s}-d{i}": cluster.dsn(f"d{i}") for i in range(each)})
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda c: create(c, each), clusters))
    total = servers * each
    daemon, ready = start_to_ready(bench, "many", databases=databases, env={"DB_POOL_TIMEOUT": "10min"})
    seconds = first_round(daemon, total, 300)
    loop, all_ = cpu_share(daemon, 2 if bench.quick else 15)
    lateness = status_of(daemon)
    reloads = Spread([reload_seconds(daemon) for _ in range(2 if bench.quick else 5)])
    kb = memory_kb(daemon.process.pid)
    rows = [
        Row("ready", f"start to the first answer of the API, {total} PostgreSQL databases on {servers} servers",
            "under 1 s", ready, most=1, unit="s"),
        Row("reload", "reload of that configuration, to the daemon's word that it holds", "under 0.2 s",
            reloads, most=0.2, unit="s", digits=3),
    ]
    answer = Spread([http_ms(daemon) for _ in range(5)])
    notes = [f"{total} PostgreSQL databases on {servers} servers, pool of 2 connections each: first round "
             f"over all {seconds:.0f} s; then {loop:.1f} % of a core in the loop, {all_:.1f} % with workers; "
             f"{kb / 1024:.1f} MB; the loop's greatest lateness in all that {lateness['loop_lateness_max_ms']:.0f}"
             f" ms, {lateness['loop_late_count']} times over 50 ms; GET /v1/status takes {answer.median:.0f} ms."]
    bench.drop(daemon)
    pooled = {k: {"dsn": v, "pool_size": each} for k, v in databases.items()}
    for cluster in clusters:
        cluster.sql(f"ALTER ROLE dbhealth CONNECTION LIMIT {each + 10}")
    daemon, _ = start_to_ready(bench, "warm", databases=pooled, env={"DB_POOL_TIMEOUT": "10min"})

    def connected():
        return sum(c.connections() for c in clusters) >= total
    try:
        wait_until(connected, 120, lambda: f"{sum(c.connections() for c in clusters)} connections", every=1)
    except Failure as fault:
        notes.append(f"Connections held: {fault}.")
    time.sleep(5)
    rows.append(Row("rss-1000", f"resident memory of the loop, {sum(c.connections() for c in clusters)} "
                    "connections held (pool_size raised)", "at most 40 MB",
                    memory_kb(daemon.process.pid) / 1024, most=40, unit="MB", digits=1))
    bench.drop(daemon)
    for cluster in clusters:
        bench.drop(cluster)
    return rows, notes


def sqlite_files(bench):
    count = 100 if bench.quick else 10000
    folder = bench.folder.sub("files")
    first = folder / "0.db"
    with sqlite3.connect(first) as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)")
        db.execute("INSERT INTO t SELECT value, value FROM json_each('[1,2,3]')")
    db.close()
    content = first.read_bytes()
    for i in range(1, count):
        (folder / f"{i}.db").write_bytes(content)
    databases = {f"f{i}": f"sqlite:{folder}/{i}.db" for i in range(count)}
    daemon, ready = start_to_ready(bench, "files", databases=databases)
    # A first round over so many is spread over minutes: what it costs meanwhile is what is measured.
    time.sleep(2 if bench.quick else 20)
    loop, all_ = cpu_share(daemon, 2 if bench.quick else 30)
    done = daemon.request("GET", "/readyz").json["first_round_done"]
    state = status_of(daemon)
    reloads = Spread([reload_seconds(daemon) for _ in range(2 if bench.quick else 3)])
    answer = Spread([http_ms(daemon) for _ in range(3)])
    notes = [f"{count} SQLite files, each a section of its own: {ready:.2f} s from start to the first answer; "
             f"in the first minute, {done} looked at so far, {loop:.1f} % of a "
             f"core in the loop, {all_:.1f} % with workers ({len(family(daemon.process.pid)) - 1} of them); "
             f"{memory_kb(daemon.process.pid) / 1024:.1f} MB; greatest lateness of the loop "
             f"{state['loop_lateness_max_ms']:.0f} ms; reload {reloads.text(1, 2)} s; GET /v1/status takes {answer.median:.0f} ms."]
    bench.drop(daemon)
    return [], notes


def measure(bench):
    rows, notes = postgresql(bench)
    more_rows, more_notes = sqlite_files(bench)
    return rows + more_rows, notes + more_notes
