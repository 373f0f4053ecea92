"""What must have been told, worked out from what was done: deterministic, without any clock.

Input: the acts (what was planted when, and what of it must and may be told) and the entries of the
daemon's log.  Output: faults, a text each.  All times are seconds since the epoch."""
import collections
import dataclasses
import fnmatch

from entries import kind, when

OPENING, RESOLVING = ("01", "04", "0a"), ("03", "05")
LEVELS = ("none", "info", "warning", "critical")
EVER = float("inf")
RETELL = 15.0  # an entry waits so long at most before it is written


def level(text):
    return LEVELS.index(text or "none")


@dataclasses.dataclass
class Expect:
    """A finding that must be told: check (glob) at place; within and gone are seconds of undisturbed
    time after it was set, and after it was cured.

    any_of: one or more findings fit, each is told; else exactly one.  steady: it stays until it is
    cured; else it may go and come again meanwhile."""
    place: str
    check: str
    within: float
    gone: float
    object: str = "*"
    any_of: bool = False
    steady: bool = True


@dataclasses.dataclass
class Act:
    """Something done to the world at `subject`.

    planted: just before it; set: it is there for certain (None: it never got there); curing: just
    before its end; cured: it is gone for certain.  allow: (place glob, check glob) that it explains,
    the check "unknown" stands for an entry that something cannot answer.  retells: entries of that
    time may come twice in one life (who writes them was killed).  disturbs: place globs
    that cannot be judged meanwhile, and for `recovery` seconds after it."""
    subject: str
    name: str
    planted: float
    set: float | None = None
    curing: float | None = None
    cured: float | None = None
    expect: list = dataclasses.field(default_factory=list)
    allow: list = dataclasses.field(default_factory=list)
    disturbs: list = dataclasses.field(default_factory=list)
    recovery: float = 0.0
    retells: bool = False

    def __str__(self):
        return f"{self.subject}: {self.name}"

    def explains(self, place, check, object_=None):
        # what cannot answer may be told as a finding, too
        allow = [*self.allow, *[(p, "probe-health*") for p, c in self.allow if c == "unknown"]]
        if any(fnmatch.fnmatchcase(place, p) and fnmatch.fnmatchcase(check, c) for p, c in allow):
            return True
        return any(fits(x, place, check, object_) for x in self.expect)


def fits(expect, place, check, object_):
    return (fnmatch.fnmatchcase(place, expect.place) and fnmatch.fnmatchcase(check, expect.check)
            and (object_ is None or fnmatch.fnmatchcase(object_, expect.object)))


def place_of(entry):
    """The database, or @server for what belongs to a whole server."""
    return entry.get("DBHEALTH_DATABASE") or "@" + entry.get("DBHEALTH_SERVER", "")


def disturbed(acts, place, but=()):
    """Sorted (from, to) in which place could not be judged; acts of `but` do not count."""
    spans = sorted((a.planted, EVER if a.cured is None else a.cured + a.recovery) for a in acts
                   if a not in but and any(fnmatch.fnmatchcase(place, p) for p in a.disturbs))
    out = []
    for begin, end in spans:
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((begin, end))
    return out


def calm_between(spans, begin, end):
    """Seconds between begin and end outside the spans."""
    calm = max(0.0, end - begin)
    for a, b in spans:
        calm -= max(0.0, min(b, end) - max(a, begin))
    return calm


def calm_deadline(spans, begin, seconds):
    """When `seconds` of calm have passed since begin."""
    at = begin
    for a, b in spans:
        if b <= at:
            continue
        if a - at >= seconds:
            break
        seconds -= max(0.0, a - at)
        at = b
    return at + seconds


@dataclasses.dataclass
class Spell:
    """One finding from being told to being resolved."""
    finding: str
    place: str
    check: str
    object: str
    begin: float
    end: float = EVER
    worst: int = 0


