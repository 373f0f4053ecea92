"""Checks of indexes, tables, partitions and materialized views."""
import contextlib
import os
import pathlib
import signal
import subprocess
import threading
import time

import psycopg2

from proof import Proof, look, mend, proves, test_fault_is_found_and_its_remedies_close_it  # noqa: F401
from support import wait_until

PROOFS = {
    "leftover of REINDEX": Proof("index-reindex-leftover", """
        CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x');
        CREATE INDEX again ON t (b);
        CREATE INDEX again_ccnew ON t (b); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'again_ccnew'::regclass;
        CREATE UNIQUE INDEX u_ccnew1 ON t (a); UPDATE pg_index SET indisvalid = false, indisready = false WHERE indexrelid = 'u_ccnew1'::regclass;
        CREATE SCHEMA "s p"; CREATE TABLE "s p"."line
feed" (a int); CREATE INDEX "it's_ccold" ON "s p"."line
feed" (a);
        UPDATE pg_index SET indisvalid = false, indisready = false WHERE indexrelid = '"s p"."it''s_ccold"'::regclass;
        CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        CREATE INDEX tree1_k_ccnew ON tree1 (k); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tree1_k_ccnew'::regclass;
        -- look-alikes: valid, whatever its name; invalid, but no leftover
        CREATE INDEX fine_ccnew ON t (a, b); CREATE INDEX fine_ccold ON t (a, b);
        CREATE INDEX broken ON t (b); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass;
        CREATE INDEX my_ccnew_one ON t (b); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'my_ccnew_one'::regclass;
        CREATE SCHEMA vendor_x; CREATE TABLE vendor_x.t (a int); CREATE INDEX t_ccnew ON vendor_x.t (a);
        UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'vendor_x.t_ccnew'::regclass;
        CREATE TEMP TABLE tt (a int); CREATE INDEX tt_ccnew ON tt (a); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tt_ccnew'::regclass;
        """, {
        "public.t.again_ccnew": ("warning", 16384), "public.t.u_ccnew1": ("warning", 16384),
        '"s p"."line\nfeed"."it\'s_ccold"': ("warning", 8192), "public.tree1.tree1_k_ccnew": ("warning", 8192)},
        keys={"schemas_exclude": ["vendor_*"]}),
    "leading part of another": Proof("index-redundant-prefix", """
        CREATE TABLE t (id int PRIMARY KEY, a int, b int, c text, d text, e int NOT NULL);
        CREATE INDEX n_a ON t (a); CREATE INDEX w_ab ON t (a, b); CREATE INDEX w_abe ON t (a, b, e);
        CREATE INDEX n_expr ON t (lower(c), d); CREATE INDEX w_expr ON t (lower(c), d, upper(d), a);
        CREATE INDEX n_part ON t (e) WHERE a > 0; CREATE INDEX w_part ON t   ( e, b )  WHERE a  >  0;
        CREATE INDEX n_pattern ON t (d text_pattern_ops); CREATE INDEX w_pattern ON t (d text_pattern_ops, a);
        CREATE INDEX n_c ON t (c COLLATE "C" DESC); CREATE INDEX w_c ON t (c COLLATE "C" DESC, e);
        CREATE INDEX n_key ON t (b); CREATE UNIQUE INDEX w_key ON t (b) INCLUDE (c);
        CREATE INDEX n_pay ON t (b, e) INCLUDE (a); CREATE INDEX w_pay ON t (b, e, a, id);
        CREATE TABLE tree (k int, v int, w int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        CREATE TABLE tree2 PARTITION OF tree FOR VALUES IN (2);
        CREATE INDEX tree_v ON tree (v); CREATE INDEX tree_vw ON tree (v, w);
        CREATE TABLE "or""der" ("sel ect" int, x int); CREATE INDEX "n'1" ON "or""der" ("sel ect"); CREATE INDEX w1 ON "or""der" ("sel ect", x);
        """ + """
        -- look-alikes: column numbers that begin alike (1 and 12), unique, bound, other order, class, collation, expression, predicate, method, payload
        CREATE TABLE wide (c1 int, c2 int, c3 int, c4 int, c5 int, c6 int, c7 int, c8 int, c9 int, c10 int, c11 int, c12 int);
        CREATE INDEX l1 ON wide (c1); CREATE INDEX l2 ON wide (c12, c2);
        CREATE UNIQUE INDEX l3 ON wide (c3); CREATE INDEX l4 ON wide (c3, c4);
        CREATE INDEX l5 ON wide (c4 DESC); CREATE INDEX l6 ON wide (c4, c5); CREATE INDEX l7 ON wide (c4 NULLS FIRST);
        CREATE INDEX l8 ON wide (c5) INCLUDE (c6); CREATE INDEX l9 ON wide (c5, c7);
        CREATE INDEX l10 ON wide (c6); CREATE INDEX l11 ON wide (c6, c7) WHERE c1 > 0; CREATE INDEX l12 ON wide (c7) WHERE c1 > 1; CREATE INDEX l13 ON wide (c7, c8) WHERE c1 > 2;
        CREATE INDEX l14 ON wide USING hash (c8); CREATE INDEX l15 ON wide (c8, c9);
        CREATE INDEX l16 ON wide (abs(c9)); CREATE INDEX l17 ON wide ((-c9), c1); CREATE INDEX l18 ON wide (abs(c10), c1);
        CREATE INDEX l19 ON wide (c10) INCLUDE (c1); CREATE INDEX l20 ON wide (c10) INCLUDE (c2);
        CREATE INDEX l21 ON wide (c11, c10); CREATE INDEX l22 ON wide (c2, c11);
        CREATE TABLE texts (c text, d text, e text, f int);
        CREATE INDEX m1 ON texts (c); CREATE INDEX m2 ON texts (c COLLATE "C", d);
        CREATE INDEX m3 ON texts (d text_pattern_ops); CREATE INDEX m4 ON texts (d, e);
        CREATE INDEX m5 ON texts (f); ALTER TABLE texts CLUSTER ON m5; CREATE INDEX m6 ON texts (f, e);
        -- identical: another check's; the wider one is not valid, or excludes
        CREATE INDEX s1 ON texts (e, f); CREATE INDEX s2 ON texts (e, f);
        CREATE TABLE inv (a int, b int); CREATE INDEX v1 ON inv (a); CREATE INDEX v2 ON inv (a, b); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'v2'::regclass;
        CREATE TABLE excl (a int, b int, EXCLUDE USING btree (a WITH =, b WITH =)); CREATE INDEX x1 ON excl (a, b);
        CREATE TABLE excl2 (a int, b int, EXCLUDE USING btree (a WITH =)); CREATE INDEX x2 ON excl2 (a, b);
        CREATE TABLE only_root (k int, v int) PARTITION BY LIST (k); CREATE TABLE only_root1 PARTITION OF only_root FOR VALUES IN (1);
        CREATE INDEX o1 ON only_root (v); CREATE INDEX o2 ON ONLY only_root (v, k);
        CREATE TEMP TABLE tt (a int, b int); CREATE INDEX ON tt (a); CREATE INDEX ON tt (a, b);
        """, {
        "public.t.n_a": ("info", 8192), "public.t.w_ab": ("info", 8192), "public.t.n_expr": ("info", 8192), "public.t.n_part": ("info", 8192),
        "public.t.n_pattern": ("info", 8192), "public.t.n_c": ("info", 8192), "public.t.n_key": ("info", 8192), "public.t.n_pay": ("info", 8192),
        "public.tree.tree_v": ("info", None), 'public."or""der"."n\'1"': ("info", 8192)}),
    "boolean key": Proof("index-boolean", """
        CREATE DOMAIN yes AS boolean;
        CREATE TABLE t (id int PRIMARY KEY, flag boolean, y yes, a int, s text);
        CREATE INDEX one ON t (flag); CREATE INDEX two ON t (a, flag); CREATE INDEX three ON t (y);
        CREATE TABLE tree (k int, flag boolean) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1); CREATE INDEX tree_flag ON tree (flag);
        -- look-alikes
        CREATE INDEX filtered ON t (a) WHERE flag; CREATE INDEX payload ON t (a) INCLUDE (flag); CREATE UNIQUE INDEX uni ON t (flag, a);
        CREATE INDEX plain ON t (a, s); ALTER TABLE t ADD UNIQUE (y, id);
        CREATE TABLE kept (flag boolean); CREATE INDEX kept_flag ON kept (flag); ALTER TABLE kept CLUSTER ON kept_flag;
        CREATE TABLE flyway_schema_history (success boolean); CREATE INDEX ON flyway_schema_history (success);
        CREATE TABLE excl (flag boolean, EXCLUDE USING btree (flag WITH =));
        """, {"public.t.one": ("info", 8192), "public.t.two": ("info", 8192), "public.t.three": ("info", 8192), "public.tree.tree_flag": ("info", None)}),
    "leading column is NULL": Proof("index-leading-nullable", """
        CREATE TABLE t (id int PRIMARY KEY, n int, half int, rest text, nn int NOT NULL, "wei rd""" + '""' + """x" text);
        INSERT INTO t SELECT g, CASE WHEN g % 10 = 0 THEN g END, CASE WHEN g % 2 = 0 THEN g END, CASE WHEN g % 4 = 0 THEN 'x' END, g, CASE WHEN g < 10 THEN 'x' END FROM generate_series(1, 2000) g;
        CREATE INDEX lead ON t (n); CREATE INDEX two ON t (rest COLLATE "C" text_pattern_ops DESC NULLS LAST, id) INCLUDE (half);
        CREATE INDEX odd ON t ("wei rd""" + '""' + """x" NULLS FIRST);
        -- look-alikes: a half, NOT NULL, unique, partial, second, few rows, not btree, expression
        CREATE INDEX l1 ON t (half); CREATE INDEX l2 ON t (nn, n); CREATE UNIQUE INDEX l3 ON t (n, id); CREATE INDEX l4 ON t (n) WHERE n IS NOT NULL;
        CREATE INDEX l5 ON t USING hash (n); CREATE INDEX l6 ON t (abs(n)); CREATE INDEX l7 ON t USING brin (n);
        CREATE TABLE few (n int); INSERT INTO few SELECT NULL FROM generate_series(1, 900); CREATE INDEX ON few (n);
        ANALYZE;
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth""", {
        "public.t.lead": ("info", 0.9), "public.t.two": ("info", 0.75), "public.t.odd": ("info", 0.9955)}),
    "predicate of no use": Proof("index-redundant-predicate", """
        CREATE TABLE t (id int PRIMARY KEY, nn int NOT NULL, n int, c text NOT NULL, d date);
        CREATE INDEX one ON t (n) WHERE nn IS NOT NULL; CREATE INDEX two ON t (c DESC, n) INCLUDE (d) WHERE id IS NOT NULL AND c IS NOT NULL;
        CREATE UNIQUE INDEX three ON t (nn) WHERE nn IS NOT NULL;
        CREATE INDEX part ON t (n) WHERE c IS NOT NULL AND n > 5;
        CREATE INDEX expr ON t (lower(c)) WHERE c IS NOT NULL;
        CREATE INDEX deep ON t (d) WHERE (n > 1 OR n < -5) AND (abs(n) > 7 AND nn IS NOT NULL);
        -- look-alikes: may be NULL, another test, within OR or NOT, an expression, none
        CREATE INDEX l1 ON t (n) WHERE n IS NOT NULL; CREATE INDEX l2 ON t (n) WHERE n IS NULL; CREATE INDEX l3 ON t (n) WHERE nn IS NOT NULL OR n > 5;
        CREATE INDEX l4 ON t (n) WHERE (nn IS NOT NULL) = (n > 5); CREATE INDEX l5 ON t (n) WHERE nullif(nn, 5) IS NOT NULL; CREATE INDEX l6 ON t (c);
        CREATE INDEX l7 ON t (d) WHERE nn > 5 AND (nn IS NOT NULL OR n > 5); CREATE INDEX l8 ON t (d) WHERE NOT (nn IS NOT NULL AND n > 5);
        CREATE INDEX l9 ON t (nn) WHERE c = '{NULLTEST :arg {VAR :varno 1 :varattno 2 } :nulltesttype 1 }';
        CREATE TABLE loosened (a int NOT NULL); CREATE INDEX l10 ON loosened (a) WHERE a IS NOT NULL; ALTER TABLE loosened ALTER a DROP NOT NULL;
        """, {"public.t.one": ("info", 8192), "public.t.two": ("info", 8192), "public.t.three": ("info", 8192), "public.t.part": ("info", 8192),
              "public.t.expr": ("info", 8192), "public.t.deep": ("info", 8192)},
        closes={"public.t.one", "public.t.two", "public.t.three"}),
    "time before other columns": Proof("index-timestamp-not-last", """
        CREATE TABLE t (id bigint PRIMARY KEY, at timestamptz, d date, who int, "wh at" text);
        CREATE INDEX one ON t (at, who); CREATE INDEX two ON t (who, d DESC, "wh at" COLLATE "C") INCLUDE (at); CREATE INDEX three ON t (at, who, id);
        -- look-alikes: last, ties broken, unique, two times, alone, other method, partial, expression
        CREATE INDEX l1 ON t (who, at); CREATE INDEX l2 ON t (at, id); CREATE UNIQUE INDEX l3 ON t (d, who); CREATE INDEX l4 ON t (who, at, d);
        CREATE INDEX l5 ON t (at); CREATE INDEX l6 ON t USING brin (at, who); CREATE INDEX l7 ON t (at) INCLUDE (who);
        CREATE TABLE c (at date, who int, EXCLUDE USING btree (at WITH =, who WITH =)); CREATE INDEX c1 ON c (at, who); ALTER TABLE c CLUSTER ON c1;
        """, {"public.t.one": ("info", 8192), "public.t.two": ("info", 8192), "public.t.three": ("info", 8192)}),
    "btree over an array": Proof("index-btree-on-array", """
        CREATE DOMAIN tags AS text[];
        CREATE TABLE t (id int PRIMARY KEY, a int[], "b b" text[], t tags, x int, v int2vector, r int4range);
        CREATE INDEX one ON t (a); CREATE INDEX two ON t ("b b"); CREATE INDEX three ON t (t); CREATE INDEX four ON t (x, a);
        -- look-alikes
        CREATE INDEX l1 ON t USING gin (a); CREATE UNIQUE INDEX l2 ON t (a); CREATE INDEX l3 ON t (x) INCLUDE (a); CREATE INDEX l4 ON t (cardinality(a));
        CREATE INDEX l5 ON t (r); CREATE INDEX l6 ON t USING hash (a);
        """, {"public.t.one": ("info", 8192), "public.t.two": ("info", 8192), "public.t.three": ("info", 8192), "public.t.four": ("info", 8192)},
        closes={"public.t.one", "public.t.two", "public.t.three"}),
    "unlogged table": Proof("table-unlogged", """
        CREATE UNLOGGED TABLE u (a int); INSERT INTO u SELECT generate_series(1, 1000); VACUUM u;
        CREATE UNLOGGED TABLE "it's" (a int PRIMARY KEY);
        CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        CREATE TABLE tree2 PARTITION OF tree FOR VALUES IN (2) PARTITION BY LIST (k); CREATE UNLOGGED TABLE tree22 PARTITION OF tree2 FOR VALUES IN (2);
        CREATE UNLOGGED TABLE tree3 PARTITION OF tree FOR VALUES IN (3);
        -- look-alikes
        CREATE TABLE logged (a int); CREATE TEMP TABLE tt (a int); CREATE UNLOGGED TABLE was (a int); ALTER TABLE was SET LOGGED;
        CREATE UNLOGGED TABLE cache_pages (a int); CREATE SCHEMA vendor_x; CREATE UNLOGGED TABLE vendor_x.t (a int);
        """, {"public.u": ("info", 40960), "public.\"it's\"": ("info", 0), "public.tree": ("info", 0)},
        settings={"allow": r"^public\.cache_"}, keys={"schemas_exclude": ["vendor_*"]}),
    "no replica identity": Proof("replica-identity-missing", """
        CREATE TABLE bare (a int); CREATE TABLE nothing (a int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING;
        CREATE TABLE uni (a int NOT NULL UNIQUE, b int); CREATE TABLE nullable (a int UNIQUE);
        CREATE TABLE lost (a int NOT NULL, b int PRIMARY KEY); CREATE UNIQUE INDEX lost_a ON lost (a); ALTER TABLE lost REPLICA IDENTITY USING INDEX lost_a; DROP INDEX lost_a;
        CREATE TABLE late (a int PRIMARY KEY DEFERRABLE);
        CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (k);
        CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1); CREATE TABLE tree2 PARTITION OF tree FOR VALUES IN (2); ALTER TABLE tree2 ADD PRIMARY KEY (k);
        CREATE TABLE half (k int PRIMARY KEY) PARTITION BY LIST (k); CREATE TABLE half1 PARTITION OF half FOR VALUES IN (1); CREATE TABLE half2 PARTITION OF half FOR VALUES IN (2);
        ALTER TABLE half2 REPLICA IDENTITY NOTHING;
        CREATE TABLE "or""der" (a int NOT NULL); CREATE UNIQUE INDEX "u'1" ON "or""der" (a);
        -- look-alikes
        CREATE TABLE keyed (a int PRIMARY KEY); CREATE TABLE full_row (a int); ALTER TABLE full_row REPLICA IDENTITY FULL;
        CREATE TABLE by_index (a int NOT NULL UNIQUE); ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_a_key;
        CREATE TABLE whole (k int PRIMARY KEY) PARTITION BY LIST (k); CREATE TABLE whole1 PARTITION OF whole FOR VALUES IN (1);
        CREATE TABLE leaves (k int) PARTITION BY LIST (k); CREATE TABLE leaves1 PARTITION OF leaves FOR VALUES IN (1); ALTER TABLE leaves1 ADD PRIMARY KEY (k);
        CREATE TABLE inserted (a int); CREATE TABLE unpublished (a int);
        CREATE PUBLICATION p FOR TABLE bare, nothing, uni, nullable, lost, late, tree, half, "or""der", keyed, full_row, by_index, whole, leaves WITH (publish_via_partition_root = true);
        CREATE PUBLICATION p_ins FOR TABLE inserted WITH (publish = 'insert, truncate');
        """, {"public.bare": ("warning", 1), "public.nothing": ("warning", 1), "public.uni": ("warning", 1), "public.nullable": ("warning", 1), "public.lost": ("warning", 1),
              "public.late": ("warning", 1), "public.tree": ("warning", 1), "public.half": ("warning", 1), 'public."or""der"': ("warning", 1)},
        closes={"public.nothing", "public.uni", "public.lost", "public.half", 'public."or""der"'}),
    "no replica identity, all tables": Proof("replica-identity-missing", """
        CREATE TABLE bare (a int); CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        -- look-alikes
        CREATE TABLE keyed (a int PRIMARY KEY); CREATE UNLOGGED TABLE u (a int); CREATE TABLE empty_tree (k int) PARTITION BY LIST (k); CREATE VIEW v AS SELECT 1 AS a;
        CREATE PUBLICATION p FOR ALL TABLES WITH (publish = 'delete');""", {"public.bare": ("warning", 1), "public.tree": ("warning", 1)}, closes=set()),
    "no replica identity, schema": Proof("replica-identity-missing", """
        CREATE SCHEMA app; CREATE TABLE app.bare (a int); CREATE TABLE app.keyed (a int PRIMARY KEY); CREATE TABLE other (a int);
        CREATE PUBLICATION p FOR TABLES IN SCHEMA app;""", {"app.bare": ("warning", 1)}, closes=set(), server=15),
    "rows in the default partition": Proof("partition-default-has-rows", """
        CREATE TABLE ev (d date) PARTITION BY RANGE (d); CREATE TABLE ev1 PARTITION OF ev FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'); CREATE TABLE ev_rest PARTITION OF ev DEFAULT;
        INSERT INTO ev VALUES ('2026-01-05'), ('2027-01-01');
        CREATE TABLE deep (k int, j int) PARTITION BY LIST (k); CREATE TABLE deep1 PARTITION OF deep FOR VALUES IN (1) PARTITION BY LIST (j);
        CREATE TABLE "deep'1 rest" PARTITION OF deep1 DEFAULT PARTITION BY LIST (j); CREATE TABLE deep_rest1 PARTITION OF "deep'1 rest" DEFAULT; INSERT INTO deep VALUES (1, 7);
        -- look-alikes
        CREATE TABLE fine (k int) PARTITION BY LIST (k); CREATE TABLE fine1 PARTITION OF fine FOR VALUES IN (1); CREATE TABLE fine_rest PARTITION OF fine DEFAULT; INSERT INTO fine VALUES (1);
        CREATE TABLE gone (k int) PARTITION BY LIST (k); CREATE TABLE gone_rest PARTITION OF gone DEFAULT; INSERT INTO gone VALUES (1); DELETE FROM gone;
        CREATE TABLE wanted (k int) PARTITION BY LIST (k); CREATE TABLE wanted_rest PARTITION OF wanted DEFAULT; INSERT INTO wanted VALUES (1);
        CREATE TABLE plain (k int) PARTITION BY LIST (k); CREATE TABLE plain1 PARTITION OF plain FOR VALUES IN (1); INSERT INTO plain VALUES (1);
        """, {"public.ev": ("warning", 1), "public.deep": ("warning", 1)}, closes=set(),
        settings={"allow": r"^public\.wanted$"}, grants="GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth"),
    "partitions end soon": Proof("partition-premake-low", """
        CREATE FUNCTION part(root text, name text, a timestamptz, b timestamptz) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name, root, a, b); END $$;
        CREATE TABLE ended (t timestamptz) PARTITION BY RANGE (t); SELECT part('ended', 'ended1', now() - '9 days'::interval, now() - '2 days'::interval);
        CREATE TABLE long_ago (t date) PARTITION BY RANGE (t); CREATE TABLE long_ago1 PARTITION OF long_ago FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
        CREATE TABLE today (t timestamp, k int) PARTITION BY RANGE (t, k); CREATE TABLE today1 PARTITION OF today FOR VALUES FROM (MINVALUE, MINVALUE) TO ('2020-01-01', 3);
        SELECT format('CREATE TABLE today2 PARTITION OF today FOR VALUES FROM (%L, 3) TO (%L, 5)', now() - '12 hours'::interval, now() + '12 hours'::interval) \\gexec
        CREATE TABLE daily (t timestamptz) PARTITION BY RANGE (t);
        SELECT part('daily', 'daily' || g, now() + '12 hours'::interval + (g - 1) * '1 day'::interval, now() + '12 hours'::interval + g * '1 day'::interval) FROM generate_series(-3, 1) g;
        CREATE TABLE by_expr (t timestamptz) PARTITION BY RANGE (date(t AT TIME ZONE 'UTC')); SELECT part('by_expr', 'by_expr1', current_date - 9, current_date - 1);
        CREATE TABLE tenants (k int, t timestamptz) PARTITION BY LIST (k); CREATE TABLE "tenant'1" PARTITION OF tenants FOR VALUES IN (1) PARTITION BY RANGE (t);
        CREATE TABLE tenant2 PARTITION OF tenants FOR VALUES IN (2) PARTITION BY RANGE (t);
        SELECT part('tenant''1', 'tenant11', now() - '9 days'::interval, now() - '2 days'::interval); SELECT part('tenant2', 'tenant21', now() - '9 days'::interval, now() + '1 year'::interval);
        -- look-alikes: enough ahead, in periods or in days; DEFAULT; open; numbers; text; none yet; months below years
        CREATE TABLE ahead (t timestamptz) PARTITION BY RANGE (t); SELECT part('ahead', 'ahead' || g, date_trunc('day', now()) + g * '1 day'::interval, date_trunc('day', now()) + (g + 1) * '1 day'::interval) FROM generate_series(-1, 3) g;
        CREATE TABLE yearly (t timestamptz) PARTITION BY RANGE (t); SELECT part('yearly', 'yearly1', now() - '300 days'::interval, now() + '65 days'::interval);
        CREATE TABLE rest (t timestamptz) PARTITION BY RANGE (t); SELECT part('rest', 'rest1', now() - '9 days'::interval, now() - '2 days'::interval); CREATE TABLE rest_rest PARTITION OF rest DEFAULT;
        CREATE TABLE open (t timestamptz) PARTITION BY RANGE (t); CREATE TABLE open1 PARTITION OF open FOR VALUES FROM ('2020-01-01') TO (MAXVALUE);
        CREATE TABLE for_ever (t timestamptz) PARTITION BY RANGE (t); CREATE TABLE for_ever1 PARTITION OF for_ever FOR VALUES FROM ('2020-01-01') TO ('infinity');
        CREATE TABLE numbers (n int) PARTITION BY RANGE (n); CREATE TABLE numbers1 PARTITION OF numbers FOR VALUES FROM (1) TO (2020);
        CREATE TABLE words (n text) PARTITION BY RANGE (n); CREATE TABLE words1 PARTITION OF words FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
        CREATE TABLE none_yet (t date) PARTITION BY RANGE (t); CREATE TABLE listed (t date) PARTITION BY LIST (t); CREATE TABLE listed1 PARTITION OF listed FOR VALUES IN ('2020-01-01');
        CREATE TABLE years (t timestamptz) PARTITION BY RANGE (t);
        SELECT format('CREATE TABLE years1 PARTITION OF years FOR VALUES FROM (%L) TO (%L) PARTITION BY RANGE (t)', now() - '1 year'::interval, now()) \\gexec
        SELECT part('years1', 'years11', now() - '11 months'::interval, now() - '10 months'::interval); SELECT part('years', 'years2', now(), now() + '2 years'::interval);
        """, {"public.ended": ("critical", 0), "public.long_ago": ("warning", 0), "public.today": ("critical", 43200), "public.daily": ("warning", 129600),
              "public.by_expr": ("critical", 0), "public.tenants": ("critical", 0)}, closes=set()),
    "matview without data": Proof("matview-not-populated", """
        CREATE TABLE t (a int); CREATE MATERIALIZED VIEW m AS SELECT a FROM t WITH NO DATA; CREATE SCHEMA "s p"; CREATE MATERIALIZED VIEW "s p"."m'v" AS SELECT a FROM t WITH NO DATA;
        -- look-alikes
        CREATE MATERIALIZED VIEW filled AS SELECT a FROM t; CREATE MATERIALIZED VIEW late AS SELECT a FROM t WITH NO DATA; REFRESH MATERIALIZED VIEW late;
        CREATE SCHEMA vendor_x; CREATE MATERIALIZED VIEW vendor_x.m AS SELECT 1 AS a WITH NO DATA;
        """, {"public.m": ("warning", 1), "\"s p\".\"m'v\"": ("warning", 1)}, keys={"schemas_exclude": ["vendor_*"]}),
    "matview without unique index": Proof("matview-no-unique-index", """
        CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 1);
        CREATE MATERIALIZED VIEW bare AS SELECT a FROM t; CREATE MATERIALIZED VIEW plain AS SELECT a FROM t; CREATE INDEX ON plain (a);
        CREATE MATERIALIZED VIEW part AS SELECT a, b FROM t; CREATE UNIQUE INDEX ON part (a) WHERE b > 0; CREATE MATERIALIZED VIEW expr AS SELECT a FROM t; CREATE UNIQUE INDEX ON expr (abs(a));
        CREATE MATERIALIZED VIEW invalid AS SELECT a FROM t; CREATE UNIQUE INDEX invalid_a ON invalid (a); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'invalid_a'::regclass;
        -- look-alikes
        CREATE MATERIALIZED VIEW fine AS SELECT a, b FROM t; CREATE UNIQUE INDEX ON fine (a) INCLUDE (b); CREATE VIEW v AS SELECT a FROM t;
        """, {"public.bare": ("info", None), "public.plain": ("info", None), "public.part": ("info", None), "public.expr": ("info", None), "public.invalid": ("info", None)}, closes=set()),
    "inheritance": Proof("table-inheritance", """
        CREATE TABLE base (a int); CREATE TABLE kid () INHERITS (base); CREATE TABLE "kid's" () INHERITS (kid); CREATE TABLE two () INHERITS (base);
        CREATE TABLE "o ther" (b int); CREATE TABLE both_of () INHERITS (base, "o ther");
        CREATE TABLE years (t date); CREATE TABLE y1 (CHECK (t < '2020-01-01')) INHERITS (years);
        -- look-alikes
        CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (k); CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1);
        CREATE TABLE was (a int); CREATE TABLE was_kid () INHERITS (was); ALTER TABLE was_kid NO INHERIT was; CREATE TEMP TABLE tt () INHERITS (was);
        """, {"public.base": ("info", 4), 'public."o ther"': ("info", 1), "public.years": ("info", 1)}, closes=set()),
    "large objects without a reference": Proof("large-object-orphan", """
        CREATE TABLE t (o oid); CREATE TABLE many (o oid[]); CREATE SCHEMA vendor_x; CREATE TABLE vendor_x.t ("o'id" oid); GRANT USAGE ON SCHEMA vendor_x TO dbhealth;
        CREATE TABLE tree (k int, o oid) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        SELECT lo_create(1001), lo_create(1002), lo_create(1003), lo_create(1004), lo_create(1005), lo_create(1006);
        INSERT INTO t VALUES (1001), (NULL); INSERT INTO many VALUES ('{1002}'), (NULL); INSERT INTO vendor_x.t VALUES (1003); INSERT INTO tree VALUES (1, 1004);
        """, {"": ("info", 2)}, keys={"schemas_exclude": ["vendor_*"]},
        grants="GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth; GRANT SELECT ON vendor_x.t TO dbhealth"),
    "references without a large object": Proof("large-object-dangling", """
        CREATE TABLE t (id int, "o'id" oid); CREATE EXTENSION lo; CREATE TABLE typed (o lo); CREATE TABLE kept (o oid NOT NULL);
        CREATE TABLE watched (x int, o oid); CREATE TRIGGER w BEFORE UPDATE OR DELETE ON watched FOR EACH ROW EXECUTE FUNCTION lo_manage(o);
        SELECT lo_create(1001), lo_create(1002), lo_create(1003);
        INSERT INTO t VALUES (1, 1001), (2, 1002), (3, 77), (4, NULL), (5, 0); INSERT INTO typed VALUES (78), (79); INSERT INTO kept VALUES (1001), (80);
        INSERT INTO watched VALUES (1, 81);
        -- look-alikes: columns of other numbers, and whole ones
        CREATE TABLE relations (o oid); INSERT INTO relations SELECT oid FROM pg_class UNION ALL SELECT 1001; CREATE TABLE sound (o oid); INSERT INTO sound VALUES (1003), (NULL);
        CREATE TABLE regs (o regclass); INSERT INTO regs VALUES ('pg_class');
        """, {"public.t.\"o'id\"": ("warning", 1), "public.typed.o": ("warning", 2), "public.kept.o": ("warning", 1), "public.watched.o": ("warning", 1)},
        closes={"public.t.\"o'id\"", "public.typed.o", "public.watched.o"}, grants="GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth"),
    "database dropped half": Proof("database-invalid", """
        SELECT 'CREATE DATABASE "half''d b"' \\gexec
        SELECT 'CREATE DATABASE shut_db CONNECTION LIMIT 0 ALLOW_CONNECTIONS false' \\gexec
        UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'half''d b';
        """, {"\"half'd b\"": ("warning", 1)}),
    "duplicate index, by what makes it one": Proof("index-duplicate", """
        CREATE TABLE t (a int NOT NULL, b int, v tsvector, c text);
        CREATE INDEX b1 ON t USING brin (a); CREATE INDEX b2 ON t USING brin (a) WITH (pages_per_range = 16); CREATE INDEX b3 ON t USING brin (a);
        CREATE INDEX g1 ON t USING gist (v); CREATE INDEX g2 ON t USING gist (v tsvector_ops (siglen = 200)); CREATE INDEX g3 ON t USING gist (v tsvector_ops (siglen = 200));
        CREATE INDEX f1 ON t (b); CREATE INDEX f2 ON t (b) WITH (fillfactor = 50);
        CREATE TABLE r (a int NOT NULL); CREATE UNIQUE INDEX r1 ON r (a); CREATE UNIQUE INDEX r2 ON r (a); ALTER TABLE r REPLICA IDENTITY USING INDEX r2;
        CREATE TABLE k (a int); CREATE INDEX k1 ON k (a); CREATE INDEX k2 ON k (a); ALTER TABLE k CLUSTER ON k2;
        CREATE TABLE p (a int, CONSTRAINT p_a UNIQUE (a)); CREATE UNIQUE INDEX p1 ON p (a); CREATE TABLE refers (a int REFERENCES p (a));
        CREATE TABLE tree (k int, v int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1); CREATE INDEX tree_v ON tree (v); CREATE INDEX local ON tree1 (v);
        CREATE TABLE chunks (a int); CREATE INDEX h1 ON chunks (a); CREATE INDEX h2 ON chunks (a);
        CREATE TABLE chunk1 (CHECK (a < 5)) INHERITS (chunks); CREATE INDEX chunk1_1 ON chunk1 (a); CREATE INDEX chunk1_2 ON chunk1 (a);
        -- look-alikes
        CREATE INDEX n1 ON t (c); CREATE INDEX n2 ON t (c DESC); CREATE INDEX n3 ON t (c NULLS FIRST);
        CREATE TABLE d (a int, CONSTRAINT d_a UNIQUE (a) DEFERRABLE); CREATE UNIQUE INDEX d1 ON d (a);
        CREATE TABLE e (a int, EXCLUDE USING btree (a WITH =)); CREATE INDEX e1 ON e (a);
        CREATE TABLE x (a int, b int); CREATE INDEX x1 ON x ((a + b)); CREATE INDEX x2 ON x ((a - b)); CREATE INDEX x3 ON x ((a + b), (a - b)); CREATE INDEX x4 ON x ((a - b), (a + b));
        """, {"public.t.b3": ("warning", None), "public.t.g3": ("warning", None), "public.t.f2": ("warning", None), "public.r.r1": ("warning", None),
              "public.k.k1": ("warning", None), "public.p.p1": ("warning", None), "public.tree1.local": ("warning", None), "public.chunks.h2": ("warning", None)}),
    "duplicate index, NULLs": Proof("index-duplicate", """
        CREATE TABLE t (a int); CREATE UNIQUE INDEX u1 ON t (a) NULLS NOT DISTINCT; CREATE UNIQUE INDEX u2 ON t (a) NULLS NOT DISTINCT;
        -- look-alikes
        CREATE UNIQUE INDEX u3 ON t (a);""", {"public.t.u2": ("warning", None)}, server=15),
    "invalid index, three deep": Proof("index-invalid", """
        CREATE TABLE t (k int, j int) PARTITION BY LIST (k); CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1) PARTITION BY LIST (j); CREATE TABLE t11 PARTITION OF t1 FOR VALUES IN (1);
        CREATE INDEX t_j ON ONLY t (j); CREATE INDEX t1_j ON ONLY t1 (j); ALTER INDEX t_j ATTACH PARTITION t1_j;
        -- look-alikes: whole
        CREATE INDEX t_k ON t (k); CREATE INDEX t_kj ON ONLY t (k, j); CREATE INDEX t1_kj ON ONLY t1 (k, j); CREATE INDEX t11_kj ON t11 (k, j);
        ALTER INDEX t1_kj ATTACH PARTITION t11_kj; ALTER INDEX t_kj ATTACH PARTITION t1_kj;
        """, {"public.t.t_j": ("warning", None)}, closes=set()),
    "vacuum overdue, chunks": Proof("vacuum-overdue", """
        CREATE TABLE chunks (a int); CREATE TABLE c1 (CHECK (a < 30000)) INHERITS (chunks); CREATE TABLE c2 (CHECK (a >= 30000)) INHERITS (chunks);
        ALTER TABLE c1 SET (autovacuum_enabled = off); ALTER TABLE c2 SET (autovacuum_enabled = off);
        INSERT INTO c1 SELECT generate_series(1, 20000); INSERT INTO c2 SELECT generate_series(30001, 50000); ANALYZE c1; ANALYZE c2;
        UPDATE c1 SET a = a; UPDATE c2 SET a = a; UPDATE c2 SET a = a; SELECT pg_stat_force_next_flush();""",
        {"public.chunks": ("critical", 40000 / 4050)}, settings={"settle": "0s"}, server=15, closes=set()),
}


