"""Checks of a whole server, each on a server of its own that may be broken: WAL, slots, archiving,
wraparound."""
import contextlib
import os
import pwd
import subprocess

import pytest

from proof import look, mend, proves
from support import Cli, Cluster, Folder, Template, wait_until
from support.cluster import bindir, run


@pytest.fixture(scope="module")
def small_wal():
    """Servers with segments of 1 MB, where a few rows make much WAL."""
    folder = Folder()
    try:
        yield Template(folder, "--wal-segsize=1")
    finally:
        folder.remove()


SMALL = {"wal_level": "replica", "min_wal_size": "2MB", "max_wal_size": "2MB", "wal_keep_size": "0", "checkpoint_timeout": "1h"}


def make_wal(c, segments):
    for _ in range(segments):
        c.sql("SELECT pg_logical_emit_message(false, 'x', repeat('x', 1000)); SELECT pg_switch_wal()")


@proves("repl-slot-inactive", "repl-slot-retained")
def test_slots_that_keep_wal(small_wal, folder, own):
    c = own(Cluster(small_wal, folder, settings=SMALL))
    standby = c.standby(slot=c.one("SELECT slot_name FROM pg_create_physical_replication_slot('used', true)"))
    c.sql("SELECT pg_create_physical_replication_slot('gone', true)")
    c.sql("SELECT pg_create_physical_replication_slot('empty')")   # keeps nothing yet
    make_wal(c, 5)
    # The place of a used slot moves on with its standby.
    lsn = c.one("SELECT pg_current_wal_lsn()")
    wait_until(lambda: c.one("SELECT restart_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = 'used'", lsn), 20, "the standby is up to date")

    inactive = look(c, "postgres", "repl-slot-inactive", warning=">= 1MB")
    assert [(f["object"], f["severity"]) for f in inactive] == [("gone", "warning")]
    assert 4 << 20 <= inactive[0]["value"] <= 12 << 20
    assert look(c, "postgres", "repl-slot-inactive") == []
    retained = look(c, "postgres", "repl-slot-retained", warning_bytes="1MB")
    assert [(f["object"], f["severity"]) for f in retained] == [("gone", "warning")]
    assert look(c, "postgres", "repl-slot-retained") == []
    assert [r["risk"] for r in inactive[0]["remedies"]][-1] == "data-loss" and inactive[0]["remedies"][0]["risk"] == "none"
    assert mend(c, "postgres", inactive[0])
    assert look(c, "postgres", "repl-slot-inactive", warning=">= 1MB") == []
    assert look(c, "postgres", "repl-slot-retained", warning_bytes="1MB") == []
    standby.remove()
    wait_until(lambda: look(c, "postgres", "repl-slot-inactive", warning=">= 0B"), 10, "its slot is left")


@proves("repl-slot-retained")
def test_slot_that_is_lost_is_still_told(small_wal, folder, own):
    c = own(Cluster(small_wal, folder, settings={**SMALL, "max_slot_wal_keep_size": "4MB"}))
    c.sql("SELECT pg_create_physical_replication_slot('mine', true)")
    make_wal(c, 4)
    near, = look(c, "postgres", "repl-slot-retained", critical_left="90%")
    assert near["severity"] == "critical" and "more and it is lost" in near["detail"]
    make_wal(c, 12)
    c.sql("CHECKPOINT")
    assert c.one("SELECT wal_status FROM pg_replication_slots") == "lost"
    lost, = look(c, "postgres", "repl-slot-retained")
    assert lost["severity"] == "critical" and "is lost" in lost["detail"]
    assert mend(c, "postgres", lost)
    assert look(c, "postgres", "repl-slot-retained") == []


@proves("wal-dir-size")
def test_wal_directory_names_what_fills_it(small_wal, folder, own):
    c = own(Cluster(small_wal, folder, settings=SMALL))
    # initdb kept segments for later, by larger settings: they go as they are used up.
    wait_until(lambda: make_wal(c, 2) or c.sql("CHECKPOINT") or look(c, "postgres", "wal-dir-size") == [], 60, "nothing is told of a small one")
    c.sql("SELECT pg_create_physical_replication_slot('gone', true)")
    make_wal(c, 12)
    f, = look(c, "postgres", "wal-dir-size")
    assert f["severity"] == "warning" and f["value"] >= 8 << 20 and "slot gone keeps" in f["detail"]
    make_wal(c, 14)
    assert look(c, "postgres", "wal-dir-size")[0]["severity"] == "critical"
    assert look(c, "postgres", "wal-dir-size", warning_factor="50", critical_factor="50") == []
    assert mend(c, "postgres", f)
    assert look(c, "postgres", "wal-dir-size") == []


