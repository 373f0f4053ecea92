"""tests/TRAPS.md: its lines are counted through, and each names tests that exist."""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2] / "tests"
faults, number = [], 0
for line in (TOP / "TRAPS.md").read_text().splitlines():
    cells = [c.strip() for c in line.strip().strip("|").split(" | ")]
    if not re.fullmatch(r"\d+", cells[0]):
        continue
    number += 1
    if int(cells[0]) != number or len(cells) != 4 or not all(cells):
        faults.append(f"line {cells[0]} (expected {number}) has {len(cells)} cells")
    tests = re.findall(r"`([\w./-]+)::(\w+)`", cells[-1])
    if not tests:
        faults.append(f"line {cells[0]} names no test")
    for file, name in tests:
        path = TOP / file if "/" in file else TOP / "e2e" / file
        what = rf"^(static void\s+)?{name}\(void \*\*" if path.suffix == ".c" else rf"^def {name}\("
        if not path.exists():
            faults.append(f"line {cells[0]}: there is no {file}")
        elif not re.search(what, path.read_text(), re.M):
            faults.append(f"line {cells[0]}: {file} has no test {name}")
        elif path.suffix == ".c" and len(re.findall(rf"\b{name}\b", path.read_text())) < 2:
            faults.append(f"line {cells[0]}: {file} does not run {name}")
if number < 35:
    faults.append(f"only {number} lines are read")
print("\n".join(faults))
sys.exit(bool(faults))
