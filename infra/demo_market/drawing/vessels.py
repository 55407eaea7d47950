"""Things that hold something: porcelain, bottles, jars, tins, pouches, boxes."""

# ruff: noqa: E501 (path data reads worse when broken)

from __future__ import annotations

import math
from random import Random

from infra.demo_market.drawing.ink import SERIF, Ink, dark, light, mix

COBALT = "#27509b"
GRAINS = {
    "米": "#f0e6c8",
    "莲": "#efdfb8",
    "皮": "#b0571c",
    "菇": "#6f4a26",
    "脑": "#55702d",
    "爪": "#a4521f",
    "粉": "#9a8a52",
}


def _blossom(ink: Ink, x: float, y: float, r: float, colour: str) -> None:
    for petal in range(5):
        turn = petal * 72
        ink.add(
            f'<ellipse cx="{x}" cy="{y - r}" rx="{r * 0.55}" ry="{r * 0.85}" fill="{colour}" opacity=".85" transform="rotate({turn} {x} {y})"/>'
        )
    ink.ellipse(x, y, r * 0.3, r * 0.3, "#fff")


def _vine(ink: Ink, rng: Random, box: tuple[int, int, int, int], colour: str) -> None:
    x0, y0, w, h = box
    for number in range(5):
        x, y = x0 + w * (number + 0.5) / 5, y0 + h * (0.3 + 0.4 * (number % 2))
        ink.path(
            f"M{x - w / 9:.0f} {y + 26:.0f} q{w / 14:.0f} -58 {w / 5:.0f} -8",
            stroke=colour,
            stroke_width=4,
            opacity=0.8,
        )
        _blossom(ink, round(x), round(y), rng.randint(15, 23), colour)