@proves("archiver-failing")
def test_failing_archiver(cluster):
    c = cluster(settings={"archive_mode": "on", "archive_command": "'true'"})
    c.sql("SELECT pg_switch_wal()")
    wait_until(lambda: c.one("SELECT archived_count FROM pg_stat_archiver") > 0, 20, "one is archived")
    limit = {"warning": ">= 0s", "critical": ">= 10min"}
    assert look(c, "postgres", "archiver-failing", **limit) == []
    c.configure(archive_command="'false'")
    c.reload()
    make_wal(c, 2)
    wait_until(lambda: c.one("SELECT failed_count FROM pg_stat_archiver") > 0, 20, "one fails")
    f, = look(c, "postgres", "archiver-failing", **limit)
    assert f["severity"] == "warning" and 0 <= f["value"] < 60 and "segments wait" in f["detail"]
    assert int(f["labels"]["waiting"]) >= 1
    assert look(c, "postgres", "archiver-failing") == [], "not yet for two minutes"
    c.configure(archive_command="'true'")
    c.reload()
    make_wal(c, 1)
    wait_until(lambda: look(c, "postgres", "archiver-failing", **limit) == [], 70, "it is archived again")


def age_cluster(c, option, value, segment, folder_name):
    """Moves the counter of a stopped server ahead, as years of writes would."""
    c.stop()
    run(bindir() / "pg_resetwal", "-f", "-D", c.data, *option, value)
    for name in segment:
        path = c.data / folder_name / name
        if not path.exists():
            subprocess.run(["dd", "if=/dev/zero", f"of={path}", "bs=256k", "count=1"], check=True, stderr=subprocess.DEVNULL)
            subprocess.run(["chown", "postgres:postgres", path], check=True)
    c.start()


def freeze_all(c, found):
    for f in found:
        allow = [r for r in f["remedies"] if "ALLOW_CONNECTIONS" in r["text"]]
        for r in allow:
            c.script(r["text"])
        mend(c, f["object"], f)


