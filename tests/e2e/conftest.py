"""Fixtures: a folder a test, servers and daemons made in it, all ended and removed after it."""
import collections
import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

pytest.register_assert_rewrite("proof", "proof_sqlite")

from support import (  # noqa: E402
    Cli, Cluster, Daemon, Folder, Island, Journald, Proxy, SqliteFile, Template, timed)


def interrupted(*_):
    raise KeyboardInterrupt


def pytest_configure(config):
    signal.signal(signal.SIGTERM, interrupted)  # what a test owns is removed then too
    config.addinivalue_line("markers", "alone: watches time, so nothing else runs beside it")
    config.addinivalue_line("markers", "proves(check, ...): proves these checks of the catalogue")
    config.addinivalue_line("markers", "timed: asserts latency; only with DBHEALTH_TIMED=1, plain build")


def pytest_collection_modifyitems(items):
    for item in items:
        for mark in item.iter_markers("proves"):
            engine = mark.kwargs.get("engine", "postgresql")
            item.user_properties.append(("proves", " ".join(f"{engine}/{check}" for check in mark.args)))
        if item.get_closest_marker("timed") and not timed():
            item.add_marker(pytest.mark.skip(reason="latency is asserted with DBHEALTH_TIMED=1 only"))


def pytest_collect_file(file_path, parent):
    """Tables of proofs are test files too, whatever their name."""
    if file_path.parent.name == "proofs" and file_path.suffix == ".py" and file_path.stem != "__init__" \
            and not parent.session.isinitpath(file_path):
        return pytest.Module.from_parent(parent, path=file_path)
    return None


def pytest_generate_tests(metafunc):
    if "proof" in metafunc.fixturenames:
        metafunc.parametrize("proof", [pytest.param(p, id=name, marks=pytest.mark.proves(p.check))
                                       for name, p in metafunc.module.PROOFS.items()])


def pytest_terminal_summary(terminalreporter):
    """What tests measured; with DBHEALTH_CATALOGUE, a line a check instead of a line a test."""
    figures = [dict(report.user_properties)["figures"] for status in ("passed", "failed")
               for report in terminalreporter.stats.get(status, []) if "figures" in dict(report.user_properties)]
    for line in figures:
        terminalreporter.write_line(line)
    if not os.environ.get("DBHEALTH_CATALOGUE"):
        return
    proofs = collections.defaultdict(collections.Counter)
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            for check in dict(report.user_properties).get("proves", "").split():
                proofs[check][outcome] += 1
    for check, count in sorted(proofs.items()):
        bad = count["failed"] + count["error"]
        n = bad or count["passed"] or count["skipped"]
        word = "FAILED" if bad else "ok" if count["passed"] else "skipped"
        terminalreporter.write_line(f"{word:8}{check:52}{n:4} proof{'s' if n != 1 else ''}")
    words = [bool(c["failed"] + c["error"]) for c in proofs.values() if c["passed"] + c["failed"] + c["error"]]
    terminalreporter.write_line("")
    terminalreporter.write_line(f"{words.count(False)} passed, {words.count(True)} failed")


@pytest.fixture(scope="session")
def template():
    folder = Folder()
    try:
        yield Template(folder)
    finally:
        folder.remove()


@pytest.fixture
def folder():
    made = Folder()
    yield made
    made.remove()


@pytest.fixture
def own(folder):
    """own(thing): thing.remove() after the test, in reverse order, whatever happened."""
    things = []

    def keep(thing):
        things.append(thing)
        return thing

    yield keep
    faults = []
    for thing in reversed(things):
        try:
            thing.remove()
        except Exception as e:  # noqa: BLE001  the others must be removed too
            faults.append(e)
    if faults:
        raise faults[0]


@pytest.fixture
def cluster(template, folder, own):
    """cluster(name, tcp=, settings=, ...) starts a server."""
    return lambda name="c", **more: own(Cluster(template, folder, name, **more))


@pytest.fixture(scope="module")
def module_cluster(template):
    """One server for all tests of a module, for those that disturb nothing beyond their database."""
    folder = Folder()
    server = Cluster(template, folder)
    try:
        yield server
    finally:
        server.remove()
        folder.remove()


@pytest.fixture
def daemon(folder, own):
    """daemon(name, databases=..., ...) starts dbhealthd."""
    return lambda name="d", **more: own(Daemon(folder, name, **more))


@pytest.fixture
def proxy(own):
    """proxy(upstream)"""
    return lambda upstream, **more: own(Proxy(upstream, **more))


@pytest.fixture
def sqlite(folder, own):
    """sqlite(name, script, user=) makes a database file."""
    return lambda name, script=None, **more: own(SqliteFile(folder.path / name, script, **more))


@pytest.fixture
def cli(folder):
    """cli(argument, ...) runs dbhealth."""
    return lambda *argv, **more: Cli(folder, *argv, **more)


@pytest.fixture
def island(folder, own):
    """A network of holes; skipped where namespaces cannot be made."""
    if not Island.possible():
        pytest.skip("no right to make namespaces here")
    return own(Island(folder))


@pytest.fixture
def journald(own):
    """A real journald of the test's own; skipped where it cannot be run."""
    if not Journald.possible():
        pytest.skip("no journald here, or no right to make namespaces")
    return own(Journald())
