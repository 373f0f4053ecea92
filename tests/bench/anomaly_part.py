"""What is unusual at this hour: how often it is told falsely, and how soon truly (docs/anomaly.md)."""
import os
import subprocess

from fixture import BUILD, Failure
from report import Row

UNRULY = ("the same, noisy", "office hours, a holiday", "a job on the first of a month")


def measure(bench):
    done = subprocess.run([BUILD / "bench/anomaly"], capture_output=True, text=True, check=False,
                          env={**os.environ, "TZ": "Europe/Berlin"})
    if done.returncode != 0:
        raise Failure(f"bench/anomaly: {done.stderr.strip()}")
    print(done.stdout)
    worst = {"info": 0.0, "warning": 0.0}
    for line in done.stdout.split("\n\n")[0].splitlines()[1:]:
        if not line.startswith(UNRULY):
            level = line[30:47].split(", ")[1].strip()
            worst[level] = max(worst[level], float(line[47:].split()[0]))
    rows = [Row("anomaly-warning", "false warnings a week of a database, the worst of the regular shapes", "none",
                worst["warning"], most=0, unit="", digits=3),
            Row("anomaly-info", "the same of severity info", "at most one in five weeks", worst["info"], most=0.2, unit="",
                digits=3)]
    return rows, ["The whole table is in docs/anomaly.md."]
