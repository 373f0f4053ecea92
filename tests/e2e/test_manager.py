"""dbhealthd and the service manager: readiness, status, watchdog, and the socket that is passed."""
import os
import signal
import socket
import stat
import time

import pytest

from support import Daemon, Manager, activation, sanitized, wait_until
from support.daemon import UnixConnection

SCRIPT = "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t(a) VALUES ('x'), ('y')"
EX_CONFIG = 78


@pytest.fixture
def manager(folder, own):
    return lambda name="notify": own(Manager(name if name[0] == "@" else folder.path / name))


def get(path, url="/healthz"):
    c = UnixConnection(path)
    try:
        c.request("GET", url)
        return c.getresponse().status
    finally:
        c.close()


def test_life(daemon, sqlite, manager):
    m, app = manager(), sqlite("app.db", SCRIPT)
    limit = 4 if sanitized() else 2
    d = daemon(databases={"app": app.dsn}, defaults={"connectivity_interval": "1s"},
               env={"NOTIFY_SOCKET": m.address, "WATCHDOG_USEC": str(limit * 1000000)})
    at = m.wait("STATUS=reading the state")
    at = m.wait("READY=1", after=at)
    at = m.wait("STATUS=first round 0/1", after=at)
    at = m.wait("STATUS=1 database: 1 ok", after=at)
    assert {pid for _, pid, _ in m.messages} == {d.process.pid}, "NotifyAccess=main drops others"

    # a steady pace, well inside the limit
    n = len(m.pings())
    wait_until(lambda: len(m.pings()) >= n + 6, 6 * limit, "six pings")
    times = m.pings()[n:]
    assert max(b - a for a, b in zip(times, times[1:])) < limit
    # a daemon that stands still says nothing, and all is well soon after
    d.signal(signal.SIGSTOP)
    wait_until(lambda: open(f"/proc/{d.process.pid}/stat").read().split(")")[1].split()[0] == "T", 5,
               "it is stopped")
    n = len(m.pings())
    time.sleep(1.2 * limit)
    assert len(m.pings()) == n
    d.signal(signal.SIGCONT)
    wait_until(lambda: len(m.pings()) >= n + 2, 5 * limit, "pings again")

    # the line changes with what is found, and only then
    assert m.texts().count("STATUS=1 database: 1 ok") == 1
    app.path.rename(app.path.with_suffix(".away"))
    at = m.wait("STATUS=1 database: 1 critical", after=at, within=20 * d.slack)
    app.path.with_suffix(".away").rename(app.path)
    at = m.wait("STATUS=1 database: 1 ok", after=at, within=20 * d.slack)

    # a reload is announced with its moment, and over, good or bad
    for broken in (False, True):
        if broken:
            d.conf.write_text("[daemon]\nnonsense = 1\n")
        before = time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6
        d.reload()
        at = m.wait("RELOADING=1\nMONOTONIC_USEC=", after=at)
        moment = int(m.texts()[at - 1].rpartition("=")[2])
        assert before <= moment <= time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6
        at = m.wait("READY=1", after=at)
    d.stop()
    assert m.wait("STOPPING=1", after=at, within=1)
    assert m.texts().count("READY=1") == 3 and m.texts().count("STOPPING=1") == 1


def test_stuck_manager(daemon, sqlite, manager):
    """It holds up nothing; once it listens again it hears the latest."""
    m, app = manager(f"@dbhealthd-test-{os.getpid()}"), sqlite("app.db", SCRIPT)
    m.stuff()
    d = daemon(databases={"app": app.dsn}, defaults={"connectivity_interval": "1s"},
               env={"NOTIFY_SOCKET": m.address, "WATCHDOG_USEC": "2000000"})
    app.path.rename(app.path.with_suffix(".away"))
    d.wait_finding("conn-up", severity="critical")
    assert m.texts() == []
    ready = m.wait("READY=1", within=10)
    m.wait("STATUS=1 database: 1 critical", after=ready, within=20)
    assert m.texts()[0] == "READY=1"
    assert "STATUS=reading the state" not in m.texts() and m.pings()


