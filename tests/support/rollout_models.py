"""Released models for the rollout's world: a golden set in the cache, and what the model finds in it."""

import json

from functions.registry.manifest import FileEntry, build
from tests.support.rollout_world import World

RIGHT = [{"start": 0, "end": 4, "label": "ORG"}]


def publish(world: World, name: str, entities: list[dict[str, object]]) -> str:
    """Put a release into the model cache; its model finds `entities` in every text."""
    content = name.encode().hex().ljust(64, "0")[:64]
    head = {
        "schema": 1,
        "name": "ner",
        "version": "1.0.0",
        "task": "token-classification",
        "framework": "onnx",
        "service": "ner",
        "labels": {},
        "golden": "golden.jsonl",
        "metrics": {},
    }
    manifest = build(head, [FileEntry("golden.jsonl", 3, content)], "2026-01-01T00:00:00Z")
    entry = world.cache / "entries" / manifest.digest.removeprefix("sha256:")
    entry.mkdir(parents=True, exist_ok=True)
    (entry / "model_config.json").write_bytes(manifest.to_bytes())
    (entry / "golden.jsonl").write_text(json.dumps({"text": "Acme", "entities": RIGHT}))
    world.entities[manifest.digest] = entities
    return manifest.digest
