"""Use cases of undoing: what would happen, and doing it, batch by batch, so that a kill loses nothing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.database import Database
from services.common.identity import Claims
from services.common.personal import PersonalData
from services.registry.imports import repository as imports
from services.registry.imports.models import Import
from services.registry.imports.rules import FOLLOWED_ROWS, Links, State
from services.registry.imports.taking import repository as taking
from services.registry.imports.taking.batches import Setting
from services.registry.imports.taking.rows import RowMaker
from services.registry.imports.undoing import repository
from services.registry.imports.undoing.rules import REASONS, restored
from services.registry.linking import service as linking
from services.registry.personal.rules import PERSONAL

_BATCH = 1_000
_PHASES = ("own", "touched", "subjects")


async def survey(session: AsyncSession, row: Import) -> dict[str, Any]:
    """What undoing would do: {"removed", "restored", "kept": [{"reason", "zh", "en", "rows", "names"}]}."""
    found = await repository.survey(session, row.id, row.stamp) if row.stamp else []
    kept: dict[str, dict[str, Any]] = {}
    for one in found:
        if one.built:
            zh, en = REASONS[one.built]
            entry = kept.setdefault(
                one.built, {"reason": one.built, "zh": zh, "en": en, "rows": 0, "names": []}
            )
            entry["rows"] += one.rows
            entry["names"] = (entry["names"] + list(one.names))[:5]
    return {
        "removed": sum(one.rows for one in found if not one.built and one.own),
        "restored": sum(one.rows for one in found if not one.built and not one.own),
        "kept": list(kept.values()),
    }


async def undo_all(database: Database, personal: PersonalData, row: Import, claims: Claims) -> None:
    """Undo an import whose lease the caller holds; goes on where an earlier run broke off."""
    assert row.stamp is not None and row.undone is not None  # noqa: S101 - both are set when undoing is asked for
    at = datetime.fromisoformat(row.undone["at"])
    maker = RowMaker(_setting(row, personal, claims, at))
    done = dict(row.undone)
    while done["phase"] != "end":
        async with database.transaction() as session:
            locked = await imports.working(session, row.id, State.UNDOING)
            if locked is None:
                return
            done = await _step(session, personal, maker, locked, claims, at)
            locked.undone = done
            if done["phase"] == "end":
                await _end(session, locked, claims, done)


async def _step(
    session: AsyncSession, personal: PersonalData, maker: RowMaker, row: Import, claims: Claims, at: datetime
) -> dict[str, Any]:
    done = dict(row.undone or {})
    phase, after = done["phase"], done["after"]
    assert row.stamp is not None  # noqa: S101 - see undo_all
    if row.links == Links.WANTED:
        await taking.skip_log(session)
    if phase == "own":
        found = await repository.next_own(session, row.id, row.stamp, after, _BATCH)
        going = [one for one in found if not one.built]
        ids, nos = [one.id for one in going], [one.no for one in going]
        await repository.remove(session, row.id, ids, nos, at, claims.sub, claims.name)
        last, count = (found[-1].id if found else None), len(found)
        done["removed"] += len(going)
        await _follow_links(session, row, nos, done)
    elif phase == "touched":
        rows = await repository.next_touched(session, row.id, row.stamp, after, _BATCH)
        going_back = [one for one in rows if not one["built"]]
        await _restore(session, personal, maker, row, going_back, at)
        last, count = (rows[-1]["id"] if rows else None), len(rows)
        done["restored"] += len(going_back)
        await _follow_links(session, row, [one["no"] for one in going_back], done)
    else:
        gone = await repository.remove_subjects(session, row.id, after, _BATCH)
        last, count = (max(gone) if gone else None), len(gone)
        done["subjects"] += len(gone)
    if count < _BATCH:
        following = _PHASES.index(phase) + 1
        return {**done, "phase": _PHASES[following] if following < len(_PHASES) else "end", "after": ""}
    return {**done, "after": last}


async def _follow_links(session: AsyncSession, row: Import, nos: list[int], done: Mapping[str, Any]) -> None:
    if done["removed"] + done["restored"] > FOLLOWED_ROWS or row.links == Links.WANTED:
        row.links = Links.WANTED
    else:
        await linking.changed(session, nos)


async def _restore(
    session: AsyncSession,
    personal: PersonalData,
    maker: RowMaker,
    row: Import,
    rows: Sequence[Mapping[str, Any]],
    at: datetime,
) -> None:
    if not rows:
        return
    assert row.stamp is not None  # noqa: S101 - see undo_all
    earlier: defaultdict[str, list[tuple[str, Any]]] = defaultdict(list)
    for one in await repository.history(session, row.id, [r["id"] for r in rows]):
        old = personal.open(bytes(one.sealed), one.object_id).get("old") if one.sealed else one.old
        earlier[one.object_id].append((one.field, old))
    given = []
    for one in rows:
        sealed = personal.open(bytes(one["personal"]), one["id"]) if one["personal"] else {}
        now = {**dict.fromkeys(PERSONAL), **one, **sealed}
        given.append((one["no"], one["id"], now, restored(now, earlier[one["id"]])))
    await taking.write(session, at, maker.restore(given))
    await repository.drop_shown(session, [one["no"] for one in rows], row.stamp, at)


async def _end(session: AsyncSession, row: Import, claims: Claims, done: dict[str, Any]) -> None:
    left = await repository.survey(session, row.id, row.stamp) if row.stamp else []
    kept = sum(one.rows for one in left if one.built and one.own)
    row.state, row.lease_until, row.cancel = State.UNDONE, None, False
    row.undone = {**done, "kept": kept, "by_name": claims.name, "ended": utc_now().isoformat()}
    row.updated_at = utc_now()
    after = {name: done[name] for name in ("removed", "restored", "subjects")} | {"kept": kept}
    await record(session, claims, event="import.undone", object_type="import", object_id=row.id, after=after)


def _setting(row: Import, personal: PersonalData, claims: Claims, at: datetime) -> Setting:
    """The same as for taking in, but what is written now bears the moment of undoing and no import."""
    return Setting(
        import_id="",
        source=row.source,
        mapping=(),
        org=row.org_code,
        region=row.region_code,
        by=claims.sub,
        by_name=claims.name,
        stamp=at,
        divisions={},
        ring=personal.ring,
    )


def begun(at: datetime) -> dict[str, Any]:
    """What is kept of an undoing that begins."""
    return {"phase": "own", "after": "", "at": at.isoformat(), "removed": 0, "restored": 0, "subjects": 0}
