"""`listen`: what is served over TCP, to whom and by which name; loopback only, in every test."""
import ctypes
import errno
import http.client
import os
import socket

import pytest

from support import Cli, Failure, wait_until
from support.base import free_port
from support.daemon import Answer
from support.metrics import Metrics, promtool


@pytest.fixture
def file(sqlite):
    return sqlite("a.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")


def ask(port, path, method="GET", host="127.0.0.1", source=None, **headers):
    connection = http.client.HTTPConnection(host, port, timeout=20,
                                            source_address=(source, 0) if source else None)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def raw(port, text):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
        s.sendall(text.encode())
        s.shutdown(socket.SHUT_WR)
        out = b""
        while chunk := s.recv(65536):
            out += chunk
    return out.decode()


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def test_metrics_and_health_but_nothing_else(daemon, file, folder):
    port, six = free_port(), free_port()
    listen = f"127.0.0.1:{port}" + (f", [::1]:{six}" if has_ipv6() else "")
    d = daemon(databases={"a": file.dsn}, daemon={"listen": listen})
    page = Metrics(ask(port, "/metrics"))
    assert page.value("dbhealth_up", database="a") == 1
    promtool("check", "metrics", text=page.text)
    assert ask(port, "/healthz").status == 200 and ask(port, "/readyz").status == 200
    assert ask(port, "/v1/databases/a/health").json["healthy"] is True
    assert ask(port, "/v1/databases/b/health").status == 404
    if has_ipv6():
        assert ask(six, "/healthz", host="::1").status == 200
    for path in ("/v1/status", "/v1/databases/a", "/v1/findings", "/v1/checks", "/v1/checks/conn-up"):
        answer = ask(port, path)
        assert answer.status == 403 and "listen_api" in answer.json["error"]["message"], path
    for path in ("/v1/databases/a/probes/schema/run", "/v1/findings/0123456789abcdef/ack"):
        answer = ask(port, path, "POST")
        assert answer.status == 403 and "Unix socket" in answer.json["error"]["message"], path
    assert ask(port, "/nothing").status == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        answer = ask(port, "/metrics", method)
        assert answer.status == 405 and answer.headers["Allow"] == "GET, HEAD", method
    # no page of another origin may read what is answered, and none is told that it may
    answer = ask(port, "/metrics", Origin="http://evil.example")
    assert not [h for h in answer.headers if h.lower().startswith("access-control")]
    done = Cli(folder, "--url", f"http://127.0.0.1:{port}", "status")
    assert done.status == 77 and "listen_api" in done.err and "sudo" not in done.err, done
    # the Unix socket serves all as before
    assert d.get("/v1/status")["databases"][0]["name"] == "a"


def test_listen_api_adds_what_is_read(daemon, file, folder):
    port = free_port()
    d = daemon(databases={"a": file.dsn}, daemon={"listen": f"127.0.0.1:{port}", "listen_api": "yes"})
    assert ask(port, "/v1/status").json["databases"][0]["name"] == "a"
    assert ask(port, "/v1/checks/conn-up").status == 200
    assert ask(port, "/v1/findings?nokey=1").status == 400
    answer = ask(port, "/v1/databases/a/probes/schema/run", "POST")
    assert answer.status == 403 and "Unix socket" in answer.json["error"]["message"]
    wait_until(lambda: d.status()["status"] == "ok", 20 * d.slack, "all has been looked at")
    done = Cli(folder, "--url", f"http://127.0.0.1:{port}", "status")
    assert done.status == 0 and "ok" in done.out, done
    assert Cli(folder, "--url", f"http://localhost:{port}", "findings").status == 0
    done = Cli(folder, "--url", f"http://127.0.0.1:{port}", "run", "a", "schema")
    assert done.status == 77 and "Unix socket" in done.err, done


