-- id: fk-target-not-unique
-- title: foreign key to columns that are not unique
-- engine: sqlite
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- metric: dbhealth_foreign_keys_target_not_unique
-- message: {detail}
-- why: SQLite takes such a table without a word. As soon as a connection enforces foreign keys, writes to both
--   tables fail with "foreign key mismatch".
-- spares: a primary key, UNIQUE and a unique index over just these columns, in any order. A partial one, one over an
--   expression, or one of another collation than the columns' does not serve.
-- fix: CREATE UNIQUE INDEX on the parent's columns; it fails where values are there twice. A key without column
--   names means the primary key, which must have as many columns.
-- evidence: pragma_foreign_key_list against pragma_index_xinfo
-- remedy.1: make the columns unique | sql | lock | DROP INDEX the new index | closes
-- remedy.2: give the parent a primary key, or name its columns | manual | lock | | closes
WITH @user_table, @user_column, @primary_key, @foreign_key, parent AS (
	SELECT k.child, k.id, t.name AS parent, count(*) AS n, group_concat(k.col, ',') AS columns, group_concat(k.target, ',') AS targets,
	    group_concat(@ident(k.target), ', ') AS quoted, max(k.implied) AS implied,
	    (SELECT group_concat(z.low, char(1)) FROM (SELECT lower(f.target) AS low FROM foreign_key AS f WHERE f.child = k.child AND f.id = k.id ORDER BY 1) AS z) AS sorted,
	    count(c.low) AS known, max(p.n) AS pk, max(p.alias AND lower(p.first) = lower(k.target)) AS alias
	FROM foreign_key AS k JOIN user_table AS t ON t.low = k.lparent
	LEFT JOIN user_column AS c ON c.ltbl = k.lparent AND c.low = lower(k.target)
	LEFT JOIN primary_key AS p ON p.tbl = t.name
	GROUP BY k.child, k.id
), matched AS (
	SELECT p.*, CASE WHEN n = 1 AND alias THEN 1 ELSE EXISTS (
	    -- A constraint's index has the collation of its columns, another one may have any.
	    SELECT 1 FROM pragma_index_list(p.parent) AS i
	    WHERE i."unique" AND NOT i.partial
	      AND (SELECT group_concat(x.low, char(1)) FROM (SELECT lower(x.name) AS low FROM pragma_index_xinfo(i.name) AS x WHERE x.key ORDER BY 1) AS x) = p.sorted
	      AND (i.origin <> 'c' OR NOT EXISTS (SELECT 1 FROM pragma_index_xinfo(i.name) AS x
	          WHERE x.key AND upper(x.coll) <> @declared_collation(p.parent, x.name)))) END AS served
	FROM parent AS p
)
SELECT child || '.' || columns AS object, child || '.' || columns || ' ' || parent AS key, parent AS target,
    CASE WHEN implied AND pk IS NULL THEN 'refers to the primary key of ' || parent || ', which has none'
        WHEN implied AND pk <> n THEN printf('has %d columns, the primary key of %s has %d', n, parent, pk)
        ELSE 'refers to ' || parent || ' (' || targets || '), which nothing keeps unique' END AS detail,
    CASE WHEN NOT implied THEN 'CREATE UNIQUE INDEX ' || @ident(parent || '_' || replace(targets, ',', '_') || '_key') || ' ON ' || @ident(parent) || ' (' || quoted || ');' END AS remedy,
    CASE WHEN implied THEN 'Make ' || parent || ' anew with a primary key that fits, or ' || child || ' with REFERENCES that names the columns.' END AS remedy_2
FROM matched
WHERE CASE WHEN implied AND (pk IS NULL OR pk <> n) THEN 1
    WHEN known < n THEN 0 -- fk-target-missing
    ELSE NOT served END
GROUP BY 1, 2
ORDER BY 1, 2 LIMIT 1000
