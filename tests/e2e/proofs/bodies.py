"""Every body of the catalogue runs on this version of the server, whether or not a fault is there."""
import pathlib
import tempfile

import pytest

from support import Cli
from support.daemon import config_text

from proofs import load

# What a check may say instead of an answer: it is none of an error in its statement.
NEEDS = ("server >=", "server <", "extension", "role standby", "is not configured", "needs history", "two samples", "flavour",
         "a right is missing", "EXECUTE", "not yet", "the host", "a daemon")


def everything(cluster, dbname):
    with tempfile.TemporaryDirectory(prefix="dbh-bodies-") as made:
        conf = pathlib.Path(made) / "all.conf"
        conf.write_text(config_text({}, {"it": {
            "dsn": cluster.dsn(dbname), "enable": ["*"], "require_tables": ["public.gone"], "max_findings": "5",
            "require_relationships": ["public.a.b -> public.c.d"]}}))
        conf.chmod(0o600)
        return Cli(pathlib.Path(made), "-o", "json", "check", "-c", conf, "--deep", "--budget", "2min", "--sample", "1s", "it").json


@pytest.mark.proves("every-body-runs")
def test_every_body_runs(module_cluster):
    fresh = everything(module_cluster, module_cluster.createdb("fresh"))
    # The scripts of all proofs in one database would meet each other's names: each has a schema.
    db = module_cluster.createdb("crowded")
    failed = []
    for (family, name), proof in load().items():
        if module_cluster.version < proof.server:
            continue
        try:
            module_cluster.script(f'CREATE SCHEMA "{family} {name}"; SET search_path = "{family} {name}";' + proof.script, db)
        except Exception as e:  # noqa: BLE001  some scripts need a database of their own
            failed.append((family, name, str(e)[-200:]))
    assert len(failed) <= len(load()) / 4, failed
    for said in (fresh, everything(module_cluster, db)):
        assert [(u["check"], u["reason"]) for u in said["unknown"] if not any(w in u["reason"] for w in NEEDS)] == []
        assert [(n["check"], n["reason"]) for n in said["not_covered"] if not any(w in n["reason"] for w in NEEDS)] == []
        assert len({f["check"] for f in said["findings"]}) >= (0 if said is fresh else 6)
