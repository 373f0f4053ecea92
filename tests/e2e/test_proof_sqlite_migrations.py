"""What migration tools have noted in a SQLite file, proven on real files (proof_sqlite.prove).  The tables are as Alembic, Django,
Rails, dbmate, Knex, Prisma, sqlx, goose, golang-migrate, Flyway and Liquibase make them there."""
import sqlite3

import pytest

from proof import proves
from proof_sqlite import Proof, cases, closing, configure, look, prove, run
from proofs.migrations import ABC, ALEMBIC, CRC, DJANGO, FLYWAY, KNEX, LIQUIBASE, PRISMA, RAILS, SHA384, SQLX, make_folder
from support import Cli
from support.daemon import config_text

NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
AGO = "strftime('%Y-%m-%d %H:%M:%f', 'now', '-{} minutes')"


def text(x):
    return "NULL" if x is None else "'" + str(x).replace("'", "''") + "'"


def alembic(*revisions, table="alembic_version"):
    return (f"CREATE TABLE {table} (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));"
            + "".join(f"INSERT INTO {table} VALUES ('{r}');" for r in revisions))


def django(*names, table="django_migrations"):
    return (f'CREATE TABLE {table} ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app" varchar(255) NOT NULL, "name" varchar(255) NOT NULL, '
            '"applied" datetime NOT NULL);'
            + "".join("INSERT INTO {} (app, name, applied) VALUES ('{}', '{}', {});".format(table, *n.split("."), NOW) for n in names))


def versioned(*versions, kind="varchar(128)", table='"schema_migrations"', key="primary key"):
    return f"CREATE TABLE {table} (version {kind} {key});" + "".join(f"INSERT INTO {table} VALUES ('{v}');" for v in versions)


def rails(*versions):
    return versioned(*versions, kind="varchar NOT NULL") + (
        'CREATE TABLE "ar_internal_metadata" ("key" varchar NOT NULL PRIMARY KEY, "value" varchar, "created_at" datetime(6) NOT NULL, '
        f"\"updated_at\" datetime(6) NOT NULL); INSERT INTO ar_internal_metadata VALUES ('environment', 'production', {NOW}, {NOW});")


def flyway(*rows, table='"flyway_schema_history"'):
    """rows: (version or None, description, type, checksum or None, success)"""
    out = (f'CREATE TABLE {table} ("installed_rank" INT NOT NULL PRIMARY KEY, "version" VARCHAR(50), "description" VARCHAR(200) NOT NULL, '
           '"type" VARCHAR(20) NOT NULL, "script" VARCHAR(1000) NOT NULL, "checksum" INT, "installed_by" VARCHAR(100) NOT NULL, '
           "\"installed_on\" TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')), \"execution_time\" INT NOT NULL, \"success\" BOOLEAN NOT NULL);")
    for rank, (version, description, kind, checksum, success) in enumerate(rows, 1):
        out += (f"INSERT INTO {table} (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success) "
                f"VALUES ({rank}, {text(version)}, '{description}', '{kind}', 'x.sql', {checksum if checksum is not None else 'NULL'}, '', 7, {int(success)});")
    return out


def golang(*rows, table="schema_migrations"):
    index = '"' + table.strip('"') + '_unique"'
    return (f"CREATE TABLE {table} (version uint64,dirty bool); CREATE UNIQUE INDEX {index} ON {table} (version);"
            + "".join(f"INSERT INTO {table} VALUES ({v}, {d});" for v, d in rows))


def goose(*rows):
    return ("CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, "
            "tstamp TIMESTAMP DEFAULT (datetime('now')));"
            + "".join(f"INSERT INTO goose_db_version (version_id, is_applied) VALUES ({v}, {a});" for v, a in rows))


def ms(minutes):
    return f"(CAST(unixepoch() AS INTEGER) - {60 * minutes}) * 1000"


def prisma(*rows):
    """rows: (name, finished, rolled back, logs, minutes since it began)"""
    return ('CREATE TABLE "_prisma_migrations" ("id" TEXT PRIMARY KEY NOT NULL, "checksum" TEXT NOT NULL, "finished_at" DATETIME, '
            '"migration_name" TEXT NOT NULL, "logs" TEXT, "rolled_back_at" DATETIME, "started_at" DATETIME NOT NULL DEFAULT current_timestamp, '
            '"applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0);'
            + "".join(f"INSERT INTO _prisma_migrations VALUES (lower(hex(randomblob(16))), '{'a' * 64}', {f}, '{n}', {log}, {r}, {ms(m)}, 0);"
                      for n, f, r, log, m in rows))


