"""认领规则 pure decisions about jurisdiction: what an order does to one presence, and what an address proves.

Laws of `judge`, for every presence, caller and order:
- exactly one authority answers for the presence before and after; it changes to the claimant when it is
  claimed, and to the one who decides when it is offered, pooled or designated;
- `offered` is set exactly in the states offered and reoffered;
- the version grows by one a step, so that history has one row a version;
- once somebody has decided, a presence is seen in the region of the authority it is offered to while an offer
  is open, otherwise of the one that answers for it (before, it is where the import placed it);
- what is refused is refused as `services.common.workflow.decide` says, and nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.common.identity import Claims
from services.common.problems import Problem
from services.common.scope import region_covers
from services.common.workflow import Caller, Transition, allowed, decide
from services.registry.claims.machine import BY_MACHINE, CLAIM, DESIGNATED, OPEN_OFFERS, Standing
from services.registry.presences.rules import Channel
from services.registry.regions.rules import Level, level_of

_DOMICILE: Final = frozenset(
    {
        Channel.PLATFORM,
        Channel.SITE_TRADE,
        Channel.SITE_INFO,
        Channel.APP,
        Channel.MINI_PROGRAM,
        Channel.OFFICIAL_ACCOUNT,
    }
)
_OFFERS: Final = frozenset({"offer", "reoffer", "designate"})
_SETTLED: Final = frozenset({"weeded", "merged"})


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority as the rules need it."""

    code: str
    region: str
    kind: str = "bureau"
    parent: str | None = None

    @property
    def may_hold(self) -> bool:
        """Whether presences can be offered to it: a county bureau or the bureau of a function zone."""
        return self.kind == "zone" or (self.kind == "bureau" and level_of(self.region) is Level.COUNTY)


