"""Every model of the registry, so that its metadata is complete wherever it is needed."""

from services.registry.base import Base
from services.registry.changes.models import Change
from services.registry.claims.models import ClaimJob, ClaimStep
from services.registry.duplicates.models import Duplicate, Merge
from services.registry.exchange.models import (
    Exchange,
    ExchangeMatch,
    ExchangeMessage,
    ExchangeRef,
    ExchangeRequest,
)
from services.registry.findings.models import Finding, FindingState
from services.registry.hubs.models import HubRuling
from services.registry.identifiers.models import Identifier
from services.registry.imports.models import Import, ImportRemark, ImportSource
from services.registry.inspections.models import Inspection
from services.registry.judgements.models import BoundJudgement, Judgement
from services.registry.linking.models import Cluster, IdentifierChange, IdentifierValue, LinkChange
from services.registry.organisations.models import Organisation
from services.registry.permits.models import Permit
from services.registry.platform_reports.models import PlatformReport
from services.registry.presences.models import Presence
from services.registry.regions.models import Region, RegionAlias
from services.registry.searches.models import SavedSearch
from services.registry.subjects.models import Subject
from services.registry.tags.models import Tag
from services.registry.verifications.models import StatusStep, Verification, VerificationPlan

__all__ = [
    "Base",
    "BoundJudgement",
    "Change",
    "ClaimJob",
    "ClaimStep",
    "Cluster",
    "Duplicate",
    "Exchange",
    "ExchangeMatch",
    "ExchangeMessage",
    "ExchangeRef",
    "ExchangeRequest",
    "Finding",
    "FindingState",
    "HubRuling",
    "Identifier",
    "IdentifierChange",
    "IdentifierValue",
    "Import",
    "ImportRemark",
    "ImportSource",
    "Inspection",
    "Judgement",
    "LinkChange",
    "Merge",
    "Organisation",
    "Permit",
    "PlatformReport",
    "Presence",
    "Region",
    "RegionAlias",
    "SavedSearch",
    "StatusStep",
    "Subject",
    "Tag",
    "Verification",
    "VerificationPlan",
]
