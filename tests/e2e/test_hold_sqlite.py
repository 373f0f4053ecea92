"""Sick SQLite files: told, delay nobody, and are left exactly as they were."""
import os
import stat

import pytest

from support import wait_until
from support.hold import FAST, undisturbed

SCRIPT = "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t(a) VALUES ('x'), ('y')"


def unknown_checks(d, name):
    return [c for c in d.database(name)["checks"] if c["status"] == "unknown"]


@pytest.mark.alone
def test_exclusive_lock(cluster, daemon, sqlite):
    calm, app = cluster("calm"), sqlite("app.db", SCRIPT)
    d = daemon(databases={"app": app.dsn, "calm": calm.dsn()}, defaults=FAST)
    wait_until(lambda: d.database("app")["status"] in ("ok", "warning"), 20, "a first verdict of all probes")
    with undisturbed(d):
        with app.exclusive_lock():
            wait_until(lambda: any("lock" in (c["reason"] or "") or "busy" in (c["reason"] or "")
                                   for c in unknown_checks(d, "app")), 20,
                       lambda: f"unknown because locked: {d.database('app')}")
            assert d.database("app")["status"] in ("unknown", "critical", "warning")
        wait_until(lambda: not unknown_checks(d, "app"), 30,
                   lambda: f"answers again: {unknown_checks(d, 'app')}")
    assert app.neighbours() == []


@pytest.mark.alone
def test_large_file_under_integrity_check(cluster, daemon, sqlite):
    calm = cluster("calm")
    big = sqlite("big.db", """
        PRAGMA journal_mode = off; PRAGMA synchronous = off; PRAGMA cache_size = -200000;
        CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b INTEGER);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200000)
        INSERT INTO t SELECT i, hex(i * 7919 % 1000003), i * 31 % 65537 FROM n;
        CREATE INDEX t_a ON t(a); CREATE INDEX t_b ON t(b, a);
        PRAGMA journal_mode = delete""")
    before = big.digest()
    d = daemon(databases={"big": big.dsn, "calm": calm.dsn()},
               defaults={**FAST, "timeout": "60s"}, wait="alive")
    with undisturbed(d):
        for _ in range(2):
            d.run("big", "integrity", wait="60s")
    checks = {c["id"]: c for c in d.database("big")["checks"]}
    assert checks["sqlite-quick-check"]["status"] == "ok", checks["sqlite-quick-check"]
    # Quick on an idle disk, but the file is large enough that it was not over in no time.
    assert max(c["duration_ms"] or 0 for c in checks.values()) > 100
    assert big.digest() == before and big.neighbours() == []


