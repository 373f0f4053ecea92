"""The database host inside the machine: users, a PostgreSQL, SQLite files of theirs, and the service
seen from outside: its API, its journal, its unit."""
import json
import shlex
import time

from machine import Failure, wait_until

SOCKET = "/run/dbhealthd/dbhealthd.sock"
ID = "6d1f0c5b1d0f4a5c8a0be4a2d3c7e1"
CONF = """
[defaults]
# the disk is that of the machine under the tests
disable = disk-space-low

[database orders]
dsn = postgresql://dbhealth@/orders?host=/var/run/postgresql
labels = env=test, team=shop
require_tables = public.users, public.audit_log

[database stock]
dsn = postgresql://dbhealth:@{stock}@localhost/stock?sslmode=verify-ca&sslrootcert=/etc/dbhealthd/ca.pem

[database depot]
dsn = postgresql://dbhealth@/depot?host=/tmp

[database app]
dsn = sqlite:/home/alice/app/app.db

[database shop]
dsn = sqlite:/srv/shop/shop.db

[database queue]
dsn = sqlite:/tmp/bob/queue.db

[database frozen]
dsn = sqlite:/srv/frozen/frozen.db
"""
# Facts of the host as the service sees them, as a finding of advice.
FACTS = """-- id: host-facts
-- title: facts of the host
-- engine: sqlite
-- probe: performance
-- topic: host
-- scope: database
-- kind: finding
-- source: file
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- message: {detail}
-- why: the sandbox must not change them.
-- spares: nothing.
-- fix: nothing.
-- remedy.1: look | manual | none | | helps
SELECT '' AS object, 1 AS value, 'see the detail' AS remedy,
    json_object('owner', file_fact('owner'), 'mode', file_fact('mode'), 'readonly', file_fact('fs_readonly'),
        'mount', file_fact('fs_mount'), 'locks', json(file_fact('lock_holders')),
        'visible', file_fact('locks_visible'), 'wal', file_fact('wal_exists'), 'how', file_fact('open_how')) AS detail
"""

APPLICATION = """[Service]
User=alice
UMask=077
ExecStart=/bin/sh -c '{ echo "INSERT INTO t(x) VALUES (3);"; exec sleep infinity; } | exec sqlite3 /home/alice/app/app.db'
"""


def people(m):
    """alice's application holds its database open; shop's is idle; bob's lies in /tmp; one has a
    file system of its own."""
    m.sh("""
    for u in alice bob shop; do useradd --create-home "$u"; chmod 700 /home/$u; done
    mkdir -m 755 /srv/shop /home/alice/app; mkdir -m 750 /tmp/bob
    chown alice: /home/alice/app; chown shop: /srv/shop; chown bob: /tmp/bob""")
    for user, path, mode in (("alice", "/home/alice/app/app.db", "wal"), ("shop", "/srv/shop/shop.db", "delete"),
                             ("bob", "/tmp/bob/queue.db", "wal")):
        sql = f"PRAGMA journal_mode={mode}; CREATE TABLE t(id INTEGER PRIMARY KEY, x); INSERT INTO t(x) VALUES (1);"
        m.sh(f"runuser -u {user} -- sh -c 'umask 077; sqlite3 {path}'", stdin=sql)
    m.sh("mkdir -m 755 /srv/frozen; mount -t tmpfs -o mode=755,size=4m frozen /srv/frozen;"
         " sqlite3 /srv/frozen/frozen.db 'CREATE TABLE t(id INTEGER PRIMARY KEY)'")


def grant(m):
    """As the README says: x on closed folders, r on the file and on what comes beside it."""
    m.sh("""
    setfacl -m u:dbhealth:x /home/alice /tmp/bob
    for d in /home/alice/app /srv/shop /tmp/bob; do setfacl -m u:dbhealth:rx -m d:u:dbhealth:r "$d"; done
    setfacl -m u:dbhealth:r /home/alice/app/app.db* /srv/shop/shop.db* /tmp/bob/queue.db*""")


def psql(m, sql, database="postgres"):
    return m.out("runuser", "-u", "postgres", "--", "psql", "-XAtqv", "ON_ERROR_STOP=1", "-d", database, stdin=sql)


def databases(m):
    m.sh("echo \"unix_socket_directories = '/var/run/postgresql,/tmp'\" >/etc/postgresql/15/main/conf.d/sockets.conf;"
         "systemctl restart postgresql")
    wait_until(lambda: m.run("runuser", "-u", "postgres", "--", "psql", "-c", "", "-h", "/tmp").returncode == 0,
               30, "PostgreSQL answers in /tmp")
    psql(m, "CREATE DATABASE orders; CREATE DATABASE stock; CREATE DATABASE depot;")
    for name in ("orders", "stock", "depot"):
        psql(m, "CREATE TABLE public.users(id bigint PRIMARY KEY);", name)


