"""The same pipeline behind LitServe."""  # noqa: INP001 - a program of its own

import os
from typing import Any

import litserve
from plain import Found, Ner
from starlette.requests import Request


class Server(litserve.LitAPI):  # type: ignore[misc] # it ships no types
    """One worker, one model."""

    def setup(self, _device: str) -> None:
        """Load the model."""
        self.ner = Ner()

    def decode_request(self, request: Request) -> Any:
        """Read `{"texts": [...]}`; LitServe hands over the body, but reads the annotation."""
        return request["texts"]

    def predict(self, texts: Any) -> Any:
        """Run the model."""
        return self.ner(texts)

    def encode_response(self, output: Any) -> dict[str, Found]:
        """Answer as the others do."""
        return {"results": output}


if __name__ == "__main__":
    server = litserve.LitServer(Server(), accelerator="cpu")
    server.run(port=int(os.environ["PORT"]), generate_client_file=False)