def test_workers_know_nothing_of_it(daemon, sqlite, manager, folder, own):
    m, app = manager(), sqlite("app.db", SCRIPT)
    listener = own_socket(own, folder.path / "sock")
    d = daemon(databases={"app": app.dsn}, daemon={"socket": folder.path / "sock"},
               env={"NOTIFY_SOCKET": m.address, "WATCHDOG_USEC": "9000000"}, wait=None,
               **activation(listener))
    m.wait("READY=1")
    # one that is just being made is still a copy of its parent
    workers = wait_until(lambda: [p for p in d.workers() if "--worker" in command(p)], 10, "workers")
    for pid in workers:
        names = {v.split(b"=")[0] for v in open(f"/proc/{pid}/environ", "rb").read().split(b"\0")}
        assert b"ASAN_OPTIONS" in names
        assert not [n for n in names if n.startswith((b"NOTIFY", b"WATCHDOG", b"LISTEN"))]
        inodes = {os.stat(f"/proc/{pid}/fd/{fd}").st_ino for fd in os.listdir(f"/proc/{pid}/fd")}
        assert os.fstat(listener.fileno()).st_ino not in inodes


def command(pid):
    return open(f"/proc/{pid}/cmdline").read().split("\0")


class Listener(socket.socket):
    remove = socket.socket.close


def own_socket(own, path, kind=socket.SOCK_STREAM, listen=True):
    s = own(Listener(socket.AF_UNIX, kind))
    s.bind(str(path))
    if listen:
        s.listen()
    return s


def test_passed_socket(daemon, sqlite, folder, own):
    """It is served as it is, survives the daemon, and holds who comes while none runs."""
    path, app = folder.path / "unit.sock", sqlite("app.db", SCRIPT)
    listener = own_socket(own, path)
    path.chmod(0o640)
    early = UnixConnection(path)
    early.connect()
    d = daemon(databases={"app": app.dsn}, wait=None, **activation(listener))
    early.request("GET", "/healthz")
    assert early.getresponse().status == 200
    early.close()
    before = os.stat(path)
    assert stat.S_IMODE(before.st_mode) == 0o640 and not d.socket.exists()
    wait_until(lambda: [e for e in d.log() if f"serves {path}," in e["MESSAGE"]], 10, "it says where")
    said = [e for e in d.log() if f"`socket = {d.socket}` of [daemon] is not used" in e["MESSAGE"]]
    assert len(said) == 1, said
    d.stop()
    after = os.stat(path)
    assert (before.st_ino, before.st_mode, before.st_ctime) == (after.st_ino, after.st_mode, after.st_ctime)
    waiting = UnixConnection(path)
    waiting.connect()
    d.start(wait=None)
    waiting.request("GET", "/healthz")
    assert waiting.getresponse().status == 200
    waiting.close()


def test_passed_socket_of_the_same_path(daemon, sqlite, folder, own):
    app = sqlite("app.db", SCRIPT)
    (folder.path / "run").symlink_to(folder.path)
    own(listener := own_socket(own, folder.path / "s"))
    d = daemon(databases={"app": app.dsn}, daemon={"socket": folder.path / "run" / "s"}, wait=None,
               **activation(listener))
    wait_until(lambda: get(folder.path / "s") == 200, 15, "it serves")
    d.stop()
    assert not [e for e in d.log() if "is not used" in e["MESSAGE"]]


def test_passed_socket_that_cannot_serve(folder, own):
    tcp = own(Listener(socket.AF_INET6))
    tcp.bind(("::1", 0))
    tcp.listen()
    good = own_socket(own, folder.path / "good")
    pair = socket.socketpair()
    own(open_file := open(folder.path / "file", "w"))
    open_file.remove = open_file.close
    cases = [
        ([tcp], "(unit0.socket) is a network socket: the API is served on a Unix socket"),
        ([own_socket(own, folder.path / "dgram", socket.SOCK_DGRAM, False)], "is no Unix stream socket"),
        ([own_socket(own, folder.path / "seq", socket.SOCK_SEQPACKET)], "is no Unix stream socket"),
        ([pair[0]], "does not listen: the unit needs Accept=no"),
        ([open_file], "is no socket: the unit needs ListenStream="),
        ([good, tcp], "systemd passed 2 sockets, and one is wanted"),
    ]
    for i, (sockets, words) in enumerate(cases):
        d = own(Daemon(folder, f"d{i}", wait=None, **activation(*sockets)))
        assert d.process.wait(15) == EX_CONFIG, d.log_tail()
        assert words in d.log_tail(), d.log_tail()
        assert not (d.state / "lock").exists()
    for s in pair:
        s.close()
