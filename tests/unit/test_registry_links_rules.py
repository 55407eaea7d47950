"""Pure rules of links: chains and bridges against brute force, conflicts, secrets of an exchange."""

import base64
import itertools
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.exchange import agreement
from services.registry.exchange.rules import (
    Sender,
    Type,
    asked_rows,
    hash_rows,
    parse,
    payload,
    same_fingerprint,
)
from services.registry.findings.rules import places
from services.registry.hubs.rules import smallest_common
from services.registry.identifiers.naming import parse_value_id, value_id
from services.registry.judgements.rules import Verdict, conflicts, ordered
from services.registry.links.graph import beside, bridges, chain, strongest, weakest
from services.registry.links.rules import by_pair

NODES = st.integers(1, 5)
EDGES = st.dictionaries(
    st.tuples(NODES, NODES).filter(lambda pair: pair[0] < pair[1]),
    st.sampled_from([0.3, 0.6, 0.85, 1.0]),
    max_size=10,
)


def joined(edges: dict[tuple[int, int], float], start: int, end: int) -> bool:
    seen, grown = {start}, True
    while grown:
        more = {b if a in seen else a for a, b in edges if (a in seen) != (b in seen)}
        grown, seen = bool(more), seen | more
    return end in seen


def widths(edges: dict[tuple[int, int], float], start: int, end: int) -> list[tuple[float, int]]:
    """(weakest edge, hops) of every simple chain, tried one by one."""
    nodes = sorted({node for pair in edges for node in pair} - {start, end})
    found = []
    for length in range(len(nodes) + 1):
        for middle in itertools.permutations(nodes, length):
            steps = list(itertools.pairwise((start, *middle, end)))
            weights = [edges.get((min(step), max(step))) for step in steps]
            if None not in weights:
                found.append((min(weight for weight in weights if weight is not None), len(steps)))
    return found


@given(EDGES, NODES, NODES)
def test_the_chain_is_as_strong_as_any_and_as_short_as_can_be(
    edges: dict[tuple[int, int], float], start: int, end: int
) -> None:
    if start == end:
        return
    steps, every = chain(edges, start, end), widths(edges, start, end)
    assert bool(steps) == bool(every)
    if not steps:
        return
    best = max(width for width, _ in every)
    assert min(step.weight for step in steps) == best
    assert len(steps) == min(hops for width, hops in every if width == best)
    assert [step.end for step in steps[:-1]] == [step.start for step in steps[1:]]
    weak = weakest(steps)
    assert weak is not None and weak.weight == best
    for step in steps:
        pair = (min(step.start, step.end), max(step.start, step.end))
        without = {one: weight for one, weight in edges.items() if one != pair}
        assert step.alone == (not joined(without, start, end))


@given(EDGES)
def test_bridges_are_the_edges_without_which_a_group_falls_apart(
    edges: dict[tuple[int, int], float],
) -> None:
    expected = {
        pair
        for pair in edges
        if not joined({one: w for one, w in edges.items() if one != pair}, pair[0], pair[1])
    }
    assert bridges(edges) == expected


@given(EDGES)
def test_the_same_graph_in_another_order_gives_the_same_chain(edges: dict[tuple[int, int], float]) -> None:
    turned = dict(reversed(edges.items()))
    assert strongest(beside(edges), 1, 2) == strongest(beside(turned), 1, 2)


@given(st.dictionaries(st.tuples(NODES, NODES).filter(lambda p: p[0] < p[1]), st.sampled_from(list(Verdict))))
def test_conflicts_are_all_differents_inside_a_chain_of_sames(judged: dict[tuple[int, int], str]) -> None:
    same = {pair: 1.0 for pair, verdict in judged.items() if verdict == Verdict.SAME}
    expected = {
        pair for pair, verdict in judged.items() if verdict == Verdict.DIFFERENT and joined(same, *pair)
    }
    found = conflicts(judged)
    assert {conflict.pair for conflict in found} == expected
    for conflict in found:
        assert (conflict.path[0], conflict.path[-1]) == conflict.pair
        assert all(ordered(*step) in same for step in itertools.pairwise(conflict.path))


