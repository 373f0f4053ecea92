"""What a proof on a SQLite file needs: look(), which runs one check as a user would, and mend(), which
runs the remedies of a finding exactly as they are printed."""
import subprocess

from support import Cli
from support.daemon import config_text


def configure(folder, dsn, check=None, keys=None, settings=None):
    """A configuration with one database; settings: what [check ...] takes, params without `param.`."""
    limits = ("info", "warning", "critical", "for")
    section = {k if k in limits else f"param.{k}": v for k, v in (settings or {}).items()}
    conf = folder.path / "look.conf"
    conf.write_text(config_text({}, databases={"app": {"dsn": dsn, **(keys or {})}},
                                sections={f"check {check}": section} if section else {}))
    conf.chmod(0o644)
    return conf


def report(folder, dsn, check=None, *, keys=None, settings=None, user=None, argv=()):
    """The whole answer of `dbhealth check`."""
    conf = configure(folder, dsn, check, keys, settings)
    only = ["--check", check] if check else []
    answer = Cli(folder, "check", "-o", "json", *only, *argv, "-c", conf, "app", user=user)
    assert answer.out.startswith("{"), answer
    return answer.json


def look(folder, dsn, check, **more):
    """Findings of one check by object; the check must have been able to answer."""
    answer = report(folder, dsn, check, **more)
    assert answer["unknown"] == [], answer["unknown"]
    found = {f["object"]: f for f in answer["findings"] if f["check"] == check}
    assert len(found) == len(answer["findings"]), answer["findings"]
    return found


def run(remedy, path, fails=False):
    """One remedy as printed: SQL in the sqlite3 shell on the file, a command in sh."""
    argv = ["sqlite3", "-bail", str(path)] if remedy["kind"] in ("sql", "look") else ["sh", "-e"]
    done = subprocess.run(argv, input=remedy["text"] + "\n", text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, timeout=30)
    assert fails or done.returncode == 0, f"{remedy['text']}\n{done.stdout}"
    return done.stdout


def closing(finding):
    """The remedies that close it and that a program can run."""
    return [r for r in finding["remedies"] if r["closes"] and r["kind"] in ("sql", "command")]


class Kept:
    """A file and what lies beside it, to be put back after a remedy was tried."""

    def __init__(self, path):
        self.path = path
        self.files = {p: (p.read_bytes(), p.stat().st_mode & 0o7777) for p in path.parent.glob(path.name + "*")}
        self.folder_mode = path.parent.stat().st_mode & 0o7777

    def put_back(self):
        for p in self.path.parent.glob(self.path.name + "*"):
            p.unlink()
        for p, (data, mode) in self.files.items():
            p.write_bytes(data)
            p.chmod(mode)
        self.path.parent.chmod(self.folder_mode)
