"""Whether a server found what there is to find, whatever its protocol wraps entities in."""

import json
from collections.abc import Iterator, Mapping

from scripts.benchmarks.bert_base import ENTITIES, TEXT
from scripts.benchmarks.harness import CannotMeasure


def check(name: str, answer: object) -> None:
    """Raise CannotMeasure unless the answer to TEXT has exactly its entities."""
    found = {(label, TEXT[start:end]) for label, start, end in spans(answer)}
    if found != ENTITIES:
        raise CannotMeasure(f"{name} finds {sorted(found)}, not {sorted(ENTITIES)}")


def spans(answer: object) -> Iterator[tuple[str, int, int]]:
    """Yield label, start and end of the entities in an answer."""
    if isinstance(answer, str) and answer.startswith("["):
        yield from spans(json.loads(answer))  # an element of a BYTES tensor
    elif isinstance(answer, Mapping) and "start" in answer:
        yield answer.get("label") or answer["entity_group"], answer["start"], answer["end"]
    elif isinstance(answer, Mapping | list):
        for part in answer.values() if isinstance(answer, Mapping) else answer:
            yield from spans(part)
