"""Every body of the catalogue runs on this version of the server, whether or not a fault is there."""
import pathlib
import re
import tempfile

import pytest

from support import Cli
from support.daemon import config_text

from proofs import load
from proofs.migrations import ALEMBIC, alembic, make_folder

# All that a check may ask of the configuration, so that none is left out for want of it.
KEYS = {"enable": ["*"], "max_findings": "5", "require_tables": ["public.gone"], "require_columns": ["public.gone.a"],
        "require_relationships": ["public.a.b -> public.c.d"], "require_extensions": ["hstore"],
        "conventions": "uuid-primary-key, timestamps, soft-delete, audit", "users_table": "public.users", "superuser": "is_superuser"}
# What a check may say instead of an answer, and to whom: none of it can stand for an error in a statement.
ANYBODY = (r"needs server (>=|<) \d+; this is \d+\.\d+.*|compares with what was before: only the daemon knows .*"
           r"|needs the history that dbhealthd keeps|what is usual at this hour is not known yet"
           r"|pg_stat_statements (is in no database that is watched.*|must be loaded via \"?shared_preload_libraries.*)")
MONITOR = ANYBODY + r"|a right is missing .*|needs the right .*|extension \w+ is not installed in this database .*"


def everything(cluster, dbname, user):
    with tempfile.TemporaryDirectory(prefix="dbh-bodies-") as made:
        folder = pathlib.Path(made)
        conf = folder / "all.conf"
        make_folder(folder / "migrations", ALEMBIC)
        conf.write_text(config_text({}, {"it": {"dsn": cluster.dsn(dbname, user=user), **KEYS,
                                                "expect_migration": f"head of {folder}/migrations"}}))
        conf.chmod(0o600)
        return Cli(folder, "-o", "json", "check", "-c", conf, "--deep", "--budget", "2min", "--sample", "1s", "it", timeout=200).json


def unanswered(said, excuse):
    return {(u["check"], u["reason"]) for u in said["unknown"] + said["not_covered"] if not re.fullmatch(excuse, u["reason"], re.S)}


def looked(cluster, dbname, user, excuse):
    """What was found, and what has no answer; a stalled machine is looked at twice, an error stays."""
    said = everything(cluster, dbname, user)
    left = unanswered(said, excuse)
    return said, left and left & unanswered(everything(cluster, dbname, user), excuse)


@pytest.mark.proves("every-body-runs")
def test_every_body_runs_in_an_empty_database(module_cluster):
    _, left = looked(module_cluster, module_cluster.createdb("fresh"), "dbhealth", MONITOR)
    assert left == set(), sorted(left)


@pytest.mark.proves("every-body-runs")
def test_every_body_runs_where_all_faults_are(module_cluster):
    """By a superuser with all extensions, so that a missing right or module hides none."""
    db = module_cluster.createdb("crowded")
    module_cluster.sql("ALTER DATABASE crowded SET synchronous_commit = off")  # thousands of small commits
    module_cluster.script("CREATE TABLE users (id int PRIMARY KEY, is_superuser boolean NOT NULL)", db)
    # The scripts of all proofs in one database meet each other's names: each has a schema, and what is there already
    # or wants a database of its own is passed over.
    scripts = [f'ROLLBACK; DISCARD ALL; CREATE SCHEMA "{family} {name}"; SET search_path = "{family} {name}", public;\n{proof.script};\n'
               "\\set ON_ERROR_STOP 0\n" for (family, name), proof in load().items() if proof.server <= module_cluster.version]
    module_cluster.script("\\set ON_ERROR_STOP 0\n" + "".join(scripts) + "ROLLBACK; DISCARD ALL;" + "".join(
        f"DROP EXTENSION IF EXISTS {e} CASCADE; CREATE EXTENSION {e};" for e in ("amcheck", "pg_visibility", "hstore")), db)
    made = module_cluster.one("SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname ~ ' '", dbname=db)
    assert made > 5 * len(scripts)
    # check-violation wants a data_role; its list of what to scrub has been asked for all the same.
    said, left = looked(module_cluster, db, "postgres", ANYBODY + "|.*only a data_role does.*")
    assert left == set(), sorted(left)
    assert len({f["check"] for f in said["findings"]}) >= 60
