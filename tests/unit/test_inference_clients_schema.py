"""Requests of other systems' clients: read leniently where they are, strictly where it matters."""

import json
import struct
from typing import Any

import numpy as np
import pytest

from functions.inference import oip
from functions.inference.openai_schema import parse_chat, parse_embeddings
from functions.runtime.errors import ApiError, BadRequest, Invalid
from functions.runtime.tensors import JSON_LENGTH

TENSOR = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_the_last_message_of_the_user_is_the_question() -> None:
    messages = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "system", "content": "x"},
    ]
    asked = parse_chat(body(model="m", messages=messages, temperature=1, unknown=[]))
    assert (asked.model, asked.question, asked.stream, asked.usage) == ("m", "a\nb", False, False)


@pytest.mark.parametrize(
    "change",
    [
        {"model": None},
        {"messages": "q"},
        {"messages": []},
        {"messages": [1]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": " "}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        {"messages": [{"role": "user", "content": "x" * 2001}]},
        {"stream": "yes"},
        {"n": 2},
        {"tools": [{}]},
    ],
)
def test_a_chat_that_cannot_be_answered_is_refused(change: dict[str, Any]) -> None:
    good = {"model": "m", "messages": [{"role": "user", "content": "q"}]}
    with pytest.raises(Invalid):
        parse_chat(body(**(good | change)))


@pytest.mark.parametrize(
    "change",
    [
        {"input": ""},
        {"input": []},
        {"input": [""]},
        {"input": [1, 2]},
        {"input": ["a"] * 257},
        {"input": "\ud800"},
        {"encoding_format": "int8"},
        {"dimensions": True},
        {"model": 1},
    ],
)
def test_embeddings_that_cannot_be_given_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        parse_embeddings(body(**({"model": "m", "input": "a"} | change)))


def test_texts_travel_as_bytes_behind_the_json() -> None:
    texts = ["", "Grüße 🍫"]
    raw = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)
    tensor = {k: v for k, v in TENSOR.items() if k != "data"} | {
        "shape": [2],
        "parameters": {"binary_data_size": len(raw)},
    }
    head = body(id="7", inputs=[tensor], parameters={"binary_data_output": True})
    asked = oip.parse(head + raw, str(len(head)))
    assert asked == oip.Inference("7", ("", "Grüße 🍫"), binary=True)
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3)
    headers, answer = oip.response(asked, vectors, "1.0.0")
    length = int(headers[JSON_LENGTH])
    (output,) = json.loads(answer[:length])["outputs"]
    assert (output["shape"], "data" in output) == ([2, 3], False)
    np.testing.assert_array_equal(np.frombuffer(answer[length:], "<f4").reshape(2, 3), vectors)


@pytest.mark.parametrize(
    ("fields", "rest", "length"),
    [
        ({"inputs": []}, b"", None),
        ({"inputs": [TENSOR, TENSOR]}, b"", None),
        ({"inputs": [TENSOR | {"datatype": "FP32"}]}, b"", None),
        ({"inputs": [TENSOR | {"shape": [2]}]}, b"", None),
        ({"inputs": [TENSOR | {"data": [1]}]}, b"", None),
        ({"inputs": [TENSOR | {"data": []}]}, b"", None),
        ({"inputs": [TENSOR], "outputs": [{"name": "other"}]}, b"", None),
        ({"inputs": [TENSOR], "outputs": 1}, b"", None),
        ({"inputs": [TENSOR], "parameters": 1}, b"", None),
        ({"inputs": [TENSOR], "id": 1}, b"", None),
        ({"inputs": [TENSOR]}, b"", "999999"),
        ({"inputs": [TENSOR]}, b"", "-1"),
        ({"inputs": [TENSOR | {"parameters": {"binary_data_size": 9}}]}, b"abc", ""),
        ({"inputs": [TENSOR | {"parameters": {"binary_data_size": 3}}]}, b"abc", ""),
        ({"inputs": [TENSOR | {"parameters": {"binary_data_size": 5}}]}, b"\x09\0\0\0a", ""),
        ({"inputs": [TENSOR | {"parameters": {"binary_data_size": 5}}]}, b"\x01\0\0\0\xff", ""),
    ],
)
def test_a_tensor_that_is_not_what_it_says_is_refused(
    fields: dict[str, Any], rest: bytes, length: str | None
) -> None:
    head = body(**fields)
    with pytest.raises(ApiError) as raised:
        oip.parse(head + rest, str(len(head)) if length == "" else length)
    assert isinstance(raised.value, Invalid | BadRequest)
