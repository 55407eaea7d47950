"""Use cases of links: the one-hop page of a shop."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.common.personal import PersonalData
from services.common.problems import not_found
from services.registry.identifiers.kinds import KIND_LABELS, Kind
from services.registry.identifiers.naming import value_id
from services.registry.judgements import service as judging
from services.registry.judgements.rules import Verdict, ordered
from services.registry.linking.rules import RULE_VERSION, weigh, words
from services.registry.links import repository
from services.registry.links.masking import masked_form
from services.registry.links.rules import GONE_LABELS, Gone, Value
from services.registry.links.schemas import (
    ClusterRef,
    Elsewhere,
    GoneLink,
    KindOut,
    LinkedShop,
    LinkPage,
    LinkShop,
    ValueFact,
)


async def page(session: AsyncSession, personal: PersonalData, claims: Claims, shop_id: str) -> LinkPage:
    """One hop around a shop: its values as facts, the shops linked to it, the links there were.

    Raises 404 when the shop is not the caller's to see; shops outside the region are only counted.
    """
    shop = await found(session, claims, shop_id)
    held = await repository.values(session, [shop.no])
    around = await repository.around(session, shop.no)
    judged = {row.no: row.verdict for row in around if row.verdict is not None}
    ended = [row for row in around if row.ended_at is not None]
    sharing = [row for row in around if row.verdict is None and row.ended_at is None]
    by_shop = _by_shop(sharing)
    named = {*by_shop, *judged, *(row.no for row in ended)}
    shops = {row.no: row for row in await repository.shops(session, claims, sorted(named))} if named else {}
    linked = [no for no in {*by_shop, *judged} if no in shops and _links(by_shop.get(no, ()), judged.get(no))]
    return LinkPage(
        shop=shop_out(shop),
        values=[_value(personal, row) for row in held if row.ended_at is None],
        linked=[_linked(shops[no], by_shop, judged, shop.cluster) for no in _ranked(linked, by_shop, shops)],
        more=len(sharing) >= repository.NEIGHBOURS,
        elsewhere=await elsewhere(session, [shops[no] for no in linked]),
        gone=_gone(shops, by_shop, judged, ended),
        conflicts=await judging.conflicts_of(session, claims, [shop.no]) if judged else [],
        cluster=_cluster(shop),
        rule_version=RULE_VERSION,
    )


async def found(session: AsyncSession, claims: Claims, shop_id: str) -> Any:
    """The shop. Raises 404 when it is not the caller's to see."""
    shop = await repository.shop(session, claims, shop_id)
    if shop is None:
        raise not_found("网店", "presence")
    return shop


def shop_out(row: Any) -> LinkShop:
    """A shop the caller may see."""
    return LinkShop(id=row.id, name=row.name, platform=row.platform, region_code=row.region_code)


def kinds_out(values: Iterable[Value]) -> list[KindOut]:
    """The kinds of these values, each once."""
    return [kind_out(kind) for kind in sorted({kind for kind, _ in values})]


@lru_cache(maxsize=64)
def kind_out(kind: int) -> KindOut:
    """A kind with its names."""
    zh, en = KIND_LABELS[Kind(kind)]
    return KindOut(kind=kind, zh=zh, en=en)


async def elsewhere(session: AsyncSession, shops: Sequence[Any]) -> list[Elsewhere]:
    """How many of these shops lie in which division outside the caller's region, and whom to ask there."""
    count = Counter(row.region_code for row in shops if not row.seen)
    if not count:
        return []
    names = await repository.divisions(session, sorted(count))
    return [
        Elsewhere(
            region_code=code,
            region_name=names[code].name if code in names else code,
            org_code=names[code].org_code if code in names else None,
            org_name=names[code].org_name if code in names else None,
            count=times,
        )
        for code, times in sorted(count.items())
    ]


