"""/metrics: both formats, what is in them and what never is, for real databases in any state."""
import contextlib
import pathlib
import re
import socket
import time

import pytest

from support import wait_until
from support.base import TOP
from support.metrics import OPENMETRICS, TEXT, metrics, promtool

FAST = {"connectivity_interval": "1s", "performance_interval": "1s", "schema_interval": "1s"}
# Nothing is due for the time of a test once the first round is over.
CALM = {f"{p}_interval": "1h" for p in ("connectivity", "performance", "schema", "integrity",
                                        "reconnect")}
EVIL = ['say "hi"', "new\nline", "back\\slash", "tab\there", "\u202ebidi", "\u009b31m", "emoji\U0001f4a5",
        "{le=\"1\"} 7", "# EOF", "x" * 63]


def as_the_manual_says(page):
    """dbhealthd-metrics(5) has every family with its type, and no other of the fixed ones."""
    manual = (TOP / "docs/dbhealthd-metrics.5").read_text()
    listed = re.search(r'^\.\\" families begin.*?^\.\\" families end', manual, re.M | re.S)[0]
    fixed = set(re.findall(r"^\.It Cm (\S+) Pq (\w+)$", listed, re.M))
    checks = set(re.findall(r"^\.It Cm (dbhealth_\S+)$", manual, re.M))
    kinds = dict(re.findall(r"^# TYPE (\S+) (\w+)$", page.text, re.M))
    kinds["dbhealth_build_info"] = "info"
    there = set(kinds.items())
    assert fixed <= there, fixed - there
    assert {n for n, _ in there - fixed} <= checks, {n for n, _ in there - fixed} - checks
    assert {n for n, k in there - fixed if k == "counter"} <= {n for n in checks if n.endswith("_total")}


def plain(page):
    """Its samples without what changes from one moment to the next."""
    return {(name, tuple(sorted(labels.items())))
            for name, samples in page.samples.items() for labels, _ in samples
            if name.startswith("dbhealth_")}


