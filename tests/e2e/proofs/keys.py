"""Checks of keys, foreign keys, triggers and sequences."""
from proof import Proof, look, mend, proves, test_fault_is_found_and_its_remedies_close_it  # noqa: F401
from support import Cluster, wait_until

PROOFS = {
    "foreign key of another type": Proof("fk-type-mismatch", """
        CREATE DOMAIN money_id AS bigint; CREATE DOMAIN inner_id AS money_id;
        CREATE TABLE big (id bigint PRIMARY KEY, code varchar(20) UNIQUE, amount numeric(10,2) UNIQUE, free text UNIQUE, day date UNIQUE, UNIQUE (id, code));
        INSERT INTO big VALUES (1, 'x', 1, 'x', '2026-01-01');
        CREATE TABLE narrow (big_id int REFERENCES big); INSERT INTO narrow VALUES (1);
        CREATE TABLE small (id int PRIMARY KEY); CREATE TABLE wider (small_id bigint REFERENCES small); INSERT INTO small VALUES (1); INSERT INTO wider VALUES (1);
        CREATE TABLE lengths (code varchar(50) REFERENCES big (code), amount numeric(12,2) REFERENCES big (amount));
        CREATE TABLE kinds (free varchar REFERENCES big (free), day timestamp REFERENCES big (day), bounded varchar(9) REFERENCES big (free));
        CREATE TABLE several (a int, b varchar(20), FOREIGN KEY (a, b) REFERENCES big (id, code));
        CREATE TABLE own_collation (code text COLLATE "C" REFERENCES big (code));
        CREATE TABLE seen (big_id int REFERENCES big); CREATE VIEW seen_by AS SELECT big_id FROM seen;
        CREATE SCHEMA "s p"; CREATE TABLE "s p"."or""der
" ("select" smallint REFERENCES big);
        CREATE TABLE tree (k int, big_id int REFERENCES big) PARTITION BY LIST (k);
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (k); CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1);
        INSERT INTO tree VALUES (1, 1);
        CREATE TABLE by_it (big_id int REFERENCES big) PARTITION BY LIST (big_id);
        CREATE TYPE kind AS (big_id int); CREATE TABLE typed OF kind; ALTER TABLE typed ADD FOREIGN KEY (big_id) REFERENCES big;
        CREATE TABLE row_of (big_id int REFERENCES big); CREATE TABLE holds (r row_of);
        -- look-alikes: domains of the same type on either side, partitions as target, what an extension owns
        CREATE TABLE fine (a bigint REFERENCES big, b inner_id REFERENCES big, c varchar(20) REFERENCES big (code), d numeric(10,2) REFERENCES big (amount));
        CREATE TABLE by_domain (id inner_id PRIMARY KEY); CREATE TABLE to_domain (id bigint REFERENCES by_domain);
        CREATE TABLE parted (id bigint PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE parted1 PARTITION OF parted FOR VALUES FROM (0) TO (9);
        CREATE TABLE to_parted (id bigint REFERENCES parted);
        CREATE TABLE of_extension (big_id int REFERENCES big); ALTER EXTENSION plpgsql ADD TABLE of_extension;
        CREATE SCHEMA vendor_x; CREATE TABLE vendor_x.t (big_id int REFERENCES big);
        CREATE TEMP TABLE p (id bigint PRIMARY KEY); CREATE TEMP TABLE c (p int REFERENCES p);
        ANALYZE;""", {
        "public.narrow.big_id": ("warning", None), "public.wider.small_id": ("warning", None), "public.lengths.code": ("warning", None),
        "public.lengths.amount": ("warning", None), "public.kinds.free": ("info", None), "public.kinds.day": ("warning", None),
        "public.kinds.bounded": ("warning", None), "public.several.a": ("warning", None), "public.own_collation.code": ("warning", None),
        "public.seen.big_id": ("warning", None), '"s p"."or""der\n"."select"': ("warning", None), "public.tree.big_id": ("warning", None),
        "public.by_it.big_id": ("warning", None), "public.typed.big_id": ("warning", None), "public.row_of.big_id": ("warning", None)},
        closes={"public.narrow.big_id", "public.wider.small_id", "public.lengths.code", "public.lengths.amount", "public.kinds.free",
                "public.kinds.day", "public.kinds.bounded", "public.several.a", "public.own_collation.code", '"s p"."or""der\n"."select"',
                "public.tree.big_id"},
        keys={"schemas_exclude": ["vendor_*"]}),
    "foreign key twice": Proof("fk-duplicate", """
        CREATE TABLE p (id int PRIMARY KEY, b int, UNIQUE (id, b), UNIQUE (b, id), UNIQUE (b)); CREATE TABLE other (id int PRIMARY KEY);
        CREATE TABLE c (p int CONSTRAINT one REFERENCES p CONSTRAINT two REFERENCES p CONSTRAINT three REFERENCES p);
        CREATE TABLE swapped (a int, b int, CONSTRAINT ab FOREIGN KEY (a, b) REFERENCES p (id, b), CONSTRAINT ba FOREIGN KEY (b, a) REFERENCES p (b, id));
        CREATE TABLE acts (p int CONSTRAINT a REFERENCES p ON DELETE CASCADE CONSTRAINT b REFERENCES p);
        CREATE TABLE unproven (p int); ALTER TABLE unproven ADD CONSTRAINT a FOREIGN KEY (p) REFERENCES p NOT VALID; ALTER TABLE unproven ADD CONSTRAINT b FOREIGN KEY (p) REFERENCES p;
        CREATE TABLE "new
line" ("o'p" int CONSTRAINT "x""y" REFERENCES p CONSTRAINT "dou""ble" REFERENCES p);
        CREATE TABLE tree (k int, p int CONSTRAINT one REFERENCES p CONSTRAINT two REFERENCES p) PARTITION BY LIST (k);
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        -- look-alikes
        CREATE TABLE apart (a int REFERENCES p, b int REFERENCES p, c int REFERENCES other, d int REFERENCES p (b));
        CREATE TABLE keys (a int REFERENCES p REFERENCES p (b)); CREATE TABLE to_other (a int REFERENCES p REFERENCES other);
        CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE parted1 PARTITION OF parted FOR VALUES IN (1);
        CREATE TABLE parted2 PARTITION OF parted FOR VALUES IN (2); CREATE TABLE to_parted (id int REFERENCES parted);
        """, {
        "public.c.two": ("warning", None), "public.c.three": ("warning", None), "public.swapped.ba": ("warning", None), "public.acts.b": ("warning", None),
        "public.unproven.a": ("warning", None), 'public."new\nline"."dou""ble"': ("warning", None), "public.tree.two": ("warning", None)},
        closes={"public.c.two", "public.c.three", "public.swapped.ba", "public.unproven.a", 'public."new\nline"."dou""ble"', "public.tree.two"}),
    "foreign keys that overlap": Proof("fk-overlapping", """
        CREATE TABLE p (id int PRIMARY KEY, b int, c int, UNIQUE (id, b), UNIQUE (b, c)); CREATE TABLE other (id int PRIMARY KEY);
        CREATE TABLE t (a int, b int, CONSTRAINT wide FOREIGN KEY (a, b) REFERENCES p (id, b), CONSTRAINT narrow FOREIGN KEY (a) REFERENCES p);
        CREATE TABLE chain (a int, b int, c int, CONSTRAINT first FOREIGN KEY (a, b) REFERENCES p (id, b), CONSTRAINT "sec'ond" FOREIGN KEY (b, c) REFERENCES p (b, c));
        -- look-alikes: two roles beside one target, targets that share a tenant, the same key twice
        CREATE TABLE roles (b int, author int, reviewer int, FOREIGN KEY (author, b) REFERENCES p (id, b), FOREIGN KEY (reviewer, b) REFERENCES p (id, b));
        CREATE TABLE tenant (a int REFERENCES p REFERENCES other);
        CREATE TABLE twice (a int REFERENCES p REFERENCES p);
        CREATE TABLE plain (a int REFERENCES p, b int REFERENCES p);
        """, {"public.t.narrow": ("info", None), 'public.chain."sec\'ond"': ("info", None)}, closes=set()),
    "foreign key that a NULL switches off": Proof("fk-nullable-composite", """
        CREATE TABLE p (a int, b int, c int, UNIQUE (a, b), UNIQUE (a, b, c)); INSERT INTO p VALUES (1, 1, 1);
        CREATE TABLE two (x int, y int, FOREIGN KEY (x, y) REFERENCES p (a, b) ON DELETE CASCADE ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO two VALUES (1, 1), (NULL, NULL);
        CREATE TABLE one (x int NOT NULL, y int, FOREIGN KEY (x, y) REFERENCES p (a, b));
        CREATE TABLE "thr""ee" ("x
1" int, "y'" int NOT NULL, "z" int, CONSTRAINT "k ""ey" FOREIGN KEY ("x
1", "y'", "z") REFERENCES p (a, b, c));
        CREATE TABLE tree (x int, y int, FOREIGN KEY (x, y) REFERENCES p (a, b)) PARTITION BY LIST (x); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        CREATE TABLE checked_other (x int, y int CHECK (y > 0), FOREIGN KEY (x, y) REFERENCES p (a, b));
        -- look-alikes
        CREATE DOMAIN given AS int NOT NULL;
        CREATE TABLE full_match (x int, y int, FOREIGN KEY (x, y) REFERENCES p (a, b) MATCH FULL);
        CREATE TABLE not_null (x int NOT NULL, y int NOT NULL, FOREIGN KEY (x, y) REFERENCES p (a, b));
        CREATE TABLE in_key (x int, y given, PRIMARY KEY (x, y), FOREIGN KEY (x, y) REFERENCES p (a, b));
        CREATE TABLE by_domain (x int NOT NULL, y given, FOREIGN KEY (x, y) REFERENCES p (a, b));
        CREATE TABLE single (x int); CREATE UNIQUE INDEX only_a ON p (a); ALTER TABLE single ADD FOREIGN KEY (x) REFERENCES p (a);
        CREATE TABLE guarded (x int, y int, FOREIGN KEY (x, y) REFERENCES p (a, b), CHECK ((x IS NULL) = (y IS NULL)));
        CREATE TABLE counted (x int, y int, FOREIGN KEY (x, y) REFERENCES p (a, b), CHECK (num_nulls(x, y) IN (0, 2)));
        """, {
        "public.two.two_x_y_fkey": ("info", None), "public.one.one_x_y_fkey": ("info", None), 'public."thr""ee"."k ""ey"': ("info", None),
        "public.tree.tree_x_y_fkey": ("info", None), "public.checked_other.checked_other_x_y_fkey": ("info", None)}),
    "self reference without a rule": Proof("fk-self-no-delete-rule", """
        CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree); INSERT INTO tree VALUES (1, NULL), (2, 1);
        CREATE TABLE held (id int PRIMARY KEY, parent int NOT NULL REFERENCES held ON DELETE RESTRICT);
        CREATE TABLE "sel""f" ("i d" int, "b'" int, up int, ub int, PRIMARY KEY ("i d", "b'"), CONSTRAINT "u
p" FOREIGN KEY (up, ub) REFERENCES "sel""f" MATCH FULL ON UPDATE CASCADE DEFERRABLE);
        CREATE TABLE parted (id int PRIMARY KEY, parent int REFERENCES parted) PARTITION BY LIST (id); CREATE TABLE parted1 PARTITION OF parted FOR VALUES IN (1);
        -- look-alikes
        CREATE TABLE cascades (id int PRIMARY KEY, parent int REFERENCES cascades ON DELETE CASCADE);
        CREATE TABLE nulls (id int PRIMARY KEY, parent int REFERENCES nulls ON DELETE SET NULL);
        CREATE TABLE child (tree int REFERENCES tree);
        """, {
        "public.tree.tree_parent_fkey": ("info", None), "public.held.held_parent_fkey": ("info", None), 'public."sel""f"."u\np"': ("info", None),
        "public.parted.parted_parent_fkey": ("info", None)},
        closes={"public.tree.tree_parent_fkey", 'public."sel""f"."u\np"', "public.parted.parted_parent_fkey"}),
    "uuid as text": Proof("pk-uuid-as-text", """
        CREATE TABLE a (id varchar(36) PRIMARY KEY); INSERT INTO a VALUES ('6ba7b810-9dad-11d1-80b4-00c04fd430c8');
        CREATE TABLE b (id char(32) PRIMARY KEY); INSERT INTO b VALUES ('6ba7b8109dad11d180b400c04fd430c8');
        CREATE TABLE c (id varchar(38) PRIMARY KEY); INSERT INTO c VALUES ('{6ba7b810-9dad-11d1-80b4-00c04fd430c8}');
        CREATE DOMAIN uuid_text AS char(38); CREATE TABLE "d'" ("i""d
" uuid_text, n int, PRIMARY KEY (n, "i""d
")); INSERT INTO "d'" VALUES ('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 1);
        CREATE TABLE named (id varchar(36) PRIMARY KEY DEFAULT '6ba7b810-9dad-11d1-80b4-00c04fd430c8');
        CREATE TABLE referred (id varchar(36) PRIMARY KEY);
        CREATE TABLE tree (id varchar(36) PRIMARY KEY) PARTITION BY HASH (id); CREATE TABLE tree1 PARTITION OF tree FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        -- look-alikes: other lengths, not in the key, the key of another table, bookkeeping
        CREATE TABLE referring (id varchar(36) PRIMARY KEY REFERENCES referred);
        CREATE TABLE codes (id varchar(35) PRIMARY KEY); CREATE TABLE free (id text PRIMARY KEY); CREATE TABLE right_one (id uuid PRIMARY KEY, t varchar(36) UNIQUE);
        CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY); CREATE TABLE bits (id bit(36) PRIMARY KEY); CREATE TABLE n (id numeric(36) PRIMARY KEY);
        CREATE TABLE payload (id int, t varchar(36), PRIMARY KEY (id) INCLUDE (t));
        """, {
        "public.a.id": ("info", None), "public.b.id": ("info", None), "public.c.id": ("info", None), 'public."d\'"."i""d\n"': ("info", None),
        "public.named.id": ("info", None), "public.referred.id": ("info", None), "public.tree.id": ("info", None)},
        closes={"public.a.id", "public.b.id", "public.c.id", 'public."d\'"."i""d\n"'}),
    "serial key": Proof("pk-serial", """
        CREATE TABLE a (id serial PRIMARY KEY); INSERT INTO a DEFAULT VALUES; INSERT INTO a DEFAULT VALUES;
        CREATE TABLE "b""
" ("i'd" bigserial, n int, PRIMARY KEY (n, "i'd"));
        CREATE TABLE small (id smallserial PRIMARY KEY);
        CREATE TABLE tree (id bigserial PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE tree1 PARTITION OF tree FOR VALUES FROM (0) TO (9);
        CREATE TABLE lent (id serial PRIMARY KEY); CREATE TABLE borrows (id int PRIMARY KEY DEFAULT nextval('lent_id_seq'));
        -- look-alikes
        CREATE TABLE modern (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY); CREATE TABLE plain (id int PRIMARY KEY);
        CREATE SEQUENCE apart; CREATE TABLE by_apart (id bigint PRIMARY KEY DEFAULT nextval('apart'));
        CREATE TABLE no_default (id serial PRIMARY KEY); ALTER TABLE no_default ALTER id DROP DEFAULT;
        CREATE TABLE unkeyed (id serial); CREATE TABLE copies (id serial PRIMARY KEY REFERENCES a); CREATE TABLE schema_migrations (id serial PRIMARY KEY);
        """, {
        "public.a.id": ("info", None), 'public."b""\n"."i\'d"': ("info", None), "public.small.id": ("info", None), "public.tree.id": ("info", None),
        "public.lent.id": ("info", None)},
        closes={"public.a.id", 'public."b""\n"."i\'d"', "public.small.id"}),
    "serial that is no key": Proof("column-serial-not-pk", """
        CREATE TABLE a (id serial, x int PRIMARY KEY); INSERT INTO a (x) VALUES (1); CREATE TABLE "b'" ("i""d" bigserial);
        -- look-alikes
        CREATE TABLE keyed (id serial PRIMARY KEY); CREATE TABLE modern (id int GENERATED ALWAYS AS IDENTITY, x int PRIMARY KEY);
        CREATE TABLE heir () INHERITS (keyed); CREATE TABLE plain (x int DEFAULT 4);
        """, {"public.a.id": ("info", None), 'public."b\'"."i""d"': ("info", None)}),
    "natural key": Proof("pk-natural-key", """
        CREATE TABLE a (email text PRIMARY KEY); CREATE TABLE "b'" ("c""d" varchar(10), n int, PRIMARY KEY (n, "c""d")); CREATE DOMAIN code AS text;
        CREATE TABLE c (id code PRIMARY KEY); CREATE TABLE d (at timestamptz PRIMARY KEY);
        -- look-alikes
        CREATE TABLE i (id int PRIMARY KEY); CREATE TABLE u (id uuid PRIMARY KEY); CREATE TABLE lines (a bigint, n smallint, PRIMARY KEY (a, n));
        CREATE DOMAIN number AS bigint; CREATE TABLE dom (id number PRIMARY KEY);
        CREATE TABLE tree (id bigint, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
        CREATE TABLE of_other (email text PRIMARY KEY REFERENCES a); CREATE TABLE as_text (id varchar(36) PRIMARY KEY);
        CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY); CREATE TABLE databasechangelog (id text PRIMARY KEY); CREATE TABLE none (t text UNIQUE NOT NULL);
        """, {"public.a.email": ("info", None), 'public."b\'".n,"c""d"': ("info", None), "public.c.id": ("info", None), "public.d.at": ("info", None)}, closes=set()),
    "key that is not first": Proof("pk-column-not-first", """
        CREATE TABLE a (x int, id int PRIMARY KEY); CREATE TABLE b (x int, y int, "z'" int, PRIMARY KEY (y, "z'"));
        -- look-alikes
        CREATE TABLE first (id int PRIMARY KEY, x int); CREATE TABLE either (a int, b int, c int, PRIMARY KEY (b, a));
        CREATE TABLE dropped (gone int, id int PRIMARY KEY); ALTER TABLE dropped DROP gone;
        CREATE TABLE base (x int); CREATE TABLE heir (id int PRIMARY KEY) INHERITS (base); CREATE TABLE none (x int, id int UNIQUE);
        """, {"public.a.id": ("info", None), 'public.b.y,"z\'"': ("info", None)}, closes=set()),
    "disabled trigger": Proof("trigger-disabled", """
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE FUNCTION ef() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE TABLE t (a int); CREATE TRIGGER off BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE t DISABLE TRIGGER off;
        CREATE TABLE "ta""b
" (a int); CREATE TRIGGER "tr'ig" AFTER UPDATE ON "ta""b
" EXECUTE FUNCTION f(); ALTER TABLE "ta""b
" DISABLE TRIGGER "tr'ig";
        CREATE TRIGGER replica BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE t ENABLE REPLICA TRIGGER replica;
        CREATE CONSTRAINT TRIGGER own_constraint AFTER INSERT ON t DEFERRABLE FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE t DISABLE TRIGGER own_constraint;
        CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (k);
        CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1); CREATE TRIGGER whole AFTER INSERT ON tree FOR EACH ROW EXECUTE FUNCTION f();
        ALTER TABLE tree DISABLE TRIGGER whole; ALTER TABLE tree1 DISABLE TRIGGER whole; ALTER TABLE tree11 DISABLE TRIGGER whole;
        CREATE TRIGGER one_leaf AFTER INSERT ON tree FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE tree11 DISABLE TRIGGER one_leaf;
        CREATE TABLE late (a int CONSTRAINT late_a UNIQUE DEFERRABLE); ALTER TABLE late DISABLE TRIGGER ALL;
        CREATE EVENT TRIGGER "ev'off" ON ddl_command_end EXECUTE FUNCTION ef(); ALTER EVENT TRIGGER "ev'off" DISABLE;
        CREATE EVENT TRIGGER ev_replica ON ddl_command_end EXECUTE FUNCTION ef(); ALTER EVENT TRIGGER ev_replica ENABLE REPLICA;
        CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE far (a int) SERVER s;
        CREATE TRIGGER far_off BEFORE INSERT ON far FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE far DISABLE TRIGGER far_off;
        -- look-alikes
        CREATE TRIGGER on_one BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
        CREATE TRIGGER always BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE t ENABLE ALWAYS TRIGGER always;
        CREATE EVENT TRIGGER ev_on ON ddl_command_end EXECUTE FUNCTION ef(); CREATE EVENT TRIGGER ev_always ON ddl_command_end EXECUTE FUNCTION ef(); ALTER EVENT TRIGGER ev_always ENABLE ALWAYS;
        CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p); ALTER TABLE c DISABLE TRIGGER ALL;
        CREATE TABLE of_extension (a int); CREATE TRIGGER off BEFORE INSERT ON of_extension FOR EACH ROW EXECUTE FUNCTION f();
        ALTER TABLE of_extension DISABLE TRIGGER off; ALTER EXTENSION plpgsql ADD TABLE of_extension;
        CREATE SCHEMA vendor_x; CREATE TABLE vendor_x.t (a int); CREATE TRIGGER off BEFORE INSERT ON vendor_x.t FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE vendor_x.t DISABLE TRIGGER off;
        CREATE TEMP TABLE tt (a int); CREATE TRIGGER off BEFORE INSERT ON tt FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE tt DISABLE TRIGGER off;
        """, {
        "public.t.off": ("warning", None), 'public."ta""b\n"."tr\'ig"': ("warning", None), "public.t.replica": ("info", None),
        "public.t.own_constraint": ("warning", None), "public.tree.whole": ("warning", None), "public.tree.one_leaf": ("warning", None),
        "public.late.late_a": ("critical", None), '"ev\'off"': ("warning", None), "ev_replica": ("info", None), "public.far.far_off": ("warning", None)},
        closes={"public.t.off", 'public."ta""b\n"."tr\'ig"', "public.t.own_constraint", "public.tree.whole", "public.tree.one_leaf", "public.late.late_a",
                '"ev\'off"', "public.far.far_off"},
        keys={"schemas_exclude": ["vendor_*"]}),
    "foreign key that is not checked": Proof("fk-trigger-disabled", """
        CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p); ALTER TABLE c DISABLE TRIGGER ALL;
        CREATE TABLE p2 (id int PRIMARY KEY); CREATE TABLE c2 (p int REFERENCES p2); ALTER TABLE p2 DISABLE TRIGGER ALL;
        CREATE TABLE "se""l
f" (id int PRIMARY KEY, up int CONSTRAINT "u'p" REFERENCES "se""l
f"); ALTER TABLE "se""l
f" DISABLE TRIGGER ALL;
        CREATE TABLE p3 (id int PRIMARY KEY); CREATE TABLE tree (k int, p int REFERENCES p3) PARTITION BY LIST (k);
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (k); CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1);
        ALTER TABLE tree11 DISABLE TRIGGER ALL;
        CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE parted1 PARTITION OF parted FOR VALUES IN (1);
        CREATE TABLE to_parted (p int REFERENCES parted); ALTER TABLE parted1 DISABLE TRIGGER ALL;
        CREATE TABLE late (p int); ALTER TABLE late ADD CONSTRAINT unproven FOREIGN KEY (p) REFERENCES p3 NOT VALID; ALTER TABLE late DISABLE TRIGGER ALL;
        -- look-alikes: user triggers only, deferrable unique keys, all in order
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TABLE users_own (p int REFERENCES p3); CREATE TRIGGER mine BEFORE INSERT ON users_own FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE users_own DISABLE TRIGGER USER;
        CREATE TABLE uq (a int UNIQUE DEFERRABLE); ALTER TABLE uq DISABLE TRIGGER ALL; CREATE TABLE fine (p int REFERENCES p3 DEFERRABLE);
        CREATE TABLE of_extension (p int REFERENCES p3); ALTER TABLE of_extension DISABLE TRIGGER ALL; ALTER EXTENSION plpgsql ADD TABLE of_extension;
        CREATE TEMP TABLE tp (id int PRIMARY KEY); CREATE TEMP TABLE tc (p int REFERENCES tp); ALTER TABLE tc DISABLE TRIGGER ALL;
        """, {
        "public.c.c_p_fkey": ("critical", None), "public.c2.c2_p_fkey": ("critical", None), 'public."se""l\nf"."u\'p"': ("critical", None),
        "public.tree.tree_p_fkey": ("critical", None), "public.to_parted.to_parted_p_fkey": ("critical", None), "public.late.unproven": ("critical", None)}),
    "disabled rule": Proof("rule-disabled", """
        CREATE TABLE t (a int); CREATE RULE "r'u" AS ON DELETE TO t DO INSTEAD NOTHING; ALTER TABLE t DISABLE RULE "r'u";
        -- look-alikes
        CREATE RULE acts AS ON UPDATE TO t DO INSTEAD NOTHING; CREATE VIEW v AS SELECT 1 AS a; CREATE TABLE t2 (a int);
        CREATE RULE always AS ON DELETE TO t2 DO INSTEAD NOTHING; ALTER TABLE t2 ENABLE ALWAYS RULE always;
        """, {'public.t."r\'u"': ("info", None)}),
    "sequence that starts again feeds a key": Proof("sequence-cycle-on-key", """
        CREATE TABLE a (id int GENERATED ALWAYS AS IDENTITY (CYCLE) PRIMARY KEY); CREATE TABLE b (id serial UNIQUE); ALTER SEQUENCE b_id_seq CYCLE;
        CREATE SEQUENCE "s'" CYCLE; CREATE TABLE c (id bigint PRIMARY KEY DEFAULT nextval('"s''"'));
        CREATE TABLE tree (id bigint PRIMARY KEY DEFAULT nextval('"s''"')) PARTITION BY RANGE (id); CREATE TABLE tree1 PARTITION OF tree FOR VALUES FROM (0) TO (9);
        -- look-alikes
        CREATE TABLE ends (id serial PRIMARY KEY); CREATE SEQUENCE alone CYCLE; CREATE TABLE unkeyed (id serial); ALTER SEQUENCE unkeyed_id_seq CYCLE;
        CREATE TABLE daily (day date, n serial, PRIMARY KEY (day, n)); ALTER SEQUENCE daily_n_seq CYCLE;
        CREATE TABLE part (id serial, x int); CREATE UNIQUE INDEX ON part (id) WHERE x > 0; ALTER SEQUENCE part_id_seq CYCLE;
        """, {"public.a_id_seq": ("warning", None), "public.b_id_seq": ("warning", None), 'public."s\'"': ("warning", None)}),
    "one sequence for two": Proof("sequence-shared", """
        CREATE TABLE a (id serial PRIMARY KEY); CREATE TABLE copy (LIKE a INCLUDING DEFAULTS);
        CREATE SEQUENCE "s
eq"; CREATE TABLE b (x bigint DEFAULT nextval('"s
eq"'), "y'" bigint DEFAULT nextval('"s
eq"') + 1);
        -- look-alikes: partitions and heirs, owned by one and used by another alone
        CREATE TABLE base (id serial PRIMARY KEY); CREATE TABLE heir () INHERITS (base);
        CREATE TABLE tree (id bigserial, k int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        CREATE TABLE joins (id bigint DEFAULT nextval('tree_id_seq'), k int); ALTER TABLE joins ALTER id SET NOT NULL; ALTER TABLE tree ATTACH PARTITION joins FOR VALUES IN (2);
        CREATE TABLE owner (id int); CREATE SEQUENCE owned OWNED BY owner.id; CREATE TABLE user_of_it (id int DEFAULT nextval('owned'));
        CREATE TABLE modern (id int GENERATED ALWAYS AS IDENTITY);
        """, {"public.a_id_seq": ("info", 2), 'public."s\neq"': ("info", 2)}, closes=set()),
    "reference that is not declared": Proof("fk-undeclared", """
        CREATE TABLE users (id bigint PRIMARY KEY); CREATE TABLE category (category_id int PRIMARY KEY); CREATE TABLE addresses (id uuid PRIMARY KEY);
        CREATE TABLE cities (id int PRIMARY KEY); CREATE SCHEMA far; CREATE TABLE far.depots (id int PRIMARY KEY); CREATE SCHEMA tenant; CREATE TABLE tenant.users (id bigint PRIMARY KEY);
        CREATE TABLE "qu""ote s" ("k'" int PRIMARY KEY);
        INSERT INTO users VALUES (1); INSERT INTO category VALUES (1);
        CREATE TABLE t (id bigint PRIMARY KEY, users_id bigint, user_id bigint, category_id int, address_id uuid, city_id int, depot_id int, "qu""ote s_id" int);
        INSERT INTO t VALUES (1, 1, NULL, 1);
        CREATE TABLE tenant.t (user_id bigint);
        CREATE TABLE tree (k int, user_id bigint) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (k);
        CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1);
        -- look-alikes: another type, two candidates, no table, declared, polymorphic, outer, the table's own key, no single key
        CREATE TABLE int_user (user_id int, order_id int, stripe_user_id bigint, user_type text, _id int); ALTER TABLE int_user DROP user_type;
        CREATE TABLE two (boxs int); CREATE TABLE box (id int PRIMARY KEY); CREATE TABLE boxes (id int PRIMARY KEY); CREATE TABLE of_boxes (box_id int);
        CREATE TABLE declared (user_id bigint REFERENCES users, category_id int REFERENCES category);
        CREATE TABLE poly (user_id bigint, user_type text); CREATE TABLE external_user (id bigint PRIMARY KEY); CREATE TABLE outer_ids (external_user_id bigint);
        CREATE TABLE pair (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE of_pair (pair_id int); CREATE TABLE keyless (id int); CREATE TABLE of_keyless (keyless_id int);
        CREATE VIEW viewed AS SELECT 1::bigint AS id; CREATE TABLE of_viewed (viewed_id bigint);
        CREATE TABLE heir () INHERITS (declared); CREATE UNLOGGED TABLE gone (id int PRIMARY KEY); CREATE TABLE of_gone (gone_id int);
        CREATE TABLE width (id varchar(9) PRIMARY KEY); CREATE TABLE of_width (width_id varchar(10));
        CREATE TABLE calculated (a bigint, user_id bigint GENERATED ALWAYS AS (a) STORED); CREATE TABLE schema_migrations (user_id bigint);
        CREATE TABLE was (x int, user_id bigint); ALTER TABLE was DROP user_id;
        """, {
        o: ("info", None) for o in (
            "public.t.users_id", "public.t.user_id", "public.t.category_id", "public.t.address_id", "public.t.city_id", "public.t.depot_id",
            'public.t."qu""ote s_id"', "tenant.t.user_id", "public.tree.user_id")}),
    "key near its end": Proof("int-key-exhaustion", """
        CREATE TABLE near (id int PRIMARY KEY); INSERT INTO near VALUES (1), (1800000000);
        CREATE TABLE early (id int PRIMARY KEY); INSERT INTO early VALUES (1400000000);
        CREATE TABLE "small""i
nt" ("i'd" smallint PRIMARY KEY); INSERT INTO "small""i
nt" SELECT generate_series(1, 26300);
        CREATE DOMAIN number AS int; CREATE TABLE by_domain (n number, x text, PRIMARY KEY (n, x)); INSERT INTO by_domain VALUES (2000000000, '');
        CREATE TABLE counted (id serial PRIMARY KEY); SELECT setval('counted_id_seq', 1400000000);
        CREATE TABLE by_sequence (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY); SELECT setval('by_sequence_id_seq', 2000000000);
        CREATE TABLE many (id int PRIMARY KEY); INSERT INTO many SELECT generate_series(1, 2000); CREATE TABLE of_many (many int REFERENCES many, far bigint);
        CREATE TABLE tree (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE tree1 PARTITION OF tree FOR VALUES FROM (0) TO (2147483647) PARTITION BY RANGE (id);
        CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES FROM (0) TO (2147483647); INSERT INTO tree VALUES (1900000000);
        CREATE TABLE wide (id bigserial PRIMARY KEY); SELECT setval('wide_id_seq', 1500000000); CREATE TABLE of_wide (wide_id int REFERENCES wide);
        -- look-alikes
        CREATE TABLE lookup (id int PRIMARY KEY); INSERT INTO lookup SELECT generate_series(1, 900); CREATE TABLE big (id bigint PRIMARY KEY); INSERT INTO big VALUES (9000000000);
        CREATE TABLE takes (id int PRIMARY KEY REFERENCES near); INSERT INTO takes VALUES (1800000000);
        CREATE TABLE hashes (id int PRIMARY KEY); INSERT INTO hashes VALUES (-2000000000), (2000000000);
        CREATE TABLE none_of_them (id int PRIMARY KEY); INSERT INTO none_of_them VALUES (1), (2), (2147483647);
        CREATE TABLE second (a bigint, n int, PRIMARY KEY (a, n)); INSERT INTO second VALUES (1, 2000000000);
        CREATE TABLE unkeyed (n int); INSERT INTO unkeyed VALUES (2000000000); CREATE TABLE blank (id int PRIMARY KEY);
        CREATE TABLE bounded (id numeric(9) PRIMARY KEY); INSERT INTO bounded VALUES (999999999);
        ANALYZE;""", {
        "public.near.id": ("critical", 1800000000 / 2147483647), "public.early.id": ("warning", 1400000000 / 2147483647),
        'public."small""i\nnt"."i\'d"': ("critical", 26300 / 32767), "public.by_domain.n": ("critical", 2000000000 / 2147483647),
        "public.counted.id": ("warning", 1400000000 / 2147483647), "public.by_sequence.id": ("info", 2000000000 / 2147483647),
        "public.many.id": ("info", 2000 / 2147483647), "public.tree.id": ("critical", 1900000000 / 2147483647),
        "public.of_wide.wide_id": ("warning", 1500000000 / 2147483647)},
        closes={"public.near.id", "public.early.id", 'public."small""i\nnt"."i\'d"', "public.by_domain.n", "public.counted.id", "public.by_sequence.id",
                "public.many.id", "public.of_wide.wide_id"},
        grants="GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO dbhealth"),
    "strange tables without a key": Proof("table-no-primary-key", """
        CREATE TABLE patterned (a text NOT NULL); CREATE UNIQUE INDEX ON patterned (a text_pattern_ops);
        CREATE TABLE collated (a text NOT NULL); CREATE UNIQUE INDEX ON collated (a COLLATE "C");
        CREATE TABLE downwards (a int NOT NULL); CREATE UNIQUE INDEX ON downwards (a DESC);
        CREATE TABLE part (a int NOT NULL); CREATE UNIQUE INDEX ON part (a) WHERE a > 0; CREATE TABLE expr (a int NOT NULL); CREATE UNIQUE INDEX ON expr (abs(a));
        CREATE TABLE payload (a int NOT NULL, b int); CREATE UNIQUE INDEX ON payload (a) INCLUDE (b);
        CREATE TABLE late (a int NOT NULL UNIQUE DEFERRABLE); CREATE TABLE generated (a int NOT NULL, b int GENERATED ALWAYS AS (a * 2) STORED NOT NULL UNIQUE);
        CREATE TABLE "we""ird
" ("selec't" int NOT NULL); CREATE UNIQUE INDEX "in'dex" ON "we""ird
" ("selec't");
        CREATE TABLE parent (a int); CREATE TABLE heir () INHERITS (parent); CREATE TYPE kind AS (a int); CREATE TABLE typed OF kind; CREATE UNLOGGED TABLE unlogged (a int);
        CREATE TABLE excluded (a int, EXCLUDE USING btree (a WITH =));
        CREATE TABLE dropped (id int, a int); ALTER TABLE dropped DROP id;
        -- look-alikes: partitions of old, foreign tables, what an extension owns, keys that are deferrable or partitioned
        CREATE TABLE old_tree (id int PRIMARY KEY); CREATE TABLE old_tree1 (CHECK (id < 100)) INHERITS (old_tree);
        CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE far (a int) SERVER s;
        CREATE TABLE of_extension (a int); ALTER EXTENSION plpgsql ADD TABLE of_extension; CREATE TABLE deferrable_key (a int PRIMARY KEY DEFERRABLE);
        CREATE TABLE tree (k int PRIMARY KEY) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (k);
        CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1); CREATE TABLE keyless (a int) PARTITION BY LIST (a); CREATE TABLE keyless1 PARTITION OF keyless FOR VALUES IN (1);
        CREATE TEMP TABLE tt (a int);
        """, {o: ("info", 0) for o in (
            "public.patterned", "public.collated", "public.downwards", "public.part", "public.expr", "public.payload", "public.late", "public.generated",
            'public."we""ird\n"', "public.parent", "public.heir", "public.typed", "public.unlogged", "public.excluded", "public.dropped", "public.keyless")},
        closes={"public.patterned", "public.collated", "public.downwards", "public.part", "public.expr", "public.payload", "public.late", "public.generated",
                'public."we""ird\n"', "public.heir", "public.unlogged", "public.excluded", "public.dropped"}),
    "strange foreign keys and indexes": Proof("fk-missing-index", """
        CREATE EXTENSION btree_gist; CREATE DOMAIN pid AS int;
        CREATE TABLE p (id int PRIMARY KEY, b int, c int, t text UNIQUE, UNIQUE (id, b), UNIQUE (id, b, c));
        CREATE TABLE by_gist_last (p int REFERENCES p, during tsrange, EXCLUDE USING gist (during WITH &&, p WITH =));
        CREATE TABLE three (a int, b int, c int, FOREIGN KEY (a, b, c) REFERENCES p (id, b, c)); CREATE INDEX ON three (a, b); CREATE INDEX ON three (a, c, b) WHERE a IS NOT NULL AND b > 0;
        CREATE TABLE expr (p int REFERENCES p); CREATE INDEX ON expr (abs(p)); CREATE INDEX ON expr ((p + 0));
        CREATE TABLE gin (p int REFERENCES p, x int[]); CREATE INDEX ON gin USING gin (x);
        CREATE TABLE is_null (p int REFERENCES p); CREATE INDEX ON is_null (p) WHERE p IS NULL; CREATE TABLE other_null (p int REFERENCES p, q int); CREATE INDEX ON other_null (p) WHERE q IS NOT NULL;
        CREATE TABLE "h""i
" ("sel'ect" int REFERENCES p DEFERRABLE INITIALLY DEFERRED);
        CREATE TABLE made (a int, p int GENERATED ALWAYS AS (a) STORED REFERENCES p); CREATE TABLE numbered (p int GENERATED ALWAYS AS IDENTITY REFERENCES p);
        CREATE TABLE self (id int PRIMARY KEY, up int REFERENCES self); CREATE TABLE hash_of_two (a int, b int, FOREIGN KEY (a, b) REFERENCES p (id, b)); CREATE INDEX ON hash_of_two USING hash (a);
        CREATE TABLE one_leaf (k int, p int REFERENCES p) PARTITION BY LIST (k); CREATE TABLE one_leaf1 PARTITION OF one_leaf FOR VALUES IN (1) PARTITION BY LIST (k);
        CREATE TABLE one_leaf11 PARTITION OF one_leaf1 FOR VALUES IN (1); CREATE TABLE one_leaf2 PARTITION OF one_leaf FOR VALUES IN (2); CREATE INDEX ON one_leaf2 (p);
        -- look-alikes
        CREATE TABLE by_gist (p int REFERENCES p, during tsrange, EXCLUDE USING gist (p WITH =, during WITH &&));
        CREATE TABLE two_by_gist (a int, b int, during tsrange, FOREIGN KEY (a, b) REFERENCES p (id, b), EXCLUDE USING gist (b WITH =, a WITH =, during WITH &&));
        CREATE TABLE falling (p int REFERENCES p); CREATE INDEX ON falling (p DESC NULLS LAST); CREATE TABLE loaded (p int REFERENCES p, q int); CREATE INDEX ON loaded (p) INCLUDE (q);
        CREATE TABLE dom (p pid REFERENCES p); CREATE INDEX ON dom (p); CREATE TABLE excl (p int REFERENCES p, EXCLUDE USING btree (p WITH =));
        CREATE TABLE deferred (p int REFERENCES p UNIQUE DEFERRABLE); CREATE TABLE twice (p int REFERENCES p REFERENCES p); CREATE INDEX ON twice (p);
        CREATE TABLE shifted (gone int, x int, p int REFERENCES p); ALTER TABLE shifted DROP gone; CREATE INDEX ON shifted (p);
        CREATE TABLE each_leaf (k int, p int REFERENCES p) PARTITION BY LIST (k); CREATE TABLE each_leaf1 PARTITION OF each_leaf FOR VALUES IN (1); CREATE INDEX ON each_leaf1 (p);
        CREATE TABLE each_leaf2 (p int, gone int, k int); ALTER TABLE each_leaf2 DROP gone; CREATE INDEX ON each_leaf2 (p); ALTER TABLE each_leaf ATTACH PARTITION each_leaf2 FOR VALUES IN (2);
        CREATE TABLE parent (p int REFERENCES p); CREATE INDEX ON parent (p); CREATE TABLE heir () INHERITS (parent);
        CREATE TABLE of_extension (p int REFERENCES p); ALTER EXTENSION plpgsql ADD TABLE of_extension;
        CREATE TEMP TABLE tp (id int PRIMARY KEY); CREATE TEMP TABLE tc (p int REFERENCES tp);
        """, {o: ("info", 0) for o in (
            "public.by_gist_last.p", "public.three.a,b,c", "public.expr.p", "public.gin.p", "public.is_null.p", "public.other_null.p", 'public."h""i\n"."sel\'ect"',
            "public.made.p", "public.numbered.p", "public.self.up", "public.hash_of_two.a,b", "public.one_leaf.p")}),
    "strange constraints never validated": Proof("constraint-not-valid", """
        CREATE TABLE p (a int, b int, UNIQUE (a, b)); INSERT INTO p VALUES (1, 1);
        CREATE TABLE c (x int, y int); INSERT INTO c VALUES (1, 1), (NULL, NULL);
        ALTER TABLE c ADD CONSTRAINT "wh'ole" FOREIGN KEY (x, y) REFERENCES p (a, b) MATCH FULL DEFERRABLE NOT VALID;
        CREATE TABLE "o""ne
" (n int); ALTER TABLE "o""ne
" ADD CONSTRAINT "che""ck
" CHECK (n > 0) NOT VALID;
        CREATE TABLE parent (n int); CREATE TABLE heir () INHERITS (parent); ALTER TABLE parent ADD CONSTRAINT inherited CHECK (n > 0) NOT VALID;
        CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (k); CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1);
        ALTER TABLE tree ADD CONSTRAINT whole CHECK (k > 0) NOT VALID; ALTER TABLE tree11 ADD CONSTRAINT lone CHECK (k < 9) NOT VALID;
        CREATE DOMAIN "dom'ain" AS int; CREATE TABLE of_domain (d "dom'ain"); ALTER DOMAIN "dom'ain" ADD CONSTRAINT positive CHECK (VALUE > 0) NOT VALID;
        -- look-alikes
        CREATE DOMAIN sound AS int CHECK (VALUE > 0) NOT NULL; CREATE TABLE sound_table (d sound NOT NULL CHECK (d < 9), p int PRIMARY KEY);
        CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE far (a int) SERVER s; ALTER FOREIGN TABLE far ADD CONSTRAINT told CHECK (a > 0) NOT VALID;
        CREATE TABLE of_extension (a int); ALTER TABLE of_extension ADD CONSTRAINT late CHECK (a > 0) NOT VALID; ALTER EXTENSION plpgsql ADD TABLE of_extension;
        CREATE TEMP TABLE tt (a int); ALTER TABLE tt ADD CONSTRAINT late CHECK (a > 0) NOT VALID;
        """, {o: ("info", None) for o in (
            'public.c."wh\'ole"', 'public."o""ne\n"."che""ck\n"', "public.parent.inherited", "public.tree.whole", "public.tree11.lone", 'public."dom\'ain".positive')}),
    "not null that was never validated": Proof("constraint-not-valid", """
        CREATE TABLE t (a int, "b'" int, c int NOT NULL PRIMARY KEY); INSERT INTO t VALUES (1, 1, 1);
        ALTER TABLE t ADD CONSTRAINT a_given NOT NULL a NOT VALID; ALTER TABLE t ADD CONSTRAINT "b ""g" NOT NULL "b'" NOT VALID;
        CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1); ALTER TABLE tree ADD CONSTRAINT k_given NOT NULL k NOT VALID;
        CREATE TABLE p (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
        CREATE TABLE fk_tree (k int, p int) PARTITION BY LIST (k); CREATE TABLE fk_tree1 PARTITION OF fk_tree FOR VALUES IN (1);
        ALTER TABLE fk_tree ADD CONSTRAINT to_p FOREIGN KEY (p) REFERENCES p NOT VALID;
        -- look-alikes
        CREATE TABLE fine (a int NOT NULL, CONSTRAINT own NOT NULL a); CREATE TABLE loose (p int REFERENCES p NOT ENFORCED, a int CHECK (a > 0) NOT ENFORCED);
        """, {o: ("info", None) for o in ("public.t.a_given", 'public.t."b ""g"', "public.tree.k_given", "public.fk_tree.to_p")}, server=18),
    "not enforced, over time": Proof("fk-missing-index", """
        CREATE EXTENSION btree_gist;
        CREATE TABLE p (id int, at tsrange, PRIMARY KEY (id, at WITHOUT OVERLAPS)); CREATE TABLE q (id int PRIMARY KEY);
        CREATE TABLE bare (id int, at tsrange, FOREIGN KEY (id, PERIOD at) REFERENCES p (id, PERIOD at));
        -- look-alikes
        CREATE TABLE loose (q int REFERENCES q NOT ENFORCED);
        CREATE TABLE keyed (id int, at tsrange, PRIMARY KEY (id, at WITHOUT OVERLAPS), FOREIGN KEY (id, PERIOD at) REFERENCES p (id, PERIOD at));
        """, {"public.bare.id,at": ("info", 0)}, server=18),
    "strange sequences behind": Proof("sequence-behind-max", """
        CREATE TABLE parent (id serial PRIMARY KEY); CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (parent); INSERT INTO heir VALUES (50);
        CREATE DOMAIN inner_id AS int; CREATE DOMAIN outer_id AS inner_id; CREATE SEQUENCE "s'e
q"; CREATE TABLE "t""a
b" ("i'd" outer_id PRIMARY KEY DEFAULT nextval('"s''e
q"')); INSERT INTO "t""a
b" VALUES (7);
        CREATE SEQUENCE by_number; CREATE TABLE numbers (id numeric PRIMARY KEY DEFAULT nextval('by_number')); INSERT INTO numbers VALUES (3);
        -- look-alikes
        CREATE TABLE only_parent (id serial PRIMARY KEY); CREATE TABLE only_heir () INHERITS (only_parent); INSERT INTO only_heir VALUES (99);
        CREATE TABLE circle (id int GENERATED ALWAYS AS IDENTITY (CYCLE) PRIMARY KEY); INSERT INTO circle OVERRIDING SYSTEM VALUE VALUES (5);
        CREATE TABLE called (id serial PRIMARY KEY); INSERT INTO called VALUES (4); SELECT setval('called_id_seq', 5, false);
        """, {"public.parent_id_seq": ("critical", 50), 'public."s\'e\nq"': ("critical", 7), "public.by_number": ("critical", 3)},
        grants="GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO dbhealth"),
    "constraint that is not enforced": Proof("fk-not-enforced", """
        CREATE TABLE p (id int PRIMARY KEY, b int, UNIQUE (id, b)); INSERT INTO p VALUES (1, 1);
        CREATE TABLE c (p int CONSTRAINT c_p REFERENCES p NOT ENFORCED); INSERT INTO c VALUES (1);
        CREATE TABLE "c""2" ("a'" int, "b
" int, CONSTRAINT "k e""y" FOREIGN KEY ("a'", "b
") REFERENCES p (id, b) MATCH FULL ON DELETE SET NULL DEFERRABLE NOT ENFORCED);
        CREATE TABLE checked (a int CONSTRAINT positive CHECK (a > 0) NOT ENFORCED);
        CREATE TABLE heir () INHERITS (checked);
        -- look-alikes
        CREATE TABLE unproven (p int); ALTER TABLE unproven ADD FOREIGN KEY (p) REFERENCES p NOT VALID;
        CREATE TABLE fine (p int REFERENCES p, a int CHECK (a > 0) NOT NULL);
        CREATE TEMP TABLE tt (a int CHECK (a > 0) NOT ENFORCED);
        """, {
        "public.c.c_p": ("warning", None), 'public."c""2"."k e""y"': ("warning", None), "public.checked.positive": ("warning", None)},
        closes={"public.c.c_p", 'public."c""2"."k e""y"'}, server=18),
}