@dataclass(frozen=True, slots=True)
class Held:
    """One presence as it stands: number, id, state, version, and in whose hands it is."""

    no: int
    id: str
    state: str
    version: int
    status: str
    channel: str
    region: str
    authority: str
    offered: str | None = None
    assigner: str | None = None
    match: str | None = None
    confidence: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for. `as_matched` offers each presence to the authority it was matched to."""

    action: str
    org_code: str | None = None
    as_matched: bool = False
    basis: str | None = None
    reason_code: str | None = None
    reason: str | None = None

    def fields(self) -> dict[str, str | None]:
        """The values of the step, by name."""
        return {
            "org_code": self.org_code,
            "basis": self.basis,
            "reason_code": self.reason_code,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Step:
    """What an order does to one presence: the whole new standing, and why."""

    action: str
    state: str
    version: int
    authority: str
    offered: str | None
    assigner: str | None
    region: str
    match: str | None
    confidence: int | None
    basis: str | None
    reason_code: str | None
    reason: str | None


def standings(claims: Claims, held: Held) -> frozenset[Standing]:
    """How the caller's authority stands to a presence.

    Superior: a province or city authority whose division holds the presence's. Offered and holder: the very
    authority; its superiors do not claim in its place.
    """
    found = set()
    if level_of(claims.region) is not Level.COUNTY and region_covers(claims.region, held.region):
        found.add(Standing.SUPERIOR)
    if held.offered is not None and claims.org == held.offered:
        found.add(Standing.OFFERED)
    if claims.org == held.authority:
        found.add(Standing.HOLDER)
    return frozenset(found)


def caller_of(claims: Claims, held: Held) -> Caller:
    """The caller as the state machine needs him."""
    return Caller(permissions=claims.permissions, relations=standings(claims, held))


def possible(claims: Claims, held: Held) -> tuple[Transition, ...]:
    """The steps this caller can take with this presence now; none when it is weeded or merged."""
    if held.status in _SETTLED:
        return ()
    steps = allowed(CLAIM, held.state, caller_of(claims, held))
    return tuple(t for t in steps if t.action not in BY_MACHINE)


def judge(claims: Claims, held: Held, order: Order, authorities: Mapping[str, Authority]) -> Step:
    """What the order does to this presence.

    Raises Problem: what `decide` raises (409 with the allowed steps, 403, 422); 409 `claim.settled` for a
    weeded or merged presence; 409 `claim.no_match` when it is to go to its match and has none; 409
    `claim.already` when it is with that authority; 422 `claim.authority` for one that cannot take it.
    """
    if held.status in _SETTLED:
        raise _settled(held)
    target = held.match if order.as_matched else order.org_code
    fields = {**order.fields(), "org_code": target}
    if order.as_matched and target is None and order.action in _OFFERS:
        raise _no_match()
    transition = decide(CLAIM, held.state, order.action, caller_of(claims, held), fields)
    if transition.action in _OFFERS:
        _check_target(claims, held, authorities.get(target or ""), target or "")
    return _stepped(claims, held, order, transition, authorities, target)


def check_order(claims: Claims, order: Order, authorities: Mapping[str, Authority]) -> None:
    """Refuse an order that could change no presence: for its permission, its fields or its authority.

    Raises Problem as `judge` does.
    """
    anywhere = Caller(permissions=claims.permissions, relations=frozenset(Standing))
    target = "matched" if order.as_matched else order.org_code
    source = next((t.sources[0] for t in CLAIM.transitions if t.action == order.action), CLAIM.initial)
    decide(CLAIM, source, order.action, anywhere, {**order.fields(), "org_code": target})
    if order.action in _OFFERS and not order.as_matched:
        _check_place(claims, authorities.get(target or ""), target or "")


def _stepped(
    claims: Claims,
    held: Held,
    order: Order,
    transition: Transition,
    authorities: Mapping[str, Authority],
    target: str | None,
) -> Step:
    authority, offered, assigner, region = held.authority, None, held.assigner, held.region
    basis = order.basis
    if transition.action in _OFFERS and target:
        authority, offered, assigner = claims.org, target, claims.org
        region = authorities[target].region
        basis = DESIGNATED if transition.action == "designate" else basis or basis_for(held.channel)
    elif transition.action in {"claim", "take"}:
        authority, region = claims.org, claims.region
        basis = basis or basis_for(held.channel)
    elif transition.action in {"reject", "hand_back"}:
        authority = returns_to(claims, held, authorities)
        region = authorities[authority].region
    elif transition.action == "pool":
        authority, region = claims.org, claims.region
    return Step(
        action=transition.action,
        state=transition.target,
        version=held.version + 1,
        authority=authority,
        offered=offered,
        assigner=assigner,
        region=region,
        match=held.match,
        confidence=held.confidence,
        basis=basis,
        reason_code=order.reason_code,
        reason=order.reason,
    )


def returns_to(claims: Claims, held: Held, authorities: Mapping[str, Authority]) -> str:
    """Who answers for a presence that comes back: who assigned it, else the superior of who gives it back.

    Raises Problem 409 `claim.no_superior` when there is neither.
    """
    if held.assigner in authorities and held.assigner != claims.org:
        return str(held.assigner)
    own = authorities.get(claims.org)
    if own is None or own.parent is None or own.parent not in authorities:
        raise Problem(
            "claim.no_superior",
            409,
            zh="找不到可以接收退回的上级单位",
            en="there is no superior authority to give it back to",
            todo_zh="请联系省级单位办理",
            todo_en="ask the province's authority",
        )
    return own.parent


def matched(held: Held, org_code: str, confidence: int) -> Step | None:
    """The step of the matching run for a presence; None when it changes nothing."""
    action = "match" if confidence >= MATCH_AT else "propose"
    if confidence < CANDIDATE_AT or held.status in _SETTLED:
        return None
    sources = {t.action: t for t in CLAIM.from_state(held.state)}
    if action not in sources:
        return None
    return Step(
        action=action,
        state=sources[action].target,
        version=held.version + 1,
        authority=held.authority,
        offered=None,
        assigner=held.assigner,
        region=held.region,
        match=org_code,
        confidence=confidence,
        basis=basis_for(held.channel),
        reason_code=None,
        reason=None,
    )


MATCH_AT: Final = 80
"""Confidence (0–100) from which a presence counts as matched; below it is a candidate for an officer."""
CANDIDATE_AT: Final = 40
_AGREES: Final = 10
_SECOND_HAND: Final = 20


@dataclass(frozen=True, slots=True)
class Located:
    """What one address says: division, how sure (0–100), and the street when it names one."""

    region: str
    confidence: int
    street: str | None = None


def place(
    channel: str, displayed: Located | None, registered: Located | None, authority_region: str | None
) -> Located | None:
    """Where a presence belongs, from what it displays and what its licence says; None when nothing is proved.

    displayed: the address shown with the presence; registered: its subject's; authority_region: positions 3–8
    of its USCC, which name the registering authority (GB 32100) and never decide: they only add to, or take
    from, what an address says. A seller on a platform belongs where it does business, so the displayed
    address goes first; a platform or own site to its domicile, so the registered one does (程序规定 §10).
    """
    first, second = (registered, displayed) if channel in _DOMICILE else (displayed, registered)
    found = first
    if found is None and second is not None:
        found = Located(second.region, max(0, second.confidence - _SECOND_HAND), second.street)
    if found is None:
        return None
    if first and second and first.region != second.region and region_covers(first.region, second.region):
        # The first names only the city: the second says which county of it.
        found = Located(second.region, max(0, second.confidence - _AGREES), second.street)
    sure = found.confidence
    if second and found.region != second.region and not region_covers(second.region, found.region):
        sure -= _SECOND_HAND
    if authority_region is not None:
        agrees = region_covers(authority_region, found.region)
        sure += _AGREES if agrees else -_AGREES
    return Located(found.region, max(0, min(100, sure)), found.street)


def basis_for(channel: str) -> str:
    """The usual ground of jurisdiction for a channel (程序规定 §10; otherwise 行政处罚法 §22)."""
    if channel in _DOMICILE:
        return "domicile"
    return "violation_place" if channel == Channel.OTHER else "operator_place"


def sound(held: Held) -> list[str]:
    """What is wrong with a standing; empty for a sound one (the invariants of this module's laws)."""
    wrong = []
    if not held.authority:
        wrong.append("no authority")
    if (held.offered is not None) != (held.state in OPEN_OFFERS):
        wrong.append(f"offered={held.offered} in {held.state}")
    if held.state not in {s.code for s in CLAIM.states}:
        wrong.append(f"unknown state {held.state}")
    return wrong


def _check_place(claims: Claims, target: Authority | None, code: str) -> None:
    if target is None or not target.may_hold or not region_covers(claims.region, target.region):
        raise Problem(
            "claim.authority",
            422,
            zh="只能推送给本辖区内的县级市场监管部门或功能区分局",
            en="presences are offered to county bureaux and zone bureaux within your own area",
            todo_zh="请另选单位；跨辖区的，请放入待分派池由上级分派",
            todo_en="choose another; for one outside your area put it into the pool for the superior",
            extra={"org_code": code[:40]},
        )


def _check_target(claims: Claims, held: Held, target: Authority | None, code: str) -> None:
    _check_place(claims, target, code)
    if code in {held.offered, held.authority if held.state == "claimed" else None}:
        raise Problem(
            "claim.already",
            409,
            zh="该网店已在此单位名下",
            en="it is with this authority already",
            todo_zh="无需再次推送",
            todo_en="nothing needs to be done",
        )


def _settled(held: Held) -> Problem:
    zh, en = ("已剔除", "weeded out") if held.status == "weeded" else ("已合并", "merged into another")
    return Problem(
        "claim.settled",
        409,
        zh=f"该网店{zh}，不再办理认领",
        en=f"it was {en}: its jurisdiction is not changed any more",
        todo_zh="如需继续办理，请先恢复" if held.status == "weeded" else "请办理合并后的网店",
        todo_en="restore it first" if held.status == "weeded" else "use the one it was merged into",
        extra={"allowed": []},
    )


def _no_match() -> Problem:
    return Problem(
        "claim.no_match",
        409,
        zh="尚未匹配到单位",
        en="it has not been matched to an authority",
        todo_zh="请指定认领单位",
        todo_en="name the authority",
    )
