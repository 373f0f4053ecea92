-- A small shop as an application might have left it.  What is wrong with it, on purpose:
--   orders.user_id names users who do not exist           (fk-orphan-rows)
--   order_items.product_id is a foreign key with no index (fk-missing-index)
--   events has no primary key                             (table-no-primary-key)
--   the table audit_log, which the configuration requires, is not there
--   nobody ever ran ANALYZE                               (sqlite-stats-missing)
PRAGMA foreign_keys = off;
BEGIN;
CREATE TABLE users(
	id INTEGER PRIMARY KEY,
	email TEXT NOT NULL UNIQUE,
	created_at TEXT NOT NULL DEFAULT (datetime('now'))
);
CREATE TABLE products(
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL,
	price_cents INTEGER NOT NULL CHECK (price_cents >= 0)
);
CREATE TABLE orders(
	id INTEGER PRIMARY KEY,
	user_id INTEGER NOT NULL REFERENCES users(id),
	placed_at TEXT NOT NULL DEFAULT (datetime('now'))
);
CREATE INDEX orders_user ON orders(user_id);
CREATE TABLE order_items(
	order_id INTEGER NOT NULL REFERENCES orders(id),
	product_id INTEGER NOT NULL REFERENCES products(id),
	quantity INTEGER NOT NULL,
	PRIMARY KEY (order_id, product_id)
);
CREATE TABLE events(at TEXT, name TEXT, payload TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
INSERT INTO users(id, email) SELECT i, 'user' || i || '@example.org' FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
INSERT INTO products(id, name, price_cents) SELECT i, 'product ' || i, i * 199 FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO orders(id, user_id) SELECT i, 1 + i % 400 FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO order_items SELECT i, 1 + (i * 7 + k) % 60, 1 + k FROM n, (SELECT 0 AS k UNION SELECT 1);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
INSERT INTO events SELECT datetime('now'), 'login', '{"user":' || i || '}' FROM n;
DELETE FROM users WHERE id IN (17, 180, 399);
COMMIT;
