-- id: prepared-xact-stale
-- title: prepared transaction was forgotten
-- engine: postgresql
-- probe: performance
-- topic: transactions
-- scope: server
-- kind: gauge
-- default: on
-- cost: cheap
-- unit: seconds
-- warning: >= 5min
-- critical: >= 1h
-- caused-by: lock-blocked by object=gid
-- metric: dbhealth_prepared_xact_age_seconds
-- message: prepared {value} ago in {database}, by {owner}: {detail}
-- why: It holds its locks and keeps VACUUM from removing rows, in all databases, and it outlives restarts of the
--   server. No session shows it.
-- spares: transactions prepared less than five minutes ago (a coordinator that commits in two phases).
-- fix: Ask the coordinator (transaction manager) whether it was decided: COMMIT PREPARED if so, else ROLLBACK
--   PREPARED, in its own database, as its owner or a superuser. Where nothing uses two phases, set
--   max_prepared_transactions = 0.
-- remedy.1: see what it locks | look | none | | helps
-- remedy.2: roll it back in its own database, once its coordinator has not committed it | sql | data-loss | none: what it changed is lost | closes
SELECT p.gid AS object,
    p.transaction::text || ' ' || p.gid AS key,
    extract(epoch FROM pg_catalog.clock_timestamp() - p.prepared) AS value,
    pg_catalog.quote_ident(p.database) AS database, pg_catalog.quote_ident(p.owner) AS owner,
    pg_catalog.format('transaction %s holds %s', p.transaction,
        CASE l.n WHEN 0 THEN 'no lock' WHEN 1 THEN '1 lock' ELSE l.n || ' locks' END) AS detail,
    pg_catalog.format('SELECT relation::regclass, mode FROM pg_locks WHERE pid IS NULL AND virtualtransaction IN (SELECT virtualtransaction FROM pg_locks WHERE pid IS NULL AND transactionid = %L);', p.transaction) AS remedy,
    pg_catalog.format('ROLLBACK PREPARED %s;', @literal(p.gid)) AS remedy_2
FROM pg_catalog.pg_prepared_xacts AS p
CROSS JOIN LATERAL (
	-- Its locks have no session; they are named by the virtual transaction that they were taken in.
	SELECT count(*) AS n FROM pg_catalog.pg_locks AS l
	WHERE l.pid IS NULL AND l.locktype <> 'transactionid' AND l.virtualtransaction IN (
		SELECT x.virtualtransaction FROM pg_catalog.pg_locks AS x WHERE x.pid IS NULL AND x.transactionid = p.transaction)
) AS l
ORDER BY p.prepared
LIMIT 1000
