"""schema-drift: what changed since the last look, from the baseline, and from a sibling."""
import threading

from proof import proves
from support import wait_until
from support.hold import FAST

CHECK = "schema-drift"
QUICK = {**FAST, "schema_interval": "1s"}
SCHEMA = """
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE orders(id bigserial PRIMARY KEY, amount integer NOT NULL DEFAULT 0, feeling mood);
    CREATE VIEW big AS SELECT id FROM orders WHERE amount > 1000;
    CREATE FUNCTION twice(i integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2 * i';
    CREATE TABLE "we""ird
name é"(id integer PRIMARY KEY, "select" text);
"""


def baseline(d, method="GET", name="shop", **query):
    more = "?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else ""
    return d.request(method, f"/v1/databases/{name}/baseline{more}")


def looked(d, name="shop"):
    """What it keeps, after one more whole look."""
    wait_until(lambda: baseline(d, name=name).status == 200, 20, "the first look")
    d.run(name, "schema")
    return d.get(f"/v1/databases/{name}/baseline")


def version(d, n, name="shop"):
    wait_until(lambda: baseline(d, name=name).json["version"] >= n, 20, f"version {n}")
    return baseline(d, name=name).json


def events(d):
    return [e["DBHEALTH_REASON"] for e in d.transitions("0a") if e.get("DBHEALTH_CHECK") == CHECK]


def test_a_change_is_an_event_in_words_and_no_alarm(cluster, daemon):
    c = cluster()
    c.script(SCHEMA)
    d = daemon(databases={"shop": c.dsn()}, defaults=QUICK)
    first = looked(d)
    assert first["version"] == 1 and first["baseline"] is None and first["differences"] == []
    assert events(d) == []
    for n, (sql, words) in enumerate([
            ("ALTER TABLE orders ADD COLUMN note text; CREATE INDEX orders_note_idx ON orders (note)",
             "table public.orders: column note added; index orders_note_idx added"),
            ("ALTER TABLE orders ALTER COLUMN amount TYPE bigint",
             "table public.orders: column amount changed from integer not null default ... to bigint not null default ...; "
             "view public.big: definition changed"),
            ("ALTER TABLE orders ALTER COLUMN amount SET DEFAULT 7",
             "table public.orders: column amount changed"),
            ("CREATE OR REPLACE VIEW big AS SELECT id FROM orders WHERE amount > 2000",
             "view public.big: definition changed"),
            ("CREATE OR REPLACE FUNCTION twice(i integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT i + i'",
             "function public.twice(integer): source changed"),
            ("ALTER TYPE mood ADD VALUE 'happy'",
             "enum public.mood: labels changed from 'sad', 'ok' to 'sad', 'ok', 'happy'"),
            ("ALTER TABLE orders ADD CONSTRAINT positive CHECK (amount >= 0) NOT VALID",
             "table public.orders: check positive added"),
            ("ALTER TABLE orders VALIDATE CONSTRAINT positive",
             "table public.orders: check positive changed"),
            ('ALTER TABLE "we""ird\nname é" ALTER COLUMN "select" SET NOT NULL',
             'table public."we""ird\nname é": column "select" changed from text to text not null'),
            ('DROP TABLE "we""ird\nname é"', 'table public."we""ird\nname é" removed'),
    ], start=2):
        if sql.startswith("ALTER TABLE orders ALTER COLUMN amount TYPE"):
            c.script("BEGIN; DROP VIEW big; " + sql + "; CREATE VIEW big AS SELECT id FROM orders WHERE amount > 1000; COMMIT")
        else:
            c.script(sql)
        v = version(d, n)["versions"][0]
        assert (v["version"], v["words"]) == (n, words)
        assert v["after"] <= v["seen_at"]
    wait_until(lambda: len(events(d)) == 10, 10, "all are told")
    assert events(d)[0] == "table public.orders: column note added; index orders_note_idx added"
    assert [f for f in d.findings() if f["check"] == CHECK] == []
    assert d.check("shop", CHECK)["status"] == "ok"


