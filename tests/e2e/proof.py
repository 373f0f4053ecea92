"""What a proof needs: look(), which runs one check as a user would, and mend(), which runs the
remedies of a finding as printed."""
import tempfile
import pathlib

from support import Cli
from support.daemon import config_text


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
        conf.write_text(config_text({}, {"it": {"dsn": cluster.dsn(dbname), **(keys or {})}},
                                    sections={f"check {check}": rules} if rules else None))
        conf.chmod(0o600)
        run = Cli(folder, "-o", "json", "check", "-c", conf, "--check", check, "--deep", "it")
        said = run.json
    found = Looks(said["findings"])
    assert all(f["check"] == check for f in found), found
    found.missing = [u for u in said["unknown"] + said["not_covered"]]
    assert all("a right is missing" in u["reason"] for u in found.missing), f"{check}: {found.missing}"
    return found


def mend(cluster, dbname, found):
    """Runs the remedies of one finding that close it, in order; their titles."""
    done = []
    for remedy in found["remedies"]:
        if remedy["closes"] and remedy["kind"] == "sql":
            cluster.script(remedy["text"], dbname)
            done.append(remedy["title"])
    return done
