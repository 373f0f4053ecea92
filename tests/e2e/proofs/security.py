"""Checks of rights, row security and functions that run as their owner."""
import subprocess

from proof import Proof, look, mend, proves, test_fault_is_found_and_its_remedies_close_it  # noqa: F401

PROOFS = {
    "policy without row security": Proof("rls-policy-but-disabled", """
        CREATE TABLE t (a int, who text); CREATE POLICY mine ON t USING (who = current_user);
        CREATE TABLE two (a int); CREATE POLICY a ON two FOR SELECT USING (a > 0); CREATE POLICY b ON two FOR DELETE USING (a > 1);
        CREATE SCHEMA "s p"; CREATE TABLE "s p"."order" (a int); CREATE POLICY "po""l" ON "s p"."order" USING (a = 1);
        CREATE TABLE "line
feed" (a int); CREATE POLICY p ON "line
feed" USING (a = 1);
        CREATE TABLE tree (k int, j int) PARTITION BY LIST (k); CREATE POLICY p ON tree USING (k = 1);
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (j); CREATE POLICY p ON tree1 USING (k = 1);
        CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1); CREATE POLICY p ON tree11 USING (k = 1);
        CREATE TABLE lone (k int) PARTITION BY LIST (k); CREATE TABLE lone1 PARTITION OF lone FOR VALUES IN (1); CREATE POLICY p ON lone1 USING (k = 1);
        -- look-alikes
        CREATE TABLE "on" (a int); CREATE POLICY mine ON "on" USING (a = 1); ALTER TABLE "on" ENABLE ROW LEVEL SECURITY;
        CREATE TABLE none (a int);
        CREATE TABLE forced (a int); CREATE POLICY p ON forced USING (a = 1); ALTER TABLE forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
        CREATE SCHEMA vendor_x; CREATE TABLE vendor_x.t (a int); CREATE POLICY p ON vendor_x.t USING (a = 1);
        CREATE TEMP TABLE tt (a int); CREATE POLICY p ON tt USING (a = 1);
        """, {
        "public.t": ("critical", 1), "public.two": ("critical", 2), '"s p"."order"': ("critical", 1), 'public."line\nfeed"': ("critical", 1),
        "public.tree": ("critical", 3), "public.lone": ("critical", 1)},
        keys={"schemas_exclude": ["vendor_*"]}),
    "row security without policy": Proof("rls-enabled-no-policy", """
        CREATE TABLE t (a int); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
        CREATE TABLE "sele""ct" (a int); ALTER TABLE "sele""ct" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
        CREATE TABLE tree (k int) PARTITION BY LIST (k); ALTER TABLE tree ENABLE ROW LEVEL SECURITY;
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1); ALTER TABLE tree1 ENABLE ROW LEVEL SECURITY;
        -- look-alikes
        CREATE TABLE ruled (a int); ALTER TABLE ruled ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON ruled USING (a = 1);
        CREATE TABLE narrowed (a int); ALTER TABLE narrowed ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON narrowed AS RESTRICTIVE USING (a = 1);
        CREATE TABLE off (a int);
        CREATE TABLE closed (k int) PARTITION BY LIST (k); ALTER TABLE closed ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON closed USING (k = 1);
        CREATE TABLE closed1 PARTITION OF closed FOR VALUES IN (1); ALTER TABLE closed1 ENABLE ROW LEVEL SECURITY;
        CREATE TEMP TABLE tt (a int); ALTER TABLE tt ENABLE ROW LEVEL SECURITY;
        """, {"public.t": ("info", 0), 'public."sele""ct"': ("info", 0), "public.tree": ("info", 0)}, closes=set()),
    "policy that is always true": Proof("rls-policy-always-true", """
        CREATE ROLE true_app LOGIN; CREATE ROLE true_owner LOGIN; CREATE ROLE true_passes BYPASSRLS; CREATE ROLE true_service_role;
        CREATE TABLE t (a int, who text); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
        CREATE POLICY every ON t USING (true);
        CREATE POLICY upd ON t FOR UPDATE TO true_app USING (true) WITH CHECK (who = current_user);
        CREATE POLICY upd_value ON t FOR UPDATE USING (who = current_user) WITH CHECK (true);
        CREATE POLICY del ON t FOR DELETE USING (1 = 1);
        CREATE POLICY ins ON t FOR INSERT WITH CHECK (true);
        CREATE POLICY "all value" ON t FOR ALL USING (who = current_user) WITH CHECK (true);
        CREATE POLICY mixed ON t TO true_service_role, true_app USING (true);
        CREATE POLICY spelt ON t FOR DELETE USING ('x' = 'x');
        -- look-alikes
        CREATE POLICY sel ON t FOR SELECT USING (true);
        CREATE POLICY narrow ON t AS RESTRICTIVE USING (true);
        CREATE POLICY mine ON t USING (who = current_user);
        CREATE POLICY never ON t FOR DELETE USING (false);
        CREATE POLICY unequal ON t FOR DELETE USING (1 = 2);
        CREATE POLICY served ON t TO true_service_role USING (true);
        CREATE POLICY above ON t TO true_passes, postgres, pg_monitor USING (true);
        CREATE POLICY half ON t FOR DELETE USING (true AND a = 1);
        CREATE POLICY one_col ON t FOR DELETE USING (a = a);
        CREATE TABLE own (a int); ALTER TABLE own OWNER TO true_owner; ALTER TABLE own ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON own TO true_owner USING (true);
        CREATE TABLE off (a int); CREATE POLICY p ON off USING (true);
        CREATE TABLE tenants (a int); ALTER TABLE tenants ENABLE ROW LEVEL SECURITY; CREATE POLICY opens ON tenants USING (true);
        CREATE POLICY narrows ON tenants AS RESTRICTIVE USING (a = current_setting('app.tenant')::int);
        CREATE TABLE other_role (a int); ALTER TABLE other_role ENABLE ROW LEVEL SECURITY; CREATE POLICY opens ON other_role USING (true);
        CREATE POLICY narrows ON other_role AS RESTRICTIVE TO true_service_role USING (a = 1);
        """, {"public.other_role.opens": ("warning", 1), **{f"public.t.{p}": ("warning", n) for p, n in {
            "every": 1, "upd": 1, "upd_value": 1, "del": 1, "ins": 1, '"all value"': 1, "mixed": 2, "spelt": 1}.items()}}, closes=set()),
    "several permissive policies": Proof("rls-multiple-permissive", """
        CREATE ROLE multi_app; CREATE ROLE multi_other; CREATE ROLE multi_passes BYPASSRLS;
        CREATE TABLE t (a int); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
        CREATE POLICY a ON t FOR SELECT USING (a = 1); CREATE POLICY b ON t USING (a = 2); CREATE POLICY c ON t TO multi_app USING (a = 3);
        CREATE TABLE public_and_role (a int); ALTER TABLE public_and_role ENABLE ROW LEVEL SECURITY;
        CREATE POLICY a ON public_and_role FOR DELETE USING (a = 1); CREATE POLICY b ON public_and_role FOR DELETE TO multi_app USING (a = 2);
        -- look-alikes
        CREATE TABLE one_each (a int); ALTER TABLE one_each ENABLE ROW LEVEL SECURITY;
        CREATE POLICY r ON one_each FOR SELECT USING (a = 1); CREATE POLICY w ON one_each FOR INSERT WITH CHECK (a = 1); CREATE POLICY d ON one_each FOR DELETE USING (a = 1);
        CREATE TABLE apart (a int); ALTER TABLE apart ENABLE ROW LEVEL SECURITY;
        CREATE POLICY a ON apart TO multi_app USING (a = 1); CREATE POLICY b ON apart TO multi_other USING (a = 2);
        CREATE TABLE narrowed (a int); ALTER TABLE narrowed ENABLE ROW LEVEL SECURITY;
        CREATE POLICY a ON narrowed USING (a = 1); CREATE POLICY b ON narrowed AS RESTRICTIVE USING (a = 2);
        CREATE TABLE above (a int); ALTER TABLE above ENABLE ROW LEVEL SECURITY;
        CREATE POLICY a ON above TO multi_passes USING (a = 1); CREATE POLICY b ON above TO multi_passes USING (a = 2);
        CREATE TABLE off (a int); CREATE POLICY a ON off USING (a = 1); CREATE POLICY b ON off USING (a = 2);
        """, {"public.t": ("info", 3), "public.public_and_role": ("info", 2)}, closes=set()),
    "owner past row security": Proof("rls-not-forced", """
        CREATE ROLE nf_app LOGIN; CREATE ROLE nf_group; CREATE ROLE nf_member LOGIN IN ROLE nf_group; CREATE ROLE nf_other LOGIN;
        CREATE ROLE nf_nobody; CREATE ROLE nf_passes LOGIN BYPASSRLS; CREATE ROLE nf_apart LOGIN NOINHERIT IN ROLE nf_nobody; CREATE ROLE nf_reads;
        SELECT format('CREATE TABLE %1$s (a int); ALTER TABLE %1$s OWNER TO %2$s; ALTER TABLE %1$s ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON %1$s USING (a = 1)', t, o)
        FROM (VALUES ('"by app"', 'nf_app'), ('by_member', 'nf_group'), ('reporting', 'nf_app'),
            ('migrated', 'nf_app'), ('to_all', 'nf_app'), ('of_nobody', 'nf_nobody'), ('of_super', 'postgres'), ('of_passes', 'nf_passes'),
            ('forced', 'nf_app'), ('off', 'nf_app'), ('bare', 'nf_app')) v (t, o) \\gexec
        GRANT SELECT ON reporting TO nf_reads;
        -- look-alikes
        GRANT INSERT ON migrated TO nf_other; GRANT UPDATE ON to_all TO PUBLIC;
        ALTER TABLE forced FORCE ROW LEVEL SECURITY; ALTER TABLE off DISABLE ROW LEVEL SECURITY; DROP POLICY p ON bare;
        """, {'public."by app"': ("info", 1), "public.by_member": ("info", 1), "public.reporting": ("info", 1)}),
    "definer function without path": Proof("function-definer-search-path", """
        CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
        CREATE FUNCTION f(a int, VARIADIC b text[]) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
        CREATE SCHEMA app; CREATE PROCEDURE app.p(INOUT a int) LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN END';
        CREATE FUNCTION app.other_setting() RETURNS int LANGUAGE sql SECURITY DEFINER SET work_mem = '1MB' AS 'SELECT 1';
        CREATE DOMAIN "odd "" type" AS int; CREATE FUNCTION "we""ird fn"("odd "" type", "select" int) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
        CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NEW; END';
        CREATE FUNCTION "line
feed"() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
        -- look-alikes
        CREATE FUNCTION invoker() RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE FUNCTION pinned() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT 1';
        CREATE FUNCTION empty() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1';
        CREATE FUNCTION later() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; ALTER FUNCTION later() SET search_path FROM CURRENT;
        CREATE AGGREGATE agg(int) (SFUNC = int4pl, STYPE = int);
        """, {o: ("warning", 1) for o in (
            "public.f()", "public.f(a integer, VARIADIC b text[])", "app.p(INOUT a integer)", "app.other_setting()", "public.trig()",
            'public."we""ird fn"(public."odd "" type", "select" integer)', 'public."line\nfeed"()')}),
    "definer function with a standard body": Proof("function-definer-search-path", """
        CREATE FUNCTION bound() RETURNS int LANGUAGE sql SECURITY DEFINER RETURN 1;
        CREATE FUNCTION text_body() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
        """, {"public.text_body()": ("warning", 1)}, server=14),
    "definer function for everybody": Proof("function-definer-public-execute", """
        CREATE ROLE exec_app;
        CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
        CREATE PROCEDURE "p r"() LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN END';
        CREATE FUNCTION granted() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; GRANT EXECUTE ON FUNCTION granted() TO exec_app;
        -- look-alikes
        CREATE FUNCTION closed() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; REVOKE ALL ON FUNCTION closed() FROM PUBLIC; GRANT EXECUTE ON FUNCTION closed() TO exec_app;
        CREATE FUNCTION invoker() RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NEW; END';
        CREATE FUNCTION event_trig() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN END';
        """, {"public.f(a integer)": ("info", 1), 'public."p r"()': ("info", 1), "public.granted()": ("info", 1)}),
    "view past row security": Proof("view-definer-bypass", """
        CREATE ROLE view_app; CREATE ROLE view_passes BYPASSRLS; CREATE ROLE view_bound; CREATE ROLE view_owner;
        CREATE TABLE t (a int); ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (a = 1);
        CREATE TABLE plain (a int);
        CREATE TABLE owned (a int); ALTER TABLE owned OWNER TO view_owner; ALTER TABLE owned ENABLE ROW LEVEL SECURITY;
        CREATE TABLE forced (a int); ALTER TABLE forced OWNER TO view_owner; ALTER TABLE forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
        GRANT SELECT ON t, owned, forced, plain TO view_passes, view_bound, view_owner, view_app;
        CREATE VIEW v AS SELECT * FROM t; GRANT SELECT ON v TO view_app;
        CREATE VIEW unused AS SELECT * FROM t;
        CREATE VIEW "two deep" AS SELECT plain.a FROM plain WHERE a IN (SELECT a FROM owned UNION SELECT a FROM t); GRANT SELECT ON "two deep" TO PUBLIC;
        CREATE VIEW good AS SELECT * FROM t; ALTER VIEW good SET (security_invoker = on); CREATE VIEW over_good AS SELECT * FROM good;
        CREATE VIEW by_passes AS SELECT * FROM t; ALTER VIEW by_passes OWNER TO view_passes;
        CREATE VIEW by_table_owner AS SELECT * FROM owned; ALTER VIEW by_table_owner OWNER TO view_owner; GRANT SELECT (a) ON by_table_owner TO view_app;
        -- look-alikes
        CREATE VIEW over_plain AS SELECT * FROM plain;
        CREATE VIEW by_bound AS SELECT * FROM t; ALTER VIEW by_bound OWNER TO view_bound;
        CREATE VIEW by_forced_owner AS SELECT * FROM forced; ALTER VIEW by_forced_owner OWNER TO view_owner;
        CREATE VIEW declared WITH (security_invoker) AS SELECT * FROM t;
        """, {"public.v": ("warning", 1), "public.unused": ("info", 1), 'public."two deep"': ("warning", 2), "public.over_good": ("info", 1),
              "public.by_passes": ("info", 1), "public.by_table_owner": ("warning", 1)}, server=15),
    "rights for everybody": Proof("grant-to-public", """
        CREATE ROLE gtp_app; CREATE ROLE gtp_gives;
        CREATE TABLE reads (a int); GRANT SELECT ON reads TO PUBLIC;
        CREATE TABLE writes (a int, b int); GRANT SELECT, INSERT, DELETE ON writes TO PUBLIC;
        CREATE TABLE by_column (a int, b int); GRANT SELECT (a), UPDATE (b) ON by_column TO PUBLIC;
        CREATE TABLE refers (a int PRIMARY KEY); GRANT REFERENCES ON refers TO PUBLIC;
        CREATE VIEW "a view" AS SELECT 1 AS a; GRANT SELECT ON "a view" TO PUBLIC;
        CREATE MATERIALIZED VIEW a_matview AS SELECT 1 AS a; GRANT SELECT ON a_matview TO PUBLIC;
        CREATE TABLE "line
feed" (a int); GRANT ALL ON "line
feed" TO PUBLIC;
        CREATE TABLE passed_on (a int); GRANT SELECT ON passed_on TO gtp_gives WITH GRANT OPTION; SET ROLE gtp_gives; GRANT SELECT ON passed_on TO PUBLIC; RESET ROLE;
        CREATE TABLE tree (k int) PARTITION BY LIST (k); GRANT SELECT ON tree TO PUBLIC;
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (k); GRANT SELECT ON tree1 TO PUBLIC;
        CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1); GRANT UPDATE ON tree11 TO PUBLIC;
        -- look-alikes
        CREATE TABLE mine (a int); GRANT ALL ON mine TO gtp_app;
        CREATE TABLE taken_back (a int); GRANT SELECT ON taken_back TO PUBLIC; REVOKE SELECT ON taken_back FROM PUBLIC;
        CREATE TABLE dropped (a int, b int); GRANT SELECT (b) ON dropped TO PUBLIC; ALTER TABLE dropped DROP COLUMN b;
        CREATE TEMP TABLE tt (a int); GRANT ALL ON tt TO PUBLIC;
        CREATE EXTENSION pg_stat_statements;
        """, {"public.reads": ("info", 1), "public.writes": ("warning", 3), "public.by_column": ("warning", 2), "public.refers": ("info", 1),
              'public."a view"': ("info", 1), "public.a_matview": ("info", 1), 'public."line\nfeed"': ("warning", None),
              "public.passed_on": ("info", 1), "public.tree": ("warning", 2)}),
    "schema open to everybody": Proof("schema-public-create", """
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
        CREATE ROLE spc_app; CREATE ROLE spc_gives;
        CREATE SCHEMA open; GRANT CREATE ON SCHEMA open TO PUBLIC;
        CREATE SCHEMA "o p""en"; GRANT ALL ON SCHEMA "o p""en" TO PUBLIC;
        CREATE SCHEMA passed_on; GRANT CREATE ON SCHEMA passed_on TO spc_gives WITH GRANT OPTION; SET ROLE spc_gives; GRANT CREATE ON SCHEMA passed_on TO PUBLIC; RESET ROLE;
        -- look-alikes
        CREATE SCHEMA used; GRANT USAGE ON SCHEMA used TO PUBLIC; CREATE SCHEMA apps; GRANT CREATE ON SCHEMA apps TO spc_app;
        CREATE SCHEMA plain; CREATE SCHEMA vendor_x; GRANT CREATE ON SCHEMA vendor_x TO PUBLIC;
        """, {"open": ("info", 1), '"o p""en"': ("info", 1), "passed_on": ("info", 1)}, keys={"schemas_exclude": ["vendor_*"]}),
    "extension in public": Proof("extension-in-public", """
        CREATE EXTENSION pg_trgm; CREATE EXTENSION "uuid-ossp";
        -- look-alikes: elsewhere, or not to be moved
        CREATE SCHEMA apart; CREATE EXTENSION hstore SCHEMA apart; CREATE EXTENSION cube; UPDATE pg_extension SET extrelocatable = false WHERE extname = 'cube';
        """, {"pg_trgm": ("info", None), '"uuid-ossp"': ("info", 10)}, keys={}),
    "extension out of date": Proof("extension-outdated", """
        CREATE EXTENSION pg_trgm VERSION '1.3'; CREATE EXTENSION hstore; CREATE EXTENSION "uuid-ossp";
        -- look-alikes: unknown to the server, newer than what it brings
        CREATE EXTENSION amcheck; UPDATE pg_extension SET extversion = '0.5' WHERE extname = 'amcheck';
        CREATE EXTENSION pgcrypto; UPDATE pg_extension SET extversion = '9.9' WHERE extname = 'pgcrypto';
        """, {"pg_trgm": ("info", 1)}),
    "secret as plain text": Proof("column-sensitive-plaintext", """
        CREATE DOMAIN words AS text;
        CREATE TABLE users (id int, password text, api_key varchar(40), "clientSecret" text, user_pwd char(9), "Credit Card No" words,
            -- look-alikes
            password_hash text, encrypted_password text, hashed_pwd text, secret_id text, password_changed_at text, passwordless text,
            secret bytea, cvv int, password_reset_sent text, gone_password text);
        ALTER TABLE users DROP COLUMN gone_password;
        CREATE TABLE tree (k int, ssn text) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        CREATE TABLE heir () INHERITS (users);
        CREATE VIEW v AS SELECT password FROM users; CREATE TABLE schema_migrations (secret text); CREATE TEMP TABLE tt (password text);
        """, {f"public.{o}": ("info", 1) for o in ("users.password", "users.api_key", 'users."clientSecret"', "users.user_pwd",
              'users."Credit Card No"', "tree.ssn")}, closes=set()),
}


