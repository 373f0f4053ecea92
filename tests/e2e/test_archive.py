"""dbhealth archive: old rows arrive whole, whatever their types, and leave only then; what others do
meanwhile, and what was cut off, loses none and doubles none."""
import contextlib
import csv
import json
import sqlite3
import subprocess
import threading

import jsonschema
import psycopg2
import pytest

from support.base import TOP, wait_until
from support.daemon import config_text

TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'it''s "ok"');
CREATE DOMAIN positive AS integer CHECK (value > 0);
CREATE TYPE pair AS (a integer, b text);
CREATE TABLE "Ev ""ents" (
    "id é" bigint GENERATED ALWAYS AS IDENTITY, at timestamptz, n numeric, f8 float8, f4 float4, t text,
    vc varchar(9), ch char(5), b bytea, j json, jb jsonb, ia integer[], ta text[][], ts timestamp, d date,
    iv interval, u uuid, yes boolean, ip inet, m mood, dom positive, p pair, r int4range, bits bit varying,
    moods mood[], i2 smallint, twice bigint GENERATED ALWAYS AS ("id é" * 2) STORED, k text DEFAULT 'k',
    PRIMARY KEY (k, "id é"));
INSERT INTO "Ev ""ents" (at, n, f8, f4, t, vc, ch, b, j, jb, ia, ta, ts, d, iv, u, yes, ip, m, dom, p, r, bits, moods, i2)
VALUES ('2001-02-03 04:05:06.789+05', 'NaN', 'NaN', 'Infinity', '', 'x', 'ab', '', '{"a": 1}', '[1, null]', '{}',
        '{{a,"b,c"},{NULL,""}}', 'infinity', '-infinity', '1 mon -2 days 03:04:05.5', gen_random_uuid(), true,
        '10.0.0.0/8', 'sad', 1, '(1,"a,b")', '[1,5)', B'101', '{sad,"it''s \\"ok\\""}', -3),
       ('0044-03-15 BC', '1.500', 0.1, 1e-30, E'a\\tb\\nc\\r\\\\N \\\\. "q" é 😀', NULL, NULL, '\\x00ff5c0a', 'null', 'null',
        '{1,NULL,3}', NULL, '2001-02-03', '2001-02-03', '-1 day', NULL, false, '::1', 'it''s "ok"', NULL, '(,)',
        'empty', B'', '{}', NULL),
       ('-infinity', '123456789012345678901234567890.123456789', -0.0, 3.4e38, '\\N', '\\.', 'abcde', '\\x', '[]', '"x"',
        NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 2147483647, NULL, NULL, NULL, NULL, 32767),
       (NULL, 0, 0, 0, 'no time', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, NULL),
       (now(), 0, 0, 0, 'young', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, NULL);
"""
EVENTS = """
CREATE TABLE events (id integer PRIMARY KEY, at timestamptz NOT NULL, v text);
INSERT INTO events SELECT i, CASE WHEN i <= {old} THEN now() - interval '200 days' ELSE now() END, 'v' || i
    FROM generate_series(1, {all}) AS i;
CREATE INDEX ON events (at);
"""
FILE = """
CREATE TABLE events (id INTEGER PRIMARY KEY, at, v, "w ""x" REAL, twice INTEGER AS (id * 2) STORED);
INSERT INTO events (id, at, v, "w ""x") VALUES
    (1, '2001-02-03 04:05:06', 'text', 1), (2, 981173106, 7, 0.1), (3, 981173106000, x'00ff', 1e300),
    (4, 2451943.5, NULL, NULL), (5, 0, 'never', 5), (6, NULL, 'unknown', 6), (7, '2999-01-01', '', 7),
    (8, '2001-02-03T04:05:06Z', '', -0.5), (9, 981173106000000, 'é"' || char(10) || ',', 3);
