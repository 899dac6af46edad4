"""The forecast's outcome as one SVG: a panel a trace, idle cost to the right, cold starts up. Pure.

Cold starts are on a logarithmic axis that ends at LEAST; who has fewer is drawn there. Labels give
way downwards to those above them.
"""

import math
from collections.abc import Iterator, Mapping
from html import escape

from scripts.benchmarks.forecast_policies import Outcome

WIDE, HIGH, EDGE, TOP = 440, 330, 48, 40
RIGHT, BOTTOM, ROOM = WIDE - EDGE, HIGH - 64, 112
LINE, LABEL = 10, 112  # how high and wide a label is
LEAST = 0.003
COLOURS = {"ours": "#c2255c", "optimum": "#868e96", "clairvoyant": "#868e96", "hybrid": "#e8590c"}
OTHERS = "#1c7ed6"


def draw(found: Mapping[str, Mapping[str, Outcome]]) -> str:
    """Return the picture; the axis of idle cost ends at the largest value of each trace."""
    panels = [
        f'<g transform="translate({index % 2 * WIDE},{index // 2 * HIGH})">{"".join(_panel(*item))}</g>'
        for index, item in enumerate(found.items())
    ]
    wide, high = 2 * WIDE, (len(found) + 1) // 2 * HIGH
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" '
        'font-family="sans-serif" font-size="10">'
        f'<rect width="{wide}" height="{high}" fill="white"/>{"".join(panels)}</svg>\n'
    )


def _panel(trace: str, outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    most = max(outcome.idle for outcome in outcomes.values())
    yield f'<text x="{EDGE}" y="20" font-size="13">{escape(trace)}</text>'
    yield f'<path d="M{EDGE} {TOP}V{BOTTOM + 7}H{RIGHT}" fill="none" stroke="#495057"/>'
    yield f'<text x="{EDGE}" y="{HIGH - 14}">idle hours a day, up to {most / 3600:.1f}</text>'
    yield f'<text x="{EDGE}" y="{TOP - 6}" text-anchor="end">cold</text>'
    for share in (1.0, 0.1, 0.01):
        yield f'<text x="{EDGE - 4}" y="{_up(share) + 4:.0f}" text-anchor="end">{share:.0%}</text>'
    placed: list[tuple[float, float]] = []
    for policy, outcome in sorted(outcomes.items(), key=lambda item: -item[1].cold):
        colour = COLOURS.get(policy.partition(" ")[0].strip(","), OTHERS)
        x, y = EDGE + outcome.idle / most * (RIGHT - EDGE - ROOM), _up(outcome.cold)
        low = _free(x, y, placed)
        label = f"{policy} {outcome.cold:.1%}"
        yield f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3" fill="{colour}"/>'
        yield f'<path d="M{x:.0f} {y:.0f}L{x + 8:.0f} {low:.0f}" stroke="{colour}" stroke-width=".5"/>'
        yield f'<text x="{x + 9:.0f}" y="{low + 3:.0f}" fill="{colour}" font-size="9">{escape(label)}</text>'


def _up(share: float) -> float:
    return BOTTOM - math.log(max(share, LEAST) / LEAST) / math.log(1 / LEAST) * (BOTTOM - TOP)


def _free(x: float, y: float, placed: list[tuple[float, float]]) -> float:
    """Return the first height from `y` downwards at which a label overlaps no other; note it."""
    for other_x, other_y in sorted(placed, key=lambda place: place[1]):
        if abs(x - other_x) < LABEL and abs(y - other_y) < LINE:
            y = other_y + LINE
    placed.append((x, y))
    return y
