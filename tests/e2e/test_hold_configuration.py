"""A broken configuration is told whole and keeps its secrets; a broken user check harms nothing."""
import re

from support import Cli, wait_until

BROKEN = """[daemon]
socket = /tmp/never/sock
max_clients = many
listne = 127.0.0.1:1

[defaults]
timeout = 5 parsecs

[database app]
dsn = postgresql://dbhealth:tiger-secret-1@127.0.0.1:1/app
perfomance_interval = 10s
probes = connectivity, telepathy

[database other]
dsn = postgresql://x:tiger-secret-2@[broken/app
password = tiger-secret-3
severity_cap = ${NOT_SET_ANYWHERE}

[databse typo]
dsn = sqlite:/x

[check nope-check]
warning = >= 1

[check xact-long]
param.nope = 1

[query bare]
critical = < 1
"""
FAULTS = [(3, "max_clients"), (4, "listne"), (7, "timeout"), (11, "perfomance_interval"),
          (12, "telepathy"), (16, "password"), (17, "NOT_SET_ANYWHERE"), (19, "databse"),
          (22, "nope-check"), (26, "nope"), (28, "sql")]


def test_every_fault_at_once(folder):
    path = folder.path / "broken.conf"
    path.write_text(BROKEN)
    path.chmod(0o600)
    for extra in (["--check-config"], ["--foreground", "--log=text"]):
        done = Cli(folder, "-c", path, *extra, program="dbhealthd", timeout=20)
        said = done.out + done.err
        assert done.status == 78, done
        for line, word in FAULTS:
            assert re.search(rf"^.*{re.escape(str(path))}:{line}: .*{word}", said, re.M), \
                f"line {line}, {word}, in: {said}"
        assert "did you mean performance_interval?" in said
        assert "tiger-secret" not in said


def test_file_that_others_may_write(folder):
    path = folder.path / "open.conf"
    path.write_text("[database app]\ndsn = sqlite:/x\n")
    path.chmod(0o666)
    done = Cli(folder, "-c", path, "--check-config", program="dbhealthd")
    assert done.status == 78 and str(path) in done.err, done


def test_absent_file_and_usage(folder):
    done = Cli(folder, "-c", folder.path / "absent.conf", "--check-config", program="dbhealthd")
    assert done.status == 78 and "absent.conf" in done.err, done
    assert Cli(folder, "--nonsense", program="dbhealthd").status == 64


def test_broken_user_checks(sqlite, daemon):
    app = sqlite("app.db", "CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)")
    head = "-- id: {}\n-- title: of the user\n-- engine: sqlite\n-- probe: schema\n-- topic: own\n" \
           "-- scope: database\n-- kind: gauge\n-- unit: count\n-- for: 0s\n-- critical: >= 2\n" \
           "-- why: a test\n-- spares: nothing\n-- fix: nothing\n"
    d = daemon(databases={"app": app.dsn},
               defaults={"schema_interval": "1s"},
               checks_d={
                   "good.sql": head.format("own-good") + "SELECT 't' AS object, count(*) AS value FROM t",
                   "no-head.sql": "SELECT 1\n",
                   "bad-head.sql": head.format("own-bad").replace("kind: gauge", "kind: feeling")
                   + "SELECT 1 AS value",
                   "bad-sql.sql": head.format("own-error") + "SELECT n AS value FROM nowhere",
               })
    d.wait_finding("own-good", "t", severity="critical")
    for name in ("no-head.sql", "bad-head.sql"):
        wait_until(lambda n=name: [e for e in d.transitions("0d") if n in e["MESSAGE"]], 5,
                   lambda n=name: f"{n} is rejected aloud: {d.log_tail()}")
    assert "bad-head.sql:7" in " ".join(e["MESSAGE"] for e in d.transitions("0d"))
    broken = d.wait_check("app", "own-error", "unknown")
    assert "nowhere" in broken["reason"]
    assert {c["id"] for c in d.get("/v1/checks")["checks"]} & {"own-good", "own-bad"} == {"own-good"}
    assert d.check("app", "table-no-primary-key")["status"] == "ok"
