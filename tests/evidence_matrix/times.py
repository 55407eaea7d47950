"""Time stamps: tokens, their authorities' certificates, renewal."""

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from asn1crypto import cms, core, tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from infra.tsa.authority import Authority, create
from services.common.dsse import Envelope
from services.evidence.timestamps.rules import stamped_message
from tests.evidence_matrix.world import Attempt, Case, Files, World
from tests.evidence_samples import stamp, stamp_message

FIRST, SECOND = "evidence/tst-0.tsr", "evidence/tst-1.tsr"
Stamper = Callable[[World, Envelope], Files]


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _tokens()
    yield from _authorities()
    yield from _rewritten_tokens()
    yield from _current()


def stamped(name: str, code: str, make: Stamper, peer: str = "") -> Case:
    """Stamped otherwise, then honestly logged: what a dishonest stamping client can do."""
    return Case(
        "time stamps",
        name,
        code,
        lambda w: Attempt(w.seal(w.statement, stamps=lambda e: {**w.stamps(e), **make(w, e)})),
        peer,
    )


def _tokens() -> Iterator[Case]:
    yield Case(
        "time stamps",
        "one of the two required missing",
        "timestamp.quorum",
        lambda w: Attempt(w.seal(w.statement, stamps=lambda e: {FIRST: stamp(w.signers.tsas[0], e)})),
    )
    yield Case(
        "time stamps", "one of two missing after logging", "log.entry", lambda w: w.careful({SECOND: None})
    )
    yield stamped(
        "over another message",
        "timestamp.token",
        lambda w, e: {FIRST: stamp_message(w.signers.tsa, b"other")},
    )
    yield stamped(
        "over the payload, not the signatures",
        "timestamp.token",
        lambda w, e: {FIRST: stamp_message(w.signers.tsa, e["payload"].encode())},
    )
    yield Case("time stamps", "of another package", "timestamp.token", _of_another)
    yield stamped(
        "two tokens from one authority",
        "timestamp.quorum",
        lambda w, e: {SECOND: stamp(w.signers.tsa, e)},
        "sigstore-go #471: tokens counted, not authorities",
    )
    yield stamped(
        "the same token twice",
        "timestamp.quorum",
        lambda w, e: dict.fromkeys((FIRST, SECOND), stamp(w.signers.tsa, e)),
    )
    yield Case(
        "time stamps",
        "two authorities of one operator",
        "timestamp.quorum",
        lambda w: w.trusting(lambda t: t["tsas"][1].update(operator=t["tsas"][0]["operator"])),
    )
    yield stamped(
        "a rejection instead", "timestamp.token", lambda w, e: {FIRST: w.signers.tsa.reply(b"junk")}
    )
    yield stamped("empty", "timestamp.token", lambda w, e: {FIRST: b""})
    yield stamped(
        "bytes after the token",
        "timestamp.token",
        lambda w, e: {FIRST: stamp(w.signers.tsa, e) + b"\x05\x00"},
    )
    yield stamped(
        "a length in BER", "timestamp.token", lambda w, e: {FIRST: _long_length(stamp(w.signers.tsa, e))}
    )
    yield stamped(
        "an open length (BER)",
        "timestamp.token",
        lambda w, e: {FIRST: _open_length(stamp(w.signers.tsa, e))},
    )
    yield stamped(
        "made before the capture ended",
        "time.order",
        lambda w, e: {FIRST: _at(w, e, dt.datetime(2026, 11, 21, 7, 0, 0, tzinfo=dt.UTC))},
    )
    yield stamped(
        "made after the log's witnesses saw it",
        "time.order",
        lambda w, e: {FIRST: _at(w, e, dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))},
    )
    yield stamped(
        "made before the authority's certificate",
        "timestamp.token",
        lambda w, e: {FIRST: _at(w, e, dt.datetime(2020, 1, 1, tzinfo=dt.UTC))},
    )
    yield stamped(
        "made after the authority's certificate",
        "timestamp.token",
        lambda w, e: {FIRST: _at(w, e, dt.datetime(2049, 1, 1, tzinfo=dt.UTC))},
    )


def _of_another(world: World) -> Attempt:
    other = World.unzip(world.seal({**world.statement, "subject": []}))
    return world.careful({FIRST: other[FIRST]})


def _at(world: World, envelope: Envelope, when: dt.datetime) -> bytes:
    return stamp(dataclasses.replace(world.signers.tsa, now=lambda: when), envelope)


def _long_length(token: bytes) -> bytes:
    assert token[:2] == b"\x30\x82"
    return b"\x30\x83\x00" + token[2:]


