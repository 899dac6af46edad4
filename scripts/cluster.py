"""Which Kubernetes API a command talks to: KUBECONFIG's, a Pod's own, else the local platform's."""

from collections.abc import Mapping
from dataclasses import replace

from knative.serving.errors import KubeError, Unreachable
from knative.serving.kubeconfig import Cluster, NoCluster, find
from scripts.environment import data_folder


def choose(environ: Mapping[str, str], namespace: str | None = None) -> Cluster:
    """Return the API server, for `namespace` or else the kubeconfig's; raises NoCluster."""
    written = data_folder(environ) / "kubeconfig"
    local = {"KUBECONFIG": str(written)} if written.exists() else {}
    cluster = find({**local, **environ})
    return replace(cluster, namespace=namespace or cluster.namespace)


def explain(error: NoCluster | KubeError) -> str:
    """Say in one line what went wrong, and what to do where nothing is there."""
    if isinstance(error, Unreachable):
        return f"{error.message}; ./scripts/up starts the local platform"
    if isinstance(error, NoCluster):
        return f"no cluster: {error}; ./scripts/up starts a local one"
    return f"the Kubernetes API answered: {error}"
