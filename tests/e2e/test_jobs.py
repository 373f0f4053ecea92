"""Jobs of the daemon: commands at their times, each a process of its own.  What they run is a script here,
which stands where the command would."""
import os
import shutil
from urllib.parse import quote

import pytest

from proof import proves
from support import BUILD, wait_until

SCRIPT = r"""#!/bin/sh
# Says what it was asked; does what the file `do` beside it says.
here=$(dirname "$0")
echo "$*" >>"$here/asked"
[ -f "$here/do" ] && . "$here/do"
echo '{"ok": true, "message": "did it"}'
"""


def jobs_daemon(daemon, folder, databases, *, schedule="*:*:0/2", do=None, **more):
    """A daemon with a script for the command; folder.sub("bin")."""
    bin_ = folder.sub("bin")
    shutil.copy(BUILD / "dbhealthd", bin_ / "dbhealthd")
    (bin_ / "dbhealth").write_text(SCRIPT)
    (bin_ / "dbhealth").chmod(0o755)
    if do:
        (bin_ / "do").write_text(do)
    section = {"databases": "*", "verify": "no", **({"schedule": schedule} if schedule else {}), **more.pop("backup", {})}
    d = daemon(databases=databases, sections={"backup nightly": section}, start=False, **more)
    d.program = bin_ / "dbhealthd"
    d.bin = bin_
    return d.start()


def job(d, name="backup/nightly/a"):
    return d.get(f"/v1/jobs/{quote(name, safe='')}")["jobs"][0]


def asked(d):
    path = d.bin / "asked"
    return path.read_text().splitlines() if path.exists() else []


def wait_last(d, result, name="backup/nightly/a", within=20):
    """The job once its last run ended so."""
    box = {}

    def there():
        box["job"] = job(d, name)
        return box["job"]["last"] and box["job"]["last"]["result"] == result
    wait_until(there, within * d.slack, lambda: f"{name} {result}: {box['job']}")
    return box["job"]


def post(d, name):
    return d.request("POST", f"/v1/jobs/{quote(name, safe='')}/run")


@pytest.fixture
def a(sqlite):
    return {"a": sqlite("a.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)").dsn}


def test_a_job_runs_at_its_times_and_its_result_is_kept(daemon, folder, cli, a):
    d = jobs_daemon(daemon, folder, a)
    j = wait_last(d, "ok")
    assert (j["last"]["message"], j["last"]["exit_code"], j["last"]["answer"]["ok"]) == ("did it", 0, True)
    assert asked(d)[0] == f"backup create --scheduled --policy nightly a -c {d.conf} -o json"
    wait_until(lambda: len([x for x in asked(d) if "create" in x]) >= 2, 15 * d.slack, lambda: f"twice: {asked(d)}")
    shown = cli("--socket", d.socket, "jobs")
    assert shown.status == 0 and "1 job, none failed" in shown.out and "did it" in shown.out
    metrics = d.request("GET", "/metrics").body.decode()
    assert 'dbhealth_job_failed{job="backup/nightly/a"} 0' in metrics
    assert 'dbhealth_job_last_success_timestamp_seconds{job="backup/nightly/a"} ' in metrics
    # A time that is far: what was known is there after a restart, and nothing is done again.
    d.configure(databases=a, sections={"backup nightly": {"databases": "*", "verify": "no", "schedule": "yearly"}})
    d.reload()
    wait_until(lambda: job(d)["schedule"] == "yearly", 10 * d.slack, lambda: f"reloaded: {job(d)}")
    wait_until(lambda: job(d)["state"] == "idle", 10 * d.slack, lambda: f"idle: {job(d)}")
    assert [x["name"] for x in d.get("/v1/jobs")["jobs"]] == ["backup/nightly/a"]
    before, n = job(d), len(asked(d))
    for _ in range(2):
        d.restart()
        after = job(d)
        assert (after["last"], after["next"], after["state"]) == (before["last"], before["next"], "idle")
    assert len(asked(d)) == n
    # Asked for, it does not wait for its time.
    assert cli("--socket", d.socket, "jobs", "run", "backup/nightly/a").status == 0
    wait_until(lambda: len(asked(d)) == n + 1, 10 * d.slack, lambda: f"once more: {asked(d)}")
    assert post(d, "backup/nightly/none").status == 404
    d.configure(databases=a)
    d.reload()
    wait_until(lambda: d.get("/v1/jobs")["jobs"] == [], 10 * d.slack, lambda: f"gone: {d.get('/v1/jobs')}")


def alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def test_a_job_is_ended_at_its_limit_with_all_it_started(daemon, folder, a):
    """Children in groups and sessions of their own too, and when the daemon is killed."""
    do = 'sh -c \'trap "" TERM; sleep 300 & wait; sleep 300\' & echo $! >"$here/pid1"\nsetsid sh -c \'echo $$ >"$0/pid2"; exec sleep 300\' "$here" &\nwait\n'
    d = jobs_daemon(daemon, folder, a, schedule="yearly", do=do, backup={"timeout": "3s"})

    def pids():
        return [int(p.read_text() or 0) for p in (d.bin / "pid1", d.bin / "pid2") if p.exists()]
    assert post(d, "backup/nightly/a").status == 202
    wait_until(lambda: len(pids()) == 2 and all(pids()), 10 * d.slack, lambda: f"both run: {pids()}")
    j = wait_last(d, "timeout", within=40)
    assert j["failures"] == 1 and "no end within 3 s" in j["last"]["message"]
    assert not any(map(alive, pids())), pids()
    for p in ("pid1", "pid2"):
        (d.bin / p).unlink()
    post(d, "backup/nightly/a")
    wait_until(lambda: len(pids()) == 2 and all(pids()), 10 * d.slack, lambda: f"both run: {pids()}")
    d.kill9()
    wait_until(lambda: not any(map(alive, pids())), 10 * d.slack, lambda: f"all are gone: {pids()}")


def test_what_was_cut_off_is_made_up_once(daemon, folder, a):
    d = jobs_daemon(daemon, folder, a, schedule="yearly", do="[ -f $here/go ] || sleep 300\n")
    post(d, "backup/nightly/a")
    wait_until(lambda: len(asked(d)) == 1, 10 * d.slack, lambda: f"it runs: {asked(d)}")
    # what is on the disk says that it runs
    wait_until(lambda: d.status()["daemon"]["store_queued"] == 0, 10 * d.slack, lambda: "stored")
    d.kill9()
    d.start()
    j = job(d)
    assert j["last"]["result"] == "interrupted" and j["next"] is not None and j["failures"] == 1
    wait_until(lambda: len(asked(d)) == 2, 25 * d.slack, lambda: f"it is made up: {asked(d)} {job(d)}")
    d.stop()  # asked to end, which it takes for an answer
    d.start()
    j = job(d)
    assert (j["last"]["result"], j["last"]["message"]) == ("interrupted", "the daemon was stopped while it ran")
    assert j["next"].endswith("-01-01T00:00:00.000Z"), "twice is enough: it waits for its time"
    (d.bin / "go").touch()
    post(d, "backup/nightly/a")
    assert wait_last(d, "ok")["failures"] == 0


def test_one_at_a_time_on_a_server_and_two_in_all(daemon, folder, sqlite):
    files = {n: sqlite(f"{n}.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)").dsn for n in "abcd"}
    do = 'echo "+$5" >>"$here/log"\nwhile [ ! -f "$here/go" ]; do sleep 0.05; done\necho "-$5" >>"$here/log"\n'
    d = jobs_daemon(daemon, folder, files, schedule="yearly", do=do)
    for n in "abcd":
        assert post(d, f"backup/nightly/{n}").json["began"]
    assert not post(d, "backup/nightly/a").json["began"]

    def states():
        return sorted(j["state"] for j in d.get("/v1/jobs")["jobs"])
    wait_until(lambda: states() == ["running"] * 2 + ["waiting"] * 2, 10 * d.slack, lambda: f"two run: {states()}")
    (d.bin / "log").touch()
    wait_until(lambda: (d.bin / "log").read_text().count("+") == 2, 10 * d.slack, lambda: "both are there")
    (d.bin / "go").touch()
    for n in "abcd":
        wait_last(d, "ok", f"backup/nightly/{n}")
    running = most = 0
    for line in (d.bin / "log").read_text().split():
        running += 1 if line[0] == "+" else -1
        most = max(most, running)
    assert most == 2


