"""What a proof needs: look(), which runs one check as a user would, and mend(), which runs the
remedies of a finding as printed.  Most proofs are entries of a table, PROOFS, in proofs/*.py."""
import collections
import pathlib
import tempfile
import time

import pytest

from support import Cli
from support.daemon import config_text

# expect: object -> (severity, value or None); whatever else the script makes is a look-alike and must
# stay quiet.  closes: objects that the remedies close, all unless told; the others need a person.
# settings: params of the check; keys: of [database]; grants: what needs: asks beyond pg_monitor.
# server: the first major version that has what the script makes.
Proof = collections.namedtuple("Proof", "check script expect closes settings keys grants server",
                               defaults=(None, {}, {}, "", 13))


# Counters of this session reach the views; before 15 they do when it ends.
FLUSH = """
    DO $$ BEGIN PERFORM pg_stat_force_next_flush(); EXCEPTION WHEN undefined_function THEN PERFORM pg_sleep(1); END $$;
    SELECT 1;"""


def proves(*checks, engine="postgresql"):
    """Marks a test function that proves checks which no table entry can."""
    return pytest.mark.proves(*checks, engine=engine)


class Looks(list):
    """Findings of one check, worst first; missing: what it could not answer for want of a right."""
    missing = ()


def look(cluster, dbname, check, *, keys=None, **settings):
    """Runs dbhealth check with a configuration of its own, deep, for this check alone.

    settings: params and thresholds as [check ...] takes them; keys: of [database ...]."""
    rules = {k if k in ("info", "warning", "critical") else f"param.{k}": v for k, v in settings.items()}
    with tempfile.TemporaryDirectory(prefix="dbh-look-") as made:
        folder = pathlib.Path(made)
        conf = folder / "look.conf"
        conf.write_text(config_text({}, {"it": {"dsn": cluster.dsn(dbname), "enable": [check], **(keys or {})}},
                                    sections={f"check {check}": rules} if rules else None))
        conf.chmod(0o600)
        run = Cli(folder, "-o", "json", "check", "-c", conf, "--check", check, "--deep", "it")
        said = run.json
    found = Looks(said["findings"])
    assert all(f["check"] == check for f in found), found
    found.missing = [u for u in said["unknown"] + said["not_covered"]]
    assert all("a right is missing" in u["reason"] or "only a data_role does" in u["reason"] for u in found.missing), f"{check}: {found.missing}"
    return found


def mend(cluster, dbname, found):
    """Runs the remedies of one finding that close it, in order; their titles."""
    done = []
    for remedy in found["remedies"]:
        if remedy["closes"] and remedy["kind"] == "sql":
            cluster.script(remedy["text"], dbname)
            done.append(remedy["title"])
    return done


def test_fault_is_found_and_its_remedies_close_it(module_cluster, proof, request):
    """Imported by the tables of proofs/: conftest.py gives it one entry after the other."""
    if module_cluster.version < proof.server:
        pytest.skip(f"PostgreSQL {module_cluster.version} has no such thing")
    db = module_cluster.createdb(database_name(request.node.callspec.id))
    module_cluster.script(proof.script, db)
    if proof.grants:
        module_cluster.script(proof.grants, db)

    def now():
        return look(module_cluster, db, proof.check, keys=proof.keys, **proof.settings)

    found = {f["object"]: f for f in now()}
    assert {o: f["severity"] for o, f in found.items()} == {o: e[0] for o, e in proof.expect.items()}
    for o, (_, value) in proof.expect.items():
        assert value is None or found[o]["value"] == pytest.approx(value, rel=0.01), o
    closes = set(found) if proof.closes is None else proof.closes
    for o in closes:
        assert mend(module_cluster, db, found[o]), f"{o} has no remedy that closes it"
    if module_cluster.version < 15:
        time.sleep(1)  # counters come by way of a file that may be half a second old
    assert {f["object"] for f in now()} == set(found) - closes


def database_name(words):
    return "proof_" + "".join(c if c.isalnum() else "_" for c in words.lower())[:50]
