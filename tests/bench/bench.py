#!/usr/bin/python3
"""make bench: measures what performance targets ask, prints ratios, writes docs/performance.md.

usage: bench.py [--quick] [PART ...]; the document is written by a whole run that is not quick."""
import signal
import sys
import time

import anomaly_part
import catalogue_part
import cycle
import fleet_part
import forecast_part
import history_part
import http_part
import jitter
import memory
import minute
import report
import scale
import sqlite_part
import writer_part
from fixture import Bench, Failure

PARTS = {
    "cycle": ("One steady cycle", cycle.measure),
    "minute": ("A minute of the default catalogue", minute.measure),
    "memory": ("Memory", memory.measure),
    "http": ("The API", http_part.measure),
    "history": ("History", history_part.measure),
    "sqlite": ("SQLite", sqlite_part.measure),
    "fleet": ("A fleet of SQLite files", fleet_part.measure),
    "writer": ("A SQLite database under a writer", writer_part.measure),
    "jitter": ("Start jitter", jitter.measure),
    "scale": ("Many databases", scale.measure),
    "anomaly": ("What is unusual at this hour", anomaly_part.measure),
    "forecast": ("The time until a limit", forecast_part.measure),
    "catalogue": ("The catalogue on a large schema", catalogue_part.measure),
}


def main(argv):
    quick = "--quick" in argv
    names = [a for a in argv if not a.startswith("-")] or list(PARTS)
    unknown = [n for n in names if n not in PARTS]
    if unknown:
        print(f"bench: no part {unknown[0]!r}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 64
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what the bench owns is removed then too
    whole = not quick and names == list(PARTS)
    start, results, broken = time.monotonic(), {}, 0
    for name in names:
        title, measure = PARTS[name]
        print(f"== {name}: {title}", flush=True)
        bench, began = Bench(quick), time.monotonic()
        try:
            rows, notes = measure(bench)
        except Failure as fault:
            rows, notes, broken = [], [f"This part did not come to its end: {fault}"], broken + 1
        finally:
            bench.close()
        results[name] = (title, rows, notes)
        report.say(rows, notes)
        if whole:  # after each part: a run that is ended early leaves what it has
            report.write(report.DOCUMENT, results, time.monotonic() - start)
        print(f"== {name}: {time.monotonic() - began:.0f} s", flush=True)
    missed = sum(not row.met for _, rows, _ in results.values() for row in rows)
    total = sum(len(rows) for _, rows, _ in results.values())
    print(f"{total - missed} targets met, {missed} missed" + (f"; {broken} parts broke" if broken else ""))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
