-- id: conv-timestamp-not-tz
-- title: timestamp of a row without time zone
-- engine: sqlite
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- needs: configured conventions=timestamps
-- metric: dbhealth_timestamps_without_zone_rows
-- param.created: created_at
-- param.updated: updated_at
-- param.sample_rows: 100
-- message: {detail}
-- why: A time without time zone is a different instant for each reader that lives elsewhere, and for an hour in autumn order
--   and age of rows are wrong. CURRENT_TIMESTAMP writes such times, in UTC.
-- spares: times that end with Z or an offset; numbers, which count from 1970 in UTC; NULL. A hundred of the newest rows
--   are looked at. Join tables, bookkeeping tables of migration tools, conventions_exclude.
-- fix: Let the application write times with Z, as strftime('%Y-%m-%dT%H:%M:%SZ') does, then complete those that are there: make
--   sure first that they were written in UTC.
-- evidence: up to a hundred rows
-- remedy.1: look at the newest | look | load | | helps
-- remedy.2: say that they were written in UTC | sql | data-loss | none: which rows had no zone is lost | closes
WITH @house, col AS (
	SELECT t.name, c.name AS col, 'typeof(v) = ''text'' AND v <> '''' AND v NOT GLOB ''*[Zz]'' AND v NOT GLOB ''*:[0-9]*[-+][0-9][0-9]'' AND v NOT GLOB ''*:[0-9]*[-+][0-9][0-9]:[0-9][0-9]'''
	    || ' AND v NOT GLOB ''*:[0-9]*[-+][0-9][0-9][0-9][0-9]'' AND v NOT LIKE ''% UTC'' AND v NOT LIKE ''% GMT''' AS bare
	FROM convention_table AS t JOIN user_column AS c ON c.tbl = t.name AND c.low IN (lower(:created), lower(:updated)) AND c.low <> '-' AND c.hidden = 0
), counted AS MATERIALIZED (
	SELECT *, scalar('SELECT count(*) FROM (SELECT ' || @ident(col) || ' AS v FROM ' || @ident(name) || ' ORDER BY 1 DESC LIMIT ' || CAST(:sample_rows AS INTEGER) || ') WHERE ' || bare) AS n FROM (
		SELECT * FROM col WHERE EXISTS (SELECT 1 FROM user_index AS u JOIN pragma_index_xinfo(u.name) AS x ON x.seqno = 0 WHERE u.tbl = col.name AND x.name = col.col AND NOT u.partial)
	)
	UNION ALL
	SELECT *, scalar('SELECT count(*) FROM (SELECT ' || @ident(col) || ' AS v FROM ' || @ident(name) || ' LIMIT ' || CAST(:sample_rows AS INTEGER) || ') WHERE ' || bare) FROM (
		SELECT * FROM col WHERE NOT EXISTS (SELECT 1 FROM user_index AS u JOIN pragma_index_xinfo(u.name) AS x ON x.seqno = 0 WHERE u.tbl = col.name AND x.name = col.col AND NOT u.partial)
	)
)
SELECT name || '.' || col AS object, n AS value, 'times without time zone' AS detail,
    'SELECT ' || @ident(col) || ' FROM ' || @ident(name) || ' ORDER BY 1 DESC LIMIT 20;' AS remedy,
    'UPDATE ' || @ident(name) || ' SET ' || @ident(col) || ' = replace(' || @ident(col) || ', '' '', ''T'') || CASE WHEN instr(' || @ident(col) || ', '':'') THEN ''Z'' ELSE ''T00:00:00Z'' END WHERE '
    || replace(replace(bare, 'typeof(v)', 'typeof(' || @ident(col) || ')'), 'AND v ', 'AND ' || @ident(col) || ' ') || ';' AS remedy_2
FROM counted WHERE n > 0
ORDER BY 1 LIMIT 1000
