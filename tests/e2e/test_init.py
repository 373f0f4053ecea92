"""dbhealth init: what it prints runs, twice; what it applies is what the checks ask for, no more."""
import json
import subprocess

import pytest

from support import Cli
from support.daemon import config_text

ODD = 'a "quoted"\n name'
RIGHTS = ("fk-orphan-rows", "sequence-near-limit", "sequence-behind-max", "xact-long", "conn-slots")
SHOP = """
CREATE ROLE maker LOGIN; CREATE SCHEMA shop AUTHORIZATION maker; SET ROLE maker;
CREATE TABLE shop.customers(id serial PRIMARY KEY, name text);
CREATE TABLE shop.orders(id bigserial PRIMARY KEY, customer int REFERENCES shop.customers);
CREATE TABLE shop.notes(body text PRIMARY KEY);
CREATE TABLE shop.alembic_version(version_num varchar(32) PRIMARY KEY);
CREATE SEQUENCE shop.loose; RESET ROLE;
"""


def init(folder, cluster, *argv, db="shop", user="postgres", **more):
    return Cli(folder, "init", cluster.dsn(db, user=user), *argv, **more)


def statements(folder, cluster, *argv, **more):
    return init(folder, cluster, "-o", "json", *argv, **more).json["statements"]


def lacks(folder, cluster, db="shop", role="dbhealth"):
    """(check, grant) of every right that is said to be missing."""
    conf = folder.path / "look.conf"
    conf.write_text(config_text({}, {"it": {"dsn": cluster.dsn(db, user=role)}}))
    conf.chmod(0o600)
    said = Cli(folder, "-o", "json", "check", "-c", conf, "--deep").json
    return {(u["check"], u["grant"]) for u in said["unknown"] + said["not_covered"] if u.get("grant")}


@pytest.fixture
def shop(cluster):
    c = cluster(role=False)
    c.createdb("shop")
    c.script(SHOP, "shop")
    return c


def may(c, what, db="shop"):
    return c.one(f"SELECT has_{what}", dbname=db)


def reads_all(c):
    return c.one("SELECT count(*) FROM pg_roles WHERE rolname = 'pg_read_all_data' AND pg_has_role('dbhealth', oid, 'USAGE')") == 1


def test_what_is_printed_runs_twice_and_is_all_that_is_missing(shop, folder):
    before = init(folder, shop, "--check", "--level", "data")
    assert before.status == 1 and before.out.startswith("missing: "), before
    assert "GRANT SELECT ON shop.orders TO dbhealth;" in before.out
    script = init(folder, shop, "--level", "data").out
    shop.script(script, "shop")
    shop.script(script, "shop")
    after = init(folder, shop, "--check", "--level", "data")
    assert (after.status, after.out.splitlines()[0]) == (0, "ok: nothing is missing for level data"), after
    assert lacks(folder, shop) == set()
    # No more than was asked for.
    assert "pg_ls_dir" not in script
    assert may(shop, "table_privilege('dbhealth', 'shop.orders', 'SELECT')")
    assert not may(shop, "table_privilege('dbhealth', 'shop.notes', 'SELECT')")
    assert not may(shop, "table_privilege('dbhealth', 'shop.orders', 'INSERT')")
    assert not reads_all(shop)
    assert shop.one("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'dbhealth'") == 4
    # Without `password`, anywhere.
    assert shop.one("SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = 'dbhealth'")


def test_the_printed_script_runs_as_one_text(shop, folder):
    """Also by what is not psql: one database needs no meta command."""
    shop.sql(init(folder, shop, "--level", "schema").out, dbname="shop")
    assert init(folder, shop, "--check", "--level", "schema").status == 0


@pytest.mark.parametrize("level,sequences,tables", [("monitor", False, False), ("schema", True, False), ("data", True, True)])
def test_each_level_holds_the_one_before(shop, folder, level, sequences, tables):
    said = init(folder, shop, "--apply", "--yes", "--level", level)
    assert said.status == 0 and "ok: nothing is missing" in said.out, said
    assert shop.one("SELECT pg_has_role('dbhealth', 'pg_monitor', 'USAGE')")
    assert may(shop, "sequence_privilege('dbhealth', 'shop.loose', 'SELECT')") == sequences
    assert may(shop, "table_privilege('dbhealth', 'shop.alembic_version', 'SELECT')") == sequences
    assert may(shop, "table_privilege('dbhealth', 'shop.customers', 'SELECT')") == tables
    shop.sql("SET ROLE maker; CREATE SEQUENCE shop.later", dbname="shop")
    assert may(shop, "sequence_privilege('dbhealth', 'shop.later', 'SELECT')") == sequences
    again = init(folder, shop, "--apply", "--yes", "--level", level)
    assert again.status == 0 and "0 statements ran" in again.out, again


