"""Routes and ready replicas → xDS resources, as a pure function of both.

The rule: a traffic target goes straight to its replicas when there are any and no hard
concurrency limit holds; otherwise it goes to the activator, which waits until it may go on.
Clusters of a Revision are named by the path a request takes, so that Envoy's counters tell them
apart: `rev/…` straight, `act/…` to the activator, `limit/…` from the activator under a hard limit.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Key = tuple[str, str]  # namespace, name

TYPE = "type.googleapis.com/envoy.config."
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
ACTIVATOR_LISTENER = "activator"
CLUSTER_LOCAL = "networking.knative.dev/visibility"
UNLIMITED = 1 << 30
# Many servers close an idle connection after 5 s without a word; one that we closed first cannot be
# picked for a request that is then lost.
UPSTREAM_IDLE = "1s"
NOT_FOUND = "no Route has this host name"
CONFIGURATION = "configuration"
SOURCE: Json = {  # where Envoy asks for what changes, again as soon as it has an answer
    "api_config_source": {
        "api_type": "REST",
        "transport_api_version": "V3",
        "cluster_names": [CONFIGURATION],
        "refresh_delay": "0.001s",
        "request_timeout": "3600s",
    },
    "resource_api_version": "V3",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A replica that answers on `port`; draining ones finish what they have and get nothing new."""

    port: int
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """What the data plane knows of a Revision. `concurrency` 0 is unlimited, `timeout` is seconds."""

    key: Key
    endpoints: tuple[Endpoint, ...] = ()
    concurrency: int = 0
    timeout: int = 300
    h2c: bool = False
    direct: bool = True  # whether Envoy keeps a cluster for its replicas, also while there are none

    @property
    def ready(self) -> bool:
        """Whether a request can go straight to a replica."""
        return not self.concurrency and any(not e.draining for e in self.endpoints)

    @property
    def onward(self) -> str:
        """The cluster that takes a request on from the activator."""
        if self.concurrency:
            return cluster("limit", self.key)
        return "dst-h2c" if self.h2c else "dst"


@dataclass(frozen=True, slots=True)
class Resources:
    """One configuration of Envoy: the route table, clusters by name, endpoints by cluster."""

    routes: Json
    clusters: Mapping[str, Json] = field(default_factory=dict)
    endpoints: Mapping[str, Json] = field(default_factory=dict)


def cluster(path: str, key: Key) -> str:
    """Name the cluster of a Revision on one of its paths."""
    return f"{path}/{key[0]}/{key[1]}"


def build(
    routes: Iterable[Json],
    targets: Mapping[Key, Target],
    domain: str,
    fixed: Mapping[str, str],
    hold: int = 600,
) -> Resources:
    """Make the whole configuration. `fixed` is host → cluster of Envoy's own start-up file.

    `hold` is how many seconds the activator may keep a request besides the Revision's own time.
    """
    hosts = [_fixed_host(host, name) for host, name in fixed.items()]
    for route in routes:
        hosts += _virtual_hosts(route, targets, domain, hold)
    hosts = list(_without_clashes(hosts))
    hosts.append({"name": "nowhere", "domains": ["*"], "routes": [_not_found()]})
    table = {
        "@type": TYPE + "route.v3.RouteConfiguration",
        "name": "gateway",
        "ignore_port_in_host_matching": True,
        "virtual_hosts": hosts,
    }
    clusters = {c["name"]: c for t in targets.values() for c in _clusters(t)}
    endpoints = {
        n: _load_assignment(n, t) for t in targets.values() if t.direct and (n := _direct(t))
    }
    return Resources(table, clusters, endpoints)


def routed(route: Json) -> Iterator[Key]:
    """Name the Revisions that a Route may send a request to."""
    namespace = route["metadata"]["namespace"]
    for target in (route.get("status") or {}).get("traffic") or []:
        if target.get("revisionName"):
            yield namespace, target["revisionName"]


def _virtual_hosts(
    route: Json, targets: Mapping[Key, Target], domain: str, hold: int
) -> Iterator[Json]:
    meta = route["metadata"]
    namespace = meta["namespace"]
    endings = ["", ".svc", ".svc.cluster.local"]
    if (meta.get("labels") or {}).get(CLUSTER_LOCAL) != "cluster-local":
        endings.append(f".{domain}")
    for host, split in _named(route, targets).items():
        yield {
            "name": f"{namespace}/{host}",
            "domains": [f"{host}.{namespace}{ending}" for ending in endings],
            "routes": [_split(split, hold)],
        }


def _named(route: Json, targets: Mapping[Key, Target]) -> dict[str, list[tuple[Target, int]]]:
    """Return the traffic of each host name: the Service's own first, then its tags."""
    namespace, name = route["metadata"]["namespace"], route["metadata"]["name"]
    traffic = (route.get("status") or {}).get("traffic") or []
    known = [(t, e) for e in traffic if (t := targets.get((namespace, e.get("revisionName", ""))))]
    split = [(target, entry["percent"]) for target, entry in known if entry.get("percent")]
    tags = {f"{e['tag']}-{name}": [(target, 100)] for target, e in known if e.get("tag")}
    return {**({name: split} if split else {}), **tags}


