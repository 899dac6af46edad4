"""The forecast's outcome as one SVG: a panel a trace, idle cost to the right, cold starts up. Pure."""

from collections.abc import Iterator, Mapping
from html import escape

from scripts.benchmarks.forecast_policies import Outcome

WIDE, HIGH, EDGE = 420, 300, 48
COLOURS = {"ours": "#c2255c", "optimum": "#868e96", "clairvoyant": "#868e96", "hybrid": "#e8590c"}
OTHERS = "#1c7ed6"


def draw(found: Mapping[str, Mapping[str, Outcome]]) -> str:
    """Return the picture; the axes end at the largest value of each trace."""
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
    right, bottom = WIDE - EDGE, HIGH - EDGE
    yield f'<text x="{EDGE}" y="20" font-size="13">{escape(trace)}</text>'
    yield f'<path d="M{EDGE} 32V{bottom}H{right}" fill="none" stroke="#495057"/>'
    yield f'<text x="{EDGE}" y="{bottom + 26}">idle hours a day, up to {most / 3600:.1f}</text>'
    yield f'<text x="6" y="32">cold</text><text x="6" y="{bottom}">0 %</text>'
    for policy, outcome in outcomes.items():
        colour = COLOURS.get(policy.partition(" ")[0].strip(","), OTHERS)
        x = EDGE + outcome.idle / most * (right - EDGE - 60)
        y = bottom - outcome.cold * (bottom - 40)
        label = f"{policy} {outcome.cold:.1%}"
        yield f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3.5" fill="{colour}"/>'
        yield f'<text x="{x + 6:.0f}" y="{y - 4:.0f}" fill="{colour}" font-size="8">{escape(label)}</text>'
