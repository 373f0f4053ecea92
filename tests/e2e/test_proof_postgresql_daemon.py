"""Checks that need time: rates, events, baselines and what a kept session alone can tell; by the
daemon, with short intervals."""
import contextlib
import os
import signal
import subprocess
import threading
import time

import psycopg2
import pytest

from proof import proves
from support import Cluster, Folder, Template, wait_until
from support.base import free_port

FAST = {"connectivity_interval": "1s", "performance_interval": "1s", "schema_interval": "1s", "integrity_interval": "1s"}


def rule(check, **settings):
    plain = ("info", "warning", "critical", "for", "clear_for", "hold", "interval")
    return {f"check {check}": {k if k in plain else f"param.{k}": v for k, v in settings.items()}}


def watch(daemon, cluster, dbname="postgres", keys=None, **rules):
    sections = {}
    for check, settings in rules.items():
        sections.update(rule(check.replace("_", "-"), **settings))
    return daemon(databases={"it": {"dsn": cluster.dsn(dbname), **(keys or {})}}, defaults=FAST, sections=sections)


def script(cluster, finding, dbname):
    for r in finding["remedies"]:
        if r["closes"] and r["kind"] == "sql":
            cluster.script(r["text"], dbname)


def deadlock(cluster, dbname):
    """Two sessions take two rows in two orders."""
    with contextlib.closing(cluster.session(dbname)) as a, contextlib.closing(cluster.session(dbname)) as b:
        with a.cursor() as ca, b.cursor() as cb:
            ca.execute("BEGIN; UPDATE t SET i = i WHERE i = 1")
            cb.execute("BEGIN; UPDATE t SET i = i WHERE i = 2")

            def other():
                with contextlib.suppress(psycopg2.Error):
                    ca.execute("UPDATE t SET i = i WHERE i = 2")
                with contextlib.suppress(psycopg2.Error):
                    ca.execute("ROLLBACK")
            thread = threading.Thread(target=other)
            thread.start()
            with contextlib.suppress(psycopg2.Error):
                cb.execute("UPDATE t SET i = i WHERE i = 1")
            with contextlib.suppress(psycopg2.Error):
                cb.execute("ROLLBACK")
            thread.join(10)


@proves("deadlocks")
def test_deadlocks_are_counted_over_five_minutes(cluster, daemon):
    c = cluster(settings={"deadlock_timeout": "20ms"})
    db, calm = c.createdb("app"), c.createdb("calm")
    c.sql("CREATE TABLE t (i int PRIMARY KEY); INSERT INTO t VALUES (1), (2)", dbname=db)
    d = daemon(databases={"app": c.dsn(db), "calm": c.dsn(calm)}, defaults=FAST)
    wait_until(lambda: d.check("app", "deadlocks")["status"] == "ok", 20, "a first sample is there")
    time.sleep(1.5)
    deadlock(c, db)
    one = d.wait_finding("deadlocks", database="app")
    assert one["severity"] == "info" and one["value"] == 1 and one["object"] == ""
    for _ in range(5):
        deadlock(c, db)
    many = d.wait_finding("deadlocks", database="app", severity="warning")
    assert 5 <= many["value"] <= 6
    assert d.findings(check="deadlocks", database="calm") == []


@proves("cache-hit")
def test_reads_that_miss_the_cache(cluster, daemon):
    c = cluster(settings={"shared_buffers": "1MB", "autovacuum": "off"})
    c.script("CREATE TABLE t (i int, pad text); INSERT INTO t SELECT g, repeat('x', 900) FROM generate_series(1, 9000) g;")
    d = watch(daemon, c, cache_hit={"interval": "1s", "for": "0s", "min_whole": "1000"})
    wait_until(lambda: d.check("it", "cache-hit")["status"] in ("ok", "pending"), 20, "a first sample is there")
    assert d.findings(check="cache-hit") == [], "a quiet server"
    stop = threading.Event()

    def read():
        with contextlib.closing(c.session()) as s, s.cursor() as cur:
            while not stop.is_set():
                cur.execute("SELECT sum(length(pad)) FROM t; SELECT pg_stat_force_next_flush()")
    thread = threading.Thread(target=read)
    thread.start()
    try:
        f = d.wait_finding("cache-hit")
    finally:
        stop.set()
        thread.join(10)
    assert f["severity"] == "info" and f["value"] < 0.9 and f["unit"] == "ratio"


