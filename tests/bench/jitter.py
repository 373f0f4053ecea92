"""Start jitter: 1,000 sessions that ask once a second, the daemon's probes against the raw loop.

Each start is noted as libpq is handed the statement; a connection's earliest within its second is taken
for on time, what the others are later is jitter."""
import array
import time

from fixture import BUILD
from measure import Spread, memory_kb
from report import Row


def by_connection(path, begin_us):
    """Deviation of each start from its connection's own period of one second, in microseconds."""
    notes = array.array("q", path.read_bytes())
    seen = {}
    for connection, at in zip(notes[0::2], notes[1::2]):
        if at > begin_us:
            seen.setdefault(connection, []).append(at % 1_000_000)
    out = []
    for phases in seen.values():
        # unwrapped around the first, so that a phase near the turn of the second stays together
        near = [(p - phases[0] + 500_000) % 1_000_000 for p in phases]
        due = min(near)
        out += [p - due for p in near]
    return out, len(seen)


def measure(bench):
    count, seconds = (20, 3) if bench.quick else (1000, 12)
    cluster = bench.cluster("jitter", max_connections=2 * count + 20, shared_buffers="32MB")
    roles = [f"r{i}" for i in range(count)]
    cluster.sql("".join(f"CREATE ROLE {r} LOGIN; GRANT pg_monitor TO {r};" for r in roles))
    files = {k: bench.folder.path / f"{k}.when" for k in ("daemon", "raw")}
    preload = {k: {"LD_PRELOAD": str(BUILD / "bench/when.so"), "BENCH_WHEN": str(p)}
               for k, p in files.items()}
    daemon = bench.daemon(
        "jitter", env=preload["daemon"], wait="alive",
        databases={r: {"dsn": cluster.dsn("postgres", r), "disable": ["conn-latency", "conn-slots", "monitor-role", "server-*", "setup-needed"],
                       "probes": "connectivity"} for r in roles},
        defaults={"connectivity_interval": "1s", "reconnect_interval": "1d"})
    time.sleep(2 if bench.quick else 20)
    begin = time.monotonic_ns() // 1000
    time.sleep(seconds)
    kb = memory_kb(daemon.process.pid)
    bench.drop(daemon)
    ours, sessions = by_connection(files["daemon"], begin)
    raw = bench.floor("raw-pg", "pulse", count, *[
        f"host={cluster.socket_dir} user={r} dbname=postgres" for r in roles], env=preload["raw"])
    time.sleep(1)
    begin = time.monotonic_ns() // 1000
    time.sleep(seconds)
    bench.drop(raw)
    theirs, _ = by_connection(files["raw"], begin)
    bench.drop(cluster)
    ours, theirs = Spread(ours), Spread(theirs)
    return [
        Row("jitter-median", f"start jitter, {sessions} probes at 1 Hz on sessions of their own: median",
            "0.1 ms", ours.median / 1e3, most=0.1, unit="ms"),
        Row("jitter-p99", "the same, p99 against the raw loop with precise timers", "at most 1.5 x",
            ours.quantile(.99) / max(theirs.quantile(.99), 1), most=1.5, unit="x"),
    ], [f"Raw loop: median {theirs.median / 1e3:.2f} ms, p99 {theirs.quantile(.99) / 1e3:.2f} ms; dbhealthd: p99 "
        f"{ours.quantile(.99) / 1e3:.2f} ms. {sessions} home sessions: {kb / 1024:.1f} MB resident. Jitter is "
        "measured from a connection's earliest start within the second."]
