"""The crypto suites: each signs and checks, OpenSSL agrees with both, and nothing else passes."""

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.settings import Settings
from services.common.suites import (
    ALGORITHMS,
    InvalidSignature,
    PublicKey,
    generate,
    key_id,
    parse_suites,
    policy_id,
    verify,
)
from services.common.suites.files import public_pem
from services.common.suites.pkcs8 import PLAIN, decrypt, pem

SIGNERS = {algorithm: generate(algorithm) for algorithm in ALGORITHMS}
SIGNATURES = {algorithm: signer.sign(b"message") for algorithm, signer in SIGNERS.items()}
DIST_ID = ("-sigopt", "distid:1234567812345678")


def openssl(*arguments: object, fine: bool = True) -> str:
    run = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert (run.returncode == 0) == fine, run.stderr
    return run.stdout + run.stderr


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_is_of_its_key_and_message_alone(algorithm: str) -> None:
    signer, other = SIGNERS[algorithm], generate(algorithm)
    signature = signer.sign(b"message")
    verify(algorithm, signer.public_der, signature, b"message")
    for der, signed, message in (
        (signer.public_der, signature, b"massage"),
        (other.public_der, signature, b"message"),
        (signer.public_der, other.sign(b"message"), b"message"),
        (signer.public_der, b"", b"message"),
        (signer.public_der, signature + b"\0", b"message"),
        (signer.public_der, signature[:-1], b"message"),
    ):
        with pytest.raises(InvalidSignature):
            verify(algorithm, der, signed, message)


@settings(max_examples=60)
@given(st.sampled_from(sorted(ALGORITHMS)), st.data())
def test_no_changed_byte_of_a_signature_passes(algorithm: str, data: st.DataObject) -> None:
    signer = SIGNERS[algorithm]
    signature = bytearray(SIGNATURES[algorithm])
    place = data.draw(st.integers(0, len(signature) - 1))
    signature[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InvalidSignature):
        verify(algorithm, signer.public_der, bytes(signature), b"message")


@given(st.sampled_from(sorted(ALGORITHMS)), st.binary(max_size=90))
def test_any_other_bytes_are_an_invalid_signature_not_a_crash(algorithm: str, signature: bytes) -> None:
    with pytest.raises(InvalidSignature):
        verify(algorithm, SIGNERS[algorithm].public_der, signature, b"message")


def test_a_key_is_only_taken_for_what_it_is() -> None:
    encoding = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    strangers = [
        rsa.generate_private_key(65537, 2048).public_key().public_bytes(*encoding),
        ec.generate_private_key(ec.SECP384R1()).public_key().public_bytes(*encoding),
        b"",
        b"x" * 91,
        SIGNERS["sm2-sm3"].public_der + b"\0",
    ]
    for algorithm in ALGORITHMS:
        others = [signer.public_der for name, signer in SIGNERS.items() if name != algorithm]
        for der in strangers + others:
            with pytest.raises(ValueError, match="not a key of"):
                PublicKey(algorithm, der)
        assert PublicKey.of_der(SIGNERS[algorithm].public_der).algorithm == algorithm
    for der in strangers:
        with pytest.raises(ValueError, match="known suite"):
            PublicKey.of_der(der)
    with pytest.raises(ValueError, match="unknown algorithm"):
        verify("rsa", strangers[0], b"", b"")


@pytest.mark.parametrize("algorithm", ["sm2-sm3", "ecdsa-p256-sha256"])
def test_openssl_checks_what_we_sign(tmp_path: Path, algorithm: str) -> None:
    signer = SIGNERS[algorithm]
    public, signature, message = tmp_path / "k.pub", tmp_path / "s", tmp_path / "m"
    public.write_bytes(public_pem(signer))
    signature.write_bytes(signer.sign(b"message"))
    message.write_bytes(b"message")
    digest, options = ("-sm3", DIST_ID) if algorithm == "sm2-sm3" else ("-sha256", ())
    check = ("dgst", digest, "-verify", public, "-signature", signature)
    assert "Verified OK" in openssl(*check, *options, message)
    # Negative controls: another identifier (or digest), another message.
    wrong = ("-sigopt", "distid:8765432187654321") if options else ()
    other_digest = digest if options else "-sha384"
    openssl("dgst", other_digest, "-verify", public, "-signature", signature, *wrong, message, fine=False)
    message.write_bytes(b"massage")
    openssl(*check, *options, message, fine=False)


def test_we_check_what_openssl_signs_and_only_with_the_national_identifier(tmp_path: Path) -> None:
    private, public, message = tmp_path / "k.pem", tmp_path / "k.der", tmp_path / "m"
    openssl("genpkey", "-algorithm", "SM2", "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-outform", "DER", "-out", public)
    message.write_bytes(b"message")
    for options, fits in ((DIST_ID, True), (("-sigopt", "distid:other"), False), ((), False)):
        openssl("dgst", "-sm3", "-sign", private, *options, "-out", tmp_path / "s", message)
        signature = (tmp_path / "s").read_bytes()
        if fits:
            verify("sm2-sm3", public.read_bytes(), signature, b"message")
        else:
            with pytest.raises(InvalidSignature):
                verify("sm2-sm3", public.read_bytes(), signature, b"message")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_openssl_writes_the_same_public_key_so_the_key_id_is_nobodys_invention(
    tmp_path: Path, algorithm: str
) -> None:
    signer = SIGNERS[algorithm]
    (tmp_path / "k.pem").write_bytes(pem(PLAIN, signer.pkcs8()))
    openssl("pkey", "-in", tmp_path / "k.pem", "-pubout", "-outform", "DER", "-out", tmp_path / "k.der")
    der = (tmp_path / "k.der").read_bytes()
    assert der == signer.public_der
    assert key_id(der) == signer.keyid
    assert decrypt(signer.pkcs8(), None, algorithm).keyid == signer.keyid


def test_suites_of_a_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().suites == ("international",)
    for text, suites in (
        ("national", ("national",)),
        ("national, international", ("international", "national")),
    ):
        monkeypatch.setenv("WANGJIAN_SUITES", text)
        assert Settings().suites == suites
    assert policy_id(suites) == "urn:wangjian:policy:v2:international+national"
    for text in ("", "rot13", "national,rot13"):
        monkeypatch.setenv("WANGJIAN_SUITES", text)
        with pytest.raises(ValueError, match="WANGJIAN_SUITES"):
            Settings()
    with pytest.raises(ValueError, match="rot13"):
        parse_suites(["rot13"])
