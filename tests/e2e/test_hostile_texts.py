"""Names, rows, queries and errors that hold control characters, marks of direction, forged lines,
bytes that are no UTF-8: through every outlet.  People are shown nothing that acts, machines get the
truth, every entry is one line, and what is printed works on the strangest name."""
import json
import os
import pty
import re
import subprocess
import time
from urllib.parse import quote

import pytest

from support import BUILD, Daemon, Folder, SqliteFile, sanitized, wait_until
from support.daemon import config_text, environment
from support.imposter import Imposter, error, message, notice
from support.texts import BYTES, TEXTS, decoded, safe, squeezed
from support.vitals import Vitals

FAST = {"connectivity_interval": "1s", "performance_interval": "2s", "schema_interval": "3s",
        "integrity_interval": "1h", "timeout": "20s"}
MEMBERS = ["newline", "colour", "priority", "right to left", "c1", "quotes", "path", "format"]
ROWS = "SELECT name AS object, body AS detail, body AS extra, id AS value FROM {}texts"
NASTY = "no: " + "".join(TEXTS[k] for k in ("newline", "field", "priority", "colour", "c1", "right to left"))
FILE_ROWS = {**{k: v.encode() for k, v in TEXTS.items()}, **BYTES, "nul": b"a\0b"}


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def bytea(data):
    return f"'\\x{data.hex()}'::bytea"


