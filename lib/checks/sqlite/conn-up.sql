-- id: conn-up
-- title: cannot open the file
-- engine: sqlite
-- probe: connectivity
-- topic: availability
-- scope: database
-- kind: finding
-- source: file
-- default: on
-- cost: cheap
-- unit: count
-- severity: critical
-- for: 0s
-- metric: dbhealth_connect_failing
-- message: cannot open the database: {detail}
-- why: The application that uses this path cannot work, or it makes an empty database in its place. If
--   only the monitor may not read the file, nothing else of it can be checked.
-- spares: a symbolic link that leads to a database; an empty file (sqlite-zero-length); a file that is
--   there but damaged (sqlite-not-a-database, sqlite-truncated, sqlite-quick-check); a locked file.
-- fix: Find out where the file went before anything creates it anew. If it is there and only we may not
--   read it, grant the file to the monitor's user by ACL, and the folders above it for passing through.
-- evidence: stat of the path
-- remedy.1: look at the path and every folder above it | command | none | | helps
-- remedy.2: let the monitor read the file | command | none | setfacl -x u:dbhealth, of each; -x d:u:dbhealth of the folder | helps
SELECT '' AS object, 1 AS value,
    CASE file_fact('kind')
        WHEN 'absent' THEN 'no such file: ' || file_fact('path')
        WHEN 'hidden' THEN 'a folder above it is closed to us: ' || file_fact('path')
        WHEN 'loop' THEN 'symbolic links that lead in a circle: ' || file_fact('path')
        WHEN 'file' THEN 'we may not read it (mode ' || file_fact('mode') || ', owner ' || file_fact('owner') || ')'
        ELSE 'it is no file but a ' || file_fact('kind') || ': ' || file_fact('path')
    END AS detail,
    file_fact('kind') AS kind,
    'namei -l ' || q AS remedy,
    CASE WHEN file_fact('kind') = 'hidden' THEN 'p=' || q || char(10)
        || 'while p=$(dirname "$p"); [ "$p" != / ] && [ "$p" != . ]; do' || char(10)
        || '  sudo -u dbhealth test -x "$p" || sudo setfacl -m u:dbhealth:x "$p"' || char(10) || 'done' || char(10)
        ELSE '' END
    || CASE WHEN file_fact('kind') IN ('file', 'hidden') THEN
        -- The default entry of the folder is for the -wal and -shm of tomorrow.
        'sudo setfacl -m d:u:dbhealth:r "$(dirname ' || q || ')"' || char(10)
        || 'for f in ' || q || ' ' || q || '-wal ' || q || '-shm ' || q || '-journal; do' || char(10)
        || '  sudo test ! -e "$f" || sudo setfacl -m u:dbhealth:r "$f"' || char(10) || 'done'
    END AS remedy_2
FROM (SELECT '''' || replace(file_fact('path'), '''', '''\''''') || '''' AS q)
WHERE file_fact('kind') <> 'file' OR file_fact('readable') = 0
