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
-- param.enforced: no
-- param.sample_rows: 1000
-- message: {detail}
-- why: SQLite enforces foreign keys only for connections that say PRAGMA foreign_keys = ON. One program that does not is enough
--   for orphan rows, and nothing tells it.
-- spares: databases without foreign keys; a library that was compiled to enforce them unless told otherwise. Whether a program
--   enforces them cannot be seen in the file: where you know that all do, say so (param.enforced = yes), and only rows that
--   came past them are told (fk-orphan-rows counts those).
-- fix: Say PRAGMA foreign_keys = ON in every connection, right after it was opened, or open with a library that was compiled with
--   SQLITE_DEFAULT_FOREIGN_KEYS=1. Then mend the rows, if there are any (fk-orphan-rows), and tell us that it is done.
-- evidence: the declared keys, and the parents of the newest thousand rows of each table
-- remedy.1: switch enforcement on in every connection | manual | none | | helps
-- remedy.2: when all do: tell us, then only rows that came past it are told | config | none | | closes
-- remedy.2.text: [check sqlite-fk-enforcement-off]
--   param.enforced = yes
WITH @user_table, @user_column, @foreign_key, whole AS (
	SELECT k.child, k.id, t.name AS parent, k.col, count(*) AS n, count(p.low) AS known,
	    group_concat('c.' || @ident(k.col) || ' IS NOT NULL', ' AND ') AS present, group_concat('p.' || @ident(k.target) || ' = c.' || @ident(k.col), ' AND ') AS joined
	FROM foreign_key AS k JOIN user_table AS t ON t.low = k.lparent LEFT JOIN user_column AS p ON p.ltbl = k.lparent AND p.low = lower(k.target)
	GROUP BY k.child, k.id
), seen AS (
	SELECT w.child, w.parent FROM whole AS w
	WHERE w.known = w.n AND scalar('SELECT EXISTS (SELECT 1 FROM (SELECT * FROM ' || @ident(w.child)
	    || CASE WHEN (SELECT t.wr FROM user_table AS t WHERE t.name = w.child) OR EXISTS (SELECT 1 FROM user_column AS c WHERE c.tbl = w.child AND c.low = 'rowid') THEN '' ELSE ' ORDER BY rowid DESC' END
	    || ' LIMIT ' || CAST(:sample_rows AS INTEGER) || ') AS c WHERE ' || w.present || ' AND NOT EXISTS (SELECT 1 FROM ' || @ident(w.parent) || ' AS p WHERE ' || w.joined || '))')
	ORDER BY 1 LIMIT 1
)
SELECT '' AS object, k.n AS value,
    coalesce('foreign keys are declared, but rows came past them: one of ' || s.child || ' names a row of ' || s.parent || ' that does not exist',
        printf('%s declared; each connection must ask for enforcement, and whether all do cannot be seen', iif(k.n = 1, '1 foreign key is', printf('%,d foreign keys are', k.n)))) AS detail,
    'Say PRAGMA foreign_keys = ON in every connection of the application.' AS remedy
FROM (SELECT count(*) AS n FROM foreign_key WHERE seq = 0) AS k LEFT JOIN seen AS s
WHERE k.n > 0 AND (s.child IS NOT NULL OR :enforced <> 'yes' AND NOT EXISTS (SELECT 1 FROM pragma_compile_options AS o WHERE o.compile_options = 'DEFAULT_FOREIGN_KEYS=1'))
