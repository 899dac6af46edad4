"""The same pipeline behind MLServer."""  # noqa: INP001 - a program of its own

import json
import sys
from pathlib import Path

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

sys.path.append(str(Path(__file__).parents[1]))
from plain import Ner


class Server(MLModel):  # type: ignore[misc] # it ships no types
    """One worker, one model."""

    async def load(self) -> bool:
        """Load the model."""
        self.ner = Ner()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a BYTES tensor of texts with one of JSON."""
        found = self.ner(StringCodec.decode_input(payload.inputs[0]))
        output = StringCodec.encode_output("entities", [json.dumps(one) for one in found])
        return InferenceResponse(model_name=self.name, outputs=[output])