def test_both_formats_say_the_same(cluster, daemon, sqlite):
    c = cluster()
    c.createdb("app")
    c.sql("CREATE TABLE no_key AS SELECT generate_series(1, 2000) AS a", dbname="app")
    file = sqlite("a.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")
    d = daemon(databases={"app": {"dsn": c.dsn("app"), "labels": 'env=prod, team=it\'s "ours"'},
                          "main": c.dsn(), "file": file.dsn, "tenants": f"{file.dsn}*"},
               defaults=FAST, sections={
                   "alert page": {"exec": "/bin/true", "checks": "none-*"},
                   "backup nightly": {"databases": "file", "to": str(file.path.parent / "kept"), "schedule": "*-01-01"},
                   "query answer": {"databases": "app", "probe": "performance",
                                    "sql": "SELECT 42 AS value", "warning": "> 50"},
                   "query broken": {"databases": "app", "probe": "performance",
                                    "sql": "SELECT 1/0 AS value", "warning": "> 50"}})
    found = d.wait_finding("table-no-primary-key", "public.no_key")
    wait_until(lambda: metrics(d).value("dbhealth_query_value", database="app") == 42, 10 * d.slack,
               "the value of [query answer]")
    wait_until(lambda: metrics(d).value("dbhealth_check_unknown", database="app", check="broken") == 1,
               10 * d.slack, "a check that cannot answer")
    assert d.request("POST", "/v1/jobs/backup%2Fnightly%2Ffile/run").status == 202
    wait_until(lambda: "dbhealth_job_last_success_timestamp_seconds{" in metrics(d).text and "dbhealth_job_running{" in metrics(d).text,
               40 * d.slack, "the job has ended well")
    # A check that answers for the first time between the two is in the latter only.
    wait_until(lambda: plain(metrics(d)) == plain(metrics(d, openmetrics=True))
               and metrics(d).value("dbhealth_migration_failed", database="main") is not None
               and metrics(d).value("dbhealth_probe_duration_seconds_count", database="app", probe="schema") >= 2,
               20 * d.slack, "every check has answered")
    text, om = metrics(d), metrics(d, openmetrics=True)
    as_the_manual_says(text)
    assert text.type == TEXT and om.type == OPENMETRICS and om.text.endswith("\n# EOF\n")
    assert "Content-Encoding" not in text.text and plain(text) == plain(om)
    promtool("check", "metrics", text=text.text)
    assert om.families["dbhealth_build"].type == "info"
    assert text.value("dbhealth_build_info") == 1
    for m in (text, om):
        for name, server, engine in (("app", "app", "postgresql"), ("main", "app", "postgresql"),
                                     ("file", "", "sqlite")):
            assert m.value("dbhealth_up", database=name, server=server, engine=engine) == 1
        assert m.value("dbhealth_database_status", database="app") == 1
        assert m.value("dbhealth_database_status", database="main") == 0
        assert m.value("dbhealth_findings", database="app", probe="schema", severity="warning") == 1
        assert m.value("dbhealth_findings", database="app", probe="schema", severity="critical") == 0
        since = m.value("dbhealth_finding_open_timestamp_seconds", database="app",
                        check="table-no-primary-key", object="public.no_key", severity="warning")
        assert abs(since - time.time()) < 60 * d.slack
        assert m.value("dbhealth_tables_without_primary_key_rows", database="app") == found["value"]
        assert m.value("dbhealth_tables_without_primary_key_rows", database="main") == 0
        assert m.value("dbhealth_database_labels", database="app", label_env="prod",
                       label_team='it\'s "ours"') == 1
        assert m.value("dbhealth_query_value", database="app", check="answer") == 42
        # a rate's raw counter, a gauge by object, a histogram
        assert m.value("dbhealth_deadlocks_total", database="app") == 0
        assert 0 < m.value("dbhealth_xid_age_ratio", server="app", object="template1") < 0.01
        assert m.value("dbhealth_probe_duration_seconds_count", database="app", probe="schema") >= 2
        assert m.value("dbhealth_probe_duration_seconds_bucket", server="app", database="",
                       probe="connectivity", le="+Inf") >= 1
        for probe in ("connectivity", "schema", "performance"):
            assert m.value("dbhealth_probe_last_success_timestamp_seconds", database="app",
                           probe=probe) > time.time() - 60 * d.slack
        # of the checks that are asked, the most frequent; of server and database, the rarer
        asked = {p: m.value("dbhealth_probe_interval_seconds", database="app", probe=p)
                 for p in ("connectivity", "schema", "performance")}
        assert asked == {"connectivity": 1, "performance": 1, "schema": 1}
        assert m.value("dbhealth_probe_skipped_total", database="app", probe="schema") is not None
        assert 1 <= m.value("dbhealth_server_connections", server="app") <= 2
        assert abs(m.value("process_start_time_seconds") - time.time()) < 120 * d.slack
        assert m.value("process_open_fds") > 5
        assert m.value("process_resident_memory_bytes") > 1e6
        for f in m.families.values():
            assert f.documentation and f.type != "unknown", f
    types = {f.name: f.type for f in om.families.values()}
    assert types["dbhealth_deadlocks"] == "counter" and types["dbhealth_xid_age_ratio"] == "gauge"
    assert om.families["dbhealth_connect_seconds"].unit == "seconds"


def test_what_is_asked_for_and_how(daemon, sqlite):
    d = daemon(databases={"a": sqlite("a.db", "CREATE TABLE t(a)").dsn})
    for accept, wanted in ((None, TEXT), ("*/*", TEXT), ("application/openmetrics-text", OPENMETRICS),
                           ("application/openmetrics-text;q=0.5,text/plain;q=0.6", TEXT)):
        answer = d.request("GET", "/metrics", headers={"Accept": accept} if accept else {})
        assert answer.headers["Content-Type"] == wanted, accept
    # one list in two fields
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(d.socket))
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain;q=0.1\r\n"
                  b"Accept: application/openmetrics-text\r\nConnection: close\r\n\r\n")
        assert b"openmetrics-text; version=1.0.0" in s.recv(4096)
    assert d.request("POST", "/metrics").status == 405
    assert d.request("GET", "/metrics?x=1").status == 400
    head = d.request("HEAD", "/metrics")
    assert head.status == 200 and head.body == b"" and int(head.headers["Content-Length"]) > 1000


