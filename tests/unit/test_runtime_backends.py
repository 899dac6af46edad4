"""A form that cannot be trusted is passed over for the next slower right one, and says so."""

import json
import logging
import shutil
import sys
import threading
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import onnx
import pytest
from prometheus_client import REGISTRY

from functions.runtime import backends_onnx
from functions.runtime.backends import INT8, PREPARED, Form, open_encoder
from functions.runtime.errors import Unavailable
from functions.runtime.settling import SETTLE_AFTER, Settling
from tests.support.tiny_bert import write_ner
from warmup import forms, int8
from warmup.prepare import prepare

TASK = "token-classification"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_ner(tmp_path_factory.mktemp("release") / "ner")
    lowest, int8.AGREEMENT = int8.AGREEMENT, 0.5  # random weights decide by a hair
    form = prepare(folder, TASK)
    int8.AGREEMENT = lowest
    assert form.int8, form.without_int8
    return folder


@pytest.fixture
def folder(release: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(release, tmp_path / "ner"))


def question(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ids = np.random.default_rng(seed).integers(5, 60, (3, 11))
    return ids, np.ones_like(ids), np.zeros_like(ids)


def question_of(text: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ids = np.array([text])
    return ids, np.ones_like(ids), np.zeros_like(ids)


def fallbacks(form: str, reason: str) -> float:
    found = REGISTRY.get_sample_value(
        "model_fallbacks_total", {"service": "", "revision": "", "form": form, "reason": reason}
    )
    return found or 0.0


def truncated(folder: Path) -> None:
    data = folder / "onnx" / "model.onnx.data"
    data.write_bytes(data.read_bytes()[:-8192])


def scribbled(folder: Path) -> None:
    (folder / PREPARED).write_bytes(b"not a graph")


def with_an_unknown_operator(folder: Path) -> None:
    model = onnx.load(folder / PREPARED, load_external_data=False)
    model.graph.node[-1].op_type = "AddOfTheFuture"
    onnx.save(model, folder / PREPARED)


def with_other_weights(folder: Path) -> None:
    data = folder / "onnx" / "model.onnx.data"
    data.write_bytes(np.roll(np.fromfile(data, np.float32), 1024).tobytes())


def with_no_numbers(folder: Path) -> None:
    data = folder / "onnx" / "model.onnx.data"
    data.write_bytes(np.full(data.stat().st_size // 4, np.nan, np.float32).tobytes())


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncated, "unreadable"),
        (scribbled, "unreadable"),
        (with_an_unknown_operator, "unreadable"),
        (with_other_weights, "parity"),
        (with_no_numbers, "parity"),
    ],
)
def test_a_damaged_form_gives_way_to_the_checkpoint_with_one_line_and_one_count(
    folder: Path, caplog: pytest.LogCaptureFixture, damage: object, reason: str
) -> None:
    want = open_encoder(folder, 1).run(*question())
    before = fallbacks("model.onnx", reason)
    damage(folder)  # type: ignore[operator] # one of the functions above
    with caplog.at_level(logging.WARNING, "functions.runtime.backends"):
        encoder = open_encoder(folder, 1)
    assert encoder.name == "torch"
    np.testing.assert_allclose(encoder.run(*question()), want, atol=1e-4)
    assert fallbacks("model.onnx", reason) == before + 1
    assert len(caplog.records) == 1


def test_a_release_without_a_prepared_form_is_run_by_torch_with_one_line_and_one_count(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = fallbacks("model.onnx", "missing")
    shutil.rmtree(folder / "onnx")
    with caplog.at_level(logging.WARNING, "functions.runtime.backends"):
        assert open_encoder(folder, 1).name == "torch"
    assert fallbacks("model.onnx", "missing") == before + 1
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder.name} has no prepared form"
    ]


