"""Is a measured quantity flat?  Samples of processes, and a slope that outliers do not move."""
import os
import statistics
import threading
import time


def growth(samples, most=300):
    """Theil and Sen: the median of all slopes between two samples, times the duration.

    samples: (time, value); from long series every n-th is taken."""
    step = max(1, len(samples) // most)
    some = samples[::step]
    slopes = [(v2 - v1) / (t2 - t1) for i, (t1, v1) in enumerate(some)
              for t2, v2 in some[i + 1:] if t2 > t1]
    return statistics.median(slopes) * (some[-1][0] - some[0][0]) if slopes else 0.0


def thirds(samples):
    """Medians of the first and of the last third."""
    n = max(1, len(samples) // 3)
    return (statistics.median(v for _, v in samples[:n]),
            statistics.median(v for _, v in samples[-n:]))


class Verdict:
    """Whether samples grow by more than `absolute` and more than the share `relative`.

    What happens in the first quarter is warming up.  Both measures must agree, so that neither a
    late step back nor one early peak decides alone."""

    def __init__(self, name, samples, absolute, relative, unit=""):
        self.name, self.unit = name, unit
        samples = samples[len(samples) // 4:]
        self.enough = len(samples) >= 12
        if not self.enough:
            self.fault = f"{name}: only {len(samples)} samples after warming up"
            return
        values = [v for _, v in samples]
        self.low, self.middle, self.high = min(values), statistics.median(values), max(values)
        self.first, self.last = thirds(samples)
        self.growth = growth(samples)
        allowed = max(absolute, relative * self.first)
        self.fault = None
        if self.growth > allowed and self.last - self.first > allowed:
            self.fault = (f"{name} grows: {self.first:g} -> {self.last:g} {unit} "
                          f"(slope {self.growth:+.1f} over the time, {allowed:.1f} allowed)")

    def __str__(self):
        if not self.enough:
            return self.fault
        return (f"{self.name:28} {self.low:10.1f} {self.middle:10.1f} {self.high:10.1f} "
                f"{self.first:10.1f} {self.last:10.1f} {self.growth:+9.1f} {self.unit}")

    HEAD = f"{'':28} {'least':>10} {'median':>10} {'most':>10} {'early':>10} {'late':>10} {'slope':>9}"


def memory_kb(pid):
    """What the process alone accounts for (proportional set), in kB."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


class Sampler:
    """Samples the daemon and its workers; more(): NAME -> value of one's own each time.

    series: NAME -> [(time, value)]; restart() forgets what was, for another process begins."""

    def __init__(self, daemon, every=1.0, more=None):
        self.daemon, self.every, self.more = daemon, every, more or dict
        self.series, self._end, self._lock = {}, threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._end.set()
        self._thread.join(30)

    def restart(self):
        with self._lock:
            self.series = {}

    def _add(self, now, name, value):
        self.series.setdefault(name, []).append((now, value))

    def _sample(self):
        pid, now = self.daemon.process.pid, time.monotonic()
        workers = self.daemon.workers()
        memory, descriptors = memory_kb(pid), len(os.listdir(f"/proc/{pid}/fd"))
        of_workers = 0
        for worker in workers:
            try:
                of_workers += memory_kb(worker)
            except OSError:
                pass
        with self._lock:
            self._add(now, "daemon memory", memory / 1024)
            self._add(now, "workers memory", of_workers / 1024)
            self._add(now, "descriptors", descriptors)
            self._add(now, "workers", len(workers))
            for name, value in self.more().items():
                self._add(now, name, value)

    def _run(self):
        while not self._end.wait(self.every):
            try:
                self._sample()
            except (OSError, AttributeError, AssertionError):
                pass  # between two lives of the daemon
