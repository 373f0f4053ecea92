"""SQLite findings through the daemon: opened after two complete runs or after `for`, resolved when the
fault is gone, with both transitions told once; one sick file among well ones."""
import pathlib

from support import wait_until

FILL = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
# check -> what plants it, what ends it
FAULTS = {
    "fk-missing-index": ("CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p, k PRIMARY KEY)",
                         "CREATE INDEX c_p ON c(p)"),
    "table-no-primary-key": ("CREATE TABLE t(a)", "DROP TABLE t"),
    "sqlite-stats-missing": ("CREATE TABLE t(a PRIMARY KEY); INSERT INTO t VALUES (1)", "ANALYZE"),
    "fk-orphan-rows": ("CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p PRIMARY KEY REFERENCES p); INSERT INTO c VALUES (3)",
                       "INSERT INTO p VALUES (3)"),
    "sqlite-freelist-high": ("CREATE TABLE t(a);" + FILL.format(3000) + "INSERT INTO t SELECT randomblob(900) FROM n; DROP TABLE t", "VACUUM"),
    "conv-required-table-missing": ("CREATE TABLE a(b PRIMARY KEY)", "CREATE TABLE users(id INTEGER PRIMARY KEY)"),
}
DEFAULTS = {"connectivity_interval": "1s", "performance_interval": "1s", "schema_interval": "1s", "integrity_interval": "1s", "timeout": "5s"}


def intervals(*checks):
    return {f"check {c}": {"interval": "1s", "for": "2s"} for c in checks}


def test_faults_open_and_resolve(sqlite, daemon):
    files = {check: sqlite(f"{check}.db", plant) for check, (plant, _) in FAULTS.items()}
    well = sqlite("well.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")
    databases = {check: {"dsn": f.dsn, **({"require_tables": "users"} if "required" in check else {})} for check, f in files.items()}
    d = daemon(databases={**databases, "well": well.dsn}, defaults=DEFAULTS,
               sections={**intervals(*FAULTS), "check fk-orphan-rows": {"interval": "1s"}})
    told = {}
    for check in FAULTS:
        found = d.wait_finding(check, database=check, within=30)
        assert found["state"] == "open" and found["engine"] == "sqlite" and found["why"] and found["remedy"], found
        told[check] = int(found["severity"] != "info")  # info is never journaled singly
    assert d.findings(database="well") == []
    for check, (_, mend) in FAULTS.items():
        files[check].sql(mend)
    for check in FAULTS:
        d.wait_gone(check, database=check, within=40)
        # told when it is on the disk, which may be a moment after the API knows
        for kind in ("01", "03"):
            wait_until(lambda k=kind, c=check: len(d.transitions(k, check=c, database=c)) >= told[c], 5,
                       lambda k=kind, c=check: f"{c} is told as {k}: {d.log_tail()}")
            assert len(d.transitions(kind, check=check, database=check)) == told[check]
    d.stop()
    for f in files.values():
        assert f.neighbours() == []


def test_a_file_comes_and_goes(sqlite, daemon, folder):
    """Down at once, with one entry that says so and one that it is back; a new file is read anew."""
    path = folder.path / "app.db"
    d = daemon(databases={"app": f"sqlite:{path}"}, defaults=DEFAULTS, wait="alive")
    down = d.wait_finding("conn-up", database="app", severity="critical")
    assert "no such file" in down["message"]
    assert d.request("GET", "/v1/databases/app/health").status == 503
    f = sqlite("app.db", "CREATE TABLE t(a PRIMARY KEY)")
    d.wait_gone("conn-up", database="app")
    wait_until(lambda: d.request("GET", "/v1/databases/app/health").status == 200, 10, "healthy again")
    # A file that is no database any more takes its place, then a database with another schema.
    pathlib.Path(f"{path}.new").write_bytes(b"\x7fELF and so on" * 300)
    pathlib.Path(f"{path}.new").rename(path)
    d.wait_finding("sqlite-not-a-database", database="app", within=30)
    path.unlink()
    f.sql("CREATE TABLE u(a)")
    d.wait_gone("sqlite-not-a-database", database="app", within=30)
    d.wait_finding("table-no-primary-key", "u", database="app", within=30)
    assert len(d.transitions("04", database="app")) == len(d.transitions("05", database="app")) == 1


def test_a_writer_dies_while_we_watch(sqlite, daemon):
    f = sqlite("app.db", "CREATE TABLE t(a PRIMARY KEY)")
    d = daemon(databases={"app": f.dsn}, defaults=DEFAULTS,
               sections={"check sqlite-hot-journal": {"interval": "1s"}, "check sqlite-quick-check": {"interval": "1s"}})
    assert d.findings(database="app") == []
    f.hot_journal()
    hot = d.wait_finding("sqlite-hot-journal", database="app", severity="critical")
    assert "journal" in hot["message"] and "not" in d.get("/v1/checks/sqlite-hot-journal")["checks"][0]["fix"]
    assert f.sql("SELECT count(*) FROM journal_filler")[0][0] == 0  # its application rolls back
    d.wait_gone("sqlite-hot-journal", database="app")
    d.wait_check("app", "sqlite-quick-check", "ok")
    assert [x["check"] for x in d.findings(database="app") if x["severity"] == "critical"] == []


def test_log_that_grows_behind_a_reader(sqlite, daemon):
    f = sqlite("app.db", "PRAGMA journal_mode = wal; CREATE TABLE t(a PRIMARY KEY); INSERT INTO t VALUES (1)")
    d = daemon(databases={"app": f.dsn}, defaults=DEFAULTS,
               sections={"check sqlite-wal-large": {"interval": "1s", "for": "2s", "param.min_bytes": "1MB"}})
    reader = f.writer("BEGIN;SELECT * FROM t")
    writer = f.writer(FILL.format(3000) + "INSERT INTO t SELECT randomblob(900) FROM n")
    large = d.wait_finding("sqlite-wal-large", database="app", severity="warning")
    assert f"pid {reader.pid}" in large["message"] and large["value"] > 1 << 20
    f.end_writer(reader)
    f.end_writer(writer)
    f.sql("PRAGMA wal_checkpoint(TRUNCATE)")
    d.wait_gone("sqlite-wal-large", database="app")
