"""The platform under test, and one namespace on it for the whole run."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from scripts.laptop.process import platform
from tests.support.knative_target import SAMPLES, Target, new_namespace


@pytest.fixture(scope="session")
def knative(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    option = request.config.getoption
    kubeconfig, gateway = option("--kubeconfig"), option("--gateway")
    samples = option("--samples") or (SAMPLES if option("--platform") == "local" else "")
    with ExitStack() as stack:
        if option("--platform") == "local":
            laptop = stack.enter_context(platform(tmp_path_factory.mktemp("knative"), 0))
            kubeconfig, gateway = laptop.kubeconfig, f"http://127.0.0.1:{laptop.gateway_port}"
        elif not (kubeconfig and gateway):
            pytest.exit("--platform=cluster needs --kubeconfig and --gateway", returncode=4)
        target = Target(
            kubeconfig=kubeconfig,
            gateway=gateway.rstrip("/"),
            domain=option("--domain"),
            image=option("--image"),
            command=option("--command"),
            functions_image=option("--functions-image"),
            samples=samples,
            namespace=new_namespace(option("--namespace-prefix")),
            patience=option("--patience"),
            home=tmp_path_factory.mktemp("home"),
        )
        stack.enter_context(target.http)
        target.kubectl("create", "namespace", target.namespace)
        stack.callback(target.run, "delete", "namespace", target.namespace)
        yield target


_numbers = itertools.count(1)


@pytest.fixture
def name(knative: Target) -> Iterator[str]:
    """The name of this test's own Service, which goes with the test."""
    own = f"fn-{next(_numbers)}"
    yield own
    knative.run("delete", "ksvc", own, "--ignore-not-found", "--wait=false")
