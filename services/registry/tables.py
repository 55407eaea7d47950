"""Every model of the registry, so that its metadata is complete wherever it is needed."""

from services.registry.base import Base
from services.registry.changes.models import Change
from services.registry.identifiers.models import Identifier
from services.registry.imports.models import Import
from services.registry.inspections.models import Inspection
from services.registry.organisations.models import Organisation
from services.registry.permits.models import Permit
from services.registry.presences.models import Presence
from services.registry.regions.models import Region, RegionAlias
from services.registry.subjects.models import Subject
from services.registry.tags.models import Tag

__all__ = [
    "Base",
    "Change",
    "Identifier",
    "Import",
    "Inspection",
    "Organisation",
    "Permit",
    "Presence",
    "Region",
    "RegionAlias",
    "Subject",
    "Tag",
]
