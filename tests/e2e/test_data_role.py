"""The second login, data_role: code of the target runs as it and as nobody else, within the budget of
connections; where it cannot, that is told in words and is never ok."""
import pathlib
import re
import tempfile

import pytest

from support import Cli
from support.daemon import config_text
from support.hold import BUDGET

# Who calls it, is in the server's log: the transaction only reads.  A rule, and the equality of a type, of theirs.
CODE = r"""
    CREATE FUNCTION who(what text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
        RAISE LOG 'ran % as % for %', what, current_user, session_user; END $$;
    CREATE FUNCTION rule(a int) RETURNS bool LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM public.who('rule'); RETURN a < 5; END $$;
    CREATE TABLE ruled (a int); INSERT INTO ruled VALUES (1), (7);
    ALTER TABLE ruled ADD CONSTRAINT ruled_rule CHECK (rule(a)) NOT VALID;

    CREATE TYPE pair AS (a int, b int);
    CREATE FUNCTION pair_cmp(x pair, y pair) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
        PERFORM public.who('cmp'); RETURN pg_catalog.btint4cmp((x).a, (y).a); END $$;
""" + "".join(f"""
    CREATE FUNCTION pair_{n}(x pair, y pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT public.pair_cmp(x, y) {op} 0';
    CREATE OPERATOR {op} (LEFTARG = pair, RIGHTARG = pair, FUNCTION = pair_{n});
""" for n, op in (("lt", "<"), ("le", "<="), ("eq", "="), ("ge", ">="), ("gt", ">"))) + r"""
    CREATE OPERATOR CLASS pair_ops DEFAULT FOR TYPE pair USING btree AS
        OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 pair_cmp(pair, pair);
    CREATE TABLE parents (k pair PRIMARY KEY); INSERT INTO parents SELECT ROW(g, g)::pair FROM generate_series(1, 9) g;
    CREATE TABLE children (k pair REFERENCES parents); INSERT INTO children SELECT k FROM parents;
    CREATE TABLE loose (k pair);
    -- one that becomes the server's own type by a cast of theirs; one that has a cast of theirs which nobody needs
    CREATE TABLE plain (id int PRIMARY KEY); CREATE TABLE plain_child (p int REFERENCES plain);
    CREATE TYPE code AS (v int);
    CREATE FUNCTION code_int(code) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM public.who('cast'); RETURN ($1).v; END $$;
    CREATE CAST (code AS int) WITH FUNCTION code_int(code) AS IMPLICIT;
    CREATE TABLE coded (k code REFERENCES plain);
    CREATE TYPE spot AS (a int, b int);
    CREATE FUNCTION told(spot) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM public.who('text'); RETURN 'x'; END $$;
    CREATE CAST (spot AS text) WITH FUNCTION told(spot);
    CREATE TABLE places (k spot PRIMARY KEY); CREATE TABLE visits (k spot REFERENCES places); CREATE INDEX ON visits (k);
    SET session_replication_role = replica;
    INSERT INTO children VALUES (ROW(77, 1)); INSERT INTO loose VALUES (ROW(78, 1)); INSERT INTO coded VALUES (ROW(9));
    INSERT INTO visits SELECT ROW(g, g)::spot FROM generate_series(1, 9) g; INSERT INTO plain_child VALUES (5);
    RESET session_replication_role;
    CREATE ROLE dbhealth_data LOGIN CONNECTION LIMIT 2;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth, dbhealth_data;
"""
RULED = "public.ruled.ruled_rule"
CHECKS = ("check-violation", "fk-orphan-rows", "fk-orphan-rows-undeclared")


@pytest.fixture(scope="module")
def coded(module_cluster):
    c = module_cluster
    c.script(CODE)
    return c


def keys_of(c, role=None, user="dbhealth", **more):
    keys = {"dsn": c.dsn(user=user), "enable": ["check-violation"], "require_relationships": ["public.loose.k -> public.parents.k"], **more}
    return {**keys, "data_role": role} if role else keys


