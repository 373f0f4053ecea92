"""`dbhealth optimize` of a PostgreSQL: what is due is found and done, what is not is left alone, others come first."""
import contextlib
import json
import pathlib
import signal
import subprocess

import jsonschema
import pytest

from support import BUILD, sanitized, wait_until

SCHEMA = json.loads(pathlib.Path("docs/schema/optimize-postgresql.json").read_text())
# Counters of a session arrive when it ends: each step has one of its own.
STEPS = ['''
CREATE TABLE "Old rows"(id int PRIMARY KEY, v text); INSERT INTO "Old rows" SELECT i, i FROM generate_series(1, 20000) i;
CREATE TABLE never_analyzed AS SELECT i AS a FROM generate_series(1, 900) i;
CREATE TABLE whole(a int) PARTITION BY RANGE (a); CREATE TABLE whole_1 PARTITION OF whole FOR VALUES FROM (0) TO (9);
INSERT INTO whole SELECT 1 FROM generate_series(1, 100);
CREATE TABLE bloated(id int, v int); INSERT INTO bloated SELECT i, i FROM generate_series(1, 500000) i; CREATE INDEX "Bloated ""v"" i" ON bloated(v);
DELETE FROM bloated WHERE id % 10 <> 0;
CREATE TABLE twice(a int); INSERT INTO twice VALUES (1), (1);
-- from here on: left alone
CREATE TABLE quiet(id int PRIMARY KEY); INSERT INTO quiet SELECT generate_series(1, 20000);
CREATE TABLE told(id int) WITH (autovacuum_vacuum_threshold = 1000000, autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 1000000);
INSERT INTO told SELECT generate_series(1, 5000);
CREATE TABLE fresh(id int PRIMARY KEY, v int); INSERT INTO fresh SELECT i, i FROM generate_series(1, 400000) i; CREATE INDEX ON fresh(v);
CREATE TABLE empty(a int);
CREATE TABLE sparse(id int, v int); CREATE INDEX ON sparse(v) WITH (fillfactor = 20); INSERT INTO sparse SELECT i, i FROM generate_series(1, 200000) i;
''', '''
ANALYZE "Old rows"; ANALYZE whole_1; ANALYZE twice; ANALYZE told; VACUUM ANALYZE bloated; VACUUM ANALYZE quiet; VACUUM ANALYZE fresh; VACUUM ANALYZE sparse;
''', '''
DELETE FROM "Old rows" WHERE id % 2 = 0; DELETE FROM quiet WHERE id < 1000; DELETE FROM told WHERE id > 50;
''']
SIZE = "SELECT pg_relation_size(oid) FROM pg_class WHERE relname = 'Bloated \"v\" i'"


@pytest.fixture(scope="module")
def server(module_cluster):
    module_cluster.sql("ALTER SYSTEM SET autovacuum = off")
    module_cluster.sql("SELECT pg_reload_conf()")
    return module_cluster


