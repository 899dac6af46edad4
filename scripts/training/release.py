"""A trained model becomes a release folder: checkpoint, tokenizer, golden set, prepared form.

`release.json` is written last and the folder appears by one rename, so a folder that exists is
complete and is not made again.
"""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from functions.ner.model import Options, open_model
from functions.runtime.backends import INT8, Form
from scripts.training.evaluate import Score, evaluate
from scripts.training.examples import Example, golden
from scripts.training.recipes import Recipe
from scripts.training.train import BASE, tokenizer
from warmup.prepare import prepare_or_say

TASK = "token-classification"


def build(recipe: Recipe, model: Any, folder: Path, threads: int) -> dict[str, Score]:
    """Write the release of `model` to `folder`; returns its scores on the golden set."""
    fresh = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    examples = golden()
    model.save_pretrained(fresh)
    (fresh / "model.safetensors").chmod(0o644)  # it is written for its owner alone
    _write_tokenizer(fresh)
    _write_golden(fresh, examples)
    parity, labels = prepare_or_say(fresh, TASK)
    scores = evaluate(open_model(fresh, Options(threads=threads)), examples)
    metrics = {**_metrics(scores), **parity, "training_steps": recipe.steps}
    if (fresh / INT8).exists():
        eight = Options(threads=threads, form=Form(int8=True))
        metrics |= _lost(scores["all"], evaluate(open_model(fresh, eight), examples)["all"])
    _write_json(fresh / "release.json", {**_record(recipe, metrics), "labels": labels})
    fresh.rename(folder)
    return scores


def _lost(full: Score, eight: Score) -> dict[str, float]:
    """Say what eight-bit weights cost in quality."""
    loss = full.f1 - eight.f1
    return {"golden_f1_int8": round(eight.f1, 4), "golden_f1_int8_loss": round(loss, 4)}


def _record(recipe: Recipe, metrics: dict[str, float]) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": "ner",
        "version": recipe.version,
        "task": TASK,
        "framework": "transformers",
        "service": "ner",
        "golden": "golden.jsonl",
        "metrics": metrics,
    }


def _metrics(scores: dict[str, Score]) -> dict[str, float]:
    whole = scores["all"]
    named = {f"golden_f1_{name.lower()}": one.f1 for name, one in scores.items() if name != "all"}
    found = {
        "golden_f1": whole.f1,
        "golden_precision": whole.precision,
        "golden_recall": whole.recall,
        **named,
    }
    return {name: round(value, 4) for name, value in found.items()}


def _write_tokenizer(folder: Path) -> None:
    tokenizer().save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "model_max_length": 512,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")},
    }
    _write_json(folder / "tokenizer_config.json", settings)
    shutil.copyfile(BASE / "vocab.txt", folder / "vocab.txt")


def _write_golden(folder: Path, examples: list[Example]) -> None:
    lines = [
        json.dumps(
            {"text": one.text, "entities": [asdict(span) for span in one.spans]},
            ensure_ascii=False,
        )
        for one in examples
    ]
    (folder / "golden.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
