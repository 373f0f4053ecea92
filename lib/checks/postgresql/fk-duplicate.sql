-- id: fk-duplicate
-- title: the same foreign key twice
-- engine: postgresql
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- message: the same columns and target as {same_as}{detail}
-- why: Each insert, update and delete fires the triggers of both: twice the look-ups and row locks for
--   nothing.
-- spares: keys to another table or to other columns of it; what the server adds by itself for partitions;
--   keys that are not enforced, which have no triggers; tables of extensions.
-- fix: Drop the one that is named, which takes a strong lock on both tables for an instant. Where the two
--   differ in what they do (ON DELETE, DEFERRABLE, MATCH), choose first: both act today.
-- remedy.1: drop the second one | sql | lock | ALTER TABLE ... ADD FOREIGN KEY as the one that is kept | closes
-- remedy.2: choose one of the two and drop the other | manual | lock | | closes
WITH @user_schema, @user_table, @user_fk, several AS (
	SELECT k.*, count(*) OVER (PARTITION BY k.conrelid, k.confrelid) AS beside FROM user_fk AS k
), pair AS (
	SELECT k.*, (SELECT pg_catalog.array_agg(ARRAY[u.a, u.b] ORDER BY u.a, u.b)
	        FROM ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey)) AS u (a, b)) AS same,
	    ROW(k.confmatchtype, k.confupdtype, k.confdeltype, k.condeferrable, k.condeferred, pg_catalog.to_jsonb(c) -> 'confdelsetcols') AS acts
	FROM several AS k JOIN pg_catalog.pg_constraint AS c ON c.oid = k.oid
	-- Only from 18 on a constraint may be there and not be enforced.
	WHERE k.beside > 1 AND coalesce(pg_catalog.to_jsonb(c) ->> 'conenforced', 'true') = 'true'
), ranked AS (
	SELECT p.*, pg_catalog.row_number() OVER w AS place, pg_catalog.first_value(p.conname) OVER w AS same_as, pg_catalog.first_value(p.acts) OVER w AS kept
	FROM pair AS p
	WINDOW w AS (PARTITION BY p.conrelid, p.confrelid, p.same ORDER BY p.convalidated DESC, p.oid)
), named AS (
	SELECT r.*, ARRAY[nspname::text, relname::text, conname::text] AS parts FROM ranked AS r WHERE place > 1
	ORDER BY nspname, relname, conname LIMIT 1000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, conname) AS object,
    'warning' AS severity,
    CASE WHEN acts = kept THEN '' ELSE ', but it acts otherwise' END AS detail,
    same_as::text AS same_as,
    CASE WHEN acts = kept THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s DROP CONSTRAINT %s;', q[1], q[2], q[3]) END AS remedy,
    CASE WHEN acts <> kept THEN pg_catalog.format('Compare ON DELETE, ON UPDATE, MATCH and DEFERRABLE of %s and %s on %s.%s; keep the one that says what the application relies on.',
        q[3], same_as, q[1], q[2]) END AS remedy_2
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY object
