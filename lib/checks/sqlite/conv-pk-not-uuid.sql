-- id: conv-pk-not-uuid
-- title: primary key is not a UUID
-- engine: sqlite
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- needs: configured conventions=uuid-primary-key
-- metric: dbhealth_primary_keys_not_uuid
-- message: primary key {columns} is {type}
-- why: Rows of this system are named by UUID (conventions): numbers tell outsiders how many rows there are,
--   clash when data of two places meet, and cannot be made before the row is stored.
-- spares: keys that are foreign keys as a whole (join tables, tables that extend another row); what stands in a key beside a
--   UUID; columns of a type UUID, CHAR(36), BINARY(16) or the like, and TEXT or BLOB whose first rows hold nothing but
--   UUIDs; tables without a primary key (table-no-primary-key); bookkeeping tables of migration tools, conventions_exclude.
-- fix: Make the tables anew with a key of TEXT (36 letters) or BLOB (16 bytes), the referring ones with them, in one
--   transaction. Or name the table in conventions_exclude where a natural key is meant to be.
-- evidence: the declared type, and ten rows where it says nothing
-- remedy.1: move to a UUID | manual | load | the old table, until it is dropped | closes
-- remedy.2: leave this table out of the rule | config | none | | helps
WITH @house, key AS (
	SELECT t.name, c.name AS col, c.type, NOT EXISTS (SELECT 1 FROM foreign_key AS k WHERE k.child = t.name AND k.lcol = c.low) AS own,
	    CASE WHEN upper(c.type) LIKE '%UUID%' OR upper(c.type) LIKE '%GUID%' OR upper(c.type) LIKE 'UNIQUEIDENTIFIER%' THEN 1
	        WHEN replace(c.type, ' ', '') GLOB '*(3[268])' AND @affinity(c.type) = 'text' OR replace(upper(c.type), ' ', '') GLOB '*BINARY(16)' OR replace(upper(c.type), ' ', '') = 'BLOB(16)' THEN 1
	        WHEN @affinity(c.type) IN ('text', 'blob') AND replace(c.type, ' ', '') NOT GLOB '*([0-9]*)' THEN NOT coalesce(scalar(
	            'SELECT max(NOT (CASE typeof(v) WHEN ''blob'' THEN length(v) = 16 WHEN ''text'' THEN length(v) IN (32, 36, 38) AND length(replace(trim(v, ''{}''), ''-'', '''')) = 32'
	            || ' AND v NOT GLOB ''*[^-0-9a-fA-F{}]*'' ELSE 0 END)) FROM (SELECT ' || @ident(c.name) || ' AS v FROM ' || @ident(t.name) || ' WHERE ' || @ident(c.name) || ' IS NOT NULL LIMIT 10)'), 0)
	        ELSE 0 END AS uuid
	FROM convention_table AS t JOIN user_column AS c ON c.tbl = t.name AND c.pk > 0
	ORDER BY t.name, c.pk
)
SELECT name AS object, group_concat(col, ', ') AS columns, group_concat(CASE type WHEN '' THEN 'without a type' ELSE type END, ', ') AS type,
    'Make ' || name || ' anew with a UUID as its key, and what refers to it with the same.' AS remedy, @exclude(name) AS remedy_2
FROM key GROUP BY name HAVING max(own) AND NOT max(uuid)
ORDER BY 1 LIMIT 1000
