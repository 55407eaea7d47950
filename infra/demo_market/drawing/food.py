"""Things to eat: fruit, shoots, cured meat, fish, roots."""

# ruff: noqa: E501 (path data reads worse when broken)

from __future__ import annotations

import math
from random import Random

from infra.demo_market.drawing.ink import Ink, dark, light


def fruit(ink: Ink, x: float, y: float, r: float, colour: str, leaf: bool) -> None:
    """One citrus fruit with pores, a highlight and maybe a leaf."""
    ink.shadow(x + r * 0.1, y + r * 0.93, r * 1.05, r * 0.2)
    skin = ink.radial(
        light(colour, 0.5), light(colour, 0.12), colour, dark(colour, 0.34), cx=0.36, cy=0.3, r=0.78
    )
    ink.ellipse(x, y, r, r * 0.96, skin)
    pores = Random(round(x * 31 + y)).sample(range(360), 26)  # noqa: S311
    for number, angle in enumerate(pores):
        far = r * (0.2 + 0.7 * ((number * 37) % 100) / 100)
        px, py = x + far * math.cos(angle), y + far * 0.95 * math.sin(angle)
        ink.ellipse(round(px, 1), round(py, 1), 1.8, 1.4, dark(colour, 0.18), opacity=0.45)
    ink.ellipse(
        x - r * 0.36,
        y - r * 0.42,
        r * 0.2,
        r * 0.12,
        "#ffffff",
        opacity=0.4,
        transform=f"rotate(-35 {x - r * 0.36} {y - r * 0.42})",
    )
    ink.ellipse(x + r * 0.06, y - r * 0.84, r * 0.09, r * 0.05, "#5d6b2a")
    if leaf:
        ink.path(
            f"M{x + r * 0.06} {y - r * 0.86} q{r * 0.3} {-r * 0.7} {r * 1.05} {-r * 0.5} q{-r * 0.2} {r * 0.62} {-r * 1.05} {r * 0.5}z",
            ink.linear("#3f7d23", "#7db33f", "#356b1f"),
        )
        ink.path(
            f"M{x + r * 0.06} {y - r * 0.86} q{r * 0.5} {-r * 0.2} {r * 0.95} {-r * 0.44}",
            stroke="#d5e8a8",
            stroke_width=2,
        )


def half(ink: Ink, x: float, y: float, r: float, flesh: str) -> None:
    """A citrus cut open, seen from above at a slant."""
    ink.shadow(x, y + r * 0.8, r * 1.05, r * 0.22)
    ink.ellipse(x, y + r * 0.08, r, r * 0.9, dark(flesh, 0.16))
    ink.ellipse(x, y, r, r * 0.88, light(flesh, 0.12))
    ink.ellipse(x, y, r * 0.93, r * 0.81, "#fff4d8")
    wedge = ink.radial(light(flesh, 0.35), flesh, light(flesh, 0.18))
    for number in range(10):
        a, b = number * math.tau / 10 + 0.05, (number + 1) * math.tau / 10 - 0.05
        m = (a + b) / 2
        points = [(x + r * 0.09 * math.cos(m), y + r * 0.08 * math.sin(m))]
        points += [(x + r * 0.84 * math.cos(t), y + r * 0.73 * math.sin(t)) for t in (a, m, b)]
        (p, q, s, t) = [f"{u:.1f} {v:.1f}" for u, v in points]
        ink.path(
            f"M{p} L{q} Q{s} {t}z", wedge, stroke=light(flesh, 0.45), stroke_width=2, stroke_linejoin="round"
        )


