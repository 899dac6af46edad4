"""Who is let in, who is not, and that nobody learns a secret from it."""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from functions.runtime import own_key
from functions.runtime.app import build_app
from functions.runtime.function import Function, loaded, no_warmup
from functions.runtime.keys import read
from functions.runtime.rate import MOST_CALLERS, Buckets

KEY, NEXT = "mr-first-key-0123456789", "mr-second-key-0123456789"
ISSUER, AUDIENCE = "https://id.example.com", "marketresearch"


async def answer(request: Request) -> Response:
    await request.body()
    return JSONResponse(loaded(request, int))


@asynccontextmanager
async def one(_environ: Mapping[str, str]) -> AsyncIterator[int]:
    yield 1


@asynccontextmanager
async def guarded(environ: Mapping[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    routes = [Route("/answer", answer, methods=["POST"]), Route("/v2/answer", answer)]
    app = build_app(Function("test", one, routes, no_warmup, 1000), environ)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://function") as http,
    ):
        await app.state.lifecycle.settled()
        yield http


def line(name: str, key: str) -> str:
    return f"{name} {hashlib.sha256(key.encode()).hexdigest()}\n"


def put(path: Path, content: str) -> None:
    """Replace a file as a kubelet does: at once."""
    new = path.with_name("new")
    new.write_bytes(content.encode(errors="surrogateescape"))
    new.replace(path)


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text("# name and SHA-256\n" + line("analyst", KEY))
    return path


@pytest.fixture
def signer() -> ECKey:
    return ECKey.generate_key("P-256", {"kid": "one"}, private=True)


@pytest.fixture
def provider(tmp_path: Path, signer: ECKey) -> dict[str, str]:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(KeySet([signer]).as_dict(private=False)))
    return {"AUTH_JWKS": str(path), "AUTH_ISSUER": ISSUER, "AUTH_AUDIENCE": AUDIENCE}


def token(signer: ECKey, **changed: object) -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": int(time.time()) + 60} | changed
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": "ES256", "kid": signer.kid}, kept, signer, algorithms=["ES256"])


@pytest.mark.parametrize(
    "headers",
    [{}, bearer(""), bearer("wrong"), bearer(KEY + "x"), {"authorization": f"Basic {KEY}"},
     bearer(hashlib.sha256(KEY.encode()).hexdigest()), {"x-api-key": "wrong"}],
)  # fmt: skip
async def test_without_the_right_key_nobody_is_let_in(keys: Path, headers: dict[str, str]) -> None:
    async with guarded({"AUTH_KEYS_FILE": str(keys)}) as http:
        refused = await http.post("/answer", headers=headers)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert refused.json()["error"]["code"] == "unauthorized"
        assert isinstance((await http.get("/v2/answer", headers=headers)).json()["error"], str)


async def test_the_right_key_is_let_in_and_probes_need_none(keys: Path) -> None:
    async with guarded({"AUTH_KEYS_FILE": str(keys)}) as http:
        assert (await http.post("/answer", headers=bearer(KEY))).status_code == 200
        assert (await http.post("/answer", headers={"x-api-key": KEY})).status_code == 200
        assert (await http.get("/health/ready")).status_code == 200


async def test_nothing_is_to_be_shown_where_nothing_is_configured() -> None:
    async with guarded({}) as http:
        assert (await http.post("/answer")).status_code == 200


async def test_keys_are_rotated_without_a_restart(keys: Path) -> None:
    async with guarded({"AUTH_KEYS_FILE": str(keys)}) as http:
        put(keys, line("analyst", KEY) + line("analyst", NEXT))
        both = [(await http.post("/answer", headers=bearer(k))).status_code for k in (KEY, NEXT)]
        put(keys, line("analyst", NEXT))
        after = [(await http.post("/answer", headers=bearer(k))).status_code for k in (KEY, NEXT)]
    assert (both, after) == ([200, 200], [401, 200])


@pytest.mark.parametrize("content", ["analyst not-a-digest", "one two three", "\udcff"])
async def test_a_key_file_that_cannot_be_read_lets_nobody_in(keys: Path, content: str) -> None:
    async with guarded({"AUTH_KEYS_FILE": str(keys)}) as http:
        assert (await http.post("/answer", headers=bearer(KEY))).status_code == 200
        put(keys, content)
        assert (await http.post("/answer", headers=bearer(KEY))).status_code == 401
        await asyncio.to_thread(keys.unlink)
        assert (await http.post("/answer", headers=bearer(KEY))).status_code == 401


def test_a_wrong_line_is_named_by_its_number_alone() -> None:
    with pytest.raises(ValueError, match="line 2") as raised:
        read(line("a", KEY) + f"b {KEY}\n")
    assert KEY not in str(raised.value)


async def test_a_providers_token_is_let_in(provider: dict[str, str], signer: ECKey) -> None:
    async with guarded(provider) as http:
        assert (await http.post("/answer", headers=bearer(token(signer)))).status_code == 200