def look(c, role=None, **more):
    """One look by dbhealth check: what was found, and what has no answer."""
    with tempfile.TemporaryDirectory(prefix="dbh-data-") as made:
        conf = pathlib.Path(made) / "it.conf"
        conf.write_text(config_text({}, {"it": keys_of(c, role, **more)},
                                    sections={"check fk-orphan-rows": {"param.slice_rows": "2"}}))
        conf.chmod(0o600)
        said = Cli(pathlib.Path(made), "-o", "json", "check", "--deep", "-c", conf, *(a for check in CHECKS for a in ("--check", check)), "it")
    assert said.out, said
    said = said.json
    return ({(f["check"], f["object"]): f for f in said["findings"]},
            {u["check"]: (kind, u["reason"], u.get("grant")) for kind in ("unknown", "not_covered") for u in said[kind]})


def ran(c, since):
    """(what, current_user, session_user) of each call since then that is not the test's own."""
    calls = re.findall(r"LOG:  ran (\S+) as (\S+) for (\S+)$", c.log.read_text(errors="replace")[since:], re.M)
    return {call for call in calls if call[2] != "postgres"}


def now(c):
    return len(c.log.read_text(errors="replace"))


PLAIN = {("fk-orphan-rows", "public.plain_child.p"), ("fk-orphan-rows", "public.visits.k")}
FOUND = {("check-violation", RULED), *PLAIN, ("fk-orphan-rows", "public.children.k"), ("fk-orphan-rows", "public.coded.k"),
         ("fk-orphan-rows-undeclared", "public.loose.k")}


def test_nobody_else_runs_it_and_that_is_told(coded):
    since = now(coded)
    found, lacks = look(coded)
    assert set(found) == PLAIN
    assert set(lacks) == set(CHECKS)
    for kind, reason, grant in lacks.values():
        assert kind == "not_covered" and "only a data_role does, and none is configured" in reason and grant is None, lacks
    assert ran(coded, since) == set()


def test_it_runs_as_data_role_alone_and_its_remedy_closes_it(coded):
    since = now(coded)
    found, lacks = look(coded, "dbhealth_data")
    assert (set(found), lacks) == (FOUND, {})
    assert ran(coded, since) == {(what, "dbhealth_data", "dbhealth_data") for what in ("rule", "cmp", "cast")}
    rows = coded.script(found["check-violation", RULED]["remedies"][0]["text"])
    assert rows.strip() == "7"
    coded.sql("DELETE FROM ruled WHERE a = 7")
    coded.script("SET jit = off;" + next(r["text"] for r in found["fk-orphan-rows", "public.children.k"]["remedies"] if r["text"].startswith("DELETE")))
    try:
        found, lacks = look(coded, "dbhealth_data")
        assert (set(found), lacks) == (FOUND - {("check-violation", RULED), ("fk-orphan-rows", "public.children.k")}, {})
    finally:
        coded.script("INSERT INTO ruled VALUES (1); ALTER TABLE ruled DROP CONSTRAINT ruled_rule; INSERT INTO ruled VALUES (7);"
                     "ALTER TABLE ruled ADD CONSTRAINT ruled_rule CHECK (rule(a)) NOT VALID;"
                     "SET session_replication_role = replica; INSERT INTO children VALUES (ROW(77, 1))")


