"""The API's socket: who may connect and write, and clients that are slow, many or dead."""
import grp
import os
import pathlib
import pwd
import socket
import stat
import subprocess
import threading
import time

import pytest

from support import Failure, wait_until
from support.vitals import Vitals

ROOT = os.geteuid() == 0
GROUP = "users"  # of base-passwd, so on every Debian
needs_root = pytest.mark.skipif(not ROOT, reason="changes users")


@pytest.fixture
def file(sqlite):
    return sqlite("a.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")


def dial(daemon):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(20)
    s.connect(str(daemon.socket))
    return s


def as_nobody(groups, daemon, method, path):
    """The status line that user nobody with these groups gets, or the error it dies with."""
    script = ("import socket,sys\n"
              "s=socket.socket(socket.AF_UNIX); s.settimeout(10)\n"
              "try: s.connect(sys.argv[1])\n"
              "except OSError as e: print(e.strerror); sys.exit()\n"
              "s.sendall(f'{sys.argv[2]} {sys.argv[3]} HTTP/1.0\\r\\n\\r\\n'.encode())\n"
              "print(s.recv(65536).split(b'\\r\\n')[0].decode())\n")
    nobody = pwd.getpwnam("nobody")
    return subprocess.run(["/usr/bin/python3", "-c", script, str(daemon.socket), method, path],
                          user=nobody.pw_uid, group=nobody.pw_gid,
                          extra_groups=[g if isinstance(g, int) else grp.getgrnam(g).gr_gid for g in groups],
                          capture_output=True, text=True, timeout=20, check=True, cwd="/").stdout.strip()


@needs_root
def test_who_may_read_and_write(daemon, file, cli, folder):
    folder.path.chmod(0o755)
    run = "/v1/databases/a/probes/schema/run"
    d = daemon(databases={"a": file.dsn}, daemon={"socket_group": GROUP})
    mode = os.stat(d.socket)
    assert stat.S_IMODE(mode.st_mode) == 0o660 and mode.st_gid == grp.getgrnam(GROUP).gr_gid
    assert as_nobody([], d, "GET", "/v1/status") == "Permission denied"
    assert as_nobody([GROUP], d, "GET", "/v1/status") == "HTTP/1.1 200 OK"
    assert as_nobody([GROUP], d, "POST", run) == "HTTP/1.1 403 Forbidden"
    assert as_nobody([GROUP], d, "POST", "/v1/findings/0123456789abcdef/ack") == "HTTP/1.1 403 Forbidden"
    assert d.request("POST", run).status in (202, 404)
    d.stop()
    d = daemon("e", databases={"a": file.dsn}, daemon={"socket_group": GROUP, "admin_group": GROUP})
    assert as_nobody([GROUP], d, "POST", run) != "HTTP/1.1 403 Forbidden"
    # The kernel tells every supplementary group of the peer, however many, and none that it has not.
    many = [*range(60000, 60500)]
    assert as_nobody([GROUP, *many], d, "POST", run) != "HTTP/1.1 403 Forbidden"
    d.stop()
    other = next(g.gr_name for g in grp.getgrall() if g.gr_name not in (GROUP, "root", "nogroup"))
    d = daemon("f", databases={"a": file.dsn}, daemon={"socket_group": GROUP, "admin_group": other})
    assert as_nobody([GROUP, *many], d, "POST", run) == "HTTP/1.1 403 Forbidden"
    assert as_nobody([GROUP, other], d, "POST", run) != "HTTP/1.1 403 Forbidden"


@needs_root
def test_permission_denied_line(daemon, file, folder):
    folder.path.chmod(0o755)
    d = daemon(databases={"a": file.dsn})
    os.chmod(d.socket, 0o600)
    program = folder.path / "dbhealth"
    program.write_bytes((pathlib.Path(__file__).resolve().parents[2] / os.environ.get("B", "build/plain")
                         / "dbhealth").read_bytes())
    program.chmod(0o755)
    nobody = pwd.getpwnam("nobody")
    done = subprocess.run([program, "--socket", d.socket, "status"], user=nobody.pw_uid,
                          group=nobody.pw_gid, extra_groups=[], capture_output=True, text=True, check=False,
                          cwd="/")
    assert done.returncode == 77
    assert done.stderr == (f"dbhealth: {d.socket}: permission denied. Join the group: sudo adduser $USER "
                           "dbhealth (then log in again), or use sudo.\n")


def test_groups_that_do_not_exist(daemon, file):
    for key in ("socket_group", "admin_group"):
        with pytest.raises(Failure, match=f"{key}: there is no group .nobody-here"):
            daemon(key.replace("_", "-"), databases={"a": file.dsn}, daemon={key: "nobody-here"})


