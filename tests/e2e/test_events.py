"""What happened: the list, the stream with its numbers, and the command that shows both."""
import contextlib
import json
import pathlib
import signal
import socket
import subprocess
import threading
import time

import jsonschema

from support import wait_until
from support.base import BUILD, die_with, end
from support.daemon import environment
from support.orphans import COUNT, FAST, SCRIPT, heal, plant

TOP = pathlib.Path(__file__).resolve().parents[2]
EVENT = {"$ref": "#/$defs/event", **json.loads((TOP / "docs/schema/events.json").read_text())}
EVENT = jsonschema.Draft202012Validator({"$ref": "#/$defs/event", "$defs": EVENT["$defs"]})


class Stream:
    """A client of the stream: everything that came, as (id, object)."""

    def __init__(self, d, last=None, query="", read=True):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(d.socket))
        head = f"GET /v1/events{query} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
        if last is not None:
            head += f"Last-Event-ID: {last}\r\n"
        self.sock.sendall((head + "\r\n").encode())
        self.text, self.over = b"", False
        self.thread = threading.Thread(target=self._read, daemon=True)
        if read:
            self.thread.start()

    def _read(self):
        with contextlib.suppress(OSError):
            while part := self.sock.recv(65536):
                self.text += part
        self.over = True

    @property
    def events(self):
        out = []
        for block in self.text.decode().partition("\r\n\r\n")[2].split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
            if "data" in fields:
                out.append((int(fields.get("id", 0)), json.loads(fields["data"])))
        return out

    @property
    def ids(self):
        return [i for i, _ in self.events]

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        if self.thread.is_alive():
            self.thread.join(10)


def past(d, **query):
    return d.get("/v1/events", **{"check": "fk-orphan-rows", "limit": 500, "after": 0, **query})["events"]


def told(d, n, **query):
    """So many are in the log and on the disk."""
    wait_until(lambda: len(past(d, **query)) == n, 20 * d.slack, lambda: f"{n}: {past(d, **query)}")
    return past(d, **query)


def test_list(sqlite, daemon):
    app, other = sqlite("app.db", SCRIPT), sqlite("other.db", SCRIPT)
    d = daemon(databases={"app": {"dsn": app.dsn, "labels": "env=prod"}, "other": other.dsn},
               defaults=FAST)
    wait_until(lambda: {e["kind"] for e in past(d, check="", database="app")} == {"summary"} or
               past(d, check=None, database="app"), 20 * d.slack, "the first look is in the log")
    plant(d, app)
    opened = told(d, COUNT)
    assert {e["kind"] for e in opened} == {"opened"}
    assert {e["database"] for e in opened} == {"app"} and opened[0]["labels"]["env"] == "prod"
    assert [e["id"] for e in opened] == sorted(e["id"] for e in opened)
    for e in opened:
        EVENT.validate(e)
    heal(d, app)
    everything = told(d, 2 * COUNT)
    # page by page, each once
    ids, after = [], 0
    while page := past(d, after=after, limit=5):
        ids += [e["id"] for e in page]
        after = ids[-1]
    assert ids == [e["id"] for e in everything]
    # the newest when no place is named; by finding, by time
    last = d.get("/v1/events", check="fk-orphan-rows", limit=3)["events"]
    assert [e["id"] for e in last] == ids[-3:]
    one = d.get("/v1/events", finding=opened[0]["finding"])["events"]
    assert [e["kind"] for e in one] == ["opened", "resolved"]
    assert past(d, since=everything[COUNT]["time"])[0]["id"] >= ids[0]
    assert past(d, until="2001-01-01T00:00:00Z") == [] == past(d, database="other")
    assert len(past(d, since="1h")) == 2 * COUNT
    for query in ("since=yesterday", "limit=0", "limit=501", "after=-1", "after=x", "colour=red"):
        assert d.request("GET", f"/v1/events?{query}").status == 400, query
    assert d.request("GET", "/v1/events?database=nobody").status == 404
    d.restart()
    assert past(d) == everything


def test_stream_goes_on_where_it_was(sqlite, daemon):
    app = sqlite("app.db", SCRIPT)
    d = daemon(databases={"app": app.dsn}, defaults=FAST)
    query = "?check=fk-orphan-rows"
    first = Stream(d, query=query)
    wait_until(lambda: b"retry: " in first.text, 10 * d.slack, "the stream is open")
    assert b"200 OK" in first.text and b"Content-Type: text/event-stream" in first.text
    plant(d, app)
    wait_until(lambda: len(first.ids) == COUNT, 20 * d.slack, lambda: f"it hears: {first.text}")
    for number, event in first.events:
        EVENT.validate(event)
        assert number == event["id"]
    seen = first.ids
    first.close()
    # what happened while nobody listened, and after the daemon was killed
    heal(d, app)
    told(d, 2 * COUNT)
    d.kill9()
    d.start()
    second = Stream(d, last=seen[-1], query=query)
    wait_until(lambda: len(second.ids) == COUNT, 20 * d.slack, lambda: f"the rest: {second.text}")
    plant(d, app)
    wait_until(lambda: len(second.ids) == 2 * COUNT, 20 * d.slack, "and what is new")
    ids = seen + second.ids
    assert ids == [e["id"] for e in told(d, 3 * COUNT)]
    # in the middle, from the beginning by time, and from a number of another life
    for more, n in (({"last": ids[4]}, 3 * COUNT - 5), ({"query": query + "&since=1h"}, 3 * COUNT),
                    ({"last": 10 ** 15}, 3 * COUNT)):
        s = Stream(d, **{"query": query, **more})
        wait_until(lambda s=s, n=n: s.ids == ids[-n:], 20 * d.slack, lambda s=s: f"{s.text}")
        s.close()
    d.stop()
    wait_until(lambda: second.over, 10 * d.slack, "a stop ends the stream")


