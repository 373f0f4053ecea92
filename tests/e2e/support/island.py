"""A network of the daemon's own, where some addresses swallow every packet."""
import functools
import subprocess
import sys
import time

from .base import TOP, Failure, die_with, end

HOLE, NAME_SERVER = "10.99.0.2", "10.99.0.53"
SETUP = f"""
ip link set lo up
ip link add void type veth peer name void2
ip link set void2 up
ip addr add 10.99.0.1/24 dev void
ip link set void up
for a in {HOLE} {NAME_SERVER}; do
	ip neigh add $a lladdr 02:00:00:00:00:99 dev void nud permanent
done
mount --bind "$1" /etc/resolv.conf
mount --bind "$2" /etc/hosts
shift 2
exec "$@"
"""


class Island:
    """Daemon(prefix=island.prefix) runs in a network namespace whose 10.99.0.0/24 is a hole, and
    whose only name server lies in it.  Unix sockets work as everywhere."""

    def __init__(self, folder):
        self.hosts = folder.path / "hosts"
        self.hosts.write_text("127.0.0.1 localhost\n")
        self.resolv = folder.path / "resolv.conf"
        self.resolv.write_text(f"nameserver {NAME_SERVER}\noptions timeout:30 attempts:3\n")
        for path in (self.hosts, self.resolv):
            path.chmod(0o644)
        self.prefix = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-ec", SETUP,
                       "sh", str(self.resolv), str(self.hosts)]
        self._server = None

    @staticmethod
    @functools.lru_cache
    def possible():
        """Needs the right to make namespaces, which some containers withhold."""
        probe = ["unshare", "--net", "--mount", "sh", "-ec",
                 "ip link add void type veth peer name void2; mount --bind /etc/hosts /etc/hosts"]
        return subprocess.run(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=False).returncode == 0

    def name(self, host, address=HOLE):
        """From now on host has an address, as if the name server had come back."""
        with open(self.hosts, "a", encoding="ascii") as f:
            f.write(f"{address} {host}\n")

    def settle(self, daemon, upstream, port=5432):
        """Somebody now lives at the hole's address and serves upstream (path of a Unix socket)."""
        inside = ["nsenter", "--net", "--target", str(daemon.process.pid)]
        subprocess.run([*inside, "ip", "addr", "add", f"{HOLE}/32", "dev", "lo"], check=True)
        code = ("import sys; sys.path.insert(0, sys.argv[1])\n"
                "from support.proxy import Proxy\n"
                f"Proxy(sys.argv[2], port={port}, host='{HOLE}')\n"
                "print('ready', flush=True); sys.stdin.read()")
        self._server = subprocess.Popen(
            [*inside, sys.executable, "-B", "-c", code, str(TOP / "tests/e2e"), str(upstream)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=die_with(9))
        if self._server.stdout.readline() != "ready\n":
            raise Failure("the settler did not come up")

    def remove(self):
        if self._server is not None:
            end(self._server)
            self._server.stdin.close()
            self._server.stdout.close()


def backlog(path):
    """How many connections wait to be accepted on the Unix socket at path; the kernel's count."""
    out = subprocess.run(["ss", "-xlnH", "src", f"unix:{path}"], stdout=subprocess.PIPE, text=True,
                         check=True).stdout
    rows = [line.split() for line in out.splitlines() if str(path) in line]
    if len(rows) != 1:
        raise Failure(f"one listening socket at {path}: {out!r}")
    return int(rows[0][2])


def hold_for(seconds, condition, what):
    """The condition stays true for so long, looked at all the while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not condition():
            raise Failure(f"held {seconds - (deadline - time.monotonic()):.1f} of {seconds} s: {what}")
        time.sleep(0.05)


__all__ = ["HOLE", "NAME_SERVER", "Island", "backlog", "hold_for"]
