-- id: schema-drift
-- title: the schema changed, or is not what it should be
-- engine: postgresql
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: snapshot
-- default: on
-- cost: dear
-- unit: count
-- param.slice_size: 2000
-- param.partitions: no
-- param.grants: no
-- param.comments: no
-- param.sibling_for: 15min
-- message: {detail}
-- why: What somebody changed by hand is in no migration: it is lost with the next restore, stops the next
--   migration, and makes the databases of one application answer differently. Who knows what changed, and
--   between which two looks, finds the cause of a trouble that began then.
-- spares: system and temporary objects, what an extension owns, schemas_exclude, indexes while they are
--   built; partitions belong to their root (param.partitions = yes: each of its own); owners, and
--   grants and comments unless param.grants = yes, param.comments = yes. Between two databases what the catalogue keeps as a tree
--   (views, CHECK, policies, defaults other than plain ones) is compared by its being there only:
--   dbhealth diff compares its text.
-- fix: A change is told once and is no alarm. Where it is wanted, dbhealth baseline pin NAME; where not,
--   undo it: dbhealth baseline show NAME lists what changed when, dbhealth diff A B --ddl prints what
--   would close the difference between two databases.
-- evidence: pg_class, pg_attribute, pg_index, pg_constraint, pg_proc, pg_type and their like, without locks
-- remedy.1: see what differs and what changed when | command | none | | helps
-- remedy.1.text: dbhealth baseline show {database}
-- remedy.2: take what is there now as what should be | command | none | pin again after undoing the change | closes
-- remedy.2.text: dbhealth baseline pin {database}
WITH @user_schema, extension_part AS MATERIALIZED (
	SELECT d.classid, d.objid FROM pg_catalog.pg_depend AS d
	WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
), slice AS MATERIALIZED (
	-- Where there is much it is asked in slices, by a number of the name: an object is in one of them whatever
	-- happens meanwhile, and each is of one moment.
	SELECT x.n, coalesce(:slice::int, 0) AS i, s.system_identifier || '/' || d.oid AS home
	FROM (SELECT coalesce(:slices::int, (1 + count(*) / :slice_size::bigint)::int) AS n
	    FROM pg_catalog.pg_class AS c WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c') AND NOT c.relispartition) AS x
	CROSS JOIN pg_catalog.pg_control_system() AS s
	JOIN pg_catalog.pg_database AS d ON d.datname = pg_catalog.current_database()
), rel AS MATERIALIZED (
	SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.reloptions, c.relrowsecurity,
	    c.relforcerowsecurity, c.relreplident, c.relacl, c.relowner, c.relispartition, c.relpartbound, c.relhassubclass
	FROM pg_catalog.pg_class AS c JOIN user_schema AS n ON n.oid = c.relnamespace
	JOIN slice AS s ON (pg_catalog.hashtext(c.relname::text) & 65535) % s.n = s.i
	WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c') AND c.relpersistence <> 't'
	  AND NOT EXISTS (SELECT FROM extension_part AS e WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid)
	  AND (:partitions::bool OR NOT c.relispartition AND NOT @inheritance_partition(c.oid))
), own_type AS MATERIALIZED (
	-- By name where format_type() would look again, at a catalogue that may have moved on.
	SELECT t.oid, pg_catalog.format('%I.%I', n.nspname, t.typname) AS name, t.typarray
	FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
	LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
	WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND t.typelem = 0
	  AND (t.typtype <> 'c' OR c.relkind = 'c')
), type_name AS MATERIALIZED (
	SELECT oid, name FROM own_type UNION ALL SELECT typarray, name || '[]' FROM own_type WHERE typarray <> 0
), default_value AS MATERIALIZED (
	-- What stands behind ~ is compared within one database only: it holds numbers of objects.
	SELECT d.adrelid, d.adnum, CASE
	    WHEN q.relname IS NOT NULL AND d.bin ~ '^\{FUNCEXPR :funcid ((480|714) [^{}]*\{FUNCEXPR :funcid )?1574 ' -- nextval(), also as integer or smallint
	        THEN ' default nextval(' || pg_catalog.quote_ident(q.nspname) || '.' || pg_catalog.quote_ident(q.relname) || ')'
    WHEN d.bin LIKE '{FUNCEXPR :funcid 1299 %' THEN ' default now()'
	    WHEN d.bin LIKE '{CONST %' THEN ' default #' || pg_catalog.left(pg_catalog.md5(
	        pg_catalog.split_part(d.bin, ' ', 3) || pg_catalog.substr(d.bin, pg_catalog.strpos(d.bin, ':constvalue '))), 8)
	        || CASE WHEN d.bin LIKE '{CONST :consttype 2205 %' THEN '~' ELSE '' END
	    ELSE (SELECT CASE WHEN x.bin ~ '\{(?!(CONST|FUNCEXPR|RELABELTYPE|COERCEVIAIO|SQLVALUEFUNCTION|OPEXPR) )|[0-9]{5}|consttype 2205'
	            THEN ' default~' || pg_catalog.left(pg_catalog.md5(x.bin), 12) ELSE ' default #' || pg_catalog.left(pg_catalog.md5(x.bin), 8) END
	        FROM (SELECT pg_catalog.regexp_replace(d.bin, ' :location -?[0-9]+', '', 'g') AS bin OFFSET 0) AS x)
	    END AS text
	FROM (SELECT d.oid, d.adrelid, d.adnum, d.adbin::text AS bin FROM pg_catalog.pg_attrdef AS d JOIN rel AS r ON r.oid = d.adrelid OFFSET 0) AS d
	LEFT JOIN (
		SELECT p.objid, n.nspname, c.relname FROM pg_catalog.pg_depend AS p
		JOIN pg_catalog.pg_class AS c ON c.oid = p.refobjid AND c.relkind = 'S'
		JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
		WHERE p.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND p.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
	) AS q ON q.objid = d.oid
), col AS (
	SELECT a.attrelid AS oid, CASE WHEN r.relkind = 'c' THEN 'attribute ' ELSE 'column ' END || pg_catalog.quote_ident(a.attname) AS part,
	    CASE WHEN t.oid IS NULL THEN pg_catalog.format_type(a.atttypid, a.atttypmod)
	        WHEN a.atttypmod >= 0 THEN t.name || '(' || a.atttypmod || ')' ELSE t.name END
	    || CASE WHEN co.oid IS NULL THEN '' ELSE ' collate ' || pg_catalog.quote_ident(co.collname) END
	    || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
	    || CASE a.attidentity WHEN 'a' THEN ' generated always as identity' WHEN 'd' THEN ' generated by default as identity' ELSE '' END
	    || CASE a.attgenerated WHEN 's' THEN ' generated stored' WHEN 'v' THEN ' generated virtual' ELSE '' END
	    || coalesce(d.text, '') AS value
	FROM pg_catalog.pg_attribute AS a JOIN rel AS r ON r.oid = a.attrelid
	LEFT JOIN type_name AS t ON t.oid = a.atttypid
	LEFT JOIN pg_catalog.pg_collation AS co ON co.oid = a.attcollation AND co.oid NOT IN (100, 950)
	LEFT JOIN default_value AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE a.attnum > 0 AND NOT a.attisdropped
), idx_column AS (
	SELECT i.indexrelid, pg_catalog.string_agg(
	        CASE WHEN u.key = 0 THEN 'expression' ELSE pg_catalog.quote_ident(a.attname) END
	        || CASE WHEN u.coll IN (0, 100) OR u.coll = a.attcollation THEN '' ELSE coalesce(' collate ' || pg_catalog.quote_ident(co.collname), '') END
	        || CASE WHEN o.opcdefault THEN '' ELSE coalesce(' ' || pg_catalog.quote_ident(o.opcname), '') END
	        || CASE u.option WHEN 1 THEN ' desc nulls last' WHEN 2 THEN ' nulls first' WHEN 3 THEN ' desc' ELSE '' END,
	        ', ' ORDER BY u.o) FILTER (WHERE u.o <= i.indnkeyatts) AS keys,
	    pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY u.o) FILTER (WHERE u.o > i.indnkeyatts) AS payload
	FROM pg_catalog.pg_index AS i JOIN rel AS r ON r.oid = i.indrelid
	CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(i.indkey::int2[]), pg_catalog.unnest(i.indclass::oid[]),
	    pg_catalog.unnest(i.indcollation::oid[]), pg_catalog.unnest(i.indoption::int2[]))
	    WITH ORDINALITY AS u (key, class, coll, option, o)
	LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.key
	LEFT JOIN pg_catalog.pg_opclass AS o ON o.oid = u.class
	LEFT JOIN pg_catalog.pg_collation AS co ON co.oid = u.coll
	WHERE i.indisvalid
	GROUP BY i.indexrelid
), idx AS (
	SELECT i.indrelid AS oid,
	    CASE con.contype WHEN 'p' THEN 'primary key ' WHEN 'u' THEN 'unique constraint ' WHEN 'x' THEN 'exclusion constraint ' ELSE 'index ' END
	    || pg_catalog.quote_ident(c.relname) AS part,
	    CASE WHEN con.contype IS NULL AND i.indisunique THEN 'unique ' ELSE '' END
	    || m.amname || ' (' || coalesce(k.keys, '') || ')' || coalesce(' include (' || k.payload || ')', '')
	    -- Of version 15 and later.
	    || CASE WHEN i.indisunique AND NOT i.indisprimary AND pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct' = 'true' THEN ' nulls not distinct' ELSE '' END
	    || coalesce(' with (' || pg_catalog.array_to_string(c.reloptions, ', ') || ')', '')
	    || CASE WHEN con.condeferrable THEN ' deferrable' ELSE '' END || CASE WHEN con.condeferred THEN ' initially deferred' ELSE '' END
	    || CASE WHEN i.indisreplident THEN ' replica identity' ELSE '' END
	    || CASE WHEN i.indpred IS NOT NULL THEN ' where' ELSE '' END
	    || CASE WHEN i.indpred IS NULL AND i.indexprs IS NULL AND con.conexclop IS NULL THEN '' ELSE '~' || pg_catalog.left(pg_catalog.md5(
	        pg_catalog.regexp_replace(pg_catalog.concat(i.indexprs, ' ', i.indpred, ' ', con.conexclop), ' :location -?[0-9]+', '', 'g')), 12) END AS value
	FROM pg_catalog.pg_index AS i
	JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
	JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
	JOIN idx_column AS k ON k.indexrelid = i.indexrelid
	LEFT JOIN pg_catalog.pg_constraint AS con ON con.conindid = i.indexrelid AND con.conrelid = i.indrelid AND con.contype IN ('p', 'u', 'x')
), fk_column AS (
	SELECT con.oid, pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY u.o) AS child,
	    pg_catalog.string_agg(pg_catalog.quote_ident(b.attname), ', ' ORDER BY u.o) AS parent
	FROM pg_catalog.pg_constraint AS con JOIN rel AS r ON r.oid = con.conrelid
	CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(con.conkey), pg_catalog.unnest(con.confkey)) WITH ORDINALITY AS u (k, f, o)
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = con.conrelid AND a.attnum = u.k
	JOIN pg_catalog.pg_attribute AS b ON b.attrelid = con.confrelid AND b.attnum = u.f
	WHERE con.contype = 'f' AND con.conparentid = 0
	GROUP BY con.oid
), con AS (
	SELECT con.conrelid AS oid, con.contypid,
	    CASE con.contype WHEN 'f' THEN 'foreign key ' WHEN 'c' THEN 'check ' ELSE 'constraint ' END || pg_catalog.quote_ident(con.conname) AS part,
	    CASE WHEN con.contype = 'f' THEN '(' || k.child || ') references ' || pg_catalog.quote_ident(pn.nspname) || '.' || pg_catalog.quote_ident(p.relname)
	        || ' (' || k.parent || ')'
	        || CASE con.confmatchtype WHEN 'f' THEN ' match full' ELSE '' END
	        || CASE con.confupdtype WHEN 'r' THEN ' on update restrict' WHEN 'c' THEN ' on update cascade' WHEN 'n' THEN ' on update set null' WHEN 'd' THEN ' on update set default' ELSE '' END
	        || CASE con.confdeltype WHEN 'r' THEN ' on delete restrict' WHEN 'c' THEN ' on delete cascade' WHEN 'n' THEN ' on delete set null' WHEN 'd' THEN ' on delete set default' ELSE '' END
	    ELSE '' END
	    || CASE WHEN con.condeferrable THEN ' deferrable' ELSE '' END || CASE WHEN con.condeferred THEN ' initially deferred' ELSE '' END
	    || CASE WHEN con.connoinherit AND con.contype = 'c' THEN ' no inherit' ELSE '' END
	    || CASE WHEN con.convalidated THEN '' ELSE ' not valid' END
	    || CASE WHEN con.conbin IS NULL THEN '' ELSE '~' || pg_catalog.left(pg_catalog.md5(pg_catalog.regexp_replace(con.conbin::text, ' :location -?[0-9]+', '', 'g')), 12) END AS value
	FROM pg_catalog.pg_constraint AS con
	LEFT JOIN fk_column AS k ON k.oid = con.oid
	LEFT JOIN pg_catalog.pg_class AS p ON p.oid = con.confrelid
	LEFT JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
	WHERE con.contype IN ('f', 'c', 't') AND (con.contype <> 'f' OR con.conparentid = 0)
	  AND (con.conrelid = 0 OR con.conrelid IN (SELECT r.oid FROM rel AS r))
), part AS (
	SELECT oid, part, value FROM col
	UNION ALL SELECT oid, part, value FROM idx
	UNION ALL SELECT oid, part, value FROM con WHERE oid <> 0
	UNION ALL
	SELECT t.tgrelid, 'trigger ' || pg_catalog.quote_ident(t.tgname),
	    CASE WHEN t.tgtype & 2 > 0 THEN 'before' WHEN t.tgtype & 64 > 0 THEN 'instead of' ELSE 'after' END
	    || CASE WHEN t.tgtype & 4 > 0 THEN ' insert' ELSE '' END || CASE WHEN t.tgtype & 16 > 0 THEN ' update' ELSE '' END
	    || CASE WHEN t.tgtype & 8 > 0 THEN ' delete' ELSE '' END || CASE WHEN t.tgtype & 32 > 0 THEN ' truncate' ELSE '' END
	    || CASE WHEN t.tgtype & 1 > 0 THEN ' row' ELSE '' END
	    || ' calls ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname)
	    || CASE WHEN t.tgnargs > 0 THEN ' #' || pg_catalog.left(pg_catalog.md5(t.tgargs), 8) ELSE '' END
	    || CASE t.tgenabled WHEN 'D' THEN ' disabled' WHEN 'A' THEN ' always' WHEN 'R' THEN ' on replica' ELSE '' END
	    || CASE WHEN t.tgdeferrable THEN ' deferrable' ELSE '' END || CASE WHEN t.tginitdeferred THEN ' initially deferred' ELSE '' END
	    || pg_catalog.concat(' old ' || pg_catalog.quote_ident(t.tgoldtable), ' new ' || pg_catalog.quote_ident(t.tgnewtable))
	    || CASE WHEN t.tgqual IS NULL AND t.tgattr = ''::int2vector THEN '' ELSE '~' || pg_catalog.left(pg_catalog.md5(t.tgattr::text
	        || pg_catalog.regexp_replace(coalesce(t.tgqual::text, ''), ' :location -?[0-9]+', '', 'g')), 12) END
	FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
	JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
	WHERE NOT t.tgisinternal
	UNION ALL
	SELECT p.polrelid, 'policy ' || pg_catalog.quote_ident(p.polname),
	    CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END
	    || CASE p.polcmd WHEN 'r' THEN ' select' WHEN 'a' THEN ' insert' WHEN 'w' THEN ' update' WHEN 'd' THEN ' delete' ELSE ' all' END
	    || ' to ' || (SELECT coalesce(pg_catalog.string_agg(coalesce(pg_catalog.quote_ident(r.rolname), 'public'), ', ' ORDER BY r.rolname), '')
	        FROM pg_catalog.unnest(p.polroles) AS u (oid) LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = u.oid)
	    || CASE WHEN p.polqual IS NULL THEN '' ELSE ' using' END || CASE WHEN p.polwithcheck IS NULL THEN '' ELSE ' with check' END
	    || '~' || pg_catalog.left(pg_catalog.md5(pg_catalog.regexp_replace(pg_catalog.concat(p.polqual, ' ', p.polwithcheck), ' :location -?[0-9]+', '', 'g')), 12)
	FROM pg_catalog.pg_policy AS p
	UNION ALL
	SELECT w.ev_class, CASE WHEN w.rulename = '_RETURN' THEN 'definition' ELSE 'rule ' || pg_catalog.quote_ident(w.rulename) END,
	    '~' || pg_catalog.left(pg_catalog.md5(w.ev_type::text || w.is_instead || w.ev_enabled::text
	        -- Up to 15 a view's tree names the view itself.
	        || pg_catalog.regexp_replace(pg_catalog.replace(pg_catalog.concat(w.ev_qual, w.ev_action), ':relid ' || w.ev_class || ' ', ':relid 0 '), ' :(location|stmt_location|stmt_len) -?[0-9]+', '', 'g')), 12)
	FROM pg_catalog.pg_rewrite AS w JOIN rel AS r ON r.oid = w.ev_class
	UNION ALL
	SELECT s.stxrelid, 'statistics ' || pg_catalog.quote_ident(s.stxname), pg_catalog.array_to_string(s.stxkind, '') || '~' || pg_catalog.left(pg_catalog.md5(
	    s.stxkeys::text || pg_catalog.regexp_replace(coalesce(pg_catalog.to_jsonb(s) ->> 'stxexprs', ''), ' :location -?[0-9]+', '', 'g')), 12)
	FROM pg_catalog.pg_statistic_ext AS s
	UNION ALL
	SELECT h.inhrelid, 'inherits ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), ''
	FROM pg_catalog.pg_inherits AS h JOIN pg_catalog.pg_class AS c ON c.oid = h.inhparent AND c.relkind IN ('r', 'p', 'f')
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	UNION ALL
	SELECT p.partrelid, 'partition key', CASE p.partstrat WHEN 'r' THEN 'range' WHEN 'l' THEN 'list' WHEN 'h' THEN 'hash' ELSE p.partstrat::text END
	    || ' (' || (SELECT pg_catalog.string_agg(coalesce(pg_catalog.quote_ident(a.attname), 'expression'), ', ' ORDER BY u.o)
	        FROM pg_catalog.unnest(p.partattrs::int2[]) WITH ORDINALITY AS u (k, o)
	        LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = u.k) || ')'
	    || CASE WHEN p.partexprs IS NULL THEN '' ELSE '~' || pg_catalog.left(pg_catalog.md5(pg_catalog.regexp_replace(p.partexprs::text, ' :location -?[0-9]+', '', 'g')), 12) END
	FROM pg_catalog.pg_partitioned_table AS p
	UNION ALL
	SELECT oid, 'bounds', '~' || pg_catalog.left(pg_catalog.md5(pg_catalog.regexp_replace(relpartbound::text, ' :location -?[0-9]+', '', 'g')), 12)
	FROM rel WHERE relispartition AND relpartbound IS NOT NULL
	UNION ALL SELECT oid, 'persistence', 'unlogged' FROM rel WHERE relpersistence = 'u'
	UNION ALL SELECT oid, 'options', pg_catalog.array_to_string(reloptions, ', ') FROM rel WHERE reloptions IS NOT NULL
	UNION ALL SELECT oid, 'row security', CASE WHEN relforcerowsecurity THEN 'forced' ELSE 'enabled' END FROM rel WHERE relrowsecurity OR relforcerowsecurity
	UNION ALL SELECT oid, 'replica identity', CASE relreplident WHEN 'f' THEN 'full' WHEN 'n' THEN 'nothing' ELSE 'index' END
	FROM rel WHERE relreplident <> 'd' AND relkind IN ('r', 'p')
	UNION ALL SELECT oid, 'grants', relacl::text FROM rel WHERE :grants::bool AND relacl IS NOT NULL
	UNION ALL SELECT d.objoid, CASE d.objsubid WHEN 0 THEN 'comment' ELSE 'comment on column ' || coalesce(pg_catalog.quote_ident(a.attname), '') END,
	    '#' || pg_catalog.left(pg_catalog.md5(d.description), 12)
	FROM pg_catalog.pg_description AS d JOIN rel AS r ON r.oid = d.objoid
	LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.objoid AND a.attnum = d.objsubid
	WHERE :comments::bool AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
	UNION ALL SELECT f.ftrelid, 'foreign server', pg_catalog.quote_ident(s.srvname) || coalesce(' (' || pg_catalog.array_to_string(f.ftoptions, ', ') || ')', '')
	FROM pg_catalog.pg_foreign_table AS f JOIN pg_catalog.pg_foreign_server AS s ON s.oid = f.ftserver
), parts AS (
	SELECT oid, pg_catalog.json_object_agg(part, value) AS parts FROM part GROUP BY oid
), thing AS (
	SELECT CASE r.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type'
	        WHEN 'p' THEN 'partitioned table' ELSE 'table' END AS sort,
	    pg_catalog.quote_ident(r.nspname) || '.' || pg_catalog.quote_ident(r.relname) AS object, p.parts
	FROM rel AS r LEFT JOIN parts AS p ON p.oid = r.oid
	UNION ALL
	SELECT 'sequence', pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), pg_catalog.json_build_object('settings',
	    pg_catalog.format_type(s.seqtypid, NULL) || ' start ' || s.seqstart || ' increment ' || s.seqincrement || ' min ' || s.seqmin || ' max ' || s.seqmax
	    || ' cache ' || s.seqcache || CASE WHEN s.seqcycle THEN ' cycle' ELSE '' END || CASE WHEN c.relpersistence = 'u' THEN ' unlogged' ELSE '' END)
	FROM pg_catalog.pg_sequence AS s JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
	JOIN user_schema AS n ON n.oid = c.relnamespace
	JOIN slice AS i ON (pg_catalog.hashtext(c.relname::text) & 65535) % i.n = i.i
	WHERE c.relpersistence <> 't'
	  AND NOT EXISTS (SELECT FROM extension_part AS e WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid)
	UNION ALL
	SELECT CASE p.prokind WHEN 'a' THEN 'aggregate' WHEN 'p' THEN 'procedure' ELSE 'function' END,
	    pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, (SELECT coalesce(pg_catalog.string_agg(coalesce(t.name, pg_catalog.format_type(u.oid, NULL)), ', ' ORDER BY u.o), '')
	        FROM pg_catalog.unnest(p.proargtypes::oid[]) WITH ORDINALITY AS u (oid, o) LEFT JOIN type_name AS t ON t.oid = u.oid)),
	    pg_catalog.json_build_object('returns', CASE WHEN p.proretset THEN 'setof ' ELSE '' END || coalesce(rt.name, pg_catalog.format_type(p.prorettype, NULL)),
	        'language', l.lanname, 'arguments', '#' || pg_catalog.left(pg_catalog.md5(pg_catalog.concat(p.proargnames, p.proargmodes)), 8)
	            || CASE WHEN p.proargdefaults IS NULL THEN '' ELSE ' ' || p.pronargdefaults || ' defaults~'
	            || pg_catalog.left(pg_catalog.md5(pg_catalog.regexp_replace(p.proargdefaults::text, ' :location -?[0-9]+', '', 'g')), 12) END,
	        'attributes', CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END || CASE WHEN p.proisstrict THEN ' strict' ELSE '' END
	            || CASE WHEN p.prosecdef THEN ' security definer' ELSE '' END || CASE WHEN p.proleakproof THEN ' leakproof' ELSE '' END
	            || CASE p.proparallel WHEN 's' THEN ' parallel safe' WHEN 'r' THEN ' parallel restricted' ELSE '' END
	            || CASE WHEN p.prokind = 'w' THEN ' window' ELSE '' END || ' cost ' || p.procost || ' rows ' || p.prorows
	            || coalesce(' set ' || pg_catalog.array_to_string(p.proconfig, ', '), ''),
	        'source', '#' || pg_catalog.left(pg_catalog.md5(p.prosrc || coalesce(p.probin, '')), 12)
	            || CASE WHEN p.prosrc = '' THEN '~' || pg_catalog.left(pg_catalog.md5(pg_catalog.regexp_replace(
	                coalesce(pg_catalog.to_jsonb(p) ->> 'prosqlbody', ''), ' :(location|stmt_location|stmt_len) -?[0-9]+', '', 'g')), 12)
	            WHEN p.prokind = 'a' THEN '~' || pg_catalog.left(pg_catalog.md5(g::text), 12) ELSE '' END)
	FROM pg_catalog.pg_proc AS p JOIN user_schema AS n ON n.oid = p.pronamespace
	JOIN slice AS i ON (pg_catalog.hashtext(p.proname::text) & 65535) % i.n = i.i
	JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
	LEFT JOIN type_name AS rt ON rt.oid = p.prorettype
	LEFT JOIN pg_catalog.pg_aggregate AS g ON g.aggfnoid = p.oid
	WHERE NOT EXISTS (SELECT FROM extension_part AS e WHERE e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND e.objid = p.oid)
	UNION ALL
	SELECT CASE t.typtype WHEN 'd' THEN 'domain' WHEN 'e' THEN 'enum' ELSE 'type' END, pg_catalog.format('%I.%I', n.nspname, t.typname),
	    CASE t.typtype WHEN 'e' THEN (SELECT pg_catalog.json_build_object('labels', CASE WHEN sum(pg_catalog.length(l.enumlabel)) > 400
	            THEN count(*) || ' labels #' || pg_catalog.md5(pg_catalog.string_agg(pg_catalog.quote_literal(l.enumlabel), ', ' ORDER BY l.enumsortorder))
	            ELSE pg_catalog.string_agg(pg_catalog.quote_literal(l.enumlabel), ', ' ORDER BY l.enumsortorder) END)
	        FROM pg_catalog.pg_enum AS l WHERE l.enumtypid = t.oid)
	    WHEN 'd' THEN (SELECT pg_catalog.json_object_agg(x.part, x.value) FROM (
	            SELECT 'type' AS part, coalesce(bt.name, pg_catalog.format_type(t.typbasetype, t.typtypmod)) || CASE WHEN t.typnotnull THEN ' not null' ELSE '' END
	                || coalesce(' default ' || t.typdefault, '') AS value
	            UNION ALL SELECT con.part, con.value FROM con WHERE con.contypid = t.oid) AS x)
	    WHEN 'r' THEN (SELECT pg_catalog.json_build_object('subtype', coalesce(st.name, pg_catalog.format_type(g.rngsubtype, NULL)))
	        FROM pg_catalog.pg_range AS g LEFT JOIN type_name AS st ON st.oid = g.rngsubtype WHERE g.rngtypid = t.oid)
	    END
	FROM pg_catalog.pg_type AS t JOIN user_schema AS n ON n.oid = t.typnamespace
	JOIN slice AS i ON (pg_catalog.hashtext(t.typname::text) & 65535) % i.n = i.i
	LEFT JOIN type_name AS bt ON bt.oid = t.typbasetype
	WHERE t.typtype IN ('d', 'e', 'r', 'b') AND t.typelem = 0
	  AND NOT EXISTS (SELECT FROM extension_part AS e WHERE e.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND e.objid = t.oid)
	UNION ALL SELECT 'schema', pg_catalog.quote_ident(nspname), CASE WHEN :grants::bool AND nspacl IS NOT NULL THEN pg_catalog.json_build_object('grants', nspacl::text) END
	FROM user_schema JOIN slice AS i ON i.i = 0
	UNION ALL SELECT 'extension', pg_catalog.quote_ident(extname), pg_catalog.json_build_object('version', extversion) FROM pg_catalog.pg_extension JOIN slice AS i ON i.i = 0
	UNION ALL SELECT 'event trigger', pg_catalog.quote_ident(v.evtname), pg_catalog.json_build_object('calls',
	    v.evtevent || ' ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname)
	    || CASE WHEN v.evtenabled = 'D' THEN ' disabled' ELSE '' END || coalesce(' tags ' || pg_catalog.array_to_string(v.evttags, ', '), ''))
	FROM pg_catalog.pg_event_trigger AS v JOIN pg_catalog.pg_proc AS p ON p.oid = v.evtfoid JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
	JOIN slice AS i ON i.i = 0
)
SELECT t.sort, t.object, t.parts, s.home, s.n AS slices
FROM thing AS t CROSS JOIN slice AS s
