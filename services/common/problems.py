"""Errors as RFC 9457 problem+json with a stable code, in Chinese and English, saying what to do."""

from collections.abc import Mapping
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError, OperationalError
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


_DISK_FULL = "53100"
_AWAY = ("57P01", "57P02", "57P03", "53300", None)


def database_problem(error: DBAPIError | psycopg.Error) -> Problem | None:
    """What a database error means to the caller: 507 disk full, 503 not there; None for a fault of ours.

    SQLSTATE codes: PostgreSQL documentation, appendix A.
    """
    told = error if isinstance(error, psycopg.Error) else error.orig
    state = getattr(told, "sqlstate", None)
    if state == _DISK_FULL:
        return Problem(
            "storage.full",
            507,
            zh="存储空间已满,本次操作未生效",
            en="the storage is full; nothing was changed",
            todo_zh="请通知系统管理员扩充空间,之后重试即可",
            todo_en="tell the system administrator to add space, then try again",
        )
    if isinstance(error, OperationalError | psycopg.OperationalError) and state in _AWAY:
        return Problem(
            "storage.unavailable",
            503,
            zh="数据库暂时不可用,本次操作未生效",
            en="the database is not available right now; nothing was changed",
            todo_zh="请稍后重试;若持续出现,请联系系统管理员",
            todo_en="try again shortly; if it goes on, tell the system administrator",
        )
    return None
