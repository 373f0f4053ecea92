"""Writes docs/coverage.md out of what llvm-cov counted; fails below the floor of lib/."""
import collections
import json
import os
import sys

FLOOR = 90.0
TOP = os.getcwd() + "/"
HEAD = """# Coverage

What the tests reach: unit tests, the kept inputs of the fuzzers and the end-to-end tests against
real servers. Made by `make coverage`, which fails when fewer than 90 % of the lines of `lib/` are
reached. Counted by clang per source region; processes that tests kill count up to that moment.
What is left is mostly what the kernel, libpq or SQLite would have to refuse in the middle of an
operation; failing allocations are tested apart (`make enomem`), not counted here.
"""


class Sum:
    def __init__(self):
        self.lines = [0, 0]
        self.branches = [0, 0]

    def add(self, summary):
        for kind in ("lines", "branches"):
            pair = getattr(self, kind)
            pair[0] += summary[kind]["covered"]
            pair[1] += summary[kind]["count"]

    @property
    def share(self):
        return 100 * self.lines[0] / max(self.lines[1], 1)

    def cells(self):
        def percent(covered, count):
            return f"{100 * covered // count} %" if count else "-"
        return f"{self.lines[1]} | {percent(*self.lines)} | {percent(*self.branches)}"


def main(source, target):
    folders, files = collections.defaultdict(Sum), {}
    for entry in json.load(open(source))["data"][0]["files"]:
        name = entry["filename"].removeprefix(TOP)
        part = name.split("/")[0]
        if part not in ("lib", "daemon", "cli"):
            continue
        files[name] = Sum()
        for s in (files[name], folders[os.path.dirname(name)], folders[part]):
            s.add(entry["summary"])
    table = "| {} | lines | reached | branches |\n|---|---:|---:|---:|\n"
    out = HEAD + "\n" + table.format("folder")
    for name in sorted(folders):
        out += f"| {'**' + name + '/**' if '/' not in name else name + '/'} | {folders[name].cells()} |\n"
    out += "\n" + table.format("file")
    for name in sorted(files):
        out += f"| {name} | {files[name].cells()} |\n"
    with open(target, "w") as f:
        f.write(out)
    for name in ("lib", "daemon", "cli"):
        s = folders[name]
        branches = 100 * s.branches[0] / max(s.branches[1], 1)
        print(f"coverage {name}/: {s.share:.1f} % of {s.lines[1]} lines, {branches:.1f} % of branches")
    if folders["lib"].share < FLOOR:
        print(f"lib/ is below {FLOOR:.0f} %")
        return 1
    return 0


sys.exit(main(*sys.argv[1:]))
