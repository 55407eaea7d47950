"""Signatures and keys."""

import base64
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from services.common.dsse import Envelope, pae, sign_envelope
from services.common.suites import SoftwareSigner, generate
from tests.evidence_matrix.world import ENVELOPE, Attempt, Case, Json, World
from tests.evidence_samples import Signers

Change = Callable[[World, Json], object]


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _sets()
    yield from _keys()
    yield from _bytes()
    yield from _validity()


def _sealed(name: str, code: str, change: Change, peer: str = "") -> Case:
    """The envelope changed before it is stamped and logged: what an insider without the keys can do."""

    def make(world: World) -> Attempt:
        envelope: Any = world.signers.sign(rfc8785.dumps(world.statement))
        change(world, envelope)
        return Attempt(world.seal(world.statement, envelope=envelope))

    return Case("signatures", name, code, make, peer)


def _sets() -> Iterator[Case]:
    def keep(*places: int) -> Change:
        return lambda w, e: e.update(signatures=[e["signatures"][place] for place in places])

    strip = "py-wacz 0.6.0: a package without signature is accepted"
    yield _sealed("all stripped", "envelope.form", keep(), strip)
    for place, whose in enumerate(
        ("worker, international", "worker, national", "sealing, international", "sealing, national")
    ):
        others = [other for other in range(4) if other != place]
        yield _sealed(f"stripped: {whose}", "envelope.form", keep(*others))
    yield _sealed("the worker's alone", "signature.sealing", keep(0, 1))
    yield _sealed("the sealing service's alone", "signature.worker", keep(2, 3))
    yield _sealed("the international ones alone (suite stripped)", "signature.worker", keep(0, 2))
    yield _sealed("the national ones alone (suite stripped)", "signature.worker", keep(1, 3))
    yield _sealed("suites in another order", "signature.worker", keep(1, 0, 2, 3))
    yield _sealed("sealing service first", "signature.worker", keep(2, 3, 0, 1))
    yield _sealed("threshold met by one key twice", "envelope.form", keep(0, 0, 1, 1))
    yield _sealed(
        "one signature more",
        "envelope.form",
        lambda w, e: e["signatures"].append({"keyid": "0" * 64, "sig": "AAAA"}),
    )
    yield _sealed("other payload type", "envelope.form", lambda w, e: e.update(payloadType="text/plain"))
    yield Case(
        "signatures",
        "signed under another payload type",
        "envelope.form",
        lambda w: Attempt(
            w.seal(w.statement, envelope=w.signers.sign(rfc8785.dumps(w.statement), "text/plain"))
        ),
    )
    yield _sealed("a member added to the envelope", "envelope.form", lambda w, e: e.update(extra=1))
    yield _sealed(
        "a member added to a signature", "envelope.form", lambda w, e: e["signatures"][0].update(cert="x")
    )
    yield Case(
        "signatures",
        "key id left out",
        "envelope.form",
        lambda w: w.json(ENVELOPE, lambda e: e["signatures"][0].pop("keyid")),
    )
    yield _sealed("signatures as an object", "envelope.form", lambda w, e: e.update(signatures={}))
    yield _sealed("key id as a number", "envelope.form", lambda w, e: e["signatures"][0].update(keyid=7))


def _keys() -> Iterator[Case]:
    for place, (role, algorithm) in enumerate(
        (("worker", "ed25519"), ("worker", "sm2-sm3"), ("sealing", "ed25519"), ("sealing", "sm2-sm3"))
    ):
        code = f"signature.{role}"
        attacker = _attacker(place, algorithm)
        yield _sealed(f"an attacker's {algorithm} key as {role}", code, attacker)
        yield _sealed(
            f"an attacker's {algorithm} signature under the {role}'s key id",
            code,
            _attacker(place, algorithm, named=True),
        )
        yield _sealed(f"the {role}'s {algorithm} signature of other content", code, _transplanted(place))
    yield _sealed(
        "all from another package",
        "signature.worker",
        lambda w, e: [_transplanted(place)(w, e) for place in range(4)],
        "py-wacz 0.6.0: the old signature beside new content is accepted",
    )
    yield Case("signatures", "the whole envelope from another package", "log.entry", _other_envelope)
    yield _sealed("the worker's key in the sealing service's place", "signature.sealing", _same_principal)
    yield Case(
        "signatures",
        "the same envelope with another signature by the right key, after stamping",
        "timestamp.token",
        lambda w: w.json(ENVELOPE, lambda e: _resign(w, e)),
    )


def _attacker(place: int, algorithm: str, *, named: bool = False) -> Change:
    def change(world: World, envelope: Json) -> None:
        evil = generate(algorithm)
        payload = base64.b64decode(envelope["payload"])
        made = dict(sign_envelope(evil, payload)["signatures"][0])
        if named:
            made["keyid"] = envelope["signatures"][place]["keyid"]
        envelope["signatures"][place] = made

    return change


def _transplanted(place: int) -> Change:
    def change(world: World, envelope: Json) -> None:
        other = world.signers.sign(rfc8785.dumps({**world.statement, "other": True}))
        envelope["signatures"][place] = other["signatures"][place]

    return change


def _other_envelope(world: World) -> Attempt:
    statement = world.statement
    statement["predicate"]["target"]["title"] = "另一页面"
    other = World.unzip(world.seal(statement))
    return world.careful({ENVELOPE: other[ENVELOPE]})


def _same_principal(world: World, envelope: Json) -> None:
    """A second key of the worker's: in the trust file it is the worker's only."""
    spare = generate("ed25519")
    payload = base64.b64decode(envelope["payload"])
    envelope["signatures"][2] = dict(sign_envelope(spare, payload)["signatures"][0])