@contextlib.contextmanager
def waiting(cluster, dbname, statement, use="UPDATE t SET a = a"):
    """The statement runs and waits behind an open transaction that has used the same table."""
    before = cluster.one("SELECT count(*) FROM pg_index WHERE NOT indisvalid", dbname=dbname)
    with contextlib.closing(cluster.session(dbname, autocommit=False)) as holder, contextlib.closing(cluster.session(dbname)) as worker:
        with holder.cursor() as cur:
            cur.execute(use)

        def run():
            with contextlib.suppress(psycopg2.Error), worker.cursor() as cur:
                cur.execute(statement)
        thread = threading.Thread(target=run)
        thread.start()
        try:
            wait_until(lambda: cluster.one("SELECT count(*) FROM pg_index WHERE NOT indisvalid", dbname=dbname) == before + 1, 20, "it has begun")
            wait_until(lambda: cluster.one("SELECT count(*) FROM pg_locks WHERE NOT granted", dbname=dbname) > 0, 20, "it waits")
            yield
        finally:
            worker.cancel()
            thread.join(20)
            holder.rollback()


@proves("index-reindex-leftover", "index-invalid")
def test_index_in_work_is_no_fault_until_the_work_has_failed(module_cluster):
    c = module_cluster
    db = c.createdb("in_work")
    c.script("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'); CREATE INDEX one ON t (a); CREATE INDEX two ON t (b);", db)
    c.sql("DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")

    def faults(**keys):
        return [(f["check"], f["object"]) for check in ("index-reindex-leftover", "index-invalid") for f in look(c, db, check, keys=keys)]

    left = []
    for statement, leaves in (("REINDEX INDEX CONCURRENTLY one", ("index-reindex-leftover", "public.t.one_ccnew")),
                              ("DROP INDEX CONCURRENTLY two", ("index-invalid", "public.t.two")),
                              ("CREATE INDEX CONCURRENTLY three ON t (a, b)", ("index-invalid", "public.t.three"))):
        with waiting(c, db, statement):
            assert leaves not in faults(), statement
            assert leaves not in faults(dsn=c.dsn(db, user="plain")), f"{statement}, seen by a role without pg_monitor"
        left.append(leaves)
        assert sorted(faults()) == sorted(left)
    for check in ("index-reindex-leftover", "index-invalid"):
        for f in look(c, db, check):
            assert mend(c, db, f)
    assert faults() == []