def test_hostile_names_stay_inside_their_labels(cluster, daemon, sqlite):
    def q(name):
        return '"' + name.replace('"', '""') + '"'
    c = cluster()
    db = 'evil "d\'b" ü\n1'
    c.createdb(db)
    c.script("".join(f"CREATE TABLE {q(n)} AS SELECT generate_series(1, 1500) AS a;" for n in EVIL), db)
    c.script("".join(f"CREATE TABLE plain{i:02} AS SELECT generate_series(1, 2000) AS a;"
                     for i in range(25)), db)
    names = [n for n in EVIL if "\0" not in n]
    file = sqlite("e.db", "".join(f"CREATE TABLE {q(n)}(a);" for n in names))
    with c.session(db) as idle:
        idle.autocommit = False
        idle.cursor().execute("SELECT 'secret_marker_of_a_query'")
        d = daemon(databases={"evil": c.dsn(db), "file": file.dsn}, defaults=FAST,
                   sections={"check xact-idle": {"param.warning_after": "1s", "for": "0s"}})
        d.wait_finding("xact-idle")
        d.wait_finding("table-no-primary-key", database="evil")
        d.wait_finding("table-no-primary-key", database="file")
        for openmetrics in (False, True):
            m = metrics(d, openmetrics)
            evil = m.all("dbhealth_finding_open_timestamp_seconds", database="evil",
                         check="table-no-primary-key")
            assert len(evil) == 20
            told = {labels["object"] for labels, _ in
                    m.all("dbhealth_finding_open_timestamp_seconds", database="file",
                          check="table-no-primary-key")}
            assert told >= {n for n in names}, told
            # a session is no label, and neither is what it asked or who it is
            idle_since = m.all("dbhealth_finding_open_timestamp_seconds", check="xact-idle")
            assert len(idle_since) == 1 and idle_since[0][0].get("object", "") == ""
            assert m.value("dbhealth_transaction_idle_longest_seconds", server="evil") > 0
            assert "secret_marker" not in m.text and not re.search(r"\bpid\b", m.text)
        promtool("check", "metrics", text=metrics(d).text)


def test_a_database_that_is_down_has_no_values(cluster, daemon, sqlite):
    c = cluster()
    file = sqlite("a.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)")
    d = daemon(databases={"app": c.dsn(), "file": file.dsn}, defaults=FAST)
    fixed = {"dbhealth_up", "dbhealth_database_status", "dbhealth_findings", "dbhealth_check_unknown",
             "dbhealth_finding_open_timestamp_seconds", "dbhealth_probe_skipped_total",
             "dbhealth_probe_last_success_timestamp_seconds", "dbhealth_database_labels",
             "dbhealth_server_connections", "dbhealth_probe_interval_seconds"}

    def values(m, **labels):
        return {name for name in m.samples if m.all(name, **labels)} - fixed - \
            {f"dbhealth_probe_duration_seconds_{s}" for s in ("bucket", "count", "sum")} - \
            {f"dbhealth_check_{n}_total" for n in ("runs", "server_seconds", "client_seconds", "rows",
                                                   "received_bytes", "timeouts")}

    def up(name):
        return metrics(d).value("dbhealth_up", database=name)
    wait_until(lambda: "dbhealth_connect_seconds" in values(metrics(d), server="app"), 10 * d.slack,
               "values of the server")
    wait_until(lambda: values(metrics(d), database="file"), 10 * d.slack, "values of the file")
    c.stop("immediate")
    file.path.rename(file.path.with_suffix(".away"))
    wait_until(lambda: up("app") == 0 and up("file") == 0, 20 * d.slack, "both are down")
    d.wait_finding("conn-up", database="file")
    m = metrics(d)
    promtool("check", "metrics", text=m.text)
    assert not values(m, database="app") and not values(m, server="app") and not values(m, database="file")
    assert m.value("dbhealth_database_status", database="app") == 2
    # once, though it stands under each database of the server
    assert m.value("dbhealth_findings", server="app", probe="connectivity", severity="critical") == 1
    assert m.value("dbhealth_findings", database="app", probe="connectivity", severity="critical") == 0
    assert m.value("dbhealth_finding_open_timestamp_seconds", server="app", check="conn-up",
                   severity="critical") > 0
    assert m.all("dbhealth_check_unknown", server="app")
    c.start()
    file.path.with_suffix(".away").rename(file.path)
    wait_until(lambda: up("app") == 1 and up("file") == 1, 20 * d.slack, "both are up again")
    wait_until(lambda: "dbhealth_connect_seconds" in values(metrics(d), server="app"), 10 * d.slack,
               "values of the server again")


