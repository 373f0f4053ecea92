-- id: sequence-near-limit
-- title: sequence near its end
-- engine: sqlite
-- probe: performance
-- topic: sequences
-- scope: database
-- interval: 5min
-- kind: gauge
-- default: on
-- cost: dear
-- unit: ratio
-- warning: >= 0.75
-- critical: >= 0.9
-- for: 0s
-- metric: dbhealth_sequence_used_ratio
-- message: used up to {value}: {detail}
-- why: At 9,223,372,036,854,775,807 AUTOINCREMENT refuses the next row: "database or disk is full". One row that was given a
--   huge key by hand carries the counter there.
-- spares: keys without AUTOINCREMENT, for which SQLite looks for a free number; tables that are gone
--   (sqlite-sequence-orphan).
-- fix: Find the rows with huge keys and what wrote them, give them others, then set the counter back to the highest key.
-- evidence: sqlite_sequence
-- remedy.1: set the counter back to the highest key | sql | lock | UPDATE sqlite_sequence with the old number | closes
-- remedy.2: give the highest rows other keys, then set the counter back | manual | load | | closes
WITH @user_table, counter AS MATERIALIZED (
	-- As texts: JSON must not round them.
	SELECT t.name, CAST(j.value ->> 1 AS INTEGER) AS seq
	FROM json_each(scalar('SELECT json_group_array(json_array(name, CAST(seq AS TEXT))) FROM (SELECT name, max(CAST(seq AS INTEGER)) AS seq FROM sqlite_sequence GROUP BY name)')) AS j
	JOIN user_table AS t ON t.name = j.value ->> 0
), top AS (
	SELECT c.*, CASE WHEN c.seq > 1 << 61 THEN scalar('SELECT max(rowid) FROM ' || @ident(c.name)) END AS highest
	FROM counter AS c ORDER BY c.seq DESC LIMIT 1000
)
SELECT name AS object, seq / 9223372036854775807.0 AS value, printf('AUTOINCREMENT stands at %,d of 9,223,372,036,854,775,807', seq) AS detail,
    CASE WHEN coalesce(highest, 0) < 0.75 * 9223372036854775807 THEN
        'UPDATE sqlite_sequence SET seq = ' || max(coalesce(highest, 0), 0) || ' WHERE name = ' || quote(name) || ';' END AS remedy,
    CASE WHEN highest >= 0.75 * 9223372036854775807 THEN 'Give the rows of ' || name || ' with the highest keys others, then set seq in sqlite_sequence to the highest key.' END AS remedy_2
FROM top
ORDER BY seq DESC
