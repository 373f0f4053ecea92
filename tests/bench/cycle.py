"""One steady cycle of the default catalogue on the home session, against the raw loop and two exporters.

Everyone asks once a period, in turn within it; a window of periods is one measurement of each."""
import json
import os
import re
import subprocess
import time

from fixture import (NEVER, Exporter, free_port, listen_to, one_cycle, postgres_exporter,
                     write_statements)
from measure import Meter, Spread, family_ns, ratios, sleep_until, tasks_ns
from report import Row

SETTINGS = ("-c search_path=pg_catalog -c default_transaction_read_only=on -c statement_timeout=5s"
            " -c lock_timeout=100ms -c idle_in_transaction_session_timeout=30s -c jit=off"
            " -c max_parallel_workers_per_gather=0 -c row_security=off")


# Asked by a visit of its own, once an hour or a day, or once: no part of a cycle on the home session.
VISITS = ("scrub", "snapshot")


def is_check(statement):
    return not statement.name.startswith("<") and not statement.name.startswith("head")


def every_check(daemon):
    """id -> kind"""
    return {c["id"]: c["kind"] for c in daemon.get("/v1/checks")["checks"] if c["engine"] == "postgresql"}


def steady(bench, cluster, period, name):
    """A daemon that asks every check of the default catalogue each period; scrubbing apart."""
    probe = bench.daemon(name + "-ids", databases={"big": cluster.dsn("big")}, wait="alive")
    kinds = every_check(probe)
    bench.drop(probe)
    intervals = {f"{p}_interval": period for p in ("connectivity", "schema", "integrity", "performance")}
    return bench.daemon(
        name, databases={"big": cluster.dsn("big")}, defaults={**intervals, "reconnect_interval": "1d"},
        sections={f"check {i}": {"interval": NEVER if kind in VISITS else period} for i, kind in sorted(kinds.items())})


def sql_exporter(bench, cluster, statements, period):
    """The same queries; it takes numbers and labels only, so each is asked for its value."""
    cluster.create_role("bench_sqlexp")
    queries, seen = [], set()
    for s in statements:
        if s.name in seen or not is_check(s):
            continue
        seen.add(s.name)
        queries.append({"name": "bench_" + re.sub(r"\W", "_", s.name), "help": s.name, "labels": ["n"],
                        "values": ["v"], "query":
                        "SELECT row_number() OVER ()::text AS n, coalesce(value::float8, -1) AS v"
                        f" FROM ({s.literal().strip().rstrip(';')}) AS q"})
    path = bench.folder.path / "sql-exporter.yml"
    dsn = f"postgres://bench_sqlexp@/big?host={cluster.socket_dir}&sslmode=disable"
    path.write_text(json.dumps({"jobs": [{
        "name": "all", "interval": f"{int(period * 1000)}ms", "connections": [dsn],
        "queries": queries}]}))
    exporter = bench.own(Exporter(
        bench.folder, "prometheus-sql-exporter", "-config.file", str(path), "-web.listen-address",
        f"127.0.0.1:{free_port()}", env={"LOGLEVEL": "WARN"}))
    return exporter, len(queries)


def backends(cluster, role):
    return [pid for (pid,) in cluster.sql("SELECT pid FROM pg_stat_activity WHERE usename = %s", role)]


def connections(cluster, role):
    return cluster.one("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", role)


def opened(cluster, role):
    """Connections that role ever opened, from the server's log."""
    return sum(f"user={role} " in line and "connection authorized" in line
               for line in cluster.data.joinpath("bench").read_text(errors="replace").splitlines())


ACTIONS = ("autovac_freeze backends bloat checkpoint commitratio connection database_size disabled_triggers"
           " hitratio index_size last_analyze last_autoanalyze last_autovacuum last_vacuum locks"
           " prepared_txns query_time relation_size replication_slots sequence settings_checksum table_size"
           " txn_idle txn_time txn_wraparound wal_files").split()


def check_postgres(bench, cluster):
    """One round of check_postgres: CPU of its own and of psql's in milliseconds, and seconds."""
    before, start = os.times(), time.monotonic()
    for action in ACTIONS[:4] if bench.quick else ACTIONS:
        more = ["--checksum=0"] if action == "settings_checksum" else []
        subprocess.run(["/usr/bin/check_postgres", f"--action={action}", f"--host={cluster.socket_dir}",
                        f"--port={cluster.port}", "--dbname=big", "--dbuser=postgres", "-w", "100GB"
                        if "size" in action else "--timeout=30", *more],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, cwd="/")
    after = os.times()
    return (after[2] + after[3] - before[2] - before[3]) * 1e3, time.monotonic() - start


