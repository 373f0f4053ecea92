"""What /metrics says, read by Prometheus' own parsers and judged by promtool."""
import subprocess

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from .base import Failure

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """One page, parsed: samples by name, each a pair of its labels and value."""

    def __init__(self, answer):
        assert answer.status == 200, answer
        self.type = answer.headers["Content-Type"]
        self.text = answer.body.decode("utf-8", "strict")
        parse = open_families if self.type == OPENMETRICS else text_families
        self.families = {f.name: f for f in parse(self.text)}
        self.samples = {}
        seen = set()
        for f in self.families.values():
            for s in f.samples:
                key = (s.name, tuple(sorted((k, v) for k, v in s.labels.items() if v)))
                assert key not in seen, f"twice: {key}"
                seen.add(key)
                self.samples.setdefault(s.name, []).append((s.labels, s.value))

    def all(self, name, **labels):
        """[(labels, value)] of the samples that have these labels; an absent label is ""."""
        return [(have, value) for have, value in self.samples.get(name, [])
                if all(have.get(k, "") == v for k, v in labels.items())]

    def value(self, name, **labels):
        """The one value, or None."""
        found = self.all(name, **labels)
        assert len(found) < 2, found
        return found[0][1] if found else None


def metrics(daemon, openmetrics=False):
    """Both formats say the same; this is one of them, parsed strictly."""
    accept = {"Accept": OPENMETRICS.replace("; charset=utf-8", "")} if openmetrics else {}
    answer = daemon.request("GET", "/metrics", headers=accept)
    assert answer.headers["Content-Type"] == (OPENMETRICS if openmetrics else TEXT)
    return Metrics(answer)


def promtool(*argv, text=None):
    done = subprocess.run(["promtool", *map(str, argv)], input=text, capture_output=True, text=True,
                          timeout=60, check=False)
    if done.returncode != 0:
        raise Failure(f"promtool {' '.join(map(str, argv))}: exit {done.returncode}: "
                      f"{(done.stdout + done.stderr)[:2000]}")
    return done.stdout + done.stderr
