"""The same pipeline behind LitServe."""  # noqa: INP001 - a program of its own

import os
from typing import Any

import litserve
from transformers import pipeline


class Ner(litserve.LitAPI):  # type: ignore[misc] # it ships no types
    """One worker, one model."""

    def setup(self, _device: str) -> None:
        """Load the model."""
        folder = os.environ["MODEL_FOLDER"]
        self.ner = pipeline("token-classification", model=folder, aggregation_strategy="simple")

    def decode_request(self, request: Any) -> Any:
        """Read `{"texts": [...]}`."""
        return request["texts"]

    def predict(self, texts: Any) -> Any:
        """Run the model."""
        return self.ner(texts)

    def encode_response(self, output: Any) -> dict[str, list[str]]:
        """Answer as text, which JSON can hold."""
        return {"results": [str(found) for found in output]}


if __name__ == "__main__":
    server = litserve.LitServer(Ner(), accelerator="cpu")
    server.run(port=int(os.environ["PORT"]), generate_client_file=False)
