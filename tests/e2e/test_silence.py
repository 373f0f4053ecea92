"""Silences, accepts and windows: what is shown but neither told nor counted, and for how long."""
import datetime
import json
import os
import pwd
import sqlite3
import subprocess
import time

import pytest

from support import wait_until

FAULTS = "CREATE TABLE faults(object TEXT PRIMARY KEY, level INTEGER NOT NULL)"
QUERY = {"sql": "SELECT object, level AS value FROM faults", "probe": "performance", "warning": ">= 1",
         "critical": ">= 2", "interval": "1s"}
PARTS = {"sections": {"query q": QUERY, "check q": {"for": "0s", "clear_for": "0s"}},
         "defaults": {"performance_interval": "1s", "connectivity_interval": "1s", "probes": "connectivity, performance"}}
OPENED, CHANGED, RESOLVED, MUTED = "01", "02", "03", "0b"


class World:
    """A file whose rows are the findings of check q."""

    def __init__(self, d, file):
        self.d, self.file = d, file

    def set(self, **levels):
        with sqlite3.connect(self.file.path) as db:
            db.execute("DELETE FROM faults")
            db.executemany("INSERT INTO faults VALUES (?, ?)", levels.items())
        db.close()

    def wait(self, name, **where):
        return self.d.wait_finding("q", name, database="app",
                                   where=lambda f: all(f[k] == v for k, v in where.items()))

    def told(self, *kinds, name):
        return self.d.transitions(*kinds, check="q", object=name)

    def wait_told(self, kind, name, n=1):
        wait_until(lambda: len(self.told(kind, name=name)) >= n, 20 * self.d.slack,
                   lambda: f"{kind} of {name} is told {n} times; {self.d.log_tail()}")
        assert len(self.told(kind, name=name)) == n
        return self.told(kind, name=name)[-1]

    def silence(self, **body):
        answer = self.d.request("POST", "/v1/silences", json.dumps({"reason": "test", **body}))
        assert answer.status == 201, answer
        return answer.json


@pytest.fixture
def world(sqlite, daemon):
    file = sqlite("app.db", FAULTS)
    d = daemon(databases={"app": file.dsn}, **PARTS)
    d.wait_check("app", "q", "ok")
    wait_until(lambda: d.transitions("09"), 30 * d.slack, "the first contact is over")
    return World(d, file)


def test_a_silence_is_quiet_then_told_once(world):
    d = world.d
    made = d.cli("silence", "app/q/a*", "--for", "1h", "--reason", "we know")
    assert made.status == 0 and "app/q/a*" in made.out and "we know" in made.out
    assert "warning: it matches no finding that is open now" in made.err
    world.set(a1=2)
    found = world.wait("a1", silenced=True)
    assert found["silence"]["author"] == "root" and found["silence"]["reason"] == "we know"
    assert not found["accepted"]
    # Shown with the reason, but it is neither the verdict nor counted.
    status = d.status()
    assert status["status"] == "ok" and status["silences"] == 1 and status["silenced"] == 1
    assert d.database("app")["status"] == "ok"
    assert d.database("app")["findings"] == {"info": 0, "warning": 0, "critical": 0, "silenced": 1, "accepted": 0}
    text = d.cli("status")
    assert text.status == 0 and "1 silence\n" in text.out and "1 silenced, not counted" in text.out
    text = d.cli("findings")
    assert text.status == 0 and text.out.startswith("ok ") and "silenced until " in text.out
    assert " by root: we know" in text.out and d.cli("status", "-o", "nagios").status == 0
    assert d.cli("explain", found["id"][:8]).status == 0
    metrics = d.request("GET", "/metrics").body.decode()
    assert "\ndbhealth_silences 1\n" in metrics and "\ndbhealth_findings_silenced 1\n" in metrics
    assert 'severity="critical"} 1' not in metrics
    # Of another name it is told as ever; its end tells nothing of what nobody had heard of.
    world.set(a1=2, b1=1)
    world.wait_told(OPENED, "b1")
    world.set(b1=1)
    d.wait_gone("q", "a1")
    world.set(a2=1, b1=1)
    world.wait("a2", silenced=True)
    assert not world.told(OPENED, RESOLVED, name="a1") and not world.told(OPENED, name="a2")
    # Taken back: what is still open is told, once.
    listed = d.get("/v1/silences")["silences"]
    assert [s["matches"] for s in listed] == [1] and listed[0]["database"] == "app"
    assert d.cli("silences").out.count("we know") == 1
    gone = d.cli("unsilence", listed[0]["id"][:6])
    assert gone.status == 0 and "is taken back" in gone.out
    entry = world.wait_told(OPENED, "a2")
    assert entry["DBHEALTH_REASON"] == "silence ended" and "(silence ended;" in entry["MESSAGE"]
    assert d.cli("silences").out == "no silences\n" and d.status()["status"] == "warning"
    world.set()
    world.wait_told(RESOLVED, "a2")
    words = [e["MESSAGE"] for e in d.transitions(MUTED)]
    assert "app/q/a*: silenced until " in words[0] and words[1] == "app/q/a*: silence taken back by root: we know"


