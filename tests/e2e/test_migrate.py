"""dbhealth migrate: dbmate's files run, on both engines, and whatever cuts them off is told and goes on."""
import contextlib
import os
import pathlib
import pty
import re
import select
import shlex
import shutil
import subprocess
import time

import pytest

from support import BUILD, Cli, sanitized
from support.base import end, wait_until
from support.kill_steps import KillSteps
from support.migrations import FILES, VERSIONS, Migrated


@pytest.fixture(params=["postgresql", "sqlite"])
def db(request, folder):
    cluster = request.getfixturevalue("module_cluster") if request.param == "postgresql" else None
    made = Migrated(folder, request.param, "migrated", cluster)
    made.write(FILES)
    return made


ALL = {v: "applied" for v in VERSIONS}


def joined(done):
    """What it says on stderr, without its lines."""
    return " ".join(done.err.split())


def fits(done):
    """The same, of lines that a terminal shows whole; those with a command to copy may be longer."""
    assert all(len(line) <= 80 or "dbhealth " in line.removeprefix("dbhealth: ") for line in done.err.splitlines()), done.err
    return joined(done)


def test_up_and_down_and_what_is_said_of_it(db):
    assert db.run("status").status == 1 and db.recorded() == [] and not db.columns("dbhealth_migrations")
    up = db.json("upgrade")
    assert [(m["version"], m["direction"]) for m in up["ran"]] == [(v, "up") for v in VERSIONS]
    assert up["ok"] and up["current"] == up["head"] == VERSIONS[-1]
    assert db.columns() == ["id", "name", "email"] and db.recorded() == VERSIONS
    assert db.indexes() == ["users_email", "users_name"]
    again = db.json("upgrade")
    assert again["ran"] == [] and "nothing to do" in again["message"]
    status = db.json("status")
    assert status["ok"] and (status["applied"], status["pending"], status["problems"]) == (3, 0, 0)
    first = status["migrations"][0]
    assert first["title"] == "create users" and first["by"].count("@") == 1 and first["checksum"] == first["applied_checksum"]
    assert db.run("verify").status == 0
    text = db.run("history").out
    assert [line.split()[0] for line in text.splitlines()] == VERSIONS[::-1]
    assert max(map(len, text.splitlines())) <= 80
    down = db.run("downgrade", "-1", "--yes")
    assert down.status == 0 and db.recorded() == VERSIONS[:2] and db.indexes() == [], down
    assert [m["version"] for m in db.json("history", "-r", "current:head")["migrations"]] == VERSIONS[2:]
    assert db.json("history", "-r", "base:current")["migrations"][0]["version"] == VERSIONS[1]
    assert db.run("downgrade", VERSIONS[0], "--yes").status == 0 and db.columns() == ["id", "name"]
    assert db.run("upgrade", VERSIONS[1]).status == 0 and db.recorded() == VERSIONS[:2]
    assert db.run("downgrade", "base", "--yes").status == 0
    assert db.recorded() == [] and db.ours() == {} and db.columns() == []
    assert db.run("downgrade").status == 64 and db.run("downgrade", "nothing-like-it").status == 64


def test_sql_is_exactly_what_runs(db):
    printed = db.run("upgrade", "--sql")
    assert printed.status == 0 and not db.recorded() and not db.columns(), printed
    db.script(printed.out)
    assert db.states() == ALL and db.run("verify").status == 0
    assert db.columns() == ["id", "name", "email"] and db.indexes() == ["users_email", "users_name"]
    db.script(db.run("downgrade", "--sql", "base").out)
    assert db.recorded() == [] and db.ours() == {} and db.columns() == []
    assert db.json("upgrade", "--sql")["sql"].count("migrate") > 0


def test_a_statement_fails_and_all_of_its_file_is_taken_back(db):
    db.write({"20260104000000_bad.sql": "-- migrate:up\nCREATE TABLE half (a int);\n\n-- why\nINSERT INTO nowhere VALUES (1);\n"
                                        "-- migrate:down\n"})
    failed = db.json("upgrade", status=1)
    assert [m["version"] for m in failed["ran"]] == VERSIONS and failed["current"] == VERSIONS[-1]
    assert failed["failed"]["reason"].startswith("20260104000000_bad.sql:5: ")
    assert "taken back" in failed["failed"]["left"] and db.columns("half") == []
    assert db.states() == {**ALL, "20260104000000": "pending"}


