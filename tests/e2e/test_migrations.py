"""Migration status as it changes: a deployment, a folder that is gone, a lock that stays; and what Alembic and Django
themselves note, where they are installed."""
import contextlib
import os
import subprocess
import sys

import pytest

from proof import look, proves
from proofs.migrations import ALEMBIC, alembic, knex, make_folder, prisma, rails

FAST = {"connectivity_interval": "1s", "schema_interval": "1s"}


def watch(daemon, cluster, dbname, keys=None, **sections):
    return daemon(databases={"it": {"dsn": cluster.dsn(dbname), **(keys or {})}}, defaults=FAST,
                  sections={f"check {c.replace('_', '-')}": s for c, s in sections.items()})


def test_a_deployment_is_noticed_and_its_upgrade_too(module_cluster, daemon, tmp_path):
    db = module_cluster.createdb("deployed")
    module_cluster.script(alembic("public", "c"), db)
    make_folder(tmp_path, ALEMBIC)
    d = watch(daemon, module_cluster, db, {"expect_migration": f"head of {tmp_path}"}, migration_behind_head={"for": "0s"})
    d.wait_check("it", "migration-behind-head", "ok")
    make_folder(tmp_path, {"versions/d.py": "revision = 'd'\ndown_revision = 'c'\n"})
    found = d.wait_finding("migration-behind-head", "public.alembic_version")
    assert (found["severity"], found["value"]) == ("warning", 1)
    assert [r["text"] for r in found["remedies"] if r["closes"]] == ["alembic upgrade heads"]
    # What cannot be read is never ok, and closes nothing.
    gone = tmp_path.with_name("gone")
    tmp_path.rename(gone)
    said = d.wait_check("it", "migration-behind-head", "unknown")
    assert "No such file" in said["reason"] and str(tmp_path) in said["reason"]
    assert d.findings(check="migration-behind-head")
    gone.rename(tmp_path)
    module_cluster.script("UPDATE alembic_version SET version_num = 'd'", db)
    d.wait_gone("migration-behind-head")
    d.wait_check("it", "migration-behind-head", "ok")


def test_other_checks_do_not_wait_for_a_folder(module_cluster, daemon, tmp_path):
    """A named pipe in it would hang who opens it; here it is refused, in words."""
    db = module_cluster.createdb("hostile_folder")
    module_cluster.script(rails("public", "1") + "CREATE TABLE keyless (a int)", db)
    os.mkfifo(tmp_path / "1_a.rb")
    d = watch(daemon, module_cluster, db, {"expect_migration": f"head of {tmp_path}"})
    d.wait_finding("table-no-primary-key", "public.keyless")
    said = d.wait_check("it", "migration-behind-head", "unknown")
    assert "1_a.rb: not a regular file" in said["reason"]
    assert d.wait_check("it", "migration-failed", "ok")


@proves("migration-lock-stuck")
def test_a_lock_is_stuck_when_we_have_seen_it_long_enough(module_cluster, daemon):
    db = module_cluster.createdb("locked")
    module_cluster.script(knex("public", "1_a.js", locked=1), db)
    d = watch(daemon, module_cluster, db, migration_lock_stuck={"param.age": "1h"})
    d.wait_finding("migration-lock-stuck", "public.knex_migrations_lock", severity="warning")
    d.configure(databases={"it": {"dsn": module_cluster.dsn(db)}}, defaults=FAST, sections={"check migration-lock-stuck": {"param.age": "1s"}})
    d.reload()
    found = d.wait_finding("migration-lock-stuck", "public.knex_migrations_lock", severity="critical")
    with contextlib.closing(module_cluster.session(db)) as migrator:  # a migration is at work after all
        migrator.cursor().execute("BEGIN; CREATE TABLE made (a int)")
        d.wait_finding("migration-lock-stuck", "public.knex_migrations_lock", severity="warning")
    d.wait_finding("migration-lock-stuck", "public.knex_migrations_lock", severity="critical")
    for remedy in found["remedies"]:
        if remedy["kind"] == "sql":
            module_cluster.script(remedy["text"], db)
    d.wait_gone("migration-lock-stuck")


@proves("migration-lock-stuck")
@pytest.mark.parametrize("tool, key", [("prisma", "72707369"), ("goose", "5887940537704921958"), ("flyway", "77431708279161 + hashtext('x')"),
                                       ("rails", "2053462845 * 1091747289::int8"), ("sqlx", "1026731422 * 1091747289::int8")])
def test_an_advisory_lock_that_an_idle_session_keeps(module_cluster, tool, key):
    db = "advisory"  # CRC-32: 1091747289
    if not module_cluster.sql("SELECT 1 FROM pg_database WHERE datname = 'advisory'"):
        module_cluster.createdb(db)
    with contextlib.closing(module_cluster.session(db)) as held, contextlib.closing(module_cluster.session(db)) as other:
        held.autocommit = other.autocommit = True
        held.cursor().execute(f"SELECT pg_advisory_lock({key})")
        other.cursor().execute("SELECT pg_advisory_lock(42)")
        assert look(module_cluster, db, "migration-lock-stuck") == []
        found = look(module_cluster, db, "migration-lock-stuck", age="0s")
        assert [(f["severity"], f["labels"]["tool"]) for f in found] == [("critical", tool)]


