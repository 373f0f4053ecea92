"""Checks that read everything: damage that amcheck finds, references without a target, rows that break rules."""
from proof import Proof, look, mend, proves, test_fault_is_found_and_its_remedies_close_it  # noqa: F401
from support.cluster import bindir, run

# An index whose order changed under it, as a collation's does: the comparison is another function now.
ODD = """
    CREATE FUNCTION odd(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT pg_catalog.btint4cmp($1, $2)';
    CREATE OPERATOR CLASS odd_ops FOR TYPE int USING btree AS
        OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 odd(int, int);
"""
TURN = "CREATE OR REPLACE FUNCTION odd(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT -pg_catalog.btint4cmp($1, $2)';"
ALLOW = """
    SELECT format('GRANT EXECUTE ON FUNCTION %s TO dbhealth', d.objid::regprocedure) FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
    WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'amcheck')
      AND p.proname IN ('bt_index_check', 'gin_index_check', 'verify_heapam') AND d.classid = 'pg_proc'::regclass \\gexec
"""

PROOFS = {
    "damaged index": Proof("amcheck-index", ODD + r"""
        CREATE SCHEMA "Ext ""x"; CREATE EXTENSION amcheck WITH SCHEMA "Ext ""x";
        CREATE TABLE "T ""1" (a int); INSERT INTO "T ""1" SELECT generate_series(1, 1000);
        CREATE INDEX "broken ' ix" ON "T ""1" (a odd_ops);
        -- look-alikes
        CREATE INDEX fine ON "T ""1" (a); CREATE INDEX fine_desc ON "T ""1" (a DESC) WHERE a > 3;
        CREATE INDEX hashed ON "T ""1" USING hash (a);
        CREATE TABLE empty (a int, b text[]); CREATE INDEX ON empty (a odd_ops); CREATE INDEX ON empty USING gin (b);
        CREATE INDEX invalid ON "T ""1" (a odd_ops); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'invalid'::regclass;
        """ + TURN, {'public."broken \' ix"': ("critical", 1)},
        grants='GRANT USAGE ON SCHEMA "Ext ""x" TO dbhealth;' + ALLOW),
    "orphans by key range and by block": Proof("fk-orphan-rows", r"""
        CREATE TABLE p (id bigint PRIMARY KEY, b text NOT NULL, UNIQUE (id, b)); INSERT INTO p SELECT g, 'x' || g FROM generate_series(1, 3000) g;
        CREATE TABLE up (p bigint REFERENCES p); CREATE INDEX ON up (p) INCLUDE (p);
        CREATE TABLE down (p bigint REFERENCES p); CREATE INDEX ON down (p DESC NULLS LAST);
        CREATE TABLE skew (p bigint REFERENCES p); CREATE INDEX ON skew (p);
        CREATE TABLE two (p bigint NOT NULL, b text NOT NULL, FOREIGN KEY (p, b) REFERENCES p (id, b)); CREATE INDEX ON two (b, p);
        CREATE TABLE blocks (p bigint REFERENCES p, filler text); CREATE INDEX ON blocks (p) WHERE p > 5;
        CREATE TABLE "T ""ree" (k int, p bigint REFERENCES p) PARTITION BY LIST (k);
        CREATE TABLE tree1 PARTITION OF "T ""ree" FOR VALUES IN (1) PARTITION BY LIST (k); CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1);
        CREATE TABLE tree2 PARTITION OF "T ""ree" FOR VALUES IN (2);
        CREATE TABLE sorted_tree (k int, p bigint REFERENCES p) PARTITION BY LIST (k); CREATE INDEX ON sorted_tree (p);
        CREATE TABLE sorted_tree1 PARTITION OF sorted_tree FOR VALUES IN (1); CREATE TABLE sorted_tree2 PARTITION OF sorted_tree FOR VALUES IN (2);
        CREATE TYPE mood AS ENUM ('low', 'fair', 'high'); CREATE TABLE moods (m mood PRIMARY KEY); INSERT INTO moods VALUES ('low'), ('high');
        CREATE TABLE days (d timestamptz PRIMARY KEY); INSERT INTO days SELECT timestamptz '2026-01-01' + g * interval '7.000001 s' FROM generate_series(1, 500) g;
        CREATE TABLE mooded (m mood REFERENCES moods, d timestamptz REFERENCES days); CREATE INDEX ON mooded (m); CREATE INDEX ON mooded (d);
        CREATE TABLE names (n varchar(9) COLLATE "C" PRIMARY KEY); INSERT INTO names SELECT 'n' || g FROM generate_series(1, 500) g;
        CREATE TABLE named (n varchar(9) COLLATE "C" REFERENCES names); CREATE INDEX ON named (n);
        CREATE TABLE fixed (c char(4) PRIMARY KEY); INSERT INTO fixed SELECT g::text FROM generate_series(1, 300) g;
        CREATE TABLE fixes (c char(4) REFERENCES fixed); CREATE INDEX ON fixes (c);
        SET session_replication_role = replica;
        INSERT INTO up SELECT CASE WHEN g % 300 = 0 THEN g + 10000 WHEN g % 7 = 0 THEN NULL ELSE g END FROM generate_series(1, 3000) g;
        INSERT INTO down SELECT * FROM up;
        INSERT INTO skew SELECT CASE WHEN g <= 1000 THEN 77777 WHEN g <= 2000 THEN 1 ELSE g END FROM generate_series(1, 3000) g;
        INSERT INTO two SELECT g, 'x' || CASE WHEN g % 1000 = 0 THEN g + 1 ELSE g END FROM generate_series(1, 3000) g;
        INSERT INTO blocks SELECT CASE WHEN g % 500 = 0 THEN -g ELSE g END, repeat('x', 300) FROM generate_series(1, 3000) g;
        INSERT INTO "T ""ree" SELECT 1 + g % 2, CASE WHEN g % 600 = 1 THEN -g ELSE g END FROM generate_series(1, 3000) g;
        INSERT INTO sorted_tree SELECT * FROM "T ""ree";
        INSERT INTO mooded SELECT CASE g % 3 WHEN 0 THEN 'low' WHEN 1 THEN 'high' END::mood, timestamptz '2026-01-01' + g * interval '7.000001 s' FROM generate_series(1, 500) g;
        INSERT INTO mooded VALUES ('fair', NULL), (NULL, '2026-01-01'); INSERT INTO named SELECT n FROM names; INSERT INTO named VALUES ('n0'), ('zz');
        INSERT INTO fixes SELECT c FROM fixed; INSERT INTO fixes VALUES ('9999');
        ANALYZE;""", {
        "public.up.p": ("critical", 10), "public.down.p": ("critical", 10), "public.skew.p": ("critical", 1000), "public.two.p,b": ("critical", 3),
        "public.blocks.p": ("critical", 6), 'public."T ""ree".p': ("critical", 5), "public.sorted_tree.p": ("critical", 5),
        "public.mooded.m": ("critical", 1), "public.mooded.d": ("critical", 1), "public.named.n": ("critical", 2), "public.fixes.c": ("critical", 1)},
        settings={"slice_rows": 70, "slice_blocks": 2}, grants="GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth"),
    "orphans of no foreign key": Proof("fk-orphan-rows-undeclared", r"""
        CREATE TABLE users (id int PRIMARY KEY, mail text UNIQUE, big bigint UNIQUE); INSERT INTO users SELECT g, 'm' || g, g FROM generate_series(1, 100) g;
        CREATE TABLE orders (id int, user_id int, seller bigint, mail varchar(20)); INSERT INTO orders SELECT g, g, g, 'm' || g FROM generate_series(1, 100) g;
        CREATE INDEX ON orders (seller);
        INSERT INTO orders VALUES (101, 1000, NULL, NULL), (102, NULL, 1000, NULL), (103, NULL, 1001, NULL), (104, NULL, NULL, 'none'), (105, 0, 0, '');
        CREATE SCHEMA "O ""dd"; CREATE TABLE "O ""dd"."T" (k int, "U" int) PARTITION BY LIST (k); CREATE TABLE "O ""dd".t1 PARTITION OF "O ""dd"."T" DEFAULT;
        INSERT INTO "O ""dd"."T" VALUES (1, 1), (1, 2222);
        -- look-alikes: declared, of another type, not there
        CREATE TABLE declared (user_id int REFERENCES users);
        SET session_replication_role = replica; INSERT INTO declared VALUES (4444);
        CREATE TABLE other (user_id uuid); INSERT INTO other VALUES (gen_random_uuid());""", {
        "public.orders.user_id": ("warning", 1), "public.orders.seller": ("warning", 2), "public.orders.mail": ("warning", 1),
        '"O ""dd"."T"."U"': ("warning", 1)},
        settings={"slice_rows": 7, "slice_blocks": 1, "spare_zero": "yes", "spare_empty": "yes"},
        keys={"require_relationships": ["orders.user_id -> users.id", "public.orders.seller -> public.users.id", "orders.mail -> users.mail",
                                        '"O ""dd"."T"."U" -> users.big', "declared.user_id -> users.id", "other.user_id -> users.id",
                                        "orders.nothing -> users.id", "nothing.user_id -> users.id"]},
        grants='GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth; GRANT USAGE ON SCHEMA "O ""dd" TO dbhealth; '
               'GRANT SELECT ON ALL TABLES IN SCHEMA "O ""dd" TO dbhealth'),
    "NULL where it cannot be": Proof("not-null-violation", r"""
        CREATE TABLE "N ""1" (a int, "B b" text); INSERT INTO "N ""1" SELECT CASE WHEN g % 100 <> 0 THEN g END, 'x' FROM generate_series(1, 3000) g;
        UPDATE pg_attribute SET attnotnull = true WHERE attrelid = '"N ""1"'::regclass AND attnum > 0;
        -- look-alikes
        CREATE TABLE fine (a int NOT NULL, b int); INSERT INTO fine SELECT g FROM generate_series(1, 3000) g; CREATE TABLE empty (a int NOT NULL);
        CREATE TABLE dropped (a int, b int NOT NULL, c int NOT NULL); INSERT INTO dropped VALUES (NULL, 1, 1); ALTER TABLE dropped DROP COLUMN c;
        """, {'public."N ""1"': ("critical", 30)}, closes=set(), settings={"slice_blocks": 2},
        grants="GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth"),
    "duplicates under a unique index": Proof("unique-violation", r"""
        CREATE TABLE t (a int, "B b" text, c int); INSERT INTO t SELECT g % 900, 'x' || g % 900, g FROM generate_series(1, 1000) g; INSERT INTO t VALUES (NULL), (NULL);
        CREATE INDEX "u '1" ON t (a, "B b"); UPDATE pg_index SET indisunique = true WHERE indexrelid = '"u ''1"'::regclass;
        -- look-alikes
        CREATE UNIQUE INDEX fine ON t (c); CREATE INDEX plain ON t (a); CREATE TABLE nulls (a int UNIQUE); INSERT INTO nulls VALUES (NULL), (NULL);
        CREATE UNIQUE INDEX partly ON t (a) WHERE c < 5; CREATE UNIQUE INDEX expr ON t ((c + 1));
        """, {"public.\"u '1\"": ("critical", 100)}, closes=set(),
        grants="GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth"),
    "amcheck is not there": Proof("amcheck-unavailable", "", {"": ("info", 1)}),
    "amcheck is not allowed": Proof("amcheck-unavailable", """
        CREATE SCHEMA "Hid den"; CREATE EXTENSION amcheck WITH SCHEMA "Hid den";""", {"": ("info", 1)}),
}