def test_what_is_no_change_says_nothing(cluster, daemon):
    """Partitions, temporary and extension objects, statistics, the same thing made again."""
    c = cluster()
    c.script(SCHEMA + "CREATE TABLE log(at date NOT NULL, n bigint) PARTITION BY RANGE (at);"
             "CREATE TABLE customers(id bigint PRIMARY KEY);"
             "CREATE TABLE audit(customer bigint REFERENCES customers)")
    d = daemon(databases={"shop": c.dsn()}, defaults=QUICK)
    looked(d)
    c.script("CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');"
             "CREATE INDEX ON log_1 (n);"
             "CREATE TABLE log_2 (LIKE log) ; ALTER TABLE log ATTACH PARTITION log_2 FOR VALUES FROM ('2026-01-02') TO ('2026-01-03');"
             "INSERT INTO orders (amount) SELECT 1 FROM generate_series(1, 1000); ANALYZE;"
             "COMMENT ON TABLE orders IS 'all of them';"
             "ALTER TABLE orders ALTER COLUMN amount SET DEFAULT    0;"
             "BEGIN; DROP VIEW big; CREATE VIEW big AS SELECT id FROM orders WHERE amount > 1000; COMMIT;"
             "CREATE OR REPLACE FUNCTION twice(i integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2 * i'")
    s = c.session()
    s.cursor().execute("CREATE TEMP TABLE mine(a int)")
    d.run("shop", "schema")
    looked(d)
    assert [v['words'] for v in looked(d)['versions']] == ['first look'] and events(d) == []
    s.close()


@proves("schema-drift")
def test_a_baseline_is_pinned_missed_restarted_and_met_again(cluster, daemon):
    c = cluster()
    c.script(SCHEMA)
    d = daemon(databases={"shop": c.dsn()}, defaults=QUICK)
    looked(d)
    pinned = d.cli("baseline", "pin", "shop")
    assert pinned.status == 0 and "as its baseline (version 1" in pinned.out
    c.script("ALTER TABLE orders ADD COLUMN note text; DROP FUNCTION twice")
    f = d.wait_finding(CHECK, severity="warning")
    assert f["message"].startswith("2 differences from the baseline pinned at ")
    assert "function public.twice(integer) removed; table public.orders: column note added" in f["message"]
    assert [r["text"] for r in f["remedies"]] == ["dbhealth baseline show shop", "dbhealth baseline pin shop"]
    d.kill9()
    d.start()
    assert d.wait_finding(CHECK)["id"] == f["id"]
    c.script("ALTER TABLE orders DROP COLUMN note")
    wait_until(lambda: "1 difference " in d.wait_finding(CHECK)["message"], 20, "one is mended")
    c.script("CREATE FUNCTION twice(i integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2 * i'")
    d.wait_gone(CHECK)
    kept = looked(d)
    assert kept["differences"] == [] and kept["baseline"]["version"] == 1
    # What was between is no alarm once it is pinned anew, and is one by an older version.
    c.script("CREATE TABLE later(id int PRIMARY KEY)")
    d.wait_finding(CHECK)
    assert d.cli("baseline", "pin", "shop").status == 0
    d.wait_gone(CHECK, within=5)
    assert d.cli("baseline", "pin", "shop", "1").status == 0
    assert d.wait_finding(CHECK, within=5)["value"] == 1
    shown = d.cli("baseline", "show", "shop")
    assert "1 difference from its baseline (version 1" in shown.out and "table public.later added" in shown.out
    assert d.cli("baseline", "unpin", "shop").status == 0
    d.wait_gone(CHECK, within=5)


def test_what_is_asked_wrongly_is_refused(cluster, daemon):
    c = cluster()
    d = daemon(databases={"shop": c.dsn()}, defaults=QUICK)
    looked(d)
    for query, status in (({"version": "99"}, 404), ({"version": "x"}, 400), ({"version": "0"}, 400),
                          ({"check": "table-no-primary-key"}, 404), ({"other": "1"}, 400)):
        assert baseline(d, "POST", **query).status == status, query
    assert baseline(d, name="nowhere").status == 404
    assert baseline(d, "PUT").status == 405
    assert d.cli("baseline", "mend", "shop").status == 64
    assert d.cli("baseline", "show", "nowhere").status == 64


