-- id: sqlite-hard-link
-- title: the database has several names
-- engine: sqlite
-- probe: integrity
-- topic: corruption
-- scope: database
-- kind: finding
-- source: file
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- for: 0s
-- metric: dbhealth_sqlite_hard_links
-- message: the file has {value} names (hard links), each with a journal of its own
-- why: SQLite finds journal and log by the name of the file. Who opens it by another name does not see
--   them: a half-done transaction is taken for the whole, two logs are written for one file, and the
--   database is destroyed. A backup made of hard links changes with the original.
-- spares: symbolic links, which SQLite follows to the one true name.
-- fix: Keep one name. Where the other one is a backup, make it a copy: sqlite3 FILE '.backup COPY'. Where
--   a program needs another path, make it a symbolic link.
-- evidence: number of links of the file
-- remedy.1: find the other names | command | load | | helps
-- remedy.2: remove every name but one, with no process on the database | manual | none | | closes
SELECT '' AS object, file_fact('nlink') AS value,
    'sudo find ''' || replace(coalesce(file_fact('fs_mount'), '/'), '''', '''\''''') || ''' -xdev -samefile '''
    || replace(file_fact('resolved_path'), '''', '''\''''') || '''' AS remedy,
    'Stop every program that uses it, keep the name beside which -wal or -journal lie, remove the others or make them symbolic links.' AS remedy_2
WHERE file_fact('kind') = 'file' AND file_fact('size') > 0 AND file_fact('nlink') > 1