@proves("superuser-list")
def test_login_roles_with_the_power_of_a_superuser(cluster):
    c = cluster()
    c.script("""
        CREATE ROLE boss LOGIN SUPERUSER; CREATE ROLE "second "" boss" LOGIN SUPERUSER;
        CREATE ROLE bosses SUPERUSER; CREATE ROLE may_become LOGIN IN ROLE bosses; CREATE ROLE between IN ROLE bosses; CREATE ROLE indirect LOGIN IN ROLE between;
        CREATE ROLE runs LOGIN; GRANT pg_execute_server_program, pg_read_server_files TO runs;
        -- look-alikes
        CREATE ROLE app LOGIN CREATEDB CREATEROLE REPLICATION BYPASSRLS; CREATE ROLE reads LOGIN IN ROLE pg_monitor, pg_read_all_settings, app;
        CREATE ROLE asleep SUPERUSER;""")
    found = {f["object"]: f for f in look(c, "postgres", "superuser-list")}
    assert {o: f["severity"] for o, f in found.items()} == dict.fromkeys(
        ["boss", '"second "" boss"', "may_become", "indirect", "runs"], "info")
    assert "pg_execute_server_program, pg_read_server_files" in found["runs"]["detail"]
    assert "SET ROLE" in found["indirect"]["detail"]
    for f in found.values():
        assert mend(c, "postgres", f)
    assert look(c, "postgres", "superuser-list") == []


