"""A section whose path has wildcards: a fleet of SQLite files that come and go."""
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import sys
import time

import pytest

from support import SqliteFile, wait_until
from proofs.migrations import RAILS, make_folder
from test_proof_sqlite_migrations import prisma, rails

FAST = {"connectivity_interval": "1s", "schema_interval": "1s", "integrity_interval": "1s"}
NO_KEY = "CREATE TABLE no_key(a)"
GOOD = "CREATE TABLE t(id INTEGER PRIMARY KEY, b TEXT); INSERT INTO t(b) VALUES ('x'), ('y');"


@pytest.fixture
def tenants(folder):
    return folder.sub("tenants")


@pytest.fixture
def model(sqlite):
    """A good file, of which a fleet is copied."""
    return sqlite("model.db", GOOD).path


def fill(where, model, names):
    for name in names:
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(model, path)


def fleet(d, name="tenants"):
    return next(f for f in d.status()["fleets"] if f["name"] == name)


def names(d):
    return {x["name"] for x in d.status()["databases"]}


def wait_names(d, *expected):
    wait_until(lambda: names(d) == set(expected), 20 * d.slack, f"the files watched are {expected}")


def wait_ok(d, n):
    wait_until(lambda: fleet(d)["summary"] == {"ok": n, "warning": 0, "critical": 0, "unknown": 0},
               60 * d.slack, f"all {n} files are looked at")


def test_one_corrupt_file_of_two_hundred_is_named(daemon, tenants, model):
    fill(tenants, model, [f"t{i:03}.db" for i in range(200)])
    d = daemon(databases={"tenants": f"sqlite:{tenants}/*.db"}, wait="alive",
               defaults={"connectivity_interval": "5s", "integrity_interval": "5s"})
    wait_ok(d, 200)
    path = tenants / "t117.db"
    with open(path, "r+b") as f:
        f.seek(4096 + 8)
        f.write(b"\xa5" * 64)
    found = d.wait_finding("sqlite-quick-check", within=60 * d.slack)
    assert found["database"] == "tenants/t117.db"
    wait_until(lambda: fleet(d)["attention"] == 1, 10 * d.slack, "one file needs attention")
    assert fleet(d)["files"] == 200
    text = d.cli("status").out
    assert "tenants: 1 of 200 files needs attention" in text
    assert "SQLite x200" in text and "tenants/t117.db" in text
    assert d.database("tenants/t117.db")["status"] == "critical"
    assert {f["database"] for f in d.findings(severity="critical")} == {"tenants/t117.db"}
    lines = d.request("GET", "/metrics").body.decode().splitlines()
    assert 'dbhealth_fleet_files{database="tenants",status="ok"} 199' in lines
    assert 'dbhealth_database_status{database="tenants/t117.db"} 2' in lines
    assert not any('"tenants/t116.db"' in x for x in lines), "files that are ok are counted only"


def test_files_come_go_and_are_replaced(daemon, tenants, model, sqlite):
    bad = sqlite("bad.db", NO_KEY).path
    fill(tenants, model, ["a.db", "b.db"])
    # Only what the kernel tells can be this quick: the next slow listing is minutes away.
    d = daemon(databases={"tenants": f"sqlite:{tenants}/*.db"},
               defaults={**FAST, "connectivity_interval": "1min"})
    wait_names(d, "tenants/a.db", "tenants/b.db")
    assert fleet(d)["follows"]
    shutil.copy(bad, tenants / "c.db")
    d.wait_finding("table-no-primary-key", database="tenants/c.db")
    os.rename(tenants / "c.db", tenants / "d.db")
    d.wait_finding("table-no-primary-key", database="tenants/d.db")
    wait_names(d, "tenants/a.db", "tenants/b.db", "tenants/d.db")
    wait_until(lambda: {f["database"] for f in d.findings(state="any", check="table-no-primary-key")}
               == {"tenants/d.db"}, 10 * d.slack, "what was found in c.db went with its name")
    (tenants / "d.db").unlink()
    wait_names(d, "tenants/a.db", "tenants/b.db")
    assert not d.findings(check="conn-up", state="any"), "a file that went is no alarm"
    assert d.get("/v1/databases/tenants%2Fa.db")["name"] == "tenants/a.db"
    shutil.copy(bad, tenants / ".new")
    os.rename(tenants / ".new", tenants / "a.db")
    d.wait_finding("table-no-primary-key", database="tenants/a.db")


