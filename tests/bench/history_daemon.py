"""The history in the daemon itself: 1,000 databases with 60 samples each a minute, recorded and not."""
import concurrent.futures
import os
import pathlib
import time

from fixture import NEVER, wait_until
from measure import Spread, family_ns, ratios, sleep_until, tasks_ns
from report import Row
from scale import create

OBJECTS, QUERIES = 20, 3  # a minute and database
# of ten values four do not move, four count or grow, two are noise
VALUE = """CASE WHEN n % 10 < 4 THEN n
    WHEN n % 10 < 6 THEN floor(extract(epoch FROM now()) / 600) * n
    WHEN n % 10 < 8 THEN floor(extract(epoch FROM now()) * n) * 8192 ELSE random() END"""


def queries():
    return {f"query many{q}": {"databases": "*", "probe": "performance", "interval": "1min", "unit": "count", "warning": "> 1e300",
                               "sql": f"SELECT 'object-' || n AS object, ({VALUE})::float8 AS value".replace("\n", " ")
                                      + f" FROM generate_series({q * OBJECTS}, {q * OBJECTS + OBJECTS - 1}) AS n"}
            for q in range(QUERIES)}


def writer_of(daemon):
    for pid in daemon.workers():
        try:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"history" in words:
            return pid
    return 0


def bytes_of(folder, *ends):
    return sum(p.stat().st_size for p in folder.iterdir() if not ends or p.name.endswith(ends))


def written(daemon):
    for line in daemon.request("GET", "/metrics", timeout=60).body.decode().splitlines():
        if line.startswith("dbhealth_history_samples_total "):
            return float(line.split()[1])
    return 0


def ask_ms(daemon, since, step):
    """The time of one question over the API, with the worker that it takes; and how many points came."""
    query = f"/v1/history?database=database-5&check=check-48&since={since}&step={step}"
    times = []
    for _ in range(5):
        start = time.monotonic()
        answer = daemon.request("GET", query, timeout=60)
        times.append((time.monotonic() - start) * 1e3)
        assert answer.status == 200, answer
    points = answer.json.get("points") or answer.json["series"][0]["points"]
    return Spread(times), len(points)


def load(bench):
    """Two daemons over the same databases: one keeps a history, the other does not."""
    servers, each = (2, 50) if bench.quick else (4, 250)
    clusters, databases = [], {}
    for s in range(servers):
        clusters.append(bench.cluster(f"kept{s}", max_connections=60, shared_buffers="32MB", log_destination="'stderr'"))
        databases.update({f"s{s}-d{i}": clusters[-1].dsn(f"d{i}") for i in range(each)})
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda c: create(c, each), clusters))
    rare = {f"{p}_interval": NEVER for p in ("connectivity", "schema", "integrity")} | {"performance_interval": "1min"}
    both = {name: bench.daemon(name, databases=databases, defaults=rare, wait="alive", sections=queries(),
                               daemon={"history_keep": keep})
            for name, keep in (("recorded", "400d"), ("forgotten", "0"))}
    kept = both["recorded"]
    expected = servers * each * OBJECTS * QUERIES
    # the first round is more than a minute of what is due
    wait_until(lambda: written(kept) >= 2 * expected, 900, lambda: f"{written(kept):.0f} samples", every=5)
    minutes, pairs, loops, writers, samples = (1 if bench.quick else 3), [], [], [], []
    for _ in range(minutes):
        at = time.monotonic()
        pids = [d.process.pid for d in both.values()]
        cpu, loop = [family_ns(p) for p in pids], [tasks_ns(p) for p in pids]
        pen, seen = tasks_ns(writer_of(kept)), written(kept)
        sleep_until(at + 60)
        took = (time.monotonic() - at) * 1e9
        pairs.append([family_ns(p) - c for p, c in zip(pids, cpu)])
        now = [tasks_ns(p) - c for p, c in zip(pids, loop)]
        loops.append((now, took))
        writers.append((tasks_ns(writer_of(kept)) - pen) / took * 100)
        samples.append(written(kept) - seen)
    share = Spread([w + (l[0] - l[1]) / took * 100 for w, (l, took) in zip(writers, loops)])
    folder = kept.state / "history"
    logged = bytes_of(folder, ".log") / written(kept)
    rows = [
        Row("history-daemon-share", f"the history's share of a core, {servers * each} databases on {servers} servers, "
            f"{OBJECTS * QUERIES} samples each a minute: its writer, and the loop against a daemon that keeps none",
            "at most 1 %", share, most=1, unit="% of a core"),
        Row("history-daemon-ratio", "CPU of the daemon that keeps a history against the one that keeps none, same minutes",
            "at most 1.1 x", ratios(pairs), most=1.1, unit="x")]
    notes = [f"{Spread(samples).median:.0f} samples a minute came of {expected} that were due, over {minutes} minutes; the loop "
             f"of the one that keeps a history {Spread([l[0] / t * 100 for l, t in loops]).text(1, 2)} % of a core, of the other "
             f"{Spread([l[1] / t * 100 for l, t in loops]).text(1, 2)} %, the writer {Spread(writers).text(1, 2)} %. "
             f"Its log takes {logged:.1f} bytes a sample until the half hour is closed (the table above says what is left then)."]
    for thing in (*both.values(), *clusters):
        bench.drop(thing)
    return rows, notes


def questions(bench, folder, days):
    """A daemon that finds a history of so many days, and is asked for one series of it."""
    file = bench.folder.path / "asked.db"
    file.touch()
    state = bench.folder.sub("asked") / "state"
    state.mkdir(mode=0o700)
    os.rename(folder, state / "history")
    daemon = bench.daemon("asked", databases={"database-5": f"sqlite:{file}"}, wait="alive")
    (two, raw), (month, averages) = ask_ms(daemon, "48h", "0"), ask_ms(daemon, f"{days}d", "5min")
    drawn, _ = ask_ms(daemon, f"{days}d", "1h")
    rows = [
        Row("history-ask-48h", f"GET /v1/history of one series over 48 h, each of its {raw:,} samples", "at most 500 ms",
            two, most=500, unit="ms", digits=0),
        Row("history-ask-30d", f"the same over {days} d, {averages:,} averages of 5 minutes", "at most 500 ms", month,
            most=500, unit="ms", digits=0),
        Row("history-ask-30d-1h", f"the same over {days} d by hours", "at most 500 ms", drawn, most=500, unit="ms", digits=0)]
    bench.drop(daemon)
    return rows
