"""dbhealth against a running daemon: verdicts, texts that fit 80 columns, exit codes, errors."""
import json
import re

import pytest

from support import wait_until

HOSTILE = 'x\x1b]0;evil\x07\n"y\u202e'
FAULTS = ("CREATE TABLE orders(id INTEGER PRIMARY KEY);"
          "CREATE TABLE items(id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES orders(id));"
          "INSERT INTO items(order_id) VALUES (1), (2), (3);")


def fits(answer):
    wide = [li for li in answer.out.split("\n") if len(li) > 80]
    assert not wide, wide
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", answer.out)
    return answer


@pytest.fixture
def watched(cluster, daemon):
    server = cluster()
    server.sql('CREATE TABLE "' + HOSTILE.replace('"', '""') + '"(a int)')
    server.sql("CREATE TABLE nokey(a int); INSERT INTO nokey SELECT generate_series(1, 2000)")
    server.sql("ANALYZE nokey")
    d = daemon(databases={"orders": {"dsn": server.dsn(), "note": "owner: shop team"}})
    for probe in ("connectivity", "schema", "integrity", "performance"):
        d.run("orders", probe)
    d.wait_finding("table-no-primary-key", "public.nokey", severity="warning")
    wait_until(lambda: d.database("orders")["unknown"] == 0, 20, "every check has answered")
    d.server = server
    return d


def test_status(watched):
    answer = fits(watched.cli("status"))
    first = answer.out.split("\n")[0]
    assert answer.status == 1
    assert re.fullmatch(r"warning   \S+: \d+ warning; 0 of 1 databases ok", first), first
    assert re.search(r"^orders        PostgreSQL \d+ +primary  warning   \.", answer.out, re.M)
    assert re.search(r"^warning   orders   table-no-primary-key  public\.nokey .*, since \d\d:\d\d:\d\d$",
                     answer.out, re.M)
    finding = watched.findings(check="table-no-primary-key", severity="warning")[0]
    assert "Next: dbhealth explain " in answer.out
    assert fits(watched.cli("explain", finding["id"][:6])).status == 0
    assert watched.cli("status", "orders").status == 1
    verbose = fits(watched.cli("status", "-v", "orders"))
    assert "conn-latency" in verbose.out
    nobody = watched.cli("status", "nobody")
    assert nobody.status == 64 and nobody.err.startswith("dbhealth: nobody: ")
    assert watched.cli("status", "-q").out == ""


def test_every_command_speaks_json(watched):
    finding = watched.findings(check="table-no-primary-key")[0]
    for argv, key in ((["status"], "databases"), (["status", "orders"], "checks"), (["findings"], "findings"),
                      (["explain", "lock-blocked"], "checks"), (["explain", finding["id"]], "remedies"),
                      (["explain", "orders/lock-blocked"], "checks"), (["checks"], "checks"),
                      (["run", "orders", "schema"], "status"), (["ack", finding["id"][:8]], "id")):
        answer = watched.cli("-o", "json", *argv)
        assert key in json.loads(answer.out), argv
        behind = watched.cli(*argv, "-o", "json")
        assert key in json.loads(behind.out), argv


def test_findings(watched):
    answer = fits(watched.cli("findings"))
    assert answer.status == 1
    assert "ALTER TABLE public.nokey" in answer.out
    assert watched.cli("findings", "--severity", "critical").status == 0
    nothing = watched.cli("findings", "--check", "nothing-*")
    assert nothing.status == 64 and "nothing-*: no check has this id" in nothing.err
    assert watched.cli("findings", "--check", "pk-*").status == 0
    only = watched.cli("findings", "orders", "--check", "table-*", "-o", "json").json["findings"]
    assert only and {f["check"] for f in only} == {"table-no-primary-key"}
    assert fits(watched.cli("findings", "-a")).status == 1
    assert watched.cli("findings", "nobody").status == 64


def test_explain(watched):
    check = fits(watched.cli("explain", "table-no-primary-key"))
    assert check.out.startswith("table-no-primary-key: ")
    assert re.search(r"^OPEN     \d+ on ", check.out, re.M)
    assert "WHY      " in check.out and "FIX      " in check.out
    one = fits(watched.cli("explain", "orders/table-no-primary-key/public.nokey"))
    assert one.out.startswith("warning   orders   table-no-primary-key  public.nokey")
    assert "owner: shop team" in one.out
    well = fits(watched.cli("explain", "orders/lock-blocked"))
    assert well.out.startswith("orders/lock-blocked: ok\n")
    for what in ("nobody", "0000", "orders/nothing", "orders/table-no-primary-key/nothing", "nobody/lock-blocked"):
        answer = watched.cli("explain", what)
        assert answer.status == 64, what
        assert answer.err.startswith("dbhealth: ") and answer.err.rstrip().endswith(".")


