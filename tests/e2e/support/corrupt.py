"""SQLite files that are wrong in ways that a seed decides, and what SQLite itself says of each."""
import contextlib
import random
import shutil
import sqlite3
import subprocess
import sys

ROWS = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
FREED = "CREATE TABLE gone(v); INSERT INTO gone SELECT zeroblob(700) FROM t LIMIT 60; DROP TABLE gone;"
MODELS = {
    "plain": "PRAGMA page_size = 512; CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT NOT NULL, w INTEGER);"
             "CREATE INDEX t_v ON t(v); CREATE UNIQUE INDEX t_w ON t(w DESC);"
             + ROWS.format(150) + "INSERT INTO t(v, w) SELECT 'row ' || (i * 7919 % 1009), i FROM n;" + FREED,
    "keys": "PRAGMA page_size = 1024; CREATE TABLE t(a TEXT, b INTEGER, c, PRIMARY KEY(a, b)) WITHOUT ROWID;"
            "CREATE INDEX t_c ON t(c) WHERE c > 10; CREATE INDEX t_e ON t(lower(a), b);"
            "CREATE VIEW big AS SELECT * FROM t WHERE b > 100;"
            "CREATE TRIGGER tr AFTER DELETE ON t BEGIN SELECT 1; END;"
            + ROWS.format(200) + "INSERT INTO t SELECT 'Key ' || i % 17, i, i * 0.5 FROM n;",
    "large": "PRAGMA page_size = 512; PRAGMA auto_vacuum = incremental; CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB);"
             + ROWS.format(12) + "INSERT INTO t(v) SELECT zeroblob(400 + i * 260) FROM n;" + FREED,
    "idle": "PRAGMA encoding = 'UTF-16be'; PRAGMA page_size = 512; PRAGMA auto_vacuum = full; PRAGMA journal_mode = WAL;"
            "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT COLLATE NOCASE, w REAL); CREATE INDEX t_v ON t(v);"
            + ROWS.format(120) + "INSERT INTO t(v, w) SELECT 'Wort ' || (i * 31 % 97) || hex(zeroblob(i % 9 * 40)), i / 3.0 FROM n;",
    "strict": "PRAGMA encoding = 'UTF-16le'; PRAGMA page_size = 1024;"
              "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT NOT NULL CHECK (v <> ''), g INT AS (length(v)) STORED) STRICT;"
              "CREATE TABLE u(id INTEGER PRIMARY KEY, t INTEGER REFERENCES t(id)); CREATE INDEX t_g ON t(g);"
              + ROWS.format(80) + "INSERT INTO t(v) SELECT 'value ' || i FROM n; INSERT INTO u(t) SELECT id FROM t;",
    "virtual": "PRAGMA page_size = 1024; CREATE VIRTUAL TABLE f USING fts5(body); CREATE VIRTUAL TABLE r USING rtree(id, x0, x1);"
               "CREATE TABLE t(v);" + ROWS.format(60)
               + "INSERT INTO f SELECT 'word' || i || ' and more' FROM n;"
               "INSERT INTO r SELECT id, id, id + 1 FROM (SELECT rowid AS id FROM f); INSERT INTO t SELECT rowid FROM f;",
}
# Left behind by a process that was killed: in the middle of a transaction, or before its log was taken over.
KILLED = {
    "hot": "PRAGMA cache_size = 3; PRAGMA cache_spill = 1; BEGIN IMMEDIATE; UPDATE t SET v = v || ' changed'; DELETE FROM t WHERE id % 3 = 0",
    "log": "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; DELETE FROM t WHERE id < 20; UPDATE t SET v = upper(v) WHERE id % 5 = 0;"
           "INSERT INTO t(v, w) SELECT v, w + 1000 FROM t",
}
DIE = ("import os, sqlite3, sys\n"
       "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
       "for s in sys.argv[2].split(';'): db.execute(s).fetchall()\n"
       "os.kill(os.getpid(), 9)\n")


