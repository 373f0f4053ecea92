"""Remaining time: checks of source history on a past that the program's own writer has written, going on in
a real database; what looks alike stays quiet."""
import math
import os
import subprocess
import time

from proof import proves
from support import wait_until
from support.base import BUILD

HOUR, DAY = 3600, 86400
FAST = {"connectivity_interval": "2s", "performance_interval": "2s", "schema_interval": "2s", "integrity_interval": "1h"}
SOON = ("disk-full-soon", "wal-dir-full-soon", "xid-wraparound-soon", "mxid-wraparound-soon", "sequence-end-soon",
        "int-key-end-soon", "conn-slots-full-soon")
# A look each other second; what is found counts at once.
QUICK = {f"check {check}": {"interval": "2s", "for": "0s"} for check in
         (*SOON, "sequence-near-limit", "int-key-exhaustion", "disk-space-low", "conn-slots", "wal-dir-size")}
LINE = tuple[int, str, str, str, float, str]


def noise(i):
    return math.sin(i * 12.9898) * 43758.5453 % 1 - 0.5


def series(scope, check, unit, object, days, of, until=None):  # noqa: A002
    """of(h): the value h hours ago.  Every 5 minutes of the last 2 days, every 20 before."""
    now = until or time.time()
    at = now - days * DAY
    while at < now - 60:
        ago = (now - at) / HOUR
        yield int(at), scope, check, unit, of(ago), object
        at += 300 if ago <= 48 else 1200