class Service:
    """dbhealthd.service as its users see it."""

    def __init__(self, m):
        self.m = m

    # ---- unit ----
    def ctl(self, *command, timeout=90):
        return self.m.run("systemctl", *command, timeout=timeout)

    def show(self, name, unit="dbhealthd.service"):
        return self.m.out("systemctl", "show", "-P", name, unit).strip()

    def pid(self):
        return int(self.show("MainPID"))

    def state(self, unit="dbhealthd.service"):
        return self.show("ActiveState", unit)

    def wait_state(self, state, within=40, unit="dbhealthd.service"):
        wait_until(lambda: self.state(unit) == state, within, lambda: f"{unit} {state}: {self.state(unit)}")

    def restart(self):
        done = self.ctl("restart", "dbhealthd.service")
        if done.returncode != 0:
            raise Failure(f"restart: {done.stderr}{self.tail()}")

    def tail(self):
        return self.m.run("journalctl", "-u", "dbhealthd", "-n", "12", "-o", "cat").stdout

    # ---- API ----
    def ask(self, path, timeout=5, within=20):
        """One answer; repeated while the service is between two lives."""
        url = ["curl", "-sS", "--max-time", timeout, "--unix-socket", SOCKET, f"http://localhost{path}"]
        deadline = time.monotonic() + within
        while True:
            done = self.m.run(*url)
            if done.returncode == 0 and done.stdout.startswith("{"):
                return json.loads(done.stdout)
            if time.monotonic() > deadline:
                raise Failure(f"GET {path}: curl {done.returncode} {done.stderr.strip()}{done.stdout[:200]}")
            time.sleep(0.3)

    def run_probe(self, database, probe):
        path = f"http://localhost/v1/databases/{database}/probes/{probe}/run?wait=20s"
        self.m.out("curl", "-sS", "--max-time", 30, "--unix-socket", SOCKET, "-X", "POST", path)

    def findings(self, **query):
        text = "&".join(f"{k}={v}" for k, v in query.items())
        return self.ask(f"/v1/findings?limit=500&{text}")["findings"]

    def settled(self, within=60):
        """Every database has had all its probes."""
        def done():
            status = self.ask("/v1/status")
            return status["databases"] and all(
                p["last_run"] for d in status["databases"] for p in d["probes"].values())
        wait_until(done, within, lambda: f"first round over: {json.dumps(self.ask('/v1/status'))[:900]}")

    # ---- journal ----
    def cursor(self):
        return self.m.out("journalctl", "-n", "1", "-o", "json").split('"__CURSOR":"')[-1].split('"')[0]

    def after(self, cursor, *match):
        """What came after a cursor.  Not by --after-cursor, which skips the first match where the
        cursor's own entry is none."""
        text = self.m.out("journalctl", "-o", "json", "--all", f"--cursor={cursor}", *match)
        return [e for e in map(json.loads, text.splitlines()) if e["__CURSOR"] != cursor]

    def entries(self, cursor, *match):
        """What the daemon told after a cursor; lines of its programs' stderr are none."""
        return self.after(cursor, "SYSLOG_IDENTIFIER=dbhealthd", "_TRANSPORT=journal", *match)

    def managed(self, cursor):
        """What systemd said of the service after a cursor."""
        return "\n".join(e["MESSAGE"] for e in self.after(cursor, "_PID=1", "UNIT=dbhealthd.service"))

    def told(self, after, kind, within=30, **fields):
        """The first entry of that kind with these fields."""
        def found():
            for e in self.entries(after, f"MESSAGE_ID={ID}{kind}"):
                if all(e.get(f"DBHEALTH_{k.upper()}") == v for k, v in fields.items()):
                    return e
            return None
        return wait_until(found, within, lambda: f"entry {kind} {fields}: {self.messages(after)}")

    def messages(self, after):
        return [f"{e.get('MESSAGE_ID', '-')[-2:]} {e['MESSAGE']}" for e in self.entries(after)]

    # ---- inside the sandbox ----
    def inside(self, script, *setpriv):
        """A shell in the service's own view of the file systems, as its user."""
        run = f"nsenter -t {self.pid()} -m -- setpriv --reuid=dbhealth --regid=dbhealth --clear-groups"
        return self.m.run("sh", "-c", f"{run} {' '.join(setpriv)} sh -c {shlex.quote(script)}")


# ---- the first parts ----
def installed(check, m, service):
    """make install has put files; nothing is enabled or runs; then the README's commands."""
    check(service.ctl("is-enabled", "dbhealthd.service", "dbhealthd.socket").stdout.split()
          == ["disabled", "disabled"], "after make install nothing is enabled")
    check(service.state() == "inactive" and service.state("dbhealthd.socket") == "inactive",
          "after make install nothing runs")
    said = m.run("systemd-analyze", "verify", "--man=no", "dbhealthd.service", "dbhealthd.socket")
    check(said.returncode == 0 and "dbhealthd" not in said.stderr, "systemd-analyze verify finds nothing", said.stderr)
    m.sh("systemd-sysusers && systemd-tmpfiles --create dbhealthd.conf && journalctl --update-catalog")
    m.sh("systemctl daemon-reload")
    found = m.sh("stat -c '%U:%G %a %n' /etc/dbhealthd /etc/dbhealthd/*").splitlines()
    wanted = ["root:dbhealth 750 /etc/dbhealthd", "root:dbhealth 750 /etc/dbhealthd/checks.d",
              "root:dbhealth 750 /etc/dbhealthd/conf.d", "root:dbhealth 640 /etc/dbhealthd/dbhealthd.conf"]
    check(found == wanted, "the configuration is root's, for the group dbhealth to read", found)


