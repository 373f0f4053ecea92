"""What the soak watches and disturbs: servers, a pooler, a proxy, files, and the daemon over them."""
import fcntl
import os
import signal
import subprocess
import threading
import time

from support import Cluster, Daemon, Proxy, SqliteFile, free_port, sanitized, wait_until
from support.base import as_user, die_with, end, give

from entries import Entries
from model import Judge, calm_between, disturbed

# Everything takes longer under sanitizers, and nothing here is about milliseconds.
SLACK = 4 if sanitized() else 2
F_SETPIPE_SZ = 1031
DEFAULTS = {"connectivity_interval": "1s", "reconnect_interval": "2s", "performance_interval": "2s",
            "schema_interval": "4s", "integrity_interval": "6s", "timeout": "4s" if sanitized() else "2s"}
OF_FILES = {"connectivity_interval": "2s", "performance_interval": "5s", "schema_interval": "8s",
            "integrity_interval": "8s"}
SECTIONS = {
    "check *": {"flap_changes": "0"},  # what is planted again and again is to be told each time
    "check sequence-near-limit": {"interval": "4s"},
    "check xact-idle": {"param.warning_after": "3s", "param.blocks_after": "1h"},
    "check lock-blocked": {"param.warning_after": "2s"},
    "check conn-slots": {"for": "0s", "interval": "1s"},
    "check server-restarted": {"hold": "5s"},
    "check sqlite-wal-large": {"for": "2s", "param.min_bytes": "200kB"},
    # of this host, not of ours
    "check disk-space-low": {"enabled": "no"},
}
SETTINGS = {"shared_buffers": "2MB", "max_connections": "24", "autovacuum": "off"}
TABLES = """
CREATE TABLE parent(id int PRIMARY KEY);
CREATE TABLE child(id int PRIMARY KEY, p int REFERENCES parent);
CREATE INDEX child_p ON child(p);
CREATE SEQUENCE seq AS int;
INSERT INTO parent SELECT generate_series(1, 50);
INSERT INTO child SELECT i, i FROM generate_series(1, 50) i;
ANALYZE"""
FILE = """
PRAGMA journal_mode = {mode};
CREATE TABLE parent(id INTEGER PRIMARY KEY, a TEXT);
CREATE TABLE child(id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent(id));
CREATE INDEX child_p ON child(p);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
INSERT INTO parent SELECT i, hex(i * 7919) FROM n;
INSERT INTO child SELECT id, id FROM parent;
ANALYZE"""
# A database of its own whose value never moves: what a reload makes of it is all that is told.
GAUGE = {"query soak-gauge": {"databases": "gauge", "probe": "performance", "interval": "2s",
                              "sql": "SELECT 50 AS value", "warning": ">= 60"}}


class Pump:
    """Copies what the daemon says from a small pipe to a file, and can stop reading it."""

    def __init__(self, path):
        self.go = threading.Event()
        self.go.set()
        self._r, w = os.pipe()
        fcntl.fcntl(w, F_SETPIPE_SZ, 4096)
        self.end = os.fdopen(w, "wb")
        self.thread = threading.Thread(target=self._run, args=(path,), daemon=True)
        self.thread.start()

    def _run(self, path):
        with open(path, "wb", buffering=0) as f, os.fdopen(self._r, "rb", buffering=0) as r:
            while True:
                self.go.wait()
                data = r.read(4096)
                if not data:
                    return
                f.write(data)


class Watch(Daemon):
    """The daemon, behind a reader that may pause."""

    pump = None

    def open_log(self):
        self.pump = Pump(self.log_path)
        return self.pump.end

    def drained(self):
        """All that the last life said is in the file."""
        self.pump.go.set()
        self.pump.thread.join(20)


