"""Keys and foreign keys of SQLite, proven on real files (proof_sqlite.prove)."""
import pytest

from proof_sqlite import Proof, cases, prove

PROOFS = {
    "types that differ": Proof("fk-type-mismatch", """
        CREATE TABLE p(id INTEGER PRIMARY KEY, code TEXT UNIQUE, "o""dd x" REAL UNIQUE, bare UNIQUE, blob BLOB UNIQUE);
        CREATE TABLE c(id INTEGER PRIMARY KEY, p TEXT REFERENCES p, code INT REFERENCES p(code), "o""dd" VARCHAR(10) REFERENCES p("o""dd x"),
            none REFERENCES p(id), bare INT REFERENCES p(bare), self DOUBLE REFERENCES c(id));
        CREATE TABLE s(a TEXT, b INT, any_ ANY REFERENCES p(id), FOREIGN KEY (a, b) REFERENCES two(x, y)) STRICT;
        CREATE TABLE two(x TEXT, y TEXT, PRIMARY KEY (x, y)) WITHOUT ROWID;
        -- look-alikes
        CREATE TABLE like_(a BIGINT REFERENCES p, b UNSIGNED BIG INT REFERENCES P(ID), c NUMERIC(10) REFERENCES p, d VARCHAR(20) REFERENCES p(code),
            e REFERENCES p(bare), f CLOB REFERENCES p(code), g FLOAT REFERENCES p("o""dd x"), h BLOB REFERENCES p(blob), i INT REFERENCES gone, j INT REFERENCES p(gone));
        """, {"c.p": ("warning", None), "c.code": ("warning", None), 'c.o"dd': ("warning", None), "c.none": ("info", None), "c.bare": ("info", None),
              "c.self": ("warning", None), "s.any_": ("info", None), "s.b": ("warning", None)}, closes=set(),
        mend="DROP TABLE c; DROP TABLE s; CREATE TABLE c(id INTEGER PRIMARY KEY, p INTEGER REFERENCES p);"),
    "the same foreign key twice": Proof("fk-duplicate", """
        CREATE TABLE p(id INTEGER PRIMARY KEY, a, b, UNIQUE (a, b)); CREATE TABLE q(id INTEGER PRIMARY KEY);
        CREATE TABLE c(x INTEGER REFERENCES p REFERENCES p(id), FOREIGN KEY (x) REFERENCES P(ID));
        CREATE TABLE d(a, b, FOREIGN KEY (a, b) REFERENCES p(a, b), FOREIGN KEY (b, a) REFERENCES p(b, a) ON DELETE CASCADE);
        -- look-alikes
        CREATE TABLE e(x REFERENCES p REFERENCES q, a, b, FOREIGN KEY (a, b) REFERENCES p(a, b), FOREIGN KEY (b, a) REFERENCES p(a, b), FOREIGN KEY (a) REFERENCES q);
        """, {"c.x": ("warning", None), "d.a,b": ("warning", None)}, closes=set(),
        mend="DROP TABLE c; DROP TABLE d; CREATE TABLE c(x INTEGER REFERENCES p);"),
    "half a key": Proof("fk-nullable-composite", """
        CREATE TABLE p(a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (a, b)) WITHOUT ROWID;
        CREATE TABLE c(a INT NOT NULL, b INT, FOREIGN KEY (a, b) REFERENCES p); INSERT INTO c VALUES (1, NULL);
        CREATE TABLE k(a INT, b INT, PRIMARY KEY (a, b), FOREIGN KEY (a, b) REFERENCES p);
        -- look-alikes
        CREATE TABLE d(a INT NOT NULL, b INT NOT NULL, FOREIGN KEY (a, b) REFERENCES p); CREATE TABLE one(a INT REFERENCES p(a));
        CREATE TABLE w(a INT, b INT, PRIMARY KEY (a, b), FOREIGN KEY (a, b) REFERENCES p) WITHOUT ROWID;
        CREATE TABLE s(a INT, b INT, PRIMARY KEY (a, b), FOREIGN KEY (a, b) REFERENCES p) STRICT;
        """, {"c.a,b": ("info", None), "k.a,b": ("info", None)}, closes=set(), mend="DROP TABLE c; DROP TABLE k;"),
    "a tree without a rule": Proof("fk-self-no-delete-rule", """
        CREATE TABLE t(id INTEGER PRIMARY KEY, up REFERENCES t(id), down REFERENCES T ON DELETE RESTRICT);
        -- look-alikes
        CREATE TABLE a(id INTEGER PRIMARY KEY, up REFERENCES a ON DELETE CASCADE, n REFERENCES a(id) ON DELETE SET NULL, t REFERENCES t);
        """, {"t.up": ("info", None), "t.down": ("info", None)}, closes=set(), mend="DROP TABLE t;"),
    "no such parent": Proof("fk-target-missing", """
        CREATE TABLE p(id INTEGER PRIMARY KEY, "A b" UNIQUE, g AS (id + 1)); CREATE VIEW v AS SELECT id FROM p; CREATE VIRTUAL TABLE f USING fts5(x);
        CREATE TABLE c(a REFERENCES gone, b REFERENCES gone(id), c REFERENCES p(nope), d REFERENCES v(id), e REFERENCES p(rowid), f REFERENCES "g'o""ne");
        CREATE TABLE two(a, b, FOREIGN KEY (a, b) REFERENCES p(id, nope));
        -- look-alikes
        CREATE TABLE ok(a REFERENCES P, b REFERENCES p(ID), c REFERENCES p("a B"), d REFERENCES ok(a), e REFERENCES p(g));
        """, {"c.a": ("warning", None), "c.b": ("warning", None), "c.c": ("warning", None), "c.d": ("warning", None), "c.e": ("warning", None),
              "c.f": ("warning", None), "two.a,b": ("warning", None)}, closes=set(), mend="DROP TABLE c; DROP TABLE two;"),
    "a parent that is not unique": Proof("fk-target-not-unique", """
        CREATE TABLE p(id INTEGER PRIMARY KEY, a, b, part, expr, coll TEXT, coll2 TEXT COLLATE NOCASE, ok1 UNIQUE, ok2, "q""t", UNIQUE (a, b));
        CREATE UNIQUE INDEX p_part ON p(part) WHERE part > 0; CREATE UNIQUE INDEX p_expr ON p(abs(expr)); CREATE UNIQUE INDEX p_coll ON p(coll COLLATE NOCASE);
        CREATE UNIQUE INDEX p_coll2 ON p(coll2); CREATE UNIQUE INDEX p_ok2 ON p(ok2 DESC); CREATE INDEX p_q ON p("q""t");
        CREATE TABLE bare(x); CREATE TABLE pair(a, b, PRIMARY KEY (a, b));
        CREATE TABLE c(a REFERENCES p(a), part REFERENCES p(part), expr REFERENCES p(expr), coll REFERENCES p(coll), q REFERENCES p("q""t"),
            bare REFERENCES bare, half REFERENCES pair);
        CREATE TABLE three(a, b, FOREIGN KEY (a, b) REFERENCES p(id, a));
        -- look-alikes
        CREATE TABLE ok(id REFERENCES p, ok1 REFERENCES p(ok1), ok2 REFERENCES P(OK2), coll2 REFERENCES p(coll2), a, b, gone REFERENCES gone(x), gone2 REFERENCES p(gone),
            FOREIGN KEY (a, b) REFERENCES p(a, b), FOREIGN KEY (b, a) REFERENCES p(b, a), FOREIGN KEY (a, b) REFERENCES pair);
        """, {"c.a": ("warning", None), "c.part": ("warning", None), "c.expr": ("warning", None), "c.coll": ("warning", None), "c.q": ("warning", None),
              "c.bare": ("warning", None), "c.half": ("warning", None), "three.a,b": ("warning", None)},
        closes={"c.a", "c.part", "c.expr", "c.coll", "c.q", "three.a,b"}),
    "a key that may be NULL": Proof("pk-nullable", """
        CREATE TABLE t(k TEXT PRIMARY KEY); CREATE TABLE "two parts"("a""b" TEXT, c TEXT NOT NULL, d INT, PRIMARY KEY ("a""b", c, d));
        CREATE TABLE i(id INT PRIMARY KEY); CREATE TABLE d(id INTEGER PRIMARY KEY DESC);
        -- look-alikes
        CREATE TABLE ok(id INTEGER PRIMARY KEY); CREATE TABLE ok2(id integer, PRIMARY KEY (id DESC)); CREATE TABLE w(k TEXT PRIMARY KEY) WITHOUT ROWID;
        CREATE TABLE s(k TEXT PRIMARY KEY) STRICT; CREATE TABLE n(k TEXT NOT NULL PRIMARY KEY); CREATE TABLE none(a); CREATE VIRTUAL TABLE f USING fts5(x);
        CREATE TABLE schema_migrations(version varchar(128) primary key); CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT);
        """, {"t": ("warning", 1), "two parts": ("warning", 2), "i": ("warning", 1), "d": ("warning", 1)}, closes=set(),
        mend="""DROP TABLE i; DROP TABLE d; DROP TABLE "two parts"; CREATE TABLE t2(k TEXT PRIMARY KEY NOT NULL); INSERT INTO t2 SELECT * FROM t; DROP TABLE t; ALTER TABLE t2 RENAME TO t;"""),
    "NULL in a key": Proof("pk-null-rows", """
        CREATE TABLE t(k TEXT PRIMARY KEY, v); INSERT INTO t VALUES (NULL, 1), (NULL, 2), ('a', 3);
        CREATE TABLE "o'dd ""%s"("a b", c, PRIMARY KEY ("a b", c)); INSERT INTO "o'dd ""%s" VALUES (1, NULL), (NULL, 1), (1, 1);
        -- look-alikes
        CREATE TABLE ok(k TEXT PRIMARY KEY); INSERT INTO ok VALUES (''), ('NULL'); CREATE TABLE u(k UNIQUE); INSERT INTO u VALUES (NULL);
        CREATE TABLE i(id INTEGER PRIMARY KEY); INSERT INTO i VALUES (NULL); CREATE TABLE w(a, b, PRIMARY KEY (a, b)) WITHOUT ROWID;
        """, {"t": ("critical", 2), "o'dd \"%s": ("critical", 2)}, after="SELECT count(*) FROM ok, u, i"),
    "a UUID as text": Proof("pk-uuid-as-text", """
        CREATE TABLE t(id CHAR(36) PRIMARY KEY); CREATE TABLE u(id VARCHAR (32) NOT NULL PRIMARY KEY);
        CREATE TABLE ok(id TEXT PRIMARY KEY); CREATE TABLE ok2(id VARCHAR(64) PRIMARY KEY); CREATE TABLE ok3(id CHAR(36) PRIMARY KEY REFERENCES t);
        CREATE TABLE ok4(a CHAR(36), b CHAR(36), PRIMARY KEY (a, b)); CREATE TABLE ok5(id NUMERIC(36) PRIMARY KEY); CREATE TABLE _prisma_migrations(id VARCHAR(36) PRIMARY KEY);
        """, {"t.id": ("info", None), "u.id": ("info", None)}, closes=set(), mend="DROP TABLE t; DROP TABLE u; CREATE TABLE t(id BLOB PRIMARY KEY);"),
    "a key behind": Proof("pk-column-not-first", """
        CREATE TABLE t(a, id INTEGER PRIMARY KEY); CREATE TABLE ok(id INTEGER PRIMARY KEY, a); CREATE TABLE ok2(a, b, c, PRIMARY KEY (b, a)); CREATE TABLE ok3(a);
        CREATE TABLE goose_db_version(x, id INTEGER PRIMARY KEY);
        """, {"t": ("info", None)}, closes=set(), mend="DROP TABLE t;"),
    "a key beside the rowid": Proof("sqlite-int-pk-not-rowid", """
        CREATE TABLE t(id INT PRIMARY KEY); CREATE TABLE d(id INTEGER PRIMARY KEY DESC); CREATE TABLE b(a, "i d" BIGINT NOT NULL, PRIMARY KEY ("i d")); CREATE TABLE s(id INT PRIMARY KEY) STRICT;
        CREATE TABLE ok(id INTEGER PRIMARY KEY); CREATE TABLE ok2(id integer primary key autoincrement); CREATE TABLE w(id INT PRIMARY KEY) WITHOUT ROWID;
        CREATE TABLE m(a INT, b INT, PRIMARY KEY (a, b)); CREATE TABLE x(id TEXT PRIMARY KEY); CREATE TABLE schema_migrations(version bigint primary key);
        """, {"t.id": ("info", None), "d.id": ("info", None), "b.i d": ("info", None), "s.id": ("info", None)}, closes=set(),
        mend="DROP TABLE t; DROP TABLE d; DROP TABLE b; DROP TABLE s; CREATE TABLE t(id INTEGER PRIMARY KEY);"),
    "a reference that is not declared": Proof("fk-undeclared", """
        CREATE TABLE users(id INTEGER PRIMARY KEY); CREATE TABLE city(id INTEGER PRIMARY KEY); CREATE TABLE categories(id TEXT PRIMARY KEY); CREATE TABLE box(k INT PRIMARY KEY);
        CREATE TABLE o(id INTEGER PRIMARY KEY, user_id BIGINT, CITY_ID INT, category_id VARCHAR(9), box_id INTEGER);
        CREATE TABLE ok(user_id INTEGER REFERENCES users, category_id INT, stripe_id INT, external_user_id INT, city_id INT, city_type TEXT, nothing_id INT, _id INT, box_id, thing_id INT,
            users_id TEXT);
        CREATE TABLE thing(a INT, b INT, PRIMARY KEY (a, b)); CREATE TABLE django_migrations(user_id INTEGER); CREATE TABLE twice(dup_id INT); CREATE TABLE dup(id INTEGER PRIMARY KEY); CREATE TABLE dups(id INTEGER PRIMARY KEY);
        """, {"o.user_id": ("info", None), "o.CITY_ID": ("info", None), "o.category_id": ("info", None), "o.box_id": ("info", None)}, closes=set(),
        mend="DROP TABLE o; CREATE TABLE o(user_id BIGINT REFERENCES users);"),
    "orphans that no key forbids": Proof("fk-orphan-rows-undeclared", """
        CREATE TABLE users(id INTEGER PRIMARY KEY); INSERT INTO users VALUES (1); CREATE TABLE "o ""x"(u INT, held REFERENCES users(id), fine INT);
        INSERT INTO "o ""x" VALUES (1, 9, 1), (2, 9, NULL), (3, 9, '1');
        """, {'o "x.u': ("warning", 2)}, closes=set(), keys={"require_relationships": ['o "x.u -> users.id', 'o "x.held -> users.id', 'o "x.fine -> USERS.id', "gone.x -> users.id"]},
        mend="INSERT INTO users VALUES (2), (3);"),
    "a single column": Proof("table-single-column", "CREATE TABLE t(a); CREATE TABLE ok(a, b AS (a)); CREATE TABLE alembic_version(version_num); CREATE VIEW v AS SELECT 1; CREATE VIRTUAL TABLE f USING fts5(x);",
        {"t": ("info", None)}, closes=set(), mend="ALTER TABLE t ADD COLUMN b;"),
    "nothing need be given": Proof("table-all-nullable", "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); CREATE TABLE ok(a, b NOT NULL); CREATE TABLE one(a); CREATE TABLE k(a, b, PRIMARY KEY (a, b));",
        {"t": ("info", 2)}, closes=set(), mend="ALTER TABLE t ADD COLUMN c NOT NULL DEFAULT 1;"),
    "on its own": Proof("table-not-linked", "CREATE TABLE t(a); CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES P); CREATE TABLE goose_db_version(a);", {"t": ("info", None)}, closes=set(), mend="DROP TABLE t;"),
    "the only table": Proof("table-not-linked", "CREATE TABLE t(a);", {}),
    "no rows": Proof("table-empty", """CREATE TABLE "t 'x"(a); CREATE TABLE ok(a); INSERT INTO ok VALUES (NULL); CREATE TABLE once(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO once VALUES (3); DELETE FROM once;
        CREATE TABLE schema_migrations(v);""", {"t 'x": ("info", None)}, closes=set(), mend="""DROP TABLE "t 'x";"""),
    "secrets": Proof("column-sensitive-plaintext", "CREATE TABLE t(password TEXT, api_key, userPassword_hash TEXT, user_Secret VARCHAR(9), password_id INT, secretary TEXT, n_secret INT);",
        {"t.password": ("info", None), "t.api_key": ("info", None), "t.user_Secret": ("info", None)}, closes=set(), mend="DROP TABLE t;"),
}


@pytest.mark.parametrize("name", cases(PROOFS))
def test_fault_is_found_and_its_remedies_close_it(folder, sqlite, name):
    prove(folder, sqlite, PROOFS[name])