def test_host_must_be_ours(daemon, file):
    port = free_port()
    daemon(databases={"a": file.dsn}, daemon={"listen": f"127.0.0.1:{port}",
                                              "listen_hosts": "db7.example.com, Mon.Example.com"})
    for host in ("127.0.0.1", f"127.0.0.1:{port}", "localhost", "LOCALHOST:80", "[::1]", "10.9.8.7",
                 "db7.example.com", "DB7.example.COM:9630", "mon.example.com"):
        assert ask(port, "/healthz", Host=host).status == 200, host
    for host in ("evil.example", "evil.example:9630", "localhost.evil.example", "localhost.", "",
                 "127.0.0.1.evil.example", "a@127.0.0.1", "db7.example.com.evil.example", "0x7f000001",
                 "localhost evil.example", "127.0.0.1, evil.example", "xdb7.example.com"):
        answer = ask(port, "/metrics", Host=host)
        assert answer.status == 403 and "listen_hosts" in answer.json["error"]["message"], host
    # a target that names a host is asked of that host, whatever Host says
    assert raw(port, "GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n") \
        .startswith("HTTP/1.1 403 ")
    assert raw(port, "GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") \
        .startswith("HTTP/1.1 200 ")
    assert raw(port, "GET /healthz HTTP/1.1\r\n\r\n").startswith("HTTP/1.1 400 ")
    assert raw(port, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n") \
        .startswith("HTTP/1.1 400 ")
    # a load balancer's HTTP/1.0 has none; a browser always has
    assert raw(port, "GET /healthz HTTP/1.0\r\n\r\n").startswith("HTTP/1.1 200 ")


def test_who_may_connect(daemon, file):
    """All of 127/8 is loopback, so a network of two addresses leaves some of it out."""
    port = free_port()
    d = daemon(databases={"a": file.dsn}, daemon={"listen": f"127.0.0.1:{port}",
                                                  "listen_allow": "127.0.0.2/31, 10.0.0.0/8"})
    assert ask(port, "/healthz", source="127.0.0.2").status == 200
    assert ask(port, "/healthz", source="127.0.0.3").status == 200
    for source in ("127.0.0.1", "127.0.0.4"):
        with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
            ask(port, "/healthz", source=source)
    def refusals():
        return [e for e in d.log() if "listen_allow" in e.get("MESSAGE", "")]
    wait_until(refusals, 10 * d.slack, "the refusal is told")
    refused = refusals()
    assert len(refused) == 1 and "127.0.0.1" in refused[0]["MESSAGE"], refused
    assert d.request("GET", "/healthz").status == 200


def descriptors(pid):
    """Copies of the sockets of a process of ours, from the kernel (pidfd_getfd)."""
    libc, pidfd = ctypes.CDLL(None, use_errno=True), os.pidfd_open(pid)
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            fd = libc.syscall(438, pidfd, int(name), 0)
            if fd < 0:
                if ctypes.get_errno() in (errno.EPERM, errno.ENOSYS):
                    pytest.skip("no right to look at descriptors here")
                continue
            try:
                yield socket.socket(fileno=fd)
            except OSError:  # no socket
                os.close(fd)
    finally:
        os.close(pidfd)


def test_an_answer_is_not_held_back(daemon, file):
    """Connections inherit TCP_NODELAY from the socket that listens, so an answer never waits for the
    acknowledgement of its first part."""
    port = free_port()
    d = daemon(databases={"a": file.dsn}, daemon={"listen": f"127.0.0.1:{port}"})
    seen = 0
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        for s in descriptors(d.process.pid):
            with s:
                if s.family != socket.AF_INET or s.getsockname()[1] != port:
                    continue
                seen += 1
                assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert seen == 2  # what listens and what was accepted


def test_a_reload_applies_who_and_what_but_not_where(daemon, file):
    port, other = free_port(), free_port()
    keys = {"listen": f"127.0.0.1:{port}"}
    d = daemon(databases={"a": file.dsn}, daemon=keys)
    assert ask(port, "/v1/status").status == 403
    assert ask(port, "/healthz", Host="mon.example.com").status == 403
    assert ask(port, "/metrics").status == 200

    def change(**more):
        d._keys.update(more)
        d.configure(databases={"a": file.dsn})
        before = len(d.transitions("07"))
        d.reload()
        wait_until(lambda: len(d.transitions("07")) > before, 15 * d.slack, "the reload is told")
        return d.transitions("07")[-1]["MESSAGE"]
    change(listen_api="yes", listen_hosts="mon.example.com", listen_allow="127.0.0.2")
    assert ask(port, "/v1/status", source="127.0.0.2").status == 200
    assert ask(port, "/healthz", source="127.0.0.2", Host="mon.example.com").status == 200
    assert ask(port, "/metrics", source="127.0.0.2").status == 200
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        ask(port, "/healthz")
    told = change(listen=f"127.0.0.1:{other}", listen_allow="127.0.0.1")
    assert "[daemon] listen takes a restart" in told
    assert ask(port, "/healthz").status == 200
    with pytest.raises(ConnectionError):
        ask(other, "/healthz")
    d.restart()
    assert ask(other, "/healthz").status == 200
    with pytest.raises(ConnectionError):
        ask(port, "/healthz")


def test_what_cannot_be_listened_on(daemon):
    for i, value in enumerate(("0.0.0.0:9630", "[::]:9630", "127.0.0.1:9630, 192.0.2.1:9630")):
        d = daemon(f"e{i}", databases={}, daemon={"listen": value}, start=False)
        with pytest.raises(Failure):
            d.start()
        assert d.process.returncode == 78
        assert "listen: an address other than loopback needs listen_allow" in d.log_path.read_text()
    for i, value in enumerate(("localhost:9630", "9630", "127.0.0.1", "127.0.0.1:0", "::1:9630",
                               ", ".join(f"127.0.0.{n}:9630" for n in range(1, 10)))):
        d = daemon(f"f{i}", databases={}, daemon={"listen": value}, start=False)
        with pytest.raises(Failure):
            d.start()
        assert d.process.returncode == 78 and "[daemon] listen:" in d.log_path.read_text()
    # 192.0.2.1 is nobody's
    d = daemon("g", databases={}, daemon={"listen": "192.0.2.1:9630", "listen_allow": "10.0.0.0/8"},
               start=False)
    with pytest.raises(Failure):
        d.start()
    assert d.process.returncode == 1
    assert "192.0.2.1:9630 is no address of this machine" in d.log_path.read_text()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        d = daemon("h", databases={}, daemon={"listen": address}, start=False)
        with pytest.raises(Failure):
            d.start()
        assert d.process.returncode == 1
        assert f"{address} is in use by another program" in d.log_path.read_text()
    assert not d.socket.exists()
    d.start()  # the port is free again at once
    assert ask(int(address.split(":")[1]), "/healthz").status == 200
    d.restart()
    assert ask(int(address.split(":")[1]), "/healthz").status == 200
