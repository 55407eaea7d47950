"""Why shops hang together: a cluster as a graph, and the strongest chain between two of its shops."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.registry.judgements import repository as judgements
from services.registry.judgements import service as judging
from services.registry.judgements.rules import Pair, Verdict
from services.registry.linking.rules import RULE_VERSION, weigh
from services.registry.links import repository
from services.registry.links.graph import bridges, chain, weakest
from services.registry.links.rules import Value, by_pair
from services.registry.links.schemas import ClusterOut, GraphEdge, Node, PathOut
from services.registry.links.service import elsewhere, found, kinds_out, shop_out

# What an officer's "same" weighs in a chain: more than any number of shared values.
JUDGED: float = 1_000.0


@dataclass(frozen=True)
class Group:
    """The shops of a cluster, in numbers: what each pair shares, how much that weighs, what was judged."""

    nos: list[int]
    values: dict[Pair, list[Value]]
    weights: dict[Pair, float]
    judged: dict[Pair, str]
    capped: bool


async def group_of(session: AsyncSession, no: int, cluster: int | None) -> Group:
    """The cluster a shop is in, as far as the cap; a shop without one is a group of its own."""
    nos = await repository.members(session, cluster) if cluster is not None else [no]
    capped = len(nos) > repository.CLUSTER_CAP
    nos = nos[: repository.CLUSTER_CAP]
    judged = await judgements.live(session, nos)
    values = by_pair(await repository.held(session, nos))
    inside = set(nos)
    weights = {pair: weight for pair, shared in values.items() if (weight := weigh(k for k, _ in shared)) > 0}
    for pair, verdict in judged.items():
        if verdict == Verdict.DIFFERENT:
            weights.pop(pair, None)
        elif inside.issuperset(pair):
            weights[pair] = JUDGED
    return Group(nos, values, weights, judged, capped)


async def cluster(session: AsyncSession, claims: Claims, shop_id: str) -> ClusterOut:
    """The cluster of a shop as a graph. Raises 404 when the shop is not the caller's to see."""
    shop = await found(session, claims, shop_id)
    group = await group_of(session, shop.no, shop.cluster)
    shops = {row.no: row for row in await repository.shops(session, claims, group.nos)}
    seen = [no for no in group.nos if no in shops and shops[no].seen]
    place = {no: at for at, no in enumerate(seen)}
    alone = bridges(group.weights)
    edges = [
        _edge(group, pair, place, shops, bridge=pair in alone)
        for pair in sorted(group.weights)
        if pair[0] in place and pair[1] in place
    ]
    return ClusterOut(
        size=len(group.nos),
        capped=group.capped,
        nodes=[_node(at, shops[no]) for no, at in place.items()],
        edges=edges,
        elsewhere=await elsewhere(session, list(shops.values())),
        conflicts=await judging.conflicts_of(session, claims, group.nos) if group.judged else [],
        rule_version=RULE_VERSION,
    )


async def why(session: AsyncSession, claims: Claims, one_id: str, other_id: str) -> PathOut:
    """The strongest chain between two shops, edge by edge, and its weakest edge.

    Of shops outside the caller's region on the way only the division is told. Raises 404 unless both ends are
    the caller's to see.
    """
    one = await found(session, claims, one_id)
    other = await found(session, claims, other_id)
    steps = []
    group = await group_of(session, one.no, one.cluster)
    if one.no != other.no and other.no in group.nos:
        steps = chain(group.weights, one.no, other.no)
    path = [one.no, *(step.end for step in steps)]
    shops = {row.no: row for row in await repository.shops(session, claims, path)}
    place = {no: at for at, no in enumerate(path)}
    weak = weakest(steps)
    edges = [_edge(group, _sorted(step.start, step.end), place, shops, bridge=step.alone) for step in steps]
    return PathOut(
        together=bool(steps),
        nodes=[_node(at, shops[no]) for no, at in place.items() if no in shops],
        edges=edges,
        weakest=steps.index(weak) if weak else None,
        single_weak_bridge=weak is not None and weak.alone and _weak(group, weak.start, weak.end),
        rule_version=RULE_VERSION,
    )


def _weak(group: Group, a: int, b: int) -> bool:
    """Whether an edge rests on one shared value and no officer's word."""
    pair = _sorted(a, b)
    return group.judged.get(pair) != Verdict.SAME and len(group.values.get(pair, ())) <= 1


def _sorted(a: int, b: int) -> Pair:
    return (a, b) if a < b else (b, a)


def _edge(
    group: Group, pair: Pair, place: Mapping[int, int], shops: Mapping[int, Any], *, bridge: bool
) -> GraphEdge:
    both_seen = all(no in shops and shops[no].seen for no in pair)
    values: Sequence[Value] = group.values.get(pair, ()) if both_seen else ()
    verdict = group.judged.get(pair) if both_seen else None
    return GraphEdge(
        a=place[pair[0]],
        b=place[pair[1]],
        weight=group.weights[pair] if both_seen else None,
        kinds=kinds_out(values),
        verdict=Verdict(verdict) if verdict else None,
        bridge=bridge,
    )


def _node(at: int, row: Any) -> Node:
    return Node(no=at, shop=shop_out(row) if row.seen else None, region_code=row.region_code)
