"""[alert]: programs and URLs that are told, whatever they do."""
import http.server
import json
import pathlib
import ssl
import subprocess
import threading
import time

import jsonschema
import pytest

from support import wait_until
from support.base import processes
from support.orphans import COUNT, FAST, SCRIPT, heal, plant

TOP = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = jsonschema.Draft202012Validator(json.loads((TOP / "docs/schema/alert.json").read_text()))


class Program:
    """A program to run; `behave` is what it does after it has kept what it was given."""

    def __init__(self, folder, behave="exit 0"):
        self.folder = folder.sub("program")
        self.path = self.folder / "tell me"
        self.behave(behave)

    def behave(self, what):
        new = self.folder / "new"
        new.write_text("#!/bin/sh\n"
                       f"d='{self.folder}'; t=$(mktemp \"$d/XXXXXX\"); cat >\"$t\"\n"
                       f"echo \"$@\" >>\"$d/args\"\n{what}\n")
        new.chmod(0o755)
        new.rename(self.path)

    @property
    def keys(self):
        return {"exec": f"'{self.path}' one \"two three\"", "group_wait": "1s",
                "checks": "fk-orphan-rows"}

    def tell(self, name="told"):
        """Keeps the message as told: to be put into behave."""
        return f"mv \"$t\" \"$t.{name}\""

    def messages(self, name="told"):
        out = [json.loads(p.read_text()) for p in self.folder.glob(f"*.{name}")]
        for m in out:
            SCHEMA.validate(m)
        return sorted(out, key=lambda m: m["events"][0]["id"])

    def ids(self, name="told"):
        return [e["id"] for m in self.messages(name) for e in m["events"]]


