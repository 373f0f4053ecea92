-- id: sqlite-locked
-- title: one process keeps everybody else out
-- engine: sqlite
-- probe: connectivity
-- topic: blockers
-- scope: database
-- kind: finding
-- source: file
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- for: 5min
-- metric: dbhealth_sqlite_locked
-- message: locked, nobody else can read it{detail}
-- why: Whoever opens the database meanwhile waits for its busy timeout and then fails ("database is locked"),
--   and nothing in it can be checked. A transaction was left open, the process hangs in the middle of a
--   commit, or it keeps the lock for good (PRAGMA locking_mode = EXCLUSIVE).
-- spares: locks that pass within two seconds at any of the looks; writers that let readers in (reserved, or
--   a write-ahead log); a file that is locked for less than five minutes.
-- fix: See what the named process does, then let it end its transaction, or restart it: what it had not
--   committed is rolled back. Where the application keeps the lock on purpose, disable this check: then
--   only what lies outside the database can be watched.
-- evidence: SQLite was refused a shared lock for two seconds; the kernel's list of locks
-- remedy.1: see which process it is, and since when it runs | command | none | | helps
-- remedy.2: end the transaction, or restart the process | manual | ends-session | | closes
WITH holder AS (
	SELECT DISTINCT x.value ->> 'pid' AS pid, x.value ->> 'unit' AS unit,
	    'pid ' || (x.value ->> 'pid') || ' (' || (x.value ->> 'command') || CASE x.value ->> 'unit' WHEN '' THEN '' ELSE ', ' || (x.value ->> 'unit') END || ')' AS text
	FROM json_each(file_fact('lock_holders')) AS x
	WHERE x.value ->> 'type' IN ('exclusive', 'pending', 'wal-recover')
	   OR (x.value ->> 'mode' = 'write' AND x.value ->> 'type' IN ('wal-read', 'wal-open'))
)
SELECT '' AS object, max(count(*), 1) AS value,
    coalesce(': ' || group_concat(text, ', ') || CASE count(*) WHEN 1 THEN ' holds' ELSE ' hold' END || ' the lock',
        ': a process that cannot be seen from here (of another container) holds the lock') AS detail,
    CASE WHEN count(*) > 0 THEN 'ps -o pid,user,lstart,stat,args -p ' || group_concat(pid, ',')
        ELSE 'sudo fuser -v ''' || replace(file_fact('path'), '''', '''\''''') || '''' END AS remedy,
    'End the transaction in ' || coalesce(group_concat(CASE WHEN unit GLOB '*.service' THEN 'the unit ' || unit ELSE text END, ', '), 'that process')
        || ', or restart it.' AS remedy_2
FROM holder
HAVING file_fact('open_reason') = 'locked'
