"""Why the log signs nothing: said the same way wherever it stops someone."""

from collections.abc import Mapping
from typing import Any

from services.common.problems import Problem


def log_refuses(refusal: Mapping[str, Any]) -> Problem:
    """503 `evidence.log_refuses`: nothing is logged until an administrator has reconciled the log."""
    return Problem(
        "evidence.log_refuses",
        503,
        zh=f"存证日志已停止签发:{refusal['zh']}",
        en=f"the transparency log signs nothing: {refusal['en']}",
        todo_zh="请立即通知系统管理员运行 wangjian log reconcile 核查,切勿删除任何数据",
        todo_en="have the administrator run `wangjian log reconcile` at once; delete nothing",
        extra={"refusal": dict(refusal)},
    )
