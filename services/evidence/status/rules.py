"""What the figures of sealing mean, in words (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.common.clock import rfc3339
from services.evidence.status.schemas import Part, State
from services.evidence.timestamps.waiting import limit_on, unstamped_state

# Sealing takes seconds; what waits longer than this for a peer is said.
_PATIENCE = timedelta(minutes=10)

NAMES = {
    "unstamped": ("待加盖时间戳", "waiting for time stamps"),
    "unwitnessed": ("待见证", "waiting for witnesses"),
    "unreplicated": ("待第三方留存", "waiting for custodians"),
    "authorities": ("可信时间戳机构", "time-stamping authorities"),
    "log": ("存证日志", "transparency log"),
    "custodians": ("第三方存证机构", "custodians"),
    "store": ("证据存储", "evidence store"),
    "sweep": ("存储复核", "sweep of the store"),
    "renewal": ("时间戳续期", "renewal of time stamps"),
}


@dataclass(frozen=True)
class Waiting:
    """Items at one stage: how many, and since when the oldest."""

    count: int
    oldest: datetime | None


def part(name: str, state: State, zh: str, en: str, facts: Mapping[str, Any] | None = None) -> Part:
    """A part by its name."""
    title_zh, title_en = NAMES[name]
    return Part(
        name=name, zh=title_zh, en=title_en, state=state, line_zh=zh, line_en=en, facts=dict(facts or {})
    )


def worst(parts: Sequence[Part]) -> State:
    """The state of the worst part."""
    states = {one.state for one in parts}
    if "bad" in states:
        return "bad"
    return "warn" if "warn" in states else "ok"


def span_zh(span: timedelta) -> str:
    """`1 小时 5 分`."""
    minutes = int(span.total_seconds()) // 60
    return f"{minutes // 60} 小时 {minutes % 60} 分" if minutes >= 60 else f"{minutes} 分钟"


def span_en(span: timedelta) -> str:
    """`1 h 5 min`."""
    minutes = int(span.total_seconds()) // 60
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _figures(waiting: Waiting, now: datetime) -> dict[str, Any]:
    if waiting.oldest is None:
        return {"count": 0}
    age = int((now - waiting.oldest).total_seconds())
    return {"count": waiting.count, "oldest": rfc3339(waiting.oldest), "age_seconds": age}


def unstamped(waiting: Waiting, now: datetime) -> Part:
    """The 4-hour rule: signed evidence without a stamp, by the age of the oldest."""
    limit = limit_on(now.astimezone(UTC).date())
    facts = _figures(waiting, now) | {
        "limit_seconds": int(limit.longest.total_seconds()),
        "warn_seconds": int(limit.warn.total_seconds()),
    }
    if waiting.oldest is None:
        return part("unstamped", "ok", "没有证据等待时间戳", "no evidence waits for a time stamp", facts)
    age = now - waiting.oldest
    zh = f"{waiting.count} 件已签名、待加盖时间戳,最久 {span_zh(age)}(上限 {span_zh(limit.longest)})"
    en = (
        f"{waiting.count} signed and not yet stamped, the oldest for {span_en(age)} (at most"
        f" {span_en(limit.longest)})"
    )
    state = unstamped_state(waiting.oldest, now)
    if state == "refuse":
        return part("unstamped", "bad", zh + ";已暂停受理新的取证", en + "; no new captures are taken", facts)
    return part("unstamped", "warn" if state == "warn" else "ok", zh, en, facts)


def queue(name: str, waiting: Waiting, now: datetime) -> Part:
    """Items that wait for witnesses or custodians."""
    facts = _figures(waiting, now)
    if waiting.oldest is None:
        return part(name, "ok", "没有积压", "nothing waits", facts)
    age = now - waiting.oldest
    zh, en = f"{waiting.count} 件等待,最久 {span_zh(age)}", f"{waiting.count} waiting, oldest {span_en(age)}"
    return part(name, "warn" if age > _PATIENCE else "ok", zh, en, facts)


def authorities(states: Sequence[Mapping[str, Any]], quorum: int) -> Part:
    """The authorities' states as the client knows them; `closed` is a breaker that lets requests through."""
    usable = {str(one["operator"]) for one in states if one["state"] != "open"}
    facts = {"quorum": quorum, "authorities": [dict(one) for one in states]}
    zh = f"{len(states)} 家机构,{len(usable)} 个运营者可用,至少需要 {quorum} 个"
    en = f"{len(states)} authorities, {len(usable)} operators usable, {quorum} needed"
    state: State = "ok" if all(one["state"] == "closed" for one in states) else "warn"
    return part("authorities", "bad" if len(usable) < quorum else state, zh, en, facts)


def log(size: int, origin: str, failure: str | None, refusal: Mapping[str, Any] | None) -> Part:
    """The log: writes, cannot write now, or refuses to sign."""
    facts: dict[str, Any] = {"origin": origin, "tree_size": size}
    if refusal is not None:
        facts["reason"] = str(refusal.get("code", ""))
        return part("log", "bad", str(refusal.get("zh", "")), str(refusal.get("en", "")), facts)
    if failure is not None:
        zh, en = f"暂时无法写入({failure})", f"cannot be written right now ({failure})"
        return part("log", "bad", zh, en, facts | {"error": failure})
    return part("log", "ok", f"正常,共 {size} 条", f"works, {size} leaves", facts)


