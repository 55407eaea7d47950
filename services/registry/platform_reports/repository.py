"""SQL of platform reports; every read for people is scoped by region here."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.common.scope import region_filter, region_prefix
from services.registry.platform_reports.models import PlatformReport
from services.registry.platform_reports.schemas import ReportQuery
from services.registry.presences.models import Presence
from services.registry.presences.rules import RUN_BY_ITSELF
from services.registry.search.rules import like_pattern

# A check that says nothing for that long was cut short; another process takes it up.
SILENT: Final = timedelta(seconds=60)
_KNOWN: Final = text(
    "SELECT platform, count(*) AS shops FROM presences"
    " WHERE region_code LIKE :scope AND status = 'active' AND platform <> '' AND channel <> ALL(:own)"
    " GROUP BY platform HAVING count(*) >= :least ORDER BY shops DESC, platform"
    " LIMIT :most"
)
_NEXT: Final = text(
    "UPDATE platform_reports SET state = 'checking', updated_at = :now WHERE id = ("
    "SELECT id FROM platform_reports WHERE state = 'received'"
    " OR (state = 'checking' AND updated_at < :silent) ORDER BY id LIMIT 1"
    " FOR UPDATE SKIP LOCKED) RETURNING id"
)
_LICENCES: Final = text(
    "SELECT DISTINCT native_id, licence FROM presences WHERE platform = :platform AND native_id = ANY(:ids)"
    " AND status = 'active' AND licence <> '' AND region_code LIKE :scope"
)
_OVERDUE: Final = text(
    "SELECT DISTINCT ON (r.org_code, r.platform) r.org_code, r.platform, r.region_code, r.rows"
    " FROM platform_reports r WHERE r.period = :last AND r.state = 'checked' AND NOT EXISTS ("
    "SELECT FROM platform_reports n WHERE n.org_code = r.org_code AND n.platform = r.platform"
    " AND n.period = :period) ORDER BY r.org_code, r.platform, r.id DESC"
)


async def page(session: AsyncSession, claims: Claims, query: ReportQuery) -> list[PlatformReport]:
    """One row more than the page of the reports the caller may see, newest first."""
    statement = (
        select(PlatformReport)
        .where(region_filter(PlatformReport.region_code, claims))
        .order_by(PlatformReport.id.desc())
        .limit(query.limit + 1)
    )
    if query.after:
        statement = statement.where(PlatformReport.id < query.after)
    if query.period:
        statement = statement.where(PlatformReport.period == query.period)
    if query.q:
        statement = statement.where(
            func.lower(PlatformReport.platform).like(like_pattern(query.q), escape="\\")
        )
    return list((await session.scalars(statement)).all())


async def visible(session: AsyncSession, claims: Claims, report_id: str) -> PlatformReport | None:
    """The report when the caller may see it."""
    statement = select(PlatformReport).where(
        PlatformReport.id == report_id, region_filter(PlatformReport.region_code, claims)
    )
    return (await session.scalars(statement)).one_or_none()


async def same_file(
    session: AsyncSession, claims: Claims, platform: str, period: str, sha256: str
) -> PlatformReport | None:
    """The report the caller's authority received with this very file."""
    statement = select(PlatformReport).where(
        PlatformReport.org_code == claims.org,
        PlatformReport.platform == platform,
        PlatformReport.period == period,
        PlatformReport.sha256 == sha256,
        region_filter(PlatformReport.region_code, claims),
    )
    return (await session.scalars(statement)).one_or_none()


async def of_period(session: AsyncSession, claims: Claims, period: str) -> dict[str, PlatformReport]:
    """The newest report of each platform for a period, that the caller may see."""
    statement = (
        select(PlatformReport)
        .where(PlatformReport.period == period, region_filter(PlatformReport.region_code, claims))
        .order_by(PlatformReport.id)
    )
    return {report.platform: report for report in (await session.scalars(statement)).all()}


async def known_platforms(session: AsyncSession, region: str, least: int, most: int = 200) -> dict[str, int]:
    """Platforms with at least that many shops in a division, and how many; sites of their own are on none."""
    values = {
        "scope": f"{region_prefix(region)}%",
        "least": least,
        "most": most,
        "own": sorted(RUN_BY_ITSELF),
    }
    return {row.platform: row.shops for row in await session.execute(_KNOWN, values)}


async def known_shops(session: AsyncSession, region: str, platform: str) -> int:
    """Shops of a platform in a division."""
    statement = select(func.count()).where(
        Presence.platform == platform,
        Presence.status == "active",
        Presence.channel.not_in(RUN_BY_ITSELF),
        Presence.region_code.startswith(region_prefix(region), autoescape=True),
    )
    return (await session.scalar(statement)) or 0


async def licences(
    session: AsyncSession, region: str, platform: str, native_ids: Sequence[str]
) -> dict[str, list[str]]:
    """The licence numbers the registry has for shops of a platform, by their number there."""
    values = {"scope": f"{region_prefix(region)}%", "platform": platform, "ids": list(native_ids)}
    found: dict[str, list[str]] = {}
    for row in await session.execute(_LICENCES, values):
        found.setdefault(row.native_id, []).append(row.licence)
    return found


async def last_rows(session: AsyncSession, org_code: str, platform: str, period: str | None) -> int | None:
    """Rows of the newest checked report of a platform for a period."""
    statement = (
        select(PlatformReport.rows)
        .where(
            PlatformReport.org_code == org_code,
            PlatformReport.platform == platform,
            PlatformReport.period == period,
            PlatformReport.state == "checked",
        )
        .order_by(PlatformReport.id.desc())
        .limit(1)
    )
    return (await session.scalars(statement)).one_or_none()


async def add(session: AsyncSession, report: PlatformReport) -> None:
    """Insert a report and find out at once whether the database takes it."""
    session.add(report)
    await session.flush()


async def take_next(session: AsyncSession, now: datetime) -> str | None:
    """Id of a report to be checked, marked as being checked; None when there is none. For the job only."""
    found: str | None = (
        await session.execute(_NEXT, {"now": now, "silent": now - SILENT})
    ).scalar_one_or_none()
    return found


async def by_id(session: AsyncSession, report_id: str) -> PlatformReport | None:
    """A report, for the job that checks it and for checking a receipt; nothing of it is shown."""
    return await session.get(PlatformReport, report_id)


async def progress(session: AsyncSession, report_id: str, done: int, now: datetime) -> None:
    """Note how far a check is, and that it is alive."""
    await session.execute(
        update(PlatformReport)
        .where(PlatformReport.id == report_id)
        .values(done=done, updated_at=now)
        .execution_options(synchronize_session=False)
    )


async def overdue(session: AsyncSession, period: str, last: str) -> list[Any]:
    """Who reported for `last` and not for `period`: rows (org_code, platform, region_code, rows)."""
    return list((await session.execute(_OVERDUE, {"period": period, "last": last})).all())
