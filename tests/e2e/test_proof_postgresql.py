"""Proofs that a table cannot tell: two databases, rights."""
import pytest

from proof import look, mend, proves


@proves("collation-version-mismatch")
def test_collation_of_the_database_and_of_a_column(module_cluster):
    if module_cluster.version < 15:
        pytest.skip("before 15 the default collation has no recorded version")
    db = "proof_collation"
    module_cluster.sql(f"CREATE DATABASE {db} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en' ENCODING 'UTF8' LOCALE 'C'")
    module_cluster.script("""
        CREATE TABLE t (k text PRIMARY KEY, g text COLLATE "de-x-icu", plain text COLLATE "C", n int); CREATE INDEX g_idx ON t (g);
        CREATE INDEX plain_idx ON t (plain); CREATE INDEX n_idx ON t (n);
        CREATE COLLATION unused_mine (provider = icu, locale = 'fr');
        -- look-alikes: af is used by nobody
        UPDATE pg_collation SET collversion = '1.0' WHERE collname IN ('de-x-icu', 'af-x-icu', 'unused_mine');
        UPDATE pg_database SET datcollversion = '1.1' WHERE datname = current_database();""", db)
    found = {f["object"]: f for f in look(module_cluster, db, "collation-version-mismatch")}
    assert {o: (f["severity"], f["value"]) for o, f in found.items()} == {
        "": ("critical", 1), 'pg_catalog."de-x-icu"': ("critical", 1), "public.unused_mine": ("info", 0)}
    assert "t_pkey" in found[""]["detail"]
    for f in found.values():
        text = [r["text"] for r in f["remedies"] if r["closes"]][0]
        assert f["value"] == 0 or text.index("REINDEX") < text.index("REFRESH")
        mend(module_cluster, db, f)
    assert look(module_cluster, db, "collation-version-mismatch") == []


@proves("sequence-near-limit", "fk-orphan-rows", "sequence-behind-max")
def test_rights_that_are_missing_are_named(module_cluster):
    db = module_cluster.createdb("proof_rights")
    module_cluster.script("""
        CREATE TABLE p (id serial PRIMARY KEY); CREATE TABLE c (p int REFERENCES p); CREATE SCHEMA hidden; CREATE SEQUENCE hidden.one;""", db)
    objects = {"sequence-near-limit": "hidden and 1 more", "fk-orphan-rows": "public.c.p", "sequence-behind-max": "public.p_id_seq"}
    for check, what in objects.items():
        found = look(module_cluster, db, check)
        assert found == [] and f"a right is missing for {what}" in found.missing[0]["reason"], check
    module_cluster.script("GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO dbhealth;"
                          "GRANT SELECT ON SEQUENCE hidden.one TO dbhealth;", db)
    for check in objects:
        found = look(module_cluster, db, check)
        assert found == [] and found.missing == [], check