def test_streams_are_bounded(sqlite, daemon):
    app = sqlite("app.db", SCRIPT)
    d = daemon(databases={"app": app.dsn}, defaults=FAST)
    with contextlib.ExitStack() as stack:
        streams = []
        for _ in range(16):
            s = Stream(d, query="?check=fk-orphan-rows")
            stack.callback(s.close)
            streams.append(s)
            wait_until(lambda s=s: b"retry" in s.text, 10 * d.slack, "it is let in")
        answer = d.request("GET", "/v1/events", headers={"Accept": "text/event-stream"})
        assert answer.status == 429 and answer.headers["Retry-After"]
        assert d.request("GET", "/healthz").status == 200
        streams[0].close()


        def let_in():
            s = Stream(d)
            stack.callback(s.close)
            wait_until(lambda: s.text, 10 * d.slack, "an answer")
            return b"200 OK" in s.text
        wait_until(let_in, 10 * d.slack, "a place is free")
        plant(d, app)
        heal(d, app)
        wait_until(lambda: all(len(s.ids) == 2 * COUNT and s.ids == streams[1].ids for s in streams[1:]),
                   20 * d.slack, "all hear the same")


def test_slow_client_is_cut(sqlite, daemon):
    app = sqlite("app.db", SCRIPT)
    long = "x" * 2000
    d = daemon(databases={"app": {"dsn": app.dsn, "labels": ", ".join(f"l{i}={long}" for i in range(20))}},
               defaults=FAST)
    slow = Stream(d, read=False)
    slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    good = Stream(d, query="?check=fk-orphan-rows")
    for _ in range(2):  # more than its socket and the daemon's bound take together
        plant(d, app)
        heal(d, app)
    wait_until(lambda: len(good.ids) == 4 * COUNT, 20 * d.slack, "who reads hears all")
    assert len(good.text) > 700_000
    wait_until(lambda: b"dbhealth_api_event_streams 1\n" in d.request("GET", "/metrics").body,
               40 * d.slack, "who does not is cut")
    assert not good.over
    good.close()
    slow.close()


def test_command(sqlite, daemon):
    app = sqlite("app.db", SCRIPT)
    d = daemon(databases={"app": app.dsn}, defaults=FAST)
    plant(d, app)
    told(d, COUNT)
    text = d.cli("events", "app")
    assert text.status == 0 and text.out.count("fk-orphan-rows") == COUNT, text
    assert all(len(line) <= 80 for line in text.out.splitlines())
    assert text.out.splitlines()[0].count("-") == 2  # the day
    answer = d.cli("events", "app", "--check", "fk-orphan-rows", "-o", "json").json
    assert len(answer["events"]) == COUNT
    assert d.cli("events", "nobody").status == 64
    assert d.cli("events", "-o", "nagios").status == 3
    assert "Nothing happened" in d.cli("events", "app", "--since", "2100-01-01T00:00:00Z").out
    with open(d.folder / "follow", "wb") as out, open(d.folder / "follow.err", "wb") as err:
        follow = subprocess.Popen(
            [BUILD / "dbhealth", "--socket", d.socket, "events", "--follow", "--since", "1h",
             "--check", "fk-orphan-rows", "-o", "json"], stdout=out, stderr=err,
            env=environment(d.folder), preexec_fn=die_with(signal.SIGKILL))

    def followed():
        # whole lines only: a page of the file may be there before the rest of its line
        return [json.loads(line)["id"] for line in (d.folder / "follow").read_text().split("\n")[:-1]]

    def heard():
        return (f"{followed()} of {[(e['id'], e['kind']) for e in past(d)]}; it says "
                f"{(d.folder / 'follow.err').read_text()!r}, ended {follow.poll()}")
    try:
        wait_until(lambda: len(followed()) == COUNT, 20 * d.slack, heard)
        d.kill9()
        time.sleep(0.5)
        d.start()
        heal(d, app)
        wait_until(lambda: len(followed()) == 2 * COUNT, 30 * d.slack, heard)
        assert followed() == [e["id"] for e in told(d, 2 * COUNT)]
    finally:
        end(follow)