def test_every_right_that_a_check_misses_is_in_init(shop, folder):
    """The checks and init print the same statements."""
    shop.sql("CREATE ROLE dbhealth LOGIN CONNECTION LIMIT 4")
    missing = {sql for s in statements(folder, shop, "--level", "data") if not s["there"]
               for sql in s["sql"].rstrip(";").split("; ")}
    told = lacks(folder, shop)
    assert {c for c, _ in told} >= set(RIGHTS)
    # Where init grants a table, or all sequences of a schema, a check may ask for less.
    for check, grant in (t for t in told if t[0] in ("fk-orphan-rows", "sequence-near-limit", "xact-long", "conn-slots")):
        assert set(grant.rstrip(";").split("; ")) <= missing, (check, grant, missing)


def test_all_databases_and_hostile_names(cluster, folder):
    c = cluster(role=False)
    names = ["plain", "a=b'c", 'quo"te', "with space", "new\nline"]
    c.createdb(*names)
    for name in names:
        c.sql('CREATE TABLE "a ""b"(id int PRIMARY KEY); CREATE TABLE "c\nd"(id serial PRIMARY KEY, a int REFERENCES "a ""b");'
              'CREATE SCHEMA "s;x"; CREATE SEQUENCE "s;x"."q"', dbname=name)
    role = "we\"ird ro'le"
    printed = init(folder, c, "--database", "*", "--level", "data", "--role", role, db="postgres").out
    c.script(printed)
    # What no line of psql can name is left to --apply, and said.
    assert "line break" in printed
    missing = init(folder, c, "--check", "--database", "*", "--level", "data", "--role", role, db="postgres")
    assert missing.status == 1 and "In database new\\nline:" in missing.out and missing.out.count("In database") == 1
    done = init(folder, c, "--apply", "--yes", "--database", "*", "--level", "data", "--role", role, db="postgres")
    assert done.status == 0, done
    assert init(folder, c, "--check", "--database", "*", "--level", "data", "--role", role, db="postgres").status == 0
    for name in names:
        assert lacks(folder, c, name, role) == set()
    assert "\x1b" not in printed and "\ndatabases = *\n" in printed


def test_extensions_are_named_and_made_only_when_asked_for(shop, folder):
    plain = init(folder, shop, "--level", "data")
    assert "CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA public;" in plain.out and "RESTART" in plain.out
    assert init(folder, shop, "--apply", "--yes", "--level", "data").status == 0
    assert shop.one("SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'", dbname="shop") == 0
    shop.sql("CREATE SCHEMA tools", dbname="shop")
    done = init(folder, shop, "--apply", "--yes", "--level", "data", "--extensions")
    assert done.status == 0, done
    heap = ["verify_heapam(regclass,boolean,boolean,text,bigint,bigint)"] if shop.version >= 14 else []
    for signature in ["bt_index_check(regclass,boolean)", *heap]:
        assert may(shop, f"function_privilege('dbhealth', '{signature}', 'EXECUTE')")
    assert not may(shop, "function_privilege('dbhealth', 'bt_index_parent_check(regclass,boolean)', 'EXECUTE')")
    assert init(folder, shop, "--check", "--level", "data", "--extensions").status == 0


def test_read_all_only_when_asked_for(shop, folder):
    done = init(folder, shop, "--apply", "--yes", "--level", "data", "--read-all", "--connection-limit", "6")
    assert done.status == 0, done
    assert reads_all(shop) == (shop.version >= 14)  # where the role is
    assert shop.one("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'dbhealth'") == 6


def test_the_configuration_that_is_printed_is_one(shop, folder):
    said = init(folder, shop, "-o", "json", "--apply", "--yes", "--level", "data").json
    conf = folder.path / "printed.conf"
    conf.write_text(said["configuration"])
    conf.chmod(0o600)
    checked = Cli(folder, "-o", "json", "check", "-c", conf)
    assert [d["datname"] for d in checked.json["databases"]] == ["shop"], checked
    assert checked.json["unknown"] == [] and not any(f["check"] == "conn-up" for f in checked.json["findings"])
    assert said["ran"] > 5 and said["missing"] == 0 and said["pg_hba"]["there"] is True
    assert said["pg_hba"]["lines"].startswith("local  shop  dbhealth  peer")


def test_a_remote_server_gets_tls_and_no_password(cluster, folder):
    c = cluster(tcp=True, role=False)
    printed = Cli(folder, "init", c.dsn("postgres", user="postgres", tcp=True, password="geheim")).out
    assert "host  postgres  dbhealth  127.0.0.1/32  scram-sha-256" in printed
    assert "\\password dbhealth" in printed and "LoadCredential=postgres-password:" in printed
    assert f"dsn = postgresql://dbhealth:@{{postgres-password}}@127.0.0.1:{c.port}/postgres?sslmode=" in printed
    assert "geheim" not in printed
    c.script(printed)


