"""What was measured, as lines for a person and as docs/performance.md."""
import os
import re
import subprocess
import time

from fixture import TOP, bindir
from why import WHY


class Row:
    """One line of the table: a target, what was measured, and whether it was met.

    value: a Spread or a number; most or least: the limit in the same unit."""

    def __init__(self, name, what, target, value, *, most=None, least=None, unit="", digits=2):
        self.name, self.what, self.target = name, what, target
        self.number = getattr(value, "median", value)
        self.measured = (value.text(1, digits) if hasattr(value, "text") and len(value.values) > 1
                         else f"{self.number:.{digits}f}") + (f" {unit}" if unit else "")
        self.met = (most is None or self.number <= most) and (least is None or self.number >= least)

    @property
    def verdict(self):
        return "met" if self.met else "missed"


def machine():
    cores = os.cpu_count()
    with open("/proc/meminfo", encoding="ascii") as f:
        gigabytes = round(int(f.readline().split()[1]) / 1e6)
    virtual = subprocess.run(["systemd-detect-virt"], capture_output=True, text=True,
                             check=False).stdout.strip()
    with open("/etc/os-release", encoding="utf-8") as f:
        system = re.search(r'PRETTY_NAME="([^"]+)"', f.read())[1]
    server = subprocess.run([bindir() / "postgres", "--version"], capture_output=True, text=True,
                            check=True).stdout.split()[2]
    kind = "a machine of its own" if virtual in ("", "none") else "a virtual machine"
    return f"{kind}, {cores} cores, {gigabytes} GB, {system}, PostgreSQL {server}"


def say(rows, notes):
    for row in rows:
        print(f"{row.verdict:6}  {row.measured:28}  {row.target:22}  {row.what}")
    for note in notes:
        print(f"        {note}")


HEAD = """# Performance

Written by `make bench`; do not edit. Each line is a target, what was measured, and the verdict.
Ratios are medians over interleaved pairs, the quartiles in parentheses: whoever is compared asks in
turn within the same seconds, so a busy machine disturbs both alike. CPU is the scheduler's own count
of the daemon with all its workers; memory is the resident memory of the loop's process.

Measured on {machine}, {date}.

To repeat it:

    make bench               # all of it, about {minutes} minutes
    make bench QUICK=1       # a short run that proves that every part works; its figures say little
    make bench PART="cycle"  # some parts: {parts}

The fixture: one database of 504 tables and 1,503 indexes and 50 more of 10 tables, 54 databases with
those of the server itself, an idle server, Unix sockets. The floors, a raw libpq loop and a raw evhttp
server, are in tests/bench.

"""


def write(path, results, seconds):
    """results: part -> (title, rows, notes)."""
    out = [HEAD.format(machine=machine(), date=time.strftime("%Y-%m-%d"), minutes=int(seconds / 60) + 1,
                       parts=", ".join(results))]
    for title, rows, notes in results.values():
        out.append(f"## {title}\n\n")
        if rows:
            out.append("| what | target | measured | verdict |\n|---|---|---|---|\n")
            out += [f"| {r.what} | {r.target} | {r.measured} | {r.verdict} |\n" for r in rows]
            out.append("\n")
        out += [f"{note}\n\n" for note in notes]
        missed = [r for r in rows if not r.met]
        out += [f"Missed, {r.what}: {WHY[r.name]}\n\n" for r in missed if r.name in WHY]
    path.write_text("".join(out).rstrip() + "\n", encoding="utf-8")


DOCUMENT = TOP / "docs/performance.md"