def counts_once(d):
    d.wait_finding("conn-up", database="closed")
    d.wait_finding("table-no-primary-key", "public.no_key")
    d.wait_finding("table-no-primary-key", database="file")

    def difference():
        page, open_ = metrics(d), d.findings()
        told, opened = {}, {}
        for labels, value in page.all("dbhealth_findings"):
            if value:
                told[labels.get("database", ""), labels["probe"], labels["severity"]] = value
        for f in open_:
            key = f["database"], f["probe"], f["severity"]
            opened[key] = opened.get(key, 0) + 1
        stamps = sorted((labels.get("database", ""), labels["check"], labels.get("object", ""),
                         labels["severity"])
                        for labels, _ in page.all("dbhealth_finding_open_timestamp_seconds"))
        wanted = sorted((f["database"], f["check"], re.sub(r"^pid .*", "", f["object"]),
                         f["severity"]) for f in open_)
        return None if told == opened and stamps == wanted else (told, opened, stamps, wanted)
    wait_until(lambda: difference() is None, 20 * d.slack, difference)


def test_every_open_finding_counts_once(cluster, daemon, sqlite):
    """Of databases, of servers, of one database that alone cannot be reached, by probe and severity."""
    c = cluster()
    c.createdb("app", "closed")
    c.sql("CREATE TABLE no_key AS SELECT generate_series(1, 2000) AS a", dbname="app")
    c.sql("CREATE TABLE small(a int)", dbname="app")
    c.sql("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
    file = sqlite("a.db", "CREATE TABLE no_key(a)")
    d = daemon(databases={"app": c.dsn("app"), "closed": c.dsn("closed"), "file": file.dsn}, defaults=FAST,
               sections={"check xact-idle": {"param.warning_after": "1s", "for": "0s"}})
    with contextlib.closing(c.session("app", autocommit=False)) as session:
        session.cursor().execute("SELECT 1")
        d.wait_finding("xact-idle")  # of the server
        counts_once(d)
    m = metrics(d)
    assert m.value("dbhealth_up", database="closed") == 0 and m.value("dbhealth_up", database="app") == 1
    assert m.value("dbhealth_findings", database="closed", probe="connectivity", severity="critical") == 1
    assert m.value("dbhealth_cache_hit_ratio", database="closed") is None


METRIC_CHECK = """-- id: {id}
-- title: numbers of a shop
-- engine: sqlite
-- probe: performance
-- topic: shop
-- kind: gauge
-- unit: count
-- warning: > 1e9
-- metric: {metric}
-- message: {{value}}
-- why: x
-- fix: x
-- remedy.1: look | look | none |
SELECT 'a' AS object, 5 AS value
"""


def test_a_metric_of_a_check_file(daemon, sqlite):
    """Its own name is exported; one that is another's already never makes the page ambiguous."""
    files = {f"{name}.sql": METRIC_CHECK.format(id=name, metric=metric) for name, metric in
             {"shop-a": "shop_orders", "shop-b": "shop_orders", "shop-c": "dbhealth_up",
              "shop-d": "dbhealth_probe_skipped_total", "shop-e": "process_open_fds",
              "shop-f": "shop_things_total"}.items()}
    d = daemon(databases={"a": sqlite("a.db", "CREATE TABLE t(a)").dsn}, defaults=FAST, checks_d=files)
    wait_until(lambda: metrics(d).value("shop_orders", database="a", object="a") == 5, 10 * d.slack,
               "the metric of a check file")
    assert [e for e in d.log() if "no name ends with _total" in e["MESSAGE"]]
    m = metrics(d, openmetrics=True)
    assert m.value("dbhealth_up", database="a") == 1 and len(m.all("process_open_fds")) == 1
    promtool("check", "metrics", text=metrics(d).text)


def rss(pid, what):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{what}:\s+(\d+) kB", text, re.M)[1])


@pytest.mark.alone
def test_two_hundred_clients_cost_one_build(cluster, daemon, sqlite):
    c = cluster(settings={"log_statement": "all"})
    files = {f"f{i:02}": sqlite(f"f{i:02}.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)").dsn
             for i in range(25)}
    d = daemon(databases={"app": c.dsn(), **files}, defaults=CALM, daemon={"max_clients": "300"})
    wait_until(lambda: d.get("/readyz")["first_round_done"] == 26, 60 * d.slack, "the first round")

    def asked():
        log = c.log.read_text(errors="replace")
        return len(re.findall(r"LOG:  (?:statement|execute|connection received)", log))

    pid = d.process.pid
    small = len(metrics(d).text)
    assert small > 60000
    time.sleep(1.5)  # what is due within a second of its time; the page is forgotten
    before, statements = metrics(d).value("dbhealth_metrics_builds_total"), asked()
    assert statements > 0
    resident = rss(pid, "VmRSS")
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")  # VmHWM begins anew
    began = time.monotonic()
    clients = []
    for _ in range(200):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(30)
        s.connect(str(d.socket))
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        clients.append(s)
    for s in clients:
        answer = b""
        while chunk := s.recv(1 << 16):
            answer += chunk
        s.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert len(body) == int(re.search(rb"Content-Length: (\d+)", head)[1])
    took = time.monotonic() - began
    grown = rss(pid, "VmHWM") - resident
    assert asked() == statements
    assert metrics(d).value("dbhealth_metrics_builds_total") - before <= took + 2
    if not d.slack > 1:  # a sanitizer keeps what was freed
        assert grown < 4096, f"{grown} kB more"


RULES = TOP / "conf/prometheus/dbhealthd.rules.yml"


def test_the_rules():
    promtool("check", "rules", RULES)
    promtool("test", "rules", RULES.with_name("dbhealthd.test.yml"))
    named = set(re.findall(r"\bdbhealth_\w+", RULES.read_text()))
    manual = (TOP / "docs/dbhealthd-metrics.5").read_text()
    assert named and all(re.search(rf"^\.It Cm {n}\b", manual, re.M) for n in named)


def test_what_the_rules_tell_people_to_run(cluster, daemon, cli):
    """An alert has the label of a database or of a server; its commands take either."""
    c = cluster()
    c.createdb("app")
    d = daemon(databases={"orders": {"dsn": c.dsn("app"), "server": "pg"}}, defaults=FAST)
    wait_until(lambda: metrics(d).value("dbhealth_up", database="orders", server="pg") == 1,
               10 * d.slack, "orders is up")
    c.stop("immediate")
    wait_until(lambda: metrics(d).value("dbhealth_up", database="orders") == 0, 20 * d.slack, "down")
    d.wait_finding("conn-up")
    for name in ("orders", "pg"):
        told = cli("--socket", d.socket, "explain", f"{name}/conn-up")
        assert told.status == 0 and "cannot connect" in told.out, told
        told = cli("--socket", d.socket, "status", name)
        assert told.status == 2 and "conn-up" in told.out, told
