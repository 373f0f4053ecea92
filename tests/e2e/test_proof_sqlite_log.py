"""SQLite's log and where the file lies: real logs by real processes, damaged, orphaned and misplaced; found,
look-alikes are not, the remedies as printed close it, nothing is touched."""
import json
import os
import pathlib
import shutil
import struct
import subprocess

import pytest

from proof import proves
from proof_sqlite import closing, configure, look, run
from support import BUILD
from test_proof_sqlite_file import FILL, ROOT, SCRIPT, SMALL, found_by, grow, severities


@pytest.fixture
def rescued(folder):
    """Where the remedies keep copies of the files of this test."""
    yield lambda name: pathlib.Path("/var/tmp", f"damaged-{name}")
    for made in pathlib.Path("/var/tmp").glob(f"damaged-{folder.path.name}*"):
        shutil.rmtree(made, ignore_errors=True)


def wal_of(f):
    return pathlib.Path(f"{f.path}-wal")


def left_log(f):
    """An application that was killed: its log is what it is, nobody has the file open."""
    f.sql("PRAGMA journal_mode = wal")
    insert = FILL.format(300) + "INSERT INTO t SELECT {}000 + i, hex(i), i, NULL FROM n"
    f.end_writer(f.writer(";".join(["PRAGMA wal_autocheckpoint=0", *(insert.format(k) for k in (1, 2, 3))])))
    return wal_of(f)


def poke(path, at, data=b"\xa5"):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


# ---- who keeps the log ----
def test_who_starves_the_checkpoint_is_named(folder, sqlite):
    """The reader of an old state comes first, with its frame; one of the newest state is in nobody's way."""
    f = sqlite("app.db", SCRIPT)
    f.sql("PRAGMA journal_mode = wal")
    f.writer("UPDATE t SET b = 7 WHERE id = 1")
    old = f.writer("BEGIN;SELECT * FROM t LIMIT 1")
    grow(f, 3000, "PRAGMA wal_checkpoint;")
    new = f.writer("BEGIN;SELECT * FROM t LIMIT 1")
    message = look(folder, f.dsn, "sqlite-wal-large", settings=SMALL)[""]["message"]
    assert f"pid {old.pid} (python3" in message and " on the state of frame " in message, message
    assert message.index(f"pid {old.pid} ") < message.index(f"pid {new.pid} ")
    assert message.count("on the state of frame") == 1, message
    unit = [p for p in pathlib.Path("/proc/self/cgroup").read_text().strip().split("/") if p.endswith((".service", ".scope"))]
    assert not unit or f"({'python3'}, {unit[-1]})" in message


def test_log_that_nobody_takes_over(folder, sqlite):
    f = sqlite("app.db", SCRIPT)
    f.sql("PRAGMA journal_mode = wal")
    writer = grow(f, 3000)
    message = look(folder, f.dsn, "sqlite-wal-large", settings=SMALL)[""]["message"]
    assert "nobody holds it back" in message and "pid" not in message, message
    f.end_writer(writer)
    message = look(folder, f.dsn, "sqlite-wal-large", settings=SMALL)[""]["message"]
    assert "no process has it open" in message, message
    run(closing(look(folder, f.dsn, "sqlite-wal-large", settings=SMALL)[""])[0], f.path)
    assert look(folder, f.dsn, "sqlite-wal-large", settings=SMALL) == {}


def test_log_that_is_taken_over_is_not_large(folder, sqlite):
    """All frames are in the database and nobody reads them: the next write begins at its start.  Our own
    reading, and a reader that came after, changes nothing of that; one from before does."""
    f = sqlite("app.db", SCRIPT)
    f.sql("PRAGMA journal_mode = wal")
    f.writer("PRAGMA wal_autocheckpoint=0;" + FILL.format(3000) + "INSERT INTO \"o'd\"\"d\" SELECT randomblob(900) FROM n;"
             "PRAGMA wal_checkpoint(PASSIVE)")
    settings = {**SMALL, "min_ratio": "1%"}
    assert look(folder, f.dsn, "sqlite-wal-large", settings=settings) == {}
    reader = f.writer("BEGIN;SELECT * FROM t LIMIT 1")
    assert look(folder, f.dsn, "sqlite-wal-large", settings=settings) == {}
    f.writer("PRAGMA wal_autocheckpoint=0;UPDATE t SET b = 3 WHERE id = 1")  # begins the log anew
    assert look(folder, f.dsn, "sqlite-wal-large", settings=settings) == {}
    f.end_writer(reader)


