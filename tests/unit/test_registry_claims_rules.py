"""Jurisdiction as rules: every step of the machine, what orders do, what addresses prove, the invariants."""

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.diagram import fill, mermaid
from services.common.identity import Claims
from services.common.problems import Problem
from services.registry.claims import diagram
from services.registry.claims.machine import BY_MACHINE, CLAIM, OPEN_OFFERS
from services.registry.claims.rules import (
    CANDIDATE_AT,
    MATCH_AT,
    Authority,
    Held,
    Located,
    Order,
    Step,
    judge,
    matched,
    place,
    possible,
    sound,
)
from services.registry.verifications.machine import STATUS, VERIFICATION

PAGE = Path(__file__).parents[2] / "docs" / "registry" / "jurisdiction.md"
ALL = frozenset({"registry:claim", "registry:assign", "registry:read"})
# The procedure written out by hand, so that a slip in the declaration is seen.
LEGAL = {
    ("imported", "match"): "matched",
    ("candidate", "match"): "matched",
    ("imported", "propose"): "candidate",
    **{(s, "offer"): "offered" for s in ("imported", "matched", "candidate")},
    **{(s, "take"): "claimed" for s in ("imported", "matched", "candidate")},
    **{(s, "claim"): "claimed" for s in ("offered", "reoffered")},
    **{(s, "reject"): "rejected" for s in ("offered", "reoffered")},
    **{(s, "reoffer"): "reoffered" for s in ("rejected", "pool")},
    **{(s, "pool"): "pool" for s in ("imported", "matched", "candidate", "offered", "reoffered", "rejected")},
    ("claimed", "designate"): "reoffered",
    ("claimed", "hand_back"): "rejected",
}
AUTHORITIES = {
    a.code: a
    for a in (
        Authority("360000-SJ", "360000"),
        Authority("360100-SJ", "360100", parent="360000-SJ"),
        Authority("360700-SJ", "360700", parent="360000-SJ"),
        Authority("360121-SJ", "360121", parent="360100-SJ"),
        Authority("360123-SJ", "360123", parent="360100-SJ"),
        Authority("360702-SJ", "360702", parent="360700-SJ"),
        Authority("NCGX", "360111", kind="zone", parent="360100-SJ"),
    )
}


def person(org: str, permissions: frozenset[str] = ALL) -> Claims:
    return Claims(f"u-{org}", "李雷", org, org, AUTHORITIES[org].region, permissions=permissions)


PROVINCE, CITY, COUNTY, OTHER = (person(f"{r}-SJ") for r in ("360000", "360100", "360121", "360702"))


def held(state: str = "imported", **changes: object) -> Held:
    offered = "360121-SJ" if state in OPEN_OFFERS else None
    values: dict[str, object] = {
        "no": 1, "id": "A", "state": state, "version": 3, "status": "active", "channel": "shop",
        "region": "360121", "authority": "360121-SJ", "offered": offered, "assigner": "360000-SJ", **changes,
    }  # fmt: skip
    return Held(**values)  # type: ignore[arg-type]


def after(row: Held, step: Step) -> Held:
    return Held(
        row.no, row.id, step.state, step.version, row.status, row.channel, step.region,
        step.authority, step.offered, step.assigner, step.match, step.confidence,
    )  # fmt: skip


@pytest.mark.parametrize("machine", [CLAIM, VERIFICATION, STATUS], ids=lambda m: m.name)
def test_machines_are_sound(machine: object) -> None:
    assert machine.problems() == []  # type: ignore[attr-defined]


def test_the_drawn_page_is_current() -> None:
    assert diagram.main([str(PAGE), "--check"]) == 0, (
        "run: python -m services.registry.claims.diagram docs/registry/jurisdiction.md"
    )
    drawn = mermaid(CLAIM)
    assert all(f"{t.zh} {t.action}" in drawn for t in CLAIM.transitions)
    with pytest.raises(ValueError, match="no place"):
        fill("no marks here", "x", "y")


