"""A transformers checkpoint that writes text: a causal or a seq2seq model, in safetensors. Blocking.

Heavy: importing this imports torch. What a document says stays data down to the tokens: a text that
spells one of the model's control tokens would otherwise end the user's message and begin another.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    MaxTimeCriteria,
    StoppingCriteriaList,
)
from transformers.utils import logging

from functions.inference.answerers import NotAnswered

MOST_TOKENS = 120
"""Of a reply; three sentences."""
DEFAULT_CONTEXT = 1024
"""Tokens a model reads where its checkpoint does not say."""


class Checkpoint:
    """An open checkpoint; one thread at a time."""

    def __init__(self, folder: Path) -> None:
        logging.disable_progress_bar()
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        self._seq2seq = bool(config.is_encoder_decoder)
        kind = AutoModelForSeq2SeqLM if self._seq2seq else AutoModelForCausalLM
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model = kind.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
        ).eval()
        self._context = int(getattr(config, "max_position_embeddings", None) or DEFAULT_CONTEXT)
        added = {*self._tokenizer.all_special_tokens, *self._tokenizer.get_added_vocab()}
        self._control = sorted(token for token in added if len(token) > 1)

    def fits(self, chat: Sequence[dict[str, str]]) -> bool:
        """Tell whether the model reads all of it and has room for a reply."""
        room = 0 if self._seq2seq else MOST_TOKENS
        return len(self._tokenizer(self.prompt(chat))["input_ids"]) + room <= self._context

    def prompt(self, chat: Sequence[dict[str, str]]) -> str:
        """Return what the model reads, by its own chat template if it has one."""
        tame = [{**message, "content": self._tamed(message["content"])} for message in chat]
        if self._tokenizer.chat_template:
            text = self._tokenizer.apply_chat_template(
                tame, tokenize=False, add_generation_prompt=True
            )
            return str(text)
        return "\n\n".join([*(message["content"] for message in tame), "Answer:"])

    def reply(self, chat: Sequence[dict[str, str]], seconds: float) -> str:
        """Return the reply; raises NotAnswered when it does not end in time or in length."""
        deadline = time.monotonic() + seconds
        inputs = self._tokenizer(self.prompt(chat), return_tensors="pt")
        inputs.pop("token_type_ids", None)
        with torch.inference_mode():
            output = self._model.generate(
                **inputs,
                do_sample=False,
                max_new_tokens=MOST_TOKENS,
                pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id,
                stopping_criteria=StoppingCriteriaList([MaxTimeCriteria(seconds)]),
            )[0]
        said = output if self._seq2seq else output[inputs["input_ids"].shape[1] :]
        if time.monotonic() >= deadline:
            raise NotAnswered(f"it did not answer within {seconds:g} s")
        return self._whole(said)

    def _whole(self, said: Any) -> str:
        if int(said[-1]) not in self._ends():
            raise NotAnswered(f"its answer is longer than {MOST_TOKENS} tokens")
        return str(self._tokenizer.decode(said, skip_special_tokens=True)).strip()

    def _ends(self) -> set[int]:
        ends = self._model.generation_config.eos_token_id
        return set(ends) if isinstance(ends, list) else {ends, self._tokenizer.eos_token_id}

    def _tamed(self, content: str) -> str:
        """Write the first character of each control token as JSON may write it: it means the same."""
        for token in self._control:
            content = content.replace(token, f"\\u{ord(token[0]):04x}{token[1:]}")
        return content
