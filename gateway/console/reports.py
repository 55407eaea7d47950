"""What browsers report when a page of ours broke the content security policy."""

import json
from typing import Any, Final

import structlog
from fastapi import APIRouter, Depends, Request
from prometheus_client import Counter

from services.common.identity import public
from services.common.problems import Problem

log = structlog.get_logger()
router = APIRouter(prefix="/api", include_in_schema=False)
_REPORTS = Counter("gateway_csp_reports_total", "CSP violations reported by browsers", ["directive"])
_DIRECTIVES: Final = frozenset(
    {
        "script-src", "script-src-elem", "script-src-attr", "style-src", "style-src-elem", "style-src-attr",
        "img-src", "font-src", "connect-src", "form-action", "base-uri", "frame-ancestors", "frame-src",
        "object-src", "media-src", "worker-src", "manifest-src", "default-src",
    }
)  # fmt: skip
_AT_MOST: Final = 10
_LONGEST: Final = 300


def violations(text: bytes) -> list[dict[str, str]]:
    """Directive, blocked address, page and source of each violation, in either format (report-uri, Reporting
    API).

    Raises Problem 400 when it is neither. At most ten are read; every value is cut at 300 characters.
    """
    try:
        body: Any = json.loads(text)
    except ValueError as error:
        raise _unreadable() from error
    reports = body if isinstance(body, list) else [body]
    found = []
    for report in reports[:_AT_MOST]:
        inner = (report.get("csp-report") or report.get("body")) if isinstance(report, dict) else None
        if not isinstance(inner, dict):
            raise _unreadable()
        names = {
            "directive": ("effective-directive", "effectiveDirective", "violated-directive"),
            "blocked": ("blocked-uri", "blockedURL"),
            "page": ("document-uri", "documentURL"),
            "source": ("source-file", "sourceFile"),
        }
        found.append(
            {
                key: next((str(inner[n])[:_LONGEST] for n in given if inner.get(n)), "")
                for key, given in names.items()
            }
        )
    return found


@router.post(
    "/csp-reports", status_code=204, dependencies=[Depends(public("browsers report without a session"))]
)
async def csp_report(request: Request) -> None:
    """Count and log violations."""
    for violation in violations(await request.body()):
        directive = violation["directive"].split(" ")[0]
        _REPORTS.labels(directive if directive in _DIRECTIVES else "other").inc()
        log.warning("csp.violation", **violation)


def _unreadable() -> Problem:
    return Problem("report.unreadable", 400, zh="无法识别的报告", en="the report is not readable")