def test_twenty_versions_are_kept_and_survive(cluster, daemon):
    c = cluster()
    c.script(SCHEMA)
    d = daemon(databases={"shop": c.dsn()}, defaults=QUICK)
    looked(d)
    for n in range(2, 24):
        c.script(f"CREATE TABLE t{n}(id int PRIMARY KEY)")
        version(d, n)
    wait_until(lambda: len(events(d)) == 22, 10, "all are told")
    d.restart()
    kept = looked(d)
    assert [v["version"] for v in kept["versions"]] == list(range(23, 3, -1))
    assert kept["versions"][0]["words"] == "table public.t23 added"
    assert events(d) == []
    c.script("DROP TABLE t2, t23")
    assert version(d, 24)["versions"][0]["words"] == "table public.t2 removed; table public.t23 removed"
    assert baseline(d, "POST", version="5").status == 200
    words = [x["object"] + " " + x["words"] for x in baseline(d).json["differences"]]
    assert words[0] == "table public.t2 removed" and "table public.t5" not in " ".join(words)
    assert "table public.t6 added" in words and "table public.t22 added" in words and len(words) == 18


def test_siblings_that_differ_for_long_are_critical(cluster, daemon):
    c = cluster()
    c.createdb("stage")
    for dbname in ("postgres", "stage"):
        c.script(SCHEMA, dbname=dbname)
    c.script("CREATE SCHEMA noise; DROP SCHEMA noise; CREATE TABLE gone(a int); DROP TABLE gone", dbname="stage")
    d = daemon(databases={"shop": {"dsn": c.dsn(), "same_schema_as": "stage"}, "stage": c.dsn("stage")},
               defaults=QUICK, sections={f"check shop/{CHECK}": {"param.sibling_for": "3s"}})
    looked(d)
    looked(d, "stage")
    d.run("shop", "schema")
    d.run("shop", "schema")
    assert [f for f in d.findings() if f["check"] == CHECK] == []
    c.script("ALTER TABLE orders ADD COLUMN only_stage date; CREATE TABLE extra(a int)", dbname="stage")
    c.script("ALTER TABLE orders ADD COLUMN only_shop date; ALTER TABLE orders ALTER feeling SET NOT NULL")
    f = d.wait_finding(CHECK, severity="critical", within=30)
    assert f["database"] == "shop" and f["object"] == "stage"
    assert f["message"] == "4 differences from stage, which should have the same schema: " \
        "table public.extra only in stage; table public.orders: " \
        "column feeling is public.mood in stage, public.mood not null here; " \
        "column only_shop only here; column only_stage only in stage"
    c.script("ALTER TABLE orders DROP only_stage; DROP TABLE extra", dbname="stage")
    c.script("ALTER TABLE orders DROP only_shop; ALTER TABLE orders ALTER feeling DROP NOT NULL")
    d.wait_gone(CHECK, within=30)


def test_a_storm_of_ddl_and_locked_tables_make_no_false_change(cluster, daemon):
    c = cluster(settings={"deadlock_timeout": "10s"})
    c.script("DO $$ BEGIN FOR i IN 1..300 LOOP EXECUTE format('CREATE TABLE k%s(id serial PRIMARY KEY, t text)', i); "
             "END LOOP; END $$")
    d = daemon(databases={"shop": c.dsn()}, defaults=QUICK, sections={f"check {CHECK}": {"ignore": "storm.*"}})
    looked(d)
    over = threading.Event()

    def storm():
        session = c.session()
        s = session.cursor()
        s.execute("CREATE SCHEMA IF NOT EXISTS storm")
        while not over.is_set():
            s.execute("CREATE TYPE storm.e AS ENUM ('a'); CREATE TABLE storm.x(id serial PRIMARY KEY, e storm.e); "
                      "CREATE INDEX ON storm.x (e); CREATE VIEW storm.v AS SELECT * FROM storm.x")
            s.execute("DROP TABLE storm.x CASCADE; DROP TYPE storm.e")
            s.execute("DROP TABLE k1; CREATE TABLE k1(id serial PRIMARY KEY, t text)")
        session.close()

    thread = threading.Thread(target=storm)
    locker = c.session(autocommit=False)
    locker.cursor().execute("LOCK TABLE " + ", ".join(f"k{i}" for i in range(2, 100)))
    thread.start()
    try:
        first = looked(d)["version"]
        for _ in range(8):
            d.run("shop", "schema")
    finally:
        over.set()
        thread.join()
        locker.rollback()
        locker.close()
    kept = looked(d)
    assert first <= 2 and [v["words"] for v in kept["versions"]][:-1] in ([], ["schema storm added"])
    assert d.check("shop", CHECK)["status"] == "ok"


