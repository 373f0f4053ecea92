-- id: column-sensitive-plaintext
-- title: a secret seems to be kept as plain text
-- engine: postgresql
-- probe: schema
-- topic: security
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- param.more: (^|_)(iban|ssn|cvv|cvc|pin_?code)$
-- param.safe: (hash|digest|crypt|cipher|masked|salt)
-- message: by its name a secret, kept as {type}
-- why: Whoever reads the table, a dump, a replica or a log of statements has the secret. It is judged by the name
--   alone: look at what the application writes there.
-- spares: names that say hash, digest, crypt or the like (safe); columns that are no text; bookkeeping tables;
--   tables of extensions; partitions.
-- fix: Keep passwords as a slow salted hash (argon2, scrypt, bcrypt), other secrets encrypted with a key that is not
--   in the database. Rename a column that holds a hash already, or name it in ignore.
-- remedy.1: see who may read it | look | none | | helps
-- remedy.2: store a hash or a cipher text instead | manual | lock | | closes
WITH RECURSIVE @user_schema, @user_table, text_type AS (
	SELECT t.oid FROM pg_catalog.pg_type AS t
	WHERE t.oid IN ('pg_catalog.text'::pg_catalog.regtype, 'pg_catalog.varchar'::pg_catalog.regtype, 'pg_catalog.bpchar'::pg_catalog.regtype)
	UNION
	SELECT t.oid FROM text_type AS b JOIN pg_catalog.pg_type AS t ON t.typbasetype = b.oid AND t.typtype = 'd'
)
SELECT pg_catalog.format('%I.%I.%I', t.nspname, t.relname, a.attname) AS object,
    1 AS value, 'info' AS severity, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
    pg_catalog.format('SELECT grantee, privilege_type FROM information_schema.column_privileges WHERE table_schema = %L AND table_name = %L AND column_name = %L;',
        t.nspname, t.relname, a.attname) AS remedy
FROM user_table AS t
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attinhcount = 0
CROSS JOIN LATERAL (SELECT CASE WHEN a.attname !~ '[^a-z0-9_]' THEN a.attname::text ELSE pg_catalog.lower(pg_catalog.regexp_replace(
    pg_catalog.regexp_replace(a.attname, '([a-z0-9])([A-Z])', '\1_\2', 'g'), '[^[:alnum:]]+', '_', 'g')) END AS word) AS w
WHERE a.atttypid IN (SELECT x.oid FROM text_type AS x)
  AND (w.word ~ '(^|_)(passwords?|passwd|pwd|pass_?phrase|secret|secret_?key|client_?secret|api_?key|access_?key|private_?key)$'
    OR w.word ~ '(^|_)((access|refresh|auth|bearer)_?token|credit_?card|(credit_?)?card_?(number|no)|social_?security_?(number|no))$'
    OR w.word ~ :more)
  AND w.word !~ :safe
  AND NOT @migration_table(t.relname)
ORDER BY t.nspname, t.relname, a.attname
LIMIT 2000
