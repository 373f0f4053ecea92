"""Every SQLite check on rows and schema, proven on a real file: the planted fault is found with object,
severity and value, its look-alikes are not, and each remedy that claims to close it does, as printed."""
import pytest

from proof_sqlite import FILL, Proof, cases, configure, look, prove, report, run
from support import Cli

PROOFS = {
    "orphan rows": Proof("fk-orphan-rows", """
        CREATE TABLE p(id INTEGER PRIMARY KEY, code TEXT COLLATE NOCASE UNIQUE, a, b, UNIQUE (a, b));
        INSERT INTO p VALUES (1, 'x', 1, 1), (2, 'y', 1, 2);
        CREATE TABLE c(id INTEGER PRIMARY KEY, p INTEGER REFERENCES p, code TEXT REFERENCES p(code) ON DELETE SET NULL,
            a, b, kept INTEGER NOT NULL DEFAULT 1 REFERENCES p(id), FOREIGN KEY (a, b) REFERENCES p(a, b));
        INSERT INTO c(p, code, a, b) VALUES (1, 'x', 1, 1), (7, NULL, NULL, NULL), (8, 'gone', 1, 3), (NULL, NULL, 9, 9);
        INSERT INTO c(kept) VALUES (5);
        -- look-alikes: half a key, equal under the parent's collation, text that the parent's affinity makes a number
        INSERT INTO c(a, b, code, p) VALUES (9, NULL, 'X', '2'), (NULL, 9, 'Y', ' 1 ');
        CREATE TABLE w(k TEXT PRIMARY KEY, p REFERENCES p) WITHOUT ROWID; INSERT INTO w VALUES ('a', 1), ('b', 3);
        CREATE TABLE tree(id INTEGER PRIMARY KEY, up INTEGER REFERENCES tree(id)); INSERT INTO tree VALUES (1, 1), (2, 1), (3, 2);
        """, {"c.p": ("critical", 2), "c.code": ("critical", 1), "c.a,b": ("critical", 2), "c.kept": ("critical", 1),
              "w.p": ("critical", 1)},
        after="SELECT count(*) FROM p"),
    "orphan rows whose parent table is gone": Proof("fk-orphan-rows", """
        CREATE TABLE c(id INTEGER PRIMARY KEY, x REFERENCES nowhere, y REFERENCES nowhere(id)); INSERT INTO c(x) VALUES (1), (NULL);
        """, {"c.x": ("critical", 1)}, closes=set()),
    "foreign key without index": Proof("fk-missing-index", """
        CREATE TABLE p(id INTEGER PRIMARY KEY, a, b, t TEXT COLLATE NOCASE UNIQUE, UNIQUE (a, b));
        CREATE TABLE big(id INTEGER PRIMARY KEY, p REFERENCES p); CREATE TABLE small(p REFERENCES p);
        CREATE TABLE two(z, a, b, FOREIGN KEY (a, b) REFERENCES p(a, b)); CREATE INDEX two_az ON two(a, z);
        CREATE TABLE part(p REFERENCES p, on_ INT); CREATE INDEX part_p ON part(p) WHERE on_ = 1;
        CREATE TABLE expr(p REFERENCES p); CREATE INDEX expr_p ON expr(abs(p));
        CREATE TABLE second(p REFERENCES p, q); CREATE INDEX second_qp ON second(q, p);
        CREATE TABLE bin(t TEXT COLLATE BINARY REFERENCES p(t)); CREATE INDEX bin_t ON bin(t);
        -- look-alikes
        CREATE TABLE alias(id INTEGER PRIMARY KEY REFERENCES p); CREATE TABLE uniq(p UNIQUE REFERENCES p);
        CREATE TABLE w(p REFERENCES p, k, PRIMARY KEY (p, k)) WITHOUT ROWID; CREATE TABLE pk(p REFERENCES p, k, PRIMARY KEY (p, k));
        CREATE TABLE plain(p REFERENCES p); CREATE INDEX plain_p ON plain(p DESC, oid_) WHERE p IS NOT NULL;
        CREATE TABLE anyorder(a, b, c, FOREIGN KEY (a, b) REFERENCES p(a, b)); CREATE INDEX ba ON anyorder(b, a, c);
        CREATE TABLE nocase(t TEXT REFERENCES p(t)); CREATE INDEX nocase_t ON nocase(t COLLATE NOCASE);
        """.replace("(p DESC, oid_)", "(p DESC)") + FILL.format(1200) + "INSERT INTO big SELECT i, NULL FROM n;", {
        "big.p": ("warning", 1000), "small.p": ("info", 0), "two.a,b": ("info", 0), "part.p": ("info", 0),
        "expr.p": ("info", 0), "second.p": ("info", 0), "bin.t": ("info", 0)}),
    "no primary key": Proof("table-no-primary-key", FILL.format(1000).join(["""
        CREATE TABLE big(a INT, b TEXT NOT NULL DEFAULT 'x', "c d" GENERATED ALWAYS AS (a + 1) STORED, e AS (a + 2), CHECK (a > 0));
        """, "INSERT INTO big(a) SELECT i FROM n;"]) + """
        CREATE INDEX big_a ON big(a); CREATE UNIQUE INDEX big_b ON big(a, b) WHERE a > 5;
        CREATE TABLE log(t); CREATE TRIGGER big_t AFTER DELETE ON big BEGIN INSERT INTO log VALUES (old.a); END;
        CREATE VIEW v AS SELECT a FROM big;
        CREATE TABLE u(a INT NOT NULL UNIQUE) STRICT; INSERT INTO u VALUES (4), (2); DELETE FROM big WHERE a = 7; DELETE FROM log;
        -- look-alikes
        CREATE TABLE k(a PRIMARY KEY); CREATE TABLE w(a, b, PRIMARY KEY (a, b)) WITHOUT ROWID; CREATE TABLE i(id INTEGER PRIMARY KEY AUTOINCREMENT);
        CREATE VIRTUAL TABLE f USING fts5(x); CREATE VIRTUAL TABLE r USING rtree(id, a, b); INSERT INTO f VALUES ('hello');
        CREATE TABLE schema_migrations(version INT UNIQUE, dirty INT); CREATE TABLE DATABASECHANGELOG(id TEXT); CREATE TEMP TABLE t(a);
        INSERT INTO i DEFAULT VALUES; ANALYZE;""", {
        "big": ("info", 999), "log": ("info", 0), "u": ("info", 2)},
        closes=set()),
    "no primary key, many rows": Proof("table-no-primary-key", """
        CREATE TABLE big(a);""" + FILL.format(1000) + "INSERT INTO big SELECT i FROM n;", {"big": ("warning", 1000)}, closes=set()),
    "statistics": Proof("sqlite-stats-missing", """
        CREATE TABLE t(a, b); CREATE INDEX ta ON t(a); CREATE INDEX tb ON t(b); INSERT INTO t VALUES (1, 2);
        CREATE TABLE done(a); CREATE INDEX done_a ON done(a); INSERT INTO done VALUES (1); ANALYZE done;
        CREATE TABLE later(a); CREATE INDEX later_a ON later(a); INSERT INTO later VALUES (1); ANALYZE later; CREATE INDEX later_2 ON later(a, a);
        -- look-alikes
        CREATE TABLE empty(a UNIQUE); CREATE TABLE bare(a); INSERT INTO bare VALUES (1); CREATE TABLE rowid_(id INTEGER PRIMARY KEY); INSERT INTO rowid_ VALUES (1);
        CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES ('hello');
        """.replace("(a, a)", "(a DESC)"), {"t": ("info", 2), "later": ("info", 1)}),
    "statistics, never": Proof("sqlite-stats-missing", """
        CREATE TABLE t(a PRIMARY KEY) WITHOUT ROWID; INSERT INTO t VALUES (1); CREATE TABLE u(a UNIQUE); INSERT INTO u VALUES (1);
        """, {"t": ("info", 1), "u": ("info", 1)}),
    "free pages": Proof("sqlite-freelist-high", """
        CREATE TABLE t(a); CREATE TABLE keep(a); INSERT INTO keep VALUES (1);""" + FILL.format(3000) + """
        INSERT INTO t SELECT hex(randomblob(500)) FROM n; DROP TABLE t;""", {"": ("info", None)}, after="SELECT * FROM keep"),
    "free pages of an incremental file": Proof("sqlite-freelist-high", """
        PRAGMA auto_vacuum = incremental; CREATE TABLE t(a); CREATE TABLE keep(a); INSERT INTO keep VALUES (1);""" + FILL.format(3000) + """
        INSERT INTO t SELECT hex(randomblob(500)) FROM n; DROP TABLE t;""", {"": ("info", None)}, after="SELECT * FROM keep"),
    "free pages of a small file": Proof("sqlite-freelist-high", """
        CREATE TABLE t(a); """ + FILL.format(200) + "INSERT INTO t SELECT hex(randomblob(500)) FROM n; DROP TABLE t;", {}),
    "free pages, few": Proof("sqlite-freelist-high", """
        CREATE TABLE t(a); CREATE TABLE d(a); """ + FILL.format(3000) + "INSERT INTO t SELECT hex(randomblob(500)) FROM n;" + FILL.format(700) + """
        INSERT INTO d SELECT hex(randomblob(500)) FROM n; DROP TABLE d;""", {}),
    "required table": Proof("conv-required-table-missing", """
        CREATE TABLE users(id INTEGER PRIMARY KEY); CREATE VIEW ledger AS SELECT 1 AS a; CREATE TABLE "odd name"(a);
        CREATE INDEX orders ON users(id); CREATE VIRTUAL TABLE docs USING fts5(x);""", {
        "orders": ("critical", None), "invoices": ("critical", None)}, closes=set(),
        keys={"require_tables": ["users", "USERS", "ledger", "docs", "odd name", "orders", "invoices"]}),
    "required table of an empty database": Proof("conv-required-table-missing", "PRAGMA user_version = 3;", {"users": ("info", None), "o'd\"d": ("info", None)},
        closes=set(), keys={"require_tables": ["users", "o'd\"d"]}),
    "required table of an empty database, later": Proof("conv-required-table-missing", "PRAGMA user_version = 3;", {"users": ("critical", None)},
        closes=set(), keys={"require_tables": ["users"]}, settings={"grace": "0s"}),
    "required relationship": Proof("conv-required-relationship-missing", """
        CREATE TABLE users(id INTEGER PRIMARY KEY, t, UNIQUE (t, id)); CREATE TABLE other(id INTEGER PRIMARY KEY);
        CREATE TABLE orders(id INTEGER PRIMARY KEY, user_id, buyer REFERENCES users, seller REFERENCES other, maker REFERENCES users(id), t,
            FOREIGN KEY (t, buyer) REFERENCES users(t, id));""", {
        "orders.user_id": ("critical", None), "orders.seller": ("critical", None), "orders.gone": ("critical", None),
        "nowhere.id": ("critical", None)}, closes=set(),
        keys={"require_relationships": ["orders.user_id -> users.id", "orders.buyer->users.id", "ORDERS.Maker -> Users.ID", "orders.t -> users.t",
              "orders.seller -> users.id", "orders.gone -> users.id", "nowhere.id -> users.id"]}),
    "required relationship of an empty database": Proof("conv-required-relationship-missing", "PRAGMA user_version = 3;", {"a.b": ("info", None)},
        closes=set(), keys={"require_relationships": ["a.b -> c.d"]}),
    "required relationship, nothing asked": Proof("conv-required-relationship-missing", "CREATE TABLE a(b);", {}),
}


