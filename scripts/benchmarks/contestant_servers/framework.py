"""What most teams ship: functions-framework around a transformers pipeline."""  # noqa: INP001 - a program of its own

import os
from typing import Any

import functions_framework
from transformers import pipeline

ner = pipeline(
    "token-classification", model=os.environ["MODEL_FOLDER"], aggregation_strategy="simple"
)


@functions_framework.http  # type: ignore[untyped-decorator] # it ships no types
def main(request: Any) -> Any:
    """Answer `{"texts": [...]}`."""
    found = ner(request.get_json()["texts"])
    return {
        "results": [
            [{**one, "score": float(one["score"])} for one in entities] for entities in found
        ]
    }
