"""The rule by itself: limits, the same verdict for one value and for many, what is stored gives it again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.shop_generator.world import make
from services.registry.identifiers.kinds import Kind
from services.registry.linking import grouping, incidence, rules
from services.registry.linking.bulk.exporting import links
from services.registry.linking.incidence import build, gather
from services.registry.linking.judging import CODES, _decide, judge
from services.registry.linking.rules import Code, Facts, State, Tally


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    holders = draw(st.integers(2, rules.LIMIT))
    tallies = []
    for _ in range(2):
        showing = draw(st.integers(0, holders))
        tied = draw(st.integers(0, showing))
        clashes = draw(st.integers(0, 2 * holders))
        registered = draw(st.integers(0, clashes))
        tallies.append(Tally(showing, tied, draw(st.integers(0, tied)), clashes, registered))
    apart = tallies[0] if draw(st.booleans()) else tallies[1]
    return Facts(draw(st.sampled_from(list(Kind))), holders, tallies[0], apart)


@settings(max_examples=300, deadline=None)
@given(st.lists(facts(), min_size=1, max_size=20))
def test_many_at_once_as_one_by_one(given_facts: list[Facts]) -> None:
    figures = np.array([[*tally_of(one.all), *tally_of(one.apart)] for one in given_facts])
    kind = np.array([one.kind for one in given_facts], np.int64)
    holders = np.array([one.holders for one in given_facts], np.int64)
    found = [CODES[int(number)] for number in _decide(kind, holders, figures)]
    assert found == [rules.decide(one) for one in given_facts]


def tally_of(tally: Tally | None) -> tuple[int, ...]:
    assert tally is not None
    return tuple(tally)


@given(facts())
def test_a_stored_reason_gives_the_verdict_again(one: Facts) -> None:
    code = rules.decide(one)
    stored = rules.reason(one, code)
    assert rules.facts_of(one.kind, stored) == one
    assert rules.decide(rules.facts_of(one.kind, stored)) is Code(stored["code"])
    assert stored["rule"] == rules.RULE_VERSION


def test_every_verdict_of_a_world_is_recomputed_from_its_reason() -> None:
    inc = build(*make(20_000, 11, 1.0).facts())
    verdicts = judge(inc)
    for value in range(inc.values):
        code = CODES[int(verdicts.code[value])]
        stored = rules.reason(verdicts.facts(inc, value), code)
        assert rules.decide(rules.facts_of(int(inc.kind[value]), stored)) is code


def test_limits_of_size() -> None:
    assert rules.decide(Facts(Kind.PHONE, rules.SMALL)) is Code.FEW
    assert rules.decide(Facts(Kind.PHONE, rules.LIMIT + 1)) is Code.TOO_MANY
    assert rules.state_of(Kind.PHONE, Code.TOO_MANY) is State.HUB
    assert rules.state_of(Kind.LEGAL_PERSON, Code.FEW) is State.SUPPORTS
    assert rules.state_of(Kind.LEGAL_PERSON, Code.RULED_NOT_HUB) is State.LINKS


def test_weights() -> None:
    assert rules.weigh([]) == 0
    assert rules.weigh([Kind.LEGAL_PERSON, Kind.IMAGE]) == 0
    assert rules.weigh([Kind.PHONE]) == 0.85
    assert rules.weigh([Kind.PHONE]) < rules.weigh([Kind.PHONE, Kind.LEGAL_PERSON]) < 1
    assert rules.weigh([Kind.LICENCE]) == 1


def test_every_verdict_has_words() -> None:
    assert set(rules.CODE_LABELS) == set(Code)
    assert set(rules.WEIGHTS) == set(Kind)


def test_links_of_values() -> None:
    pairs, kinds = links(np.array([(1, 5, 2), (1, 5, 3), (1, 5, 9), (6, 7, 3), (6, 7, 9), (2, 8, 4)]))
    assert pairs.tolist() == [[2, 3], [2, 9], [3, 9]]
    assert kinds.tolist() == [1 << 1, 1 << 1, 1 << 1 | 1 << 6]
    assert links(np.empty((0, 3), np.int64))[0].shape == (0, 2)
    assert links(np.array([(2, 8, 4)]))[0].shape == (0, 2)


def test_a_verdict_in_words_says_how_often_shops_contradict_each_other() -> None:
    tally = rules.Tally(showing=2, tied=0, largest=1, clashes=2, registered=1)
    stored = rules.reason(Facts(Kind.PHONE, 2, tally, tally), rules.Code.SCATTERED)
    zh, en = rules.words(stored)
    assert "2家持有，2处互不相同" in zh and "(2 shops, 2 differences)" in en
    few = rules.reason(Facts(Kind.PHONE, 2), rules.Code.FEW)
    assert rules.words(few) == rules.CODE_LABELS[rules.Code.FEW]
    earlier = {
        "rule": "2026-1",
        "code": "scattered",
        "members": 9,
        "all": {"showing": 9},
        "apart": {"showing": 9},
    }
    assert rules.words(earlier) == rules.CODE_LABELS[rules.Code.SCATTERED]


def test_few_edges_are_grouped_as_many_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """One by one or as arrays: the same blocks, clusters and bridges."""
    monkeypatch.setattr(rules, "SIDE", 3)
    cuts = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        shop = np.repeat(np.arange(40), 3)
        stray = np.where(rng.random(120) < 0.12, rng.integers(0, 6, 120), 0)
        facts = np.column_stack([rng.integers(1, 4, 120), shop // rng.integers(4, 8) + stray, shop])
        kind, key, shop = np.unique(facts, axis=0).T
        same = [(int(a), int(b)) for a, b in rng.integers(0, 40, (seed % 3, 2)) if a != b]
        found = []
        for few in (1_000, 0):
            monkeypatch.setattr(incidence, "FEW", few)
            monkeypatch.setattr(grouping, "FEW", few)
            inc = build(kind, key, shop)
            groups = grouping.group(inc, np.ones(inc.values, bool), np.zeros(inc.values, bool), same)
            found.append([column.tolist() for column in (*vars(groups).values(), inc.value_start, inc.value)])
        assert found[0] == found[1]
        cuts += sum(found[0][2])
    assert cuts > 10


@settings(max_examples=200, deadline=None)
@given(
    st.sets(st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(-2, 40)), min_size=1, max_size=60),
    st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 9)), st.integers(2, 60), max_size=5),
)
def test_few_facts_are_put_in_order_as_many_are(
    shown: set[tuple[int, int, int]], holders: dict[tuple[int, int], int]
) -> None:
    kinds, keys, shops = zip(*shown, strict=True)
    few = gather(kinds, keys, shops, holders)
    many = build(np.array(kinds), np.array(keys), np.array(shops), holders)
    for name, column in vars(few).items():
        assert column.tolist() == vars(many)[name].tolist(), name
