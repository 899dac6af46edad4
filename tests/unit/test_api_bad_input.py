"""Whatever a client sends, the answer is a Status that says what is wrong, never a crash."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knative.local import kinds
from knative.local.api import build_app
from knative.local.store import Store

SERVICES = "/apis/serving.knative.dev/v1/namespaces/default/services"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
TOKEN = {"Authorization": "Bearer token"}

Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "metadata",
                    "name",
                    "spec",
                    "template",
                    "containers",
                    "traffic",
                    "status",
                    "labels",
                    "annotations",
                    "image",
                    "managedFields",
                    "kind",
                    "readinessProbe",
                    "data",
                    "volumes",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


Operations = st.lists(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "remove", "replace", "test", "copy", "move", "fly"]),
            "path": st.sampled_from(
                [
                    "",
                    "/",
                    "/metadata",
                    "/metadata/name",
                    "/spec/template/spec/containers/0",
                    "/spec/traffic/-",
                    "/kind/x",
                    "/status",
                    5,
                ]
            ),
        },
        optional={"value": Json, "from": st.sampled_from(["/spec", "/x", None])},
    ),
    max_size=3,
)


def client(tmp_path: Path) -> httpx.AsyncClient:
    app = build_app(Store(tmp_path / "store.db"), "token", tmp_path)
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://api", headers=TOKEN)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client(tmp_path) as found:
        yield found


def status(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert body["kind"] == "Status"
    assert body["code"] == response.status_code
    return response.status_code, body["reason"]


async def test_a_wrong_token_is_unauthorized_but_health_is_open(api: httpx.AsyncClient) -> None:
    for value in ("", "Bearer", "Bearer wrong", "Basic token"):
        response = await api.get(SERVICES, headers={"Authorization": value})
        assert status(response) == (401, "Unauthorized")
    assert (await api.get("/readyz", headers={"Authorization": ""})).text == "ok"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v2",
        "/apis/apps/v1",
        "/apis/apps/v1/deployments",
        "/api/v1/nodes",
        f"{SERVICES}/a/b",
        f"{SERVICES}/a/status/x",
        "/api/v1/namespaces/a/namespaces",
        "/apis/serving.knative.dev/v1/services/named",
        "/openapi/v3/apis/x/v1",
    ],
)
async def test_addresses_outside_the_subset_are_not_found(
    api: httpx.AsyncClient, path: str
) -> None:
    assert status(await api.get(path)) == (404, "NotFound")


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", f"{SERVICES}/a", 405),
        ("PUT", SERVICES, 405),
        ("DELETE", "/api/v1/configmaps", 405),
        ("POST", "/api/v1/configmaps", 405),
        ("DELETE", f"{SERVICES}/a/status", 405),
    ],
)
async def test_verbs_that_an_address_does_not_know(
    api: httpx.AsyncClient, method: str, path: str, code: int
) -> None:
    assert status(await api.request(method, path, json={}))[0] == code


async def test_bodies_that_cannot_be_read(api: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    for content in (
        b"",
        b"{",
        b"[1,2]",
        b'"text"',
        b'{"metadata": 1}',
        b"[" * 100_000,
        b'{"a": NaN}',
    ):
        response = await api.post(CONFIG_MAPS, content=content, headers=headers)
        assert status(response) == (400, "BadRequest"), content[:20]
    response = await api.post(CONFIG_MAPS, content=b"x", headers={"Content-Type": "text/plain"})
    assert status(response) == (415, "UnsupportedMediaType")


async def test_a_body_over_the_limit_is_refused(api: httpx.AsyncClient) -> None:
    body = json.dumps({"metadata": {"name": "a"}, "data": {"a": "x" * (3 << 20)}})
    response = await api.post(CONFIG_MAPS, content=body)
    assert status(response) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize("name", ["", "A", "a/b", "../x", "a" * 254, 5, "-a"])
async def test_bad_names_are_invalid(api: httpx.AsyncClient, name: Any) -> None:
    response = await api.post(CONFIG_MAPS, json={"metadata": {"name": name}})
    assert status(response) == (422, "Invalid")


async def test_queries_that_make_no_sense(api: httpx.AsyncClient) -> None:
    for query in (
        "limit=x",
        "limit=%C2%B2",
        "continue=%21",
        "labelSelector=a%20b",
        "fieldSelector=%3D",
        "watch=1&resourceVersion=x",
        "watch=1&timeoutSeconds=x",
    ):
        assert status(await api.get(f"{CONFIG_MAPS}?{query}")) == (400, "BadRequest"), query
    for query in ("fieldValidation=Perhaps", "dryRun=Some", "dryRun="):
        response = await api.post(f"{CONFIG_MAPS}?{query}", json={"metadata": {"name": "a"}})
        assert status(response) == (400, "BadRequest"), query
    assert (await api.get(CONFIG_MAPS)).json()["items"] == []


async def test_nothing_of_another_address_is_taken(api: httpx.AsyncClient) -> None:
    for body in (
        {"metadata": {"name": "a", "namespace": "marketresearch"}},
        {"kind": "Secret", "metadata": {"name": "a"}},
        {"apiVersion": "v2", "metadata": {"name": "a"}},
        {"metadata": {"name": "a", "resourceVersion": "1"}},
    ):
        assert status(await api.post(CONFIG_MAPS, json=body)) == (400, "BadRequest")
    await api.post(CONFIG_MAPS, json={"metadata": {"name": "a"}})
    renamed = await api.put(f"{CONFIG_MAPS}/a", json={"metadata": {"name": "b"}})
    assert status(renamed) == (400, "BadRequest")
    other = await api.put(f"{CONFIG_MAPS}/a", json={"metadata": {"name": "a", "uid": "x"}})
    assert status(other) == (409, "Conflict")


async def test_platform_namespaces_stay(api: httpx.AsyncClient) -> None:
    assert status(await api.delete("/api/v1/namespaces/default")) == (409, "Conflict")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    body=Json, method=st.sampled_from(["POST", "PUT", "merge-patch", "json-patch", "apply-patch"])
)
def test_no_body_makes_it_fail(
    tmp_path_factory: pytest.TempPathFactory, body: Any, method: str
) -> None:
    async def send() -> None:
        path = tmp_path_factory.mktemp("api")
        async with client(path) as api:
            container = {"image": "example.com/x"}
            spec = {"template": {"spec": {"containers": [container]}}}
            made = await api.post(SERVICES, json={"metadata": {"name": "a"}, "spec": spec})
            assert made.status_code == 201
            for place in (f"{SERVICES}/a", f"{SERVICES}/a/status"):
                verb = method if method in ("POST", "PUT") else "PATCH"
                kind = "yaml" if method == "apply-patch" else "json"
                media = f"application/{method}+{kind}" if verb == "PATCH" else "application/json"
                address = SERVICES if method == "POST" else place
                headers = {"Content-Type": media}
                content = json.dumps(body)
                response = await api.request(verb, address, content=content, headers=headers)
                assert response.status_code < 500
            assert (await api.get(f"{SERVICES}/a")).status_code == 200

    asyncio.run(send())


KINDS = sorted(k.kind for k in kinds.KINDS if k.namespaced)
Fields = st.sampled_from(
    [
        "broker",
        "subscriber",
        "ref",
        "uri",
        "filter",
        "filters",
        "attributes",
        "exact",
        "any",
        "all",
        "not",
        "cesql",
        "delivery",
        "retry",
        "backoffDelay",
        "deadLetterSink",
        "schedule",
        "timezone",
        "sink",
        "template",
        "spec",
        "containers",
        "resources",
        "rules",
        "traffic",
        "ceOverrides",
    ]
)
Specs = st.recursive(
    st.none() | st.integers() | st.sampled_from(["", "a", "* * * * *", "PT1S", "type = 'x'"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(Fields, inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(KINDS), spec=Specs)
def test_no_spec_of_any_kind_makes_it_fail(
    tmp_path_factory: pytest.TempPathFactory, name: str, spec: Any
) -> None:
    kind = kinds.BY_KIND[name]
    prefix = f"apis/{kind.api_version}" if kind.group else "api/v1"
    address = f"/{prefix}/namespaces/default/{kind.plural}"

    async def send() -> None:
        async with client(tmp_path_factory.mktemp("api")) as api:
            body = {"metadata": {"name": "a"}, "spec": spec}
            for verb, path in (("POST", address), ("PUT", f"{address}/a"), ("POST", address)):
                assert (await api.request(verb, path, json=body)).status_code < 500

    asyncio.run(send())
