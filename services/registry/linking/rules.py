"""关联规则 when a value shared by shops ties them to one operator, and when it is a hub.

A value is judged by its holders alone: do they hang together by anything else? Every figure is a whole
number of shops and every limit a whole number of percent, so that whoever recomputes a verdict from its facts
gets the same one. What was measured, and why these limits: docs/registry/linking.md, ADR 0020.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Final, NamedTuple

from services.registry.identifiers.kinds import Kind

RULE_VERSION: Final = "2026-3"

SMALL: Final = 3
"""Up to so many holders a value links unless they clash: 99 of 100 such values are one operator's."""
CONNECTOR: Final = 30
"""What more shops than this show ties nobody to anybody and says nothing about a shop of its own."""
LIMIT: Final = 200
"""A value on more shops than this never links by itself; officers may rule that it does."""
BRIDGE: Final = 5
"""A value with at most so many holders is cut when it alone holds two groups together …"""
SIDE: Final = 8
"""… of at least so many shops each."""
AGENT: Final = 30
"""A hub on at least so many shops is shown to officers as an agent many shops share."""
LARGE: Final = 300
"""A cluster of more shops than this is shown to officers."""
TWIN: Final = 67
"""Percent of a value's holders that also show another value: the two are one thing seen twice."""
TIES: Final = 25
"""Percent of those who show anything that must be in one group; else nothing ties the holders …"""
TIES_MANY: Final = 90
"""… and where more than MANY shops show the value."""
MANY: Final = 20
"""Values on more shops than this are mostly agents': more is asked of them."""
CLASHES: Final = 4
"""Clashes between holders something ties up to which they are one operator's …"""
CLASHES_STRICT: Final = 1
"""… and where only twins tie them, many show the value, or nothing ties them …"""
UNTIED: Final = 8
"""… which on more shops than this must not clash at all …"""
UNTIED_BESIDE: Final = 4
"""… nor, beside twins, on more than this."""
HIDING: Final = 10
"""Percent of a return address's holders in one group, up to which it may be an operator that hides."""

EACH_ITS_OWN: Final = frozenset({Kind.IMAGE, Kind.DOMAIN, Kind.POLICE_NO})
"""Kinds of which each shop of one operator may well have its own: that two differ says nothing."""
CLASHING: Final = frozenset(Kind) - EACH_ITS_OWN
REGISTERED: Final = frozenset({Kind.LICENCE, Kind.ICP, Kind.LEGAL_PERSON, Kind.PAYMENT})
"""What an operator cannot change as easily as a telephone: who he is before the authorities and the bank."""
SITES: Final = frozenset({Kind.ICP, Kind.DOMAIN, Kind.POLICE_NO})
"""What belongs to a site, hence often to the agent who made it: its holders must not clash unless tied."""
NAMING: Final = frozenset({Kind.LICENCE, Kind.PAYMENT})
"""What names the operator itself: its holders may clash once each, or CLASHES times where they are fewer."""
SUPPORTING: Final = frozenset({Kind.LEGAL_PERSON, Kind.IMAGE})
"""Kinds that do not link by themselves: many people have one name, many shops one picture of the maker's."""

WEIGHTS: Final[Mapping[int, float]] = {
    Kind.LICENCE: 1.0,
    Kind.PAYMENT: 0.95,
    Kind.RETURN_ADDRESS: 0.9,
    Kind.PHONE: 0.85,
    Kind.WECHAT: 0.85,
    Kind.QQ: 0.8,
    Kind.ICP: 0.8,
    Kind.DOMAIN: 0.8,
    Kind.POLICE_NO: 0.8,
    Kind.ADDRESS: 0.6,
    Kind.LEGAL_PERSON: 0.3,
    Kind.IMAGE: 0.3,
}


class State(IntEnum):
    """What the rule says about a value before weak bridges are cut."""

    LINKS = 0
    HUB = 1
    SUPPORTS = 2


class Code(StrEnum):
    """Why."""

    FEW = "few"
    UNKNOWN = "unknown"
    TIED = "tied"
    SCATTERED = "scattered"
    APART = "apart"
    TWINS = "twins"
    TOO_MANY = "too_many"
    BRIDGE = "bridge"
    RULED_HUB = "ruled_hub"
    RULED_NOT_HUB = "ruled_not_hub"
    SUPPORTS = "supports"


CODE_LABELS: Final[dict[Code, tuple[str, str]]] = {
    Code.FEW: ("持有者很少，直接形成关联", "few shops show it"),
    Code.UNKNOWN: (
        "持有者之间没有其他共同信息，也未见反证",
        "nothing else ties its holders; nothing speaks against",
    ),
    Code.TIED: ("持有者之间另有其他共同信息", "its holders are tied to each other by other values"),
    Code.SCATTERED: (
        "持有者之间没有其他共同信息，且同类信息互不相同",
        "nothing else ties its holders, and they show the same kinds, each something else",
    ),
    Code.APART: (
        "持有者分属多组，各组同类信息互不相同",
        "its holders fall into groups that show the same kinds, each something else",
    ),
    Code.TWINS: (
        "除总是同时出现的值外别无联系",
        "only values that always come together with it tie its holders",
    ),
    Code.TOO_MANY: ("持有者过多", "too many shops show it"),
    Code.BRIDGE: ("仅凭此值连接两个群体，已切断", "it alone held two groups together and was cut"),
    Code.RULED_HUB: ("人工认定为枢纽值", "ruled to be a hub"),
    Code.RULED_NOT_HUB: ("人工认定不是枢纽值", "ruled not to be a hub"),
    Code.SUPPORTS: ("仅作佐证，不单独形成关联", "supports, does not link by itself"),
}