@pytest.mark.parametrize(
    ("state", "action"),
    [(s.code, a) for s, a in product(CLAIM.states, sorted({t.action for t in CLAIM.transitions}))],
)
def test_every_pair_of_state_and_action(state: str, action: str) -> None:
    order = Order(action, org_code="360123-SJ", reason_code="not_ours", reason="理由")
    everything = person("360121-SJ") if action in {"claim", "reject", "take", "hand_back"} else PROVINCE
    target = LEGAL.get((state, action))
    if target is not None:
        step = judge(everything, held(state), order, AUTHORITIES)
        assert (step.state, step.version) == (target, 4)
        return
    with pytest.raises(Problem) as caught:
        judge(everything, held(state), order, AUTHORITIES)
    assert (caught.value.status, caught.value.code) == (409, "workflow.illegal_transition")
    offered = {a["action"] for a in caught.value.extra["allowed"]}
    assert offered <= {a for s, a in LEGAL if s == state}


def test_what_each_step_does_to_the_authority() -> None:
    offer = judge(CITY, held(authority="360000-SJ"), Order("offer", org_code="360123-SJ"), AUTHORITIES)
    assert (offer.authority, offer.offered, offer.region) == ("360100-SJ", "360123-SJ", "360123")
    assert offer.basis == "operator_place"
    at_county = after(held(), offer)
    claim = judge(person("360123-SJ"), at_county, Order("claim"), AUTHORITIES)
    assert (claim.authority, claim.offered, claim.region) == ("360123-SJ", None, "360123")
    reject = judge(person("360123-SJ"), at_county, Order("reject", reason_code="dead_link"), AUTHORITIES)
    assert (reject.authority, reject.region, reject.reason_code) == ("360100-SJ", "360100", "dead_link")
    pooled = judge(PROVINCE, after(at_county, reject), Order("pool", reason="跨市"), AUTHORITIES)
    assert (pooled.authority, pooled.region) == ("360000-SJ", "360000")
    taken = judge(COUNTY, held(assigner=None), Order("take"), AUTHORITIES)
    back = judge(COUNTY, after(held(), taken), Order("hand_back", reason_code="mismatch"), AUTHORITIES)
    assert (back.authority, back.region) == ("360100-SJ", "360100")  # nobody assigned it: its own superior
    named = judge(
        PROVINCE, after(held(), taken), Order("designate", org_code="NCGX", reason="指定"), AUTHORITIES
    )
    assert (named.offered, named.region, named.basis) == ("NCGX", "360111", "designated")


@pytest.mark.parametrize(
    ("who", "row", "order", "code"),
    [
        (COUNTY, held(), Order("offer", org_code="360123-SJ"), "workflow.not_yours"),
        (OTHER, held("offered"), Order("claim"), "workflow.not_yours"),
        (CITY, held("offered"), Order("claim"), "workflow.not_yours"),
        (person("360121-SJ", frozenset()), held("offered"), Order("claim"), "identity.forbidden"),
        (COUNTY, held("offered"), Order("reject"), "workflow.field_missing"),
        (COUNTY, held("offered"), Order("reject", reason_code="bored"), "workflow.choice_unknown"),
        (CITY, held(), Order("offer", org_code="360702-SJ"), "claim.authority"),
        (CITY, held(), Order("offer", org_code="360100-SJ"), "claim.authority"),
        (CITY, held(), Order("offer", org_code="nobody"), "claim.authority"),
        (person("360700-SJ"), held(), Order("offer", org_code="360702-SJ"), "workflow.not_yours"),
        (CITY, held(), Order("offer", as_matched=True), "claim.no_match"),
        (CITY, held("claimed"), Order("designate", org_code="360121-SJ", reason="x"), "claim.already"),
        (CITY, held(status="weeded"), Order("pool", reason="x"), "claim.settled"),
        (CITY, held(), Order("abracadabra"), "workflow.unknown_action"),
    ],
)
def test_who_may_not(who: Claims, row: Held, order: Order, code: str) -> None:
    with pytest.raises(Problem) as caught:
        judge(who, row, order, AUTHORITIES)
    assert caught.value.code == code


