"""The values of checks over time: kept over restarts and kills, asked and drawn, and what becomes of
them on a disk that is full, read-only or damaged."""
import contextlib
import csv
import io
import os
import pathlib
import signal
import subprocess
import time

from support import wait_until as wait_often
from test_faults import small  # noqa: F401

FAST = {"connectivity_interval": "1s", "performance_interval": "1s", "schema_interval": "1h", "integrity_interval": "1h"}
QUERY = {"query rows": {"databases": "app", "probe": "performance", "unit": "bytes", "warning": "> 100GB",
                        "sql": "SELECT name AS object, n AS value FROM counts"}}


def wait_until(condition, within, what):
    return wait_often(condition, within, what, every=0.5)  # a look is a process


def points(d, database, check, object=None, since="1h", step="0"):  # noqa: A002
    query = {"database": database, "check": check, "since": since, "step": step}
    answer = d.request("GET", "/v1/history?" + "&".join(f"{k}={v}" for k, v in query.items()) +
                       (f"&object={object}" if object else ""))
    return answer.json.get("points", []) if answer.status == 200 else []


def said(d, words):
    return [e["MESSAGE"] for e in d.log() if words in e["MESSAGE"]]


def kill_writer(d):
    for w in d.workers():
        with contextlib.suppress(OSError):
            if "history" in pathlib.Path(f"/proc/{w}/cmdline").read_text().split("\0"):
                os.kill(w, signal.SIGKILL)


def test_kept_over_kills_asked_and_drawn(cluster, sqlite, daemon):
    server = cluster()
    app = sqlite("app.db", "CREATE TABLE counts(name TEXT NOT NULL PRIMARY KEY, n INTEGER NOT NULL);"
                 "INSERT INTO counts VALUES ('one', 1048576), ('two', 2097152);")
    d = daemon(databases={"app": app.dsn, "orders": server.dsn(),
                          "second": server.dsn("template1")}, defaults=FAST, sections=QUERY)
    wait_until(lambda: len(points(d, "app", "rows", "one")) >= 3, 60 * d.slack, "samples of SQLite are kept")
    wait_until(lambda: points(d, "orders", "conn-latency"), 60 * d.slack, "samples of PostgreSQL are kept")
    # what is looked at once a server is found by each of its databases
    wait_until(lambda: points(d, "second", "conn-slots"), 60 * d.slack, "samples of the server are kept")
    assert points(d, "second", "conn-slots", step="0")[0] == points(d, "orders", "conn-slots", step="0")[0]
    kept = points(d, "app", "rows", "one")
    assert all(v == 1048576 for _, v in kept)
    assert all(0 <= v < 60 for _, v in points(d, "orders", "conn-latency"))

    # a writer that dies takes nothing with it, nor does the daemon what was written
    kill_writer(d)
    app.sql("UPDATE counts SET n = 3 * 1048576 WHERE name = 'one';")
    wait_until(lambda: points(d, "app", "rows", "one")[-1][1] == 3 * 1048576, 60 * d.slack, "it is written on")
    kept = points(d, "app", "rows", "one")
    d.kill9()
    d.start()
    assert points(d, "app", "rows", "one")[:len(kept)] == kept
    # an end in order loses nothing
    d.run("app", "performance")
    before = time.time()
    d.restart()
    last = [p for p in points(d, "app", "rows", "one") if p[0] <= before]
    assert last[-1][0] >= before - 5 * d.slack, (last[-1], before)

    # averages with the least and the most
    answer = d.get("/v1/history", database="app", check="rows", object="one", since="1h", step="366d")
    assert answer["min"] == [1048576] and answer["max"] == [3 * 1048576] and answer["unit"] == "bytes"
    assert 1048576 < answer["points"][0][1] < 3 * 1048576 and answer["count"][0] >= len(kept)

    # the same by the command: as data, drawn, and as a list where there are several
    rows = list(csv.DictReader(io.StringIO(d.cli("history", "app", "rows", "one", "--step", "0", "-o", "csv").out)))
    assert len(rows) >= len(kept) and {r["value"] for r in rows} == {"1048576", "3145728"}
    text = d.cli("history", "app", "rows", "one", "--since", "10min").out
    assert "3.0 MB ┤" in text and any(0x2800 < ord(c) < 0x2900 for c in text), text
    assert all(len(line) <= 80 for line in text.splitlines())
    plain = d.cli("history", "app", "rows", "one", "--since", "10min", env={"LC_ALL": "C"}).out
    assert plain.isascii() and "3.0 MB +" in plain and "*" in plain, plain
    table = d.cli("history", "app", "rows").out
    assert [line.split()[0] for line in table.splitlines() if " MB" in line] == ["one", "two"], table
    refused = d.cli("history", "app", "nothing")
    assert refused.status != 0 and "no history of nothing on app" in refused.err, refused