@proves("index-reindex-leftover")
def test_leftover_of_a_toast_index_is_told_under_its_table(module_cluster):
    db = module_cluster.createdb("toast_left")
    module_cluster.script("CREATE TABLE t (a int, b text);", db)
    toast = module_cluster.one("SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = 't'::regclass", dbname=db)
    with waiting(module_cluster, db, f"REINDEX INDEX CONCURRENTLY {toast}_index",
                 use="INSERT INTO t SELECT 1, string_agg(md5(g::text), '') FROM generate_series(1, 500) g"):
        assert look(module_cluster, db, "index-reindex-leftover") == []
    found = look(module_cluster, db, "index-reindex-leftover")
    assert len(found) == 1
    for f in found:
        assert f["object"].startswith("public.t.pg_toast_") and f["object"].endswith("_index_ccnew")
        mend(module_cluster, db, f)
    assert look(module_cluster, db, "index-reindex-leftover") == []


@proves("temp-schema-orphan")
def test_temporary_tables_that_outlive_their_session(cluster):
    c = cluster(settings={"autovacuum": "off"})
    db = c.createdb("app")
    sessions = [c.session(db) for _ in range(3)]
    schemas = []
    for s in sessions:
        with s.cursor() as cur:
            cur.execute("CREATE TEMP TABLE a (t text); CREATE TEMP TABLE b AS SELECT 1 AS i; SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()")
            schemas.append(cur.fetchone()[0])
    with contextlib.closing(c.session(db, autocommit=False)) as busy, busy.cursor() as cur:
        cur.execute("SELECT 1")
        assert look(c, db, "temp-schema-orphan") == [], "all of them live"
    # Who leaves by himself cleans up behind him, so they close after the crash.
    os.kill(sessions[0].get_backend_pid(), signal.SIGKILL)

    def alive():
        with contextlib.suppress(psycopg2.Error):
            return c.one("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'app')")
    wait_until(alive, 30, "the server has recovered")
    for s in sessions:
        s.close()
    assert {f["object"] for f in look(c, db, "temp-schema-orphan")} == set(schemas)
    # One number is taken again, by a session that has no temporary table yet; and by one that has.
    with contextlib.closing(c.session(db, autocommit=False)) as live, live.cursor() as cur:
        cur.execute("CREATE TEMP TABLE mine (i int); SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()")
        taken = cur.fetchone()[0]
        found = look(c, db, "temp-schema-orphan")
        assert {f["object"] for f in found} == set(schemas) - {taken}
        assert {(f["severity"], f["value"]) for f in found} == {("warning", 2)}
        for f in found:
            assert mend(c, db, f)
        assert look(c, db, "temp-schema-orphan") == []
        cur.execute("SELECT count(*) FROM mine")


