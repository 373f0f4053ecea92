"""Every check has a proof against a real database and is in docs/checks.md; no proof names a check that
does not exist."""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
checks = {(p.parent.name, p.stem) for p in (TOP / "lib/checks").glob("*/*.sql")}
documented = set()
for line in (TOP / "docs/checks.md").read_text().splitlines():
    cells = [c.strip() for c in line.split("|")]
    if len(cells) > 3:
        documented.add((cells[2], cells[1]))
proven = set()
for path in [*(TOP / "tests/e2e").glob("test_*.py"), *(TOP / "tests/e2e/proofs").glob("[a-z]*.py")]:
    text = path.read_text()
    table = "sqlite" if "proof_sqlite" in text else "postgresql"
    proven |= {(table, check) for check in re.findall(r'\b(?:Proof|Damage)\(\s*"([\w-]+)"', text)}
    for names, engine in re.findall(r'^@proves\(((?:\s*"[\w-]+",?)+)(?:\s*engine="(\w+)")?\)', text, re.M):
        proven |= {(engine or "postgresql", check) for check in re.findall(r'"([\w-]+)"', names)}
    if path.parent.name == "proofs" and re.search(r"^PROOFS = ", text, re.M) and "test_fault_is_found_and_its_remedies_close_it" not in text:
        print(f"{path.name}: a table that nobody runs")
        sys.exit(1)
# What the daemon tells of its own work asks nothing of a server: a proof on one engine holds for all,
# and so does a row of the table of its verdicts, where it is a matter of days.
verdicts = (TOP / "tests/unit/test-backup-judge.c").read_text()
told = {(p.parent.name, p.stem) for p in (TOP / "lib/checks").glob("*/*.sql") if "\n-- source: told\n" in p.read_text()}
proven |= {(e, c) for e, c in told if any(c == known for _, known in proven) or f'"{c}"' in verdicts}
faults = [f"{e}/{c}: no proof" for e, c in sorted(checks - proven)]
faults += [f"{e}/{c}: proven, but there is no such check" for e, c in sorted(proven - checks)]
faults += [f"{e}/{c}: not in docs/checks.md" for e, c in sorted(checks - documented)]
if len(checks) < 50:
    faults.append(f"only {len(checks)} checks are read")
print("\n".join(faults))
sys.exit(bool(faults))
