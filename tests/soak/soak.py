#!/usr/bin/python3
"""Everything goes wrong at random for a while, and all that should be told is told, nothing else.

soak.py [--minutes 10] [--seed N] [--files 20] [--drop N] [--keep]: servers, a pooler, a proxy and files
are disturbed by actors with dice of their own, while one daemon of the build in B watches them.
The same seed gives each actor the same acts in the same order.  --drop N: hides the N-th transition
from the model, which must miss it.  Ends with "N passed, N failed"."""
import argparse
import collections
import pathlib
import random
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from support import Failure, Folder, Template, sanitized  # noqa: E402

from acts import Database, DaemonActor, File, Members, Network, PoolerActor, Server  # noqa: E402
from entries import kind  # noqa: E402
from flat import Sampler, Verdict  # noqa: E402
from model import Judge, clock  # noqa: E402
from world import SLACK, World  # noqa: E402

BUDGET = 2  # pool_size 1 + max_overflow 1


def reloads(world):
    """Whether this build reloads: a file that did not change is taken without a word of protest."""
    since = len(world.entries.all())
    world.daemon.reload()
    deadline = time.monotonic() + 5 * SLACK
    while time.monotonic() < deadline:
        if any(kind(e) == "07" for e in world.entries.all()[since:]):
            return True
        time.sleep(0.1)
    return False


def cast(world, lives_until, on_restart, reloading):
    alpha = Server(world, "alpha", world.alpha, ["alpha/*"], ["@pooled", "pooled"])
    alpha.home = "app1"
    return [
        alpha,
        Server(world, "beta", world.beta, ["beta"]),
        Server(world, "beta2", world.beta2, ["beta2"]),
        Network(world, "gamma", world.gamma, ["gamma"]),
        Database(world, "alpha/app1", world.alpha, "app1", ["pooled"]),
        Database(world, "alpha/app2", world.alpha, "app2"),
        Database(world, "beta", world.beta, "app", ["beta2"]), Database(world, "gamma", world.gamma, "app"),
        Members(world, "alpha/*"), PoolerActor(world, "pooled"),
        *[File(world, f) for f in world.files],
        DaemonActor(world, lives_until, on_restart, reloading),
    ]


def play(world, minutes, reloading):
    """The actors' time; returns them and the samples of the longest life."""
    begin = time.monotonic()
    with Sampler(world.daemon, every=2.0, more=world.queues) as sampler:
        # what is measured is one life: the daemon as a whole is killed only before
        actors = cast(world, begin + minutes * 60 * 0.4, sampler.restart, reloading)
        for a in actors:
            a.start()
        time.sleep(minutes * 60)
        world.over.set()
        deadline = time.monotonic() + 240 * SLACK
        for a in actors:
            if not a.done.wait(max(0, deadline - time.monotonic())):
                world.harness.append(f"{a.subject} does not come to an end of {a.played[-1]}")
    return actors, sampler


def flatness(series, minutes):
    scale = 3 if sanitized() else 1  # the sanitizer's own books grow with each new stack
    room = 1 if minutes >= 5 else 5  # a short run sees how pools fill, and single acts weigh much
    scale *= room
    limits = {"daemon memory": (1.5 * scale, 0.1 * scale, "MB"), "workers memory": (6 * scale, 0.15 * scale, "MB"),
              "descriptors": (4 * room, 0.0, ""), "workers": (2 * room, 0.0, ""), "outlet queue": (20, 0.0, ""),
              "store queue": (20, 0.0, ""),
              "state size": (5.0, 0.2, "MB")}  # SQLite cuts its WAL at 4 MB
    return [Verdict(name, series.get(name, []), *given) for name, given in limits.items()]


def budget(report, world, cluster):
    """Sessions that the server had at a time, by its own log."""
    counts = cluster.connections_over_time()
    print(f"{cluster.name}: at most {max((n for _, n in counts), default=0)} connections at a time, "
          f"{BUDGET} allowed")
    report.check("budget", [f"{cluster.name}: {n} connections at {clock(t)}" for t, n in counts if n > BUDGET])


