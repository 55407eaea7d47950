"""Whole pictures: product photographs, description panels, shop banners, logos, faces of buyers."""

# ruff: noqa: E501 (path data reads worse when broken)

from __future__ import annotations

from collections.abc import Callable
from random import Random

from infra.demo_market.drawing import food, vessels, wares
from infra.demo_market.drawing.ink import SANS, SERIF, Ink, dark, light, mix, seeded

Draw = Callable[[Ink, Random, str, str], None]

DRAWINGS: dict[str, Draw] = {
    name: getattr(room, name)
    for room, names in (
        (food, ("citrus", "shoots", "meat", "fish", "roots")),
        (
            vessels,
            (
                "vase",
                "bowl",
                "teaset",
                "mug",
                "plate",
                "liquor",
                "crock",
                "tin",
                "teacake",
                "flask",
                "jar",
                "pouch",
                "box",
                "tonic",
            ),
        ),
        (
            wares,
            (
                "jacket",
                "backpack",
                "tent",
                "torch",
                "knife",
                "phone_case",
                "thermos",
                "powerbank",
                "umbrella",
                "lamp",
                "cream",
                "serum",
                "mask",
                "lipstick",
                "tube",
            ),
        ),
    )
    for name in names
}


def _studio(ink: Ink, rng: Random, tone: str, style: int) -> None:
    """The backdrop: paper sweep, wooden table, window light or plain white."""
    w, h = ink.width, ink.height
    if style == 0:
        ink.rect(0, 0, w, h, ink.radial("#ffffff", light(tone, 0.88), light(tone, 0.68), cy=0.42, r=0.8))
    elif style == 1:
        ink.rect(0, 0, w, h, ink.linear("#efe5d4", "#f9f4ea", "#e4d5bb", across=False))
        ink.rect(0, h * 0.72, w, h * 0.28, ink.linear("#b98a57", "#9a6c3c", across=False))
        for line in range(5):
            y = h * (0.75 + line * 0.056)
            ink.path(
                f"M0 {y:.0f} Q{w * 0.4:.0f} {y + rng.randint(-9, 9):.0f} {w} {y:.0f}",
                stroke="#7d5429",
                stroke_width=2,
                opacity=0.4,
            )
    elif style == 2:
        ink.rect(0, 0, w, h, ink.linear(light(tone, 0.7), light(tone, 0.9)))
        for number in range(3):
            x = w * (0.05 + number * 0.24)
            ink.path(
                f"M{x:.0f} 0 h{w * 0.15:.0f} L{x + w * 0.5:.0f} {h} h-{w * 0.15:.0f}z",
                "#ffffff",
                opacity=0.32,
            )
        ink.rect(0, h * 0.8, w, h * 0.2, "#ffffff", opacity=0.5)
    elif style == 3:
        ink.rect(0, 0, w, h, ink.radial(mix(tone, "#20242c", 0.55), mix(tone, "#101318", 0.82), r=0.9))
        ink.ellipse(w / 2, h * 0.88, w * 0.52, h * 0.12, light(tone, 0.2), opacity=0.28)
    else:
        ink.rect(0, 0, w, h, "#ffffff")


def product(key: str, view: int, draw: str, colour: str, label: str, ribbon: str, corner: str) -> str:
    """One 800×800 product picture.

    `key` seeds it, `view` numbers the gallery; the first view carries the promotional frame that shops put on
    their main picture: `ribbon` at the bottom, `corner` at the top left (either may be empty).
    """
    rng = seeded(key, view)
    ink = Ink(800, 800)
    tone = mix(colour, rng.choice(("#f2b705", "#6aa84f", "#5b8def", "#d9a066")), 0.3)
    backdrop = (
        seeded(key, "backdrop").choice((0, 0, 1, 1, 2, 2, 2, 3))
        if view == 0
        else (view + rng.randrange(2)) % 5
    )
    _studio(ink, rng, tone, backdrop)
    size, turn = (0.86, 0) if view == 0 and ribbon else (rng.uniform(0.78, 1.04), rng.uniform(-3, 3))
    ink.add(
        f'<g transform="translate(400 {400 - (36 if view == 0 and ribbon else 0)}) scale({size:.3f}) rotate({turn:.2f}) translate(-400 -400)">'
    )
    DRAWINGS[draw](ink, seeded(key, "thing", view % 3), colour, label)
    ink.add("</g>")
    if view == 0 and ribbon:
        _frame(ink, rng, ribbon, corner)
    return ink.svg()


def _frame(ink: Ink, rng: Random, ribbon: str, corner: str) -> None:
    hot = rng.choice(
        (("#ff3d2e", "#ff8a00"), ("#d6001c", "#ff4f4f"), ("#0a8f4a", "#55c36b"), ("#8b1a1a", "#c9992f"))
    )
    ink.path("M0 702 H800 V800 H0z", ink.linear(*hot))
    ink.path("M0 702 L360 702 L320 664 H0z", hot[0])
    ink.text(26, 695, corner or "产地直发", 26, "#fff6d8", SANS, text_anchor="start", font_weight=700)
    size = min(46, round(700 / max(8, len(ribbon))))
    ink.text(400, 770, ribbon, size, "#ffffff", SANS, font_weight=900, letter_spacing=2)


