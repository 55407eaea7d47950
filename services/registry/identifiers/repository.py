"""SQL of identifiers. They carry no region: whoever reads them joins presences and is scoped there."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.identifiers.models import Identifier

SHOWN = 200
_SHOWN = text(
    "INSERT INTO identifiers (presence_no, kind, key, value, source, first_seen, last_seen)"
    " SELECT *, CAST(:source AS varchar), CAST(:now AS timestamptz), CAST(:now AS timestamptz)"
    " FROM unnest(CAST(:nos AS bigint[]), CAST(:kinds AS smallint[]), CAST(:keys AS bigint[]),"
    " CAST(:values AS bytea[])) AS shown (no, kind, key, value)"
    " WHERE NOT EXISTS (SELECT FROM presences p WHERE p.no = shown.no AND p.status = 'merged')"
    " ON CONFLICT (presence_no, kind, key) DO UPDATE"
    " SET last_seen = excluded.last_seen, source = excluded.source, ended_at = NULL"
)
_ENDED = text(
    "UPDATE identifiers SET ended_at = :now WHERE presence_no = ANY(:presences) AND ended_at IS NULL"
    " AND last_seen < :now"
)


async def of_presence(session: AsyncSession, presence_no: int) -> list[Identifier]:
    """What a presence shows and showed, shown ones first; the caller has found the presence visible."""
    statement = select(Identifier).where(Identifier.presence_no == presence_no)
    order = (Identifier.ended_at.is_not(None), Identifier.kind, Identifier.last_seen.desc())
    return list((await session.scalars(statement.order_by(*order).limit(SHOWN))).all())


async def replace(
    session: AsyncSession,
    presences: Sequence[int],
    shown: Sequence[tuple[int, int, int, bytes]],
    *,
    source: str,
    now: datetime,
) -> None:
    """What these presences show now, as `(presence_no, kind, key, sealed value)`; the rest ends.

    A merged presence shows nothing of its own: what it shows stands in the one it was merged into.
    """
    if shown:
        nos, kinds, keys, values = (list(column) for column in zip(*shown, strict=True))
        await session.execute(
            _SHOWN, {"nos": nos, "kinds": kinds, "keys": keys, "values": values, "source": source, "now": now}
        )
    await session.execute(_ENDED, {"presences": list(presences), "now": now})
