"""Behind a real PgBouncer that pools transactions: it outlives its server, and lends its backends to others."""
import contextlib
import signal
import subprocess

import psycopg2
from support import Proxy, free_port, wait_until
from support.base import as_user, die_with, end, give

FAST = {"connectivity_interval": "1s", "performance_interval": "1s", "schema_interval": "2s",
        "integrity_interval": "2s", "reconnect_interval": "1s", "timeout": "1s"}


class Pooler:
    def __init__(self, folder, upstream, **settings):
        home = folder.sub("pooler", user="postgres")
        self.port = free_port()
        ini = home / "pgbouncer.ini"
        given = {"listen_addr": "127.0.0.1", "listen_port": self.port, "unix_socket_dir": "", "auth_type": "any",
                 "pool_mode": "transaction", "default_pool_size": 1, "logfile": "/dev/null", **settings}
        ini.write_text(f"[databases]\npooled = host={upstream.socket_dir} port={upstream.port} dbname=postgres "
                       "user=dbhealth\n[pgbouncer]\n" + "".join(f"{k} = {v}\n" for k, v in given.items()))
        give(ini, "postgres")
        self.process = subprocess.Popen(
            ["/usr/sbin/pgbouncer", "-q", ini], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, cwd="/", preexec_fn=die_with(signal.SIGKILL), **as_user("postgres"))
        wait_until(self.answers, 20, "PgBouncer answers")

    def session(self):
        session = psycopg2.connect(host="127.0.0.1", port=self.port, dbname="pooled", user="dbhealth",
                                   connect_timeout=10)
        session.autocommit = True
        return session

    def answers(self):
        try:
            self.session().close()
        except psycopg2.OperationalError:
            return False
        return True

    def remove(self):
        end(self.process, signal.SIGKILL)


def dsn(port):
    return f"postgresql://dbhealth@127.0.0.1:{port}/pooled?sslmode=disable"


def test_a_first_query_that_a_pooler_never_answers_is_asked_anew(cluster, daemon, folder, own, proxy):
    pooler = own(Pooler(folder, cluster(), query_wait_timeout=0))
    between = proxy(("127.0.0.1", pooler.port))
    with contextlib.closing(pooler.session()) as other:
        cursor = other.cursor()
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1")  # has the only backend now
        d = daemon(databases={"pooled": dsn(between.port)}, defaults=FAST)
        d.wait_finding("conn-up", where=lambda f: "first query" in f["message"])
        before = between.accepted
        wait_until(lambda: between.accepted > before, 30 * d.slack, "the attempt is given up and made again")
        assert between.open <= 1, "one attempt at a time"
    d.wait_gone("conn-up", within=30)


class Witness(Proxy):
    """Counts the groups under way in each connection: begun by the client, not yet ended by the server."""

    def __init__(self, upstream):
        self.said, self.groups, self.most = {}, 0, 0
        super().__init__(upstream)

    def _saw(self, s, data):
        pair = frozenset((s, self._pairs[s]))
        begun, ended = self.said.get(pair, (b"", b""))
        if s.getsockname()[1] == self.port:
            begun += data
        else:
            ended += data
        self.said[pair] = begun, ended
        n = begun.count(b"BEGIN READ ONLY")
        self.groups = max(self.groups, n)
        self.most = max(self.most, n - ended.count(b"C\0\0\0\x0dROLLBACK\0"))


def test_through_a_pooler_one_group_at_a_time(cluster, daemon, folder, own):
    """PgBouncer passes a backend on when all Syncs that it saw are answered, with half of our next group
    in it: who gets it is in our read-only transaction, and reads our answers."""
    between = own(Witness(("127.0.0.1", own(Pooler(folder, cluster())).port)))
    d = daemon(databases={"pooled": dsn(between.port)}, defaults={**FAST, "timeout": "5s"})
    for probe in ("performance", "schema", "integrity"):
        d.run("pooled", probe)
    assert between.groups >= 5, "several were asked over one connection"
    assert between.most == 1