@proves("xid-wraparound")
def test_transaction_ids_run_out(cluster):
    c = cluster(settings={"autovacuum": "off", "autovacuum_freeze_max_age": "2000000000"})
    c.createdb("it's \"old\"")
    assert look(c, "postgres", "xid-wraparound") == []
    # 600 million: 28 %, but autovacuum is not to begin before 2,000 million here.
    age_cluster(c, ["-x"], "600000000", ["%04X" % (600000000 // (32768 * 32))], "pg_xact")
    assert look(c, "postgres", "xid-wraparound") == []
    early = look(c, "postgres", "xid-wraparound", freeze_factor="0.1")
    assert {f["object"] for f in early} == {"postgres", "template0", "template1", "it's \"old\""}
    assert {f["severity"] for f in early} == {"warning"}
    assert early[0]["value"] == pytest.approx(600000000 / 2**31, rel=0.01)
    age_cluster(c, ["-x"], "1200000000", ["%04X" % (1200000000 // (32768 * 32))], "pg_xact")
    late = look(c, "postgres", "xid-wraparound")
    assert {f["severity"] for f in late} == {"critical"} and len(late) == 4
    horizon = look(c, "postgres", "xmin-horizon")
    assert horizon == []
    freeze_all(c, late)
    assert look(c, "postgres", "xid-wraparound", freeze_factor="0.1") == []


@proves("mxid-wraparound")
def test_multixact_ids_run_out(cluster):
    c = cluster(settings={"autovacuum": "off", "autovacuum_multixact_freeze_max_age": "2000000000"})
    assert look(c, "postgres", "mxid-wraparound") == []
    age_cluster(c, ["-m"], "700000000,1", ["%04X" % (700000000 // (2048 * 32))], "pg_multixact/offsets")
    assert look(c, "postgres", "mxid-wraparound") == []
    early = look(c, "postgres", "mxid-wraparound", freeze_factor="0.1")
    assert {f["severity"] for f in early} == {"warning"} and {f["object"] for f in early} == {"postgres", "template0", "template1"}
    assert early[0]["value"] == pytest.approx(700000000 / 2**31, rel=0.01)
    age_cluster(c, ["-m"], "1200000000,1", ["%04X" % (1200000000 // (2048 * 32))], "pg_multixact/offsets")
    late = look(c, "postgres", "mxid-wraparound")
    assert {f["severity"] for f in late} == {"critical"}
    assert look(c, "postgres", "xid-wraparound", freeze_factor="0.1") == [], "the other counter is young"
    freeze_all(c, late)
    assert look(c, "postgres", "mxid-wraparound", freeze_factor="0.1") == []


@proves("server-role")
def test_expected_role(cluster):
    c = cluster()
    standby = c.standby()
    assert look(c, "postgres", "server-role") == [] and look(standby, "postgres", "server-role") == []
    assert look(c, "postgres", "server-role", keys={"expect_role": "primary"}) == []
    f, = look(standby, "postgres", "server-role", keys={"expect_role": "primary"})
    assert f["severity"] == "critical" and f["object"] == "" and "is a standby, expected is a primary" in f["message"]
    standby.sql("SELECT pg_promote()")
    assert look(standby, "postgres", "server-role", keys={"expect_role": "primary"}) == []
    with contextlib.suppress(Exception):
        standby.remove()


@pytest.fixture()
def small_disk(folder):
    """The folder of a server "c" as a file system of 400 MB, seen by everybody on this host."""
    mount = folder.sub("c", user="postgres")
    owner = pwd.getpwnam("postgres")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=400m,mode=755,uid={owner.pw_uid},gid={owner.pw_gid}", "none", mount],
                          text=True, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("no right to mount here")
    yield mount
    subprocess.run(["umount", "-l", mount], check=True)


def on_disk(template, folder, own, mount):
    template.copy(mount / "data")
    c = own(Cluster(template, folder, mount.name, data=mount / "data", settings=SMALL))
    c.create_role()
    return c


def fill(mount, left):
    """A file that leaves so many bytes."""
    fs = os.statvfs(mount)
    with open(mount / "big", "wb") as f:
        os.posix_fallocate(f.fileno(), 0, fs.f_bavail * fs.f_frsize - left)


@proves("disk-space-low")
def test_disk_of_a_server_fills_up(small_wal, folder, own, small_disk):
    c = on_disk(small_wal, folder, own, small_disk)
    assert look(c, "postgres", "disk-space-low") == []
    fill(small_disk, 40 << 20)
    f, = look(c, "postgres", "disk-space-low")
    assert (f["object"], f["severity"]) == (str(small_disk), "warning")
    assert 0.09 < f["value"] <= 0.101 and f["unit"] == "ratio" and "the WAL and the data" in f["message"]
    assert look(c, "postgres", "disk-space-low", warning_bytes="10MB", critical_bytes="10MB") == [], "enough bytes"
    subprocess.run(["sh", "-c", f["remedies"][0]["text"].replace("sudo ", "")], check=True, stdout=subprocess.DEVNULL)
    (small_disk / "big").unlink()
    fill(small_disk, 12 << 20)
    assert look(c, "postgres", "disk-space-low")[0]["severity"] == "critical"
    # A role that may not see where the data are cannot be told of their disk: not covered, not ok.
    c.sql("CREATE ROLE plain LOGIN")
    answer = Cli(folder, "-o", "json", "check", "--check", "disk-space-low", c.dsn("postgres", user="plain")).json
    assert answer["findings"] == answer["unknown"] == [] and [n["check"] for n in answer["not_covered"]] == ["disk-space-low"]
    (small_disk / "big").unlink()
    assert look(c, "postgres", "disk-space-low") == []


@proves("repl-slot-retained")
def test_slot_keeps_a_share_of_the_disk(small_wal, folder, own, small_disk):
    c = on_disk(small_wal, folder, own, small_disk)
    c.sql("SELECT pg_create_physical_replication_slot('gone', true)")
    make_wal(c, 8)
    assert look(c, "postgres", "repl-slot-retained") == []
    kept = int(c.one("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) FROM pg_replication_slots"))
    fill(small_disk, kept * 3)
    f, = look(c, "postgres", "repl-slot-retained")
    assert (f["object"], f["severity"]) == ("gone", "warning") and "left on its disk" in f["detail"]
    (small_disk / "big").unlink()
    fill(small_disk, int(kept * 1.5))
    f, = look(c, "postgres", "repl-slot-retained")
    assert f["severity"] == "critical"
    assert mend(c, "postgres", f)
    assert look(c, "postgres", "repl-slot-retained") == []
