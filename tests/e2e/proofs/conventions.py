"""House rules of the configuration: keys, timestamps, soft delete, audit columns, what must exist."""
import time

import pytest

from proof import Proof, look, mend, proves, test_fault_is_found_and_its_remedies_close_it  # noqa: F401
from support import wait_until

ALL = "uuid-primary-key, timestamps, soft-delete, audit"
# What no rule is for, whatever it lacks.
SPARED = """
    CREATE TABLE alembic_version (version_num text PRIMARY KEY); CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY);
    CREATE TABLE country_code (code text PRIMARY KEY); CREATE SCHEMA vendor_x; CREATE TABLE vendor_x.t (id int PRIMARY KEY);
    CREATE VIEW a_view AS SELECT 1 AS id; CREATE MATERIALIZED VIEW a_matview AS SELECT 1 AS id; CREATE TEMP TABLE tmp (id int PRIMARY KEY);
    CREATE TABLE users (id uuid PRIMARY KEY, created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(), is_active boolean NOT NULL DEFAULT true);
    CREATE INDEX ON users (created_at) WHERE is_active; CREATE INDEX ON users (updated_at DESC, id);
    CREATE TABLE l (LIKE users INCLUDING ALL, "created at" timestamp, created_by_id uuid REFERENCES users, updated_by_id uuid REFERENCES users);
    CREATE TABLE r (LIKE l INCLUDING ALL, FOREIGN KEY (created_by_id) REFERENCES users, FOREIGN KEY (updated_by_id) REFERENCES users);
    CREATE TABLE l_r (l uuid REFERENCES l, r uuid REFERENCES r, note text, PRIMARY KEY (l, r));
    CREATE TABLE m_m (id serial PRIMARY KEY, l uuid NOT NULL REFERENCES l, r uuid NOT NULL REFERENCES r, UNIQUE (r, l));
    CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
    CREATE FOREIGN TABLE far (id int) SERVER files OPTIONS (filename '/dev/null');
"""
KEYS = {"conventions": ALL, "conventions_exclude": "public.country_*, odd*", "schemas_exclude": "vendor_*"}
AUDIT = {**KEYS, "users_table": "public.users"}
# Names that want quotes; excluded tables are named without.
ODD = 'a"b; DROP TABLE x -- \u00e9'
ODD_SQL = '"a""b; DROP TABLE x -- \u00e9"'
LONG = "n" * 63

