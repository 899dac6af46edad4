"""A node keeps in memory what the next start would read, and nothing of releases that nobody starts."""

import json
import os
from pathlib import Path

from warmup import node


def release(root: Path, name: str, version: str, written: int) -> Path:
    digest = f"{name}-{version}"
    entry = root / "entries" / digest
    (entry / "onnx").mkdir(parents=True)
    for file in ("onnx/model.onnx", "tokenizer.json", "model.safetensors"):
        (entry / file).write_text(file)
    record = root / "versions" / name / f"{version}.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"digest": f"sha256:{digest}"}))
    os.utime(record, (written, written))
    return entry


def test_the_newest_two_releases_of_each_model_are_kept_in_their_prepared_form(
    tmp_path: Path,
) -> None:
    old, one, two = (release(tmp_path, "ner", f"1.{n}.0", n) for n in range(3))
    other = release(tmp_path, "embedder", "1.0.0", 0)
    found = list(node.files(tmp_path))
    for entry in (one, two, other):
        assert {entry / "tokenizer.json", entry / "onnx/model.onnx"} <= set(found)
        assert entry / "model.safetensors" not in found
    assert not [path for path in found if old in path.parents]


def test_a_damaged_record_and_a_release_that_is_gone_are_passed_over(tmp_path: Path) -> None:
    release(tmp_path, "ner", "1.0.0", 0)
    folder = tmp_path / "versions" / "ner"
    (folder / "2.0.0.json").write_text("{")
    (folder / "3.0.0.json").write_text('{"digest": "sha256:gone"}')
    assert list(node.files(tmp_path)) == []  # both are newer, and neither can be read
    (folder / "2.0.0.json").unlink()
    assert len(list(node.files(tmp_path))) == 2


def test_an_empty_cache_has_nothing_to_read(tmp_path: Path) -> None:
    assert list(node.files(tmp_path)) == []
