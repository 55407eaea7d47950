"""导入字段 what a column of a list can be, and how its header or its values tell.

Headers are compared folded, without brackets and marks; what an officer chose for a source is remembered and
goes before every guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.registry.search.rules import fold

_MARKS: Final = re.compile(r"[\s*＊:：_\-./、,，'\"“”()（）\[\]【】<>《》]+")
_BRACKETS: Final = re.compile(r"[(（\[【][^)）\]】]*[)）\]】]")


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its names, the longest value it takes, and the headers that mean it."""

    zh: str
    en: str
    longest: int
    headers: tuple[str, ...]
    several: bool = False
    """More than one column may hold it (固定电话 and 手机): their values are joined."""


FIELDS: Final[dict[str, Field]] = {
    "id": Field(
        "编号", "Id", 128,
        ("id", "shopid", "编号", "序号", "店铺编号", "网店编号", "店铺id", "网店id", "主键", "唯一标识",
         "记录编号", "no", "code"),
    ),
    "name": Field(
        "网店（网站）名称", "Shop name", 500,
        ("name", "shopname", "storename", "名称", "店铺名称", "网店名称", "店名", "网站名称", "商铺名称",
         "店铺", "网店",
         "应用名称", "小程序名称", "公众号名称", "直播间名称", "店铺名", "网站网店名称"),
    ),
    "subject_name": Field(
        "经营主体名称", "Operator's name", 500,
        ("subject", "company", "operator", "operatorname", "companyname", "企业名称", "公司名称", "经营者",
         "经营者名称",
         "主体名称", "经营主体", "经营主体名称", "单位名称", "市场主体名称", "平台内经营者名称",
         "营业执照名称"),
    ),
    "legal_person": Field(
        "法定代表人", "Legal representative", 200,
        ("legalperson", "legalrepresentative", "法定代表人", "法人", "法人代表", "负责人", "经营者姓名",
         "法定代表人姓名"),
    ),
    "licence": Field(
        "统一社会信用代码或注册号", "Licence number", 200,
        ("licence", "license", "uscc", "creditcode", "统一社会信用代码", "社会信用代码", "信用代码",
         "营业执照", "营业执照号",
         "营业执照号码", "注册号", "执照号", "证照号码", "营业执照注册号", "统一社会信用代码注册号",
         "证件号码", "主体代码"),
    ),
    "phone": Field(
        "电话", "Phone", 200,
        ("phone", "mobile", "tel", "telephone", "电话", "手机", "联系电话", "手机号", "手机号码", "联系方式",
         "固定电话",
         "客服电话", "电话号码", "联系手机"),
        several=True,
    ),
    "qq": Field("QQ", "QQ", 200, ("qq", "qq号", "qq号码", "客服qq"), several=True),
    "wechat": Field(
        "微信", "WeChat", 200, ("wechat", "weixin", "wx", "微信", "微信号", "微信号码",
        "客服微信"), several=True
    ),
    "address": Field(
        "地址", "Address", 1_000,
        ("address", "addr", "地址", "经营地址", "住所", "注册地址", "经营场所", "联系地址", "所在地",
         "详细地址", "店铺地址",
         "住所地址", "发货地址", "实际经营地址"),
    ),
    "return_address": Field(
        "退货地址", "Return address", 1_000, ("returnaddress", "退货地址", "售后地址", "退换货地址",
        "寄回地址")
    ),
    "payment": Field("收款账户", "Payment account", 200, ("payment", "account", "收款账户", "收款账号",
    "支付账号", "支付宝")),
    "icp": Field("ICP备案号", "ICP filing", 200, ("icp", "icp备案号", "icp备案", "备案号", "网站备案号",
    "icp号", "icp许可证号")),
    "police_no": Field(
        "公安备案号", "Police filing", 200, ("policeno", "公安备案号", "公安备案", "公网安备",
        "公安联网备案号", "网安备案号")
    ),
    "platform": Field(
        "平台", "Platform", 100,
        ("platform", "平台", "平台名称", "所属平台", "电商平台", "所在平台", "网店平台", "交易平台"),
    ),
    "url": Field(
        "网址", "Address on the web", 2_000,
        ("url", "link", "website", "网址", "链接", "店铺链接", "网店网址", "店铺网址", "网站网址", "域名",
         "网站地址", "网店链接"),
    ),
    "ownership": Field("B店或C店", "B or C shop", 20, ("ownership", "店铺类型", "网店类型", "bc", "b店c店",
    "店铺性质")),
}  # fmt: skip
REQUIRED: Final = "name"
# A running number is an id only where the list has no better one: it changes from list to list.
_WEAK: Final = frozenset({"序号", "no", "code"})