@proves("triggers-bypassed-by-default")
def test_sessions_that_fire_no_triggers(module_cluster):
    """Databases and roles by their setting; the system by its file; a session of one's own is left alone."""
    at = module_cluster.createdb("by'passed"), module_cluster.createdb("without"), module_cluster.createdb("fine_db")
    found = look(module_cluster, at[1], "triggers-bypassed-by-default")
    assert found == []
    module_cluster.script("""
        ALTER DATABASE "by'passed" SET session_replication_role = replica; ALTER DATABASE fine_db SET session_replication_role = origin;
        CREATE ROLE "lo""ader"; ALTER ROLE "lo""ader" SET session_replication_role = replica;
        CREATE ROLE local_only; ALTER ROLE local_only SET session_replication_role = local;
        CREATE ROLE here; ALTER ROLE here IN DATABASE "by'passed" SET session_replication_role = replica;
        ALTER SYSTEM SET session_replication_role = replica; SELECT pg_reload_conf();""")
    expect = {'"by\'passed"', '"lo""ader"', 'here in "by\'passed"', "session_replication_role"}
    wait_until(lambda: {f["object"] for f in look(module_cluster, at[1], "triggers-bypassed-by-default")} == expect, 30, "the settings in force")
    found = look(module_cluster, at[1], "triggers-bypassed-by-default")
    assert {f["severity"] for f in found} == {"warning"}
    for f in found:
        assert mend(module_cluster, at[1], f), f
    wait_until(lambda: look(module_cluster, at[1], "triggers-bypassed-by-default") == [], 30, "the settings gone")


