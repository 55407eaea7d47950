"""Merging the services' OpenAPI documents into the one the door shows (OpenAPI 3.1)."""

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.routing.table import GATEWAY, SEGMENTS, SIGN_IN, segment_of

Document = dict[str, Any]
METHODS: Final = ("get", "post", "put", "patch", "delete")

_PROBLEM: Final[Document] = {
    "type": "object",
    "description": "RFC 9457 问题说明：中文在前，英文在 *_en。Chinese first, English in *_en.",
    "required": ["type", "title", "title_en", "status", "code", "detail", "detail_en"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "title_en": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "detail_en": {"type": "string"},
        "todo": {"type": "string"},
        "todo_en": {"type": "string"},
        "request_id": {"type": ["string", "null"]},
    },
    "additionalProperties": True,
}
_ABOUT: Final = (
    "网络交易监管与电子证据平台接口。改变数据的请求须带 X-CSRF-Token；错误为 problem+json。\n\n"
    "Interface of the platform. Changing requests need X-CSRF-Token; errors are problem+json."
)
_SECURITY: Final[Document] = {
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-wj_session"},
    "operator": {"type": "http", "scheme": "bearer", "description": "本机命令行 the local command line"},
}
_TAGS: Final = {
    "crawler": ("采集 captures", "下达采集任务并查看过程。Order captures and watch them."),
    "evidence": ("证据 evidence", "查看、导出和校验证据。See, export and verify evidence."),
    "casework": ("办案 casework", "线索与案件。Clues and cases."),
    "registry": (
        "主体 registry",
        "行政区划、机构、主体和网店。Regions, organisations, subjects and presences.",
    ),
    "gateway": ("门户 gateway", "登录、账号、审计和系统状态。Sign-in, accounts, audit, system."),
}


def merged(
    documents: Mapping[str, Document], *, title: str = "网鉴 Wangjian", version: str = "0"
) -> Document:
    """One document for all paths the door lets through.

    documents: each service's own OpenAPI document; the gateway's own paths already begin with /api. A schema
    name used by two services for different things gets the service's name in front. Same input, same bytes.
    """
    paths: Document = {}
    schemas: Document = {"Problem": copy.deepcopy(_PROBLEM)}
    tags: list[Document] = []
    clashing = _clashing(documents)
    for service in sorted(documents):
        renamed = _renamed(documents[service], service, clashing)
        for path, operations in renamed.get("paths", {}).items():
            full = path if service == GATEWAY else "/api" + path
            segment = SEGMENTS.get(segment_of(full))
            if segment is None or segment.service != service:
                continue
            paths[full] = {
                method: _operation(service, full, method, operations[method])
                for method in METHODS
                if method in operations
            }
        schemas.update(renamed.get("components", {}).get("schemas", {}))
        name, about = _TAGS.get(service, (service, service))
        tags.append({"name": name, "description": about})
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": copy.deepcopy(_SECURITY)},
        "security": [{name: []} for name in _SECURITY],
    }


def _operation(service: str, path: str, method: str, operation: Document) -> Document:
    changed = {**operation, "tags": [_TAGS.get(service, (service, ""))[0]]}
    changed["operationId"] = _operation_id(method, path)
    responses = {
        code: body for code, body in operation.get("responses", {}).items() if code not in {"422", "default"}
    }
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses["default"] = {"description": "未完成 the request was not carried out", "content": problem}
    changed["responses"] = responses
    open_to_all = bool(SEGMENTS[segment_of(path)].public) or (method.upper(), path) == SIGN_IN
    if open_to_all:
        changed["security"] = []
    elif method not in {"get", "head"}:
        parameters = list(operation.get("parameters", []))
        parameters.append({
            "name": "X-CSRF-Token", "in": "header", "required": False, "schema": {"type": "string"},
            "description": "会话的防伪令牌（网页必需）the session's CSRF token (required for browsers)",
        })  # fmt: skip
        changed["parameters"] = parameters
    return changed


def _operation_id(method: str, path: str) -> str:
    """`get_evidence_id_custody`: from the path, so that clients keep their names when code moves."""
    words = [part.strip("{}").split(":")[0] for part in path.split("/")[2:] if part]
    return "_".join([method, *(word.replace("-", "_").replace(".", "_") for word in words)])


def _clashing(documents: Mapping[str, Document]) -> set[str]:
    """Schema names that two services use for different schemas."""
    seen: dict[str, str] = {"Problem": json.dumps(_PROBLEM, sort_keys=True)}
    clashing: set[str] = set()
    for service in sorted(documents):
        for name, schema in _schemas(documents[service]).items():
            text = json.dumps(schema, sort_keys=True)
            if seen.setdefault(name, text) != text:
                clashing.add(name)
    return clashing


def _schemas(document: Document) -> Document:
    found: Document = document.get("components", {}).get("schemas", {})
    return found


def _renamed(document: Document, service: str, clashing: Iterable[str]) -> Document:
    names = {name: f"{service.capitalize()}{name}" for name in clashing if name in _schemas(document)}
    if not names:
        return copy.deepcopy(document)

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: _reference(item, names) if key == "$ref" else walk(item) for key, item in value.items()
            }
        return [walk(item) for item in value] if isinstance(value, list) else value

    renamed: Document = walk(document)
    renamed["components"]["schemas"] = {
        names.get(name, name): schema for name, schema in _schemas(renamed).items()
    }
    return renamed


def _reference(value: Any, names: Mapping[str, str]) -> Any:
    prefix = "#/components/schemas/"
    if isinstance(value, str) and value.startswith(prefix):
        return prefix + names.get(value.removeprefix(prefix), value.removeprefix(prefix))
    return value
