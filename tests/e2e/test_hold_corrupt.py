"""Thousands of files that are wrong somewhere: what we say of each is what SQLite says, and none is called well that is not."""
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil

import pytest

from support import Cli, sanitized
from support.corrupt import KILLED, judge, make_variants
from support.daemon import config_text

SEED = int(os.environ.get("CORRUPT_SEED", "20261123"))
COUNT = int(os.environ.get("CORRUPT_VARIANTS", "0")) or (400 if sanitized() else 2000)
LIMIT_S = 900 if sanitized() else 400
# The rows or pages are not what they should be.
DAMAGE = {"sqlite-quick-check", "sqlite-integrity-check", "sqlite-schema-malformed", "conn-up"}
# What lies beside the file is wrong or to be taken over first; a size that SQLite puts up with.
BESIDE = {"sqlite-not-a-database", "sqlite-truncated", "sqlite-zero-length", "sqlite-hot-journal",
          "sqlite-wal-damaged", "sqlite-wal-orphaned"}
BAD = ("false ok", "false alarm", "crash", "hang")


def compare(model, way, well, found, unknown):
    """What our verdict on one file is worth, by what SQLite says of it."""
    if "worker-crashed" in found:
        return "crash"
    if any("time" in u for u in unknown):
        return "hang"
    if not well:
        return "agreed" if found or unknown else "false ok"
    sound = way == "nothing" and model not in KILLED
    if found & DAMAGE or (sound and (found or unknown)):
        return "false alarm"
    # A journal that its application has to roll back: SQLite did so in its copy, we do not.
    return "undecided" if unknown else "agreed"


def digests(folder):
    return {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def oracle(folder, names, copies):
    copies.mkdir()
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        return dict(zip(names, pool.map(judge, (folder / n for n in names), (copies / n for n in names), chunksize=50)))


def ask(folder, place):
    conf = pathlib.Path(folder.path) / "corrupt.conf"
    conf.write_text(config_text({}, databases={"all": {"dsn": f"sqlite:{place}/*.db", "timeout": "60s"}}))
    conf.chmod(0o644)
    checks = [f"--check={c}" for c in sorted(DAMAGE | BESIDE | {"worker-crashed"})]
    answer = Cli(folder, "check", "-o", "json", "--deep", "--budget", "10min", *checks, "-c", conf, "all", timeout=LIMIT_S * 3 // 4)
    assert answer.out.startswith("{"), answer
    ours = collections.defaultdict(lambda: (set(), set()))
    listed = json.loads(answer.out)
    for f in listed["findings"]:
        ours[f["database"].rpartition("/")[2]][0].add(f["check"])
    for u in listed["unknown"]:
        ours[u["database"].rpartition("/")[2]][1].add(u["reason"])
    assert len(listed["databases"]) == COUNT
    return ours


def lines_of(by_way, by_model):
    """The figures as a table: a line a way to be wrong, then one a schema, then all."""
    heads = ("files", "damaged", "well", "agreed", "undecided", "unknown", *BAD)
    yield f"{COUNT} corrupted files, CORRUPT_SEED={SEED}".ljust(42) + "".join(f"{h:>12}" for h in heads)
    ways = [(way, figures) for way, figures in sorted(by_way.items()) if way != "all"]
    for name, figures in [*ways, *((f"schema {m}", f) for m, f in sorted(by_model.items())), ("all", by_way["all"])]:
        yield f"  {name}".ljust(42) + "".join(f"{figures[h]:>12}" for h in heads)


@pytest.mark.timeout(LIMIT_S)
def test_verdicts_on_corrupted_files(folder, record_property):
    place = pathlib.Path(folder.path) / "corrupt"
    place.mkdir()
    made = make_variants(place, COUNT, SEED)
    before = digests(place)
    ours = ask(folder, place)
    assert digests(place) == before
    truth = oracle(place, list(made), place.parent / "copies")
    shutil.rmtree(place)
    by_way, by_model, wrong = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter), []
    for name, (model, way) in made.items():
        found, unknown = ours[name]
        verdict = compare(model, way, truth[name] == "ok", found, unknown)
        for figures in (by_way[way], by_model[model], by_way["all"]):
            figures.update({"files", verdict, "well" if truth[name] == "ok" else "damaged", *(["unknown"] if unknown else [])})
        if verdict in BAD:
            wrong.append((verdict, name, model, way, truth[name][:100], sorted(found), sorted(unknown)))
    record_property("figures", "\n".join(lines_of(by_way, by_model)))
    assert not wrong, (SEED, len(wrong), wrong[:20])
    assert by_way["all"]["damaged"] > COUNT / 4 and by_way["all"]["well"] > COUNT / 4
