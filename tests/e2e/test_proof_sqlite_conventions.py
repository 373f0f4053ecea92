"""The rules of a house on SQLite files, proven on real ones (proof_sqlite.prove)."""
import pytest

from proof_sqlite import Proof, cases, prove

ID = "8a6e0804-2bd0-4672-b79d-d97027f9071a"
# What no rule is for: join tables, bookkeeping, virtual tables, what the configuration leaves out.
SPARED = """
    CREATE TABLE users(id TEXT PRIMARY KEY NOT NULL, created_at TEXT, updated_at TEXT, is_active BOOLEAN NOT NULL DEFAULT 1); CREATE TABLE tags(id TEXT PRIMARY KEY NOT NULL, created_at TEXT,
        updated_at TEXT, is_active INT NOT NULL DEFAULT 1, created_by_id TEXT REFERENCES users, updated_by_id TEXT REFERENCES users(id));
    CREATE INDEX users_c ON users(created_at) WHERE is_active; CREATE INDEX users_u ON users(updated_at DESC); CREATE INDEX tags_c ON tags(created_at); CREATE INDEX tags_u ON tags(updated_at, id);
    CREATE INDEX tags_a ON tags(id, is_active);
    CREATE TABLE user_tags(u REFERENCES users, t REFERENCES tags, PRIMARY KEY (u, t)); CREATE TABLE user_tags2(id INTEGER PRIMARY KEY, u REFERENCES users, t REFERENCES tags, UNIQUE (t, u));
    CREATE TABLE alembic_version(version_num INT PRIMARY KEY); CREATE TABLE country_codes(id INTEGER PRIMARY KEY); CREATE VIRTUAL TABLE f USING fts5(x); CREATE VIEW v AS SELECT 1 AS id;
    """
HOUSE = {"conventions": ["uuid-primary-key", "timestamps", "soft-delete", "audit"], "conventions_exclude": ["main.country_*"], "users_table": "users"}
TIMES = ("2026-01-02T03:04:05Z", "2026-01-02 03:04:05.123+01:00", "2026-01-02T03:04:05-0500", "2026-01-02 03:04:05+02", "2026-01-02 03:04:05 UTC")