def vase(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A tall vase with a blue-and-white or coloured pattern."""
    ink.shadow(410, 690, 190, 34)
    glaze = ink.linear("#b9c6d2", "#f4f7fa", "#ffffff", "#e9eef3", "#c6d1db", "#95a5b4")
    plump = rng.randint(-20, 34)
    outline = (
        f"M352 150 Q400 138 448 150 Q452 205 440 250 C{580 + plump} 300 {570 + plump} 500 474 686 Q400 704 326 686 "
        f"C{230 - plump} 500 {220 - plump} 300 360 250 Q348 205 352 150z"
    )
    body = glaze if rng.random() < 0.7 else ink.cylinder(light(colour, 0.3))
    ink.path(outline, body)
    ink.ellipse(400, 149, 48, 11, "#dfe6ec", stroke=COBALT, stroke_width=4)
    ink.ellipse(400, 150, 36, 7, "#8292a0")
    for y, half in ((236, 42), (256, 46), (610, 108), (640, 96)):
        ink.path(
            f"M{400 - half} {y} Q400 {y + 16} {400 + half} {y}", stroke=colour, stroke_width=5, opacity=0.85
        )
    _vine(ink, rng, (268, 318, 264, 150), colour)
    _vine(ink, rng, (290, 470, 220, 120), colour)
    for number in range(9):
        x = 318 + number * 20.5
        ink.path(f"M{x} 668 q10 -52 20 0", stroke=colour, stroke_width=4, opacity=0.8)
    ink.path(
        "M318 300 C276 360 280 470 316 560",
        stroke="#fff",
        stroke_width=16,
        opacity=0.55,
        stroke_linecap="round",
    )
    del label


def bowl(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """One bowl, or a large and a small one, with a rim line and blossoms."""
    for x, y, size in ((400, 400, 1.0),) if rng.random() < 0.5 else ((520, 330, 0.66), (330, 440, 0.84)):
        ink.add(f'<g transform="translate({x} {y}) scale({size}) translate(-400 -380)">')
        ink.shadow(400, 660, 210, 28)
        side = ink.linear("#aebbc6", "#f5f8fa", "#ffffff", "#dde5ec", "#93a3b1")
        ink.path("M130 380 Q160 610 320 642 H480 Q640 610 670 380z", side)
        ink.path("M318 638 H482 L474 664 H326z", "#c3ced7")
        _vine(ink, rng, (190, 456, 420, 110), colour)
        ink.ellipse(
            400, 380, 270, 66, ink.linear("#d7e0e7", "#f8fafb", across=False), stroke=colour, stroke_width=7
        )
        ink.ellipse(400, 388, 246, 52, ink.linear("#b9c7d3", "#f2f6f9", across=False))
        _blossom(ink, 400, 402, 20, colour)
        ink.add("</g>")
    del label


def teaset(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A pot and cups on a bamboo board."""
    ink.shadow(400, 668, 350, 40)
    ink.rect(70, 600, 660, 58, ink.linear("#c69a5e", "#8b6332", across=False), 10)
    for slat in range(90, 720, 32):
        ink.path(f"M{slat} 604 V652", stroke="#6e4c22", stroke_width=2, opacity=0.5)
    clay = ink.radial(
        light(colour, 0.55), light(colour, 0.12), colour, dark(colour, 0.42), cx=0.35, cy=0.28, r=0.8
    )
    ink.path("M520 400 C640 380 660 540 524 548", stroke=dark(colour, 0.2), stroke_width=24)
    ink.path("M238 470 C180 462 150 400 128 360 L166 352 C190 396 214 420 262 430z", clay)
    ink.path("M250 420 C250 340 520 340 528 420 C560 560 500 604 390 604 C276 604 222 556 250 420z", clay)
    ink.ellipse(390, 372, 118, 28, light(colour, 0.18))
    ink.ellipse(390, 362, 104, 22, light(colour, 0.3))
    ink.ellipse(390, 332, 24, 22, clay)
    ink.text(390, 510, label[:2], 58, mix(colour, "#fff7e0", 0.75), SERIF, opacity=0.8)
    for x in (590, 668) if rng.random() < 0.5 else (600,):
        ink.path(f"M{x - 46} 530 Q{x - 38} 602 {x} 604 Q{x + 38} 602 {x + 46} 530z", clay)
        ink.ellipse(x, 530, 46, 14, light(colour, 0.4))
        ink.ellipse(x, 532, 38, 9, "#a8621b")


def mug(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A lidded cup on a saucer."""
    ink.shadow(400, 668, 250, 36)
    ink.ellipse(400, 648, 240, 34, ink.linear("#cfd9e0", "#fff", "#a9b7c2"), stroke=colour, stroke_width=4)
    ink.path("M552 420 C690 410 690 590 540 572", stroke="#e3eaef", stroke_width=26)
    ink.path(
        "M240 360 H560 Q556 590 500 640 H300 Q244 590 240 360z",
        ink.linear("#a9b7c3", "#f7f9fb", "#fff", "#dbe3ea", "#8f9fad"),
    )
    _vine(ink, rng, (262, 430, 280, 120), colour)
    ink.path("M224 360 Q236 286 400 278 Q564 286 576 360z", ink.linear("#b6c3ce", "#fff", "#a3b2be"))
    ink.ellipse(400, 360, 176, 22, "#dfe7ed", stroke=colour, stroke_width=5)
    ink.ellipse(400, 270, 26, 22, light(colour, 0.2))
    del label


def plate(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A round plate standing on a stand, with a landscape."""
    ink.shadow(400, 700, 200, 26)
    ink.path("M300 640 L262 706 H300 L340 650z M500 640 L538 706 H500 L460 650z", "#6b4423")
    ink.ellipse(400, 400, 274, 274, ink.radial("#ffffff", "#f2f6f9", "#c3d0da", r=0.52))
    ink.ellipse(400, 400, 268, 268, "none", stroke=colour, stroke_width=6)
    ink.ellipse(400, 400, 206, 206, "#fbfdfe", stroke=colour, stroke_width=3)
    for turn in range(0, 360, 24):
        x, y = 400 + 237 * math.cos(math.radians(turn)), 400 + 237 * math.sin(math.radians(turn))
        _blossom(ink, round(x), round(y), 11, colour)
    base = rng.randint(470, 500)
    ink.path(
        f"M206 {base} Q270 340 330 {base - 40} Q380 300 440 {base - 46} Q520 360 594 {base} Q560 560 400 604 Q240 560 206 {base}z",
        colour,
        opacity=0.5,
    )
    ink.path(
        f"M226 {base + 40} Q330 {base - 40} 430 {base + 40} T580 {base + 20}", stroke=colour, stroke_width=4
    )
    ink.ellipse(490, 290, 30, 30, "none", stroke=colour, stroke_width=4)
    ink.text(400, 580, label[:4], 26, colour, SERIF)


def liquor(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A liquor bottle beside its box."""
    ink.shadow(440, 704, 270, 34)
    boxed = rng.random() < 0.7
    shift = 0 if boxed else 100
    if boxed:
        ink.path("M430 220 H650 V694 H430z", ink.linear(dark(colour, 0.12), colour, light(colour, 0.12)))
        ink.path("M650 220 L690 246 V668 L650 694z", dark(colour, 0.45))
        ink.rect(456, 250, 168, 416, "none", 4, stroke="#e8c878", stroke_width=4)
        ink.column(540, 350, label[:3], 78, "#f3d98f")
        ink.text(540, 630, "净含量 500mL", 22, "#f3d98f")
    x = 270 + shift
    glass = ink.cylinder(rng.choice(("#f1efe6", "#dfe8ea", light(colour, 0.1))))
    ink.path(
        f"M{x - 36} 200 H{x + 36} V268 C{x + 40} 310 {x + 104} 320 {x + 106} 386 V676 Q{x + 106} 700 {x + 80} 700 H{x - 80} Q{x - 106} 700 {x - 106} 676 V386 C{x - 104} 320 {x - 40} 310 {x - 36} 268z",
        glass,
    )
    ink.rect(x - 42, 132, 84, 84, ink.cylinder(dark(colour, 0.1)), 8)
    ink.rect(x - 42, 196, 84, 10, "#e8c878")
    ink.rect(
        x - 92, 400, 184, 236, ink.linear("#fdf4dc", "#fffaf0", "#ecdcb6"), 4, stroke=colour, stroke_width=4
    )
    ink.column(x, 478, label[:2], 76, colour)
    ink.text(x, 618, "52%vol  浓香型", 19, "#5c4a2c")
    ink.path(f"M{x - 76} 350 V660", stroke="#fff", stroke_width=10, opacity=0.45, stroke_linecap="round")


def crock(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """An earthen wine jar with red cloth and a diamond label."""
    ink.shadow(400, 700, 250, 36)
    clay = ink.radial(light(colour, 0.45), colour, dark(colour, 0.5), cx=0.36, cy=0.34, r=0.75)
    plump = rng.randint(-16, 16)
    ink.path(
        f"M320 290 C{150 - plump} 350 {160 - plump} 640 300 694 H500 C{640 + plump} 640 {650 + plump} 350 480 290z",
        clay,
    )
    ink.path(
        "M300 200 Q400 160 500 200 L520 300 Q400 330 280 300z",
        ink.radial("#f0544a", "#c62c25", "#8d1712", cy=0.3),
    )
    ink.path("M286 288 Q400 322 514 288", stroke="#e9cf8d", stroke_width=10)
    ink.path(
        "M400 392 L510 500 L400 608 L290 500z",
        ink.linear("#d8352c", "#b31f1a", across=False),
        stroke="#f3d68b",
        stroke_width=5,
    )
    ink.text(400, 530, label[:1], 92, "#1e0d05", SERIF, font_weight=900)


def tin(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A tea tin; sometimes with a small tin beside it, and loose leaves."""
    ink.shadow(400, 690, 260, 36)
    places = [(400, 1.0)] if rng.random() < 0.5 else [(530, 0.78), (310, 1.0)]
    for x, scale in places:
        w, top, foot = 150 * scale, 690 - 470 * scale, 680
        ink.rect(x - w, top + 70, 2 * w, foot - top - 70, ink.cylinder(colour), 10)
        ink.ellipse(x, foot, w, 22 * scale, dark(colour, 0.5))
        ink.rect(x - w, top + 70, 2 * w, foot - top - 74, ink.cylinder(colour), 6)
        ink.rect(x - w - 4, top, 2 * w + 8, 84 * scale, ink.cylinder(light(colour, 0.18)), 8)
        ink.ellipse(x, top + 4, w + 4, 20 * scale, light(colour, 0.35))
        ink.rect(
            x - w * 0.42,
            top + 130 * scale,
            w * 0.84,
            270 * scale,
            ink.linear("#f7edd2", "#fffaf0", "#e6d5a8"),
            4,
        )
        ink.column(x, top + 200 * scale, label[:3], 62 * scale, dark(colour, 0.35))
        ink.rect(x - 20 * scale, top + 352 * scale, 40 * scale, 36 * scale, "#b3261e", 5)
        ink.text(x, top + 378 * scale, "江右", 15 * scale, "#ffe9c4", SERIF)
    for _ in range(34):
        x, y = rng.randint(110, 690), rng.randint(690, 726)
        ink.path(
            f"M{x} {y} q{rng.randint(8, 20)} -{rng.randint(6, 14)} {rng.randint(20, 36)} 0 q-16 6 -30 0z",
            rng.choice(("#3c5a25", "#57762f", "#2c4520")),
        )


def teacake(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A pressed tea cake, half out of its paper."""
    ink.shadow(400, 660, 300, 50)
    ink.ellipse(400, 440, 262, 254, ink.radial("#fffdf4", "#f4ead0", "#dcc798"))
    for turn in range(0, 360, 12):
        x, y = 400 + 256 * math.cos(math.radians(turn)), 440 + 248 * math.sin(math.radians(turn))
        ink.path(f"M400 440 L{x:.0f} {y:.0f}", stroke="#cdb98b", stroke_width=1, opacity=0.55)
    ink.ellipse(400, 440, 150, 146, "none", stroke=colour, stroke_width=5)
    ink.text(400, 420, label[:2], 80, colour, SERIF, font_weight=900)
    ink.text(400, 490, "净含量 357克", 30, colour, SERIF)
    ink.ellipse(600, 600, 130, 126, ink.radial("#6d5233", "#4a3720", "#2d2112"))
    for _ in range(80):
        x, y = 600 + rng.randint(-96, 96), 600 + rng.randint(-90, 90)
        ink.path(
            f"M{x} {y} q10 -8 22 2",
            stroke=rng.choice(("#8b6d45", "#3a2a17", "#a58a5f")),
            stroke_width=4,
            stroke_linecap="round",
        )


def flask(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A clear bottle of oil, juice or syrup with a paper label."""
    ink.shadow(400, 700, 210, 32)
    fill = ink.linear(dark(colour, 0.3), colour, light(colour, 0.45), light(colour, 0.1), dark(colour, 0.22))
    ink.path(
        "M366 210 H434 V290 C438 340 530 350 532 430 V670 Q532 700 500 700 H300 Q268 700 268 670 V430 C270 350 362 340 366 290z",
        fill,
    )
    ink.rect(356, 130, 88, 92, ink.cylinder(rng.choice(("#2f6b37", "#3b3b3b", "#c9a227", "#8c1d18"))), 8)
    ink.rect(272, 440, 256, 190, ink.linear("#f6f1e0", "#ffffff", "#e9e2cc"), 3)
    ink.text(400, 524, label[:4], 54, dark(colour, 0.55), SERIF, font_weight=700)
    ink.text(400, 574, "物理压榨 · 江西产地", 21, "#6a6350")
    ink.path("M300 400 V660", stroke="#fff", stroke_width=12, opacity=0.4, stroke_linecap="round")


def jar(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A glass jar with a screw lid: honey, paste, sauce."""
    ink.shadow(400, 690, 240, 34)
    fill = ink.linear(dark(colour, 0.4), colour, light(colour, 0.4), colour, dark(colour, 0.35))
    ink.path(
        "M250 300 Q214 330 214 380 V650 Q214 690 256 690 H544 Q586 690 586 650 V380 Q586 330 550 300z", fill
    )
    ink.rect(236, 214, 328, 96, ink.cylinder(rng.choice(("#c9a14a", "#e9e4d8", "#2c2c2c", "#b3261e"))), 12)
    for notch in range(246, 560, 12):
        ink.path(f"M{notch} 232 V300", stroke="#000", stroke_width=1, opacity=0.16)
    ink.path("M214 420 H586 V610 H214z", ink.linear("#efe5cb", "#fffdf5", "#e7dbba"))
    ink.text(400, 512, label[:4], 64, dark(colour, 0.5), SERIF, font_weight=700)
    ink.text(400, 566, "净含量：500克", 24, "#74694f")
    ink.path(
        "M246 340 V400 M246 626 V664", stroke="#fff", stroke_width=14, opacity=0.5, stroke_linecap="round"
    )


def pouch(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A stand-up pouch with a window showing what is in it."""
    ink.shadow(400, 704, 250, 34)
    ink.path(
        "M206 140 H594 L612 690 Q400 712 188 690z",
        ink.linear(dark(colour, 0.18), colour, light(colour, 0.16), colour, dark(colour, 0.22)),
    )
    ink.rect(204, 140, 392, 44, dark(colour, 0.3), 2)
    ink.ellipse(400, 162, 26, 9, "#f6f2e7")
    ink.text(
        400, 290, label[:5], 78 if len(label) < 5 else 64, "#fff8e4", SERIF, font_weight=900, letter_spacing=6
    )
    ink.text(400, 336, "江西 · 原产地", 26, "#fff3cf", letter_spacing=6)
    ink.ellipse(400, 500, 140, 124, "#f2e7cd")
    grain = GRAINS.get(label[-1:], "#8a6a3a")
    for _ in range(150):
        turn, far = rng.random() * math.tau, math.sqrt(rng.random())
        x, y = 400 + 128 * far * math.cos(turn), 500 + 112 * far * math.sin(turn)
        ink.ellipse(
            round(x),
            round(y),
            rng.randint(7, 15),
            rng.randint(4, 9),
            mix(grain, rng.choice(("#ffffff", "#000000")), rng.random() * 0.3),
            transform=f"rotate({rng.randint(0, 180)} {x:.0f} {y:.0f})",
        )
    ink.ellipse(400, 500, 140, 124, "none", stroke="#f6e6b8", stroke_width=6)
    ink.text(400, 664, "净含量见封口", 24, "#fff3cf", letter_spacing=2)
    ink.path("M230 200 L222 670", stroke="#fff", stroke_width=14, opacity=0.22)


def box(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A gift box at a slant with a gold frame and a ribbon."""
    ink.shadow(410, 690, 310, 44)
    ink.path("M120 300 L520 240 L690 330 L690 610 L290 690 L120 600z", dark(colour, 0.4))
    ink.path("M120 300 L520 240 L690 330 L290 400z", light(colour, 0.2))
    ink.path("M120 300 L290 400 V690 L120 600z", dark(colour, 0.22))
    ink.path("M290 400 L690 330 V610 L290 690z", ink.linear(colour, light(colour, 0.14), dark(colour, 0.1)))
    ink.path("M316 422 L664 360 V590 L316 660z", stroke="#e9cc82", stroke_width=4)
    ink.add('<g transform="matrix(1 -.175 0 1 0 85)">')
    ink.text(490, 530, label[:4], 76, "#f6dea0", SERIF, font_weight=900, letter_spacing=8)
    ink.text(
        490, 580, rng.choice(("赣地风物 礼赠之选", "节日礼盒装", "匠心之作")), 26, "#f0d59a", letter_spacing=4
    )
    ink.add("</g>")
    ink.path("M300 272 L470 364", stroke="#e9cc82", stroke_width=16)


def tonic(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A brown bottle with its carton, as health goods are sold."""
    ink.shadow(400, 698, 270, 34)
    ink.rect(400, 220, 240, 474, ink.linear(light(colour, 0.06), light(colour, 0.3), colour), 4)
    ink.path("M400 220 L430 190 H672 L640 220z M640 220 L672 190 V660 L640 694z", dark(colour, 0.3))
    ink.path("M400 430 Q520 370 640 430 V560 Q520 500 400 560z", "#ffffff", opacity=0.9)
    ink.text(520, 330, label[:4], 52, "#ffffff", font_weight=900)
    ink.text(
        520, 486, rng.choice(("本草精华", "草本配方", "古法熬制")), 36, dark(colour, 0.3), font_weight=700
    )
    ink.text(520, 650, "60粒 / 瓶", 26, "#ffffff")
    ink.path(
        "M180 330 Q150 350 150 400 V660 Q150 694 184 694 H336 Q370 694 370 660 V400 Q370 350 340 330z",
        ink.cylinder("#6b3a14"),
    )
    ink.rect(176, 236, 168, 100, ink.cylinder("#f5f5f2"), 10)
    ink.rect(150, 440, 220, 190, ink.linear("#e9efe6", "#ffffff", "#dbe4d6"))
    ink.rect(150, 440, 220, 44, colour)
    ink.text(260, 550, label[:4], 42, dark(colour, 0.3), font_weight=900)
    ink.text(260, 600, "60粒", 26, "#666")
