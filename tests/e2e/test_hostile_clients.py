"""Clients that are silent, slow, greedy, malformed, many or gone: they delay no database and cost
little, and a client that behaves is answered beside them."""
import contextlib
import resource
import select
import socket
import struct
import threading
import time

import pytest

from support import Daemon, Failure, Folder, Proxy, Pulse, SqliteFile, parse_time, wait_until
from support.base import free_port
from support.hold import FAST
from support.vitals import Vitals

pytestmark = pytest.mark.alone
# Keys without an index, 2,400 findings in one answer of more than 2 MB.
TABLES = "".join(
    f"CREATE TABLE t{t}(id INTEGER PRIMARY KEY, {', '.join(f'c{c} INTEGER REFERENCES p(id)' for c in range(800))});"
    for t in range(3))


@pytest.fixture(scope="module")
def watched(module_cluster):
    """A database probed each second, and a file with so many findings that one answer is 2 MB."""
    folder = Folder()
    rarely = {f"{p}_interval": "1h" for p in ("schema", "integrity", "performance")}
    file = SqliteFile(folder.path / "many.db", f"CREATE TABLE p(id INTEGER PRIMARY KEY);{TABLES}")
    port = free_port()
    d = Daemon(folder, daemon={"listen": f"127.0.0.1:{port}", "listen_api": "yes", "listen_hosts": "x, elsewhere.test"},
               databases={"calm": module_cluster.dsn(),
                                  "many": {"dsn": file.dsn, "max_findings": "3000", "timeout": "60s", **rarely}}, defaults=FAST)
    d.port = port
    try:
        d.run("many", "schema", wait="60s")
        wait_until(lambda: len(d.request("GET", BIG).body) > 2 << 20, 30 * d.slack,
                   lambda: f"one answer is over 2 MB, not {len(d.request('GET', BIG).body)}")
        yield d
    finally:
        d.remove()
        file.remove()
        folder.remove()


BIG = "/v1/findings?database=many&state=any&limit=10000"
HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


def dial(daemon, timeout=20):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(timeout)
    s.connect(str(daemon.socket))
    return s


def dial_tcp(daemon, timeout=20):
    return socket.create_connection(("127.0.0.1", daemon.port), timeout=timeout)


