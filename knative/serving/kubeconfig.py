"""Where the Kubernetes API is and who we are there: KUBECONFIG, or the pod's service account."""

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import yaml

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class NoCluster(RuntimeError):
    """Neither a kubeconfig nor a service account was found, or it cannot be used."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """An API server.

    token_file is read anew for each connection's first request, because service-account tokens
    are rotated. tls is None for plain HTTP.
    """

    server: str
    namespace: str
    token: str = ""
    token_file: Path | None = None
    tls: ssl.SSLContext | None = None

    def bearer(self) -> str:
        """Return the token to send now."""
        if self.token_file:
            return self.token_file.read_text(encoding="utf-8").strip()
        return self.token


def find(environ: Mapping[str, str]) -> Cluster:
    """Read KUBECONFIG's current context, else the pod's service account; raises NoCluster."""
    path = environ.get("KUBECONFIG")
    if path:
        return _from_file(Path(path))
    if "KUBERNETES_SERVICE_HOST" in environ and _ACCOUNT.is_dir():
        return _from_pod(environ)
    raise NoCluster("set KUBECONFIG, or run in a pod with a service account")


def _from_pod(environ: Mapping[str, str]) -> Cluster:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    return Cluster(
        server=f"https://{host}:{port}",
        namespace=(_ACCOUNT / "namespace").read_text(encoding="utf-8").strip(),
        token_file=_ACCOUNT / "token",
        tls=ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt")),
    )


def _from_file(path: Path) -> Cluster:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        context = _named(config, "contexts", "context", config["current-context"])
        cluster = _named(config, "clusters", "cluster", context["cluster"])
        user = _named(config, "users", "user", context["user"])
        if plugin := {"exec", "auth-provider"} & user.keys():
            why = f"user {context['user']!r} logs in by a plugin ({plugin.pop()}), which is not supported"
            raise NoCluster(f"{why}: use a token, or `kubectl proxy`")
        token_file = user.get("tokenFile")
        return Cluster(
            server=cluster["server"].rstrip("/"),
            namespace=context.get("namespace", "default"),
            token=user.get("token", ""),
            token_file=path.parent / token_file if token_file else None,
            tls=_tls(cluster, user, path.parent),
        )
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise NoCluster(f"{path} cannot be used: {error!r}") from error


def _named(config: Mapping[str, Any], group: str, kind: str, name: str) -> dict[str, Any]:
    for entry in config[group]:
        if entry["name"] == name:
            found: dict[str, Any] = entry[kind]
            return found
    raise NoCluster(f"the kubeconfig names no {kind} {name!r}")


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], base: Path) -> ssl.SSLContext | None:
    if not cluster["server"].startswith("https:"):
        return None
    data, file = cluster.get("certificate-authority-data"), cluster.get("certificate-authority")
    tls = ssl.create_default_context(
        cafile=str(base / file) if file and not data else None,
        cadata=base64.b64decode(data).decode() if data else None,
    )
    if "client-certificate-data" in user:  # kind, minikube, k3s
        with NamedTemporaryFile() as both:  # Python reads certificates from files only
            for part in ("client-certificate-data", "client-key-data"):
                both.write(base64.b64decode(user[part]))
            both.flush()
            tls.load_cert_chain(both.name)
    elif "client-certificate" in user:
        tls.load_cert_chain(base / user["client-certificate"], base / user["client-key"])
    return tls