@pytest.mark.parametrize("name", cases(PROOFS))
def test_fault_is_found_and_its_remedies_close_it(folder, sqlite, name):
    prove(folder, sqlite, PROOFS[name])


def test_a_key_that_cannot_be_judged_hides_no_other(folder, sqlite):
    f = sqlite("app.db", """
        CREATE TABLE p(id INTEGER PRIMARY KEY, plain); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p);
        INSERT INTO c VALUES (1, 4); CREATE TABLE a(x REFERENCES p(plain)); CREATE TABLE z(x REFERENCES p(plain));""")
    answer = report(folder, f.dsn, "fk-orphan-rows")
    assert [(x["object"], x["severity"]) for x in answer["findings"]] == [("c.p", "critical")]
    assert ["foreign key mismatch" in u["reason"] for u in answer["unknown"]] == [True]
    assert answer["status"] == "critical"


# A name may be anything; whatever is printed must work on it.
NAMES = ['a"b', "a'b", "a\nb", "select", "größe 表", "a;--b", "a%sb{object}", "[x]", "a.b", " ", "sqliteX", "x\\y`z"]


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("rows, told", [(1, "1 row"), (999, "999 rows"), (1000, "1,000 or more rows"), (2500, "1,000 or more rows")])
def test_rows_that_were_not_counted_are_not_told_as_counted(folder, sqlite, rows, told):
    f = sqlite("app.db", "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p);" + FILL.format(rows)
               + "INSERT INTO c SELECT NULL FROM n;")
    found = look(folder, f.dsn, "fk-missing-index")
    assert found["c.p"]["message"] == f"c.p has no index for its foreign key to p; {told}"


