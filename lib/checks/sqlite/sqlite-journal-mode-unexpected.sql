-- id: sqlite-journal-mode-unexpected
-- title: another journal mode than configured
-- engine: sqlite
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- needs: configured expect_journal_mode
-- message: the journal mode is {mode}, not {expected}
-- why: The configuration says how changes are kept safe (expect_journal_mode). In another mode readers wait for writers, or files
--   that belong together are copied apart.
-- spares: the modes other than WAL among each other: each connection chooses its own, and the file does not tell.
-- fix: One connection, alone, says PRAGMA journal_mode; WAL stays with the file, the others do not.
-- evidence: the versions in the header
-- remedy.1: change the mode | sql | lock | PRAGMA journal_mode = the old one | closes
SELECT '' AS object, CASE WHEN file_fact('wal_mode') THEN 'wal' ELSE 'a rollback journal' END AS mode, lower(:expect_journal_mode) AS expected,
    CASE WHEN lower(:expect_journal_mode) IN ('wal', 'delete', 'truncate', 'persist') THEN 'PRAGMA journal_mode = ' || lower(:expect_journal_mode) || ';' END AS remedy
WHERE (lower(:expect_journal_mode) = 'wal') <> coalesce(file_fact('wal_mode'), 0)