# What a client says at first, what it repeats every half second, and whether it reads.
CROWD = {
    "says nothing": (b"", b"", True),
    "half a line": (b"GE", b"", True),
    "a byte each half second": (HEAD + b"X: ", b"a", True),
    "a header without end": (HEAD + b"X: ", b"a" * 200, True),
    "a body that does not come": (b"POST /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n", b"b", True),
    "a length that lies": (b"POST /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", b"", True),
    "reads nothing": (b"GET " + BIG.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"", False),
    "reads nothing, asks on": (b"GET " + BIG.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n", HEAD + b"\r\n", False),
    "reads a byte a second": (b"GET " + BIG.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"", None),
}


class Crowd:
    """Clients of every kind of CROWD, `each` of a kind, until the daemon has cut them all."""

    def __init__(self, daemon, each):
        self.cut, self.open = {}, {}
        for kind, (first, _, _) in CROWD.items():
            for i in range(each):
                s = dial(daemon)
                s.sendall(first)
                s.setblocking(False)
                self.open[(kind, i)] = s
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def _live(self):
        began = time.monotonic()
        turn = 0
        while self.open and time.monotonic() - began < 60:
            for key, s in list(self.open.items()):
                _, again, reads = CROWD[key[0]]
                try:
                    if again:
                        s.send(again)
                    if reads or (reads is None and turn % 2 == 0):
                        if s.recv(65536 if reads else 1) == b"":
                            raise ConnectionResetError
                    if not reads and is_hung_up(s):
                        raise ConnectionResetError
                except BlockingIOError:
                    continue
                except OSError:
                    self.cut.setdefault(key[0], []).append(time.monotonic() - began)
                    self.open.pop(key).close()
            turn += 1
            time.sleep(0.5)

    def join(self):
        self._thread.join(90)
        for s in self.open.values():
            s.close()
        if self.open:
            raise Failure(f"never cut: {sorted(self.open)}")


def is_hung_up(s):
    """Seen without reading a byte."""
    p = select.poll()
    p.register(s, 0)
    return any(e & (select.POLLHUP | select.POLLERR) for _, e in p.poll(0))


@contextlib.contextmanager
def on_time(daemon, runs):
    """The database "calm" is looked at each second, as without clients: the machine itself may be
    busy with them, so only what the daemon would make of it is told, not milliseconds."""
    with Pulse(daemon, "calm", 1) as pulse:
        yield
        wait_until(lambda: len(pulse.runs) >= runs, 6 * runs, lambda: f"runs {pulse.runs}")
    assert pulse.lateness() < 1.5 * daemon.slack, f"a probe came {pulse.lateness():.2f} s late"
    assert pulse.loop_lateness() < daemon.slack, f"the loop came {pulse.loop_lateness():.2f} s late"
    assert pulse.statuses == {"ok"}, pulse.statuses


def answers(daemon, stop, times, path="/healthz"):
    """A client that behaves: asks ten times a second, everything must be a 200."""
    while not stop.is_set():
        start = time.monotonic()
        try:
            answer = daemon.request("GET", path)
            times.append((time.monotonic() - start, answer.status))
        except OSError as e:
            times.append((time.monotonic() - start, repr(e)))
        time.sleep(0.1)


@contextlib.contextmanager
def well_behaved(daemon):
    stop, times = threading.Event(), []
    thread = threading.Thread(target=answers, args=(daemon, stop, times), daemon=True)
    thread.start()
    yield times
    stop.set()
    thread.join(30)
    assert times and {status for _, status in times} == {200}, [t for t in times if t[1] != 200][:5]


def test_every_kind_at_once(watched):
    mark = Vitals(watched)
    idle = mark.cpu_over(3)
    with on_time(watched, 6), well_behaved(watched) as times:
        crowd = Crowd(watched, each=5)
        wait_until(lambda: mark.own_descriptors() >= mark.descriptors_before + 35, 4 * watched.slack, "each has its own")
        busy = mark.cpu_over(3)
        mark.assert_modest(24 << 20)
        crowd.join()
    # Ten seconds to a whole request, ten to take the answer; the crowd looks twice a second.
    for kind, seconds in crowd.cut.items():
        assert len(seconds) == 5 and all(8 < t < 20 * watched.slack for t in seconds), (kind, seconds)
    assert busy < idle + 1.5, f"{busy:.2f} s of processor in 3 s, {idle:.2f} s when idle"
    assert max(t for t, _ in times) < 5 * watched.slack
    mark.assert_back()


def test_more_silent_clients_than_places(watched):
    """Everything is taken and hundreds wait before us: our turn comes, long before they time out."""
    mark = Vitals(watched)
    idle = mark.cpu_over(3)
    with on_time(watched, 4):
        silent = [dial(watched) for _ in range(300)]
        busy = mark.cpu_over(3)
        start = time.monotonic()
        assert watched.request("GET", "/v1/status", timeout=60).status == 200
        # 64 of 300 are replaced each second; without that it would take 50 s.
        assert time.monotonic() - start < 25 * watched.slack
        assert mark.own_descriptors() <= mark.descriptors_before + 70
        for s in silent:
            s.close()
    assert busy < idle + 1.5, f"{busy:.2f} s of processor in 3 s, {idle:.2f} s when idle"
    mark.assert_back()
    mark.assert_modest(4 << 20)


def raise_descriptors(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    return (soft, hard), wanted


def test_ten_thousand_clients(watched):
    """Over a few seconds, most of them rude in a way of their own; and as many at once as the
    listening socket takes."""
    before, allowed = raise_descriptors(6000)
    mark = Vitals(watched)
    request = HEAD + b"\r\n"
    ways = [
        lambda s: None,                                         # comes and goes
        lambda s: s.send(request),                              # does not wait for the answer
        lambda s: (s.send(request), s.shutdown(socket.SHUT_WR), read_all(s)),
        lambda s: (s.send(request + b"GET / HT"), s.recv(20)),  # reads a little, leaves the rest: a reset
        lambda s: s.send(b"\x00" * 100),
        lambda s: (s.send(b"GET " + BIG.encode() + b" HTTP/1.1\r\n\r\n"), s.recv(1)),
    ]
    try:
        with on_time(watched, 4), well_behaved(watched):
            for i in range(10000):
                with contextlib.closing(dial(watched)) as s, contextlib.suppress(ConnectionError):
                    ways[i % len(ways)](s)
            mark.assert_modest(24 << 20)  # some answers of 2 MB at a time, and what the heap keeps of them
        mark.assert_back()
        late_before = watched.status()["daemon"]["loop_lateness_max_ms"]
        held, refused = [], 0
        for _ in range(min(10000, allowed - 200)):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.setblocking(False)
            try:
                s.connect(str(watched.socket))
                held.append(s)
            except BlockingIOError:  # the kernel's queue is full
                s.close()
                refused += 1
                if refused > 50:
                    break
        assert len(held) > 1000
        assert mark.own_descriptors() <= mark.descriptors_before + 70
        time.sleep(3)
        for s in held:
            s.close()
        assert watched.request("GET", "/healthz", timeout=60).status == 200
        # The queue was for clients alone: the loop came in time, and the database was looked at.
        late = watched.status()["daemon"]["loop_lateness_max_ms"]
        assert late <= max(late_before, 1500), f"the loop came {late} ms late"
        age = time.time() - parse_time(watched.database("calm")["probes"]["connectivity"]["last_run"])
        assert age < 3 * watched.slack
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    mark.assert_back()
    mark.assert_modest(24 << 20)


def read_all(s):
    out = b""
    with contextlib.suppress(ConnectionResetError):
        while data := s.recv(65536):
            out += data
    return out


H = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
GOOD = b"GET /healthz" + H + b"\r\n"
# What is sent, and the statuses that may come back, in order; 0: closed without an answer.
MALFORMED = {
    "a head over 16 KiB": (b"GET /healthz" + H + b"X: " + b"a" * 17000 + b"\r\n\r\n", [413]),
    "a head without end": (b"GET /healthz" + H + b"X: " + b"a" * 300000, [413]),
    "thousands of short fields": (b"GET /healthz" + H + b"a:b\r\n" * 5000 + b"\r\n", [413]),
    "a body over 64 KiB": (b"POST /v1/status" + H + b"Content-Length: 66560\r\n\r\n" + b"x" * 66560, [413]),
    "a body of 64 KiB": (b"POST /v1/status" + H + b"Content-Length: 65536\r\n\r\n" + b"x" * 65536, [405]),
    "a length without end": (b"POST /v1/status" + H + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n", [400]),
    "a negative length": (b"POST /v1/status" + H + b"Content-Length: -1\r\n\r\n", [400]),
    "a length in hexadecimal": (b"POST /v1/status" + H + b"Content-Length: 0x10\r\n\r\n", [400]),
    "chunked": (b"POST /v1/status" + H + b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n", [400]),
    "two lengths": (b"POST /healthz" + H + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + GOOD, [400]),
    "the same length twice": (b"POST /healthz" + H + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd", [400]),
    "two lengths in one": (b"POST /healthz" + H + b"Content-Length: 4, 4\r\n\r\nabcd", [400]),
    "length and chunks": (b"POST /healthz" + H + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GOOD, [400]),
    "chunks in disguise": (b"POST /healthz" + H + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + GOOD, [400]),
    "lines that end in LF": (b"GET /healthz HTTP/1.1\nHost: x\nConnection: close\n\n" + GOOD, [400]),
    "a lone CR": (b"GET /healthz HTTP/1.1\r\nHost: x\rContent-Length: 5\r\n\r\n" + GOOD, [400]),
    "a folded field": (b"GET /healthz" + H + b"X: a\r\n b\r\n\r\n", [400]),
    "a NUL": (b"GET /healthz" + H + b"X: a\0b\r\n\r\n", [400]),
    "a NUL in the target": (b"GET /healthz\0/v1" + H + b"\r\n", [400]),
    "two hosts": (b"GET /healthz" + H + b"Host: y\r\n\r\n", [400]),
    "a field without a name": (b"GET /healthz" + H + b": x\r\n\r\n", [400]),
    "a space before the colon": (b"GET /healthz" + H + b"Content-Length : 5\r\n\r\n", [400]),
    "no version": (b"GET /healthz\r\n\r\n", [400]),
    "another version": (b"GET /healthz HTTP/3.0\r\n\r\n", [400]),
    "HTTP/2 at once": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", [400]),
    "a method of 300 bytes": (b"A" * 300 + b" /healthz" + H + b"\r\n", [400]),
    "a method of control bytes": (b"G\x1b[31mET /healthz" + H + b"\r\n", [400]),
    "a request for another server": (b"GET http://elsewhere.test/healthz" + H + b"\r\n", [200]),
    "an absolute target": (b"GET http://localhost/healthz" + H + b"\r\n", [200]),
    "another scheme": (b"GET file:///etc/passwd" + H + b"\r\n", [400]),
    "a tunnel": (b"CONNECT elsewhere.test:22" + H + b"\r\n", [400]),
    "an asterisk": (b"OPTIONS *" + H + b"\r\n", [400]),
    "two slashes": (b"GET //healthz" + H + b"\r\n", [404]),
    "a path that climbs": (b"GET /v1/databases/../../../../etc/passwd" + H + b"\r\n", [404]),
    "an encoded path that climbs": (b"GET /v1/databases/%2e%2e%2f%2e%2e%2fetc%2fpasswd" + H + b"\r\n", [404]),
    "encoded dots": (b"GET /v1/%2e%2e/healthz" + H + b"\r\n", [404]),
    "an encoded NUL": (b"GET /v1/databases/calm%00" + H + b"\r\n", [400]),
    "encoded line ends": (b"GET /v1/databases/a%0d%0aX-Evil:%201" + H + b"\r\n", [404]),
    "bytes that are no UTF-8": (b"GET /v1/databases/%ff%fe" + H + b"\r\n", [400]),
    "UTF-8 of too many bytes": (b"GET /v1/databases/%c0%ae" + H + b"\r\n", [400]),
    "raw bytes": (b"GET /v1/databases/\xc3\xa9" + H + b"\r\n", [400]),
    "half an escape": (b"GET /v1/databases/%4" + H + b"\r\n", [400]),
    "a name of 5,000 bytes": (b"GET /v1/databases/" + b"a" * 5000 + H + b"\r\n", [400]),
    "a name of 4,000 bytes": (b"GET /v1/databases/" + b"a" * 4000 + H + b"\r\n", [404]),
    "a hundred parts": (b"GET " + b"/a" * 100 + H + b"\r\n", [400]),
    "a thousand keys": (b"GET /v1/status?" + b"&".join(b"k%d=1" % i for i in range(1000)) + H + b"\r\n", [400]),
    "blank lines for ever": (b"\r\n" * 5000, [400]),
    "binary": (bytes(range(256)) * 100, [400, 413]),
    "half a request, then the end": (b"GET /heal", [0]),
    "nothing, then the end": (b"", [0]),
    "a request, then rubbish": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n\x00\x01\x02\r\n\r\n", [200, 400]),
    "pipelined, the second closes": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + GOOD + GOOD, [200, 200]),
}


def statuses(data):
    """The status of every answer in data, each with a body as long as it says."""
    out = []
    while data:
        head, found, rest = data.partition(b"\r\n\r\n")
        assert found, data[:200]
        lines = head.split(b"\r\n")
        fields = dict(li.lower().split(b": ", 1) for li in lines[1:])
        length = int(fields[b"content-length"])
        assert len(rest) >= length, "an answer is cut short"
        assert b"x-evil" not in fields
        out.append(int(lines[0].split()[1]))
        data = rest[length:]
    return out


@pytest.mark.parametrize("dial", [dial, dial_tcp], ids=["unix", "tcp"])
def test_malformed_requests(watched, dial):
    mark = Vitals(watched)
    for what, (request, wanted) in MALFORMED.items():
        with dial(watched) as s:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                s.sendall(request)
                s.shutdown(socket.SHUT_WR)
            got = statuses(read_all(s)) or [0]
        assert got == wanted or (len(wanted) == 2 and what == "binary" and got[0] in wanted), f"{what}: {got}, not {wanted}"
        assert watched.request("GET", "/healthz").status == 200, what
    mark.assert_back()


def test_a_thousand_requests_in_one_go(watched):
    mark = Vitals(watched)
    one = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
    with dial(watched) as s:
        sender = threading.Thread(target=lambda: (s.sendall(one * 1000), s.shutdown(socket.SHUT_WR)))
        sender.start()
        got = statuses(read_all(s))
        sender.join()
    assert got == [200] * 1000
    mark.assert_back()
    mark.assert_modest(4 << 20)


def test_hundreds_over_tcp(watched):
    """Silent ones fill every place there, and others break off with a reset in the middle of what they
    say or hear: the Unix socket's clients notice nothing, and those over TCP have their turn."""
    mark = Vitals(watched)
    with on_time(watched, 4), well_behaved(watched) as times:
        for i in range(300):
            s = dial_tcp(watched)
            s.sendall(b"GET " + BIG.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n"[:i % 27])
            if i % 3 == 0:
                s.settimeout(0.01)
                with contextlib.suppress(socket.timeout):
                    s.recv(100)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        silent = [dial_tcp(watched) for _ in range(150)]
        with dial_tcp(watched, timeout=60) as s:
            s.sendall(GOOD)
            assert statuses(read_all(s)) == [200]
        for s in silent:
            s.close()
    assert max(t for t, _ in times) < 5 * watched.slack
    mark.assert_back()
    mark.assert_modest(24 << 20)


def readable(sockets):
    return select.select(sockets, [], [], 0)[0]


def test_runs_that_nobody_waits_for_any_more(module_cluster, watched, own, folder):
    """A hundred calls wait for a run that cannot end: sixteen are held, the others told to come back,
    and when all have gone without a word their places are free at once."""
    p = own(Proxy(f"{module_cluster.socket_dir}/.s.PGSQL.{module_cluster.port}"))
    d = own(Daemon(folder, databases={
        "slow": {"dsn": f"postgresql://dbhealth@127.0.0.1:{p.port}/postgres?sslmode=disable", "timeout": "60s"}},
        daemon={"max_clients": 200}))
    mark = Vitals(d)
    p.freeze()
    post = b"POST /v1/databases/slow/probes/performance/run?wait=60s HTTP/1.1\r\nHost: x\r\n\r\n"
    for how in (lambda s: s.close(), lambda s: (s.shutdown(socket.SHUT_WR), time.sleep(0.02), s.close())):
        calls = [dial(d) for _ in range(100)]
        for s in calls:
            s.sendall(post)
        wait_until(lambda: len(readable(calls)) >= 84, 10 * d.slack, lambda: f"{len(readable(calls))} are told")
        told = [s.recv(4096) for s in readable(calls)]
        assert len(told) == 84 and all(b" 429 " in t and b"Retry-After: 1" in t for t in told)
        for s in calls:
            how(s)
        mark.assert_back(spare=4)
    # Sixteen places for a wait are free again.
    with dial(d) as s:
        s.sendall(post)
        s.settimeout(1)
        with pytest.raises(socket.timeout):
            s.recv(10)
    assert d.status()["daemon"]["loop_lateness_max_ms"] < 1500 * d.slack
    p.resume()
