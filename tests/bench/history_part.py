"""The history at full size: 1,000 databases with 60 samples each a minute, hours in one go."""
import json
import subprocess
import time

import history_daemon
from fixture import BUILD, Failure
from report import Row

DATABASES, CHECKS = 1000, 60


def make(folder, *words):
    done = subprocess.run([BUILD / "bench/history", folder, *[str(w) for w in words]],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"bench/history: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure(bench):
    rows, notes = library(bench)
    more, told = history_daemon.load(bench)
    few, days = (10, 3) if bench.quick else (20, 30)
    m = make(bench.folder.path / "prepared", few, CHECKS, days * 24, int(time.time()))
    asked = history_daemon.questions(bench, bench.folder.path / "prepared", days)
    return rows + more + asked, notes + told + [
        f"What is asked over {days} d was prepared: {m['samples']:,} samples of {few} databases; over the API each question "
        "is a process of its own."]


def library(bench):
    hours = 1 if bench.quick else 4
    m = make(bench.folder.path / "history", DATABASES, CHECKS, hours)
    seconds = m["seconds"]
    logged = seconds % 1800 or 1800
    closed = (seconds - logged) or seconds
    raw_day = m["raw"] / closed * 86400
    # what was merged is three quarters of the time, up to midnight
    share = m["minutes"] / closed * 86400, m["hours"] / (seconds * 0.75) * 86400
    rows = [
        Row("history-cpu", f"CPU of the history, {DATABASES} databases with {CHECKS} samples each a minute: the loop's "
            "side (with making the values up) and the writer's", "at most 1 %",
            (m["loop_s"] + m["writer_s"]) / seconds * 100, most=1, unit="% of a core"),
        Row("history-disk", "disk a day of samples as they come (48 h are kept)", "at most 400 MB", raw_day / 1e6,
            most=400, unit="MB", digits=0),
        Row("history-disk-5min", "disk a day of averages of 5 minutes (30 d are kept)", "at most 200 MB", share[0] / 1e6,
            most=200, unit="MB", digits=0),
        Row("history-disk-1h", "disk a day of averages of an hour (400 d are kept)", "at most 30 MB", share[1] / 1e6,
            most=30, unit="MB", digits=0),
        Row("history-query", "a question for the last hour, each sample", "at most 500 ms", m["hour_raw_ms"], most=500,
            unit="ms", digits=0),
        Row("history-query-all", f"the same for {hours} h by averages of 5 minutes", "at most 500 ms", m["all_5min_ms"],
            most=500, unit="ms", digits=0)]
    notes = [f"{m['samples']:,} samples of {DATABASES * CHECKS:,} series: of ten, four do not move, four count or grow, two "
             f"are noise. {m['raw'] / (m['samples'] * closed / seconds):.1f} bytes a sample; the log of the last half hour takes "
             f"{m['log'] / 1e6:.0f} MB at most, the names {m['names'] / 1e3:.0f} kB. The writer's share is "
             f"{m['writer_s'] / seconds * 100:.2f} % of a core; its longest step (closing half an hour, making a day's averages) "
             f"takes {m['worst_step_ms']:.0f} ms, in which samples wait in the loop; at most {m['rss_kb'] / 1024:.0f} MB resident. "
             f"All of it is bounded by history_max_bytes (2 GB), which shortens all levels alike.",
             f"Questions scan the log of the last half hour: {hours} h of samples take {m['all_raw_ms']:.0f} ms, averages of an "
             f"hour {m['all_1h_ms']:.0f} ms."]
    return rows, notes
