"""Orders as kept."""

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, LargeBinary, String, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.evidence.base import Base


class Order(Base):
    """What is to be captured. `document`: the canonical JSON whose salted hash is in the log."""

    __tablename__ = "orders"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text)
    ordered_by: Mapped[dict[str, Any]] = mapped_column(JSONB)
    org_code: Mapped[str] = mapped_column(String(40))
    region_code: Mapped[str] = mapped_column(String(6))
    ordered_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    document: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