def panel(key: str, number: int, drawing: tuple[str, str, str], heading: str, lines: list[str]) -> str:
    """One 790×920 panel of the long description, lettering inside the picture as shops do it.

    `drawing` is (drawing, colour, label); `lines` are printed one below the other.
    """
    draw, colour, label = drawing
    rng = seeded(key, "panel", number)
    ink = Ink(790, 920)
    deep = mix(colour, "#2a1a10", 0.55)
    if number % 3 == 0:
        _studio(ink, rng, colour, 3)
        ink_colour, soft = "#fff7e6", light(colour, 0.6)
    elif number % 3 == 1:
        ink.rect(0, 0, 790, 920, ink.linear("#fffdf8", light(colour, 0.8), across=False))
        ink_colour, soft = deep, mix(deep, "#ffffff", 0.25)
    else:
        _landscape(ink, rng, colour)
        ink_colour, soft = "#2e3b2a", "#4d5b45"
    ink.text(
        395,
        118,
        heading,
        min(62, 640 // max(6, len(heading)) + 8),
        ink_colour,
        SERIF,
        font_weight=900,
        letter_spacing=6,
    )
    ink.path("M335 150 H455", stroke=colour, stroke_width=4)
    for step, line in enumerate(lines):
        ink.text(395, 206 + step * 46, line, min(30, 720 // max(12, len(line))), soft, SANS, letter_spacing=1)
    drop = 206 + len(lines) * 46
    scale = min(0.98, (930 - drop) / 720) * rng.uniform(0.94, 1.0)
    lean = rng.uniform(-2.5, 2.5)
    place = f"translate({395 - 400 * scale:.0f} {924 - 770 * scale:.0f})"
    ink.add(f'<g transform="{place} scale({scale:.4f}) rotate({lean:.2f} 400 400)">')
    DRAWINGS[draw](ink, seeded(key, "panel-thing", number), colour, label)
    ink.add("</g>")
    return ink.svg()


def _landscape(ink: Ink, rng: Random, colour: str) -> None:
    """Layered hills in morning mist: the countryside the goods come from."""
    w, h = ink.width, ink.height
    ink.rect(0, 0, w, h, ink.linear("#fdf6e3", "#e9f0df", "#cfe0c3", across=False))
    ink.ellipse(w * rng.uniform(0.2, 0.8), h * 0.34, 60, 60, ink.radial("#fff3c4", "#ffd98a"), opacity=0.8)
    for layer, shade in enumerate(("#b9cfb4", "#94b48e", "#6f986c", "#4f7d50")):
        y = h * (0.42 + layer * 0.11)
        step = w / 6
        ridge = "".join(
            f" Q{step * (i + 0.5):.0f} {y - rng.randint(20, 130):.0f} {step * (i + 1):.0f} {y - rng.randint(-10, 30):.0f}"
            for i in range(6)
        )
        ink.path(f"M0 {y:.0f}{ridge} V{h} H0z", shade, opacity=0.85)
    for row in range(6):
        y = h * (0.8 + row * 0.036)
        ink.path(
            f"M0 {y:.0f} Q{w / 2:.0f} {y - 50:.0f} {w} {y:.0f}",
            stroke=mix("#3d6a3f", colour, 0.15),
            stroke_width=12,
            stroke_dasharray="26 9",
            opacity=0.6,
        )


def card(key: str, lines: list[str]) -> str:
    """The printed card that falls out of the parcel (790×520): lettering only in the picture."""
    rng = seeded(key, "card")
    ink = Ink(790, 520)
    ink.rect(0, 0, 790, 520, "#efe9e1")
    ink.shadow(395, 470, 330, 30)
    ink.rect(
        70,
        50,
        650,
        410,
        ink.linear("#e4002b", "#ff5a36"),
        16,
        transform=f"rotate({rng.uniform(-2, 2):.1f} 395 255)",
    )
    ink.rect(92, 72, 606, 366, "none", 10, stroke="#ffd98a", stroke_width=3, stroke_dasharray="9 5")
    ink.text(395, 150, lines[0], 54, "#ffe9b8", SANS, font_weight=900, letter_spacing=4)
    for step, line in enumerate(lines[1:]):
        ink.text(395, 222 + step * 58, line, 34, "#ffffff", SANS, font_weight=500)
    return ink.svg()


def banner(
    key: str, name: str, slogan: str, drawings: list[tuple[str, str, str]], size: tuple[int, int]
) -> str:
    """A shop or market banner of (width, height) `size` with up to three goods on the right."""
    wide, tall = size
    rng = seeded(key, "banner", tall)
    colour = drawings[0][1]
    ink = Ink(wide, tall)
    ink.rect(0, 0, wide, tall, ink.linear(dark(colour, 0.28), colour, light(colour, 0.42)))
    for _ in range(9):
        ink.ellipse(
            rng.randint(500, 1240),
            rng.randint(-40, tall + 40),
            rng.randint(50, 190),
            rng.randint(50, 190),
            "#ffffff",
            opacity=0.07,
        )
    goods = drawings[:3]
    across = 0.93 + 0.52 * (len(goods) - 1)  # width of the group when each stands `tall` high
    size_of = tall * min(1.0, 0.55 * wide / (tall * across))
    left, top = wide - size_of * across, tall * 0.97 - size_of * 0.94
    for step, (draw, shade, label) in enumerate(goods):
        ink.add(
            f'<g transform="translate({left + step * size_of * 0.52:.0f} {top:.0f}) scale({size_of / 860:.3f})">'
        )
        DRAWINGS[draw](ink, seeded(key, "banner", step), shade, label)
        ink.add("</g>")
    ink.text(
        70,
        tall * 0.44,
        name,
        tall * 0.15,
        "#ffffff",
        SERIF,
        text_anchor="start",
        font_weight=900,
        letter_spacing=4,
    )
    ink.text(74, tall * 0.62, slogan, tall * 0.068, "#fff6e0", SANS, text_anchor="start", letter_spacing=2)
    ink.rect(72, tall * 0.72, tall * 0.42, tall * 0.12, "#ffffff", tall * 0.06)
    ink.text(
        72 + tall * 0.21, tall * 0.8, "进店逛逛 ›", tall * 0.058, dark(colour, 0.3), SANS, font_weight=700
    )
    return ink.svg()


def logo(name: str, colour: str) -> str:
    """A square shop logo."""
    ink = Ink(200, 200)
    ink.rect(0, 0, 200, 200, ink.linear(colour, dark(colour, 0.3), across=False), 24)
    ink.ellipse(100, 100, 78, 78, "none", stroke=light(colour, 0.6), stroke_width=4)
    ink.text(100, 92, name[:2], 58, "#ffffff", SERIF, font_weight=900)
    ink.text(100, 142, name[2:5], 34, light(colour, 0.7), SERIF, font_weight=700)
    return ink.svg()


def face(key: str) -> str:
    """A buyer's avatar."""
    rng = seeded(key, "face")
    back = rng.choice(("#ffd6a5", "#caffbf", "#9bf6ff", "#bdb2ff", "#ffc6ff", "#fdffb6", "#a0c4ff"))
    hair = rng.choice(("#2b2118", "#4a3322", "#15151a", "#6b4a2f"))
    skin = rng.choice(("#f6cfae", "#eebf96", "#fbdcc4"))
    ink = Ink(80, 80)
    ink.rect(0, 0, 80, 80, back)
    ink.path(
        "M10 84 Q14 54 40 54 Q66 54 70 84z",
        rng.choice(("#457b9d", "#e76f51", "#2a9d8f", "#8d6a9f", "#555b6e")),
    )
    if rng.random() < 0.5:
        ink.ellipse(40, 38, 21, 25, hair)
    ink.ellipse(40, 38, 16, 18, skin)
    ink.path(
        f"M23 36 Q{rng.randint(24, 34)} {rng.randint(10, 16)} 42 18 Q58 18 57 36 Q48 {rng.randint(24, 30)} 40 28 Q30 30 23 36z",
        hair,
    )
    ink.ellipse(34, 40, 1.8, 1.8, "#222")
    ink.ellipse(46, 40, 1.8, 1.8, "#222")
    ink.path("M35 47 Q40 51 45 47", stroke="#a4533d", stroke_width=1.6)
    return ink.svg()


def scene(key: str, colour: str) -> str:
    """A wide landscape for a brand's front page: ridges at dusk, a tent in the valley."""
    rng = seeded(key, "scene")
    ink = Ink(1600, 640)
    ink.rect(0, 0, 1600, 640, ink.linear("#22384a", "#4f7286", "#d9a673", "#f2cf9c", across=False))
    ink.ellipse(1150, 300, 66, 66, "#ffe6b5", opacity=0.9)
    for layer in range(5):
        y, step = 330 + layer * 62, 200
        ridge = "".join(
            f" L{step * i + 100} {y - rng.randint(30, 190 - layer * 30)} L{step * (i + 1)} {y - rng.randint(0, 40)}"
            for i in range(8)
        )
        ink.path(f"M0 {y}{ridge} V640 H0z", mix(mix(colour, "#6f8fa3", 0.6), "#10201c", layer * 0.2))
    ink.add('<g transform="translate(1010 430) scale(.26)">')
    ink.path(
        "M90 650 Q220 240 400 230 Q580 240 710 650 Q400 690 90 650z",
        ink.linear("#c85a1b", "#ffb057", "#a8420f"),
    )
    ink.path("M400 250 Q330 430 318 672 H482 Q470 430 400 250z", "#ffe9a8")
    ink.add("</g>")
    return ink.svg()