@pytest.mark.parametrize("do, result, message", [
    ('echo \'{"ok": false, "message": "no room\\u001b[31m"}\'\nexit 1\n', "failed", "no room\x1b[31m"),
    ('echo "dbhealth: backup: a: it cannot." >&2\nexit 3\n', "failed", "backup: a: it cannot."),
    ('echo \'{"ok": false, "message": "half"}\'\nexit 0\n', "failed", "half"),
    ("kill -9 $$\n", "failed", "ended by signal 9"),
    ("exit 75\n", "busy", "exit 75"),
    ("head -c 5000000 /dev/zero; exit 0\n", "ok", ""),
    ("env >\"$here/env\"; ls -l /proc/self/fd >\"$here/fds\"; nice >\"$here/nice\"\n", "ok", "did it"),
], ids=["said", "complained", "not ok", "killed", "busy", "talkative", "surroundings"])
def test_what_a_job_says_is_understood(daemon, folder, cli, a, do, result, message):
    d = jobs_daemon(daemon, folder, a, schedule="yearly", do=do, env={"SOME": "thing", "DB_POOL_SIZE": "1"})
    post(d, "backup/nightly/a")
    j = wait_last(d, result)
    assert j["last"]["message"] == message
    shown = cli("--socket", d.socket, "jobs")
    assert shown.status == (1 if result == "failed" else 0) and "\x1b" not in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80
    if (d.bin / "env").exists():
        env = dict(x.split("=", 1) for x in (d.bin / "env").read_text().splitlines() if "=" in x)
        assert env["SOME"] == "thing" and env["DB_POOL_SIZE"] == "1" and "NOTIFY_SOCKET" not in env
        fds = [x.split()[-3] for x in (d.bin / "fds").read_text().splitlines()[1:]]
        assert set(fds) <= {"0", "1", "2", "3"}  # 3: what ls itself opened
        assert int((d.bin / "nice").read_text()) >= 10


@proves("auto-migrate-failed", engine="sqlite")
def test_databases_are_migrated_at_the_start_when_asked(daemon, folder, cli, sqlite):
    """By the environment, only where files are named; what fails is a finding until a run is good."""
    one = sqlite("a.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)").dsn
    databases = {"a": {"dsn": one, "migrations_dir": folder.path}, "b": sqlite("b.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)").dsn,
                 "c": {"dsn": sqlite("c.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)").dsn, "migrations_dir": folder.path,
                       "auto_migrate": "no"}}
    d = jobs_daemon(daemon, folder, databases, schedule=None, do="echo 'dbhealth: migrate upgrade: a: syntax.' >&2; exit 1\n",
                    env={"DB_AUTO_MIGRATE": "true"})
    f = d.wait_finding("auto-migrate-failed")
    assert (f["database"], f["severity"], f["message"]) == ("a", "warning", "migrate upgrade: a: syntax.")
    assert asked(d) == [f"migrate upgrade --safe a -c {d.conf} -o json"]
    (d.bin / "do").unlink()
    assert f["remedies"][1]["text"] == "dbhealth jobs run migrate/a" and f["remedies"][1]["closes"]
    assert cli("--socket", d.socket, "jobs", "run", "migrate/a").status == 0
    d.wait_gone("auto-migrate-failed")
    d.restart()
    wait_until(lambda: len(asked(d)) == 3, 10 * d.slack, lambda: f"once in each life: {asked(d)}")
