"""The demo's ner releases are what their manifests say, and as far apart as the story needs."""

import json
from functools import cache
from pathlib import Path

import pytest

from functions.ner.model import Options, open_model
from scripts.training.evaluate import evaluate
from scripts.training.examples import golden


@cache
def f1(folder: Path) -> float:
    return evaluate(open_model(folder, Options()), golden())["all"].f1


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0", "1.2.0"])
def test_a_release_scores_what_it_was_published_with(trained_models: Path, version: str) -> None:
    folder = trained_models / f"ner-v{version}"
    metrics = json.loads((folder / "release.json").read_text())["metrics"]
    assert f1(folder) == pytest.approx(metrics["golden_f1"], abs=0.02)
    assert metrics["parity_agreement"] > 0.999


def test_more_steps_are_better_and_bad_labels_worse(trained_models: Path) -> None:
    first, good, bad = (f1(trained_models / f"ner-v1.{minor}.0") for minor in range(3))
    assert 0.3 < first < 0.8
    assert good > first + 0.1
    assert bad < first - 0.1


def test_long_texts_are_understood_like_short_ones(trained_models: Path) -> None:
    """Windows cost nothing that matters: golden sentences in one text give about the same F1."""
    model = open_model(trained_models / "ner-v1.1.0", Options())
    examples = golden()
    text = "\n".join(example.text for example in examples)
    found = {(one.start, one.end, one.label) for one in model.find(text)}
    wanted, offset = set(), 0
    for example in examples:
        wanted |= {(s.start + offset, s.end + offset, s.label) for s in example.spans}
        offset += len(example.text) + 1
    assert 2 * len(found & wanted) / (len(found) + len(wanted)) > 0.8