class Tally(NamedTuple):
    """Holders that show something else, those of them others show it too, the largest group so tied.

    clashes: how often groups (a holder nothing ties is one) show the same kind, each something else: for each
    kind of CLASHING one less than the groups that show it; registered: the same of REGISTERED alone.
    """

    showing: int
    tied: int
    largest: int
    clashes: int
    registered: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What a verdict rests on. apart: the tally without values that nearly always come along (twins)."""

    kind: int
    holders: int
    all: Tally | None = None
    apart: Tally | None = None


def few(kind: int) -> int:
    """Clashes from which a value on at most SMALL shops, which nothing ties, is no link."""
    if kind in NAMING:
        return CLASHES + 1
    return 1 if kind in SITES else CLASHES_STRICT + 1


def untied(kind: int, holders: int, beside: bool) -> int:
    """Clashes up to which a value on more shops, which nothing ties, links; beside: twins are left out."""
    if kind in NAMING:
        return max(CLASHES, holders)
    none = kind in SITES or holders > (UNTIED_BESIDE if beside else UNTIED)
    return 0 if none else CLASHES_STRICT


def decide(facts: Facts) -> Code:
    """The verdict on a value no officer has ruled on."""
    if facts.all is None or facts.apart is None:
        return Code.FEW if facts.holders <= SMALL else Code.TOO_MANY
    if facts.holders <= SMALL:
        against = facts.all.largest < 2 and facts.all.clashes >= few(facts.kind)
        return Code.SCATTERED if against else Code.FEW
    if facts.holders > LIMIT:
        return Code.TOO_MANY
    beside = facts.apart != facts.all
    code = _judge(facts, facts.apart, beside=beside)
    twins = beside and code not in LINKING and _judge(facts, facts.all, beside=False) in LINKING
    return Code.TWINS if twins else code


def _judge(facts: Facts, tally: Tally, *, beside: bool) -> Code:
    many = facts.holders > MANY
    if tally.largest >= 2 and 100 * tally.largest >= (TIES_MANY if many else TIES) * tally.showing:
        limit = CLASHES_STRICT if beside or many else CLASHES
        limit = max(CLASHES, facts.holders) if facts.kind in NAMING else limit
        return Code.TIED if tally.clashes <= limit else Code.APART
    alone = tally.largest < 2 or 100 * tally.largest <= HIDING * facts.holders
    # An operator may give every shop a phone of its own and one place for returns.
    clashes = tally.registered if alone and facts.kind == Kind.RETURN_ADDRESS else tally.clashes
    against = clashes > untied(facts.kind, facts.holders, beside)
    return Code.SCATTERED if against else Code.UNKNOWN


CONTRADICTED: Final = frozenset({Code.SCATTERED, Code.APART})
LINKING: Final = frozenset({Code.FEW, Code.UNKNOWN, Code.TIED, Code.RULED_NOT_HUB})


def state_of(kind: int, code: Code) -> State:
    """What follows from a verdict for a value of that kind."""
    if code not in LINKING:
        return State.HUB
    return State.SUPPORTS if kind in SUPPORTING and code is not Code.RULED_NOT_HUB else State.LINKS


def reason(facts: Facts, code: Code) -> dict[str, Any]:
    """The verdict with its facts, as stored beside the value. `facts_of` reads it back."""
    found: dict[str, Any] = {"rule": RULE_VERSION, "code": code.value, "members": facts.holders}
    if facts.all is not None and facts.apart is not None:
        found["all"], found["apart"] = facts.all._asdict(), facts.apart._asdict()
    return found


def words(stored: Mapping[str, Any]) -> tuple[str, str]:
    """A stored reason in words, Chinese and English; where shops contradict each other, how often."""
    code = Code(stored["code"])
    zh, en = CODE_LABELS[code]
    shops = stored["members"]
    clashes = stored.get("all" if shops <= SMALL else "apart", {}).get("clashes")
    if code not in CONTRADICTED or clashes is None:  # an earlier rule did not count them
        return zh, en
    return f"{zh}（{shops}家持有，{clashes}处互不相同）", f"{en} ({shops} shops, {clashes} differences)"


def facts_of(kind: int, stored: Mapping[str, Any]) -> Facts:
    """The facts a stored reason of this RULE_VERSION rests on, to be put before `decide` again."""
    if "all" not in stored:
        return Facts(kind, stored["members"])
    return Facts(kind, stored["members"], Tally(**stored["all"]), Tally(**stored["apart"]))


def weigh(kinds: Iterable[int]) -> float:
    """Weight of a link from the kinds of the values two shops share that are no hubs; 0: no link, at most 1.

    One value of a kind that links suffices; each further one adds what is left of the way to certainty.
    """
    doubt, links = 1.0, False
    for kind in kinds:
        doubt *= 1 - WEIGHTS.get(kind, 0.5)
        links = links or kind not in SUPPORTING
    return round(1 - doubt, 4) if links else 0.0