def test_the_machines_own_steps_are_offered_to_nobody() -> None:
    for state in CLAIM.states:
        for who in (PROVINCE, CITY, COUNTY):
            assert not {t.action for t in possible(who, held(state.code))} & BY_MACHINE
    assert possible(PROVINCE, held(status="merged")) == ()


def test_the_number_of_the_licence_never_decides_alone() -> None:
    assert place("shop", None, None, "360121") is None
    sure = place("shop", Located("360121", 70), None, "360121")
    unsure = place("shop", Located("360121", 70), None, "360702")
    assert sure and unsure and (sure.confidence, unsure.confidence) == (80, 60)


@pytest.mark.parametrize(
    ("channel", "displayed", "registered", "region", "confidence"),
    [
        ("shop", Located("360121", 90), Located("360702", 95), "360121", 70),
        ("site_trade", Located("360121", 90), Located("360702", 95), "360702", 75),
        ("shop", None, Located("360702", 95), "360702", 75),
        ("site_trade", Located("360121", 90), None, "360121", 70),
        ("shop", Located("360100", 60), Located("360121", 95), "360121", 85),
        ("shop", Located("360121", 90), Located("360121", 90), "360121", 90),
        ("shop", Located("360121", 90), Located("360100", 60), "360121", 90),
    ],
)
def test_which_address_goes_first(
    channel: str, displayed: Located | None, registered: Located | None, region: str, confidence: int
) -> None:
    found = place(channel, displayed, registered, None)
    assert found and (found.region, found.confidence) == (region, confidence)


def test_confidence_decides_between_matched_and_candidate() -> None:
    def of(state: str, sure: int) -> str | None:
        step = matched(held(state), "360121-SJ", sure)
        return step.state if step else None

    assert [of("imported", s) for s in (100, MATCH_AT, MATCH_AT - 1, CANDIDATE_AT, CANDIDATE_AT - 1)] == [
        "matched", "matched", "candidate", "candidate", None,
    ]  # fmt: skip
    assert (of("candidate", 90), of("candidate", 50)) == ("matched", None)
    assert [of(s, 100) for s in ("matched", "claimed", "pool", "offered")] == [None] * 4


ACTIONS = st.sampled_from(sorted({t.action for t in CLAIM.transitions}))
CALLERS = st.sampled_from([person(code) for code in AUTHORITIES])
ORDERS = st.tuples(
    CALLERS,
    st.builds(
        Order,
        action=ACTIONS,
        org_code=st.sampled_from([*AUTHORITIES, None]),
        reason_code=st.sampled_from(["not_ours", "dead_link", None]),
        reason=st.sampled_from(["理由", None]),
    ),
)


@settings(max_examples=150, deadline=None)
@given(orders=st.lists(ORDERS, max_size=30))
def test_any_sequence_keeps_the_invariants(orders: list[tuple[Claims, Order]]) -> None:
    """Exactly one authority, an offer exactly in the states of offers, one version a step, no half steps."""
    row = held(authority="360000-SJ", region="360000", version=0, assigner=None)
    steps = 0
    for who, order in orders:
        try:
            step = judge(who, row, order, AUTHORITIES)
        except Problem as problem:
            assert problem.status in {403, 409, 422}
            continue
        steps += 1
        assert order.action in {t.action for t in CLAIM.from_state(row.state)}
        row = after(row, step)
        assert sound(row) == []
        assert row.version == steps
        assert row.authority in AUTHORITIES
        assert row.region == AUTHORITIES[row.offered or row.authority].region


def test_the_invariants_would_notice() -> None:
    """Negative control: a standing with two answers, or none, is not sound."""
    assert sound(held(authority="")) and sound(held("claimed", offered="360121-SJ"))
    assert sound(held("offered", offered=None)) and sound(held("nowhere"))