def without_checksums(cluster):
    """Stops it; what is written into its files then is noticed by nobody but who looks for it."""
    cluster.stop()
    if "checksum version:           0" not in " ".join(run(bindir() / "pg_controldata", cluster.data).splitlines()):
        run(bindir() / "pg_checksums", "--disable", "-D", cluster.data)


@proves("not-null-violation")
def test_rows_with_null_are_named(cluster):
    """The first three, over ranges of blocks; the look that is printed shows where each is."""
    c = cluster()
    c.script("""
        CREATE TABLE many (a int); INSERT INTO many SELECT CASE WHEN g NOT IN (2, 900, 901, 2500) THEN g END FROM generate_series(1, 3000) g;
        CREATE TABLE one (a int, b int); INSERT INTO one VALUES (1, 1), (1, NULL);
        UPDATE pg_attribute SET attnotnull = true WHERE attrelid IN ('many'::regclass, 'one'::regclass) AND attnum > 0;
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth""")
    at = [r[0] for r in c.sql("SELECT ctid::text FROM many WHERE num_nulls(a) > 0 ORDER BY many.ctid")]
    found = {f["object"]: f for f in look(c, "postgres", "not-null-violation", slice_blocks=2)}
    said = "NULL in a column that is NOT NULL"
    assert {o: f["message"] for o, f in found.items()} == {
        "public.many": f"4 rows have {said} (ctid {', '.join(at[:3])}, ...)", "public.one": f"1 row has {said} (ctid (0,2))"}
    shown = next(r["text"] for r in found["public.many"]["remedies"] if r["kind"] == "look")
    assert [r[0] for r in c.sql(shown)] == at


