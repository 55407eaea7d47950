"""Synthetic shops for the search benchmark: names of about 12 characters with shared beginnings and ends.

Every name is made up; region names are the shipped divisions'. Seeded: the same number gives the same shops.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from services.registry.bootstrap import shipped_divisions

_FREQUENT = (
    "鑫盛华泰隆兴旺达福康美佳宏伟博文天海云龙凤金银玉瑞祥和顺源丰茂昌荣永安利民信诚德义仁明光辉阳春秋雨雪"
    "风雷电力行远大方正新时代创意未来世纪东南西北中"
)
_RARE = [chr(code) for code in range(0x4E00, 0x4E00 + 3_000)]
_TRADES = [
    "贸易",
    "电子商务",
    "网络科技",
    "食品",
    "服装",
    "百货",
    "日用品",
    "化妆品",
    "陶瓷",
    "脐橙",
    "茶业",
    "农业发展",
    "数码",
    "家居",
    "母婴用品",
    "五金机电",
]
_ENDS = ["有限公司"] * 5 + [
    "有限责任公司",
    "经营部",
    "商行",
    "旗舰店",
    "专营店",
    "专卖店",
    "工作室",
    "批发部",
    "店",
]
_PLATFORMS = {
    "淘宝": 30,
    "天猫": 15,
    "京东": 15,
    "拼多多": 15,
    "抖音": 10,
    "快手": 6,
    "美团": 5,
    "1688": 3,
    "自建网站": 1,
}
_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_STREETS = ("红旗大道", "文明大道", "长征路", "八一路", "迎宾大道", "滨江路", "中山路", "人民路")

OLD_COUNTY = "360781"
"""The county all of whose shops are the oldest rows."""


@dataclass(frozen=True, slots=True)
class Shop:
    """One made-up shop."""

    region: str
    name: str
    platform: str
    status: str
    licence: str | None
    phone: str
    address: str


def shops(count: int, seed: int = 4) -> Iterator[Shop]:
    """`count` shops; counties are as unequal as in life (a Zipf-like spread).

    The first three in a hundred are those of one county, which has no others: one import, long ago.
    """
    draw = random.Random(seed)
    divisions = {d.code: d.name for d in shipped_divisions()}
    counties = [code for code in divisions if not code.endswith("00") and code != OLD_COUNTY]
    weights = [1 / (rank + 1) ** 0.8 for rank in range(len(counties))]
    platforms, shares = list(_PLATFORMS), list(_PLATFORMS.values())
    old = count * 3 // 100
    for code in [OLD_COUNTY] * old + draw.choices(counties, weights, k=count - old):
        city = divisions[code[:4] + "00"]
        status = "active" if draw.random() < 0.9 else "dead"
        licence = f"9136{''.join(draw.choices(_USCC, k=14))}" if draw.random() < 0.7 else None
        place = f"江西省{city}{divisions[code]}{draw.choice(_STREETS)}{draw.randrange(1, 400)}号"
        yield Shop(
            region=code,
            name=_name(draw, city, divisions[code]),
            platform=draw.choices(platforms, shares)[0],
            status=status,
            licence=licence,
            phone=f"1{draw.randrange(3 * 10**9, 10**10)}",
            address=f"{place}{draw.randrange(1, 30)}栋{draw.randrange(101, 2_500)}室",
        )


def _name(draw: random.Random, city: str, county: str) -> str:
    kind = draw.random()
    begins = ((0.3, city[:-1]), (0.45, city + county), (0.7, county), (0.8, "江西"), (1.0, ""))
    begin = next(words for below, words in begins if kind < below)
    core = "".join(
        draw.choice(_FREQUENT) if draw.random() < 0.8 else draw.choice(_RARE)
        for _ in range(draw.choice((2, 2, 3, 4)))
    )
    trade = draw.choice(_TRADES) if draw.random() < 0.8 else ""
    return begin + core + trade + draw.choice(_ENDS)
