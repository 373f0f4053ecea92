"""The whole catalogue at once on what is strange: nothing is unknown, nothing waits, nothing is told
of a healthy server."""
import contextlib
import pathlib
import tempfile
import time

from support import Cli
from support.daemon import config_text

EVIL = ["it's", 'say "hi"', "select", "Ünïcödé", "tab\there", "new\nline", "back\\slash", "dollar$$x", "%I %s {object}", ":name",
        "x" * 63, "-- ; DROP", "\u202ebidi", "emoji\U0001f4a5", " lead", "a.b", "a,b"]


def check_all(cluster, dbname, *, user="dbhealth", keys=None, sections=None):
    with tempfile.TemporaryDirectory(prefix="dbh-all-") as made:
        conf = pathlib.Path(made) / "all.conf"
        conf.write_text(config_text({}, {"it": {"dsn": cluster.dsn(dbname, user=user), "max_findings": "1000", **(keys or {})}}, sections=sections))
        conf.chmod(0o600)
        return Cli(pathlib.Path(made), "-o", "json", "check", "-c", conf, "--deep", "--sample", "1s", "it").json


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def literal(name):
    return "'" + name.replace("'", "''") + "'"


def test_fresh_database_is_quiet(cluster):
    c = cluster()
    said = check_all(c, c.createdb("fresh"))
    assert said["findings"] == [] and said["unknown"] == [] and said["status"] == "ok"
    needs = ("is not configured", "is configured for this database", "names no folder", "two samples", "needs history",
             "needs the history", "what is usual at this hour is not known yet", "only the daemon knows",
             "extension amcheck is not installed", "pg_stat_statements is in no database that is watched")
    assert [n for n in said["not_covered"] if not any(w in n["reason"] for w in needs)] == []


def test_evil_names_are_found_whole_and_their_remedies_run(module_cluster):
    db = "evil \"d'b\" ü\n1"
    module_cluster.createdb(db)
    sql = ["CREATE TABLE parent (id int PRIMARY KEY);"]
    for n in EVIL:
        q = quoted(n)
        sql.append(f"CREATE SCHEMA {q}; CREATE TABLE {q}.{q} ({q} int REFERENCES parent); CREATE TABLE {q}.s (id serial PRIMARY KEY);"
                   f"INSERT INTO {q}.s VALUES (1); CREATE SEQUENCE {q}.{quoted(n[:60] + '_q')} MAXVALUE 100; SELECT setval({literal(q + '.' + quoted(n[:60] + '_q'))}, 95);"
                   f"CREATE INDEX {quoted(n[:61] + '_1')} ON {q}.s (id) WHERE id > 0; CREATE INDEX {quoted(n[:61] + '_2')} ON {q}.s (id) WHERE id > 0;"
                   f"ALTER TABLE {q}.{q} ADD CONSTRAINT {q} CHECK ({q} > 0) NOT VALID;"
                   f"GRANT USAGE ON SCHEMA {q} TO dbhealth; GRANT SELECT ON ALL TABLES IN SCHEMA {q} TO dbhealth; GRANT SELECT ON ALL SEQUENCES IN SCHEMA {q} TO dbhealth;"
                   f"SET session_replication_role = replica; INSERT INTO {q}.{q} VALUES (7); RESET session_replication_role;")
    sql.append("GRANT SELECT ON parent TO dbhealth;")
    module_cluster.script("\n".join(sql), db)
    said = check_all(module_cluster, db)
    assert said["unknown"] == []
    by = {}
    for f in said["findings"]:
        by.setdefault(f["check"], {})[f["object"]] = f

    def name(*parts):
        return ".".join(module_cluster.one("SELECT quote_ident(%s)", p) for p in parts)
    for n in EVIL:
        assert name(n, n) in by["table-no-primary-key"], n
        assert name(n, n, n) in by["fk-missing-index"] and name(n, n, n) in by["fk-orphan-rows"], n
        assert name(n, n, n) in by["constraint-not-valid"], n
        assert name(n, n[:60] + "_q") in by["sequence-near-limit"] and name(n, "s_id_seq") in by["sequence-behind-max"], n
        assert name(n, "s", n[:61] + "_2") in by["index-duplicate"], n
    for check in ("fk-orphan-rows", "fk-missing-index", "constraint-not-valid", "sequence-near-limit", "sequence-behind-max", "index-duplicate", "table-no-primary-key"):
        for f in by[check].values():
            for r in f["remedies"]:
                if r["kind"] in ("sql", "look"):
                    assert not any(ord(c) < 32 and c != "\n" for c in r["text"]), r
                    for word in ("--", "/*"):
                        assert word not in r["text"] or "-- ; DROP" in r["text"], r
            closing = [r for r in f["remedies"] if r["closes"] and r["kind"] == "sql"]
            looks = [r for r in f["remedies"] if r["kind"] == "look"]
            for r in looks + closing[:1]:
                module_cluster.script(r["text"], db)
    left = {f["check"] for f in check_all(module_cluster, db)["findings"]}
    assert left == set()