# ---- damage ----
DAMAGE = {
    "payload": (lambda wal, frame: poke(wal, 32 + 24 + 100), "checksum breaks at frame 1 of"),
    "in the middle": (lambda wal, frame: poke(wal, 32 + 3 * frame + 16, b"\0\0"), "checksum breaks at frame 4 of"),
    "salt": (lambda wal, frame: poke(wal, 32 + 3 * frame + 8), "checksum breaks at frame 4 of"),
    "header": (lambda wal, frame: poke(wal, 24), "header of the log is broken"),
    "header is gone": (lambda wal, frame: poke(wal, 0, bytes(32)), "header of the log is broken"),
    "no: the last frame": (lambda wal, frame: poke(wal, wal.stat().st_size - 50), None),
    "no: cut off in the last frame": (lambda wal, frame: os.truncate(wal, wal.stat().st_size - 50), None),
    "no: what follows is no frame": (lambda wal, frame: poke(wal, wal.stat().st_size, os.urandom(3 * frame)), None),
    "no: zeros follow": (lambda wal, frame: poke(wal, wal.stat().st_size, bytes(3 * frame)), None),
    "no: nothing": (lambda wal, frame: None, None),
    "no: empty": (lambda wal, frame: os.truncate(wal, 0), None),
}


@proves("sqlite-wal-damaged", engine="sqlite")
@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_log(folder, sqlite, rescued, name):
    damage, words = DAMAGE[name]
    f = sqlite(f"{folder.path.name} app's.db", SCRIPT)
    wal = left_log(f)
    damage(wal, 24 + 1024)
    found = found_by(folder, f, "sqlite-wal-damaged")
    assert severities(found) == ({"": "critical"} if words else {}), found
    if not words:
        return
    assert words in found[""]["message"], found
    whole = wal.read_bytes()
    run(found[""]["remedies"][0], f.path)
    assert (rescued(f.path.name) / wal.name).read_bytes() == whole
    assert found[""]["remedies"][1]["kind"] == "manual"
    run(closing(found[""])[0], f.path)
    assert look(folder, f.dsn, "sqlite-wal-damaged") == {}
    assert f.sql("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("case", ["live", "older frames", "rolled back"])
def test_log_that_is_not_damaged(folder, sqlite, case):
    f = sqlite("app.db", SCRIPT)
    f.sql("PRAGMA journal_mode = wal")
    big = "PRAGMA wal_autocheckpoint=0;" + FILL.format(300) + "INSERT INTO \"o'd\"\"d\" SELECT randomblob(900) FROM n;"
    script = {"live": big + "UPDATE t SET b = 1",
              "older frames": big + "PRAGMA wal_checkpoint(RESTART);UPDATE t SET b = 2 WHERE id = 1",
              "rolled back": "PRAGMA cache_size=5;PRAGMA cache_spill=5;BEGIN;" + FILL.format(300)
              + "INSERT INTO \"o'd\"\"d\" SELECT randomblob(900) FROM n;ROLLBACK;UPDATE t SET b = 2 WHERE id = 1"}[case]
    f.writer(script)
    assert look(folder, f.dsn, "sqlite-wal-damaged") == {}
    f.end_writer(f.writer("SELECT 1"))
    assert look(folder, f.dsn, "sqlite-wal-damaged") == {}


def test_both_byte_orders_of_checksums(folder, sqlite):
    """What a host of the other byte order left, made from what ours left."""
    f = sqlite("app.db", SCRIPT)
    wal = left_log(f)
    data = bytearray(wal.read_bytes())
    magic = struct.unpack_from(">I", data)[0]
    other = "<" if magic & 1 else ">"
    struct.pack_into(">I", data, 0, magic ^ 1)

    def add(at, n, s):
        for a, b in struct.iter_unpack(other + "II", data[at:at + n]):
            s[0] = s[0] + a + s[1] & 0xffffffff
            s[1] = s[1] + b + s[0] & 0xffffffff

    s = [0, 0]
    add(0, 24, s)
    struct.pack_into(">II", data, 24, *s)
    for at in range(32, len(data) - 1047, 1048):
        add(at, 8, s)
        add(at + 24, 1024, s)
        struct.pack_into(">II", data, at + 16, *s)
    wal.write_bytes(data)
    assert look(folder, f.dsn, "sqlite-wal-damaged") == {}
    poke(wal, 32 + 24 + 100)
    assert severities(look(folder, f.dsn, "sqlite-wal-damaged")) == {"": "critical"}
    poke(wal, 32 + 24 + 100, bytes([data[32 + 24 + 100]]))
    assert f.sql("SELECT count(*) FROM t") == [(1400,)], "SQLite takes it, too"


# ---- logs of others ----
def other_database(f, size=1024):
    """Another database under the same name, as a restore makes it that leaves the log."""
    made = f.path.with_name("made.db")
    subprocess.run(["sqlite3", made, f"PRAGMA page_size={size};CREATE TABLE z(a);INSERT INTO z VALUES (1)"], check=True, stdout=subprocess.DEVNULL)
    made.rename(f.path)


def newer_copy(f):
    """A copy of the file that went on while the log here stayed behind."""
    copy = f.path.with_name("went-on.db")
    wal = wal_of(f).read_bytes()
    shutil.copy(f.path, copy)
    pathlib.Path(f"{copy}-wal").write_bytes(wal)
    for i in range(5):
        subprocess.run(["sqlite3", copy, f"CREATE TABLE more{i}(a)"], check=True)
    assert not pathlib.Path(f"{copy}-wal").exists()
    copy.rename(f.path)


def grow_by(n):
    return "PRAGMA wal_autocheckpoint=0;" + FILL.format(n) + "INSERT INTO \"o'd\"\"d\" SELECT randomblob(900) FROM n"


def older_copy(f, rows=300):
    """A backup under the same name, while the log of the file that had gone on stays."""
    shutil.copy(f.path, f.path.with_name("backup.db"))
    left = f.writer(grow_by(rows) + ";PRAGMA wal_checkpoint(RESTART);" + grow_by(40))
    f.end_writer(left)
    shutil.copy(f.path.with_name("backup.db"), f.path)


def pages_of(wal):
    """(page number, its bytes) of each frame."""
    data = wal.read_bytes()
    return [(struct.unpack_from(">I", data, at)[0], data[at + 24:at + 1048]) for at in range(32, len(data) - 1047, 1048)]


def taken_over_half(f):
    """A checkpoint was killed: it writes the newest of each page in the order of their numbers."""
    newest = dict(pages_of(wal_of(f)))
    assert max(newest) * 1024 > f.path.stat().st_size
    for number in sorted(newest)[:len(newest) * 2 // 3]:
        poke(f.path, (number - 1) * 1024, newest[number])


def write_and_die(*script):
    return lambda f: f.end_writer(f.writer(";".join(["PRAGMA wal_autocheckpoint=0", *script])))


MADE_AND_GONE = ("BEGIN", "CREATE TABLE big(x)", grow_by(300).replace("\"o'd\"\"d\"", "big"), "DROP TABLE big", "COMMIT")

ORPHANS = {
    "database is gone": (lambda f: f.path.unlink(), {"-wal": "warning"}, "the database is gone"),
    "another that keeps no log": (other_database, {"-wal": "warning"}, "keeps no such log"),
    "pages of another size": (lambda f: other_database(f, 4096), {"-wal": "warning"}, "its pages have 1024 bytes"),
    "a log that is behind": (newer_copy, {"-wal": "warning"}, "older than the file"),
    "an older copy of the file": (older_copy, {"-wal": "critical"}, "are in neither of them"),
    "one page of it is missing": (lambda f: older_copy(f, 1), {"-wal": "critical"}, "are in neither of them"),
    "no: a checkpoint was killed": (taken_over_half, {}, ""),
    "no: made and gone in one transaction": (write_and_die(*MADE_AND_GONE), {}, ""),
    "no: made and gone, out of memory": (write_and_die("PRAGMA cache_size=5", *MADE_AND_GONE), {}, ""),
    "no: made, taken back, grown": (write_and_die("PRAGMA cache_size=5", "BEGIN", "SAVEPOINT s", grow_by(300), "ROLLBACK TO s", grow_by(30), "COMMIT"), {}, ""),
    "no: shrunk, then grown": (write_and_die("DELETE FROM t", "VACUUM", grow_by(100)), {}, ""),
    "no: shrunk, taken over, grown": (write_and_die("DELETE FROM t", "VACUUM", "PRAGMA wal_checkpoint(RESTART)", grow_by(100)), {}, ""),
    "no: gives pages back": (write_and_die("PRAGMA auto_vacuum=1", "VACUUM", grow_by(300), "DELETE FROM t", "PRAGMA wal_checkpoint(RESTART)", grow_by(100)), {}, ""),
    "no: killed": (lambda f: None, {}, ""),
    "no: empty": (lambda f: (f.path.unlink(), os.truncate(wal_of(f), 0)), {}, ""),
    "no: both are gone": (lambda f: (f.path.unlink(), wal_of(f).unlink(), pathlib.Path(f"{f.path}-shm").unlink()), {}, ""),
}


@proves("sqlite-wal-orphaned", engine="sqlite")
@pytest.mark.parametrize("name", ORPHANS)
def test_log_of_another(folder, sqlite, name):
    change, expect, words = ORPHANS[name]
    f = sqlite("it's app.db", SCRIPT)
    left_log(f)
    change(f)
    beside = f.neighbours()
    found = look(folder, f.dsn, "sqlite-wal-orphaned")
    assert severities(found) == expect and f.neighbours() == beside
    for finding in found.values():
        assert words in finding["message"], finding
        kept = wal_of(f).read_bytes()
        run(finding["remedies"][0], f.path)
        run(closing(finding)[0], f.path)
        assert look(folder, f.dsn, "sqlite-wal-orphaned") == {}
        assert pathlib.Path(f"{f.path}-wal.left").read_bytes() == kept


def test_file_cut_off_beside_a_log(folder, sqlite):
    """Its own header counts what is gone: that is told, unless the log has it."""
    f = sqlite("app.db", SCRIPT)
    f.sql("PRAGMA journal_mode = wal")
    f.end_writer(f.writer("UPDATE t SET b = 7 WHERE id = 1"))
    f.truncate(f.path.stat().st_size - 1500)
    assert severities(look(folder, f.dsn, "sqlite-truncated")) == {"": "critical"}
    assert look(folder, f.dsn, "sqlite-wal-orphaned") == {}
    f = sqlite("other.db", SCRIPT)
    left_log(f)
    taken_over_half(f)
    f.truncate(f.path.stat().st_size - 300)
    assert look(folder, f.dsn, "sqlite-truncated") == {}
    assert look(folder, f.dsn, "sqlite-wal-orphaned") == {}
    assert f.sql("PRAGMA integrity_check") == [("ok",)]


def test_living_log_lacks_nothing(folder, sqlite):
    """A reader keeps the log from starting over; the file has grown to a part of it."""
    f = sqlite("app.db", SCRIPT)
    f.sql("PRAGMA journal_mode = wal")
    first = f.writer(grow_by(100))
    f.writer("BEGIN;SELECT * FROM t LIMIT 1")
    f.writer(grow_by(100) + ";PRAGMA wal_checkpoint(PASSIVE)")
    assert look(folder, f.dsn, "sqlite-wal-orphaned") == {}
    f.end_writer(first)
    assert look(folder, f.dsn, "sqlite-wal-orphaned") == {}


def test_journal_without_its_database(folder, sqlite):
    f = sqlite("app.db", SCRIPT)
    f.hot_journal()
    assert look(folder, f.dsn, "sqlite-wal-orphaned") == {}
    f.path.unlink()
    found = look(folder, f.dsn, "sqlite-wal-orphaned")
    assert severities(found) == {"-journal": "warning"}
    run(closing(found["-journal"])[0], f.path)
    assert look(folder, f.dsn, "sqlite-wal-orphaned") == {}


@pytest.mark.skipif(not ROOT, reason="two users need root")
def test_log_that_nobody_can_take_over(folder, sqlite):
    folder.sub("closed", user="postgres")
    f = sqlite("closed/app.db", SCRIPT, user="postgres")
    left_log(f)
    pathlib.Path(f"{f.path}-shm").unlink()
    assert look(folder, f.dsn, "sqlite-wal-orphaned") == {}
    f.path.parent.chmod(0o555)
    found = look(folder, f.dsn, "sqlite-wal-orphaned")
    assert severities(found) == {"-wal": "warning"} and "folder cannot be written" in found["-wal"]["message"], found
    f.path.parent.chmod(0o755)  # "... or make the folder writable for the owner of the file"
    assert look(folder, f.dsn, "sqlite-wal-orphaned") == {}


# ---- names and places ----
@proves("sqlite-hard-link", engine="sqlite")
def test_hard_link(folder, sqlite):
    f = sqlite("it's app.db", SCRIPT)
    assert found_by(folder, f, "sqlite-hard-link") == {}
    soft, hard = folder.path / "soft.db", folder.path / "hard 'link.db"
    soft.symlink_to(f.path.name)
    assert look(folder, f"sqlite:{soft}", "sqlite-hard-link") == {}, "SQLite follows it"
    os.link(f.path, hard)
    for path in (f.path, soft, hard):
        found = look(folder, f"sqlite:{path}", "sqlite-hard-link")
        assert severities(found) == {"": "warning"} and found[""]["value"] == 2, found
    search = next(r for r in found[""]["remedies"] if r["kind"] == "command")
    whole = search["text"].split("' -xdev", 1)  # of the whole file system: here of this folder only
    assert {str(f.path), str(hard)} == set(run(dict(search, text=f"find '{folder.path}' -xdev{whole[1]}"), f.path).splitlines())
    hard.unlink()
    assert look(folder, f.dsn, "sqlite-hard-link") == {}


@proves("sqlite-network-fs", engine="sqlite")
@pytest.mark.skipif(not ROOT, reason="mounting needs root")
@pytest.mark.parametrize("how, severity", [("overlay", "info"), ("overlay, read-only", None), ("tmpfs", None)])
def test_kind_of_file_system(folder, sqlite, how, severity):
    """Those that need no server; tests/unit/test-sqlite.c asks the check about the others."""
    f = sqlite("seed.db", SCRIPT)
    at = folder.sub("at")
    conf = configure(folder, f"sqlite:{at}/app.db", "sqlite-network-fs")
    script = ('set -e; mount -t tmpfs none "$1"; cp "$2" "$1/app.db"; '
              'case $3 in overlay*) mkdir "$1/up" "$1/work" "$1/low" "$1/over"; mv "$1/app.db" "$1/low"; '
              'case $3 in *only) o=ro,lowerdir=$1/low:$1/up ;; *) o=lowerdir=$1/low,upperdir=$1/up,workdir=$1/work ;; esac; '
              'mount -t overlay -o "$o" none "$1/over"; mount --move "$1/over" "$1" 2>/dev/null || mount --bind "$1/over" "$1" ;; esac; '
              'shift 3; exec "$@"')
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", at, f.path, how,
                           BUILD / "dbhealth", "check", "-o", "json", "--check", "sqlite-network-fs", "-c", conf, "app"],
                          text=True, capture_output=True, check=False, timeout=30)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip("no right to mount here")
    answer = json.loads(done.stdout)
    assert answer["unknown"] == [], answer
    assert [x["severity"] for x in answer["findings"]] == ([severity] if severity else []), answer["findings"]


