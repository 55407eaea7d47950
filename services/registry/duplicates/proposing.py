"""Finding records that may stand twice."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import groupby

from services.common.audit import record
from services.common.clock import utc_now
from services.common.database import Database
from services.common.identity import Claims
from services.common.personal import PersonalData, PersonalDataError
from services.registry.duplicates import repository
from services.registry.duplicates.rules import PRESENCE_RULES, SUBJECT_RULES, DuplicateRule, DuplicateType
from services.registry.identifiers.normal import identifying

Pairs = dict[DuplicateRule, list[tuple[str, str]]]
_BY_KIND = {1: DuplicateRule.NAME_PHONE, 4: DuplicateRule.NAME_DOOR, 8: DuplicateRule.NAME_PERSON}
_COMPARED = ("phone", "address", "legal_person")


@dataclass(slots=True)
class Progress:
    """How far a search is: steps done of how many, pairs by rule, new ones, whether a limit was reached."""

    steps: int = len(SUBJECT_RULES) + len(PRESENCE_RULES) + 1
    done: int = 0
    found: dict[DuplicateRule, int] = field(default_factory=dict)
    new: int = 0
    capped: bool = False

    def add(self, reason: DuplicateRule, pairs: list[bool]) -> None:
        """Count in what a rule found."""
        self.found[reason] = len(pairs)
        self.new += sum(pairs)
        self.capped |= len(pairs) >= repository.MOST_FOUND


async def search(database: Database, personal: PersonalData, claims: Claims, progress: Progress) -> None:
    """Look through the caller's region, rule by rule, each in its own transaction; known pairs stay known.

    A search that is cut short has kept what it found; the next one finds the rest.
    """
    rules = [(DuplicateType.SUBJECT, one) for one in SUBJECT_RULES]
    rules += [(DuplicateType.PRESENCE, one) for one in PRESENCE_RULES]
    for object_type, reason in rules:
        async with database.transaction() as session:
            progress.add(reason, await repository.propose(session, claims, object_type, reason, utc_now()))
        progress.done += 1
    async with database.transaction() as session:
        rows = await repository.namesakes(session, claims)
        # Opening thousands of sealed values takes a moment: other requests go on meanwhile.
        compared = await asyncio.to_thread(same_named, personal, rows)
        for reason, known in compared.items():
            pairs = await repository.propose_pairs(session, claims, reason, known, utc_now())
            progress.add(reason, pairs)
        progress.capped |= len(rows) >= repository.MOST_FOUND
        await record(
            session,
            claims,
            event="duplicate.searched",
            object_type="duplicate",
            object_id="search",
            after={"new": progress.new, **{one.value: count for one, count in progress.found.items()}},
        )
    progress.done += 1


def same_named(personal: PersonalData, rows: list[tuple[str, str, bytes]]) -> Pairs:
    """Pairs of subjects of one name that share a telephone, a door or a legal representative.

    rows: `(id, name as compared, sealed values)` in the order of their names. A value that does not open
    is passed over: it proves nothing.
    """
    pairs: Pairs = {reason: [] for reason in _BY_KIND.values()}
    for _, group in groupby(rows, key=lambda row: row[1]):
        holders: dict[tuple[int, str], list[str]] = defaultdict(list)
        for subject_id, _, sealed in group:
            try:
                values = personal.open(sealed, subject_id)
            except PersonalDataError:
                continue
            told = {name: values.get(name) for name in _COMPARED}
            for kind, norm, _ in identifying(told):
                if kind in _BY_KIND:
                    holders[kind, norm].append(subject_id)
        for (kind, _), ids in holders.items():
            pairs[_BY_KIND[kind]] += [(ids[0], other) for other in ids[1:]]
    return pairs
