-- id: replica-identity-missing
-- title: published table cannot be updated
-- engine: postgresql
-- probe: schema
-- topic: replication
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- needs: role primary
-- metric: dbhealth_replica_identity_missing_tables
-- message: published by {publication} without a replica identity: {detail}
-- why: Logical replication must name the row that changes. Without a key every UPDATE or DELETE of the table is
--   refused with an error, here, for the application.
-- spares: publications of INSERT and TRUNCATE only; REPLICA IDENTITY FULL; an identity by an index; unlogged
--   and temporary tables, which are not published; tables of extensions. Partitions are told under their root.
-- fix: A primary key is the best identity (then DEFAULT is enough); else a unique index over NOT NULL columns.
--   FULL writes the whole old row to the log at each change, and the subscriber seeks it without a key.
-- remedy.1: use the key that is there | sql | lock | ALTER TABLE ... REPLICA IDENTITY ... as before | closes
-- remedy.2: add a primary key, or name rows by all of their columns | manual | lock | ALTER TABLE ... REPLICA IDENTITY DEFAULT | closes
-- @part strict
strict AS (
	SELECT p.oid, p.pubname, p.puballtables FROM pg_catalog.pg_publication AS p WHERE p.pubupdate OR p.pubdelete
)
-- @end
-- @part named_alone_or_all
SELECT s.pubname, r.prrelid AS oid FROM strict AS s JOIN pg_catalog.pg_publication_rel AS r ON r.prpubid = s.oid
	UNION
	SELECT s.pubname, c.oid FROM strict AS s JOIN pg_catalog.pg_class AS c ON c.relkind = 'r' WHERE s.puballtables
-- @end
-- @part judged
tree AS (
	SELECT m.pubname, m.oid FROM named_in AS m
	UNION
	SELECT t.pubname, h.inhrelid FROM tree AS t
	JOIN pg_catalog.pg_inherits AS h ON h.inhparent = t.oid
	JOIN pg_catalog.pg_class AS c ON c.oid = h.inhrelid AND c.relispartition
), leaf AS (
	-- The row that changes stands in a leaf: its identity counts, whatever the root has.
	SELECT c.oid, min(t.pubname::text) AS publication, c.relname, n.nspname, c.relreplident, coalesce(r.root, c.oid) AS root
	FROM tree AS t
	JOIN pg_catalog.pg_class AS c ON c.oid = t.oid AND c.relkind = 'r' AND c.relpersistence = 'p' AND c.oid >= 16384
	JOIN user_schema AS n ON n.oid = c.relnamespace
	LEFT JOIN LATERAL (SELECT pg_catalog.pg_partition_root(c.oid)::oid AS root) AS r ON c.relispartition
	WHERE c.relreplident <> 'f'
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid AND i.indisvalid
	      AND CASE c.relreplident WHEN 'd' THEN i.indisprimary AND i.indimmediate WHEN 'i' THEN i.indisreplident END)
	  AND NOT @extension_member(pg_class, c.oid)
	GROUP BY c.oid, c.relname, n.nspname, c.relreplident, r.root
), mended AS (
	-- The primary key, or a unique index that may be the identity.
	SELECT l.*, k.indisprimary, k.index, @ident(l.nspname) || '.' || @ident(l.relname) AS tab
	FROM leaf AS l
	LEFT JOIN LATERAL (
		SELECT i.indisprimary, x.relname AS index FROM pg_catalog.pg_index AS i
		JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
		WHERE i.indrelid = l.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indisready AND i.indislive
		  AND i.indpred IS NULL AND i.indexprs IS NULL
		  AND NOT EXISTS (SELECT FROM pg_catalog.unnest((i.indkey::int2[])[0 : i.indnkeyatts - 1]) AS u (attnum)
		      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.attnum AND NOT a.attnotnull)
		ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1
	) AS k ON true
), found AS (
	SELECT m.root, min(m.publication) AS publication, count(*) AS n, pg_catalog.bool_or(m.oid <> m.root) AS partitions,
	    pg_catalog.bool_and(m.index IS NOT NULL) AS possible,
	    min(CASE m.relreplident WHEN 'n' THEN 'set to NOTHING' WHEN 'i' THEN 'the index that was it is gone' ELSE 'no primary key' END) AS reason,
	    pg_catalog.string_agg(CASE WHEN m.indisprimary THEN pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY DEFAULT;', m.tab)
	        ELSE pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %s;', m.tab, @ident(m.index)) END, E'\n' ORDER BY m.oid) AS text
	FROM mended AS m
	GROUP BY m.root
)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS object,
    f.n AS value,
    'warning' AS severity,
    f.publication,
    f.reason || CASE WHEN f.partitions THEN pg_catalog.format(', %s of its partitions', f.n) ELSE '' END AS detail,
    CASE WHEN f.possible THEN E'SET lock_timeout = ''2s'';\n' || f.text END AS remedy,
    CASE WHEN NOT f.possible THEN pg_catalog.format('Add a primary key to %s.%s, or ALTER TABLE ... REPLICA IDENTITY FULL.', @ident(n.nspname), @ident(c.relname)) END AS remedy_2
FROM found AS f
JOIN pg_catalog.pg_class AS c ON c.oid = f.root
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY object
LIMIT 1000
-- @end
-- @when server >= 15
WITH RECURSIVE @user_schema, @strict, named_in AS (
	@named_alone_or_all
	UNION
	SELECT s.pubname, c.oid FROM strict AS s
	JOIN pg_catalog.pg_publication_namespace AS p ON p.pnpubid = s.oid
	JOIN pg_catalog.pg_class AS c ON c.relnamespace = p.pnnspid AND c.relkind IN ('r', 'p')
), @judged
-- @when server < 15
WITH RECURSIVE @user_schema, @strict, named_in AS (
	@named_alone_or_all
), @judged