class Model:
    """The bytes of a good file and of what lies beside it, and which page is of which kind."""

    def __init__(self, folder, name):
        self.name, path = name, folder / f"model-{name}"
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.executescript(MODELS.get(name, MODELS["plain"]))
            self.page = db.execute("PRAGMA page_size").fetchone()[0]
            rows = db.execute("SELECT pageno, pagetype, name FROM dbstat").fetchall()
        self.kinds = {}
        for number, kind, of in rows:
            self.kinds.setdefault(kind, []).append(number)
            if of.startswith("t_") or of == "t":
                self.kinds.setdefault("index" if of != "t" else "table", []).append(number)
        if name in KILLED:
            subprocess.run([sys.executable, "-c", DIE, path, KILLED[name]], check=False, timeout=30)
        self.files = {suffix: path.with_name(path.name + suffix).read_bytes()
                      for suffix in ("", "-journal", "-wal") if path.with_name(path.name + suffix).exists()}
        assert {"hot": "-journal", "log": "-wal"}.get(name, "") in self.files, (name, self.files.keys())


def be32(data, at):
    return int.from_bytes(data[at:at + 4], "big")


def put32(data, at, n):
    data[at:at + 4] = n.to_bytes(4, "big")


# ---- ways to be wrong: each changes bytes of the file, or says False where there is no such place ----

def start_of(m, rnd, kind):
    """Where a page of a kind begins, past the header of the file; None: there is none."""
    pages = m.kinds.get(kind)
    return (rnd.choice(pages) - 1) * m.page if pages else None


def flips(m, data, rnd):
    for _ in range(rnd.choice((1, 1, 2, 8))):
        data[rnd.randrange(len(data))] ^= 1 << rnd.randrange(8)


def header(m, data, rnd):
    data[rnd.randrange(100)] = rnd.choice((0, 1, 2, 3, 9, 64, 127, 128, 255, rnd.randrange(256)))


def schema(m, data, rnd):
    data[rnd.randrange(100, m.page)] ^= 1 << rnd.randrange(8)


