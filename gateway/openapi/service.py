"""The platform's OpenAPI document, made from the applications themselves, without databases or processes.

The applications are imported by name: this is composition of the whole, like the launcher's, not one service
using another's rooms; it needs no service to be up, so the document is the same offline and online.
"""

import importlib
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI

from gateway.openapi.rules import Document, merged
from services.common.settings import SERVICES


def _document_of(service: str) -> Document:
    application: FastAPI = importlib.import_module(f"services.{service}.app").create_app()
    return dict(application.openapi())


def build(own: FastAPI) -> Document:
    """The merged document of the gateway's application `own` and of every service."""
    documents: dict[str, Any] = {service: _document_of(service) for service in SERVICES}
    documents["gateway"] = dict(own.openapi())
    return merged(documents, version=_version())


@lru_cache(maxsize=1)
def build_once(own: FastAPI) -> Document:
    """The same, made once a process."""
    return build(own)


def _version() -> str:
    try:
        return version("wangjian")
    except PackageNotFoundError:
        return "0+source"
