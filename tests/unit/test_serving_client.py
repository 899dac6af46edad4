"""The client: typed errors, and a retry only where repeating does no harm."""

import base64
import json
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from knative.serving import client as module
from knative.serving import errors
from knative.serving.client import REVISIONS, SERVICES, KubeClient
from knative.serving.kubeconfig import Cluster, NoCluster, find

CERTIFICATE = ("client-certificate-data", "client-key-data")
CLUSTER = Cluster("http://api", "ns", token="secret")  # noqa: S106 - a test's


class Api:
    """Answers from a list; an exception in it is raised."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self) -> KubeClient:
        return KubeClient(CLUSTER, httpx.MockTransport(self))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BACKOFF_SECONDS", 0.0)


def failed(code: int, reason: str = "") -> httpx.Response:
    return httpx.Response(code, json={"code": code, "reason": reason, "message": "why"})


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (failed(404, "NotFound"), errors.NotFound),
        (failed(409, "Conflict"), errors.Conflict),
        (failed(409, "AlreadyExists"), errors.AlreadyExists),
        (failed(422, "Invalid"), errors.Refused),
        (failed(403, "Forbidden"), errors.Refused),
        (failed(410, "Expired"), errors.Gone),
        (httpx.Response(400, text="<html>"), errors.Refused),
    ],
)
async def test_every_answer_that_is_no_success_has_its_type(
    answer: httpx.Response, kind: type[errors.KubeError]
) -> None:
    with pytest.raises(kind) as caught:
        await Api(answer).client().update(SERVICES, {"metadata": {"name": "a"}})
    assert type(caught.value) is kind


async def test_a_read_is_repeated_after_any_passing_fault() -> None:
    api = Api(httpx.ReadError("cut"), failed(503), failed(429), httpx.Response(200, json={"a": 1}))
    assert await api.client().get(SERVICES, "a") == {"a": 1}
    assert (
        str(api.requests[0].url)
        == "http://api/apis/serving.knative.dev/v1/namespaces/ns/services/a"
    )
    assert api.requests[0].headers["authorization"] == "Bearer secret"


async def test_a_read_that_never_works_is_unreachable() -> None:
    with pytest.raises(errors.Unreachable):
        await Api(*[httpx.ConnectError("no")] * 4).client().list(REVISIONS)


async def test_a_write_is_repeated_only_when_it_surely_did_not_arrive() -> None:
    api = Api(httpx.ConnectError("no"), failed(429), httpx.Response(200, json={}))
    await api.client().patch(SERVICES, "a", {"metadata": {"resourceVersion": "7"}})
    assert api.requests[-1].headers["content-type"] == "application/merge-patch+json"
    cut = Api(httpx.ReadError("cut"))
    with pytest.raises(errors.Unreachable):
        await cut.client().create(SERVICES, {"metadata": {"name": "a"}})
    assert len(cut.requests) == 1
    with pytest.raises(errors.KubeError):
        await Api(failed(503)).client().delete(SERVICES, "a")


async def test_a_watch_yields_changes_and_names_a_version_that_is_gone() -> None:
    lines = [
        {"type": "ADDED", "object": {"metadata": {"name": "a"}}},
        {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "old"}},
    ]
    body = "\n".join(json.dumps(line) for line in lines)
    api = Api(httpx.Response(200, text=body))
    watch = api.client().watch(SERVICES, "a", "5")
    assert (await anext(watch)).object["metadata"]["name"] == "a"
    with pytest.raises(errors.Gone):
        await anext(watch)
    assert dict(api.requests[0].url.params) == {
        "watch": "true",
        "resourceVersion": "5",
        "fieldSelector": "metadata.name=a",
    }


def kubeconfig(folder: Path, server: str, user: dict[str, Any]) -> dict[str, str]:
    path = folder / "kubeconfig"
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "ns"}}],
        "clusters": [{"name": "k", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(json.dumps(config), encoding="utf-8")
    return {"KUBECONFIG": str(path)}


def test_a_kubeconfig_says_where_and_who(tmp_path: Path) -> None:
    cluster = find(kubeconfig(tmp_path, "http://api/", {"token": "t"}))
    assert (cluster.server, cluster.namespace, cluster.bearer()) == ("http://api", "ns", "t")


def test_a_certificate_may_stand_in_the_kubeconfig_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []
    monkeypatch.setattr(
        ssl.SSLContext, "load_cert_chain", lambda _, path: read.append(Path(path).read_bytes())
    )
    encoded = {name: base64.b64encode(name.encode()).decode() for name in CERTIFICATE}
    assert find(kubeconfig(tmp_path, "https://api", encoded)).tls is not None
    assert read == ["".join(CERTIFICATE).encode()]


@pytest.mark.parametrize(
    ("user", "why"),
    [
        ({"exec": {"command": "aws"}}, "exec"),
        (dict.fromkeys(CERTIFICATE, "!"), "cannot be used"),
    ],
)
def test_a_user_that_cannot_log_in_is_told_so(
    tmp_path: Path, user: dict[str, Any], why: str
) -> None:
    with pytest.raises(NoCluster, match=why):
        find(kubeconfig(tmp_path, "https://api", user))


@pytest.mark.parametrize("environ", [{}, {"KUBECONFIG": "/nowhere/config"}])
def test_without_a_cluster_there_is_one_clear_error(environ: dict[str, str]) -> None:
    with pytest.raises(NoCluster):
        find(environ)
