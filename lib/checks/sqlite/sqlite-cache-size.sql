-- id: sqlite-cache-size
-- title: the file asks for a cache that does not fit it
-- engine: sqlite
-- probe: performance
-- topic: capacity
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: bytes
-- severity: info
-- param.min_bytes: 100MB
-- param.smallest: 1MB
-- param.largest: 1GB
-- message: each connection gets a cache of {value}: {detail}
-- why: PRAGMA default_cache_size was once said and is kept in the file: every connection that names no size of its own takes it.
--   Too small, inner pages of the same indexes are read again and again; too large, every connection may take that memory.
-- spares: files that ask for nothing (each connection then has 2 MB); small caches of files under 100 MB; caches that a program
--   sets for itself by PRAGMA cache_size, which nobody else can see.
-- fix: Take the wish back. The size is a matter of the program, by PRAGMA cache_size in each connection.
-- evidence: the header of the file, bytes 48 to 51
-- doc: https://sqlite.org/pragma.html#pragma_default_cache_size
-- remedy.1: let each connection have the size that SQLite gives | sql | none | PRAGMA default_cache_size = the old number of pages | closes
SELECT '' AS object, c.bytes AS value,
    printf(CASE WHEN c.bytes > CAST(:largest AS REAL) THEN 'the header asks for %,d pages of %,d bytes' ELSE 'the header asks for %,d pages of %,d bytes, in a file of %,d MB' END,
        file_fact('default_cache_pages'), s.page_size, file_fact('size') / 1000000) AS detail,
    'PRAGMA default_cache_size = 0;' AS remedy
FROM pragma_page_size AS s, (SELECT file_fact('default_cache_pages') * z.page_size AS bytes FROM pragma_page_size AS z) AS c
WHERE c.bytes > CAST(:largest AS REAL)
   OR c.bytes > 0 AND c.bytes < CAST(:smallest AS REAL) AND file_fact('size') >= CAST(:min_bytes AS REAL)
