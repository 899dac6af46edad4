"""The checkpoint itself, run by torch and transformers: for a GPU, or without a prepared form.

Its answers are those of the prepared form within the parity that the manifest records; on a GPU it
computes in bfloat16.
"""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModel, AutoModelForTokenClassification
from transformers.utils import logging

from functions.runtime.encoder import Output, Tokens


class TorchEncoder:
    """A transformers model; what it is for is read from the checkpoint's config."""

    name = "torch"
    proven = False

    def __init__(self, path: Path, threads: int, device: str) -> None:
        if threads:
            torch.set_num_threads(threads)
        logging.disable_progress_bar()
        config = AutoConfig.from_pretrained(path)
        self._classifies = _classifies_tokens(config)
        # Others count places from elsewhere, or take none; and a mask of pairs is read by SDPA.
        self.packs = self._classifies and config.model_type == "bert"
        kind = AutoModelForTokenClassification if self._classifies else AutoModel
        attention = {"attn_implementation": "sdpa"} if self.packs else {}
        self._device = torch.device(device)
        self._model = kind.from_pretrained(path, **attention).eval().to(self._device)

    def run(self, input_ids: Tokens, attention_mask: Tokens, token_type_ids: Tokens) -> Output:
        """Run one padded batch; a mask above 1 says that rows hold several texts."""
        texts = torch.from_numpy(attention_mask).to(self._device)
        inputs = {
            "input_ids": torch.from_numpy(input_ids).to(self._device),
            "token_type_ids": torch.from_numpy(token_type_ids).to(self._device),
            **(_packed(texts) if attention_mask.max() > 1 else {"attention_mask": texts}),
        }
        with torch.inference_mode(), self._precision():
            output = self._model(**inputs)
            found = output.logits if self._classifies else _pool(output, texts)
        return np.asarray(found.float().cpu().numpy(), dtype=np.float32)

    def _precision(self) -> Any:
        if self._device.type == "cpu":
            return contextlib.nullcontext()
        return torch.autocast(self._device.type, dtype=torch.bfloat16)


def _classifies_tokens(config: Any) -> bool:
    architectures = config.architectures or []
    return any(name.endswith("ForTokenClassification") for name in architectures)


def _packed(texts: Any) -> dict[str, Any]:
    """Let a token see those of its own text alone, and count its place from where that begins."""
    same = texts[:, :, None] == texts[:, None, :]
    places = torch.arange(texts.shape[1], device=texts.device)
    return {"attention_mask": same[:, None], "position_ids": places - same.int().argmax(-1)}


def _pool(output: Any, attention_mask: Any) -> Any:
    """Take the mean over real tokens, scaled to length one."""
    mask = attention_mask.unsqueeze(-1).float()
    mean = (output.last_hidden_state * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
    return torch.nn.functional.normalize(mean)