def test_it_ends_by_itself_or_when_all_is_resolved(world):
    d = world.d
    world.set(a=1, b=1)
    world.wait_told(OPENED, "a")
    short = world.silence(database="app", object="a", **{"for": "2s"})
    assert short["matches"] == 1 and short["warning"] is None
    assert world.silence(database="app", object="b", until_resolved=True, **{"for": "1h"})["until_resolved"]
    world.wait("b", silenced=True)
    world.wait_told(OPENED, "a", 2)
    assert not world.wait("a")["silenced"]
    assert [s["object"] for s in d.get("/v1/silences")["silences"]] == ["b"]
    world.set(a=1)
    world.wait_told(RESOLVED, "b")  # its beginning had been told before
    wait_until(lambda: not d.get("/v1/silences")["silences"], 10 * d.slack, "the silence is over")
    world.set(a=1, b=1)
    world.wait_told(OPENED, "b", 2)
    words = [e["MESSAGE"] for e in d.transitions(MUTED)]
    assert "app/*/a: silence ended, its time is over: test" in words
    assert "app/*/b: silence ended, all is resolved: test" in words


def test_worse_breaks_it_unless_asked(world):
    d = world.d
    world.silence(database="app", check="q", object="a", **{"for": "1h"})
    world.silence(database="app", check="q", object="b", even_if_worse=True, **{"for": "1h"})
    world.set(a=1, b=1)
    world.wait("a", silenced=True)
    world.set(a=2, b=2)
    world.wait_told(CHANGED, "a")
    assert not world.wait("a", severity="critical")["silenced"]
    assert world.wait("b", severity="critical")["silenced"]
    assert not world.told(OPENED, CHANGED, name="b") and d.status()["status"] == "critical"


def test_a_restart_keeps_all(world):
    d = world.d
    world.set(a=1, b=1, c=1)
    for name in "abc":
        world.wait_told(OPENED, name)
    kept = world.silence(database="app", object="a", until_resolved=True, **{"for": "1h"})
    world.silence(database="app", object="b", **{"for": "3s"})
    answer = d.request("POST", "/v1/accepts", json.dumps({"database": "app", "object": "c", "reason": "old"}))
    assert answer.status == 201 and answer.json["accepted"] == 1
    for end in (d.stop, d.kill9):
        # The writer is behind by a moment at most; what a kill took would have been said anew.
        if end == d.kill9:
            time.sleep(1)
        end()
        d.start()
        world.wait("a", silenced=True)
        world.wait("c", accepted=True)
        listed = d.get("/v1/silences")["silences"]
        assert kept["id"] in [s["id"] for s in listed]
        assert not world.told(OPENED, name="a") and not world.told(OPENED, name="c")
    # What ended while nobody looked was told by one of the lives, once.
    def told():
        every = {e["DBHEALTH_EVENT_ID"]: e.get("DBHEALTH_REASON") for start in (1, 2, 3)
                 for e in d.transitions(OPENED, start=start, check="q", object="b")}
        return [every[k] for k in sorted(every)]  # told at least once, by its number
    wait_until(lambda: len(told()) > 1, 10 * d.slack, lambda: f"the end of the short one is told: {told()}")
    assert told() == [None, "silence ended"] and not world.wait("b")["silenced"]
    assert d.status()["status"] == "warning" and d.status()["accepted"] == 1