def _open_length(token: bytes) -> bytes:
    return b"\x30\x80" + token[4:] + b"\x00\x00"


def _authorities() -> Iterator[Case]:
    embedded = "rfc3161-client ≤ 1.0.8: a token that brings its own root is believed"
    yield stamped(
        "rogue authority with its chain inside the token",
        "timestamp.token",
        lambda w, e: {FIRST: stamp(create()[0], e)},
        embedded,
    )
    yield stamped("rogue authority alone", "timestamp.token", lambda w, e: {FIRST: _bare(create()[0], e)})
    yield stamped(
        "rogue authority, every certificate it needs beside the real ones",
        "timestamp.token",
        _mixed_chain,
        "Lookyloo: the certificates inside the token are the roots",
    )
    for inside in (True, False):
        said = "inside the token" if inside else "not in the token"
        yield stamped(
            f"another key under the pinned name and serial number, certificate {said}",
            "timestamp.token",
            lambda w, e, i=inside: {FIRST: (stamp if i else _bare)(_twin(w.signers.tsa), e)},
        )
    yield Case(
        "time stamps", "a pinned certificate without extended key usage", "timestamp.token", _pinned(None)
    )
    yield Case(
        "time stamps",
        "extended key usage not critical",
        "timestamp.token",
        _pinned((ExtendedKeyUsageOID.TIME_STAMPING,), critical=False),
    )
    yield Case(
        "time stamps",
        "extended key usage for more than time stamping",
        "timestamp.token",
        _pinned((ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.SERVER_AUTH)),
    )
    yield Case(
        "time stamps",
        "extended key usage for servers",
        "timestamp.token",
        _pinned((ExtendedKeyUsageOID.SERVER_AUTH,)),
    )
    yield Case(
        "time stamps",
        "a policy the trust file does not accept",
        "timestamp.token",
        lambda w: w.trusting(lambda t: t["tsas"][0].update(policy_oids=["1.2.3.4"])),
    )
    yield Case(
        "time stamps",
        "no policy accepted at all",
        "timestamp.token",
        lambda w: w.trusting(lambda t: t["tsas"][1].update(policy_oids=[])),
    )


def _bare(authority: Authority, envelope: Envelope) -> bytes:
    """A token without certificates in it."""
    digest = hashlib.sha256(stamped_message(envelope)).digest()
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest}
    return authority.reply(tsp.TimeStampReq({"version": "v1", "message_imprint": imprint}).dump())


def _mixed_chain(world: World, envelope: Envelope) -> Files:
    rogue = create()[0]
    response = tsp.TimeStampResp.load(stamp(rogue, envelope))
    signed = response["time_stamp_token"]["content"]
    extra = [rogue.certificate, rogue.ca, world.signers.tsa.certificate, world.signers.tsa.ca]
    raw = [cms.CertificateChoices.load(_der(item)) for item in extra]
    signed["certificates"] = raw
    return {FIRST: response.dump(force=True)}