def knex(*names, locked=0):
    return ("CREATE TABLE `knex_migrations` (`id` integer not null primary key autoincrement, `name` varchar(255), `batch` integer, "
            "`migration_time` datetime); CREATE TABLE `knex_migrations_lock` (`index` integer not null primary key autoincrement, `is_locked` integer);"
            f"INSERT INTO knex_migrations_lock (is_locked) VALUES ({locked});"
            + "".join(f"INSERT INTO knex_migrations (name, batch, migration_time) VALUES ('{n}', 1, {ms(0)});" for n in names))


def sqlx(*rows):
    return ("CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT "
            "CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL);"
            + "".join(f"INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES ({v}, 'x', {ok}, x'{c}', 5);" for v, ok, c in rows))


def liquibase(*rows, lock=None):
    """rows: (id, author, file, exectype); lock: (locked, granted, by) as SQL"""
    values = "".join(f"INSERT INTO DATABASECHANGELOG (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, EXECTYPE) "
                     f"VALUES ('{i}', '{a}', '{f}', {NOW}, {n}, '{x}');" for n, (i, a, f, x) in enumerate(rows, 1))
    return ("CREATE TABLE DATABASECHANGELOG (ID TEXT NOT NULL, AUTHOR TEXT NOT NULL, FILENAME TEXT NOT NULL, DATEEXECUTED TEXT NOT NULL, "
            "ORDEREXECUTED INTEGER NOT NULL, EXECTYPE TEXT NOT NULL, MD5SUM TEXT, DESCRIPTION TEXT, COMMENTS TEXT, TAG TEXT, LIQUIBASE TEXT, "
            "CONTEXTS TEXT, LABELS TEXT, DEPLOYMENT_ID TEXT); CREATE TABLE DATABASECHANGELOGLOCK (ID INTEGER NOT NULL, LOCKED BOOLEAN NOT NULL, "
            "LOCKGRANTED TEXT, LOCKEDBY TEXT, CONSTRAINT PK_DATABASECHANGELOGLOCK PRIMARY KEY (ID));"
            f"{values} INSERT INTO DATABASECHANGELOGLOCK VALUES (1, {', '.join(lock or ('0', 'NULL', 'NULL'))});")


NASTY = '"o\'dd ""x"" :migrations %s {0} ?1\nñ"'
SHOWN = 'o\'dd "x" :migrations %s {0} ?1\nñ'
# One database rarely has more than one of them; here all that do not share a name.
EVERY = (alembic("1a") + django("shop.0001_initial") + flyway((None, "<< Flyway Schema Creation >>", "SCHEMA", None, True), ("1", "a", "SQL", 1, True))
         + golang((1, 0)) + goose((0, 1), (1, 1)) + prisma(("1_a", ms(60), "NULL", "NULL", 60)) + knex("1_a.js") + sqlx((1, 1, "00"))
         + liquibase(("1", "me", "db/a.sql", "EXECUTED")))
# Tables of applications, which only sound like a tool's.
LOOK_ALIKES = """
    CREATE TABLE app_schema_migrations (version bigint PRIMARY KEY, inserted_at timestamp);
    CREATE TABLE my_alembic_version (version_num varchar(32), mood text);
    CREATE TABLE flags (version bigint, dirty text); CREATE TABLE flagged (version text, dirty bool);
    CREATE TABLE jobs (id int, locked boolean, lockedby text); CREATE TABLE migrations (id int, migration varchar(255), batch int);
    CREATE TABLE release (version varchar(20)); CREATE VIEW alembic AS SELECT 'x' AS version_num;
    CREATE VIRTUAL TABLE found USING fts5(version_num);
"""
TWICE = "INSERT INTO _prisma_migrations SELECT 'again', checksum, finished_at, migration_name, logs, rolled_back_at, started_at + 1000, 0 FROM _prisma_migrations WHERE migration_name = '1_a';"

