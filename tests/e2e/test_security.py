"""Who is refused, over real HTTP, by a function that is guarded as in production; and what is logged.

The Service is that of the production overlay, under another name, on the platform that the tests
share. What the gateway refuses by itself is in its own log.
"""

import hashlib
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from scripts.laptop import kubectl
from scripts.laptop.process import Running
from scripts.laptop.provision import NAMESPACE, QUESTION
from tests.support.manifests import overlay

pytestmark = pytest.mark.timeout(300)
NAME, HOST = "guarded", f"guarded.{NAMESPACE}.localhost"
KEY, NEXT, HASTY = "mr-first-key-0123456789", "mr-next-key-0123456789", "mr-hasty-key-0123456789"
WRONG = "mr-wrong-key-0123456789"
ISSUER, AUDIENCE = "https://id.example.com", "marketresearch"
SIGNER = ECKey.generate_key("P-256", {"kid": "one"}, private=True)
BODY_SECONDS, SECONDS = 1, 60
PER_MINUTE = 120
"""A tenth of it may come at once."""


def token(**changed: object) -> str:
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ann",
        "exp": int(time.time()) + 3600,
    } | changed
    return jwt.encode({"alg": "ES256", "kid": SIGNER.kid}, claims, SIGNER, algorithms=["ES256"])


EXPIRED, FOREIGN = token(exp=1), token(aud="others")


def secret(**keys: str) -> dict[str, Any]:
    """The Secret of the callers' keys, as knative/components/secure-edge wants it."""
    lines = [f"{name} {hashlib.sha256(key.encode()).hexdigest()}\n" for name, key in keys.items()]
    known = {"keys": "".join(lines), "own": "unused"}
    jwks = json.dumps(KeySet([SIGNER]).as_dict(private=False))
    meta = {"name": "api-keys", "namespace": NAMESPACE}
    content = {**known, "jwks": jwks}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": content}


def service(laptop: Running) -> dict[str, Any]:
    """Production's inference, with the model that this platform serves."""
    found = next(
        o
        for o in overlay("production")
        if (o["kind"], o["metadata"]["name"]) == ("Service", "inference")
    )
    live = kubectl.get(laptop.kubeconfig, "ksvc", "inference")["spec"]["template"]["metadata"]
    pod = found["spec"]["template"]["spec"]
    for of_a_cluster in ("topologySpreadConstraints", "securityContext"):
        pod.pop(of_a_cluster)
    (keys,) = (v["secret"] for v in pod["volumes"] if v["name"] == "api-keys")
    keys["items"].append({"key": "jwks", "path": "jwks"})
    env = {"AUTH_JWKS": "/etc/api-keys/jwks", "AUTH_ISSUER": ISSUER, "AUTH_AUDIENCE": AUDIENCE,
           "AUTH_REQUESTS_PER_MINUTE": str(PER_MINUTE), "BODY_SECONDS": str(BODY_SECONDS)}  # fmt: skip
    container = pod["containers"][0]
    kept = [entry for entry in container["env"] if entry["name"] not in env]
    container["env"] = [*kept, *({"name": k, "value": v} for k, v in env.items())]
    model = {k: v for k, v in live["annotations"].items() if k.startswith("rollout.")}
    template = {"metadata": {"annotations": model}, "spec": pod}
    meta = {"name": NAME, "namespace": NAMESPACE}
    return {**found, "metadata": meta, "spec": {"template": template}}


@dataclass(frozen=True, slots=True)
class Guarded:
    laptop: Running
    http: httpx.Client

    def ask(self, shown: str = "", **more: Any) -> httpx.Response:
        headers = {"host": HOST} | ({"authorization": f"Bearer {shown}"} if shown else {})
        content = {"json": {"question": QUESTION}} | more
        return self.http.post("/v1/research", headers=headers, **content)

    def until(self, shown: str, status: int) -> None:
        deadline = time.monotonic() + SECONDS
        while (answer := self.ask(shown)).status_code != status:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.2)

    def logs(self) -> str:
        """What all processes and the gateway have logged."""
        return "".join(path.read_text() for path in self.laptop.data.glob("logs/*.log"))


@pytest.fixture(scope="module")
def guarded(laptop: Running) -> Iterator[Guarded]:
    kubectl.apply(laptop.kubeconfig, [secret(analyst=KEY, hasty=HASTY), service(laptop)])
    base = f"http://127.0.0.1:{laptop.gateway_port}"
    with httpx.Client(base_url=base, timeout=60, trust_env=False) as http:
        kubectl.kubectl(
            laptop.kubeconfig, "-n", NAMESPACE, "wait", "--for=condition=Ready", f"ksvc/{NAME}",
            f"--timeout={SECONDS}s",
        )  # fmt: skip
        found = Guarded(laptop, http)
        found.until(KEY, 200)
        yield found
    kubectl.kubectl(laptop.kubeconfig, "-n", NAMESPACE, "delete", f"ksvc/{NAME}", "secret/api-keys")