def _without_clashes(hosts: Iterable[Json]) -> Iterator[Json]:
    # One doubled domain makes Envoy refuse the whole table: tag `a` of `b` meets Service `a-b`.
    seen: set[str] = set()
    for host in hosts:
        free = [d for d in host["domains"] if d not in seen]
        seen.update(free)
        if free:
            yield {**host, "domains": free}


def _split(split: list[tuple[Target, int]], hold: int) -> Json:
    timeout = max(t.timeout + (0 if t.ready else hold) for t, _ in split)
    return {
        "match": {"prefix": "/"},
        "route": {
            "timeout": f"{timeout}s",
            "weighted_clusters": {"clusters": [_weighted(t, percent) for t, percent in split]},
            # Only what cannot have had an effect: nothing of the request has left Envoy.
            "retry_policy": {
                "retry_on": "connect-failure,reset-before-request",
                "num_retries": 3,
                "retry_host_predicate": [
                    {
                        "name": "previous_hosts",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.retry.host"
                            ".previous_hosts.v3.PreviousHostsPredicate"
                        },
                    }
                ],
                "host_selection_retry_max_attempts": 3,
            },
        },
    }


def _weighted(target: Target, percent: int) -> Json:
    namespace, name = target.key
    headers = {"knative-serving-namespace": namespace, "knative-serving-revision": name}
    if not target.ready:
        headers["knative-serving-onward"] = target.onward
        headers["x-envoy-upstream-rq-timeout-ms"] = str(target.timeout * 1000)
    return {
        "name": cluster("rev" if target.ready else "act", target.key),
        "weight": percent,
        "request_headers_to_add": [
            {"header": {"key": k, "value": v}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for k, v in headers.items()
        ],
    }


def _fixed_host(host: str, name: str) -> Json:
    route = {"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "0s"}}
    return {"name": host, "domains": [host], "routes": [route]}


def _not_found() -> Json:
    body = {"status": 404, "body": {"inline_string": NOT_FOUND}}
    return {"match": {"prefix": "/"}, "direct_response": body}


def _direct(target: Target) -> str:
    return cluster("limit" if target.concurrency else "rev", target.key)


def _clusters(target: Target) -> Iterator[Json]:
    name = cluster("act", target.key)
    listener = {"envoy_internal_address": {"server_listener_name": ACTIVATOR_LISTENER}}
    yield {
        **base_cluster(name, h2c=target.h2c),
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": listener}}]}],
        },
        "transport_socket": {
            "name": "envoy.transport_sockets.internal_upstream",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets"
                ".internal_upstream.v3.InternalUpstreamTransport",
                "transport_socket": {
                    "name": "envoy.transport_sockets.raw_buffer",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.transport_sockets"
                        ".raw_buffer.v3.RawBuffer"
                    },
                },
            },
        },
    }
    if target.direct:
        yield _direct_cluster(target)


def _direct_cluster(target: Target) -> Json:
    name = _direct(target)
    return {
        **base_cluster(name, h2c=target.h2c, limit=target.concurrency),
        "type": "EDS",
        "lb_policy": "LEAST_REQUEST",
        "eds_cluster_config": {"eds_config": SOURCE},
    }


def base_cluster(name: str, *, h2c: bool = False, limit: int = 0) -> Json:
    """Return what all clusters share: no limits of Envoy's own but a Revision's hard one.

    A connection of HTTP/1.1 carries one request at a time, so a limit on the connections of a
    replica is a limit on its concurrency; what is over it waits in Envoy.
    """
    unlimited = dict.fromkeys(
        ("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNLIMITED
    )
    breakers: Json = {"thresholds": [unlimited]}
    if limit:
        breakers["per_host_thresholds"] = [{"max_connections": limit}]
    protocol = "http2_protocol_options" if h2c else "http_protocol_options"
    options: Json = {"max_concurrent_streams": limit} if h2c and limit else {}
    return {
        "@type": TYPE + "cluster.v3.Cluster",
        "name": name,
        "connect_timeout": "2s",
        "circuit_breakers": breakers,
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "typed_extension_protocol_options": {
            HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
                "common_http_protocol_options": {"idle_timeout": UPSTREAM_IDLE},
                "explicit_http_config": {protocol: options},
            }
        },
    }


def _load_assignment(name: str, target: Target) -> Json:
    return {
        "@type": TYPE + "endpoint.v3.ClusterLoadAssignment",
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": [_lb_endpoint(e) for e in target.endpoints]}],
    }


def _lb_endpoint(endpoint: Endpoint) -> Json:
    socket = {"address": "127.0.0.1", "port_value": endpoint.port}
    return {
        "endpoint": {"address": {"socket_address": socket}},
        "health_status": "DRAINING" if endpoint.draining else "HEALTHY",
    }