@proves("checksum-failures")
def test_damaged_page_stays_told_until_acknowledged(cluster, daemon):
    c = cluster()
    db = c.createdb("shop")
    c.sql("CREATE TABLE t (i int); INSERT INTO t SELECT generate_series(1, 1000)", dbname=db)
    path = c.data / c.one("SELECT pg_relation_filepath('t')", dbname=db)
    d = watch(daemon, c, db)
    wait_until(lambda: d.check("it", "checksum-failures")["status"] == "ok", 20, "it has looked")
    c.stop()
    with open(path, "r+b") as f:
        f.seek(8192 + 5000)
        f.write(b"\xff" * 16)
    c.start()
    with pytest.raises(psycopg2.Error, match="invalid page"):
        c.sql("SELECT count(*) FROM t", dbname=db)
    f = d.wait_finding("checksum-failures")
    assert f["object"] == "shop" and f["severity"] == "critical" and f["value"] >= 1
    time.sleep(2.5)
    assert d.findings(check="checksum-failures"), "it does not go by itself"
    assert d.cli("ack", f["id"]).status == 0
    d.wait_gone("checksum-failures")
    time.sleep(2.5)
    assert d.findings(check="checksum-failures") == [], "the same count is no news"


@proves("server-restarted")
def test_restart_and_crash(cluster, daemon):
    c = cluster()
    d = watch(daemon, c, server_restarted={"crash_after": "0.2s", "hold": "5s"})
    wait_until(lambda: d.check("it", "server-restarted")["status"] == "ok", 20, "it has looked")
    c.reload()
    time.sleep(2)
    assert d.findings(check="server-restarted") == [], "neither first sight nor reload"
    c.restart()
    f = d.wait_finding("server-restarted")
    assert f["severity"] == "info" and f["object"] == "" and "restarted at" in f["message"]
    d.wait_gone("server-restarted")
    with contextlib.closing(c.session()) as s:
        os.kill(s.info.backend_pid, signal.SIGKILL)
        f = d.wait_finding("server-restarted", within=30)
    assert f["severity"] == "critical" and "crashed" in f["message"]


@proves("server-role")
def test_role_that_changes_is_told_once_it_was_known(cluster, daemon):
    c = cluster()
    standby = c.standby()
    d = watch(daemon, standby)
    wait_until(lambda: d.check("it", "server-role")["status"] == "ok", 20, "it has looked")
    time.sleep(24)   # a baseline is known from 20 samples on
    assert d.findings(check="server-role") == []
    standby.sql("SELECT pg_promote()")
    f = d.wait_finding("server-role")
    assert f["severity"] == "info" and "is a primary now, it was a standby" in f["message"]


@proves("index-unused")
def test_index_that_is_never_used(module_cluster, daemon):
    db = module_cluster.createdb("unused")
    module_cluster.script("""
        CREATE TABLE t (id int PRIMARY KEY, a int, b int, c text, p int REFERENCES t);
        INSERT INTO t SELECT g, g, g, g FROM generate_series(1, 3000) g;
        CREATE INDEX unused ON t (a);
        CREATE TABLE tree (k int, v int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        INSERT INTO tree SELECT 1, g FROM generate_series(1, 3000) g; CREATE INDEX tree_v ON tree (v);
        -- look-alikes
        CREATE INDEX used ON t (b); CREATE UNIQUE INDEX a_rule ON t (c); CREATE INDEX serves_fk ON t (p);
        CREATE INDEX statistics ON t (lower(c)); CREATE INDEX clustered ON t (id, a); ALTER TABLE t CLUSTER ON clustered;
        ANALYZE; SET enable_seqscan = off; SELECT count(*) FROM t WHERE b = 5; SELECT pg_stat_force_next_flush(); SELECT 1;""", db)
    patient = watch(lambda **m: daemon("patient", **m), module_cluster, db, index_unused={"interval": "1s", "min_bytes": "8kB"})
    d = watch(daemon, module_cluster, db, index_unused={"interval": "1s", "for": "2s", "min_bytes": "8kB"})
    for o in ("public.t.unused", "public.tree.tree_v"):
        f = d.wait_finding("index-unused", o)
        assert f["severity"] == "info" and f["value"] >= 8192
    assert {f["object"] for f in d.findings(check="index-unused")} == {"public.t.unused", "public.tree.tree_v"}
    patient.run("it", "schema")
    assert patient.findings(check="index-unused") == [], "thirty days have not passed, not even when asked now"
    for f in d.findings(check="index-unused"):
        script(module_cluster, f, db)
    d.wait_gone("index-unused")


@proves("constraint-not-valid")
def test_constraint_that_stays_unproven(module_cluster, daemon):
    db = module_cluster.createdb("unproven")
    module_cluster.script("CREATE TABLE c (n int); ALTER TABLE c ADD CONSTRAINT positive CHECK (n > 0) NOT VALID;", db)
    d = watch(daemon, module_cluster, db, constraint_not_valid={"grace": "4s"})
    assert d.wait_finding("constraint-not-valid", "public.c.positive")["severity"] == "info"
    f = d.wait_finding("constraint-not-valid", "public.c.positive", severity="warning")
    script(module_cluster, f, db)
    d.wait_gone("constraint-not-valid")