@proves("fk-trigger-disabled")
def test_a_restore_may_switch_triggers_off(module_cluster):
    """While a COPY fills the table, or pg_restore is there, nothing is told; afterwards it is."""
    db = module_cluster.createdb("proof_restore")
    module_cluster.script("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p); ALTER TABLE c DISABLE TRIGGER ALL;", db)
    assert [f["object"] for f in look(module_cluster, db, "fk-trigger-disabled")] == ["public.c.c_p_fkey"]
    restore = module_cluster.session(db, application_name="pg_restore")
    assert look(module_cluster, db, "fk-trigger-disabled") == []
    restore.close()
    wait_until(lambda: look(module_cluster, db, "fk-trigger-disabled") != [], 30, "the restore gone")


@proves("sequence-near-limit")
def test_more_sequences_than_the_server_has_locks_for(template, folder, own):
    """Each reading keeps a lock: of thousands the narrow ones are read, and nothing fails for want of locks."""
    cluster = own(Cluster(template, folder, settings={"max_locks_per_transaction": "10", "max_connections": "20"}))
    cluster.script("""
        SET synchronous_commit = off;
        SELECT format('CREATE SEQUENCE wide%s', g) FROM generate_series(1, 1500) g \\gexec
        CREATE SEQUENCE narrow AS int; SELECT setval('narrow', 2147483000);
        GRANT SELECT ON SEQUENCE narrow TO dbhealth; SELECT format('GRANT SELECT ON SEQUENCE wide%s TO dbhealth', g) FROM generate_series(1, 1500) g \\gexec
        """)
    found = look(cluster, "postgres", "sequence-near-limit")
    assert [(f["object"], f["severity"]) for f in found] == [("public.narrow", "critical")] and found.missing == []
