-- id: checksum-failures
-- title: damaged pages were read
-- engine: postgresql
-- probe: integrity
-- topic: corruption
-- scope: server
-- kind: event
-- default: on
-- cost: cheap
-- unit: count
-- hold: ack
-- metric: dbhealth_checksum_failures
-- message: {value} damaged pages were read: {detail}
-- why: The checksum of a page that came from the disk was wrong: storage, memory or a copy damaged it.
--   What stands on such a page is lost until it comes back from a backup or a standby.
-- spares: servers without data checksums, where nobody counts.
-- fix: Stop writing over the evidence: take the server's file-system copy first. The log names file and
--   block. Look at disk and memory of the host, compare with a standby, restore the relation from a
--   verified backup. Never set zero_damaged_pages on the only copy. Acknowledge the finding afterwards.
-- remedy.1: find file and block in the server's log | command | none | | helps
-- remedy.1.text: grep -h 'page verification failed\|invalid page in block' /var/log/postgresql/*.log | tail
-- remedy.2: see which databases count failures | look | none | | helps
-- remedy.2.text: SELECT coalesce(datname, 'shared objects'), checksum_failures, checksum_last_failure FROM pg_stat_database WHERE checksum_failures > 0;
SELECT coalesce(d.datname::text, 'shared objects') AS object, d.checksum_failures AS value,
    CASE WHEN d.checksum_failures > 0 THEN 'critical' ELSE 'none' END AS severity,
    pg_catalog.format('the last at %s UTC', pg_catalog.to_char(d.checksum_last_failure AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')) AS detail
FROM pg_catalog.pg_stat_database AS d
WHERE d.checksum_failures IS NOT NULL
ORDER BY d.checksum_failures DESC, d.datname
LIMIT 10000
