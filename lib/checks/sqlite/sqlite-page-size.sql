-- id: sqlite-page-size
-- title: small pages in a large file
-- engine: sqlite
-- probe: performance
-- topic: capacity
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: bytes
-- severity: info
-- caused-by: sqlite-not-a-database, critical sqlite-truncated, sqlite-schema-malformed, sqlite-quick-check, sqlite-integrity-check
-- remedies: after-cause
-- param.min_bytes: 10MB
-- message: pages of {value} in a file of {detail}
-- why: Each page is one read, one lock of the cache and one frame of the log: rows that span several small pages cost several of
--   each. 4,096 bytes is what SQLite takes since 3.12, and what disks have.
-- spares: files under 10 MB (param.min_bytes); pages of 4,096 bytes and more.
-- fix: Set the size and VACUUM, which writes the file anew: it needs up to twice the space and locks out writers meanwhile. In WAL
--   mode the size cannot be changed: leave it before, and return to it.
-- evidence: PRAGMA page_size and page_count
-- remedy.1: write the file anew with larger pages | sql | lock | the same with the old size | closes
SELECT '' AS object, s.page_size AS value, printf('%,d MB', s.page_size * p.page_count / 1000000) AS detail,
    CASE WHEN file_fact('wal_mode') THEN 'PRAGMA journal_mode = delete;' || char(10) ELSE '' END || 'PRAGMA page_size = 4096;' || char(10) || 'VACUUM;'
    || CASE WHEN file_fact('wal_mode') THEN char(10) || 'PRAGMA journal_mode = wal;' ELSE '' END AS remedy
FROM pragma_page_size AS s, pragma_page_count AS p
WHERE s.page_size < 4096 AND s.page_size * p.page_count >= CAST(:min_bytes AS REAL)