# ---- companions of a database that went elsewhere ----
STRAYS = {
    "renamed without its log": (lambda f: (left_log(f), f.path.rename(f.path.with_name("app's new.db"))), {"app's.db-wal": "warning"}),
    "renamed without its journal": (lambda f: (f.hot_journal(), f.path.rename(f.path.with_name("app's new.db"))), {"app's.db-journal": "warning"}),
    "no: pages of another size": (lambda f: (left_log(f), other_database(f, 4096), f.path.rename(f.path.with_name("app's new.db"))), {}),
    "no: nearer to another": (lambda f: (left_log(f), shutil.copy(f.path, f.path.with_name("app's n")), shutil.copy(f.path, f.path.with_name("app's.d")),
                                         f.path.rename(f.path.with_name("app's new.db"))), {}),
    "no: zeroed": (lambda f: (f.hot_journal(), poke(pathlib.Path(f"{f.path}-journal"), 0, bytes(28)), f.path.rename(f.path.with_name("app's new.db"))), {}),
    "no: no log at all": (lambda f: (pathlib.Path(f.path.with_name("notes-wal")).write_text("x" * 1000), f.path.rename(f.path.with_name("app's new.db"))), {}),
    "no: of another that is there": (lambda f: (left_log(f), shutil.copy(f.path, f.path.with_name("app's new.db"))), {}),
}