class Receiver:
    """An HTTP server that keeps what is posted: (path, headers, object), and answers as `answer` says."""

    def __init__(self, tls=None):
        self.posts, self.answer, outer = [], 200, self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.posts.append((self.path, self.headers, json.loads(body), outer.answer))
                self.send_response(outer.answer)
                if outer.answer == 307:
                    self.send_header("Location", outer.url + "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @property
    def taken(self):
        return [body for _, _, body, status in list(self.posts) if status == 200]

    @property
    def ids(self):
        return [e["id"] for m in self.taken for e in m["events"]]


@pytest.fixture
def receiver():
    r = Receiver()
    yield r
    r.close()


@pytest.fixture
def program(folder):
    return Program(folder)


def log_of(d):
    return [e["id"] for e in d.get("/v1/events", check="fk-orphan-rows", limit=500, after=0)["events"]]


def test_program_is_told_in_groups(sqlite, daemon, program):
    program.behave(program.tell())
    app = sqlite("app.db", SCRIPT)
    d = daemon(databases={"app": app.dsn}, defaults=FAST, sections={
        "alert page": program.keys, "alert other": {**program.keys, "databases": "none-*"}})
    plant(d, app)
    wait_until(lambda: len(program.ids()) == COUNT, 20 * d.slack, lambda: f"told: {program.ids()}")
    (message,) = program.messages()
    assert message["status"] == "firing" and message["alert"] == "page"
    assert message["check"] == "fk-orphan-rows" and message["database"] == "app"
    assert message["severity"] == message["events"][0]["severity"] and message["dropped"] == 0
    assert (program.folder / "args").read_text() == "one two three\n"
    heal(d, app)
    wait_until(lambda: len(program.ids()) == 2 * COUNT, 20 * d.slack, "the end is told")
    assert [m["status"] for m in program.messages()] == ["firing", "resolved"]
    # a restart announces nothing again
    d.restart()
    time.sleep(2)
    assert program.ids() == log_of(d)


def test_program_that_fails_hangs_and_is_killed(sqlite, daemon, program):
    """Nothing is lost, and what is told twice has the same numbers."""
    app = sqlite("app.db", SCRIPT)
    program.behave("echo out of paper; exit 3")
    d = daemon(databases={"app": app.dsn}, defaults=FAST,
               sections={"alert page": {**program.keys, "timeout": "1s"}})
    plant(d, app)
    wait_until(lambda: any("exit 3: out of paper" in e["MESSAGE"] for e in d.log()), 20 * d.slack,
               "why is said")
    program.behave(f"echo $$ >>'{program.folder}/pids'; trap '' TERM; sleep 1000 & sleep 1000; wait")
    wait_until((program.folder / "pids").exists, 60 * d.slack, "it hangs")
    before = d.database("app")["probes"]["connectivity"]["last_run"]
    wait_until(lambda: d.database("app")["probes"]["connectivity"]["last_run"] != before,
               10 * d.slack, "the databases are looked at all the same")
    heal(d, app)
    d.kill9()
    pid = int((program.folder / "pids").read_text().split()[0])
    wait_until(lambda: all(p[0] != pid for p in processes()), 10 * d.slack, "no program is left")
    program.behave(program.tell())
    d.start()
    wait_until(lambda: set(program.ids()) == set(log_of(d)), 30 * d.slack, "all is told")
    assert len(log_of(d)) == 2 * COUNT
    events = {}
    for m in program.messages():
        for e in m["events"]:
            assert events.setdefault(e["event_id"], e["id"]) == e["id"]
    assert len(events) == 2 * COUNT


def test_queue_is_bounded_and_says_what_it_dropped(sqlite, daemon, program):
    app = sqlite("app.db", SCRIPT)
    program.behave("exit 1")
    d = daemon(databases={"app": app.dsn}, defaults=FAST, sections={
        "alert page": {**program.keys, "max_queue": 10, "group_by": "check"}})
    plant(d, app)
    heal(d, app)
    wait_until(lambda: any("wait; the oldest are dropped" in e["MESSAGE"] for e in d.log()),
               20 * d.slack, "the bound is met")
    d.restart()
    program.behave(program.tell())
    wait_until(lambda: len(program.ids()) == 10, 60 * d.slack, lambda: f"{program.ids()}")
    assert program.ids() == log_of(d)[-10:]
    assert sum(m["dropped"] for m in program.messages()) == 2 * COUNT - 10
    wait_until(lambda: any("alert page: entries dropped: 14" in e["MESSAGE"] for e in d.log()),
               20 * d.slack, "the journal has it too")
    # it is told once
    app.sql("INSERT INTO c00(p) VALUES (99)")
    d.run("app", "integrity")
    wait_until(lambda: len(program.ids()) == 11, 30 * d.slack, "and goes on")
    assert sum(m["dropped"] for m in program.messages()) == 2 * COUNT - 10


def test_too_many_messages_become_one(sqlite, daemon, program):
    program.behave(program.tell())
    files = [sqlite(f"f{i:02d}.db", "CREATE TABLE p(id INTEGER PRIMARY KEY);"
                    "CREATE TABLE c(id INTEGER PRIMARY KEY, p INTEGER REFERENCES p(id));"
                    "INSERT INTO c(p) VALUES (1);") for i in range(20)]
    d = daemon(databases={f.path.stem: f.dsn for f in files}, defaults=FAST, sections={
        "alert page": {**program.keys, "group_by": "database", "max_per_hour": 900}})
    wait_until(lambda: len(log_of(d)) == len(set(program.ids())) == 20, 60 * d.slack, "all is told")
    sizes = [len(m["events"]) for m in program.messages()]
    assert sum(sizes) == 20 and len(sizes) < 20 and max(sizes) > 1, sizes


def test_reload_adds_changes_and_removes(sqlite, daemon, program):
    app = sqlite("app.db", SCRIPT)
    program.behave(program.tell())
    d = daemon(databases={"app": app.dsn}, defaults=FAST)
    plant(d, app)
    wait_until(lambda: len(log_of(d)) == COUNT, 20 * d.slack, "logged")

    def apply(sections):
        n = sum("configuration reloaded" in e["MESSAGE"] for e in d.log())
        d.configure(databases={"app": app.dsn}, defaults=FAST, sections=sections)
        d.reload()
        wait_until(lambda: sum("configuration reloaded" in e["MESSAGE"] for e in d.log()) > n,
                   20 * d.slack, "reloaded")
    apply({"alert page": program.keys})
    heal(d, app)
    wait_until(lambda: len(program.ids()) == COUNT, 20 * d.slack, "it is told from then on")
    program.behave("exit 1")
    plant(d, app)
    wait_until(lambda: any("not told: exit 1" in e["MESSAGE"] for e in d.log()), 20 * d.slack, "down")
    program.behave(program.tell())
    apply({"alert page": {**program.keys, "timeout": "5s"}})
    wait_until(lambda: program.ids() == log_of(d)[COUNT:], 20 * d.slack, "what waited is told")
    apply({})
    heal(d, app)
    time.sleep(2)
    assert len(program.ids()) == 2 * COUNT


HOOK = {"group_wait": "1s", "checks": "fk-orphan-rows"}


def test_webhook(sqlite, daemon, receiver):
    app = sqlite("app.db", SCRIPT)
    receiver.answer = 503
    d = daemon(databases={"app": app.dsn}, defaults=FAST, sections={"alert hook": {
        **HOOK, "url": receiver.url + "/T0/s3cret", "header": "Authorization: Bearer s3cret"}})
    plant(d, app)
    wait_until(lambda: len(receiver.posts) >= 2, 20 * d.slack, "it is tried again")
    receiver.answer = 307  # somewhere else is not where the secret goes
    n = len(receiver.posts)
    wait_until(lambda: len(receiver.posts) > n, 60 * d.slack, "and again")
    receiver.answer = 200
    wait_until(lambda: len(receiver.ids) == COUNT, 60 * d.slack, "it is told")
    assert {m["id"] for _, _, m, _ in receiver.posts} == {receiver.taken[0]["id"]}
    assert {path for path, _, _, _ in receiver.posts} == {"/T0/s3cret"}
    for _, headers, message, _ in receiver.posts:
        SCHEMA.validate(message)
        assert headers["Authorization"] == "Bearer s3cret"
        assert headers["Content-Type"] == "application/json"
    receiver.answer = 400  # this one will never do: the next ones may
    n = len(receiver.posts)
    heal(d, app)
    wait_until(lambda: any("given up: 12 events: HTTP status 400" in e["MESSAGE"] for e in d.log()),
               20 * d.slack, "it is given up")
    assert len(receiver.posts) == n + 1
    receiver.answer = 200
    plant(d, app)
    wait_until(lambda: len(receiver.ids) == 2 * COUNT, 30 * d.slack, "they do")
    assert receiver.taken[-1]["dropped"] == COUNT
    assert "s3cret" not in json.dumps(d.log())


def test_webhook_is_down_and_verified(sqlite, daemon, folder):
    """Nobody listens, then one whose certificate nobody knows, then it is known."""
    crt, key = folder.path / "crt", folder.path / "key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-days", "2", "-keyout", key, "-out", crt], check=True, capture_output=True)
    app = sqlite("app.db", SCRIPT)
    sections = {"alert hook": {**HOOK, "url": "http://127.0.0.1:1/"}}
    d = daemon(databases={"app": app.dsn}, defaults=FAST, sections=sections)
    plant(d, app)
    wait_until(lambda: any("alert hook: not told: " in e["MESSAGE"] for e in d.log()), 20 * d.slack,
               "nobody listens")
    receiver = Receiver(tls=(crt, key))
    try:
        for more, known in (({}, False), ({"ca_file": crt}, True)):
            sections["alert hook"] = {**HOOK, "url": receiver.url, **more}
            d.configure(databases={"app": app.dsn}, defaults=FAST, sections=sections)
            d.reload()
            if not known:
                wait_until(lambda: any("certificate" in e["MESSAGE"] for e in d.log()), 20 * d.slack,
                           "it is refused")
                assert receiver.posts == []
        wait_until(lambda: receiver.ids == log_of(d), 30 * d.slack, "what waited is told")
    finally:
        receiver.close()


