"""Checking an authority's answer: two parsers must see the same, and the offline verifier must accept it.

rfc3161-client (Rust, OpenSSL) verifies the token under the pinned certificates; asn1crypto reads it again and
must see the same imprint, nonce, time, policy, serial number and signer: a bug in one parser is then not
enough (rfc3161-client up to 1.0.8 believed certificates that a token brought along). Last, the verifier that
courts use must accept it, so that no package is ever sealed with a stamp it would refuse.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import tsp
from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from services.evidence.timestamps.rules import PinnedAuthority
from services.evidence.verification.verifier import Failed
from services.evidence.verification.verifier.timestamps import verify_stamp

DIGEST_OIDS = {
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
    "sm3": "1.2.156.10197.1.401",
}
"""Imprint algorithms a stamp is asked for; rfc3161-client compares digests, so `_expect` compares these."""


class RefusedAnswerError(Exception):
    """The answer did not pass its checks; the message says which."""


@dataclass(frozen=True)
class Question:
    """What an authority was asked: digest, its algorithm, the nonce; the message and request where known."""

    algorithm: str
    digest: bytes
    nonce: int | None
    message: bytes | None = None
    request: bytes = b""

    @classmethod
    def of(cls, message: bytes, nonce: int | None) -> "Question":
        """A question over SHA-256(message)."""
        return cls("sha256", hashlib.sha256(message).digest(), nonce, message)

    @classmethod
    def fresh(cls, message: bytes) -> "Question":
        """The same with a new random nonce, its request made by rfc3161-client (cheaper than asn1crypto)."""
        builder = TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256)
        request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
        digest = hashlib.sha256(message).digest()
        return cls("sha256", digest, request.nonce, message, request.as_bytes())


@dataclass(frozen=True)
class Reading:
    """What one parser saw. time: cut to whole seconds (all that rfc3161-client keeps); issuer: DER name."""

    algorithm: str
    imprint: bytes
    nonce: int | None
    time: datetime
    policy: str | None
    serial: int
    signer: tuple[bytes, int]


@dataclass(frozen=True)
class Checked:
    """An answer that passed. time: as precise as stated; accuracy_ms: as stated, 0 when not."""

    time: datetime
    serial: int
    policy: str
    accuracy_ms: float


class AnswerChecker:
    """Checks the answers of one pinned authority; its certificates are parsed once."""

    def __init__(self, pinned: PinnedAuthority) -> None:
        self.pinned = pinned
        self.leaf = x509.load_der_x509_certificate(pinned.certificate)
        chain = [x509.load_der_x509_certificate(item) for item in pinned.chain]
        self._verifier = VerifierBuilder(tsa_certificate=self.leaf, roots=chain or [self.leaf]).build()
        self._signer = (self.leaf.issuer.public_bytes(), self.leaf.serial_number)
        self._trust = [pinned.as_trust()]

    @property
    def valid_until(self) -> datetime:
        """Until when the authority's certificate is valid."""
        return self.leaf.not_valid_after_utc

    def check(self, response: bytes, asked: Question) -> Checked:
        """What a DER TimeStampResp states, all of it checked. Raises RefusedAnswerError."""
        try:
            decoded = decode_timestamp_response(response)
            self._verifier.verify(decoded, asked.digest)
            first, (second, checked) = first_reading(decoded), second_reading(response)
            if first != second:
                raise RefusedAnswerError(f"two parsers disagree about {_differences(first, second)}")
            self._expect(first, asked)
            if asked.message is not None:
                verify_stamp(response, asked.message, self._trust)
        except (ValueError, TypeError, KeyError, IndexError, VerificationError, Failed) as error:
            raise RefusedAnswerError(str(error)) from error
        return checked

    def _expect(self, seen: Reading, asked: Question) -> None:
        wanted = {
            "imprint": seen.imprint == asked.digest,
            "imprint algorithm": seen.algorithm == DIGEST_OIDS[asked.algorithm],
            "nonce": asked.nonce is None or seen.nonce == asked.nonce,
            "policy": seen.policy in self.pinned.policy_oids,
            "signer": seen.signer == self._signer,
        }
        wrong = [name for name, right in wanted.items() if not right]
        if wrong:
            raise RefusedAnswerError(f"wrong {', '.join(wrong)}")


def first_reading(decoded: TimeStampResponse) -> Reading:
    """What rfc3161-client saw. Raises ValueError unless there is one signer."""
    info = decoded.tst_info
    (signer,) = decoded.signed_data.signer_infos
    return Reading(
        algorithm=info.message_imprint.hash_algorithm.dotted_string,
        imprint=info.message_imprint.message,
        nonce=info.nonce,
        time=info.gen_time.replace(microsecond=0),
        policy=info.policy.dotted_string if info.policy else None,
        serial=info.serial_number,
        signer=(signer.issuer.public_bytes(), signer.serial_number),
    )


def second_reading(response: bytes) -> tuple[Reading, Checked]:
    """What asn1crypto sees. Raises ValueError, TypeError or KeyError."""
    token = tsp.TimeStampResp.load(response, strict=True)["time_stamp_token"]["content"]
    info = token["encap_content_info"]["content"].parsed
    (signer,) = token["signer_infos"]
    identifier, imprint = signer["sid"].chosen, info["message_imprint"]
    time, policy = info["gen_time"].native, info["policy"].dotted
    serial = int(info["serial_number"].native)
    reading = Reading(
        algorithm=imprint["hash_algorithm"]["algorithm"].dotted,
        imprint=imprint["hashed_message"].native,
        nonce=info["nonce"].native,
        time=time.replace(microsecond=0),
        policy=policy,
        serial=serial,
        signer=(identifier["issuer"].dump(), identifier["serial_number"].native),
    )
    return reading, Checked(time, serial, policy, _accuracy_ms(info["accuracy"].native))


def _accuracy_ms(stated: dict[str, int | None] | None) -> float:
    parts = stated or {}
    seconds, millis, micros = (parts.get(name) or 0 for name in ("seconds", "millis", "micros"))
    return seconds * 1000 + millis + micros / 1000


def _differences(first: Reading, second: Reading) -> str:
    names = Reading.__dataclass_fields__
    return ", ".join(name for name in names if getattr(first, name) != getattr(second, name))