@pytest.mark.parametrize("end_of_it", ["COMMIT", "ROLLBACK", "commit and chain", "/* x */ End work"])
def test_a_file_does_not_end_the_transaction_that_it_runs_in(folder, end_of_it):
    db = Migrated(folder, "sqlite", "ends")
    db.write({"1_x.sql": f"-- migrate:up\nCREATE TABLE half (a int);\n{end_of_it};\nCREATE TABLE half (a int);\n-- migrate:down\n"})
    failed = db.json("upgrade", status=1)["failed"]
    assert "1_x.sql:3:" in failed["reason"] and "transaction:false" in failed["reason"]
    assert db.columns("half") == [] and db.recorded() == []


def test_outside_a_transaction_it_goes_on_where_it_stopped(db):
    db.write({"20260104000000_bad.sql": "-- migrate:up transaction:false\nCREATE TABLE a (a int);\nCREATE TABLE b (a int);\n"
                                        "INSERT INTO late VALUES (1);\nCREATE TABLE c (a int);\n-- migrate:down transaction:false\n"
                                        "DROP TABLE c; DROP TABLE b; DROP TABLE a;"})
    failed = db.json("upgrade", status=1)["failed"]
    assert "20260104000000_bad.sql:4:" in failed["reason"] and "2 of 4 statements are through" in failed["left"]
    assert db.states()["20260104000000"] == "unfinished" and db.ours()["20260104000000"] == ("running", 2)
    assert db.run("status").status == 2 and "resolve" in db.run("status").out
    refused = db.run("upgrade")
    assert refused.status == 1 and "cut off" in fits(refused)
    assert "dbhealth migrate resolve" in refused.err, refused  # not broken
    assert db.run("downgrade", "base", "--yes").status == 1
    db.sql("CREATE TABLE late (a int)")
    went_on = db.run("resolve", "20260104", "continue")
    assert went_on.status == 0 and db.columns("c") == ["a"], went_on
    assert db.states()["20260104000000"] == "applied" and db.sql("SELECT * FROM late") == [(1,)]
    assert db.run("verify").status == 0
    # the way back, cut off too
    db.sql("DROP TABLE b")
    assert db.run("downgrade", "-1", "--yes").status == 1
    assert db.ours()["20260104000000"] == ("reverting", 1) and db.recorded()[-1] == "20260104000000"
    db.sql("CREATE TABLE b (a int)")
    assert db.run("resolve", "20260104", "continue", "--yes").status == 0
    assert db.states()["20260104000000"] == "pending" and db.columns("a") == []


def test_continue_of_what_was_never_begun_says_how_to_run_it(db):
    assert db.run("upgrade", VERSIONS[0]).status == 0
    refused = db.run("resolve", VERSIONS[1], "continue")
    said = fits(refused)
    assert refused.status == 1 and f"{VERSIONS[1]} is pending" in said and "never begun" in said, refused
    assert "cut off" not in said and db.recorded() == VERSIONS[:1]
    command = next(line.strip() for line in refused.err.splitlines() if "migrate upgrade" in line)
    assert Cli(db.folder, *shlex.split(command.removesuffix("."))[1:]).status == 0 and db.recorded() == VERSIONS[:2], command
    assert "was not cut off" in joined(db.run("resolve", VERSIONS[0], "continue"))
    db.write({"20260101120000_late.sql": "-- migrate:up\nCREATE TABLE late (a int);\n-- migrate:down\n"})
    assert "--out-of-order" in joined(db.run("resolve", "20260101120000", "continue"))


@pytest.mark.parametrize("named", ["argument", "environment", "configuration"])
def test_the_command_that_it_tells_can_be_run(db, named):
    """With the database, the folder and the table as they were named, whatever is in their names."""
    db.dir = db.dir.rename(db.dir.parent / "some where")
    db.write({"20990101000000_half.sql": "-- migrate:up transaction:false\nCREATE TABLE half (a integer PRIMARY KEY);\n"
                                         "INSERT INTO nowhere VALUES (1);\n-- migrate:down\nDROP TABLE half;\n"})
    conf = db.folder.path / "a conf"
    conf.write_text(f"[database app]\ndsn = {db.dsn}\nadmin_dsn = {db.dsn}\n")
    words, env = {"argument": ([db.dsn], None), "environment": ([], {"DATABASE_URL": db.dsn}),
                  "configuration": (["-c", conf, "app"], None)}[named]
    failed = Cli(db.folder, "migrate", "upgrade", "--dir", db.dir, "--table", "applied", *words, env=env)
    assert failed.status == 1, failed
    told = " ".join(failed.err.split()).split("what it is: ")[1].split(" applied (")[0]
    done = Cli(db.folder, *shlex.split(told)[1:], "applied", env=env)
    assert done.status == 0 and "is applied, as its file is" in done.out, (told, done)


