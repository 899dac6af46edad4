"""First contents of a platform: bucket, credentials, manifests, models, documents. Idempotent.

Nothing here is done by reaching into a part: models and documents are uploaded, and the events that
follow do the rest, as they do in production.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import httpx

from functions.registry.bucket import configure_bucket
from functions.registry.manifest import split_folder
from functions.registry.publish import publish
from functions.registry.store import ModelStore
from scripts.environment import data_folder
from scripts.laptop import kubectl
from scripts.laptop.process import ROOT, Running
from scripts.push_documents import documents, push_documents

BUCKET, QUEUE, NAMESPACE = "my-bucket", "marketresearch-s3", "marketresearch"
REGION = "us-east-1"
STAMP_NAME = "applied"
"""Below the data folder: which manifests were applied last."""
FIRST_MODELS = ("embedder-v1.0.0", "ner-v1.0.0")
SERVED = ("ner", "inference")
QUESTION = "How many e-bikes were sold in Germany in 2024?"
FIRST_ANSWER_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Contents:
    """What a platform is filled with: an overlay, and folders of models and documents."""

    overlay: Path = ROOT / "knative/overlays/local"
    models: Path = ROOT / "models"
    documents: Path = ROOT / "scripts/corpus"


def aws_environment(s3_url: str) -> dict[str, str]:
    """Return the AWS_* variables that reach `s3_url`; a person's own win, where they say a store too.

    Someone's credentials for AWS have no business at a local store, in its Secret, or in our file.
    """
    defaults = {
        "AWS_ENDPOINT_URL": s3_url,
        "AWS_ACCESS_KEY_ID": "laptop",
        "AWS_SECRET_ACCESS_KEY": "laptop",
        "AWS_DEFAULT_REGION": REGION,
    }
    own = os.environ if "AWS_ENDPOINT_URL" in os.environ else {}
    return {name: own.get(name, value) for name, value in defaults.items()}


def client(service: str, environment: dict[str, str]) -> Any:
    """Return a boto3 client for `environment`, whatever else this process has in its own."""
    return boto3.client(
        service,
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )


def provision(running: Running, contents: Contents, say: Callable[[str], None]) -> None:
    """Fill the platform; what is there already is left as it is."""
    environment = aws_environment(running.s3_url)
    _write_env(running, environment)
    s3, sqs = client("s3", environment), client("sqs", environment)
    say("bucket and its notifications")
    configure_bucket(s3, sqs, BUCKET, QUEUE)
    say("Services, Broker, Triggers and sources from the manifests")
    kubectl.apply(running.kubeconfig, [_namespace(), _secret(environment)])
    manifests = kubectl.render(contents.overlay)
    kubectl.apply_once(running.kubeconfig, manifests, running.data / STAMP_NAME)
    store = ModelStore(s3, BUCKET)
    for model in FIRST_MODELS:
        say(f"publishing {model}")
        if not store.releases(split_folder(model)[0]):  # what was pruned stays away
            publish(contents.models / model, BUCKET, s3)
    say("documents")
    if not s3.list_objects_v2(Bucket=BUCKET, Prefix="documents/", MaxKeys=1)["KeyCount"]:
        push_documents(s3, BUCKET, contents.documents)


def wait_until_answering(running: Running, contents: Contents, say: Callable[[str], None]) -> None:
    """Return once every served model is ready and a question is answered from all documents."""
    deadline = time.monotonic() + FIRST_ANSWER_SECONDS
    for service in SERVED:
        say(f"{service}: its model is fetched, verified and rolled out")
        _wait(partial(_serves_a_model, running, service), deadline, service)
    say("the documents are indexed and a first question is answered")
    _wait(partial(_answers, running, contents), deadline, "the first answer")


def _wait(done: Callable[[], bool], deadline: float, what: str) -> None:
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come in time; the logs are below DATA/logs")
        time.sleep(0.3)


def _serves_a_model(running: Running, service: str) -> bool:
    found = kubectl.get(running.kubeconfig, "ksvc", service)
    annotations = found["spec"]["template"]["metadata"].get("annotations", {})
    ready = any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in found.get("status", {}).get("conditions", [])
    )
    return ready and "rollout.marketresearch.ai/digest" in annotations


def _answers(running: Running, contents: Contents) -> bool:
    """Ask; 503 means that the index or a model is on its way."""
    answer = ask(running.gateway_port, QUESTION)
    if answer.status_code != httpx.codes.OK:
        return False
    index = answer.json()["index"]
    return int(index["documents"]) >= len(documents(contents.documents))


def ask(gateway_port: int, question: str) -> httpx.Response:
    """POST one question to the public address."""
    return httpx.post(
        f"http://127.0.0.1:{gateway_port}/v1/research",
        headers={"host": f"inference.{NAMESPACE}.localhost:{gateway_port}"},
        json={"question": question},
        timeout=60,
    )


def _namespace() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def _secret(environment: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "aws", "namespace": NAMESPACE},
        "stringData": environment,
    }


def _write_env(running: Running, environment: dict[str, str]) -> None:
    """Leave the addresses for the other scripts, readable by this user alone."""
    values = {**environment, "KUBECONFIG": str(running.kubeconfig)}
    path = running.data / "env"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))


def describe(running: Running) -> str:
    """Return the addresses and three requests to try."""
    host = f"inference.{NAMESPACE}.localhost:{running.gateway_port}"
    question = json.dumps({"question": QUESTION})
    ours = running.data.resolve() == data_folder().resolve()
    where = "" if ours else f"MARKETRESEARCH_DATA={running.data} "
    return f"""
MarketResearchAI answers at http://{host}

  curl -s http://{host}/v1/research -d '{question}'
  curl -s http://{host}/health
  curl -s http://{host}/openapi.json

  kubectl --kubeconfig {running.kubeconfig} -n {NAMESPACE} get ksvc,rev,pods
  {where}./scripts/push_model_to_s3.py --model-path models/ner-v1.1.0 --bucket {BUCKET}
"""