@dataclass(frozen=True)
class Witness:
    """A custodian: does it answer, and which size of the log did it last cosign."""

    name: str
    operator: str
    development: bool
    answers: bool
    size: int | None

    @property
    def facts(self) -> dict[str, Any]:
        """For the screen."""
        return {
            "name": self.name,
            "operator": self.operator,
            "state": "ok" if self.answers else "down",
            "tree_size": self.size,
            "development": self.development,
        }


def custodians(found: Sequence[Witness], quorum: int, size: int) -> Part:
    """Enough operators must answer; whoever claims a longer log than ours has seen another one."""
    answering = {one.operator for one in found if one.answers}
    facts = {"quorum": quorum, "custodians": [one.facts for one in found]}
    ahead = [one.name for one in found if one.size is not None and one.size > size]
    if ahead:
        names = "、".join(ahead)
        zh, en = f"{names} 见证过更长的日志,可能恢复了旧备份", f"{', '.join(ahead)} cosigned a longer log"
        return part("custodians", "bad", zh, en, facts)
    zh = f"{len(found)} 家中 {sum(one.answers for one in found)} 家应答,至少需要 {quorum} 个运营者"
    en = f"{sum(one.answers for one in found)} of {len(found)} answer, {quorum} operators needed"
    if len(answering) < quorum:
        return part("custodians", "bad", zh, en, facts)
    return part("custodians", "ok" if all(one.answers for one in found) else "warn", zh, en, facts)


def store(report: Mapping[str, Any], *, low: bool) -> Part:
    """Does the store refuse to forget (its own probe's finding), and has it room."""
    worm, faults = str(report.get("worm", "unknown")), list(report.get("worm_faults", []))
    if low:
        return part("store", "bad", "存储空间不足", "storage is running low", report)
    if worm == "enforced":
        return part("store", "ok", "存储拒绝删改(已实测)", "the store refuses deletion (probed)", report)
    if worm == "unknown":
        return part(
            "store", "warn", "尚未能检验存储是否拒绝删改", "whether it refuses deletion is unknown", report
        )
    if worm == "NOT enforced":
        en = "the store does NOT refuse deletion: " + ", ".join(faults)
        return part("store", "bad", "存储应当拒绝删改,实测未能拒绝", en, report)
    zh = "本机磁盘不具备防删改能力,改动由摘要、日志与第三方副本发现"
    en = "a disk, not WORM: changes are found by digests, log and custodians' copies"
    return part("store", "warn", zh, en, report)


# The sweep is nightly: one missed night is noticed, not alarmed about.
_SWEEP_LATE = timedelta(hours=50)


def sweep(summary: Mapping[str, Any], now: datetime) -> Part:
    """The newest re-hash of the whole store: clean, with findings, under way, late, or never made."""
    state, zh, en = _sweep(summary, now)
    return part("sweep", state, zh, en, summary)


def _sweep(summary: Mapping[str, Any], now: datetime) -> tuple[State, str, str]:
    counts = {name: count for name, count in dict(summary.get("counts") or {}).items() if count}
    state, verdict, ended = str(summary["state"]), str(summary["verdict"]), summary.get("finished_at")
    found = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    late = ended is not None and now - datetime.fromisoformat(str(ended)) > _SWEEP_LATE
    # The first that holds is said.
    said: list[tuple[bool, State, str, str]] = [
        (bool(counts.keys() - {"unreferenced"}), "bad", f"复核发现问题:{found}", f"the sweep found: {found}"),
        (verdict == "never", "warn", "尚未复核过(每晚自动进行)", "never swept yet (it is done every night)"),
        (bool(counts), "warn", "有文件不属于任何证据", "the store holds objects that belong to no item"),
        (state in ("requested", "running"), "ok", "正在复核", "a sweep is under way"),
        (verdict != "clean", "warn", f"上次复核未完成({state})", f"the last sweep did not end ({state})"),
        (late, "warn", f"上次复核在 {ended},已逾期", f"the last sweep ended {ended} and is late"),
        (True, "ok", "全部文件复核一致", "every object hashed anew and found as sealed"),
    ]
    return next((level, zh, en) for holds, level, zh, en in said if holds)


def renewal(overdue: int, soon: int, days: int) -> Part:
    """Items whose proof of time ends: already, or within `days`."""
    facts = {"overdue": overdue, "soon": soon, "days": days}
    if overdue:
        zh, en = f"{overdue} 件的时间戳证书已过期而未续期", f"{overdue} time stamps expired without renewal"
        return part("renewal", "bad", zh, en, facts)
    if soon:
        zh, en = f"{soon} 件将在 {days} 天内需要续期", f"{soon} must be renewed within {days} days"
        return part("renewal", "warn", zh, en, facts)
    return part(
        "renewal", "ok", f"{days} 天内没有需要续期的时间戳", f"nothing to renew within {days} days", facts
    )