@pytest.mark.parametrize("shown", [KEY, token()], ids=["key", "token"])
def test_who_may_ask_is_answered(guarded: Guarded, shown: str) -> None:
    answer = guarded.ask(shown)
    assert (answer.status_code, answer.json()["supported"]) == (200, True)


@pytest.mark.parametrize(
    "shown",
    ["", WRONG, EXPIRED, FOREIGN, token() + "x"],
    ids=["nothing", "wrong-key", "expired", "other-audience", "broken-signature"],
)
def test_who_may_not_is_401(guarded: Guarded, shown: str) -> None:
    refused = guarded.ask(shown)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized")
    assert refused.headers["www-authenticate"] == "Bearer"


def test_an_oversized_body_is_413(guarded: Guarded) -> None:
    large = b'{"question": "' + b"x" * (2 << 20) + b'"}'
    assert guarded.ask(KEY, json=None, content=large).status_code == 413
    in_pieces = (large[start : start + 65536] for start in range(0, len(large), 65536))
    assert guarded.ask(KEY, json=None, content=in_pieces).status_code == 413


def test_a_slow_body_is_408(guarded: Guarded) -> None:
    head = f"POST /v1/research HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {KEY}\r\n"
    with socket.create_connection(("127.0.0.1", guarded.laptop.gateway_port), SECONDS) as slow:
        slow.sendall(f'{head}content-length: 100\r\n\r\n{{"question": '.encode())
        answer = slow.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert KEY.encode() not in answer


def test_a_thousand_header_lines_are_431(guarded: Guarded) -> None:
    lines = [("host", HOST), ("authorization", f"Bearer {KEY}")]
    lines += [(f"x-{number}", "y") for number in range(1000)]
    assert guarded.http.get("/v1/research", headers=lines).status_code == 431


@pytest.mark.parametrize("name", ["ner", "model-sync", "rollout", "embed-rebuild", "event-log"])
def test_an_internal_function_is_404_from_outside(guarded: Guarded, name: str) -> None:
    for path in ("/", "/health", "/v1/entities?key=" + KEY):
        answer = guarded.http.get(path, headers={"host": f"{name}.{NAMESPACE}.localhost"})
        assert answer.status_code == 404


def test_who_asks_too_often_is_429_and_the_others_are_answered(guarded: Guarded) -> None:
    answers = [guarded.ask(HASTY) for _ in range(PER_MINUTE // 10 + 6)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert answers[0].status_code == 200
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1
    assert guarded.ask(token(sub="bob")).status_code == 200


def test_keys_are_rotated_without_a_restart(guarded: Guarded) -> None:
    before = pods(guarded.laptop)
    kubectl.apply(guarded.laptop.kubeconfig, [secret(analyst=KEY, next=NEXT, hasty=HASTY)])
    guarded.until(NEXT, 200)
    assert guarded.ask(KEY).status_code == 200
    kubectl.apply(guarded.laptop.kubeconfig, [secret(next=NEXT, hasty=HASTY)])
    guarded.until(KEY, 401)
    assert guarded.ask(NEXT).status_code == 200
    assert pods(guarded.laptop) == before


def pods(laptop: Running) -> set[tuple[str, int]]:
    """The Pods of the guarded Service, with their restarts."""
    found = kubectl.get(laptop.kubeconfig, "pods", "-l", f"serving.knative.dev/service={NAME}")
    return {
        (pod["metadata"]["name"], pod["status"]["containerStatuses"][0]["restartCount"])
        for pod in found["items"]
    }


def test_every_refusal_is_logged_and_no_secret_is(guarded: Guarded) -> None:
    wanted = {NAME: ("refused: show an API key", "refused: the key or token", "refused: too many"),
              "gateway": ("401", "404", "408", "413", "429", "431")}  # fmt: skip
    deadline = time.monotonic() + SECONDS
    while missing := unsaid(guarded.logs(), wanted):
        assert time.monotonic() < deadline, missing
        time.sleep(0.2)
    logs = guarded.logs()
    for shown in (KEY, NEXT, HASTY, WRONG, *EXPIRED.split(".")[1:], *FOREIGN.split(".")[1:]):
        assert shown not in logs


def unsaid(logs: str, wanted: dict[str, tuple[str, ...]]) -> list[str]:
    """Return the words that no line of their service has."""
    lines = [json.loads(line) for line in logs.splitlines() if line.startswith('{"')]
    told = {name: [o["message"] for o in lines if o.get("service") == name] for name in wanted}
    return [
        words
        for name, all_words in wanted.items()
        for words in all_words
        if not any(words in message for message in told[name])
    ]
