"""What most teams ship: functions-framework around a transformers pipeline."""  # noqa: INP001 - a program of its own

import sys
from pathlib import Path
from typing import Any

import functions_framework

sys.path.append(str(Path(__file__).parent))
from plain import Ner

ner = Ner()


@functions_framework.http  # type: ignore[untyped-decorator] # it ships no types
def main(request: Any) -> Any:
    """Answer `{"texts": [...]}`."""
    return {"results": ner(request.get_json()["texts"])}
