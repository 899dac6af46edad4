"""bfloat16 answers nearly as the full form does, or the full form answers; nobody is told of either."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from functions.ner.packing import pack
from functions.runtime import backends_onnx
from functions.runtime.backends import PREPARED, Form, open_encoder
from functions.runtime.backends_onnx import OnnxEncoder
from functions.runtime.encoder import Encoder, UnusableForm
from functions.runtime.settling import SETTLE_AFTER, Settling
from tests.support.tiny_bert import write_ner
from warmup.forms import FOLDER, STEADY
from warmup.prepare import prepare

NEAR = 0.05
"""Share of the answers' length."""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_ner(tmp_path_factory.mktemp("release") / "ner")
    prepare(folder, "token-classification")
    return folder


@pytest.fixture(scope="module")
def half(release: Path) -> Encoder:
    """The form in bfloat16, where this machine can."""
    openvino = pytest.importorskip("functions.runtime.backends_openvino", exc_type=ImportError)
    try:
        return openvino.open_bf16(release / FOLDER / STEADY, 1)  # type: ignore[no-any-return] # by name
    except UnusableForm as error:
        assert error.reason == "unsupported"  # noqa: PT017 - whatever else is a fault of ours
        pytest.skip(str(error))


def fallbacks(reason: str) -> float:
    labels = {"service": "", "revision": "", "form": "bf16", "reason": reason}
    return REGISTRY.get_sample_value("model_fallbacks_total", labels) or 0.0


def steady(folder: Path) -> Encoder:
    """Ask until the change is made; return who answers then."""
    encoder = open_encoder(folder, 1, form=Form(bf16=True))
    assert isinstance(encoder, Settling)
    ids = np.full((1, 8), 7)
    for _ in range(SETTLE_AFTER):
        encoder.run(ids, np.ones_like(ids), np.zeros_like(ids))
    encoder._change.join(timeout=60)
    assert encoder.settled
    return encoder._current


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.integers(5, 60), min_size=1, max_size=20), min_size=1, max_size=5))
def test_rows_of_any_shape_are_answered_as_by_the_full_form(
    release: Path, half: Encoder, texts: list[list[int]]
) -> None:
    batch = pack(texts, share=True)
    full = OnnxEncoder(release / PREPARED, 1)
    tensors = batch.ids, batch.texts, np.zeros_like(batch.ids)
    got, want = (encoder.run(*tensors)[batch.texts > 0] for encoder in (half, full))
    assert np.linalg.norm(got - want) < NEAR * np.linalg.norm(want)


def test_it_is_another_precision_and_an_answer_has_the_shape_of_its_question(half: Encoder) -> None:
    ids = np.full((2, 11), 9)
    output = half.run(ids, np.ones_like(ids), np.zeros_like(ids))
    assert output.shape[:2] == (2, 11)
    assert output.dtype == np.float32
    assert half.proven


def test_it_takes_over_once_it_is_wished_and_steady(release: Path, half: Encoder) -> None:
    assert steady(release).name == half.name


def test_without_the_extra_the_full_form_goes_on_with_one_line_and_one_count(
    release: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = fallbacks("missing")
    monkeypatch.setitem(sys.modules, "functions.runtime.backends_openvino", None)
    assert steady(release).name == "onnxruntime"
    assert fallbacks("missing") == before + 1
    assert caplog.text.count("bfloat16 is not used") == 1


def test_a_form_that_errs_in_it_is_not_used_in_it(
    release: Path, half: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fallbacks("parity")
    monkeypatch.setattr(sys.modules[type(half).__module__], "MARGIN", 0.0)
    assert steady(release).name == "onnxruntime"
    assert fallbacks("parity") == before + 1


def test_a_cpu_without_it_keeps_the_full_form(
    release: Path, half: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fallbacks("unsupported")
    module = sys.modules[type(half).__module__]

    class Older:
        def get_property(self, *_names: str) -> list[str]:
            return ["FP32", "INT8"]

    monkeypatch.setattr(module.openvino, "Core", Older)
    assert steady(release).name == "onnxruntime"
    assert fallbacks("unsupported") == before + 1


def test_where_memory_is_short_nothing_is_opened_anew(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends_onnx, "room", lambda: 1.0)
    encoder = open_encoder(release, 1, form=Form(bf16=True))
    assert isinstance(encoder, Settling)
    with pytest.raises(UnusableForm, match="no room"):
        encoder._open_steady()


def test_a_file_that_it_cannot_read_is_unreadable(
    release: Path, half: Encoder, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(release, tmp_path / "ner"))
    (folder / FOLDER / STEADY).write_bytes(b"not a graph")
    with pytest.raises(UnusableForm) as refused:
        sys.modules[type(half).__module__].open_bf16(folder / FOLDER / STEADY, 1)
    assert refused.value.reason == "unreadable"


@pytest.mark.usefixtures("half")
def test_it_reports_to_nobody() -> None:
    code = (
        "import sys, functions.runtime.backends_openvino;"
        "print([name for name, module in sys.modules.items() if module and 'telemetry' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.split() == [b"[]"]
