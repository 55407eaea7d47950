"""How a store fails, as problems with what to do about it."""

from services.common.problems import Problem


def store_full() -> Problem:
    """507: nothing of the object was kept; the sender may repeat once there is space."""
    return Problem(
        "evidence.store_full",
        507,
        zh="证据存储空间已满,本次写入未保留任何内容",
        en="the evidence store is full; nothing of this write was kept",
        todo_zh="请通知系统管理员扩充存储空间,随后重试即可继续",
        todo_en="tell the system administrator to add space, then repeat: it will go on",
    )


def store_away(reason: str) -> Problem:
    """503: the store does not answer, or not in time."""
    return Problem(
        "evidence.store_unavailable",
        503,
        zh="证据存储暂时不可用,本次操作未完成",
        en=f"the evidence store is not available: {reason}",
        todo_zh="无需重新采集,存储恢复后重试即可继续;若持续出现,请通知系统管理员",
        todo_en="nothing is lost: try again once it is back; if it goes on, tell the system administrator",
    )


def store_denied(reason: str) -> Problem:
    """503: the store refuses us: keys, bucket or rights are wrong."""
    return Problem(
        "evidence.store_denied",
        503,
        zh=f"证据存储拒绝访问({reason})",
        en=f"the evidence store refuses access: {reason}",
        todo_zh="请通知系统管理员检查存储桶、访问密钥及其权限",
        todo_en="tell the system administrator to check bucket, access key and its rights",
    )


def store_damaged() -> Problem:
    """500: bytes that were stored are not there any more."""
    return Problem(
        "evidence.store_damaged",
        500,
        zh="存储中的证据文件已损坏或缺失,操作中止",
        en="an object in the evidence store is damaged or missing; this stops here",
        todo_zh="请立即通知系统管理员,切勿删除任何数据",
        todo_en="tell the system administrator at once and delete nothing",
    )
