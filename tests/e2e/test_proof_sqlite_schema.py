"""Indexes, views, triggers and counters of SQLite, proven on real files (proof_sqlite.prove)."""
import pytest

from proof_sqlite import FILL, Proof, cases, prove

BROKEN_TRIGGERS = """
    CREATE TABLE t(id INTEGER PRIMARY KEY, a, g AS (a + 1)); CREATE TABLE log(m); CREATE TABLE u(a, b); CREATE VIEW v AS SELECT a FROM t;
    CREATE TRIGGER bad_table AFTER INSERT ON t BEGIN INSERT INTO gone VALUES (new.a); END;
    CREATE TRIGGER "bad ""col" AFTER UPDATE OF a ON t WHEN new.a > 1 BEGIN UPDATE log SET nope = 1; END;
    CREATE TRIGGER bad_count BEFORE DELETE ON t BEGIN INSERT INTO u VALUES (old.id); END;
    CREATE TRIGGER bad_view INSTEAD OF INSERT ON v BEGIN INSERT INTO t(a, lost) VALUES (new.a, 1); END;
    CREATE TRIGGER temp_like AFTER DELETE ON u BEGIN SELECT old.vanished; END;
    -- look-alikes: fine ones beside them, one that fires a broken one, functions of the application
    CREATE TRIGGER good AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.a), ('gone in a text'); END;
    CREATE TRIGGER fires AFTER INSERT ON log BEGIN INSERT INTO t(a) VALUES (new.m); END;
    CREATE TRIGGER app AFTER INSERT ON u BEGIN SELECT my_function(new.a); END;
    CREATE TRIGGER word AFTER UPDATE ON u BEGIN UPDATE log SET m = "a text"; END;
    CREATE TRIGGER stop BEFORE UPDATE OF b ON u BEGIN SELECT RAISE(ABORT, 'no such table: main.u'); END;
    CREATE VIRTUAL TABLE f USING fts5(x); CREATE TRIGGER idx AFTER INSERT ON u BEGIN INSERT INTO f VALUES (new.a); END;
    """

