"""Keys in a token: SoftHSM2 stands for the HSM. What it signs others check; its key never comes out."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from services.common.keys import load_signers
from services.common.problems import Problem
from services.common.settings import Settings
from services.common.suites import InvalidSignature, KeyUnreadableError, verify
from services.common.suites.files import public_pem
from services.common.suites.token import TokenSigner, open_token_signer, parse_uri
from tests.evidence_stack import own_home, remove, running
from tests.service.test_evidence_keys_changes import failed, listed, package, post

LIBRARIES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm.so")
MODULE = next((path for path in LIBRARIES if Path(path).exists()), "")
PIN = "1234"
TOKEN = "wangjian%20test"
if not (MODULE and shutil.which("softhsm2-util")) and not os.environ.get("WANGJIAN_TEST_REQUIRE_HSM"):
    pytest.skip("SoftHSM2 is not installed (apt-get install softhsm2)", allow_module_level=True)

import pkcs11  # noqa: E402
from asn1crypto.core import PrintableString  # noqa: E402
from pkcs11 import Attribute, KeyType, Mechanism  # noqa: E402
from pkcs11.util.ec import encode_named_curve_parameters  # noqa: E402

P256 = encode_named_curve_parameters("secp256r1")
P384 = encode_named_curve_parameters("secp384r1")
EDWARDS = PrintableString("edwards25519").dump()


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A token with key pairs `p256`, `p256-next`, `ed25519`, `p384` and two called `twins`."""
    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    (folder / "pin").write_text(PIN + "\n")
    (folder / "wrong").write_text("0000\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    made = ("--init-token", "--free", "--label", "wangjian test", "--pin", PIN, "--so-pin", "5678")
    subprocess.run(["softhsm2-util", *made], check=True, capture_output=True)
    with pkcs11.lib(MODULE).get_token(token_label="wangjian test").open(rw=True, user_pin=PIN) as session:
        for label, parameters in (("p256", P256), ("p256-next", P256), ("p384", P384), ("twins", P256),
                                  ("twins", P256)):  # fmt: skip
            make(session, KeyType.EC, parameters, label)
        make(session, KeyType.EC_EDWARDS, EDWARDS, "ed25519", Mechanism.EC_EDWARDS_KEY_PAIR_GEN)
    yield folder
    pkcs11.unload(MODULE)
    del os.environ["SOFTHSM2_CONF"]


def make(session: Any, kind: KeyType, parameters: bytes, label: str, mechanism: Any = None) -> None:
    domain = session.create_domain_parameters(kind, {Attribute.EC_PARAMS: parameters}, local=True)
    options = {"mechanism": mechanism} if mechanism else {}
    domain.generate_keypair(store=True, label=label, **options)


def uri(folder: Path, label: str, *, pin: str = "pin", token: str = TOKEN) -> str:
    return f"pkcs11:token={token};object={label}?module-path={MODULE}&pin-source=file:{folder / pin}"


@pytest.mark.parametrize(("label", "algorithm"), [("p256", "ecdsa-p256-sha256"), ("ed25519", "ed25519")])
def test_what_the_token_signs_others_check(token: Path, tmp_path: Path, label: str, algorithm: str) -> None:
    signer = open_token_signer(uri(token, label), "international")
    signature = signer.sign(b"message")
    assert (signer.algorithm, signer.suite) == (algorithm, "international")
    verify(algorithm, signer.public_der, signature, b"message")
    with pytest.raises(InvalidSignature):
        verify(algorithm, signer.public_der, signature, b"massage")
    (tmp_path / "k.pub").write_bytes(public_pem(signer))
    (tmp_path / "s").write_bytes(signature)
    for message, fine in ((b"message", True), (b"massage", False)):
        (tmp_path / "m").write_bytes(message)
        raw = ["-rawin"] + (["-digest", "sha256"] if label == "p256" else [])
        run = subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", tmp_path / "k.pub", *raw,
             "-in", tmp_path / "m", "-sigfile", tmp_path / "s"],
            capture_output=True, check=False,
        )  # fmt: skip
        assert (run.returncode == 0) == fine, run.stderr