"""


class Place:
    """A configuration, a source, a target; archive(...) runs the command."""

    def __init__(self, folder, cli):
        self.folder, self._cli, self.databases, self.archives = folder, cli, {}, {}
        self.path = folder.path / "dbhealthd.conf"
        self.shape = json.loads((TOP / "docs/schema/archive.json").read_text())

    def write(self):
        self.path.write_text(config_text({"state_dir": self.folder.path}, self.databases,
                                         sections={f"archive {n}": k for n, k in self.archives.items()}))
        self.path.chmod(0o600)

    def add(self, name="old", **keys):
        self.archives[name] = {"database": "source", "table": "events", "column": "at", "pause": "0", **keys}
        self.write()
        return self

    def archive(self, *args, status=0, name="old"):
        done = self._cli("archive", "-c", self.path, "-o", "json", *args, *([name] if name else []))
        assert done.status == status, done
        jsonschema.validate(done.json, self.shape)
        assert done.json["ok"] == (status == 0)
        return done.json


@pytest.fixture
def place(folder, cli):
    return Place(folder, cli)


@pytest.fixture(scope="module")
def pair(module_cluster):
    module_cluster.createdb("source", "other")
    return module_cluster


@pytest.fixture
def pg(pair, place):
    """Two empty databases of one server: the source, and another with b=True."""
    for name in ("source", "other"):
        pair.sql("DROP SCHEMA IF EXISTS archive CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public", dbname=name)
        dsn = pair.dsn(name, user="postgres")
        place.databases[name] = {"dsn": dsn, "admin_dsn": dsn}
    return lambda text, *params, b=False: pair.sql(text, *params, dbname="other" if b else "source")


@pytest.fixture
def lite(place):
    """A SQLite file as the source."""
    path = place.folder.path / "app's.db"
    place.databases["source"] = f"sqlite:{path}"

    def sql(text, *params, file=path):
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as db:
            return db.executescript(text).fetchall() if ";" in text and not params else db.execute(text, params).fetchall()
    return sql


def csv_rows(folder, name="old"):
    """The rows of all files that the journals name; nothing else of ours may lie there."""
    rows, files = [], set()
    for journal in sorted(folder.glob(f"{name}-*.json")):
        said = json.loads(journal.read_text())
        if said["state"] != "writing":
            files.add(said["file"])
            with open(folder / said["file"], newline="", encoding="utf-8") as f:
                rows += list(csv.DictReader(f))
    assert {f.name for f in folder.glob("*.csv")} == files
    return rows


# ---- all types ----

ALL_TYPES = 'SELECT k, "id é", e::text FROM "Ev ""ents" AS e ORDER BY 2'


def plant_types(pg):
    pg(TYPES)
    rows = pg(ALL_TYPES)
    return [r for r in rows if r[1] <= 3], [r for r in rows if r[1] > 3]


def test_types_to_a_table(pg, place):
    old, young = plant_types(pg)
    pg("CREATE SCHEMA archive")
    place.add(table='"Ev ""ents"', to='table archive."Ev ""ents"')
    assert place.archive("--dry-run")["rows"] == 3
    done = place.archive()
    assert (done["copied"], done["deleted"]) == (3, 3)
    assert pg(ALL_TYPES) == young
    assert pg(ALL_TYPES.replace('"Ev ""ents"', 'archive."Ev ""ents"')) == old
    assert place.archive()["deleted"] == 0


def test_types_to_another_database(pg, place):
    old, young = plant_types(pg)
    columns = [c for c, in pg("SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = '\"Ev \"\"ents\"'::regclass"
                              " AND attnum > 0 AND NOT attisdropped ORDER BY attnum")]
    as_text = "SELECT " + ", ".join(f"{c}::text" for c in columns) + ' FROM "Ev ""ents" WHERE "id é" <= 3 ORDER BY "id é"'
    before = pg(as_text)
    place.add(table='"Ev ""ents"', to="database other", batch=2)
    done = place.archive()
    assert (done["copied"], done["deleted"], done["batches"]) == (3, 3, 2)
    assert pg(ALL_TYPES) == young
    # Types of that database alone are text in the other; char(5)::text drops blanks on one side only.
    assert pg(as_text, b=True) == before and len(old) == 3
    assert pg("SELECT state, n_rows FROM dbhealth_archives ORDER BY batch", b=True) == [("done", 2), ("done", 1)]


def test_types_to_csv_as_the_server_writes_it(pg, place):
    old, young = plant_types(pg)
    folder = place.folder.path / "csv"
    pg('CREATE TABLE back (LIKE "Ev ""ents"); CREATE TABLE was AS SELECT * FROM "Ev ""ents" WHERE "id é" <= 3')
    place.add(table='"Ev ""ents"', to=f"csv:{folder}")
    assert place.archive()["deleted"] == 3
    assert pg(ALL_TYPES) == young
    (file,) = folder.glob("*.csv")
    name = place.databases["source"]["dsn"]
    psql = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", name, "-c", "SET timezone = 'UTC'", "-c",
                           f"\\copy back FROM '{file}' WITH (FORMAT csv, HEADER)", "-c",
                           "COPY (SELECT * FROM was ORDER BY k, \"id é\") TO STDOUT WITH (FORMAT csv, HEADER)"],
                          stdout=subprocess.PIPE, check=True, cwd="/")
    assert psql.stdout == file.read_bytes()
    assert pg("SELECT k, \"id é\", bk::text FROM back AS bk ORDER BY 2") == old
    proof = place.archive("verify")
    assert (proof["batches"], proof["rows"], proof["wrong"]) == (1, 3, [])
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    assert "is not what was written" in place.archive("verify", status=1)["wrong"][0]


def test_types_to_sqlite(pg, place):
    plant_types(pg)
    path = place.folder.path / "old.db"
    pg("""CREATE TABLE was AS SELECT * FROM "Ev ""ents" WHERE "id é" <= 3""")
    place.add(table='"Ev ""ents"', to=f"sqlite:{path} events")
    assert "is made" in place.archive("--dry-run")["notes"][0] and not path.exists()
    assert place.archive()["deleted"] == 3
    with contextlib.closing(sqlite3.connect(path)) as db:
        rows = db.execute('SELECT "id é", t, b, n, yes, ia, i2, f8, p FROM events ORDER BY 1').fetchall()
        assert rows[0] == (1, "", b"", "NaN", 1, "{}", -3, "NaN", '(1,"a,b")')
        assert rows[1] == (2, 'a\tb\nc\r\\N \\. "q" é 😀', b"\x00\xff\\\n", "1.500", 0, "{1,NULL,3}", None, "0.1", "(,)")
        assert rows[2][1] == "\\N" and rows[2][3] == "123456789012345678901234567890.123456789"
        assert place.archive("verify")["rows"] == 3
        db.execute("UPDATE events SET t = 'other' WHERE \"id é\" = 1")
        db.commit()
        assert place.archive("verify", status=1)["wrong"]


@pytest.mark.parametrize("to", ["table", "file", "csv", "server"])
def test_a_sqlite_file_to_each_place(lite, place, to, request):
    lite(FILE)
    before = lite('SELECT id, at, typeof(at), v, typeof(v), "w ""x", twice FROM events ORDER BY id')
    place.add(to={"table": "table old_events", "file": f"sqlite:{place.folder.path}/old.db", "csv": f"csv:{place.folder.path}/csv",
                  "server": "database other"}[to])
    if to == "server":
        cluster = request.getfixturevalue("module_cluster")
        dsn = cluster.dsn(user="postgres")
        place.databases["other"] = {"dsn": dsn, "admin_dsn": dsn}
        place.write()
    assert place.archive("--dry-run")["rows"] == 6
    assert place.archive()["deleted"] == 6
    assert [r for r, in lite("SELECT id FROM events ORDER BY id")] == [5, 6, 7]
    again = 'SELECT id, at, typeof(at), v, typeof(v), "w ""x", twice FROM {} ORDER BY id'
    old = [r for r in before if r[0] not in (5, 6, 7)]
    if to == "table":
        assert lite(again.format("old_events")) == old
    elif to == "file":
        assert lite(again.format("events"), file=place.folder.path / "old.db") == old
        assert place.archive("verify")["rows"] == 6
    elif to == "csv":
        rows = {int(r["id"]): r for r in csv_rows(place.folder.path / "csv")}
        assert rows[3]["v"] == "\\x00ff" and rows[9]["v"] == 'é"\n,' and rows[2]['w "x'] == "0.1"
    else:
        rows = cluster.sql('SELECT id, at, v, "w ""x", twice FROM events ORDER BY id')
        cluster.sql("DROP TABLE events, dbhealth_archives")
        assert rows[1] == (2, "981173106", "7", 0.1, 4) and rows[2][2] == "\\x00ff"
        assert len(rows) == 6


# ---- what is refused, what stays ----

def test_what_would_go_with_it_is_refused_and_what_is_referred_to_stays(pg, place):
    pg(EVENTS.format(old=10, all=12))
    pg("CREATE TABLE item (id integer PRIMARY KEY, event integer REFERENCES events); INSERT INTO item VALUES (1, 3)")
    place.add(to="table old_events")
    plan = place.archive("--dry-run")
    assert (plan["rows"], plan["referenced"], plan["batches"]) == (9, 1, 1)
    assert place.archive()["deleted"] == 9
    assert [r for r, in pg("SELECT id FROM events ORDER BY 1")] == [3, 11, 12]
    pg("CREATE TABLE part (event integer PRIMARY KEY REFERENCES events ON DELETE CASCADE)")
    for args in ((), ("--dry-run",)):
        assert "public.part (event) ON DELETE CASCADE" in place.archive(*args, status=1)["message"]
    assert pg("SELECT count(*) FROM events") == [(3,)]


def test_foreign_keys_of_a_sqlite_file(lite, place):
    lite("CREATE TABLE events (id INTEGER PRIMARY KEY, at TEXT); INSERT INTO events VALUES (1, '2001-01-01'), (2, '2001-01-01');"
         "CREATE TABLE item (event REFERENCES events); INSERT INTO item VALUES (2)")
    place.add(to="table old_events")
    assert place.archive()["deleted"] == 1
    assert lite("SELECT id FROM events") == [(2,)]
    lite("CREATE TABLE part (event REFERENCES events ON DELETE SET NULL)")
    assert "SET NULL" in place.archive(status=1)["message"]


@pytest.mark.parametrize("ddl, keys, word", [
    ("CREATE TABLE events (id integer, at timestamptz)", {}, "no primary key"),
    ("CREATE TABLE events (id integer PRIMARY KEY, at text)", {}, "tells no age"),
    ("CREATE TABLE events (id integer PRIMARY KEY, at timestamptz); CREATE TABLE b (id integer PRIMARY KEY)",
     {"to": "table b"}, "no column at"),
    ("CREATE TABLE events (id integer PRIMARY KEY, at timestamptz); CREATE TABLE b (id integer, at timestamptz)",
     {"to": "table b"}, "no primary key or unique index of (id)"),
    ("CREATE TABLE events (id integer PRIMARY KEY, at timestamptz)", {"to": "table nowhere.b"}, "CREATE SCHEMA"),
    ("CREATE TABLE events (id integer PRIMARY KEY, at timestamptz)", {"to": "table public.events"}, "to itself"),
    ("CREATE TABLE events (id integer PRIMARY KEY, at timestamptz)", {"where": "nothing = 1"}, "nothing"),
    ("CREATE TABLE events (id integer PRIMARY KEY, at date, v numeric);"
     "INSERT INTO events VALUES (1, '2001-01-01', 1.555); CREATE TABLE b (id integer PRIMARY KEY, at date, v numeric(9,1))",
     {"to": "table b"}, "column v of the row id = 1 reads differently"),
    ("CREATE TABLE events (id integer PRIMARY KEY, at date, v integer); INSERT INTO events VALUES (1, '2001-01-01', 1);"
     "CREATE TABLE b (LIKE events INCLUDING ALL); INSERT INTO b VALUES (1, '2001-01-01', 2)",
     {"to": "table b"}, "other rows with their key are there already"),
])
def test_refused_in_words(pg, place, ddl, keys, word):
    pg(ddl)
    place.add(**{"to": "table b", **keys})
    rows = pg("SELECT count(*) FROM events")
    assert word in place.archive(status=1)["message"]
    assert pg("SELECT count(*) FROM events") == rows


def test_nobody_is_asked_nothing_is_done(pg, place, cli):
    pg(EVENTS.format(old=3, all=5))
    place.add(to="table old_events")
    done = cli("archive", "-c", place.path, "old")
    assert done.status == 64 and "--yes" in done.err
    assert pg("SELECT count(*) FROM events") == [(5,)]
    done = cli("archive", "-c", place.path, "--dry-run", "old")
    assert done.status == 0 and done.out.startswith("archive old: 3 rows would be moved\n")
    assert max(map(len, done.out.splitlines())) < 80
    done = cli("archive", "-c", place.path, "--yes", "old")
    assert done.status == 0 and done.out.startswith("archive old: 3 rows moved")
    done = cli("archive", "-c", place.path, "list")
    assert done.status == 0 and "table old_events" in done.out
    assert cli("archive", "-c", place.path, "--yes", "other").status == 64


# ---- others at work ----

@pytest.mark.parametrize("to", ["table old_events", "database other"])
def test_rows_that_others_lock_are_left_and_none_waits(pg, place, module_cluster, to):
    pg(EVENTS.format(old=20, all=22))
    place.add(to=to, batch=5)
    with contextlib.closing(module_cluster.session("source", autocommit=False)) as other, other.cursor() as c:
        c.execute("UPDATE events SET v = 'mine' WHERE id = 7")
        assert place.archive()["deleted"] == 19
        other.commit()
    assert pg("SELECT id, v FROM events ORDER BY 1")[0] == (7, "mine")
    assert place.archive()["deleted"] == 1
    there = pg("SELECT id, v FROM " + ("old_events" if to.startswith("table") else "events") + " ORDER BY 1",
               b=to.startswith("database"))
    assert len(there) == 20 and (7, "mine") in there


@pytest.mark.parametrize("to", ["table old_events", "database other", "csv:{}/csv"])
def test_rows_that_change_meanwhile_arrive_as_they_are_last(pg, place, module_cluster, to):
    """Writers that touch, delete and insert while batches move: each row is at one place, in its last shape."""
    pg(EVENTS.format(old=400, all=400))
    pg("CREATE TABLE said (id integer, v text)")
    place.add(to=to.format(place.folder.path), batch=20)
    stop = threading.Event()

    def write(seed):
        with contextlib.closing(module_cluster.session("source")) as other, other.cursor() as c:
            for n in range(1, 4000):
                if stop.is_set():
                    return
                i = (n * seed) % 400 + 1
                c.execute("WITH u AS (UPDATE events SET v = %s WHERE id = %s RETURNING id, v) INSERT INTO said SELECT * FROM u",
                          (f"{seed}-{n}", i))

    writers = [threading.Thread(target=write, args=(s,)) for s in (7, 13)]
    for w in writers:
        w.start()
    try:
        place.archive()
    finally:
        stop.set()
        for w in writers:
            w.join()
    wait_until(lambda: place.archive() and pg("SELECT count(*) FROM events") == [(0,)], 30, "all are moved")
    if to.startswith("csv"):
        there = {int(r["id"]): r["v"] for r in csv_rows(place.folder.path / "csv")}
        assert len(csv_rows(place.folder.path / "csv")) == 400
    else:
        there = dict(pg("SELECT id, v FROM " + ("old_events" if "old" in to else "events"), b="other" in to))
    assert len(there) == 400
    # A change that was committed is never lost: the value that is there is one of the row's, the last said.
    said = {}
    for i, v in pg("SELECT id, v FROM said ORDER BY ctid"):
        said.setdefault(i, []).append(v)
    assert all(there[i] in vs for i, vs in said.items())


def test_one_run_at_a_time(pg, place, module_cluster):
    pg(EVENTS.format(old=3, all=5))
    place.add(to="table old_events")
    key = ("(SELECT s.system_identifier || ':' || d.oid || ':' || 'events'::regclass::oid FROM pg_control_system() AS s,"
           " pg_database AS d WHERE d.datname = current_database())")
    with contextlib.closing(module_cluster.session("source")) as other, other.cursor() as c:
        c.execute(f"SELECT pg_advisory_lock(1684169059, hashtext({key}))")
        assert "another run" in place.archive(status=75)["message"]
    wait_until(lambda: place._cli("archive", "-c", place.path, "-y", "old").status == 0, 20, "it runs")
    assert pg("SELECT count(*) FROM old_events") == [(3,)]


# ---- how much, how fast ----

def test_limit_copy_only_and_where(pg, place):
    pg(EVENTS.format(old=50, all=55))
    place.add(to="table old_events", batch=7, delete="no")
    done = place.archive()
    assert (done["copied"], done["deleted"]) == (50, 0)
    done = place.archive()
    assert (done["copied"], done["already"]) == (0, 50)
    place.add(to="table old_events", batch=7, where="id % 2 = 0", limit="10")
    done = place.archive()
    assert (done["deleted"], done["already"], done["limited"]) == (10, 10, True)
    assert place.archive("--limit", "100")["deleted"] == 15
    assert pg("SELECT count(*), bool_and(id % 2 = 1) FROM events WHERE id <= 50") == [(25, True)]


def test_without_an_index_a_word_and_the_same_rows(pg, place):
    pg(EVENTS.format(old=30, all=35) + "DROP INDEX events_at_idx")
    place.add(to="table old_events", batch=7)
    assert "no index begins with at" in place.archive("--dry-run")["notes"][1]
    assert place.archive()["deleted"] == 30


def test_it_waits_while_the_server_is_busy(pg, place, module_cluster):
    pg(EVENTS.format(old=30, all=30))
    place.add(to="table old_events", batch=10, max_active=1, limit="2s")
    with contextlib.ExitStack() as open_:
        busy = [open_.enter_context(contextlib.closing(module_cluster.session("source"))) for _ in range(2)]
        def sleep(c):
            with contextlib.suppress(psycopg2.Error):
                c.cursor().execute("SELECT pg_sleep(60)")

        threads = [threading.Thread(target=sleep, args=(c,)) for c in busy]
        for t in threads:
            t.start()
        wait_until(lambda: pg("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%%' AND state = 'active'")
                   == [(2,)], 20, "two are at work")
        done = place.archive()
        assert done["deleted"] == 0 and done["limited"]
        pg("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
           " AND pid <> pg_backend_pid()")
        for t in threads:
            t.join()
    place.add(to="table old_events", batch=10)
    assert place.archive()["deleted"] == 30


def test_partitions_and_a_key_of_two_columns(pg, place):
    pg("""CREATE TABLE events (a integer, b text, at timestamptz, PRIMARY KEY (a, b)) PARTITION BY LIST (a);
          CREATE TABLE e1 PARTITION OF events FOR VALUES IN (1); CREATE TABLE e2 PARTITION OF events FOR VALUES IN (2);
          INSERT INTO events SELECT 1 + i % 2, i, '2001-01-01' FROM generate_series(1, 40) AS i""")
    place.add(to="database other", batch=9)
    assert place.archive()["deleted"] == 40
    assert pg("SELECT count(*), count(DISTINCT (a, b)) FROM events", b=True) == [(40, 40)]


def test_the_daemon_runs_it_at_its_times(daemon, folder, sqlite):
    file = sqlite("app.db", FILE)
    old = folder.path / "old.db"
    d = daemon(databases={"source": file.dsn}, sections={"archive old": {
        "database": "source", "table": "events", "column": "at", "to": f"sqlite:{old}", "schedule": "*:*:0/2"}})
    wait_until(lambda: old.exists() and len(file.sql("SELECT id FROM events")) == 3, 30 * d.slack, "the daemon has moved them")
