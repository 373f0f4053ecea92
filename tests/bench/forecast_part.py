"""The time until a limit: how often it warns falsely, and how early truly (docs/forecast.md)."""
import json
import pathlib
import subprocess

from fixture import BUILD, Failure
from report import Row

RECORDED = sorted(pathlib.Path(__file__).resolve().parent.glob("forecast-*.txt"))
LIVES = 12
# What one month of history cannot tell from the way to a limit; in the table, and no target.
UNKNOWABLE = {"rotation, 10 to 30 days"}


def lead(family, index):
    return family.get("lead_h", [0, 0, 0])[index]


def show(families):
    print(f"{'':30} {'lives':>6} {'days':>6} {'false':>6} {'full':>5} {'missed':>7}  lead h: least, median, most")
    for f in families:
        hours = " ".join(f"{h:.1f}" for h in f["lead_h"]) if "lead_h" in f else "-"
        print(f"{f['family']:30} {f['series']:>6} {f['days']:>6} {f['false_episodes']:>6} {f['full']:>5} "
              f"{f['missed']:>7}  {hours}")


def measure(bench):
    lives = 2 if bench.quick else LIVES
    done = subprocess.run([BUILD / "bench/forecast", str(lives), *RECORDED], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"bench/forecast: {done.stderr.strip()}")
    families = json.loads(done.stdout)
    show(families)
    known = [f for f in families if f["family"] not in UNKNOWABLE]
    by_name = {f["family"]: f for f in families}
    days = sum(f["days"] for f in known)
    rows = [
        Row("forecast-false", f"warnings that were wrong, of {days:.0f} days of {sum(f['series'] for f in known)} lives",
            "none", sum(f["false_episodes"] for f in known), most=0, digits=0),
        Row("forecast-missed", f"filled without a warning, of {sum(f['full'] for f in known)} that filled", "none",
            sum(f["missed"] for f in known), most=0, digits=0),
        Row("forecast-early", "how early an even growth is warned of (median; 168 h is all of the threshold)", "140 h",
            lead(by_name["linear"], 1), least=140, unit="h", digits=0),
    ]
    return rows, ["The whole table is in docs/forecast.md."]
