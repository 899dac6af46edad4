"""Replicas over time as one SVG, a panel a load. Pure: the same moments, the same bytes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape

from scripts.benchmarks.autoscaler_loads import Moment

WIDE, HIGH, LEFT, TOP = 480, 210, 36, 34
RIGHT, BOTTOM = WIDE - 16, HIGH - 26
Line = Callable[[Moment, float], float]  # how many replicas high it is, given the target
LINES: Mapping[str, tuple[str, Line]] = {
    "load ÷ target": ("#adb5bd", lambda moment, target: moment.load / target),
    "asked for": ("#1c7ed6", lambda moment, _: moment.desired),
    "ready": ("#2b8a3e", lambda moment, _: moment.ready),
}


def draw(found: Mapping[str, Sequence[Moment]], target: float) -> str:
    """Return the picture; `target` is the load that one replica should carry."""
    panels = [
        f'<g transform="translate({index % 2 * WIDE},{index // 2 * HIGH})">\n'
        + "\n".join(_panel(name, moments, target))
        + "\n</g>"
        for index, (name, moments) in enumerate(found.items())
    ]
    wide, high = 2 * WIDE, (len(found) + 1) // 2 * HIGH
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" '
        f'font-family="sans-serif" font-size="11">\n<rect width="{wide}" height="{high}" '
        f'fill="white"/>\n{chr(10).join(panels)}\n</svg>\n'
    )


def _panel(name: str, moments: Sequence[Moment], target: float) -> Iterator[str]:
    most = max(max(m.desired, m.ready, m.load / target) for m in moments)
    yield f'<text x="{LEFT}" y="16" font-size="13">{escape(name)}</text>'
    yield from _panics(moments)
    yield f'<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}" fill="none" stroke="#495057"/>'
    yield f'<text x="{LEFT - 6}" y="{TOP + 8}" text-anchor="end">{most:.0f}</text>'
    yield f'<text x="{LEFT - 6}" y="{BOTTOM}" text-anchor="end">0</text>'
    yield f'<text x="{RIGHT}" y="{BOTTOM + 16}" text-anchor="end">{len(moments)} s</text>'
    for place, (label, (colour, value)) in enumerate(LINES.items()):
        heights = [value(moment, target) / most for moment in moments]
        yield f'<path d="{_steps(heights)}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        x = LEFT + 110 + 100 * place
        yield f'<text x="{x}" y="16" fill="{colour}">{escape(label)}</text>'


def _panics(moments: Sequence[Moment]) -> Iterator[str]:
    """Shade the seconds in which the panic window decides."""
    start: int | None = None
    for second in range(len(moments) + 1):
        panic = second < len(moments) and moments[second].panic
        if panic and start is None:
            start = second
        elif start is not None and not panic:
            x, end = _x(start, len(moments)), _x(second, len(moments))
            yield (
                f'<rect x="{x:.1f}" y="{TOP}" width="{end - x:.1f}" height="{BOTTOM - TOP}" '
                'fill="#ffe3e3"><title>panic</title></rect>'
            )
            start = None


def _steps(heights: Sequence[float]) -> str:
    """Draw only where something changes: a line of steps."""
    path, before = f"M{LEFT} {_y(heights[0]):.1f}", heights[0]
    for second, height in enumerate(heights):
        if height != before:
            path += f"H{_x(second, len(heights)):.1f}V{_y(height):.1f}"
            before = height
    return f"{path}H{RIGHT}"


def _x(second: int, seconds: int) -> float:
    return LEFT + second / seconds * (RIGHT - LEFT)


def _y(height: float) -> float:
    return BOTTOM - height * (BOTTOM - TOP)
