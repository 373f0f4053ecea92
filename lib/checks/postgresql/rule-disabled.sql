-- id: rule-disabled
-- title: disabled rewrite rule
-- engine: postgresql
-- probe: schema
-- topic: triggers
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: the rule does not act
-- why: The rule stands with the table but does nothing: who reads the schema believes that writes are
--   rewritten.
-- spares: rules that act on replicas or always; tables of extensions; temporary tables.
-- fix: Enable it, or drop it if nobody misses it. Both take a strong lock for an instant.
-- remedy.1: enable it | sql | lock | ALTER TABLE ... DISABLE RULE ... | closes
WITH @user_schema, @user_table, named AS (
	SELECT c.nspname, c.relname, r.rulename, ARRAY[c.nspname::text, c.relname::text, r.rulename::text] AS parts
	FROM pg_catalog.pg_rewrite AS r JOIN user_table AS c ON c.oid = r.ev_class
	WHERE r.ev_enabled = 'D'
	ORDER BY c.nspname, c.relname, r.rulename
	LIMIT 1000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, rulename) AS object,
    pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ENABLE RULE %s;', q[1], q[2], q[3]) AS remedy
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY object
