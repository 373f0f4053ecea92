"""Every answer of the API has the shape that docs/schema promises; every refusal too."""
import json
import pathlib
import time
from urllib.parse import urlencode

import jsonschema
import pytest

from support import wait_until

TOP = pathlib.Path(__file__).resolve().parents[2]
FAULTS = ("CREATE TABLE orders(id INTEGER PRIMARY KEY, name TEXT);"
          "CREATE TABLE items(id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES orders(id));"
          "INSERT INTO items(order_id) VALUES (1), (2), (3);")


def validate(name, instance):
    schema = json.loads((TOP / "docs/schema" / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(instance)


@pytest.fixture
def watched(cluster, sqlite, daemon):
    server = cluster()
    server.sql("CREATE TABLE nokey(a int)")
    file = sqlite("app.db", FAULTS)
    return daemon(databases={
        "orders": {"dsn": server.dsn(), "labels": "env=prod, team=payments"},
        "app": {"dsn": f"sqlite:{file.path}", "require_tables": "users"}})


def test_answers_fit_their_schema(watched):
    d = watched
    for probe in ("connectivity", "schema", "integrity", "performance"):
        d.run("orders", probe)
    finding = d.wait_finding("table-no-primary-key", "public.nokey")
    validate("status", d.status())
    for name in ("orders", "app"):
        validate("database", d.database(name))
    validate("events", d.get("/v1/events"))
    validate("cost", d.get("/v1/cost", limit=1000))
    for state in ("open", "pending", "resolved", "any"):
        validate("findings", d.get("/v1/findings", state=state))
    checks = d.get("/v1/checks")
    validate("checks", checks)
    assert len(checks["checks"]) > 30
    assert {(c["engine"], c["id"]) for c in checks["checks"]} >= {("postgresql", "conn-up")}
    one = d.get("/v1/checks/table-no-primary-key")
    validate("checks", one)
    assert all(c["id"] == "table-no-primary-key" for c in one["checks"])
    assert finding["remedy"] == finding["remedies"][0]["text"]
    status = d.status()
    assert status["daemon"]["pid"] == d.process.pid
    assert [b["name"] for b in status["databases"]] == ["orders", "app"]
    assert status["databases"][0]["labels"] == {"env": "prod", "team": "payments"}
    assert sum(status["summary"].values()) == 2
    validate("history", d.get("/v1/history", database="orders", check="conn-latency", since="1h"))


def test_findings_are_filtered_and_paged(watched):
    d = watched
    watched.run("orders", "schema")
    everything = d.get("/v1/findings", state="any")["findings"]
    for key in ("server", "database", "probe", "check", "severity"):
        for value in {f[key] for f in everything if f[key]}:
            got = d.get("/v1/findings", state="any", **{key: value})["findings"]
            if key != "database":
                assert {f[key] for f in got} == {value}
            assert {f["id"] for f in everything if f[key] == value} <= {f["id"] for f in got}
    ids, cursor = [], None
    for _ in range(100):
        page = d.get("/v1/findings", state="any", limit=1, cursor=cursor)
        assert len(page["findings"]) <= 1
        ids += [f["id"] for f in page["findings"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert len(ids) == len(set(ids)) >= len(everything)
    # A name that nothing has is a slip, not a clean bill; an id of a check may be another version's.
    for query in ({"database": "nobody"}, {"server": "nobody"}, {"database": "orders/x", "state": "any"}):
        answer = d.request("GET", "/v1/findings?" + urlencode(query))
        assert answer.status == 404 and next(iter(query.values())) in answer.json["error"]["message"]
    assert d.get("/v1/findings", check="of-another-version")["findings"] == []


REFUSED = [
    ("GET", "/v1/status?x=1", 400), ("GET", "/v1/findings?severity=bad", 400),
    ("GET", "/v1/findings?state=bad", 400), ("GET", "/v1/findings?probe=bad", 400),
    ("GET", "/v1/findings?cursor=zzz", 400), ("GET", "/v1/findings?limit=0", 400), ("GET", "/v1/findings?limit=x", 400),
    ("GET", "/v1/findings?limit=99999999999999999999", 400), ("GET", "/v1/findings?state=", 400),
    ("GET", "/v1/findings?severity=info&severity=info", 400), ("GET", "/v1/%zz", 400),
    ("GET", "/v1/databases/%00", 400), ("GET", "/v1/databases/nobody", 404),
    ("GET", "/v1/databases/..%2F..%2Fetc%2Fpasswd", 404), ("GET", "/v1/databases/", 404),
    ("GET", "/v1/databases/nobody/health", 404), ("GET", "/v1/databases/orders/health?probes=bad", 400),
    ("GET", "/v1/databases/orders/health?probes=", 400), ("GET", "/v1/databases/orders/health?role=bad", 400),
    ("GET", "/v1/checks/nobody", 404), ("GET", "/", 404), ("GET", "/v2/status", 404),
    ("GET", "/v1/history", 400), ("GET", "/v1/history?database=orders", 400),
    ("GET", "/v1/history?database=orders&check=nobody", 404),
    ("GET", "/v1/history?database=nobody&check=conn-latency", 404),
    ("GET", "/v1/history?database=orders&check=conn-latency&object=nobody", 404),
    ("GET", "/v1/history?database=orders&check=conn-latency&since=bad", 400),
    ("GET", "/v1/history?database=orders&check=conn-latency&since=1h&until=2h", 400),
    ("GET", "/v1/history?database=orders&check=conn-latency&since=300d&step=1s", 400),
    ("GET", "/v1/history?database=orders&check=conn-latency&step=1500ms", 400),
    ("POST", "/v1/history", 405), ("GET", "/v1/events?after=x", 400),
    ("POST", "/v1/events", 405),
    ("GET", "/v1/silences?x=1", 400), ("POST", "/v1/silences", 400), ("DELETE", "/v1/silences/1", 404),
    ("POST", "/v1/accepts", 400), ("DELETE", "/v1/accepts/1", 404),
    ("GET", "/metrics/x", 404), ("POST", "/metrics", 405), ("PUT", "/v1/status", 405), ("POST", "/v1/status", 405),
    ("DELETE", "/v1/findings", 405), ("OPTIONS", "/v1/status", 405), ("PATCH", "/healthz", 405),
    ("GET", "/v1/databases/orders/probes/schema/run", 405), ("GET", "/v1/findings/00/ack", 405),
    ("POST", "/v1/databases/nobody/probes/schema/run", 404),
    ("POST", "/v1/databases/orders/probes/bad/run", 404),
    ("POST", "/v1/databases/orders/probes/schema/run?wait=61s", 400),
    ("POST", "/v1/databases/orders/probes/schema/run?wait=5", 400),
    ("POST", "/v1/databases/orders/probes/schema/run?wait=-1s", 400),
    ("POST", "/v1/databases/orders/probes/schema/run?x=1", 400),
    ("POST", "/v1/findings/0123456789abcdef/ack", 404)]


def test_refusals(watched):
    d = watched
    for method, path, status in REFUSED:
        answer = d.request(method, path)
        assert answer.status == status, f"{method} {path}: {answer}"
        validate("error", answer.json)
        assert answer.json["error"]["code"] == status
        assert answer.headers["Content-Type"] == "application/json"
        if status == 405:
            assert answer.headers["Allow"] == ("POST" if path.endswith(("/run", "/ack")) else "GET, HEAD")


def test_head_is_get_without_its_body(watched):
    for path in ("/v1/findings", "/v1/checks", "/v1/databases/orders", "/healthz", "/v1/databases/nobody", "/v1/findings?severity=bad"):
        get, head = watched.request("GET", path), watched.request("HEAD", path)
        assert head.status == get.status and head.body == b"" and get.body != b"", path
        assert head.headers["Content-Type"] == get.headers["Content-Type"]
    # The same answer's length, kept for a moment, so that a client may ask how much is to come.
    assert head.headers["Content-Length"] == str(len(get.body))
    answer = watched.request("HEAD", "/v1/databases/orders/probes/schema/run")
    assert answer.status == 405 and answer.headers["Allow"] == "POST"


def test_run_waits_or_not(watched):
    d = watched
    answer = d.request("POST", "/v1/databases/orders/probes/schema/run")
    assert answer.status == 202
    validate("run", answer.json)
    answer = d.request("POST", "/v1/databases/orders/probes/schema/run?wait=20s")
    assert answer.status == 200
    validate("run", answer.json)
    assert answer.json["database"] == "orders" and answer.json["status"] == "ok"


def test_run_that_takes_longer_is_told_by_its_id(cluster, proxy, daemon):
    server = cluster()
    p = proxy(f"{server.socket_dir}/.s.PGSQL.{server.port}")
    d = daemon(databases={"slow": f"postgresql://dbhealth@127.0.0.1:{p.port}/postgres?sslmode=disable"})
    p.freeze()
    began = time.monotonic()
    answer = d.request("POST", "/v1/databases/slow/probes/performance/run?wait=1s")
    took = time.monotonic() - began
    assert answer.status == 202 and 0.9 < took < 3
    validate("run", answer.json)
    p.resume()


def test_health(cluster, daemon):
    server = cluster()
    d = daemon(databases={"a": server.dsn()})
    d.run("a", "performance")
    for query, status in (("", 200), ("?role=primary", 200), ("?role=standby", 503), ("?role=any", 200),
                          ("?probes=connectivity,performance", 200)):
        answer = d.request("GET", f"/v1/databases/a/health{query}")
        assert answer.status == status, query
        assert answer.json["role"] == "primary"
    server.stop("immediate")
    d.run("a", "connectivity")
    d.wait_finding("conn-up", database="a")
    answer = d.request("GET", "/v1/databases/a/health")
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_health_is_kept_over_a_clean_restart(cluster, daemon):
    """A load balancer must not drop a node because its monitor was restarted."""
    server = cluster()
    d = daemon(databases={"all": {"dsn": server.dsn(), "databases": "*"}}, defaults={"timeout": "20s"})
    path = "/v1/databases/all%2Fpostgres/health"
    wait_until(lambda: d.request("GET", path).status == 200, 15, "a verdict")
    d.stop()
    server.freeze()
    try:
        d.start(wait="alive")
        answer = d.request("GET", path)   # nothing can be known of it yet but what was kept
        assert (answer.status, answer.json["role"]) == (200, "primary")
        assert d.request("GET", path + "?role=standby").status == 503
        assert d.request("GET", "/v1/databases/nobody/health").status == 404
        d.kill9()
        d.start(wait="alive")
        answer = d.request("GET", path)   # nothing was kept at the crash, no member is listed yet
        assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0
    finally:
        server.resume()


def test_names_are_segments(cluster, daemon):
    server = cluster()
    server.createdb("odd name", "sales")
    d = daemon(databases={"all": {"dsn": server.dsn(), "databases": "*"}})
    wait_until(lambda: len(d.status()["databases"]) >= 3, 15, "members are known")
    names = {b["name"] for b in d.status()["databases"]}
    assert names >= {"all/postgres", "all/sales", "all/odd name"}
    for name in names:
        assert d.database(name)["name"] == name
        assert d.request("GET", f"/v1/databases/{name.replace(' ', '%20')}").status == 404


def test_ready_and_alive(daemon, sqlite):
    d = daemon(databases={"a": f"sqlite:{sqlite('a.db', 'CREATE TABLE t(a)').path}"})
    assert d.get("/healthz") == {"status": "ok"}
    ready = d.get("/readyz")
    assert ready["ready"] is True and ready["first_round_done"] <= ready["first_round_total"]
