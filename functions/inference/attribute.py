"""A reply that names no source → the sources that say what it says, or none. Pure.

Small models seldom put a number behind a statement. A source is named for each sentence of a reply
that has nearly all of its words, those of the question aside; if one has none, nothing is named.
"""

import re
from collections.abc import Sequence

from functions.index.chunks import sentences
from functions.inference.words import words

ENOUGH = 0.75
"""What share of a sentence's words one source has to hold."""
_END = re.compile(r"\s*([.!?]*)\s*$")


def attributed(question: str, reply: str, sources: Sequence[str]) -> str:
    """Return the reply with a marker at each sentence; as it is unless all have a source."""
    held = [words(source) for source in sources]
    spoken = [reply[span.start : span.end] for span in sentences(reply)]
    places = [_holder(words(text) - words(question), held) for text in spoken]
    if None in places:
        return reply
    return " ".join(
        _END.sub(rf" [{place}]\1", text, count=1)
        for text, place in zip(spoken, places, strict=True)
    )


def _holder(said: frozenset[str], held: Sequence[frozenset[str]]) -> int | None:
    """Return the number, from 1, of the source that holds most, if that is enough."""
    shared = [len(said & words) for words in held]
    most = max(shared, default=0)
    return shared.index(most) + 1 if said and most >= ENOUGH * len(said) else None
