"""The daemon and the command under test, each run with a folder of its own."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from urllib.parse import quote, urlencode

import jsonschema

from .base import BUILD, TOP, Failure, as_user, die_with, give, processes, sanitized, send, wait_until


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=10):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Schemas:
    """docs/schema holds what each answer promises; polling checks one a second, which is enough."""

    _validators, _last = {}, {}

    @classmethod
    def check(cls, path, answer):
        v1, *parts = path.split("?")[0].strip("/").split("/")
        name = None
        if v1 == "v1" and len(parts) <= 2 and parts[0] in ("status", "findings", "checks", "events",
                                                                 "silences", "accepts", "jobs", "checklist"):
            name = parts[0]
        elif v1 == "v1" and len(parts) == 2 and parts[0] == "databases":
            name = "database"
        elif v1 == "v1" and len(parts) == 3 and parts[2] == "baseline":
            name = "baseline"
        elif v1 == "v1" and len(parts) == 3 and parts[2] == "evidence":
            name = "evidence"
        elif v1 == "v1" and len(parts) == 3 and parts[2] == "statements":
            name = "statements"
        if name is None or time.monotonic() - cls._last.get(name, 0) < 1:
            return
        cls._last[name] = time.monotonic()
        if name not in cls._validators:
            text = (TOP / "docs/schema" / f"{name}.json").read_text()
            cls._validators[name] = jsonschema.Draft202012Validator(json.loads(text))
        fault = jsonschema.exceptions.best_match(cls._validators[name].iter_errors(answer))
        if fault:
            raise Failure(f"GET {path} is not as docs/schema/{name}.json: {fault.json_path}: "
                          f"{fault.message}")


def environment(folder, extra=None):
    """A clean environment; sanitizers write to files, so that workers' reports count too."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("PG", "DB_", "DATABASE_URL", "NOTIFY_", "JOURNAL_",
                                "WATCHDOG_", "LISTEN_"))}
    log = f"log_path={folder}/sanitizer"
    env.update(ASAN_OPTIONS=f"detect_leaks=1:exitcode=99:{log}",
               UBSAN_OPTIONS=f"print_stacktrace=1:{log}", LC_ALL="C.UTF-8", TZ="UTC")
    env.update(extra or {})
    return env


def check_sanitizers(folder):
    # A process that is killed while the leak checker stops its threads is no finding.  Nothing hides
    # behind that line: a thread whose registers are unknown makes for fewer roots, so for more leaks.
    reports = [p for p in sorted(folder.glob("sanitizer.*"))
               if re.sub(r"==\d+==Unable to get registers from thread \d+\.\s*", "",
                         p.read_text(errors="replace")).strip()]
    if reports:
        text = "\n".join(p.read_text(errors="replace")[:6000] for p in reports[:3])
        for p in reports:
            p.unlink()
        raise Failure(f"sanitizer report:\n{text}")


def ini(section, keys):
    def value(v):
        if isinstance(v, bool):
            return "yes" if v else "no"
        return ", ".join(v) if isinstance(v, (list, tuple)) else str(v)
    return f"[{section}]\n" + "".join(f"{k} = {value(v)}\n" for k, v in keys.items()) + "\n"


def config_text(daemon, databases=None, defaults=None, sections=None, text=""):
    out = ini("daemon", daemon)
    if defaults:
        out += ini("defaults", defaults)
    for name, keys in (databases or {}).items():
        out += ini(f"database {name}", keys if isinstance(keys, dict) else {"dsn": keys})
    for name, keys in (sections or {}).items():
        out += ini(name, keys)
    return out + text