def test_what_its_own_transaction_took_back_is_not_counted(db):
    begin = "BEGIN" if db.engine == "postgresql" else "BEGIN IMMEDIATE"
    db.write({"20260104000000_own.sql": f"-- migrate:up transaction:false\nCREATE TABLE a (a int);\n{begin};\nCREATE TABLE b (a int);\n"
                                        "INSERT INTO late VALUES (1);\nCOMMIT;\n-- migrate:down\n"})
    assert db.run("upgrade").status == 1
    assert db.ours()["20260104000000"] == ("running", 1) and db.columns("b") == []
    db.sql("CREATE TABLE late (a int)")
    assert db.run("resolve", "20260104", "continue").status == 0
    assert db.columns("b") == ["a"] and db.sql("SELECT * FROM late") == [(1,)]


def test_changed_missing_out_of_order_and_twice(db):
    db.write({"20260101120000_between.sql": "-- migrate:up\nCREATE TABLE between_them (a int);\n-- migrate:down\n"})
    between = db.dir / "20260101120000_between.sql"
    text = between.read_text()
    between.unlink()
    assert db.run("upgrade").status == 0
    between.write_text(text)
    refused = db.run("upgrade")
    assert refused.status == 1 and "--out-of-order" in refused.err and db.states()["20260101120000"] == "out of order"
    assert db.run("verify").status == 2
    assert db.run("upgrade", "--out-of-order").status == 0 and db.columns("between_them") == ["a"]
    # changed
    path = db.dir / "20260102000000_add_email.sql"
    path.write_text(path.read_text() + "\n-- said better\n")
    assert db.states()["20260102000000"] == "changed" and db.run("status").status == 2
    assert "was changed" in db.run("verify").out.replace("\n    ", " ")
    before = db.sql("SELECT who, applied_at FROM dbhealth_migrations WHERE version = '20260102000000'")
    assert db.run("resolve", "20260102", "applied").status == 0 and db.run("verify").status == 0
    assert db.sql("SELECT who, applied_at FROM dbhealth_migrations WHERE version = '20260102000000'") == before
    # missing
    between.unlink()
    assert db.states()["20260101120000"] == "missing"
    assert db.run("downgrade", "base", "--yes").status == 1 and db.recorded()[0] == VERSIONS[0]
    assert db.run("resolve", "20260101120000", "pending").status == 0 and db.run("verify").status == 0
    # twice
    db.write({"20260102000000_again.sql": "-- migrate:up\n"})
    twice = db.run("status")
    assert twice.status == 78 and "the same version" in joined(twice)


def test_what_destroys_is_asked_for(db):
    db.run("upgrade")
    refused = db.json("downgrade", "-3", status=1)
    assert [d["file"] for d in refused["destructive"]][-1] == "20260101000000_create_users.sql"
    assert db.recorded() == VERSIONS and "Nothing was changed" in refused["message"]
    in_words = db.run("downgrade", "-3")
    assert "Of these migrations something takes away what only a backup could bring back:" in fits(in_words), in_words
    assert "nobody can be asked here. Nothing was changed. Add --yes." in joined(in_words)

    def on_a_terminal(answer):
        process, ours = pty.fork()
        if process == 0:
            os.execve(BUILD / "dbhealth", [str(a) for a in db.argv("downgrade", "base")], {**os.environ, "LSAN_OPTIONS": "detect_leaks=0"})
        said = b""
        with contextlib.suppress(OSError):
            while b"[y/N]" not in said and select.select([ours], [], [], 60)[0]:
                said += os.read(ours, 4096)
            os.write(ours, answer)
            while os.read(ours, 4096):
                pass
        os.close(ours)
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

    assert on_a_terminal(b"n\n") == 1 and db.recorded() == VERSIONS
    assert on_a_terminal(b"y\n") == 0 and db.recorded() == []


def test_it_waits_for_no_lock_longer_than_told_and_tries_again(db):
    assert db.run("upgrade", VERSIONS[0]).status == 0
    with contextlib.closing(db.hold()):
        refused = db.run("upgrade", "--lock-timeout", "100ms", "--retries", "1")
        assert refused.status == 75 and "again in 1 s (1 of 1)" in fits(refused) and "taken back" in joined(refused), refused
    assert db.recorded() == VERSIONS[:1] and db.columns() == ["id", "name"]
    with contextlib.closing(db.hold()) as other:
        process = db.start("upgrade", "--lock-timeout", "100ms", "--retries", "100")
        lines = []
        while "again" not in (line := process.stdout.readline()):
            assert line, lines
            lines.append(line)
        other.close()
        assert process.wait(60) == 0, process.stdout.read()
    assert db.states() == ALL


