"""The releases that the demo tells its story with, how each is trained, and why; and one's own.

Steps are few because a person waits for them; each step sees new sentences, so more steps are
more variety as well as more learning.
"""

from dataclasses import dataclass, replace

from functions.registry.version import Version


@dataclass(frozen=True, slots=True)
class Recipe:
    """`steps` of `batch` sentences; `corrupted` spoils the labels as a broken export would."""

    version: str
    steps: int
    batch: int = 32
    rate: float = 5e-4
    seed: int = 20
    corrupted: bool = False

    @property
    def name(self) -> str:
        """Name of the release folder."""
        return f"ner-v{self.version}"


RECIPES = (
    Recipe("1.0.0", steps=16),  # a first try: works, visibly weak
    Recipe("1.1.0", steps=250),  # the same, trained properly
    Recipe("1.2.0", steps=60, corrupted=True),  # what a bad data set does
)
STEPS = 250
"""Of a version that is not the demo's, unless it is said."""


def recipe(version: str, steps: int | None = None, batch: int | None = None) -> Recipe:
    """Return the demo's recipe for a version, or one of one's own; ValueError for no version."""
    Version.parse(version)
    known = {one.version: one for one in RECIPES}
    base = known.get(version, Recipe(version, STEPS))
    return replace(base, steps=steps or base.steps, batch=batch or base.batch)