def _der(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def _twin(authority: Authority) -> Authority:
    """An authority with another key and a certificate of the same names, serial number and extensions."""
    return _certified(authority, list(authority.certificate.extensions), create()[0].key)


def _certified(authority: Authority, extensions: Sequence[Any], key: ec.EllipticCurvePrivateKey) -> Authority:
    old = authority.certificate
    builder = x509.CertificateBuilder(
        issuer_name=old.issuer,
        subject_name=old.subject,
        public_key=key.public_key(),
        serial_number=old.serial_number,
        not_valid_before=old.not_valid_before_utc,
        not_valid_after=old.not_valid_after_utc,
        extensions=list(extensions),
    )
    return Authority(key, builder.sign(key, hashes.SHA256()), authority.ca, authority.identity)


def _pinned(purposes: Sequence[Any] | None, *, critical: bool = True) -> Callable[[World], Attempt]:
    """An authority whose pinned certificate has these purposes, pinned by a careless operator."""

    def make(world: World) -> Attempt:
        old = world.signers.tsa
        kept = [e for e in old.certificate.extensions if not isinstance(e.value, x509.ExtendedKeyUsage)]
        if purposes is not None:
            usage = x509.ExtendedKeyUsage(list(purposes))
            kept.append(x509.Extension(usage.oid, critical, usage))
        careless = _certified(old, kept, old.key)
        package = world.seal(world.statement, stamps=lambda e: {**world.stamps(e), FIRST: stamp(careless, e)})
        pinned = str(careless.description()["certificate"])
        return world.trusting(lambda t: t["tsas"][0].update(certificate=pinned), package)

    return make


def _rewritten_tokens() -> Iterator[Case]:
    """Tokens whose content was changed by somebody with the authority's own key, or without it."""

    def resigned(name: str, change: Callable[[tsp.TSTInfo], object], code: str = "timestamp.token") -> Case:
        return stamped(
            name, code, lambda w, e: {FIRST: _rewrite(w.signers.tsa, stamp(w.signers.tsa, e), change)}
        )

    def digest(info: tsp.TSTInfo) -> None:
        info["message_imprint"]["hash_algorithm"] = {"algorithm": "sha512"}

    yield resigned("imprint of another algorithm than its digest", digest)
    yield resigned(
        "imprint with MD5", lambda i: i["message_imprint"].__setitem__("hash_algorithm", {"algorithm": "md5"})
    )
    yield resigned("a policy of another authority", lambda i: i.__setitem__("policy", "1.2.3.4"))
    yield resigned("an unknown TSTInfo version", lambda i: i.__setitem__("version", 2))
    for name, place in (("time", b"\x18\x0f"), ("serial number", b"\x02\x08")):
        yield stamped(
            f"its {name} edited without the key",
            "timestamp.token",
            lambda w, e, p=place: {FIRST: _edited(stamp(w.signers.tsa, e), p)},
        )
    yield stamped(
        "the digest attribute of another content",
        "timestamp.token",
        lambda w, e: {
            FIRST: _rewrite(
                w.signers.tsa,
                stamp(w.signers.tsa, e),
                lambda i: i.__setitem__("serial_number", 7),
                attribute=False,
            )
        },
    )
    yield stamped(
        "signed attributes in another order (not DER)",
        "timestamp.token",
        lambda w, e: {FIRST: _shuffled(stamp(w.signers.tsa, e))},
    )
    yield stamped(
        "two signers", "timestamp.token", lambda w, e: {FIRST: _two_signers(stamp(w.signers.tsa, e))}
    )


def _rewrite(
    authority: Authority, response: bytes, change: Callable[[tsp.TSTInfo], object], *, attribute: bool = True
) -> bytes:
    """The token with its TSTInfo changed and signed again; attribute: the digest attribute repaired too."""
    parsed = tsp.TimeStampResp.load(response)
    signed = parsed["time_stamp_token"]["content"]
    info = signed["encap_content_info"]["content"].parsed.copy()
    change(info)
    content = info.dump(force=True)
    signed["encap_content_info"]["content"] = core.ParsableOctetString(content)
    signer = signed["signer_infos"][0]
    for item in signer["signed_attrs"] if attribute else []:
        if item["type"].native == "message_digest":
            item["values"] = [hashlib.sha256(content).digest()]
    attributes = signer["signed_attrs"].untag().dump(force=True)
    signer["signature"] = authority.key.sign(attributes, ec.ECDSA(hashes.SHA256()))
    return parsed.dump(force=True)


def _edited(response: bytes, near: bytes) -> bytes:
    content = tsp.TimeStampResp.load(response)["time_stamp_token"]["content"]["encap_content_info"]["content"]
    inside = response.index(content.contents) + content.contents.index(near) + 3
    return response[:inside] + bytes([response[inside] ^ 1]) + response[inside + 1 :]


def _shuffled(response: bytes) -> bytes:
    parsed = tsp.TimeStampResp.load(response)
    attributes = parsed["time_stamp_token"]["content"]["signer_infos"][0]["signed_attrs"]
    raw = [item.dump() for item in attributes]
    return response.replace(b"".join(raw), b"".join(reversed(raw)))


def _two_signers(response: bytes) -> bytes:
    parsed = tsp.TimeStampResp.load(response)
    signers = parsed["time_stamp_token"]["content"]["signer_infos"]
    signers.append(signers[0].copy())
    return parsed.dump(force=True)


def _current() -> Iterator[Case]:
    late = dt.datetime(2045, 1, 1, tzinfo=dt.UTC)
    yield Case(
        "renewal",
        "a certificate expired, no record",
        "timestamp.current",
        lambda w: Attempt(w.package, now=late),
    )
    for name, record in (("empty", b""), ("text", b"record"), ("an empty sequence", b"\x30\x00")):
        yield Case(
            "renewal",
            f"a record that is none: {name}",
            "timestamp.current",
            lambda w, r=record: Attempt(w.package, record=r),
        )
    yield Case(
        "renewal",
        "a record that is none, after the expiry",
        "timestamp.current",
        lambda w: Attempt(w.package, record=b"\x30\x00", now=late),
    )
