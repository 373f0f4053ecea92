"""Where entries go: a real journald that stops and comes back, and a pipe that nobody reads."""
import contextlib
import fcntl
import json
import os
import signal
import sqlite3

import pytest

from support import wait_until
from support.orphans import COUNT, FAST, SCRIPT, heal, known, plant

ID = "6d1f0c5b1d0f4a5c8a0be4a2d3c7e1"
SLOW = ("-- id: slow\n-- title: rows of t\n-- engine: postgresql\n-- probe: schema\n"
        "-- topic: sessions\n-- scope: database\n-- kind: gauge\n-- default: on\n-- cost: cheap\n"
        "-- unit: count\n-- warning: >= 1\n-- for: 0s\n-- message: {value} of it\n"
        "-- why: A test.\n-- spares: Nothing.\n-- fix: None.\n"
        "-- remedy.1: look | look | none | | helps\n-- remedy.1.text: SELECT 1;\n"
        "SELECT 'public.t'::text AS object, count(*)::int AS value FROM public.t\n")


def orphans(entries, kind):
    return [e for e in entries if e.get("MESSAGE_ID") == ID + kind
            and e.get("DBHEALTH_CHECK") == "fk-orphan-rows"]


def probed(d, name):
    return d.database(name)["probes"]["connectivity"]["last_run"]


def goes_on(d, name):
    """The database is looked at again, and again."""
    for _ in range(2):
        before = probed(d, name)
        wait_until(lambda b=before: probed(d, name) != b, 5 * d.slack, "it is still probed")


def in_order_and_once(entries):
    ids = [e["DBHEALTH_EVENT_ID"] for e in entries if "DBHEALTH_EVENT_ID" in e]
    assert len(ids) == len(set(ids))
    of = {}
    for e in entries:
        if "DBHEALTH_EVENT_ID" in e:
            of.setdefault(e["DBHEALTH_FINDING_ID"], []).append(
                int(e["DBHEALTH_EVENT_ID"].rpartition("-")[2]))
    for numbers in of.values():
        assert numbers == sorted(numbers), of


def test_journald_stops_and_comes_back(sqlite, daemon, journald):
    app = sqlite("app.db", SCRIPT)
    d = daemon(databases={"app": app.dsn}, defaults=FAST, prefix=journald.prefix,
               argv=["--log=journal"])
    wait_until(lambda: journald.entries(f"MESSAGE_ID={ID}09"), 20 * d.slack, "the first look is over")

    # nobody reads its socket: it takes ten entries, and the rest waits here
    journald.pause()
    plant(d, app)
    goes_on(d, "app")
    journald.resume()
    wait_until(lambda: len(orphans(journald.entries(), "01")) == COUNT, 20, "all opened")

    # it is gone, with its socket: no entry is taken for told
    journald.stop()
    heal(d, app)
    goes_on(d, "app")
    journald.start()
    wait_until(lambda: len(orphans(journald.entries(), "03")) == COUNT, 20, "all resolved")

    # and while it is gone the daemon ends: the next one tells what this one could not
    journald.stop()
    plant(d, app)
    d.stop()
    d.start(wait="alive")
    journald.start()
    wait_until(lambda: len(orphans(journald.entries(), "01")) == 2 * COUNT, 20, "all opened again")
    d.stop()
    in_order_and_once(journald.entries())
    assert not [e for e in journald.entries() if e.get("MESSAGE_ID") == ID + "0e"]


