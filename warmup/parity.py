"""How far the prepared form is from its checkpoint: both are run on the same texts and compared.

The reference is transformers' own implementation of the checkpoint, so an error in the graph that
is built here cannot hide behind itself.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import tokenizers

from warmup.bert_graph import INPUTS, OUTPUTS
from warmup.checkpoint import Array, Checkpoint

TEXTS = (  # for a release without a golden set: short, long, other scripts, empty
    "Nestlé raised its 2024 outlook after organic growth of 4.2 percent in Vevey.",
    "Who leads the market for heat pumps in Poland?",
    "半導体の売上高は前年比で増加した。",
    "",
    "Demand softened. " * 40,
)
MOST_TEXTS = 128
BATCH = 16
COSINE = 0.9999
PROBE = 16  # tokens, spread over the vocabulary


@dataclass(frozen=True, slots=True)
class Parity:
    """`max_abs`: largest difference of any number; `agreement`: share of equal decisions.

    A decision is the label of a token, or, for an embedder, a cosine above 0.9999.
    """

    texts: int
    max_abs: float
    agreement: float


@dataclass(frozen=True, slots=True)
class _Batch:
    input_ids: Any
    attention_mask: Any

    def feeds(self) -> dict[str, Any]:
        return dict(
            zip(INPUTS, (self.input_ids, self.attention_mask, self.input_ids * 0), strict=True)
        )


def measure(folder: Path, task: str, checkpoint: Checkpoint, *models: Path) -> Parity:
    """Run the checkpoint and `models` on the golden texts of `folder`; the parity of all together."""
    texts = golden_texts(folder)
    batches = _batches(folder, texts, int(checkpoint.config["max_position_embeddings"]))
    providers = ["CPUExecutionProvider"]
    sessions = [onnxruntime.InferenceSession(model, providers=providers) for model in models]
    reference = _reference(folder, task, normalise=checkpoint.normalise)
    worst, agreed, decisions = 0.0, 0, 0
    for batch in batches:
        real = batch.attention_mask == 1 if task == "token-classification" else ...
        want = reference(batch)[real]
        for session in sessions:
            got = session.run([OUTPUTS[task]], batch.feeds())[0][real]
            worst = max(worst, float(np.abs(got - want).max()))
            agreed += int(_agree(task, got, want).sum())
            decisions += len(got)
    return Parity(len(texts), worst, agreed / decisions)


def probe(folder: Path, task: str, checkpoint: Checkpoint) -> dict[str, Any]:
    """Return a question and the checkpoint's answer: what a session is asked before it serves.

    Computed in float64 and rounded, so that every machine writes the same bytes.
    """
    ids = np.linspace(0, checkpoint.config["vocab_size"] - 1, PROBE, dtype=np.int64)[None]
    reference = _reference(folder, task, normalise=checkpoint.normalise, double=True)
    answer = reference(_Batch(ids, np.ones_like(ids)))
    return {"input_ids": ids.tolist(), "output": np.round(answer, 4).tolist()}


def golden_texts(folder: Path) -> list[str]:
    """Read `text` from each line of the release's golden set; without one, texts of our own."""
    path = folder / "golden.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    records = [json.loads(line) for line in lines if line.strip()]
    texts = [record["text"] for record in records if isinstance(record.get("text"), str)]
    return (texts or list(TEXTS))[:MOST_TEXTS]


def _agree(task: str, got: Array, want: Array) -> Any:
    if task == "token-classification":
        return got.argmax(-1) == want.argmax(-1)
    norms = np.linalg.norm(got, axis=-1) * np.linalg.norm(want, axis=-1)
    return (got * want).sum(-1) >= COSINE * norms


def _batches(folder: Path, texts: list[str], longest: int) -> list[_Batch]:
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(longest)
    tokenizer.enable_padding()
    ordered = sorted(texts, key=len)
    return [
        _Batch(
            np.array([one.ids for one in encoded], dtype=np.int64),
            np.array([one.attention_mask for one in encoded], dtype=np.int64),
        )
        for start in range(0, len(ordered), BATCH)
        if (encoded := tokenizer.encode_batch(ordered[start : start + BATCH]))
    ]


def _reference(folder: Path, task: str, *, normalise: bool, double: bool = False) -> Any:
    """Run what transformers makes of the checkpoint; imported here because it takes seconds."""
    import torch  # noqa: PLC0415 - only a release being prepared pays for this import
    from transformers import BertForTokenClassification, BertModel  # noqa: PLC0415 - as above
    from transformers.utils import logging  # noqa: PLC0415 - as above

    logging.disable_progress_bar()  # six megabytes a layer need none

    kind = BertForTokenClassification if task == "token-classification" else BertModel
    model = kind.from_pretrained(folder).eval()
    model = model.double() if double else model

    @torch.inference_mode()  # type: ignore[untyped-decorator] # torch is read as Any
    def run(batch: _Batch) -> Any:
        tensors = {name: torch.from_numpy(value) for name, value in batch.feeds().items()}
        output = model(**tensors)
        if task == "token-classification":
            return output.logits.numpy()
        mask = tensors["attention_mask"].unsqueeze(-1).to(output.last_hidden_state.dtype)
        mean = (output.last_hidden_state * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return (torch.nn.functional.normalize(mean) if normalise else mean).numpy()

    return run
