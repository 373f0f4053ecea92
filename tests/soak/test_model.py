"""The model itself: it accepts a true story and refuses each story with one thing wrong."""
import copy

import pytest
from entries import PREFIX
from model import Act, Expect, Judge, calm_between, calm_deadline, disturbed

ORDER = [0]


def entry(at, kind, before, now, *, check="conn-up", place="@a", finding="f1", life=1, event=None):
    ORDER[0] += 1
    server, database = (place[1:], "") if place.startswith("@") else ("", place)
    return {"__REALTIME_TIMESTAMP": str(int(at * 1e6)), "MESSAGE_ID": PREFIX + kind, "MESSAGE": f"{check} {at}",
            "DBHEALTH_SERVER": server, "DBHEALTH_DATABASE": database, "DBHEALTH_CHECK": check,
            "DBHEALTH_OBJECT": "", "DBHEALTH_PREVIOUS_SEVERITY": before, "DBHEALTH_SEVERITY": now,
            "DBHEALTH_EVENT_ID": event or f"{finding}-{ORDER[0]}", "life": life}


def down(at):
    return entry(at, "04", "none", "critical")


def up(at):
    return entry(at, "05", "critical", "none")


def stopped(**more):
    given = {"planted": 100.0, "set": 101.0, "curing": 110.0, "cured": 111.0, **more}
    return Act("a", "stopped", expect=[Expect("@a", "conn-up", within=4, gone=5)],
               allow=[("a", "unknown")], disturbs=["@a", "a"], recovery=1, **given)


def faults(acts, entries, **more):
    return Judge(acts, entries, end=more.pop("end", 200.0), **more).judge()


def test_a_true_story():
    assert faults([stopped()], [down(103), up(112)]) == []


@pytest.mark.parametrize("entries, wrong", [
    ([], "never told"),
    ([down(103)], "not resolved in time"),
    ([down(103), up(130)], "not resolved in time"),
    ([up(112)], "but was told as none"),
    ([down(103), down(104), up(112)], "but was told as critical"),
    ([down(103), up(105), down(106), up(112)], "told 2 times"),
    ([down(103), up(105)], "resolved while it was there"),
    ([down(103), up(112), down(140), up(141)], "nothing explains"),
    ([down(90), up(91), down(103), up(112)], "nothing explains"),
    ([down(103), entry(104, "02", "warning", "critical"), up(112)], "said to have been warning"),
    ([entry(103, "01", "none", "critical", check="xact-long", finding="f2"), down(103), up(112)],
     "nothing explains"),
    ([down(103), entry(112, "03", "critical", "warning")], "told as kind 03"),
])
def test_a_story_with_one_thing_wrong(entries, wrong):
    found = faults([stopped()], copy.deepcopy(entries))
    assert any(wrong in f for f in found), found


def test_what_may_come_and_go():
    act = stopped()
    act.expect[0].steady = False
    assert faults([act], [down(103), up(105), down(106), up(112)]) == []
    assert any("never told" in f for f in faults([act], []))


def test_every_entry_is_missed_when_it_is_dropped():
    acts, entries = [], []
    for i in range(5):
        t = 100.0 + 40 * i
        acts.append(stopped(planted=t, set=t + 1, curing=t + 10, cured=t + 11))
        entries += [down(t + 3), up(t + 12)]
    assert faults(acts, entries, end=400) == []
    for i in range(len(entries)):
        assert faults(acts, entries[:i] + entries[i + 1:], end=400), f"entry {i} was not missed"


def test_too_short_to_be_demanded():
    brief = stopped(curing=104.0, cured=105.0)
    assert faults([brief], []) == []
    assert faults([brief], [down(103), up(106)]) == []


def test_twice_only_after_a_kill():
    first, second = down(103), up(112)
    again = {**first, "life": 2}
    assert faults([stopped()], [first, again, second], killed=[1]) == []
    assert any("without a kill" in f for f in faults([stopped()], [first, again, second]))
    assert any("without a kill" in f
               for f in faults([stopped()], [first, {**first}, second], killed=[1]))
    other = {**again, "MESSAGE": "else"}
    assert any("other words" in f for f in faults([stopped()], [first, other, second], killed=[1]))


def test_disturbance_stops_the_watch():
    orphans = Act("a/x", "orphans", 100.0, 101.0, 140.0, 141.0,
                  expect=[Expect("a/x", "fk-orphan-rows", within=10, gone=10)])
    outage = Act("a", "stopped", 102.0, 102.0, 130.0, 131.0, disturbs=["a/*"], recovery=2)
    told = [entry(150, "01", "none", "critical", check="fk-orphan-rows", place="a/x", finding="f3"),
            entry(151, "03", "critical", "none", check="fk-orphan-rows", place="a/x", finding="f3")]
    assert faults([orphans, outage], []) == []
    assert any("never told" in f for f in faults([orphans], []))
    assert faults([orphans, outage], told) == []


def test_unknown_is_explained_too():
    e = entry(103, "06", "none", "none")
    del e["DBHEALTH_EVENT_ID"]
    e.update(DBHEALTH_DATABASE="a", DBHEALTH_REASON="timeout")
    assert faults([stopped()], [down(103), e, up(112)]) == []
    e["DBHEALTH_DATABASE"] = "b"
    assert any("nothing explains" in f for f in faults([stopped()], [down(103), e, up(112)]))


def test_info_comes_and_goes_without_a_word():
    act = Act("a", "x", 100.0, 100.0, 120.0, 121.0, allow=[("@a", "*")])
    raised = entry(103, "02", "info", "warning", check="c", finding="f4")
    assert faults([act], [raised, entry(122, "03", "warning", "none", check="c", finding="f4")]) == []


def test_calm_time():
    acts = [Act("s", "x", 10.0, cured=20.0, disturbs=["a*"], recovery=5),
            Act("s", "y", 22.0, cured=30.0, disturbs=["a*"]), Act("s", "z", 50.0, disturbs=["b"])]
    spans = disturbed(acts, "a1")
    assert spans == [(10.0, 30.0)]
    assert calm_between(spans, 0, 40) == 20
    assert calm_deadline(spans, 5, 3) == 8
    assert calm_deadline(spans, 5, 5) == 10
    assert calm_deadline(spans, 5, 7) == 32
    assert calm_deadline(spans, 15, 2) == 32
    assert disturbed(acts, "b") == [(50.0, float("inf"))]


def changed(at, series, number):
    """A schema changed: told once, counted for itself, no finding."""
    told = entry(at, "0a", "", "info", check="schema-drift", place="a", event=f"{series}-{number}")
    del told["DBHEALTH_PREVIOUS_SEVERITY"]
    return told


def test_versions_of_each_schema_count_for_themselves():
    assert faults([stopped()], [down(103), changed(104, "s1", 7), changed(105, "s2", 1), up(112), changed(113, "s1", 8)]) == []
    assert any("out of order" in f for f in faults([stopped()], [changed(102, "s1", 8), down(103), changed(104, "s1", 7), up(112)]))
