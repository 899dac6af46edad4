"""The same pipeline behind KServe's Python SDK."""  # noqa: INP001 - a program of its own

import os
from typing import Any

from kserve import Model, ModelServer
from plain import Found, Ner


class Server(Model):  # type: ignore[misc] # it ships no types
    """One model, loaded before the server listens."""

    def __init__(self) -> None:
        super().__init__("ner")
        self.ner = Ner()
        self.ready = True

    def predict(self, payload: Any, *_args: Any, **_more: Any) -> dict[str, Found]:
        """Answer `{"instances": [...]}`."""
        return {"predictions": self.ner(payload["instances"])}


if __name__ == "__main__":
    ModelServer(http_port=int(os.environ["PORT"]), enable_grpc=False).start([Server()])
