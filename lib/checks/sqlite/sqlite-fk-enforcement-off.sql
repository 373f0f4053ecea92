-- id: sqlite-fk-enforcement-off
-- title: foreign keys that not everybody enforces
-- engine: sqlite
-- probe: integrity
-- topic: orphans
-- scope: database
-- interval: 1h
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- param.sample_rows: 1000
-- message: foreign keys are declared, but rows came past them: {detail}
-- why: SQLite enforces foreign keys only for connections that say PRAGMA foreign_keys = ON. One program that does not is enough
--   for orphan rows, and nothing tells it.
-- spares: databases whose newest rows all have their parents: whether a program enforces foreign keys cannot be seen in the file,
--   only what came past them (fk-orphan-rows counts it); keys whose target is missing.
-- fix: Say PRAGMA foreign_keys = ON in every connection, right after it was opened, or open with a library that was compiled with
--   SQLITE_DEFAULT_FOREIGN_KEYS=1. Then mend the rows (fk-orphan-rows).
-- evidence: the parents of the newest thousand rows of each table
-- remedy.1: switch enforcement on in every connection, then mend the rows | manual | none | | closes
WITH @user_table, @user_column, @foreign_key, whole AS (
	SELECT k.child, k.id, t.name AS parent, k.col, count(*) AS n, count(p.low) AS known,
	    group_concat('c.' || @ident(k.col) || ' IS NOT NULL', ' AND ') AS present, group_concat('p.' || @ident(k.target) || ' = c.' || @ident(k.col), ' AND ') AS joined
	FROM foreign_key AS k JOIN user_table AS t ON t.low = k.lparent LEFT JOIN user_column AS p ON p.ltbl = k.lparent AND p.low = lower(k.target)
	GROUP BY k.child, k.id
)
SELECT '' AS object, 'one of ' || w.child || ' names a row of ' || w.parent || ' that does not exist' AS detail,
    'Say PRAGMA foreign_keys = ON in every connection of the application, then mend the rows.' AS remedy
FROM whole AS w
WHERE w.known = w.n AND scalar('SELECT EXISTS (SELECT 1 FROM (SELECT * FROM ' || @ident(w.child)
    || CASE WHEN (SELECT t.wr FROM user_table AS t WHERE t.name = w.child) OR EXISTS (SELECT 1 FROM user_column AS c WHERE c.tbl = w.child AND c.low = 'rowid') THEN '' ELSE ' ORDER BY rowid DESC' END
    || ' LIMIT ' || CAST(:sample_rows AS INTEGER) || ') AS c WHERE ' || w.present || ' AND NOT EXISTS (SELECT 1 FROM ' || @ident(w.parent) || ' AS p WHERE ' || w.joined || '))')
ORDER BY 1 LIMIT 1
