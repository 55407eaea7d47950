"""Asking RFC 3161 authorities for time stamps; every answer is checked against its pinned certificate."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import httpx
from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from services.common.problems import Problem
from services.evidence.timestamps.rules import PinnedAuthority

_TIMEOUT = httpx.Timeout(10.0, connect=3.0)
_LIMIT_BYTES = 256 * 1024


@dataclass(frozen=True)
class Stamp:
    """A checked time stamp: the authority, its operator, the DER response and the time it states."""

    authority: str
    operator: str
    response: bytes
    time: datetime


class StampClient:
    """Stamps at every configured authority. urls: `http://…` or `unix:/path`, one for each authority."""

    def __init__(self, urls: list[str], authorities: list[PinnedAuthority]) -> None:
        if len(urls) != len(authorities) or not urls:
            raise ValueError("WANGJIAN_TSA_URL must name one URL for each pinned authority")
        self._targets = [(_Connection(url), pinned) for url, pinned in zip(urls, authorities, strict=True)]

    async def close(self) -> None:
        """Close the connections."""
        for connection, _ in self._targets:
            await connection.client.aclose()

    async def stamp(self, message: bytes) -> list[Stamp]:
        """One stamp of every authority over SHA-256(message), in the configured order.

        Raises Problem 503 `evidence.tsa_unavailable` or 502 `evidence.tsa_refused`.
        """
        work = [_stamp(connection, pinned, message) for connection, pinned in self._targets]
        return list(await asyncio.gather(*work))


class _Connection:
    """A kept-open HTTP connection to one authority."""

    def __init__(self, url: str) -> None:
        unix = url.startswith("unix:")
        transport = httpx.AsyncHTTPTransport(uds=url.removeprefix("unix:")) if unix else None
        self.url = "http://tsa/" if unix else url
        self.client = httpx.AsyncClient(transport=transport, timeout=_TIMEOUT)


async def _stamp(connection: _Connection, pinned: PinnedAuthority, message: bytes) -> Stamp:
    request = (
        TimestampRequestBuilder()
        .data(message)
        .hash_algorithm(HashAlgorithm.SHA256)
        .nonce(nonce=True)
        .cert_request(cert_request=True)
        .build()
    )
    try:
        answer = await connection.client.post(
            connection.url,
            content=request.as_bytes(),
            headers={"content-type": "application/timestamp-query", "accept": "application/timestamp-reply"},
        )
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise _unavailable(pinned.name) from error
    if len(answer.content) > _LIMIT_BYTES:
        raise _refused(pinned.name, "answer too long")
    return check_response(answer.content, pinned, message, request.nonce)


def check_response(response: bytes, pinned: PinnedAuthority, message: bytes, nonce: int | None) -> Stamp:
    """The stamp in a DER TimeStampResp: pinned signer, nonce, policy and imprint all checked.

    Raises Problem 502 `evidence.tsa_refused`.
    """
    try:
        decoded = decode_timestamp_response(response)
        _verify(decoded, pinned, message, nonce)
    except (ValueError, VerificationError) as error:
        raise _refused(pinned.name, str(error)) from error
    return Stamp(pinned.name, pinned.operator, response, decoded.tst_info.gen_time)


def _verify(decoded: TimeStampResponse, pinned: PinnedAuthority, message: bytes, nonce: int | None) -> None:
    leaf = x509.load_der_x509_certificate(pinned.certificate)
    roots = [x509.load_der_x509_certificate(item) for item in pinned.chain] or [leaf]
    verifier = VerifierBuilder(tsa_certificate=leaf, roots=roots, nonce=nonce).build()
    verifier.verify_message(decoded, message)
    policy = decoded.tst_info.policy
    if policy is None or policy.dotted_string not in pinned.policy_oids:
        raise VerificationError("policy is not among the accepted ones")


def _unavailable(name: str) -> Problem:
    return Problem(
        "evidence.tsa_unavailable",
        503,
        zh=f"可信时间戳服务 {name} 暂时不可用,证据已签名并排队等待",
        en=f"the time-stamping authority {name} is not available; the evidence is signed and waits",
        todo_zh="无需操作,恢复后系统自动继续",
        todo_en="nothing to do: sealing goes on by itself once it is back",
    )


def _refused(name: str, reason: str) -> Problem:
    return Problem(
        "evidence.tsa_refused",
        502,
        zh=f"可信时间戳服务 {name} 的应答未通过核验",
        en=f"the answer of the time-stamping authority {name} did not pass its checks: {reason}",
        todo_zh="请通知系统管理员核对时间戳证书与策略",
        todo_en="ask the system administrator to check the pinned certificate and policy",
    )