@pytest.mark.parametrize("check", ["fk-orphan-rows", "fk-missing-index", "table-no-primary-key", "sqlite-stats-missing"])
def test_hostile_names(folder, sqlite, check):
    """Tables and columns with hostile names: each is told raw, each printed remedy runs."""
    script = "CREATE TABLE " + quoted("p'\"\n") + "(" + quoted("i\"d") + " INTEGER PRIMARY KEY);"
    for n in map(quoted, NAMES):
        script += (f"CREATE TABLE {n}({n} REFERENCES " + quoted("p'\"\n") + f", \"u{n[1:]});"
                   f"CREATE INDEX \"i{n[1:]} ON {n}(\"u{n[1:]}); INSERT INTO {n}({n}) VALUES (3);")
    f = sqlite("odd ' \" name.db", script)
    found = look(folder, f.dsn, check)
    want = {n if check in ("table-no-primary-key", "sqlite-stats-missing") else f"{n}.{n}" for n in NAMES}
    assert set(found) == want
    for finding in found.values():
        if check == "table-no-primary-key":
            continue
        for remedy in finding["remedies"]:
            assert remedy["kind"] == "look" or remedy["closes"]
            run(remedy, f.path)
    if check == "table-no-primary-key":
        return
    assert look(folder, f.dsn, check) == {}
    assert f.sql("PRAGMA integrity_check") == [("ok",)]