@pytest.mark.parametrize(
    "changed",
    [{"exp": 1}, {"exp": None}, {"aud": "others"}, {"aud": None}, {"iss": "https://evil.example"},
     {"iss": None}, {"sub": None}, {"nbf": 4_000_000_000}],
)  # fmt: skip
async def test_an_expired_or_foreign_token_is_refused(
    provider: dict[str, str], signer: ECKey, changed: dict[str, object]
) -> None:
    async with guarded(provider) as http:
        refused = await http.post("/answer", headers=bearer(token(signer, **changed)))
    assert refused.status_code == 401


async def test_a_token_of_another_signer_or_of_none_is_refused(
    provider: dict[str, str], signer: ECKey
) -> None:
    other = ECKey.generate_key("P-256", {"kid": "one"}, private=True)
    head, body, _ = token(signer).split(".")
    unsigned = "eyJhbGciOiJub25lIn0"
    async with guarded(provider) as http:
        for text in (token(other), f"{unsigned}.{body}.", f"{head}.{body}.", "a.b.c", "x"):
            assert (await http.post("/answer", headers=bearer(text))).status_code == 401


async def test_a_providers_new_signing_key_is_found(
    provider: dict[str, str], signer: ECKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.runtime.tokens.PAUSE_SECONDS", 0.0)
    new = ECKey.generate_key("P-256", {"kid": "two"}, private=True)
    async with guarded(provider) as http:
        assert (await http.post("/answer", headers=bearer(token(signer)))).status_code == 200
        put(Path(provider["AUTH_JWKS"]), json.dumps(KeySet([new]).as_dict(private=False)))
        assert (await http.post("/answer", headers=bearer(token(new)))).status_code == 200


async def test_a_key_that_asks_too_often_is_told_when_to_come_back(keys: Path) -> None:
    environ = {"AUTH_KEYS_FILE": str(keys), "AUTH_REQUESTS_PER_MINUTE": "20"}
    async with guarded(environ) as http:
        answers = [await http.post("/answer", headers=bearer(KEY)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "3"
    assert answers[2].json()["error"]["code"] == "rate_limited"


def test_a_bucket_fills_with_time_and_each_caller_has_its_own() -> None:
    buckets = Buckets(per_minute=60, burst=2)
    assert [buckets.take("a", 0.0) for _ in range(3)] == [0, 0, 1]
    assert buckets.take("b", 0.0) == 0
    assert [buckets.take("a", 1.0), buckets.take("a", 1.0)] == [0, 1]
    for number in range(MOST_CALLERS + 5):
        buckets.take(str(number), 2.0)
    assert len(buckets._callers) == MOST_CALLERS


async def test_an_oversized_body_and_a_thousand_header_lines_are_refused(keys: Path) -> None:
    async with guarded({"AUTH_KEYS_FILE": str(keys)}) as http:
        large = await http.post("/answer", content=b"x" * 1001, headers=bearer(KEY))
        many = [("authorization", f"Bearer {KEY}"), *((f"x-{n}", "y") for n in range(1000))]
        lines = await http.post("/answer", headers=many)
    assert (large.status_code, lines.status_code) == (413, 431)
    assert lines.json()["error"]["code"] == "too_many_headers"


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    sent: list[dict[str, object]] = []

    async def silence() -> dict[str, object]:
        await asyncio.Event().wait()
        return {}

    async def take(message: dict[str, object]) -> None:
        sent.append(message)

    app = build_app(
        Function("test", one, [Route("/answer", answer, methods=["POST"])], no_warmup),
        {"BODY_SECONDS": "0.01"},
    )
    scope = {"type": "http", "method": "POST", "path": "/answer", "headers": [], "query_string": b"",
             "http_version": "1.1", "scheme": "http", "server": ("function", 80), "root_path": ""}  # fmt: skip
    async with app.router.lifespan_context(app):
        await app.state.lifecycle.settled()
        await app(scope, silence, take)  # type: ignore[arg-type] # a hand-made ASGI server
    assert sent[0]["status"] == 408


async def test_no_secret_is_ever_logged_or_answered(
    keys: Path, provider: dict[str, str], signer: ECKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    old = token(signer, exp=1)
    said = ""
    async with guarded({"AUTH_KEYS_FILE": str(keys)} | provider) as http:
        for text in (KEY, KEY + "x", token(signer), old):
            said += (await http.post("/answer", headers=bearer(text))).text
        put(keys, f"analyst {KEY}")
        said += (await http.post("/answer", headers=bearer(KEY))).text
    said += caplog.text
    assert "refused" in said
    for secret in (KEY, old, old.split(".")[2]):
        assert secret not in said


def test_our_own_key_is_shown_to_siblings_and_to_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own"
    path.write_text(f"{KEY}\n")
    monkeypatch.setenv("AUTH_OWN_KEY_FILE", str(path))
    home = "http://inference.marketresearch.svc.cluster.local/"
    elsewhere = (
        "http://broker-ingress.knative-eventing.svc.cluster.local/marketresearch/default",
        "https://example.com/.marketresearch.svc.cluster.local",
    )
    shown = {}
    for url in (home, *elsewhere):
        request = httpx.Request("GET", url)
        own_key.show(request)
        shown[url] = request.headers.get("authorization")
    assert shown == {home: f"Bearer {KEY}", **dict.fromkeys(elsewhere)}
