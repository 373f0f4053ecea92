"""A private PostgreSQL server: its own folder, socket and, if asked, loopback port."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess

import psycopg2

from .base import Failure, as_user, children, die_with, end, free_port, give, send, wait_until

USER = "postgres"
SETTINGS = {
    "shared_buffers": "16MB", "max_connections": "40",
    "log_connections": "on", "log_disconnections": "on",
    # %n: milliseconds since the epoch, read back by connection_log()
    "log_line_prefix": "'%n [%p] '", "logging_collector": "off", "log_min_messages": "log",
    "unix_socket_permissions": "0777", "max_wal_senders": "8", "max_replication_slots": "8",
}


def bindir(version=None):
    """DBHEALTH_PG_BINDIR names another server than the newest that is installed."""
    if os.environ.get("DBHEALTH_PG_BINDIR"):
        return pathlib.Path(os.environ["DBHEALTH_PG_BINDIR"])
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"{version or '*'}/bin"),
                     key=lambda p: int(p.parent.name))
    if not folders:
        raise Failure("no PostgreSQL server is installed")
    return folders[-1]


def run(*argv, **more):
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
                          check=False, timeout=120, **as_user(USER), **more)
    if done.returncode != 0:
        raise Failure(f"{argv[0]} exit {done.returncode}: {done.stdout[-2000:]}")
    return done.stdout


class Template:
    """initdb once; every Cluster of the session starts from a copy.

    Nothing is to be told of it: it has checksums unless checksums=False, and syncs what it writes."""

    def __init__(self, folder, *initdb_args, checksums=True):
        self.data = folder.sub("template", user=USER) / "data"
        run(bindir() / "initdb", "-D", self.data, "-U", USER, "-A", "trust", "-N",
            "-E", "UTF8", "--locale=C.UTF-8", *initdb_args, *(["-k"] if checksums else []))
        if not checksums and int((self.data / "PG_VERSION").read_text()) >= 18:
            run(bindir() / "pg_checksums", "--disable", "-D", self.data)

    def copy(self, target):
        run("cp", "-a", "--reflink=auto", self.data, target)


class Cluster:
    """Started by the constructor with the role dbhealth (member of pg_monitor).

    tcp=True listens on a free loopback port too; the Unix socket is always there."""

    def __init__(self, template, folder, name="c", *, tcp=False, settings=None, start=True,
                 role=True, data=None, port=None):
        self.folder = folder.sub(name, user=USER)
        self.name = name
        self.data = self.folder / "data"
        self.socket_dir = self.folder
        self.tcp = tcp
        self.port = port or (free_port() if tcp else 5432)
        self.log = self.folder / "log"
        self.process = None
        self._stopped = []
        self._standbys = []
        self._folder, self._template = folder, template
        if data is None:
            template.copy(self.data)
        self.configure(listen_addresses="'127.0.0.1'" if tcp else "''", port=str(self.port),
                       unix_socket_directories=f"'{self.socket_dir}'", **SETTINGS)
        self.configure(**(settings or {}))
        if start:
            self.start()
            if role and data is None:
                self.create_role()

    @property
    def version(self):
        return int((self.data / "PG_VERSION").read_text())

    # ---- settings and life ----
    def configure(self, **settings):
        """Appends to postgresql.conf; what stands last counts, after a reload or restart."""
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as f:
            for key, value in settings.items():
                f.write(f"{key} = {value}\n")

    def start(self, wait=True):
        assert self.process is None or self.process.poll() is not None
        with open(self.log, "ab") as log:
            give(self.log, USER)
            self.process = subprocess.Popen(
                [bindir() / "postgres", "-D", self.data], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd="/", start_new_session=True, preexec_fn=die_with(signal.SIGQUIT),
                **as_user(USER))
        if wait:
            wait_until(self.answers, 30, lambda: f"{self.name} answers; log: {self.log_tail()}")
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.name} ended: {self.log_tail()}")
        try:
            self.session().close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self, mode="fast"):
        """fast: SIGINT, smart: SIGTERM, immediate: SIGQUIT."""
        self.resume()
        if self.process is not None:
            end(self.process, {"fast": signal.SIGINT, "smart": signal.SIGTERM,
                               "immediate": signal.SIGQUIT}[mode], within=30)

    def restart(self, mode="fast"):
        self.stop(mode)
        return self.start()

    def reload(self):
        self.sql("SELECT pg_reload_conf()")

    def kill9(self):
        """kill -9 of the postmaster and of everything below it, as by a power cut."""
        pids = [self.process.pid, *children(self.process.pid)]
        for pid in pids:
            send(pid, signal.SIGKILL)
        self.process.wait(10)
        wait_until(lambda: not any(os.path.exists(f"/proc/{p}") for p in pids), 10,
                   "killed processes are gone")

    def freeze(self):
        """SIGSTOP of the postmaster and of every backend: nothing answers, nothing closes."""
        self.freeze_postmaster()
        for pid in children(self.process.pid):
            if send(pid, signal.SIGSTOP):
                self._stopped.append(pid)

    def freeze_postmaster(self):
        """SIGSTOP of the postmaster alone: sessions that exist go on, new ones hang."""
        send(self.process.pid, signal.SIGSTOP)
        self._stopped.append(self.process.pid)

    def resume(self):
        while self._stopped:
            send(self._stopped.pop(), signal.SIGCONT)

    def remove(self):
        for standby in self._standbys:
            standby.remove()
        self.resume()
        if self.process is not None:
            end(self.process, signal.SIGQUIT, within=20)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- talking to it ----
    def dsn(self, dbname="postgres", user="dbhealth", tcp=False, **params):
        """A URL; by the socket unless tcp."""
        from urllib.parse import quote, urlencode
        if tcp:
            assert self.tcp
            where, query = f"127.0.0.1:{self.port}", dict(params)
        else:
            where, query = "", {"host": str(self.socket_dir), "port": self.port, **params}
        more = "?" + urlencode(query) if query else ""
        return f"postgresql://{quote(user)}@{where}/{quote(dbname, safe='')}{more}"

    def session(self, dbname="postgres", user=USER, autocommit=True, **params):
        """A psycopg2 connection; the caller closes it (or lets it fall)."""
        connection = psycopg2.connect(host=str(self.socket_dir), port=self.port, dbname=dbname,
                                      user=user, connect_timeout=5,
                                      **{"application_name": "test", **params})
        connection.autocommit = autocommit
        return connection

    def sql(self, text, *params, dbname="postgres", user=USER):
        """Runs text in autocommit; rows as tuples, or [] where there are none."""
        with contextlib.closing(self.session(dbname, user)) as connection:
            with connection.cursor() as cursor:
                cursor.execute(text, params or None)
                return cursor.fetchall() if cursor.description else []

    def one(self, text, *params, **where):
        """The first column of the only row."""
        (row,) = self.sql(text, *params, **where)
        return row[0]

    def script(self, text, dbname="postgres", within=120):
        """psql, as a person would paste it: meta commands and CREATE INDEX CONCURRENTLY work."""
        done = subprocess.run(
            [bindir() / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.socket_dir,
             "-p", str(self.port), "-U", USER, "-d", dbname], input=text, text=True, cwd="/",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=within)
        if done.returncode != 0:
            raise Failure(f"psql exit {done.returncode}: {done.stderr}\n{text}")
        return done.stdout

    def createdb(self, *names):
        for name in names:
            quoted = name.replace('"', '""')
            self.sql(f'CREATE DATABASE "{quoted}"')
        return names[0]

    def create_role(self, name="dbhealth", limit=4):
        self.sql(f'CREATE ROLE "{name}" LOGIN CONNECTION LIMIT {limit}; GRANT pg_monitor TO "{name}"')

    # ---- watching the watcher ----
    def connections(self, application="dbhealth%"):
        return self.one("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s",
                        application)

    def connection_log(self, user="dbhealth"):
        """(pid, from, to) of each session of user (or of several) that the server admitted, from its own log.

        Seconds since the epoch; `to` is None while it lasts.  Of those that a kill ended the server
        says nothing: they are gone when it starts (again); of one that it refused after all (no slot is
        left) only why."""
        line = re.compile(r"^([\d.]+) \[(\d+)\] LOG:  (connection authorized|disconnection): .*?user=(\S+)")
        anew = re.compile(r"^([\d.]+) \[\d+\] LOG:  (starting PostgreSQL|all server processes terminated)")
        fatal = re.compile(r"^([\d.]+) \[(\d+)\] FATAL:  ")
        users = (user,) if isinstance(user, str) else user
        open_, done = {}, []
        for text in self.log.read_text(errors="replace").splitlines():
            if m := anew.match(text):
                done += [(int(p), start, float(m[1])) for p, start in open_.items()]
                open_ = {}
                continue
            if (m := fatal.match(text)) and m[2] in open_:
                done.append((int(m[2]), open_.pop(m[2]), float(m[1])))
                continue
            m = line.match(text)
            if not m or m[4] not in users:
                continue
            if m[3] == "connection authorized":
                open_[m[2]] = float(m[1])
            elif m[2] in open_:
                done.append((int(m[2]), open_.pop(m[2]), float(m[1])))
        return done + [(int(p), start, None) for p, start in open_.items()]

    def connections_over_time(self, user="dbhealth", grace=0.1):
        """(time, sessions of user from then on), at each change.

        An overlap up to grace seconds does not count: the server notices a close a little late."""
        edges = []
        for _, start, stop in self.connection_log(user):
            edges.append((start + grace, 1))
            edges.append((max(stop, start + grace) if stop else float("inf"), -1))
        out, now = [], 0
        for at, step in sorted(edges):
            now += step
            out.append((at, now))
        return out

    def max_connections_seen(self, user="dbhealth", grace=0.1):
        """Most sessions of user at any one moment."""
        return max((n for _, n in self.connections_over_time(user, grace)), default=0)

    def log_tail(self, lines=15):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"

    def standby(self, name=None, *, slot=None, settings=None):
        """A streaming standby of this server, caught up to the present."""
        name = name or f"{self.name}-s{len(self._standbys) + 1}"
        target = self._folder.sub(name, user=USER)
        more = ["-S", slot] if slot else []
        run(bindir() / "pg_basebackup", "-h", self.socket_dir, "-p", self.port, "-U", USER,
            "-D", target / "data", "-R", "-X", "stream", "-c", "fast", *more)
        standby = Cluster(self._template, self._folder, name, tcp=self.tcp, data=target / "data",
                          settings=settings, role=False)
        self._standbys.append(standby)
        lsn = self.one("SELECT pg_current_wal_lsn()")
        wait_until(lambda: standby.one("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", lsn), 30,
                   f"{name} replays")
        return standby
