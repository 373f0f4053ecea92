"""A real systemd-journald of a test's own, in a mount namespace with a /run of its own."""
import functools
import json
import pathlib
import signal
import subprocess

from .base import die_with, end, wait_until

PROGRAM = "/lib/systemd/systemd-journald"
SETUP = """
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journald.conf.d /run/systemd/journal
cat >/run/systemd/journald.conf.d/test.conf <<T
[Journal]
Storage=volatile
ReadKMsg=no
Audit=no
ForwardToSyslog=no
ForwardToWall=no
RateLimitIntervalSec=0
T
echo ready
exec sleep infinity
"""


class Journald:
    """Daemon(prefix=journald.prefix, argv=["--log=journal"]) tells it; entries() is what it kept."""

    def __init__(self):
        self.home = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec", SETUP],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, preexec_fn=die_with(signal.SIGKILL))
        assert self.home.stdout.readline() == b"ready\n"
        self.prefix = ["nsenter", "--mount", "--target", str(self.home.pid)]
        self.root = pathlib.Path(f"/proc/{self.home.pid}/root")
        self.socket = self.root / "run/systemd/journal/socket"
        self.process = None
        self.start()

    @staticmethod
    @functools.lru_cache
    def possible():
        probe = ["unshare", "--mount", "sh", "-ec", f"mount -t tmpfs tmpfs /run; test -x {PROGRAM}"]
        return subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode == 0

    def start(self):
        before = self.socket.stat().st_ino if self.socket.exists() else 0
        self.process = subprocess.Popen([*self.prefix, PROGRAM], preexec_fn=die_with(signal.SIGKILL))
        wait_until(lambda: self.socket.exists() and self.socket.stat().st_ino != before, 10,
                   "journald is there")

    def pause(self):
        """Its socket is there and nobody reads, as while systemd holds it for a stopped journald."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """Gone, with the socket's file."""
        end(self.process)
        self.socket.unlink(missing_ok=True)

    def remove(self):
        self.process.send_signal(signal.SIGCONT)
        end(self.process)
        end(self.home)

    def entries(self, *match):
        """Of dbhealthd, in the order they were told."""
        done = subprocess.run(
            [*self.prefix, "journalctl", "--directory=/run/log/journal", "--output=json", "--all",
             "--no-pager", "--quiet", "SYSLOG_IDENTIFIER=dbhealthd", *match],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        return [json.loads(line) for line in done.stdout.splitlines()]