@proves("prepared-xact-stale")
def test_prepared_transaction_that_was_forgotten(cluster):
    c = cluster(settings={"max_prepared_transactions": "5"})
    db = c.createdb("app")
    c.sql("CREATE TABLE t (i int)", dbname=db)
    assert look(c, db, "prepared-xact-stale") == []
    for gid in ("or'der 1", "line\\nfeed"):
        c.script(f"BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION E'{gid.replace(chr(39), chr(39) * 2)}';", db)
    assert look(c, db, "prepared-xact-stale") == [], "not yet for five minutes"
    found = look(c, db, "prepared-xact-stale", warning=">= 0s", critical=">= 1h")
    assert [f["severity"] for f in found] == ["warning"] * 2 and "or'der 1" in {f["object"] for f in found}
    assert all(f["value"] < 300 and "holds 1 lock" in f["message"] and "in app, by postgres" in f["message"] for f in found), [f["message"] for f in found]
    worst = look(c, "postgres", "prepared-xact-stale", warning=">= 0s", critical=">= 0.001s")
    assert [f["severity"] for f in worst] == ["critical"] * 2, "seen from any database"
    for f in found:
        assert mend(c, db, f)
    assert look(c, db, "prepared-xact-stale", warning=">= 0s") == []


@proves("table-missing-index")
def test_table_that_is_read_whole_again_and_again(module_cluster, daemon):
    c = module_cluster
    db = c.createdb("missing_index")
    c.script("""
        CREATE TABLE hot (a int, b int); INSERT INTO hot SELECT g, g FROM generate_series(1, 3000) g;
        CREATE TABLE tree (k int, a int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1); INSERT INTO tree SELECT 1, g FROM generate_series(1, 3000) g;
        -- look-alikes: served by an index, small, LIMIT 1, seldom
        CREATE TABLE served (a int PRIMARY KEY, b int); INSERT INTO served SELECT g, g FROM generate_series(1, 3000) g;
        CREATE TABLE small (a int); INSERT INTO small SELECT generate_series(1, 100);
        CREATE TABLE first_row (a int); INSERT INTO first_row SELECT generate_series(1, 3000); CREATE TABLE seldom (a int); INSERT INTO seldom SELECT generate_series(1, 3000);
        VACUUM ANALYZE;""", db)

    def work():
        with contextlib.closing(c.session(db)) as s, s.cursor() as cur:
            cur.execute("SET jit = off; SET max_parallel_workers_per_gather = 0")
            for _ in range(30):
                cur.execute("SELECT b FROM hot WHERE a = 5; SELECT k FROM tree WHERE a = 7; SELECT * FROM small WHERE a = 1; SELECT * FROM first_row LIMIT 1")
                cur.execute("SELECT count(*) FROM served WHERE b = 1; SET enable_seqscan = off; SELECT count(b) FROM served WHERE a > 0; "
                            "SELECT count(b) FROM served WHERE a > 0; RESET enable_seqscan")
            cur.execute("SELECT pg_stat_force_next_flush()" if c.version >= 15 else "SELECT pg_sleep(1)")

    c.sql("SELECT * FROM seldom WHERE a = 1", dbname=db)
    work()
    # The check as it is, but for a window that a test can wait for.
    text = subprocess.run(["awk", "-f", "lib/check/expand.awk", "lib/checks/postgresql.parts", "lib/checks/postgresql/table-missing-index.sql"],
                          cwd=pathlib.Path(__file__).parents[3], check=True, capture_output=True, text=True).stdout.replace("-- window: 7d", "-- window: 8s")
    assert "window: 8s" in text
    rules = {"interval": "1s", "param.min_bytes": "100kB", "param.min_rows_read": "1000", "info": ">= 10"}

    def watch(name, **more):
        return daemon(name, databases={"it": {"dsn": c.dsn(db)}}, defaults={"schema_interval": "1s"}, checks_d={"short.sql": text},
                      sections={"check table-missing-index": {**rules, **more}})
    patient, d = watch("patient"), watch("d", **{"for": "2s"})
    wait_until(lambda: d.check("it", "table-missing-index")["status"] in ("ok", "pending"), 20, "a first sample is there")
    until = time.monotonic() + 60
    while {f["object"] for f in d.findings(check="table-missing-index")} != {"public.hot", "public.tree"}:
        assert time.monotonic() < until, d.findings(check="table-missing-index")
        work()
    f, = [f for f in d.findings(check="table-missing-index") if f["object"] == "public.tree"]
    assert f["severity"] == "info" and f["value"] >= 10 and "worst partition public.tree1" in f["message"]
    assert patient.findings(check="table-missing-index") == [], "thirty days have not passed"
    c.script("CREATE INDEX ON hot (a); CREATE INDEX ON tree (a); ANALYZE;", db)
    d.wait_gone("table-missing-index")


