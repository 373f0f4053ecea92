"""What a minute of the default catalogue costs the server, against postgres_exporter scraped each 15 s.

Time runs ten times faster for both: every interval of the daemon is a tenth, the exporter is scraped each
1.5 s.  The daemon is measured from its start, so that what is due once in 15 minutes, an hour or a day is in
it once in ten minutes: more than a steady minute costs."""
import time

from cycle import PGEXP_QUERIES
from fixture import postgres_exporter
from measure import Spread, family_ns, sleep_until
from report import Row

FACTOR = 10
PROBES = {"connectivity": 10, "performance": 30, "schema": 900, "integrity": 3600}


def intervals(bench, cluster):
    """Each check's own default interval, a tenth of it."""
    probe = bench.daemon("ids", databases={"big": cluster.dsn("big")}, wait="alive")
    checks = probe.get("/v1/checks")["checks"]
    bench.drop(probe)
    return {f"check {c['id']}": {"interval": f"{max(1, c['interval'] / FACTOR):.0f}s"}
            for c in checks if c["engine"] == "postgresql" and c["interval"]}


def measure(bench):
    step, steps = (3, 2) if bench.quick else (6, 10)
    ours, theirs = bench.fixture("minute1"), bench.fixture("minute2")
    sections = intervals(bench, ours)
    pgexp = postgres_exporter(bench, theirs, "bench_pgexp")
    time.sleep(2)
    cpu = {c: family_ns(c.process.pid) for c in (ours, theirs)}
    daemon = bench.daemon("minute", databases={"big": ours.dsn("big")}, sections=sections, wait="alive",
                          defaults={f"{p}_interval": f"{s // FACTOR}s" for p, s in PROBES.items()}
                          | {"reconnect_interval": "6s"})
    at, per_minute = time.monotonic(), []
    for _ in range(steps):
        for i in range(int(step / 1.5)):
            sleep_until(at + 1.5 * (i + 0.5))
            pgexp.scrape()
        at += step
        sleep_until(at)
        now = {c: family_ns(c.process.pid) for c in cpu}
        per_minute.append([(now[c] - cpu[c]) / 1e6 * (6 / step) for c in (ours, theirs)])
        cpu = now
    row = daemon.status()["databases"][0]
    covered = row["coverage"]["covered"]
    for thing in (daemon, pgexp, ours, theirs):
        bench.drop(thing)
    total = [sum(m[i] for m in per_minute) / len(per_minute) for i in (0, 1)]
    return [
        Row("minute", f"server CPU a minute of the default catalogue ({covered} checks covered) against "
            f"postgres_exporter scraped each 15 s ({PGEXP_QUERIES} queries)", "at most 1.0 x",
            total[0] / total[1], most=1.0, unit="x"),
        Row("minute-checks", "checks answered, against its queries", "three times as many",
            covered / PGEXP_QUERIES, least=3, unit="x", digits=1),
    ], [f"Milliseconds of the server's CPU a minute, mean over {len(per_minute)} minutes from the start on: "
        f"{total[0]:.0f} for dbhealthd (median {Spread([m[0] for m in per_minute]).text(1, 0)}), {total[1]:.0f} "
        "for postgres_exporter."]