class World:
    """One server, one file, and two daemons that watch them: one logs JSON, one text."""

    def __init__(self, cluster):
        self.cluster, self.folder = cluster, Folder()
        self.made, self.cache = [], {}
        self.plant_server()
        self.file = SqliteFile(self.folder.path / "it's \u202e\"odd\"%20name.db", "CREATE TABLE texts(id INTEGER PRIMARY KEY, name TEXT, body TEXT);"
                               + "".join(f"CREATE TABLE {quoted(t)}(a);" for t in TEXTS.values()))
        rows = ",".join(f"(CAST(x'{d.hex()}' AS TEXT), CAST(x'{d.hex()}21' AS TEXT))" for d in FILE_ROWS.values())
        self.file.sql(f"INSERT INTO texts(name, body) VALUES {rows};")
        self.parts = {
            "databases": {"all": {"dsn": cluster.dsn(), "databases": "*", "max_findings": "500",
                                  "labels": "env=a\"b'c{object}%s", "note": "$$(x) `y` <0>"},
                          "file": {"dsn": self.file.dsn, "max_findings": "500"}},
            "defaults": FAST,
            "sections": {
                "query evil": {"databases": "all/texts, all/bytes", "probe": "performance",
                               "sql": ROWS.format("public."), "message": "{object} says {detail}, also {extra}"},
                "query evil-file": {"databases": "file", "probe": "performance", "sql": ROWS.format(""),
                                    "message": "{object} says {detail}, also {extra}"},
                "query broken": {"databases": "all/texts", "probe": "performance", "sql": "SELECT public.boom() AS value"},
                "query not-a-number": {"databases": "all/texts", "probe": "performance", "warning": "> 0",
                                       "sql": "SELECT v::float8 AS value, v AS object FROM unnest(ARRAY['NaN', 'Infinity', '-Infinity']) AS v"},
                "query no-number": {"databases": "file", "probe": "performance", "warning": "> 0",
                                    "sql": "SELECT 9e999 AS value, 'x' AS object"},
                "check xact-idle": {"param.warning_after": "1s"}}}
        self.idle = [cluster.session("texts", user=TEXTS[k], autocommit=False, application_name=TEXTS["field"])
                     for k in ("colour", "quotes")]
        for s in self.idle:
            s.cursor().execute("SELECT 1 /* " + TEXTS["field"] + TEXTS["title"] + " */")
        self.text = self.start("t", argv=["--log=text"], wait="alive")
        self.json = self.start("j")

    def plant_server(self):
        c = self.cluster
        c.sql("ALTER ROLE dbhealth CONNECTION LIMIT 20")  # three programs watch
        c.createdb("texts", *(TEXTS[m] for m in MEMBERS))
        c.sql("CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
        make = "CREATE TABLE texts(id serial PRIMARY KEY, name text, body text); GRANT SELECT ON texts TO dbhealth;"
        c.script(make + "".join(f"INSERT INTO texts(name, body) VALUES ({literal(t)}, {literal(t + '!')}); CREATE TABLE {quoted(t)}(a int);"
                                for t in TEXTS.values())
                 + f"CREATE FUNCTION boom() RETURNS int LANGUAGE plpgsql AS $f$BEGIN RAISE EXCEPTION USING MESSAGE = {literal(NASTY)}, DETAIL = {literal(NASTY)}; END$f$;"
                 + f"CREATE ROLE {quoted(TEXTS['colour'])} LOGIN; CREATE ROLE {quoted(TEXTS['quotes'])} LOGIN;", "texts")
        c.script(make + "".join(f"INSERT INTO texts(name, body) SELECT t, t || '!' FROM convert_from({bytea(d)}, 'SQL_ASCII') AS t;" for d in BYTES.values()), "bytes")
        for d in BYTES.values():
            name = "".join(f"\\x{b:02x}" for b in d)
            c.script(f"SET client_encoding = 'SQL_ASCII'; DO $f$BEGIN EXECUTE format('CREATE TABLE %I(a int)', E'{name}'); END$f$;", "bytes")

    def start(self, name, **more):
        d = Daemon(self.folder, name, **self.parts, **more)
        self.made.append(d)
        return d

    def remove(self):
        for d in self.made:
            d.remove()
        for s in self.idle:
            s.close()
        self.file.remove()
        self.folder.remove()

    def once(self, key, make):
        if key not in self.cache:
            self.cache[key] = make()
        return self.cache[key]

    def run(self, *argv):
        """The command's bytes; exit codes of a plugin are all right, others are not."""
        done = subprocess.run([BUILD / "dbhealth", *map(str, argv)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=environment(self.folder.path), check=False, timeout=120)
        assert done.returncode <= 3, done
        return done.stdout + done.stderr

    def ask(self, *argv):
        return self.run("--socket", self.json.socket, *argv)

    def alone(self, *argv):
        conf = self.folder.path / "alone.conf"
        conf.write_text(config_text({}, **self.parts))
        conf.chmod(0o600)
        return self.run("check", "-c", conf, "all", "file", *argv)

    def terminal(self, *argv):
        """As on a terminal of 80 columns, with colours."""
        master, slave = pty.openpty()
        process = subprocess.Popen([BUILD / "dbhealth", "--socket", self.json.socket, *argv], stdin=slave, stdout=slave,
                                   stderr=slave, env=environment(self.folder.path, {"TERM": "xterm", "COLUMNS": "80"}))
        os.close(slave)
        out = b""
        try:
            while data := os.read(master, 65536):
                out += data
        except OSError:
            pass
        os.close(master)
        assert process.wait(20) <= 3
        return out


@pytest.fixture(scope="module")
def world(module_cluster):
    w = World(module_cluster)
    try:
        for d in (w.json, w.text):
            wait_until(lambda d=d: len([f for f in d.findings(check="evil")]) == len(TEXTS) + len(BYTES), 60 * d.slack,
                       lambda d=d: f"evil {len(d.findings(check='evil'))}; {d.log_tail(1)[:300]}")
            wait_until(lambda d=d: len(d.findings(check="evil-file")) == len(FILE_ROWS), 30 * d.slack, "those of the file")
            d.wait_finding("xact-idle", within=30)
            for m in MEMBERS:
                d.wait_check("all/" + TEXTS[m], "conn-up", "ok", within=30)
        yield w
    finally:
        w.remove()


def explained(w):
    """The details of what hurts most, as explain shows them."""
    wanted = {TEXTS[k] for k in ("newline", "field", "priority", "colour", "c1", "right to left", "format", "invisible")}
    ids = [f["id"] for f in w.json.findings() if f["object"] in wanted or f["check"] == "xact-idle"]
    return b"".join(w.ask("explain", i) for i in ids)


PEOPLE = {
    "status": lambda w: w.ask("status"),
    "status in full": lambda w: w.ask("status", "-v"),
    "findings": lambda w: w.ask("findings"),
    "all findings": lambda w: w.ask("findings", "-a"),
    "explain": explained,
    "explain a check": lambda w: w.ask("explain", "table-no-primary-key"),
    "nagios status": lambda w: w.ask("-o", "nagios", "status"),
    "nagios findings": lambda w: w.ask("-o", "nagios", "findings"),
    "one-shot": lambda w: w.alone("-v"),
    "one-shot nagios": lambda w: w.alone("-o", "nagios"),
    "log in text": lambda w: w.text.log_path.read_bytes(),
    "log in JSON, its messages": lambda w: "\n".join(e["MESSAGE"] for e in w.json.log()).encode(),
}


@pytest.mark.parametrize("outlet", PEOPLE)
def test_people_are_shown_nothing_that_acts(world, outlet):
    data = world.once(outlet, lambda: PEOPLE[outlet](world))
    text = safe(data, outlet)
    assert len(text) > 100
    forged = [li for li in text.split("\n") if re.match(r"(PRIORITY=|MESSAGE=|X-Evil|<0>|line\b)", li)]
    assert not forged, forged[:3]
    if "nagios" in outlet:
        assert len(data) <= 4096
        label = r"'(?:[^'=]|'')+'=\S+"
        first = text.split("\n")[0]
        assert re.fullmatch(rf"DBHEALTH [A-Z]+ - [^|]*\| {label}(?: {label})*", first), first
        assert "|" not in text[len(first):].replace("\n", " ")
    if outlet in ("findings", "one-shot", "explain", "status in full"):
        assert "\\x1b[31mred" in text and "\\u202e" in text and "\\u009b31m" in text
        assert "{object}" in text and "%s%n%d%%" in text


def test_a_terminal_gets_only_our_own_colours(world):
    for argv in (["findings"], ["status", "-v"], ["explain", "table-no-primary-key"]):
        out = world.terminal(*argv).replace(b"\r\n", b"\n")
        assert b"\x1b[31mred" not in out
        assert re.search(rb"\x1b\[[0-9;]*m", out) or argv[0] == "explain"
        safe(re.sub(rb"\x1b\[[0-9;]*m", b"", out), argv)


def objects(findings, check):
    return {f["object"]: f for f in findings if f["check"] == check}


MACHINES = {
    "GET /v1/findings": lambda w: w.json.request("GET", "/v1/findings?state=any&limit=10000").body,
    "findings -o json": lambda w: w.ask("-o", "json", "findings", "-a"),
    "check -o json": lambda w: w.alone("-o", "json"),
}


@pytest.mark.parametrize("outlet", MACHINES)
def test_machines_get_the_truth(world, outlet):
    raw = world.once(outlet, lambda: MACHINES[outlet](world)).decode("utf-8")
    assert not re.search("[\x00-\x09\x0b-\x1f]", raw)
    found = json.loads(raw)["findings"]
    rows = objects(found, "evil")
    for name, text in TEXTS.items():
        f = rows[text]
        assert f["detail"] == text + "!" and f["labels"]["extra"] == text + "!", name
        # Substituted once: what stands in a value is no placeholder.
        assert f["message"] == f"{text} says {text}!, also {text}!", name
    assert {decoded(d) for d in BYTES.values()} == {squeezed(o) for o in rows} - set(TEXTS.values())
    assert len(rows) == len(TEXTS) + len(BYTES)
    rows = {squeezed(o) for o in objects(found, "evil-file")}
    assert rows >= set(TEXTS.values()) | {decoded(d) for d in BYTES.values()}
    assert len(objects(found, "evil-file")) == len(FILE_ROWS)
    # Tables are named as SQL wants them, the names of a database that checks nothing likewise.
    tables = objects([f for f in found if f["database"] == "all/texts"], "table-no-primary-key")
    for text in TEXTS.values():
        assert world.cluster.one("SELECT 'public.' || quote_ident(%s)", text) in tables, text
    assert len([f for f in found if f["database"] == "all/bytes" and f["check"] == "table-no-primary-key"]) == len(BYTES)
    assert set(TEXTS.values()) <= set(objects([f for f in found if f["database"] == "file"], "table-no-primary-key"))


def test_every_id_is_its_own(world):
    found = world.json.findings(state="any")
    assert len({f["id"] for f in found}) == len(found)
    assert all(re.fullmatch("[0-9a-f]{16}", f["id"]) for f in found)


def test_values_that_are_no_numbers(world):
    """Never 0, never a finding, never a key that silently vanishes: unknown, with the reason."""
    for database, check in (("all/texts", "not-a-number"), ("file", "no-number")):
        told = world.json.wait_check(database, check, "unknown")
        assert told["value"] is None and told["reason"]
        assert not world.json.findings(check=check, state="any")


def test_errors_of_a_server_are_told_whole_and_safely(world):
    told = world.json.wait_check("all/texts", "broken", "unknown")
    assert told["reason"].startswith("no: new") and TEXTS["colour"] in told["reason"] and "\u009b" in told["reason"]
    shown = safe(world.ask("status", "all/texts", "-v"))
    assert "\\x1b[31mred" in shown
    entries = world.json.transitions("06", database="all/texts")
    assert entries and all("no: " in e["DBHEALTH_REASON"] or "value" in e["DBHEALTH_REASON"] for e in entries)


def test_each_entry_is_one_line(world):
    # What the first look at a database finds is summed up; what comes later is told one by one.
    later = [t + "+" for t in TEXTS.values()]
    rows = ",".join(f"({literal(t)}, {literal(t)})" for t in later)
    world.cluster.sql(f"INSERT INTO texts(name, body) VALUES {rows}", dbname="texts")

    def told():
        return [e["DBHEALTH_OBJECT"] for e in world.json.transitions("01", check="evil") if e["DBHEALTH_OBJECT"].endswith("+")]

    def lines():
        return world.text.log_path.read_text().split("\n")[:-1]

    def shown():
        ids = [f["id"] for f in world.text.findings(check="evil") if f["object"].endswith("+")]
        return [li for li in lines() for m in [re.search(r"warning evil .*\(dbhealth explain ([0-9a-f]{6,})\)$", li)]
                if m and any(i.startswith(m[1]) for i in ids)]
    wait_until(lambda: len(told()) >= len(later) and len(shown()) >= len(later), 60 * world.json.slack,
               lambda: f"{len(told())} and {len(shown())} of {len(later)} are told")
    assert sorted(told()) == sorted(later) and len(set(shown())) == len(shown()) == len(later)
    ids = [e["DBHEALTH_FINDING_ID"] for e in world.json.transitions("01")]
    assert len(ids) == len(set(ids))
    for e in world.json.log():
        assert len(e["MESSAGE"].encode()) <= 300 and "\n" not in e["MESSAGE"]
        assert all(re.fullmatch("[A-Z_][A-Z0-9_]*", k) for k in e), e
        assert e["SYSLOG_IDENTIFIER"] == "dbhealthd" and e["PRIORITY"] in "234567"
    assert "forged" not in {e.get("MESSAGE") for e in world.json.log()}
    stamp = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S")
    assert [li for li in lines() if not stamp.match(li)] == []


def test_databases_of_such_names_are_reached_by_them(world):
    names = {b["name"] for b in world.json.status()["databases"]}
    for m in MEMBERS:
        name = "all/" + TEXTS[m]
        assert name in names
        assert world.json.database(name)["name"] == name
        assert world.json.request("GET", f"/v1/databases/{quote(name, safe='')}/health").status == 200
        assert world.json.get("/v1/findings", database=name)["findings"] is not None
        for argv in (["status", name], ["findings", name], ["run", name, "connectivity"], ["-o", "nagios", "status", name],
                     ["explain", f"{name}/conn-up"]):
            text = safe(world.ask(*argv), argv)
            assert "no database" not in text, (argv, text)
    for e in world.json.log():
        if e.get("DBHEALTH_DATABASE", "").startswith("all/"):
            assert e["DBHEALTH_DATABASE"] in names


def test_roles_of_such_names_are_dealt_with_as_printed(world):
    """What explain prints is pasted into psql: it ends that session, changes that role, nothing else."""
    wait_until(lambda: len(world.json.findings(check="xact-idle")) == 2, 20, "both are told")
    found = world.json.findings(check="xact-idle")
    assert {f["labels"]["login"] for f in found} == {TEXTS["colour"], TEXTS["quotes"]}
    settings = "SELECT r.rolname, s.setconfig FROM pg_db_role_setting AS s LEFT JOIN pg_roles AS r ON r.oid = s.setrole"
    tables = world.cluster.sql("SELECT oid, relname FROM pg_class ORDER BY 1", dbname="texts")
    assert world.cluster.sql(settings) == []
    for f in found:
        shown = safe(world.ask("explain", f["id"]))
        for r in f["remedies"]:
            assert " ".join(safe(r["text"]).split()) in " ".join(shown.split())
            if r["kind"] in ("look", "sql"):
                world.cluster.script(r["text"], "texts")
    wait_until(lambda: not world.cluster.sql("SELECT 1 FROM pg_stat_activity WHERE pid = ANY(%s)",
                                             [s.info.backend_pid for s in world.idle]), 10, "both sessions have ended")
    # Of a name that cannot be typed nothing is printed that would have to name it.
    (changed,) = world.cluster.sql(settings)
    assert changed[0] == TEXTS["quotes"] and "idle_in_transaction_session_timeout" in changed[1][0]
    assert world.cluster.sql("SELECT oid, relname FROM pg_class ORDER BY 1", dbname="texts") == tables
    world.json.wait_gone("xact-idle")


def test_a_restart_keeps_every_text_and_announces_nothing(world):
    def known():
        return {f["id"]: (f["database"], f["check"], f["object"], f["since"]) for f in world.json.findings()
                if f["check"] in ("evil", "evil-file", "table-no-primary-key")}
    before = known()
    world.json.restart()
    wait_until(lambda: known().keys() >= before.keys(), 30 * world.json.slack, "what was known is known again")
    world.json.run("all/texts", "performance")
    world.json.run("file", "performance")
    assert known() == before
    again = [e for e in world.json.transitions("01", "02", "03") if e["DBHEALTH_CHECK"].startswith("evil")]
    assert again == []


# ---- a peer that only speaks like a server ----

EVERYTHING = b"\x1b[31m\r\n<0>\x9b31m\xe2\x80\xae\xff PRIORITY=0\nMESSAGE=forged %s%n{object}"


def endless(s, chunk, most):
    for _ in range(most // len(chunk)):
        s.sendall(chunk)


GREETINGS = {
    "refuses in hostile words": (lambda s: s.sendall(error(EVERYTHING, b"28P01", D=EVERYTHING, H=EVERYTHING)), "31m"),
    "an SQLSTATE of control bytes": (lambda s: s.sendall(error(b"no", b"\x1b[2J\n")), "no"),
    "an error of many lines": (lambda s: s.sendall(error(b"a\n" * 5000)), ""),
    "an error without end": (lambda s: (s.sendall(b"E\x7f\xff\xff\xff"), endless(s, b"x" * 65536, 256 << 20)), ""),
    "an error as old servers sent it, without end": (lambda s: (s.sendall(b"Enooo"), endless(s, b"x" * 65536, 256 << 20)), ""),
    "notices without end": (lambda s: endless(s, notice(EVERYTHING * 100) * 20, 256 << 20), ""),
    "settings without end": (lambda s: (s.sendall(message(b"R", b"\0\0\0\0")), endless(s, b"".join(
        message(b"S", b"k%d\0%s\0" % (i, b"v" * 500)) for i in range(200)), 256 << 20)), ""),
    "garbage": (lambda s: s.sendall(os.urandom(4096)), ""),
    "HTTP": (lambda s: s.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), ""),
    "an unknown way to authenticate": (lambda s: s.sendall(message(b"R", b"\0\0\0\x63")), ""),
    "a length that is negative": (lambda s: s.sendall(b"R\xff\xff\xff\xff" + b"\0" * 64), ""),
    "closes at once": (lambda s: None, ""),
    "welcomes and then talks rubbish": (lambda s: (s.sendall(message(b"R", b"\0\0\0\0") + message(b"Z", b"I")), s.recv(65536),
                                                    s.sendall(message(b"D", b"\xff\xff") + message(b"C", b"X\0"))), ""),
    "rows before anything was asked": (lambda s: s.sendall(message(b"R", b"\0\0\0\0") + message(b"Z", b"I")
                                                           + message(b"T", b"\0\x01a\0" + b"\0" * 18) * 50), ""),
}


def test_peers_that_only_look_like_servers(daemon, own, folder):
    """Each is down with a reason, shown safely; none costs memory, time or the others."""
    made = {k: own(Imposter(folder.sub(f"p{i}"), greet)) for i, (k, (greet, _)) in enumerate(GREETINGS.items())}
    file = own(SqliteFile(folder.path / "calm.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)"))
    names = {k: re.sub("[^a-z]", "-", k.lower())[:40] for k in made}
    d = daemon(databases={"calm": file.dsn, **{names[k]: p.dsn for k, p in made.items()}},
               defaults={"connectivity_interval": "1s", "timeout": "3s", "reconnect_interval": "1s"}, wait="alive")
    mark = Vitals(d)
    peak = 0
    for k in made:
        f = d.wait_finding("conn-up", database=names[k], severity="critical", within=40)
        assert GREETINGS[k][1] in f["message"] + f["detail"], (k, f)
        peak = max(peak, mark.grown())
    time.sleep(5)
    peak = max(peak, mark.grown())
    assert d.database("calm")["status"] == "ok"
    for argv in (["status", "-v"], ["findings"], ["-o", "nagios", "status"]):
        safe(d.cli(*argv).out)
    for e in d.log():
        safe(e["MESSAGE"])
        assert "\n" not in e["MESSAGE"]
    assert d.status()["daemon"]["loop_lateness_max_ms"] < 1500 * d.slack
    # No attempts in a storm: the connect, its two repeats, then one an interval.
    assert all(p.accepted < 60 for p in made.values()), {k: p.accepted for k, p in made.items()}
    mark.assert_modest(24 << 20)
    assert sanitized() or peak < 96 << 20, f"{peak / 1e6:.0f} MB at most"


def test_a_row_of_hundreds_of_megabytes(cluster, daemon):
    """A statement of the user's that answers with one huge field costs its own answer only."""
    c = cluster()
    d = daemon(databases={"a": c.dsn()}, defaults={"performance_interval": "2s", "connectivity_interval": "1s", "timeout": "30s"},
               sections={"query big": {"databases": "a", "probe": "performance",
                                       "sql": "SELECT repeat('x', 64*1024*1024) AS object, 1 AS value"},
                         "query small": {"databases": "a", "probe": "performance", "sql": "SELECT 'y' AS object, 1 AS value"}})
    mark = Vitals(d)
    told = wait_until(lambda: next((k for k in d.database("a")["checks"] if k["id"] == "big" and k["reason"] != "not yet run"), None),
                      60, "the statement ran")
    assert told["status"] == "unknown" and "kB" in told["reason"], told
    d.wait_finding("small", within=30)
    assert d.check("a", "conn-up")["status"] == "ok" and not d.findings(check="conn-up", state="any")
    assert d.status()["daemon"]["loop_lateness_max_ms"] < 1500 * d.slack
    wait_until(lambda: sanitized() or mark.grown() < 8 << 20, 20, lambda: f"{mark.grown() / 1e6:.0f} MB stay")
