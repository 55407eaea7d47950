"""The manifest: an in-toto Statement v1 whose predicate tells the capture. Only its form is judged here."""

import re
from functools import lru_cache
from types import NoneType
from typing import Any

from .package import Package
from .strict import UTC_TIME, canonical, moment, require, strict_json
from .tree import leaf_hash, tree_root

SCHEMA = "urn:wangjian:capture:v2"
ARTEFACT_PATH = re.compile(r"(archive|indexes|pages|evidence)/[a-z0-9][a-z0-9._-]{0,99}")
# Names of the proofs: an artefact may not take one.
RESERVED = re.compile(r"evidence/(manifest\.dsse\.json|redaction\.json|tst-.*|log\..*)")
MERKLE = "rfc6962-sha256"
_HASH = re.compile(r"[0-9a-f]{64}")
_OPTIONAL_TEXT, _OPTIONAL_INTEGER = (str, NoneType), (int, NoneType)

# What every artefact and every predicate holds; more may follow. dict: an object with at least these members;
# list: a list of such values, not empty; pattern: text that matches as a whole; types: one of them (true is
# no integer).
ARTEFACT_FORM: dict[str, Any] = {
    "path": ARTEFACT_PATH,
    "role": (str,),
    "media_type": (str,),
    "bytes": (int,),
    "sha256": _HASH,
    "sm3": _HASH,
    "created": UTC_TIME,
    "derived_from": _OPTIONAL_TEXT,
    "salt": re.compile(r"[0-9a-f]{32}"),
}
SHAPE: dict[str, Any] = {
    "schema": re.compile(re.escape(SCHEMA)),
    "evidence_id": re.compile(r"[0-9A-HJKMNP-TV-Z]{26}"),
    "target": {
        "requested_url": (str,),
        "final_url": _OPTIONAL_TEXT,
        "redirects": (list,),
        "http_status": _OPTIONAL_INTEGER,
        "title": _OPTIONAL_TEXT,
    },
    "operator": (dict,),
    "times": {
        "beacon_checkpoint": (str,),
        "start": UTC_TIME,
        "end": UTC_TIME,
        "clock": {"source": (str,), "offset_ms": (int, float, NoneType), "state": (str,)},
    },
    "network": {"dns": (list,), "connections": (list,), "blocked": (list,)},
    "environment": (dict,),
    "method": (dict,),
    "completeness": {
        "state": re.compile("COMPLETE|PARTIAL|BLOCKED|FAILED"),
        "missing": (list,),
        "errors": (list,),
        "reason": (dict, NoneType),
    },
    "artifacts": [ARTEFACT_FORM],
    "merkle": {"alg": re.compile(MERKLE), "root": _HASH},
    "key_ids": [_HASH],
    "policy_id": (str,),
}


def parse_manifest(payload: bytes) -> dict[str, Any]:
    """The statement in a manifest payload, its form checked. Raises Failed."""
    statement: dict[str, Any] = strict_json(payload)
    require(isinstance(statement, dict), "not an object")
    require(set(statement) == {"_type", "predicate", "predicateType", "subject"}, "not an in-toto statement")
    require(statement["_type"] == "https://in-toto.io/Statement/v1", "unknown statement type")
    require(statement["predicateType"] == SCHEMA, "unknown predicate type")
    predicate = statement["predicate"]
    compare(predicate, SHAPE, "predicate")
    paths = [item["path"] for item in predicate["artifacts"]]
    listed = set(paths)
    require(paths == sorted(listed), "artefacts are not in order, or one stands twice")
    for item in predicate["artifacts"]:
        where = item["path"]
        require(".." not in where and not RESERVED.fullmatch(where), f"{where}: name not permitted")
        require(item["bytes"] >= 0, f"{where}: negative size")
        origin = item["derived_from"]
        known = origin is None or (origin in listed and origin != where)
        require(known, f"{where}: derived from no other artefact")
    salts = {item["salt"] for item in predicate["artifacts"]}
    require(len(salts) == len(paths), "two artefacts have one salt")
    return statement


_parsed = lru_cache(maxsize=8)(parse_manifest)


def compare(value: Any, form: Any, where: str) -> None:
    """Raise Failed unless the value has the form (see SHAPE)."""
    if isinstance(form, dict):
        require(isinstance(value, dict), f"{where} is not an object")
        missing = form.keys() - value.keys()
        require(not missing, f"{where} lacks {', '.join(sorted(missing))}")
        for name, inner in form.items():
            compare(value[name], inner, f"{where}.{name}")
    elif isinstance(form, list):
        require(isinstance(value, list) and value, f"{where} is not a list, or empty")
        for item in value:
            compare(item, form[0], where)
    elif isinstance(form, re.Pattern):
        require(isinstance(value, str) and form.fullmatch(value), f"{where} is not as required")
        if form is UTC_TIME:
            moment(value)
    else:
        require(type(value) in form, f"{where} is of another type")


def artefact_leaf(artefact: dict[str, Any]) -> bytes:
    """The leaf hash of one artefact: over the RFC 8785 JSON of its object, salt and all."""
    return leaf_hash(canonical(artefact))


def check_manifest(package: Package) -> str:
    """The manifest is a canonical in-toto statement with every required field."""
    package.manifest = _parsed(package.payload)
    package.predicate = package.manifest["predicate"]
    return str(package.predicate["evidence_id"])


def check_merkle(package: Package) -> str:
    """The Merkle root is that of the salted artefact list."""
    listed = package.predicate["artifacts"]
    require(listed, "no artefacts")
    root = tree_root([artefact_leaf(item) for item in listed]).hex()
    require(root == package.predicate["merkle"]["root"], "the Merkle root is not that of the artefacts")
    return f"{len(listed)} leaves"