def test_fields(cluster, daemon, folder, journald):
    """What a person and a program find in the journal, for each kind of entry."""
    c = cluster()
    c.sql("CREATE TABLE parent(id int PRIMARY KEY); CREATE TABLE child(p int); CREATE INDEX ON child(p);"
          "ALTER TABLE child ADD FOREIGN KEY (p) REFERENCES parent NOT VALID")
    d = daemon(databases={"shop": {"dsn": c.dsn(), "labels": "team=pay"}}, defaults=FAST,
               prefix=journald.prefix, argv=["--log=journal"],
               checks_d={"bad.sql": "-- id: bad\n-- engine: nosuch\nSELECT 1\n",
                         "slow.sql": SLOW})

    def told(kind, n=1, **fields):
        match = [f"DBHEALTH_{k.upper()}={v}" for k, v in fields.items()]
        return wait_until(lambda: (e := journald.entries(f"MESSAGE_ID={ID}{kind}", *match))
                          and len(e) >= n and e, 25 * d.slack,
                          lambda: f"{kind} {fields}: {[e['MESSAGE'] for e in journald.entries()]}")

    assert journald.entries()[0]["PRIORITY"]
    assert [e for e in journald.entries() if "serves" in e["MESSAGE"] and "MESSAGE_ID" not in e
            and e["PRIORITY"] == "6"]
    e = told("0d")[0]
    assert e["PRIORITY"] == "4" and "bad.sql" in e["MESSAGE"] and e["DBHEALTH_REASON"]
    e = told("09", database="shop")[0]
    assert e["PRIORITY"] == "6" and "first look" in e["MESSAGE"]

    # it cannot answer, said once; then it answers again, said once
    e = told("06", probe="schema")[0]
    assert e["PRIORITY"] == "4" and e["DBHEALTH_DATABASE"] == "shop" and e["DBHEALTH_COUNT"] == "1"
    assert e["DBHEALTH_ENGINE"] == "postgresql" and "does not exist" in e["DBHEALTH_REASON"]
    d.restart()
    for _ in range(3):
        d.run("shop", "schema")
    c.sql("CREATE TABLE t(a int); GRANT SELECT ON t TO PUBLIC")
    both = told("06", n=2, probe="schema")
    assert [e["PRIORITY"] for e in both] == ["4", "5"], both
    assert both[1]["MESSAGE"] == "shop: probe schema answers again"

    c.sql("INSERT INTO t VALUES (1)")
    d.run("shop", "schema")
    e = told("01", check="slow")[0]
    assert e["PRIORITY"] == "4" and e["DBHEALTH_TITLE"] == "rows of t" and e["DBHEALTH_SEVERITY"] == "warning"
    assert e["DBHEALTH_PREVIOUS_SEVERITY"] == "none" and e["DBHEALTH_LABEL_TEAM"] == "pay"
    assert e["DBHEALTH_EVENT_ID"].startswith(e["DBHEALTH_FINDING_ID"] + "-")
    assert e["DBHEALTH_SERVER"] and e["DBHEALTH_SINCE"].endswith("Z") and e["DBHEALTH_COUNT"] == "1"
    for name in ("OBJECT", "VALUE", "UNIT", "THRESHOLD", "REMEDY", "PROBE", "ENGINE"):
        assert f"DBHEALTH_{name}" in e, name
    assert len(e["MESSAGE"].encode()) <= 300 and "dbhealth explain" in e["MESSAGE"]

    found = d.wait_finding("slow")
    for _ in range(2):
        assert d.request("POST", f"/v1/findings/{found['id']}/ack").status == 200
    e = told("0b", finding_id=found["id"])
    assert len(e) == 1 and "acknowledged by root" in e[0]["MESSAGE"] and e[0]["PRIORITY"] == "6"
    c.sql("DELETE FROM t")
    d.run("shop", "schema")
    e = told("03", check="slow")[0]
    assert e["PRIORITY"] == "5" and e["DBHEALTH_REASON"] == "cleared"

    before = len(journald.entries())
    c.stop()
    e = told("04")
    assert len(e) == 1 and e[0]["PRIORITY"] == "2" and e[0]["DBHEALTH_CHECK"] == "conn-up"
    c.start()
    e = told("05")
    assert len(e) == 1 and e[0]["PRIORITY"] == "5"
    goes_on(d, "shop")
    assert len(journald.entries()) == before + 2, "an outage is told by one entry, its end by one"

    d.stop()
    assert journald.entries()[-1]["MESSAGE"].endswith("stops: SIGTERM")
    for path in d.state.glob("state.db*"):
        path.write_bytes(b"no database" * 1000)
    d.start()
    e = told("0c")[0]
    assert e["PRIORITY"] == "4" and e["DBHEALTH_REASON"]


