"""dbhealth migrate wrap: a team's own tool between our lock, lint, checks and schema difference."""
import fcntl
import shlex

from support import SqliteFile

ENV = """
from alembic import context
from sqlalchemy import create_engine
if context.is_offline_mode():
    context.configure(url="URL", literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine("URL").connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""
REVISION = """
from alembic import op
import sqlalchemy as sa
revision = "{0}"
down_revision = {1!r}
def upgrade():
    op.execute({2!r})
def downgrade():
    pass
"""


def said(done):
    """On stderr, without its lines."""
    return " ".join(done.err.split())


def project(folder, url, *steps):
    at = folder.path / "project"
    (at / "migrations/versions").mkdir(parents=True)
    (at / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    (at / "migrations/env.py").write_text(ENV.replace("URL", url))
    (at / "migrations/script.py.mako").write_text("")
    for i, sql in enumerate(steps):
        (at / f"migrations/versions/r{i}.py").write_text(REVISION.format(f"r{i}", f"r{i - 1}" if i else None, sql))
    return ["/usr/bin/python3", "-m", "alembic", "-c", at / "alembic.ini"]


def test_alembic_is_linted_run_and_told(folder, cli):
    file = SqliteFile(folder.path / "app.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")
    alembic = project(folder, f"sqlite:///{file.path}", "CREATE TABLE made(a INTEGER PRIMARY KEY)", "DROP TABLE t")
    done = cli("migrate", "wrap", file.dsn, "--", *alembic, "upgrade", "r0")
    assert done.status == 0 and "made" in said(done) and "checks:" in said(done) and done.out == "", done
    refused = cli("migrate", "wrap", file.dsn, "--", *alembic, "upgrade", "head")
    assert refused.status == 2 and "object-dropped" in said(refused) and "Nothing was run" in said(refused), refused
    assert file.sql("SELECT version_num FROM alembic_version") == [("r0",)]
    done = cli("migrate", "wrap", "--yes", file.dsn, "--", *alembic, "upgrade", "head")
    assert done.status == 0 and file.sql("SELECT version_num FROM alembic_version") == [("r1",)], done


def test_the_exit_code_and_the_streams_are_the_tools(folder, cli):
    file = SqliteFile(folder.path / "app.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")

    def run(code):
        return cli("migrate", "wrap", file.dsn, "--", "/usr/bin/python3", "-c", code, stdin="said")

    done = run("import sys; print(sys.stdin.read()); sys.exit(7)")
    assert (done.status, done.out) == (7, "said\n") and "the schema is as it was before" in said(done), done
    assert run("import os; os.kill(os.getpid(), 9)").status == 128 + 9
    assert cli("migrate", "wrap", file.dsn, "--", "/no/such/tool").status == 127


def test_another_runner_is_waited_for_and_named(folder, cli):
    file = SqliteFile(folder.path / "app.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")
    with open(file.path, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = cli("migrate", "wrap", "--wait", "200ms", file.dsn, "--", "true")
    assert done.status == 75 and "Nothing was run" in said(done), done


def test_safe_is_a_proved_backup_and_its_command_is_told(folder, cli):
    file = SqliteFile(folder.path / "app.db", "CREATE TABLE t(a INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
    conf = folder.path / "wrap.conf"

    def wrap(*command, policy="dump"):
        conf.write_text(f"[daemon]\nstate_dir = {folder.path}/state\n[database app]\ndsn = {file.dsn}\nbackup_policy = {policy}\n")
        return cli("migrate", "wrap", "--safe", "-c", conf, "app", "--", *command)

    refused = wrap("sqlite3", file.path, "DELETE FROM t", policy="dump up to 1kB")
    assert refused.status == 69 and "Nothing was run" in said(refused) and file.sql("SELECT a FROM t") == [(1,)], refused
    assert wrap("true").status == 0
    failed = wrap("sqlite3", file.path, "DELETE FROM t; SELECT * FROM nowhere")
    assert failed.status == 1 and "restored and compared" in said(failed) and file.sql("SELECT a FROM t") == [], failed
    words = shlex.split(failed.err.split("to go back:")[1].lstrip().removeprefix("dbhealth ").splitlines()[0])
    back = cli(*words, "--yes")
    assert back.status == 0 and file.sql("SELECT a FROM t") == [(1,)], back


def test_alembic_on_postgresql(folder, cli, module_cluster):
    module_cluster.createdb("wrapped")
    module_cluster.sql("CREATE TABLE kept (id integer PRIMARY KEY)", dbname="wrapped")
    dsn, sock = module_cluster.dsn("wrapped", user="postgres"), module_cluster.socket_dir
    alembic = project(folder, f"postgresql+psycopg2://postgres@/wrapped?host={sock}&port={module_cluster.port}",
                      "CREATE TABLE made (a integer PRIMARY KEY)", "CREATE TABLE more (a integer PRIMARY KEY)", "DROP TABLE kept")
    conf = folder.path / "wrap.conf"
    conf.write_text(f"[daemon]\nstate_dir = {folder.path}/state\n[database app]\ndsn = {dsn}\nadmin_dsn = {dsn}\n")
    done = cli("migrate", "wrap", "--safe", "-c", conf, "app", "--", *alembic, "upgrade", "r1")
    assert done.status == 0 and "restored and compared" in said(done) and "public.made: only in after" in said(done), done
    assert "statements-not-atomic" not in said(done), done
    refused = cli("migrate", "wrap", "-c", conf, "app", "--", *alembic, "upgrade", "head")
    assert refused.status == 2 and "object-dropped" in said(refused), refused
    assert module_cluster.sql("SELECT version_num FROM alembic_version", dbname="wrapped") == [("r1",)]
