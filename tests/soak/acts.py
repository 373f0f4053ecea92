"""Who does what: one actor a server, a database, a file and the daemon, each with dice of its own.

An actor plays one act after the other: plants a fault, waits until it is told (or should have been,
or only briefly), cures it, waits until that is told.  What must and what may be told stands with the
act; whether it was is the model's question."""
import os
import random
import shutil
import signal
import socket
import sqlite3
import threading
import time
import traceback

import psycopg2

from support import Failure
from support.base import send

from entries import Open, kind
from model import Act, Expect, fits, place_of
from world import SLACK, TABLES


def soon(seconds):
    return seconds * SLACK


class Actor(threading.Thread):
    """acts(): (weight, method) of what this one can do."""

    def __init__(self, world, subject):
        super().__init__(daemon=True, name=subject)
        self.world, self.subject = world, subject
        self.dice = random.Random(f"{world.seed}/{subject}")
        self.done, self.played = threading.Event(), []
        self.open = Open()

    def run(self):
        try:
            while not self.world.over.is_set():
                weights, methods = zip(*self.acts())
                (method,) = self.dice.choices(methods, weights)
                self.played.append(method.__name__)
                method()
                self.world.over.wait(self.dice.uniform(0.2, 4))
        except Exception:  # noqa: BLE001  told in the report
            self.world.harness.append(f"{self.subject}: {traceback.format_exc(limit=4)}")
        self.done.set()
        self.world.may_end.wait()  # a server dies with the thread that started it

    # ---- one act ----
    def play(self, name, plant, cure, *, expect=(), allow=(), disturbs=(), recovery=0.0, brief=None,
             retells=False):
        """brief: (least, most) seconds to hold; else until it is told, and one in five times shorter."""
        if brief is None and self.dice.random() < 0.2:
            brief = (0.2, 5)
        hold, more = self.dice.uniform(*(brief or (0, 0))), self.dice.uniform(0, 3)
        act = self.world.add(Act(self.subject, name, time.time(), expect=list(expect), allow=list(allow),
                                 disturbs=list(disturbs), recovery=recovery, retells=retells))
        try:
            plant()
            act.set = time.time()
            if brief:
                self.world.over.wait(hold)
            else:
                self.hold(act, more)
        finally:
            act.curing = time.time()
            cure()
            act.cured = time.time()
        self.settle(act)

    def hold(self, act, more):
        while not self.world.over.is_set():
            if all(self.is_told(act, x) for x in act.expect):
                self.world.over.wait(more)
                return
            if all(self.world.calm(act, x.place) > x.within + 2 for x in act.expect):
                return
            time.sleep(0.2)

    def is_told(self, act, expect):
        return any(fits(expect, place_of(e), e["DBHEALTH_CHECK"], e.get("DBHEALTH_OBJECT", ""))
                   for e in self.open.feed(self.world.entries.all()))

    def settle(self, act):
        """Until nothing is open that the act explains, or should not be any more."""
        while time.time() < self.world.deadline(act):
            if not any(act.explains(place_of(e), e["DBHEALTH_CHECK"], e.get("DBHEALTH_OBJECT", ""))
                       for e in self.open.feed(self.world.entries.all())):
                return
            time.sleep(0.3)

    def persist(self, fn, within=120):
        """Until it succeeds: servers come and go meanwhile."""
        deadline = time.monotonic() + within
        while True:
            try:
                return fn()
            except (psycopg2.Error, sqlite3.Error, Failure):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.4)