@proves("monitor-role")
def test_missing_rights_are_granted_as_printed(cluster, daemon):
    c = cluster(role=False)
    c.sql("CREATE ROLE dbhealth LOGIN")
    db = c.createdb("app")
    c.script("CREATE TABLE p (id serial PRIMARY KEY); CREATE TABLE c (p int REFERENCES p); CREATE SCHEMA hidden; CREATE SEQUENCE hidden.one;", db)
    every = {k: {"interval": "1s"} for k in ("monitor_role", "sequence_near_limit", "int_key_exhaustion", "fk_orphan_rows", "sequence_behind_max")}
    d = watch(daemon, c, db, **every)
    missing = ["fk-orphan-rows", "int-key-exhaustion", "pg_monitor", "sequence-behind-max", "sequence-near-limit"]
    f = d.wait_finding("monitor-role", "dbhealth", where=lambda f: all(m in f["message"] for m in missing))
    assert f["severity"] == "info" and f["message"].endswith("not covered: " + ", ".join(missing)) and f["value"] == len(missing)
    assert all(line.startswith("GRANT ") for line in f["remedies"][0]["text"].split("\n"))
    script(c, f, db)
    # Rights that checks need by their head are read again once a minute.
    for check in ("xact-long", "sequence-near-limit", "int-key-exhaustion", "fk-orphan-rows", "sequence-behind-max"):
        d.wait_check("it", check, "ok", within=80)
    d.wait_gone("monitor-role", within=15)


@proves("monitor-role")
def test_too_many_rights_are_told_unless_accepted(cluster, daemon):
    c = cluster(role=False)
    c.sql("CREATE ROLE dbhealth LOGIN SUPERUSER")
    d = watch(daemon, c, monitor_role={"interval": "1s"})
    f = d.wait_finding("monitor-role")
    assert "superuser" in f["message"] and f["severity"] == "info"
    script(c, f, "postgres")
    wait_until(lambda: not any("superuser" in f["message"] for f in d.findings(check="monitor-role")), 20, "it is told no more")
    c.sql("ALTER ROLE dbhealth SUPERUSER")
    quiet = watch(lambda **m: daemon("quiet", **m), c, keys={"accept_missing": "superuser"}, monitor_role={"interval": "1s"})
    quiet.wait_check("it", "monitor-role", "ok")
    assert quiet.findings(check="monitor-role") == []


@proves("conn-up")
def test_cannot_connect_and_can_again(cluster, daemon):
    c = cluster()
    d = watch(daemon, c)
    d.wait_check("it", "conn-up", "ok")
    c.stop()
    f = d.wait_finding("conn-up")
    assert f["severity"] == "critical" and f["object"] == "" and f["labels"]["cause"] == "refused"
    assert [x["check"] for x in d.findings()] == ["conn-up"], "one cause, one finding"
    c.start()
    d.wait_gone("conn-up")


@proves("conn-latency")
def test_slow_connections(cluster, daemon):
    c = cluster()
    d = watch(daemon, c, keys={"reconnect_interval": "1s"}, conn_latency={"warning": ">= 0s", "for": "0s"})
    f = d.wait_finding("conn-latency")
    assert f["severity"] == "warning" and 0 < f["value"] < 5 and f["unit"] == "seconds"
    assert {"connect_seconds", "auth_seconds", "query_seconds"} <= set(f["labels"])
    usual = watch(lambda **m: daemon("usual", **m), c, keys={"reconnect_interval": "1s"})
    usual.wait_check("it", "conn-latency", "ok")
    assert usual.findings(check="conn-latency") == []


@proves("setup-needed")
def test_server_that_was_found_but_has_no_role_for_us(template, folder, own, daemon):
    c = own(Cluster(template, folder, start=False))
    c.port = free_port()
    c.configure(port=str(c.port), unix_socket_directories=f"'{c.socket_dir}, /tmp'")
    c.start()   # in /tmp, where a daemon without configuration looks
    d = daemon(databases={}, defaults=FAST)
    f = d.wait_finding("setup-needed", where=lambda f: f["labels"]["port"] == str(c.port))
    assert f["severity"] == "info" and f["labels"]["host"] == "/tmp"
    role, text = f["labels"]["role"], f["remedy"]
    assert d.findings(check="conn-up", server=f["server"]) == [], "no alarm"
    assert f["remedies"][0]["kind"] == "command" and "CONNECTION LIMIT 4" in text
    # As printed, but for sudo: the tests may run without it.
    env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    subprocess.run(text.removeprefix("sudo -u postgres "), shell=True, check=True, cwd="/", env={**env, "PGDATABASE": "postgres", "PGUSER": "postgres"})
    assert c.one("SELECT rolconnlimit FROM pg_roles WHERE rolname = %s", role) == 4
    wait_until(lambda: not [x for x in d.findings(check="setup-needed") if x["labels"]["port"] == str(c.port)], 90, "it is watched")
