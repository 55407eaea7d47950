"""What crosses the wire about a session."""

from pydantic import BaseModel, ConfigDict, Field


class SignIn(BaseModel):
    """A name and a password; more than 200 characters of either are not looked at."""

    model_config = ConfigDict(extra="forbid")

    username: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=1, max_length=200)


class PasswordChange(BaseModel):
    """The password in use and the one that shall replace it."""

    model_config = ConfigDict(extra="forbid")

    current: str = Field(min_length=1, max_length=200)
    new: str = Field(min_length=1, max_length=200)


class Me(BaseModel):
    """The signed-in person."""

    id: str
    username: str
    name: str
    org: str
    org_name: str
    region: str
    roles: list[str]


class SessionView(BaseModel):
    """What the console needs to know about the session it runs in."""

    user: Me
    permissions: list[str]
    csrf_token: str
    must_change_password: bool
    idle_seconds_left: int
    expires_at: str