PROOFS = {
    "table missing": Proof("migration-table-missing", "CREATE TABLE t (a int);" + LOOK_ALIKES, {"main.my_alembic_version": ("warning", 1)}, closes=set(),
                           keys={"migration_table": "main.my_alembic_version"}, mend=alembic("1a", table="x") + "DROP TABLE my_alembic_version; ALTER TABLE x RENAME TO my_alembic_version;"),
    "tool without a table": Proof("migration-table-missing", alembic("1a"), {"flyway_schema_history": ("warning", 1)}, closes=set(),
                                  keys={"migration_tool": "flyway"}, mend=flyway()),
    "a revision and no table": Proof("migration-table-missing", "CREATE TABLE t (a);", {"schema_migrations": ("warning", 1)}, closes=set(), keys={"expect_migration": "1a"}),
    "table by another name": Proof("migration-table-missing", alembic("1a", table="My_Version") + django(), {},
                                   keys={"migration_table": "my_version", "migration_tool": "alembic"}),
    "none is looked for": Proof("migration-table-missing", LOOK_ALIKES, {}, keys={"migration_tool": "none", "expect_migration": "1a"}),

    "empty bookkeeping": Proof("migration-version-empty", alembic() + "CREATE TABLE t (a int); CREATE TABLE u (a int);", {"alembic_version": ("warning", 2)},
                               closes=set(), mend="INSERT INTO alembic_version VALUES ('1a');"),
    "empty bookkeeping, goose": Proof("migration-version-empty", goose((0, 1)) + "CREATE TABLE t (a);", {"goose_db_version": ("warning", 1)}, closes=set()),
    "empty bookkeeping, Flyway": Proof("migration-version-empty", flyway((None, "<< Flyway Schema Creation >>", "SCHEMA", None, True)) + "CREATE TABLE t (a);",
                                       {"flyway_schema_history": ("warning", 1)}, closes=set()),
    "filled bookkeeping": Proof("migration-version-empty", EVERY + LOOK_ALIKES, {}),
    "fresh database": Proof("migration-version-empty", liquibase() + "CREATE VIEW v AS SELECT 1;", {}),
    "fresh database of Rails": Proof("migration-version-empty", rails(), {}),

    "several heads": Proof("migration-multiple-heads", alembic("1a", "2b") + alembic("x", "y", "z", table=NASTY) + django("shop.0001_initial") + LOOK_ALIKES, {
        "alembic_version": ("critical", 2), SHOWN: ("critical", 3)}, closes=set(), mend=f"DELETE FROM alembic_version WHERE version_num = '1a'; DROP TABLE {NASTY};"),
    "one head": Proof("migration-multiple-heads", EVERY + rails("1", "2").replace("schema_migrations", "my_schema_migrations"), {}),
    "heads that are expected": Proof("migration-multiple-heads", alembic("1a", "2b"), {}, keys={"expect_migration": "2b, 1a"}),

    "failed": Proof("migration-failed", flyway(("1", "a", "SQL", 1, True), ("2", "b", "SQL", 2, False)) + sqlx((1, 1, "00"), (2, 0, "00"))
                    + prisma(("1_a", ms(99), "NULL", "NULL", 99), ("2_b", "NULL", "NULL", "NULL", 60),
                             # running, rolled back, made good later
                             ("3_c", "NULL", "NULL", "NULL", 2), ("4_d", "NULL", ms(9), "'E'", 60), ("5_e", "NULL", "NULL", "'E'", 60), ("5_e", ms(50), "NULL", "NULL", 51))
                    + liquibase(("1", "me", "a.sql", "EXECUTED"), ("2", "o''me", "a.sql", "FAILED")) + alembic("1a") + django() + goose((0, 1)) + LOOK_ALIKES, {
        "flyway_schema_history": ("critical", 1), "_sqlx_migrations": ("critical", 1), "_prisma_migrations": ("critical", 1), "DATABASECHANGELOG": ("critical", 1)}),
    "failed at once": Proof("migration-failed", prisma(("1_a", "NULL", "NULL", "'E: syntax'", 1)), {"_prisma_migrations": ("critical", 1)}),
    "failed first, then well": Proof("migration-failed", flyway(("1", "a", "SQL", 1, False), ("1", "a", "SQL", 1, True), (None, "r", "SQL", 1, False),
                                                                (None, "r", "SQL", 1, True), ("2", "b", "SQL", 1, False), ("2", "b", "DELETE", 1, True)), {}),

    "dirty": Proof("migration-dirty", golang((7, 1)) + golang((20240101000000, 1), table='"t%"') + golang((7, 0), table="clean") + LOOK_ALIKES, {
        "schema_migrations": ("critical", 1), "t%": ("critical", 1)}),
    "not dirty": Proof("migration-dirty", EVERY + LOOK_ALIKES, {}),

    "duplicates": Proof("migration-duplicate-version", django("shop.0001_initial", "shop.0001_initial", "shop.0002_x", "cart.0001_initial")
                        + knex("1_a.js", "1_a.js", "1_a.js", "2_b.js") + versioned("1", "1", "2", key="")
                        + flyway(("1.0", "a", "SQL", 1, True), ("1.0", "a", "SQL", 1, True))
                        + liquibase(("1", "me", "a.sql", "EXECUTED"), ("1", "me", "a.sql", "EXECUTED"))
                        + prisma(("1_a", ms(9), "NULL", "NULL", 9)) + TWICE, {
        "django_migrations": ("warning", 2), "knex_migrations": ("warning", 3), "schema_migrations": ("warning", 2),
        "flyway_schema_history": ("warning", 2), "DATABASECHANGELOG": ("warning", 2), "_prisma_migrations": ("warning", 2)}),
    "not twice": Proof("migration-duplicate-version", flyway((None, "r", "SQL", 1, True), (None, "r", "SQL", 2, True), ("1", "a", "SQL", 1, True), ("1", "a", "UNDO_SQL", 1, True),
                                                             ("1", "a", "SQL", 1, True), ("2", "b", "SQL", 1, False), ("2", "b", "SQL", 1, True))
                       + liquibase(("1", "me", "a.sql", "EXECUTED"), ("1", "you", "a.sql", "EXECUTED"), ("1", "me", "x/a.sql", "EXECUTED"))
                       + prisma(("1_a", ms(9), ms(8), "NULL", 9), ("1_a", ms(7), "NULL", "NULL", 8)) + goose((0, 1), (1, 1), (1, 0), (1, 1))
                       + alembic("1a") + rails("1", "01") + LOOK_ALIKES, {}),

    "out of order": Proof("migration-out-of-order", flyway(("1", "a", "SQL", 1, True), ("10", "b", "SQL", 1, True), ("9.5", "c", "SQL", 1, True))
                          + goose((0, 1), (20240201000000, 1), (20240101000000, 1)) + knex("20240201_b.js", "20240101_a.js") + LOOK_ALIKES, {
        "flyway_schema_history": ("info", 1), "goose_db_version": ("info", 1), "knex_migrations": ("info", 1)}, closes=set(),
        mend="UPDATE flyway_schema_history SET installed_rank = 0 WHERE version = '9.5'; UPDATE flyway_schema_history SET installed_rank = -1 WHERE version = '1';"
             "UPDATE goose_db_version SET id = 0 WHERE version_id = 20240101000000; DELETE FROM knex_migrations WHERE id = 2;"),
    # 9 before 10, 1.0 and 1, a baseline, repeatables, undone
    "in order": Proof("migration-out-of-order", flyway(("5", "base", "BASELINE", None, True), ("9", "a", "SQL", 1, True), (None, "r", "SQL", 1, True),
                                                       ("10", "a", "SQL", 1, True), ("10.0.1", "a", "SQL", 1, True), ("1.1", "old", "SQL", 1, True), ("1.1", "old", "UNDO_SQL", 1, True))
                      + goose((0, 1), (2, 1), (2, 0), (1, 1), (2, 1)) + sqlx((9, 1, "00"), (10, 1, "00")) + rails("2", "1") + django("b.0002_x", "b.0001_x") + LOOK_ALIKES, {}),

    "two tools": Proof("migration-multiple-tools", alembic("1a") + django("shop.0001_initial") + LOOK_ALIKES, {"*": ("warning", 2)}, closes=set(),
                       mend="DROP TABLE django_migrations;"),
    "one tool with its other tables": Proof("migration-multiple-tools", liquibase() + LOOK_ALIKES, {}),
    "rails and its metadata": Proof("migration-multiple-tools", rails("1") + LOOK_ALIKES, {}),
    "two tools, one counts": Proof("migration-multiple-tools", alembic("1a") + django(), {}, keys={"migration_tool": "alembic"}),

    "behind one revision": Proof("migration-behind-head", EVERY + LOOK_ALIKES, {"alembic_version": ("warning", 1)}, closes=set(),
                                 keys={"expect_migration": "2b", "migration_tool": "alembic"}, mend="UPDATE alembic_version SET version_num = '2b';"),
    "at the revision": Proof("migration-behind-head", EVERY + alembic("0x", table="other"), {}, keys={"expect_migration": "1a", "migration_table": "alembic_version"}),
    "behind by numbers": Proof("migration-behind-head", flyway(("1.9", "a", "SQL", 1, True)), {"flyway_schema_history": ("warning", 1)}, closes=set(),
                               keys={"expect_migration": "1.10"}, mend="UPDATE flyway_schema_history SET version = '1.10';"),
    "1.10 is not 1.1": Proof("migration-behind-head", flyway(("1.1", "a", "SQL", 1, True)), {"flyway_schema_history": ("warning", 1)}, closes=set(), keys={"expect_migration": "1.10"}),
    "ahead by numbers": Proof("migration-behind-head", golang((10, 0)), {}, keys={"expect_migration": "9"}),
    "flyway's baseline": Proof("migration-behind-head", flyway(("2.0", "a", "BASELINE", None, True)), {}, keys={"expect_migration": "1.10"}),
    "the same in other words": Proof("migration-behind-head", flyway(("1.10.0", "a", "SQL", 1, True)), {}, keys={"expect_migration": "1_10"}),

    "left out": Proof("migration-pending", rails("1", "3", "4") + LOOK_ALIKES, {"schema_migrations": ("warning", 1)}, closes=set(),
                      keys={"known_migrations": ["1", "2", "3", "4", "5"]}, mend="INSERT INTO schema_migrations VALUES ('2');"),
    "left out, Django": Proof("migration-pending", django("a.0001_x", "a.0003_z", "b.0001_x"), {"django_migrations": ("warning", 1)}, closes=set(),
                              keys={"known_migrations": ["a.0001_x", "a.0002_y", "a.0003_z", "b.0001_x", "b.0002_y"]}),
    "below the baseline": Proof("migration-pending", flyway(("3", "a", "BASELINE", None, True), ("4", "a", "SQL", 1, True)), {}, keys={"known_migrations": ["1", "2", "3", "4", "5"]}),

    "unknown revision": Proof("migration-unknown-revision", alembic("3c") + LOOK_ALIKES, {"alembic_version": ("warning", 1)}, closes=set(),
                              keys={"known_migrations": ["1a", "2b"]}, mend="UPDATE alembic_version SET version_num = '2b';"),
    "older than what is left": Proof("migration-unknown-revision", rails("1", "2", "30", "40"), {}, keys={"known_migrations": ["30", "40"]}),
    "newer than the code": Proof("migration-unknown-revision", rails("1", "2", "30", "40", "100"), {"schema_migrations": ("warning", 1)}, closes=set(), keys={"known_migrations": ["30", "40"]}),

    "old lock": Proof("migration-lock-stuck", liquibase(lock=("1", AGO.format(60), "'host (10.1.2.3)'")) + LOOK_ALIKES, {"DATABASECHANGELOGLOCK": ("critical", None)}),
    "old lock, in milliseconds": Proof("migration-lock-stuck", liquibase(lock=("1", ms(60), "'host (10.1.2.3)'")), {"DATABASECHANGELOGLOCK": ("critical", None)}),
    "young lock": Proof("migration-lock-stuck", liquibase(lock=("1", AGO.format(5), "'host (10.1.2.3)'")), {}),
    "lock of another time zone": Proof("migration-lock-stuck", liquibase(lock=("1", "strftime('%Y-%m-%d %H:%M:%f', 'now', '+2 hours')", "'host (10.1.2.3)'")),
                                       {"DATABASECHANGELOGLOCK": ("info", 0)}),
    "lock without a time": Proof("migration-lock-stuck", knex("1_a.js", locked=1), {"knex_migrations_lock": ("warning", 0)}),
    "free locks": Proof("migration-lock-stuck", EVERY + LOOK_ALIKES, {}),

    "rows that no tool writes": Proof("migration-failed", prisma(("1_a", "NULL", "NULL", "x'ff00'", 60)) + sqlx((1, 1, "00")) + "CREATE TABLE s (version BIGINT, description TEXT, "
                                      "installed_on TEXT, success BOOLEAN, checksum BLOB, execution_time BIGINT); INSERT INTO s VALUES (NULL, x'00', x'ff', x'ff', NULL, 'x'), (9, 1, 1, 0, 1, 1);",
                                      {"_prisma_migrations": ("critical", 1), "s": ("critical", 1)}),
}

