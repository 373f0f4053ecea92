#!/usr/bin/python3
"""Servers killed and started again, many times: each time told once and cured once, at no cost.

rounds.py [--rounds 200] [--servers 5] [--seed N]: private servers, each with its share of the rounds,
all watched by one daemon of the build in B.  Ends with "N passed, N failed"."""
import argparse
import pathlib
import random
import statistics
import sys
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from support import Cluster, Daemon, Failure, Folder, Template, sanitized, wait_until  # noqa: E402

from entries import Entries, kind, when  # noqa: E402
from flat import Sampler, Verdict  # noqa: E402

EACH_TIME = {"check conn-up": {"flap_changes": "0"}}  # what falls again and again is to be told each time
DEFAULTS = {"connectivity_interval": "1s", "reconnect_interval": "2s", "performance_interval": "5s",
            "schema_interval": "30s", "integrity_interval": "30s", "timeout": "2s"}
BUDGET = 2  # pool_size 1 + max_overflow 1
SETTINGS = {"shared_buffers": "1MB", "max_connections": "12", "max_wal_senders": "0",
            "wal_level": "minimal", "max_parallel_workers": "0", "autovacuum": "off",
            "log_min_messages": "log"}
# One after the other start in different seconds: the server tells its start time in whole ones.
APART = 2.1


class Rounds(threading.Thread):
    """The rounds of one server; faults: what was not as it must be, a text each."""

    def __init__(self, server, daemon, entries, n, seed):
        super().__init__(daemon=True)
        self.server, self.watch, self.entries, self.n = server, daemon, entries, n
        self.dice = random.Random(f"{seed}/{server.name}")
        self.done, self.failed, self.faults = 0, 0, []
        self.down_told, self.up_told, self.quick = [], [], 0
        self.started = time.monotonic()
        self.limit = 15 * daemon.slack
        self.over, self.may_end = threading.Event(), threading.Event()

    def run(self):
        self.play()
        self.over.set()
        self.may_end.wait()  # a server dies with the thread that started it

    def play(self):
        for i in range(self.n):
            before = len(self.faults)
            try:
                self.round(i)
            except Exception:  # noqa: BLE001  the next round begins from a server that runs
                self.faults.append(f"round {i + 1}: {traceback.format_exc(limit=3)}")
                self.revive()
            self.done += 1
            self.failed += len(self.faults) > before

    def revive(self):
        try:
            if self.server.process.poll() is not None:
                self.start_server()
        except Exception as e:  # noqa: BLE001
            self.faults.append(f"cannot be started: {e}")

    def start_server(self):
        self.started = time.monotonic()
        self.server.start()

    def told(self, *kinds, since):
        return self.entries.told(*kinds, since=since, server=self.server.name)

    def restarts(self):
        found = self.watch.findings(check="server-restarted", server=self.server.name)
        return found[0]["count"] if found else 0

    def round(self, i):
        how = self.dice.choice(("kill9", "immediate", "immediate", "fast"))
        # Quicker than the second look: nothing need be told but the restart itself.
        quick = self.dice.random() < 0.2
        time.sleep(max(0, self.started + APART - time.monotonic()))
        since, wall = len(self.entries.all()), time.time()
        if how == "kill9":
            self.server.kill9()
        else:
            self.server.stop(how)
        if not quick:
            wait_until(lambda: self.told("04", since=since), self.limit,
                       lambda: f"down is told; {self.watch.log_tail(5)}", every=0.1)
        up = time.time()
        self.start_server()
        wait_until(lambda: self.restarts() == i + 1, self.limit,
                   lambda: f"restart {i + 1} is counted, not {self.restarts()}; {self.watch.log_tail(5)}",
                   every=0.2)
        if self.told("04", since=since):
            wait_until(lambda: self.told("05", since=since), self.limit,
                       lambda: f"up is told; {self.watch.log_tail(5)}", every=0.1)
        self.judge(i, how, quick, since, wall, up)

    def judge(self, i, how, quick, since, wall, up):
        here = f"round {i + 1} ({how}{', quick' if quick else ''})"
        kinds = [kind(e) for e in self.told("01", "02", "03", "04", "05", "06", since=since)]
        if kinds != ["04", "05"] and not (quick and kinds == []):
            self.faults.append(f"{here}: told {kinds}, not 04 and 05 once each")
        elif kinds:
            down, again = self.told("04", "05", since=since)
            if not quick:
                self.down_told.append(when(down) - wall)
            self.up_told.append(when(again) - up)
        self.quick += quick and not kinds
        held = self.server.one("SELECT count(*) FROM pg_stat_activity WHERE usename = 'dbhealth'")
        if held > BUDGET:
            self.faults.append(f"{here}: {held} connections")


