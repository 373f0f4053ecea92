"""What the tests of "it must hold" share: fast schedules, and the question whether calm stayed calm."""
import contextlib

from .base import timed, wait_until
from .pulse import Pulse

FAST = {"connectivity_interval": "1s", "performance_interval": "2s", "schema_interval": "4s",
        "integrity_interval": "8s", "reconnect_interval": "2s", "timeout": "2s"}
BUDGET = 2  # pool_size 1 + max_overflow 1


def allowed_delay():
    """50 ms is the promise; where other things may run beside us only stalls are told."""
    return 0.05 if timed() else 1.5


@contextlib.contextmanager
def undisturbed(daemon, name="calm", runs=6):
    """What happens inside does not delay name's connectivity probe, against an idle control."""
    with Pulse(daemon, name, 1) as control:
        wait_until(lambda: len(control.runs) >= runs, 6 * runs, lambda: f"control runs {control.runs}")
    with Pulse(daemon, name, 1) as pulse:
        yield pulse
        seen = len(pulse.runs)
        wait_until(lambda: len(pulse.runs) >= max(runs, seen), 6 * runs, lambda: f"runs {pulse.runs}")
    assert pulse.lateness() <= control.lateness() + allowed_delay(), \
        f"{name}: late by {pulse.lateness() * 1000:.0f} ms, {control.lateness() * 1000:.0f} ms when idle"
    assert pulse.loop_lateness() <= max(allowed_delay(), control.loop_lateness()), \
        f"the loop came {pulse.loop_lateness() * 1000:.0f} ms late"
    assert pulse.statuses == {"ok"}, f"{name} was {pulse.statuses}"


def cause(finding):
    """The cause that a finding names, in its labels or else in its words."""
    return finding["labels"].get("cause") or finding["message"]


def wait_down(daemon, why, within=12, **query):
    """conn-up is open and names the cause."""
    return daemon.wait_finding("conn-up", within=within, severity="critical",
                               where=lambda f: why in cause(f), **query)