def first_start(check, m, service):
    """As installed, beside a PostgreSQL that does not know us: advice, which the remedy closes."""
    people(m)
    databases(m)
    after = service.cursor()
    done = service.ctl("enable", "--now", "dbhealthd.service")
    check(done.returncode == 0 and service.state() == "active", "systemctl enable --now starts it", service.tail())
    check(service.state("dbhealthd.socket") == "active", "its socket comes with it")
    check(service.ctl("is-enabled", "dbhealthd.socket").stdout.strip() == "enabled", "the socket is enabled with it")
    took = (int(service.show("ActiveEnterTimestampMonotonic")) - int(service.show("ExecMainStartTimestampMonotonic"))) / 1e6
    check(0 < took < 5, "it is ready within 5 s of its start", took)
    found = wait_until(lambda: service.findings(check="setup-needed"), 30, "finding setup-needed")
    check(all(f["severity"] == "info" for f in found), "a server without our role is advice, no alarm")
    remedy = next(f["remedy"] for f in found if "/var/run/postgresql" in f["remedy"])
    check(remedy.startswith("sudo -u postgres psql "), "its remedy is one command", remedy)
    m.sh(remedy.replace("sudo -u postgres", "runuser -u postgres --"))
    wait_until(lambda: not service.findings(check="setup-needed"), 90, "setup-needed goes with its remedy")
    names = wait_until(lambda: {d["datname"] for d in service.ask("/v1/status")["databases"]} >= {"orders", "stock"},
                       60, "the databases appear")
    check(names, "its remedy closes it: peer authentication lets the service in")
    alarms = [e["MESSAGE"] for e in service.entries(after) if int(e["PRIORITY"]) <= 4]
    check(not alarms, "not an alarm until then", alarms)


def configured(check, m, service):
    """Peer by socket and by /tmp, a password from a credential over TLS, SQLite files by ACL."""
    # three ways to one server are three servers until each has answered: more than the remedy's 4
    psql(m, "ALTER ROLE dbhealth PASSWORD 'x y\\z' CONNECTION LIMIT 12")
    m.write("/etc/credstore/stock", "x%20y%5Cz", 0o600)
    m.sh("openssl x509 -in /etc/ssl/certs/ssl-cert-snakeoil.pem >/etc/dbhealthd/ca.pem 2>/dev/null ||"
         " cp /etc/ssl/certs/ssl-cert-snakeoil.pem /etc/dbhealthd/ca.pem; chgrp dbhealth /etc/dbhealthd/ca.pem")
    m.write("/etc/systemd/system/dbhealthd.service.d/stock.conf",
            "[Service]\nLoadCredential=stock:/etc/credstore/stock\n", 0o644)
    m.write("/etc/dbhealthd/conf.d/site.conf", CONF)
    m.write("/etc/dbhealthd/checks.d/host-facts.sql", FACTS)
    m.sh("chgrp dbhealth /etc/dbhealthd/*.d/*; systemctl daemon-reload")
    grant(m)
    # alice's application, which keeps its database open
    m.write("/etc/systemd/system/app.service", APPLICATION, 0o644)
    m.sh("systemctl start app.service")
    wait_until(lambda: m.run("test", "-s", "/home/alice/app/app.db-wal").returncode == 0, 20, "alice's application writes")
    service.begun = after = service.cursor()
    service.restart()
    service.settled()
    status = {d["name"]: d for d in service.ask("/v1/status")["databases"]}
    for name, how in (("orders", "by peer authentication"), ("stock", "with a credential's password, over TLS"),
                      ("depot", "by its socket in /tmp"), ("app", "SQLite in a home, in use"),
                      ("shop", "SQLite, idle"), ("queue", "SQLite in /tmp, idle in WAL mode")):
        probe = status[name]["probes"]["connectivity"]
        check(probe["status"] == "ok" and status[name]["unknown"] == 0, f"{name} is watched: {how}",
              f"{probe} unknown {status[name]['unknown']} {service.messages(after)}")
    wait_until(lambda: len(service.ask("/v1/status")["servers"]) == 1, 30, "one server")
    used = psql(m, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'dbhealth'").strip()
    check(int(used) <= 2, f"three ways in are one server, with {used} connections in use")
    check(m.sh("psql -V >/dev/null; ls -A /run/dbhealthd").split() in (["dbhealthd.sock", "tls"], ["tls", "dbhealthd.sock"]),
          "only the socket and TLS copies lie in the runtime folder")