def test_socket_file_belongs_to_one(daemon, file, folder):
    d = daemon(databases={"a": file.dsn})
    inode = os.stat(d.socket).st_ino
    # A second daemon on the same socket is refused and leaves the first's file alone.
    with pytest.raises(Failure, match="another process serves it"):
        daemon("second", databases={"a": file.dsn}, daemon={"socket": d.socket})
    assert os.stat(d.socket).st_ino == inode and d.get("/healthz")
    # Killed, it leaves a dead file that the next start replaces.
    d.kill9()
    assert d.socket.exists()
    d.start()
    assert os.stat(d.socket).st_ino != inode or d.get("/healthz")
    d.stop()
    assert not d.socket.exists()
    # What is no socket is never removed.
    d.socket.write_text("precious")
    with pytest.raises(Failure, match="is no socket"):
        d.start()
    assert d.socket.read_text() == "precious"


@pytest.mark.alone
def test_slow_clients_are_cut_at_ten_seconds(daemon, file):
    d = daemon(databases={"a": file.dsn})
    began = time.monotonic()
    silent, drip, deaf = dial(d), dial(d), dial(d)
    drip.sendall(b"GET /v1/status HTTP/1.1\r\nX: ")
    # Answers that nobody reads: more of them than the socket holds.
    deaf.settimeout(0.5)
    try:
        for _ in range(200):
            deaf.sendall(b"GET /v1/checks HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
    except OSError:
        pass
    cut = {}

    def watch(name, s, feed):
        s.settimeout(0.5)
        while time.monotonic() - began < 20:
            try:
                if feed:
                    s.sendall(b"a")
                if s.recv(1) == b"":
                    break
            except socket.timeout:
                continue
            except OSError:
                break
        cut[name] = time.monotonic() - began

    threads = [threading.Thread(target=watch, args=a) for a in (("silent", silent, False), ("drip", drip, True))]
    for t in threads:
        t.start()
    slowest = 0
    while any(t.is_alive() for t in threads):
        start = time.monotonic()
        assert d.request("GET", "/healthz").status == 200
        slowest = max(slowest, time.monotonic() - start)
        time.sleep(0.1)
    for name in ("silent", "drip"):
        assert 9 < cut[name] < 12.5, cut
    assert slowest < 1
    wait_until(lambda: len(sockets(d)) <= 3, 15, "the client that does not read is cut too")


def sockets(daemon):
    """Descriptors of the daemon that are accepted connections of its socket."""
    lines = [li.split() for li in open("/proc/net/unix", encoding="ascii", errors="replace")]
    ours = {f[6] for f in lines[1:] if len(f) > 7 and f[7] == str(daemon.socket)}
    out = []
    for fd in os.listdir(f"/proc/{daemon.process.pid}/fd"):
        try:
            target = os.readlink(f"/proc/{daemon.process.pid}/fd/{fd}")
        except OSError:
            continue
        if target.startswith("socket:[") and target[8:-1] in ours:
            out.append(fd)
    return out


def test_two_hundred_clients_at_once_cost_no_query(cluster, daemon):
    server = cluster(settings={"log_statement": "all"})
    d = daemon(databases={"a": server.dsn()},
               defaults={p + "_interval": "1h" for p in ("connectivity", "schema", "integrity", "performance")}
               | {"reconnect_interval": "1h"})
    d.wait_check("a", "conn-up", "ok")

    def statements():
        return server.log_tail(100000).count("statement:") + server.log_tail(100000).count("execute ")

    wait_until(lambda: d.status()["daemon"].get("first_round_done") == d.status()["daemon"].get(
        "first_round_total"), 20, "the first round ends")
    time.sleep(1)
    before, codes, mark = statements(), [], Vitals(d)
    gate = threading.Barrier(200)

    def ask():
        gate.wait()
        codes.append(d.request("GET", "/v1/status", timeout=30).status)

    threads = [threading.Thread(target=ask) for _ in range(200)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert codes == [200] * 200
    # The heartbeat may have looked once meanwhile, 200 clients did not.
    assert statements() - before < 40
    mark.assert_modest(4 << 20)
    mark.assert_back()


@pytest.mark.alone
def test_out_of_descriptors_the_databases_are_watched_on(cluster, daemon):
    server = cluster()
    d = daemon(databases={"a": server.dsn()}, prefix=["prlimit", "--nofile=64"],
               daemon={"max_clients": 1000}, defaults={"connectivity_interval": "1s"})
    held = [dial(d) for _ in range(200)]
    time.sleep(0.5)
    # Clients stop at 48, where the last quarter begins, give or take one that was accepted in the same go.
    assert max(int(n) for n in os.listdir(f"/proc/{d.process.pid}/fd")) < 64 - 8
    cpu = sum(int(x) for x in open(f"/proc/{d.process.pid}/stat").read().rsplit(")")[1].split()[11:13])
    time.sleep(2)
    spent = sum(int(x) for x in open(f"/proc/{d.process.pid}/stat").read().rsplit(")")[1].split()[11:13]) - cpu
    assert spent < 60, f"{spent} ticks in 2 s"
    for s in held:
        s.close()
    wait_until(lambda: d._probe("/healthz") == 200, 20, "it serves again")
    server.stop("immediate")
    d.wait_finding("conn-up", database="a")
