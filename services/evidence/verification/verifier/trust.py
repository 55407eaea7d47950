"""The trust file."""

import base64
import hashlib
import json
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from .log import parse_vkey
from .strict import Failed, Unreadable


def read_trust(data: bytes) -> dict[str, Any]:
    """The trust file, checked. Raises Unreadable."""
    try:
        trust = json.loads(data)
        if trust["schema"] != "urn:wangjian:trust:v1":
            raise ValueError("unknown schema")
        for key in [*trust["worker_keys"], *trust["sealing_keys"]]:
            der = base64.b64decode(key["public_key"], validate=True)
            if not isinstance(load_der_public_key(der), Ed25519PublicKey):
                raise ValueError("a signing key is not Ed25519")
            if hashlib.sha256(der).hexdigest() != key["keyid"]:
                raise ValueError("a key does not match its key id")
        for authority in trust["tsas"]:
            x509.load_der_x509_certificate(base64.b64decode(authority["certificate"], validate=True))
            _ = authority["operator"], authority["chain"], authority["policy_oids"]
        if parse_vkey(trust["log"]["vkey"], 1)[0] != trust["log"]["origin"]:
            raise ValueError("the log key is not of the log's origin")
        for vkey in trust["witnesses"]["keys"]:
            parse_vkey(vkey, 4)
        quorums = [
            trust["witnesses"]["quorum"],
            trust["policy"]["tsa_quorum"],
            trust["policy"]["max_skew_seconds"],
        ]
        if not all(type(value) is int and value > 0 for value in quorums):
            raise ValueError("quorums and skew must be positive whole numbers")
        _ = trust["policy"]["id"], trust["development"], trust["label"]
    except (ValueError, KeyError, TypeError, AttributeError, Failed) as error:
        raise Unreadable("信任文件无法使用", f"the trust file cannot be used: {error}") from error
    return dict(trust)