PROOFS = {
    "primary key is no uuid": Proof("conv-pk-not-uuid", SPARED + f"""
        CREATE TABLE numbered (id serial PRIMARY KEY);
        CREATE TABLE worded (code text PRIMARY KEY);
        CREATE TABLE composite (a int, b int, PRIMARY KEY (a, b));
        CREATE TABLE line (order_id int REFERENCES numbered, n int, PRIMARY KEY (order_id, n));
        CREATE TABLE tenant (tenant uuid, id int GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (tenant, id));
        CREATE TABLE tree (id bigserial PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);
        CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES FROM (0) TO (100);
        CREATE TABLE {ODD_SQL} (id int PRIMARY KEY); CREATE TABLE {LONG} (id int PRIMARY KEY);
        -- look-alikes
        CREATE DOMAIN ident AS uuid; CREATE DOMAIN deep AS ident;
        CREATE TABLE by_domain (id deep PRIMARY KEY);
        CREATE TABLE extends (id int PRIMARY KEY REFERENCES numbered);
        CREATE TABLE versioned (id uuid, lang text, PRIMARY KEY (id, lang));
        CREATE TABLE good_tree (id uuid, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE good_tree1 PARTITION OF good_tree FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
        CREATE TABLE no_key (id int); CREATE TABLE odd_one (id int PRIMARY KEY);
        """, {**{f"public.{t}": ("warning", 1) for t in ("numbered", "worded", "composite", "line", "tenant", "tree", ODD_SQL, LONG)}},
        closes=set(), keys=KEYS),
    "timestamps missing": Proof("conv-timestamps-missing", SPARED + f"""
        CREATE TABLE neither (id int PRIMARY KEY); INSERT INTO neither VALUES (1);
        CREATE TABLE half (created_at timestamptz, "Updated_at" timestamptz);
        CREATE TABLE dropped (created_at timestamptz, updated_at timestamptz); ALTER TABLE dropped DROP COLUMN updated_at;
        CREATE TABLE parent (id int); CREATE TABLE heir (more int) INHERITS (parent);
        CREATE TABLE tree (k int) PARTITION BY LIST (k);
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (k); CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1);
        CREATE TABLE {ODD_SQL} (id int);
        -- look-alikes
        CREATE TABLE both_there (created_at timestamp, updated_at text); CREATE TABLE both_heir () INHERITS (both_there);
        CREATE TABLE odd_one (id int);
        """, {"public.neither": ("warning", 2), "public.half": ("warning", 1), "public.dropped": ("warning", 1), "public.parent": ("warning", 2),
              "public.tree": ("warning", 2), f"public.{ODD_SQL}": ("warning", 2)}, keys=KEYS),
    "timestamps of other names": Proof("conv-timestamps-missing", f"""
        CREATE TABLE t ("createdAt" timestamptz); CREATE TABLE other (created_at timestamptz, updated_at timestamptz);
        """, {"public.other": ("warning", 1)}, settings={"created": "createdAt", "updated": "-"}, keys=KEYS),
    "timestamp without zone": Proof("conv-timestamp-not-tz", SPARED + f"""
        CREATE TABLE plain (created_at timestamp DEFAULT now(), updated_at timestamptz); INSERT INTO plain VALUES (now()); CREATE INDEX ON plain (created_at);
        CREATE TABLE {ODD_SQL} (updated_at timestamp(3));
        CREATE TABLE worded (created_at text, updated_at bigint);
        CREATE TABLE tree (created_at timestamp) PARTITION BY LIST (created_at);
        CREATE TABLE tree2 (k int, updated_at timestamp) PARTITION BY LIST (k); CREATE TABLE tree21 PARTITION OF tree2 FOR VALUES IN (1);
        CREATE TABLE heir () INHERITS (plain);
        -- look-alikes
        CREATE DOMAIN instant AS timestamptz; CREATE TABLE by_domain (created_at instant, updated_at timestamptz(0));
        CREATE TABLE other_column (seen_at timestamp, "Created_at" timestamp);
        CREATE TABLE odd_one (created_at timestamp);
        """, {"public.plain.created_at": ("warning", 1), f"public.{ODD_SQL}.updated_at": ("warning", 1), "public.worded.created_at": ("warning", 1),
              "public.worded.updated_at": ("warning", 1), "public.tree.created_at": ("warning", 1), "public.tree2.updated_at": ("warning", 1)},
        closes={"public.plain.created_at", f"public.{ODD_SQL}.updated_at", "public.tree2.updated_at"}, keys=KEYS),
    "timestamp may be null": Proof("conv-timestamp-nullable", SPARED + f"""
        CREATE TABLE t (created_at timestamptz, updated_at timestamptz NOT NULL); INSERT INTO t VALUES (now(), now());
        CREATE TABLE {ODD_SQL} (created_at timestamptz NOT NULL, updated_at timestamp);
        CREATE TABLE half_checked (created_at timestamptz); INSERT INTO half_checked VALUES (now());
        ALTER TABLE half_checked ADD CHECK (created_at IS NOT NULL) NOT VALID;
        CREATE TABLE loosely (created_at timestamptz CHECK (created_at IS NOT NULL OR created_at IS NULL));
        CREATE TABLE tree (k int, created_at timestamptz) PARTITION BY LIST (k);
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1); INSERT INTO tree VALUES (1, now());
        CREATE TABLE parent (created_at timestamptz); CREATE TABLE heir () INHERITS (parent);
        -- look-alikes
        CREATE TABLE checked (created_at timestamptz CHECK (created_at IS NOT NULL));
        CREATE DOMAIN instant AS timestamptz NOT NULL; CREATE TABLE by_domain (created_at instant);
        CREATE TABLE odd_one (created_at timestamptz);
        """, {"public.t.created_at": ("info", 1), f"public.{ODD_SQL}.updated_at": ("info", 1), "public.half_checked.created_at": ("info", 1),
              "public.loosely.created_at": ("info", 1), "public.tree.created_at": ("info", 1), "public.parent.created_at": ("info", 1)}, keys=KEYS),
    "timestamp not indexed": Proof("conv-timestamp-not-indexed", SPARED + f"""
        CREATE TABLE t (id int, created_at timestamptz, updated_at timestamptz, is_active boolean, state text); INSERT INTO t SELECT FROM generate_series(1, 1500);
        CREATE INDEX ON t (id, created_at); CREATE INDEX ON t (updated_at) WHERE state = 'open'; CREATE INDEX ON t (id) INCLUDE (created_at);
        CREATE TABLE {ODD_SQL} (created_at timestamptz);
        CREATE TABLE invalid (created_at timestamptz); CREATE INDEX invalid_i ON invalid (created_at);
        UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'invalid_i'::regclass;
        CREATE TABLE of_expression (created_at timestamptz); CREATE INDEX ON of_expression (date_trunc('day', created_at AT TIME ZONE 'UTC'));
        CREATE TABLE tree (k int, created_at timestamptz) PARTITION BY LIST (k);
        CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (k); CREATE TABLE tree11 PARTITION OF tree1 FOR VALUES IN (1);
        INSERT INTO tree SELECT 1 FROM generate_series(1, 700);
        -- look-alikes
        CREATE TABLE covered (created_at timestamptz, updated_at timestamptz, is_active boolean, d timestamptz);
        CREATE INDEX ON covered USING brin (created_at); CREATE INDEX ON covered (updated_at DESC) WHERE is_active AND updated_at IS NOT NULL;
        CREATE TABLE hashed (created_at timestamptz); CREATE INDEX ON hashed USING hash (created_at);
        CREATE TABLE unique_one (created_at timestamptz UNIQUE);
        CREATE TABLE good_tree (created_at timestamptz, PRIMARY KEY (created_at)) PARTITION BY RANGE (created_at); CREATE TABLE good_tree1 PARTITION OF good_tree DEFAULT;
        CREATE TABLE odd_one (created_at timestamptz); ANALYZE;
        """, {"public.t.created_at": ("info", 1500), "public.t.updated_at": ("info", 1500), f"public.{ODD_SQL}.created_at": ("info", 0),
              "public.invalid.created_at": ("info", 0), "public.of_expression.created_at": ("info", 0), "public.tree.created_at": ("info", 700)}, keys=KEYS),
    "soft-delete column missing": Proof("conv-is-active-missing", SPARED + f"""
        CREATE TABLE t (id int); INSERT INTO t VALUES (1); CREATE TABLE {ODD_SQL} (id int, "is_Active" boolean);
        CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1); INSERT INTO tree VALUES (1);
        CREATE TABLE parent (id int); CREATE TABLE heir () INHERITS (parent);
        -- look-alikes
        CREATE TABLE there (is_active int); CREATE TABLE odd_one (id int);
        """, {"public.t": ("warning", 1), f"public.{ODD_SQL}": ("warning", 1), "public.tree": ("warning", 1), "public.parent": ("warning", 1)}, keys=KEYS),
    "soft-delete column of a bad type": Proof("conv-is-active-bad-type", SPARED + f"""
        CREATE TABLE nullable (is_active boolean DEFAULT true); INSERT INTO nullable DEFAULT VALUES;
        CREATE TABLE numbered (is_active smallint NOT NULL); CREATE TABLE {ODD_SQL} (is_active text);
        CREATE TABLE tree (k int, is_active boolean) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        -- look-alikes
        CREATE DOMAIN flag AS boolean NOT NULL; CREATE TABLE by_domain (is_active flag); CREATE TABLE checked (is_active boolean CHECK (is_active IS NOT NULL));
        CREATE TABLE none_here (active int); CREATE TABLE odd_one (is_active int);
        """, {"public.nullable.is_active": ("warning", 1), "public.numbered.is_active": ("warning", 1), f"public.{ODD_SQL}.is_active": ("warning", 1),
              "public.tree.is_active": ("warning", 1)},
        closes={"public.nullable.is_active", "public.tree.is_active"}, keys=KEYS),
    "soft-delete column not indexed": Proof("conv-is-active-not-indexed", SPARED + f"""
        CREATE TABLE t (id int PRIMARY KEY, is_active boolean, created_at timestamptz); CREATE INDEX ON t (created_at) INCLUDE (is_active);
        CREATE TABLE {ODD_SQL} (a int, "b ""c" int, is_active boolean, PRIMARY KEY ("b ""c", a)); CREATE INDEX ON {ODD_SQL} (a) WHERE a > 3;
        CREATE TABLE bare (is_active boolean);
        CREATE TABLE tree (k int, is_active boolean) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        -- look-alikes
        CREATE TABLE keyed (a int, is_active boolean); CREATE INDEX ON keyed (a, is_active);
        CREATE TABLE filtered (a int, is_active boolean); CREATE UNIQUE INDEX ON filtered (a) WHERE is_active;
        CREATE TABLE unfiltered (a int, is_active boolean); CREATE INDEX ON unfiltered (a) WHERE NOT is_active;
        CREATE TABLE computed (a int, is_active boolean); CREATE INDEX ON computed ((CASE WHEN is_active THEN a END));
        CREATE TABLE by_number (is_active int); CREATE TABLE odd_one (is_active boolean);
        """, {"public.t.is_active": ("info", 0), f"public.{ODD_SQL}.is_active": ("info", 0), "public.bare.is_active": ("info", 0), "public.tree.is_active": ("info", 0)},
        keys=KEYS),
    "audit columns missing": Proof("conv-audit-columns-missing", SPARED + f"""
        CREATE TABLE neither (id int); INSERT INTO neither VALUES (1); CREATE TABLE half (created_by_id uuid, "updated_by_ID" int);
        CREATE TABLE {ODD_SQL} (id int); CREATE TABLE {LONG} (id int);
        CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1); INSERT INTO tree VALUES (1);
        CREATE TABLE parent (id int); CREATE TABLE heir () INHERITS (parent);
        -- look-alikes: of any type, with or without a foreign key
        CREATE TABLE there (created_by_id text, updated_by_id int); CREATE TABLE odd_one (id int);
        """, {"public.neither": ("warning", 2), "public.half": ("warning", 1), f"public.{ODD_SQL}": ("warning", 2), f"public.{LONG}": ("warning", 2),
              "public.tree": ("warning", 2), "public.parent": ("warning", 2)}, keys=AUDIT),
    "audit columns, users unknown": Proof("conv-audit-columns-missing", "CREATE TABLE t (id int);", {"public.t": ("warning", 2)}, closes=set(), keys=KEYS),
    "audit column without foreign key": Proof("conv-audit-fk-missing", SPARED + f"""
        CREATE TABLE t (created_by_id uuid, updated_by_id uuid REFERENCES users); INSERT INTO t VALUES (gen_random_uuid());
        CREATE TABLE {ODD_SQL} (updated_by_id uuid); CREATE TABLE other_type (created_by_id int);
        CREATE TABLE tree (k int, created_by_id uuid) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        -- look-alikes
        CREATE TABLE pending (created_by_id uuid); ALTER TABLE pending ADD FOREIGN KEY (created_by_id) REFERENCES users NOT VALID;
        CREATE TABLE pair (a int, b uuid, UNIQUE (a, b)); CREATE TABLE in_pair (a int, created_by_id uuid, FOREIGN KEY (a, created_by_id) REFERENCES pair (a, b));
        CREATE TABLE good_tree (k int, created_by_id uuid REFERENCES users) PARTITION BY LIST (k); CREATE TABLE good_tree1 PARTITION OF good_tree FOR VALUES IN (1);
        CREATE TABLE odd_one (created_by_id uuid); ALTER TABLE users ADD COLUMN created_by_id uuid;
        """, {"public.t.created_by_id": ("warning", 1), f"public.{ODD_SQL}.updated_by_id": ("warning", 1), "public.other_type.created_by_id": ("warning", 1),
              "public.tree.created_by_id": ("warning", 1)},
        closes={"public.t.created_by_id", f"public.{ODD_SQL}.updated_by_id", "public.tree.created_by_id"}, keys=AUDIT),
    "audit column to another table": Proof("conv-audit-fk-wrong-target", SPARED + f"""
        CREATE SCHEMA app; CREATE TABLE app.users (id uuid PRIMARY KEY); CREATE TABLE staff (id int PRIMARY KEY, n uuid UNIQUE);
        CREATE TABLE t (created_by_id uuid REFERENCES app.users, updated_by_id uuid REFERENCES users);
        CREATE TABLE numbered (created_by_id int REFERENCES staff); CREATE TABLE {ODD_SQL} (updated_by_id uuid REFERENCES staff (n));
        CREATE TABLE tree (k int, created_by_id uuid REFERENCES app.users) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        -- look-alikes
        CREATE TABLE bare (created_by_id int); CREATE TABLE two (created_by_id uuid REFERENCES users, FOREIGN KEY (created_by_id) REFERENCES staff (n));
        CREATE TABLE odd_one (created_by_id int REFERENCES staff);
        """, {"public.t.created_by_id": ("warning", 1), "public.numbered.created_by_id": ("warning", 1), f"public.{ODD_SQL}.updated_by_id": ("warning", 1),
              "public.tree.created_by_id": ("warning", 1)},
        closes={"public.t.created_by_id", f"public.{ODD_SQL}.updated_by_id", "public.tree.created_by_id"}, keys=AUDIT),
    "users table is not there": Proof("conv-audit-fk-wrong-target", """
        CREATE TABLE staff (id int PRIMARY KEY); CREATE TABLE t (created_by_id int REFERENCES staff); CREATE VIEW users AS SELECT 1 AS id;
        """, {"public.users": ("warning", 1)}, closes=set(), keys=AUDIT),
    "required column": Proof("conv-required-column-missing", """
        CREATE TABLE users (id int, email text, "Mail" text, gone int); ALTER TABLE users DROP COLUMN gone; CREATE SCHEMA app; CREATE VIEW app.v AS SELECT 1 AS a;
        CREATE TABLE "odd.table" ("a ""b" int); CREATE INDEX users_i ON users (email);
        """, {"public.users.gone": ("critical", 1), "public.users.mail": ("critical", 1), "public.orders.id": ("critical", 1), "app.v.b": ("critical", 1),
              "public.users_i.email2": ("critical", 1)},
        closes=set(), keys={"require_columns": ["users.email", "public.users.EMAIL", "users.gone", "public.users.gone", "public.users.mail", 'users."Mail"', "orders.id", "app.v.a",
                            "app.v.b", 'public."odd.table"."a ""b"', "users_i.email2"]}),
    "required column of an empty database": Proof("conv-required-column-missing", "", {"public.users.id": ("info", 1)}, closes=set(), keys={"require_columns": "users.id"}),
    "required column, long seen": Proof("conv-required-column-missing", "", {"public.users.id": ("critical", 1)}, closes=set(), keys={"require_columns": "users.id"}, settings={"grace": "0s"}),
    "required extension": Proof("conv-required-extension-missing", """
        CREATE TABLE t (id int); CREATE SCHEMA x; CREATE EXTENSION hstore SCHEMA x;
        """, {"earthdistance": ("critical", 1), "no such thing": ("critical", 1), "uuid-ossp": ("critical", 1)}, closes={"earthdistance", "uuid-ossp"},
        keys={"require_extensions": ["hstore", "earthdistance", "no such thing", "uuid-ossp", "plpgsql"]}),
    "required extension of an empty database": Proof("conv-required-extension-missing", "", {"hstore": ("info", 1)}, keys={"require_extensions": "hstore"}),
    "no superuser": Proof("conv-superuser-row-missing", """
        CREATE TABLE users (id int PRIMARY KEY, is_superuser boolean NOT NULL, is_active boolean NOT NULL, secret text);
        INSERT INTO users VALUES (1, false, true), (2, true, false);
        """, {"public.users": ("critical", 0)}, closes=set(), keys={"users_table": "users", "superuser": "is_superuser"},
        grants="GRANT SELECT (is_superuser, is_active) ON users TO dbhealth"),
    "no superuser among odd names": Proof("conv-superuser-row-missing", f"""
        CREATE SCHEMA "My App"; CREATE TYPE role AS ENUM ('admin', 'user'); CREATE TABLE "My App".{ODD_SQL} (id int, "the ""Role" role);
        INSERT INTO "My App".{ODD_SQL} VALUES (1, 'user');
        """, {f'"My App".{ODD_SQL}': ("critical", 0)}, closes=set(),
        keys={"users_table": f'"My App".{ODD_SQL}', "superuser": '("the ""Role" = \'admin\' OR id = 7)'},
        grants='GRANT USAGE ON SCHEMA "My App" TO dbhealth; GRANT SELECT ON ALL TABLES IN SCHEMA "My App" TO dbhealth'),
    "superuser is there": Proof("conv-superuser-row-missing", """
        CREATE TABLE users (id int PRIMARY KEY, role text, is_active boolean) PARTITION BY LIST (id); CREATE TABLE users1 PARTITION OF users DEFAULT;
        INSERT INTO users VALUES (1, 'user', true), (2, 'admin', true);
        """, {}, keys={"users_table": "public.users", "superuser": "users.role = 'admin' AND id > 0"}, grants="GRANT SELECT ON users TO dbhealth"),
    "users table without rows": Proof("conv-superuser-row-missing", "CREATE TABLE users (is_superuser boolean);", {"public.users": ("warning", 0)}, closes=set(),
        keys={"users_table": "public.users", "superuser": "is_superuser"}, grants="GRANT SELECT ON users TO dbhealth"),
    "no users table": Proof("conv-superuser-row-missing", "CREATE TABLE t (id int);", {"public.users": ("critical", 0)}, closes=set(),
        keys={"users_table": "public.users", "superuser": "is_superuser"}),
    "no users table in an empty database": Proof("conv-superuser-row-missing", "", {"public.users": ("info", 0)}, closes=set(),
        keys={"users_table": "public.users", "superuser": "is_superuser"}),
    "users table is a view": Proof("conv-superuser-row-missing", "CREATE VIEW users AS SELECT true AS is_superuser;", {"public.users": ("warning", 0)}, closes=set(),
        keys={"users_table": "public.users", "superuser": "is_superuser"}),
    "unique counts deleted rows": Proof("soft-delete-unfiltered-unique", SPARED + f"""
        CREATE TABLE t (id uuid PRIMARY KEY, email text UNIQUE, code text, tenant int, n int DEFAULT 0, is_active boolean NOT NULL DEFAULT true, state text);
        INSERT INTO t VALUES (gen_random_uuid(), 'a@b', 'c', 1, 1, false, 'x');
        CREATE UNIQUE INDEX plain_i ON t (tenant, code) INCLUDE (state); CREATE UNIQUE INDEX numbered_i ON t (n);
        CREATE UNIQUE INDEX lower_i ON t (lower(code)); CREATE UNIQUE INDEX desc_i ON t (code DESC); CREATE UNIQUE INDEX partly_i ON t (tenant) WHERE state = 'open';
        CREATE TABLE {ODD_SQL} ("a ""b" text, is_active boolean, CONSTRAINT "x ""y" UNIQUE ("a ""b"));
        CREATE TABLE tree (k int, v int, is_active boolean, UNIQUE (k, v)) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        CREATE TABLE profile (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid UNIQUE REFERENCES users, is_active boolean);
        -- look-alikes
        CREATE TABLE keys (a text PRIMARY KEY, id serial UNIQUE, g int GENERATED ALWAYS AS IDENTITY, u uuid UNIQUE DEFAULT gen_random_uuid(), b text, is_active boolean NOT NULL, deleted_at timestamptz,
            UNIQUE (g, b), UNIQUE (b, a), UNIQUE (b, is_active), UNIQUE (b, deleted_at));
        CREATE UNIQUE INDEX ON keys (b) WHERE is_active; CREATE UNIQUE INDEX ON keys (b) WHERE deleted_at IS NULL; CREATE UNIQUE INDEX ON keys ((CASE WHEN is_active THEN b END));
        CREATE INDEX ON keys (b);
        CREATE TABLE parent (id int PRIMARY KEY, name text UNIQUE, is_active boolean); CREATE TABLE child (name text REFERENCES parent (name));
        CREATE TABLE unmarked (name text UNIQUE); CREATE TABLE by_number (name text UNIQUE, is_active int);
        CREATE TABLE odd_one (name text UNIQUE, is_active boolean);
        """, {f"public.{o}": ("warning", 1) for o in ("t.t_email_key", "t.plain_i", "t.numbered_i", "t.lower_i", "t.desc_i", "t.partly_i", ODD_SQL + '."x ""y"', "tree.tree_k_v_key", "profile.profile_user_id_key")},
        closes={"public.t.t_email_key", "public.t.plain_i", "public.t.numbered_i", f'public.{ODD_SQL}."x ""y"', "public.profile.profile_user_id_key"}, keys=KEYS),
    "constraint names": Proof("conv-constraint-names", f"""
        CREATE TABLE p (id int, a int, CONSTRAINT pk_p PRIMARY KEY (id), CONSTRAINT uq UNIQUE (a), CONSTRAINT positive CHECK (a > 0));
        CREATE TABLE c (p int CONSTRAINT fk REFERENCES p); CREATE TABLE {ODD_SQL} (id int CONSTRAINT "odd ""key" PRIMARY KEY);
        CREATE TABLE x (a int, b int, CONSTRAINT no_overlap EXCLUDE USING btree (a WITH =));
        CREATE TABLE tree (k int, v int CONSTRAINT big CHECK (v > 3)) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        CREATE TABLE one_two (id int CONSTRAINT oneXtwo_pkey PRIMARY KEY);
        -- look-alikes
        CREATE TABLE usual (id int PRIMARY KEY, a int UNIQUE CHECK (a > 0) CHECK (a < 9), b int REFERENCES p, EXCLUDE USING btree (b WITH =), UNIQUE (a, b), CHECK (a > b));
        CREATE TABLE {LONG} (id int CONSTRAINT anything PRIMARY KEY); CREATE TABLE heir () INHERITS (p);
        CREATE TABLE alembic_version (id int CONSTRAINT alembic_version_pkc PRIMARY KEY); CREATE TABLE odd_one (id int CONSTRAINT k PRIMARY KEY);
        """, {f"public.{o}": ("info", 1) for o in ("p.pk_p", "p.uq", "p.positive", "c.fk", ODD_SQL + '."odd ""key"', "x.no_overlap", "tree.big", "one_two.onextwo_pkey")},
        closes={f"public.{o}" for o in ("p.pk_p", "p.uq", "c.fk", ODD_SQL + '."odd ""key"', "x.no_overlap", "one_two.onextwo_pkey")}, keys=KEYS),
    "constraint names of another manner": Proof("conv-constraint-names", """
        CREATE TABLE p (id int PRIMARY KEY, a int, CONSTRAINT uq_p_a UNIQUE (a));
        CREATE TABLE c (p int, CONSTRAINT fk_c_p_p FOREIGN KEY (p) REFERENCES p, CONSTRAINT fk_p FOREIGN KEY (p) REFERENCES p);
        """, {"public.p.p_pkey": ("info", 1), "public.c.fk_p": ("info", 1)}, closes={"public.p.p_pkey"},
        settings={"primary_key": "pk_{table}", "unique": "uq_{table}_{columns}", "foreign_key": "fk_{table}_{columns}_{target}"}),
    "times out of order": Proof("timestamps-out-of-order", SPARED + f"""
        CREATE TABLE t (created_at timestamptz, updated_at timestamptz);
        INSERT INTO t VALUES (now(), now() - interval '1 hour'), (now(), now() - interval '1 day'), (now(), now()), (now() + interval '2 days', now() + interval '3 days');
        CREATE TABLE plain (created_at timestamp, updated_at timestamp); INSERT INTO plain VALUES ('2020-02-01', '2020-01-01'), ('2100-01-01', '2100-01-02');
        CREATE TABLE {ODD_SQL} (created_at timestamptz, updated_at timestamptz); INSERT INTO {ODD_SQL} VALUES ('2020-02-01', '2020-01-01');
        CREATE TABLE tree (k int, created_at timestamptz, updated_at timestamptz) PARTITION BY LIST (k); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1);
        INSERT INTO tree VALUES (1, '2020-02-01', '2020-01-01');
        -- look-alikes
        CREATE TABLE fine (created_at timestamptz, updated_at timestamptz);
        INSERT INTO fine VALUES (now(), now() - interval '1 min'), (now(), NULL), (NULL, now()), (now(), 'infinity'), ('infinity', now()), ('-infinity', now()), (now(), now() + interval '9 days');
        CREATE TABLE mixed (created_at timestamptz, updated_at timestamp); INSERT INTO mixed VALUES (now(), '1999-01-01');
        CREATE TABLE heir () INHERITS (fine); INSERT INTO heir VALUES (now(), now());
        CREATE TABLE odd_one (created_at timestamptz, updated_at timestamptz); INSERT INTO odd_one VALUES ('2020-02-01', '2020-01-01');
        ANALYZE t, plain, tree;
        """, {"public.t": ("warning", 3), "public.plain": ("warning", 1), f"public.{ODD_SQL}": ("warning", 1), "public.tree": ("warning", 1)},
        closes=set(), keys=KEYS, grants="GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth"),
    "times out of order, a sample": Proof("timestamps-out-of-order", """
        CREATE TABLE t (created_at timestamptz, updated_at timestamptz, filler text) WITH (fillfactor = 10);
        INSERT INTO t SELECT '2020-02-01', '2020-01-01', repeat('x', 500) FROM generate_series(1, 3000); ANALYZE t;
        """, {"public.t": ("warning", 1000)}, closes=set(), settings={"max_pages": "2000"},
        keys=KEYS, grants="GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth"),
}