def test_the_private_key_does_not_come_out(token: Path) -> None:
    signer = TokenSigner(uri(token, "p256"))
    assert signer._key[Attribute.SENSITIVE] is True
    assert signer._key[Attribute.EXTRACTABLE] is False
    with pytest.raises(pkcs11.exceptions.AttributeSensitive):
        _ = signer._key[Attribute.VALUE]
    assert not hasattr(signer, "pkcs8")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pin": "wrong"}, "does not open"),
        ({"token": "other"}, "does not open"),
        ({"pin": "missing"}, "cannot read the token's PIN"),
        ({"label": "nobody"}, "no such key pair"),
        ({"label": "twins"}, "or more than one"),
        ({"label": "p384"}, "only P-256 and Ed25519"),
    ],
)
def test_what_does_not_open_is_told_in_one_line(token: Path, changes: dict[str, str], says: str) -> None:
    given = {"label": "p256", **changes}
    with pytest.raises(KeyUnreadableError, match=says) as told:
        TokenSigner(uri(token, **given))
    assert "\n" not in str(told.value)
    assert PIN not in str(told.value)


def test_a_key_of_another_suite_is_refused(token: Path) -> None:
    with pytest.raises(KeyUnreadableError, match="not of the suite national"):
        open_token_signer(uri(token, "p256"), "national")


@pytest.mark.parametrize(
    "text",
    ["", "file:/x", "pkcs11:", "pkcs11:token=a", "pkcs11:object=a", "pkcs11:token=a;object=b",
     "pkcs11:token=a;object=b;pin=1?module-path=/x", "pkcs11:token=a;object=b?module-path=/x&pin-value=1"],
)  # fmt: skip
def test_other_uris_are_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(KeyUnreadableError, match="cannot be used") as told:
        parse_uri(text)
    assert len(text) < 10 or text not in str(told.value)


def test_a_lost_session_is_opened_again_and_a_lost_token_is_a_problem(token: Path) -> None:
    signer = TokenSigner(uri(token, "p256-next"))
    signer._session.open.close()
    verify(signer.algorithm, signer.public_der, signer.sign(b"m"), b"m")
    signer._session.open.close()
    right, signer._session._pin = signer._session._pin, "0000"
    try:
        with pytest.raises(Problem) as problem:
            signer.sign(b"m")
        assert (problem.value.code, problem.value.status) == ("key.token_unavailable", 503)
    finally:
        signer._session._pin = right
    verify(signer.algorithm, signer.public_der, signer.sign(b"m"), b"m")


async def test_sealing_with_a_key_in_the_token(token: Path, make_settings: Any) -> None:
    """The seal is VALID; a new key named in the settings is taken up at the next start, the old one ends."""
    settings = own_home(make_settings("evidence", sealing_key_international=uri(token, "p256")))
    async with running(settings) as stack:
        first = await stack.submit()
        assert first["op"] != "error", first
        data = await package(stack, first["id"])
        assert await failed(stack, data) == set()
        sealing = [key for key in await listed(stack) if key["role"] == "sealing"]
        assert [key["algorithm"] for key in sealing] == ["ecdsa-p256-sha256"]
        assert not list(settings.keys_dir.glob("sealing-service*"))
        refused = await post(stack, "/keys/rotation", {"role": "sealing", "reason": "x"})
        assert refused.json()["code"] == "key.held_elsewhere"
    later = settings.model_copy(update={"sealing_key_international": uri(token, "p256-next")})
    async with running(later) as stack:
        states = {key["keyid"]: key["state"] for key in await listed(stack) if key["role"] == "sealing"}
        assert sorted(states.values()) == ["current", "ended"]
        assert await failed(stack, data) == set()
        second = await stack.submit()
        assert second["op"] != "error", second
        assert await failed(stack, await package(stack, second["id"])) == set()
        # Revoked, and nobody made a new one: sealing waits instead of signing with it.
        body = {"since": "2026-01-01T00:00:00Z", "reason": "x"}
        current = load_signers(later, "sealing")[0].keyid
        assert (await post(stack, f"/keys/{current}/revocation", body)).status_code == 200
        assert (await stack.submit())["problem"]["code"] == "key.none_valid"
    with pytest.raises(KeyUnreadableError, match="has ended or was revoked"):
        async with running(later):
            pass
    remove(settings)


def test_settings_name_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANGJIAN_SEALING_KEY_INTERNATIONAL", "pkcs11:token=a;object=b?module-path=/x")
    assert Settings().sealing_key_international == "pkcs11:token=a;object=b?module-path=/x"
