"""What a proof on a SQLite file needs: look(), which runs one check as a user would, and mend(), which
runs the remedies of a finding exactly as they are printed."""
import dataclasses
import subprocess

import pytest

from proof import proves
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
    done = subprocess.run(argv, input=remedy["text"] + "\n", text=True, errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, timeout=30)
    assert fails or done.returncode == 0, f"{remedy['text']}\n{done.stdout}"
    return done.stdout


def closing(finding, kinds=("sql", "command")):
    """The remedies that close it and that a program can run."""
    return [r for r in finding["remedies"] if r["closes"] and r["kind"] in kinds]


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


FILL = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "


@dataclasses.dataclass
class Proof:
    check: str
    script: str
    expect: dict  # object -> (severity, value or None)
    closes: set = None  # objects that have a remedy to run; None: all
    keys: dict = dataclasses.field(default_factory=dict)
    settings: dict = dataclasses.field(default_factory=dict)
    after: str = None  # a query whose rows no remedy may change
    mend: str = None  # what a person does who follows the remedies that no program can run: nothing is left then
    argv: tuple = ()
    kinds: tuple = ("sql", "command")  # of remedies that can be run here


def cases(proofs):
    return [pytest.param(n, marks=proves(p.check, engine="sqlite")) for n, p in proofs.items()]


def prove(folder, sqlite, proof):
    """The planted fault is found, its look-alikes are not, and each remedy that claims to close it does."""
    f = sqlite("app.db", proof.script)
    before = f.digest()

    def now():
        return look(folder, f.dsn, proof.check, keys=proof.keys, settings=proof.settings, argv=proof.argv)

    found = now()
    assert {o: (x["severity"], None if proof.expect.get(o, (0, None))[1] is None else x["value"])
            for o, x in found.items()} == proof.expect
    assert f.digest() == before and f.neighbours() == []
    kept, rows = Kept(f.path), f.sql(proof.after) if proof.after else None
    for o in set(found) if proof.closes is None else proof.closes:
        assert closing(found[o], proof.kinds), f"{o}: no remedy that closes it: {found[o]['remedies']}"
    for o, finding in found.items():
        assert finding["remedies"], o
        for remedy in finding["remedies"]:
            if remedy["kind"] == "look":
                run(remedy, f.path)
        for remedy in closing(finding, proof.kinds):
            run(remedy, f.path)
            left = now()
            assert o not in left and left.keys() <= found.keys(), f"{remedy['text']} leaves {left}"
            assert f.sql("PRAGMA integrity_check") == [("ok",)]
            assert rows is None or f.sql(proof.after) == rows, remedy["text"]
            kept.put_back()
    if proof.mend:
        run({"kind": "sql", "text": proof.mend}, f.path)
        assert now() == {}
