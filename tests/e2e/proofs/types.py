"""Checks of the types of columns."""
from proof import Proof, look, mend, proves, test_fault_is_found_and_its_remedies_close_it  # noqa: F401

# Every check of a type finds these four and leaves the rest alone.
TREE = """
    CREATE TABLE tree (k int, j int, v {0}) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (j);
    CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1);
    CREATE TABLE parent (v {0}); CREATE TABLE heir (w int) INHERITS (parent);
    CREATE TABLE "se""lect" ("or der" {0}); CREATE SCHEMA "s p"; CREATE TABLE "s p"."ÄÖ" ("line
feed" {0});
    -- look-alikes
    CREATE TABLE dropped (a int, v {0}); ALTER TABLE dropped DROP COLUMN v;
    CREATE TEMP TABLE of_session (v {0}); CREATE VIEW a_view AS SELECT NULL::{0} AS v; CREATE MATERIALIZED VIEW a_matview AS SELECT NULL::{0} AS v;
    CREATE SCHEMA vendor_x; CREATE TABLE vendor_x.t (v {0}); CREATE TABLE schema_migrations (version {0}); CREATE DOMAIN d AS {0};
    """
HOSTILE = ("public.tree.v", "public.parent.v", 'public."se""lect"."or der"', '"s p"."ÄÖ"."line\nfeed"')


def of_type(of, script, expect, severity="info", closes=None):
    objects = (*HOSTILE, *(f"public.{o}" for o in expect))
    stay = objects if closes is None else {f"public.{o}" for o in closes}
    return {"script": TREE.format(of) + script, "expect": dict.fromkeys(objects, (severity, 1)),
            "closes": {*objects} - {*stay}, "keys": {"schemas_exclude": ["vendor_*"]}}


