-- id: sqlite-freelist-high
-- title: much of the file is free pages
-- engine: sqlite
-- probe: performance
-- topic: capacity
-- scope: database
-- kind: gauge
-- default: on
-- cost: cheap
-- unit: ratio
-- info: > 25%
-- for: 1h
-- caused-by: sqlite-not-a-database, critical sqlite-truncated, sqlite-schema-malformed, sqlite-quick-check, sqlite-integrity-check
-- remedies: after-cause
-- metric: dbhealth_sqlite_free_page_ratio
-- param.min_bytes: 1MB
-- message: {value} of the pages are free: {detail}
-- why: Deleted rows leave free pages in the file: it stays as large as it ever was, and so do its
--   backups.
-- spares: files under 1 MB. Free pages are used again by new rows, so a file that will grow again needs
--   nothing. In a damaged file: VACUUM may lose what could be saved, so the damage is mended first.
-- fix: VACUUM writes the file anew: it needs up to twice the space, locks out writers meanwhile, and
--   wants an idle hour. With auto_vacuum = incremental, PRAGMA incremental_vacuum does it in steps.
-- evidence: PRAGMA freelist_count and page_count
-- remedy.1: give the free pages back | sql | lock | | closes
SELECT '' AS object, 1.0 * f.freelist_count / p.page_count AS value,
    printf('VACUUM would return %,d kB; auto_vacuum is %s', f.freelist_count * s.page_size / 1024,
        CASE file_fact('auto_vacuum') WHEN 1 THEN 'full' WHEN 2 THEN 'incremental' ELSE 'none' END) AS detail,
    CASE file_fact('auto_vacuum') WHEN 2 THEN 'PRAGMA incremental_vacuum;' ELSE 'VACUUM;' END AS remedy
FROM pragma_freelist_count AS f, pragma_page_count AS p, pragma_page_size AS s
WHERE p.page_count * s.page_size > CAST(:min_bytes AS REAL)
