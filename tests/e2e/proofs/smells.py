"""Checks of design, comments and names; all of them off unless wished."""
from proof import Proof, test_fault_is_found_and_its_remedies_close_it  # noqa: F401

SCHEMAS = {"schemas_exclude": ["vendor_*"]}


def objects(*names, value=None, **others):
    return {**{f"public.{o}": ("info", value) for o in names}, **{f"public.{o}": ("info", v) for o, v in others.items()}}


PROOFS = {
    "single column": Proof("table-single-column", """
        CREATE TABLE t (a int); CREATE TABLE "or der" (was int, a int PRIMARY KEY); ALTER TABLE "or der" DROP COLUMN was;
        CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        -- look-alikes
        CREATE TABLE two (a int, b int); CREATE TABLE alembic_version (version_num varchar(32)); CREATE VIEW v AS SELECT 1 AS a;
        CREATE TEMP TABLE tt (a int); CREATE SCHEMA vendor_x; CREATE TABLE vendor_x.t (a int); CREATE TABLE nothing ();
        """, objects("t", '"or der"', "tree", value=1), closes=set(), keys=SCHEMAS),
    "all columns nullable": Proof("table-all-nullable", """
        CREATE TABLE t (id int PRIMARY KEY, a int, b text); CREATE TABLE keyless (a int, b int, gone int NOT NULL); ALTER TABLE keyless DROP COLUMN gone;
        CREATE TABLE tree (k int, v int, PRIMARY KEY (k)) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        -- look-alikes
        CREATE TABLE partly (id int PRIMARY KEY, a int NOT NULL, b int); CREATE TABLE pair (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE lone (a int);
        CREATE DOMAIN always AS int NOT NULL; CREATE TABLE by_domain (id int PRIMARY KEY, a always, b int); CREATE TABLE schema_migrations (a int, b int);
        """, objects(t=2, keyless=2, tree=1), closes=set()),
    "not linked": Proof("table-not-linked", """
        CREATE TABLE lone (a int); CREATE TABLE "Lone tree" (k int) PARTITION BY LIST (k); CREATE TABLE lt1 PARTITION OF "Lone tree" FOR VALUES IN (1);
        -- look-alikes
        CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p); CREATE TABLE self (id int PRIMARY KEY, up int REFERENCES self);
        CREATE TABLE tree (k int, p int REFERENCES p) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (p);
        CREATE TABLE part_linked (k int, p int) PARTITION BY LIST (k); CREATE TABLE part_linked1 PARTITION OF part_linked (FOREIGN KEY (p) REFERENCES p) FOR VALUES IN (1);
        CREATE TABLE parent (a int); CREATE TABLE heir () INHERITS (parent); CREATE TABLE django_migrations (a int);
        """, objects("lone", '"Lone tree"', value=0), closes=set()),
    "the only table is not linked": Proof("table-not-linked", "CREATE TABLE t (a int);", {}),
    "counted columns": Proof("table-incrementing-columns", """
        CREATE TABLE t (phone1 text, phone2 text, phone3 text, "Line_1" text, "Line_2" text, other int); CREATE TABLE tree (k int, v8 int, v9 int, v10 int) PARTITION BY LIST (k);
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        -- look-alikes
        CREATE TABLE fine (md5 text, sha1 text, sha256 text, sha2 text, p50 int, p95 int, a1 int, b2 int, x1 int, x2 int, y1 int, y2 int, address2 text, "1" int, "2" int, ipv4 int, ipv6 int);
        CREATE TABLE dropped (a1 int, a2 int, a int); ALTER TABLE dropped DROP COLUMN a2;
        """, objects(t=5, tree=3), closes=set()),
    "empty table": Proof("table-empty", """
        CREATE TABLE t (a int); CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (k);
        CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1);
        -- look-alikes
        CREATE TABLE filled (a int); INSERT INTO filled VALUES (1); CREATE TABLE old (a int); INSERT INTO old VALUES (1); VACUUM old;
        CREATE TABLE emptied (a int); INSERT INTO emptied VALUES (1); DELETE FROM emptied;
        CREATE TABLE parent (a int); CREATE TABLE heir () INHERITS (parent); INSERT INTO heir VALUES (1);
        CREATE TABLE deep (k int) PARTITION BY LIST (k); CREATE TABLE deep1 PARTITION OF deep FOR VALUES IN (1) PARTITION BY LIST (k);
        CREATE TABLE deep11 PARTITION OF deep1 FOR VALUES IN (1); INSERT INTO deep VALUES (1);
        CREATE TABLE schema_migrations (version text); CREATE TEMP TABLE tt (a int);
        ANALYZE;""", objects("t", "tree", value=0), closes=set()),
    "table without comment": Proof("table-no-comment", """
        CREATE TABLE t (a int); CREATE TABLE blank (a int); COMMENT ON TABLE blank IS E' \\n'; CREATE TABLE of_column (a int); COMMENT ON COLUMN of_column.a IS 'x';
        CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        -- look-alikes
        CREATE TABLE told (a int); COMMENT ON TABLE told IS 'what it is'; CREATE TABLE alembic_version (version_num text); CREATE TEMP TABLE tt (a int);
        """, objects("t", "blank", "of_column", "tree", value=1), closes=set()),
    "column without comment": Proof("column-no-comment", """
        CREATE TABLE t (a int, "b ""b" int, gone int, d int); COMMENT ON COLUMN t.d IS ' '; COMMENT ON TABLE t IS 'x'; ALTER TABLE t DROP COLUMN gone;
        CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        -- look-alikes
        CREATE TABLE told (a int); COMMENT ON COLUMN told.a IS 'what it is'; CREATE TABLE heir () INHERITS (told); CREATE VIEW v AS SELECT 1 AS a;
        """, objects("t.a", 't."b ""b"', "t.d", "tree.k", value=1), closes=set()),
    "function without comment": Proof("function-no-comment", """
        CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN END'; CREATE AGGREGATE agg(int) (SFUNC = int4pl, STYPE = int);
        -- look-alikes
        CREATE FUNCTION told() RETURNS int LANGUAGE sql AS 'SELECT 1'; COMMENT ON FUNCTION told() IS 'what it does';
        CREATE TYPE int_range AS RANGE (subtype = int); CREATE EXTENSION pgcrypto;
        """, objects("f(a integer)", "p()", "agg(integer)", value=1), closes=set()),
    "names that need quotes": Proof("name-needs-quoting", """
        CREATE SCHEMA "My"; CREATE TABLE "My"."Orders" (a int); CREATE TABLE t ("userId" serial, "a-b" int, "1st" int, "$x" int, fine int);
        CREATE VIEW "a view" AS SELECT 1 AS "aA"; CREATE SEQUENCE "Seq"; CREATE FUNCTION "fN"("aA" int) RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE TABLE "line
feed" (a int); CREATE MATERIALIZED VIEW "m""v" AS SELECT 1 AS a;
        -- look-alikes
        CREATE TABLE größe (ß int, _x int, a$1 int, "order" int); CREATE TABLE "order" (a int); CREATE INDEX "In Dex" ON t (fine); ALTER TABLE t ADD CONSTRAINT "Con" CHECK (fine > 0);
        CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE "Tree1" PARTITION OF tree FOR VALUES IN (1); CREATE TEMP TABLE "Tt" (a int);
        CREATE EXTENSION "uuid-ossp"; CREATE TABLE dropped (a int, "B" int); ALTER TABLE dropped DROP COLUMN "B";
        """, {'"My"': ("info", 1), '"My"."Orders"': ("info", 1), **objects('t."userId"', 't."a-b"', 't."1st"', 't."$x"', '"a view"', '"Seq"',
              '"fN"("aA" integer)', '"line\nfeed"', '"m""v"', value=1)}, closes=set()),
    "names that are key words": Proof("name-reserved-word", """
        CREATE TABLE "user" (id int, "order" int, "left" int, "desc" int, "limit" int); CREATE SCHEMA "select"; CREATE VIEW "table" AS SELECT 1 AS a;
        -- look-alikes
        CREATE TABLE fine (name text, type text, value int, year int, "between" int, "User" int, orders int, status text, "timestamp" int);
        """, {'"select"': ("info", 1), **objects('"user"', '"user"."order"', '"user"."left"', '"user"."desc"', '"user"."limit"', '"table"', value=1)}, closes=set()),
    "names of 63 bytes": Proof("name-at-length-limit", f"""
        CREATE TABLE {"t" * 63} (a int); CREATE TABLE short ({"c" * 70} int, "{"ä" * 31}x" int); CREATE FUNCTION {"f" * 63}() RETURNS int LANGUAGE sql AS 'SELECT 1';
        -- look-alikes
        CREATE TABLE {"s" * 62} (a int, "{"ä" * 31}" int); CREATE INDEX {"i" * 63} ON short ({"c" * 63}); CREATE TABLE own (id_{"x" * 60} serial);
        """, objects("t" * 63, f"short.{'c' * 63}", f"short.\"{'ä' * 31}x\"", f"{'f' * 63}()", f"own.id_{'x' * 60}", value=63), closes=set()),
    "one name, several types": Proof("column-type-inconsistent", """
        CREATE DOMAIN big AS bigint;
        CREATE TABLE a (user_id bigint, note text, amount numeric(9, 2), id int, since timestamptz); CREATE TABLE b (user_id bigint, note varchar(9), amount numeric, id bigint, since timestamp);
        CREATE TABLE c (user_id int, note char(3), amount numeric(3), id uuid, k int); CREATE TABLE d (user_id big, status int);
        CREATE TABLE tree (k int, user_id int, status text) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        -- look-alikes
        CREATE TABLE heir () INHERITS (c); CREATE TABLE "Case" ("User_Id" text); CREATE TEMP TABLE tt (user_id text); CREATE VIEW v AS SELECT 'x'::text AS user_id;
        CREATE TABLE dropped (a int, user_id text); ALTER TABLE dropped DROP COLUMN user_id; CREATE TABLE schema_migrations (user_id text);
        """, objects(**{"c.user_id": 3, "tree.user_id": 3, "b.since": 1}), closes=set()),
}