def spread(values):
    if not values:
        return "never"
    values = sorted(values)
    return (f"median {statistics.median(values):.2f} s, "
            f"95 % {values[int(len(values) * 0.95)]:.2f} s, most {values[-1]:.2f} s")


def settle(daemon, names):
    """Every database has been looked at and is well, or it says what is not."""
    def all_ok():
        rows = daemon.status()["databases"]
        return len(rows) == len(names) and all(
            r["status"] == "ok" and all(p["last_run"] for p in r["probes"].values()) for r in rows)

    def ill():
        open_ = [(f["server"] or f["database"], f["check"], f["message"][:80])
                 for s in ("warning", "critical") for f in daemon.findings(severity=s)]
        return f"all is ok: {open_[:8]} {daemon.status()['summary']}"

    wait_until(all_ok, 60 * daemon.slack, ill, every=0.3)


def report(workers, sampler, faults):
    for w in workers:
        print(f"{w.server.name}: {w.done} rounds, {w.failed} failed; {w.quick} quicker than the second look; "
              f"down told: {spread(w.down_told)}; up told: {spread(w.up_told)}")
    scale = 3 if sanitized() else 1  # the sanitizer's own books grow with each new stack
    verdicts = [Verdict("daemon memory", sampler.series.get("daemon memory", []), 1.0 * scale, 0.05 * scale, "MB"),
                Verdict("workers memory", sampler.series.get("workers memory", []), 4.0 * scale, 0.1 * scale, "MB"),
                Verdict("descriptors", sampler.series.get("descriptors", []), 2, 0.0),
                Verdict("workers", sampler.series.get("workers", []), 1, 0.0)]
    print(Verdict.HEAD)
    for v in verdicts:
        print(v)
    for w in workers:
        most = w.server.max_connections_seen()
        print(f"{w.server.name}: at most {most} connections at a time, {BUDGET} allowed")
        if most > BUDGET:
            faults.append(f"{w.server.name}: {most} connections at a time")
    faults += [v.fault for v in verdicts if v.fault]
    for text in [f"{w.server.name}: {f}" for w in workers for f in w.faults] + faults:
        print("FAILED", text)
    failed = sum(w.failed for w in workers) + len(faults)
    passed = sum(w.done - w.failed for w in workers) + len(workers) + len(verdicts) + 2 - len(faults)
    return max(passed, 0), failed


def play(folder, options):
    template = Template(folder)
    names = [f"s{i}" for i in range(options.servers)]
    servers, workers, daemon, faults = [], [], None, []
    try:
        for name in names:
            servers.append(Cluster(template, folder, name, settings=SETTINGS))
        daemon = Daemon(folder, databases={s.name: s.dsn() for s in servers}, defaults=DEFAULTS, sections=EACH_TIME,
                        env={"ASAN_OPTIONS": f"detect_leaks=1:exitcode=99:quarantine_size_mb=4:"
                                             f"log_path={folder.path}/d/sanitizer"})
        settle(daemon, names)
        entries = Entries(daemon.folder)
        share = [options.rounds // len(names) + (i < options.rounds % len(names))
                 for i in range(len(names))]
        workers += [Rounds(s, daemon, entries, n, options.seed) for s, n in zip(servers, share)]
        with Sampler(daemon, every=0.5) as sampler:
            for w in workers:
                w.start()
            for w in workers:
                w.over.wait()
        for what, proof in (("all is well at the end", lambda: settle(daemon, names)),
                            ("the daemon stops cleanly", daemon.stop)):
            try:
                proof()
            except Failure as e:
                faults.append(f"{what}: {e}")
        return report(workers, sampler, faults)
    finally:
        for w in workers:
            w.may_end.set()
        for thing in [daemon, *servers]:
            if thing is not None:
                try:
                    thing.remove()
                except Failure as e:
                    print(e)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--servers", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    options = parser.parse_args()
    print(f"rounds {options.rounds}, servers {options.servers}, seed {options.seed}", flush=True)
    began, folder = time.monotonic(), Folder()
    try:
        passed, failed = play(folder, options)
    finally:
        folder.remove()
    print(f"{time.monotonic() - began:.0f} s\n\n{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