def plant(d, *past):
    lines = sorted(line for p in past for line in p)
    text = "".join("\t".join(map(str, (at, scope, check, unit, f"{v:.9g}", obj))) + "\n"
                   for at, scope, check, unit, v, obj in lines)
    done = subprocess.run([BUILD / "tools/history-write", d.state / "history"], input=text, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def soon(d):
    return {(f["check"], f["object"]): f for f in d.findings() if f["check"] in SOON}


def state_of(d, check):
    """(status, reason) of a check, of the database or server where it is."""
    for name in ("app", "orders"):
        answer = d.request("GET", f"/v1/databases/{name}")
        for c in answer.json.get("checks", []) if answer.status == 200 else []:
            if c["id"] == check and c["status"] != "disabled":
                return c["status"], c.get("reason") or ""
    return None, ""


@proves("wal-dir-full-soon", "xid-wraparound-soon", "mxid-wraparound-soon", "sequence-end-soon", "int-key-end-soon",
        "conn-slots-full-soon")
def test_postgresql_goes_to_its_limits(cluster, daemon):
    c = cluster(tcp=True, settings={"max_connections": 14, "superuser_reserved_connections": 1, "min_wal_size": "32MB",
                                    "max_wal_size": "32MB", "wal_keep_size": "0", "autovacuum": "off"})
    c.sql("CREATE SEQUENCE up AS integer; SELECT setval('up', 1073741823)")
    c.sql("CREATE SEQUENCE still AS integer; SELECT setval('still', 1073741823)")
    c.sql("CREATE SEQUENCE daily AS integer; SELECT setval('daily', 1073741823)")
    c.sql("CREATE SEQUENCE reset AS integer; SELECT setval('reset', 21474836)")
    c.sql("CREATE SEQUENCE young AS integer; SELECT setval('young', 1073741823)")
    c.sql("CREATE TABLE t(id int PRIMARY KEY); INSERT INTO t SELECT 1 + i * 500000 FROM generate_series(0, 2200) i")
    c.sql("ANALYZE t; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO dbhealth; GRANT SELECT ON t TO dbhealth")
    c.sql("SELECT pg_create_physical_replication_slot('kept', true)")
    while (size := int(c.one("SELECT sum(size) FROM pg_ls_waldir()"))) < 72 << 20:
        c.sql("CREATE TABLE IF NOT EXISTS w(x text); INSERT INTO w SELECT repeat(md5(i::text), 60) FROM generate_series(1, 4000) i; SELECT pg_switch_wal()")
    wanted = c.one("SELECT pg_size_bytes(current_setting('max_wal_size')) + 2 * pg_size_bytes(current_setting('wal_segment_size'))")
    factor = max(3, math.ceil(size / wanted) + 1)
    open_sessions = [c.session() for _ in range(5)]
    used = (5 + 3) / 14
    rise = (factor * wanted - size) / 8  # bytes an hour: 8 h are left

    def leak(h):
        return 0.2 + (max(0, 7 - h) / 7) * (used - 0.2) + 0.002 * noise(h)

    d = daemon(databases={"orders": c.dsn(tcp=True)}, defaults=FAST, start=False, sections={
        **QUICK, "check xid-wraparound": {"interval": "2s", "param.freeze_factor": "0"},
        "check mxid-wraparound": {"interval": "2s", "param.freeze_factor": "0"},
        "check wal-dir-size": {"interval": "2s", "param.warning_factor": str(factor), "param.critical_factor": str(factor)}})
    plant(d,
          series("orders", "sequence-near-limit", "ratio", "public.up", 20, lambda h: 0.5 - h / 24 * 0.01 + 0.0005 * noise(h)),
          series("orders", "sequence-near-limit", "ratio", "public.still", 20, lambda h: 0.5 + 0.0005 * noise(h)),
          series("orders", "sequence-near-limit", "ratio", "public.daily", 20, lambda h: 0.45 + 0.05 * math.cos(h / 12 * math.pi)),
          series("orders", "sequence-near-limit", "ratio", "public.reset", 20,
                 lambda h: (0.5 - h / 24 * 0.008 if h > 3 else 0.01 + (3 - h) * 0.0001)),
          series("orders", "sequence-near-limit", "ratio", "public.young", 0.6, lambda h: 0.5 - h * 0.02),
          series("orders", "sequence-near-limit", "ratio", "public.dropped", 20, lambda h: 0.6 - h / 24 * 0.01),
          series("orders", "int-key-exhaustion", "ratio", "public.t.id", 20, lambda h: 0.51 - h / 24 * 0.012),
          series("orders", "xid-wraparound", "ratio", "postgres", 18, lambda h: max(0, 0.9 - h / 24 * 0.08)),
          series("orders", "xid-wraparound", "ratio", "template1", 18, lambda h: 0.05 + 0.05 * (-h / 24 % 1)),
          series("orders", "mxid-wraparound", "ratio", "postgres", 18, lambda h: max(0, 0.9 - h / 24 * 0.08)),
          series("orders", "wal-dir-size", "bytes", "", 15, lambda h: size - min(h, 9) * rise),
          series("orders", "conn-slots", "ratio", "", 15, leak))
    d.start()
    expect = {("sequence-end-soon", "public.up"): (50 * DAY, "warning"), ("int-key-end-soon", "public.t.id"): (41 * DAY, "warning"),
              ("xid-wraparound-soon", "postgres"): (12.5 * DAY, "warning"), ("mxid-wraparound-soon", "postgres"): (12.5 * DAY, "warning"),
              ("wal-dir-full-soon", ""): (8 * HOUR, "warning"), ("conn-slots-full-soon", ""): (None, "warning")}
    wait_until(lambda: set(soon(d)) >= set(expect), 90 * d.slack, lambda: f"every limit is foretold: {sorted(soon(d))}")
    time.sleep(2.5)  # each has had a turn
    found = soon(d)
    assert set(found) == set(expect), sorted(found)
    for key, (eta, severity) in expect.items():
        f = found[key]
        assert f["severity"] == severity, f
        assert eta is None or 0.8 * eta < f["value"] < 1.25 * eta, (key, f["value"] / DAY, f["message"])
    assert "comes to its end in" in found["sequence-end-soon", "public.up"]["message"]
    assert "a day over the last" in found["sequence-end-soon", "public.up"]["detail"]
    # what is bad by itself says so: one cause, one finding
    c.sql("SELECT setval('up', 2040109466)")
    wait_until(lambda: ("sequence-end-soon", "public.up") not in soon(d), 60 * d.slack, "the level says it now")
    for s in open_sessions:
        s.close()
    d.stop()


@proves("disk-full-soon")
def test_a_disk_fills(cluster, daemon):
    c = cluster()
    at = os.statvfs(c.data)
    free = at.f_bavail * at.f_frsize / (at.f_blocks * at.f_frsize)
    d = daemon(databases={"orders": c.dsn()}, defaults=FAST, start=False, sections={
        **QUICK, "check disk-space-low": {"interval": "2s", "param.warning_ratio": "0", "param.critical_ratio": "0"}})
    mount = subprocess.run(["findmnt", "-no", "TARGET", "-T", c.data], capture_output=True, text=True, check=True).stdout.strip()
    plant(d, series("orders", "disk-space-low", "ratio", mount, 15, lambda h: free * (1 + min(h, 60) / 72)))
    d.start()
    wait_until(lambda: ("disk-full-soon", mount) in soon(d), 90 * d.slack, lambda: f"the disk is foretold: {sorted(soon(d))}")
    f = soon(d)["disk-full-soon", mount]
    assert f["severity"] == "warning" and 2.2 * DAY < f["value"] < 4 * DAY, f
    assert f["message"].startswith(f"{mount} is full in ")
    d.stop()


@proves("disk-full-soon", engine="sqlite")
def test_the_disk_of_a_file_fills(sqlite, daemon, cli):
    app = sqlite("app.db", "CREATE TABLE t(id INTEGER PRIMARY KEY);")
    folder = os.path.dirname(app.dsn.removeprefix("sqlite:"))
    at = os.statvfs(folder)
    free = at.f_bavail / at.f_blocks
    mount = subprocess.run(["findmnt", "-no", "TARGET", "-T", folder], capture_output=True, text=True, check=True).stdout.strip()
    level = {"check disk-space-low": {"interval": "2s", "param.warning_ratio": "0", "param.critical_ratio": "0"}}
    d = daemon(databases={"app": app.dsn}, defaults=FAST, start=False, sections={**QUICK, **level})
    plant(d, series("app", "disk-space-low", "ratio", mount, 15, lambda h: free * (1 + min(h, 60) / 72)))
    d.start()
    wait_until(lambda: ("disk-full-soon", mount) in soon(d), 90 * d.slack, lambda: f"the disk is foretold: {sorted(soon(d))}")
    # the same threshold, by time, moved away
    d.configure(databases={"app": app.dsn}, defaults=FAST, sections={
        **QUICK, **level, "check disk-full-soon": {"interval": "2s", "for": "0s", "warning": "eta < 2h", "critical": "none"}})
    d.reload()
    wait_until(lambda: ("disk-full-soon", mount) not in soon(d), 20 * d.slack, lambda: f"three days are more than two hours: {soon(d)} {d.log()[-5:]}")
    d.stop()

    # the same rise, all of it within half a day: nothing is said of so short a past
    d = daemon("young", databases={"app": app.dsn}, defaults=FAST, start=False, sections={**QUICK, **level})
    plant(d, series("app", "disk-space-low", "ratio", mount, 0.5, lambda h: free * (1 + h / 72)))
    d.start()
    wait_until(lambda: "a day is needed" in state_of(d, "disk-full-soon")[1], 60 * d.slack,
               lambda: f"how much more it needs: {state_of(d, 'disk-full-soon')}")
    assert not soon(d)
    assert state_of(d, "disk-full-soon")[0] == "ok"
    d.stop()

    # dbhealth check keeps no history
    once = cli("check", app.dsn, "-o", "json")
    assert not [n for n in once.json["unknown"] if n["check"] == "disk-full-soon"]
    why = [n["reason"] for n in once.json["not_covered"] if n["check"] == "disk-full-soon"]
    assert why == ["needs the history that dbhealthd keeps"]


def test_eta_is_for_remaining_time(sqlite, daemon, cli):
    app = sqlite("app.db", "CREATE TABLE t(id INTEGER PRIMARY KEY);")
    d = daemon(databases={"app": app.dsn}, start=False, sections={"check sqlite-freelist-high": {"warning": "eta < 14d"}})
    said = subprocess.run([BUILD / "dbhealthd", "-c", d.conf, "--check-config"], capture_output=True, text=True, check=False)
    assert said.returncode != 0 and "eta is the time left until a limit" in said.stdout + said.stderr, said
