"""What can go wrong in an exchange, in words."""

from services.common.problems import Problem


def wrong_state(zh: str, en: str) -> Problem:
    """409: the exchange is not at a point where this can be done."""
    return Problem(
        "exchange.state",
        409,
        zh=zh,
        en=en,
        todo_zh="请按比对流程的顺序办理",
        todo_en="follow the order of the exchange",
    )


def expired() -> Problem:
    """409: the exchange has ended by time."""
    return Problem(
        "exchange.expired",
        409,
        zh="本次比对已到期",
        en="this exchange has expired",
        todo_zh="如仍需比对，请重新发起",
        todo_en="offer a new one if it is still needed",
    )


def untrusted(en: str) -> Problem:
    """422: the message is not what the other region signed, or not of this exchange."""
    return Problem(
        "exchange.untrusted",
        422,
        zh="该报文未通过核验，未予接收",
        en=f"the message was not taken in: {en}",
        todo_zh="请向对方索取完整的原始报文",
        todo_en="ask the other region for the original message",
    )


def fingerprint() -> Problem:
    """422: the key is not the one whose fingerprint was read out."""
    return Problem(
        "exchange.fingerprint",
        422,
        zh="密钥指纹与电话核对的不一致",
        en="the key's fingerprint is not the one that was read out",
        todo_zh="请通过电话重新核对；仍不一致请停止并报告",
        todo_en="compare it again by telephone; if it still differs, stop and report it",
    )