for proof in PROOFS.values():
    proof.kinds = ("sql",)  # the tools themselves are not here

# check, what is in the database, what is in the folder, object -> (severity, value)
SM, FH = "schema_migrations", "flyway_schema_history"
FOLDERS = {
    "Alembic, behind": ("migration-behind-head", alembic("a"), ALEMBIC, {"alembic_version": ("warning", 2)}),
    "Alembic, at its head": ("migration-behind-head", alembic("c"), ALEMBIC, {}),
    "Alembic, a branch begun": ("migration-behind-head", alembic("a", "p"), ALEMBIC, {"alembic_version": ("warning", 2)}),
    "Alembic, nothing applied": ("migration-behind-head", alembic(), ALEMBIC, {"alembic_version": ("warning", 4)}),
    "Alembic, ahead is another check's": ("migration-behind-head", alembic("z"), ALEMBIC, {}),
    "Alembic, unknown": ("migration-unknown-revision", alembic("z"), ALEMBIC, {"alembic_version": ("warning", 1)}),
    "Alembic, known": ("migration-unknown-revision", alembic("b", "p"), ALEMBIC, {}),
    "Alembic, labelled branches": ("migration-multiple-heads", alembic("c", "p"), {
        **ALEMBIC, "versions/a.py": "revision = 'a'\ndown_revision = None\nbranch_labels = ('main',)\n"}, {}),
    "Alembic, heads without labels": ("migration-multiple-heads", alembic("c", "b"), ALEMBIC, {"alembic_version": ("critical", 2)}),
    "Django, behind": ("migration-behind-head", django("shop.0001_initial", "shop.0002_x", "auth.0001_initial"), DJANGO, {"django_migrations": ("warning", 1)}),
    "Django, squashed": ("migration-pending", django("shop.0003_squashed", "shop.0004_y"), DJANGO, {}),
    "Django, not squashed": ("migration-pending", django("shop.0001_initial", "shop.0002_x", "shop.0004_y"), DJANGO, {}),
    "Django, left out": ("migration-pending", django("shop.0002_x", "shop.0004_y"), DJANGO, {"django_migrations": ("warning", 2)}),
    "Django, other applications": ("migration-unknown-revision", django("shop.0004_y", "auth.0099_z", "shop.0000_old"), DJANGO, {}),
    "Django, unknown": ("migration-unknown-revision", django("shop.0005_z"), DJANGO, {"django_migrations": ("warning", 1)}),
    "Rails, behind": ("migration-behind-head", rails("1", "2"), RAILS, {SM: ("warning", 1)}),
    "Rails, left out": ("migration-pending", rails("1", "10"), RAILS, {SM: ("warning", 1)}),
    "Rails, all": ("migration-behind-head", rails("1", "2", "10"), RAILS, {}),
    "Flyway, behind": ("migration-behind-head", flyway(("1", "a", "SQL", CRC, True), ("2", "b", "SQL", CRC, True)), FLYWAY, {FH: ("warning", 2)}),
    "Flyway, all": ("migration-behind-head", flyway(("2", "base", "BASELINE", None, True), ("10", "c", "SQL", 0, True), (None, "view", "SQL", CRC, True)), FLYWAY, {}),
    "Flyway, a view changed": ("migration-behind-head", flyway(("10", "c", "SQL", 0, True), (None, "view", "SQL", 1, True)), FLYWAY, {FH: ("warning", 1)}),
    "Flyway, edited": ("migration-checksum-mismatch", flyway(("1", "a", "SQL", CRC, True), ("2", "b", "SQL", 77, True), ("10", "c", "SQL", None, True),
                                                             (None, "view", "SQL", 1, True)), FLYWAY, {FH: ("warning", 1)}),
    "Prisma, edited": ("migration-checksum-mismatch", prisma(("1_a", ms(9), "NULL", "NULL", 9)), PRISMA, {"_prisma_migrations": ("warning", 1)}),
    "Prisma, not edited": ("migration-checksum-mismatch", prisma(("1_a", ms(9), "NULL", "NULL", 9)) + f"UPDATE _prisma_migrations SET checksum = '{ABC}';", PRISMA, {}),
    "sqlx, edited": ("migration-checksum-mismatch", sqlx((1, 1, SHA384), (2, 1, "00")), SQLX, {"_sqlx_migrations": ("warning", 1)}),
    "Prisma, behind": ("migration-behind-head", prisma(("1_a", ms(9), "NULL", "NULL", 9)), PRISMA, {"_prisma_migrations": ("warning", 1)}),
    "Knex, compiled": ("migration-behind-head", knex("1_a.js", "2_b.js", "3_c.js"), KNEX, {}),
    "Knex, behind": ("migration-behind-head", knex("1_a.js", "2_b.js"), KNEX, {"knex_migrations": ("warning", 1)}),
    "Knex, unknown": ("migration-unknown-revision", knex("0_a.js", "1_a.js"), KNEX, {"knex_migrations": ("warning", 1)}),
    "Liquibase, behind": ("migration-behind-head", liquibase(("1", "me", "db/changelog/a.sql", "EXECUTED")), LIQUIBASE, {"DATABASECHANGELOG": ("warning", 1)}),
    "Liquibase, all but another context": ("migration-behind-head", liquibase(("1", "me", "a.sql", "EXECUTED"), ("3", "me", "x/a.sql", "MARK_RAN")), LIQUIBASE, {}),
    "dbmate, behind": ("migration-behind-head", versioned("1"), {"1_a.sql": "-- migrate:up\n", "2_b.sql": "-- migrate:up\n"}, {SM: ("warning", 1)}),
    "goose, rolled back": ("migration-behind-head", goose((0, 1), (1, 1), (2, 1), (2, 0)), {"1_a.sql": "-- +goose Up\n", "00002_b.sql": "-- +goose Up\n"},
                           {"goose_db_version": ("warning", 1)}),
    "golang-migrate, behind": ("migration-behind-head", golang((1, 0)), {"1_a.up.sql": "", "1_a.down.sql": "", "2_b.up.sql": ""}, {SM: ("warning", 1)}),
    "golang-migrate, unknown": ("migration-unknown-revision", golang((3, 0)), {"1_a.up.sql": "", "2_b.up.sql": ""}, {SM: ("warning", 1)}),
    "another tool's table": ("migration-behind-head", alembic("a") + knex("1_a.js", "2_b.js", "3_c.js"), KNEX, {}),
    "files without a table": ("migration-table-missing", alembic("a"), KNEX, {"knex_migrations": ("warning", 1)}),
    "files and their table": ("migration-table-missing", knex(), KNEX, {}),
}