@proves("sqlite-journal-misplaced", engine="sqlite")
@pytest.mark.parametrize("name", STRAYS)
def test_companion_of_a_database_that_is_gone(folder, sqlite, name):
    change, expect = STRAYS[name]
    f = sqlite("app's.db", SCRIPT)
    change(f)
    now = f.path.with_name("app's new.db")
    found = look(folder, f"sqlite:{now}", "sqlite-journal-misplaced")
    assert severities(found) == expect, found
    for stray, finding in found.items():
        assert finding["value"] == f.path.with_name(stray).stat().st_size and "app's.db that is not here" in finding["message"]
        kept = f.path.with_name(stray).read_bytes()
        for remedy in finding["remedies"]:
            if remedy["kind"] == "command":
                run(remedy, now)
        assert look(folder, f"sqlite:{now}", "sqlite-journal-misplaced") == {}
        assert f.path.with_name(f"{stray}.left").read_bytes() == kept
        # "rename the journal to the name of its database": what it held is there again
        f.path.with_name(f"{stray}.left").rename(now.with_name(now.name + stray[len("app's.db"):]))
        rows = subprocess.run(["sqlite3", now, "SELECT count(*) FROM t"], text=True, capture_output=True, check=True).stdout
        assert int(rows) == (1400 if stray.endswith("-wal") else 500)
