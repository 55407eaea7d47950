"""What crosses the wire about accounts."""

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class UserView(BaseModel):
    """An account as administrators see it; never a password or its hash."""

    id: str
    username: str
    display_name: str
    org_code: str
    org_name: str
    region_code: str
    roles: list[str]
    disabled: bool
    locked_until: str | None
    must_change_password: bool
    created_at: str


class NewUser(_Strict):
    """What the system administrator gives; roles are granted by the security administrator afterwards."""

    username: str = Field(min_length=3, max_length=64)
    display_name: str = Field(min_length=1, max_length=80)
    org_code: str = Field(pattern=r"^\d{6}-[A-Z]{2,8}$")


class OneTimePassword(BaseModel):
    """An account and the password that is shown this once and must be changed at the first sign-in."""

    user: UserView
    one_time_password: str
    expires_at: str


class RolesGiven(_Strict):
    """The full set of roles a person shall hold from now on."""

    roles: list[str] = Field(max_length=10)


class Reason(_Strict):
    """Why an account is disabled or enabled; kept in the audit record."""

    reason: str = Field(min_length=2, max_length=200)


class RoleView(BaseModel):
    """A role with its permissions, for the screen where roles are granted."""

    code: str
    zh: str
    en: str
    administrator: bool
    permissions: list[str]