@proves("amcheck-heap")
def test_damaged_rows_are_found_by_block(cluster):
    c = cluster(settings={"full_page_writes": "on"})
    if c.version < 14:
        return  # verify_heapam comes with 14
    c.script("""
        CREATE EXTENSION amcheck; CREATE SCHEMA s;
        CREATE TABLE s."Bad one" (a int, b text); INSERT INTO s."Bad one" SELECT g, 'x' FROM generate_series(1, 5000) g;
        CREATE TABLE s.fine (a int, b text); INSERT INTO s.fine SELECT g, repeat('y', 3000) FROM generate_series(1, 100) g;
        CREATE TABLE s.empty (a int);
        VACUUM FREEZE; CHECKPOINT;""" + ALLOW)
    assert look(c, "postgres", "amcheck-heap", slice_blocks=3) == []
    path = c.data / c.one("SELECT pg_relation_filepath('s.\"Bad one\"')")
    without_checksums(c)
    with open(path, "r+b") as f:
        page = 8192 * 11
        f.seek(page + 24)  # its first line pointer: the lower 15 bits are the place of the tuple
        at = int.from_bytes(f.read(4), "little") & 0x7fff
        f.seek(page + at + 22)  # t_hoff: the data would begin behind the tuple's end
        f.write(b"\xf8")
    c.start()
    (found,) = look(c, "postgres", "amcheck-heap", slice_blocks=3)
    assert (found["object"], found["severity"]) == ('s."Bad one"', "critical")
    assert found["detail"].startswith("block 11 item 1 data begins at offset"), found["detail"]
    assert "11|1|" in c.script(found["remedies"][0]["text"])


