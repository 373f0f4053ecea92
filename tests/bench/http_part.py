"""The API: against raw evhttp with the same body, 200 clients at once, and while databases are sick."""
import subprocess
import threading
import time

from fixture import BUILD
from measure import Meter, Spread, memory_kb, ratios, tasks_ns
from report import Row


class Load:
    """One run of http-load."""

    def __init__(self, socket, path, clients, requests, pause_us=0, how="keep"):
        done = subprocess.run([BUILD / "bench/http-load", str(socket), path, str(clients), str(requests),
                               str(pause_us), how], capture_output=True, text=True, check=True)
        (self.requests, self.failed, self.bytes, self.seconds, self.median_us, self.p99_us,
         self.max_us) = (float(x) for x in done.stdout.split())


def queries(cluster):
    """Statements of the daemon that the server has logged."""
    return cluster.data.joinpath("bench").read_text(errors="replace").count("LOG:  execute ")


def against_floor(bench, daemon):
    requests, windows = (300, 2) if bench.quick else (1500, 24)
    body = bench.folder.path / "body"
    body.write_bytes(daemon.request("GET", "/v1/status").body)
    floor_socket = bench.folder.path / "raw.sock"
    floor = bench.floor("raw-http", floor_socket, body)
    meter = Meter(daemon=lambda: tasks_ns(daemon.process.pid), raw=lambda: tasks_ns(floor.pid))
    rates, cpu = [], []
    for _ in range(windows):
        meter.look()
        ours = Load(daemon.socket, "/v1/status", 4, requests)
        theirs = Load(floor_socket, "/", 4, requests)
        rates.append((requests / ours.seconds, requests / theirs.seconds))
        seen = meter.look()
        cpu.append((seen["raw"], seen["daemon"]))
    bench.drop(floor)
    return rates, cpu, body.stat().st_size


def crowd(bench, daemon, cluster):
    """200 clients at once, each with a connection of its own, several rounds."""
    rounds = 2 if bench.quick else 20
    Load(daemon.socket, "/v1/status", 200, 200, how="fresh")  # what the first round allocates stays
    before, asked = memory_kb(daemon.process.pid), queries(cluster)
    p99, failed, peak = [], 0, before
    for _ in range(rounds):
        load = Load(daemon.socket, "/v1/status", 200, 200, how="fresh")
        p99.append(load.p99_us / 1000)
        failed += load.failed
        peak = max(peak, memory_kb(daemon.process.pid))
    return Spread(p99), failed, (peak - before) / 1024, queries(cluster) - asked


def while_sick(bench, daemon, cluster):
    """Latency of single requests while the fault lasts; worst p99 over the faults."""
    requests = 100 if bench.quick else 1000
    out = {}

    def look(name):
        out[name] = Load(daemon.socket, "/v1/status", 1, requests, 1000).p99_us / 1000

    locker = cluster.session("big", autocommit=False)
    locker.cursor().execute("LOCK TABLE pg_catalog.pg_class IN ACCESS EXCLUSIVE MODE")
    daemon_asks(daemon)
    look("locked")
    locker.rollback()
    locker.close()
    cluster.freeze()
    daemon_asks(daemon)
    look("hung")
    cluster.resume()
    cluster.freeze_postmaster()
    daemon_asks(daemon)
    look("postmaster stopped")
    cluster.resume()
    cluster.stop("immediate")
    daemon_asks(daemon)
    look("gone")
    return out


def daemon_asks(daemon):
    """Every probe begins now, so that it runs into the fault."""
    for probe in ("connectivity", "performance", "schema"):
        threading.Thread(target=lambda p=probe: daemon.request("POST", f"/v1/databases/big/probes/{p}/run"),
                         daemon=True).start()
    time.sleep(0.2)


def down_told(bench, cluster, daemon):
    """Seconds from an immediate stop to the daemon's own word, and back."""
    down, up = [], []
    for _ in range(1 if bench.quick else 5):
        start = time.monotonic()
        cluster.stop("immediate")
        daemon.wait_finding("conn-up", severity="critical", within=20)
        down.append(time.monotonic() - start)
        cluster.start()
        start = time.monotonic()
        daemon.wait_gone("conn-up", within=20)
        up.append(time.monotonic() - start)
    return Spread(down), Spread(up)


def measure(bench):
    cluster = bench.fixture("http")
    cluster.sql("ALTER ROLE dbhealth SET log_statement = 'all'")
    # Nothing is due while requests are counted, so that no query is told from none.
    quiet = {f"{p}_interval": "1h" for p in ("connectivity", "schema", "integrity", "performance")}
    daemon = bench.daemon("quiet", databases={"big": cluster.dsn("big")}, daemon={"max_clients": 256},
                          defaults={**quiet, "reconnect_interval": "1d"})
    time.sleep(3)
    rates, cpu, size = against_floor(bench, daemon)
    p99, failed, grown, asked = crowd(bench, daemon, cluster)
    bench.drop(daemon)
    rows = [
        Row("http-rate", f"requests a second on the Unix socket, {size} bytes, against raw evhttp with the "
            "same body", "at least 0.8 x", ratios(rates), least=0.8, unit="x"),
        Row("http-cpu", "requests a CPU second of the server, likewise", "at least 0.8 x", ratios(cpu),
            least=0.8, unit="x"),
        Row("crowd-p99", "200 clients at once: p99", "under 100 ms", p99, most=100, unit="ms", digits=1),
        Row("crowd-memory", "200 clients at once: memory grows", "under 4 MB", grown, most=4, unit="MB"),
        Row("crowd-queries", "200 clients at once: statements that the server hears", "0", float(asked),
            most=0, digits=0),
    ]
    cluster.sql("ALTER ROLE dbhealth RESET log_statement")
    daemon = bench.daemon("sick", databases={"big": cluster.dsn("big")},
                          defaults={"connectivity_interval": "2s", "timeout": "1s"})
    sick = while_sick(bench, daemon, cluster)
    rows += [Row(f"sick-{k.split()[0]}", f"the API's answer while the server is {k}: p99", "under 10 ms", v,
                 most=10, unit="ms") for k, v in sick.items()]
    cluster.start()
    daemon.wait_gone("conn-up", within=30)
    down, up = down_told(bench, cluster, daemon)
    rows += [Row("down-told", "down told, interval 2 s", "interval + 1 s", down, most=3, unit="s"),
             Row("up-told", "up told, interval 2 s", "interval + 1 s", up, most=3, unit="s")]
    notes = [f"Answers to the crowd that were no 200: {int(failed)}."]
    bench.drop(daemon)
    bench.drop(cluster)
    return rows, notes