def test_what_may_not_be_read_is_not_covered_with_the_grant(module_cluster, daemon):
    db = module_cluster.createdb("no_rights")
    module_cluster.script(prisma("s", ("1_a", "now()", "NULL", "NULL", 9)) + "REVOKE ALL ON ALL TABLES IN SCHEMA s FROM dbhealth;"
                          "REVOKE ALL ON SCHEMA s FROM dbhealth", db)
    d = watch(daemon, module_cluster, db)
    said = d.wait_check("it", "migration-failed", "not_covered")
    assert said["grant"] == "GRANT USAGE ON SCHEMA s TO dbhealth; GRANT SELECT ON s._prisma_migrations TO dbhealth;"
    module_cluster.script(said["grant"], db)
    d.wait_check("it", "migration-failed", "ok")


# ---- the tools themselves ----
def run(*argv, cwd, env=None):
    done = subprocess.run([str(a) for a in argv], cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def states(cluster, db, folder, **keys):
    """check -> what it says of the database against the folder."""
    return {c: [(f["severity"], f["value"]) for f in look(cluster, db, c, keys={"expect_migration": f"head of {folder}", **keys})]
            for c in ("migration-behind-head", "migration-unknown-revision", "migration-version-empty", "migration-multiple-heads")}


QUIET = {c: [] for c in ("migration-behind-head", "migration-unknown-revision", "migration-version-empty", "migration-multiple-heads")}


@proves("migration-behind-head", "migration-unknown-revision", "migration-multiple-heads", "migration-version-empty")
def test_alembic_itself(module_cluster, tmp_path):
    pytest.importorskip("alembic")
    db = module_cluster.createdb("by_alembic")
    host = module_cluster.one("SHOW unix_socket_directories")
    url = f"postgresql+psycopg2://postgres@/{db}?host={host}&port={module_cluster.port}"

    def tool(*argv):
        return run(sys.executable, "-m", "alembic.config", *argv, cwd=tmp_path)

    tool("init", "migrations")
    ini = tmp_path / "alembic.ini"
    ini.write_text(ini.read_text().replace("driver://user:pass@localhost/dbname", url.replace("%", "%%")))

    def now():
        module_cluster.script("GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth", db)
        return states(module_cluster, db, tmp_path / "migrations")

    tool("revision", "-m", "one", "--rev-id", "a1")
    tool("upgrade", "head")
    assert now() == QUIET
    tool("revision", "-m", "two", "--rev-id", "b2")
    tool("revision", "-m", "three", "--rev-id", "c3", "--head", "a1", "--splice")
    assert now() == {**QUIET, "migration-behind-head": [("warning", 2)]}
    tool("upgrade", "heads")  # as the remedy says
    assert now() == {**QUIET, "migration-multiple-heads": [("critical", 2)]}
    tool("merge", "-m", "merge heads", "--rev-id", "d4", "heads")
    tool("upgrade", "head")
    assert now() == QUIET
    (tmp_path / "migrations/versions/d4_merge_heads.py").unlink()
    assert now() == {**QUIET, "migration-unknown-revision": [("warning", 1)]}
    module_cluster.script("CREATE TABLE t (a int); DELETE FROM alembic_version", db)
    assert now()["migration-version-empty"] == [("warning", 1)]
    tool("stamp", "b2", "c3")
    assert now()["migration-version-empty"] == []


@proves("migration-behind-head", "migration-pending")
def test_django_itself(module_cluster, tmp_path):
    pytest.importorskip("django")
    db = module_cluster.createdb("by_django")
    host = module_cluster.one("SHOW unix_socket_directories")
    make_folder(tmp_path, {
        "shop/__init__.py": "", "shop/models.py": "", "shop/migrations/__init__.py": "",
        "settings.py": "SECRET_KEY = 'x'\nINSTALLED_APPS = ['django.contrib.auth', 'django.contrib.contenttypes', 'shop']\n"
                       "DEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'\n"
                       f"DATABASES = {{'default': {{'ENGINE': 'django.db.backends.postgresql', 'NAME': '{db}', 'USER': 'postgres', "
                       f"'HOST': '{host}', 'PORT': '{module_cluster.port}'}}}}\n"})

    def tool(*argv):
        return run(sys.executable, "-m", "django", *argv, cwd=tmp_path, env={"DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": str(tmp_path)})

    def now():
        module_cluster.script("GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth", db)
        return states(module_cluster, db, tmp_path)

    tool("makemigrations", "shop", "--empty", "-n", "initial")
    tool("migrate")
    assert now() == QUIET
    for n in range(2):
        tool("makemigrations", "shop", "--empty", "-n", f"more{n}")
    assert now() == {**QUIET, "migration-behind-head": [("warning", 2)]}
    tool("squashmigrations", "shop", "0003", "--noinput")
    tool("migrate", "shop")  # all by the squashed one, which stands for the first
    assert now() == QUIET
    assert look(module_cluster, db, "migration-pending", keys={"expect_migration": f"head of {tmp_path}"}) == []
