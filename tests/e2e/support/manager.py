"""A service manager as a service sees it: its notification socket, and the sockets it passes."""
import contextlib
import socket
import struct
import sys
import time

from .base import Failure, wait_until

# Descriptors as systemd passes them: from 3 on, named, for this very process.
PASS = """
import os, sys
fds, program = [int(n) for n in sys.argv[1].split(",")], sys.argv[2:]
for i, fd in enumerate([os.dup(fd) for fd in fds]):
    os.dup2(fd, 100 + i)
for i in range(len(fds)):
    os.dup2(100 + i, 3 + i, inheritable=True)
os.closerange(3 + len(fds), 300)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)),
                  LISTEN_FDNAMES=":".join(f"unit{i}.socket" for i in range(len(fds))))
os.execvp(program[0], program)
"""


def activation(*sockets):
    """Arguments for Daemon: these sockets (or files) are passed to it as a socket unit would."""
    fds = [s.fileno() for s in sockets]
    return {"pass_fds": fds,
            "prefix": [sys.executable, "-c", PASS, ",".join(map(str, fds))]}


class Manager:
    """Owns NOTIFY_SOCKET; hear() takes what was sent, with the sender's pid and time."""

    def __init__(self, address):
        self.address = str(address)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.setblocking(False)
        self.socket.bind(self.address.replace("@", "\0", 1))
        self.messages = []  # (seconds, pid, text)

    def remove(self):
        self.socket.close()

    def hear(self):
        """Every message so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data, ancillary, _, _ = self.socket.recvmsg(4096, 256)
                pid = struct.unpack("3i", ancillary[0][2])[0] if ancillary else 0
                if data != b"filler":
                    self.messages.append((time.monotonic(), pid, data.decode()))
        return self.messages

    def texts(self):
        return [text for _, _, text in self.hear()]

    def wait(self, text, within=20, after=0):
        """The place behind the first message, from `after` on, that begins so."""
        def there():
            return next((i + 1 for i, t in enumerate(self.texts()[after:], after)
                         if t.startswith(text)), None)
        return wait_until(there, within, lambda: f"{text!r} is heard: {self.texts()[-20:]}")

    def pings(self):
        return [at for at, _, text in self.hear() if text == "WATCHDOG=1"]

    def stuff(self):
        """Fills the queue, as if the manager were stuck."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(100000):
                    s.sendto(b"filler", self.address.replace("@", "\0", 1))
                raise Failure("the queue has no end")
