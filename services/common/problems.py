"""Errors as RFC 9457 problem+json with a stable code, in Chinese and English, saying what to do."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse


class Problem(Exception):
    """Raised anywhere below a route; becomes an application/problem+json answer.

    code: stable, `noun.what`; status: HTTP status; zh/en: what happened; todo_*: what the reader can do;
    extra: further members of the document (JSON values).
    """

    def __init__(
        self,
        code: str,
        status: int,
        *,
        zh: str,
        en: str,
        todo_zh: str = "",
        todo_en: str = "",
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {en}")
        self.code, self.status, self.zh, self.en = code, status, zh, en
        self.todo_zh, self.todo_en = todo_zh, todo_en
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})

    def document(self, request_id: str | None = None) -> dict[str, Any]:
        """The problem document as a JSON object."""
        return {
            "type": f"urn:wangjian:problem:{self.code}",
            "title": self.zh,
            "title_en": self.en,
            "status": self.status,
            "code": self.code,
            "detail": self.zh,
            "detail_en": self.en,
            "todo": self.todo_zh,
            "todo_en": self.todo_en,
            "request_id": request_id,
            **self.extra,
        }

    @classmethod
    def from_document(cls, body: Mapping[str, Any], status: int) -> "Problem":
        """A problem read from another service's answer; unknown shapes become `upstream.failed`."""
        code = str(body.get("code") or "upstream.failed")
        known = {
            "type",
            "title",
            "title_en",
            "status",
            "code",
            "detail",
            "detail_en",
            "todo",
            "todo_en",
            "request_id",
        }
        return cls(
            code,
            status,
            zh=str(body.get("detail") or body.get("title") or "下游服务出错"),
            en=str(body.get("detail_en") or body.get("title_en") or "an upstream service failed"),
            todo_zh=str(body.get("todo") or ""),
            todo_en=str(body.get("todo_en") or ""),
            extra={key: value for key, value in body.items() if key not in known},
        )


def problem_response(problem: Problem, request_id: str | None) -> JSONResponse:
    """The HTTP answer for a problem."""
    return JSONResponse(
        problem.document(request_id),
        status_code=problem.status,
        media_type="application/problem+json",
        headers=problem.headers,
    )


def not_found(kind_zh: str, kind_en: str) -> Problem:
    """404 that does not tell a missing row from one the caller may not see."""
    return Problem(
        "request.not_found",
        404,
        zh=f"找不到该{kind_zh},或您无权查看",
        en=f"no such {kind_en}, or you may not see it",
        todo_zh="请检查编号,或联系有管辖权的单位",
        todo_en="check the number, or ask the authority that has jurisdiction",
    )