def dbhealth(*args):
    return subprocess.run([str(BUILD / "dbhealth"), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=120, check=False)


def optimize(server, db, *args, code=0):
    done = dbhealth("optimize", "-o", "json", *args, server.dsn(db, user="postgres"))
    assert done.returncode == code, (done.stdout, done.stderr)
    plan = json.loads(done.stdout)
    jsonschema.validate(plan, SCHEMA)
    return plan


def steps(plan, state):
    return [(s["kind"], s["object"]) for s in plan["steps"] if s["state"] == state]


def settled(server, db, table, column, least):
    """Counters arrive a moment later."""
    wait_until(lambda: server.sql(f"SELECT {column} FROM pg_stat_user_tables WHERE relname = '{table}'", dbname=db)[0][0] >= least, 20, "it is counted")


def test_what_is_due_is_done_and_the_rest_left_alone(server):
    db = server.createdb("due")
    for script in STEPS:
        server.script(script, db)
    with pytest.raises(Exception, match="unique|duplicate"):
        server.sql("CREATE UNIQUE INDEX CONCURRENTLY twice_a ON twice(a)", dbname=db)
    server.sql("DELETE FROM twice WHERE ctid = (SELECT min(ctid) FROM twice)", dbname=db)
    server.sql("CREATE INDEX quiet_ccnew ON quiet(id); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'quiet_ccnew'::regclass", dbname=db)
    settled(server, db, "Old rows", "n_dead_tup", 10000)
    settled(server, db, "told", "n_dead_tup", 4950)
    wanted = [("vacuum-analyze", "public.Old rows"), ("analyze", "public.never_analyzed"), ("analyze", "public.whole"),
              ("drop", "public.quiet_ccnew"), ("reindex", "public.twice_a"), ("reindex", 'public.Bloated "v" i')]
    dry = optimize(server, db, "--dry-run")
    assert sorted(steps(dry, "planned")) == sorted(wanted), dry["steps"]
    assert dry["steps"][0]["why"].startswith("10,000 dead rows of 20,000, due at 4,050"), dry["steps"][0]
    size = server.sql(SIZE, dbname=db)[0][0]
    plan = optimize(server, db)
    assert steps(plan, "done") == [(s["kind"], s["object"]) for s in dry["steps"]] and plan["ok"], plan
    after = server.sql(SIZE, dbname=db)[0][0]
    bloated = plan["steps"][-1]
    assert bloated["bytes"] == size and bloated["bytes_after"] == after < size / 2
    # What was expected is what came, by a fifth of the index.
    assert abs(bloated["expected_gain_bytes"] - (size - after)) < size / 5, bloated
    assert server.sql("SELECT count(*) FROM pg_index WHERE NOT indisvalid", dbname=db)[0][0] == 0
    wait_until(lambda: optimize(server, db, "--dry-run")["message"] == "nothing is due", 20, "nothing is due any more")


def test_text_fits_and_says_what_is_next(server):
    db = server.createdb("text")
    server.script("CREATE TABLE a_name_that_takes_some_room_of_the_line AS SELECT i FROM generate_series(1, 900) i", db)
    settled(server, db, "a_name_that_takes_some_room_of_the_line", "n_mod_since_analyze", 900)
    said = dbhealth("optimize", "--dry-run", server.dsn(db, user="postgres")).stdout
    assert said.startswith("text: 1 step is due; nothing was changed\n") and "never analyzed" in said
    assert max(map(len, said.splitlines())) <= 80


def test_others_come_first(server):
    db = server.createdb("busy")
    server.script("CREATE TABLE a AS SELECT i FROM generate_series(1, 900) i; CREATE TABLE b AS TABLE a; CREATE TABLE c AS TABLE a", db)
    settled(server, db, "c", "n_mod_since_analyze", 900)
    with contextlib.closing(server.session(db)) as holder:
        holder.cursor().execute("BEGIN; LOCK TABLE a IN ACCESS EXCLUSIVE MODE")
        plan = optimize(server, db, "--timeout", "200ms", code=1)
        assert steps(plan, "failed") == [("analyze", "public.a")] and len(steps(plan, "done")) == 2, plan
        assert "lock timeout" in plan["steps"][0]["text"], plan
    server.sql("INSERT INTO b SELECT generate_series(1, 2000)", dbname=db)
    settled(server, db, "b", "n_mod_since_analyze", 2000)
    with contextlib.closing(server.session(db)) as writer:  # for whom an index that is built waits
        writer.cursor().execute("BEGIN; INSERT INTO a VALUES (1)")
        build = subprocess.Popen(["psql", "-qXd", server.dsn(db, user="postgres"), "-c", "CREATE INDEX CONCURRENTLY ON a(i)"], stdin=subprocess.DEVNULL)
        try:
            wait_until(lambda: server.sql("SELECT count(*) FROM pg_stat_progress_create_index", dbname=db)[0][0], 20, "the index is being built")
            done = dbhealth("optimize", server.dsn(db, user="postgres"))
        finally:
            writer.cursor().execute("ROLLBACK")
            build.wait(60)
        assert build.returncode == 0 and done.returncode == 69, done
        assert "another heavy statement runs (pid" in done.stderr and "CREATE INDEX CONCURRENTLY" in done.stderr
    with contextlib.closing(server.session(db)) as other:
        other.cursor().execute("SELECT pg_advisory_lock(1684170863, 1)")
        done = dbhealth("optimize", server.dsn(db, user="postgres"))
        assert done.returncode == 75 and "another dbhealth optimize" in done.stderr


def test_what_may_not_be_vacuumed_is_said(server):
    db = server.createdb("foreign")
    server.script("CREATE TABLE a AS SELECT i FROM generate_series(1, 900) i; CREATE ROLE other LOGIN", db)
    settled(server, db, "a", "n_mod_since_analyze", 900)
    done = dbhealth("optimize", "-o", "json", server.dsn(db, user="other"))
    plan = json.loads(done.stdout)
    assert done.returncode == 1 and steps(plan, "skipped") == [("analyze", "public.a")] and "a" in plan["steps"][0]["text"], plan


@pytest.mark.parametrize("how", ["interrupt", "budget"])
def test_it_ends_when_it_is_told(server, how):
    db = server.createdb(f"slow_{how}")
    server.script("CREATE TABLE a AS SELECT i FROM generate_series(1, 200000) i; CREATE TABLE b AS SELECT i FROM generate_series(1, 900) i", db)
    settled(server, db, "a", "n_mod_since_analyze", 200000)
    server.sql(f"ALTER DATABASE {db} SET vacuum_cost_limit = 1")
    server.sql("ALTER SYSTEM SET autovacuum_vacuum_cost_delay = '100ms'")
    server.sql("SELECT pg_reload_conf()")
    argv = [str(BUILD / "dbhealth"), "optimize", "-o", "json", *(["--budget", "8s" if sanitized() else "3s"] if how == "budget" else []), server.dsn(db, user="postgres")]
    try:
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as run:
            if how == "interrupt":
                wait_until(lambda: server.sql("SELECT count(*) FROM pg_stat_progress_vacuum", dbname=db)[0][0], 30, "it vacuums")
                run.send_signal(signal.SIGINT)
            plan = json.loads(run.communicate(timeout=180)[0])
        assert run.returncode == 1
        assert steps(plan, "stopped" if how == "interrupt" else "failed") == [("vacuum-analyze", "public.a")], plan
        assert steps(plan, "planned") and ("stopped" if how == "interrupt" else "the time is over") in plan["notes"][-1], plan
        wait_until(lambda: not server.sql("SELECT count(*) FROM pg_stat_progress_vacuum", dbname=db)[0][0], 20, "the server stopped too")
    finally:
        server.sql("ALTER SYSTEM RESET autovacuum_vacuum_cost_delay")
        server.sql("SELECT pg_reload_conf()")


def test_options_of_sqlite_are_refused(server):
    done = dbhealth("optimize", "--vacuum=always", server.dsn("postgres", user="postgres"))
    assert done.returncode == 64 and "for SQLite" in done.stderr
