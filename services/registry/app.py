"""The registry as an application."""

import asyncio

from fastapi import FastAPI

from services.common.app import create_service
from services.common.migrate import upgrade
from services.common.personal_keys import REFRESH_SECONDS, personal_data, refresh
from services.common.recurring import Recurring
from services.common.settings import Settings
from services.registry.bootstrap import load_divisions
from services.registry.claims.routes import router as claims
from services.registry.claims.tasks import ClaimJobs
from services.registry.directory import load_directory
from services.registry.duplicates.routes import router as duplicates
from services.registry.duplicates.tasks import DuplicateSearches
from services.registry.exchange.routes import router as exchange
from services.registry.exchange.tasks import Comparisons
from services.registry.findings.routes import router as findings
from services.registry.hubs.routes import router as hubs
from services.registry.imports.jobs import ImportJobs
from services.registry.imports.keeping import FileKeeping
from services.registry.imports.reading.kept import KeptFiles
from services.registry.imports.routes import router as imports
from services.registry.imports.runner import ImportRunner
from services.registry.inspections.routes import router as inspections
from services.registry.judgements.routes import router as judgements
from services.registry.linking.service import Keeper as LinkKeeper
from services.registry.links.routes import router as links
from services.registry.organisations.routes import router as organisations
from services.registry.platform_reports.routes import router as platform_reports
from services.registry.platform_reports.tasks import ReportJobs
from services.registry.presences.routes import router as presences
from services.registry.regions.routes import router as regions
from services.registry.searches.routes import router as searches
from services.registry.subjects.routes import router as subjects
from services.registry.tags.routes import router as tags
from services.registry.verifications.routes import router as verifications
from services.registry.verifications.tasks import VerificationPlans

_LINKING_SECONDS = 10.0
"""How often changes nobody followed are looked for."""


async def _startup(app: FastAPI) -> None:
    await asyncio.to_thread(upgrade, "registry", app.state.settings.database_url("registry"))
    await load_divisions(app.state.db)
    await load_directory(app.state.db)
    app.state.personal = await personal_data(app.state.db)
    app.state.keys = Recurring(
        "personal.keys",
        lambda: refresh(app.state.db, app.state.personal),
        lambda: REFRESH_SECONDS,
        REFRESH_SECONDS,
    )
    app.state.keys.start()
    keeper = LinkKeeper(app.state.db)
    app.state.linking = Recurring("linking", keeper.look, lambda: _LINKING_SECONDS, _LINKING_SECONDS)
    app.state.linking.start()
    app.state.claim_jobs = ClaimJobs(app.state.db, app.state.personal)
    app.state.claim_jobs.start()
    app.state.verification_plans = VerificationPlans(app.state.db)
    app.state.verification_plans.start()
    app.state.import_files = KeptFiles(app.state.settings.imports_dir, app.state.personal)
    app.state.imports = ImportJobs(ImportRunner(app.state.db, app.state.import_files, app.state.personal))
    app.state.imports.start()
    app.state.file_keeping = FileKeeping(
        app.state.db, app.state.import_files, app.state.settings.import_file_days
    )
    app.state.file_keeping.start()
    app.state.report_files = KeptFiles(app.state.settings.home / "platform-reports", app.state.personal)
    app.state.report_jobs = ReportJobs(app.state.db, app.state.report_files)
    app.state.report_jobs.start()
    app.state.comparisons = Comparisons(app.state.db, app.state.personal)
    app.state.comparisons.start()
    app.state.duplicate_searches = DuplicateSearches(app.state.db, app.state.personal)


async def _shutdown(app: FastAPI) -> None:
    await app.state.duplicate_searches.stop()
    await app.state.comparisons.stop()
    await app.state.report_jobs.stop()
    await app.state.file_keeping.stop()
    await app.state.imports.stop()
    await app.state.verification_plans.stop()
    await app.state.claim_jobs.stop()
    await app.state.linking.stop()
    await app.state.keys.stop()


def create_app(settings: Settings | None = None) -> FastAPI:
    """The registry service: migrates its database and loads the shipped divisions when it starts."""
    return create_service(
        "registry",
        routers=[
            regions,
            organisations,
            subjects,
            presences,
            imports,
            claims,
            verifications,
            tags,
            inspections,
            searches,
            links,
            judgements,
            hubs,
            findings,
            exchange,
            duplicates,
            platform_reports,
        ],
        startup=_startup,
        shutdown=_shutdown,
        settings=settings,
    )
