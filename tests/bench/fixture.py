"""The server that the bench asks, the daemons on it, and what runs beside them."""
import collections
import csv
import datetime
import os
import pathlib
import subprocess
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

from support import Cluster, Daemon, Folder, Template  # noqa: E402
from support.cluster import bindir  # noqa: E402,F401
from support.base import BUILD, TOP, Failure, end, free_port, wait_until  # noqa: E402

TABLES, INDEXED, SMALL, SMALL_TABLES = 504, 501, 50, 10
NEVER = "30d"


def tables_sql(tables, indexed):
    return f"""DO $$ BEGIN
    FOR i IN 1..{tables} LOOP
        EXECUTE format('CREATE TABLE t%s (id bigint NOT NULL, a int, b text)', i);
        IF i <= {indexed} THEN
            EXECUTE format('ALTER TABLE t%s ADD PRIMARY KEY (id)', i);
            EXECUTE format('CREATE INDEX ON t%s (a)', i);
            EXECUTE format('CREATE INDEX ON t%s (b, a)', i);
        END IF;
        EXECUTE format('INSERT INTO t%s SELECT n, n %% 7, n::text FROM generate_series(1, 20) n', i);
    END LOOP; END $$"""


class Bench:
    """Owns everything that a run makes; close() ends all of it, in reverse order."""

    def __init__(self, quick):
        self.quick = quick
        self.folder = Folder()
        self._things = []
        self._template = None

    def own(self, thing):
        self._things.append(thing)
        return thing

    def close(self):
        while self._things:
            try:
                self._things.pop().remove()
            except Failure as fault:
                print(f"bench: {fault}", file=sys.stderr)
        self.folder.remove()

    def drop(self, thing):
        self._things.remove(thing)
        thing.remove()

    def cluster(self, name, **settings):
        if not self._template:
            self._template = Template(self.folder)
        return self.own(Cluster(self._template, self.folder, name, settings={
            "shared_buffers": "128MB", "max_connections": "60", "autovacuum": "off",
            "log_min_messages": "warning", "logging_collector": "on",
            "log_destination": "'stderr,csvlog'", "log_directory": "'.'",
            "log_filename": "'bench'", "log_rotation_age": "0", **settings}))

    def fixture(self, name, **settings):
        """One database of 504 tables and 1,503 indexes, 50 of 10 tables: 54 databases in all."""
        cluster = self.cluster(name, **settings)
        small, tables = (3, 30) if self.quick else (SMALL, TABLES)
        cluster.createdb("big", "small1")
        cluster.sql(tables_sql(tables, tables * INDEXED // TABLES), dbname="big")
        cluster.sql(tables_sql(SMALL_TABLES, SMALL_TABLES), dbname="small1")
        for i in range(2, small + 1):
            cluster.sql(f"CREATE DATABASE small{i} TEMPLATE small1 STRATEGY file_copy")
        for dbname in ("big", "small1"):
            cluster.sql("ANALYZE", dbname=dbname)
        cluster.sql("CHECKPOINT")
        return cluster

    def daemon(self, name, **parts):
        return self.own(Daemon(self.folder, name, **parts))

    def floor(self, program, *argv, env=None):
        return self.own(Floor(self.folder, program, *argv, env=env))


class Floor:
    """A raw program of ours; it is up when it says ready, and ends with its standard input."""

    def __init__(self, folder, program, *argv, env=None):
        self.process = subprocess.Popen(
            [BUILD / "bench" / program, *[str(a) for a in argv]], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, cwd=folder.path, env={**os.environ, **(env or {})})
        line = self.process.stdout.readline().split()
        if not line or line[0] != "ready":
            raise Failure(f"{program} is not ready")
        self.backend = int(line[1]) if len(line) > 1 else 0

    @property
    def pid(self):
        return self.process.pid

    def remove(self):
        self.process.stdin.close()
        end(self.process)
        self.process.stdout.close()


class Exporter:
    """An exporter of Debian's on a loopback port."""

    def __init__(self, folder, name, *argv, env=None):
        self.url = f"http://127.0.0.1:{argv[-1].rpartition(':')[2]}/metrics"
        self.log = folder.path / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([name, *argv], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env={"PATH": "/usr/bin:/bin", **(env or {})})
        wait_until(self._answers, 15, lambda: f"{name} answers: {self.log.read_text()[-500:]}")

    @property
    def pid(self):
        return self.process.pid

    def scrape(self):
        with urllib.request.urlopen(self.url, timeout=30) as answer:
            return answer.read().decode()

    def _answers(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.log}: {self.log.read_text()[-800:]}")
        try:
            return self.scrape()
        except OSError:
            return ""

    def remove(self):
        end(self.process)


def postgres_exporter(bench, cluster, role, dbname="big"):
    cluster.create_role(role)
    dsn = f"host={cluster.socket_dir} port={cluster.port} user={role} dbname={dbname} sslmode=disable"
    return bench.own(Exporter(bench.folder, "prometheus-postgres-exporter", "--log.level=error",
                              f"--web.listen-address=127.0.0.1:{free_port()}",
                              env={"DATA_SOURCE_NAME": dsn}))


# ---- the statements of one cycle, as the server heard them ----
class Statement:
    def __init__(self, name, sql, params):
        self.name, self.sql, self.params = name, sql, params

    def __eq__(self, other):
        return (self.name, self.sql) == (other.name, other.sql)

    def literal(self):
        """The text with its parameters in place, for a tool that has none."""
        sql = self.sql
        for i in range(len(self.params), 0, -1):
            value = self.params[i - 1]
            quoted = "NULL" if value is None else "'" + value.replace("'", "''") + "'"
            sql = sql.replace(f"${i}", quoted)
        return sql


Heard = collections.namedtuple("Heard", "at pid statement")


def parameters(detail):
    """`parameters: $1 = 'x', $2 = NULL` as a list of texts."""
    out, at = [], detail.find("$1 = ")
    if at < 0:
        return out
    while at < len(detail):
        at = detail.index(" = ", at) + 3
        if detail.startswith("NULL", at):
            out.append(None)
            at += 4
        else:
            value = ""
            at += 1
            while detail[at] != "'" or detail[at + 1:at + 2] == "'":
                step = 2 if detail[at] == "'" else 1
                value += detail[at]
                at += step
            out.append(value)
            at += 1
        at += 2  # ", "
    return out


def listen_to(cluster, role, act):
    """What role asks while act() runs, as the server's log has it."""
    cluster.sql(f"ALTER ROLE {role} SET log_statement = 'all'")
    try:
        act()
    finally:
        cluster.sql(f"ALTER ROLE {role} RESET log_statement")
    out = []
    with open(cluster.data / "bench.csv", newline="", encoding="utf-8") as f:
        for row in csv.reader(f):
            user, pid, message, detail = row[1], int(row[3]), row[13], row[14]
            if user == role and message.startswith("execute "):
                at = datetime.datetime.strptime(row[0][:23], "%Y-%m-%d %H:%M:%S.%f").timestamp()
                name, _, sql = message[len("execute "):].partition(": ")
                out.append(Heard(at, pid, Statement(name, sql, parameters(detail))))
    return out


def one_cycle(heard, period):
    """The statements of the last whole period on the session that asked most.

    Who asks all at one interval is quiet between its cycles."""
    pids = [h.pid for h in heard]
    home = [h for h in heard if h.pid == max(set(pids), key=pids.count)]
    cycles = [[home[0]]]
    for h in home[1:]:
        if h.at - cycles[-1][-1].at > period / 4:
            cycles.append([])
        cycles[-1].append(h)
    return [h.statement for h in cycles[-2]]


def write_statements(path, statements):
    with open(path, "wb") as f:
        for s in statements:
            parts = [s.sql, str(len(s.params))] + ["" if p is None else "=" + p for p in s.params]
            f.write(b"".join(p.encode() + b"\0" for p in parts))
    return path