@proves("conv-superuser-row-missing")
def test_superuser_rights_are_named_by_column(module_cluster):
    db = module_cluster.createdb("conv_rights")
    module_cluster.script("CREATE SCHEMA app; CREATE TABLE app.users (id int, \"Is Admin\" boolean, is_active boolean, secret text);", db)
    keys = {"users_table": "app.users", "superuser": '"Is Admin" IS TRUE'}
    found = look(module_cluster, db, "conv-superuser-row-missing", keys=keys)
    assert found == [] and found.missing[0]["grant"] == \
        'GRANT USAGE ON SCHEMA app TO dbhealth; GRANT SELECT ("Is Admin", is_active) ON app.users TO dbhealth;'
    module_cluster.script(found.missing[0]["grant"], db)
    assert [f["severity"] for f in look(module_cluster, db, "conv-superuser-row-missing", keys=keys)] == ["warning"]
    module_cluster.script("ALTER TABLE app.users ENABLE ROW LEVEL SECURITY;", db)
    found = look(module_cluster, db, "conv-superuser-row-missing", keys=keys)
    assert found == [] and found.missing[0]["grant"] == "ALTER ROLE dbhealth BYPASSRLS;"


@proves("conv-superuser-row-missing")
def test_superuser_condition_changes_nothing(module_cluster):
    """It is SQL of the configuration: a function in it that writes fails, and the finding is unknown, not ok."""
    db = module_cluster.createdb("conv_confined")
    module_cluster.script("""
        CREATE TABLE users (id int); INSERT INTO users VALUES (1); CREATE TABLE traces (t text); CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO dbhealth;
        CREATE FUNCTION app.writes(int) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
            PERFORM set_config('transaction_read_only', 'off', true); INSERT INTO public.traces VALUES ('here'); RETURN true; END $$;
        GRANT SELECT ON users TO dbhealth;""", db)
    with pytest.raises(AssertionError, match="read-(only|write)"):
        look(module_cluster, db, "conv-superuser-row-missing", keys={"users_table": "users", "superuser": "app.writes(id)"})
    assert module_cluster.one("SELECT count(*) FROM traces", dbname=db) == 0