def test_a_line_that_turns_the_role_away_is_missing(shop, folder):
    assert init(folder, shop, "--apply", "--yes").status == 0
    hba = shop.data / "pg_hba.conf"
    hba.write_text("local all postgres trust\nlocal shop dbhealth reject\nlocal all all trust\n")
    shop.reload()
    said = init(folder, shop, "--check")
    assert said.status == 1 and "line 2 of pg_hba.conf turns the role away" in said.out, said
    assert "local  shop  dbhealth  peer" in said.out
    hba.write_text("local all postgres trust\nlocal all +maker reject\nlocal all all trust\n")
    shop.reload()
    said = init(folder, shop, "--check")
    assert said.status == 0 and "depends on a group" in said.out, said


def test_it_asks_and_takes_no_for_an_answer(shop, folder):
    said = init(folder, shop, "--apply")
    assert said.status == 64 and "--yes" in said.err
    assert shop.one("SELECT count(*) FROM pg_roles WHERE rolname = 'dbhealth'") == 0


def test_without_rights_it_says_so_and_changes_nothing(shop, folder):
    shop.sql("CREATE ROLE nobody_much LOGIN; GRANT CONNECT ON DATABASE shop TO nobody_much")
    said = init(folder, shop, "--apply", "--yes", user="nobody_much")
    assert said.status == 77 and "permission denied" in said.err and "CREATE ROLE" in said.err, said
    assert shop.one("SELECT count(*) FROM pg_roles WHERE rolname = 'dbhealth'") == 0
    # It can look, and says what it could not see.
    looked = init(folder, shop, "--check", user="nobody_much")
    assert looked.status == 1 and "is not known" in looked.out
    shop.createdb("closed")
    shop.sql("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
    looked = init(folder, shop, "--check", "--database", "*", user="nobody_much")
    assert looked.status == 1 and "database closed could not be looked into" in looked.out


def test_one_failing_statement_leaves_its_database_as_it_was(shop, folder):
    """An owner may grant on his own tables; what he may not grant stops all of it."""
    init(folder, shop, "--apply", "--yes")
    shop.sql("CREATE TABLE public.theirs(id int PRIMARY KEY REFERENCES public.theirs)".replace(" REFERENCES public.theirs", ""), dbname="shop")
    shop.sql("CREATE TABLE public.child(id int REFERENCES public.theirs)", dbname="shop")
    said = init(folder, shop, "--apply", "--yes", "--level", "data", user="maker")
    assert said.status == 77 and "nothing of this database was changed" in said.err, said
    assert not may(shop, "table_privilege('dbhealth', 'shop.orders', 'SELECT')")


def test_looking_waits_for_no_locked_table(shop, folder):
    with shop.session("shop", autocommit=False) as s, s.cursor() as cur:
        cur.execute("LOCK TABLE shop.orders, shop.customers, shop.alembic_version")
        said = init(folder, shop, "--check", "--level", "data")
        s.rollback()
    assert said.status == 1 and "GRANT SELECT ON shop.orders TO dbhealth;" in said.out, said


def test_wrong_usage(folder):
    assert Cli(folder, "init", "sqlite:x.db").status == 64
    assert Cli(folder, "init", "postgresql:///x", "--role", "a\nb").status == 64
    assert Cli(folder, "init", "postgresql:///x", "--role", "pg_x").status == 64
    assert Cli(folder, "init", "postgresql:///x", "--apply", "--check").status == 64
    assert Cli(folder, "init", "postgresql:///x", "--level", "all").status == 64
    gone = Cli(folder, "init", f"postgresql:///x?host={folder.path}")
    assert gone.status == 69 and "cannot connect" in gone.err


def test_a_managed_server_has_no_pg_hba(shop, folder):
    shop.sql("CREATE ROLE rds_superuser")
    shop.createdb("rdsadmin")
    said = init(folder, shop, "-o", "json", "--database", "*").json
    assert said["flavour"] == "rds" and said["databases"] == ["postgres", "shop"]
    assert said["pg_hba"]["lines"] is None
    assert "network rules" in init(folder, shop).out


def test_on_a_standby_nothing_is_run(shop, folder):
    standby = shop.standby()
    said = init(folder, standby, "--apply", "--yes")
    assert said.status == 1 and "standby" in said.err
    assert "standby" in init(folder, standby).out


def test_asks_on_a_terminal(shop, folder):
    from support.daemon import BUILD, environment
    said = subprocess.run(["script", "-qec", f"{BUILD}/dbhealth init '{shop.dsn('shop', user='postgres')}' --apply", "/dev/null"],
                          input="y\n", text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60,
                          env=environment(folder.path, None))
    assert "[y/N]" in said.stdout and said.returncode == 0, said
    assert shop.one("SELECT count(*) FROM pg_roles WHERE rolname = 'dbhealth'") == 1
    assert json.loads(init(folder, shop, "-o", "json").out)["missing"] == 0
