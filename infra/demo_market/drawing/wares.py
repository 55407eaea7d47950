"""Everyday wares: outdoor gear, electronics, cosmetics."""

# ruff: noqa: E501 (path data reads worse when broken)

from __future__ import annotations

from random import Random

from infra.demo_market.drawing.ink import SANS, Ink, dark, light, mix


def jacket(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A hooded shell jacket, laid flat."""
    second = mix(colour, rng.choice(("#1f2530", "#f4b400", "#e4e7ea")), 0.8)
    cloth = ink.linear(dark(colour, 0.3), colour, light(colour, 0.14), colour, dark(colour, 0.32))
    ink.shadow(400, 716, 240, 24)
    for side in (1, -1):
        ink.add(f'<g transform="translate(400 0) scale({side} 1)">')
        ink.path("M96 214 Q190 236 214 330 L282 600 Q256 640 214 628 L132 400z", cloth)
        ink.path("M268 560 L282 600 Q256 640 214 628 L204 590z", dark(second, 0.1))
        ink.add("</g>")
    ink.path(
        "M296 210 Q400 250 504 210 Q566 240 560 330 Q548 520 566 704 Q400 730 234 704 Q252 520 240 330 Q234 240 296 210z",
        cloth,
    )
    ink.path(
        "M240 330 Q236 240 296 210 Q400 250 504 210 Q566 240 560 330 L556 390 Q400 350 244 390z",
        second,
        opacity=0.92,
    )
    ink.path(
        "M300 214 Q310 104 400 96 Q490 104 500 214 Q400 286 300 214z",
        ink.radial(light(colour, 0.1), colour, dark(colour, 0.5), cy=0.2),
    )
    ink.path("M336 206 Q346 146 400 142 Q454 146 464 206 Q400 256 336 206z", dark(colour, 0.62))
    ink.path("M400 246 V716", stroke=dark(colour, 0.55), stroke_width=9)
    ink.path("M402 246 V716", stroke=light(colour, 0.4), stroke_width=2)
    for side in (1, -1):
        ink.path(
            f"M{400 + side * 60} 560 L{400 + side * 122} 480",
            stroke=dark(colour, 0.5),
            stroke_width=8,
            stroke_linecap="round",
        )
    ink.text(488, 330, label[:3], 24, "#ffffff", SANS, font_weight=700, letter_spacing=3)


def backpack(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A backpack seen from the front."""
    ink.shadow(400, 706, 230, 32)
    cloth = ink.linear(dark(colour, 0.4), colour, light(colour, 0.18), colour, dark(colour, 0.4))
    ink.path("M330 150 Q400 80 470 150", stroke=dark(colour, 0.5), stroke_width=20)
    ink.path(
        "M240 260 Q250 140 400 136 Q550 140 560 260 L590 640 Q590 700 530 704 H270 Q210 700 210 640z", cloth
    )
    ink.path("M240 300 Q400 350 560 300", stroke=dark(colour, 0.6), stroke_width=7)
    ink.rect(270, 450, 260, 210, dark(colour, 0.15), 26, stroke=dark(colour, 0.45), stroke_width=4)
    ink.path("M286 500 H514", stroke="#d9d9d9", stroke_width=6, stroke_dasharray="10 3")
    for side in (-1, 1):
        ink.rect(400 + side * 110 - 12, 340, 24, 96, dark(colour, 0.5), 4)
        ink.rect(400 + side * 110 - 18, 396, 36, 28, "#2a2a2a", 6)
    ink.rect(352, 560, 96, 44, rng.choice(("#e76f51", "#2a2a2a", "#e9c46a")), 6)
    ink.text(400, 590, label[:2], 24, "#fff", font_weight=700)


def tent(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A dome tent on grass with hills behind."""
    ink.path(
        "M-400 470 Q-160 330 0 460 Q160 300 320 420 Q470 260 640 410 Q720 350 800 420 Q1000 340 1200 460 V1000 H-400z",
        "#8fb59a",
        opacity=0.8,
    )
    ink.path("M-400 580 Q400 490 1200 580 V1300 H-400z", ink.linear("#86b255", "#57803a", across=False))
    ink.shadow(400, 664, 330, 44)
    ink.path(
        "M90 650 Q220 240 400 230 Q580 240 710 650 Q400 690 90 650z",
        ink.linear(dark(colour, 0.25), light(colour, 0.22), colour, dark(colour, 0.35)),
    )
    ink.path("M400 230 Q300 420 270 668 Q400 684 530 668 Q500 420 400 230z", light(colour, 0.55))
    ink.path("M400 250 Q330 430 318 672 H482 Q470 430 400 250z", dark(colour, 0.6))
    ink.path("M400 250 Q330 430 318 672 L360 674 Q372 420 400 250z", light(colour, 0.7))
    ink.path("M140 560 L60 690 M660 560 L740 690", stroke="#f5f5f5", stroke_width=3)
    ink.text(590, 590, label[:3], 26, "#fff", font_weight=700, opacity=0.9)
    del rng


def torch(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A metal flashlight with its beam."""
    ink.path("M250 330 L20 140 V640 L250 470z", ink.linear("#fff7c0", "#ffe98a"), opacity=0.55)
    ink.shadow(460, 560, 330, 34)
    metal = ink.linear(light(colour, 0.5), colour, dark(colour, 0.25), dark(colour, 0.6), across=False)
    ink.path("M240 310 H330 L380 352 V452 L330 494 H240z", metal)
    ink.rect(376, 352, 330, 100, metal, 8)
    ink.rect(700, 362, 40, 80, dark(colour, 0.4), 8)
    for notch in range(440, 640, 14):
        ink.path(f"M{notch} 356 L{notch + 16} 448", stroke="#000", stroke_width=4, opacity=0.35)
    ink.ellipse(240, 402, 20, 92, ink.radial("#ffffff", "#fff3b0", "#b9b9b9"))
    ink.ellipse(410, 366, 18, 10, rng.choice(("#d62828", "#2a9d8f", "#f77f00")))
    ink.text(660, 412, label[:2], 24, "#f2f2f2", font_weight=700)


def knife(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A folding camping tool, open."""
    ink.shadow(420, 600, 330, 34)
    ink.path(
        "M90 420 Q200 330 400 356 L420 430 H120z",
        ink.linear("#f7f9fa", "#b8c2c9", "#eef2f4", "#8a969e", across=False),
        stroke="#77828a",
        stroke_width=2,
    )
    ink.path("M110 418 H410", stroke="#fff", stroke_width=3, opacity=0.8)
    ink.path(
        "M380 346 Q420 320 470 350 L700 500 Q728 540 690 566 Q660 580 630 560 L390 446z",
        ink.linear(light(colour, 0.25), colour, dark(colour, 0.4)),
    )
    for number in range(3):
        ink.ellipse(450 + number * 82, 400 + number * 54, 12, 12, "#dfe5e8", stroke="#555", stroke_width=3)
    ink.text(560, 492, label[:2], 26, "#fff", font_weight=700, transform="rotate(33 560 492)")
    del rng


def phone_case(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """The back of a phone in a printed case."""
    ink.shadow(410, 716, 200, 26)
    ink.add('<g transform="rotate(6 400 400)">')
    ink.rect(244, 88, 316, 624, dark(colour, 0.4), 56)
    ink.rect(240, 84, 312, 620, ink.linear(light(colour, 0.35), colour, dark(colour, 0.12), across=False), 54)
    motif = rng.randrange(3)
    for number in range(22):
        x, y, r = rng.randint(270, 530), rng.randint(300, 680), rng.randint(8, 30)
        shade = mix(colour, rng.choice(("#ffffff", "#ffd166", "#ef476f", "#118ab2")), 0.7)
        if motif == 0:
            ink.ellipse(x, y, r, r, shade, opacity=0.8)
        elif motif == 1:
            ink.path(
                f"M{x} {y} c-{r} -{r * 1.4} -{r * 2} {r * 0.2} 0 {r * 1.4} c{r * 2} -{r * 1.2} {r} -{r * 2.8} 0 -{r * 1.4}z",
                shade,
                opacity=0.85,
            )
        else:
            ink.path(
                f"M{x} {y - r} L{x + r} {y + r} H{x - r}z",
                shade,
                opacity=0.75,
                transform=f"rotate({number * 31} {x} {y})",
            )
    ink.rect(262, 108, 132, 132, "#101318", 34, opacity=0.9)
    for x, y in ((300, 146), (356, 146), (300, 202)):
        ink.ellipse(x, y, 24, 24, "#05070a", stroke="#5b6470", stroke_width=5)
        ink.ellipse(x - 6, y - 7, 6, 6, "#6f86ff", opacity=0.7)
    ink.text(396, 660, label[:4], 26, "#ffffff", font_weight=700, opacity=0.9)
    ink.add("</g>")


def thermos(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A steel vacuum flask."""
    ink.shadow(400, 706, 160, 28)
    ink.rect(290, 250, 220, 450, ink.cylinder(colour), 30)
    ink.rect(302, 130, 196, 110, ink.cylinder("#d9dde0"), 22)
    ink.rect(298, 236, 204, 18, ink.cylinder("#8f979d"))
    if rng.random() < 0.5:
        ink.path("M498 160 Q560 170 552 240", stroke="#3c3c3c", stroke_width=12)
    ink.text(400, 500, label[:3], 40, "#ffffff", font_weight=700, letter_spacing=6)
    ink.text(400, 540, "500ml · 316", 22, "#ffffff", opacity=0.85)
    ink.path("M322 290 V660", stroke="#fff", stroke_width=12, opacity=0.35, stroke_linecap="round")


def powerbank(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A power bank with its lead."""
    ink.shadow(400, 690, 240, 30)
    ink.path("M470 190 C520 60 690 110 640 260 C610 350 720 380 690 470", stroke="#efefef", stroke_width=16)
    ink.rect(676, 466, 30, 66, "#d5d5d5", 6)
    ink.rect(220, 180, 330, 500, dark(colour, 0.4), 42)
    ink.rect(214, 172, 330, 500, ink.linear(light(colour, 0.3), colour, dark(colour, 0.2)), 40)
    ink.rect(262, 226, 150, 70, "#0c1116", 12)
    ink.text(337, 276, f"{rng.randint(61, 99)}%", 44, "#7fe3ff", font_weight=700)
    ink.text(380, 560, label[:3], 38, "#ffffff", font_weight=700)
    ink.text(380, 606, f"{rng.choice((10000, 20000))}mAh  22.5W", 24, "#ffffff", opacity=0.85)


def umbrella(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """An open umbrella."""
    ink.shadow(430, 716, 110, 20)
    ink.path(
        "M400 180 V640 Q400 704 452 704 Q496 704 496 656",
        stroke="#5a4630",
        stroke_width=16,
        stroke_linecap="round",
    )
    shades = (colour, light(colour, 0.2), light(colour, 0.36), light(colour, 0.16), dark(colour, 0.2))
    edges = (96, 216, 338, 462, 584, 704)
    for number, shade in enumerate(shades):
        left, right = edges[number], edges[number + 1]
        mid = (left + right) / 2
        ink.path(
            f"M400 130 Q{left * 0.8 + 80:.0f} 220 {left} 430 Q{mid} 372 {right} 430 Q{right * 0.8 + 80:.0f} 220 400 130z",
            shade,
            stroke=dark(colour, 0.3),
            stroke_width=2,
        )
    ink.path("M400 96 V136", stroke="#5a4630", stroke_width=10)
    ink.text(400, 330, label[:3], 36, "#ffffff", font_weight=700, opacity=rng.choice((0.85, 0.95)))


def lamp(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A desk lamp that glows."""
    ink.ellipse(330, 420, 300, 300, ink.radial("#fff6cf", light(colour, 0.85), "#ffffff"), opacity=0.5)
    ink.shadow(440, 700, 200, 28)
    ink.path("M460 690 L560 430 L410 250", stroke=dark(colour, 0.2), stroke_width=18, stroke_linejoin="round")
    ink.ellipse(560, 430, 20, 20, "#dddddd")
    ink.path(
        "M450 190 L330 250 Q250 330 250 400 L460 330 Q480 250 450 190z",
        ink.linear(light(colour, 0.35), colour, dark(colour, 0.25)),
    )
    ink.path("M250 400 L460 330 Q440 392 356 420 Q290 434 250 400z", "#fff3b5")
    ink.ellipse(450, 690, 140, 26, ink.linear(light(colour, 0.2), dark(colour, 0.3)))
    ink.text(450, 698, label[:3], 20, "#ffffff")
    del rng


def cream(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A cosmetics jar with a metallic lid on a plinth."""
    ink.rect(150, 600, 500, 120, ink.linear(light(colour, 0.6), light(colour, 0.85), light(colour, 0.5)), 6)
    ink.ellipse(400, 600, 250, 40, light(colour, 0.8))
    ink.shadow(400, 600, 210, 28)
    ink.path("M214 430 H586 V560 Q586 604 540 604 H260 Q214 604 214 560z", ink.cylinder(light(colour, 0.35)))
    metal = rng.choice(("#d8b26a", "#c9ced3", "#e7b7a3"))
    ink.rect(206, 314, 388, 124, ink.cylinder(metal), 14)
    ink.ellipse(400, 320, 192, 34, light(metal, 0.4))
    ink.text(400, 516, label[:4], 48, dark(colour, 0.5), font_weight=500, letter_spacing=8)
    ink.text(400, 560, "FACE CREAM · 50g", 22, dark(colour, 0.35), letter_spacing=3)
    for _ in range(7):
        x, y, r = rng.randint(80, 720), rng.randint(90, 330), rng.randint(12, 40)
        ink.ellipse(
            x,
            y,
            r,
            r,
            ink.radial("#ffffff", light(colour, 0.75), light(colour, 0.5), cx=0.35, cy=0.3),
            opacity=0.7,
        )


def serum(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A dropper bottle."""
    ink.shadow(400, 704, 170, 28)
    ink.rect(366, 96, 68, 110, ink.cylinder("#3a3a3a"), 30)
    ink.rect(340, 196, 120, 90, ink.cylinder(rng.choice(("#d8b26a", "#d5d9dc", "#2f2f2f"))), 8)
    ink.path(
        "M310 290 H490 Q536 300 536 350 V660 Q536 704 490 704 H310 Q264 704 264 660 V350 Q264 300 310 290z",
        ink.cylinder(colour),
    )
    ink.text(400, 480, label[:4], 46, "#ffffff", font_weight=500, letter_spacing=6)
    ink.text(400, 530, "ESSENCE", 26, "#ffffff", letter_spacing=6, opacity=0.85)
    ink.text(400, 660, "30mL", 22, "#ffffff", opacity=0.8)
    ink.path("M292 340 V650", stroke="#fff", stroke_width=10, opacity=0.45, stroke_linecap="round")


def mask(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """Sachets of facial mask fanned out before their box."""
    ink.shadow(400, 700, 280, 34)
    for number, lean in enumerate((-14, 0, 14)):
        ink.add(f'<g transform="rotate({lean} 400 760)">')
        ink.rect(
            262, 150 + number * 6, 276, 520, ink.linear(light(colour, 0.25), light(colour, 0.6), colour), 8
        )
        ink.rect(262, 150 + number * 6, 276, 34, "#ffffff", 4, opacity=0.4)
        ink.text(400, 320, label[:4], 52, dark(colour, 0.45), font_weight=700, letter_spacing=4)
        ink.path(
            "M400 380 c-80 -6 -96 70 -70 130 c20 50 50 66 70 66 c20 0 50 -16 70 -66 c26 -60 10 -136 -70 -130z",
            "#ffffff",
            opacity=0.75,
        )
        ink.text(400, 630, "25mL × 1片", 24, dark(colour, 0.35))
        ink.add("</g>")
    del rng


def lipstick(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A lipstick and its cap."""
    ink.shadow(400, 704, 220, 28)
    gold = ink.cylinder("#d9b36c")
    ink.path(
        "M300 250 Q300 170 380 140 L386 420 H300z",
        ink.linear(dark(colour, 0.3), colour, light(colour, 0.35), colour),
    )
    ink.rect(290, 400, 106, 80, gold, 4)
    ink.rect(270, 470, 146, 230, ink.cylinder("#2b2326"), 8)
    ink.rect(470, 360, 150, 340, ink.cylinder("#2b2326"), 10)
    ink.rect(470, 650, 150, 22, gold)
    ink.text(545, 520, label[:2], 36, "#e6c88c", font_weight=700)
    ink.path(
        f"M90 620 q60 -{rng.randint(40, 80)} 150 -10",
        stroke=colour,
        stroke_width=34,
        stroke_linecap="round",
        opacity=0.85,
    )


def tube(ink: Ink, rng: Random, colour: str, label: str) -> None:
    """A squeeze tube or pump bottle."""
    ink.shadow(400, 706, 170, 28)
    if rng.random() < 0.5:
        ink.path("M270 120 H530 L510 590 H290z", ink.cylinder(light(colour, 0.4)))
        ink.rect(266, 100, 268, 30, light(colour, 0.2), 3)
        ink.rect(300, 588, 200, 110, ink.cylinder(colour), 10)
    else:
        ink.path("M392 120 H408 V210 H392z M300 120 H408 V146 H320z", dark(colour, 0.2))
        ink.rect(360, 190, 80, 60, ink.cylinder(colour), 6)
        ink.rect(276, 246, 248, 456, ink.cylinder(light(colour, 0.42)), 40)
    ink.text(400, 400, label[:4], 48, dark(colour, 0.5), font_weight=700, letter_spacing=4)
    ink.text(
        400, 450, rng.choice(("温和配方", "清爽不黏", "日常护理")), 28, dark(colour, 0.35), letter_spacing=4
    )
    ink.text(400, 550, "NET 120 mL", 20, dark(colour, 0.3))