def test_another_tools_table_is_left_alone(db):
    db.sql("CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)")
    refused = db.run("upgrade")
    assert refused.status == 78 and "dirty" in fits(refused) and db.columns("dbhealth_migrations") == []
    assert db.run("upgrade", "--table", "its_own").status == 0
    assert sorted(v for v, in db.sql("SELECT version FROM its_own")) == VERSIONS
    assert db.sql("SELECT * FROM schema_migrations") == []


HOSTILE = {"1_it's \\ \"quoted\".sql": "-- migrate:up\nCREATE TABLE a (a int);\n-- migrate:down\nDROP TABLE a;",
           "2_\x1b[31mred\n.sql": "-- migrate:up transaction:false\nCREATE TABLE b (a int);\n-- migrate:down\nDROP TABLE b;"}


def test_hostile_names_of_files(folder, module_cluster):
    for engine in ("postgresql", "sqlite"):
        db = Migrated(folder, engine, "it's hostile", module_cluster)
        db.write(HOSTILE)
        if engine == "postgresql":
            db.sql("ALTER ROLE postgres IN DATABASE \"it's hostile\" SET standard_conforming_strings = off")
        up = db.run("upgrade")
        assert up.status == 0 and "\x1b" not in up.out and db.run("verify").status == 0, up
        assert "\x1b" not in db.run("status").out and len(db.recorded()) == 2
        assert db.sql("SELECT file FROM dbhealth_migrations WHERE version = '1'")[0][0] in HOSTILE
        assert db.run("downgrade", "base", "--yes").status == 0


def test_postgresql_own_session_each_file(module_cluster, folder):
    db = Migrated(folder, "postgresql", "sessions", module_cluster)
    module_cluster.sql("DROP ROLE IF EXISTS weak")
    module_cluster.sql("CREATE ROLE weak")
    db.write({"1_dump.sql": "-- migrate:up\nSELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.a (a int);\n"
                            "-- migrate:down\n",
              "2_role.sql": "-- migrate:up\nCREATE TABLE b (a int);\nGRANT ALL ON SCHEMA public TO weak;\nSET ROLE weak;\n"
                            "CREATE TABLE c (a int);\nRESET ROLE;\n-- migrate:down\n",
              "3_concurrently.sql": "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY b_a ON b (a);\n-- migrate:down\n"})
    up = db.run("upgrade")
    assert up.status == 0 and db.recorded() == ["1", "2", "3"], up
    owner = db.sql("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname IN ('b', 'c') ORDER BY relname")
    assert owner == [("postgres",), ("weak",)]
    module_cluster.sql('DROP DATABASE "sessions" WITH (FORCE)')
    module_cluster.sql("DROP ROLE weak")


def test_sqlite_rows_without_a_parent_stop_it(folder):
    db = Migrated(folder, "sqlite", "keys")
    db.write({"1_a.sql": "-- migrate:up\nCREATE TABLE p (id INTEGER PRIMARY KEY);\nCREATE TABLE c (p REFERENCES p);\n"
                         "INSERT INTO p VALUES (1);\nINSERT INTO c VALUES (1);\n-- migrate:down\n",
              "2_b.sql": "-- migrate:up\nDELETE FROM p WHERE id = 1;\n-- migrate:down\n"})
    failed = db.json("upgrade", status=1)["failed"]
    assert "name none" in failed["reason"] and db.sql("SELECT count(*) FROM p") == [(1,)] and db.recorded() == ["1"]


def test_a_revision_asks_for_its_reasons(folder, cli):
    made = cli("migrate", "revision", "-m", "Add user preferences!", "--dir", folder.path / "a/b", cwd=folder.path)
    path = pathlib.Path(made.out.strip())
    assert made.status == 0 and re.fullmatch(r"\d{14}_add_user_preferences\.sql", path.name), made
    text = path.read_text()
    assert all(f"{note}: <" in text for note in ("Reason", "Data impact", "Rollback", "Constraints", "Performance"))
    second = pathlib.Path(cli("migrate", "revision", "-m", "Add user preferences!", "--dir", folder.path / "a/b").out.strip())
    assert second.exists() and second.name > path.name
    assert cli("migrate", "revision", "-m", "!!").status == 64 and cli("migrate", "revision").status == 64


