"""Tables of accounts. 三员分立 is held by constraints here, whatever the code above does."""

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from gateway.base import Base

_NOW = text("now()")


class User(Base):
    """A natural person with an account. Without a role the account can do nothing.

    `track` says whether the person is an administrator or does daily business; every grant carries it too,
    and the composite key ties both together, so nobody can ever hold roles of two tracks.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("username = lower(username)", name="username_lower"),
        CheckConstraint("track IN ('admin', 'business')", name="track"),
        UniqueConstraint("id", "track"),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    display_name: Mapped[str] = mapped_column(String(80))
    org_code: Mapped[str] = mapped_column(String(40), index=True)
    org_name: Mapped[str] = mapped_column(String(120))
    region_code: Mapped[str] = mapped_column(String(6), index=True)
    track: Mapped[str | None] = mapped_column(String(10))
    password_hash: Mapped[str] = mapped_column(Text)
    password_changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    must_change_password: Mapped[bool]
    one_time_expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    disabled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    created_by: Mapped[str] = mapped_column(String(80))


class RoleGrant(Base):
    """A role a person holds."""

    __tablename__ = "role_grants"
    __table_args__ = (
        ForeignKeyConstraint(
            ["user_id", "track"], ["users.id", "users.track"], name="fk_role_grants_user_track"
        ),
        CheckConstraint(
            "role IN ('dispatcher', 'officer', 'field', 'sysadmin', 'secadmin', 'auditor')", name="known_role"
        ),
        CheckConstraint(
            "(role IN ('sysadmin', 'secadmin', 'auditor')) = (track = 'admin')", name="role_matches_track"
        ),
        Index(
            "uq_role_grants_one_administrator",
            "user_id",
            unique=True,
            postgresql_where=text("track = 'admin'"),
        ),
    )

    user_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    role: Mapped[str] = mapped_column(String(20), primary_key=True)
    track: Mapped[str] = mapped_column(String(10))
    granted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    granted_by: Mapped[str] = mapped_column(String(80))


class PasswordMemory(Base):
    """Hashes of earlier passwords, so that the last five are not used again."""

    __tablename__ = "password_memory"

    seq: Mapped[int] = mapped_column(Identity(), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    password_hash: Mapped[str] = mapped_column(Text)
    set_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)


class SignInFailure(Base):
    """Failed sign-ins in a row for a name, whether or not such an account exists (so that nobody can tell).

    Kept in PostgreSQL: a restart of any process forgets no lockout. The name is kept as a digest, because
    people type passwords into the wrong box.
    """

    __tablename__ = "sign_in_failures"

    name_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    last_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    locked_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
