"""Entity-level scores: an entity counts when its span and its label are both exactly right."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from functions.ner.decode import Entity
from functions.ner.model import NerModel
from scripts.training.examples import LABELS, Example

Key = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of entities: found and right, found in all, wanted in all."""

    right: int
    found: int
    wanted: int

    @property
    def precision(self) -> float:
        """Share of the found that is right."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of the wanted that was found."""
        return self.right / self.wanted if self.wanted else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        return 2 * self.right / (self.found + self.wanted) if self.found + self.wanted else 1.0


def evaluate(model: NerModel, examples: Sequence[Example]) -> dict[str, Score]:
    """Score each label, and `all` of them together."""
    return score((model.find(example.text) for example in examples), examples)


def score(answers: Iterable[Sequence[Entity]], examples: Sequence[Example]) -> dict[str, Score]:
    """Score answers against what was wanted, text by text."""
    right, found, wanted = Counter[str](), Counter[str](), Counter[str]()
    for answer, example in zip(answers, examples, strict=True):
        got = {(entity.start, entity.end, entity.label) for entity in answer}
        want = {(span.start, span.end, span.label) for span in example.spans}
        for counter, keys in ((right, got & want), (found, got), (wanted, want)):
            _count(counter, keys)
    return {name: Score(right[name], found[name], wanted[name]) for name in ("all", *LABELS)}


def _count(counter: Counter[str], keys: set[Key]) -> None:
    counter.update(label for _, _, label in keys)
    counter["all"] += len(keys)


def report(scores: dict[str, Score]) -> str:
    """Return a short table."""
    rows = [f"{'label':8} {'F1':>6} {'prec.':>6} {'recall':>6} {'wanted':>6}"]
    rows += [
        f"{name:8} {one.f1:6.3f} {one.precision:6.3f} {one.recall:6.3f} {one.wanted:6d}"
        for name, one in scores.items()
    ]
    return "\n".join(rows)
