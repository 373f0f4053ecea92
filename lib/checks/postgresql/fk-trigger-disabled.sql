-- id: fk-trigger-disabled
-- title: a foreign key is not checked: its triggers are disabled
-- engine: postgresql
-- probe: integrity
-- topic: orphans
-- scope: database
-- kind: finding
-- changing: pending
-- default: on
-- cost: cheap
-- unit: count
-- severity: critical
-- message: {detail}
-- why: The constraint stands with the table and says it is valid, but rows without a parent come in, and
--   parents go while rows still name them. Mostly DISABLE TRIGGER ALL for a load that was not taken back.
-- spares: tables that a COPY fills now, and all while pg_restore is at work; keys that are not enforced (fk-not-enforced);
--   triggers that fire always; temporary tables; tables of extensions.
-- fix: Enable its triggers as a superuser, which takes a lock that stops writes for an instant. Then look
--   for rows without a parent (fk-orphan-rows): VALIDATE does nothing for a key that says it is valid.
-- remedy.1: enable its triggers (as superuser) | sql | lock | ALTER TABLE ... DISABLE TRIGGER ... | closes
-- remedy.2: enable all triggers of the tables | manual | lock | | closes
WITH RECURSIVE @user_schema, disabled AS (
	SELECT t.oid, t.tgrelid, t.tgname, t.tgconstraint,
	    -- RI_FKey_check_ins and _upd look from the row to its parent.
	    t.tgfoid IN (1644, 1645) AS inserts
	FROM pg_catalog.pg_trigger AS t WHERE t.tgisinternal AND t.tgenabled IN ('D', 'R') AND t.tgconstraint <> 0
), climb AS (
	SELECT d.oid, k.oid AS top, k.conparentid AS parent
	FROM disabled AS d JOIN pg_catalog.pg_constraint AS k ON k.oid = d.tgconstraint AND k.contype = 'f'
	UNION ALL
	SELECT c.oid, k.oid, k.conparentid FROM climb AS c JOIN pg_catalog.pg_constraint AS k ON k.oid = c.parent
), restoring AS MATERIALIZED (
	SELECT l.relation FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
	WHERE l.locktype = 'relation' AND l.granted AND a.datname = pg_catalog.current_database()
	  AND a.state = 'active' AND a.query ~* '^\s*COPY\s' AND a.query_start > pg_catalog.now() - '4h'::interval
), tops AS (
	SELECT u.top, pg_catalog.bool_or(d.inserts) AS inserts, pg_catalog.bool_or(NOT d.inserts) AS deletes,
	    pg_catalog.string_agg(pg_catalog.format('ALTER TABLE ONLY %s.%s ENABLE TRIGGER %s;', @ident(n.nspname), @ident(c.relname), @ident(d.tgname)),
	        E'\n' ORDER BY n.nspname, c.relname, d.tgname) AS enable
	FROM climb AS u
	JOIN disabled AS d ON d.oid = u.oid
	JOIN pg_catalog.pg_class AS c ON c.oid = d.tgrelid
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	WHERE u.parent = 0 AND d.tgrelid NOT IN (SELECT r.relation FROM restoring AS r)
	GROUP BY u.top
)
SELECT pg_catalog.format('%I.%I.%I', n.nspname, c.relname, k.conname) AS object,
    pg_catalog.concat_ws('; ', CASE WHEN o.inserts THEN pg_catalog.format('new rows of %I.%I are not looked up', n.nspname, c.relname) END,
        CASE WHEN o.deletes THEN pg_catalog.format('rows of %I.%I may go while others name them', pn.nspname, p.relname) END) AS detail,
    CASE WHEN pg_catalog.octet_length(o.enable) < 3500 THEN E'SET lock_timeout = ''2s'';\n' || o.enable END AS remedy,
    CASE WHEN pg_catalog.octet_length(o.enable) >= 3500 THEN
        pg_catalog.format('ALTER TABLE ... ENABLE TRIGGER ALL; on %s.%s, on %s.%s and on their partitions.', @ident(n.nspname), @ident(c.relname), @ident(pn.nspname), @ident(p.relname)) END AS remedy_2
FROM tops AS o
JOIN pg_catalog.pg_constraint AS k ON k.oid = o.top
JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid AND c.relpersistence <> 't'
JOIN user_schema AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class AS p ON p.oid = k.confrelid
JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
WHERE NOT @extension_member(pg_class, c.oid)
ORDER BY object
LIMIT 1000