PROOFS = {
    "identical indexes": Proof("index-duplicate", """
        CREATE TABLE t(id INTEGER PRIMARY KEY, a, b TEXT COLLATE NOCASE, c UNIQUE, d, "e""x", UNIQUE (a, d));
        CREATE INDEX t_a ON t(a); CREATE INDEX "t'a ""2" ON t (  A ASC ) ; CREATE UNIQUE INDEX t_c ON t(c); CREATE INDEX t_c2 ON t(c);
        CREATE INDEX t_e ON t(lower(d), "e""x") WHERE a > 1; CREATE INDEX t_e2 ON T ( LOWER ( d ),  [e"x] )  where /* x */ A>1;
        CREATE INDEX t_ad ON t(a, d); CREATE INDEX u ON t(b, c); CREATE UNIQUE INDEX u2 ON t(b COLLATE nocase, c);
        CREATE TABLE w(a, b, PRIMARY KEY (a, b)) WITHOUT ROWID; CREATE INDEX w_ab ON w(a, b);
        -- look-alikes
        CREATE INDEX l1 ON t(a DESC); CREATE INDEX l2 ON t(a COLLATE NOCASE); CREATE INDEX l3 ON t(a) WHERE a > 1; CREATE INDEX l4 ON t(a) WHERE a > 2;
        CREATE INDEX l5 ON t(a) WHERE a > '1'; CREATE INDEX l6 ON t(abs(a)); CREATE INDEX l7 ON t(lower(a)); CREATE INDEX l8 ON t(d, a); CREATE INDEX l9 ON t(b COLLATE BINARY, c);
        CREATE TABLE t2(a); CREATE INDEX t2_a ON t2(a); CREATE VIRTUAL TABLE f USING fts5(a); CREATE TABLE q(a UNIQUE);
        """, {"t.t'a \"2": ("warning", None), "t.t_c": ("warning", None), "t.t_c2": ("warning", None), "t.t_e2": ("warning", None), "t.t_ad": ("warning", None),
              "t.u": ("warning", None), "w.w_ab": ("warning", None)}),
    "leading part of another": Proof("index-redundant-prefix", """
        CREATE TABLE t(id INTEGER PRIMARY KEY, a, b, c, "d""d" TEXT COLLATE NOCASE, UNIQUE (b, c, a));
        CREATE INDEX t_a ON t(a); CREATE INDEX t_ab ON t(a, b); CREATE INDEX t_abc ON t(a, b, c); CREATE INDEX "t_b ""x" ON t(b);
        CREATE INDEX t_p ON t(c) WHERE a > 0; CREATE INDEX t_pq ON t(c, a) WHERE A > 0; CREATE INDEX t_d ON t("d""d"); CREATE INDEX t_de ON t("d""d", abs(a));
        CREATE TABLE w(a, b, PRIMARY KEY (a, b)) WITHOUT ROWID; CREATE INDEX w_a ON w(a);
        -- look-alikes
        CREATE TABLE l(a, b, c, d); CREATE UNIQUE INDEX l_a ON l(a); CREATE INDEX l_ab ON l(a, b); CREATE INDEX l_b ON l(b DESC); CREATE INDEX l_bc ON l(b, c);
        CREATE INDEX l_c ON l(c COLLATE NOCASE); CREATE INDEX l_cd ON l(c, d); CREATE INDEX l_d ON l(d); CREATE INDEX l_da ON l(d, a) WHERE a > 0;
        CREATE INDEX l_e ON l(abs(a)); CREATE INDEX l_ee ON l(abs(a), b); CREATE TABLE m(a UNIQUE, b, UNIQUE (a, b)); CREATE INDEX m_x ON m(b); CREATE INDEX m_y ON m(b);
        """, {"t.t_a": ("info", None), "t.t_ab": ("info", None), 't.t_b "x': ("info", None), "t.t_p": ("info", None), "t.t_d": ("info", None), "w.w_a": ("info", None)}),
    "stale statistics": Proof("sqlite-stats-stale", """
        CREATE TABLE grew(a); CREATE INDEX grew_a ON grew(a); CREATE TABLE "shr""ank"(a PRIMARY KEY) WITHOUT ROWID; CREATE TABLE ok(a); CREATE INDEX ok_a ON ok(a);
        CREATE TABLE small(a); CREATE INDEX small_a ON small(a); CREATE TABLE part(a); CREATE INDEX part_a ON part(a) WHERE a < 10; CREATE TABLE odd(a); CREATE INDEX odd_a ON odd(a);
        CREATE TABLE bare(a);
        """ + "".join(FILL.format(n) + f"INSERT INTO {t} SELECT i FROM n;" for n, t in [(300, "grew"), (6000, '"shr""ank"'), (2000, "ok"), (3, "small"), (2000, "part"), (2000, "odd"), (300, "bare")])
        + "ANALYZE;" + "".join(FILL.format(n) + f"INSERT INTO {t} SELECT i + 100000 FROM n;" for n, t in [(1500, "grew"), (5000, "ok"), (800, "small"), (5000, "bare")])
        + """DELETE FROM "shr""ank" WHERE a > 1000; DELETE FROM sqlite_stat1 WHERE tbl = 'part' AND idx IS NULL; UPDATE sqlite_stat1 SET stat = 'x y' WHERE tbl = 'odd';
        INSERT INTO sqlite_stat1 VALUES ('gone', 'gone_a', '5000 1'), ('odd', NULL, NULL), (NULL, NULL, '9'), ('odd', 'x', x'00');""",
        {"grew": ("info", 300), 'shr"ank': ("info", 6000)}),
    "stale statistics, never analyzed": Proof("sqlite-stats-stale", "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES (1);", {}),
    "a name taken for a text": Proof("sqlite-dqs-literal", """
        CREATE TABLE t(a, b, "c d", g AS (a || "lost"), CHECK (a <> "nothing"), CHECK (b IN ("b", 'x'))); CREATE TABLE fine(a, s CHECK ("s" <> 'x'), "check" TEXT CHECK ("check" > "a"));
        CREATE INDEX i1 ON fine("nocol"); CREATE INDEX i2 ON fine(a) WHERE s = "active"; CREATE VIEW v1 AS SELECT a, "gone" AS x FROM fine WHERE s = "on";
        -- look-alikes
        CREATE INDEX "i3" ON "fine"("a", "S" COLLATE "NOCASE", abs("a")) WHERE "rowid" > 1; CREATE INDEX i4 ON fine(CAST(a AS "TEXT"), "lower"(s));
        CREATE TABLE l(a TEXT DEFAULT "x", b "VARCHAR"(3), "primary" INT, PRIMARY KEY ("a"), FOREIGN KEY ("b") REFERENCES "fine"("a"), CONSTRAINT "k" CHECK ("a" > '"x"' /* "y" */));
        CREATE VIEW v2 AS SELECT "a" AS "alias", "f"."s", "c d" FROM "fine" AS "f", t ORDER BY "alias"; CREATE VIEW v3 AS WITH "w"("q") AS (SELECT 1) SELECT "q" FROM "w";
        CREATE VIEW v4 AS SELECT x FROM v1; CREATE VIEW v5 AS SELECT nope FROM fine; CREATE VIRTUAL TABLE fts USING fts5("x", "y");
        """, {"t": ("warning", None), "fine.i1": ("warning", None), "fine.i2": ("warning", None), "v1": ("warning", None)}, closes=set(),
        mend="""DROP INDEX i1; DROP INDEX i2; DROP VIEW v1; DROP VIEW v2; DROP TABLE t; CREATE INDEX i2 ON fine(a) WHERE s = 'active'; CREATE TABLE t("c d", CHECK ("c d" <> 'nothing'));"""),
    "a counter at its end": Proof("sequence-near-limit", """
        CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t VALUES (1), (9223372036854775807); CREATE TABLE "o'dd"(id INTEGER PRIMARY KEY AUTOINCREMENT);
        INSERT INTO "o'dd" VALUES (7), (7800000000000000000); DELETE FROM "o'dd" WHERE id > 7;
        CREATE TABLE ok(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO ok VALUES (4000000000000000000); CREATE TABLE plain(id INTEGER PRIMARY KEY); INSERT INTO plain VALUES (9223372036854775807);
        CREATE TABLE neg(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO neg VALUES (-5);
        INSERT INTO sqlite_sequence VALUES ('gone', 9223372036854775806);
        """, {"t": ("critical", 1.0), "o'dd": ("warning", None)}, closes={"o'dd"}, after="SELECT * FROM ok",
        mend="UPDATE t SET id = 2 WHERE id > 1; UPDATE sqlite_sequence SET seq = 2 WHERE name = 't'; UPDATE sqlite_sequence SET seq = 7 WHERE name = 'o''dd';"),
    "a counter without a table": Proof("sqlite-sequence-orphan", """
        CREATE TABLE T(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t VALUES (5); UPDATE sqlite_sequence SET name = 't'; INSERT INTO sqlite_sequence VALUES ('go''ne', 7), (NULL, 3);
        """, {"go'ne": ("info", 7)}, after="SELECT name FROM sqlite_sequence WHERE name = 't'"),
    "no counter at all": Proof("sqlite-sequence-orphan", "CREATE TABLE t(a);", {}),
    "broken views": Proof("view-broken", """
        CREATE TABLE t(a, b); CREATE VIEW gone_table AS SELECT * FROM nowhere; CREATE VIEW "gone ""col" AS SELECT a, lost FROM t; CREATE VIEW outer_ AS SELECT * FROM gone_table;
        CREATE VIEW ring AS SELECT * FROM ring2; CREATE VIEW ring2 AS SELECT * FROM ring; CREATE VIEW names(x, y, z) AS SELECT a, b FROM t; CREATE VIEW both_ AS SELECT a FROM t, t AS s;
        -- look-alikes: what the application may bring, what SQLite takes for a text
        CREATE VIEW fine AS SELECT b.a, s.a FROM t AS b JOIN t AS s; CREATE VIEW app AS SELECT my_function(a) FROM t; CREATE VIEW coll AS SELECT a FROM t ORDER BY a COLLATE mine;
        CREATE VIEW vtab AS SELECT * FROM my_series(1, 5); CREATE VIEW dqs AS SELECT "no such column" FROM t; CREATE VIEW over AS SELECT * FROM dqs; CREATE VIEW stat AS SELECT * FROM dbstat;
        CREATE VIRTUAL TABLE f USING fts5(x); CREATE VIEW hits AS SELECT x, rank FROM f WHERE f MATCH 'a'; CREATE VIEW j AS SELECT value FROM json_each('[1]'); CREATE VIEW p AS SELECT * FROM pragma_table_info('t');
        """, {"gone_table": ("warning", None), 'gone "col': ("warning", None), "outer_": ("warning", None), "ring": ("warning", None), "ring2": ("warning", None),
              "names": ("warning", None), "both_": ("warning", None)}),
    "broken triggers": Proof("trigger-broken", BROKEN_TRIGGERS, {"t.bad_table": ("critical", None), 't.bad "col': ("critical", None), "t.bad_count": ("critical", None), "v.bad_view": ("critical", None),
        "u.temp_like": ("critical", None)}),
}


@pytest.mark.parametrize("name", cases(PROOFS))
def test_fault_is_found_and_its_remedies_close_it(folder, sqlite, name):
    prove(folder, sqlite, PROOFS[name])