class Judge:
    """acts and entries -> faults; killed: numbers of the lives that ended by kill -9; end: when the
    log was read last; tolerance: what two clocks and the order of writing may differ."""

    def __init__(self, acts, entries, killed=(), end=EVER, tolerance=0.5):
        self.acts, self.killed, self.end, self.tolerance = acts, set(killed), end, tolerance
        self.entries = entries
        self.faults, self.spells, self.unknowns = [], [], []
        self.counted = collections.Counter()

    def judge(self):
        self._follow(self._once(self.entries))
        for spell in self.spells:
            self._explain(spell)
        for entry in self.unknowns:
            self._explain_unknown(entry)
        for act in self.acts:
            for expect in act.expect:
                self._demand(act, expect)
        return self.faults

    # ---- delivery: at least once, and twice only where a kill came between ----
    def _once(self, entries):
        seen, out = {}, []
        for e in entries:
            key = e.get("DBHEALTH_EVENT_ID")
            if kind(e) == "06" and e.get("DBHEALTH_REASON"):
                self.unknowns.append(e)
            if not key:
                continue
            first = seen.setdefault(key, e)
            if first is e:
                out.append(e)
                continue
            self.counted["told again after a kill"] += 1
            if (e["life"] == first["life"] or first["life"] not in self.killed) \
                    and not self._retold(when(e)):
                self.faults.append(f"told twice without a kill between: {e['MESSAGE']}")
            elif {**e, "life": 0} != {**first, "life": 0}:
                self.faults.append(f"told again in other words: {e['MESSAGE']}")
        return out

    def _retold(self, at):
        return any(a.retells and a.planted - RETELL <= at <= (a.cured or at) + RETELL for a in self.acts)

    # ---- every finding goes its legal way ----
    def _follow(self, entries):
        open_, last, newest = {}, {}, {}
        for e in entries:
            finding, number = e["DBHEALTH_EVENT_ID"].rsplit("-", 1)
            event = "DBHEALTH_PREVIOUS_SEVERITY" not in e
            # findings count together, the versions of each schema for themselves
            series = finding if event else "findings"
            if int(number) <= newest.get(series, 0):
                self.faults.append(f"out of order: {e['MESSAGE']}")
            newest[series] = int(number)
            if kind(e) == "0a" and event:
                self.counted["changes of a schema"] += 1  # told once, no finding that opens or closes
                continue
            before, now = level(e["DBHEALTH_PREVIOUS_SEVERITY"]), level(e["DBHEALTH_SEVERITY"])
            was = last.get(finding, 0)
            # what is info comes and goes without a word
            if before != was and max(before, was) > level("info"):
                self.faults.append(f"said to have been {LEVELS[before]}, but was told as "
                                   f"{LEVELS[was]}: {e['MESSAGE']}")
            legal = {"01": before == 0 < now, "04": before == 0 < now, "0a": before == 0 < now,
                     "02": before > 0 and now > 0 and before != now,
                     "03": before > 0 == now, "05": before > 0 == now}[kind(e)]
            if not legal:
                self.faults.append(f"{LEVELS[before]} to {LEVELS[now]} told as kind {kind(e)}: {e['MESSAGE']}")
            last[finding] = now
            self._spell(open_, finding, e, now)

    def _spell(self, open_, finding, e, now):
        spell = open_.get(finding)
        if now >= level("warning"):
            if spell is None:
                spell = open_[finding] = Spell(finding, place_of(e), e["DBHEALTH_CHECK"],
                                               e.get("DBHEALTH_OBJECT", ""), when(e))
                self.spells.append(spell)
            spell.worst = max(spell.worst, now)
        elif spell is not None:
            spell.end = when(e)
            del open_[finding]

    # ---- nothing is told that nothing explains, nothing stays once it is cured ----
    def _acts_at(self, place, check, object_, at):
        """Those that explain it: it was begun, and not so long over that it should be forgotten."""
        for act in self.acts:
            if not act.explains(place, check, object_) or act.planted - self.tolerance > at:
                continue
            if at <= self.over(act, place, check):
                yield act

    def _gone(self, act, place, check):
        given = [x.gone for x in act.expect if fits(x, place, check, None)]
        return max(given) if given else max((x.gone for x in act.expect), default=15.0)

    def over(self, act, place, check):
        if act.cured is None:
            return EVER
        spans = disturbed(self.acts, place, but=(act,))
        begin = act.cured + act.recovery
        return calm_deadline(spans, begin, self._gone(act, place, check)) + self.tolerance

    def _explain(self, spell):
        acts = list(self._acts_at(spell.place, spell.check, spell.object, spell.begin))
        if not acts:
            self.faults.append(f"nothing explains {describe(spell)}")
            return
        self.counted["explained"] += 1
        # others of the same kind may have begun before this one ended
        while True:
            over = max(self.over(a, spell.place, spell.check) for a in acts)
            more = [a for a in self.acts if a not in acts and a.explains(spell.place, spell.check, spell.object)
                    and spell.begin < a.planted <= over]
            if not more:
                break
            acts += more
        if spell.end > over and self.end > over:
            self.faults.append(f"not resolved in time after {acts[0]}: {describe(spell)}, "
                               f"due {over - spell.begin:.1f} s after it was told")

    def _explain_unknown(self, e):
        place, at = place_of(e), when(e)
        if not any(self._acts_at(place, "unknown", None, at)):
            self.faults.append(f"nothing explains: {e['MESSAGE']}")

    # ---- what was planted is told ----
    def _demand(self, act, expect):
        if act.set is None:
            return
        until = self.end if act.curing is None else act.curing
        spans = disturbed(self.acts, expect.place, but=(act,))
        held = calm_between(spans, act.set, until)
        over = min(self.end, self.over(act, expect.place, expect.check))
        mine = [s for s in self.spells if fits(expect, s.place, s.check, s.object)
                and act.planted - self.tolerance <= s.begin <= over]
        if not mine:
            if held >= expect.within:
                self.faults.append(f"never told: {act}: {expect.check} at {expect.place}, "
                                   f"there for {held:.1f} s of calm")
            else:
                self.counted["too short to be demanded"] += 1
            return
        self.counted["demanded and told"] += 1
        # what was told after the next cause of the same may be that one's
        next_ = min((a.planted for a in self.acts if a.planted > act.planted
                     and a.explains(expect.place, expect.check)), default=EVER)
        mine = [s for s in mine if s.begin < next_] or mine[:1]
        if expect.any_of or not expect.steady:
            return
        if len(mine) > 1:
            self.faults.append(f"told {len(mine)} times for {act}: {', '.join(map(describe, mine))}")
        for s in mine:
            if s.end < until - self.tolerance:
                self.faults.append(f"resolved while it was there ({act}): {describe(s)}")


def describe(spell):
    lasted = "still open" if spell.end == EVER else f"for {spell.end - spell.begin:.1f} s"
    return (f"{spell.place} {spell.check} {spell.object} ({LEVELS[spell.worst]}, {lasted}, "
            f"at {clock(spell.begin)}, {spell.finding[:6]})")


def clock(seconds):
    """Seconds of the day, as the log's stamps can be compared with."""
    return f"{seconds % 86400:.2f}"
