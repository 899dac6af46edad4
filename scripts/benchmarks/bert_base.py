"""A release of bert-base's size: every cost of the real one, no download.

Its weights are random, but for the words of one sentence: those it knows, so that a server that
answers wrongly is found out. Made once and kept in the temporary folder, in a model cache of its
own; the tokenizer is the one that the demo models use.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from scripts.benchmarks.harness import CannotMeasure
from scripts.bert_parts import Shape, Sizes, config, dense, norms

TAGS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
SIZES = Sizes(hidden=768, layers=12, heads=12, inner=3072, positions=512, words=30_522)
PLACE = Path(tempfile.gettempdir()) / "marketresearch-bench-bert-base-1.5"
NAME = "bert-base-v1.5.0"
TASK = "token-classification"
TEXT = "Nestlé raised its outlook for 2024 by 4.2 % in Vevey, Mark Schneider said on Thursday."
ENTITIES = {("ORG", "Nestlé"), ("LOC", "Vevey"), ("PER", "Mark Schneider")}
KNOWN = {
    "B-ORG": "nest",
    "I-ORG": "##le",
    "B-LOC": "ve",
    "I-LOC": "##vey",
    "B-PER": "mark",
    "I-PER": "schneider",
}
"""The piece of a word that says a tag."""
SPREAD, QUIET, CERTAIN = 0.02, 0.004, 10.0
"""Of weights; of what layers add to a word, so that it is known at the end; a known word's logit."""


@dataclass(frozen=True, slots=True)
class BertBase:
    """The release's folder, and the cache and digest by which ner finds it."""

    folder: Path
    cache: Path
    digest: str


def made() -> BertBase:
    """Return the release; made when it is missing, which takes some seconds."""
    if not PLACE.exists():
        fresh = PLACE.with_suffix(".partial")
        shutil.rmtree(fresh, ignore_errors=True)
        (fresh / NAME).mkdir(parents=True)
        _write(fresh / NAME)
        _cache(fresh)
        fresh.rename(PLACE)
    digest = (PLACE / "digest").read_text()
    return BertBase(PLACE / NAME, PLACE / "cache", digest)


def _cache(fresh: Path) -> None:
    from functions.registry.publish import describe  # noqa: PLC0415 - boto3: only who makes it pays

    manifest = describe(fresh / NAME, datetime.now(UTC))
    (fresh / NAME / "model_config.json").write_bytes(manifest.to_bytes())
    entry = fresh / "cache" / "entries" / manifest.digest.removeprefix("sha256:")
    entry.parent.mkdir(parents=True)
    entry.symlink_to(Path("..") / ".." / NAME)
    (fresh / "digest").write_text(manifest.digest)


def _write(fresh: Path) -> None:
    try:
        from safetensors.numpy import save_file  # noqa: PLC0415 - as above

        from scripts.training.train import tokenizer  # noqa: PLC0415 - torch: only who makes it pays
    except ImportError as error:
        raise CannotMeasure(f"install the extra `train` first: {error}") from error
    described = config(SIZES, TAGS, "BertForTokenClassification")
    (fresh / "config.json").write_text(json.dumps(described))
    words = tokenizer()
    words.save(str(fresh / "tokenizer.json"))
    special = {
        f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")
    }
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, **special}
    (fresh / "tokenizer_config.json").write_text(json.dumps(settings))
    save_file(_weights(words.get_vocab()), fresh / "model.safetensors", metadata={"format": "pt"})
    (fresh / "golden.jsonl").write_text(json.dumps({"text": TEXT, "entities": []}) + "\n")
    head = {"schema": 1, "name": "bert-base", "version": "1.5.0", "task": TASK, "service": "ner"}
    rest = {"framework": "transformers", "golden": "golden.jsonl"}
    (fresh / "release.json").write_text(json.dumps(head | rest))
    _prepare(fresh)


def _prepare(fresh: Path) -> None:
    from warmup import prepare  # noqa: PLC0415 - onnx: only who makes it pays

    form = prepare.prepare(fresh, TASK)
    if form.int8 is None:
        raise CannotMeasure(f"bert-base has no int8 form: {form.without_int8}")


def _weights(vocabulary: Mapping[str, int]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    weights = {
        name: _random(rng, shape, QUIET if "output.dense" in name else SPREAD)
        for name, shape in dense(SIZES, len(TAGS)).items()
    }
    for norm in norms(SIZES):
        weights |= {f"{norm}.weight": np.ones(SIZES.hidden, np.float32)}
        weights |= {f"{norm}.bias": np.zeros(SIZES.hidden, np.float32)}
    _teach(weights, vocabulary)
    return weights


def _teach(weights: dict[str, np.ndarray], vocabulary: Mapping[str, int]) -> None:
    """Let each known piece's own direction say its tag; all else is outside."""
    vectors = weights["bert.embeddings.word_embeddings.weight"]
    weights["classifier.weight"][:] = 0
    weights["classifier.bias"][:] = [CERTAIN / 2, *[0] * (len(TAGS) - 1)]
    for tag, piece in KNOWN.items():
        vector = vectors[vocabulary[piece]]
        scale = CERTAIN / np.linalg.norm(vector) / SIZES.hidden**0.5
        weights["classifier.weight"][TAGS.index(tag)] = vector * scale


def _random(rng: np.random.Generator, shape: Shape, spread: float) -> np.ndarray:
    return (rng.standard_normal(shape, np.float32) * np.float32(spread)).astype(np.float32)