@proves("conv-updated-at-stale")
def test_updated_at_stands_still(module_cluster, daemon):
    cluster = module_cluster
    db = cluster.createdb("conv_stale")
    cluster.script("""
        CREATE TABLE stale (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); CREATE INDEX ON stale (updated_at);
        CREATE TABLE tree (id int, updated_at timestamptz) PARTITION BY LIST (id); CREATE TABLE tree1 PARTITION OF tree DEFAULT;
        CREATE TABLE future (id int, updated_at timestamptz); INSERT INTO future VALUES (0, '2999-01-01');
        -- look-alikes
        CREATE TABLE good (id int, updated_at timestamptz); CREATE TABLE burst (id int, updated_at timestamptz); CREATE TABLE few (id int, updated_at timestamptz);
        CREATE TABLE unread (id int, updated_at timestamptz); CREATE TABLE worded (id int, updated_at text); CREATE TABLE still (id int, updated_at timestamptz);
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbhealth; REVOKE ALL ON unread FROM dbhealth;""", db)
    tables = ("stale", "tree", "future", "good", "burst", "few", "unread", "worded", "still")
    for t in tables:
        cluster.sql(f"INSERT INTO {t} SELECT g, now() FROM generate_series(1, 20) g", dbname=db)
    cluster.sql("UPDATE unread SET id = id", dbname=db)
    d = daemon(databases={"it": {"dsn": cluster.dsn(db), "conventions": "timestamps"}}, defaults={"integrity_interval": "1s"},
               sections={"check conv-updated-at-stale": {"interval": "1s", "param.min_updates": "50"}})

    def work(touched=("stale", "tree", "worded"), moved=("good", "future")):
        for t in touched:
            cluster.sql(f"UPDATE {t} SET id = id", dbname=db)
        for t in moved:
            cluster.sql(f"UPDATE {t} SET updated_at = now()", dbname=db)

    cluster.sql("UPDATE burst SET id = id; UPDATE few SET id = id WHERE id = 1", dbname=db)
    work()
    d.run("it", "integrity")
    for _ in range(5):
        cluster.sql("UPDATE burst SET id = id", dbname=db)
    time.sleep(1)
    d.run("it", "integrity")

    def found():
        work()
        cluster.sql("UPDATE few SET id = id WHERE id = 1", dbname=db)
        time.sleep(1)
        d.run("it", "integrity")
        return {f["object"] for f in d.findings(check="conv-updated-at-stale", state="open")} >= {"public.stale", "public.tree"}

    wait_until(found, 90, lambda: d.check("it", "conv-updated-at-stale"))
    assert {f["object"] for f in d.findings(check="conv-updated-at-stale", state="open")} == {"public.stale", "public.tree"}
    told = d.check("it", "conv-updated-at-stale")
    assert "public.unread" in told["reason"] and "GRANT SELECT (updated_at) ON public.unread TO dbhealth;" in told["grant"]

    def mended():
        work(touched=(), moved=("stale", "tree", "good", "future"))
        time.sleep(1)
        d.run("it", "integrity")
        return d.findings(check="conv-updated-at-stale", state="open") == []

    wait_until(mended, 90, lambda: d.findings(state="open"))
