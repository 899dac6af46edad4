"""Cost and latency over the size, both axes logarithmic, as one SVG. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

WIDE, HIGH, LEFT, TOP = 480, 300, 56, 40
RIGHT, BOTTOM = WIDE - 20, HIGH - 36
COLOURS = ("#c2255c", "#1c7ed6", "#e8590c", "#868e96")
Lines = Mapping[str, Sequence[float]]


def draw(sizes: Sequence[float], panels: Mapping[str, Lines]) -> str:
    """Return the picture: a panel a unit, a line a name, a point a size."""
    drawn = [
        f'<g transform="translate({index * WIDE},0)">\n'
        + "\n".join(_panel(*item, sizes))
        + "\n</g>"
        for index, item in enumerate(panels.items())
    ]
    wide = len(panels) * WIDE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {HIGH}" '
        f'font-family="sans-serif" font-size="11">\n<rect width="{wide}" height="{HIGH}" '
        f'fill="white"/>\n{chr(10).join(drawn)}\n</svg>\n'
    )


def _panel(title: str, lines: Lines, sizes: Sequence[float]) -> Iterator[str]:
    values = [value for line in lines.values() for value in line]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    yield f'<text x="{LEFT}" y="16" font-size="13">{escape(title)}</text>'
    yield f'<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}" fill="none" stroke="#495057"/>'
    for power in range(low, high + 1):
        y = _place(power, low, high, BOTTOM, TOP)
        yield f'<text x="{LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{_power(power)}</text>'
        yield f'<path d="M{LEFT} {y:.0f}H{RIGHT}" stroke="#e9ecef"/>'
    xs = [_across(size, sizes) for size in sizes]
    for x, size in zip(xs, sizes, strict=True):
        label = _power(round(math.log10(size)))
        yield f'<text x="{x:.0f}" y="{BOTTOM + 16}" text-anchor="middle">{label}</text>'
    yield f'<text x="{RIGHT}" y="{BOTTOM + 30}" text-anchor="end">questions a day</text>'
    for place, (name, line) in reversed(list(enumerate(lines.items()))):  # the first on top
        colour = COLOURS[place % len(COLOURS)]
        ys = [_place(math.log10(value), low, high, BOTTOM, TOP) for value in line]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        x = LEFT + (RIGHT - LEFT) / len(lines) * place
        yield f'<text x="{x:.0f}" y="32" fill="{colour}">{escape(name)}</text>'


def _across(size: float, sizes: Sequence[float]) -> float:
    ends = math.log10(min(sizes)), math.log10(max(sizes))
    return _place(math.log10(size), *ends, LEFT + 16, RIGHT - 16)


def _place(value: float, low: float, high: float, begin: float, end: float) -> float:
    return begin + (value - low) / max(1e-9, high - low) * (end - begin)


def _power(power: int) -> str:
    """Write what people read: 0.01, 1, 100, and powers above."""
    return f"{10.0**power:g}" if abs(power) <= 3 else f"10^{power}"  # noqa: PLR2004 - short enough