class Report:
    """passed and failed, told as they are found."""

    def __init__(self):
        self.passed, self.failed = 0, 0

    def check(self, what, faults):
        self.passed += not faults
        self.failed += len(faults)
        for f in faults:
            print(f"FAILED {what}: {f}")

    def add(self, passed):
        self.passed += passed


def tell_acts(world, actors):
    acts = world.snapshot()
    by_kind = collections.Counter(a.name for a in acts)
    print(f"\n{len(acts)} acts by {len(actors)} actors: "
          + ", ".join(f"{n} {k}" for k, n in by_kind.most_common()))


def tell_entries(entries, counted):
    kinds = collections.Counter(kind(e) for e in entries if kind(e))
    checks = collections.Counter(e["DBHEALTH_CHECK"] for e in entries if kind(e) in ("01", "04", "0a"))
    print("entries: " + ", ".join(f"{n} of kind {k}" for k, n in sorted(kinds.items())))
    print("opened: " + ", ".join(f"{n} {c}" for c, n in checks.most_common()))
    print("the model: " + ", ".join(f"{n} {what}" for what, n in sorted(counted.items())))


def judge(report, world, drop):
    entries = world.entries.all()
    told = [i for i, e in enumerate(entries) if e.get("DBHEALTH_EVENT_ID")]
    if drop is not None and told:
        hidden = entries.pop(told[drop % len(told)])
        print(f"hidden from the model: {clock(int(hidden['__REALTIME_TIMESTAMP']) / 1e6)} {hidden['MESSAGE']}")
    model = Judge(world.snapshot(), entries, killed=world.killed, end=time.time())
    report.check("model", model.judge())
    report.add(model.counted["demanded and told"] + model.counted["explained"])
    tell_entries(entries, model.counted)
    kills = len(world.killed) + sum(a.retells for a in world.snapshot())
    report.check("log", [f"no JSON: {b}" for b in world.entries.broken][kills:])
    # a story in which nothing happens proves nothing
    report.check("story", [] if model.counted["demanded and told"] >= 5 else
                 [f"only {model.counted['demanded and told']} faults were demanded and told"])


def soak(folder, options, report):
    world = World(folder, Template(folder), options.files, options.seed)
    try:
        world.settled(60 * SLACK)
        reloading = reloads(world)
        print(f"all is well at the beginning; reload is {'' if reloading else 'not '}part of it", flush=True)
        actors, sampler = play(world, options.minutes, reloading)
        tell_acts(world, actors)
        for what, proof in (("all is well at the end", lambda: world.settled(60 * SLACK)),
                            ("the daemon stops cleanly", world.daemon.stop)):
            try:
                proof()
                report.check(what, [])
            except Failure as e:
                report.check(what, [str(e)[:1500]])
        world.daemon.drained()
        report.check("harness", world.harness)
        judge(report, world, options.drop)
        print("\n" + Verdict.HEAD)
        for v in flatness(sampler.series, options.minutes):
            print(v)
            report.check("flat", [v.fault] if v.fault and (v.enough or options.minutes >= 5) else [])
        for c in (world.alpha, world.beta, world.beta2, world.gamma):
            budget(report, world, c)
        if report.failed:
            tell_story(world)
    finally:
        report.check("end", world.remove())


def tell_story(world):
    """What was done, for whoever looks for the cause."""
    print("\nacts (second of the day: planted, set, curing, cured):")
    for a in world.snapshot():
        times = " ".join("-" if t is None else clock(t) for t in (a.planted, a.set, a.curing, a.cured))
        print(f"  {times} {a}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--drop", type=int)
    parser.add_argument("--keep", action="store_true", help="keep the folder with all logs")
    options = parser.parse_args()
    print(f"minutes {options.minutes:g}, seed {options.seed}", flush=True)
    folder, report = Folder(), Report()
    try:
        soak(folder, options, report)
    except Exception:  # noqa: BLE001  a failure as any other, after which everything was removed
        report.check("soak", [traceback.format_exc(limit=6)])
    finally:
        if options.keep:
            print("kept:", folder.path)
        else:
            folder.remove()
    print(f"\n{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
