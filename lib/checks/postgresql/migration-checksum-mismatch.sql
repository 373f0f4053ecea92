-- id: migration-checksum-mismatch
-- title: applied migration was edited
-- engine: postgresql
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: scrub
-- default: on
-- cost: cheap
-- unit: count
-- needs: role primary, migrations files
-- warning: >= 1
-- metric: dbhealth_migration_checksums_differ
-- message: {version} is not what was applied
-- why: The file was changed after it ran here: this database has what it said then, new databases get what it says now. The
--   tool refuses to validate or to go on.
-- spares: files that differ in line endings only; repeatable migrations, which are run again; tools without
--   checksums; Liquibase, whose sums depend on its version and its parser.
-- fix: Restore the file and put the change into a new migration. Where the edit is harmless, let the tool take the
--   new sum.
-- evidence: the recorded checksum and the file
-- remedy.1: restore the file as it was applied | manual | none | | closes
-- remedy.2: where the edit is harmless: take the new checksum | sql | none | UPDATE with the old checksum | closes
-- remedy.3: the same in the tool's own words | command | none | | closes
-- @items
WITH @user_schema, @bookkeeping, @history
SELECT object AS key, object, CASE WHEN missing IS NULL THEN pg_catalog.format($q$
WITH @history_rows, @known_rows
SELECT %3$L AS object, %3$L || ' ' || h.v AS key, 1 AS value, %4$L AS tool, h.v AS version, k.j ->> 'file' AS file,
    'Restore the migration ' || h.v || ' from version control as it was when it was applied.' AS remedy,
    pg_catalog.format(CASE %4$L WHEN 'flyway' THEN 'UPDATE %%s SET checksum = %%s WHERE installed_rank = %%s;'
        WHEN 'sqlx' THEN 'UPDATE %%s SET checksum = ''\x%%s'' WHERE version = %%s;'
        ELSE 'UPDATE %%s SET checksum = %%L WHERE id = %%L;' END, %5$L, k.j -> 'sums' ->> 0, h.raw) AS remedy_2,
    CASE %4$L WHEN 'flyway' THEN 'flyway repair' END AS remedy_3
FROM h JOIN known AS k ON k.id = h.id
WHERE h.state = 'applied' AND h.v !~ '^R__' AND h.sum IS NOT NULL
  AND pg_catalog.jsonb_typeof(k.j -> 'sums') = 'array' AND NOT k.j -> 'sums' @> pg_catalog.to_jsonb(h.sum)
ORDER BY h.id
LIMIT 100
$q$, rows_sql, id_sql, object, tool, q) END AS sql,
    4096 AS cost, missing AS "grant"
FROM history
WHERE judged AND tool IN ('flyway', 'sqlx', 'prisma')
ORDER BY key