def test_hostile_names_are_watched_and_what_is_no_file_is_left_out(daemon, tenants, model):
    raw = os.fsencode(tenants)
    hostile = {b"it's \"x\".db": "it's \"x\".db", b"a\nb.db": "a%0Ab.db", b"\xff\xfe.db": "%FF%FE.db",
               b"100%.db": "100%25.db", "\u202e\u00e9.db".encode(): "\u202e\u00e9.db",
               b"n" * 252 + b".db": "n" * 252 + ".db", b"-rf [x] *.db": "-rf [x] *.db"}
    for file in hostile:
        shutil.copy(model, raw + b"/" + file)
    for beside in ("a.db-wal.db-wal", "x.db-journal"):
        (tenants / beside).touch()
    os.mkfifo(tenants / "pipe.db")
    (tenants / "folder.db").mkdir()
    (tenants / "link.db").symlink_to(model)
    (tenants / "test_1.db").write_bytes(b"no database")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(tenants / "s.db"))
    d = daemon(databases={"tenants": {"dsn": f"sqlite:{tenants}/*.db*", "exclude_files": "test_*"}},
               defaults=FAST)
    wait_names(d, *(f"tenants/{name}" for name in hostile.values()))
    wait_ok(d, len(hostile))
    left = fleet(d)["left_out"]
    assert left == {"over": 0, "excluded": 1, "links": 1, "others": 3, "closed": 0}
    assert "1 symbolic link is left out" in d.cli("status").out


def test_the_limit_is_told_in_words(daemon, tenants, model):
    fill(tenants, model, ["b.db", "c.db", "d.db"])
    sections = {"tenants": {"dsn": f"sqlite:{tenants}/*.db", "max_files": "2"}}
    d = daemon(databases=sections, defaults=FAST)
    wait_names(d, "tenants/b.db", "tenants/c.db")
    words = "1 more than max_files = 2 are not watched"
    wait_until(lambda: words in (fleet(d)["note"] or ""), 10 * d.slack, "what is left out is told")
    assert words in " ".join(d.cli("status").out.split())
    wait_until(lambda: any(words in str(e) for e in d.log()), 10 * d.slack, "the log tells it")
    fill(tenants, model, ["a.db"])  # who is watched keeps its place
    wait_until(lambda: fleet(d)["left_out"]["over"] == 2, 20 * d.slack, "another one is left out")
    assert names(d) == {"tenants/b.db", "tenants/c.db"}
    (tenants / "c.db").unlink()
    wait_names(d, "tenants/a.db", "tenants/b.db")
    sections["tenants"]["max_files"] = "10"
    d.configure(databases=sections, defaults=FAST)
    d.reload()
    wait_names(d, "tenants/a.db", "tenants/b.db", "tenants/d.db")
    wait_until(lambda: fleet(d)["note"] is None, 10 * d.slack, "nothing is left out any more")


def test_folders_that_come_later_are_followed(daemon, folder, model):
    top = folder.sub("srv")
    d = daemon(databases={"tenants": f"sqlite:{top}/apps/*/db/data.db"},
               defaults={**FAST, "connectivity_interval": "1min"}, wait="alive")
    lost = d.wait_finding("conn-up", database="tenants")
    assert "does not exist" in lost["message"]
    assert d.status()["status"] == "critical"
    fill(top, model, ["apps/acme/db/data.db"])
    wait_names(d, "tenants/acme/db/data.db")
    d.wait_gone("conn-up", database="tenants")
    fill(top, model, ["apps/bolt/db/data.db"])
    (top / "apps/coyote").mkdir()
    wait_names(d, "tenants/acme/db/data.db", "tenants/bolt/db/data.db")
    fill(top, model, ["apps/coyote/db/data.db"])
    shutil.rmtree(top / "apps/acme")
    wait_names(d, "tenants/bolt/db/data.db", "tenants/coyote/db/data.db")


def test_files_that_all_went_at_once_are_told(daemon, tenants, model):
    files = [f"t{i}.db" for i in range(12)]
    fill(tenants, model, files)
    d = daemon(databases={"tenants": f"sqlite:{tenants}/*.db"}, defaults=FAST)
    wait_ok(d, 12)
    aside = tenants.parent / "aside"
    os.rename(tenants, aside)  # as a disk that is not mounted any more
    found = d.wait_finding("conn-up", database="tenants")
    assert "does not exist" in found["message"]
    assert names(d) == {"tenants"}
    os.rename(aside, tenants)
    wait_ok(d, 12)
    assert not d.findings(check="conn-up")
    for name in files:
        (tenants / name).unlink()
    found = d.wait_finding("conn-up", database="tenants")
    assert "all files of the fleet went at once" in found["message"] or "does not exist" in found["message"]


