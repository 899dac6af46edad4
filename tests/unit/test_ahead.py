"""A start opens ahead what its first answer needs, and whoever asks for it later gets it once."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import ClassVar

import pytest

from functions.inference import early as inference
from functions.ner import early as ner
from functions.runtime import ahead, backends, tokenizing
from functions.runtime.backends import PREPARED
from warmup import readahead


def release(folder: Path) -> Path:
    (folder / "onnx").mkdir(parents=True)
    (folder / PREPARED).write_bytes(b"no graph")
    (folder / "onnx" / "model.onnx.data").write_bytes(b"weights")
    (folder / "tokenizer.json").write_text("no tokenizer")
    return folder


def test_what_was_made_ahead_is_taken_once() -> None:
    made = iter(range(9))
    ahead.keep("once", lambda: next(made))
    ahead.keep("once", lambda: next(made))
    assert [ahead.take("once", lambda: "anew") for _ in range(2)] == [0, "anew"]


def test_what_is_being_made_is_waited_for_and_not_made_twice() -> None:
    begun, go = threading.Event(), threading.Event()

    def slowly() -> str:
        begun.set()
        go.wait(10)
        return "slow"

    maker = threading.Thread(target=ahead.keep, args=["slow", slowly])
    maker.start()
    begun.wait(10)
    threading.Timer(0.01, go.set).start()
    assert ahead.take("slow", lambda: "anew") == "slow"
    maker.join()


def test_an_error_ahead_is_the_error_of_whoever_needs_it_and_is_not_kept() -> None:
    def broken() -> None:
        raise ValueError("torn")

    ahead.keep("broken", broken)
    with pytest.raises(ValueError, match="torn"):
        ahead.take("broken", lambda: None)
    assert ahead.take("broken", lambda: "healed") == "healed"


def test_a_function_without_anything_early_begins_nothing() -> None:
    before = threading.active_count()
    ahead.begin("functions.event_log.app:function", {})
    assert threading.active_count() == before


@pytest.mark.parametrize("environ", [{"MODEL_THREADS": "many"}, {"MODEL_DIGEST": "no digest"}])
def test_settings_that_cannot_be_read_fail_where_they_are_needed(environ: dict[str, str]) -> None:
    ahead.hold("functions.ner.app:function", environ)


def test_nothing_is_opened_ahead_where_torch_runs_the_model(tmp_path: Path) -> None:
    assert list(backends.steps(release(tmp_path), 1, "cuda:0")) == []
    assert list(backends.steps(tmp_path / "missing", 1)) == []


def test_ner_and_inference_open_the_release_that_their_digest_names(tmp_path: Path) -> None:
    digest = "sha256:" + "a" * 64
    release(tmp_path / "entries" / ("a" * 64))
    environ = {"MODEL_CACHE_DIR": str(tmp_path), "MODEL_DIGEST": digest}
    assert len(list(ner.steps(environ))) == len(list(inference.steps(environ))) == 3
    assert not list(ner.steps({}))
    assert not list(inference.steps({}))


def test_a_damaged_release_ahead_is_an_error_only_for_whoever_opens_it(tmp_path: Path) -> None:
    for step in backends.steps(release(tmp_path), 1):
        step()
    with pytest.raises(Exception, match="expected"):
        tokenizing.open_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    assert tokenizing.open_tokenizer(tmp_path).get_vocab_size() == 1


def test_a_file_that_is_not_there_is_not_read_ahead(tmp_path: Path) -> None:
    readahead.fill([tmp_path / "missing", release(tmp_path) / PREPARED])


TOKENIZER = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": None,
    "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
}


class Listener(BaseHTTPRequestHandler):
    """Notes what it is asked."""

    asked: ClassVar[Queue[str]] = Queue()

    def do_GET(self) -> None:
        self.asked.put(self.path)
        self.send_response(503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_inference_wakes_ner_before_it_imports_anything_and_only_with_a_model() -> None:
    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        serving = threading.Thread(target=server.handle_request)
        serving.start()
        environ = {"NER_URL": f"http://127.0.0.1:{server.server_port}/"}
        inference.knock(environ)
        inference.knock({"MODEL_DIGEST": "sha256:1"})
        assert Listener.asked.empty()
        inference.knock({**environ, "MODEL_DIGEST": "sha256:1"})
        assert Listener.asked.get(timeout=10) == "/health/ready"
        serving.join(10)