class Daemon:
    """dbhealthd in the foreground with JSON lines on stderr; started by the constructor.

    databases: NAME -> dsn, or a dict of keys.  sections: "check xid-wraparound" -> keys.
    text: raw configuration put behind.  daemon: more keys of [daemon].
    checks_d: FILE -> content.  wait: "ready" (every database has a verdict), "alive" or None."""

    def __init__(self, folder, name="d", *, databases=None, defaults=None, sections=None, text="",
                 daemon=None, checks_d=None, user=None, env=None, argv=(), wait="ready",
                 start=True, prefix=(), pass_fds=()):
        self.folder = folder.sub(name, user=user)
        self.state = folder.sub(f"{name}/state", user=user)
        self.socket = self.folder / "sock"
        self.conf = self.folder / "dbhealthd.conf"
        self.user, self.argv, self.prefix = user, list(argv), list(prefix)
        self._env, self._pass_fds = env, tuple(pass_fds)
        self.program = BUILD / "dbhealthd"
        if user:  # who may not enter the folder of the build
            self.program = self.folder / "dbhealthd"
            shutil.copy(BUILD / "dbhealthd", self.program)
        self.process = None
        self._starts = 0
        self._seen_sessions = []
        self._keys = {"socket": self.socket, "state_dir": self.state, **(daemon or {})}
        self.configure(databases=databases, defaults=defaults, sections=sections, text=text)
        for file, content in (checks_d or {}).items():
            self.write(folder.sub(f"{name}/checks.d", user=user) / file, content)
        if start:
            self.start(wait)

    def write(self, path, content):
        path.write_text(content)
        path.chmod(0o600)
        give(path, self.user)

    def configure(self, **parts):
        """Writes the configuration anew; takes effect at the next start or reload()."""
        self.write(self.conf, config_text(self._keys, **parts))

    # ---- life ----
    def start(self, wait="ready"):
        assert self.process is None or self.process.poll() is not None
        self._starts += 1
        self.log_path = self.folder / f"log.{self._starts}"
        with self.open_log() as log:
            self.process = subprocess.Popen(
                [*self.prefix, self.program, "-c", self.conf, "--foreground", "--log=json",
                 *self.argv],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
                env=environment(self.folder, self._env), preexec_fn=die_with(signal.SIGKILL),
                pass_fds=self._pass_fds,
                **as_user(self.user))
        self._seen_sessions.append(self.process.pid)
        if wait:
            self.wait_alive()
        if wait == "ready":
            self.wait_ready()
        return self

    def open_log(self):
        """Where its standard error goes."""
        return open(self.log_path, "wb")

    def wait_alive(self, within=15):
        wait_until(lambda: self._probe("/healthz") == 200, within * self.slack,
                   lambda: f"/healthz answers 200; log: {self.log_tail()}")

    def wait_ready(self, within=25):
        wait_until(lambda: self._probe("/readyz") == 200, within * self.slack,
                   lambda: f"/readyz answers 200; log: {self.log_tail()}")

    @property
    def slack(self):
        """Deadlines stretch under sanitizers; what is asserted does not."""
        return 3 if sanitized() else 1

    def _probe(self, path):
        if self.process.poll() is not None:
            raise Failure(f"dbhealthd ended with {self.process.returncode}: {self.log_tail()}")
        try:
            return self.request("GET", path).status
        except (FileNotFoundError, ConnectionError):
            return 0

    def signal(self, sig):
        send(self.process.pid, sig)

    def reload(self):
        self.signal(signal.SIGHUP)

    def stop(self, within=15):
        """SIGTERM; it must end by itself, in time, with 0, leaving no process and no report."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            self.process.wait(within * self.slack)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise Failure(f"no end after SIGTERM; log: {self.log_tail()}") from None
        status = self.process.returncode
        check_sanitizers(self.folder)
        if status != 0:
            raise Failure(f"exit {status} after SIGTERM; log: {self.log_tail()}")
        self._wait_workers_gone()

    def kill9(self):
        """As the kernel's killer would; its workers must follow by themselves."""
        self.signal(signal.SIGKILL)
        self.process.wait(10)
        self._wait_workers_gone()

    def restart(self, wait="ready"):
        self.stop()
        return self.start(wait)

    def workers(self):
        return [p for p, _, session, _ in processes()
                if session == self.process.pid and p != self.process.pid]

    def _wait_workers_gone(self):
        wait_until(lambda: not self.workers(), 8 * self.slack,
                   lambda: f"workers are gone: {self.workers()}")

    def remove(self):
        """At the end of a test: stopped cleanly unless the test has seen to that itself."""
        try:
            if self.process is not None and self.process.poll() is None:
                self.stop()
            check_sanitizers(self.folder)
        finally:
            for pid, _, session, _ in processes():
                if session in self._seen_sessions:
                    send(pid, signal.SIGKILL)

    # ---- the API ----
    def request(self, method, path, body=None, headers=None, timeout=None):
        connection = UnixConnection(self.socket, timeout=timeout or 10 * self.slack)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def get(self, path, **query):
        """The JSON of a 200; anything else fails."""
        given = {k: v for k, v in query.items() if v is not None}
        path += "?" + urlencode(given) if given else ""
        answer = self.request("GET", path)
        if answer.status != 200:
            raise Failure(f"GET {path}: {answer}")
        out = answer.json
        Schemas.check(path, out)
        return out

    def status(self):
        return self.get("/v1/status")

    def database(self, name):
        return self.get(f"/v1/databases/{quote(name, safe='')}")

    def check(self, database, check):
        """What the daemon says of one check on one database, or None."""
        return next((c for c in self.database(database)["checks"] if c["id"] == check), None)

    def findings(self, **query):
        """Every open finding that fits, over all pages."""
        out, cursor = [], None
        while True:
            page = self.get("/v1/findings", cursor=cursor, **query)
            out += page["findings"]
            cursor = page.get("cursor")
            if not cursor:
                return out

    def run(self, database, probe, wait="20s"):
        """Makes it look now; the answer of the run."""
        answer = self.request(
            "POST", f"/v1/databases/{quote(database, safe='')}/probes/{probe}/run?wait={wait}",
            timeout=70)
        if answer.status not in (200, 202):
            raise Failure(f"run {database} {probe}: {answer}")
        return answer.json

    # ---- waiting for what it finds ----
    def _matching(self, check, object_, where, query):
        return [f for f in self.findings(check=check, **query)
                if (object_ is None or f["object"] == object_) and (where is None or where(f))]

    def wait_finding(self, check, object=None, *, within=20, where=None, **query):  # noqa: A002
        """The finding of check (and object, database=, severity=, state=, where(f)) once it is there."""
        found = wait_until(lambda: self._matching(check, object, where, query),
                           within * self.slack, lambda: self._seen(check, query))
        return found[0]

    def wait_gone(self, check, object=None, *, within=20, where=None, **query):  # noqa: A002
        wait_until(lambda: not self._matching(check, object, where, query), within * self.slack,
                   lambda: f"{check} {object or ''} goes; {self._seen(check, query)}")

    def wait_check(self, database, check, status, within=20):
        """The check once its status is (one of) status."""
        wanted = (status,) if isinstance(status, str) else tuple(status)
        box = {}

        def there():
            box["now"] = self.check(database, check)
            return box["now"] is not None and box["now"]["status"] in wanted

        wait_until(there, within * self.slack,
                   lambda: f"{check} on {database} is {wanted}: {box.get('now')}; {self.log_tail(5)}")
        return box["now"]

    def _seen(self, check, query):
        pending = [(f["check"], f["object"], f["severity"]) for f in self.findings(state="pending")]
        open_ = [(f["database"], f["check"], f["object"], f["severity"]) for f in self.findings()]
        text = f"{check}; open {open_[:20]}; pending {pending[:10]}"
        if query.get("database"):
            text += f"; check {self.check(query['database'], check)}"
        return text + f"; log {self.log_tail(5)}"

    # ---- the log ----
    def log(self, start=None):
        """Every line of the given start (default: the last) as a dict; a line that is no JSON fails."""
        path = self.folder / f"log.{start}" if start else self.log_path
        out = []
        for line in path.read_text(errors="replace").split("\n")[:-1]:
            try:
                out.append(json.loads(line))
            except ValueError:
                raise Failure(f"not JSON in --log=json: {line[:300]}") from None
        return out

    MESSAGE_ID = "6d1f0c5b1d0f4a5c8a0be4a2d3c7e1"

    def transitions(self, *kinds, start=None, **fields):
        """Entries with one of the message ids (by their last two digits) and DBHEALTH_ fields.

        transitions("01", check="conn-up", database="a")"""
        wanted = {self.MESSAGE_ID + k for k in kinds}
        return [e for e in self.log(start)
                if e.get("MESSAGE_ID", "").startswith(self.MESSAGE_ID)
                and (not wanted or e["MESSAGE_ID"] in wanted)
                and all(str(e.get(f"DBHEALTH_{k.upper()}")) == v for k, v in fields.items())]

    def log_tail(self, lines=15):
        try:
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"

    def cli(self, *argv, **more):
        return Cli(self.folder, "--socket", self.socket, *argv, **more)


class Cli:
    """One run of the dbhealth command: status, out, err."""

    def __init__(self, folder, *argv, env=None, user=None, cwd=None, program="dbhealth", timeout=120,
                 stdin=""):
        folder = getattr(folder, "path", folder)
        path = BUILD / program
        if user:  # who may not enter the folder of the build
            path = folder / program
            shutil.copy(BUILD / program, path)
            cwd = cwd or "/"
        done = subprocess.run([path, *[str(a) for a in argv]], input=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              cwd=cwd or TOP, env=environment(folder, env), check=False,
                              timeout=timeout, **as_user(user))
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr
        check_sanitizers(folder)

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"<exit {self.status} {self.out[:1500]!r} {self.err[:500]!r}>"
