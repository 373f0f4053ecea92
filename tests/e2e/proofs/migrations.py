"""What migration tools have noted.  The tables are as the tools make them: Alembic 1.8, Django 3.2, Rails 6.1, Flyway
10, Liquibase 4.27, golang-migrate 4.17, dbmate 2.36, goose 3.20, Prisma 5, Knex 3, sqlx 0.7."""
from proof import Proof, look, mend, proves, test_fault_is_found_and_its_remedies_close_it  # noqa: F401

READ = "GRANT USAGE ON SCHEMA {0} TO dbhealth; GRANT SELECT ON ALL TABLES IN SCHEMA {0} TO dbhealth;"
PUBLIC = READ.format("public")


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
