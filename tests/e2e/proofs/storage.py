"""Files of the server against its catalogue."""
import contextlib

from proof import look, mend, proves
from support import Cluster, Template

LS = "GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean) TO dbhealth;"


@proves("relation-file-missing")
def test_file_that_is_gone(cluster):
    c = cluster()
    db = c.createdb("proof_missing")
    c.script("""
        CREATE TABLE "lo'st" (a int PRIMARY KEY, b text); INSERT INTO "lo'st" SELECT 1, 'x'; CREATE INDEX gone ON "lo'st" (b);
        -- look-alikes: no file of their own, or another one by now
        CREATE VIEW v AS SELECT 1; CREATE TABLE tree (a int) PARTITION BY LIST (a); CREATE TABLE tree1 PARTITION OF tree DEFAULT;
        CREATE UNLOGGED TABLE fast (a int); CREATE TABLE rewritten (a int); CREATE SEQUENCE s; CREATE MATERIALIZED VIEW m AS SELECT 1;
        CREATE TYPE pair AS (a int, b int); CHECKPOINT; VACUUM FULL rewritten;""", db)
    assert "pg_ls_dir" in str(look_denied(c, db)), "the right is named"
    c.script(LS, db)
    with contextlib.closing(c.session(db)) as s, s.cursor() as cur:
        cur.execute("CREATE TEMP TABLE tt (a int)")
        assert look(c, db, "relation-file-missing") == []
        table = c.data / c.one("SELECT pg_relation_filepath('\"lo''st\"')", dbname=db)
        index = c.data / c.one("SELECT pg_relation_filepath('gone')", dbname=db)
        index.unlink()
        table.rename(table.with_suffix(".away"))
        found = {f["object"]: f for f in look(c, db, "relation-file-missing")}
    assert {o: (f["severity"], f["value"]) for o, f in found.items()} == {
        'public."lo\'st"': ("critical", 1), 'public."lo\'st".gone': ("critical", 1)}
    table.with_suffix(".away").rename(table)
    c.restart()
    left = look(c, db, "relation-file-missing")
    assert [f["object"] for f in left] == ['public."lo\'st".gone']
    assert mend(c, db, left[0])
    assert look(c, db, "relation-file-missing") == []


def look_denied(c, db):
    from test_proof_postgresql_hostile import check_all
    said = check_all(c, db, keys={"enable": ["relation-file-*"]})
    return [n for n in said["not_covered"] if n["check"].startswith("relation-file")]


@proves("relation-file-orphan")
def test_file_that_nobody_knows(cluster):
    c = cluster()
    db = c.createdb("proof_orphan")
    c.script("CREATE TABLE t (a int PRIMARY KEY, b text); CREATE UNLOGGED TABLE u (a int); INSERT INTO t SELECT g, 'x' FROM generate_series(1, 1000) g; VACUUM t;"
             "CHECKPOINT;" + LS, db)
    folder = (c.data / c.one("SELECT pg_relation_filepath('t')", dbname=db)).parent
    with contextlib.closing(c.session(db)) as s, s.cursor() as cur:
        cur.execute("CREATE TEMP TABLE tt (a int)")
        assert look(c, db, "relation-file-orphan", settle="0s") == []
        for name in ("999999", "999999.1", "999999_vm", "pg_internal.init.7", "notes.txt"):
            (folder / name).write_bytes(b"x")
        found = look(c, db, "relation-file-orphan", settle="0s")
        assert [(f["object"], f["severity"], f["value"]) for f in found] == [(f"base/{folder.name}/999999", "info", 3)]
        assert look(c, db, "relation-file-orphan") == [], "only what stays is told"
    for path in folder.glob("999999*"):
        path.unlink()
    assert look(c, db, "relation-file-orphan", settle="0s") == []


@proves("catalog-dangling")
def test_row_of_the_catalogue_that_refers_to_nothing(cluster):
    c = cluster()
    db = c.createdb("proof_dangling")
    if c.version < 14:
        return
    c.script("CREATE TABLE t (a int, b text DEFAULT 'x'); CREATE INDEX ON t (lower(b)); CREATE SEQUENCE s OWNED BY t.a;", db)
    assert look(c, db, "catalog-dangling") == []
    c.script("SET allow_system_table_mods = on; UPDATE pg_class SET reltype = 4000000 WHERE relname = 't';"
             "UPDATE pg_index SET indclass = '4000001' WHERE indrelid = 't'::regclass;", db)
    found = look(c, db, "catalog-dangling")
    assert {(f["object"], f["severity"], f["value"]) for f in found} == {
        ("pg_catalog.pg_class.reltype", "critical", 1), ("pg_catalog.pg_index.indclass", "critical", 1)}
    c.script("SET allow_system_table_mods = on; UPDATE pg_class SET reltype = (SELECT oid FROM pg_type WHERE typname = 't') WHERE relname = 't';"
             "UPDATE pg_index SET indclass = (SELECT oid::text::oidvector FROM pg_opclass WHERE opcname = 'text_ops' AND opcmethod = 403) WHERE indrelid = 't'::regclass;", db)
    assert look(c, db, "catalog-dangling") == []


@proves("visibility-map-damage")
def test_visibility_map_that_lies(folder, own):
    c = own(Cluster(Template(folder, checksums=False), folder, settings={"autovacuum": "off"}))
    db = c.createdb("proof_map")
    c.script("""
        CREATE EXTENSION pg_visibility; CREATE TABLE "li'es" (a int); INSERT INTO "li'es" SELECT generate_series(1, 5); VACUUM FREEZE "li'es";
        CREATE TABLE fine (a int); INSERT INTO fine SELECT generate_series(1, 5); VACUUM FREEZE fine; CREATE UNLOGGED TABLE u (a int);
        INSERT INTO u VALUES (1); VACUUM u; CREATE TABLE fresh (a int); INSERT INTO fresh VALUES (1); ANALYZE;
        GRANT EXECUTE ON FUNCTION pg_check_frozen(regclass), pg_check_visible(regclass) TO dbhealth;""", db)
    assert look(c, db, "visibility-map-damage") == []
    c.script("""DELETE FROM "li'es" WHERE a = 3""", db)
    path = c.data / (c.one("""SELECT pg_relation_filepath('"li''es"')""", dbname=db) + "_vm")
    c.stop()
    with open(path, "r+b") as f:
        f.seek(24)
        f.write(b"\x03")
    c.start()
    found = look(c, db, "visibility-map-damage")
    assert [(f["object"], f["severity"]) for f in found] == [('public."li\'es"', "warning")] and found[0]["value"] >= 1
    mend(c, db, found[0])
    assert look(c, db, "visibility-map-damage") == []