def test_on_a_full_and_on_a_read_only_disk(small):  # noqa: F811
    s = small()
    d = s.daemon
    wait_until(lambda: points(d, "a", "disk-space-low"), 60 * d.slack, "samples are kept")
    # The last page of the log has room for many more: a new one has none.
    kill_writer(d)
    for log in (s.root / "history").glob("*.log"):
        log.unlink()
    s.fill()
    full = time.time()
    wait_until(lambda: s.said("history cannot be written"), 60 * d.slack, "it is said")
    status = d.status()
    assert status["databases"][0]["probes"]["connectivity"]["status"] == "ok" and status["daemon"]["history_trouble"], status["daemon"]
    assert "history cannot be written: " in d.cli("status").out
    emptied = time.time()
    os.unlink(s.root / "filler")
    wait_until(lambda: s.said("history is written again"), 90 * d.slack, "it goes on")
    assert d.status()["daemon"]["history_trouble"] is None and "history cannot be written: " not in d.cli("status").out
    # what waited is there
    assert [p for p in points(d, "a", "disk-space-low") if full <= p[0] <= emptied]
    assert len(s.said("history cannot be written")) == 1

    kill_writer(d)
    subprocess.run([*s.inside, "sh", "-ec", f"mount --bind {d.state} {d.state}; mount -o remount,bind,ro {d.state}"], check=True)
    wait_until(lambda: len(s.said("history cannot be written")) == 2, 60 * d.slack, "it is said again")
    assert points(d, "a", "disk-space-low")
    subprocess.run([*s.inside, "umount", str(d.state)], check=True)
    wait_until(lambda: len(s.said("history is written again")) == 2, 90 * d.slack, "it goes on again")


def test_damaged_files(sqlite, daemon):
    app = sqlite("app.db", "CREATE TABLE counts(name TEXT NOT NULL PRIMARY KEY, n INTEGER NOT NULL);"
                 "INSERT INTO counts VALUES ('one', 1);")
    d = daemon(databases={"app": app.dsn}, defaults=FAST, sections=QUERY)
    folder = d.state / "history"
    wait_until(lambda: points(d, "app", "rows", "one"), 60 * d.slack, "samples are kept")
    d.stop()
    for file, keep in (("series", 20), (sorted(folder.glob("*.log"))[-1].name, 60)):
        path = folder / file
        path.write_bytes(path.read_bytes()[:keep] + os.urandom(300))
    (folder / "0000000000-0000000000.raw").write_bytes(os.urandom(5000))
    (folder / "0000000000-0000000000.1h").write_bytes(b"")
    d.start()
    wait_until(lambda: points(d, "app", "rows", "one"), 60 * d.slack, "it goes on")
    assert said(d, "the list of series was damaged"), d.log_tail()
    assert said(d, "0000000000-0000000000.raw is damaged and set aside"), d.log_tail()
    assert said(d, "0000000000-0000000000.1h is damaged and set aside"), d.log_tail()
    assert said(d, "an end without warning"), d.log_tail()
    assert {p.name for p in folder.glob("*.damaged")} == {"0000000000-0000000000.raw.damaged", "0000000000-0000000000.1h.damaged"}
    assert d.findings(severity="critical") == []
