"""The routine: what proves itself, marks of people over restarts, what is overdue, the digest of a week."""
import json
import os
import pwd

import pytest

from proof import proves
from support import wait_until

ME = pwd.getpwuid(os.getuid()).pw_name
FAST = {"connectivity_interval": "1s", "performance_interval": "1s", "schema_interval": "1s", "integrity_interval": "1s"}
DRILL = "Restore drill: it's ours"


def entry(d, item, database=None):
    found = [e for e in d.get("/v1/checklist")["items"] if e["item"] == item and e["database"] == database]
    assert len(found) <= 1
    return found[0] if found else None


def wait_entry(d, item, database=None, **where):
    wait_until(lambda: (e := entry(d, item, database)) and all(e[k] == v for k, v in where.items()), 30 * d.slack,
               lambda: f"{item} of {database} is {where}: {entry(d, item, database)}; {d.log_tail()}")
    return entry(d, item, database)


def start(daemon, files, routine, **kw):
    return daemon(databases={name: f.dsn for name, f in files.items()}, defaults=FAST, sections={"routine": routine}, **kw)


@pytest.fixture
def files(sqlite):
    return {name: sqlite(f"{name}.db", "CREATE TABLE t(id INTEGER PRIMARY KEY)") for name in ("app", "bpp")}


@proves("routine-overdue", engine="sqlite")
def test_overdue_is_a_finding_until_somebody_did_it(files, daemon, cli):
    """Each second is a day: two of them, and nobody did it."""
    d = start(daemon, files, {"daily": DRILL, "daily_at": "*:*:0/2", "grace": "0s"})
    f = d.wait_finding("routine-overdue", DRILL, database="app", where=lambda f: f["state"] == "open")
    assert f["severity"] in ("info", "warning") and "never done" in f["message"]
    assert f["remedies"][1]["text"] == "dbhealth checklist done 'Restore drill: it'\\''s ours'"
    assert not [x for x in d.get("/v1/findings?check=routine-overdue")["findings"] if x["database"] == "bpp"], \
        "what is done once for all is told once"
    d.wait_finding("routine-overdue", DRILL, database="app", where=lambda f: f["severity"] == "warning")
    shown = cli("--socket", d.socket, "checklist")
    assert shown.status == 1 and "1 overdue, 0 due, 0 done" in shown.out.splitlines()[0], shown.out
    assert all(len(line) <= 80 for line in shown.out.splitlines())
    # a calendar that goes on for ever: what is done stays so
    d.configure(databases={n: x.dsn for n, x in files.items()}, defaults=FAST,
                   sections={"routine": {"daily": DRILL, "daily_at": "yearly", "grace": "0s"}})
    d.reload()
    said = cli("--socket", d.socket, "checklist", "done", DRILL, "--note", "in 40 min <b>")
    assert said.status == 0, said
    e = wait_entry(d, DRILL, state="done")
    assert (e["last"]["how"], e["last"]["who"], e["last"]["note"]) == ("person", ME, "in 40 min <b>")
    wait_until(lambda: not d.get("/v1/findings?check=routine-overdue")["findings"], 20 * d.slack, "it is gone")
    assert cli("--socket", d.socket, "checklist").status == 0
    digest = cli("--socket", d.socket, "checklist", "--digest", "-o", "markdown")
    assert digest.status == 0 and f"- {DRILL}: 1 time, last " in digest.out and r"in 40 min \<b\>" in digest.out
    assert "## Needs attention\n\nnothing" in digest.out, digest.out


def test_marks_outlive_the_daemon_and_can_be_taken_back(files, daemon, cli):
    d = start(daemon, files, {"monthly": f"{DRILL}, backup-verification"})
    assert cli("--socket", d.socket, "checklist", "done", DRILL).status == 0
    assert cli("--socket", d.socket, "checklist", "done", "backup-verification", "--database", "app").status == 0
    before = d.get("/v1/checklist")
    assert [(e["database"], e["state"]) for e in before["items"]] == [("bpp", "due"), (None, "done"), ("app", "done")]
    d.restart()
    assert d.get("/v1/checklist") == before
    near = cli("--socket", d.socket, "checklist", "done", "Restore drill: its ours")
    assert near.status != 0 and f"did you mean {DRILL}" in near.err
    assert cli("--socket", d.socket, "checklist", "done", DRILL, "--database", "app").status != 0
    undone = cli("--socket", d.socket, "checklist", "undo", DRILL)
    assert undone.status == 0
    assert entry(d, DRILL)["state"] == "due" and entry(d, DRILL)["last"] is None
    again = cli("--socket", d.socket, "checklist", "undo", DRILL)
    assert again.status != 0 and "nobody has said" in again.err
    for body in ({"note": 1}, {"who": "me"}, {"note": "x" * 501}, []):
        assert d.request("POST", "/v1/checklist/backup-verification/done", json.dumps(body)).status == 400
    assert d.request("POST", "/v1/checklist/other/done", "{}").status == 404


def test_what_proves_itself(files, daemon, cli):
    d = start(daemon, files, {"yearly": "health-check, findings-review, slow-queries, backup-verification",
                              "databases": "app"})
    e = wait_entry(d, "health-check", "app", state="done")
    assert e["last"]["how"] == "itself" and e["last"]["note"] == "every probe of app had a complete round"
    wait_entry(d, "findings-review", "app", state="done")
    assert entry(d, "slow-queries", "app") is None, "SQLite keeps no statistics of statements"
    assert entry(d, "backup-verification", "app")["state"] == "due"
    assert entry(d, "health-check", "bpp") is None
    shown = cli("--socket", d.socket, "checklist")
    assert "by itself: every probe of app had a" in " ".join(shown.out.split())