def test_accepted_is_shown_and_what_is_new_counts(world):
    d = world.d
    world.set(a=1, b=2)
    world.wait("b", severity="critical")
    assert d.cli("accept", "app", "q").status == 64  # no reason
    nothing = d.cli("accept", "app", "conn-up", "--reason", "x")
    assert nothing.status == 64 and "nothing to accept: it matches no finding" in nothing.err
    made = d.cli("accept", "app", "q", "--reason", "took it over so")
    assert made.status == 0 and made.out.startswith("2 findings accepted (dbhealth unaccept ")
    world.wait("a", accepted=True, silenced=False)
    assert d.status()["status"] == "ok"
    assert d.cli("findings").status == 0 and "accepted by root: took it over so" in d.cli("findings").out
    world.set(a=1, b=2, c=1)
    assert not world.wait("c")["accepted"] and d.status()["status"] == "warning"
    world.wait_told(OPENED, "c")
    # Worse than accepted counts while it is worse; away and back it is accepted still.
    world.set(a=2, b=2, c=1)
    world.wait_told(CHANGED, "a")
    assert not world.wait("a", severity="critical")["accepted"]
    world.set(b=2, c=1)
    d.wait_gone("q", "a")
    world.set(a=1, b=2, c=1)
    world.wait("a", accepted=True)
    entry = d.cli("accepts", "-o", "json").json["accepts"][0]
    assert entry["accepted"] == 2 and entry["matches"] == 2 and entry["check"] == "q"
    assert "2 accepted; 2 open findings" in d.cli("accepts").out
    assert d.cli("unsilence", entry["id"]).status == 64  # it is no silence
    assert d.cli("unaccept", entry["id"][:5]).status == 0
    wait_until(lambda: not world.wait("b")["accepted"], 10 * d.slack, "it counts again")
    assert d.cli("accepts").out == "nothing is accepted\n"
    assert world.told(OPENED, name="b")[-1]["DBHEALTH_REASON"] == "no longer accepted"


def test_a_window_of_the_configuration(sqlite, daemon):
    file = sqlite("app.db", FAULTS)
    now = datetime.datetime.now(datetime.timezone.utc)

    def parts(when, length):
        return {**PARTS, "databases": {"app": file.dsn}, "sections": {**PARTS["sections"], "silence nightly": {
            "when": when, "for": length, "databases": "app", "reason": "reload of the night"}}}
    begun = (now - datetime.timedelta(minutes=30)).strftime("%H:%M")
    d = daemon(**parts(begun, "2h"))
    world = World(d, file)
    wait_until(lambda: d.transitions("09"), 30 * d.slack, "the first contact is over")
    world.set(a=1)
    found = world.wait("a", silenced=True)
    assert found["silence"]["kind"] == "window" and found["silence"]["name"] == "nightly"
    assert found["silence"]["author"] is None
    listed = d.get("/v1/silences")["silences"][0]
    assert listed["active"] and listed["name"] == "nightly" and listed["begins_at"] > listed["until"]
    refused = d.cli("unsilence", listed["id"][:8])
    assert refused.status == 64 and "[silence nightly] of the configuration" in refused.err
    assert "by [silence nightly]: reload of the night" in d.cli("silences").out
    assert d.transitions(MUTED)[0]["MESSAGE"].startswith("[silence nightly] begins, until ")
    # Another reading of the configuration: its time is not now.
    later = (now + datetime.timedelta(hours=3)).strftime("%H:%M")
    d.configure(**parts(later, "1h"))
    d.reload()
    assert world.wait_told(OPENED, "a")["DBHEALTH_REASON"] == "silence ended"
    listed = d.get("/v1/silences")["silences"][0]
    assert not listed["active"] and listed["until"] is None and listed["begins_at"]
    assert d.status()["silences"] == 0 and "not now, from " in d.cli("silences").out
    # Each minute for a minute and a bit: it is on all the time.
    d.configure(**parts("minutely UTC", "70s"))
    d.reload()
    world.wait("a", silenced=True)
    d.configure(**parts("Sat 25:00", "1h"))
    d.reload()
    wait_until(lambda: d.transitions("08"), 10 * d.slack, "the configuration is rejected")
    assert "dbhealthd.conf:" in d.transitions("08")[-1]["MESSAGE"]
    assert "when: Sat 25:00: out of range" in d.transitions("08")[-1]["MESSAGE"]
    assert world.wait("a")["silenced"]


