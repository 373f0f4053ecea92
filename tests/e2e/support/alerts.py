"""What people are told: by the journal, and by the program of an [alert]."""
import json


def program(folder):
    """A program that keeps what it is told."""
    script = folder.sub("program") / "tell"
    script.write_text(f"#!/bin/sh\nt=$(mktemp '{script.parent}/XXXXXX') && cat >\"$t\" && mv \"$t\" \"$t.told\"\n")
    script.chmod(0o755)
    return script


def alerts(script):
    """(kind, check) of all that it was told."""
    out = [json.loads(p.read_text()) for p in sorted(script.parent.glob("*.told"), key=lambda p: p.stat().st_mtime_ns)]
    return [(e["kind"], e["check"]) for m in out for e in m.get("events", [])]


def told(d, start=None):
    """Findings of which the journal was told: (MESSAGE_ID, check, object), what is advice left out."""
    return [(e["MESSAGE_ID"][-2:], e["DBHEALTH_CHECK"], e["DBHEALTH_OBJECT"])
            for e in d.transitions("01", "02", "03", "04", "05", "06", "0a", start=start)
            if e.get("DBHEALTH_SEVERITY") in ("warning", "critical") or e["MESSAGE_ID"][-2:] in ("03", "05", "06")]
