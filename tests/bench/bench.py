#!/usr/bin/python3
"""make bench: measures what performance targets ask, prints ratios, writes docs/performance.md.

usage: bench.py [--quick] [PART ...]; the document is written by a whole run that is not quick."""
import signal
import sys
import time

import cycle
import http_part
import memory
import report
import scale
import sqlite_part
from fixture import Bench

PARTS = {
    "cycle": ("One steady cycle", cycle.measure),
    "memory": ("Memory", memory.measure),
    "http": ("The API", http_part.measure),
    "sqlite": ("SQLite", sqlite_part.measure),
    "scale": ("Many databases", scale.measure),
}


def main(argv):
    quick = "--quick" in argv
    names = [a for a in argv if not a.startswith("-")] or list(PARTS)
    unknown = [n for n in names if n not in PARTS]
    if unknown:
        print(f"bench: no part {unknown[0]!r}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 64
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what the bench owns is removed then too
    start, results = time.monotonic(), {}
    for name in names:
        title, measure = PARTS[name]
        print(f"== {name}: {title}", flush=True)
        bench, began = Bench(quick), time.monotonic()
        try:
            rows, notes = measure(bench)
        finally:
            bench.close()
        results[name] = (title, rows, notes)
        report.say(rows, notes)
        print(f"== {name}: {time.monotonic() - began:.0f} s", flush=True)
    if not quick and names == list(PARTS):
        report.write(report.DOCUMENT, results, round((time.monotonic() - start) / 60 + 0.5))
        print(f"written: {report.DOCUMENT}")
    missed = sum(not row.met for _, rows, _ in results.values() for row in rows)
    total = sum(len(rows) for _, rows, _ in results.values())
    print(f"{total - missed} targets met, {missed} missed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
