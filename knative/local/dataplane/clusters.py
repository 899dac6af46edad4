"""What a Revision is to Envoy: its clusters, their endpoints, and what all clusters share. Pure.

Clusters are named by the path a request takes, so that Envoy's counters tell them apart: `rev/…`
straight to the replicas, `act/…` to the activator, `limit/…` from there under a hard limit.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from knative.local.dataplane import words
from knative.local.dataplane.words import TYPE, address, endpoints

Json = words.Json
Key = tuple[str, str]  # namespace, name

HTTP_OPTIONS = "extensions.upstreams.http.v3.HttpProtocolOptions"
ACTIVATOR_LISTENER = "activator"
UNLIMITED = 1 << 30
# Many servers close an idle connection after 5 s without a word; one that we closed first cannot be
# picked for a request that is then lost.
UPSTREAM_IDLE = "1s"
BROKER = "broker-ingress"
PLATFORM = "platform"  # our own server: configuration, checks, metrics
SOURCE: Json = {  # where Envoy asks for what changes, again as soon as it has an answer
    "api_config_source": {
        "api_type": "REST",
        "transport_api_version": "V3",
        "cluster_names": [PLATFORM],
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
    """What the data plane knows of a Revision. `concurrency` 0 is unlimited, time-outs are seconds."""

    key: Key
    endpoints: tuple[Endpoint, ...] = ()
    concurrency: int = 0
    timeout: int = 300
    response_start: int = 0  # until the first byte of an answer; 0 is the time-out itself
    idle: int = 0  # between two bytes; 0 is for ever
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


def cluster(path: str, key: Key) -> str:
    """Name the cluster of a Revision on one of its paths."""
    return f"{path}/{key[0]}/{key[1]}"


def direct(target: Target) -> str:
    """Name the cluster of a Revision's replicas."""
    return cluster("limit" if target.concurrency else "rev", target.key)


def clusters(target: Target) -> Iterator[Json]:
    """Make the clusters of a Revision: to the activator, and to its replicas where it has any."""
    kind = {"@type": f"{TYPE}config.cluster.v3.Cluster"}
    activator = {"envoy_internal_address": {"server_listener_name": ACTIVATOR_LISTENER}}
    yield kind | static_cluster(cluster("act", target.key), activator, h2c=target.h2c)
    if target.direct:
        yield {
            **kind,
            **base_cluster(direct(target), h2c=target.h2c, limit=target.concurrency),
            "type": "EDS",
            "lb_policy": "LEAST_REQUEST",
            "eds_cluster_config": {"eds_config": SOURCE},
        }


def static_cluster(name: str, place: Json, *, h2c: bool = False) -> Json:
    """Make a cluster of one endpoint that stays."""
    return {
        **base_cluster(name, h2c=h2c),
        "type": "STATIC",
        "load_assignment": endpoints(name, [{"endpoint": {"address": place}}]),
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
        "name": name,
        "connect_timeout": "2s",
        "circuit_breakers": breakers,
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "typed_extension_protocol_options": {
            f"envoy.{HTTP_OPTIONS}": {
                "@type": TYPE + HTTP_OPTIONS,
                "common_http_protocol_options": {"idle_timeout": UPSTREAM_IDLE},
                "explicit_http_config": {protocol: options},
            }
        },
    }


def load_assignment(name: str, target: Target) -> Json:
    """Make the endpoints of a cluster."""
    places = [
        {
            "endpoint": {"address": address(endpoint.port)},
            "health_status": "DRAINING" if endpoint.draining else "HEALTHY",
        }
        for endpoint in target.endpoints
    ]
    kind = {"@type": f"{TYPE}config.endpoint.v3.ClusterLoadAssignment"}
    return kind | endpoints(name, places)
