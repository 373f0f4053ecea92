"""Checks of what a database holds."""
from proof import FLUSH, Proof, test_fault_is_found_and_its_remedies_close_it  # noqa: F401

PROOFS = {
    "no primary key": Proof("table-no-primary-key", """
        CREATE TABLE big (a int); INSERT INTO big SELECT generate_series(1, 2000);
        CREATE TABLE small (a int);
        CREATE TABLE ready (a int NOT NULL, b int NOT NULL); CREATE UNIQUE INDEX ON ready (a, b);
        CREATE TABLE taken (a int NOT NULL UNIQUE);
        CREATE TABLE has_id (id int); INSERT INTO has_id SELECT generate_series(1, 10);
        CREATE TABLE tree (k int, j int) PARTITION BY LIST (k);
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (j);
        CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1);
        INSERT INTO tree SELECT 1, 1 FROM generate_series(1, 1500);
        -- look-alikes
        CREATE TABLE keyed (a int PRIMARY KEY);
        CREATE TABLE databasechangelog (id text);
        CREATE VIEW a_view AS SELECT 1 AS a;
        CREATE MATERIALIZED VIEW a_matview AS SELECT 1 AS a;
        CREATE SCHEMA vendor_x; CREATE TABLE vendor_x.t (a int);
        CREATE TABLE keyed_tree (k int PRIMARY KEY) PARTITION BY LIST (k);
        CREATE TABLE keyed_tree1 PARTITION OF keyed_tree FOR VALUES IN (1);
        ANALYZE;""", {
        "public.big": ("warning", 2000), "public.small": ("info", 0), "public.ready": ("info", 0),
        "public.taken": ("info", 0), "public.has_id": ("info", 10), "public.tree": ("warning", 1500)},
        closes={"public.big", "public.small", "public.ready", "public.taken", "public.has_id"},
        keys={"schemas_exclude": ["vendor_*"]}),
    "foreign key without index": Proof("fk-missing-index", """
        CREATE TABLE p (id int PRIMARY KEY, b int, c text, UNIQUE (id, b), UNIQUE (c));
        INSERT INTO p SELECT g, g, g FROM generate_series(1, 100) g;
        CREATE TABLE bare (id int PRIMARY KEY, p int REFERENCES p); INSERT INTO bare SELECT g, 1 FROM generate_series(1, 1500) g;
        CREATE TABLE little (p int REFERENCES p);
        CREATE TABLE filtered (p int REFERENCES p); CREATE INDEX ON filtered (p) WHERE p > 3;
        CREATE TABLE payload (p int REFERENCES p, q int); CREATE INDEX ON payload (q) INCLUDE (p);
        CREATE TABLE half (p int, b int, FOREIGN KEY (p, b) REFERENCES p (id, b)); CREATE INDEX ON half (p) INCLUDE (b);
        CREATE TABLE second (p int REFERENCES p, q int); CREATE INDEX ON second (q, p);
        CREATE TABLE invalid (p int REFERENCES p);
        CREATE TABLE other_collation (c text REFERENCES p (c)); CREATE INDEX ON other_collation (c COLLATE "C");
        CREATE TABLE brin (p int REFERENCES p); CREATE INDEX ON brin USING brin (p);
        CREATE TABLE tree (id int, p int REFERENCES p) PARTITION BY LIST (id);
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (p);
        CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1) PARTITION BY LIST (id);
        CREATE TABLE tree111 PARTITION OF tree11 FOR VALUES IN (1);
        CREATE TABLE wide (id int, p int REFERENCES p) PARTITION BY LIST (id);
        SELECT format('CREATE TABLE wide%s PARTITION OF wide FOR VALUES IN (%s)', g, g) FROM generate_series(1, 10) g \\gexec
        -- look-alikes
        CREATE TABLE key_itself (p int PRIMARY KEY REFERENCES p);
        CREATE TABLE covered (p int REFERENCES p, x int); CREATE INDEX ON covered (p, x);
        CREATE TABLE not_null (p int REFERENCES p); CREATE INDEX ON not_null (p) WHERE p IS NOT NULL;
        CREATE TABLE both_not_null (p int, b int, FOREIGN KEY (p, b) REFERENCES p (id, b));
        CREATE INDEX ON both_not_null (b, p) WHERE p IS NOT NULL AND b IS NOT NULL;
        CREATE TABLE hashed (p int REFERENCES p); CREATE INDEX ON hashed USING hash (p);
        CREATE TABLE pattern (c text REFERENCES p (c)); CREATE INDEX ON pattern (c text_pattern_ops);
        CREATE TABLE any_order (b int, p int, x int, FOREIGN KEY (p, b) REFERENCES p (id, b)); CREATE INDEX ON any_order (b, p, x);
        CREATE TABLE good_tree (id int, p int REFERENCES p) PARTITION BY LIST (id);
        CREATE TABLE good_tree1 PARTITION OF good_tree FOR VALUES IN (1); CREATE INDEX ON good_tree (p);
        -- an index that is not valid covers nothing
        CREATE INDEX invalid_p ON invalid (p);
        UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'invalid_p'::regclass;
        ANALYZE;""", {
        "public.bare.p": ("warning", 1500), "public.little.p": ("info", 0), "public.filtered.p": ("info", 0),
        "public.payload.p": ("info", 0), "public.half.p,b": ("info", 0), "public.second.p": ("info", 0),
        "public.invalid.p": ("info", 0), "public.other_collation.c": ("info", 0), "public.brin.p": ("info", 0),
        "public.tree.p": ("info", 0), "public.wide.p": ("info", 0)}),
    "invalid index": Proof("index-invalid", """
        CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (1, 'y');
        \\set ON_ERROR_STOP 0
        CREATE UNIQUE INDEX CONCURRENTLY broken_unique ON t (a);
        \\set ON_ERROR_STOP 1
        CREATE INDEX broken ON t (b); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass;
        CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        CREATE INDEX tree_k ON ONLY tree (k);
        -- look-alikes: valid, whatever its name; the leftover of a REINDEX is another check's
        CREATE INDEX fine_ccnew ON t (a, b);
        CREATE INDEX again_ccnew ON t (b); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'again_ccnew'::regclass;
        CREATE TEMP TABLE tt (a int); CREATE INDEX ON tt (a);
        UPDATE t SET a = 2 WHERE b = 'y';""", {
        "public.t.broken_unique": ("critical", None), "public.t.broken": ("warning", None),
        "public.tree.tree_k": ("warning", None)}, closes={"public.t.broken_unique", "public.t.broken"}),
    "duplicate index": Proof("index-duplicate", """
        CREATE TABLE t (id int PRIMARY KEY, a int, b int, c text);
        CREATE INDEX i1 ON t (a, b); CREATE INDEX i2 ON t (a, b);
        CREATE INDEX e1 ON t (lower(c)) WHERE b > 0; CREATE INDEX e2 ON t   (  lower( c ))  WHERE  b >   0;
        CREATE UNIQUE INDEX u1 ON t (c); CREATE UNIQUE INDEX u2 ON t (c); CREATE INDEX u3 ON t (c);
        CREATE INDEX beside_key ON t (id);
        CREATE INDEX inc1 ON t (a) INCLUDE (b, c); CREATE INDEX inc2 ON t (a) INCLUDE (c, b);
        CREATE TABLE tree (k int, v int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        CREATE INDEX tree_v1 ON tree (v); CREATE INDEX tree_v2 ON tree (v);
        -- look-alikes
        CREATE INDEX x1 ON t (a); CREATE INDEX x2 ON t (a DESC, b); CREATE INDEX x3 ON t (a, b) WHERE c = 'x';
        CREATE INDEX x4 ON t (a, b) INCLUDE (c); CREATE INDEX x5 ON t (upper(c)) WHERE b > 0; CREATE INDEX x6 ON t (c text_pattern_ops);
        CREATE INDEX x7 ON t (c COLLATE "C"); CREATE INDEX x8 ON t USING hash (a); CREATE INDEX x9 ON t (b, a);
        CREATE INDEX x10 ON t (lower(c)) WHERE b > 1;
        CREATE TABLE twice (a int, CONSTRAINT one UNIQUE (a), CONSTRAINT two UNIQUE (a) DEFERRABLE);
        """, {
        "public.t.i2": ("warning", None), "public.t.e2": ("warning", None), "public.t.u2": ("warning", None),
        "public.t.u3": ("warning", None), "public.t.beside_key": ("warning", None), "public.t.inc2": ("warning", None),
        "public.tree.tree_v2": ("warning", None)}),
    "never validated": Proof("constraint-not-valid", """
        CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1);
        CREATE TABLE c (p int, n int); INSERT INTO c VALUES (1, 1);
        ALTER TABLE c ADD CONSTRAINT "f k" FOREIGN KEY (p) REFERENCES p NOT VALID;
        ALTER TABLE c ADD CONSTRAINT positive CHECK (n > 0) NOT VALID;
        -- look-alikes
        ALTER TABLE c ADD CONSTRAINT small CHECK (n < 9);
        CREATE TABLE v (p int REFERENCES p);""", {
        'public.c."f k"': ("info", None), "public.c.positive": ("info", None)}),
    "orphan rows": Proof("fk-orphan-rows", """
        CREATE TABLE p (id int PRIMARY KEY, a int, b text, UNIQUE (a, b)); INSERT INTO p SELECT g, g, g FROM generate_series(1, 5) g;
        CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p, a int, b text, FOREIGN KEY (a, b) REFERENCES p (a, b));
        CREATE TABLE whole (a int, b text, FOREIGN KEY (a, b) REFERENCES p (a, b) MATCH FULL);
        CREATE TABLE strict (p int NOT NULL REFERENCES p);
        CREATE TABLE wider (p bigint REFERENCES p);
        CREATE TABLE tree (k int, p int REFERENCES p) PARTITION BY LIST (k);
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (k); CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1);
        CREATE TABLE heir () INHERITS (strict);
        CREATE TABLE ci (c text COLLATE "C" PRIMARY KEY); INSERT INTO ci VALUES ('a');
        CREATE TABLE ci_child (c text REFERENCES ci); 
        -- look-alikes: half NULL under MATCH SIMPLE, all NULL under MATCH FULL, rows of a child by inheritance
        CREATE TABLE fine (p int REFERENCES p); INSERT INTO fine VALUES (1), (NULL);
        SET session_replication_role = replica;
        INSERT INTO c VALUES (1, 1, 1, '1'), (2, 99, NULL, 'zz'), (3, NULL, 9, '9'), (4, 98, 1, NULL);
        INSERT INTO whole VALUES (1, NULL), (NULL, NULL), (1, '1'), (7, '7'); INSERT INTO strict VALUES (77), (1); INSERT INTO heir VALUES (78);
        INSERT INTO wider VALUES (1), (3000000000); INSERT INTO tree VALUES (1, 1), (1, 66); INSERT INTO ci_child VALUES ('a'), ('b');
        """, {
        "public.c.p": ("critical", 2), "public.c.a,b": ("critical", 1), "public.whole.a,b": ("critical", 2),
        "public.strict.p": ("critical", 1), "public.wider.p": ("critical", 1), "public.tree.p": ("critical", 1),
        "public.ci_child.c": ("critical", 1)},
        grants="GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth"),
    "sequence behind": Proof("sequence-behind-max", """
        CREATE TABLE loaded (id serial PRIMARY KEY); INSERT INTO loaded VALUES (1), (2), (30);
        CREATE TABLE downwards (id int GENERATED BY DEFAULT AS IDENTITY (INCREMENT -1) PRIMARY KEY); INSERT INTO downwards VALUES (-5);
        CREATE TABLE tree (id bigserial PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES FROM (0) TO (100); INSERT INTO tree VALUES (9);
        -- look-alikes
        CREATE TABLE other_side (id serial PRIMARY KEY); INSERT INTO other_side VALUES (-5);
        CREATE TABLE no_rule (id serial, x int); INSERT INTO no_rule VALUES (99);
        CREATE TABLE passed (id serial PRIMARY KEY); INSERT INTO passed DEFAULT VALUES;
        CREATE TABLE no_rows (id serial PRIMARY KEY);
        CREATE TABLE composite (t int, id serial, PRIMARY KEY (t, id)); INSERT INTO composite VALUES (1, 50);
        """, {
        "public.loaded_id_seq": ("critical", 30), "public.downwards_id_seq": ("critical", 5), "public.tree_id_seq": ("critical", 9)},
        grants="GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO dbhealth"),
    "sequence near its end": Proof("sequence-near-limit", """
        CREATE TABLE a (id serial PRIMARY KEY); SELECT setval('a_id_seq', 2000000000);
        CREATE TABLE b (id int GENERATED ALWAYS AS IDENTITY); SELECT setval('b_id_seq', 1800000000);
        CREATE SEQUENCE apart; CREATE TABLE c (id int DEFAULT nextval('apart')); SELECT setval('apart', 2147483647);
        CREATE SEQUENCE down AS int INCREMENT -1; SELECT setval('down', -2147483600);
        CREATE SEQUENCE short MAXVALUE 100; SELECT setval('short', 80);
        CREATE DOMAIN tiny AS smallint; CREATE TABLE d (id tiny); CREATE SEQUENCE for_tiny OWNED BY d.id; SELECT setval('for_tiny', 30000);
        -- look-alikes
        CREATE SEQUENCE circle AS int CYCLE; SELECT setval('circle', 2147483647);
        CREATE SEQUENCE never AS smallint START 32000;
        CREATE SEQUENCE wide; SELECT setval('wide', 2147483647);
        CREATE TABLE e (id bigserial); SELECT setval('e_id_seq', 2147483647);
        CREATE TABLE f (id serial); SELECT setval('f_id_seq', 1500000000);
        """, {
        "public.a_id_seq": ("critical", 2000000000 / 2147483647), "public.b_id_seq": ("warning", 1800000000 / 2147483647),
        "public.apart": ("critical", 1), "public.down": ("critical", 2147483600 / 2147483648), "public.short": ("warning", 0.8),
        "public.for_tiny": ("critical", 30000 / 32767)},
        grants="GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO dbhealth",
        closes={"public.a_id_seq", "public.b_id_seq", "public.apart", "public.down", "public.short", "public.for_tiny"}),
    "vacuum overdue": Proof("vacuum-overdue", """
        CREATE TABLE off (i int) WITH (autovacuum_enabled = off); INSERT INTO off SELECT generate_series(1, 20000); ANALYZE off;
        UPDATE off SET i = i; UPDATE off SET i = i;
        CREATE TABLE own (i int) WITH (autovacuum_vacuum_scale_factor = 0.5, autovacuum_enabled = off);
        INSERT INTO own SELECT generate_series(1, 20000); ANALYZE own; UPDATE own SET i = i; UPDATE own SET i = i;
        CREATE TABLE tree (k int) PARTITION BY LIST (k);
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (k);
        CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1) WITH (autovacuum_enabled = off);
        INSERT INTO tree SELECT 1 FROM generate_series(1, 20000); ANALYZE tree; UPDATE tree SET k = k;
        -- look-alikes
        CREATE TABLE little (i int) WITH (autovacuum_enabled = off); INSERT INTO little SELECT generate_series(1, 2000); UPDATE little SET i = i;
        CREATE TABLE rarely (i int) WITH (autovacuum_vacuum_scale_factor = 5, autovacuum_enabled = off);
        INSERT INTO rarely SELECT generate_series(1, 20000); ANALYZE rarely; UPDATE rarely SET i = i;""" + FLUSH, {
        "public.off": ("critical", 40000 / 4050), "public.own": ("warning", 40000 / 10050), "public.tree": ("warning", 20000 / 4050)},
        settings={"settle": "0s"}),
    "required table": Proof("conv-required-table-missing", """
        CREATE TABLE users (id int PRIMARY KEY); CREATE SCHEMA app; CREATE TABLE app.invoices (id int); CREATE VIEW app.ledger AS SELECT 1 AS a;
        CREATE INDEX orders ON users (id); CREATE TABLE "Mixed" (a int);""", {
        "public.orders": ("critical", None), "public.invoices": ("critical", None), "public.mixed": ("critical", None), "no such name!": ("critical", None)},
        closes=set(),
        keys={"require_tables": ["public.users", "users", "public.orders", "invoices", "app.ledger", "public.Mixed", 'public."Mixed"', "no such name!"]}),
    "required table of an empty database": Proof("conv-required-table-missing", "", {"public.users": ("info", None)},
        closes=set(), keys={"require_tables": ["public.users"]}),
    "required relationship": Proof("conv-required-relationship-missing", """
        CREATE TABLE users (id int PRIMARY KEY, t int, UNIQUE (t, id)); CREATE TABLE other (id int PRIMARY KEY);
        CREATE TABLE orders (id int PRIMARY KEY, user_id int, buyer int REFERENCES users, seller int REFERENCES other, t int,
            FOREIGN KEY (t, buyer) REFERENCES users (t, id));""", {
        "public.orders.user_id": ("critical", None), "public.orders.seller": ("critical", None), "public.orders.gone": ("critical", None)},
        closes={"public.orders.user_id"},
        keys={"require_relationships": ["public.orders.user_id -> public.users.id", "orders.buyer->users.id",
              "public.orders.seller -> public.users.id", "public.orders.gone -> public.users.id", "orders.t -> users.t"]}),
}
