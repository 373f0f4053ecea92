-- id: function-no-comment
-- title: function without a comment
-- engine: postgresql
-- probe: schema
-- topic: smells
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: nobody wrote down what it does
-- why: Who calls it must read its body to know what it expects and changes.
-- spares: a comment of blanks is none; functions of extensions, and those that a range type brings with it.
-- fix: COMMENT ON ROUTINE.
-- remedy.1: write it down | manual | none | COMMENT ON ROUTINE ... IS NULL | closes
WITH @user_schema, found AS (
	SELECT n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid) AS args
	FROM pg_catalog.pg_proc AS p
	JOIN user_schema AS n ON n.oid = p.pronamespace
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_description AS d
	    WHERE d.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objoid = p.oid AND d.description ~ '\S')
	  AND NOT @made_by_other(pg_proc, p.oid)
)
SELECT pg_catalog.format('%I.%I(%s)', nspname, proname, args) AS object,
    1 AS value, 'info' AS severity,
    pg_catalog.format('COMMENT ON ROUTINE %s.%s(%s) IS ''what it does'';', @ident(nspname), @ident(proname), args) AS remedy
FROM found
ORDER BY nspname, proname, args
LIMIT 2000
