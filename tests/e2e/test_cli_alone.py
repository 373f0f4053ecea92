"""dbhealth without a daemon: check, explain, checks, usage and exit codes."""
import json
import os
import pathlib
import pty
import re
import subprocess

import jsonschema
import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = TOP / os.environ.get("B", "build/plain")
FAULTS = ("CREATE TABLE orders(id INTEGER PRIMARY KEY);"
          "CREATE TABLE items(id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES orders(id));"
          "INSERT INTO items(order_id) VALUES (1), (2), (3);")
COMMANDS = re.findall(r"^  ([a-z-]+)", re.search(r"^Commands:\n(.*?)\n\n", subprocess.run(
    [BUILD / "dbhealth", "--help"], capture_output=True, text=True, check=True).stdout, re.M | re.S)[1], re.M)
assert {"status", "findings", "explain", "checks", "run", "check", "ack", "stats", "optimize"} <= set(COMMANDS)


def validate(instance):
    schema = json.loads((TOP / "docs/schema/check-output.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(instance)


def fits(answer):
    wide = [li for li in answer.out.split("\n") if len(li) > 80]
    assert not wide, wide
    return answer


@pytest.fixture
def faulty(sqlite):
    return sqlite("app.db", FAULTS)


def test_check_sqlite(cli, faulty):
    before = faulty.digest()
    answer = fits(cli("check", faulty.dsn))
    assert answer.status == 2, answer
    lines = answer.out.split("\n")
    assert re.match(r"CRITICAL  app\.db: 1 critical(, \d+ \w+)*; \d+ checks ran", lines[0])
    assert lines[1].startswith(f"{faulty.path}  SQLite, ") or lines[1] == str(faulty.path)
    assert re.search(r"^CRITICAL  fk-orphan-rows  items", answer.out, re.M)
    assert re.search(r"^  Why: ", answer.out, re.M) and re.search(r"^  Fix: ", answer.out, re.M)
    assert lines[-2] == "What a check means: dbhealth explain fk-orphan-rows"
    assert faulty.digest() == before and faulty.neighbours() == []


@pytest.mark.parametrize("form", ["sqlite:{p}", "sqlite:///{p}", "{p}", "sqlite+aiosqlite:///{p}"])
def test_forms_of_a_file(cli, faulty, form):
    answer = cli("check", form.format(p=faulty.path), "-o", "json")
    if "+" in form and answer.status == 64:
        pytest.skip("only a driver suffix of PostgreSQL is promised")
    assert answer.status == 2, answer
    validate(answer.json)


def test_relative_file_and_environment(cli, faulty):
    here = faulty.path.parent
    assert cli("check", "app.db", cwd=here).status == 2
    assert cli("check", "./app.db", cwd=here).status == 2
    assert cli("check", "sqlite:app.db", cwd=here).status == 2
    assert cli("check", "sqlite:///app.db", cwd=here).status == 2
    assert cli("check", env={"DATABASE_URL": faulty.dsn}).status == 2


def test_check_json_has_every_part(cli, faulty):
    answer = cli("check", faulty.dsn, "-o", "json")
    validate(answer.json)
    assert set(answer.json) >= {"status", "databases", "findings", "unknown", "not_covered"}
    assert answer.json["status"] == "critical"
    assert {f["check"] for f in answer.json["findings"]} >= {"fk-orphan-rows"}
    assert "monitor-role" not in {f["check"] for f in answer.json["findings"]}


def test_check_postgresql(cli, cluster):
    server = cluster()
    server.sql("CREATE TABLE nokey(a int); INSERT INTO nokey SELECT generate_series(1, 2000)")
    server.sql("ANALYZE nokey")
    answer = fits(cli("check", server.dsn()))
    assert answer.status == 1
    assert re.match(r"warning   postgres: 1 warning", answer.out)
    for scheme in ("postgres", "postgresql+asyncpg"):
        dsn = server.dsn().replace("postgresql:", scheme + ":")
        assert cli("check", dsn, "-q").status == 1
    keywords = f"host={server.socket_dir} port={server.port} user=dbhealth dbname=postgres"
    answer = cli("check", keywords, "-o", "json")
    assert answer.status == 1
    validate(answer.json)
    assert cli("check", "--probe", "connectivity", server.dsn()).status == 0
    assert cli("check", "--check", "conn-*", server.dsn()).status == 0
    # what a right would cover is said with the command that gives it
    server.sql("CREATE TABLE parent(id int PRIMARY KEY); "
               "CREATE TABLE child(id int PRIMARY KEY, p int REFERENCES parent)")
    answer = fits(cli("check", "-v", "--check", "fk-orphan-rows", server.dsn()))
    assert "GRANT SELECT ON public.child TO dbhealth;" in answer.out
    parts = cli("check", "-o", "json", "--check", "fk-orphan-rows", server.dsn()).json["not_covered"]
    assert ["GRANT SELECT" in c["grant"] for c in parts if c["check"] == "fk-orphan-rows"] == [True]


def test_check_of_what_is_not_there(cli, cluster, folder):
    gone = cli("check", f"postgresql:///x?host={folder.path}")
    assert gone.status == 2 and "conn-up" in gone.out
    assert cli("check", folder.path / "nothing.db").status in (2, 3, 64)
    assert cli("check", "nothing-of-that-name").status == 64
    missing = cli("check", f"sqlite:{folder.path}/nothing.db")
    assert missing.status in (2, 3), missing
    assert not (folder.path / "nothing.db").exists()


def test_wildcards_are_all_files_that_match(cli, folder, sqlite):
    for name in ("a.db", "b.db", "c[1].db", "other.sqlite"):
        sqlite(name, "CREATE TABLE t(a INTEGER PRIMARY KEY)")
    (folder.path / "b.db").write_text("no database\n" * 100)

    def names(pattern):
        return sorted(d["name"].split("/")[-1] for d in cli("check", "-o", "json", pattern).json["databases"])

    assert names(f"sqlite:{folder.path}/*.db") == ["a.db", "b.db", "c[1].db"]
    assert names(f"{folder.path}/?.db") == ["a.db", "b.db"]
    assert names(f"sqlite:{folder.path}/c[1].db") == ["c[1].db"]  # there is a file of that name
    every = cli("check", f"sqlite:{folder.path}/*.db")
    assert every.status == 2 and "3 databases" in every.out and "sqlite-not-a-database" in every.out
    none = cli("check", f"sqlite:{folder.path}/x*.db")
    assert none.status == 2 and "no such file" in none.out and "x*.db" in none.out
    deep = cli("check", f"sqlite:{folder.path}/**.db")
    assert deep.status == 64 and "** is not known" in deep.err


def test_fail_on(cli, faulty):
    for word, status in (("critical", 2), ("warning", 2), ("unknown", 2), ("none", 0)):
        assert cli("check", "--fail-on", word, faulty.dsn).status == status
    assert cli("check", "--fail-on", "critical", "--check", "sqlite-stats-missing", faulty.dsn).status == 0


def test_nothing_that_runs_is_unknown(cli, faulty):
    answer = cli("check", "--check", "xid-wraparound", faulty.dsn)  # of PostgreSQL alone
    assert answer.status == 3 and answer.out.startswith("unknown   ")


def test_configuration(cli, folder, faulty):
    conf = folder.path / "x.conf"
    conf.write_text(f"[database shop]\ndsn = {faulty.dsn}\n[database other]\ndsn = sqlite:/nonexistent/x.db\n"
                    "[check fk-orphan-rows]\nenabled = no\n")
    conf.chmod(0o600)
    answer = cli("check", "-c", conf, "shop", "-o", "json")
    assert [d["name"] for d in answer.json["databases"]] == ["shop"]
    assert "fk-orphan-rows" not in {f["check"] for f in answer.json["findings"]}
    both = cli("check", "-c", conf, "-o", "json")
    assert [d["name"] for d in both.json["databases"]] == ["shop", "other"] or \
        {d["name"] for d in both.json["databases"]} == {"shop", "other"}
    # A configured name wins over a file of that name; ./ forces the file.
    (folder.path / "shop").write_bytes(b"no database at all" * 100)
    assert cli("check", "-c", conf, "shop", "-o", "json", cwd=folder.path).status == answer.status
    forced = cli("check", "-c", conf, "./shop", "-o", "json", cwd=folder.path)
    assert forced.json["status"] in ("critical", "unknown")
    conf.write_text("[database shop]\ndsn = sqlite:/x\nperfomance_interval = 1s\n[nothing]\n")
    bad = cli("check", "-c", conf)
    assert bad.status == 78
    assert f"{conf}:3: [database shop] perfomance_interval: unknown key; did you mean performance_interval?" \
        in bad.err
    assert bad.err.count("\n") >= 2
    assert cli("check", "-c", folder.path / "none.conf").status == 78


def test_user_query_is_part_of_it(cli, folder, faulty):
    conf = folder.path / "x.conf"
    conf.write_text(f"[database shop]\ndsn = {faulty.dsn}\n[query too-many]\ndatabases = shop\n"
                    "probe = integrity\nsql = SELECT count(*) AS value FROM items\ncritical = >= 3\n")
    conf.chmod(0o600)
    answer = cli("check", "-c", conf, "-o", "json")
    assert {f["check"]: f["value"] for f in answer.json["findings"]}.get("too-many") == 3


@pytest.mark.parametrize("argv", [["status"], ["findings"], ["run", "a", "schema"], ["ack", "0123"],
                                  ["explain", "0123"], ["nonsense"], ["status", "--nonsense"],
                                  ["check", "nothing-here"], ["checks", "nothing-here"], ["run", "a"],
                                  ["status", "a", "b"], ["run", "a", "nothing"]])
def test_every_failure_of_a_plugin_is_unknown(cli, folder, argv):
    answer = cli("--socket", folder.path / "none", *argv, "-o", "nagios")
    assert answer.status == 3, answer
    assert answer.out.startswith("DBHEALTH UNKNOWN - ") and answer.out.count("\n") == 1


def test_no_daemon(cli, folder):
    for argv in (["status"], ["findings"], ["run", "a", "schema"], ["ack", "0123"], ["explain", "0123"]):
        answer = cli("--socket", folder.path / "none", *argv)
        assert answer.status == 69, answer
        assert answer.out == ""
        assert re.fullmatch(r"dbhealth: \S+/none: no daemon answers: .*\. .*\.\n", answer.err)
    for url in ("ftp://x", "http://", "http://[::1", "http+unix://relative"):
        assert cli("--url", url, "status").status == 64
    assert cli("--url", "http://127.0.0.1:1", "status").status == 69


def test_explain_and_checks_without_daemon(cli, folder):
    gone = ("--socket", folder.path / "none")
    answer = fits(cli(*gone, "explain", "table-no-primary-key"))
    assert answer.status == 0 and "OPEN" not in answer.out and "WHY      " in answer.out
    every = fits(cli("checks"))
    assert every.status == 0 and "lock-blocked" in every.out
    ids = {c["id"] for c in cli("checks", "-o", "json").json["checks"]}
    for i in sorted(ids):
        one = fits(cli("explain", i))
        assert one.status == 0 and one.out.startswith(f"{i}: "), i
    sql = cli("checks", "--sql", "lock-blocked")
    assert "SELECT" in sql.out and "\\t" not in sql.out


def test_usage(cli):
    assert cli("--version").out.startswith("dbhealth ")
    assert cli().status == 64
    near = cli("statsu")
    assert near.status == 64 and "Did you mean status?" in near.err
    assert cli("status", "--output", "xml").status == 64
    assert cli("check", "--timeout", "5").status == 64
    assert cli("--fail-on", "none", "check").status == 64  # an option of one command only
    text = fits(cli("--help"))
    assert text.status == 0 and all(f"\n  {c} " in text.out for c in COMMANDS)


def actions_of(command):
    text = subprocess.run([BUILD / "dbhealth", command, "--help"], capture_output=True, text=True, check=True).stdout
    listed = re.search(r"^Actions:\n(.*?)\n\n", text, re.M | re.S)
    return [f"{command} {a}" for a in re.findall(r"^  ([a-z-]+)", listed[1], re.M)] if listed else []


@pytest.mark.parametrize("command", [c for g in COMMANDS for c in [g, *actions_of(g)]])
def test_help_has_an_example_per_option(cli, command):
    text = fits(cli(*command.split(), "--help")).out
    options = re.findall(r"^  (?:-\w, |    )--([a-z-]+)", text, re.M)
    examples = re.findall(r"^ {26}dbhealth (.*)$", text, re.M)
    assert len(examples) == len(options)
    for option, example in zip(options, examples):
        assert f"--{option}" in example or re.search(r" -\w", example), example


def test_colour(faulty):
    def on_terminal(*argv, **env):
        leader, follower = pty.openpty()
        subprocess.run([BUILD / "dbhealth", *argv], stdout=follower, stderr=subprocess.DEVNULL, check=False,
                       env={**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, "TERM": "xterm", **env})
        os.close(follower)
        out = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:
                break
            if not part:
                break
            out += part
        os.close(leader)
        return out

    assert b"\x1b[1;31mCRITICAL" in on_terminal("check", faulty.dsn)
    assert b"\x1b" not in on_terminal("check", faulty.dsn, NO_COLOR="1")
    assert b"\x1b" not in on_terminal("--color=never", "check", faulty.dsn)


def test_progress_is_for_terminals(cli, faulty):
    assert cli("check", faulty.dsn).err == ""


def test_the_manual_knows_every_option(cli):
    manual = (TOP / "docs/dbhealth.1").read_text()
    for argv in ([], *[[c] for c in COMMANDS]):
        for option in re.findall(r"--([a-z-]+)", re.sub(r"^ {26}.*$", "", cli(*argv, "--help").out, flags=re.M)):
            assert f"Fl -{option}" in manual, option


def test_a_glob_that_names_no_check(cli, faulty):
    answer = cli("check", "--check", "nonsense", faulty.dsn)
    assert answer.status == 64 and "nonsense" in answer.err and answer.out == ""


def test_an_id_is_looked_at_though_off_by_default_and_a_glob_is_not(cli, cluster):
    server = cluster()
    server.sql("CREATE TABLE author(id int PRIMARY KEY); CREATE TABLE book(id int PRIMARY KEY, author_id int)")

    def found(*argv):
        answer = cli("check", *argv, server.dsn(), "-o", "json")
        assert answer.status in (0, 3), answer
        return [(f["check"], f["object"]) for f in answer.json["findings"]]
    here = [("fk-undeclared", "public.book.author_id")]
    assert found("--check", "fk-undeclared") == here
    assert found("--check", "fk-undeclare*") == []
    assert found("--check", "fk-undeclare*", "--enable", "fk-undeclared") == here
    assert "fk-undeclared" not in {check for check, _ in found()}


def test_what_others_ask_ends_with_one_mark(cli, folder):
    """libpq's hint is a question."""
    for args in (["migrate", "status", "--dir", folder.sub("migrations")], ["diff"], ["backup", "create", "--to", folder.path]):
        done = cli(*args, "postgresql://nobody@127.0.0.1:1/orders", *(["sqlite::memory:"] if args == ["diff"] else []))
        said = " ".join(done.err.split())
        assert done.status != 0 and "connections?" in said and "?." not in said and ".." not in said, done