PGEXP_QUERIES = 11  # of its default collectors, a scrape


def measure(bench):
    period = 1.0
    windows, length = (2, 2) if bench.quick else (24, 2)
    cluster = bench.fixture("cycle")
    text = f"{int(period * 1000)}ms"

    def act():
        daemon = steady(bench, cluster, text, "listen")
        time.sleep(8 * period)
        bench.drop(daemon)

    statements = one_cycle(listen_to(cluster, "dbhealth", act), period)
    checks = sum(is_check(s) for s in statements)
    file = write_statements(bench.folder.path / "cycle.statements", statements)
    daemon = steady(bench, cluster, text, "d")
    cluster.create_role("bench_raw")
    raw = bench.floor("raw-pg", "cycle", f"{cluster.dsn('big', 'bench_raw')}&options="
                      + SETTINGS.replace(" ", "%20").replace("=", "%3D"), file, int(period * 1000))
    sqlexp, sqlexp_queries = sql_exporter(bench, cluster, statements, period)
    pgexp = postgres_exporter(bench, cluster, "bench_pgexp")
    time.sleep(3)
    home, raw_backend = backends(cluster, "dbhealth"), backends(cluster, "bench_raw")
    assert len(home) == 1 and len(raw_backend) == 1, (home, raw_backend)
    opened_before = opened(cluster, "dbhealth")
    meter = Meter(daemon=lambda: family_ns(daemon.process.pid), raw=lambda: tasks_ns(raw.pid),
                  sqlexp=lambda: tasks_ns(sqlexp.pid), pgexp=lambda: tasks_ns(pgexp.pid),
                  server_daemon=lambda: tasks_ns(home[0]), server_raw=lambda: tasks_ns(raw_backend[0]))
    looks, at = [], time.monotonic()
    for _ in range(windows):
        for i in range(length):
            sleep_until(at + period * (i + 0.25))
            sqlexp.scrape()
            sleep_until(at + period * (i + 0.75))
            pgexp.scrape()
        at += period * length
        sleep_until(at)
        looks.append({k: v / 1e6 / length for k, v in meter.look().items()})
    assert backends(cluster, "dbhealth") == home, "the home session was replaced"
    server = {k: Spread([x[k] for x in looks]) for k in looks[0]}
    queries = f"{len(statements)} statements ({checks} checks, {len(statements) - checks} looks at the server itself)"
    rows = [
        Row("client-raw", "client CPU of one steady cycle, same statements and rows, with evaluation, "
            "findings and state: against the raw loop", "at most 1.5 x (stretch 1.2)",
            ratios([(x["daemon"], x["raw"]) for x in looks]), most=1.5, unit="x"),
        Row("client-sqlexp", "the same against prometheus-sql-exporter with the same queries",
            "at most 0.15 x", ratios([(x["daemon"], x["sqlexp"]) for x in looks]), most=0.15, unit="x"),
        Row("client-pgexp", "client CPU per check answered, against prometheus-postgres-exporter",
            "at most 0.15 x",
            ratios([(x["daemon"] / checks, x["pgexp"] / PGEXP_QUERIES) for x in looks]), most=0.15,
            unit="x"),
        Row("server-raw", "server CPU of the same cycle against the raw loop", "at most 1.05 x",
            ratios([(x["server_daemon"], x["server_raw"]) for x in looks]), most=1.05, unit="x"),
        Row("connections", f"new connections on the home session in {windows * length} steady cycles",
            "0", Spread([opened(cluster, "dbhealth") - opened_before]), most=0, digits=0),
    ]
    notes = [f"One cycle here: {queries}, everything the default catalogue asks on the home session.",
             "Milliseconds of CPU a cycle, median (quartiles): "
             + ", ".join(f"{label} {server[k].text()}" for k, label in (
                 ("raw", "raw loop"), ("daemon", "dbhealthd"), ("sqlexp", "sql_exporter"),
                 ("pgexp", "postgres_exporter"), ("server_raw", "server for the raw loop"),
                 ("server_daemon", "server for dbhealthd"))) + ".",
             f"sql_exporter asks {sqlexp_queries} queries, postgres_exporter {PGEXP_QUERIES}; each is "
             "scraped once a cycle."]
    cpu, seconds = check_postgres(bench, cluster)
    notes.append(f"One round of {len(ACTIONS[:4] if bench.quick else ACTIONS)} actions of check_postgres takes {cpu:.0f} "
                 f"ms of CPU with its psql processes, in {seconds:.1f} s.")
    for thing in (pgexp, sqlexp, raw, daemon, cluster):
        bench.drop(thing)
    return rows, notes
