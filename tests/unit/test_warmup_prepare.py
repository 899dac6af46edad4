"""The prepared form says what the checkpoint says, or it is not there."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from safetensors.numpy import load_file, save_file

from functions.runtime.backends import open_encoder
from tests.support.tiny_bert import HIDDEN, TAGS, write_embedder, write_ner
from warmup import bert_graph, parity
from warmup.checkpoint import UnpreparableError, read_safetensors
from warmup.prepare import prepare

NER, EMBED = "token-classification", "feature-extraction"


def tensors(*lengths: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ids = np.full((len(lengths), max(lengths)), 7, np.int64)
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    return ids * mask, mask, np.zeros_like(ids)


def test_a_prepared_classifier_has_the_checkpoints_logits(tmp_path: Path) -> None:
    folder = write_ner(tmp_path / "ner")
    form = prepare(folder, NER)
    assert form.parity.texts == 2
    assert form.parity.max_abs < 1e-4
    assert form.parity.agreement == 1
    assert all((folder / name).stat().st_size for name in form.files)
    assert form.metrics()["parity_agreement"] == 1


def test_a_prepared_embedder_is_pooled_over_real_tokens_and_has_length_one(tmp_path: Path) -> None:
    folder = write_embedder(tmp_path / "embedder")
    assert prepare(folder, EMBED).parity.max_abs < 1e-4
    encoder = open_encoder(folder, threads=1)
    both = encoder.run(*tensors(9, 3))
    assert both.shape == (2, HIDDEN)
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(encoder.run(*tensors(3))[0], both[1], atol=1e-5)


def test_both_backends_say_the_same(tmp_path: Path) -> None:
    for task, folder in ((NER, write_ner(tmp_path / "n")), (EMBED, write_embedder(tmp_path / "e"))):
        slow = open_encoder(folder, threads=1)
        prepare(folder, task)
        quick = open_encoder(folder, threads=1)
        assert (slow.name, quick.name) == ("torch", "onnxruntime")
        ids, mask, types = tensors(12, 5)
        got, want = quick.run(ids, mask, types), slow.run(ids, mask, types)
        real = mask == 1 if task == NER else slice(None)
        np.testing.assert_allclose(got[real], want[real], atol=1e-4)


def test_preparing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = write_ner(tmp_path / "ner")
    first = [(folder / name).read_bytes() for name in prepare(folder, NER).files]
    assert [(folder / name).read_bytes() for name in prepare(folder, NER).files] == first


def test_weights_lie_on_page_borders(tmp_path: Path) -> None:
    folder = write_ner(tmp_path / "ner")
    prepare(folder, NER)
    graph = onnx.load(folder / "onnx" / "model.onnx", load_external_data=False).graph
    offsets = [
        int(entry.value)
        for tensor in graph.initializer
        for entry in tensor.external_data
        if entry.key == "offset"
    ]
    assert offsets
    assert all(offset % 4096 == 0 for offset in offsets)


def test_both_graphs_point_at_the_same_weights_and_say_the_same(tmp_path: Path) -> None:
    folder = write_ner(tmp_path / "ner")
    prepare(folder, NER)
    forms = [folder / "onnx" / name for name in ("model.onnx", "model.steady.onnx")]
    weights = [
        {
            tensor.name: [(entry.key, entry.value) for entry in tensor.external_data]
            for tensor in onnx.load(form, load_external_data=False).graph.initializer
        }
        for form in forms
    ]
    assert weights[0] == weights[1]
    feeds = dict(zip(bert_graph.INPUTS, tensors(9, 3), strict=True))
    quick, steady = (onnxruntime.InferenceSession(form).run(None, feeds)[0] for form in forms)
    np.testing.assert_allclose(quick, steady, atol=1e-5)


def test_no_share_of_attention_is_a_number_that_a_processor_is_slow_with(tmp_path: Path) -> None:
    folder = write_ner(tmp_path / "ner")
    prepare(folder, NER)
    form = folder / "onnx" / "model.steady.onnx"
    model = onnx.load(form)
    kept = [node.output[0] for node in model.graph.node if node.op_type == "Softmax"]
    for name in kept:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    feeds = dict(zip(bert_graph.INPUTS, tensors(9, 3), strict=True))
    for shares in session.run(kept, feeds):
        assert shares.min() >= np.finfo(np.float32).tiny
        np.testing.assert_allclose(shares.sum(-1), 1, rtol=1e-5)
        assert shares[1, :, :3, 3:].max() < 1e-30  # what the short row's tokens see of its padding


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"model_type": "roberta"}, "model_type"),
        ({"position_embedding_type": "relative_key"}, "position"),
        ({"num_hidden_layers": 3}, "no weight"),
    ],
)
def test_what_is_not_plain_bert_is_refused_and_nothing_is_left(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    folder = write_ner(tmp_path / "ner")
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    before = sorted(folder.iterdir())
    with pytest.raises(UnpreparableError, match=reason):
        prepare(folder, NER)
    assert sorted(folder.iterdir()) == before


def test_an_unknown_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnpreparableError, match="summarization"):
        prepare(write_ner(tmp_path / "ner"), "summarization")


@pytest.mark.parametrize("cut", [0, 7, 40, -9])
def test_a_torn_checkpoint_is_refused(tmp_path: Path, cut: int) -> None:
    folder = write_ner(tmp_path / "ner")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:cut])
    with pytest.raises(UnpreparableError, match="not a readable"):
        prepare(folder, NER)


def test_a_form_that_is_too_far_from_the_checkpoint_is_thrown_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_ner(tmp_path / "ner")
    far = parity.Parity(texts=2, max_abs=0.5, agreement=0.9)
    monkeypatch.setattr(parity, "measure", lambda *_: far)
    with pytest.raises(UnpreparableError, match="too far"):
        prepare(folder, NER)
    assert not (folder / "onnx").exists()


def test_half_precision_weights_are_read_as_they_are(tmp_path: Path) -> None:
    values = np.array([[1.5, -2.25], [0.0, 4.0]], np.float16)
    save_file({"bert.a": values}, tmp_path / "half.safetensors")
    np.testing.assert_array_equal(read_safetensors(tmp_path / "half.safetensors")["a"], values)
    assert list(load_file(tmp_path / "half.safetensors")) == ["bert.a"]


def test_the_tags_of_the_tiny_model_are_those_of_its_config() -> None:
    assert len(TAGS) == 7
