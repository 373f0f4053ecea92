"""The daemon's JSON log as it grows, over all its lives, read once and shared by threads."""
import json
import threading

PREFIX = "6d1f0c5b1d0f4a5c8a0be4a2d3c7e1"


def kind(entry):
    """The last two digits of the message id; "" for what is no transition or note."""
    text = entry.get("MESSAGE_ID", "")
    return text[len(PREFIX):] if text.startswith(PREFIX) else ""


def when(entry):
    """Seconds since the epoch."""
    return int(entry["__REALTIME_TIMESTAMP"]) / 1e6


class Entries:
    """entries.all() has every line so far; each carries `life`, the daemon's start it came from.

    A line that is no JSON is kept in `broken`: a half line is legal only at the end of a life that
    was killed."""

    def __init__(self, folder):
        self.folder = folder
        self.broken = []
        self._list, self._lock = [], threading.Lock()
        self._life, self._offset, self._rest = 1, 0, b""

    def _read(self, life):
        path = self.folder / f"log.{life}"
        if not path.exists():
            return False
        with open(path, "rb") as f:
            f.seek(self._offset)
            data = f.read()
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            try:
                self._list.append({**json.loads(line), "life": life})
            except ValueError:
                self.broken.append(line[:200])
        return True

    def all(self):
        with self._lock:
            self._read(self._life)
            while (self.folder / f"log.{self._life + 1}").exists():
                self._read(self._life)  # what came while we looked for a next one
                self._life, self._offset, self._rest = self._life + 1, 0, b""
                self._read(self._life)
            return list(self._list)

    def told(self, *kinds, since=0, **fields):
        """Entries from position `since` on with one of the kinds and these DBHEALTH_ fields."""
        return [e for e in self.all()[since:]
                if kind(e) in kinds
                and all(e.get(f"DBHEALTH_{k.upper()}", "") == v for k, v in fields.items())]


class Open:
    """Findings that are open by what was told; feed() takes the entries as they come."""

    def __init__(self):
        self.open, self._at = {}, 0

    def feed(self, entries):
        for e in entries[self._at:]:
            finding = e.get("DBHEALTH_FINDING_ID")
            if not finding or not e.get("DBHEALTH_EVENT_ID"):
                continue
            if e["DBHEALTH_SEVERITY"] in ("warning", "critical"):
                self.open[finding] = e
            else:
                self.open.pop(finding, None)
        self._at = len(entries)
        return self.open.values()