def citrus(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A heap, a pair with one cut, or a carton of fruit."""
    scene = rng.randrange(3)
    if scene == 0:
        for x, y, r in ((250, 545, 118), (560, 548, 122), (400, 400, 120), (404, 585, 128)):
            fruit(ink, x + rng.randint(-8, 8), y + rng.randint(-6, 6), r, colour, rng.random() < 0.6)
    elif scene == 1:
        fruit(ink, 300, 400, 168, colour, True)
        fruit(ink, 545, 480, 138, colour, False)
        half(ink, 360, 590, 142, light(colour, 0.05))
    else:
        ink.shadow(400, 680, 330, 46)
        for step in range(5):
            fruit(ink, 195 + step * 103, 395 - (step % 2) * 34, 82, colour, step in (1, 4))
        for step in range(4):
            fruit(ink, 245 + step * 105, 448, 84, colour, False)
        ink.path("M105 455 H695 L668 690 H132z", ink.linear("#b98346", "#dcae72", "#c8935a", across=False))
        ink.path("M105 455 H695 L692 482 H108z", "#a87238")
        ink.text(400, 570, label, 62, "#7a3d0c", font_weight=900, letter_spacing=8)
        ink.text(400, 624, "产地直发 · 坏果包赔", 28, "#8a5220", letter_spacing=4)


def shoots(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """Bamboo shoots on a round bamboo tray."""
    tray(ink)
    for number in range(6):
        x, y, lean = 215 + number * 72, 560 + rng.randint(-26, 40), rng.randint(-32, 32)
        husk = ink.linear(dark(colour, 0.3), colour, light(colour, 0.4), colour)
        ink.add(f'<g transform="rotate({lean} {x} {y})">')
        ink.path(
            f"M{x} {y - 250} C{x + 60} {y - 130} {x + 62} {y - 40} {x + 50} {y} H{x - 50} C{x - 62} {y - 40} {x - 60} {y - 130} {x} {y - 250}z",
            husk,
        )
        for ring in range(5):
            top = y - 30 - ring * 42
            wide = 52 - ring * 8
            ink.path(
                f"M{x - wide} {top} Q{x} {top - 66} {x + wide} {top - 6}",
                stroke=dark(colour, 0.42),
                stroke_width=3,
                opacity=0.7,
            )
        ink.ellipse(x, y, 50, 14, "#f3e3ae")
        ink.ellipse(x, y, 28, 7, "#e4cd88")
        ink.add("</g>")
    del label


def tray(ink: Ink) -> None:
    """A woven round tray seen from above."""
    ink.shadow(400, 640, 340, 90)
    ink.ellipse(400, 560, 320, 170, "#8e6534")
    ink.ellipse(400, 548, 320, 168, ink.radial("#e7c88d", "#cfa564", "#a97c3f"))
    for step in range(-300, 301, 24):
        span = 168 * math.sqrt(max(0.0, 1 - (step / 320) ** 2)) - 8
        ink.path(
            f"M{400 + step} {548 - span:.0f} V{548 + span:.0f}",
            stroke="#9d7138",
            stroke_width=2,
            opacity=0.35,
        )
    for step in range(-150, 151, 18):
        span = 320 * math.sqrt(max(0.0, 1 - (step / 168) ** 2)) - 8
        ink.path(
            f"M{400 - span:.0f} {548 + step} H{400 + span:.0f}",
            stroke="#9d7138",
            stroke_width=2,
            opacity=0.35,
        )


def meat(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """Strips of cured meat hanging on strings."""
    ink.rect(60, 120, 680, 26, ink.linear("#7d5a33", "#b08350", "#7d5a33", across=False), 10)
    for number in range(5):
        x, long = 130 + number * 126, 350 + rng.randint(-50, 70)
        ink.path(f"M{x + 26} 140 V215", stroke="#d9c49a", stroke_width=5)
        ink.shadow(x + 40, 210 + long, 60, 18, 0.2)
        shade = ink.linear(dark(colour, 0.5), colour, light(colour, 0.2), dark(colour, 0.3))
        ink.path(
            f"M{x - 22} 205 q48 -18 98 4 q12 {long * 0.5} -4 {long} q-44 22 -86 -4 q-22 {-long * 0.5} -8 {-long}z",
            shade,
        )
        for band in range(3):
            bx = x - 6 + band * 26
            ink.path(
                f"M{bx} 222 q{rng.randint(-14, 14)} {long * 0.4} {rng.randint(-6, 8)} {long - 40}",
                stroke="#f0c49b",
                stroke_width=rng.randint(6, 13),
                opacity=0.75,
                stroke_linecap="round",
            )
    del label


def fish(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """Two fish on a dish."""
    ink.shadow(400, 610, 350, 60)
    ink.ellipse(
        400, 540, 345, 150, ink.radial("#ffffff", "#f4f6f7", "#cfd8dc"), stroke="#9fb3bd", stroke_width=3
    )
    ink.ellipse(400, 534, 270, 108, "#f9fbfb", stroke="#6d93b4", stroke_width=3, opacity=0.8)
    for number, y in enumerate((470, 560)):
        shift = rng.randint(-12, 12) + number * 26
        x = 150 + shift
        skin = ink.linear(dark(colour, 0.5), colour, light(colour, 0.7), "#f7f5ef", across=False)
        ink.path(
            f"M{x} {y} q120 -100 330 -18 l92 -62 q-18 66 0 132 l-92 -44 q-200 96 -330 -8z",
            skin,
            stroke=dark(colour, 0.4),
            stroke_width=2,
        )
        ink.ellipse(x + 52, y - 10, 11, 11, "#fdfdf3", stroke="#333", stroke_width=3)
        ink.ellipse(x + 52, y - 10, 5, 5, "#111")
        ink.path(f"M{x + 96} {y - 46} q30 46 4 84", stroke=dark(colour, 0.45), stroke_width=4)
        for scale in range(9):
            ink.path(
                f"M{x + 130 + scale * 34} {y - 34} q16 26 0 54",
                stroke=dark(colour, 0.25),
                stroke_width=2,
                opacity=0.5,
            )
    del label


def roots(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """Sweet potatoes in a shallow basket, one broken open."""
    tray(ink)
    for number in range(7):
        x, y = 210 + (number % 4) * 122 + rng.randint(-14, 14), 470 + (number // 4) * 96
        lean = rng.randint(-40, 40)
        skin = ink.radial(light(colour, 0.35), colour, dark(colour, 0.38), cx=0.4, cy=0.3, r=0.75)
        ink.path(
            f"M{x - 92} {y} q40 -74 104 -62 q70 10 84 58 q-34 66 -98 62 q-62 -2 -90 -58z",
            skin,
            transform=f"rotate({lean} {x} {y})",
        )
    ink.ellipse(590, 600, 62, 52, dark(colour, 0.2))
    ink.ellipse(584, 596, 56, 46, ink.radial("#ffd27a", "#f6a53c", "#e98b25"))
    del label
