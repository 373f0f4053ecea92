"""make install: what it puts, where, with which rights, and that systemd accepts it."""
import os
import re
import shutil
import stat
import subprocess

import pytest

from support.base import BUILD, TOP

EXECUTABLE = {"sbin/dbhealthd", "bin/dbhealth"}
SYSTEMD = {
    "lib/systemd/system/dbhealthd.service", "lib/systemd/system/dbhealthd.socket",
    "lib/systemd/catalog/dbhealthd.catalog", "lib/sysusers.d/dbhealthd.conf",
    "lib/tmpfiles.d/dbhealthd.conf"}
DOC = "share/doc/dbhealthd/"


def make(target, root, prefix):
    # -o all: the build under test is installed as it is, whatever flags it was made with
    command = ["make", "-s", "-C", TOP, "-o", "all", target, f"B={BUILD}", f"DESTDIR={root}",
               f"PREFIX={prefix}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, umask=0o077)
    assert done.returncode == 0, done.stderr
    return done.stdout


def files_of(root):
    return {str(path.relative_to(root)): path for path in root.rglob("*") if not path.is_dir()}


def expected(prefix):
    manuals = {f"share/man/man{p.suffix[1:]}/{p.name}"
               for p in (TOP / "docs").iterdir() if p.suffix in (".1", ".5", ".8")}
    docs = {DOC + name for name in ("README.md", "CHANGES", "LICENSE")}
    docs |= {DOC + p.name for p in (TOP / "docs").glob("*.md")}
    docs |= {DOC + "prometheus/dbhealthd.rules.yml"}
    docs |= {DOC + "schema/" + p.name for p in (TOP / "docs/schema").glob("*.json")}
    docs |= {DOC + str(p.relative_to(TOP / "lib")) for p in (TOP / "lib/checks").rglob("*.sql")}
    inside = EXECUTABLE | SYSTEMD | manuals | docs
    return {f"{prefix[1:]}/{name}" for name in inside} | {"etc/dbhealthd/dbhealthd.conf"}


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local"])
def test_exactly_these_files_with_these_modes(folder, prefix):
    root = folder.sub("root")
    make("install", root, prefix)
    found = files_of(root)
    assert set(found) == expected(prefix)
    for name, path in found.items():
        mode = 0o755 if name.removeprefix(prefix[1:] + "/") in EXECUTABLE else 0o644
        if name.startswith("etc/"):
            mode = 0o640
        assert stat.S_IMODE(path.stat().st_mode) == mode, name
    for path in filter(os.path.isdir, root.rglob("*")):
        closed = str(path.relative_to(root)).startswith("etc/dbhealthd")
        assert stat.S_IMODE(path.stat().st_mode) == (0o750 if closed else 0o755), path
    # nothing enabled: no link of a .wants folder, nothing in /etc/systemd
    assert not [path for path in root.rglob("*") if path.is_symlink() or ".wants" in str(path)]


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local", "/opt/dbhealthd"])
def test_units_run_the_installed_program(folder, prefix):
    root = folder.sub("root")
    make("install", root, prefix)
    text = (root / prefix[1:] / "lib/systemd/system/dbhealthd.service").read_text()
    programs = re.findall(r"^Exec(?:Start|Reload)=(\S*dbhealthd)", text, re.M)
    assert programs == [f"{prefix}/sbin/dbhealthd"] * 2
    assert (root / prefix[1:] / "sbin/dbhealthd").exists()


def test_configuration_of_the_machine_is_kept(folder):
    root = folder.sub("root")
    make("install", root, "/usr")
    ours = root / "etc/dbhealthd/dbhealthd.conf"
    ours.write_text("[daemon]\nmax_clients = 7\n")
    make("install", root, "/usr")
    assert ours.read_text() == "[daemon]\nmax_clients = 7\n"


def test_uninstall_leaves_configuration_only(folder):
    root = folder.sub("root")
    make("install", root, "/usr")
    other = root / "usr/bin/other"
    other.write_text("")
    (root / "etc/dbhealthd/checks.d/own.sql").write_text("")
    make("uninstall", root, "/usr")
    assert set(files_of(root)) == {
        "etc/dbhealthd/dbhealthd.conf", "etc/dbhealthd/checks.d/own.sql", "usr/bin/other"}


def test_what_comes_next_is_told_only_on_a_live_system(folder):
    assert "systemctl" not in make("install", folder.sub("root"), "/usr")
    dry = subprocess.run(["make", "-n", "-C", TOP, "-o", "all", "install", f"B={BUILD}"],
                         capture_output=True, text=True, timeout=60, check=True).stdout
    for line in dry.splitlines():
        assert not re.match(r"\s*(systemctl|systemd-|journalctl)", line), line


def tool(name):
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    return name


def run_tool(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_accepts_the_units(folder):
    tool("systemd-analyze")
    root = folder.sub("root")
    make("install", root, "/usr")
    kill = root / "bin/kill"
    kill.parent.mkdir()
    shutil.copy("/bin/kill", kill)
    units = root / "usr/lib/systemd/system"
    for target in ("sysinit", "basic", "shutdown", "sockets"):
        (units / f"{target}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    said = run_tool("systemd-analyze", f"--root={root}", "verify", "--man=no",
                    "dbhealthd.service", "dbhealthd.socket")
    assert "dbhealthd" not in said, said


def test_sandbox_is_as_tight_as_promised():
    tool("systemd-analyze")
    said = run_tool("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=20",
                    TOP / "systemd/dbhealthd.service")
    assert float(re.search(r"exposure level for \S+: ([0-9.]+)", said)[1]) <= 2.0


def catalogue_ids():
    text = (TOP / "daemon/outlet_entry.h").read_text()
    base = re.search(r'ENTRY_MESSAGE_ID +"(\w+)"', text)[1]
    return {f"{base}{kind}" for kind in re.findall(r"= 0x(\w\w),", text)}


def test_every_message_id_has_its_text(folder):
    text = (TOP / "systemd/dbhealthd.catalog").read_text()
    ids = re.findall(r"^-- (\w+)$", text, re.M)
    assert len(ids) == len(set(ids)) and set(ids) == catalogue_ids()
    for entry in re.split(r"^-- \w+\n", text, flags=re.M)[1:]:
        head, _, body = entry.partition("\n\n")
        assert head.startswith("Subject: ") and "Defined-By: dbhealthd" in head
        assert len(body) > 100 and re.search(r"^    (dbhealth|systemctl|journalctl)", body, re.M)
    # fields whose text comes from a database could forge lines on the reader's terminal
    assert set(re.findall(r"@(\w+)@", text)) - {"FIELD"} <= {
        f"DBHEALTH_{name}" for name in ("TITLE", "SEVERITY", "PREVIOUS_SEVERITY", "FINDING_ID",
                                        "PROBE", "CHECK")}
    tool("journalctl")
    root = folder.sub("root")
    make("install", root, "/usr")
    (root / "var/lib/systemd/catalog").mkdir(parents=True)
    run_tool("journalctl", f"--root={root}", "--update-catalog")
    listed = run_tool("journalctl", f"--root={root}", "--list-catalog")
    assert set(re.findall(r"^(\w{32}) dbhealthd: ", listed, re.M)) == catalogue_ids()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives folders to another group")
def test_user_and_folders_are_made(folder):
    tool("systemd-sysusers")
    tool("systemd-tmpfiles")
    root = folder.sub("root")
    make("install", root, "/usr")
    run_tool("systemd-sysusers", f"--root={root}")
    user = re.search(r"^dbhealth:[^:]*:(\d+):(\d+):[^:]*:/var/lib/dbhealthd:(\S+)$",
                     (root / "etc/passwd").read_text(), re.M)
    assert user and user[3].endswith("/nologin")
    run_tool("systemd-tmpfiles", f"--root={root}", "--create", "dbhealthd.conf")
    for name, mode in (("", 0o750), ("conf.d", 0o750), ("checks.d", 0o750),
                       ("dbhealthd.conf", 0o640)):
        at = (root / "etc/dbhealthd" / name).stat()
        assert (stat.S_IMODE(at.st_mode), at.st_uid, at.st_gid) == (mode, 0, int(user[2]))
