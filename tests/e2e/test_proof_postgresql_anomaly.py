"""What is usual at this hour, out of a past that the program's own writer has written; judged on the load of a
real server: as usual is well, nothing any more, much slower and far more are told, and are over again.  What is
usual is planted far from what the load does, so that a slow machine makes no difference."""
import contextlib
import subprocess
import threading
import time

from proof import proves
from support import wait_until
from support.base import BUILD

DAY = 86400
SELECT = "SELECT v FROM one"  # without a table the server counts no transaction
FILL = "SELECT pg_logical_emit_message(true, 'fill', repeat('x', 200000))"
SLOW = "SELECT pg_sleep(0.3) FROM one"


def weeks(check, unit, usual, spread, elsewhere):
    """Three weeks and more: around this hour of the week usual - spread, usual and usual + spread, at any other
    time `elsewhere`, with which nothing of this hour agrees."""
    now = int(time.time())
    for at in range(now - 24 * DAY, now - 60, 1800):
        far = (at - now + 7200) % (7 * DAY) > 4 * 3600
        if far and at // 1800 % 6:
            continue  # of those every three hours
        week = (now - at + 12 * 3600) // (7 * DAY)
        yield at, "app", check, unit, elsewhere if far else usual + spread * (week - 2), ""


def quiet_too(past):
    for at, _, *rest in past:
        yield at, "app", *rest
        yield at, "quiet", *rest


def plant(d, *past):
    text = "".join("\t".join(map(str, line)) + "\n" for line in sorted(line for p in past for line in p))
    done = subprocess.run([BUILD / "tools/history-write", d.state / "history"], input=text, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def load(cluster, dbname, sql, sessions, pause, connect=False):
    """That many sessions send it again and again, at most once a pause each, until the end of the block."""
    over, failed = threading.Event(), []

    def run():
        try:
            s = cluster.session(dbname)
            while not over.wait(pause):
                if connect:
                    s.close()
                    s = cluster.session(dbname)
                with s.cursor() as c:
                    c.execute(sql)
            s.close()
        except Exception as e:  # pylint: disable=broad-except
            failed.append(e)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(sessions)]
    for t in threads:
        t.start()
    try:
        yield
    finally:
        over.set()
        for t in threads:
            t.join(30)
    assert not failed, failed


def wait_looks(d, database, checks, looks):
    """Each was judged that many times more, by a rate that was known."""
    def runs(check):
        c = d.check(database, check)
        return c["cost"]["runs"] if c.get("value") is not None and c.get("cost") else 0

    first = {}
    for check in checks:
        first[check] = wait_until(lambda it=check: runs(it), 30 * d.slack,
                                  lambda it=check: f"a first rate is there: {d.check(database, it)}")
    for check in checks:
        wait_until(lambda it=check: runs(it) >= first[it] + looks, 30 * d.slack,
                   lambda it=check: f"it looks: {d.check(database, it)}")


def day_name():
    return time.strftime("%A", time.gmtime())


@proves("tps-anomaly", "xact-time-anomaly", "wal-rate", "conn-churn")
def test_the_load_is_compared_with_this_hour_of_the_week(cluster, daemon):
    c = cluster(settings={"max_connections": "60"})
    for name in ("app", "quiet", "new"):
        c.createdb(name)
        c.sql("CREATE TABLE one (v int); INSERT INTO one VALUES (1)", dbname=name)
    loads = ["wal-rate"] + (["xact-time-anomaly", "conn-churn"] if c.version >= 14 else [])
    rule = {"enabled": "yes", "for": "3s", "clear_for": "2s", "flap_changes": "0", "interval": "2s"}
    d = daemon(databases={name: c.dsn(name) for name in ("app", "quiet", "new")}, start=False,
               defaults={"connectivity_interval": "4s", "performance_interval": "2s"},
               sections={"check *": {"enabled": "no"}, "check conn-up": {"enabled": "yes"},
                         "check tps-anomaly": rule, "check xact-time-anomaly": {**rule, "param.min_whole": "20"},
                         "check wal-rate": {**rule, "param.min_mad": "10kB"},
                         "check conn-churn": {**rule, "warning": "> 5 x usual and > 3"}})
    # Of 200 transactions a second at most, usually 400 +- 60: well from 45 to 755, told from 0 to 20.
    plant(d, quiet_too(weeks("tps-anomaly", "count", 400, 40, 1)),
          weeks("xact-time-anomaly", "seconds", 0.005, 0.001, 0.1), weeks("wal-rate", "bytes", 50000, 20000, 1e6),
          weeks("conn-churn", "count", 0.5, 0.1, 1000))
    days = {day_name()}

    with load(c, "app", SELECT, 4, 0.02):
        d.start()
        # Nobody comes to the one, as many as usual to the other, and nobody knows what is usual of the third.
        f = d.wait_finding("tps-anomaly", severity="warning", within=30, database="quiet")
        days.add(day_name())
        assert f["value"] < 20 and f["threshold"] == "< 0.05 x usual and < -4 mad", f
        assert float(f["labels"]["usual"]) == 400 and 59 < float(f["labels"]["mad"]) < 60, f["labels"]
        assert f["labels"]["hour"].split("s at ")[0] in days, f["labels"]
        assert f"a second; {f['labels']['hour']} usually 400 +- " in f["message"], f["message"]
        shown = d.cli("explain", f["id"]).out
        assert "usually" in " ".join(shown.split()), shown
        wait_looks(d, "app", ["tps-anomaly", *loads], 2)
        for check in ["tps-anomaly", *loads]:
            where = "" if check == "wal-rate" else "app"
            assert [f for f in d.findings(check=check) if f["database"] == where] == [], "as usual"
            assert "not known" not in (d.check("app", check).get("reason") or "")
        wait_until(lambda: "not known yet" in (d.check("new", "tps-anomaly").get("reason") or ""), 30 * d.slack,
                   lambda: f"of the third nothing is usual yet: {d.check('new', 'tps-anomaly')}")

    with contextlib.ExitStack() as all_of_it:
        all_of_it.enter_context(load(c, "quiet", SELECT, 4, 0.02))
        all_of_it.enter_context(load(c, "app", FILL, 2, 0.1))
        all_of_it.enter_context(load(c, "app", SLOW, 10, 0))
        all_of_it.enter_context(load(c, "app", "SELECT", 2, 0.05, connect=True))
        f = d.wait_finding("wal-rate", severity="warning", within=30)
        assert f["value"] > 4 * 50000 and f["database"] == "", f
        if "conn-churn" in loads:
            f = d.wait_finding("xact-time-anomaly", severity="warning", within=30, database="app")
            assert f["value"] > 5 * 0.005 and float(f["labels"]["usual"]) == 0.005, f
            f = d.wait_finding("conn-churn", severity="warning", within=30, database="app")
            assert f["value"] > 3 and float(f["labels"]["usual"]) == 0.5, f
        d.wait_gone("tps-anomaly", within=30, database="quiet")
    for check in loads:
        d.wait_gone(check, within=30)
    assert d.findings(database="new") == []
