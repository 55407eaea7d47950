"""Letters for the numbers of a world: well-formed, invented, and written the way people write them.

Everything is drawn at random and nobody's. Whether two spellings are one value is for the registry's normal
forms to find out; the seed decides who writes how.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from infra.shop_generator.world import ADDRESS, ICP, LICENCE, PHONE, QQ, WECHAT, World, mixed

Texts = list[str]

_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
_PREFIXES = (
    *(f"13{n}" for n in range(10)),
    *(f"15{n}" for n in (0, 1, 2, 3, 5, 6, 7, 8, 9)),
    *(f"18{n}" for n in range(10)),
)
_PROVINCES = "赣粤浙闽苏鲁京沪川鄂湘豫皖冀渝"
_COUNTIES = (
    ("南昌市", "红谷滩区", "360113"),
    ("南昌市", "青山湖区", "360111"),
    ("南昌市", "南昌县", "360121"),
    ("九江市", "浔阳区", "360403"),
    ("九江市", "柴桑区", "360404"),
    ("赣州市", "章贡区", "360702"),
    ("赣州市", "南康区", "360703"),
    ("上饶市", "信州区", "361102"),
    ("宜春市", "袁州区", "360902"),
    ("吉安市", "吉州区", "360802"),
    ("抚州市", "临川区", "361002"),
    ("景德镇市", "珠山区", "360203"),
)
_ROADS = (
    "凤凰中大道", "丰和中大道", "庐山南大道", "阳明路", "八一大道", "北京东路", "解放西路", "洪都北大道",
    "长征大道", "滨江路", "井冈山大道", "赣江中大道", "瑶湖大道", "青山湖大道", "站前路", "叠山路",
    "民德路", "中山路", "学府大道", "文教路", "艾溪湖北路", "昌东大道", "迎宾大道", "火炬大街",
)  # fmt: skip
_PLATFORMS = ("淘宝", "京东", "拼多多", "抖音", "快手", "微店", "1688", "自建网站")
_GOODS = (
    "茶叶",
    "脐橙",
    "瓷器",
    "母婴",
    "数码",
    "家纺",
    "鞋服",
    "美妆",
    "图书",
    "农资",
    "米粉",
    "竹艺",
    "灯饰",
    "零食",
)
_ENDS = ("旗舰店", "专营店", "小铺", "商行", "优选", "工厂店", "批发", "生活馆", "直销", "百货")
_HEADS = ("赣", "昌", "鑫", "瑞", "悦", "万", "恒", "优", "嘉", "福", "星", "明", "佳", "盛", "鸿", "宜")


def columns(world: World) -> dict[str, Texts]:
    """The columns of the file: id, name, phone, qq, wechat, address, licence, icp, platform."""
    rng = np.random.default_rng([world.seed, world.shops, 7])
    count = world.shops
    draws = rng.integers(0, 2**31, (4, count))
    names = [
        f"{_HEADS[a % 16]}{_HEADS[a // 16 % 16]}{_GOODS[b % 14]}{_ENDS[c % 10]}"
        for a, b, c in zip(*(row.tolist() for row in draws[:3]), strict=True)
    ]
    found = {
        "id": [f"S{number:08d}" for number in range(count)],
        "name": names,
        "platform": [_PLATFORMS[number % 8] for number in draws[3].tolist()],
    }
    for field, kind, spell in _FIELDS:
        found[field] = _spelled(world, kind, spell, rng)
    order = ("id", "name", "phone", "qq", "wechat", "address", "licence", "icp", "platform")
    return {field: found[field] for field in order}


Spell = Callable[[int, int, int], str]


def _spelled(world: World, kind: int, spell: Spell, rng: np.random.Generator) -> Texts:
    value, typo = world.values[kind], world.typo[kind]
    scrambled = mixed(value, 100 + kind).view(np.uint64)
    noise = rng.integers(0, 1 << 30, len(value))
    texts = [""] * len(value)
    at = np.flatnonzero(value >= 0)
    rows = zip(at.tolist(), scrambled[at].tolist(), typo[at].tolist(), noise[at].tolist(), strict=True)
    for place, number, wrong, how in rows:
        texts[place] = spell(number, wrong, how)
    return texts


def _mistyped(digits: str, wrong: int, first: int) -> str:
    """One of the digits from `first` on is another; `wrong` counts the ways, 0 is none."""
    if not wrong:
        return digits
    at = first + (wrong - 1) // 9 % (len(digits) - first)
    other = (int(digits[at]) + 1 + (wrong - 1) % 9) % 10
    return digits[:at] + str(other) + digits[at + 1 :]


def phone(number: int, wrong: int, how: int) -> str:
    """A mobile number: bare, with dashes or spaces, with +86, full-width."""
    digits = _PREFIXES[number % len(_PREFIXES)] + f"{number // 64 % 10**8:08d}"
    digits = _mistyped(digits, wrong, 3)
    style = how % 20
    if style < 12:
        return digits
    if style < 14:
        return f"{digits[:3]}-{digits[3:7]}-{digits[7:]}"
    if style < 16:
        return f"+86 {digits}"
    if style < 17:
        return f"86-{digits}"
    if style < 18:
        return f"{digits[:3]} {digits[3:7]} {digits[7:]}"
    return digits.translate(_WIDE)


def qq(number: int, wrong: int, how: int) -> str:
    """A QQ number of nine or ten digits, sometimes with its name before it or full-width."""
    digits = _mistyped(str(10**9 + number % (3 * 10**9)), wrong, 1)
    style = how % 20
    if style < 14:
        return digits
    return f"QQ：{digits}" if style < 17 else f"QQ{digits}" if style < 18 else digits.translate(_WIDE)


def wechat(number: int, wrong: int, how: int) -> str:
    """A WeChat name, sometimes in capitals or with a word before it."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    head = "".join(letters[number // 26**place % 26] for place in range(3))
    tail = np.base_repr(number // 26**3 % 36**7, 36).lower().zfill(7)
    name = f"{head}_{tail}"
    if wrong:
        at = 4 + (wrong - 1) // 35 % 7
        alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
        other = alphabet[(alphabet.index(name[at]) + 1 + (wrong - 1) % 35) % 36]
        name = name[:at] + other + name[at + 1 :]
    style = how % 20
    return (
        name
        if style < 14
        else name.upper()
        if style < 16
        else f"微信：{name}"
        if style < 18
        else f"vx:{name}"
    )


def address(number: int, wrong: int, how: int) -> str:
    """An address down to the door, with the spellings people use for building, floor and room."""
    city, county, _ = _COUNTIES[number % len(_COUNTIES)]
    road = _ROADS[number // 16 % len(_ROADS)]
    house, block = 1 + number // 512 % 1999, 1 + number // 2**20 % 60
    room = 100 * (1 + number // 2**27 % 33) + 1 + number // 2**33 % 20
    if wrong:
        room = 100 * (1 + (room // 100 + wrong) % 34) + 1 + (room + wrong // 34) % 20
    style = how % 6
    province = "江西省" if how // 6 % 3 else ""
    text = {
        0: f"{road}{house}号{block}栋{room}室",
        1: f"{road}{house}号{block}幢{room}室",
        2: f"{road}{house}号{block}号楼{room}室",
        3: f"{road}{house}号{block}#{room}室",
        4: f"{road}{house}号{block}栋{room}",
        5: f"{road} {house} 号 {block} 栋 {room} 室",
    }[style]
    return province + city + county + (text.translate(_WIDE) if how // 18 % 20 == 0 else text)


def licence(number: int, wrong: int, how: int) -> str:
    """A unified social credit code (GB 32100-2015) whose check character is right unless it is mistyped."""
    area = _COUNTIES[number % len(_COUNTIES)][2]
    tail, rest = "", number // 16
    for _ in range(9):
        tail, rest = _USCC[rest % 31] + tail, rest // 31
    body = ("91" if number // 7 % 3 else "92") + area + "M" + tail[1:]
    total = sum(_USCC.index(letter) * pow(3, place, 31) for place, letter in enumerate(body))
    code = body + _USCC[(31 - total % 31) % 31]
    if wrong:
        at = 9 + (wrong - 1) // 30 % 8
        code = code[:at] + _USCC[(_USCC.index(code[at]) + 1 + (wrong - 1) % 30) % 31] + code[at + 1 :]
    style = how % 20
    return code if style < 17 else code.lower() if style < 18 else f"{code[:6]} {code[6:]}"


def icp(number: int, wrong: int, how: int) -> str:
    """An ICP filing with or without the number of the site behind it."""
    province = _PROVINCES[number % len(_PROVINCES)]
    digits = f"{2014 + number // 16 % 11}{number // 512 % 10**6:06d}"
    digits = _mistyped(digits, wrong, 4)
    style = how % 10
    if style < 5:
        return f"{province}ICP备{digits}号"
    return f"{province}ICP备{digits}号-{1 + how // 10 % 4}" if style < 9 else f"{province}ICP备{digits}"


_FIELDS: tuple[tuple[str, int, Spell], ...] = (
    ("phone", PHONE, phone),
    ("qq", QQ, qq),
    ("wechat", WECHAT, wechat),
    ("address", ADDRESS, address),
    ("licence", LICENCE, licence),
    ("icp", ICP, icp),
)
