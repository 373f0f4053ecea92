"""The whole catalogue on a schema of 20,000 tables and 60,000 indexes, and on one of a quarter of that:
what each statement takes on the server, whether it grows faster than the schema, and the client's memory."""
import collections
import csv
import os
import re
import subprocess

from fixture import BUILD
from report import Row

BATCH = 100


def schema_sql(first, last):
    """Three indexes a table; every second refers to the first of its batch; one in fifty is at fault."""
    out = ["BEGIN;"]
    for i in range(first, last):
        parent = f"REFERENCES t{first}" if i % 2 and i > first else ""
        out.append(f"CREATE TABLE t{i} (id bigint {'' if i % 50 == 7 else 'PRIMARY KEY'}, parent bigint {parent}, a int, b text,"
                   " created_at timestamp with time zone);")
        out.append(f"CREATE INDEX ON t{i} (parent); CREATE INDEX ON t{i} (b, a);")
        if i % 50 == 7:
            out.append(f"CREATE INDEX ON t{i} (b, a);")
    return "\n".join([*out, "COMMIT;"])


def make(cluster, dbname, tables):
    cluster.createdb(dbname)
    path = cluster.folder / f"{dbname}.sql"
    path.write_text("\n".join(schema_sql(i, min(i + BATCH, tables)) for i in range(0, tables, BATCH)))
    path.chmod(0o644)
    cluster.script(f"\\i {path}\nVACUUM ANALYZE pg_catalog.pg_class; ANALYZE;", dbname)


def look(bench, cluster, dbname):
    """One look at everything, deep, as a person would: its greatest memory in bytes."""
    conf = bench.folder.path / f"{dbname}.conf"
    conf.write_text(f"[database {dbname}]\ndsn = {cluster.dsn(dbname)}\nenable = *\ntimeout = 60s\n"
                    "require_tables = public.t1\nrequire_relationships = public.t1.parent -> public.t0.id\n"
                    "conventions = uuid-primary-key, timestamps, soft-delete, audit\nusers_table = public.t0\n")
    conf.chmod(0o600)
    child = subprocess.Popen([BUILD / "dbhealth", "check", "-o", "json", "--deep", "--budget", "20s", "-c", conf, dbname],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(child.pid, 0)
    child.returncode = 0
    return usage.ru_maxrss * 1024


def slowest(cluster, dbname):
    """Milliseconds of each named statement, the best of its runs, as the server's log has them."""
    best = collections.defaultdict(lambda: float("inf"))
    with open(cluster.data / "bench.csv", newline="", encoding="utf-8") as f:
        for row in csv.reader(f):
            said = re.match(r"duration: ([\d.]+) ms  execute ([^:]+): ", row[13])
            if row[2] == dbname and said and not said[2].startswith("<"):
                best[said[2]] = min(best[said[2]], float(said[1]))
    return best


def measure(bench):
    sizes = (100, 400) if bench.quick else (5000, 20000)
    cluster = bench.cluster("schemas", fsync="off", synchronous_commit="off", max_wal_size="4GB",
                            max_locks_per_transaction="512")
    took, memory = [], []
    for tables in sizes:
        dbname = f"s{tables}"
        make(cluster, dbname, tables)
        cluster.sql("ALTER ROLE dbhealth SET log_min_duration_statement = 0")
        memory.append(max(look(bench, cluster, dbname) for _ in range(3)))
        cluster.sql("ALTER ROLE dbhealth RESET log_min_duration_statement")
        took.append(slowest(cluster, dbname))
    worst = max(took[1], key=took[1].get)
    # What takes no time at either size says nothing of how it grows.
    growth = {c: took[1][c] / took[0][c] for c in took[1] if c in took[0] and took[1][c] > 20}
    steepest = max(growth, key=growth.get, default=worst)
    first = sorted(took[1], key=took[1].get, reverse=True)[:8]
    return [
        Row("catalogue-statement", f"dearest statement of {len(took[1])} on {sizes[1]:,} tables and {3 * sizes[1]:,} indexes ({worst})",
            "at most 1 s", took[1][worst] / 1000, most=1, unit="s"),
        Row("catalogue-growth", f"its time against a quarter of the tables, the steepest ({steepest})",
            "at most 6 x", growth.get(steepest, 1), most=6, unit="x"),
        Row("catalogue-sum", "the whole catalogue, server time", "at most 10 s", sum(took[1].values()) / 1000, most=10, unit="s"),
        Row("catalogue-memory", "memory of one look at it, against a quarter of the tables", "at most 1.5 x",
            memory[1] / memory[0], most=1.5, unit="x"),
    ], ["Dearest: " + ", ".join(f"{c} {took[1][c]:.0f} ms" for c in first) + "."]
