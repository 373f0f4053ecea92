-- id: sqlite-encoding-unexpected
-- title: another encoding than configured
-- engine: sqlite
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- needs: configured expect_encoding
-- message: the encoding is {encoding}, not {expected}
-- why: The configuration says what the file is written in (expect_encoding). Another encoding means another file, or one that somebody
--   made anew by hand.
-- spares: other cases and spellings (utf8); UTF-16 without an order, which either fulfils.
-- fix: Look whether the path is right. The encoding is fixed with the first table: dump the file and load it into a new one.
-- evidence: PRAGMA encoding
-- remedy.1: load it into a new file, or correct expect_encoding | manual | lock | the old file | closes
SELECT '' AS object, e.encoding, :expect_encoding AS expected, 'Dump it and load it into a new file with PRAGMA encoding, or correct expect_encoding.' AS remedy
FROM pragma_encoding AS e
WHERE replace(lower(e.encoding), '-', '') NOT LIKE replace(lower(:expect_encoding), '-', '') || CASE WHEN lower(:expect_encoding) LIKE '%16' THEN '%' ELSE '' END
