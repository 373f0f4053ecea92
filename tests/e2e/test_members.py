"""databases = *: what its sections and members are, and what stays of those that leave."""
from support import wait_until

FAST = {"connectivity_interval": "1s", "schema_interval": "1s"}
NO_KEY = "CREATE TABLE no_key(a int)"


def names(d):
    return {x["name"] for x in d.status()["databases"]}


def test_a_database_with_its_own_section_is_watched_once(cluster, daemon):
    c = cluster()
    c.createdb("app", "bill")
    c.sql(NO_KEY, dbname="app")
    # another way to write the same server, so that only the sessions show that it is one
    own = c.dsn("app") + "&connect_timeout=7"
    d = daemon(databases={"all": {"dsn": c.dsn(), "databases": "*"}, "shop": own}, defaults=FAST)
    wait_until(lambda: len(d.status()["servers"]) == 1, 10, "the two sections are one server")
    wait_until(lambda: names(d) == {"shop", "all/bill", "all/postgres"}, 10, "app is watched once")
    d.wait_finding("table-no-primary-key", "public.no_key", database="shop")
    assert {f["database"] for f in d.findings(check="table-no-primary-key", state="any")} == {"shop"}
    assert d.get("/readyz")["first_round_total"] == 3


def test_findings_of_what_left_while_nobody_looked_go(cluster, daemon, sqlite):
    c = cluster()
    c.createdb("app", "bill")
    c.sql(NO_KEY, dbname="app")
    c.sql(NO_KEY, dbname="bill")
    file = sqlite("old.db", "CREATE TABLE a(x)")
    databases = {"all": {"dsn": c.dsn(), "databases": "*"}, "old": file.dsn}
    d = daemon(databases=databases, defaults=FAST)
    d.wait_finding("table-no-primary-key", "public.no_key", database="all/app")
    d.wait_finding("table-no-primary-key", "public.no_key", database="all/bill")
    d.wait_finding("table-no-primary-key", "a", database="old")
    d.stop()
    del databases["old"]
    d.configure(databases=databases, defaults=FAST)
    c.sql("DROP DATABASE app")
    d.start()
    wait_until(lambda: {f["database"] for f in d.findings(check="table-no-primary-key", state="any")
                        if f["state"] != "resolved"} == {"all/bill"}, 10, "only bill's is left")
    assert not d.transitions("01", start=2), "what was known is not announced again"


def test_the_name_of_a_server_outlives_its_restart(cluster, daemon):
    c = cluster()
    c.createdb("app")
    own = c.dsn("app") + "&connect_timeout=7"
    d = daemon(databases={"shop": own, "all": {"dsn": c.dsn(), "databases": "*"}}, defaults=FAST)
    for _ in range(2):
        wait_until(lambda: [s["name"] for s in d.status()["servers"]] == ["shop"]
                   and d.status()["servers"][0]["databases"] == 2, 30 * d.slack, lambda: f"one server, named shop: {d.status()['servers']}")
        c.stop()
        d.wait_finding("conn-up", within=15, where=lambda f: f["server"] == "shop")
        c.start()
        d.wait_gone("conn-up", within=15)
        assert [s["name"] for s in d.status()["servers"]] == ["shop"]
        d.restart()
