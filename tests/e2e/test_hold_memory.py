"""The daemon's own memory, state and history, replaced and taken away under it: it serves on, says what
it lost in its log and in the status, and is well again by itself."""
import shutil

from support import wait_until
from test_history import FAST, QUERY, kill_writer, points, said

ORIGIN = ("CREATE TABLE counts(name TEXT NOT NULL PRIMARY KEY, n INTEGER NOT NULL);"
          "INSERT INTO counts VALUES ('one', 1);")


def own(d):
    return d.request("GET", "/v1/status").json["daemon"]


def lost(d):
    return " ".join(one["text"] for one in own(d)["lost"])


def prepare(daemon, sqlite):
    d = daemon(databases={"app": sqlite("app.db", ORIGIN).dsn}, defaults=FAST, sections=QUERY, start=False)
    d.state.mkdir(mode=0o700, exist_ok=True)
    return d


def test_something_else_has_their_names_then_nothing_has(sqlite, daemon):
    d = prepare(daemon, sqlite)
    (d.state / "state.db").mkdir()
    (d.state / "state.db" / "kept").write_text("of somebody")
    (d.state / "history").write_text("no folder")
    d.start()
    wait_until(lambda: points(d, "app", "rows", "one"), 60 * d.slack, lambda: f"it goes on: {d.log_tail(5)}")
    assert "state.db is no file" in lost(d) and "was no folder and is now" in lost(d), own(d)
    assert d.transitions("0c") and said(d, "state.db is no file") and said(d, "was no folder and is now"), d.log_tail(5)
    text = d.cli("status").out
    assert "the state was damaged and began anew" in text and all(len(line) <= 80 for line in text.splitlines()), text
    aside = [p for p in d.state.iterdir() if p.name.startswith("state.db.corrupt-")]
    assert [(p / "kept").read_text() for p in aside] == ["of somebody"]
    assert (d.state / "history.damaged").read_text() == "no folder"

    # while it runs
    for path in d.state.iterdir():
        if path.name != "lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    kill_writer(d)
    d.cli("silence", "app/nothing-here", "--for", "1h", "--reason", "of this test")
    wait_until(lambda: said(d, "state.db was removed or replaced"), 60 * d.slack, "it is said")
    wait_until(lambda: points(d, "app", "rows", "one"), 60 * d.slack, "the history begins anew")
    assert "removed or replaced" in lost(d) and (d.state / "state.db").exists()
    assert d.status()["databases"][0]["probes"]["connectivity"]["status"] == "ok"
    kept = points(d, "app", "rows", "one")
    d.restart()
    assert "of this test" in d.cli("silences").out
    assert points(d, "app", "rows", "one")[:len(kept)] == kept
    assert own(d)["lost"] == [] and own(d)["state_trouble"] is None and own(d)["history_trouble"] is None


def test_folders_where_files_of_the_history_are(sqlite, daemon):
    d = prepare(daemon, sqlite)
    folder = d.state / "history"
    names = ["0000000000-0000000000.raw", "0000000007.log", "series"]
    for name in names:
        (folder / name).mkdir(parents=True)
    d.start()
    wait_until(lambda: points(d, "app", "rows", "one"), 60 * d.slack, lambda: f"it goes on: {d.log_tail(5)}")
    for words in ("list of series cannot be read", "0000000007.log cannot be read", "0000000000-0000000000.raw is damaged"):
        assert words in lost(d) and said(d, words), own(d)
    assert sorted(p.name for p in folder.glob("*.damaged")) == [f"{n}.damaged" for n in names]
