-- id: trigger-disabled
-- title: disabled trigger
-- engine: postgresql
-- probe: schema
-- topic: triggers
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- message: {detail}
-- why: What the trigger keeps (history, totals, search columns, rules of the business) silently goes wrong
--   with every write. Mostly it was switched off for a load and forgotten.
-- spares: triggers that fire always; triggers of foreign keys (fk-trigger-disabled); temporary tables;
--   tables and event triggers of extensions. One that fires on replicas only is info. A partition
--   whose table has it disabled too.
-- fix: Enable it, which takes a lock that stops writes for an instant; then mend what was written
--   meanwhile. Drop it if nobody misses it.
-- remedy.1: enable it | sql | lock | ALTER TABLE ... DISABLE TRIGGER ... | closes
-- remedy.2: let it fire in ordinary sessions too, if it is not for a subscriber | manual | lock | | closes
WITH RECURSIVE @user_schema, disabled AS (
	SELECT t.oid, t.tgenabled, t.tgparentid, t.tgrelid, t.tgname, t.tgconstraint,
	    coalesce(k.contype, '') IN ('p', 'u', 'x') AS of_key
	FROM pg_catalog.pg_trigger AS t
	LEFT JOIN pg_catalog.pg_constraint AS k ON k.oid = t.tgconstraint
	-- Of the server's own ones those that check a deferrable unique key; what a partition has from its
	-- table was called internal until 14.
	WHERE t.tgenabled IN ('D', 'R') AND (NOT t.tgisinternal OR k.contype IN ('p', 'u', 'x')
	    OR t.tgparentid <> 0 AND coalesce(k.contype, '') <> 'f')
), climb AS (
	SELECT d.oid, d.oid AS top, d.tgparentid AS parent FROM disabled AS d
	UNION ALL
	SELECT c.oid, t.oid, t.tgparentid FROM climb AS c JOIN pg_catalog.pg_trigger AS t ON t.oid = c.parent
), each AS (
	SELECT u.top, u.oid, d.tgenabled, d.of_key, n.nspname, c.relname, d.tgname,
	    @ident(n.nspname) || '.' || @ident(c.relname) AS sql_table, @ident(d.tgname) AS sql_trigger
	FROM climb AS u
	JOIN disabled AS d ON d.oid = u.oid
	JOIN pg_catalog.pg_class AS c ON c.oid = d.tgrelid AND c.relpersistence <> 't'
	JOIN user_schema AS n ON n.oid = c.relnamespace
	WHERE u.parent = 0 AND NOT @extension_member(pg_class, c.oid)
), tops AS (
	-- The table that declares it; its partitions are worth a word where it fires there.
	SELECT e.top, pg_catalog.bool_or(e.oid = e.top) AS whole, min(e.tgenabled::text) AS enabled, pg_catalog.bool_or(e.of_key) AS internal, count(*) AS n,
	    pg_catalog.string_agg(pg_catalog.format('ALTER TABLE ONLY %s ENABLE TRIGGER %s;', e.sql_table, e.sql_trigger), E'\n' ORDER BY e.nspname, e.relname) AS enable,
	    min(pg_catalog.format('%I.%I', e.nspname, e.relname)) FILTER (WHERE e.oid <> e.top) AS partition
	FROM each AS e GROUP BY e.top
)
SELECT pg_catalog.format('%I.%I.%I', n.nspname, c.relname, coalesce(k.conname, t.tgname)) AS object,
    CASE WHEN o.internal THEN 'critical' WHEN o.enabled = 'D' THEN 'warning' ELSE 'info' END AS severity,
    CASE WHEN o.internal THEN 'the check of this deferrable constraint is disabled: duplicates come in'
        WHEN o.enabled = 'R' THEN 'fires only while changes are replicated'
        WHEN o.whole THEN 'the trigger is disabled'
        ELSE 'disabled on a partition: ' || o.partition || CASE WHEN o.n > 1 THEN pg_catalog.format(' and %s more', o.n - 1) ELSE '' END END AS detail,
    CASE WHEN o.enabled = 'D' AND pg_catalog.octet_length(o.enable) < 3500 THEN E'SET lock_timeout = ''2s'';\n' || o.enable END AS remedy,
    CASE WHEN o.enabled = 'R' OR pg_catalog.octet_length(o.enable) >= 3500 THEN
        pg_catalog.format('ALTER TABLE %s.%s ENABLE TRIGGER %s; on each table where it is disabled.', @ident(n.nspname), @ident(c.relname), @ident(t.tgname)) END AS remedy_2
FROM tops AS o
JOIN pg_catalog.pg_trigger AS t ON t.oid = o.top
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_constraint AS k ON k.oid = t.tgconstraint AND o.internal
UNION ALL
SELECT pg_catalog.quote_ident(e.evtname), CASE e.evtenabled WHEN 'D' THEN 'warning' ELSE 'info' END,
    CASE e.evtenabled WHEN 'D' THEN 'the event trigger is disabled' ELSE 'the event trigger fires only while changes are replicated' END,
    CASE e.evtenabled WHEN 'D' THEN pg_catalog.format('ALTER EVENT TRIGGER %s ENABLE;', @ident(e.evtname)) END,
    CASE e.evtenabled WHEN 'R' THEN pg_catalog.format('ALTER EVENT TRIGGER %s ENABLE;', @ident(e.evtname)) END
FROM pg_catalog.pg_event_trigger AS e
WHERE e.evtenabled IN ('D', 'R') AND NOT @extension_member(pg_event_trigger, e.oid)
ORDER BY 2 DESC, 1
LIMIT 1000
