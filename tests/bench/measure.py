"""CPU, memory and latency from outside the processes measured, and ratios of interleaved pairs."""
import os
import statistics
import time


def tasks_ns(pid):
    """CPU of every live thread, in nanoseconds (the scheduler's own count)."""
    total = 0
    try:
        for tid in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as f:
                    total += int(f.read().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                pass
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total


def stat(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
        return f.read().rpartition(")")[2].split()


def reaped_ns(pid):
    """CPU of children that ended and were waited for: whole clock ticks only."""
    try:
        fields = stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return (int(fields[13]) + int(fields[14])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def family(pid):
    """pid and everything below it that lives."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parents.setdefault(int(stat(entry)[1]), []).append(int(entry))
            except (FileNotFoundError, ProcessLookupError):
                pass
    out, todo = [], [pid]
    while todo:
        p = todo.pop()
        out.append(p)
        todo += parents.get(p, [])
    return out


def family_ns(pid):
    """CPU of a process, its live children and those it has waited for."""
    return sum(tasks_ns(p) + reaped_ns(p) for p in family(pid))


def memory_kb(pid, field="VmRSS"):
    path = f"/proc/{pid}/status" if field.startswith("Vm") else f"/proc/{pid}/smaps_rollup"
    try:
        with open(path, encoding="ascii", errors="replace") as f:
            for line in f:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass  # a worker that has just ended
    return 0


class Spread:
    """Median and quartiles of what was seen."""

    def __init__(self, values):
        self.values = sorted(values)

    @property
    def median(self):
        return statistics.median(self.values)

    def quantile(self, q):
        if len(self.values) == 1:
            return self.values[0]
        return statistics.quantiles(self.values, n=100, method="inclusive")[int(q * 100) - 1]

    def text(self, scale=1.0, digits=2):
        def show(v):
            return f"{v * scale:.{digits}f}"
        return f"{show(self.median)} ({show(self.quantile(.25))} to {show(self.quantile(.75))})"


def ratios(pairs):
    """The spread of a/b over pairs; pairs in which the second saw nothing are left out."""
    return Spread([a / b for a, b in pairs if b > 0])


class Meter:
    """Differences of counters between two looks: Meter(name=function).look() -> {name: difference}."""

    def __init__(self, **counters):
        self.counters = counters
        self.last = {k: f() for k, f in counters.items()}

    def look(self):
        now = {k: f() for k, f in self.counters.items()}
        out = {k: now[k] - self.last[k] for k in now}
        self.last = now
        return out


def sleep_until(when):
    wait = when - time.monotonic()
    if wait > 0:
        time.sleep(wait)