def why_of(reason: Mapping[str, Any] | None) -> tuple[str, str]:
    """What the linking decided about a value, in words; a value of one shop needs no decision."""
    return words(reason) if reason else ("仅此一家持有", "only this shop shows it")


def _by_shop(sharing: Iterable[Any]) -> dict[int, list[Value]]:
    found: dict[int, list[Value]] = {}
    for row in sharing:
        found.setdefault(row.no, []).append((row.kind, row.key))
    return found


def _links(values: Sequence[Value], verdict: str | None) -> bool:
    if verdict is not None:
        return verdict == Verdict.SAME
    return weight_of(values) > 0


def weight_of(values: Sequence[Value]) -> float:
    """Weight of a link by these values; 0 where they make none."""
    return _weight(tuple(kind for kind, _ in values))


@lru_cache(maxsize=4_096)  # an operator's shops share the same few kinds
def _weight(kinds: tuple[int, ...]) -> float:
    return weigh(kinds)


def _ranked(
    linked: Iterable[int], by_shop: Mapping[int, Sequence[Value]], shops: Mapping[int, Any]
) -> list[int]:
    """Those the caller may see, the strongest first."""
    seen = [no for no in linked if shops[no].seen]
    return sorted(seen, key=lambda no: (-weight_of(by_shop.get(no, ())), no))


def _linked(
    row: Any, by_shop: Mapping[int, Sequence[Value]], judged: Mapping[int, str], cluster: int | None
) -> LinkedShop:
    values = by_shop.get(row.no, ())
    verdict = judged.get(row.no)
    return LinkedShop(
        shop=shop_out(row),
        weight=weight_of(values),
        kinds=kinds_out(values),
        values=len(values),
        verdict=Verdict(verdict) if verdict else None,
        same_cluster=cluster is not None and row.cluster == cluster,
    )


def _value(personal: PersonalData, row: Any) -> ValueFact:
    zh, en = KIND_LABELS[Kind(row.kind)]
    why = why_of(row.reason)
    return ValueFact(
        kind=row.kind,
        zh=zh,
        en=en,
        value_id=value_id(row.kind, row.key),
        masked=masked_form(personal, row.presence_no, row.kind, bytes(row.value)),
        source=row.source,
        holders=row.holders,
        hub=row.hub,
        why_zh=why[0],
        why_en=why[1],
        reason=row.reason or {},
        decided_at=row.decided_at,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
    )


def _gone(
    shops: Mapping[int, Any],
    by_shop: Mapping[int, Sequence[Value]],
    judged: Mapping[int, str],
    ended: Sequence[Any],
) -> list[GoneLink]:
    """Links there were, of shops the caller may see: judged away, or one no longer shows the value."""
    reasons: dict[int, tuple[Gone, list[Value], Any]] = {}
    for row in ended:
        if row.no not in by_shop and judged.get(row.no) != Verdict.SAME:
            _, before, at = reasons.get(row.no, (Gone.ENDED, [], row.ended_at))
            reasons[row.no] = (Gone.ENDED, [*before, (row.kind, row.key)], max(at, row.ended_at))
    for no, shared in by_shop.items():
        if judged.get(no) == Verdict.DIFFERENT:
            reasons[no] = (Gone.JUDGED, list(shared), None)
    return [
        GoneLink(
            shop=shop_out(shops[no]),
            kinds=kinds_out(values),
            reasons=[reason],
            zh=[GONE_LABELS[reason][0]],
            en=[GONE_LABELS[reason][1]],
            at=at,
        )
        for no, (reason, values, at) in sorted(reasons.items())
        if no in shops and shops[no].seen
    ]


def _cluster(shop: Any) -> ClusterRef | None:
    if shop.cluster is None:
        return None
    cap = repository.CLUSTER_CAP
    return ClusterRef(id=shop.cluster, size=min(shop.size, cap), capped=shop.size > cap)


def pair_of(one: Any, other: Any) -> tuple[int, int]:
    """The pair of two shops by number, the smaller first."""
    return ordered(one.no, other.no)