def test_a_fleet_and_its_findings_outlive_a_restart(daemon, tenants, model, sqlite):
    fill(tenants, sqlite("bad.db", NO_KEY).path, ["a.db", "b.db"])
    fill(tenants, model, ["c.db"])
    sections = {"tenants": f"sqlite:{tenants}/*.db"}
    d = daemon(databases=sections, defaults=FAST)
    before = {f: d.wait_finding("table-no-primary-key", database=f"tenants/{f}")["id"] for f in ("a.db", "b.db")}
    d.stop()
    (tenants / "b.db").unlink()
    d.start()
    wait_names(d, "tenants/a.db", "tenants/c.db")
    wait_until(lambda: {f["id"] for f in d.findings(check="table-no-primary-key", state="any")
                        if f["state"] != "resolved"} == {before["a.db"]}, 20 * d.slack, "only that of a.db stays")
    other = tenants.parent / "other"
    fill(other, model, ["z.db"])
    d.configure(databases={"tenants": f"sqlite:{other}/*.db"}, defaults=FAST)
    d.reload()
    wait_names(d, "tenants/z.db")
    d.configure(databases={"one": f"sqlite:{other}/z.db"}, defaults=FAST)
    d.reload()
    wait_names(d, "one")


def fleet_worker(d):
    """Its process: the one that holds an inotify."""
    for pid in d.workers():
        try:
            links = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        if any("inotify" in link for link in links):
            return pid
    return None


