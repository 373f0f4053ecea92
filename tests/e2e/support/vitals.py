"""What a process costs: memory, descriptors, processor time; and that it comes back to a mark."""
import os
import time

from .base import Failure, sanitized, wait_until

TICKS = os.sysconf("SC_CLK_TCK")


class Vitals:
    """v = Vitals(daemon): a mark of now; later v.assert_back() and v.grown()."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.pid = daemon.process.pid
        self.descriptors_before = self.own_descriptors()
        self.resident_before = self.resident()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def own_descriptors(self):
        """Without the socket and the pidfd of each worker: those come and go with the work."""
        return self.descriptors() - 2 * len(self.daemon.workers())

    def resident(self):
        """Its own pages: those of the program and its libraries are let go and come back by themselves."""
        with open(f"/proc/{self.pid}/status", encoding="utf-8", errors="replace") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("RssAnon:")) * 1024

    def cpu_s(self):
        """User and system time of the process itself, without its workers."""
        with open(f"/proc/{self.pid}/stat", encoding="utf-8", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def cpu_over(self, seconds):
        """Processor seconds used while `seconds` pass."""
        before, start = self.cpu_s(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu_s() - before) * seconds / (time.monotonic() - start)

    def grown(self):
        """Bytes of resident memory more than at the mark."""
        return self.resident() - self.resident_before

    def assert_modest(self, more):
        """Memory grew by less than `more` bytes; sanitizers keep what was freed, so not there."""
        if not sanitized() and self.grown() >= more:
            raise Failure(f"{self.grown() / 1e6:.1f} MB more memory, {more / 1e6:.1f} allowed")

    def assert_back(self, spare=2, within=15):
        """As many descriptors as at the mark; spare: a worker or a session may just be at work."""
        wait_until(lambda: self.own_descriptors() <= self.descriptors_before + spare, within * self.daemon.slack,
                   lambda: f"{self.own_descriptors()} descriptors, {self.descriptors_before} before")