def _resign(world: World, envelope: Json) -> None:
    """SM2 signatures are random: the same key signs the same payload anew."""
    payload = base64.b64decode(envelope["payload"])
    envelope["signatures"][1] = dict(sign_envelope(world.signers.workers[1], payload)["signatures"][0])


def _bytes() -> Iterator[Case]:
    def sig(name: str, place: int, change: Callable[[str], str]) -> Case:
        code = "signature.worker" if place < 2 else "signature.sealing"
        return _sealed(
            name, code, lambda w, e: e["signatures"][place].update(sig=change(e["signatures"][place]["sig"]))
        )

    def raw(change: Callable[[bytes], bytes]) -> Callable[[str], str]:
        return lambda text: base64.b64encode(change(base64.b64decode(text))).decode()

    yield sig("an empty signature", 0, lambda t: "")
    yield sig("base64 with a line break", 0, lambda t: t + "\n")
    yield sig("base64 without padding", 0, lambda t: t.rstrip("="))
    yield sig("base64 of the URL alphabet", 2, lambda t: "-" + t[1:])
    yield sig("base64 with loose bits", 0, _loose)
    yield sig("a byte flipped (Ed25519)", 0, raw(lambda b: bytes([b[0] ^ 1]) + b[1:]))
    yield sig("a byte added (Ed25519)", 2, raw(lambda b: b + b"\0"))
    yield sig("a byte flipped (SM2)", 1, raw(lambda b: b[:-1] + bytes([b[-1] ^ 1])))
    yield sig("SM2 as raw r, s", 1, raw(_raw_rs))
    yield sig("SM2 in BER with a long length", 3, raw(lambda b: b"\x30\x81" + b[1:]))
    yield sig("SM2 with trailing bytes", 3, raw(lambda b: b + b"\0\0"))
    yield sig("SM2 with r = s = 0", 1, raw(lambda b: bytes.fromhex("3006020100020100")))
    yield _sealed("SM2 with another user identifier", "signature.worker", _other_identifier)


def _loose(text: str) -> str:
    """The last base64 digit before the padding with bits that decode to nothing."""
    body = text.rstrip("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return body[:-1] + alphabet[alphabet.index(body[-1]) ^ 1] + "=" * (len(text) - len(body))


def _raw_rs(signature: bytes) -> bytes:
    r, s = decode_dss_signature(signature)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _other_identifier(world: World, envelope: Json) -> None:
    """GB/T 32918.2 hashes the signer's identifier in: OpenSSL signs with another one and the right key."""
    signer = world.signers.workers[1]
    assert isinstance(signer, SoftwareSigner)
    message = pae(envelope["payloadType"], base64.b64decode(envelope["payload"]))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "k.der").write_bytes(signer.pkcs8())
        (place / "m").write_bytes(message)
        command = (
            "openssl pkeyutl -sign -inkey k.der -keyform DER -rawin -in m -out s -digest sm3"
            " -pkeyopt distid:somebody-else"
        )
        subprocess.run(command.split(), cwd=place, check=True, capture_output=True)
        made = (place / "s").read_bytes()
    envelope["signatures"][1]["sig"] = base64.b64encode(made).decode()


def _validity() -> Iterator[Case]:
    early, late = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
    for role in ("worker_keys", "sealing_keys"):
        for place, suite in enumerate(("international", "national")):
            for field, value, said in (
                ("not_before", late, "not valid yet"),
                ("not_after", early, "expired before the stamps"),
                ("revoked_at", early, "revoked before the stamps"),
            ):
                yield Case(
                    "keys",
                    f"{role} {suite}: {said}",
                    "keys.validity",
                    lambda w, r=role, n=place, f=field, v=value: w.trusting(lambda t: t[r][n].update({f: v})),
                )
    for part, code in (
        ("worker_keys", "signature.worker"),
        ("sealing_keys", "signature.sealing"),
        ("tsas", "timestamp.token"),
        ("witnesses", "log.checkpoint"),
        ("logs", "log.checkpoint"),
    ):
        yield Case("keys", f"{part} of another deployment in the trust file", code, _strangers(part))
    yield Case(
        "keys",
        "keys of the two roles exchanged in the trust file",
        "signature.worker",
        lambda w: w.trusting(
            lambda t: t.update(worker_keys=t["sealing_keys"], sealing_keys=t["worker_keys"])
        ),
    )
    yield Case(
        "keys",
        "the policy asks the national suite alone",
        "signature.worker",
        lambda w: w.trusting(lambda t: t["policies"][0].update(suites=["national"])),
    )
    yield Case(
        "keys", "a package of one suite passed off under the policy of two", "signature.worker", _downgraded
    )


def _strangers(part: str) -> Callable[[World], Attempt]:
    def make(world: World) -> Attempt:
        others = Signers(("ed25519", "sm2-sm3"), 2).trust()
        return world.trusting(lambda t: t.update({part: others[part]}))

    return make


def _downgraded(world: World) -> Attempt:
    """Signed in the international suite alone by both right keys, under the policy that asks both suites."""
    statement = world.statement
    statement["predicate"]["key_ids"] = statement["predicate"]["key_ids"][:1]
    payload = rfc8785.dumps(statement)
    envelope: Envelope = sign_envelope(world.signers.workers[0], payload)
    envelope["signatures"].append(sign_envelope(world.signers.sealers[0], payload)["signatures"][0])
    return Attempt(world.seal(json.loads(payload), envelope=envelope))
