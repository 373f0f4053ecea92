"""Managed servers and other platforms, imitated in a real server by the roles, functions, settings,
schemas and tables that tell them; and what only speaks the protocol, imitated by its start-up."""
import struct
import threading

import pytest

from support import Cli
from support.daemon import config_text
from support.imposter import Imposter, error, message

# What tells it, the databases that are the platform's, and schemas of its own.
FLAVOURS = {
    "rds": ("CREATE ROLE rds_superuser", ["rdsadmin"], ["aws_commons"]),
    "aurora": ("CREATE ROLE rds_superuser; CREATE FUNCTION aurora_version() RETURNS text LANGUAGE sql AS 'SELECT ''16.1'''",
               ["rdsadmin"], ["apg_plan_mgmt"]),
    "cloudsql": ("CREATE ROLE cloudsqlsuperuser", ["cloudsqladmin"], ["google_ml"]),
    "alloydb": ("CREATE ROLE alloydbsuperuser; CREATE ROLE cloudsqlsuperuser", ["alloydbadmin", "cloudsqladmin"],
                ["google_ml"]),
    "azure": ("CREATE ROLE azure_pg_admin", ["azure_maintenance", "azure_sys"], ["query_store"]),
    "neon": ("CREATE ROLE neon_superuser", [], ["neon"]),
    "supabase": ("CREATE ROLE supabase_admin", ["_supabase"], ["auth", "storage", "realtime", "vault", "graphql"]),
    "crunchy": ("CREATE ROLE crunchy_superuser", [], ["crunchy_monitoring"]),
    "heroku": ("CREATE SCHEMA heroku_ext", [], []),
    "aiven": ("CREATE ROLE avnadmin", ["_aiven"], []),
    "digitalocean": ("CREATE ROLE doadmin", ["_dodb"], []),
    "timescale": ("CREATE SCHEMA _timescaledb_catalog; CREATE TABLE _timescaledb_catalog.hypertable(id int)", [],
                  ["_timescaledb_internal", "timescaledb_information"]),
}
# A tool that keeps a schema of its own: the table that tells it.
TOOLS = {"cron": "job", "pgagent": "pga_job", "partman": "part_config", "hdb_catalog": "hdb_version"}


def look(folder, cluster, dbname="postgres", *argv, keys=None):
    conf = folder.path / "look.conf"
    conf.write_text(config_text({}, {"it": {"dsn": cluster.dsn(dbname), **(keys or {})}}))
    conf.chmod(0o600)
    said = Cli(folder, "-o", "json", "check", "-c", conf, *argv)
    assert said.out, said
    return said.json


def bare(schema):
    """A fault of every kind that only a schema's owner should hear of."""
    return (f"CREATE TABLE {schema}.bare(a int); CREATE INDEX ON {schema}.bare(a); CREATE INDEX ON {schema}.bare(a);"
            f"CREATE TABLE {schema}.p(id int PRIMARY KEY); CREATE TABLE {schema}.c(id int PRIMARY KEY, p int REFERENCES {schema}.p);")


def planted(said):
    return {f["object"].split(".")[0] for f in said["findings"] if f["check"] in ("table-no-primary-key", "index-duplicate", "fk-missing-index")}




@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_flavour_is_told_and_what_is_its_own_is_left_alone(cluster, folder, flavour):
    tells, databases, schemas = FLAVOURS[flavour]
    c = cluster()
    # Before: the same names are a customer's, and are judged.
    for schema in schemas:
        c.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}; {bare(schema)}")
    c.sql(f"CREATE SCHEMA shop; {bare('shop')}")
    assert planted(look(folder, c)) == {"shop", *schemas}
    c.createdb(*databases, "orders")
    c.sql(tells)
    said = look(folder, c, keys={"databases": "*"})
    assert {d["datname"] for d in said["databases"]} == {"orders", "postgres"}
    assert planted(said) == {"shop"}
    spared = {n["check"] for n in said["not_covered"] if "provider" in n["reason"]}
    assert ("archiver-failing" in spared) == (flavour != "timescale")
    assert not [f for f in said["findings"] if any(d in str(f) for d in databases)]
    assert said["unknown"] == []
    assert [d["flavour"] for d in said["databases"] if d["datname"] == "postgres"] == [flavour]


