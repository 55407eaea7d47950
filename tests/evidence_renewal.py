"""Time stamping authorities of past and coming years, and evidence records made with them."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import replace

from asn1crypto import tsp

from infra.tsa.authority import Authority, Identity, create
from services.evidence.renewals import records
from services.evidence.renewals.records import Plan
from services.evidence.timestamps.answers import Question
from services.evidence.timestamps.authority import request_bytes

START = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def year(number: int) -> dt.datetime:
    """So many years of 365 days after the start."""
    return START + dt.timedelta(days=365 * number)


def authority(name: str, first: int, years: int = 2) -> Authority:
    """An authority whose certificate is valid from the year `first` on."""
    return create(Identity(name, f"operator {name}"), start=year(first), days=365 * years)[0]


def response_at(of: Authority, when: dt.datetime, algorithm: str, digest: bytes) -> bytes:
    """Its TimeStampResp over a digest, at a time of our choosing."""
    return replace(of, now=lambda: when).reply(request_bytes(Question(algorithm, digest, 5)))


def token_at(of: Authority, when: dt.datetime, algorithm: str, digest: bytes) -> bytes:
    """The token alone."""
    response = tsp.TimeStampResp.load(response_at(of, when, algorithm, digest))
    return bytes(response["time_stamp_token"].dump())


def add(old: Mapping[str, bytes], plan: Plan, of: Authority, when: dt.datetime) -> dict[str, bytes]:
    """The records with the plan's archive time stamp."""
    tree = plan.tree()
    token = token_at(of, when, plan.algorithm, tree.root)
    return {name: records.extend(old.get(name), plan, tree, name, token) for name in plan.leaves}


def digests(packages: Mapping[str, bytes], algorithm: str = "sha256") -> dict[str, bytes]:
    """Digests of whole packages."""
    return {name: hashlib.new(algorithm, data).digest() for name, data in packages.items()}
