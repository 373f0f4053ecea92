"""Failing memory, allocation by allocation: what cannot go on ends at once and says so, in one line;
no verdict is better than the true one, no finding is lost, nothing is told twice."""
import json
import random
import signal
import subprocess

import pytest

from support import BUILD, Daemon, SqliteFile, sanitized, wait_until
from support.daemon import environment

PRELOAD = BUILD / "fault/enomem.so"
LAST_WORDS = "out of memory, giving up"
pytestmark = pytest.mark.skipif(sanitized(), reason="a sanitizer has its own allocator")
HARNESSES = ["api", "check", "client", "dsn", "http", "number", "report", "rows", "sqlite", "state",
             "store", "worker"]




def run(command, folder, at=None, where=None, tell=None):
    env = environment(folder.path, {"LD_PRELOAD": str(PRELOAD)})
    for name, value in (("ENOMEM_AT", at), ("ENOMEM_IN", where), ("ENOMEM_TELL", tell)):
        if value is not None:
            env[name] = str(value)
    return subprocess.run([str(c) for c in command], env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace", timeout=120, check=False)


def samples(command, folder, number, where="main"):
    """Which allocations to fail: the first ones, then some all over the run."""
    tell = folder.sub("count") / "n"
    run(command, folder, tell=tell, where=where)
    total = int(tell.read_text()) if tell.exists() else 3000
    chosen = random.Random(1)
    return sorted({*range(1, 6), *(6 + int(chosen.random() * total) for _ in range(number))})


def ended_itself(result):
    """By our own hand, with the one line; whatever else a signal ended is a crash."""
    if result.returncode >= 0:
        return False
    assert result.returncode == -signal.SIGABRT, result
    assert result.stderr.splitlines()[-1:] == [LAST_WORDS], result
    return True


@pytest.mark.parametrize("name", HARNESSES)
def test_units(folder, name):
    """The fuzzers' harnesses over their kept inputs: each asserts what must hold."""
    command = [BUILD / f"fuzz/replay-{name}", f"tests/fuzz/corpus/{name}"]
    ended = 0
    for at in samples(command, folder, 20):
        result = run(command, folder, at)
        ended += ended_itself(result)
        # 1: the harness could not read its inputs
        assert result.returncode in (0, 1, -signal.SIGABRT), (at, result)
    assert ended > 0


def test_configuration(folder):
    """libini_config 1.3 itself crashes without memory: then too nothing was taken for good."""
    command = [BUILD / "fuzz/replay-conf", "tests/fuzz/corpus/conf"]
    for at in samples(command, folder, 30):
        result = run(command, folder, at)
        assert "does not hold" not in result.stderr, (at, result)


def problems(answer):
    return {(f["check"], f["object"]) for f in answer["findings"]}


def judge(result, truth, at):
    """A run with a failed allocation says what is true, or less, and then says so."""
    if ended_itself(result):
        assert not result.stdout, (at, result)
        return "ended"
    # a worker that ended itself so is told of its file, as a warning
    crashed = '"worker-crashed"' in result.stdout
    assert result.returncode in (truth.returncode, 3, 69, 78, *([1] if crashed else [])), (at, result)
    if not result.stdout:
        assert result.returncode != truth.returncode and result.stderr, (at, result)
        return "refused"
    answer, true = json.loads(result.stdout), json.loads(truth.stdout)
    if problems(answer) == problems(true) and not answer["unknown"]:
        assert result.returncode == truth.returncode, (at, result)
        return "same"
    assert problems(answer) <= problems(true) | {("conn-up", ""), ("worker-crashed", "")}, (at, result)
    assert answer["unknown"] or problems(answer) - problems(true), (at, result)
    assert result.returncode != 0, (at, result)
    return "less"


PLANTED = """CREATE TABLE parent (id INTEGER PRIMARY KEY);
CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id));
INSERT INTO child VALUES (1, 7);"""


@pytest.mark.parametrize("where", ["main", "--worker sqlite"])
@pytest.mark.parametrize("script", [PLANTED, "CREATE TABLE t (id INTEGER PRIMARY KEY);"],
                         ids=["planted", "healthy"])
def test_check_sqlite(folder, script, where):
    file = SqliteFile(folder.path / "a.db", script)
    command = [BUILD / "dbhealth", "check", "-o", "json", file.path]
    truth = run(command, folder)
    assert truth.returncode == (2 if script is PLANTED else 0), truth
    seen = {judge(run(command, folder, at, where), truth, at)
            for at in samples(command, folder, 25, where)}
    assert seen & {"ended", "less"}, seen


def test_check_postgresql(folder, module_cluster):
    module_cluster.script("CREATE TABLE heap (a int);")
    command = [BUILD / "dbhealth", "check", "-o", "json", module_cluster.dsn(user="postgres")]
    truth = run(command, folder)
    assert truth.stdout, truth
    seen = {judge(run(command, folder, at, "main"), truth, at)
            for at in samples(command, folder, 15)}
    assert seen & {"ended", "less"}, seen


def test_daemon(folder, own):
    """It ends in the middle of anything, is started again, and has told each finding once."""
    file = SqliteFile(folder.path / "a.db", PLANTED)
    watched = {"orders": file.dsn}
    chosen = random.Random(2)
    preload = {"LD_PRELOAD": str(PRELOAD), "ENOMEM_IN": "main"}
    tell = folder.sub("count") / "n"
    d = own(Daemon(folder, "count", databases=watched, env={**preload, "ENOMEM_TELL": str(tell)}))
    d.wait_finding("fk-orphan-rows")
    d.stop()
    total = int(tell.read_text())
    deaths = 0
    for n, at in enumerate(int(chosen.random() * total) + 1 for _ in range(8)):
        d = own(Daemon(folder, f"d{n}", databases=watched, start=False,
                       env={**preload, "ENOMEM_AT": str(at)}))
        d.start(wait=None)

        def over():
            if d.process.poll() is not None:
                return True
            try:
                return d.findings(check="fk-orphan-rows")
            except OSError:
                return False

        wait_until(over, 40, lambda: f"a death or a finding ({at}): {d.log_tail()}")
        if d.process.poll() is not None:
            deaths += 1
            said, code = d.log_path.read_text(), d.process.returncode
            # libini_config may crash by itself; then nothing had begun yet.
            assert (code == -signal.SIGABRT and LAST_WORDS in said) or code == 78 or \
                (code in (-signal.SIGABRT, -signal.SIGSEGV) and "serves" not in said), (at, code, said)
        else:
            d.stop()
        d._env = None
        d.start()
        d.wait_finding("fk-orphan-rows")
        d.stop()
        text = "".join(d.folder.joinpath(f"log.{k}").read_text() for k in (1, 2))
        told = [line for line in text.splitlines() if "fk-orphan-rows" in line and ": CRITICAL" in line]
        assert len(told) == 1, (at, told)
    assert deaths > 0
