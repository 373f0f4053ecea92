-- id: sqlite-journal-misplaced
-- title: a journal or log lies here without its database
-- engine: sqlite
-- probe: integrity
-- topic: corruption
-- scope: database
-- kind: finding
-- source: file
-- default: on
-- cost: cheap
-- unit: bytes
-- severity: warning
-- metric: dbhealth_sqlite_journal_misplaced_bytes
-- message: {object} holds {value} of a database {base} that is not here; it may be of this one
-- why: SQLite finds journal and log by the name of the database. Where that was renamed without them, what
--   they hold is missing in it: half a transaction is never rolled back, or commits are gone. A new
--   database of the old name would take them over and be destroyed.
-- spares: companions of databases that are there; empty ones, and journals whose header was zeroed after the
--   commit; those with pages of another size; what is nearer by name to another database in the folder.
-- fix: Stop the application and give the pair equal names again: rename the journal to the name of its
--   database with -journal or -wal behind it, then open it once. If they do not belong together, move
--   the journal out of the way.
-- evidence: the names in the folder, the headers of the files
-- remedy.1: see what lies there | command | none | | helps
-- remedy.2: move it out of the way, if it is not of this database | command | none | the same with the names exchanged | closes
-- remedy.3: give the pair equal names again | manual | none | | closes
SELECT object, value, base,
    'ls -l ''' || replace(file_fact('dir'), '''', '''\''''') || '''' AS remedy,
    'mv -n ' || q || ' ' || substr(q, 1, length(q) - 1) || '.left''' AS remedy_2,
    'Stop the application; rename either file so that the names fit again; open the database once.' AS remedy_3
FROM (
	SELECT x.value ->> 'name' AS object, x.value ->> 'size' AS value, x.value ->> 'base' AS base,
	    '''' || replace(file_fact('dir') || '/' || (x.value ->> 'name'), '''', '''\''''') || '''' AS q
	FROM json_each(file_fact('misplaced')) AS x
)
ORDER BY object LIMIT 10