@proves("partition-premake-low", "index-redundant-prefix", "replica-identity-missing", "partition-default-has-rows")
def test_locked_tables_are_judged_without_waiting(module_cluster):
    db = module_cluster.createdb("locked_parts")
    module_cluster.script("""
        CREATE TABLE ev (t timestamptz, a int) PARTITION BY RANGE (t); CREATE TABLE ev1 PARTITION OF ev FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
        CREATE INDEX one ON ev (a); CREATE INDEX two ON ev (a, t); CREATE PUBLICATION p FOR TABLE ev1;
        CREATE TABLE rest (t int) PARTITION BY LIST (t); CREATE TABLE rest1 PARTITION OF rest DEFAULT; GRANT SELECT ON rest1 TO dbhealth;""", db)
    with contextlib.closing(module_cluster.session(db, autocommit=False)) as s, s.cursor() as cur:
        cur.execute("LOCK TABLE ev, ev1, rest, rest1 IN ACCESS EXCLUSIVE MODE")
        assert [f["object"] for f in look(module_cluster, db, "partition-premake-low")] == ["public.ev"]
        assert [f["object"] for f in look(module_cluster, db, "index-redundant-prefix")] == ["public.ev.one"]
        assert [f["object"] for f in look(module_cluster, db, "replica-identity-missing")] == ["public.ev"]
        assert look(module_cluster, db, "partition-default-has-rows") == []