def test_statement_past_its_deadline(daemon, sqlite):
    """What does not end within its time is unknown with that reason, and the rest goes on."""
    big, small = sqlite("big.db", SCRIPT), sqlite("small.db", SCRIPT)
    d = daemon(databases={"big": big.dsn, "small": small.dsn},
               defaults={**FAST, "timeout": "300ms"}, wait="alive",
               sections={"query endless": {
                   "databases": "big", "probe": "performance",
                   "sql": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS value FROM n"}})
    wait_until(lambda: any("time" in (c["reason"] or "") for c in unknown_checks(d, "big")), 25,
               lambda: f"timeout is told: {d.database('big')}")
    assert d.database("small")["probes"]["connectivity"]["status"] == "ok"
    assert d.process.poll() is None


@pytest.fixture
def strangers(folder):
    """A folder of user postgres in which the daemon's user may write: the case that bites."""
    if os.geteuid() != 0:
        pytest.skip("two users need root")
    shared = folder.sub("shared", user="postgres", mode=0o777)
    return shared


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_wal_file_of_another_user(strangers, sqlite, daemon, busy):
    app = sqlite("shared/app.db", "PRAGMA journal_mode = wal;" + SCRIPT, user="postgres")
    for name in app.neighbours():
        os.unlink(strangers / name)
    app.path.chmod(0o644)
    before = app.digest()
    writer = app.writer("INSERT INTO t(a) VALUES ('before')") if busy else None
    left = app.neighbours()
    d = daemon(databases={"app": app.dsn}, defaults=FAST, user="nobody")
    for _ in range(2):
        for probe in ("connectivity", "schema", "integrity", "performance"):
            d.run("app", probe)
    assert d.check("app", "sqlite-quick-check")["status"] == "ok", d.check("app", "sqlite-quick-check")
    assert app.neighbours() == left, "something was created or removed beside the file"
    owners = {(strangers / n).stat().st_uid for n in app.neighbours()}
    assert owners <= {app.path.stat().st_uid}
    if not busy:
        assert app.digest() == before
    # the application, as its own user, writes while we look
    for i in range(5):
        again = app.writer(f"INSERT INTO t(a) VALUES ('while {i}')")
        d.run("app", "integrity")
        app.end_writer(again)
    if writer:
        app.end_writer(writer)
    d.stop()
    again = app.writer("INSERT INTO t(a) VALUES ('after')")
    app.end_writer(again)
    assert app.sql("SELECT count(*) FROM t")[0][0] == (9 if busy else 8)


def truncated(f):
    f.truncate(f.path.stat().st_size // 2 + 100)


def flipped(f):
    f.damage_page(f.root_page("t"), start=0, length=200)


def loop(f):
    """The freelist's trunk names itself."""
    f.sql("DELETE FROM t; ")
    page = int.from_bytes(f.path.read_bytes()[32:36], "big")
    assert page > 0
    f.overwrite((page - 1) * f.page_size, page.to_bytes(4, "big"))


def no_database(f):
    f.path.write_bytes(b"\x7fELF and so on" * 600)


def empty(f):
    f.path.write_bytes(b"")


def schema(f):
    data = f.path.read_bytes()
    at = data.index(b"CREATE TABLE t(")
    f.overwrite(at, b"CREATE TIGER t(")


def header(f):
    f.overwrite(16, b"\x00\x07\x09\x09\xff\x00\x00")


FILES = [truncated, flipped, loop, no_database, empty, schema, header]


@pytest.mark.parametrize("harm", FILES, ids=lambda f: f.__name__)
def test_hostile_file(sqlite, daemon, harm):
    f = sqlite("bad.db", """PRAGMA page_size = 1024; CREATE TABLE t(a, b); CREATE INDEX ta ON t(a);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
        INSERT INTO t SELECT i, hex(i) FROM n""")
    harm(f)
    before = f.digest()
    d = daemon(databases={"bad": f.dsn}, defaults=FAST, wait="alive")
    for probe in ("connectivity", "integrity", "schema", "performance"):
        d.run("bad", probe)
    found = [x["check"] for x in d.findings(database="bad")
             if x["severity"] != "info" or x["check"] == "sqlite-zero-length"]
    assert found or unknown_checks(d, "bad"), d.database("bad")
    # an empty file is what a new database looks like: told, but no alarm
    bad = ("ok",) if harm.__name__ == "empty" else ("critical", "warning", "unknown")
    assert d.database("bad")["status"] in bad
    d.stop()
    assert f.digest() == before and f.neighbours() == []


def test_mended_file_is_well_soon(sqlite, daemon):
    """A check with a long interval that could not answer does not stay unknown until its next turn."""
    f = sqlite("app.db", SCRIPT + "; ANALYZE")
    good = f.path.read_bytes()
    d = daemon(databases={"app": f.dsn}, defaults=FAST)
    wait_until(lambda: d.database("app")["status"] == "ok", 25, "a first verdict of all probes")
    no_database(f)
    d.wait_finding("sqlite-not-a-database")
    d.run("app", "performance")
    assert unknown_checks(d, "app")
    f.path.write_bytes(good)
    wait_until(lambda: d.database("app")["status"] == "ok", 30 * d.slack,
               lambda: f"ok again: {unknown_checks(d, 'app')}")


def folder_(path):
    path.mkdir()


def fifo(path):
    os.mkfifo(path)


def absent(_):
    pass


def device(path):
    if os.geteuid() != 0:
        pytest.skip("making a device needs root")
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # zero: endless if it is ever read
    except PermissionError:
        pytest.skip("no right to make a device here")


def dangling(path):
    path.symlink_to(path.parent / "nowhere")


@pytest.mark.parametrize("make", [folder_, fifo, absent, device, dangling], ids=lambda f: f.__name__)
def test_what_is_no_file(folder, daemon, make):
    path = folder.path / "thing"
    make(path)
    d = daemon(databases={"thing": f"sqlite:{path}"}, defaults=FAST, wait="alive")
    for probe in ("connectivity", "integrity"):
        d.run("thing", probe)
    assert d.findings(database="thing") or unknown_checks(d, "thing"), d.database("thing")
    assert d.database("thing")["status"] in ("critical", "warning", "unknown")
    d.stop()
    assert os.path.lexists(path) == (make is not absent)
