"""How evenly one database is probed while others are in trouble."""
import datetime
import threading

from .base import Failure


def parse_time(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(
        tzinfo=datetime.timezone.utc).timestamp()


class Pulse:
    """with Pulse(daemon, "calm", interval=1) as p: ...; then p.lateness() in seconds.

    Watches last_run of one probe through the API.  A schedule that never drifts puts every run on
    one grid; lateness is how far the latest lies behind the earliest, or how much longer than the
    interval the longest pause was."""

    def __init__(self, daemon, database, interval, probe="connectivity"):
        self.daemon, self.database, self.interval, self.probe = daemon, database, interval, probe
        self.runs, self.faults, self.statuses = [], [], set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self.loop_before = self._loop()
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._end.set()
        self._thread.join(30)
        if not exc[0] and self.faults:
            raise Failure(f"the API while watching: {self.faults[:3]}")
        self.loop_after = self._loop()

    def _loop(self):
        return self.daemon.status()["daemon"]["loop_lateness_max_ms"]

    def _watch(self):
        while not self._end.wait(self.interval / 15):
            try:
                probe = self.daemon.database(self.database)["probes"][self.probe]
            except Exception as e:  # noqa: BLE001  told at the end
                self.faults.append(repr(e))
                continue
            self.statuses.add(probe["status"])
            stamp = probe["last_run"]
            if stamp and (not self.runs or stamp != self.runs[-1]):
                self.runs.append(stamp)

    def lateness(self):
        times = [parse_time(t) for t in self.runs]
        if len(times) < 4:
            raise Failure(f"{self.database}: only {len(times)} runs seen: {self.runs}")
        offsets = [t - times[0] - round((t - times[0]) / self.interval) * self.interval for t in times]
        pauses = [b - a - self.interval for a, b in zip(times, times[1:])]
        return max(max(offsets) - min(offsets), max(pauses))

    def loop_lateness(self):
        """Seconds that the loop itself came late in this time, as it counts itself; 0 if no worse
        than before."""
        return self.loop_after / 1000 if self.loop_after > self.loop_before else 0.0