UNFIT = {
    "superuser": ("CREATE ROLE unfit LOGIN SUPERUSER", "it is a superuser"),
    "pg_monitor": ("CREATE ROLE unfit LOGIN IN ROLE pg_monitor", "it is a member of pg_"),
    "reads what it likes": ("CREATE ROLE unfit LOGIN; GRANT pg_read_server_files TO unfit", "it is a member of pg_read_server_files"),
    "makes roles": ("CREATE ROLE unfit LOGIN CREATEROLE", "CREATEROLE"),
    "owns a table": ("CREATE ROLE unfit LOGIN; ALTER TABLE plain OWNER TO unfit", "it owns public.plain"),
    "by another role": ("CREATE ROLE owner2; CREATE ROLE unfit LOGIN NOINHERIT IN ROLE owner2; ALTER TABLE plain OWNER TO owner2", "it owns public.plain"),
    "writes a table": ("CREATE ROLE unfit LOGIN; GRANT UPDATE ON plain TO unfit", "it may write public.plain"),
    "writes a column": ("CREATE ROLE unfit LOGIN; GRANT UPDATE (id) ON plain TO unfit", "it may write public.plain.id"),
    "has our rights": ("CREATE ROLE unfit LOGIN IN ROLE dbhealth", "it is the login that monitors, or has its rights"),
    "not there": ("", "role \"unfit\" does not exist; it must be there"),
    "no login": ("CREATE ROLE unfit", "is not permitted to log in; it must be there and have LOGIN"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_role_that_will_not_do_is_told(coded, case):
    made, words = UNFIT[case]
    since = now(coded)
    coded.script(made + (";GRANT SELECT ON ALL TABLES IN SCHEMA public TO unfit" if made else ""))
    try:
        found, lacks = look(coded, "unfit")
    finally:
        coded.script("ALTER TABLE plain OWNER TO postgres; DROP ROLE IF EXISTS owner2;" +
                     ("DROP OWNED BY unfit; DROP ROLE unfit;" if made else ""))
    assert set(found) == PLAIN
    assert {check: kind for check, (kind, _, _) in lacks.items()} == dict.fromkeys(CHECKS, "not_covered")
    assert all("data_role unfit" in reason and words in reason and "dbhealth init" in reason for _, reason, _ in lacks.values()), lacks
    assert ran(coded, since) == set()


def test_a_right_that_is_missing_is_the_grant_for_it(coded):
    coded.script("CREATE ROLE fit LOGIN; GRANT SELECT ON ruled, loose, parents, children, plain TO fit")
    try:
        found, lacks = look(coded, "fit")
        assert set(found) == FOUND - {("fk-orphan-rows", "public.coded.k")}
        (check, (kind, _, grant)), = lacks.items()
        assert (check, kind) == ("fk-orphan-rows", "not_covered")
        coded.script(grant)
        assert set(look(coded, "fit")[0]) == FOUND and look(coded, "fit")[1] == {}
    finally:
        coded.script("DROP OWNED BY fit; DROP ROLE fit")


def test_its_password_is_its_own(cluster, folder):
    """That of the DSN is not tried for it: its own is in the password file."""
    c = cluster(tcp=True)
    c.script(CODE + "SET password_encryption = 'scram-sha-256'; ALTER ROLE dbhealth PASSWORD 'ours'; ALTER ROLE dbhealth_data PASSWORD 'theirs'")
    hba = c.data / "pg_hba.conf"
    hba.write_text("local all postgres trust\nlocal all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n")
    c.reload()
    kept = folder.path / "pgpass"

    def looked(*lines):
        kept.write_text("".join(line + "\n" for line in lines))
        kept.chmod(0o600)
        return look(c, "dbhealth_data", dsn=c.dsn(password="ours", passfile=str(kept)))

    found, lacks = looked()
    assert set(found) == PLAIN and set(lacks) == set(CHECKS)
    assert all("cannot log in" in why and "password file" in why and "ours" not in why for _, why, _ in lacks.values()), lacks
    found, lacks = looked("*:*:*:dbhealth_data:wrong")
    assert set(found) == PLAIN and all("password authentication failed" in why and "wrong" not in why for _, why, _ in lacks.values()), lacks
    found, lacks = looked("*:*:*:dbhealth_data:theirs")
    assert (set(found), lacks) == (FOUND, {})
    # who is turned away by pg_hba.conf is told of its line
    hba.write_text("local all postgres trust\nlocal all dbhealth_data reject\nlocal all all scram-sha-256\n")
    c.reload()
    found, lacks = looked("*:*:*:dbhealth_data:theirs")
    assert set(found) == PLAIN and all("pg_hba.conf" in why for _, why, _ in lacks.values()), lacks


def test_the_daemon_looks_within_its_budget_and_tells_what_changes(cluster, daemon):
    c = cluster()
    c.script(CODE)
    names = [f"d{n}" for n in range(4)]
    for name in names:
        c.sql(f"CREATE DATABASE {name} TEMPLATE postgres")
    d = daemon(databases={n: {**keys_of(c, "dbhealth_data"), "dsn": c.dsn(n), "integrity_interval": "2s"} for n in names})
    for name in names:
        for check, obj in sorted(FOUND):
            d.wait_finding(check, obj, database=name, within=60)
    assert c.one("SELECT count(*) FROM pg_stat_activity WHERE usename = 'dbhealth_data' AND state_change < now() - interval '30 s'") == 0
    # it is taken away, comes back, and closes what was mended meanwhile
    c.sql("ALTER ROLE dbhealth_data NOLOGIN")
    d.run("d0", "integrity", wait="60s")
    d.wait_check("d0", "check-violation", "unknown")
    assert d.findings(check="check-violation", database="d0"), "what is open stays open"
    c.sql("DELETE FROM ruled WHERE a = 7", dbname="d0")
    c.sql("ALTER ROLE dbhealth_data LOGIN")
    d.run("d0", "integrity", wait="60s")
    d.wait_gone("check-violation", RULED, database="d0", within=60)
    d.wait_check("d0", "check-violation", "ok")
    # nobody is told to go on without it
    d.configure(databases={n: {**keys_of(c), "dsn": c.dsn(n), "integrity_interval": "2s"} for n in names})
    d.reload()
    d.run("d1", "integrity", wait="60s")
    d.wait_check("d1", "check-violation", "unknown")
    d.stop()
    assert ran(c, 0) == {(what, "dbhealth_data", "dbhealth_data") for what in ("rule", "cmp", "cast")}
    assert c.connection_log("dbhealth_data") and c.max_connections_seen(("dbhealth", "dbhealth_data")) <= BUDGET


def test_init_gives_it_what_it_needs_and_says_what_is_missing(cluster, folder):
    c = cluster(role=False)
    c.script(CODE.split("CREATE ROLE")[0])

    def init(*argv):
        return Cli(folder, "init", c.dsn(user="postgres"), "--level", "data", "--data-role", "dbhealth_data", *argv)

    before = init("--check")
    assert before.status == 1 and "GRANT SELECT ON public.ruled TO dbhealth_data;" in before.out
    printed = init().out
    for _ in range(2):
        c.script(printed)
    assert "data_role = dbhealth_data" in printed and "local  postgres  dbhealth_data  peer" in printed
    assert "dbhealth_data" not in Cli(folder, "init", c.dsn(user="postgres"), "--level", "data").out
    after = init("--check")
    assert (after.status, after.out.splitlines()[0]) == (0, "ok: nothing is missing for level data"), after
    found, lacks = look(c, "dbhealth_data", require_relationships=[])
    assert set(found) == {f for f in FOUND if f[0] != "fk-orphan-rows-undeclared"}
    assert not [why for _, why, grant in lacks.values() if grant], lacks
    # what it reads is what it needs: rules, and keys that are compared by code of theirs
    read = {t for t, in c.sql("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
                              " AND has_table_privilege('dbhealth_data', oid, 'SELECT')")}
    assert read == {"ruled", "parents", "children", "coded", "plain"}
    # what is refused is said
    c.sql("GRANT pg_monitor TO dbhealth_data; REVOKE SELECT ON ruled FROM dbhealth_data")
    (c.data / "pg_hba.conf").write_text("local all postgres trust\nlocal all dbhealth trust\n")
    c.reload()
    said = init("--check")
    assert said.status == 1 and said.out.count("\n    GRANT SELECT ON public.ruled TO dbhealth_data;") == 1
    assert "the data role is a member of pg_monitor: dbhealthd does not use it" in said.out
    assert "no line of pg_hba.conf lets the data role in" in said.out
