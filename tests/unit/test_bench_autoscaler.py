"""The autoscaler's picture: it is what the code draws, and it shows what the rules promise."""

from itertools import pairwise
from xml.etree import ElementTree as ET

from scripts.benchmarks.autoscaler import PICTURE
from scripts.benchmarks.autoscaler_loads import LOADS, POLICY, START_SECONDS, simulate
from scripts.benchmarks.autoscaler_picture import draw


def test_the_picture_in_the_readme_is_what_the_code_draws() -> None:
    drawn = draw({name: simulate(load) for name, load in LOADS.items()}, POLICY.target)
    assert PICTURE.read_text() == drawn, "run ./scripts/bench autoscaler"
    assert PICTURE.name in PICTURE.with_name("README.md").read_text()


def test_the_picture_is_well_formed_and_has_a_panel_for_every_load() -> None:
    root = ET.fromstring(PICTURE.read_text())  # noqa: S314 - our own file
    panels = root.findall("{http://www.w3.org/2000/svg}g")
    assert len(panels) == len(LOADS)


def test_a_sleeping_revision_wakes_in_the_second_of_its_first_request() -> None:
    moments = simulate(LOADS["step"])
    assert [m.desired for m in moments[58:61]][:2] == [0, 0]
    assert moments[60].desired >= 1
    assert moments[60 + START_SECONDS].ready >= 1


def test_nothing_scales_down_while_it_panics() -> None:
    for load in LOADS.values():
        moments = simulate(load)
        pairs = [(a, b) for a, b in pairwise(moments) if a.panic and b.panic]
        assert all(b.desired >= a.desired for a, b in pairs)