def run(file, *statements):
    for text in statements:
        file.sql(text)


@proves("schema-drift", engine="sqlite")
def test_sqlite_says_the_same_of_a_file(sqlite, daemon):
    """The engine is the same: only the file with the SQL is another."""
    shop, twin = sqlite("shop"), sqlite("twin")
    long = " AND ".join(f"length(note) <> {i}" for i in range(200))
    for f in (shop, twin):
        run(f, "CREATE TABLE orders(id INTEGER PRIMARY KEY, note TEXT)",
            f"CREATE TABLE far(id INTEGER PRIMARY KEY, note TEXT, CHECK ({long}))",
            'CREATE TABLE "we""ird\nname"(a, b)')
    d = daemon(databases={"shop": {"dsn": shop.dsn, "same_schema_as": "twin"}, "twin": twin.dsn}, defaults=QUICK,
               sections={f"check {CHECK}": {"param.sibling_for": "2s"}})
    assert looked(d)["objects"] == 3
    looked(d, "twin")
    assert d.cli("baseline", "pin", "shop").status == 0
    run(shop, "ALTER TABLE orders ADD COLUMN placed  TEXT NOT NULL DEFAULT ''", "CREATE INDEX by_note ON orders (note)")
    assert version(d, 2)["versions"][0]["words"] == "table orders: column placed added; index by_note added"
    assert "2 differences from the baseline" in d.wait_finding(CHECK, severity="warning")["message"]
    assert "column placed only here" in d.wait_finding(CHECK, "twin", severity="critical")["message"]
    run(shop, "DROP INDEX by_note", "CREATE INDEX by_note\n  ON  orders\t(note)")
    run(twin, "ALTER TABLE orders ADD COLUMN placed TEXT NOT NULL DEFAULT ''", "CREATE INDEX by_note ON orders (note)")
    d.wait_gone(CHECK, "twin")
    assert version(d, 2)["version"] == 2
    run(shop, "DROP TABLE far", f"CREATE TABLE far(id INTEGER PRIMARY KEY, note TEXT, CHECK ({long.replace('<> 199', '<> 1')}))")
    assert version(d, 3)["versions"][0]["words"] == "table far: definition changed"


def test_a_view_that_cannot_be_compiled_is_compared_by_its_text(sqlite, daemon):
    """A view on what its application alone has, or on what is gone, blinds nobody to the rest."""
    f = sqlite("app")
    run(f, "CREATE TABLE b(title TEXT, other TEXT)", "CREATE TABLE gone(a)", "CREATE VIEW slugs AS SELECT slug(title) AS s FROM b",
        "CREATE VIEW lost AS SELECT a FROM gone", "DROP TABLE gone")
    d = daemon(databases={"app": f.dsn}, defaults=QUICK)
    assert looked(d, "app")["objects"] == 3
    assert d.check("app", CHECK)["status"] != "unknown", d.check("app", CHECK)
    run(f, "BEGIN; CREATE TABLE more(a INTEGER); DROP VIEW slugs; CREATE VIEW slugs AS SELECT slug(other) AS s FROM b; COMMIT")
    words = version(d, 2, "app")["versions"][0]["words"]
    assert sorted(words.split("; ")) == ["table more added", "view slugs: definition changed"], words