def test_pairs_of_shared_values() -> None:
    rows = [(1, 1, 7), (2, 1, 7), (3, 1, 7), (1, 2, 9), (2, 2, 9)]
    assert by_pair(rows) == {(1, 2): [(1, 7), (2, 9)], (1, 3): [(1, 7)], (2, 3): [(1, 7)]}


@given(st.integers(1, 12), st.integers(-(1 << 63), (1 << 63) - 1))
def test_a_values_name_is_its_own(kind: int, key: int) -> None:
    assert parse_value_id(value_id(kind, key)) == (kind, key)


@pytest.mark.parametrize(
    "name", ["", "1", "1-", "0-" + "0" * 16, "1-" + "g" * 16, "13-" + "0" * 16, "1-" + "A" * 16]
)
def test_other_names_of_values_are_refused(name: str) -> None:
    with pytest.raises(ValueError):
        parse_value_id(name)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["360121"], "360121"),
        (["360121", "360122"], "360100"),
        (["360100", "360121"], "360100"),
        (["360121", "360702"], "360000"),
        (["360121", "440103"], "000000"),
    ],
)
def test_the_smallest_division_that_holds_all(codes: list[str], expected: str) -> None:
    assert smallest_common(codes) == expected


def test_a_finding_concerns_the_divisions_of_its_shops_and_those_above() -> None:
    assert places(["360121", "360700"]) == ["36", "3601", "360121", "3607"]
    assert places([]) == []


def test_both_sides_agree_and_another_exchange_has_other_hashes() -> None:
    mine, theirs = agreement.new_private(), agreement.new_private()
    ours = agreement.agree(mine, agreement.public_of(theirs), "X1")
    other = agreement.agree(theirs, agreement.public_of(mine), "X1")
    assert (ours.compare, ours.seal) == (other.compare, other.seal) and ours.refs != other.refs
    value = agreement.value_hash(ours, 1, "13970790001")
    assert value == agreement.value_hash(other, 1, "13970790001")
    assert value != agreement.value_hash(ours, 2, "13970790001")  # the kind is part of it
    later = agreement.agree(mine, agreement.public_of(theirs), "X2")
    assert value != agreement.value_hash(later, 1, "13970790001")
    assert agreement.shop_ref(ours, 5) != agreement.shop_ref(other, 5)
    sealed = agreement.seal_answer(ours, [{"raw": "13970790001"}], "R1")
    assert json.loads(agreement.open_answer(other, sealed, "R1")) == [{"raw": "13970790001"}]
    for secrets, request in ((other, "R2"), (later, "R1")):
        with pytest.raises(ValueError):
            agreement.open_answer(secrets, sealed, request)
    for bad in (base64.b64encode(bytes(32)).decode(), "short", "!"):  # a point of small order gives no secret
        with pytest.raises(ValueError):
            agreement.agree(mine, bad, "X1")


def test_messages_are_read_as_written_and_nothing_else() -> None:
    sender = Sender("360121-SJ", "南昌县局", "360121", "a2V5")
    raw = payload(Type.HASHES, "X1", sender, datetime(2026, 1, 1, tzinfo=UTC), {"rows": []})
    message = parse(raw)
    assert (message.type, message.exchange_id, message.sender) == (Type.HASHES, "X1", sender)
    body = json.loads(raw)
    for name, value in (("v", 2), ("type", "gift"), ("body", []), ("from", {}), ("exchange_id", "x" * 300)):
        with pytest.raises((ValueError, KeyError)):
            parse(json.dumps({**body, name: value}).encode())


_HASH, _REF = "x" * 22, "y" * 16


@pytest.mark.parametrize(
    "rows",
    [None, [[1, "x" * 22, "short"]], [[0, "x" * 22, "y" * 16]], [[1, "x" * 22]], [["1", "x" * 22, "y" * 16]]],
)
def test_rows_of_another_shape_are_refused(rows: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        hash_rows({"rows": rows})
    with pytest.raises((ValueError, TypeError)):
        asked_rows({"rows": rows})


def test_a_fingerprint_is_compared_as_it_is_read_out() -> None:
    keyid = "0123456789abcdef" * 4
    assert same_fingerprint("0123 4567 89AB CDEF", keyid) and same_fingerprint(keyid, keyid)
    for wrong in ("", "0123 4567 89ab", "0123456789abcde0", keyid + "0"):
        assert not same_fingerprint(wrong, keyid)
