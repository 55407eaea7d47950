"""What an S3 error means to the caller: full, away, denied or simply not there."""

from collections.abc import Iterator
from contextlib import contextmanager

from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3.exceptions import HTTPError

from services.common.problems import Problem
from services.evidence.objects.faults import store_away, store_denied, store_full

MISSING = frozenset({"NoSuchKey", "NoSuchVersion", "MethodNotAllowed"})
"""Codes for an object or version that is not there; 405 answers a GET of a delete marker's version."""

_FULL = frozenset(
    {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"}
)
_BUSY = frozenset({"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Busy"})


def problem_of(error: Exception) -> Problem:
    """The Problem for an error of the S3 client or its connections."""
    if isinstance(error, S3Error):
        status = getattr(error.response, "status", 0)
        if error.code in _FULL or status == 507:
            return store_full()
        if error.code in _BUSY or status >= 500:
            return store_away(str(error.code))
        return store_denied(str(error.code))
    if isinstance(error, ServerError):
        return store_full() if error.status_code == 507 else store_away(f"HTTP {error.status_code}")
    return store_away(type(error).__name__)


@contextmanager
def asking() -> Iterator[None]:
    """Around requests: errors become Problem 503 or 507, a missing object FileNotFoundError."""
    try:
        yield
    except S3Error as error:
        if error.code in MISSING:
            raise FileNotFoundError(error.object_name) from error
        raise problem_of(error) from error
    except (ServerError, InvalidResponseError, HTTPError, ConnectionError, TimeoutError) as error:
        raise problem_of(error) from error