def test_what_is_down_and_silenced_does_not_count_but_gets_no_traffic(sqlite, daemon):
    file = sqlite("app.db", FAULTS)
    other = sqlite("other.db", FAULTS)
    d = daemon(databases={"app": file.dsn, "other": other.dsn}, **PARTS)
    d.wait_check("app", "q", "ok")
    assert d.cli("silence", "app", "--for", "1h", "--reason", "moves to another disk").status == 0
    os.rename(file.path, f"{file.path}.away")
    found = d.wait_finding("conn-up", database="app", within=30)
    assert found["silenced"] and found["severity"] == "critical"
    d.wait_check("app", "q", "unknown")
    assert d.status()["status"] == "ok" and d.database("app")["status"] == "ok"
    assert d.cli("status").status == 0
    assert d.request("GET", "/v1/databases/app/health").status == 503
    assert not d.transitions("04", "06") and "dbhealth_up{" in d.request("GET", "/metrics").body.decode()
    os.rename(f"{file.path}.away", file.path)
    d.wait_gone("conn-up", database="app", within=30)


REFUSED = [
    ("", "no JSON object: there is none"), ("{", "no JSON object"), ("[]", "a JSON object is wanted"),
    ('{"reason":"x","reason":"y","for":"1h"}', "no JSON object"), ("\x00", "no JSON object"),
    ('{"for":"1h"}', "reason: say why"), ('{"for":"1h","reason":" \\n"}', "reason: say why"),
    ('{"for":"1h","reason":7}', "reason: a text"), ('{"for":"1h","reason":"%s"}' % ("x" * 501), "reason: at most 500"),
    ('{"for":"1h","reason":"\\u0000"}', "no JSON object"), ('{"for":"1h","reason":"\\ud800"}', "no JSON object"),
    ('{"reason":"x"}', "for or until, one"), ('{"reason":"x","for":"1h","until":"2030-01-01T00:00:00Z"}', "for or until, one"),
    ('{"reason":"x","for":"1 fortnight"}', "for: "), ('{"reason":"x","for":"400d"}', "for: from 1s to 366d"),
    ('{"reason":"x","for":"0"}', "for: from 1s"), ('{"reason":"x","until":"2020-01-01T00:00:00Z"}', "until: from 1s"),
    ('{"reason":"x","until":"tomorrow"}', "until: write a time"), ('{"reason":"x","for":"1h","who":"me"}', "unknown key who"),
    ('{"reason":"x","for":"1h","until_resolved":1}', "until_resolved: true or false"),
    ('{"reason":"x","for":"1h","database":["a"]}', "database: a text"),
    ('{"reason":"x","for":"1h","object":"%s"}' % ("*" * 401), "object: at most 400"),
    ("[" * 30000, "no JSON object")]


def test_hostile_bodies_and_the_cap(world):
    d = world.d
    for body, why in REFUSED:
        answer = d.request("POST", "/v1/silences", body)
        assert answer.status == 400 and why in answer.json["error"]["message"], (body[:60], answer)
    assert d.request("POST", "/v1/silences", "x" * 70000).status == 413
    assert d.request("POST", "/v1/accepts", '{"reason":"x"}').status == 400
    assert d.request("POST", "/v1/accepts", '{"reason":"x","database":"app","for":"1h"}').status == 400
    assert d.request("DELETE", "/v1/silences/0123456789abcdef").status == 404
    assert d.get("/v1/silences")["silences"] == [] and d.status()["silences"] == 0
    # Text that would do something to a terminal or a log is text; globs that would take for ever do not.
    nasty = world.silence(object="\x1b]0;x\x07\n\u202e" + "*a" * 150, reason="\x1b[31m\nroot: fine", **{"for": "1h"})
    shown = d.cli("silences")
    assert shown.status == 0 and "\x1b" not in shown.out and "\u202e" not in shown.out
    assert nasty["reason"] == "\x1b[31m\nroot: fine"
    n = 1
    while (answer := d.request("POST", "/v1/silences", '{"reason":"x","for":"1h","object":"n%d"}' % n)).status == 201:
        n += 1
    assert n == 1000 and answer.status == 429 and "take some back" in answer.json["error"]["message"]
    world.set(n5=1, z=1)
    world.wait("n5", silenced=True)
    world.wait("z", silenced=False)
    assert len(d.get("/v1/silences")["silences"]) == 1000
    assert d.request("DELETE", f"/v1/silences/{nasty['id']}").status == 200
    assert world.silence(object="z", **{"for": "1h"})["matches"] == 1


