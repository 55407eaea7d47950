"""Signing keys as kept."""

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, LargeBinary, String, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from services.evidence.base import Base


class SigningKey(Base):
    """A public key that signs or signed manifests. Rows are never removed: old packages need them.

    `not_before`, `not_after`, `revoked_at` are what the trust file says; each was logged when it was set.
    """

    __tablename__ = "signing_keys"
    __table_args__ = (
        CheckConstraint("role IN ('worker', 'sealing')", name="known_role"),
        CheckConstraint("suite IN ('international', 'national')", name="known_suite"),
        CheckConstraint("keyid = encode(sha256(public_der), 'hex')", name="own_keyid"),
    )

    keyid: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(10))
    suite: Mapped[str] = mapped_column(String(16))
    algorithm: Mapped[str] = mapped_column(String(32))
    public_der: Mapped[bytes] = mapped_column(LargeBinary)
    not_before: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    not_after: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    reason: Mapped[str] = mapped_column(Text)
    changed_by: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