@pytest.mark.parametrize("name", cases(PROOFS))
def test_fault_is_found_and_its_remedies_close_it(folder, sqlite, name):
    prove(folder, sqlite, PROOFS[name])


def looks(folder, check, files):
    """Database -> its findings of the check, all in one run; files: database -> (file, folder of migrations)"""
    conf = folder.path / "look.conf"
    conf.write_text(config_text({}, {db: {"dsn": f.dsn, "expect_migration": f"head of {made}"} for db, (f, made) in files.items()}))
    conf.chmod(0o644)
    said = Cli(folder, "check", "-o", "json", "--check", check, "-c", conf).json
    assert said["unknown"] + said["not_covered"] == []
    assert {f["check"] for f in said["findings"]} <= {check}
    return {db: {f["object"]: f for f in said["findings"] if f["database"] == db} for db in files}


def files_of_folders(folder, sqlite, check):
    """file and folder by database, and what is found there, which is what was to be."""
    files, expect = {}, {}
    for i, (name, (which, script, made, found)) in enumerate(FOLDERS.items()):
        if which == check:
            db = f"d{i}"
            files[db] = sqlite(f"{db}.db", script), make_folder(folder.path / f"{db} files", made)
            expect[db] = name, found
    found = looks(folder, check, files)
    assert {db: (expect[db][0], {o: (f["severity"], f["value"]) for o, f in found[db].items()}) for db in files} == expect
    return files, found


