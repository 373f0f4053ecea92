"""Folders, users, ports, deadlines and processes: the small things every helper needs."""
import ctypes
import functools
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[3]
BUILD = (TOP / os.environ.get("B", "build/plain")).resolve()


class Failure(AssertionError):
    """A deadline passed or an answer was not what was promised."""


def sanitized():
    """Whether the programs under test were built with sanitizers (slower by a factor)."""
    return (BUILD / "sanitized").exists() or "asan" in BUILD.name


def timed():
    """Whether latency may be asserted: only on the plain build, and only when asked."""
    return os.environ.get("DBHEALTH_TIMED") == "1" and not sanitized()


def wait_until(condition, within, what, every=0.03):
    """Returns the condition's first true value; Failure once the deadline passed.

    `what` is a text, or a function that says at the end what was seen instead."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {within:g} s: {what() if callable(what) else what}")
        time.sleep(every)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@functools.cache
def ground():
    """Where a database may lie without a word about its file system: not in the layer of a container."""
    for place in ("/tmp", "/var/tmp", "/dev/shm"):
        kind = subprocess.run(["stat", "-f", "-c", "%T", place], stdout=subprocess.PIPE, text=True, check=False).stdout
        if kind and not kind.startswith("overlay"):
            return place
    return "/tmp"


class Folder:
    """A short temporary folder that other users may enter (socket paths are limited to 107)."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="dbh-", dir=ground()))
        self.path.chmod(0o755)

    def sub(self, name, user=None, mode=0o755):
        path = self.path / name
        path.mkdir(exist_ok=True)
        path.chmod(mode)
        give(path, user)
        return path

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


def give(path, user):
    """Makes user the owner, where we are root and so can."""
    if user and os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def as_user(user):
    """Arguments for Popen: run as user when we are root, else as ourselves."""
    if not user or os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid,
            "extra_groups": os.getgrouplist(user, entry.pw_gid)}


_libc = ctypes.CDLL(None)


def die_with(sig):
    """A preexec_fn: the child gets sig when the test run itself is killed."""
    return lambda: _libc.prctl(1, sig, 0, 0, 0)


def processes():
    """(pid, parent, session, state) of every process that is not already dead."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as f:
                fields = f.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] not in "ZX":
            yield int(entry), int(fields[1]), int(fields[3]), fields[0]


def children(pid):
    return [p for p, parent, _, _ in processes() if parent == pid]


def send(pid, sig):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        return False
    return True


def end(process, sig=signal.SIGTERM, within=15):
    """Ends a Popen of ours for certain; returns its exit status."""
    if process.poll() is None:
        send(process.pid, signal.SIGCONT)
        send(process.pid, sig)
        try:
            process.wait(within)
        except Exception:  # noqa: BLE001  whatever happens, nothing of ours stays
            process.kill()
    return process.wait(10)