def test_events_that_were_lost_are_made_good_by_listing(daemon, tenants, model):
    fill(tenants, model, ["a.db"])
    d = daemon(databases={"tenants": f"sqlite:{tenants}/*.db"},
               defaults={**FAST, "connectivity_interval": "10min"})
    wait_names(d, "tenants/a.db")
    pid = fleet_worker(d)
    room = int(open("/proc/sys/fs/inotify/max_queued_events").read())
    if room > 100000:
        pytest.skip("the kernel's queue is too long to be filled here")
    os.kill(pid, signal.SIGSTOP)
    try:
        for i in range(room // 2 + 100):
            (tenants / f"{i}.tmp").touch()
            (tenants / f"{i}.tmp").unlink()
        fill(tenants, model, ["late.db"])  # the queue has no place for it any more
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_names(d, "tenants/a.db", "tenants/late.db")


def test_without_inotify_files_are_seen_by_listing(daemon, tenants, model):
    fill(tenants, model, ["a.db"])
    none_left = 'echo 0 > /proc/sys/user/max_inotify_instances; exec "$@"'
    d = daemon(databases={"tenants": f"sqlite:{tenants}/*.db"}, defaults=FAST,
               prefix=["unshare", "--user", "--map-root-user", "sh", "-c", none_left, "sh"])
    wait_names(d, "tenants/a.db")
    assert not fleet(d)["follows"]
    assert "max_user_instances is used up: new files are seen within 6 s" in fleet(d)["note"]
    fill(tenants, model, ["b.db"])
    wait_names(d, "tenants/a.db", "tenants/b.db")


class Opened:
    """Names of the files in a folder that anybody opens."""

    def __init__(self, path):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self.fd >= 0 and libc.inotify_add_watch(self.fd, os.fsencode(path), 0x20) > 0

    def take(self):
        seen = set()
        while True:
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                return seen - {""}  # the folder itself
            while data:
                n = int.from_bytes(data[12:16], sys.byteorder)
                seen.add(os.fsdecode(data[16:16 + n].rstrip(b"\0")))
                data = data[16 + n:]

    def close(self):
        os.close(self.fd)


def test_a_file_that_did_not_change_is_not_read_again(daemon, tenants, model):
    files = [f"t{i}.db" for i in range(20)]
    fill(tenants, model, files)
    time.sleep(3)  # what was written a moment ago may be written on within the same tick of the clock
    # what searches a whole file for damage comes round by a pace of its own, changed or not
    d = daemon(databases={"tenants": {"dsn": f"sqlite:{tenants}/*.db", "probes": "connectivity, schema, performance"}},
               defaults={**FAST, "performance_interval": "1s"})
    wait_ok(d, 20)
    with contextlib.closing(Opened(tenants)) as opened:
        def quiet():
            opened.take()
            time.sleep(3)  # three rounds of every probe
            return not opened.take()
        wait_until(quiet, 60 * d.slack, "nothing is opened while nothing changes")
        runs = d.database("tenants/t7.db")["probes"]["schema"]["last_run"]
        wait_until(lambda: d.database("tenants/t7.db")["probes"]["schema"]["last_run"] > runs,
                   10 * d.slack, "its turn comes all the same")
        tries = iter(range(1000))

        def only_it():  # where the machine stalls, files are read rather than trusted: then once more
            name = f"no_key_{next(tries)}"
            SqliteFile(tenants / "t7.db").sql(f"CREATE TABLE {name}(a)")
            opened.take()
            d.wait_finding("table-no-primary-key", name, database="tenants/t7.db")
            return opened.take() - {"t7.db-journal"} == {"t7.db"}
        wait_until(only_it, 60 * d.slack, "the file that changed is the only one that is read")
        # asked for by a person it is read, changed or not
        d.run("tenants/t3.db", "schema")
        assert "t3.db" in opened.take()


def test_a_file_that_somebody_locks_is_seen_though_it_stays_as_it_is(daemon, tenants, model):
    fill(tenants, model, ["a.db", "b.db", "c.db"])
    time.sleep(3)
    d = daemon(databases={"tenants": f"sqlite:{tenants}/*.db"}, defaults=FAST,
               sections={"check sqlite-locked": {"interval": "1s", "for": "2s"}})
    wait_ok(d, 3)
    file = SqliteFile(tenants / "b.db")
    with file.exclusive_lock():
        found = d.wait_finding("sqlite-locked", within=30)
        assert found["database"] == "tenants/b.db"
    d.wait_gone("sqlite-locked", within=30)
    assert len(d.findings(check="sqlite-locked")) == 0


def test_a_change_in_the_log_alone_is_seen(daemon, tenants, model):
    fill(tenants, model, ["a.db", "b.db"])
    file = SqliteFile(tenants / "a.db")
    with contextlib.closing(file.connect()) as db:
        db.execute("PRAGMA journal_mode = wal")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("INSERT INTO t(b) VALUES ('z')")
        d = daemon(databases={"tenants": f"sqlite:{tenants}/*.db"}, defaults=FAST)
        wait_ok(d, 2)
        before = (tenants / "a.db").stat()
        db.execute(NO_KEY)
        d.wait_finding("table-no-primary-key", database="tenants/a.db")
        assert (tenants / "a.db").stat() == before, "the file itself is as it was"


def test_files_are_compared_with_the_migrations_of_one_folder(daemon, tenants, folder, sqlite):
    made = make_folder(folder.path / "files", RAILS)
    at_head = sqlite("model.db", rails("1", "2", "10")).path
    fill(tenants, at_head, [f"t{i}.db" for i in range(6)])
    d = daemon(databases={"tenants": {"dsn": f"sqlite:{tenants}/*.db", "expect_migration": f"head of {made}", "probes": "schema"}}, defaults={**FAST, "schema_interval": "2s"},
               sections={"check migration-behind-head": {"for": "0s"}})
    wait_ok(d, 6)
    assert {d.check(f"tenants/t{i}.db", "migration-behind-head")["status"] for i in range(6)} == {"ok"}
    # One is behind; then there is a migration that none has; then the folder is gone.
    SqliteFile(tenants / "t4.db").sql("DELETE FROM schema_migrations WHERE version = '10'")
    d.wait_finding("migration-behind-head", "schema_migrations", database="tenants/t4.db", within=60)
    assert len(d.findings(check="migration-behind-head")) == 1
    (made / "011_d.rb").write_text("")
    wait_until(lambda: len(d.findings(check="migration-behind-head")) == 6, 60 * d.slack, "the new migration is missing everywhere")
    made.rename(folder.path / "gone")
    assert str(made) in d.wait_check("tenants/t3.db", "migration-behind-head", "unknown", 60)["reason"]


def test_a_migration_that_does_not_end_is_found_though_its_file_stays_as_it_is(daemon, tenants, sqlite):
    fill(tenants, sqlite("model.db", prisma(("1_a", "NULL", "NULL", "NULL", 0))).path, ["a.db"])
    d = daemon(databases={"tenants": {"dsn": f"sqlite:{tenants}/*.db", "probes": "schema"}}, defaults=FAST,
               sections={"check migration-failed": {"param.running": "12s"}})
    d.wait_finding("migration-failed", "_prisma_migrations", database="tenants/a.db", within=40)
