"""Every model of the evidence service, so that its metadata is complete wherever it is needed."""

from services.evidence.base import Base
from services.evidence.custody.models import CustodyEvent
from services.evidence.grants.models import Grant
from services.evidence.intakes.models import Artefact
from services.evidence.items.models import EvidenceItem, NumberCounter, Stamp
from services.evidence.keys.models import SigningKey
from services.evidence.log.models import LogCheckpoint, LogEntry
from services.evidence.orders.models import Order
from services.evidence.renewals.models import Record
from services.evidence.retention.models import Retention, RetentionRule
from services.evidence.sweeps.models import Sweep, SweepFinding

__all__ = [
    "Artefact",
    "Base",
    "CustodyEvent",
    "EvidenceItem",
    "Grant",
    "LogCheckpoint",
    "LogEntry",
    "NumberCounter",
    "Order",
    "Record",
    "Retention",
    "RetentionRule",
    "SigningKey",
    "Stamp",
    "Sweep",
    "SweepFinding",
]