def test_where_the_folder_is_and_what_is_meant_by_one_argument(folder):
    db = Migrated(folder, "sqlite", "places")
    db.write(FILES)
    here = {"DATABASE_URL": db.dsn, "DBMATE_MIGRATIONS_DIR": str(db.dir)}
    assert Cli(folder, "migrate", "upgrade", VERSIONS[0], env=here).status == 0 and db.recorded() == VERSIONS[:1]
    assert Cli(folder, "migrate", "upgrade", env=here).status == 0 and db.recorded() == VERSIONS
    assert Cli(folder, "migrate", "downgrade", "-2", "--yes", env=here).status == 0 and db.recorded() == VERSIONS[:1]
    conf = folder.path / "c.conf"
    conf.write_text(f"[database app]\ndsn = {db.dsn}\nmigrations_dir = {db.dir}\n")
    assert Cli(folder, "migrate", "upgrade", "-c", conf, "app").status == 0 and db.recorded() == VERSIONS
    nowhere = Cli(folder, "migrate", "status", db.dsn, cwd=folder.path)
    assert nowhere.status == 64 and "--dir" in nowhere.err
    fresh = folder.path / "fresh.db"
    assert Cli(folder, "migrate", "status", f"sqlite:{fresh}", "--dir", db.dir).status == 69 and not fresh.exists()
    assert Cli(folder, "migrate", "upgrade", f"sqlite:{fresh}", "--dir", db.dir).status == 0