def page_head(m, data, rnd):
    at = rnd.randrange(len(data) // m.page) * m.page or 100
    data[at + rnd.randrange(12)] = rnd.randrange(256)


def cell_pointer(m, data, rnd):
    at = start_of(m, rnd, "leaf")
    at += 100 if at == 0 else 0
    cells = int.from_bytes(data[at + 3:at + 5], "big")
    if cells == 0:
        return False
    at += 8 + 2 * rnd.randrange(cells)
    data[at:at + 2] = rnd.randrange(m.page + 40).to_bytes(2, "big")


def child_pointer(m, data, rnd):
    at = start_of(m, rnd, "internal")
    if at is None:
        return False
    put32(data, at + 8 + (100 if at == 0 else 0), rnd.choice((0, 1, at // m.page + 1, rnd.randrange(2, 200), 0x7fffffff)))


def index_entry(m, data, rnd):
    at = start_of(m, rnd, "index")
    if at is None:
        return False
    data[at + rnd.randrange(m.page // 2, m.page)] ^= 1 << rnd.randrange(8)


def overflow_loop(m, data, rnd):
    at = start_of(m, rnd, "overflow")
    if at is None:
        return False
    put32(data, at, rnd.choice((at // m.page + 1, rnd.choice(m.kinds["overflow"]), 1, 0, rnd.randrange(1, 400), 0xffffffff)))


def freelist(m, data, rnd):
    trunk, free = be32(data, 32), be32(data, 36)
    if trunk == 0:
        return False
    at = (trunk - 1) * m.page
    what = rnd.randrange(6)
    if what == 0:
        put32(data, 36, rnd.choice((0, free + rnd.randrange(1, 9), max(free - 1, 0), 0xffffffff)))
    elif what == 1:
        put32(data, 32, rnd.choice((0, 1, 2, trunk + 1, 0xffffffff)))
    elif what == 2:
        put32(data, at, trunk)  # leads back to itself
    elif what == 3:
        put32(data, at + 4, rnd.choice((0, 1, m.page, 0x7fffffff, 0xffffffff)))
    elif what == 4:
        put32(data, at + 8 + 4 * rnd.randrange(4), rnd.choice((0, 1, trunk, 3, 0xfffffff)))
    else:
        put32(data, at, rnd.choice(m.kinds["leaf"]))


def pointer_map(m, data, rnd):
    if m.name not in ("large", "idle"):
        return False
    data[m.page + rnd.randrange(100)] = rnd.randrange(256)


def cut(m, data, rnd):
    pages = len(data) // m.page
    del data[rnd.choice((rnd.randrange(1, len(data)), m.page * rnd.randrange(1, pages), rnd.randrange(1, 600))):]


def grown(m, data, rnd):
    data += bytes(rnd.choice((1, m.page, 5 * m.page)))


def page_zeroed(m, data, rnd):
    at = rnd.randrange(len(data) // m.page) * m.page
    data[at:at + m.page] = bytes(m.page)


def page_noise(m, data, rnd):
    at = rnd.randrange(len(data) // m.page) * m.page
    data[at:at + m.page] = rnd.randbytes(m.page)


def pages_swapped(m, data, rnd):
    a, b = (rnd.randrange(1, len(data) // m.page) * m.page for _ in range(2))
    data[a:a + m.page], data[b:b + m.page] = data[b:b + m.page], data[a:a + m.page]


WAYS = [flips, header, schema, page_head, cell_pointer, child_pointer, index_entry, overflow_loop, freelist,
        pointer_map, cut, grown, page_zeroed, page_noise, pages_swapped]


def beside(files, rnd):
    """The journal or the log is wrong, not the file; or it is as it was left."""
    suffix = next(s for s in files if s)
    data = files[suffix]
    what = rnd.randrange(5)
    if what == 1:
        data[rnd.randrange(32)] ^= 1 << rnd.randrange(8)
    elif what == 2:
        data[rnd.randrange(len(data))] ^= 1 << rnd.randrange(8)
    elif what == 3:
        del data[rnd.randrange(1, len(data)):]
    elif what == 4:
        at = rnd.randrange(len(data))
        data[at:at + 600] = rnd.randbytes(len(data[at:at + 600]))
    return ("as left", "head", "bit", "cut", "noise")[what] + " of " + suffix[1:]


def make_variants(folder, count, seed):
    """{name of the file in folder: (which model, how it is wrong)}; every tenth is not wrong at all."""
    rnd = random.Random(seed)
    away = folder.parent / f"models-{seed}"
    away.mkdir()
    models = [Model(away, name) for name in (*MODELS, *KILLED)]
    # What is locked or hot is waited for a while: few of those.
    weights = [1 if m.name == "hot" else 4 for m in models]
    shutil.rmtree(away)
    made = {}
    while len(made) < count:
        (m,), way = rnd.choices(models, weights), rnd.choice(WAYS)
        files = {suffix: bytearray(data) for suffix, data in m.files.items()}
        told = way.__name__
        if rnd.random() < 0.1:
            told = "nothing"
        elif m.name in KILLED and rnd.random() < 0.5:
            told = beside(files, rnd)
        elif way(m, files[""], rnd) is False:
            continue
        name = f"{len(made):05}.db"
        for suffix, data in files.items():
            (folder / f"{name}{suffix}").write_bytes(data)
        made[name] = m.name, told
    return made


# ---- what SQLite says ----

STEPS = 20_000_000  # of its machine: what does not end by then hangs


def judge(path, copy):
    """Of a copy, where a journal is rolled back and a log taken over: "ok", or why it is not."""
    for suffix in ("", "-journal", "-wal"):
        beside_it = path.with_name(path.name + suffix)
        if beside_it.exists():
            shutil.copyfile(beside_it, f"{copy}{suffix}")
    try:
        return read_all(copy)
    except sqlite3.Error as e:
        return f"{type(e).__name__}: {e}"
    except UnicodeError:  # the words of an error quote bytes of the file
        return "an error"
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)


def read_all(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        steps = [0]

        def on_steps():
            steps[0] += 1000
            return steps[0] > STEPS

        db.set_progress_handler(on_steps, 1000)
        db.text_factory = bytes
        db.execute("PRAGMA cell_size_check = ON")
        lines = [row[0].decode("utf-8", "replace") for row in db.execute("PRAGMA integrity_check(10)")]
        if lines != ["ok"]:
            return "; ".join(lines) or "no answer"
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            quoted = '"' + name.decode("utf-8", "surrogateescape").replace('"', '""') + '"'
            try:
                for _ in db.execute(f"SELECT * FROM {quoted}"):
                    pass
            except UnicodeError:  # a name is no UTF-8, which Python minds; its rows can be read all the same
                pass
            except sqlite3.OperationalError as e:
                if "no such module" not in str(e):  # that may be the application's own
                    raise
        return "ok"
