"""Casework rules: every step of every machine, the arithmetic of limits, numbers, and the drawn page."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.casework.cases.machine import CASE
from services.casework.clues.machine import CLUE
from services.casework.clues.rules import relations
from services.casework.deadlines.rules import (
    BEIJING,
    DayCalendar,
    Rule,
    SpecialDay,
    Unit,
    beijing_day,
    due,
    in_force,
)
from services.casework.deadlines.service import shipped_days, shipped_rules
from services.casework.numbering.rules import Kind, format_number, number_year
from services.casework.workflow import diagram
from services.casework.workflow.rules import Relation
from services.common.diagram import mermaid
from services.common.problems import Problem
from services.common.workflow import Caller, Machine, State, Transition, allowed, decide

MACHINES = (CLUE, CASE)
GIVEN = {"org_code": "360702-SJ", "reason": "属地管辖"}
ALL = Caller(
    frozenset({"clue:assign", "clue:sign", "case:write"}),
    frozenset(Relation),
)
PAIRS = [(m, s.code, t.action) for m in MACHINES for s, t in product(m.states, m.transitions)]
# The procedure written out by hand, so that a slip in the declaration is seen.
LEGAL = {
    ("clue", "new", "assign"): "assigned",
    ("clue", "new", "dismiss"): "dismissed",
    ("clue", "assigned", "sign"): "signed",
    ("clue", "assigned", "return"): "returned",
    ("clue", "returned", "assign"): "assigned",
    ("clue", "returned", "dismiss"): "dismissed",
    ("clue", "signed", "file"): "filed",
    ("clue", "signed", "decline"): "not_filed",
    ("case", "filed", "investigate"): "investigating",
    ("case", "investigating", "conclude"): "concluded",
    ("case", "concluded", "close"): "closed",
}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: m.name)
def test_machines_are_sound(machine: Machine) -> None:
    assert machine.problems() == []


def test_an_unsound_machine_is_noticed() -> None:
    loose = Transition("go", "去", "Go", ("a",), "c", "x", Relation.ORIGIN, "§1", verified=True)
    machine = Machine(
        "m", "1", "机", "machine", "a", (State("a", "甲", "A"), State("b", "乙", "B")), (loose, loose)
    )
    assert {p.split(":")[0] for p in machine.problems()} == {"go", "b"}
    assert len(machine.problems()) == 5


@pytest.mark.parametrize(("machine", "state", "action"), PAIRS, ids=lambda x: getattr(x, "name", x))
def test_every_pair_of_state_and_action(machine: Machine, state: str, action: str) -> None:
    target = LEGAL.get((machine.name, state, action))
    if target is not None:
        assert decide(machine, state, action, ALL, GIVEN).target == target
        return
    with pytest.raises(Problem) as caught:
        decide(machine, state, action, ALL, GIVEN)
    assert (caught.value.status, caught.value.code) == (409, "workflow.illegal_transition")
    offered = {a["action"] for a in caught.value.extra["allowed"]}
    assert offered == {a for (m, s, a) in LEGAL if (m, s) == (machine.name, state)}


def test_the_hand_written_procedure_is_complete() -> None:
    declared = {(m.name, s, t.action) for m in MACHINES for t in m.transitions for s in t.sources}
    assert declared == set(LEGAL)


@pytest.mark.parametrize("key", sorted(LEGAL), ids="-".join)
def test_each_step_needs_its_permission_relation_and_fields(key: tuple[str, str, str]) -> None:
    name, state, action = key
    machine = CLUE if name == "clue" else CASE
    step = next(t for t in machine.from_state(state) if t.action == action)
    cases = [
        (Caller(ALL.permissions - {step.permission}, ALL.relations), GIVEN, 403, "identity.forbidden"),
        (Caller(ALL.permissions, ALL.relations - {step.relation}), GIVEN, 403, "workflow.not_yours"),
    ]
    for caller, fields, status, code in cases:
        with pytest.raises(Problem) as caught:
            decide(machine, state, action, caller, fields)
        assert (caught.value.status, caught.value.code) == (status, code)
        assert step not in allowed(machine, state, caller)
    for field in (f for f in step.fields if f.required):
        for blank in (None, "", "  "):
            with pytest.raises(Problem) as caught:
                decide(machine, state, action, ALL, {**GIVEN, field.name: blank})
            assert (caught.value.status, caught.value.code) == (422, "workflow.field_missing")


def test_unknown_actions_have_their_own_code() -> None:
    with pytest.raises(Problem) as caught:
        decide(CLUE, "new", "explode", ALL, GIVEN)
    assert (caught.value.status, caught.value.code) == (422, "workflow.unknown_action")


@pytest.mark.parametrize(
    ("org", "region", "expected"),
    [
        ("360121-SJ", "360121", {Relation.ORIGIN}),
        ("360100-SJ", "360100", {Relation.ORIGIN}),
        ("360000-SJ", "360000", {Relation.ORIGIN}),
        ("360121-KFQ", "360121", set()),
        ("360702-SJ", "360702", {Relation.ASSIGNEE}),
        ("360700-SJ", "360700", set()),
        ("360102-SJ", "360102", set()),
    ],
)
def test_who_stands_how_to_a_clue(org: str, region: str, expected: set[Relation]) -> None:
    got = relations(
        org=org, region=region, origin_org="360121-SJ", origin_region="360121", assigned_org="360702-SJ"
    )
    assert got == expected


# --- limits -----------------------------------------------------------------------------------------

SHIPPED = DayCalendar((SpecialDay(d["day"], d["working"]) for d in shipped_days()), {2026})
days = st.dates(date(2020, 1, 1), date(2032, 12, 31))
specials = st.dictionaries(st.dates(date(2024, 1, 1), date(2026, 12, 31)), st.booleans(), max_size=120)


def oracle(special: dict[date, bool], day: date) -> bool:
    return special.get(day, day.weekday() < 5)


def naive_nth(special: dict[date, bool], start: date, length: int) -> date:
    """Day by day, as a clerk counts with a finger on the wall calendar."""
    day = start
    while length:
        day += timedelta(days=1)
        length -= oracle(special, day)
    return day


@given(specials, st.dates(date(2023, 6, 1), date(2027, 6, 1)), st.integers(1, 400))
def test_working_days_agree_with_counting_day_by_day(
    special: dict[date, bool], start: date, length: int
) -> None:
    calendar = DayCalendar((SpecialDay(d, w) for d, w in special.items()), set())
    end = calendar.nth_working(start, length)
    assert end == naive_nth(special, start, length)
    assert calendar.count_working(start, end) == length
    assert calendar.is_working(end)


@given(specials, days, st.integers(-5, 900))
def test_counts_agree_with_counting_day_by_day(special: dict[date, bool], start: date, span: int) -> None:
    calendar = DayCalendar((SpecialDay(d, w) for d, w in special.items()), set())
    end = start + timedelta(days=span)
    assert calendar.count_working(start, end) == sum(
        oracle(special, start + timedelta(days=i)) for i in range(1, span + 1)
    )


@given(days, st.integers(1, 60), st.integers(1, 60))
def test_longer_limits_end_later(start: date, first: int, more: int) -> None:
    assert SHIPPED.nth_working(start, first) < SHIPPED.nth_working(start, first + more)


def test_the_shipped_calendar_of_2026() -> None:
    working = sum(SHIPPED.is_working(date(2026, 1, 1) + timedelta(days=i)) for i in range(365))
    # 2026 has 261 days from Monday to Friday.
    rows = shipped_days()
    assert working == 261 - sum(not r["working"] and r["day"].weekday() < 5 for r in rows) + sum(
        r["working"] for r in rows
    )
    assert sum(not r["working"] for r in rows) == 33
    assert all(r["day"].weekday() >= 5 for r in rows if r["working"])
    # Before Spring Festival: Saturday 14 February is worked, 15 to 23 is off, Saturday 28 is worked.
    assert SHIPPED.nth_working(date(2026, 2, 13), 1) == date(2026, 2, 14)
    assert SHIPPED.nth_working(date(2026, 2, 14), 1) == date(2026, 2, 24)
    assert SHIPPED.nth_working(date(2026, 2, 14), 5) == date(2026, 2, 28)
    assert SHIPPED.nth_working(date(2026, 9, 30), 15) == date(2026, 10, 27)


def rule(unit: Unit, length: int, first: date = date(2020, 1, 1), last: date | None = None) -> Rule:
    return Rule("r", "期限", "limit", unit, length, "法", "第一条", "试", True, first, last)


def test_a_limit_ends_at_midnight_in_china() -> None:
    event = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)  # 23:30 on the 20th in China
    assert beijing_day(event) == date(2026, 11, 20)
    assert beijing_day(event + timedelta(hours=1)) == date(2026, 11, 21)
    result = due(rule(Unit.WORK_DAY, 15), event, SHIPPED)
    assert result.last_day == date(2026, 12, 11)
    assert result.due_at == datetime(2026, 12, 12, tzinfo=BEIJING)
    assert not result.provisional


@given(days, st.integers(1, 120))
def test_calendar_days_end_on_a_working_day(start: date, length: int) -> None:
    event = datetime(start.year, start.month, start.day, 12, tzinfo=BEIJING)
    last = due(rule(Unit.CALENDAR_DAY, length), event, SHIPPED).last_day
    nominal = start + timedelta(days=length)
    assert SHIPPED.is_working(last) and last >= nominal
    assert all(not SHIPPED.is_working(nominal + timedelta(days=i)) for i in range((last - nominal).days))


def test_a_year_without_its_notice_is_provisional() -> None:
    result = due(rule(Unit.CALENDAR_DAY, 90), datetime(2026, 11, 21, tzinfo=BEIJING), SHIPPED)
    assert result.last_day == date(2027, 2, 19)
    assert result.provisional


def test_the_version_in_force_is_taken() -> None:
    old = rule(Unit.WORK_DAY, 7, date(2019, 1, 1), date(2021, 7, 15))
    new = rule(Unit.WORK_DAY, 15, date(2021, 7, 15))
    assert in_force([old, new], "r", date(2021, 7, 14)) is old
    assert in_force([old, new], "r", date(2021, 7, 15)) is new
    for rules, day in (([old, new], date(2018, 1, 1)), ([new, new], date(2022, 1, 1))):
        with pytest.raises(LookupError):
            in_force(rules, "r", day)


def test_shipped_limits() -> None:
    known = {r["code"]: r for r in shipped_rules()}
    check, decision = known["clue.check"], known["case.decision"]
    assert (check["length"], check["unit"], check["article"], check["verified"]) == (
        15,
        "work_day",
        "第十八条",
        False,
    )
    assert (decision["length"], decision["unit"], decision["article"], decision["verified"]) == (
        90,
        "calendar_day",
        "第六十条",
        True,
    )


# --- numbers and the page ---------------------------------------------------------------------------


def test_numbers() -> None:
    county = format_number(Kind.CLUE, "南昌县市场监督管理局", "360121", 2026, 7)
    assert county == "赣市监南昌县线〔2026〕0007号"
    assert (
        format_number(Kind.CASE, "江西省市场监督管理局", "360000", 2026, 12345) == "赣市监立〔2026〕12345号"
    )
    assert number_year(datetime(2026, 12, 31, 15, 59, tzinfo=UTC)) == 2026
    assert number_year(datetime(2026, 12, 31, 16, 0, tzinfo=UTC)) == 2027


def test_the_page_of_workflows_is_current(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "workflows.md"
    assert diagram.main([str(page), "--check"]) == 0, (
        "run: python -m services.casework.workflow.diagram docs/workflows.md"
    )
    stale = tmp_path / "workflows.md"
    stale.write_text(page.read_text(encoding="utf-8").replace("签收", "收到"), encoding="utf-8")
    assert diagram.main([str(stale), "--check"]) == 1
    assert diagram.main([str(stale)]) == 0
    assert diagram.main([str(stale), "--check"]) == 0


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: m.name)
def test_the_drawing_has_every_edge(machine: Machine) -> None:
    drawn = mermaid(machine)
    for (name, state, action), target in LEGAL.items():
        if name == machine.name:
            step = next(t for t in machine.transitions if t.action == action)
            assert f"{state} --> {target}: {step.zh} {action}" in drawn
    assert drawn.count("-->") == sum(len(t.sources) for t in machine.transitions) + 1 + sum(
        s.final for s in machine.states
    )
