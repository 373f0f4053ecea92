"""The whole catalogue against one database full of faults, as a superuser, as a member of pg_monitor
and as a role that may only connect: what somebody may not see is never ok, and the statement that is
told makes it seen."""
import pathlib
import tempfile

import pytest

from proofs import load
from support import Cli
from support.daemon import config_text

DB = "crowded"


# Schemas and publications that a script makes beside its own make way for the next one's.
ASIDE = """
    DO $$ DECLARE r record; BEGIN
        FOR r IN SELECT nspname AS n FROM pg_namespace WHERE nspname !~ '^pg_|^public$|^information_schema$| ~' LOOP
            EXECUTE format('ALTER SCHEMA %%I RENAME TO %%I', r.n, left(r.n, 40) || ' ~%(n)s');
        END LOOP;
        FOR r IN SELECT pubname AS n FROM pg_publication WHERE pubname !~ ' ~' LOOP
            EXECUTE format('ALTER PUBLICATION %%I RENAME TO %%I', r.n, left(r.n, 40) || ' ~%(n)s');
        END LOOP;
    END $$;"""


@pytest.fixture(scope="module")
def crowded(module_cluster):
    """Every script of the proofs that bears it, each in a schema of its own."""
    c = module_cluster
    c.createdb(DB)
    c.sql("CREATE ROLE plain LOGIN")
    failed = []
    for n, ((family, name), proof) in enumerate(load().items()):
        if c.version < proof.server:
            continue
        try:
            c.script(f'CREATE SCHEMA "{family} {name}"; SET search_path = "{family} {name}", public;{proof.script};\nRESET ALL;{ASIDE % {"n": n}}', DB)
        except Exception as e:  # noqa: BLE001  some scripts need a database of their own
            failed.append((family, name, str(e)[:200]))
            c.sql(ASIDE % {"n": n}, dbname=DB)
    assert len(failed) <= len(load()) / 4, failed
    c.script("VACUUM ANALYZE;", DB)
    c.configure(autovacuum="off")  # it would mend between two looks
    c.reload()
    return c


class Run:
    """One look at everything: findings by check, and what could not be answered."""

    def __init__(self, cluster, role, enable=("*",)):
        with tempfile.TemporaryDirectory(prefix="dbh-plain-") as made:
            conf = pathlib.Path(made) / "all.conf"
            conf.write_text(config_text({}, {"it": {
                "dsn": cluster.dsn(DB, user=role), "enable": list(enable), "max_findings": "2000",
                "require_tables": ["public.gone"], "disable": ["monitor-role", "check-violation"]}}))  # which wants no right but a role that has none
            conf.chmod(0o600)
            said = Cli(pathlib.Path(made), "-o", "json", "check", "-c", conf, "--deep", "--budget", "3min", "it").json
        self.found = {}
        for f in said["findings"]:
            self.found.setdefault(f["check"], set()).add(f["object"])
        self.lacks = {}
        self.other = {}
        for u in said["unknown"] + said["not_covered"]:
            (self.lacks if u.get("grant") else self.other).setdefault(u["check"], []).append(u)

    def keep(self, later):
        """What is there at both looks was there in between."""
        self.found = {check: objects & later.found.get(check, set()) for check, objects in self.found.items()}

    def grants(self):
        return sorted({u["grant"] for us in self.lacks.values() for u in us})

    def blind(self, better):
        """Checks that miss what `better` sees, and do not say which right they lack."""
        return {check: sorted(objects - self.found.get(check, set())) for check, objects in better.found.items()
                if objects - self.found.get(check, set()) and check not in self.lacks}


def grant_all(cluster, run):
    for text in run.grants():
        cluster.script(text, DB)


def init(cluster, role, *argv):
    with tempfile.TemporaryDirectory(prefix="dbh-plain-") as made:
        return Cli(pathlib.Path(made), "init", cluster.dsn(DB, user="postgres"), "--role", role, "--level", "data", *argv)


def test_no_right_makes_a_fault_look_ok(crowded):
    top, monitor, plain = (Run(crowded, role) for role in ("postgres", "dbhealth", "plain"))
    top.keep(Run(crowded, "postgres"))
    assert sum(map(bool, top.found.values())) >= 25, sorted(top.found)
    assert top.lacks == {}
    # Nobody is blind without saying so.
    assert monitor.blind(top) == {} and plain.blind(top) == {}
    assert plain.lacks.keys() > monitor.lacks.keys() > set()
    # What is told is granted as printed, and is not asked for again; a long list comes in several parts.
    told = plain.grants()
    grant_all(crowded, plain)
    plain = Run(crowded, "plain")
    assert not set(told) & set(plain.grants())
    # All the rest that the checks which are on would ask for is what init grants; then nothing is hidden.
    for role in ("plain", "dbhealth"):
        done = init(crowded, role, "--apply", "--yes")
        assert done.status == 0 and "nothing is missing" in done.out, done
        assert Run(crowded, role, enable=()).lacks == {}
    # Long lists of tables are told in parts: they are cut short here.
    crowded.script("""SELECT format('GRANT USAGE ON SCHEMA %I TO plain; GRANT SELECT ON ALL TABLES IN SCHEMA %1$I TO plain;'
        'GRANT SELECT ON ALL SEQUENCES IN SCHEMA %1$I TO plain', nspname) FROM pg_namespace WHERE nspname !~ '^pg_' \\gexec""", DB)
    for _ in range(5):
        run = Run(crowded, "plain")
        if not run.lacks:
            break
        grant_all(crowded, run)
    top.keep(Run(crowded, "postgres"))
    assert run.lacks == {} and run.blind(top) == {}


def test_init_leaves_nothing_that_a_check_would_ask_for(crowded):
    assert init(crowded, "fresh", "--apply", "--yes").status == 0
    assert init(crowded, "fresh", "--check").status == 0
    assert Run(crowded, "fresh", enable=()).lacks == {}
