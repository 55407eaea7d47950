"""One line of the benchmark table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A figure of ours beside the floor it is held against, both measured in this run.

    unit: of `ours` and `floor`; target: the ratio (or, with `allowance`, ratio plus a fixed part) we aim at.
    """

    name: str
    ours: float
    floor: float
    unit: str
    floor_label: str
    target_ratio: float
    allowance: float = 0.0
    note: str = ""

    @property
    def ratio(self) -> float:
        """Ours divided by the floor."""
        return self.ours / self.floor if self.floor else float("inf")

    @property
    def met(self) -> bool:
        """Whether the aim is met: ours ≤ floor x target + allowance."""
        return self.ours <= self.floor * self.target_ratio + self.allowance
