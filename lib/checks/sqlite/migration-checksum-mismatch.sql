-- id: migration-checksum-mismatch
-- title: applied migration was edited
-- engine: sqlite
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- needs: migrations files
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
WITH @user_table, @bookkeeping, @judged, @history, @known
SELECT h.tbl AS object, h.tbl || ' ' || h.v AS key, 1 AS value, h.tool, h.v AS version, k.file,
    'Restore the migration ' || h.v || ' from version control as it was when it was applied.' AS remedy,
    CASE h.tool WHEN 'flyway' THEN 'UPDATE ' || h.q || ' SET checksum = ' || (k.sums ->> 0) || ' WHERE installed_rank = ' || h.raw || ';'
        WHEN 'sqlx' THEN 'UPDATE ' || h.q || ' SET checksum = x''' || (k.sums ->> 0) || ''' WHERE version = ' || h.raw || ';'
        ELSE 'UPDATE ' || h.q || ' SET checksum = ' || quote(k.sums ->> 0) || ' WHERE id = ' || quote(h.raw) || ';' END AS remedy_2,
    CASE h.tool WHEN 'flyway' THEN 'flyway repair' END AS remedy_3
FROM h JOIN known AS k ON k.tbl = h.tbl AND k.id = h.id
WHERE h.tool IN ('flyway', 'sqlx', 'prisma') AND h.state = 'applied' AND h.v NOT GLOB 'R__*' AND h.sum IS NOT NULL
  AND json_array_length(k.sums) > 0 AND h.sum NOT IN (SELECT s.value FROM json_each(k.sums) AS s)
ORDER BY h.tbl, h.id LIMIT 100
