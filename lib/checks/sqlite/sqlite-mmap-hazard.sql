-- id: sqlite-mmap-hazard
-- title: a process has the database mapped into its memory
-- engine: sqlite
-- probe: integrity
-- topic: durability
-- scope: database
-- kind: finding
-- source: file
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- metric: dbhealth_sqlite_mmap_processes
-- message: {value} processes have the file mapped: {detail}
-- why: With PRAGMA mmap_size an error of the disk, or a file that another program cuts short, does not come
--   back as an error but ends the process by SIGBUS.
-- spares: the -shm, which is always mapped; processes that read the file by system calls, as is the default.
-- fix: PRAGMA mmap_size = 0 in the application, unless it was measured that mapping pays.
-- evidence: the memory maps of the processes that have the file open
-- remedy.1: switch mapping off in the application | manual | none | | closes
-- remedy.1.text: PRAGMA mmap_size = 0 right after each open, or leave out whatever sets it; restart the application.
SELECT '' AS object, count(*) AS value,
    group_concat('pid ' || (x.value ->> 'pid') || ' (' || (x.value ->> 'command') || ')', ', ') AS detail, NULL AS grant
FROM json_each(file_fact('mapped_holders')) AS x HAVING count(*) > 0
UNION ALL
SELECT '', NULL, NULL, 'the user ' || coalesce(file_fact('owner'), 'of the file')
    || ', or AmbientCapabilities=CAP_SYS_PTRACE in the service: to see what its processes have open'
WHERE file_fact('users_visible') = 0