def sharing(texts: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lay all texts in one row, and two of padding behind them."""
    ids = np.array([[*chain.from_iterable(texts), 0, 0]])
    numbers = [[number] * len(text) for number, text in enumerate(texts, 1)]
    return ids, np.array([[*chain.from_iterable(numbers), 0, 0]]), np.zeros_like(ids)


@pytest.mark.parametrize("form", [Form(), Form(int8=True), "torch"])
def test_texts_that_share_a_row_are_answered_as_if_each_were_alone(
    folder: Path, form: Form | str
) -> None:
    if isinstance(form, str):
        shutil.rmtree(folder / "onnx")
    encoder = open_encoder(folder, 1, form=form if isinstance(form, Form) else Form())
    assert encoder.packs
    texts = [[7, 8, 9], [10, 11, 12, 13, 14, 15], [16, 7]]
    together = encoder.run(*sharing(texts))[0]
    alone = [encoder.run(*question_of(text))[0] for text in texts]
    want = np.concatenate(alone)
    allowed = 0.2 if form == Form(int8=True) else 1e-5  # eight bits are shared out by what is there
    assert np.linalg.norm(together[:-2] - want) < allowed * np.linalg.norm(want)


def test_another_architecture_gets_a_text_a_row(folder: Path) -> None:
    """RoBERTa, for one, counts places from another number."""
    shutil.rmtree(folder / "onnx")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "roberta", "architectures": ["RobertaForTokenClassification"]}
    (folder / "config.json").write_text(json.dumps(config))
    assert not open_encoder(folder, 1).packs


def test_a_form_that_was_prepared_before_rows_were_shared_says_so(folder: Path) -> None:
    model = onnx.load(folder / PREPARED, load_external_data=False)
    del model.metadata_props[:]
    onnx.save(model, folder / PREPARED)
    encoder = open_encoder(folder, 1)
    assert (encoder.name, encoder.packs) == ("onnxruntime", False)


def test_an_eight_bit_form_is_used_when_wished_and_answers_nearly_the_same(folder: Path) -> None:
    full = open_encoder(folder, 1).run(*question())
    eight = open_encoder(folder, 1, form=Form(int8=True)).run(*question())
    assert not np.array_equal(full, eight)
    assert np.linalg.norm(full - eight) < 0.3 * np.linalg.norm(full)


def test_a_damaged_eight_bit_form_gives_way_to_the_full_one(folder: Path) -> None:
    want = open_encoder(folder, 1).run(*question())
    (folder / INT8).write_bytes(b"")
    encoder = open_encoder(folder, 1, form=Form(int8=True))
    assert encoder.name == "onnxruntime"
    np.testing.assert_array_equal(encoder.run(*question()), want)


def test_without_any_form_that_works_it_is_unavailable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scribbled(folder)
    monkeypatch.setitem(sys.modules, "functions.runtime.backends_torch", None)
    with pytest.raises(Unavailable, match="torch is not installed"):
        open_encoder(folder, 1)


def test_a_release_without_a_probe_is_served(folder: Path) -> None:
    (folder / "onnx" / "check.json").unlink()
    assert open_encoder(folder, 1).name == "onnxruntime"


def test_the_probe_is_the_checkpoints_own_answer(folder: Path) -> None:
    probe = json.loads((folder / "onnx" / "check.json").read_text())
    ids = np.array(probe["input_ids"])
    got = open_encoder(folder, 1).run(ids, np.ones_like(ids), np.zeros_like(ids))
    np.testing.assert_allclose(got, probe["output"], atol=1e-3)


def settled(encoder: Settling) -> None:
    encoder._change.join(timeout=30)
    assert encoder.settled


def test_answers_are_equal_before_during_and_after_the_change(folder: Path) -> None:
    encoder = open_encoder(folder, 1)
    assert isinstance(encoder, Settling)
    want = {
        seed: open_encoder(folder, 1, form=Form(steady=False)).run(*question(seed))
        for seed in range(4)
    }
    wrong: list[int] = []

    def ask(seed: int) -> None:
        answers = (encoder.run(*question(seed)) for _ in range(50))
        wrong.extend(seed for one in answers if not np.allclose(one, want[seed], atol=1e-4))

    encoder.run(*question())
    quick = encoder._current
    threads = [threading.Thread(target=ask, args=(seed,)) for seed in want]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settled(encoder)
    assert wrong == []
    assert encoder._current is not quick


@pytest.mark.parametrize(("earlier", "graph"), [(False, forms.STEADY), (True, forms.QUICK)])
def test_it_changes_to_the_graph_for_packed_weights_where_there_is_one(
    folder: Path, *, earlier: bool, graph: str
) -> None:
    if earlier:
        (folder / forms.FOLDER / forms.STEADY).unlink()
    encoder = open_encoder(folder, 1)
    assert isinstance(encoder, Settling)
    quick, want = encoder._current, encoder.run(*question())
    for _ in range(SETTLE_AFTER):
        encoder.run(*question())
    settled(encoder)
    assert isinstance(encoder._current, backends_onnx.OnnxEncoder)
    assert encoder._current is not quick
    assert Path(encoder._current._session._model_path).name == graph
    np.testing.assert_allclose(encoder.run(*question()), want, atol=1e-4)


def test_the_change_begins_after_the_first_real_answer(folder: Path) -> None:
    encoder = open_encoder(folder, 1)
    assert isinstance(encoder, Settling)
    for _ in range(SETTLE_AFTER - 1):
        encoder.run(*question())
    assert not encoder.settled
    assert encoder._change.ident is None


def test_a_change_that_fails_leaves_the_quick_form(folder: Path) -> None:
    encoder = open_encoder(folder, 1)
    assert isinstance(encoder, Settling)
    want, before = encoder.run(*question()), fallbacks("steady", "unreadable")
    shutil.rmtree(folder / "onnx")
    encoder.run(*question())
    settled(encoder)
    np.testing.assert_array_equal(encoder.run(*question()), want)
    assert fallbacks("steady", "unreadable") == before + 1


def test_a_model_whose_packed_weights_have_no_room_stays_mapped(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backends_onnx, "room", lambda: 1.0)
    encoder, before = open_encoder(folder, 1), fallbacks("steady", "memory")
    assert isinstance(encoder, Settling)
    want = encoder.run(*question())
    encoder.run(*question())
    settled(encoder)
    np.testing.assert_array_equal(encoder.run(*question()), want)
    assert fallbacks("steady", "memory") == before + 1
    assert caplog.text.count("no room") == 1


def test_whoever_wants_no_change_gets_none(folder: Path) -> None:
    assert not isinstance(open_encoder(folder, 1, form=Form(steady=False)), Settling)