@proves("partition-default-has-rows", "large-object-orphan", "large-object-dangling", "index-leading-nullable")
def test_rights_to_look_at_rows_are_named(module_cluster):
    db = module_cluster.createdb("rights_rows")
    module_cluster.script("""
        CREATE SCHEMA hidden; CREATE TABLE hidden.tree (k int, o oid, n int) PARTITION BY LIST (k); CREATE TABLE hidden.rest PARTITION OF hidden.tree DEFAULT;
        SELECT lo_create(1001); INSERT INTO hidden.tree SELECT g, 1001, NULL FROM generate_series(1, 2000) g;
        CREATE INDEX ON hidden.rest (n); ANALYZE;""", db)
    checks = ("partition-default-has-rows", "large-object-orphan", "large-object-dangling", "index-leading-nullable")
    grants = []
    for check in checks:
        found = look(module_cluster, db, check)
        assert found == [] and "GRANT" in found.missing[0]["grant"], check
        grants.append(found.missing[0]["grant"])
    module_cluster.script("\n".join(grants), db)
    for check in checks:
        assert look(module_cluster, db, check).missing == [], check
    assert [f["object"] for f in look(module_cluster, db, "partition-default-has-rows")] == ["hidden.tree"]
    assert [f["object"] for f in look(module_cluster, db, "index-leading-nullable")] == ["hidden.rest.rest_n_idx"]


