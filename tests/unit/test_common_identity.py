"""Internal tokens: only the right key, audience and time are believed."""

import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import OKPKey

from services.common import identity
from services.common.identity import Claims, TokenIssuer, TokenVerifier, system_claims
from services.common.keys import load_or_create_ed25519
from services.common.problems import Problem

OFFICER = Claims("u1", "李雷", "360121-SJ", "南昌县市场监督管理局", "360121", permissions=frozenset({"a:b"}))


def test_a_gateway_token_carries_the_person(tmp_path: Path) -> None:
    body = TokenVerifier(tmp_path).verify(TokenIssuer(tmp_path, "gateway").issue(OFFICER))
    assert (body["sub"], body["region"], body["perms"]) == ("u1", "360121", ["a:b"])


def test_a_service_may_not_speak_for_a_person(tmp_path: Path) -> None:
    token = TokenIssuer(tmp_path, "crawler").issue(OFFICER)
    with pytest.raises(Problem) as caught:
        TokenVerifier(tmp_path).verify(token)
    assert caught.value.code == "identity.token_invalid"


def test_a_service_speaks_for_itself(tmp_path: Path) -> None:
    token = TokenIssuer(tmp_path, "crawler").issue(system_claims("crawler"))
    assert TokenVerifier(tmp_path).verify(token)["sub"] == "service:crawler"


@pytest.mark.parametrize("seconds", [0, -30])
def test_an_expired_token_is_refused(tmp_path: Path, seconds: int) -> None:
    token = TokenIssuer(tmp_path, "gateway").issue(OFFICER, seconds=seconds)
    with pytest.raises(Problem):
        TokenVerifier(tmp_path).verify(token)


def test_a_remembered_token_still_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier, token = TokenVerifier(tmp_path), TokenIssuer(tmp_path, "gateway").issue(OFFICER, seconds=30)
    verifier.verify(token)
    later = time.time() + 31
    monkeypatch.setattr(identity.time, "time", lambda: later)
    with pytest.raises(Problem):
        verifier.verify(token)


def stored_key(path: Path) -> OKPKey:
    plain = load_or_create_ed25519(path).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return OKPKey.import_key(plain)


@pytest.mark.parametrize("change", [{"aud": "other"}, {"iss": "crawler"}, {"exp": 1}])
def test_a_token_with_another_body_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    TokenIssuer(tmp_path, "gateway")
    key = stored_key(tmp_path / "internal-gateway.key")
    now = int(time.time())
    body = {"iss": "gateway", "aud": identity.AUDIENCE, "iat": now, "exp": now + 60, "sub": "u1"}
    token = jwt.encode({"alg": "Ed25519", "kid": "gateway"}, {**body, **change}, key, algorithms=["Ed25519"])
    with pytest.raises(Problem):
        TokenVerifier(tmp_path).verify(token)


@pytest.mark.parametrize("kid", ["../gateway", "nobody", ""])
def test_a_key_name_cannot_leave_the_folder(tmp_path: Path, kid: str) -> None:
    TokenIssuer(tmp_path / "keys", "gateway")
    (tmp_path / "internal-x.pub").write_bytes((tmp_path / "keys" / "internal-gateway.pub").read_bytes())
    key = stored_key(tmp_path / "keys" / "internal-gateway.key")
    token = jwt.encode({"alg": "Ed25519", "kid": kid}, {"sub": "u1"}, key, algorithms=["Ed25519"])
    with pytest.raises(Problem):
        TokenVerifier(tmp_path / "keys").verify(token)


def test_an_attackers_key_is_refused(tmp_path: Path) -> None:
    TokenIssuer(tmp_path / "ours", "gateway")
    token = TokenIssuer(tmp_path / "theirs", "gateway").issue(OFFICER)
    with pytest.raises(Problem):
        TokenVerifier(tmp_path / "ours").verify(token)
    # Negative control: with the attacker's key in place the same token is believed.
    assert TokenVerifier(tmp_path / "theirs").verify(token)["sub"] == "u1"