@proves("password-md5")
def test_passwords_that_are_stored_as_md5(cluster):
    c = cluster(settings={"password_encryption": "md5"})
    c.script("""
        CREATE ROLE "old one" LOGIN PASSWORD 'x'; CREATE ROLE cannot PASSWORD 'x'; CREATE ROLE no_word LOGIN; CREATE DATABASE other;
        ALTER ROLE no_word SET password_encryption = 'md5'; ALTER ROLE "old one" IN DATABASE other SET password_encryption = md5;
        ALTER DATABASE other SET password_encryption = 'scram-sha-256'; SET password_encryption = 'scram-sha-256'; CREATE ROLE fresh LOGIN PASSWORD 'x';""")
    found = {f["object"]: f for f in look(c, "postgres", "password-md5")}
    assert {o: f["severity"] for o, f in found.items()} == dict.fromkeys(
        ["password_encryption", "password_encryption of role no_word", 'password_encryption of role "old one" in database other'], "warning")
    c.sql("GRANT SELECT ON pg_authid TO dbhealth")
    assert {f["object"] for f in look(c, "postgres", "password-md5")} == {*found, '"old one"'}
    for f in found.values():
        assert mend(c, "postgres", f)
    c.sql("ALTER ROLE \"old one\" PASSWORD 'y'")
    assert look(c, "postgres", "password-md5") == []


@proves("pgdata-permissions")
def test_data_directory_that_others_may_read(cluster):
    c = cluster()
    assert look(c, "postgres", "pgdata-permissions") == []
    for mode in (0o755, 0o770, 0o701):
        c.data.chmod(mode)
        f, = look(c, "postgres", "pgdata-permissions")
        assert (f["object"], f["severity"]) == ("", "warning") and f"0{mode:o}" in f["detail"]
        remedy, = f["remedies"]
        subprocess.run(remedy["text"], shell=True, check=True)
        assert look(c, "postgres", "pgdata-permissions") == []
    c.data.chmod(0o750)
    assert look(c, "postgres", "pgdata-permissions") == []
