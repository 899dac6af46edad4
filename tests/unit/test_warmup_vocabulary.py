"""A tokenizer that was laid out anew reads as the one that it was made of."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from functions.runtime.tokenizing import open_tokenizer
from tests.support.tiny_bert import write_ner
from warmup import vocabulary
from warmup.checkpoint import UnpreparableError
from warmup.prepare import prepare

TEXT = "Nestlé AG, 北京 🙂 rose"


def test_the_vocabulary_is_sorted_and_says_the_same(tmp_path: Path) -> None:
    folder = write_ner(tmp_path / "ner")
    source, target = folder / "tokenizer.json", tmp_path / "quick.json"
    vocabulary.write(source, target)
    words = list(json.loads(target.read_text())["model"]["vocab"])
    assert words == sorted(words)
    assert len(target.read_bytes()) <= len(source.read_bytes())
    both = [Tokenizer.from_file(str(path)) for path in (source, target)]
    assert both[0].to_str() == both[1].to_str()
    assert both[0].encode(TEXT).ids == both[1].encode(TEXT).ids


def test_the_one_that_was_prepared_is_opened_and_the_checkpoints_own_without_it(
    tmp_path: Path,
) -> None:
    folder = write_ner(tmp_path / "ner")
    prepare(folder, "token-classification")
    want = open_tokenizer(folder).to_str()
    own = (folder / "tokenizer.json").read_bytes()
    (folder / "tokenizer.json").unlink()
    assert open_tokenizer(folder).to_str() == want
    (folder / "tokenizer.json").write_bytes(own)
    (folder / "onnx" / "tokenizer.json").unlink()
    assert open_tokenizer(folder).to_str() == want


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"model": {}}', b"\xff", b'{"model": 7}'])
def test_what_is_no_tokenizer_cannot_be_prepared(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "tokenizer.json"
    source.write_bytes(content)
    with pytest.raises(UnpreparableError, match="cannot be read"):
        vocabulary.write(source, tmp_path / "quick.json")
