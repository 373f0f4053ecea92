"""What migration tools have noted.  The tables are as Alembic 1.8, Django 3.2, dbmate 2.36 and Knex 3.3 made them when they
were run, and as the sources of Rails 6, Flyway 10, Liquibase 4, golang-migrate 4, goose 3, Prisma 5 and sqlx 0.7 have them."""
import pathlib
import tempfile

import pytest

from support import Cli
from support.daemon import config_text
from proof import Proof, database_name, look, mend, proves, test_fault_is_found_and_its_remedies_close_it  # noqa: F401

READ = "GRANT USAGE ON SCHEMA {0} TO dbhealth; GRANT SELECT ON ALL TABLES IN SCHEMA {0} TO dbhealth;"


def alembic(schema, *revisions, table="alembic_version"):
    rows = "".join(f"INSERT INTO {schema}.{table} VALUES ('{r}');" for r in revisions)
    return (f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {schema}.{table} (version_num varchar(32) NOT NULL, "
            f"CONSTRAINT {table}_pkc PRIMARY KEY (version_num)); {rows} {READ.format(schema)}")


def django(schema, *names, table="django_migrations"):
    rows = "".join("INSERT INTO {}.{} (app, name, applied) VALUES ('{}', '{}', now());".format(schema, table, *n.split("."))
                   for n in names)
    return (f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {schema}.{table} (id serial PRIMARY KEY, "
            f"app varchar(255) NOT NULL, name varchar(255) NOT NULL, applied timestamptz NOT NULL); {rows} {READ.format(schema)}")


def rails(schema, *versions):
    return versioned(schema, *versions, kind="varchar") + (
        f"CREATE TABLE {schema}.ar_internal_metadata (key varchar PRIMARY KEY, value varchar, created_at timestamp NOT NULL, "
        f"updated_at timestamp NOT NULL); INSERT INTO {schema}.ar_internal_metadata VALUES ('environment', 'production', now(), now());")


def versioned(schema, *versions, kind="varchar(128)", table="schema_migrations", key="PRIMARY KEY"):
    rows = "".join(f"INSERT INTO {schema}.{table} VALUES ('{v}');" for v in versions)
    return (f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {schema}.{table} (version {kind} {key} NOT NULL); "
            f"{rows} {READ.format(schema)}")


def flyway(schema, *rows, table="flyway_schema_history"):
    """rows: (version or None, description, type, checksum or None, success)"""
    def text(x):
        return "NULL" if x is None else f"'{x}'"
    out = (f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {schema}.{table} (installed_rank int NOT NULL PRIMARY KEY, "
           "version varchar(50), description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, "
           "checksum int, installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT now(), "
           "execution_time int NOT NULL, success boolean NOT NULL);")
    for rank, (version, description, kind, checksum, success) in enumerate(rows, 1):
        out += (f"INSERT INTO {schema}.{table} VALUES ({rank}, {text(version)}, '{description}', '{kind}', 'x.sql', "
                f"{checksum if checksum is not None else 'NULL'}, 'app', now(), 7, {str(success).lower()});")
    return out + READ.format(schema)


def golang(schema, *rows, table="schema_migrations"):
    values = "".join(f"INSERT INTO {schema}.{table} VALUES ({v}, {d});" for v, d in rows)
    return (f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {schema}.{table} (version bigint NOT NULL PRIMARY KEY, "
            f"dirty boolean NOT NULL); {values} {READ.format(schema)}")


def goose(schema, *rows):
    values = "".join(f"INSERT INTO {schema}.goose_db_version (version_id, is_applied) VALUES ({v}, {a});" for v, a in rows)
    return (f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {schema}.goose_db_version (id integer PRIMARY KEY GENERATED "
            "BY DEFAULT AS IDENTITY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp NOT NULL "
            f"DEFAULT now()); {values} {READ.format(schema)}")


def prisma(schema, *rows):
    """rows: (name, finished, rolled back, logs, minutes since it began)"""
    values = "".join(
        f"INSERT INTO {schema}._prisma_migrations VALUES (gen_random_uuid()::text, '{'a' * 64}', {f}, '{n}', {log}, {r}, "
        f"now() - interval '{m} min', 0);" for n, f, r, log, m in rows)
    return (f'CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {schema}._prisma_migrations (id varchar(36) PRIMARY KEY NOT '
            "NULL, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL, logs text, "
            "rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL "
            f"DEFAULT 0); {values} {READ.format(schema)}")


def knex(schema, *names, locked=0):
    rows = "".join(f"INSERT INTO {schema}.knex_migrations (name, batch, migration_time) VALUES ('{n}', 1, now());" for n in names)
    return (f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {schema}.knex_migrations (id serial PRIMARY KEY, name "
            "varchar(255), batch integer, migration_time timestamptz); "
            f'CREATE TABLE {schema}.knex_migrations_lock ("index" serial PRIMARY KEY, is_locked integer); '
            f"INSERT INTO {schema}.knex_migrations_lock (is_locked) VALUES ({locked}); {rows} {READ.format(schema)}")


def sqlx(schema, *rows):
    values = "".join(f"INSERT INTO {schema}._sqlx_migrations VALUES ({v}, 'x', now(), {ok}, '\\x{c}', 5);" for v, ok, c in rows)
    return (f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {schema}._sqlx_migrations (version bigint PRIMARY KEY, "
            "description text NOT NULL, installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum "
            f"bytea NOT NULL, execution_time bigint NOT NULL); {values} {READ.format(schema)}")


def liquibase(schema, *rows, lock=None):
    """rows: (id, author, file, exectype); lock: (locked, granted, by) as SQL"""
    values = "".join(f"INSERT INTO {schema}.databasechangelog (id, author, filename, dateexecuted, orderexecuted, exectype) "
                     f"VALUES ('{i}', '{a}', '{f}', now(), {n}, '{x}');" for n, (i, a, f, x) in enumerate(rows, 1))
    values += f"INSERT INTO {schema}.databasechangeloglock VALUES (1, {', '.join(lock or ('false', 'NULL', 'NULL'))});"
    return (f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {schema}.databasechangelog (id varchar(255) NOT NULL, author "
            "varchar(255) NOT NULL, filename varchar(255) NOT NULL, dateexecuted timestamp NOT NULL, orderexecuted int NOT "
            "NULL, exectype varchar(10) NOT NULL, md5sum varchar(35), description varchar(255), comments varchar(255), tag "
            "varchar(255), liquibase varchar(20), contexts varchar(255), labels varchar(255), deployment_id varchar(10)); "
            f"CREATE TABLE {schema}.databasechangeloglock (id int PRIMARY KEY, locked boolean NOT NULL, lockgranted "
            f"timestamp, lockedby varchar(255)); {values} {READ.format(schema)}")


NASTY = '"o\'dd ""x"" :migrations %s {0}"'
EVERY = (alembic("al", "1a") + django("dj", "shop.0001_initial") + rails("ra", "20240101000000") + versioned("db", "20240101000000")
         + flyway("fl", (None, "<< Flyway Schema Creation >>", "SCHEMA", None, True), ("1", "a", "SQL", 1, True))
         + golang("gm", (1, False)) + goose("go", (0, True), (1, True)) + prisma("pr", ("1_a", "now()", "NULL", "NULL", 60))
         + knex("kn", "1_a.js") + sqlx("sx", (1, True, "00")) + liquibase("li", ("1", "me", "db/a.sql", "EXECUTED")))
# Tables of applications, which only sound like a tool's.
LOOK_ALIKES = """
    CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO dbhealth;
    CREATE TABLE app.schema_migrations (version bigint PRIMARY KEY, inserted_at timestamp);
    CREATE TABLE app.alembic_version (version_num varchar(32), mood text);
    CREATE TABLE app.flags (version bigint, dirty text);
    CREATE TABLE app.jobs (id int, locked boolean, lockedby text);
    CREATE TABLE app.migrations (id int, migration varchar(255), batch int);
    CREATE TABLE app.release (version varchar(20));
    CREATE VIEW app.alembic AS SELECT 'x'::varchar AS version_num;
    CREATE TYPE app.kind AS ENUM ('a'); CREATE TABLE app.kinds (version_num varchar, k app.kind);
"""

PROOFS = {
    "table missing": Proof("migration-table-missing", "CREATE TABLE t (a int); " + LOOK_ALIKES, {
        "app.alembic_version": ("warning", 1)}, closes=set(), keys={"migration_table": "app.alembic_version"}),
    "tool without a table": Proof("migration-table-missing", alembic("public", "1a"), {
        "flyway_schema_history": ("warning", 1)}, closes=set(), keys={"migration_tool": "flyway"}),
    "table by another name": Proof("migration-table-missing", alembic("public", "1a", table="my_version") + django("x"), {},
                                   keys={"migration_table": "public.my_version", "migration_tool": "alembic"}),
    "none is looked for": Proof("migration-table-missing", LOOK_ALIKES, {}, keys={"migration_tool": "none", "expect_migration": "1a"}),

    "empty bookkeeping": Proof("migration-version-empty", alembic("one") + "CREATE TABLE one.t (a int); CREATE TABLE one.u (a int);"
                               + goose("two", (0, True)) + "CREATE TABLE two.t (a int);"
                               + flyway("three", (None, "<< Flyway Schema Creation >>", "SCHEMA", None, True)) + "CREATE TABLE three.t (a int);"
                               # filled, or empty like the database
                               + EVERY + alembic("fresh") + django("fresh2") + rails("fresh3") + LOOK_ALIKES, {
        "one.alembic_version": ("warning", 2), "two.goose_db_version": ("warning", 1), "three.flyway_schema_history": ("warning", 1)},
        closes=set()),
    "empty bookkeeping beside the schemas": Proof("migration-version-empty", alembic("public") + "CREATE SCHEMA s; CREATE TABLE s.t (a int);",
                                                  {"public.alembic_version": ("warning", 1)}, closes=set()),
    "fresh database": Proof("migration-version-empty", alembic("public"), {}),

    "several heads": Proof("migration-multiple-heads", alembic("one", "1a", "2b") + alembic(NASTY, "x", "y", "z", table="v")
                           + EVERY + LOOK_ALIKES, {
        "one.alembic_version": ("critical", 2), NASTY + ".v": ("critical", 3)}, closes=set()),
    "heads that are expected": Proof("migration-multiple-heads", alembic("one", "1a", "2b"), {}, keys={"expect_migration": "2b, 1a"}),

    "failed": Proof("migration-failed", flyway("fl2", ("1", "a", "SQL", 1, True), ("2", "b", "SQL", 2, False))
                    # failed first, then well; undone
                    + flyway("fl3", ("1", "a", "SQL", 1, False), ("1", "a", "SQL", 1, True), (None, "r", "SQL", 1, False), (None, "r", "SQL", 1, True),
                             ("2", "b", "SQL", 1, False), ("2", "b", "DELETE", 1, True))
                    + sqlx("sx2", (1, True, "00"), (2, False, "00"))
                    + prisma("pr2", ("1_a", "now()", "NULL", "NULL", 99), ("2_b", "NULL", "NULL", "NULL", 60))
                    + prisma("pr3", ("1_a", "NULL", "NULL", "'E: syntax'", 1))
                    # running, rolled back, made good later
                    + prisma("pr4", ("1_a", "NULL", "NULL", "NULL", 2), ("2_b", "NULL", "now()", "'E'", 60), ("3_c", "NULL", "NULL", "'E'", 60),
                             ("3_c", "now()", "NULL", "NULL", 50))
                    + liquibase("li2", ("1", "me", "a.sql", "EXECUTED"), ("2", "o''me", "a.sql", "FAILED"))
                    + EVERY + LOOK_ALIKES, {
        "fl2.flyway_schema_history": ("critical", 1), "sx2._sqlx_migrations": ("critical", 1), "pr2._prisma_migrations": ("critical", 1),
        "pr3._prisma_migrations": ("critical", 1), "li2.databasechangelog": ("critical", 1)}),

    "dirty": Proof("migration-dirty", golang("public", (7, True)) + golang(NASTY, (20240101000000, True), table='"t%"') + golang("clean", (7, False))
                   + EVERY + LOOK_ALIKES, {"public.schema_migrations": ("critical", 1), NASTY + '."t%"': ("critical", 1)}),

    "duplicates": Proof("migration-duplicate-version",
                        django("dj2", "shop.0001_initial", "shop.0001_initial", "shop.0002_x", "cart.0001_initial")
                        + knex("kn2", "1_a.js", "1_a.js", "1_a.js", "2_b.js")
                        + versioned("ra2", "1", "1", "2", key="")
                        + flyway("fl2", ("1.0", "a", "SQL", 1, True), ("1.0", "a", "SQL", 1, True))
                        + liquibase("li2", ("1", "me", "a.sql", "EXECUTED"), ("1", "me", "a.sql", "EXECUTED"))
                        + prisma("pr2", ("1_a", "now()", "NULL", "NULL", 9), ("1_a", "now()", "NULL", "NULL", 8))
                        # not twice
                        + flyway("fl3", (None, "r", "SQL", 1, True), (None, "r", "SQL", 2, True), ("1", "a", "SQL", 1, True), ("1", "a", "UNDO_SQL", 1, True),
                                 ("1", "a", "SQL", 1, True), ("2", "b", "SQL", 1, False), ("2", "b", "SQL", 1, True))
                        + liquibase("li3", ("1", "me", "a.sql", "EXECUTED"), ("1", "you", "a.sql", "EXECUTED"), ("1", "me", "x/a.sql", "EXECUTED"))
                        + prisma("pr3", ("1_a", "now()", "now()", "NULL", 9), ("1_a", "now()", "NULL", "NULL", 8))
                        + goose("go2", (0, True), (1, True), (1, False), (1, True)) + EVERY + LOOK_ALIKES, {
        "dj2.django_migrations": ("warning", 2), "kn2.knex_migrations": ("warning", 3), "ra2.schema_migrations": ("warning", 2),
        "fl2.flyway_schema_history": ("warning", 2), "li2.databasechangelog": ("warning", 2), "pr2._prisma_migrations": ("warning", 2)}),

    "out of order": Proof("migration-out-of-order",
                          flyway("fl2", ("1", "a", "SQL", 1, True), ("10", "b", "SQL", 1, True), ("9.5", "c", "SQL", 1, True))
                          + goose("go2", (0, True), (20240201000000, True), (20240101000000, True))
                          + knex("kn2", "20240201_b.js", "20240101_a.js")
                          # 9 before 10, 1.0 and 1, a baseline, repeatables, undone
                          + flyway("fl3", ("5", "base", "BASELINE", None, True), ("9", "a", "SQL", 1, True), (None, "r", "SQL", 1, True), ("10", "a", "SQL", 1, True),
                                   ("10.0.1", "a", "SQL", 1, True), ("1.1", "old", "SQL", 1, True), ("1.1", "old", "UNDO_SQL", 1, True))
                          + goose("go3", (0, True), (2, True), (2, False), (1, True), (2, True)) + EVERY + LOOK_ALIKES, {
        "fl2.flyway_schema_history": ("info", 1), "go2.goose_db_version": ("info", 1), "kn2.knex_migrations": ("info", 1)}, closes=set()),

    "two tools": Proof("migration-multiple-tools", alembic("public", "1a") + django("public", "shop.0001_initial") + LOOK_ALIKES,
                       {"*": ("warning", 2)}, closes=set()),
    "two tools apart": Proof("migration-multiple-tools", alembic("a", "1a") + flyway("b", ("1", "a", "SQL", 1, True)), {"*": ("info", 2)}, closes=set()),
    "one tool with its other tables": Proof("migration-multiple-tools", liquibase("a") + liquibase("b") + LOOK_ALIKES, {}),
    "rails and its metadata": Proof("migration-multiple-tools", rails("a", "1") + rails("b", "1"), {}),
    "two tools, one counts": Proof("migration-multiple-tools", alembic("public", "1a") + django("public"), {}, keys={"migration_tool": "alembic"}),

    "behind one revision": Proof("migration-behind-head", EVERY + LOOK_ALIKES, {"al.alembic_version": ("warning", 1)}, closes=set(),
                                 keys={"expect_migration": "2b", "migration_tool": "alembic"}),
    "at the revision": Proof("migration-behind-head", EVERY + alembic("other", "0x"), {},
                             keys={"expect_migration": "1a", "migration_table": "al.alembic_version"}),
    "behind by numbers": Proof("migration-behind-head", flyway("public", ("1.9", "a", "SQL", 1, True)), {
        "public.flyway_schema_history": ("warning", 1)}, closes=set(), keys={"expect_migration": "1.10"}),
    "ahead by numbers": Proof("migration-behind-head", golang("public", (10, False)), {}, keys={"expect_migration": "9"}),
    "flyway's baseline": Proof("migration-behind-head", flyway("public", ("2.0", "a", "BASELINE", None, True)), {}, keys={"expect_migration": "1.10"}),
    "the same in other words": Proof("migration-behind-head", flyway("public", ("1.10.0", "a", "SQL", 1, True)), {}, keys={"expect_migration": "1_10"}),

    "left out": Proof("migration-pending", rails("public", "1", "3", "4") + LOOK_ALIKES, {"public.schema_migrations": ("warning", 1)}, closes=set(),
                      keys={"known_migrations": ["1", "2", "3", "4", "5"]}),
    "left out, Django": Proof("migration-pending", django("public", "a.0001_x", "a.0003_z", "b.0001_x"), {"public.django_migrations": ("warning", 1)},
                              closes=set(), keys={"known_migrations": ["a.0001_x", "a.0002_y", "a.0003_z", "b.0001_x", "b.0002_y"]}),
    "below the baseline": Proof("migration-pending", flyway("public", ("3", "a", "BASELINE", None, True), ("4", "a", "SQL", 1, True)), {},
                                keys={"known_migrations": ["1", "2", "3", "4", "5"]}),

    "unknown revision": Proof("migration-unknown-revision", alembic("public", "3c") + LOOK_ALIKES, {"public.alembic_version": ("warning", 1)},
                              closes=set(), keys={"known_migrations": ["1a", "2b"]}),
    "older than what is left": Proof("migration-unknown-revision", rails("public", "1", "2", "30", "40"), {}, keys={"known_migrations": ["30", "40"]}),
    "newer than the code": Proof("migration-unknown-revision", rails("public", "1", "2", "30", "40", "100"), {"public.schema_migrations": ("warning", 1)},
                                 closes=set(), keys={"known_migrations": ["30", "40"]}),

    "stuck locks": Proof("migration-lock-stuck",
                         liquibase("old", lock=("true", "now() - interval '1 hour'", "'host (10.1.2.3)'"))
                         + liquibase("young", lock=("true", "now() - interval '5 min'", "'host (10.1.2.3)'"))
                         + liquibase("zone", lock=("true", "now() + interval '2 hours'", "'host (10.1.2.3)'"))
                         + knex("kn2", locked=1) + EVERY + LOOK_ALIKES, {
        "old.databasechangeloglock": ("critical", 3600), "zone.databasechangeloglock": ("info", 0), "kn2.knex_migrations_lock": ("warning", 0)}),
}

# ---- against the files of a folder ----
ALEMBIC = {"env.py": "import x\n",
           "versions/a.py": "revision = 'a'\ndown_revision = None\n", "versions/b.py": "revision = 'b'\ndown_revision = 'a'\n",
           "versions/c.py": "revision: str = 'c'\ndown_revision: str = 'b'\n",
           "versions/p.py": "revision = 'p'\ndown_revision = None\nbranch_labels = ('pay',)\n"}
DJANGO = {"shop/migrations/__init__.py": "", "shop/migrations/0001_initial.py": "class Migration(m.Migration):\n",
          "shop/migrations/0002_x.py": "class Migration(m.Migration):\n",
          "shop/migrations/0003_squashed.py": "class Migration(m.Migration):\n    replaces = [('shop', '0001_initial'), ('shop', '0002_x')]\n",
          "shop/migrations/0004_y.py": "class Migration(m.Migration):\n"}
RAILS = {"1_a.rb": "", "2_b.rb": "", "010_c.rb": ""}
FLYWAY = {"V1__a.sql": "123456789\n", "V2__b.sql": "123456789\r\n", "V10__c.sql": "", "R__view.sql": "123456789"}
CRC = -873187034  # of 123456789
LIQUIBASE = {"a.sql": "--liquibase formatted sql\n--changeset me:1\nSELECT 1;\n--changeset me:2 context:dev\nSELECT 2;\n--changeset me:3\nSELECT 3;\n"}
PRISMA = {"1_a/migration.sql": "abc", "2_b/migration.sql": "", "migration_lock.toml": ""}
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
KNEX = {"1_a.js": "", "2_b.js": "", "3_c.ts": ""}
SQLX = {"1_a.sql": "", "2_b.sql": ""}
SHA384 = "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b"
V, T = "public.", "alembic_version"
# check, what is in the database, what is in the folder, object -> (severity, value)
FOLDERS = {
    "Alembic, behind": ("migration-behind-head", alembic("public", "a"), ALEMBIC, {V + T: ("warning", 2)}),
    "Alembic, at its head": ("migration-behind-head", alembic("public", "c"), ALEMBIC, {}),
    "Alembic, a branch begun": ("migration-behind-head", alembic("public", "a", "p"), ALEMBIC, {V + T: ("warning", 2)}),
    "Alembic, nothing applied": ("migration-behind-head", alembic("public"), ALEMBIC, {V + T: ("warning", 4)}),
    "Alembic, ahead is another check's": ("migration-behind-head", alembic("public", "z"), ALEMBIC, {}),
    "Alembic, unknown": ("migration-unknown-revision", alembic("public", "z"), ALEMBIC, {V + T: ("warning", 1)}),
    "Alembic, known": ("migration-unknown-revision", alembic("public", "b", "p"), ALEMBIC, {}),
    "Alembic, labelled branches": ("migration-multiple-heads", alembic("public", "c", "p"), {
        **ALEMBIC, "versions/a.py": "revision = 'a'\ndown_revision = None\nbranch_labels = ('main',)\n"}, {}),
    "Alembic, heads without labels": ("migration-multiple-heads", alembic("public", "c", "b"), ALEMBIC, {V + T: ("critical", 2)}),
    "Django, behind": ("migration-behind-head", django("public", "shop.0001_initial", "shop.0002_x", "auth.0001_initial"), DJANGO,
                       {"public.django_migrations": ("warning", 1)}),
    "Django, squashed": ("migration-pending", django("public", "shop.0003_squashed", "shop.0004_y"), DJANGO, {}),
    "Django, not squashed": ("migration-pending", django("public", "shop.0001_initial", "shop.0002_x", "shop.0004_y"), DJANGO, {}),
    "Django, left out": ("migration-pending", django("public", "shop.0002_x", "shop.0004_y"), DJANGO, {"public.django_migrations": ("warning", 2)}),
    "Django, other applications": ("migration-unknown-revision", django("public", "shop.0004_y", "auth.0099_z", "shop.0000_old"), DJANGO, {}),
    "Django, unknown": ("migration-unknown-revision", django("public", "shop.0005_z"), DJANGO, {"public.django_migrations": ("warning", 1)}),
    "Rails, behind": ("migration-behind-head", rails("public", "1", "2"), RAILS, {"public.schema_migrations": ("warning", 1)}),
    "Rails, left out": ("migration-pending", rails("public", "1", "10"), RAILS, {"public.schema_migrations": ("warning", 1)}),
    "Rails, all": ("migration-behind-head", rails("public", "1", "2", "10"), RAILS, {}),
    "Flyway, behind": ("migration-behind-head", flyway("public", ("1", "a", "SQL", CRC, True), ("2", "b", "SQL", CRC, True)), FLYWAY,
                       {"public.flyway_schema_history": ("warning", 2)}),
    "Flyway, all": ("migration-behind-head", flyway("public", ("2", "base", "BASELINE", None, True), ("10", "c", "SQL", 0, True),
                                                    (None, "view", "SQL", CRC, True)), FLYWAY, {}),
    "Flyway, a view changed": ("migration-behind-head", flyway("public", ("10", "c", "SQL", 0, True), (None, "view", "SQL", 1, True)), FLYWAY,
                               {"public.flyway_schema_history": ("warning", 1)}),
    "Flyway, edited": ("migration-checksum-mismatch", flyway("public", ("1", "a", "SQL", CRC, True), ("2", "b", "SQL", 77, True),
                                                             ("10", "c", "SQL", None, True), (None, "view", "SQL", 1, True)), FLYWAY,
                       {"public.flyway_schema_history": ("warning", 1)}),
    "Prisma, edited": ("migration-checksum-mismatch", prisma("public", ("1_a", "now()", "NULL", "NULL", 9)), PRISMA,
                       {"public._prisma_migrations": ("warning", 1)}),
    "Prisma, not edited": ("migration-checksum-mismatch", prisma("public", ("1_a", "now()", "NULL", "NULL", 9))
                           + f"UPDATE _prisma_migrations SET checksum = '{ABC}';", PRISMA, {}),
    "sqlx, edited": ("migration-checksum-mismatch", sqlx("public", (1, True, SHA384), (2, True, "00")), SQLX, {"public._sqlx_migrations": ("warning", 1)}),
    "Prisma, behind": ("migration-behind-head", prisma("public", ("1_a", "now()", "NULL", "NULL", 9)), PRISMA, {"public._prisma_migrations": ("warning", 1)}),
    "Knex, compiled": ("migration-behind-head", knex("public", "1_a.js", "2_b.js", "3_c.js"), KNEX, {}),
    "Knex, behind": ("migration-behind-head", knex("public", "1_a.js", "2_b.js"), KNEX, {"public.knex_migrations": ("warning", 1)}),
    "Knex, unknown": ("migration-unknown-revision", knex("public", "0_a.js", "1_a.js"), KNEX, {"public.knex_migrations": ("warning", 1)}),
    "Liquibase, behind": ("migration-behind-head", liquibase("public", ("1", "me", "db/changelog/a.sql", "EXECUTED")), LIQUIBASE,
                          {"public.databasechangelog": ("warning", 1)}),
    "Liquibase, all but another context": ("migration-behind-head", liquibase("public", ("1", "me", "a.sql", "EXECUTED"), ("3", "me", "x/a.sql", "MARK_RAN")),
                                           LIQUIBASE, {}),
    "dbmate, behind": ("migration-behind-head", versioned("public", "1"), {"1_a.sql": "-- migrate:up\n", "2_b.sql": "-- migrate:up\n"},
                       {"public.schema_migrations": ("warning", 1)}),
    "goose, rolled back": ("migration-behind-head", goose("public", (0, True), (1, True), (2, True), (2, False)),
                           {"1_a.sql": "-- +goose Up\n", "00002_b.sql": "-- +goose Up\n"}, {"public.goose_db_version": ("warning", 1)}),
    "golang-migrate, behind": ("migration-behind-head", golang("public", (1, False)), {"1_a.up.sql": "", "1_a.down.sql": "", "2_b.up.sql": ""},
                               {"public.schema_migrations": ("warning", 1)}),
    "golang-migrate, unknown": ("migration-unknown-revision", golang("public", (3, False)), {"1_a.up.sql": "", "2_b.up.sql": ""},
                                {"public.schema_migrations": ("warning", 1)}),
    "another tool's table": ("migration-behind-head", alembic("public", "a") + knex("k", "1_a.js", "2_b.js", "3_c.js"), KNEX, {}),
}


def make_folder(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def looks(cluster, check, folders):
    """Database -> its findings of the check, all in one run."""
    with tempfile.TemporaryDirectory(prefix="dbh-look-") as made:
        conf = pathlib.Path(made) / "look.conf"
        conf.write_text(config_text({}, {db: {"dsn": cluster.dsn(db), "expect_migration": f"head of {f}"} for db, f in folders.items()}))
        conf.chmod(0o600)
        said = Cli(pathlib.Path(made), "-o", "json", "check", "-c", conf, "--check", check, "--deep").json
    assert said["unknown"] + said["not_covered"] == []
    assert {f["check"] for f in said["findings"]} <= {check}
    return {db: {f["object"]: f for f in said["findings"] if f["database"] == db} for db in folders}


CHECKS = sorted({check for check, *_ in FOLDERS.values()} - {"migration-checksum-mismatch"})


@pytest.mark.parametrize("check", [pytest.param(c, marks=proves(c)) for c in CHECKS])
def test_files_of_a_folder(module_cluster, tmp_path, check):
    files_of_folders(module_cluster, tmp_path, check)


@proves("migration-checksum-mismatch")
def test_checksums_of_files(module_cluster, tmp_path):
    found = files_of_folders(module_cluster, tmp_path, "migration-checksum-mismatch")
    for db, f in [(db, f) for db in found for f in found[db].values()]:
        assert mend(module_cluster, db, f)
    assert not any(looks(module_cluster, "migration-checksum-mismatch", {db: tmp_path / db for db in found}).values())


def files_of_folders(module_cluster, tmp_path, check):
    folders, expect = {}, {}
    for name, (which, script, files, found) in FOLDERS.items():
        if which == check:
            db = module_cluster.createdb(database_name(name)[6:] + check[10:12])
            module_cluster.script(script, db)
            folders[db] = make_folder(tmp_path / db, files)
            expect[db] = found
    found = looks(module_cluster, check, folders)
    assert {db: {o: (f["severity"], f["value"]) for o, f in found[db].items()} for db in folders} == expect
    return found
