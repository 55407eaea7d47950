"""The pen: a small SVG builder with gradients, soft shadows and Chinese lettering."""

from __future__ import annotations

import random
from html import escape

SANS = "PingFang SC,Microsoft YaHei,Noto Sans CJK SC,sans-serif"
SERIF = "STSong,SimSun,Noto Serif CJK SC,serif"


def seeded(*parts: object) -> random.Random:
    """A generator that gives the same numbers for the same parts, on every machine and in every process."""
    return random.Random("/".join(str(part) for part in parts))  # noqa: S311 (pictures and prose, no secrets)


def mix(first: str, second: str, share: float) -> str:
    """Blend two `#rrggbb` colours; `share` 0 gives the first, 1 the second."""
    one = [int(first[i : i + 2], 16) for i in (1, 3, 5)]
    two = [int(second[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(one, two, strict=True))


def light(colour: str, share: float = 0.35) -> str:
    """The colour moved towards white."""
    return mix(colour, "#ffffff", share)


def dark(colour: str, share: float = 0.35) -> str:
    """The colour moved towards black."""
    return mix(colour, "#000000", share)


class Ink:
    """Collects shapes and definitions of one picture; `svg()` gives the file."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._defs: list[str] = []
        self._body: list[str] = []

    def add(self, *shapes: str) -> None:
        """Draw raw SVG shapes, in order."""
        self._body.extend(shapes)

    def linear(self, *stops: str, across: bool = True) -> str:
        """Define an even linear gradient, left to right or top to bottom; gives the paint reference."""
        name = f"g{len(self._defs)}"
        ends = 'x2="1" y2="0"' if across else 'x2="0" y2="1"'
        self._defs.append(f'<linearGradient id="{name}" {ends}>{_stops(stops)}</linearGradient>')
        return f"url(#{name})"

    def radial(self, *stops: str, cx: float = 0.5, cy: float = 0.5, r: float = 0.6) -> str:
        """Define a radial gradient inside a shape's box; gives the paint reference."""
        name = f"g{len(self._defs)}"
        self._defs.append(
            f'<radialGradient id="{name}" cx="{cx}" cy="{cy}" r="{r}">{_stops(stops)}</radialGradient>'
        )
        return f"url(#{name})"

    def cylinder(self, colour: str) -> str:
        """The paint of a round upright body lit from the left."""
        return self.linear(
            dark(colour, 0.35), colour, light(colour, 0.38), colour, dark(colour, 0.12), dark(colour, 0.42)
        )

    def shadow(self, cx: float, cy: float, rx: float, ry: float, strength: float = 0.38) -> None:
        """A soft shadow on the ground (a faded ellipse: cheaper to render than a blur filter)."""
        name = f"g{len(self._defs)}"
        self._defs.append(
            f'<radialGradient id="{name}"><stop offset="0" stop-color="#1b120a" stop-opacity="{strength}"/>'
            f'<stop offset=".55" stop-color="#1b120a" stop-opacity="{strength * 0.55:.2f}"/>'
            '<stop offset="1" stop-color="#1b120a" stop-opacity="0"/></radialGradient>'
        )
        self.add(f'<ellipse cx="{cx}" cy="{cy}" rx="{rx}" ry="{ry}" fill="url(#{name})"/>')

    def path(self, d: str, fill: str = "none", **attributes: object) -> None:
        """A path; keyword attributes with `_` for `-`."""
        self.add(f'<path d="{d}" fill="{fill}"{_attributes(attributes)}/>')

    def rect(self, x: float, y: float, w: float, h: float, fill: str, r: float = 0, **more: object) -> None:
        """A rectangle with rounded corners of radius `r`."""
        self.add(
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="{r}" fill="{fill}"{_attributes(more)}/>'
        )

    def ellipse(self, cx: float, cy: float, rx: float, ry: float, fill: str, **more: object) -> None:
        """An ellipse."""
        self.add(f'<ellipse cx="{cx}" cy="{cy}" rx="{rx}" ry="{ry}" fill="{fill}"{_attributes(more)}/>')

    def text(
        self, x: float, y: float, words: str, size: float, fill: str, family: str = SANS, **more: object
    ) -> None:
        """Centred lettering (give `text_anchor="start"` to left-align)."""
        more.setdefault("text_anchor", "middle")
        self.add(
            f'<text x="{x}" y="{y}" font-family="{family}" font-size="{size}" fill="{fill}"'
            f"{_attributes(more)}>{escape(words)}</text>"
        )

    def column(self, x: float, y: float, words: str, size: float, fill: str, family: str = SERIF) -> None:
        """Lettering from top to bottom, as on a bottle label."""
        for step, letter in enumerate(words):
            self.text(x, y + step * size * 1.12, letter, size, fill, family, font_weight=700)

    def svg(self) -> str:
        """The finished file."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}"><defs>{"".join(self._defs)}</defs>'
            f"{''.join(self._body)}</svg>"
        )


def _stops(stops: tuple[str, ...]) -> str:
    last = max(1, len(stops) - 1)
    return "".join(f'<stop offset="{i / last:.3f}" stop-color="{c}"/>' for i, c in enumerate(stops))


def _attributes(attributes: dict[str, object]) -> str:
    return "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
