"""A database that is migrated, of either engine, with a folder of migrations and the command at hand."""
import contextlib
import json
import sqlite3
import subprocess

import jsonschema

from .base import BUILD, TOP
from .daemon import Cli, environment

FILES = {
    "20260101000000_create_users.sql": """
-- migrate:up
CREATE TABLE users (id integer PRIMARY KEY, name text NOT NULL);
INSERT INTO users VALUES (1, 'anna; -- no comment');

-- migrate:down
DROP TABLE users;
""",
    "20260102000000_add_email.sql": """
-- migrate:up
ALTER TABLE users ADD COLUMN email text;
UPDATE users SET email = 'anna@example.org' WHERE id = 1;
-- a comment; at the end -- migrate:up is not a mark

-- migrate:down
ALTER TABLE users DROP COLUMN email;
""",
    "20260103000000_index.sql": """
-- migrate:up transaction:false
CREATE INDEX users_name ON users (name);
INSERT INTO users VALUES (2, 'bert', 'b');
CREATE INDEX users_email ON users (email);

-- migrate:down transaction:false
DROP INDEX users_email;
DELETE FROM users WHERE id = 2;
DROP INDEX users_name;
""",
}
VERSIONS = [name.split("_")[0] for name in FILES]


class Migrated:
    """One database; `sql(text)` gives rows, `run(action, ...)` the command's end."""

    def __init__(self, folder, engine, name, cluster=None):
        self.folder, self.engine, self.name, self.cluster = folder, engine, name, cluster
        self.dir = folder.sub(f"migrations-{name}", mode=0o755)
        self.make()

    # ---- the database ----
    def make(self):
        """An empty one, in the place of what was there."""
        if self.engine == "postgresql":
            self.cluster.sql(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
            self.cluster.createdb(self.name)
            self.dsn = self.cluster.dsn(self.name, user="postgres")
        else:
            self.path = self.folder.path / f"{self.name}.db"
            for path in (self.path, *self.path.parent.glob(self.path.name + "-*")):
                path.unlink(missing_ok=True)
            sqlite3.connect(self.path).close()
            self.path.touch()
            self.dsn = f"sqlite:{self.path}"

    def sql(self, text):
        if self.engine == "postgresql":
            return self.cluster.sql(text, dbname=self.name)
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None, timeout=20)) as db:
            return db.execute(text).fetchall()

    def script(self, text):
        """As a person's own client runs it."""
        if self.engine == "postgresql":
            return self.cluster.script(text, self.name)
        done = subprocess.run(["sqlite3", "-bail", self.path], input=text, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def hold(self):
        """Somebody whose locks an ALTER TABLE has to wait for; close() lets go."""
        if self.engine == "postgresql":
            other = self.cluster.session(self.name, autocommit=False)
            other.cursor().execute("SELECT * FROM users")
            return other
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        return other

    def columns(self, table="users"):
        if self.engine == "postgresql":
            return [c for c, in self.sql("SELECT attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped AND "
                                         f"attrelid = to_regclass('public.{table}') ORDER BY attnum")]
        return [c for c, in self.sql(f"SELECT name FROM pragma_table_info('{table}')")]

    def indexes(self):
        if self.engine == "postgresql":
            return sorted(n for n, in self.sql("SELECT indexname FROM pg_indexes WHERE tablename = 'users' AND indexname LIKE 'users_%mail' "
                                               "OR indexname LIKE 'users_name'"))
        return sorted(n for n, in self.sql("SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'users' AND sql IS NOT NULL"))

    def recorded(self):
        """What dbmate's table says; [] where it is not there."""
        if not self.columns("schema_migrations"):
            return []
        return sorted(v for v, in self.sql("SELECT version FROM schema_migrations"))

    def ours(self):
        if not self.columns("dbhealth_migrations"):
            return {}
        return {v: (s, n) for v, s, n in self.sql("SELECT version, state, statements FROM dbhealth_migrations")}

    # ---- the folder ----
    def write(self, files):
        for name, text in files.items():
            (self.dir / name).write_text(text)

    # ---- the command ----
    def argv(self, action, *more):
        return [BUILD / "dbhealth", "migrate", action, "--dir", self.dir, *more[:0], self.dsn, *more]

    def run(self, action, *more, **how):
        return Cli(self.folder, *self.argv(action, *more)[1:], **how)

    def json(self, action, *more, status=0, **how):
        done = self.run(action, *more, "-o", "json", **how)
        assert done.status == status, done
        shape = "migrate-status" if action in ("status", "history", "verify") else "migrate-run"
        jsonschema.validate(done.json, json.loads((TOP / f"docs/schema/{shape}.json").read_text()))
        return done.json

    def states(self):
        return {m["version"]: m["state"] for m in Cli(self.folder, *self.argv("status", "-o", "json")[1:]).json["migrations"]}

    def start(self, action, *more):
        return subprocess.Popen([str(a) for a in self.argv(action, *more)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, env=environment(self.folder.path, None))
