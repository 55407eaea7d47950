"""Every table of the gateway, imported in one place so that the metadata is complete."""

from gateway.accounts import models as accounts
from gateway.base import Base
from gateway.sessions import models as sessions

__all__ = ["Base", "accounts", "sessions"]
