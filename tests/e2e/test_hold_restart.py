"""kill -9 at any moment: nothing is announced again but what was not yet delivered."""
import collections
import random
import time

from support import wait_until

COUNT = 12
FAST = {"connectivity_interval": "1s", "performance_interval": "1s", "schema_interval": "1s",
        "integrity_interval": "1s"}
OPENED = ("01", "04")


def tables():
    return "CREATE TABLE parent(id INTEGER PRIMARY KEY);" + "".join(
        f"CREATE TABLE c{i:02d}(id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent(id));"
        f"CREATE INDEX c{i:02d}_p ON c{i:02d}(p);" for i in range(COUNT))


def opened(d, start):
    return [e for e in d.transitions(*OPENED, start=start)]


def test_kill_9_at_any_moment(sqlite, daemon):
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    print("seed", seed)  # shown by pytest when this fails
    app = sqlite("app.db", tables())
    d = daemon(databases={"app": app.dsn}, defaults=FAST)
    d.run("app", "integrity")
    d.stop()
    for i in range(COUNT):
        app.sql(f"INSERT INTO c{i:02d}(p) VALUES (99)")
        d.start(wait=None)
        # from before the state is read until long after the finding is told
        time.sleep(dice.uniform(0.02, 3.5))
        d.kill9()
    d.start()
    for i in range(COUNT):
        d.wait_finding("fk-orphan-rows", f"c{i:02d}.p", within=15)
    last = d._starts
    wait_until(lambda: {e["DBHEALTH_OBJECT"] for s in range(1, last + 1) for e in opened(d, s)
                        if e["DBHEALTH_CHECK"] == "fk-orphan-rows"}
               >= {f"c{i:02d}.p" for i in range(COUNT)}, 10, "every fault was announced")
    events = collections.defaultdict(set)
    starts = collections.defaultdict(list)
    for s in range(1, last + 1):
        for e in opened(d, s):
            events[e["DBHEALTH_FINDING_ID"]].add(e["DBHEALTH_EVENT_ID"])
            starts[e["DBHEALTH_EVENT_ID"]].append(s)
    again = {f: ids for f, ids in events.items() if len(ids) > 1}
    assert not again, f"announced again under another event id: {again}"
    # delivery is at least once: the first start that lives on repeats what the kill cut off
    twice = {e: s for e, s in starts.items() if len(s) > len(set(s)) or max(s) - min(s) > len(s) + 1}
    assert not twice, f"told twice in one life, or long after: {twice}"

    # what was told and settled is never told again
    time.sleep(1)
    d.kill9()
    d.start()
    d.run("app", "integrity")
    d.run("app", "integrity")
    assert [e["DBHEALTH_OBJECT"] for e in opened(d, d._starts)] == []
    before = {f["id"]: f["since"] for f in d.findings()}
    d.kill9()
    d.start()
    d.run("app", "integrity")
    after = {f["id"]: f["since"] for f in d.findings()}
    assert before == after, "a finding got another age by a restart"
    app.sql("DELETE FROM c00")
    d.run("app", "integrity")
    d.wait_gone("fk-orphan-rows", "c00.p", within=15)
    wait_until(lambda: d.transitions("03", check="fk-orphan-rows", object="c00.p"), 5, "resolved is told")


def test_state_that_is_damaged_is_moved_aside(sqlite, daemon):
    app = sqlite("app.db", tables() + "INSERT INTO c00(p) VALUES (99)")
    d = daemon(databases={"app": app.dsn}, defaults=FAST)
    d.wait_finding("fk-orphan-rows", "c00.p")
    d.stop()
    files = [p for p in d.state.iterdir() if p.is_file() and p.stat().st_size > 0]
    assert files, "the state was kept"
    for path in files:
        path.write_bytes(b"not a database " * 300)
    d.start()
    d.wait_finding("fk-orphan-rows", "c00.p")
    assert d.transitions("0c"), "moving the state aside is told"


def test_one_daemon_a_state(sqlite, daemon, folder, own):
    app = sqlite("app.db", tables())
    d = daemon(databases={"app": app.dsn}, defaults=FAST)
    second = daemon("second", databases={"app": app.dsn}, daemon={"state_dir": d.state}, start=False)
    second.start(wait=None)
    wait_until(lambda: second.process.poll() is not None, 10, "the second daemon refuses")
    assert second.process.returncode == 1
    assert d.get("/v1/status")["status"]
