"""线索规则 pure decisions about clues: who stands how to one, and what is searchable."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from services.casework.workflow.rules import Relation
from services.common.scope import region_covers


def relations(
    *, org: str, region: str, origin_org: str, origin_region: str, assigned_org: str | None
) -> frozenset[Relation]:
    """How an authority (org, region) stands to a clue.

    Origin: the finder itself, or an authority whose division lies above the finder's (an authority of the
    same division is a neighbour, not a superior). Assignee: the very authority it is assigned to; its
    superiors may look but not sign in its place.
    """
    found = set()
    if org == origin_org or (region != origin_region and region_covers(region, origin_region)):
        found.add(Relation.ORIGIN)
    if assigned_org is not None and org == assigned_org:
        found.add(Relation.ASSIGNEE)
    return frozenset(found)


def fold(text: str) -> str:
    """Search form of a text: NFKC, case folded, without white space, control and format characters."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(c for c in folded if not c.isspace() and unicodedata.category(c) not in {"Cf", "Cc"})
    return unicodedata.normalize("NFKC", kept)


def search_text(values: Iterable[str | None]) -> str:
    """Folded values, one a line, for substring search."""
    return "\n".join(dict.fromkeys(f for f in (fold(v) for v in values if v) if f))


def like_pattern(query: str) -> str:
    """LIKE pattern (escape character `\\`) for a substring match of the folded query."""
    escaped = fold(query).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
