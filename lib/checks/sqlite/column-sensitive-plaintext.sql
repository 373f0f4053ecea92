-- id: column-sensitive-plaintext
-- title: a secret seems to be kept as plain text
-- engine: sqlite
-- probe: schema
-- topic: security
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: by its name a secret, kept as {type}
-- why: Whoever reads the file, a dump or a backup has the secret. It is judged by the name alone: look at what the application
--   writes there.
-- spares: names that say hash, digest, crypt or the like; columns that are no text; bookkeeping tables of migration tools.
-- fix: Keep passwords as a slow salted hash (argon2, scrypt, bcrypt), other secrets encrypted with a key that is not in the
--   database. Rename a column that holds a hash already, or name it in ignore.
-- remedy.1: store a hash or a cipher text instead | manual | lock | | closes
WITH @user_table, @user_column, named AS (
	SELECT c.tbl, c.name, c.type, '_' || c.low AS low FROM user_column AS c
	WHERE NOT @migration_table(c.tbl) AND (@affinity(c.type) = 'text' OR c.type = '')
)
SELECT n.tbl || '.' || n.name AS object, CASE n.type WHEN '' THEN 'a value without a type' ELSE n.type END AS type
FROM named AS n
WHERE EXISTS (SELECT 1 FROM json_each('["password","passwd","secret","secret_key","api_key","apikey","access_token","refresh_token","private_key","credit_card","card_number","iban","ssn","cvv","cvc"]') AS w
      WHERE n.low LIKE '%\_' || replace(w.value, '_', '\_') ESCAPE '\')
  AND n.low NOT LIKE '%hash%' AND n.low NOT LIKE '%digest%' AND n.low NOT LIKE '%crypt%' AND n.low NOT LIKE '%cipher%' AND n.low NOT LIKE '%masked%' AND n.low NOT LIKE '%salt%'
ORDER BY 1 LIMIT 1000