class Server(Actor):
    """A PostgreSQL server: name is what the daemon calls it, among the places that hang on it."""

    def __init__(self, world, name, cluster, places, neighbours=()):
        super().__init__(world, name)
        self.cluster = cluster
        self.at = "@" + name
        self.places = [self.at, *places]
        # others notice an outage too
        self.allow = [(p, c) for p in [*self.places, *neighbours] for c in ("conn-up", "unknown", "conn-latency")]
        self.allow.append((self.at, "server-restarted"))
        self.disturbs = [*self.places, *neighbours]
        self.down = [Expect(self.at, "conn-up", within=soon(8), gone=soon(10))]

    def acts(self):
        out = [(2, self.stopped), (2, self.killed), (1, self.immediate), (2, self.bounced), (2, self.frozen),
               (2, self.postmaster_frozen), (2, self.sessions_ended), (2, self.filled)]
        if "beta2" not in self.subject:
            out += [(1, self.crashed), (2, self.locked), (2, self.idle_in_transaction)]
        return out

    def outage(self, name, plant, cure=None, **more):
        self.play(name, plant, cure or self.cluster.start, allow=self.allow, disturbs=self.disturbs,
                  recovery=soon(6), **{"expect": self.down, **more})

    def stopped(self):
        self.outage("stopped", lambda: self.cluster.stop("fast"))

    def killed(self):
        self.outage("killed", self.cluster.kill9)

    def immediate(self):
        self.outage("stopped at once", lambda: self.cluster.stop("immediate"))

    def bounced(self):
        self.outage("restarted", lambda: self.cluster.stop(self.dice.choice(("fast", "immediate"))),
                    brief=(0, 0.1), expect=())

    def frozen(self):
        self.outage("frozen", self.cluster.freeze, self.cluster.resume)

    def postmaster_frozen(self):
        self.outage("postmaster frozen", self.cluster.freeze_postmaster, self.cluster.resume)

    def sessions_ended(self):
        self.play("sessions ended", lambda: self.persist(lambda: self.cluster.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'dbhealth'")),
            lambda: None, brief=(0, 0.1), allow=[(p, "unknown") for p in self.places],
            disturbs=self.places, recovery=soon(3))

    def crashed(self):
        """One backend dies: every session ends and the server recovers by itself."""
        def plant():
            session = self.cluster.session()
            os.kill(session.info.backend_pid, signal.SIGKILL)

        def cure():
            self.persist(lambda: self.cluster.sql("SELECT 1"))

        self.outage("backend killed", lambda: self.persist(plant), cure, brief=(1, 2), expect=())

    # ---- what sessions do ----
    def in_session(self, name, statement, expect, **more):
        """A transaction that holds on; more sessions wait for it."""
        sessions, waiters = [], []

        def plant():
            session = self.persist(lambda: self.cluster.session(self.home, autocommit=False))
            sessions.append(session)
            session.cursor().execute(statement)
            if more.get("waits"):
                waiter = self.persist(lambda: self.cluster.session(self.home))
                sessions.append(waiter)
                thread = threading.Thread(target=wait_quietly, args=(waiter,), daemon=True)
                thread.start()
                waiters.append(thread)

        def cure():
            for session in sessions[:1]:
                session.close()
            for thread in waiters:
                thread.join(20)
            for session in sessions[1:]:
                session.close()

        self.play(name, plant, cure, expect=expect,
                  allow=[(self.at, "xact-idle"), *[(p, "unknown") for p in self.places]])

    home = "app"

    def locked(self):
        self.in_session("table locked", "LOCK TABLE child IN ACCESS EXCLUSIVE MODE", [
            Expect(self.at, "lock-blocked", within=soon(12), gone=soon(12))], waits=True)

    def idle_in_transaction(self):
        self.in_session("idle in transaction", "SELECT 1", [
            Expect(self.at, "xact-idle", within=soon(14), gone=soon(12))])

    def filled(self):
        held, full, end = [], threading.Event(), threading.Event()

        def fill():
            """What others give back is taken at once, for as long as it lasts."""
            while not end.wait(0.05 if full.is_set() else 0):
                try:
                    held.append(self.cluster.session(self.filler, user="hungry"))
                except psycopg2.OperationalError as e:
                    if "too many" in str(e) or "remaining" in str(e):
                        full.set()

        filler = threading.Thread(target=fill, daemon=True)

        def plant():
            filler.start()
            if not full.wait(30):
                raise Failure(f"{self.subject} could not be filled")

        def cure():
            end.set()
            filler.join(20)
            for session in held:
                session.close()

        allow = [*self.allow, (self.at, "conn-slots")]
        # who was there before keeps its session: conn-slots is certain, conn-up only when we look anew
        self.play("filled", plant, cure, allow=allow, disturbs=self.disturbs, recovery=soon(4),
                  expect=[Expect(self.at, "conn-up", within=soon(8), gone=soon(10), steady=False)])

    filler = "postgres"


def wait_quietly(session):
    try:
        session.cursor().execute("SELECT count(*) FROM child")
    except psycopg2.Error:
        pass


class Network(Server):
    """The server behind the proxy: its network suffers too."""

    def acts(self):
        return [*super().acts(), (2, self.silent), (2, self.stalled), (2, self.refused), (2, self.cut), (2, self.slow)]

    def network(self, name, plant, **more):
        self.outage(name, plant, self.world.proxy.resume, **more)

    def silent(self):
        def plant():
            self.world.proxy.silent()
            self.world.proxy.cut()
        self.network("network silent", plant)

    def stalled(self):
        self.network("network stalled", self.world.proxy.freeze)

    def refused(self):
        self.network("network refused", self.world.proxy.refuse)

    def cut(self):
        self.network("connections reset", self.world.proxy.cut, brief=(0, 0.1), expect=())

    def slow(self):
        self.network("network slow", lambda: self.world.proxy.delay(self.dice.uniform(0.02, 0.2)),
                     brief=(4, 10), expect=())


class PoolerActor(Actor):
    def acts(self):
        return [(1, self.killed), (2, self.idle)]

    def killed(self):
        self.play("pooler killed", self.world.pooler.kill, self.world.pooler.start,
                  expect=[Expect("@pooled", "conn-up", within=soon(8), gone=soon(10))],
                  allow=[("pooled", "unknown"), ("@pooled", "unknown")], disturbs=["pooled", "@pooled"],
                  recovery=soon(6))

    def idle(self):
        self.world.over.wait(self.dice.uniform(2, 10))


class Database(Actor):
    """Faults of a schema, in a database that others disturb meanwhile."""

    def __init__(self, world, place, cluster, dbname, seen_as=()):
        super().__init__(world, place)
        self.seen_as = seen_as  # other databases of the configuration that are the same one
        self.cluster, self.dbname = cluster, dbname

    def acts(self):
        return [(3, self.orphans), (2, self.index_twice), (2, self.sequence), (2, self.no_key), (2, self.no_index)]

    def lint(self, name, check, object_, plant, cure, within=22):
        def run(text):
            return lambda: self.persist(lambda: self.cluster.script(text, self.dbname), 180)

        self.play(name, run(plant), run(cure), expect=[
            Expect(self.subject, check, soon(within), soon(within + 6), object=object_)],
            allow=[(p, check) for p in self.seen_as])

    def orphans(self):
        self.lint("orphan rows", "fk-orphan-rows", "public.child.p*",
                  "SET session_replication_role = replica; INSERT INTO child VALUES (1000, 777) ON CONFLICT DO NOTHING",
                  "DELETE FROM child WHERE id = 1000", within=26)

    def index_twice(self):
        self.lint("index twice", "index-duplicate", "public.child.*",
                  "CREATE INDEX IF NOT EXISTS child_p2 ON child(p)", "DROP INDEX IF EXISTS child_p2")

    def sequence(self):
        self.lint("sequence near its end", "sequence-near-limit", "public.seq",
                  "SELECT setval('seq', 2100000000)", "SELECT setval('seq', 1)")

    def no_key(self):
        self.lint("no primary key", "table-no-primary-key", "public.nokey",
                  "CREATE TABLE IF NOT EXISTS nokey AS SELECT generate_series(1, 2000) AS a; ANALYZE nokey",
                  "DROP TABLE IF EXISTS nokey")

    def no_index(self):
        self.lint("foreign key without index", "fk-missing-index", "public.bare*",
                  "CREATE TABLE IF NOT EXISTS bare(id int PRIMARY KEY, p int REFERENCES parent);"
                  "INSERT INTO bare SELECT i, 1 + i % 50 FROM generate_series(1, 3000) i ON CONFLICT DO NOTHING;"
                  "ANALYZE bare", "DROP TABLE IF EXISTS bare")


class Members(Actor):
    """Databases of a server that is watched whole come and go: nobody is called for that."""

    def acts(self):
        return [(1, self.comes_and_goes)]

    def comes_and_goes(self):
        alpha = self.world.alpha

        def plant():
            self.persist(lambda: alpha.script("SELECT 'CREATE DATABASE app9' WHERE NOT EXISTS "
                                              "(SELECT FROM pg_database WHERE datname = 'app9') \\gexec"), 180)
            self.persist(lambda: alpha.script(TABLES.replace("TABLE ", "TABLE IF NOT EXISTS ")
                         .replace("INDEX ", "INDEX IF NOT EXISTS ").replace("SEQUENCE ", "SEQUENCE IF NOT EXISTS ")
                         .replace(") i;", ") i ON CONFLICT DO NOTHING;")
                         .replace("50);", "50) ON CONFLICT DO NOTHING;"), "app9"), 180)

        def cure():
            self.persist(lambda: alpha.script("DROP DATABASE IF EXISTS app9 WITH (FORCE)"), 180)

        self.play("database made and dropped", plant, cure, brief=(1, 25),
                  allow=[("alpha/app9", "unknown")])
        self.world.over.wait(self.dice.uniform(1, 10))


class File(Actor):
    """One SQLite file; what is copied back afterwards is what it was."""

    def __init__(self, world, file):
        super().__init__(world, file.path.stem)
        self.file, self.path = file, file.path
        self.kept = self.path.with_suffix(".kept")

    def acts(self):
        return [(2, self.deleted), (2, self.truncated), (2, self.damaged), (2, self.garbage), (2, self.emptied),
                (2, self.replaced), (3, self.orphans), (2, self.locked), (1, self.folder_instead),
                (2, self.journal_grows)]

    def any_fault(self, allow=("sqlite-*", "conn-up", "unknown", "fk-*", "table-*")):
        return [(self.subject, c) for c in allow]

    def keep(self):
        """With all that is in it: a log that somebody else reads outlives its last writer."""
        self.persist(self.checkpointed)
        shutil.copy2(self.path, self.kept)

    def checkpointed(self):
        if self.file.sql("PRAGMA wal_checkpoint(TRUNCATE)")[0][0] != 0:
            raise Failure(f"{self.path}: busy")

    def restore(self):
        """As a person would: the copy takes its place, what was left beside it goes."""
        for name in self.file.neighbours():
            if name.endswith(("-wal", "-shm", "-journal")):
                (self.path.parent / name).unlink()
        if self.path.is_dir():
            self.path.rmdir()
        again = self.path.with_suffix(".new")
        shutil.copy2(self.kept, again)
        os.replace(again, self.path)

    def instead(self, name, plant, *checks, within=20, **more):
        """The file is damaged by plant: one or more of the checks say so."""
        self.keep()
        expect = [Expect(self.subject, c, soon(within), soon(24), any_of="*" in c) for c in checks]
        self.play(name, plant, self.restore, expect=expect, allow=self.any_fault(), **more)

    def deleted(self):
        self.instead("file deleted", self.path.unlink, "conn-up", within=8)

    def truncated(self):
        self.instead("file cut off", lambda: self.file.truncate(self.path.stat().st_size // 2 + 100), "sqlite-truncated")

    def damaged(self):
        page = self.persist(lambda: self.file.root_page("parent"))
        self.instead("page damaged", lambda: self.file.damage_page(page, start=0, length=200), "sqlite-*")

    def garbage(self):
        self.instead("no database any more", lambda: self.path.write_bytes(b"\x7fELF and so on" * 900),
                     "sqlite-not-a-database")

    def emptied(self):
        # an empty file is what an application may make: told as info, so not by the log
        self.instead("file emptied", lambda: self.path.write_bytes(b""), brief=(1, 10))

    def folder_instead(self):
        def plant():
            self.path.unlink()
            self.path.mkdir()
        self.instead("a folder in its place", plant, "conn-up", within=8)

    def replaced(self):
        """Another copy takes its place in one step: nothing is wrong at any moment."""
        self.keep()
        self.play("file replaced", self.restore, lambda: None, brief=(0, 1), allow=[(self.subject, "unknown")])

    def orphans(self):
        def sql(text):
            return lambda: self.persist(lambda: self.file.sql(text))
        self.play("orphan rows", sql("INSERT OR IGNORE INTO child VALUES (1000, 99999)"),
                  sql("DELETE FROM child WHERE id = 1000"), expect=[
                      Expect(self.subject, "fk-orphan-rows", soon(24), soon(30))],
                  allow=[(self.subject, "unknown")])

    def locked(self):
        writers = []
        self.play("locked", lambda: writers.append(self.file.writer("BEGIN EXCLUSIVE")),
                  lambda: [self.file.end_writer(w) for w in writers], brief=(1, 14),
                  allow=[(self.subject, "unknown"), (self.subject, "sqlite-hot-journal")])

    def journal_grows(self):
        """A reader holds the WAL while a writer fills it."""
        if self.file.sql("PRAGMA journal_mode")[0][0] != "wal":
            return
        holders = []

        def plant():
            holders.append(self.file.writer("BEGIN;SELECT count(*) FROM parent"))
            self.file.sql("CREATE TABLE IF NOT EXISTS filler(id INTEGER PRIMARY KEY, b BLOB);"
                          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) "
                          "INSERT INTO filler(b) SELECT zeroblob(20000) FROM n;")

        def cure():
            for h in holders:
                self.file.end_writer(h)
            self.persist(lambda: self.file.sql("DROP TABLE IF EXISTS filler; PRAGMA wal_checkpoint(TRUNCATE); VACUUM;"
                                               "PRAGMA wal_checkpoint(TRUNCATE);"))

        self.play("WAL grows", plant, cure, allow=[(self.subject, "unknown")], expect=[
            Expect(self.subject, "sqlite-wal-large", soon(22), soon(24))])


class DaemonActor(Actor):
    """The daemon's own life: killed, stopped for a while, its workers killed, its reader asleep.

    lives: until when (monotonic) it may be killed as a whole; after that one life is measured."""

    def __init__(self, world, lives_until, on_restart, reloads):
        super().__init__(world, "daemon")
        self.lives_until, self.on_restart, self.reloads = lives_until, on_restart, reloads
        self.d = world.daemon

    def acts(self):
        out = [(2, self.worker_killed), (2, self.suspended), (2, self.clients), (2, self.reader_asleep)]
        if time.monotonic() < self.lives_until:
            out += [(2, self.killed), (1, self.stopped)]
        if self.reloads:
            out += [(2, self.thresholds_reloaded), (2, self.database_added), (2, self.bad_file)]
        return out

    def life(self, name, plant, **more):
        def cure():
            self.d.start(wait="alive")
            self.on_restart()
        self.play(name, plant, cure, brief=(0, 3), disturbs=["*"], recovery=soon(8), **more)

    def killed(self):
        def plant():
            self.world.killed.add(self.d._starts)
            self.d.kill9()
            self.d.drained()
        self.life("daemon killed", plant)

    def stopped(self):
        def plant():
            self.d.stop()
            self.d.drained()
        self.life("daemon stopped", plant)

    def worker_killed(self):
        def plant():
            workers = self.d.workers()
            if workers:
                send(self.dice.choice(sorted(workers)), signal.SIGKILL)
        self.play("worker killed", plant, lambda: None, brief=(0, 1), disturbs=["*"], recovery=soon(4),
                  retells=True, allow=[("*", "unknown"), ("*", "worker-crashed")])

    def suspended(self):
        """Nothing is told that was not seen, only because nobody looked for a while."""
        self.play("daemon suspended", lambda: self.d.signal(signal.SIGSTOP),
                  lambda: self.d.signal(signal.SIGCONT), brief=(1, 8), disturbs=["*"], recovery=soon(6))

    def reader_asleep(self):
        self.play("log not read", self.d.pump.go.clear, self.d.pump.go.set, brief=(1, 8))

    def clients(self):
        """Some ask, some send half a request, some read nothing."""
        held = []

        def plant():
            for i in range(40):
                s = socket.socket(socket.AF_UNIX)
                s.settimeout(5)
                try:
                    s.connect(str(self.d.socket))
                    s.sendall((b"GET /v1/findings HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /v1/st", b"\x00\xff" * 40)[i % 3])
                    held.append(s)
                except OSError:
                    s.close()

        self.play("clients", plant, lambda: [s.close() for s in held], brief=(0.5, 6))

    # ---- reload ----
    def answer(self, *kinds):
        since = len(self.world.entries.all())
        self.d.reload()
        deadline = time.monotonic() + soon(10)
        while time.monotonic() < deadline:
            if any(kind(e) in kinds for e in self.world.entries.all()[since:]):
                return
            time.sleep(0.1)
        raise Failure(f"SIGHUP: no entry of kind {' or '.join(kinds)}")

    def reload(self):
        self.world.configure()
        self.answer("07")

    def thresholds_reloaded(self):
        def limit(n):
            def do():
                self.world.gauge_limit = n
                self.reload()
            return do
        self.play("threshold moved", limit(40), limit(60),
                  expect=[Expect("gauge", "soak-gauge", soon(8), soon(8))])

    def database_added(self):
        def put(extra):
            def do():
                self.world.extra = extra
                self.reload()
            return do
        more = {"more": {"dsn": self.world.beta.dsn("postgres")},
                "copy": self.world.gauge.dsn, "other": self.world.behind_proxy("postgres")}
        some = {k: more[k] for k in self.dice.sample(sorted(more), self.dice.randint(1, 3))}
        self.play("databases added", put(some), put({}), brief=(1, 15),
                  allow=[(p, "*") for n in more for p in (n, "@" + n)])

    def bad_file(self):
        """It is refused whole: what runs goes on as before."""
        def plant():
            self.world.configure(text="[database broken]\ndsn = nonsense\n[defaults]\ntimeout = never\n")
            self.answer("08")
        self.play("bad configuration", plant, self.reload, brief=(0, 3))