@proves("amcheck-index")
def test_damage_of_a_file_is_found_and_rebuilt(cluster):
    c = cluster()
    c.script("""
        CREATE EXTENSION amcheck;
        CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 20000); CREATE INDEX cut ON t (a); CREATE INDEX whole ON t (a);
        VACUUM FREEZE; CHECKPOINT;""" + ALLOW)
    assert look(c, "postgres", "amcheck-index") == []
    path = c.data / c.one("SELECT pg_relation_filepath('cut')")
    c.stop()
    with open(path, "r+b") as f:
        f.seek(8192 * 5)
        f.write(b"\x5a" * 8192)
    c.start()
    (found,) = look(c, "postgres", "amcheck-index")
    assert (found["object"], found["severity"]) == ("public.cut", "critical")
    assert mend(c, "postgres", found) == ["rebuild it"]
    assert look(c, "postgres", "amcheck-index") == []


@proves("check-violation")
def test_rules_run_as_a_role_of_their_own(module_cluster):
    c = module_cluster
    db = c.createdb("proof_check_violation")
    c.script(r"""
        CREATE TABLE "R ""1" (a int, "B b" text); INSERT INTO "R ""1" SELECT g, NULL FROM generate_series(1, 3000) g;
        ALTER TABLE "R ""1" ADD CONSTRAINT "le 'ss" CHECK (a <= 2990) NOT VALID;
        -- a function that would write, and switch off what keeps the session from writing
        CREATE TABLE trail (a int);
        CREATE FUNCTION sly(int) RETURNS bool LANGUAGE plpgsql STABLE AS $$ BEGIN
            PERFORM set_config('default_transaction_read_only', 'off', false); PERFORM set_config('statement_timeout', '0', false); RETURN $1 < 5; END $$;
        CREATE TABLE written (a int CHECK (sly(a))); INSERT INTO written VALUES (1);
        ALTER TABLE written DISABLE TRIGGER ALL; CREATE OR REPLACE FUNCTION sly(int) RETURNS bool LANGUAGE plpgsql STABLE AS $$ BEGIN
            PERFORM set_config('default_transaction_read_only', 'off', false); PERFORM set_config('statement_timeout', '0', false); RETURN $1 > 5; END $$;
        -- look-alikes: NULL passes, what holds, what cannot be asked twice
        ALTER TABLE "R ""1" ADD CONSTRAINT null_passes CHECK ("B b" <> 'x');
        CREATE TABLE fine (a int CHECK (a > 0)); INSERT INTO fine VALUES (1), (NULL);
        CREATE TABLE dice (a int); INSERT INTO dice VALUES (1); ALTER TABLE dice ADD CHECK (random() > a) NOT VALID;
        CREATE ROLE proof_data LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO proof_data; GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth;""", db)
    mine = look(c, db, "check-violation", slice_blocks=2)
    assert mine == [] and "only a data_role does" in mine.missing[0]["reason"], "never with pg_monitor"
    found = look(c, db, "check-violation", slice_blocks=2, keys={"data_role": "proof_data"})
    assert {f["object"]: (f["severity"], f["value"]) for f in found} == {
        'public."R ""1"."le \'ss"': ("critical", 10), "public.written.written_a_check": ("critical", 1)}
    (rule,) = [f for f in found if f["value"] == 10]
    assert len(c.script(rule["remedies"][0]["text"], db).splitlines()) == 10
    c.script('DELETE FROM "R ""1" WHERE a > 2990; DELETE FROM written', db)
    assert look(c, db, "check-violation", keys={"data_role": "proof_data"}) == []


@proves("scrub-overdue")
def test_what_was_not_verified_in_time_is_named(cluster, daemon):
    c = cluster()
    c.script("""
        CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE locked (p int REFERENCES p); CREATE TABLE free (p int REFERENCES p);
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth;""")
    holder = c.session(autocommit=False)
    holder.cursor().execute("LOCK TABLE locked")
    d = daemon(databases={"it": {"dsn": c.dsn(), "scrub_full": "2s", "integrity_interval": "1s", "enable": ["scrub-overdue"]}},
               sections={f"check {i}": {"interval": "1s"} for i in ("fk-orphan-rows", "scrub-overdue")})
    found = d.wait_finding("scrub-overdue", "fk-orphan-rows", severity="warning")
    assert found["value"] == 1 and "public.locked.p (" in found["detail"] and "public.free" not in found["detail"]
    assert "lock timeout" in found["detail"]
    holder.rollback()
    d.wait_gone("scrub-overdue", "fk-orphan-rows", within=30)