def test_a_tool_keeps_its_schema_and_a_chunk_is_its_hypertable(cluster, folder):
    c = cluster()
    for schema in (*TOOLS, "_timescaledb_internal"):
        c.sql(f"CREATE SCHEMA {schema}; {bare(schema)}")
    assert planted(look(folder, c)) == {*TOOLS, "_timescaledb_internal"}
    for schema, table in TOOLS.items():
        c.sql(f"CREATE TABLE {schema}.{table}(id int)")
    c.sql("CREATE SCHEMA _timescaledb_catalog; CREATE TABLE _timescaledb_catalog.hypertable(id int);"
          "CREATE TABLE metrics(at timestamptz NOT NULL, v float8);"
          "CREATE TABLE _timescaledb_internal._hyper_1_1_chunk (CHECK (at < '2026-01-01')) INHERITS (metrics)")
    found = [f for f in look(folder, c)["findings"] if f["check"] in ("table-no-primary-key", "index-duplicate", "fk-missing-index")]
    assert [f["object"] for f in found] == ["public.metrics"]


def greeting(version, **more):
    """Authenticated, these settings reported, ready; then every question is not understood."""
    def greet(s):
        s.sendall(message(b"R", struct.pack("!I", 0)))
        for k, v in {"server_version": version, "server_encoding": "UTF8", "client_encoding": "UTF8", **more}.items():
            s.sendall(message(b"S", k.encode() + b"\0" + v.encode() + b"\0"))
        s.sendall(message(b"K", struct.pack("!II", 1, 2)) + message(b"Z", b"I"))
        while s.recv(4096):
            s.sendall(error(b"unsupported statement", b"0A000", severity=b"ERROR") + message(b"Z", b"I"))
    return greet


STRANGERS = {
    "CockroachDB": greeting("13.0.0", crdb_version="CockroachDB CCL v23.1.11"),
    "Amazon Redshift": greeting("8.0.2", padb_version="1.0.58558"),
    "YugabyteDB": greeting("11.2-YB-2.18.3.0-b0"),
    "Materialize": greeting("9.5.0", mz_version="v0.80.0"),
    "CrateDB": greeting("14.0", crate_version="5.4.0"),
    "version 9.6.24": greeting("9.6.24"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_only_speaks_the_protocol_is_refused_in_words(own, folder, name):
    peer = own(Imposter(folder.sub("peer"), STRANGERS[name]))
    said = Cli(folder, "-o", "json", "check", peer.dsn)
    assert said.status == 3, said
    assert said.json["findings"] == [] and said.json["status"] == "unknown"
    (unknown,) = said.json["unknown"]
    assert unknown["check"] == "conn-up" and name in unknown["reason"] and "PostgreSQL 13" in unknown["reason"]
    assert said.json["not_covered"]
    text = Cli(folder, "check", peer.dsn)
    assert text.status == 3 and name in text.out, text


def test_who_knows_none_of_our_settings_is_asked_who_he_is(own, folder):
    """The start-up is refused for its options; without them he says what he is."""
    seen = []

    def greet(s):
        if b"options\0" in seen[-1]:
            s.sendall(error(b'unrecognized configuration parameter "idle_in_transaction_session_timeout"', b"42704"))
        else:
            STRANGERS["Amazon Redshift"](s)

    peer = own(Imposter(folder.sub("peer"), greet, packets=seen))
    said = Cli(folder, "-o", "json", "check", peer.dsn)
    assert said.status == 3 and "Amazon Redshift" in said.json["unknown"][0]["reason"], said


def test_a_wrong_option_of_the_dsn_stays_what_it_is(cluster, folder):
    c = cluster()
    said = Cli(folder, "-o", "json", "check", c.dsn(options="-c no_such_thing=1"))
    assert said.status == 2
    assert [f["check"] for f in said.json["findings"]] == ["conn-up"] and "no_such_thing" in said.json["findings"][0]["message"]


def test_the_daemon_says_it_once_and_alarms_nobody(own, folder, daemon):
    asked = threading.Semaphore(0)

    def greet(s):
        asked.release()
        STRANGERS["CockroachDB"](s)

    peer = own(Imposter(folder.sub("peer"), greet))
    d = daemon(databases={"roach": peer.dsn}, defaults={"connectivity_interval": "1s"}, wait="alive")
    d.wait_check("roach", "conn-up", "unknown")
    for _ in range(3):
        assert asked.acquire(timeout=60)
    assert d.findings() == [] and d.database("roach")["status"] == "unknown"