PROOFS = {
    "keys that are no UUID": Proof("conv-pk-not-uuid", SPARED + f"""
        CREATE TABLE "o'rd""ers"(id INTEGER PRIMARY KEY); CREATE TABLE slugs(s TEXT PRIMARY KEY); INSERT INTO slugs VALUES ('{ID}'), ('home'); CREATE TABLE pair(a INT, b TEXT, PRIMARY KEY (a, b));
        INSERT INTO pair VALUES (1, 'x'); CREATE TABLE blobs(b BLOB PRIMARY KEY); INSERT INTO blobs VALUES (x'00');
        -- look-alikes
        INSERT INTO users(id) VALUES ('{ID}'), ('{ID.replace("-", "").upper()}'); CREATE TABLE a(id UUID PRIMARY KEY); CREATE TABLE b(id CHAR(36) PRIMARY KEY); CREATE TABLE c(id BLOB PRIMARY KEY);
        INSERT INTO c VALUES (randomblob(16)); CREATE TABLE d(id BINARY(16) PRIMARY KEY); CREATE TABLE e(n INT, id UUID, PRIMARY KEY (n, id)); CREATE TABLE g(id TEXT PRIMARY KEY REFERENCES slugs);
        INSERT INTO g VALUES ('home'); CREATE TABLE h(a); CREATE TABLE empty(id TEXT PRIMARY KEY);
        """, {"o'rd\"ers": ("warning", None), "slugs": ("warning", None), "pair": ("warning", None), "blobs": ("warning", None)}, closes=set(), keys=HOUSE,
        mend="""DROP TABLE "o'rd""ers"; DROP TABLE g; DROP TABLE slugs; DROP TABLE pair; DROP TABLE blobs;"""),
    "no timestamps": Proof("conv-timestamps-missing", SPARED + """
        CREATE TABLE none(a); INSERT INTO none VALUES (1); CREATE TABLE "half ""x"(created_AT TEXT) STRICT; CREATE TABLE w(k PRIMARY KEY, updated_at) WITHOUT ROWID;
        """, {"none": ("warning", 2), 'half "x': ("warning", 1), "w": ("warning", 1)}, keys=HOUSE),
    "no timestamps, other names": Proof("conv-timestamps-missing", "CREATE TABLE a(made); CREATE TABLE b(created_at, updated_at);", {"b": ("warning", 1)}, keys=HOUSE,
        settings={"created": "Made", "updated": "-"}),
    "rules that nobody chose": Proof("conv-timestamps-missing", "CREATE TABLE a(b);", {}),
    "times without zone": Proof("conv-timestamp-not-tz", SPARED + """
        CREATE TABLE t(created_at TEXT DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME); INSERT INTO t(updated_at) VALUES ('2026-01-02'), (NULL); CREATE INDEX t_c ON t(created_at);
        CREATE TABLE "t 2"(created_at TEXT, updated_at INT); INSERT INTO "t 2" VALUES ('2026-01-02T03:04:05.5', 1767322000);
        -- look-alikes
        CREATE TABLE ok(created_at TEXT, updated_at); INSERT INTO country_codes DEFAULT VALUES; CREATE TABLE other(changed_at DEFAULT CURRENT_TIMESTAMP); INSERT INTO other DEFAULT VALUES;
        """ + "".join(f"INSERT INTO ok VALUES ('{t}', 1767322000);" for t in TIMES), {"t.created_at": ("warning", 2), "t.updated_at": ("warning", 1), "t 2.created_at": ("warning", 1)}, keys=HOUSE,
        after="SELECT count(*) FROM t"),
    "times that may be NULL": Proof("conv-timestamp-nullable", """
        CREATE TABLE t(created_at TEXT, updated_at TEXT NOT NULL); CREATE TABLE ok(created_at NOT NULL, updated_at NOT NULL, deleted_at);
        """, {"t.created_at": ("info", None)}, closes=set(), keys=HOUSE, mend="DROP TABLE t;"),
    "times without an index": Proof("conv-timestamp-not-indexed", SPARED + """
        CREATE TABLE "t ""x"(a, created_at TEXT, updated_at TEXT); CREATE INDEX t_ac ON "t ""x"(a, created_at); INSERT INTO "t ""x" DEFAULT VALUES; CREATE INDEX t_u ON "t ""x"(UPDATED_AT COLLATE NOCASE) WHERE a > 1;
        """, {'t "x.created_at': ("info", 1)}, keys=HOUSE),
    "no mark": Proof("conv-is-active-missing", SPARED + """CREATE TABLE "t ""x"(a); INSERT INTO "t ""x" VALUES (1); CREATE TABLE s(a INT) STRICT; CREATE TABLE ok(IS_ACTIVE);""",
        {'t "x': ("warning", None), "s": ("warning", None)}, keys=HOUSE),
    "a mark of another type": Proof("conv-is-active-bad-type", SPARED + """
        CREATE TABLE a(is_active BOOLEAN); CREATE TABLE b(is_active TEXT NOT NULL); CREATE TABLE c(is_active NOT NULL);
        CREATE TABLE ok(is_active TINYINT(1) NOT NULL); CREATE TABLE ok2(is_active bool NOT NULL DEFAULT TRUE); CREATE TABLE ok3(is_active INTEGER NOT NULL) STRICT;
        """, {"a.is_active": ("warning", None), "b.is_active": ("warning", None), "c.is_active": ("warning", None)}, closes=set(), keys=HOUSE, mend="DROP TABLE a; DROP TABLE b; DROP TABLE c;"),
    "a mark without an index": Proof("conv-is-active-not-indexed", SPARED + """
        CREATE TABLE "t ""x"(a, is_active BOOLEAN NOT NULL, created_at); CREATE INDEX t_a ON "t ""x"(a) WHERE a = 'is_active'; CREATE TABLE u(is_active INT);
        CREATE TABLE ok(a, is_active INT); CREATE INDEX ok_a ON ok(a) WHERE "IS_ACTIVE" = 1; CREATE TABLE ok2(is_active INT UNIQUE);
        """, {'t "x.is_active': ("info", 0), "u.is_active": ("info", 0)}, keys=HOUSE),
    "nobody is named": Proof("conv-audit-columns-missing", SPARED + """CREATE TABLE "t ""x"(a); CREATE TABLE half(created_by_id);""", {'t "x': ("warning", 2), "half": ("warning", 1)}, keys=HOUSE),
    "nobody is named, and no users": Proof("conv-audit-columns-missing", "CREATE TABLE t(a);", {"t": ("warning", 2)}, closes=set(), keys={"conventions": ["audit"]}, mend="DROP TABLE t;"),
    "who is named may not exist": Proof("conv-audit-fk-missing", SPARED + """
        CREATE TABLE "t ""x"(created_by_id TEXT, updated_by_id REFERENCES users); INSERT INTO "t ""x" VALUES ('x', NULL); CREATE TABLE ok(a, created_by_id, FOREIGN KEY (a, created_by_id) REFERENCES tags(id, is_active));
        """, {'t "x.created_by_id': ("warning", None)}, closes=set(), keys=HOUSE, mend="""DROP TABLE "t ""x";"""),
    "who is named is no user": Proof("conv-audit-fk-wrong-target", SPARED + """
        CREATE TABLE t(created_by_id REFERENCES tags, updated_by_id REFERENCES USERS); CREATE TABLE ok(created_by_id REFERENCES tags REFERENCES users, updated_by_id, editor_id REFERENCES tags);
        """, {"t.created_by_id": ("warning", None)}, closes=set(), keys=HOUSE, mend="DROP TABLE t;"),
    "required columns": Proof("conv-required-column-missing", """
        CREATE TABLE users(id INTEGER PRIMARY KEY, email, g AS (id + 1)); CREATE VIEW names AS SELECT email AS name FROM users; CREATE TABLE "a b"("c d");
        """, {"users.gone": ("critical", None), "nowhere.id": ("critical", None)}, closes=set(),
        keys={"require_columns": ["users.id", "USERS.Email", "users.g", "names.name", "users.gone", "nowhere.id"]}, mend="ALTER TABLE users ADD COLUMN gone; CREATE TABLE nowhere(id);"),
    "required columns of an empty database": Proof("conv-required-column-missing", "PRAGMA user_version = 3;", {"users.id": ("info", None)}, closes=set(), keys={"require_columns": ["users.id"]}),
    "no superuser": Proof("conv-superuser-row-missing", "CREATE TABLE users(id INTEGER PRIMARY KEY, is_superuser, is_active); INSERT INTO users(is_superuser, is_active) VALUES (0, 1), (1, 0);",
        {"users": ("critical", 0)}, closes=set(), keys={"users_table": "users", "superuser": "is_superuser"}, mend="UPDATE users SET is_superuser = 1;"),
    "no superuser yet": Proof("conv-superuser-row-missing", """CREATE TABLE Users(id INTEGER PRIMARY KEY, role);""", {"Users": ("warning", 0)}, closes=set(),
        keys={"users_table": "users", "superuser": "role = 'admin'"}, mend="INSERT INTO users(role) VALUES ('admin');"),
    "no users": Proof("conv-superuser-row-missing", "CREATE TABLE t(a);", {"users": ("critical", 0)}, closes=set(), keys={"users_table": "users", "superuser": "a = 1"},
        mend="CREATE TABLE users(a); INSERT INTO users VALUES (1);"),
    "a superuser": Proof("conv-superuser-row-missing", "CREATE TABLE users(a, is_active); INSERT INTO users VALUES (1, 1), (0, 1);", {}, keys={"users_table": "users", "superuser": "a = 1"}),
    "changed before it was made": Proof("timestamps-out-of-order", SPARED + """
        CREATE TABLE "t ""x"(created_at TEXT, updated_at TEXT); INSERT INTO "t ""x" VALUES ('2026-01-02T03:04:05Z', '2026-01-02 02:00:00Z'), ('2026-01-02T03:04:05Z', '2026-01-03'),
            ('2999-01-01T00:00:00Z', '2999-01-01T00:00:00Z'), ('2999-01-01', '2999-01-01'), ('x', 'a'), (NULL, '2020-01-01'), ('2026-01-02T05:04:05+02:00', '2026-01-02T03:04:05Z');
        CREATE TABLE w(rowid TEXT, oid TEXT, _rowid_ TEXT, created_at INT, updated_at INT); INSERT INTO w(created_at, updated_at) VALUES (1767322000, 1767300000), (1767322000, 1767321900), (1767322000000, 1767322000500);
        CREATE TABLE wr(k PRIMARY KEY, created_at, updated_at) WITHOUT ROWID; INSERT INTO wr VALUES (1, 5, '2020-01-01'), (2, x'00', 5);
        """, {'t "x': ("warning", 2), "w": ("warning", 1)}, closes=set(), keys=HOUSE, mend="""DELETE FROM "t ""x"; DELETE FROM w;"""),
}


@pytest.mark.parametrize("name", cases(PROOFS))
def test_fault_is_found_and_its_remedies_close_it(folder, sqlite, name):
    prove(folder, sqlite, PROOFS[name])
