"""The whole catalogue on a schema of 20,000 tables, 60,000 indexes and 16,000 sequences, and on one of a
quarter of that: what each statement takes on the server, whether any grows faster than the schema, and the
client's memory."""
import collections
import csv
import json
import os
import re
import subprocess

import large_schema
from fixture import BUILD, Failure
from report import Row

ALL = ("enable = *", "timeout = 60s", "conventions = uuid-primary-key, timestamps, soft-delete, audit", "users_table = public.t0",
       "require_tables = public.t1", "require_relationships = public.t1.parent -> public.t0.id")
Took = collections.namedtuple("Took", "cpu wall")  # milliseconds of one statement: parsed, planned, executed


def make(cluster, dbname, tables):
    cluster.createdb(dbname)
    path = cluster.folder / f"{dbname}.sql"
    path.write_text("\n".join(large_schema.schema_sql(tables)))
    path.chmod(0o644)
    cluster.script(f"\\i {path}", dbname, within=900)


def look(bench, cluster, dbname):
    """One look at everything, as a person would: its greatest memory in bytes; no check may be left out."""
    conf = bench.folder.path / f"{dbname}.conf"
    conf.write_text("\n".join([f"[database {dbname}]", f"dsn = {cluster.dsn(dbname)}", *ALL, ""]))
    conf.chmod(0o600)
    said = bench.folder.path / f"{dbname}.json"
    with open(said, "wb") as out:
        child = subprocess.Popen([BUILD / "dbhealth", "check", "-o", "json", "--budget", "90s", "-c", conf, dbname],
                                 stdout=out, stderr=subprocess.DEVNULL)
        _, _, usage = os.wait4(child.pid, 0)
        child.returncode = 0
    late = [u for u in json.loads(said.read_text())["unknown"] if re.search("statement timeout|not yet run", u.get("text") or "")]
    if late:
        raise Failure(f"{dbname}: {late[0]}")
    return usage.ru_maxrss * 1024


def tails():
    """The end of each check's statement -> its id: lists of items go without a name."""
    ids = [c["id"] for c in json.loads(subprocess.run([BUILD / "dbhealth", "checks", "-o", "json"], check=True, capture_output=True).stdout)["checks"]
           if c["engine"] == "postgresql"]
    out = {}
    for check in ids:
        sql = subprocess.run([BUILD / "dbhealth", "checks", "--sql", check], check=True, capture_output=True, text=True).stdout
        ours = sql.partition(f"\n-- {check}, SQLite\n")[0]
        out[ours.rstrip()[-40:]] = check
    return out


def statements(cluster, dbname, ends):
    """Of each statement the best of its sessions, the dearest of its slices there, as the server's log has them."""
    spent = collections.defaultdict(lambda: [0.0, 0.0])
    done = collections.defaultdict(lambda: collections.defaultdict(list))  # name -> pid -> [Took]
    last = {}
    with open(cluster.data / "bench.csv", newline="", encoding="utf-8") as f:
        for row in csv.reader(f):
            if row[1] != "dbhealth" or row[2] != dbname:
                continue
            pid, said = row[3], re.match(r"duration: ([\d.]+) ms  (parse|bind|execute) ([^:]+): (.*)", row[13], re.S)
            if said:
                name = said[3] if said[3][0] != "<" else ends.get(said[4].rstrip()[-40:], "an item of a scrub")
                last[pid] = (name, said[2], float(said[1]))
            elif row[13].endswith("MESSAGE STATISTICS") and pid in last:
                name, phase, wall = last.pop(pid)
                used = re.search(r"([\d.]+) s user, ([\d.]+) s system", row[14])
                spent[pid, name][0] += 1000 * (float(used[1]) + float(used[2]))
                spent[pid, name][1] += wall
                if phase == "execute":
                    done[name][pid].append(Took(*spent.pop((pid, name))))
    return {name.removesuffix("_0"): min((max(took) for took in pids.values())) for name, pids in done.items()}


def measure(bench):
    sizes = (100, 400) if bench.quick else (5000, 20000)
    cluster = bench.cluster("schemas", fsync="off", synchronous_commit="off", max_wal_size="4GB",
                            max_locks_per_transaction="1024")
    ends, took, memory = tails(), [], []
    for tables in sizes:
        dbname = f"s{tables}"
        make(cluster, dbname, tables)
        cluster.sql("ALTER ROLE dbhealth SET log_min_duration_statement = 0; ALTER ROLE dbhealth SET log_statement_stats = on")
        memory.append(look(bench, cluster, dbname))
        cluster.sql("ALTER ROLE dbhealth RESET log_min_duration_statement; ALTER ROLE dbhealth RESET log_statement_stats")
        took.append(statements(cluster, dbname, ends))
    few, many = took
    dearest = sorted(many, key=lambda c: many[c].cpu, reverse=True)[:10]
    over = sorted({c for t in took for c in t if t[c].cpu >= 1000})  # a bad plan may come at one size only
    # What takes no time at either size says nothing of how it grows.
    growth = {c: many[c].cpu / few[c].cpu for c in many if c in few and many[c].cpu > 50 and few[c].cpu > 0}
    steepest = max(growth, key=growth.get, default=dearest[0])
    total = sum(t.cpu for t in many.values())
    return [
        Row("catalogue-statement", f"dearest of {len(many)} statements on {sizes[1]:,} tables and {3 * sizes[1]:,} indexes ({dearest[0]}), "
            "CPU of the server", "under 1 s", many[dearest[0]].cpu / 1000, most=1, unit="s"),
        Row("catalogue-over", "statements of a second or more, at either size" + (f" ({', '.join(over)})" if over else ""), "none", len(over), most=0, digits=0),
        Row("catalogue-growth", f"a statement against the same on a quarter of the schema, the steepest ({steepest}); linear is 4 x",
            "at most 6 x", growth.get(steepest, 1), most=6, unit="x"),
        Row("catalogue-sum", "every check of the catalogue once, CPU of the server", "at most 30 s", total / 1000, most=30, unit="s"),
        Row("catalogue-memory", "greatest memory of the client that looks at everything", "at most 128 MB", memory[1] / 1e6, most=128, unit="MB", digits=0),
        Row("catalogue-memory-growth", "the same against a quarter of the schema", "at most 4 x", memory[1] / memory[0], most=4, unit="x"),
    ], ["The dearest ten, each as its share of a second and its growth over a quarter of the schema: "
        + ", ".join(f"{c} {many[c].cpu / 1000:.2f}" + (f" ({growth[c]:.1f} x)" if c in growth else "") for c in dearest) + ".",
        f"The schema: in {max(1, sizes[1] // large_schema.SCHEMA)} schemas, with sequences, foreign keys (some of two columns), triggers, "
        "functions, views, comments, domains, and partition trees three deep; every check is on, conventions, too."]
