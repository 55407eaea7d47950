"""Every model of the registry, so that its metadata is complete wherever it is needed."""

from services.registry.base import Base
from services.registry.imports.models import Import
from services.registry.organisations.models import Organisation
from services.registry.presences.models import Presence
from services.registry.regions.models import Region
from services.registry.subjects.models import Subject

__all__ = ["Base", "Import", "Organisation", "Presence", "Region", "Subject"]
