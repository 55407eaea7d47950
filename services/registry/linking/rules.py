"""关联规则 when a value shared by shops ties them to one operator, and when it is a hub.

A value is judged by its holders alone: do they hang together by anything else? Every figure is a whole
number of shops and every limit a whole number of percent, so that whoever recomputes a verdict from its facts
gets the same one. What was measured, and why these limits: docs/registry/linking.md, ADR 0020.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from typing import Any, Final

from services.registry.identifiers.kinds import Kind

RULE_VERSION: Final = "2026-1"

SMALL: Final = 3
"""Up to so many holders a value links as it is: more than 99 of 100 such values are one operator's."""
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
BESIDE: Final = 30
"""Percent of the holders that may show things of their own beside twins without making the value suspect."""
SILENT: Final = 6
"""Percent of the holders that may show things of their own without making the value suspect."""
HIDING: Final = 10
"""Percent of an address's holders tied by anything, up to which it may be an operator that hides."""
SHOWING_SMALL: Final[Mapping[int, int]] = {Kind.ADDRESS: 1, Kind.RETURN_ADDRESS: 1}
"""Of few holders (4 to 8), so many may show things of their own before anything must tie them; others: 3."""

ADDRESSES: Final = frozenset({Kind.ADDRESS, Kind.RETURN_ADDRESS})
REGISTERED: Final = frozenset({Kind.LICENCE, Kind.ICP, Kind.LEGAL_PERSON, Kind.PAYMENT, Kind.DOMAIN})
"""What an operator cannot change as easily as a telephone: who he is before the authorities and the bank."""
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
        "持有者几乎没有其他信息，未见反证",
        "its holders show hardly anything else; nothing speaks against",
    ),
    Code.TIED: ("持有者之间另有其他共同信息", "its holders are tied to each other by other values"),
    Code.SCATTERED: ("持有者之间没有其他共同信息", "its holders are not tied to each other by anything else"),
    Code.APART: (
        "多数持有者各有自己的信息，与其他持有者无关",
        "too many holders show only things of their own",
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


@dataclass(frozen=True, slots=True)
class Tally:
    """Holders that show something else, those it ties to others, and the largest group so tied."""

    showing: int
    tied: int
    largest: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What a verdict rests on. registered: holders tied or showing something of REGISTERED.

    apart: the same once values that come with this one nearly always (twins) are left out.
    """

    kind: int
    holders: int
    all: Tally | None = None
    apart: Tally | None = None
    registered: int = 0
    registered_apart: int = 0


def limits(holders: int) -> tuple[int, int]:
    """(percent of those who show anything that must be in one group, percent that may stand alone)."""
    if holders <= 8:
        return 30, 50
    if holders <= 15:
        return 34, 25
    return (75, 10) if holders <= 30 else (90, 10)


def free(kind: int, holders: int, apart: bool = False) -> int:
    """How many holders may show things of their own before anything must tie them; apart: beside twins."""
    few = 1 + holders * SILENT // 100
    if holders <= 8:
        few = min(SHOWING_SMALL.get(kind, 3), max(8 - holders, 1))
    return max(few, holders * BESIDE // 100) if apart else few


def decide(facts: Facts) -> Code:
    """The verdict on a value no officer has ruled on."""
    if facts.holders <= SMALL:
        return Code.FEW
    if facts.holders > LIMIT or facts.all is None or facts.apart is None:
        return Code.TOO_MANY
    code = _judge(facts, facts.all, facts.registered, apart=False)
    if code in (Code.SCATTERED, Code.APART):
        return code
    without = _judge(facts, facts.apart, facts.registered_apart, apart=facts.apart != facts.all)
    return Code.TWINS if without in (Code.SCATTERED, Code.APART) else code


def _judge(facts: Facts, tally: Tally, registered: int, *, apart: bool) -> Code:
    showing = tally.showing
    if not apart and facts.kind in ADDRESSES and 100 * (tally.tied - 1) <= HIDING * facts.holders:
        showing = registered  # an operator may give every shop a phone of its own and one place for returns
    if showing <= free(facts.kind, facts.holders, apart):
        return Code.UNKNOWN
    together, alone = limits(facts.holders)
    if tally.largest < 2 or 100 * tally.largest < together * showing:
        return Code.SCATTERED
    return Code.APART if 100 * (showing - tally.tied) > alone * showing else Code.TIED


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
        found["all"] = asdict(facts.all) | {"registered": facts.registered}
        found["apart"] = asdict(facts.apart) | {"registered": facts.registered_apart}
    return found


def facts_of(kind: int, stored: Mapping[str, Any]) -> Facts:
    """The facts a stored reason rests on, so that anyone can put them before `decide` again."""
    if "all" not in stored:
        return Facts(kind, stored["members"])
    every, apart = (
        Tally(stored[name]["showing"], stored[name]["tied"], stored[name]["largest"])
        for name in ("all", "apart")
    )
    return Facts(
        kind,
        stored["members"],
        every,
        apart,
        stored["all"]["registered"],
        stored["apart"]["registered"],
    )


def weigh(kinds: Iterable[int]) -> float:
    """Weight of a link from the kinds of the values two shops share that are no hubs; 0: no link, at most 1.

    One value of a kind that links suffices; each further one adds what is left of the way to certainty.
    """
    doubt, links = 1.0, False
    for kind in kinds:
        doubt *= 1 - WEIGHTS.get(kind, 0.5)
        links = links or kind not in SUPPORTING
    return round(1 - doubt, 4) if links else 0.0
