"""Evidence records (RFC 4998): how time stamps outlive their certificates."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from .strict import Failed


def check_record(
    record: bytes, digest: Callable[[str], bytes], authorities: list[dict[str, Any]], now: dt.datetime
) -> dict[str, dt.datetime]:
    """Check an evidence record of the package. Raises Failed.

    record: DER; digest: gives the package's digest by name (`sha256`, `sha384`, `sha512`, `sm3`);
    authorities: of the trust file. Gives {first, until}: when its first archive time stamp was made, and when
    the certificate of its newest one expires.
    """
    raise Failed("evidence records are not supported by this verifier")
