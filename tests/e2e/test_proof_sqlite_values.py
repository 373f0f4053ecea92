"""Values and settings of SQLite files against what is declared or configured, proven on real ones (proof_sqlite.prove)."""
import pytest

from proof import proves
from proof_sqlite import FILL, Proof, cases, closing, look, prove, run

PROOFS = {
    "values of another class": Proof("sqlite-affinity-violation", """
        CREATE TABLE "t'1 %s"(id INTEGER PRIMARY KEY, i INT, "b ""x" BIGINT, r DOUBLE, n DECIMAL(10,2), s VARCHAR(9), k BOOLEAN);
        INSERT INTO "t'1 %s" VALUES (1, 'abc', '', x'01', '12,50', x'00', 'yes'), (2, 1.5, 1, 1, 1.5, 'x', 0), (3, '7', '-8', '1e5', '3.0', 5, 1), (4, NULL, NULL, NULL, NULL, NULL, NULL);
        CREATE TABLE w(rowid INT, k INT PRIMARY KEY) WITHOUT ROWID; INSERT INTO w VALUES (1, 'one');
        -- look-alikes
        CREATE TABLE ok(a, d DATE, dt DATETIME, ts TIMESTAMP, p POINT, f FLOATING POINT, j JSON, b BLOB, st STRING, g INT AS (a || 'x'), big NUMERIC, huge INTEGER, ti TIME);
        INSERT INTO ok(a, d, dt, ts, p, f, j, b, st, big, huge, ti) VALUES ('x', '2026-01-02', 5, 1.5, 'POINT(1 2)', 'x', '{}', 'text', 'abc', '123456789012345678901234567890.123456789', '99999999999999999999', '03:04');
        CREATE TABLE st(i INT, a ANY) STRICT; INSERT INTO st VALUES (1, 'x'); CREATE VIRTUAL TABLE f USING fts5(x);
        """, {"t'1 %s.i": ("warning", 2), "t'1 %s.b \"x": ("warning", 1), "t'1 %s.r": ("warning", 1), "t'1 %s.n": ("warning", 1), "t'1 %s.s": ("warning", 1), "t'1 %s.k": ("warning", 1),
              "w.k": ("warning", 1)}, closes=set(), mend="""DELETE FROM "t'1 %s" WHERE id < 3; DELETE FROM w;"""),
    "tables that are not STRICT": Proof("sqlite-non-strict", """
        CREATE TABLE t(a); CREATE TABLE ok(a INT) STRICT; CREATE TABLE django_migrations(a); CREATE VIRTUAL TABLE f USING fts5(x); CREATE VIEW v AS SELECT 1;
        """, {"t": ("info", None)}, closes=set(), mend="DROP TABLE t;"),
    "text that is none": Proof("sqlite-text-encoding-bad", """
        CREATE TABLE "t ""x"(id INTEGER PRIMARY KEY, a TEXT, b); INSERT INTO "t ""x"(a, b) VALUES (CAST(x'4dfc6c' AS TEXT), 'ok'), ('a' || char(0) || 'b', NULL), ('grün 漢字 😀', CAST(x'eda080' AS TEXT)), ('', x'ff');
        CREATE TABLE ok(a); INSERT INTO ok VALUES ('größe'), (x'fcff00'), (1), (NULL), (1.5);
        """, {'t "x.a': ("info", 2), 't "x.b': ("info", 1)}, closes=set(), mend="""DELETE FROM "t ""x" WHERE id < 4;"""),
    "rules that are broken": Proof("check-violation", """
        PRAGMA ignore_check_constraints = 1; 
        CREATE TABLE "t ""x"(a INT CHECK (a > 0), b TEXT CONSTRAINT "short b" CHECK (length(b) < 5 -- ) not the end
            AND b <> ')'), c CHECK (c < 10), CHECK (a < 100 OR b = 'it''s')); INSERT INTO "t ""x" VALUES (-1, 'longer', 1), (NULL, NULL, 2), (5, 'x', 3), (500, 'it''s', 4), (0, 'y', 1);
        CREATE TABLE w(k INT PRIMARY KEY CHECK(k IN (1, 2))) WITHOUT ROWID; INSERT INTO w VALUES (3), (1); CREATE TABLE ok("check" INT, d DEFAULT 'CHECK (1 = 0)', CHECK ("check" < 5)); INSERT INTO ok VALUES (1, 2), (NULL, NULL);
        """, {'t "x': ("critical", 2), 't "x.short b': ("critical", 1), "w": ("critical", 1)}, closes=set(), mend="""DELETE FROM "t ""x" WHERE a < 1; DELETE FROM w WHERE k = 3;"""),
    "foreign keys that nobody need enforce": Proof("sqlite-fk-enforcement-off", """
        CREATE TABLE p(id INTEGER PRIMARY KEY, a, b, UNIQUE (a, b)); CREATE TABLE c(p REFERENCES p, a, b, FOREIGN KEY (a, b) REFERENCES p(a, b)); CREATE TABLE w(p REFERENCES gone, PRIMARY KEY (p)) WITHOUT ROWID;
        """, {"": ("info", 3)}, closes=set(), mend="DROP TABLE c; DROP TABLE w;"),
    "no foreign keys": Proof("sqlite-fk-enforcement-off", """
        CREATE TABLE p(id INTEGER PRIMARY KEY, c TEXT DEFAULT 'REFERENCES p'); CREATE VIEW v AS SELECT 1; CREATE VIRTUAL TABLE f USING fts5("references");
        """, {}),
    "rows that came past foreign keys": Proof("sqlite-fk-enforcement-off", """
        CREATE TABLE p(id INTEGER PRIMARY KEY, a, b, UNIQUE (a, b)); INSERT INTO p VALUES (1, 2, 3); CREATE TABLE ok(p REFERENCES p); INSERT INTO ok VALUES (1);
        CREATE TABLE "c ""x"(rowid, a, b, FOREIGN KEY (a, b) REFERENCES p(a, b)); INSERT INTO "c ""x" VALUES (1, 2, NULL), (2, 2, 4);
        """, {"": ("info", 2)}, closes=set(), settings={"enforced": "yes"}, mend="""DELETE FROM "c ""x" WHERE b = 4;"""),
    "rows that have their parents, where all enforce": Proof("sqlite-fk-enforcement-off", """
        CREATE TABLE p(id INTEGER PRIMARY KEY, t TEXT COLLATE NOCASE UNIQUE); INSERT INTO p VALUES (1, 'x'); CREATE TABLE c(p REFERENCES p, t REFERENCES p(t), g REFERENCES gone, h REFERENCES p(gone));
        INSERT INTO c VALUES ('1', 'X', 5, 6), (NULL, NULL, NULL, NULL); CREATE TABLE w(p REFERENCES p, PRIMARY KEY (p)) WITHOUT ROWID; INSERT INTO w VALUES (1);
        """, {}, settings={"enforced": "yes"}),
    "small pages": Proof("sqlite-page-size", "PRAGMA page_size = 1024; CREATE TABLE t(a);" + FILL.format(1000) + "INSERT INTO t SELECT zeroblob(1000) FROM n;", {"": ("info", 1024)}, settings={"min_bytes": "1MB"}),
    "small pages in WAL mode": Proof("sqlite-page-size", "PRAGMA page_size = 512; PRAGMA journal_mode = wal; CREATE TABLE t(a);" + FILL.format(1000) + "INSERT INTO t SELECT zeroblob(1000) FROM n;", {"": ("info", 512)},
        settings={"min_bytes": "1MB"}),
    "small pages in a small file": Proof("sqlite-page-size", "PRAGMA page_size = 1024; CREATE TABLE t(a);" + FILL.format(1000) + "INSERT INTO t SELECT zeroblob(1000) FROM n;", {}),
    "a small cache": Proof("sqlite-cache-size", "PRAGMA default_cache_size = 50; CREATE TABLE t(a);" + FILL.format(500) + "INSERT INTO t SELECT zeroblob(4000) FROM n;", {"": ("info", 204800)},
        settings={"min_bytes": "1MB"}),
    "a huge cache": Proof("sqlite-cache-size", "PRAGMA page_size = 8192; PRAGMA default_cache_size = 200000; CREATE TABLE t(a);", {"": ("info", 1638400000)}),
    "a small cache of a small file": Proof("sqlite-cache-size", "PRAGMA default_cache_size = 50; CREATE TABLE t(a);", {}),
    "a cache of its size": Proof("sqlite-cache-size", "PRAGMA default_cache_size = 5000; CREATE TABLE t(a);" + FILL.format(500) + "INSERT INTO t SELECT zeroblob(4000) FROM n;", {}, settings={"min_bytes": "1MB"}),
    "no wish": Proof("sqlite-cache-size", "PRAGMA cache_size = 5; CREATE TABLE t(a);" + FILL.format(500) + "INSERT INTO t SELECT zeroblob(4000) FROM n;", {}, settings={"min_bytes": "1MB"}),
    "another encoding": Proof("sqlite-encoding-unexpected", "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(a);", {"": ("warning", None)}, closes=set(), keys={"expect_encoding": "UTF-8"}),
    "the encoding": Proof("sqlite-encoding-unexpected", "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(a);", {}, keys={"expect_encoding": "utf16"}),
    "another journal mode": Proof("sqlite-journal-mode-unexpected", "CREATE TABLE t(a);", {"": ("warning", None)}, keys={"expect_journal_mode": "WAL"}),
    "WAL, not expected": Proof("sqlite-journal-mode-unexpected", "PRAGMA journal_mode = wal; CREATE TABLE t(a);", {"": ("warning", None)}, keys={"expect_journal_mode": "delete"}),
    "the journal mode": Proof("sqlite-journal-mode-unexpected", "CREATE TABLE t(a);", {}, keys={"expect_journal_mode": "truncate"}),
    "another user_version": Proof("sqlite-user-version-unexpected", "PRAGMA user_version = -3; CREATE TABLE t(a);", {"": ("warning", -3)}, closes=set(), keys={"expect_user_version": "7"}, mend="PRAGMA user_version = 7;"),
    "the user_version": Proof("sqlite-user-version-unexpected", "PRAGMA user_version = -3; CREATE TABLE t(a);", {}, keys={"expect_user_version": "-3"}),
    "another application_id": Proof("sqlite-application-id-unexpected", "PRAGMA application_id = -5; CREATE TABLE t(a);", {"": ("warning", -5)}, keys={"expect_application_id": "252006673"}),
    "the application_id": Proof("sqlite-application-id-unexpected", "PRAGMA application_id = -5; CREATE TABLE t(a);", {}, keys={"expect_application_id": "-5"}),
    "values of another class in a wide table": Proof("sqlite-affinity-violation", "CREATE TABLE wide(" + ", ".join(f"the_column_of_number_{i} INTEGER" for i in range(400)) + ");"
        "INSERT INTO wide(the_column_of_number_7, the_column_of_number_399) VALUES ('x', 'y');", {"wide.the_column_of_number_7": ("warning", 1), "wide.the_column_of_number_399": ("warning", 1)}, closes=set(),
        mend="DELETE FROM wide;"),
    "indexes that we cannot sort": Proof("sqlite-collation-unavailable", """
        CREATE TABLE t(a, b COLLATE NOCASE); CREATE INDEX i ON t(a COLLATE RTRIM, b); PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t(a COLLATE "de_DE", b)' WHERE name = 'i';
        """, {"t.i": ("info", None)}, closes=set(), mend=None),
    "a module that we lack": Proof("sqlite-vtab-module-missing", """
        CREATE TABLE t(a); CREATE VIRTUAL TABLE ok USING fts5(x); PRAGMA writable_schema = 1;
        INSERT INTO sqlite_schema VALUES ('table', 'geo''x', 'geo''x', 0, 'CREATE VIRTUAL TABLE "geo''x" USING VirtualSpatial(a)');
        """, {"geo'x": ("info", None)}, closes=set(), mend=None),
}


@pytest.mark.parametrize("name", cases(PROOFS))
def test_fault_is_found_and_its_remedies_close_it(folder, sqlite, name):
    prove(folder, sqlite, PROOFS[name])


@proves("sqlite-legacy-format", engine="sqlite")
def test_a_schema_format_of_old(folder, sqlite):
    f = sqlite("app.db", "CREATE TABLE t(a); INSERT INTO t VALUES (0), (1);")
    assert look(folder, f.dsn, "sqlite-legacy-format") == {}
    with open(f.path, "r+b") as file:
        file.seek(47)
        file.write(b"\1")
    (finding,) = look(folder, f.dsn, "sqlite-legacy-format").values()
    assert (finding["object"], finding["severity"], finding["value"]) == ("", "info", 1)
    for remedy in closing(finding):
        run(remedy, f.path)
        assert look(folder, f.dsn, "sqlite-legacy-format") == {}