_MOBILE: Final = re.compile(r"^\D{0,3}1[3-9]\d[- ]?\d{4}[- ]?\d{4}\b")
_LICENCE: Final = re.compile(r"^[0-9A-Z]{18}$|^\d{15}$")
_ICP: Final = re.compile(r"ICP[备证]", re.IGNORECASE)
_POLICE: Final = re.compile(r"公网安备")
_URL: Final = re.compile(r"^(https?://|www\.)|^[a-z0-9-]+(\.[a-z0-9-]+)+$", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"(省|市|县|区|乡|镇).*(路|街|号|村|大道|镇|园)")
_BY_VALUE: Final = (
    ("police_no", _POLICE), ("icp", _ICP), ("licence", _LICENCE), ("url", _URL), ("phone",
     _MOBILE), ("address", _ADDRESS),
)  # fmt: skip
_MOSTLY: Final = 0.6
_ENOUGH: Final = 3


def header_key(header: str) -> str:
    """A header as it is compared and remembered: folded, without brackets' contents, marks and spaces."""
    plain = _MARKS.sub("", fold(_BRACKETS.sub("", header)))
    return plain or _MARKS.sub("", fold(header))


_BY_HEADER: Final = {
    header_key(h): name for name, field in FIELDS.items() for h in (*field.headers, field.zh)
}


def field_of_header(header: str) -> str | None:
    """The field a header names; None when it names none."""
    return _BY_HEADER.get(header_key(header))


def named_fields(cells: Sequence[str]) -> set[int]:
    """Positions of the cells that name a field."""
    return {position for position, cell in enumerate(cells) if len(cell) <= 40 and field_of_header(cell)}


def suggest(
    headers: Sequence[str], samples: Sequence[Sequence[str]], remembered: Mapping[str, str]
) -> list[str | None]:
    """The field of each column, None for a column left out.

    remembered: header key → field (empty: left out), as chosen for this source before; then the header's own
    meaning; then, for columns nothing is known of, what most of their sample values look like.
    """
    chosen: list[str | None] = [None] * len(headers)
    known = [header_key(h) for h in headers]
    for source, weak in ((remembered, False), (_BY_HEADER, False), (_BY_HEADER, True)):
        for position, key in enumerate(known):
            if source is _BY_HEADER and (key in remembered or (key in _WEAK) is not weak):
                continue
            if chosen[position] is None:
                _take(chosen, position, source.get(key))
    for position, key in enumerate(known):
        if chosen[position] is None and key not in remembered:
            _take(
                chosen, position, _field_of_values([row[position] for row in samples if position < len(row)])
            )
    return chosen


def _take(chosen: list[str | None], position: int, field: str | None) -> None:
    if field in FIELDS and (field not in chosen or FIELDS[field].several):
        chosen[position] = field


def _field_of_values(values: Sequence[str]) -> str | None:
    given = [value.strip() for value in values if value.strip()]
    if len(given) < _ENOUGH:
        return None
    for field, pattern in _BY_VALUE:
        if sum(1 for value in given if pattern.search(value)) >= _MOSTLY * len(given):
            return field
    return None


def to_remember(headers: Sequence[str], mapping: Sequence[str | None]) -> dict[str, str]:
    """Header key → field, for the next file of this source; columns left out are remembered as such."""
    return {header_key(h): field or "" for h, field in zip(headers, mapping, strict=True) if header_key(h)}


def mapping_fault(mapping: Sequence[str | None]) -> tuple[str, str, str] | None:
    """`(code, zh, en)` of what is wrong with a choice of fields; None when it can be imported."""
    unknown = [field for field in mapping if field is not None and field not in FIELDS]
    if unknown:
        return "import.field_unknown", "没有这样的字段", "no such field"
    given = [field for field in mapping if field]
    doubled = next((f for f in given if given.count(f) > 1 and not FIELDS[f].several), None)
    if doubled:
        field = FIELDS[doubled]
        return "import.field_doubled", f"两列都对应“{field.zh}”", f"two columns stand for “{field.en}”"
    if REQUIRED not in given and "subject_name" not in given:
        return (
            "import.name_missing",
            "请指明哪一列是网店（网站）名称",
            "say which column holds the shop's name",
        )
    return None