@pytest.fixture
def fifo(folder):
    """A pipe of the smallest size whose reading end is open."""
    path = folder.path / "fifo"
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, 4096)
    yield path, fd
    with contextlib.suppress(OSError):
        os.close(fd)


def drain(fd, into):
    with contextlib.suppress(BlockingIOError):
        while data := os.read(fd, 65536):
            into += data
    return into


def test_nobody_reads_standard_error(sqlite, daemon, fifo):
    """More is to be told than any queue holds, to a pipe that nobody reads: databases are watched
    as ever; once it is read everything that the state has comes in order, and the rest is counted."""
    path, fd = fifo
    backlog, app = 5000, sqlite("app.db", SCRIPT)
    d = daemon(databases={"app": app.dsn}, defaults=FAST)
    d.run("app", "schema")
    known(d, "app")
    d.stop()
    with contextlib.closing(sqlite3.connect(d.state / "state.db")) as db:
        last = db.execute("SELECT max(sequence) FROM outlet").fetchone()[0]
        entry = {"__REALTIME_TIMESTAMP": "1", "PRIORITY": "4", "MESSAGE_ID": ID + "01",
                 "DBHEALTH_SEVERITY": "warning", "MESSAGE": "x" * 280}
        db.executemany("INSERT INTO event VALUES (?, ?, 9e15, ?)",
                       [(last + i, f"old-{i}", json.dumps({**entry, "DBHEALTH_EVENT_ID": f"old-{i}"}))
                        for i in range(1, backlog + 1)])
        db.commit()
    d.prefix = ["sh", "-c", 'exec "$@" 2>"$0"', str(path)]
    d.start()
    flags = open(f"/proc/{d.process.pid}/fdinfo/2").read().split("flags:")[1].split()[0]
    assert not int(flags, 8) & os.O_NONBLOCK, "what the parent's shell shares stays as it was"
    plant(d, app)
    goes_on(d, "app")

    def dropped_one():
        """What no store keeps is said until none of it has room."""
        d.reload()
        text = d.request("GET", "/metrics").body.decode()
        return [x for x in text.splitlines()
                if x.startswith("dbhealth_outlet_dropped_entries_total{") and not x.endswith(" 0")]

    wait_until(dropped_one, 30 * d.slack, "some are dropped", every=0.2)
    goes_on(d, "app")

    out = b""

    def complete():
        nonlocal out
        out = drain(fd, out)
        return out.count(f'"{ID}0e"'.encode()) and out.count(b'"fk-orphan-rows"') >= COUNT

    wait_until(complete, 60 * d.slack, lambda: f"all is told: {out.count(b'old-')} {out[-300:]}")
    d.signal(signal.SIGTERM)
    wait_until(lambda: complete() is not None and d.process.poll() is not None, 20, "it ends")
    d.stop()
    entries = [json.loads(line) for line in drain(fd, out).decode().splitlines()]
    ids = [e["DBHEALTH_EVENT_ID"] for e in entries if "DBHEALTH_EVENT_ID" in e]
    assert ids[:backlog] == [f"old-{i}" for i in range(1, backlog + 1)]
    assert len(orphans(entries, "01")) == COUNT and len(ids) == len(set(ids))
    dropped = [e for e in entries if e.get("MESSAGE_ID") == ID + "0e"]
    assert dropped and all(e["PRIORITY"] == "4" and f"entries dropped: {e['DBHEALTH_COUNT']};" in e["MESSAGE"]
               for e in dropped)
    assert entries[-1]["MESSAGE"].endswith("stops: SIGTERM")