# ---- dbmate itself ----
@pytest.fixture(scope="session")
def dbmate():
    """The tool itself, from npm, kept below the build folder."""
    place = BUILD.parent / "dbmate"
    program = place / "node_modules/.bin/dbmate"
    if not program.exists():
        if not shutil.which("npm"):
            pytest.skip("no npm here")
        place.mkdir(exist_ok=True, parents=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(["npm", "install", "--prefix", place, "--no-fund", "--no-audit", "--silent", "dbmate"], check=False,
                           timeout=120, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not program.exists() or subprocess.run([program, "--version"], check=False, stdout=subprocess.DEVNULL).returncode:
        pytest.skip("dbmate cannot be had from npm here")
    return program


def test_from_dbmate_and_back_again(db, dbmate, module_cluster):
    url = f"sqlite:{db.dsn[7:]}" if db.engine == "sqlite" else \
        f"postgres://postgres@/{db.name}?socket={module_cluster.socket_dir}&port={module_cluster.port}&sslmode=disable"

    def tool(*argv):
        done = subprocess.run([dbmate, "--no-dump-schema", "--url", url, "-d", db.dir, *argv], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout
        return done.stdout

    # what the tool would run as one message, which a real file for it would not hold
    db.write({"20260103000000_index.sql": "-- migrate:up transaction:false\nCREATE INDEX users_name ON users (name);\n"
                                          "-- migrate:down transaction:false\nDROP INDEX users_name;\n"})
    later = db.dir / "20260103000000_index.sql"
    text = later.read_text()
    later.unlink()
    tool("migrate")
    assert db.states() == {v: "applied" for v in VERSIONS[:2]}
    assert db.json("verify")["without_checksum"] == 2
    later.write_text(text)
    assert db.run("upgrade").status == 0 and db.indexes() == ["users_name"]
    assert tool("status").count("[X]") == 3
    tool("rollback")
    assert db.states() == {**ALL, VERSIONS[2]: "pending"} and db.indexes() == []
    assert db.run("downgrade", "-1", "--yes").status == 0 and tool("status").count("[X]") == 1
    tool("migrate")
    assert db.states() == ALL and db.run("verify").status == 0
    assert db.run("downgrade", "base", "--yes").status == 0 and tool("status").count("[X]") == 0


# ---- two at once ----
def race(db):
    db.make()
    runners = [db.start("upgrade", "--wait", "60s") for _ in range(2)]
    ends = [(p.wait(120), p.stdout.read()) for p in runners]
    assert [code for code, _ in ends] == [0, 0], ends
    assert sum(out.count("\nup") + out.startswith("up") for _, out in ends) == len(VERSIONS), ends
    assert db.states() == ALL and sorted(db.sql("SELECT id FROM users")) == [(1,), (2,)]


def test_two_runners_apply_each_exactly_once(db):
    for _ in range(int(os.environ.get("MIGRATE_RACES", "1" if sanitized() else "2"))):
        race(db)


def test_the_second_runner_is_told_who_holds_it(db):
    assert db.run("upgrade", VERSIONS[0]).status == 0
    with contextlib.closing(db.hold()):
        first = db.start("upgrade", "--lock-timeout", "100ms", "--retries", "1000")
        try:
            said = first.stdout.readline()
            while "again" not in said:
                assert (line := first.stdout.readline()), said
                said += line
            second = db.run("upgrade", "--wait", "100ms")
            assert second.status == 75 and "somebody else migrates" in joined(second), second
            if db.engine == "postgresql":
                assert "dbhealth" in second.err
        finally:
            end(first)
            first.stdout.close()
    wait_until(lambda: db.run("upgrade", "--wait", "1s").status == 0, 60, "the lock is free again")


# ---- kill -9 ----
def recover(db, action, *more):
    """What a person does after a cut: look, say what it is, run again."""
    for _ in range(4):
        status = Cli(db.folder, *db.argv("status", "-o", "json")[1:])
        assert status.status in (0, 1, 2), status
        cut = [m for m in status.json["migrations"] if m["state"] == "unfinished"]
        if not cut:
            break
        assert "resolve" in cut[0]["explanation"] and db.run(action, *more).status == 1
        state, through = db.ours()[cut[0]["version"]]
        way = ["a", "b", "c"] if state == "running" else ["c", "b", "a"]
        done = {"a": "users_name" in db.indexes(), "b": (2,) in db.sql("SELECT id FROM users"), "c": "users_email" in db.indexes()}
        happened = [done[w] == (state == "running") for w in way]
        # counted is at most one behind what happened, never ahead of it
        n = sum(happened)
        assert happened == [True] * n + [False] * (3 - n) and n - 1 <= through <= n, (state, through, done)
        if n > through:  # a person sees that it happened, and undoes the one that is in doubt
            undo = {("running", "a"): "DROP INDEX users_name", ("running", "b"): "DELETE FROM users WHERE id = 2",
                    ("running", "c"): "DROP INDEX users_email", ("reverting", "c"): "CREATE INDEX users_email ON users (email)",
                    ("reverting", "b"): "INSERT INTO users VALUES (2, 'bert', 'b')",
                    ("reverting", "a"): "CREATE INDEX users_name ON users (name)"}
            db.sql(undo[state, way[through]])
        again = db.run("resolve", cut[0]["version"], "continue", "--yes")
        assert again.status == 0, again
    finished = db.run(action, *more)
    assert finished.status == 0, finished


def settled(db):
    """Nobody works on it any more: the server has noticed that the client is gone."""
    if db.engine == "postgresql":
        wait_until(lambda: db.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'dbhealth'")
                   == [(0,)], 30, "the killed one's session ends")


@pytest.mark.parametrize("action", ["upgrade"] if sanitized() else ["upgrade", "downgrade"])
def test_killed_at_any_step_it_is_told_and_goes_on(db, action):
    more = ("--yes", *(["base"] if action == "downgrade" else []))

    def before():
        db.make()
        if action == "downgrade":
            assert db.run("upgrade").status == 0

    steps = KillSteps(db.folder, db.argv(action, *more))
    n = 0
    for step in steps.walk(prepare=before, sample=int(os.environ.get("MIGRATE_KILLS", "3"))):
        settled(db)
        for version, state in db.states().items():
            # what runs inside a transaction is there with its record, or is not there at all
            if version == VERSIONS[0] and state != "unfinished":
                assert (db.columns() != []) == (state == "applied"), step
            if version == VERSIONS[1] and state != "unfinished":
                assert ("email" in db.columns()) == (state == "applied"), step
        recover(db, action, *more)
        if action == "upgrade":
            assert db.states() == ALL and db.indexes() == ["users_email", "users_name"], step
            assert sorted(db.sql("SELECT id FROM users")) == [(1,), (2,)], step
        else:
            assert db.recorded() == [] and db.columns() == [] and db.ours() == {}, step
        n += step.killed
    assert n > 0


# ---- as the checks see it ----
def test_the_checks_know_what_is_pending(db, daemon):
    db.write({})
    assert db.run("upgrade", VERSIONS[1]).status == 0
    if db.engine == "postgresql":
        db.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth")
    dsn = db.cluster.dsn(db.name) if db.engine == "postgresql" else db.dsn
    d = daemon(databases={"app": {"dsn": dsn, "expect_migration": f"head of {db.dir}", "migration_tool": "dbmate"}},
               defaults={"connectivity_interval": "1s", "schema_interval": "1s"}, sections={"check migration-behind-head": {"for": "0s"}})
    found = d.wait_finding("migration-behind-head", within=30)
    assert found["value"] == 1
    assert db.run("upgrade").status == 0
    d.wait_gone("migration-behind-head", within=30)
    assert not [f for f in d.findings() if f["check"].startswith("migration-") or "migrations" in f["object"]]


def test_time_of_a_person_is_kept(db):
    start = time.time()
    assert db.run("upgrade", env={"SUDO_USER": "anna"}).status == 0
    for m in db.json("status")["migrations"]:
        assert m["by"].startswith("anna@") and m["took_ms"] >= 0
        assert start - 2 <= time.mktime(time.strptime(m["applied_at"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone <= time.time() + 2


# ---- --safe ----
def configured(db, folder, **keys):
    """[database app] of this database; its name and options for the command."""
    conf = folder.path / "safe.conf"
    text = f"[daemon]\nstate_dir = {folder.path}/state\n[database app]\ndsn = {db.dsn}\nadmin_dsn = {db.dsn}\nmigrations_dir = {db.dir}\n"
    conf.write_text(text + "".join(f"{k} = {v}\n" for k, v in keys.items()))

    def run(action, *more, **how):
        return Cli(folder, "migrate", action, "-c", conf, "app", *more, **how)
    return run


SAFE = {"1_base.sql": "-- migrate:up\nSET LOCAL lock_timeout = '2s';\nCREATE TABLE t (id integer PRIMARY KEY, v text);\n"
                      "INSERT INTO t VALUES (1, 'x');\n-- migrate:down\nDROP TABLE t;\n"}


def safe_files(db):
    for old in db.dir.iterdir():
        old.unlink()
    text = SAFE["1_base.sql"]
    db.write({"1_base.sql": text if db.engine == "postgresql" else text.replace("SET LOCAL lock_timeout = '2s';\n", "")})


def test_safe_is_a_proved_backup_first_and_the_way_back_is_told(db, folder):
    safe_files(db)
    run = configured(db, folder)
    first = run("upgrade", "--safe")
    assert first.status == 0 and "restored and compared" in first.out and db.columns("t") == ["id", "v"], first
    lock = "SET LOCAL lock_timeout = '2s';\n" if db.engine == "postgresql" else ""
    db.write({"2_bad.sql": f"-- migrate:up transaction:false\n{lock.replace('LOCAL ', '')}UPDATE t SET v = 'y' WHERE id = 1;\nINSERT INTO nowhere VALUES (1);\n-- migrate:down\n"})
    failed = run("upgrade", "-o", "json", env={"DB_BACKUP_ON_MIGRATE": "true"})
    assert failed.status == 1 and failed.json["restore"] in failed.json["message"], failed
    assert db.sql("SELECT v FROM t") == [("y",)] and "unfinished" in db.states().values()
    words = shlex.split(failed.json["restore"])
    assert words[:3] == ["dbhealth", "backup", "restore"]
    if db.engine == "postgresql":
        db.cluster.sql('DROP DATABASE IF EXISTS brought_back')
        back = Cli(folder, *[w.replace("NEWNAME", "brought_back") for w in words[1:]], "--yes")
        assert back.status == 0 and db.cluster.sql("SELECT v FROM t", dbname="brought_back") == [("x",)], back
        db.cluster.sql('DROP DATABASE brought_back')
    else:
        back = Cli(folder, *words[1:], "--yes")
        assert back.status == 0 and db.sql("SELECT v FROM t") == [("x",)], back
        assert db.states() == {"1": "applied", "2": "pending"}


def test_safe_refuses_in_words(db, folder):
    safe_files(db)
    run = configured(db, folder, backup_policy="dump up to 1kB, tables, external")
    if db.engine == "sqlite":
        db.sql("CREATE TABLE big (id INTEGER PRIMARY KEY)")
    db.write({"2_do.sql": "-- migrate:up\nSET LOCAL lock_timeout = '2s';\nSELECT now();\n-- migrate:down\n" if db.engine == "postgresql"
              else "-- migrate:up\nSELECT 1;\n-- migrate:down\n"})
    refused = run("upgrade", "--safe", env={"PATH": "/nowhere"})
    said = joined(refused)
    assert refused.status == 1 and "no backup, so nothing was changed" in said and db.recorded() == [], refused
    for word in ("dump up to 1kB: the database has", "tables: ", "external: "):
        assert word in said, refused
    # what lint calls critical
    (db.dir / "2_do.sql").write_text("-- migrate:up\nALTER TABLE t RENAME COLUMN v TO w;\nDROP TABLE t;\n-- migrate:down\n")
    unsafe = run("upgrade", "--safe", "-o", "json")
    assert unsafe.status == 1 and unsafe.json["critical"] and db.recorded() == [], unsafe
    listed = run("upgrade", "--safe")
    said = fits(listed)
    assert listed.status == 1 and "2_do.sql:2: object-renamed: programs that " in said and "2_do.sql:3: object-dropped: " in said
    assert listed.err.count("\n  2_do.sql:") == 2, listed
    assert "(dbhealth migrate lint)" in listed.err, listed


def test_safe_makes_no_backup_that_nobody_here_can_read(db, folder):
    safe_files(db)
    run = configured(db, folder)
    key = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout
    recipient = next(line.split()[-1] for line in key.splitlines() if "public key" in line)
    root = folder.path / "sealed"
    with open(folder.path / "safe.conf", "a", encoding="utf-8") as conf:
        conf.write(f"[backup sealed]\ndatabases = app\nto = {root}\nencrypt = age:{recipient}\n")
    refused = run("upgrade", "--safe", env={"AGE_IDENTITY_FILE": ""})
    assert refused.status == 1 and "AGE_IDENTITY_FILE" in refused.err and db.recorded() == [], refused
    assert not [path for path in root.rglob("*") if path.is_file() and path.stat().st_size > 0], "nothing was dumped"
    (folder.path / "key").write_text(key)
    done = run("upgrade", "--safe", env={"AGE_IDENTITY_FILE": str(folder.path / "key")})
    assert done.status == 0 and "restored and compared" in done.out and db.columns("t") == ["id", "v"], done
    assert any(path.suffix == ".age" for path in root.rglob("*"))


def test_safe_by_a_command_and_what_comes_with_it_is_told(folder, sqlite):
    db = Migrated(folder, "sqlite", "commanded")
    safe_files(db)
    made = folder.path / "made"
    program = folder.path / "backup"
    program.write_text(f'#!/bin/sh\necho "$DBHEALTH_DATABASE $1" >{made}\n[ "$1" = well ]\n')
    program.chmod(0o755)
    refused = configured(db, folder, backup_policy=f"command {program} badly")("upgrade", "--safe")
    assert refused.status == 1 and db.recorded() == [] and made.read_text() == "app badly\n", refused
    db.write({"2_orphan.sql": "-- migrate:up transaction:false\nCREATE TABLE c (id integer PRIMARY KEY, t integer REFERENCES t);\n"
                              "INSERT INTO c VALUES (1, 77);\n-- migrate:down\n"})
    done = configured(db, folder, backup_policy=f"command {program} well")("upgrade", "--safe", "-o", "json")
    assert made.read_text() == "app well\n" and db.recorded() == ["1", "2"], done
    assert any("fk-orphan-rows" in f for f in done.json["new_findings"]), done
    assert done.status == (2 if any(f.startswith("critical") for f in done.json["new_findings"]) else 0), done


@pytest.mark.skipif(sanitized(), reason="the code is that of test_backup and of the test before")
def test_safe_by_the_tables_that_are_named(module_cluster, folder):
    db = Migrated(folder, "postgresql", "tabled", module_cluster)
    safe_files(db)
    assert db.run("upgrade").status == 0
    db.sql("CREATE TABLE big (a int PRIMARY KEY)")
    db.write({"2_more.sql": "-- migrate:up\nSET LOCAL lock_timeout = '2s';\nALTER TABLE t ADD COLUMN more text;\n-- migrate:down\n"})
    done = configured(db, folder, backup_policy="tables")("upgrade", "--safe", "-o", "json")
    assert done.status == 0 and "of the tables that are named" in done.json["backup"], done
    manifest = next((folder.path / "state/backups/app").glob("2*/manifest.json")).read_text()
    assert "public.t" in manifest or '"t"' in manifest
    assert "big" not in manifest
    module_cluster.createdb("some_tables")
    back = subprocess.run([w.replace("NEWNAME", "some_tables") for w in shlex.split(done.json["restore"])], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert back.returncode == 0 and module_cluster.sql("SELECT v FROM t", dbname="some_tables") == [("x",)], back.stdout


def test_safe_by_another_tools_backup_and_a_restore_point(cluster, folder):
    server = cluster("archived", settings={"archive_mode": "on", "archive_command": "'true'", "wal_level": "replica"})
    db = Migrated(folder, "postgresql", "external", server)
    safe_files(db)
    tools = folder.sub("tools", mode=0o755)
    tool = tools / "pgbackrest"
    tool.write_text("#!/bin/sh\ncat <<E\n" '[{"name":"main","backup":[{"error":false,"timestamp":{"start":1,"stop":%d}}]}]' "\nE\n" % (time.time() - 7200))
    tool.chmod(0o755)
    path = {"PATH": f"{tools}:{os.environ['PATH']}"}
    old = configured(db, folder, backup_policy="external", max_age="1h")("upgrade", "--safe", env=path)
    assert old.status == 1 and "2 h old, more than 1 h" in joined(old) and db.recorded() == [], old
    server.sql("SELECT pg_switch_wal()")
    wait_until(lambda: server.one("SELECT last_archived_time IS NOT NULL FROM pg_stat_archiver"), 60, "something is archived")
    done = configured(db, folder, backup_policy="external", max_age="1d")("upgrade", "--safe", "-o", "json", env=path)
    assert done.status == 0 and "restore point dbhealth_migrate_" in done.json["backup"], done
    assert "--type=name --target=dbhealth_migrate_" in done.json["restore"]
