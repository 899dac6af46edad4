"""The same pipeline behind KServe's Python SDK."""  # noqa: INP001 - a program of its own

import os
from typing import Any

from kserve import Model, ModelServer
from transformers import pipeline


class Ner(Model):  # type: ignore[misc] # it ships no types
    """One model, loaded before the server listens."""

    def __init__(self) -> None:
        super().__init__("ner")
        folder = os.environ["MODEL_FOLDER"]
        self.ner = pipeline("token-classification", model=folder, aggregation_strategy="simple")
        self.ready = True

    def predict(self, payload: Any, *_args: Any, **_more: Any) -> dict[str, list[str]]:
        """Answer `{"instances": [...]}`."""
        return {"predictions": [str(found) for found in self.ner(payload["instances"])]}


if __name__ == "__main__":
    ModelServer(http_port=int(os.environ["PORT"]), enable_grpc=False).start([Ner()])