def test_hostile_name_is_shown_safely(watched):
    found = [f for f in watched.findings(check="table-no-primary-key") if "evil" in f["object"]]
    assert found and "\x1b" in found[0]["object"]
    for argv in (["findings"], ["status", "-v"], ["explain", found[0]["id"]], ["explain", "table-no-primary-key"]):
        fits(watched.cli(*argv))
    raw = watched.cli("findings", "-o", "json").out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", raw)
    assert [f for f in json.loads(raw)["findings"] if f["object"] == found[0]["object"]]


def test_nagios(watched):
    answer = watched.cli("status", "-o", "nagios")
    assert answer.status == 1
    assert re.match(r"DBHEALTH WARNING - orders: table-no-primary-key .*\(public\.nokey\)", answer.out)
    assert len(answer.out.encode()) <= 4096
    assert watched.cli("run", "orders", "connectivity", "-o", "nagios").out.startswith("DBHEALTH ")


def test_run_and_ack(watched):
    answer = fits(watched.cli("run", "orders", "connectivity"))
    assert answer.status == 0 and answer.out.startswith("orders: connectivity probe done in ")
    assert watched.cli("run", "orders", "nothing").status == 64
    assert watched.cli("run", "nobody", "schema").status == 64
    assert watched.cli("run", "orders", "schema", "--wait", "61s").status == 64
    finding = watched.findings(check="table-no-primary-key")[0]
    assert watched.cli("ack", finding["id"][:6]).status == 0
    assert ", acknowledged" in fits(watched.cli("findings", "--check", "table-no-primary-key")).out
    assert watched.cli("ack", "xyz").status == 64
    assert watched.cli("ack", "0000").status == 64


def test_url(watched):
    assert watched.cli("--url", f"http+unix://{watched.socket}", "status").status == 1
    encoded = str(watched.socket).replace("/", "%2F")
    assert watched.cli("status", "--url", f"http+unix://{encoded}").status == 1


def test_a_missing_right_is_told_with_its_grant(daemon, cluster):
    server = cluster()
    server.sql("CREATE TABLE parent(id int PRIMARY KEY); "
               "CREATE TABLE child(id int PRIMARY KEY, p int REFERENCES parent)")
    d = daemon(databases={"orders": server.dsn()})
    d.wait_check("orders", "fk-orphan-rows", "not_covered")
    grant = "GRANT SELECT ON public.child TO dbhealth;"
    assert grant in fits(d.cli("status", "-v", "orders")).out
    assert grant in fits(d.cli("explain", "orders/fk-orphan-rows")).out


def test_database_down_is_critical_and_told_once(watched):
    watched.server.stop("immediate")
    watched.run("orders", "connectivity")
    watched.wait_finding("conn-up", database="orders")
    answer = fits(watched.cli("status"))
    assert answer.status == 2
    assert re.match(r"CRITICAL  \S+: 1 critical", answer.out)
    assert "conn..." not in answer.out and re.search(r"^orders .* failed$", answer.out, re.M)
    plugin = watched.cli("status", "-o", "nagios")
    assert plugin.status == 2 and plugin.out.startswith("DBHEALTH CRITICAL - orders: conn-up")


def test_healthy_host_is_three_lines(daemon, cluster):
    server = cluster()
    d = daemon(databases={"a": server.dsn()})
    wait_until(lambda: d.status()["status"] == "ok", 30, "all is well")
    answer = fits(d.cli("status"))
    assert answer.status == 0
    assert len(answer.out.split("\n")) == 4 and answer.out.endswith("\n")
    assert re.match(r"ok        \S+: 1 of 1 databases ok\n", answer.out)


def test_fleet_is_one_line(daemon, cluster):
    server = cluster()
    server.createdb(*[f"m{i:02}" for i in range(12)])
    d = daemon(databases={"fleet": {"dsn": server.dsn(), "databases": "*"}})
    wait_until(lambda: len(d.status()["databases"]) >= 13, 20, "members are known")
    server.sql("CREATE TABLE nokey(a int); INSERT INTO nokey SELECT generate_series(1, 2000)", dbname="m03")
    server.sql("ANALYZE nokey", dbname="m03")
    d.run("fleet/m03", "schema")
    d.wait_finding("table-no-primary-key", database="fleet/m03")
    wait_until(lambda: not any(b["unknown"] for b in d.status()["databases"]), 60, "every check has answered")
    answer = fits(d.cli("status"))
    rows = [li for li in answer.out.split("\n") if li.startswith("fleet (")]
    assert len(rows) == 1 and rows[0].startswith("fleet (13)    PostgreSQL ")
    assert "fleet/m03" in answer.out and "fleet/m04" not in answer.out
    assert "fleet/m04" in fits(d.cli("status", "fleet")).out