def test_who_may_not_write_may_look(world):
    d = world.d
    nobody = pwd.getpwnam("nobody")
    made = world.silence(database="app", **{"for": "1h"})
    d.socket.chmod(0o666)
    for path in (d.folder, *d.folder.parents):
        if path.stat().st_uid == 0 and str(path).startswith("/tmp/"):
            path.chmod(path.stat().st_mode | 0o011)

    def ask(method, path, body=None):
        script = ("import http.client, socket, sys\n"
                  "c = http.client.HTTPConnection('localhost'); c.sock = socket.socket(socket.AF_UNIX)\n"
                  "c.sock.connect(sys.argv[1]); c.request(sys.argv[2], sys.argv[3], body=sys.argv[4] or None)\n"
                  "print(c.getresponse().status)")
        done = subprocess.run(["/usr/bin/python3", "-c", script, str(d.socket), method, path, body or ""],
                              user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], capture_output=True,
                              text=True, check=True, cwd="/")
        return int(done.stdout)
    body = '{"database":"app","reason":"x","for":"1h"}'
    assert ask("GET", "/v1/silences") == 200 and ask("GET", "/v1/accepts") == 200
    assert ask("POST", "/v1/silences", body) == 403 and ask("POST", "/v1/accepts", body) == 403
    assert ask("DELETE", f"/v1/silences/{made['id']}") == 403
    assert [s["id"] for s in d.get("/v1/silences")["silences"]] == [made["id"]]


def test_the_command_line(world):
    d = world.d
    for argv, why in ((["app", "--for", "1h"], "--reason TEXT"), (["app", "--reason", "x"], "--for 2h or --until"),
                      (["app", "--reason", "x", "--for", "1h", "--until", "18:00"], "--for 2h or --until"),
                      (["app", "--reason", "x", "--until", "soon"], "not understood"),
                      (["app", "--reason", "x", "--until", "2020-01-01"], "this time is over"),
                      (["app", "--reason", "x", "--for", "soon"], "for: ")):
        answer = d.cli("silence", *argv)
        assert answer.status == 64 and why in answer.err, answer
    for argv, why in ((["ap", "--for", "1h"], "no database or server is called ap; did you mean app?"),
                      (["app/fk-mising-index", "--for", "1h"], "no check has the id fk-mising-index; did you mean fk-missing-index?"),
                      (["/q", "--until", "23:59"], "no finding that is open now"),
                      (["app", "--until", "2099-01-01"], "from 1s to 366d"),
                      (["*/q/x/y*", "--until", "2026-01-01 10:00"], "this time is over"),
                      (["app/q/x/y*", "--for", "1d"], "no finding that is open now")):
        answer = d.cli("silence", *argv, "--reason", "x")
        assert why in answer.err, answer
    objects = {(s["database"], s["check"], s["object"]) for s in d.get("/v1/silences")["silences"]}
    assert objects == {("ap", None, None), ("app", "fk-mising-index", None), (None, "q", None), ("app", "q", "x/y*")}
    assert d.cli("unsilence", "zz").status == 64 and d.cli("unsilence", "0000").status == 64
    made = d.cli("silence", "-o", "json", "--for", "1h", "--reason", "all of it").json
    assert made["database"] is None and made["until"] > made["created_at"]
    assert "everything" in d.cli("silences").out
    for answer in (d.cli("silences"), d.cli("silence", "--help"), d.cli("accept", "--help")):
        assert answer.status == 0 and all(len(line) <= 80 for line in answer.out.split("\n")), answer


def test_a_glob_names_files_of_a_fleet(daemon, folder):
    """A member's name holds a slash: how many parts are the database is what the names say."""
    files = folder.sub("tenants")
    for name in ("a1", "a2", "b1"):
        with sqlite3.connect(files / f"{name}.db") as db:
            db.execute("CREATE TABLE no_key(a)")
        db.close()
    d = daemon(databases={"tenants": f"sqlite:{files}/*.db"}, defaults={"schema_interval": "2s"})
    wait_until(lambda: len(d.findings(check="table-no-primary-key")) == 3, 30 * d.slack, "all are found")
    made = d.cli("silence", "tenants/a*/table-*", "--for", "1h", "--reason", "known")
    assert made.status == 0 and not made.err, made
    silenced = {f["database"] for f in d.findings(check="table-no-primary-key") if f["silenced"]}
    assert silenced == {"tenants/a1.db", "tenants/a2.db"}
    made = d.cli("silence", "tenants/table-*/no_*", "--for", "1h", "--reason", "known")
    assert made.status == 0 and not made.err, made
    assert all(f["silenced"] for f in d.findings(check="table-no-primary-key"))