HEALTHY = """
    PRAGMA page_size = {page}; PRAGMA encoding = '{encoding}'; PRAGMA auto_vacuum = {vacuum};
    CREATE TABLE p(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE COLLATE NOCASE, price REAL CHECK (price >= 0));
    CREATE TABLE c(id INTEGER PRIMARY KEY, p INTEGER NOT NULL REFERENCES p ON DELETE CASCADE, a, twice AS (a * 2), thrice AS (a * 3) STORED) STRICT;
    """.replace("a, twice AS (a * 2), thrice AS (a * 3) STORED", "a ANY, twice INT AS (a * 2), thrice INT AS (a * 3) STORED") + """
    CREATE INDEX c_p ON c(p); CREATE INDEX c_twice ON c(twice) WHERE a > 1; CREATE INDEX c_e ON c(lower(a));
    CREATE TABLE w(a TEXT, b BLOB, PRIMARY KEY (a, b)) WITHOUT ROWID;
    CREATE VIRTUAL TABLE f USING fts5(title, body); CREATE VIRTUAL TABLE r USING rtree(id, x0, x1);
    CREATE VIEW v AS SELECT p.name, c.a FROM c JOIN p ON p.id = c.p;
    CREATE TRIGGER t AFTER INSERT ON p BEGIN INSERT INTO w VALUES (new.name, x'00'); END;
    CREATE TABLE "order"("group" INTEGER PRIMARY KEY, "a""b" TEXT);
    INSERT INTO p(name, price) VALUES ('ä', 1), ('b', 2.5), ('c', NULL); INSERT INTO c(id, p, a) VALUES (1, 1, 5), (2, 3, 'x');
    INSERT INTO f VALUES ('hello', 'world'); INSERT INTO r VALUES (1, 0, 1); INSERT INTO "order" VALUES (1, 'z');
    ANALYZE;"""
# Its one foreign key is enforced by who writes it, which nothing in the file can say.
ENFORCED = {"check": "sqlite-fk-enforcement-off", "settings": {"enforced": "yes"}}


def whole(folder, dsn, argv=()):
    conf = configure(folder, dsn, **ENFORCED)
    answer = Cli(folder, "check", "-o", "json", *argv, "-c", conf, "app")
    assert answer.out.startswith("{"), answer
    return answer.json


@pytest.mark.parametrize("mode", ["delete", "wal", "persist", "truncate"])
def test_a_healthy_database_is_quiet(folder, sqlite, mode):
    page, encoding, vacuum = {"delete": (512, "UTF-16le", "none"), "wal": (4096, "UTF-8", "full"),
                              "persist": (65536, "UTF-16be", "incremental"), "truncate": (1024, "UTF-8", "none")}[mode]
    f = sqlite("app.db", HEALTHY.format(page=page, encoding=encoding, vacuum=vacuum))
    f.sql(f"PRAGMA journal_mode = {mode}")
    f.sql("INSERT INTO \"order\" VALUES (2, 'y'); DELETE FROM \"order\" WHERE \"group\" = 2;")
    before, beside = f.digest(), f.neighbours()
    answer = whole(folder, f.dsn, argv=["--deep"])
    assert answer["findings"] == [] and answer["unknown"] == [], answer
    assert answer["status"] == "ok" and answer["databases"][0]["coverage"]["covered"] >= 16
    assert (f.digest(), f.neighbours()) == (before, beside)


def test_an_application_at_work_is_quiet(folder, sqlite):
    """WAL with a reader and a writer in the middle of their transactions."""
    f = sqlite("app.db", HEALTHY.format(page=4096, encoding="UTF-8", vacuum="none"))
    f.sql("PRAGMA journal_mode = wal")
    f.writer("BEGIN;SELECT * FROM p")
    f.writer("INSERT INTO \"order\" VALUES (3, 'x');BEGIN IMMEDIATE;INSERT INTO \"order\" VALUES (4, 'y')")
    beside = f.neighbours()
    answer = whole(folder, f.dsn)
    assert answer["findings"] == [] and answer["unknown"] == [], answer
    assert f.neighbours() == beside == ["app.db-shm", "app.db-wal"]
