"""What the daemon says of backups: late, failed, shrunk, unverified; and that what mends it is seen."""
import json
import shutil
import time

import pytest

from proof import proves
from support import wait_until

KINDS = ("backup-late", "backup-failed", "backup-shrunk", "backup-unverified")
QUICK = {f"check {k}": {"flap_changes": "0"} for k in KINDS}


def backups(d, name="a"):
    return sorted(p for p in (d.state / "backups" / name).glob("2*Z"))


def made(d, cli, name="a", env=None):
    """A backup made by hand; its folder."""
    before = backups(d, name)
    # stamps are whole seconds
    while before and before[-1].name >= time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()):
        time.sleep(0.05)
    said = cli("-o", "json", "backup", "create", "-c", d.conf, name, env=env)
    assert said.status == 0 and said.json["ok"], said
    new = [p for p in backups(d, name) if p not in before]
    assert len(new) == 1
    return new[0]


@pytest.fixture
def file(sqlite):
    return sqlite("a.db", "CREATE TABLE t(a INTEGER PRIMARY KEY, b); "
                  "WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5000) INSERT INTO t SELECT i, hex(randomblob(50)) FROM n")


@proves("backup-late", engine="sqlite")
def test_late_is_found_and_one_by_hand_mends_it(daemon, cli, file):
    """By max_age, without a schedule; without a [backup] nothing is said, and a reload takes it back."""
    policy = {"databases": "a", "max_age": "1d", "verify": "no"}
    d = daemon(databases={"a": file.dsn}, sections={"backup nightly": policy, **QUICK})
    f = d.wait_finding("backup-late")
    assert (f["severity"], f["object"], f["database"]) == ("warning", "nightly", "a")
    assert f["remedy"] == "dbhealth backup create a" and f["remedies"][0]["closes"]
    made(d, cli)
    d.wait_gone("backup-late", within=60)
    assert d.check("a", "backup-late")["status"] == "ok"
    assert d.findings(check="backup-*") == []
    d.configure(databases={"a": file.dsn}, sections=QUICK)
    d.reload()
    d.wait_check("a", "backup-late", "disabled")
    d.configure(databases={"a": file.dsn}, sections={"backup nightly": {**policy, "max_age": "1min", "databases": "b*"}, **QUICK})
    d.reload()
    d.wait_check("a", "backup-late", "disabled")


@proves("backup-failed", engine="sqlite")
def test_failed_job_is_found_and_mended(daemon, cli, file, folder):
    """A folder that is none: the daemon's own command fails; once it is one, the next run closes it."""
    to = folder.path / "to"
    to.write_text("no folder")
    policy = {"databases": "*", "schedule": "*:*:0/2", "to": to, "verify": "yes", "keep": "2"}
    d = daemon(databases={"a": file.dsn}, sections={"backup nightly": policy, **QUICK})
    f = d.wait_finding("backup-failed", within=30)
    assert f["severity"] == "warning" and f["object"] == "nightly"
    job = d.get("/v1/jobs")["jobs"][0]
    assert job["command"][:2] == ["backup", "create"]
    wait_until(lambda: "failed" in cli("--socket", d.socket, "jobs").out, 20 * d.slack, lambda: "it says so too")
    to.unlink()
    d.wait_gone("backup-failed", within=60)

    def stamps():
        return sorted(p.name for p in (to / "a").glob("2*Z"))
    wait_until(lambda: stamps(), 30 * d.slack, lambda: "one is made")
    first = stamps()[0]
    wait_until(lambda: first not in stamps(), 60 * d.slack, lambda: f"two are kept, not {stamps()}")
    # a third is there while the next is made
    assert 2 <= len(stamps()) <= 3
    wait_until(lambda: "restored and compared; 1 old removed" in d.get("/v1/jobs")["jobs"][0]["last"]["message"],
               60 * d.slack, lambda: "each is restored for a trial")
    assert d.findings(check="backup-unverified") == []


@proves("backup-shrunk", engine="sqlite")
def test_shrunk_and_broken(daemon, cli, file):
    """Of backups in a folder that a daemon comes to: what is told follows what lies there."""
    policy = {"databases": "a", "schedule": "yearly", "verify": "no"}
    d = daemon(databases={"a": file.dsn}, sections={"backup nightly": policy, **QUICK}, start=False)
    for _ in range(3):
        made(d, cli)
    file.sql("DELETE FROM t WHERE a > 100; VACUUM")
    small = made(d, cli)
    d.start()
    f = d.wait_finding("backup-shrunk")
    assert "100 rows" in f["message"] and "5,000" in f["message"] and f["severity"] == "warning"
    assert 0.01 < f["value"] < 0.03
    # the manifest speaks for files that are not there any more
    data = next(p for p in small.iterdir() if p.name.startswith("database"))
    data.unlink()
    d.reload()
    f = d.wait_finding("backup-failed", within=40)
    assert "relied on" in f["message"]
    shutil.rmtree(small)
    d.reload()  # looks at once
    d.wait_gone("backup-failed", within=60)
    d.wait_gone("backup-shrunk", within=60)


@proves("backup-unverified", engine="sqlite")
def test_unverified_is_found_and_a_trial_closes_it(daemon, cli, file):
    """Bytes that were read back are no trial; the last trial of an older one was three days ago."""
    policy = {"databases": "a", "schedule": "yearly", "verify": "yes"}
    d = daemon(databases={"a": file.dsn}, sections={"backup nightly": policy, **QUICK}, start=False)
    proof = made(d, cli) / "verified.json"
    assert cli("backup", "verify", "-c", d.conf, "a").status == 0
    kept = json.loads(proof.read_text())
    assert kept["depth"] == "restored"
    made(d, cli)
    kept["at_us"] -= 3 * 86400 * 1_000_000
    proof.write_text(json.dumps(kept))
    d.start()
    f = d.wait_finding("backup-unverified")
    assert (f["severity"], f["object"]) == ("info", "nightly") and "3 d" in f["message"]
    assert f["remedy"] == "dbhealth backup verify a"
    assert cli("backup", "verify", "-c", d.conf, "a").status == 0
    d.wait_gone("backup-unverified", within=60)
    assert d.check("a", "backup-unverified")["status"] == "ok"