CHECKS = sorted({check for check, *_ in FOLDERS.values()} - {"migration-checksum-mismatch"})


@pytest.mark.parametrize("check", [pytest.param(c, marks=proves(c, engine="sqlite")) for c in CHECKS])
def test_files_of_a_folder(folder, sqlite, check):
    files_of_folders(folder, sqlite, check)


@proves("migration-checksum-mismatch", engine="sqlite")
def test_checksums_of_files(folder, sqlite):
    files, found = files_of_folders(folder, sqlite, "migration-checksum-mismatch")
    for db, finding in [(db, f) for db in found for f in found[db].values()]:
        remedy, = closing(finding, ("sql",))
        run(remedy, files[db][0].path)
    assert not any(looks(folder, "migration-checksum-mismatch", files).values())


@proves("migration-dirty", engine="sqlite")
def test_dirty_while_the_migration_writes_is_no_finding(folder, sqlite):
    f = sqlite("app.db", "PRAGMA journal_mode = wal;" + golang((7, 1)))
    with sqlite3.connect(f.path, isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert look(folder, f.dsn, "migration-dirty") == {}
        writer.execute("COMMIT")
        assert list(look(folder, f.dsn, "migration-dirty")) == ["schema_migrations"]
    writer.close()


@proves("migration-lock-stuck", engine="sqlite")
def test_lock_of_a_migration_that_writes_is_a_warning(folder, sqlite):
    f = sqlite("app.db", "PRAGMA journal_mode = wal;" + liquibase(lock=("1", AGO.format(60), "'me'")))
    with sqlite3.connect(f.path, isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert [x["severity"] for x in look(folder, f.dsn, "migration-lock-stuck").values()] == ["warning"]
        writer.execute("COMMIT")
    writer.close()
    assert [x["severity"] for x in look(folder, f.dsn, "migration-lock-stuck").values()] == ["critical"]


@proves("migration-behind-head", engine="sqlite")
def test_folder_that_cannot_be_read_is_unknown(folder, sqlite):
    f = sqlite("app.db", alembic("1a"))
    conf = configure(folder, f.dsn, keys={"expect_migration": f"head of {folder.path}/nowhere"})
    said = Cli(folder, "check", "-o", "json", "--check", "migration-*", "-c", conf).json
    assert said["findings"] == []
    assert {"migration-behind-head", "migration-pending"} <= {u["check"] for u in said["unknown"]} and "migration-failed" not in {u["check"] for u in said["unknown"]}
    assert all("nowhere" in u["reason"] for u in said["unknown"]), said["unknown"]


@proves("migration-behind-head", engine="sqlite")
def test_many_migrations_fit(folder, sqlite):
    n = 5000
    f = sqlite("app.db", f"BEGIN; {rails(*(str(20200000000000 + i) for i in range(n)))} COMMIT;")
    made = make_folder(folder.path / "files", {f"{20200000000000 + i}_add_column_to_customers.rb": "" for i in range(n + 1)})
    conf = configure(folder, f.dsn, keys={"expect_migration": f"head of {made}"})
    said = Cli(folder, "check", "-o", "json", "--check", "migration-*", "-c", conf).json
    assert said["unknown"] == [] and [(x["check"], x["value"]) for x in said["findings"]] == [("migration-behind-head", 1)]


@proves("migration-lock-stuck", engine="sqlite")
def test_a_lock_is_stuck_when_we_have_seen_it_long_enough(daemon, sqlite):
    f = sqlite("app.db", knex("1_a.js", locked=1))
    d = daemon(databases={"app": {"dsn": f.dsn}}, defaults={"connectivity_interval": "1s", "schema_interval": "1s"},
               sections={"check migration-lock-stuck": {"param.age": "4s"}})
    d.wait_finding("migration-lock-stuck", "knex_migrations_lock", severity="critical", within=40)
    f.sql("UPDATE knex_migrations_lock SET is_locked = 0")
    d.wait_gone("migration-lock-stuck")
