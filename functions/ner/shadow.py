"""Shadow: a sample of live requests is asked again of a candidate, and only numbers leave this process.

Off unless `NER_SHADOW_SHARE` says which share of requests is remembered, the newest 64 of them, in
memory. A rollout then asks for a comparison with its candidate, which must be a tag of this very
Service. The replay (`replay`) has no side effects: finding entities changes nothing, and a request
that says `x-shadow` is not remembered again. Texts are neither returned nor, unless
`NER_SHADOW_REDACT` is `false`, logged. Pure, but for the log.
"""

import logging
import random
import re
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from functions.ner.decode import Entity
from functions.runtime.errors import Invalid, NotFound

HEADER = "x-shadow"
KEPT = 64
_LOG = logging.getLogger(__name__)

Found = frozenset[tuple[int, int, str]]


@dataclass(slots=True)
class Comparison:
    """How far the candidate's answers to remembered requests are those that were given.

    `labels` counts the entities of each label that both found, or one alone.
    """

    compared: int = 0
    failed: int = 0
    labels: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, ours: Found, theirs: Found) -> None:
        """Count one text."""
        for who, entities in (
            ("both", ours & theirs),
            ("stable", ours - theirs),
            ("candidate", theirs - ours),
        ):
            for _, _, label in entities:
                self.labels.setdefault(label, Counter())[who] += 1

    def to_json(self) -> dict[str, Any]:
        """Return the numbers; `agreement` is the F1 between both, 1 where neither found anything."""
        total = sum(self.labels.values(), Counter[str]())
        each = 2 * total["both"] + total["stable"] + total["candidate"]
        return {
            "compared": self.compared,
            "failed": self.failed,
            "agreement": 2 * total["both"] / each if each else 1.0,
            "labels": {label: dict(counts) for label, counts in sorted(self.labels.items())},
        }


@dataclass(frozen=True, slots=True)
class Shadow:
    """Remembers a `share` of the requests of `service`."""

    share: float = 0.0
    redact: bool = True
    service: str = ""
    draw: Callable[[], float] = random.random
    kept: deque[tuple[tuple[str, ...], tuple[Found, ...]]] = field(
        default_factory=lambda: deque(maxlen=KEPT)
    )

    def remember(self, texts: Sequence[str], found: Sequence[Sequence[Entity]]) -> None:
        """Keep one answered request, if it is drawn."""
        if self.share and self.draw() < self.share:
            answers = (frozenset((e.start, e.end, e.label) for e in each) for each in found)
            self.kept.append((tuple(texts), tuple(answers)))

    def address(self, wanted: object) -> str:
        """Check that an address is a tag of this Service: nobody else is sent what users asked."""
        if not self.share:
            raise NotFound("NER_SHADOW_SHARE is not set: nothing is remembered")
        tag = rf"http://[a-z0-9-]+-{re.escape(self.service)}\.[a-z0-9-]+\.svc\.cluster\.local"
        if not isinstance(wanted, str) or not self.service or not re.fullmatch(tag, wanted):
            raise Invalid("address: must be a tag's address of this Service")
        return wanted

    def tell(self, text: str, ours: Found, theirs: Found) -> None:
        """Log one difference."""
        shown = f"{len(text)} characters" if self.redact else repr(text)
        _LOG.info("shadow: %s, stable %s, candidate %s", shown, sorted(ours), sorted(theirs))