@proves("large-object-orphan")
def test_rights_on_many_tables_are_asked_by_schema(module_cluster):
    db = module_cluster.createdb("rights_many")
    module_cluster.script("""CREATE SCHEMA "s p"; SELECT lo_create(5); SELECT format('CREATE TABLE "s p".t%s (o oid)', g) FROM generate_series(1, 200) g \\gexec
        CREATE TABLE one (o oid);""", db)
    found = look(module_cluster, db, "large-object-orphan")
    assert found == [] and 'ALL TABLES IN SCHEMA "s p"' in found.missing[0]["grant"]
    module_cluster.script(found.missing[0]["grant"], db)
    assert [(f["object"], f["value"]) for f in look(module_cluster, db, "large-object-orphan")] == [("", 1)]


@proves("collation-version-mismatch")
def test_collation_that_an_expression_or_a_rule_that_excludes_depends_on(module_cluster):
    db = "collated"
    module_cluster.sql(f"CREATE DATABASE {db} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
    module_cluster.script("""
        CREATE TABLE t (c text COLLATE "C", x text COLLATE "de-x-icu", EXCLUDE USING btree (x WITH =));
        CREATE INDEX by_expression ON t ((c COLLATE "de-x-icu" > 'm')); CREATE INDEX by_predicate ON t (c) WHERE c COLLATE "de-x-icu" > 'm';
        -- look-alikes
        CREATE INDEX plain ON t (c); CREATE INDEX other ON t (c COLLATE "fr-x-icu");
        UPDATE pg_collation SET collversion = '1.0' WHERE collname = 'de-x-icu';""", db)
    f, = look(module_cluster, db, "collation-version-mismatch")
    assert (f["object"], f["severity"], f["value"]) == ('pg_catalog."de-x-icu"', "critical", 3)
    assert all(w in f["detail"] for w in ("by_expression", "by_predicate", "t_x_excl"))
    assert mend(module_cluster, db, f)
    assert look(module_cluster, db, "collation-version-mismatch") == []


EVIL = ["it's", 'say "hi"', "select", "Ünïcödé", "tab\there", "new\nline", "back\\slash", "dollar$$x", "%I %s {object}", ":name", "x" * 63, "-- ; DROP",
        "\u202ebidi", " lead", "a.b", "a,b"]


@proves("index-reindex-leftover", "index-redundant-prefix", "index-boolean", "index-leading-nullable", "index-redundant-predicate", "index-timestamp-not-last",
        "index-btree-on-array", "table-unlogged", "replica-identity-missing", "matview-not-populated", "large-object-dangling")
def test_strange_names_are_mended_as_printed(module_cluster):
    c = module_cluster
    db = c.createdb("strange_names")
    sql = []
    for i, name in enumerate(EVIL):
        q, cut = ('"' + n.replace('"', '""') + '"' for n in (name, name[:55]))
        short = cut[:-1]
        sql.append(f"""CREATE SCHEMA {q}; CREATE TABLE {q}.{q} ({q} int NOT NULL, b boolean, n int, t timestamptz, a int[]);
            INSERT INTO {q}.{q} SELECT g, true FROM generate_series(1, 1000) g;
            CREATE INDEX {short}_p" ON {q}.{q} ({q}); CREATE INDEX {short}_w" ON {q}.{q} ({q}, n); CREATE INDEX {short}_b" ON {q}.{q} (b) WHERE n > 5;
            CREATE INDEX {short}_n" ON {q}.{q} (n); CREATE INDEX {short}_r" ON {q}.{q} (n, {q}) WHERE {q} IS NOT NULL; CREATE INDEX {short}_t" ON {q}.{q} (t, {q}) INCLUDE (n);
            CREATE INDEX {short}_a" ON {q}.{q} (a); CREATE UNIQUE INDEX {short}_u" ON {q}.{q} ({q}); CREATE PUBLICATION {q} FOR TABLE {q}.{q};
            CREATE INDEX {short}_ccnew" ON {q}.{q} (n) WHERE n > {i};
            CREATE UNLOGGED TABLE {q}.u ({q} int); CREATE MATERIALIZED VIEW {q}.m AS SELECT {q} FROM {q}.{q} WITH NO DATA;
            CREATE TABLE {q}.o ({q} oid); INSERT INTO {q}.o VALUES ({5000 + i}), (1); GRANT USAGE ON SCHEMA {q} TO dbhealth; GRANT SELECT ON ALL TABLES IN SCHEMA {q} TO dbhealth;""")
    c.script("SELECT lo_create(1);" + "\n".join(sql) + "UPDATE pg_index SET indisvalid = false FROM pg_class AS x WHERE x.oid = indexrelid AND x.relname LIKE '%ccnew'; ANALYZE;", db)
    for check in ("index-reindex-leftover", "index-redundant-prefix", "index-boolean", "index-redundant-predicate", "index-timestamp-not-last", "index-btree-on-array",
                  "index-leading-nullable", "table-unlogged", "replica-identity-missing", "matview-not-populated", "large-object-dangling"):
        found = look(c, db, check, keys={"max_findings": "1000"})
        assert {f["object"].split(".")[0] for f in found} >= {c.one("SELECT quote_ident(%s)", n).split(".")[0] for n in EVIL}, check
        for f in found:
            for r in f["remedies"]:
                if r["kind"] in ("sql", "look"):
                    assert not any(ord(x) < 32 and x != "\n" for x in r["text"]), r
        c.script("\n".join(r["text"] for f in found for r in f["remedies"] if r["kind"] == "sql" and r["closes"]), db)
        assert look(c, db, check) == [], check