PROOFS = {
    "timestamp without time zone": Proof("column-timestamp-no-tz", TREE.format("timestamp") + """
        CREATE TABLE t (a timestamp DEFAULT now(), "B b" timestamp(3) NOT NULL, c timestamptz, d date); INSERT INTO t SELECT now(), now(); CREATE INDEX ON t (a);
        CREATE DOMAIN moment AS timestamp; CREATE DOMAIN moment2 AS moment; CREATE TABLE by_domain (a moment2);
        CREATE TABLE seen (a timestamp); CREATE VIEW sees AS SELECT a FROM seen;
        CREATE TABLE by_time (a timestamp) PARTITION BY RANGE (a);
        CREATE TABLE filtered (a timestamp); CREATE INDEX ON filtered (a) WHERE a > '2020-01-01'::timestamp;
        -- look-alikes
        CREATE TABLE clock (opens_local timestamp, wall_time timestamp); CREATE TABLE fine (a timestamptz(3));
        """, {
        "public.t": ("info", 2), "public.by_domain": ("info", 1), "public.seen": ("info", 1), "public.by_time": ("info", 1), "public.filtered": ("info", 1),
        "public.tree": ("info", 1), "public.parent": ("info", 1), 'public."se""lect"': ("info", 1), '"s p"."ÄÖ"': ("info", 1)},
        closes={"public.t", "public.tree", "public.parent", 'public."se""lect"', '"s p"."ÄÖ"'}, keys={"schemas_exclude": ["vendor_*"]}),
    "time with time zone": Proof("column-timetz", **of_type("timetz", """
        CREATE TABLE t (a timetz(0)); CREATE TABLE fine (a time, b timestamptz, c d);""", ["t.a"])),
    "timestamp of whole seconds": Proof("column-timestamp-precision", **of_type("timestamptz(0)", """
        CREATE TABLE t (a timestamp(0) DEFAULT now(), b timestamptz(2)); CREATE TABLE fine (a timestamptz, b timestamp(3), c timestamp(6), e time(0), f interval(0), g d);""",
        ["t.a", "t.b"], closes=[])),
    "money": Proof("column-money", **of_type("money", """
        CREATE TABLE t (a money DEFAULT 0); INSERT INTO t VALUES (12.34); CREATE TABLE held (a money CHECK (a > 0::money)); CREATE TABLE fine (a numeric(9, 2), b d);""",
        ["t.a", "held.a"], closes=["held.a"])),
    "char(n)": Proof("column-char-n", **of_type("char(3)", """
        CREATE TABLE t (a char DEFAULT 'x', b bpchar(9) UNIQUE); CREATE TABLE keyed (a char(2) PRIMARY KEY); CREATE TABLE refers (a char(2) REFERENCES keyed);
        CREATE TABLE fine (a "char", b varchar(3), c text, e d);""",
        ["t.a", "t.b", "keyed.a", "refers.a"], closes=["keyed.a", "refers.a"])),
    "varchar(n)": Proof("column-varchar-n", **of_type("varchar(20)", """
        CREATE TABLE t (a character varying(1) DEFAULT 'x'); CREATE TABLE fine (a varchar, b text, c char(3), e d);""", ["t.a"], closes=[])),
    "json": Proof("column-json", **of_type("json", """
        CREATE TABLE t (a json DEFAULT '{}'); INSERT INTO t VALUES ('{"a": 1}'); CREATE TABLE fine (a jsonb, b text, c d);""", ["t.a"], closes=[])),
    "types that stop pg_upgrade": Proof("column-reg-type", **of_type("regproc", """
        CREATE DOMAIN d2 AS regconfig; CREATE TYPE pair AS (a int, b d2); CREATE TYPE pair_range AS RANGE (subtype = regoper);
        CREATE TABLE t (a regoperator, b regnamespace, c d2, d regdictionary[], e pair, f regcollation, g pair[], h regprocedure);
        CREATE TABLE fine (a regclass, b regrole, c regtype, e oid, f regclass[]);""",
        [f"t.{c}" for c in "abcdefgh"], severity="warning", closes=["t.c"])),
    "large objects": Proof("column-large-object", **of_type("oid", """
        CREATE EXTENSION lo; CREATE TABLE t (picture lo, doc oid); CREATE TABLE fine (relid oid, "typeOid" oid, relation oid, classid oid, a bytea, b int, c d);""",
        ["t.picture", "t.doc"])),
    "default of a moment that is gone": Proof("column-default-frozen-time", """
        CREATE TABLE t (a timestamptz DEFAULT 'now'::timestamptz, b timestamp DEFAULT 'now', c time DEFAULT 'now'::time, "D d" timetz DEFAULT 'now',
            e timestamptz DEFAULT 'now'::timestamp, f timestamptz(3) DEFAULT '2020-01-01 00:00:00.001+00', g timestamptz DEFAULT '1960-05-06 07:08:09.5+00',
            -- look-alikes
            l timestamptz DEFAULT now(), m timestamptz DEFAULT '2020-01-01', n timestamp DEFAULT 'infinity', o date DEFAULT 'today', p timestamptz DEFAULT CURRENT_TIMESTAMP,
            q timestamptz DEFAULT ('now'::text)::timestamptz, r timestamp DEFAULT '-infinity', s text DEFAULT 'now', u timestamptz DEFAULT clock_timestamp() + '0.5 s'::interval,
            v interval DEFAULT '0.5 s', w bigint DEFAULT 1234567, x timestamptz DEFAULT '1999-12-31 23:59:59+00');
        CREATE TABLE tree (k int, a timestamp DEFAULT '2020-01-01 00:00:00.25') PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        CREATE TABLE parent (a timestamp DEFAULT '2020-01-01 00:00:00.25'); CREATE TABLE heir () INHERITS (parent);
        CREATE TABLE made (k int, a timestamp GENERATED ALWAYS AS ('2020-01-01 00:00:00.25'::timestamp) STORED);
        CREATE TEMP TABLE tt (a timestamptz DEFAULT 'now'::timestamptz);
        """, {**{f"public.t.{c}": ("warning", 1) for c in ("a", "b", "c", '"D d"', "e", "f", "g")},
              "public.tree.a": ("warning", 1), "public.parent.a": ("warning", 1)}),
}


@proves("column-default-frozen-time")
def test_the_moment_is_told(module_cluster):
    db = module_cluster.createdb("frozen")
    module_cluster.script("CREATE TABLE t (a timestamptz DEFAULT '1960-05-06 07:08:09.5+02', b time DEFAULT '23:59:59.25'); INSERT INTO t DEFAULT VALUES", db)
    found = {f["object"]: f for f in look(module_cluster, db, "column-default-frozen-time")}
    assert "1960-05-06 05:08:09.500000+00" in found["public.t.a"]["message"]
    assert "23:59:59.250000" in found["public.t.b"]["message"]
    for f in found.values():
        count, = [r["text"] for r in f["remedies"] if r["kind"] == "look"]
        assert module_cluster.script(count, db).strip() == "1"


@proves("column-timestamp-no-tz")
def test_a_conversion_keeps_the_moments_of_utc(module_cluster):
    db = module_cluster.createdb("moments")
    module_cluster.script("CREATE TABLE t (a timestamp); INSERT INTO t VALUES ('2020-06-01 12:00'); ALTER DATABASE moments SET TimeZone = 'Asia/Tokyo'", db)
    f, = look(module_cluster, db, "column-timestamp-no-tz")
    mend(module_cluster, db, f)
    assert module_cluster.script("SELECT a = '2020-06-01 12:00+00' FROM t", db).strip() == "t"
