"""RFC 3161: our development authority against two other implementations, and the verifier against forgery."""

import datetime as dt
import hashlib
import subprocess

import pytest
from asn1crypto import tsp
from asn1crypto.core import Any, SequenceOf
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from infra.tsa.authority import POLICY, create, load_or_create
from services.evidence.timestamps.answers import AnswerChecker, Question, RefusedAnswerError
from services.evidence.timestamps.rules import PinnedAuthority, read_authorities, stamped_message
from services.evidence.verification.verifier import strict
from services.evidence.verification.verifier.timestamps import verify_stamp

MESSAGE = b"message"


class Sequence(SequenceOf):
    """A SEQUENCE of anything."""

    _child_spec = Any


@pytest.fixture(scope="module")
def authority():
    return create()[0]


def pinned(authority, **changes) -> PinnedAuthority:
    values = {
        "name": "t",
        "operator": "o",
        "certificate": authority.certificate.public_bytes(Encoding.DER),
        "chain": (authority.ca.public_bytes(Encoding.DER),),
        "policy_oids": (POLICY,),
        "development": True,
    }
    return PinnedAuthority(**(values | changes))


def ask(authority, message=MESSAGE, *, certificates=True):
    request = (
        TimestampRequestBuilder()
        .data(message)
        .hash_algorithm(HashAlgorithm.SHA256)
        .nonce(nonce=True)
        .cert_request(cert_request=certificates)
        .build()
    )
    return request, authority.reply(request.as_bytes())