def test_alertmanager(sqlite, daemon, receiver):
    app = sqlite("app.db", SCRIPT)
    d = daemon(databases={"app": {"dsn": app.dsn, "labels": "env=prod"}}, defaults=FAST, sections={
        "alert am": {**HOOK, "url": receiver.url + "/", "format": "alertmanager", "repeat": "1s"}})
    plant(d, app)

    def alerts(over):
        out = {}
        for _, _, body, _ in list(receiver.posts):
            for a in body:
                out.setdefault(a["labels"]["object"], []).append(a)
        return {o: v for o, v in out.items() if (v[-1]["endsAt"] < d.status()["databases"][0]["probes"][
            "connectivity"]["last_run"]) == over}
    wait_until(lambda: len(alerts(False)) == COUNT, 20 * d.slack, "all fire")
    wait_until(lambda: len(receiver.posts) >= 4, 20 * d.slack, "they are told again while open")
    assert {path for path, _, _, _ in receiver.posts} == {"/api/v2/alerts"}
    one = next(iter(alerts(False).values()))
    assert len({json.dumps(a["labels"], sort_keys=True) for a in one}) == 1
    assert len({a["startsAt"] for a in one}) == 1
    assert one[0]["labels"].items() >= {"alertname": "fk-orphan-rows", "database": "app",
                                        "env": "prod"}.items()
    assert one[0]["annotations"]["summary"].startswith("app: ")
    heal(d, app)
    wait_until(lambda: len(alerts(True)) == COUNT, 20 * d.slack, "all end")
    n = len(receiver.posts)
    time.sleep(2.5)
    assert len(receiver.posts) == n, "what is over is not told again"
    ended = next(iter(alerts(True).values()))
    assert len({json.dumps(a["labels"], sort_keys=True) for a in ended}) == 1


def test_configuration_is_judged(cli, folder, program):
    conf = folder.path / "c.conf"

    def check(text):
        conf.write_text(f"[alert page]\n{text}\n")
        conf.chmod(0o600)
        got = cli("-c", conf, "--check-config", program="dbhealthd")
        return got.status, got.out + got.err
    quoted = f"exec = '{program.path}' x"
    assert check(quoted)[0] == 0, check(quoted)
    assert check("url = https://example.org/x\nheader = Authorization: y")[0] == 0
    for text, why in ((f"{quoted}\nurl = https://example.org/", "one of them"), ("severity = critical", "neither"),
                      ("exec = tell", "absolute path"), (f"exec = '{program.path}", "quote"),
                      ("exec = /nowhere/at/all", "No such file"), ("exec = /etc", "no regular file"),
                      ("url = ftp://example.org/", "http"), (f"{quoted}\nmax_queue = 1", "max_queue"),
                      (f"{quoted}\ngroup_by = colour", "colour"), (f"{quoted}\nexecc = x", "exec"),
                      (f"{quoted}\nca_file = /x", "of url")):
        status, out = check(text)
        assert status == 78 and why in out, (text, out)
    program.path.chmod(0o775)
    status, out = check(quoted)
    assert status == 78 and "others may write" in out
    assert "s3cret" not in check("url = ftp://example.org/s3cret")[1]
