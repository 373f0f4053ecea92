"""What bites those who do not know it: each fact is shown on the real thing, then that we stay clear
of it.  tests/TRAPS.md has them all."""
import contextlib
import fcntl
import os
import pathlib
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time

import psycopg2
import pytest

from support import Proxy, as_user, wait_until
from support.base import TOP
from support.imposter import Imposter, error

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="two users need root")
FAST = {"connectivity_interval": "1s", "performance_interval": "2s", "schema_interval": "4s", "integrity_interval": "8s"}


def open_read_only(path, user):
    """A plain SQLITE_OPEN_READONLY by another user: what most tools do."""
    code = ("import sqlite3,sys\n"
            "try:\n"
            "  db = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True)\n"
            "  print(db.execute('SELECT count(*) FROM t').fetchone()[0])\n"
            "except sqlite3.Error as e: print(e)\n"
            "import os; os._exit(0)\n")
    return subprocess.run([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, check=True,
                          cwd="/", **as_user(user)).stdout.strip()


@pytest.fixture
def idle_wal(folder, sqlite):
    """idle_wal(mode): a WAL database of user postgres that nobody has open, in a folder of that mode."""
    def make(mode):
        folder.sub("app", user="postgres", mode=0o777)
        f = sqlite("app/app.db", "PRAGMA journal_mode = wal; CREATE TABLE t(a INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)", user="postgres")
        for name in f.neighbours():
            os.unlink(f.path.parent / name)
        f.path.chmod(0o644)
        f.path.parent.chmod(mode)
        return f
    return make


def insert(path, user):
    code = ("import sqlite3,sys\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "try: db.execute('INSERT INTO t DEFAULT VALUES'); print('ok')\n"
            "except sqlite3.Error as e: print(e)\n")
    return subprocess.run([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, check=True, cwd="/",
                          **as_user(user)).stdout.strip()


@needs_root
def test_reading_an_idle_log_makes_files_that_lock_the_owner_out(idle_wal, cli):
    f = idle_wal(0o777)
    said = cli("check", f.dsn, user="nobody")
    assert "unknown" not in said.out and f.neighbours() == [], said
    assert insert(f.path, "postgres") == "ok"
    for name in f.neighbours():
        os.unlink(f.path.parent / name)
    assert open_read_only(f.path, "nobody") == "2"
    assert f.neighbours() == ["app.db-shm", "app.db-wal"]
    assert insert(f.path, "postgres") == "attempt to write a readonly database"


@needs_root
def test_an_idle_log_in_a_folder_that_we_may_not_write(idle_wal, cli):
    f = idle_wal(0o755)
    assert "readonly database" in open_read_only(f.path, "nobody")
    said = cli("-o", "json", "check", f.dsn, user="nobody")
    assert said.status in (0, 1) and said.json["unknown"] == [], said
    assert f.neighbours() == []


def locks_on(path):
    inode = os.stat(path).st_ino
    return [li for li in pathlib.Path("/proc/locks").read_text().splitlines() if f":{inode} " in li]


def test_closing_a_second_descriptor_drops_the_lock(sqlite):
    f = sqlite("a.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")
    with contextlib.closing(f.connect()) as db:
        db.execute("BEGIN IMMEDIATE")
        assert len(locks_on(f.path)) >= 1
        f.path.read_bytes()
        assert locks_on(f.path) == []


def test_the_kernel_tells_no_holder_of_an_open_files_lock(sqlite, daemon):
    """Locks of open file descriptions show -1: such a holder is said to be unknown, not made up."""
    f = sqlite("a.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")
    with open(f.path, "r+b") as held:
        # SQLite's RESERVED byte
        fcntl.fcntl(held, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0x40000001, 1, 0))
        assert [li.split()[1:5] for li in locks_on(f.path)] == [["OFDLCK", "ADVISORY", "WRITE", "-1"]]
        d = daemon(databases={"a": f.dsn}, defaults=FAST)
        d.run("a", "performance")
        text = d.request("GET", "/v1/databases/a").body + d.request("GET", "/v1/findings?state=any").body
        assert b"pid -1" not in text
        assert d.database("a")["probes"]["connectivity"]["status"] == "ok"


def test_checks_of_sqlite_that_see_no_orphans(sqlite, cli):
    f = sqlite("a.db", "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p INTEGER REFERENCES p(id)); INSERT INTO c VALUES (7)")
    assert f.sql("PRAGMA integrity_check") == f.sql("PRAGMA quick_check") == [("ok",)]
    said = cli("-o", "json", "check", f.dsn).json
    assert [x["object"] for x in said["findings"] if x["check"] == "fk-orphan-rows"] == ["c.p"]


# ---- PostgreSQL ----

KNOWN_TO_13 = {"search_path", "default_transaction_read_only", "statement_timeout", "lock_timeout", "jit", "row_security", "DateStyle",
               "idle_in_transaction_session_timeout", "max_parallel_workers_per_gather"}


def test_a_setting_that_the_server_does_not_know_ends_the_connect(cluster, own, folder, daemon):
    c = cluster()
    with pytest.raises(psycopg2.OperationalError, match="unrecognized configuration parameter"):
        c.session(options="-c of_a_later_version=1")
    seen = []
    peer = own(Imposter(folder.sub("peer"), lambda s: s.sendall(error(b"later", b"57P03")), packets=seen))
    daemon(databases={"a": peer.dsn}, defaults=FAST, wait="alive")
    wait_until(lambda: seen, 20, "a start-up packet came")
    fields = seen[0][4:].split(b"\0")
    options = dict(zip(fields[::2], fields[1::2]))[b"options"].decode()
    names = set(re.findall(r"-c (\w+)=", options))
    assert names and names <= KNOWN_TO_13, names - KNOWN_TO_13


def test_what_a_monitoring_role_is_told_as_null(cluster, cli):
    """Never taken for 0 or for nothing: not covered or unknown, with the right that is missing."""
    c = cluster()
    c.sql("CREATE SEQUENCE s MAXVALUE 10; SELECT setval('s', 9); REVOKE ALL ON SEQUENCE s FROM PUBLIC; CREATE ROLE plain LOGIN")
    assert c.sql("SELECT last_value FROM pg_sequences WHERE sequencename = 's'", user="dbhealth") == [(None,)]
    c.createdb("closed")
    c.sql("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        c.sql("SELECT pg_database_size(datname) FROM pg_database", user="plain")
    with contextlib.closing(c.session("postgres")):
        states = c.sql("SELECT state FROM pg_stat_activity WHERE usename = 'postgres'", user="plain")
        assert states and set(states) == {(None,)}
    said = cli("-o", "json", "check", c.dsn()).json
    left = [n for n in said["not_covered"] + said["unknown"] if n["check"] == "sequence-near-limit"]
    assert not [f for f in said["findings"] if f["check"] == "sequence-near-limit"]
    assert left and "a right is missing" in left[0]["reason"], left
    c.sql("GRANT SELECT ON SEQUENCE s TO dbhealth")
    said = cli("-o", "json", "check", c.dsn()).json
    assert [f["object"] for f in said["findings"] if f["check"] == "sequence-near-limit"] == ["public.s"]


def test_commits_hang_without_their_standby_and_reads_do_not(cluster, daemon):
    """We only read, so we stay well: what hangs is told as sessions that wait, not as a server down."""
    c = cluster(settings={"synchronous_standby_names": "'gone'"}, role=False)
    with contextlib.closing(c.session()) as s, s.cursor() as cur:
        cur.execute("SET synchronous_commit = local; CREATE ROLE dbhealth LOGIN; GRANT pg_monitor TO dbhealth; CREATE TABLE t(a int PRIMARY KEY)")
    s = c.session()
    waiting = threading.Thread(target=lambda: contextlib.suppress(psycopg2.Error).__enter__() or commit(s), daemon=True)
    waiting.start()
    wait_until(lambda: c.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"), 10, "the commit hangs")
    d = daemon(databases={"a": c.dsn()}, defaults=FAST)
    for probe in ("connectivity", "performance", "schema", "integrity"):
        d.run("a", probe)
        assert d.database("a")["probes"][probe]["status"] != "critical"
    assert d.check("a", "conn-up")["status"] == "ok"
    assert c.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = 'dbhealth'") == [(0,)]
    c.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    waiting.join(10)
    s.close()


def commit(session):
    with contextlib.suppress(psycopg2.Error), session.cursor() as cur:
        cur.execute("INSERT INTO t VALUES (1)")


class Crumbs(Proxy):
    """Hands on the server's bytes a few at a time, so that every message is cut somewhere."""

    def _move(self, s):
        if s.family == socket.AF_INET:
            super()._move(s)
            return
        try:
            data = s.recv(65536)
            to = self._pairs[s]
            to.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data:
                n = random.randint(1, 900)
                to.sendall(data[:n])
                data = data[n:]
                if not data:
                    return
                time.sleep(0.0005)
        except OSError:
            pass
        self._drop(s)


def test_an_error_and_its_end_marker_in_two_packets(cluster, own, daemon):
    """Messages cut anywhere give the same answers, errors among them, and no session is lost."""
    c = cluster()
    p = own(Crumbs(f"{c.socket_dir}/.s.PGSQL.{c.port}"))
    queries = {f"query broken-{i}": {"databases": "*", "probe": "performance", "sql": f"SELECT 1/(a-{i}) AS value FROM (SELECT {i} AS a) AS x"}
               for i in range(4)}
    d = daemon(databases={"a": f"postgresql://dbhealth@127.0.0.1:{p.port}/postgres?sslmode=disable"},
               defaults={**FAST, "timeout": "10s"}, sections=queries)
    for _ in range(3):
        for probe in ("connectivity", "performance", "schema", "integrity"):
            d.run("a", probe)
    told = {k["id"]: k for k in d.database("a")["checks"]}
    for i in range(4):
        assert told[f"broken-{i}"]["reason"] == "division by zero", told[f"broken-{i}"]
    bad = {k for k, v in told.items() if v["status"] == "unknown"} - {f"broken-{i}" for i in range(4)}
    assert not bad and told["conn-up"]["status"] == "ok"
    assert not d.findings(check="conn-up", state="any")


def test_duplicates_that_an_index_hides(cluster):
    """A broken unique index answers for the table; only without index scans its duplicates show.  So
    what mends an index rebuilds it, which fails on them, before the new version is recorded."""
    c = cluster()
    c.script("""CREATE TABLE t (a int); CREATE UNIQUE INDEX i ON t (a); INSERT INTO t VALUES (1);
        UPDATE pg_index SET indisready = false, indisvalid = false WHERE indexrelid = 'i'::regclass; INSERT INTO t VALUES (1);
        UPDATE pg_index SET indisready = true, indisvalid = true WHERE indexrelid = 'i'::regclass; VACUUM t;""")
    twice = "SELECT a FROM t WHERE a > 0 GROUP BY a HAVING count(*) > 1"
    with contextlib.closing(c.session()) as s, s.cursor() as cur:
        cur.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        cur.execute(twice)
        assert cur.fetchall() == []
        cur.execute("SET enable_seqscan = on; SET enable_indexscan = off; SET enable_indexonlyscan = off")
        cur.execute(twice)
        assert cur.fetchall() == [(1,)]
        with pytest.raises(psycopg2.errors.UniqueViolation):
            cur.execute("REINDEX INDEX i")
    text = (TOP / "lib/checks/postgresql/collation-version-mismatch.sql").read_text()
    assert text.index("REINDEX") < text.index("REFRESH")


def test_no_check_asks_whether_a_column_of_yours_is_null():
    """From 17 on the planner answers that for a NOT NULL column without looking. Remedies (literals that end in
    a semicolon) are for columns that may be NULL."""
    for path in sorted((TOP / "lib/checks/postgresql").glob("*.sql")):
        asked = re.findall(r"%(?:\d\$)?[Is]\)? IS NULL", re.sub(r"'[^'\n]*;'", "", path.read_text()))
        assert asked == [], path.name


# ---- the daemon ----

def test_timers_are_fine_grained(daemon, sqlite):
    """libevent's own timers are 4 ms coarse; precise ones show as a timer descriptor."""
    d = daemon(databases={"a": sqlite("a.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)").dsn})
    links = []
    for fd in os.listdir(f"/proc/{d.process.pid}/fd"):
        with contextlib.suppress(OSError):
            links.append(os.readlink(f"/proc/{d.process.pid}/fd/{fd}"))
    assert "anon_inode:[timerfd]" in links


def test_workers_are_never_forks_of_the_daemon():
    """A fork copies the tables of all memory that was touched; a spawn does not.  The workers that run
    programs have touched none, and what commands run is nothing that the daemon knows."""
    small = {TOP / "daemon/program.c"} | {TOP / f"lib/backup/{name}.c" for name in ("child", "blank")}
    assert not any(re.search(r'"backup/(child|blank)[a-z_]*\.h"', p.read_text()) for p in (TOP / "daemon").rglob("*.[ch]"))
    for folder in ("lib", "daemon", "cli"):
        for path in (TOP / folder).rglob("*.c"):
            assert path in small or not re.search(r"\b(fork|vfork|daemon)\(", path.read_text()), path


def test_long_names_lines_and_values_of_a_configuration(folder, cli, sqlite):
    """What other readers cut or misread: names of 40, values of thousands, ` ;` inside, comments in SQL."""
    f = sqlite("a.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")
    name, conf = "n" * 40, folder.path / "long.conf"
    tables = ", ".join(f"table_{i:04d}" for i in range(300))

    def check(sql):
        conf.write_text(f"[database {name}]\ndsn = {f.dsn}\nnote = call me ; at night # or mail\nrequire_tables = {tables}\n"
                        f"[query {'q' * 40}]\nprobe = performance\nsql = {sql}\n")
        conf.chmod(0o600)
        return cli("-o", "json", "check", "-c", conf, name)
    said = check("SELECT 'a ; b' AS object,\n  1 AS value").json
    assert {x["database"] for x in said["findings"]} == {name}
    assert len([x for x in said["findings"] if x["check"] == "conv-required-table-missing"]) >= 50
    assert [x["object"] for x in said["findings"] if x["check"] == "q" * 40] == ["a ; b"]
    refused = check("SELECT 1 AS value -- joined\n  WHERE false")
    assert refused.status == 78 and "checks.d" in refused.err and re.search("conf:[567]: ", refused.err)
