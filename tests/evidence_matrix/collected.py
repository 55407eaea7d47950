"""All cases."""

from tests.evidence_matrix import batches, container, copies, logs, manifest, signatures, times
from tests.evidence_matrix.world import Case


def all_cases() -> list[Case]:
    """Every case, in the order of the table; names are unique within their group."""
    modules = (container, manifest, signatures, times, batches, logs, copies)
    return [case for module in modules for case in module.cases()]