def test_nothing_waits_for_locked_objects(module_cluster):
    db = module_cluster.createdb("locked")
    module_cluster.script("""
        CREATE TABLE p (id serial PRIMARY KEY, c text, d text DEFAULT lower('X')); CREATE TABLE c (p int REFERENCES p, CHECK (p > 0));
        CREATE INDEX ON p (lower(c)) WHERE c > 'a'; CREATE VIEW v AS SELECT * FROM p;
        CREATE TABLE tree (k int, p int REFERENCES p) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (k);
        CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1); CREATE INDEX ON tree (p);
        CREATE TABLE free (a int);
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO dbhealth""", db)
    with contextlib.closing(module_cluster.session(db, autocommit=False)) as s, s.cursor() as cur:
        cur.execute("LOCK TABLE p, c, tree, free IN ACCESS EXCLUSIVE MODE; ALTER SEQUENCE p_id_seq MAXVALUE 1000; ALTER TABLE tree11 SET (fillfactor = 90)")
        start = time.monotonic()
        said = check_all(module_cluster, db)
        took = time.monotonic() - start
    # Only what must read a row of a locked table cannot tell, and says so; each after lock_timeout.
    assert {u["check"] for u in said["unknown"]} <= {"fk-orphan-rows", "sequence-behind-max"}
    assert all("lock" in u["reason"] for u in said["unknown"])
    found = {(f["check"], f["object"]) for f in said["findings"]}
    assert ("table-no-primary-key", "public.free") in found and ("fk-missing-index", "public.c.p") in found
    assert took < 10


def test_partitions_three_deep_fold_into_their_root(module_cluster):
    db = module_cluster.createdb("deep_tree")
    module_cluster.script("""
        CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1);
        CREATE TABLE t (k int, p int REFERENCES p, n int CHECK (n > 0)) PARTITION BY LIST (k);
        CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1) PARTITION BY LIST (p); CREATE TABLE t11 PARTITION OF t1 FOR VALUES IN (1) PARTITION BY LIST (n);
        CREATE TABLE t111 PARTITION OF t11 FOR VALUES IN (1); CREATE INDEX a ON t (n); CREATE INDEX b ON t (n);
        SET session_replication_role = replica; INSERT INTO t VALUES (1, 1, 1);
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth""", db)
    said = check_all(module_cluster, db)
    assert sorted((f["check"], f["object"]) for f in said["findings"]) == [
        ("fk-missing-index", "public.t.p"), ("index-duplicate", "public.t.b"), ("table-no-primary-key", "public.t")]


def test_standby_answers_what_it_can(cluster):
    c = cluster(settings={"wal_level": "logical", "hot_standby_feedback": "on"})
    c.script("CREATE UNLOGGED TABLE u (id serial PRIMARY KEY); CREATE TABLE t (id serial PRIMARY KEY); CREATE TABLE bare (a int);")
    c.sql("SELECT pg_create_physical_replication_slot('mine', true)")
    standby = c.standby(slot="mine")
    said = check_all(standby, "postgres")
    assert said["unknown"] == []
    # What is in the catalogue is true on a standby, too; what only a primary counts is not covered.
    assert {(f["check"], f["object"]) for f in said["findings"]} == {("table-no-primary-key", "public.bare"), ("table-unlogged", "public.u")}
    roles = {n["check"] for n in said["not_covered"] if "primary" in n["reason"]}
    assert {"xmin-horizon", "vacuum-overdue", "index-unused", "sequence-behind-max"} <= roles
    assert check_all(c, "postgres")["unknown"] == []
    wrong = check_all(standby, "postgres", keys={"expect_role": "primary"})
    assert [(f["check"], f["severity"]) for f in wrong["findings"] if f["check"] == "server-role"] == [("server-role", "critical")]


def test_superuser_and_plain_role_see_no_error(cluster):
    c = cluster()
    c.sql("CREATE ROLE plain LOGIN")
    said = check_all(c, "postgres", user="postgres")
    assert said["unknown"] == [] and [f for f in said["findings"] if f["check"] != "monitor-role"] == []
    said = check_all(c, "postgres", user="plain")
    # A plain role is told what it lacks; nothing fails in another way.
    assert all("pg_monitor" in (u.get("grant") or "") + u["reason"] for u in said["unknown"])
