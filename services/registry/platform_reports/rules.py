"""平台报送规则 when a platform reports its operators, what a row must say, and what makes a report doubtful.

The dates and articles are data (`data/platform_report_rules.csv`), dated and flagged as unverified. Rows are
checked by warning: nothing in a report is ever corrected.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Final

from stdnum.cn import ric

from services.registry.identifiers.normal import identifying
from services.registry.identifiers.rules import Finding, check_fields, compact
from services.registry.search.rules import fold

_DATA: Final = Path(__file__).parent.parent / "data" / "platform_report_rules.csv"
PERIOD: Final = re.compile(r"20\d\d-(?:0[1-9]|1[0-2])", re.ASCII)
_MARKS: Final = re.compile(r"\([^)]*\)|\[[^\]]*\]|[\s*:_\-./、,'\"“”()\[\]]+")


@dataclass(frozen=True, slots=True)
class ReportRule:
    """One dated rule: when reports are due, and from where on a report is doubtful (shares of rows)."""

    effective_from: date
    effective_to: date | None
    due: dict[int, int]
    short_share: float
    false_share: float
    filler_share: float
    least_known: int
    law: str
    article: str
    penalty: str
    source: str
    verified: bool


@cache
def report_rules() -> tuple[ReportRule, ...]:
    """The shipped rules, oldest first."""
    with _DATA.open(encoding="utf-8", newline="") as stream:
        return tuple(_rule(row) for row in csv.DictReader(stream))


def _rule(row: Mapping[str, str]) -> ReportRule:
    months, days = row["months"].split(";"), row["due_days"].split(";")
    return ReportRule(
        effective_from=date.fromisoformat(row["effective_from"]),
        effective_to=date.fromisoformat(row["effective_to"]) if row["effective_to"] else None,
        due={int(month): int(day) for month, day in zip(months, days, strict=True)},
        short_share=float(row["short_share"]),
        false_share=float(row["false_share"]),
        filler_share=float(row["filler_share"]),
        least_known=int(row["least_known"]),
        law=row["law"],
        article=row["article"],
        penalty=row["penalty"],
        source=row["source"],
        verified=row["verified"] == "true",
    )


def rule_for(period: str) -> ReportRule | None:
    """The rule in force in the month a report is due in (`2026-01`); None when none asks for one then."""
    if not PERIOD.fullmatch(period):
        return None
    first = date.fromisoformat(f"{period}-01")
    return next(
        (
            rule
            for rule in report_rules()
            if rule.effective_from <= first
            and (rule.effective_to is None or first <= rule.effective_to)
            and first.month in rule.due
        ),
        None,
    )


def due_on(period: str, rule: ReportRule) -> date:
    """The last day on which the report of a period is in time."""
    first = date.fromisoformat(f"{period}-01")
    return first.replace(day=rule.due[first.month])


def period_at(day: date) -> str | None:
    """The latest period whose month has begun; None before the first rule."""
    for back in range(12):
        months = day.year * 12 + day.month - 1 - back
        period = f"{months // 12}-{months % 12 + 1:02d}"
        if rule_for(period):
            return period
    return None


def before(period: str) -> str | None:
    """The period before this one."""
    first = date.fromisoformat(f"{period}-01")
    last_month = (
        first.replace(year=first.year - 1, month=12)
        if first.month == 1
        else first.replace(month=first.month - 1)
    )
    return period_at(last_month)


COLUMNS: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "name": (
        "经营者名称（姓名）",
        "Operator",
        ("经营者名称", "名称", "姓名", "经营者姓名", "企业名称", "主体名称", "operator"),
    ),
    "licence": (
        "统一社会信用代码",
        "USCC",
        ("统一社会信用代码", "社会信用代码", "信用代码", "注册号", "营业执照号", "licence"),
    ),
    "id_card": (
        "身份证件号码",
        "Identity number",
        ("身份证件号码", "身份证号", "身份证号码", "证件号码", "idcard"),
    ),
    "address": (
        "实际经营地址",
        "Place of business",
        ("实际经营地址", "经营地址", "地址", "经营场所", "address"),
    ),
    "phone": ("联系方式", "Contact", ("联系方式", "联系电话", "电话", "手机", "手机号", "phone")),
    "shop_name": ("网店名称", "Shop", ("网店名称", "店铺名称", "店名", "店铺", "shop", "shopname")),
    "url": ("网址链接", "Web address", ("网址链接", "网址", "链接", "店铺链接", "网店网址", "url")),
    "native_id": (
        "平台内编号",
        "Number on the platform",
        ("平台内编号", "店铺id", "网店编号", "编号", "shopid", "id"),
    ),
    "exemption": (
        "免登记情形自我声明",
        "Ground of exemption",
        ("免登记情形", "免登记情形自我声明", "豁免情形", "exemption"),
    ),
    "over_100k": ("是否超过10万元", "Over CNY 100,000", ("是否超过10万元", "超10万", "特别标示", "over100k")),
}
REQUIRED: Final = ("shop_name", "name")
_HEADERS: Final = {header: name for name, (_, _, headers) in COLUMNS.items() for header in headers}


def columns_of(headers: Sequence[str]) -> dict[str, int]:
    """Field → position for a header; a field that stands there twice is taken from its first column."""
    found: dict[str, int] = {}
    for position, header in enumerate(headers):
        name = _HEADERS.get(_MARKS.sub("", fold(header)))
        if name:
            found.setdefault(name, position)
    return found


# Codes that make a row a bad one: what the statute asks for is missing, or the row stands there twice.
BAD: Final[dict[str, tuple[str, str]]] = {
    "row.unreadable": ("该行无法读取", "The row cannot be read"),
    "row.repeated": ("同一网店重复报送", "The same shop stands in the file twice"),
    "missing.name": ("缺经营者名称（姓名）", "The operator's name is missing"),
    "missing.shop_name": ("缺网店名称", "The shop's name is missing"),
    "missing.number": ("缺统一社会信用代码或身份证件号码", "Neither a licence nor an identity number"),
    "missing.address": ("缺实际经营地址", "The place of business is missing"),
    "missing.phone": ("缺联系方式", "The contact is missing"),
    "missing.link": ("缺网址链接和平台内编号", "Neither a web address nor a number on the platform"),
    "missing.exemption": (
        "未登记的经营者缺免登记情形声明",
        "Unregistered, and no ground of exemption declared",
    ),
    "licence.differs": (
        "证照号码与平台展示并已入库的不一致",
        "Not the licence number the registry has for this shop",
    ),
}
DOUBTFUL: Final = frozenset(
    {
        "uscc.check_digit",
        "uscc.alphabet",
        "uscc.length",
        "licence.format",
        "regno15.check_digit",
        "id_card.format",
        "licence.differs",
    }
)


def check_row(values: Mapping[str, str]) -> list[Finding]:
    """What is wrong or doubtful about one row; nothing is changed."""
    found = [
        _bad(name, f"missing.{name}")
        for name in ("name", "shop_name", "address", "phone")
        if not values.get(name)
    ]
    licence, card = values.get("licence", ""), values.get("id_card", "")
    if not licence and not card:
        found.append(_bad("licence", "missing.number"))
    if not licence and not values.get("exemption"):
        found.append(_bad("exemption", "missing.exemption"))
    if not values.get("url") and not values.get("native_id"):
        found.append(_bad("url", "missing.link"))
    if card and not ric.is_valid(compact(card)):
        found.append(Finding("id_card", "id_card.format", "身份证件号码存疑", "Doubtful identity number"))
    told = {name: values[name] for name in ("licence", "phone", "address") if values.get(name)}
    return found + check_fields(told)


def _bad(name: str, code: str) -> Finding:
    return Finding(name, code, *BAD[code])


def bad(code: str, name: str = "licence") -> Finding:
    """A finding that makes its row a bad one."""
    return _bad(name, code)


def shop_key(values: Mapping[str, str]) -> str:
    """What names the shop inside its platform: its number there, else its address."""
    return fold(values.get("native_id") or values.get("url") or "").rstrip("/")


@dataclass(slots=True)
class Tally:
    """What the rows of a report add up to."""

    rows: int = 0
    bad_rows: int = 0
    doubtful_rows: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    values: Counter[tuple[int, str]] = field(default_factory=Counter)
    seen: set[int] = field(default_factory=set)

    def take(self, values: Mapping[str, str], found: list[Finding]) -> list[Finding]:
        """Count a row in; gives its findings with what only the whole file tells."""
        key = shop_key(values)
        if key and hash(key) in self.seen:
            found = [_bad("native_id", "row.repeated"), *found]
        self.seen.add(hash(key))
        self.rows += 1
        codes = {one.code for one in found}
        self.codes.update(codes)
        self.bad_rows += not codes.isdisjoint(BAD)
        self.doubtful_rows += not codes.isdisjoint(DOUBTFUL)
        for kind, norm, _ in identifying({"phone": values.get("phone"), "licence": values.get("licence")}):
            if len(self.values) < _MOST_VALUES or (kind, norm) in self.values:
                self.values[kind, norm] += 1
        return found

    def differs(self, count: int) -> None:
        """Rows whose licence is not the one the registry has."""
        if count:
            self.codes["licence.differs"] += count
            self.bad_rows += count
            self.doubtful_rows += count


_MOST_VALUES: Final = 500_000


def judge(
    rule: ReportRule, tally: Tally, *, late: bool, last_rows: int | None, known: int
) -> dict[str, dict[str, int]]:
    """Codes of findings about a checked report, each with the counts it rests on.

    last_rows: rows of the platform's report before; known: its shops in the registry, from `least_known` on.
    """
    found: dict[str, dict[str, int]] = {}
    if late:
        found["platform_report.late"] = {"rows": tally.rows}
    least = max(last_rows or 0, known if known >= rule.least_known else 0)
    if tally.rows < rule.short_share * least:
        found["platform_report.short"] = {"rows": tally.rows, "last": last_rows or 0, "known": known}
    most = max(tally.values.values(), default=0)
    filler = most if tally.rows >= rule.least_known and most > rule.filler_share * tally.rows else 0
    if tally.doubtful_rows > rule.false_share * tally.rows or filler:
        found["platform_report.false_rows"] = {
            "rows": tally.rows,
            "doubtful": tally.doubtful_rows,
            "same_value": filler,
        }
    return found


def messages(found: Iterable[Finding]) -> tuple[str, str]:
    """What is said of a row, Chinese and English, in one line each."""
    listed = list(found)
    return "；".join(one.zh for one in listed), "; ".join(one.en for one in listed)