def test_openssl_accepts_the_answer_and_refuses_another_message(authority, tmp_path):
    request, response = ask(authority)
    (tmp_path / "ca.pem").write_bytes(authority.ca.public_bytes(Encoding.PEM))
    (tmp_path / "q.tsq").write_bytes(request.as_bytes())
    (tmp_path / "r.tsr").write_bytes(response)
    (tmp_path / "data").write_bytes(MESSAGE)
    (tmp_path / "other").write_bytes(b"other")

    def openssl(*arguments: str) -> str:
        command = ["openssl", "ts", "-verify", "-in", "r.tsr", "-CAfile", "ca.pem", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout

    assert "Verification: OK" in openssl("-data", "data")
    assert "Verification: OK" in openssl("-queryfile", "q.tsq")
    assert "OK" not in openssl("-data", "other")


def test_answers_are_der_and_parse_in_asn1crypto(authority):
    for certificates in (True, False):
        response = ask(authority, certificates=certificates)[1]
        parsed = tsp.TimeStampResp.load(response, strict=True)
        assert parsed["status"]["status"].native == "granted"
        assert parsed.copy().dump(force=True) == response
        info = parsed["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
        assert info["policy"].native == POLICY
        assert abs(info["gen_time"].native - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=5)


@pytest.mark.parametrize(
    "changes",
    [{"req_policy": "1.2.3"}, {"digest": 31}, {"algorithm": "md5"}, {"raw": b"\x30\x00"}, {"raw": b"junk"}],
)
def test_bad_requests_are_rejected_not_answered(authority, changes):
    digest = bytes(changes.get("digest", 32))
    request = {
        "version": "v1",
        "message_imprint": {
            "hash_algorithm": {"algorithm": changes.get("algorithm", "sha256")},
            "hashed_message": digest,
        },
    }
    if "req_policy" in changes:
        request["req_policy"] = changes["req_policy"]
    raw = changes.get("raw") or tsp.TimeStampReq(request).dump()
    answer = Sequence.load(authority.reply(raw), strict=True)
    assert len(answer) == 1, "a status and no token"
    status = tsp.PKIStatusInfo.load(answer[0].dump())
    assert status["status"].native == "rejection"


def test_client_checks_signer_nonce_policy_and_imprint(authority):
    request, response = ask(authority)
    checked = AnswerChecker(pinned(authority)).check(response, Question.of(MESSAGE, request.nonce))
    assert checked.policy == POLICY
    rogue = create()[0]
    rogue_request, rogue_response = ask(rogue)
    wrong = [
        (response, pinned(authority), b"other", request.nonce),
        (response, pinned(authority), MESSAGE, request.nonce + 1),
        (response, pinned(authority, policy_oids=("1.2.3",)), MESSAGE, request.nonce),
        (rogue_response, pinned(authority), MESSAGE, rogue_request.nonce),
        (authority.reply(b"junk"), pinned(authority), MESSAGE, None),
        (b"junk", pinned(authority), MESSAGE, None),
    ]
    for answer, trusted, message, nonce in wrong:
        with pytest.raises(RefusedAnswerError):
            AnswerChecker(trusted).check(answer, Question.of(message, nonce))


def test_verifier_accepts_with_and_without_embedded_certificate(authority):
    for certificates in (True, False):
        found = verify_stamp(
            ask(authority, certificates=certificates)[1], MESSAGE, [pinned(authority).as_trust()]
        )
        assert found["policy"] == POLICY


def test_every_flipped_byte_of_a_token_is_refused(authority):
    response, trusted = ask(authority)[1], [pinned(authority).as_trust()]
    for at in range(len(response)):
        changed = bytearray(response)
        changed[at] ^= 1 << at % 8
        with pytest.raises((strict.Failed, ValueError)):
            verify_stamp(bytes(changed), MESSAGE, trusted)


def test_rogue_authority_with_its_own_chain_is_refused(authority):
    """The bug of rfc3161-client up to 1.0.8: a token that brings its own root was believed."""
    rogue = create()[0]
    with pytest.raises(strict.Failed, match="not in the trust file"):
        verify_stamp(ask(rogue)[1], MESSAGE, [pinned(authority).as_trust()])


def test_rogue_certificate_with_the_pinned_name_and_serial_is_refused(authority):
    """Same issuer name and serial number as the pinned certificate, another key."""
    from infra.tsa.authority import Authority

    other = create()[0]
    builder = x509.CertificateBuilder(
        issuer_name=authority.certificate.issuer,
        subject_name=authority.certificate.subject,
        public_key=other.key.public_key(),
        serial_number=authority.certificate.serial_number,
        not_valid_before=authority.certificate.not_valid_before_utc,
        not_valid_after=authority.certificate.not_valid_after_utc,
        extensions=list(authority.certificate.extensions),
    )
    from cryptography.hazmat.primitives import hashes

    forged = Authority(other.key, builder.sign(other.key, hashes.SHA256()), other.ca)
    for certificates in (True, False):
        with pytest.raises(strict.Failed):
            verify_stamp(ask(forged, certificates=certificates)[1], MESSAGE, [pinned(authority).as_trust()])


def test_trailing_bytes_and_other_policies_are_refused(authority):
    response = ask(authority)[1]
    trusted = pinned(authority).as_trust()
    with pytest.raises(strict.Failed):
        verify_stamp(response + b"\x05\x00", MESSAGE, [trusted])
    with pytest.raises(strict.Failed, match="policy"):
        verify_stamp(response, MESSAGE, [trusted | {"policy_oids": ["1.2.3"]}])
    with pytest.raises(strict.Failed, match="other signatures"):
        verify_stamp(response, b"other", [trusted])


def test_openssl_made_rsa_token_is_accepted(tmp_path):
    """A second authority implementation (openssl ts -reply, RSA) under the same verifier."""
    config = tmp_path / "tsa.cnf"
    config.write_text(
        "[tsa]\ndefault_tsa=t\n[t]\nserial=serial\nsigner_digest=sha256\ndefault_policy=1.2.3.4\n"
        "digests=sha256\nordering=no\ntsa_name=no\ness_cert_id_chain=no\ness_cert_id_alg=sha256\n"
        "[ext]\nextendedKeyUsage=critical,timeStamping\nbasicConstraints=CA:FALSE\n"
    )
    (tmp_path / "serial").write_text("01")
    (tmp_path / "data").write_bytes(MESSAGE)
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -subj /CN=r -config tsa.cnf"
        " -extensions ext",
        "ts -query -data data -sha256 -cert -out q.tsq",
        "ts -reply -queryfile q.tsq -signer c.pem -inkey k.pem -config tsa.cnf -section t -out r.tsr",
    ):
        text = config.read_text()
        if command.startswith("req"):
            config.write_text(text + "[req]\ndistinguished_name=dn\n[dn]\n")
        run = subprocess.run(
            ["openssl", *command.split()], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
    certificate = x509.load_pem_x509_certificate((tmp_path / "c.pem").read_bytes()).public_bytes(Encoding.DER)
    trusted = PinnedAuthority("rsa", "rsa", certificate, (), ("1.2.3.4",), False)
    answer = (tmp_path / "r.tsr").read_bytes()
    assert verify_stamp(answer, MESSAGE, [trusted.as_trust()])["policy"] == "1.2.3.4"
    nonce = tsp.TimeStampReq.load((tmp_path / "q.tsq").read_bytes())["nonce"].native
    assert AnswerChecker(trusted).check(answer, Question.of(MESSAGE, nonce)).policy == "1.2.3.4"
    with pytest.raises(RefusedAnswerError, match="nonce"):
        AnswerChecker(trusted).check(answer, Question.of(MESSAGE, nonce + 1))


def test_authority_on_disk_is_made_once_and_described(tmp_path):
    first, second = load_or_create(tmp_path / "tsa"), load_or_create(tmp_path / "tsa")
    assert first.certificate == second.certificate
    described = read_authorities(tmp_path / "tsa" / "authority.json")[0]
    assert described.development
    assert "DEVELOPMENT" in x509.load_der_x509_certificate(described.certificate).subject.rfc4514_string()
    assert (tmp_path / "tsa" / "tsa.key").stat().st_mode & 0o777 == 0o600


def test_stamped_message_is_what_the_documented_shell_line_makes():
    envelope = {
        "payloadType": "t",
        "payload": "",
        "signatures": [{"keyid": "aa", "sig": "c2ln"}, {"keyid": "bb", "sig": "c2ln"}],
    }
    assert stamped_message(envelope) == b"wangjian:dsse-signatures:v1\naa c2ln\nbb c2ln\n"
    assert len(hashlib.sha256(stamped_message(envelope)).digest()) == 32
