-- What a database would gain from: vacuum by the triggers of autovacuum itself, statistics that are old or were
-- never made, indexes that are invalid or far larger than as new.  Reads catalogues and counters only: nothing waits
-- for a locked table.  kind, schema, name, statement, why, bytes, expected gain in bytes, rank (the worst first).
-- @part grouped(N)
pg_catalog.to_char({N}, 'FM999,999,999,999,990')
-- @end
WITH setting AS (
	SELECT pg_catalog.current_setting('block_size')::bigint AS block,
	    pg_catalog.current_setting('autovacuum_vacuum_threshold')::float8 AS vacuum_threshold,
	    pg_catalog.current_setting('autovacuum_vacuum_scale_factor')::float8 AS vacuum_factor,
	    coalesce(pg_catalog.current_setting('autovacuum_vacuum_max_threshold', true)::float8, -1) AS vacuum_cap,
	    pg_catalog.current_setting('autovacuum_vacuum_insert_threshold')::float8 AS insert_threshold,
	    pg_catalog.current_setting('autovacuum_vacuum_insert_scale_factor')::float8 AS insert_factor,
	    pg_catalog.current_setting('autovacuum_analyze_threshold')::float8 AS analyze_threshold,
	    pg_catalog.current_setting('autovacuum_analyze_scale_factor')::float8 AS analyze_factor,
	    pg_catalog.current_setting('autovacuum_freeze_max_age')::float8 AS freeze_age,
	    pg_catalog.current_setting('autovacuum_multixact_freeze_max_age')::float8 AS multixact_age
), relation AS (
	SELECT c.oid, c.relkind, n.nspname, c.relname, c.relpages, c.reltuples, o.*,
	    pg_catalog.pg_stat_get_dead_tuples(c.oid)::float8 AS dead,
	    pg_catalog.pg_stat_get_live_tuples(c.oid)::float8 AS live,
	    pg_catalog.pg_stat_get_mod_since_analyze(c.oid)::float8 AS changed,
	    pg_catalog.pg_stat_get_ins_since_vacuum(c.oid)::float8 AS inserted,
	    greatest(pg_catalog.age(c.relfrozenxid), pg_catalog.age(t.relfrozenxid))::float8 AS xids,
	    greatest(pg_catalog.mxid_age(c.relminmxid), pg_catalog.mxid_age(t.relminmxid))::float8 AS multixacts,
	    coalesce(pg_catalog.pg_stat_get_last_analyze_time(c.oid), pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid)) IS NULL AS never_analyzed
	FROM pg_catalog.pg_class AS c
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	LEFT JOIN pg_catalog.pg_class AS t ON t.oid = c.reltoastrelid
	LEFT JOIN LATERAL (
		SELECT max(v.option_value) FILTER (WHERE v.option_name = 'autovacuum_vacuum_threshold')::float8 AS o_threshold,
		    max(v.option_value) FILTER (WHERE v.option_name = 'autovacuum_vacuum_scale_factor')::float8 AS o_factor,
		    max(v.option_value) FILTER (WHERE v.option_name = 'autovacuum_vacuum_max_threshold')::float8 AS o_cap,
		    max(v.option_value) FILTER (WHERE v.option_name = 'autovacuum_vacuum_insert_threshold')::float8 AS o_insert_threshold,
		    max(v.option_value) FILTER (WHERE v.option_name = 'autovacuum_vacuum_insert_scale_factor')::float8 AS o_insert_factor,
		    max(v.option_value) FILTER (WHERE v.option_name = 'autovacuum_analyze_threshold')::float8 AS o_analyze_threshold,
		    max(v.option_value) FILTER (WHERE v.option_name = 'autovacuum_analyze_scale_factor')::float8 AS o_analyze_factor,
		    max(v.option_value) FILTER (WHERE v.option_name = 'autovacuum_freeze_max_age')::float8 AS o_freeze_age,
		    max(v.option_value) FILTER (WHERE v.option_name = 'autovacuum_multixact_freeze_max_age')::float8 AS o_multixact_age
		FROM pg_catalog.pg_options_to_table(c.reloptions) AS v
	) AS o ON c.reloptions IS NOT NULL
	WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't'
	  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum AS v WHERE v.relid = c.oid)
), judged AS (
	SELECT r.*, s.block, greatest(r.reltuples, r.live, 0) AS rows,
	    coalesce(least(coalesce(o_threshold, vacuum_threshold) + coalesce(o_factor, vacuum_factor) * greatest(reltuples, 0),
	        nullif(greatest(coalesce(o_cap, vacuum_cap), -1), -1)), 0) AS dead_most,
	    CASE WHEN coalesce(o_insert_threshold, insert_threshold) >= 0 THEN
	        coalesce(o_insert_threshold, insert_threshold) + coalesce(o_insert_factor, insert_factor) * greatest(reltuples, 0) END AS inserted_most,
	    coalesce(o_analyze_threshold, analyze_threshold) + coalesce(o_analyze_factor, analyze_factor) * greatest(reltuples, 0) AS changed_most,
	    least(o_freeze_age, freeze_age) AS xids_most, least(o_multixact_age, multixact_age) AS multixacts_most
	FROM relation AS r CROSS JOIN setting AS s
), due AS (
	SELECT j.*,
	    relkind <> 'p' AND (xids >= xids_most OR multixacts >= multixacts_most) AS ages,
	    relkind <> 'p' AND dead > dead_most AS has_dead,
	    relkind <> 'p' AND inserted > inserted_most AS has_new,
	    relkind <> 'p' AND (changed > changed_most OR (never_analyzed AND rows > 0)) AS is_old,
	    -- Autovacuum looks at no partitioned table as a whole, and 13 counts no ANALYZE of it.
	    relkind = 'p' AND never_analyzed AND NOT EXISTS (
	        SELECT FROM pg_catalog.pg_stats AS s WHERE s.schemaname = j.nspname AND s.tablename = j.relname AND s.inherited) AND EXISTS (
	        SELECT FROM pg_catalog.pg_partition_tree(oid) AS p JOIN pg_catalog.pg_class AS l ON l.oid = p.relid
	        WHERE p.isleaf AND greatest(l.reltuples, pg_catalog.pg_stat_get_live_tuples(l.oid)) > 0) AS has_no_whole
	FROM judged AS j
), keys AS (
	SELECT i.indexrelid, pg_catalog.sum(s.avg_width) AS width, pg_catalog.count(s.avg_width) = i.indnatts AS known
	FROM pg_catalog.pg_index AS i
	CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) AS k (attnum)
	JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
	LEFT JOIN pg_catalog.pg_stats AS s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname AND NOT s.inherited
	WHERE i.indexprs IS NULL AND i.indisvalid
	GROUP BY i.indexrelid, i.indnatts
), index AS (
	SELECT i.indexrelid, n.nspname, x.relname, x.relpages, i.indisvalid, s.block,
	    NOT i.indisvalid AND x.relname ~ '_cc(new|old)[0-9]*$' AS leftover,
	    -- A leaf holds the tuples with a header of 8 and a pointer of 4 bytes each, filled as far as is asked.
	    CASE WHEN k.known AND m.amname = 'btree' AND x.reltuples > 0 THEN pg_catalog.ceil(x.reltuples
	        * (12 + 8 * pg_catalog.ceil(k.width / 8.0)) / ((s.block - 40) * coalesce(f.fillfactor, 90) / 100) * 1.02) + 2 END AS pages_as_new
	FROM pg_catalog.pg_index AS i CROSS JOIN setting AS s
	JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
	JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
	JOIN pg_catalog.pg_namespace AS n ON n.oid = x.relnamespace
	LEFT JOIN keys AS k USING (indexrelid)
	LEFT JOIN LATERAL (SELECT max(v.option_value) FILTER (WHERE v.option_name = 'fillfactor')::float8 AS fillfactor
	    FROM pg_catalog.pg_options_to_table(x.reloptions) AS v) AS f ON x.reloptions IS NOT NULL
	WHERE x.relkind = 'i' AND x.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
	  AND NOT i.indisexclusion -- cannot be rebuilt CONCURRENTLY
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index AS p WHERE p.relid = i.indrelid)
), work AS (
	SELECT CASE WHEN ages OR has_dead OR has_new THEN CASE WHEN is_old THEN 'vacuum-analyze' ELSE 'vacuum' END ELSE 'analyze' END AS kind,
	    nspname, relname,
	    pg_catalog.format(CASE WHEN ages OR has_dead OR has_new THEN CASE WHEN is_old THEN 'VACUUM (ANALYZE) %I.%I'
	        ELSE 'VACUUM %I.%I' END ELSE 'ANALYZE %I.%I' END, nspname, relname) AS statement,
	    pg_catalog.concat_ws('; ',
	        CASE WHEN ages THEN pg_catalog.format('%s transactions and %s multixacts old, autovacuum would stop it at %s',
	            @grouped(xids), @grouped(multixacts), @grouped(xids_most)) END,
	        CASE WHEN has_dead THEN pg_catalog.format('%s dead rows of %s, due at %s', @grouped(dead), @grouped(live + dead), @grouped(dead_most)) END,
	        CASE WHEN has_new THEN pg_catalog.format('%s new rows since the last, due at %s', @grouped(inserted), @grouped(inserted_most)) END,
	        CASE WHEN has_no_whole THEN 'a partitioned table that was never analyzed as a whole'
	        WHEN is_old AND never_analyzed THEN 'never analyzed'
	        WHEN is_old THEN pg_catalog.format('%s rows changed since the last ANALYZE, due at %s', @grouped(changed), @grouped(changed_most)) END) AS why,
	    relpages * block AS bytes, 0::bigint AS gain,
	    CASE WHEN ages THEN 1e9 + xids ELSE greatest(dead / greatest(dead_most, 1), inserted / greatest(inserted_most, 1), 1) * 1e3 END AS rank
	FROM due
	WHERE ages OR has_dead OR has_new OR is_old OR has_no_whole
	UNION ALL
	SELECT CASE WHEN leftover THEN 'drop' ELSE 'reindex' END, nspname, relname,
	    pg_catalog.format(CASE WHEN leftover THEN 'DROP INDEX CONCURRENTLY %I.%I' ELSE 'REINDEX INDEX CONCURRENTLY %I.%I' END, nspname, relname),
	    CASE WHEN leftover THEN 'left by a REINDEX CONCURRENTLY that did not finish'
	    WHEN NOT indisvalid THEN 'invalid: written, but used by no query' ELSE pg_catalog.format('about %s MB as new', pg_catalog.ceil(pages_as_new * block / 1048576.0)) END,
	    relpages * block, CASE WHEN leftover THEN relpages * block WHEN indisvalid THEN ((relpages - pages_as_new) * block)::bigint ELSE 0 END,
	    CASE WHEN leftover THEN 100 WHEN NOT indisvalid THEN 50 ELSE 1 - 1.0 / (1 + relpages) END
	FROM index
	-- Below 8 MB, and below twice its size as new, it is not worth the work.
	WHERE NOT indisvalid OR (relpages * block >= 8388608 AND relpages >= 2 * pages_as_new)
)
SELECT kind, nspname, relname, statement, why, bytes::bigint, gain::bigint
FROM work
ORDER BY rank DESC, bytes DESC, nspname, relname
LIMIT 2000