class Pooler:
    """PgBouncer before one database, pooling transactions."""

    def __init__(self, folder, upstream, dbname, user):
        self.folder = folder.sub("pooler", user="postgres")
        self.port = free_port()
        ini = self.folder / "pgbouncer.ini"
        ini.write_text(
            f"[databases]\npooled = host={upstream.socket_dir} port={upstream.port} dbname={dbname} user={user}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\nserver_login_retry = 1\n"
            "query_wait_timeout = 5\nlogfile = /dev/null\n")
        give(ini, "postgres")
        self.process = None
        self.start()

    @property
    def dsn(self):
        return f"postgresql://app@127.0.0.1:{self.port}/pooled"

    def start(self):
        self.process = subprocess.Popen(
            ["/usr/sbin/pgbouncer", "-q", self.folder / "pgbouncer.ini"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
            preexec_fn=die_with(signal.SIGKILL), **as_user("postgres"))

    def kill(self):
        end(self.process, signal.SIGKILL)

    remove = kill


class World:
    """Everything, and the list of acts that its actors write."""

    def __init__(self, folder, template, files, seed):
        self.seed = seed
        self.folder, self.acts, self.killed, self.over = folder, [], set(), threading.Event()
        self.may_end, self.things, self.harness = threading.Event(), [], []
        self.lock = threading.Lock()
        self.gauge_limit = 60
        self.extra = {}
        self._make_servers(template)
        self._make_files(files)
        asan = f"detect_leaks=1:exitcode=99:quarantine_size_mb=4:log_path={folder.path}/d/sanitizer"
        self.daemon = Watch(folder, start=False, env={"ASAN_OPTIONS": asan})
        self.configure()
        self.daemon.start(wait="ready")
        self.things.append(self.daemon)
        self.entries = Entries(self.daemon.folder)

    def _own(self, thing):
        self.things.append(thing)
        return thing

    def _make_servers(self, template):
        self.alpha = self._own(Cluster(template, self.folder, "alpha", settings=SETTINGS))
        self.beta = self._own(Cluster(template, self.folder, "beta", settings=SETTINGS))
        self.gamma = self._own(Cluster(template, self.folder, "gamma", settings=SETTINGS))
        for cluster, names in ((self.alpha, ("app1", "app2")), (self.beta, ("app",)), (self.gamma, ("app",))):
            cluster.sql("CREATE ROLE hungry LOGIN; GRANT pg_read_all_data TO dbhealth")
            for name in cluster.createdb(*names) and names:
                cluster.sql(TABLES, dbname=name)
        self.alpha.sql("CREATE ROLE app LOGIN; GRANT pg_monitor, pg_read_all_data TO app")
        self.beta2 = self.beta.standby("beta2", settings={"hot_standby_feedback": "off"})
        self.proxy = self._own(Proxy(f"{self.gamma.socket_dir}/.s.PGSQL.{self.gamma.port}"))
        self.pooler = self._own(Pooler(self.folder, self.alpha, "app1", "app"))

    def _make_files(self, n):
        folder = self.folder.sub("files")
        self.files = [SqliteFile(folder / f"f{i:02d}.db", FILE.format(mode="wal" if i % 3 == 2 else "delete"))
                      for i in range(n)]
        self.gauge = SqliteFile(folder / "gauge.db", FILE.format(mode="delete"))
        self.things += [*self.files, self.gauge]

    def behind_proxy(self, dbname):
        return f"postgresql://dbhealth@127.0.0.1:{self.proxy.port}/{dbname}?sslmode=disable"

    def configure(self, text=""):
        databases = {
            "alpha": {"dsn": self.alpha.dsn(), "databases": "*"},
            "beta": self.beta.dsn("app"), "beta2": self.beta2.dsn("app"),
            "gamma": self.behind_proxy("app"),
            "pooled": self.pooler.dsn,
            **{f.path.stem: {"dsn": f.dsn, **OF_FILES} for f in self.files},
            "gauge": {"dsn": self.gauge.dsn, **OF_FILES}, **self.extra}
        gauge = {k: {**v, "warning": f">= {self.gauge_limit}"} for k, v in GAUGE.items()}
        self.daemon.configure(databases=databases, defaults=DEFAULTS, sections={**SECTIONS, **gauge},
                              text=text)

    # ---- what actors and the main thread ask ----
    def add(self, act):
        with self.lock:
            self.acts.append(act)
        return act

    def snapshot(self):
        with self.lock:
            return list(self.acts)

    def calm(self, act, place):
        """Seconds for which the act could have been seen."""
        return calm_between(disturbed(self.snapshot(), place, but=(act,)), act.set, time.time())

    def deadline(self, act):
        """When all that it may have caused must be over."""
        judge = Judge(self.snapshot(), [], end=time.time())
        places = [x.place for x in act.expect] + [p for p, _ in act.allow] or ["*"]
        return max(judge.over(act, p, "*") for p in places)

    def settled(self, within):
        """All databases well, every probe of each having looked."""
        def well():
            try:
                rows = self.daemon.status()["databases"]
            except OSError:
                return False
            return len(rows) > 0 and all(r["status"] == "ok" and all(p["last_run"] for p in r["probes"].values())
                                         for r in rows)

        def ill():
            rows = self.daemon.status()["databases"]
            open_ = [(f["server"] if not f["database"] else f["database"], f["check"], f["object"], f["message"][:90])
                     for s in ("warning", "critical") for f in self.daemon.findings(severity=s)]
            unknown = [(r["name"], c["id"], c["reason"]) for r in rows if r["unknown"]
                       for c in self.daemon.database(r["name"])["checks"] if c["status"] == "unknown"]
            return f"all is well; open {open_[:8]}; unknown {unknown[:8]}"

        wait_until(well, within, ill, every=0.5)

    def queues(self):
        """For the sampler."""
        d = self.daemon.status()["daemon"]
        out = {"outlet queue": d["outlet_queued"], "store queue": d["store_queued"]}
        out["state size"] = sum(p.stat().st_size for p in self.daemon.state.iterdir()) / (1 << 20)
        return out

    def remove(self):
        faults = []
        self.may_end.set()
        for thing in reversed(self.things):
            try:
                thing.remove()
            except Exception as e:  # noqa: BLE001  the others must be removed too
                faults.append(f"{type(e).__name__}: {e}")
        return faults


