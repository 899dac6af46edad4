"""Routes and ready replicas → xDS resources, as a pure function of both.

The rule: a traffic target goes straight to its replicas when there are any and no hard
concurrency limit holds; otherwise it goes to the activator, which waits until it may go on.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from knative.local.carried import VISIBILITY
from knative.local.dataplane.clusters import (
    Key,
    Target,
    cluster,
    clusters,
    direct,
    load_assignment,
)
from knative.local.dataplane.words import TYPE, Json, extension, headers, mutations

HOLD = 600  # seconds that the activator may keep a request besides the Revision's own time
NOT_FOUND = "no Route has this host name"
MUTATION = "envoy.filters.http.header_mutation"
MUTATION_KIND = "filters.http.header_mutation.v3.HeaderMutation"
# What a router reads, and how it comes to the activator's: Envoy believes its own words only where
# they were not sent to it.
TIMES = {
    "x-envoy-upstream-rq-timeout-ms": "knative-serving-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms": "knative-serving-response-start-ms",
}


@dataclass(frozen=True, slots=True)
class Resources:
    """One configuration of Envoy: the route table, clusters by name, endpoints by cluster."""

    routes: Json
    clusters: Mapping[str, Json] = field(default_factory=dict)
    endpoints: Mapping[str, Json] = field(default_factory=dict)


def build(
    routes: Iterable[Json],
    targets: Mapping[Key, Target],
    domain: str,
    fixed: Mapping[str, str],
) -> Resources:
    """Make the whole configuration. `fixed` is host → cluster of Envoy's own start-up file."""
    hosts = [_fixed_host(host, name) for host, name in fixed.items()]
    for route in routes:
        hosts += _virtual_hosts(route, targets, domain)
    hosts = list(_without_clashes(hosts))
    hosts.append({"name": "nowhere", "domains": ["*"], "routes": [_not_found()]})
    table = {
        "@type": f"{TYPE}config.route.v3.RouteConfiguration",
        "name": "gateway",
        "ignore_port_in_host_matching": True,
        "virtual_hosts": hosts,
    }
    made = {c["name"]: c for t in targets.values() for c in clusters(t)}
    endpoints = {
        n: load_assignment(n, t) for t in targets.values() if t.direct and (n := direct(t))
    }
    return Resources(table, made, endpoints)


def routed(route: Json) -> Iterator[Key]:
    """Name the Revisions that a Route may send a request to."""
    namespace = route["metadata"]["namespace"]
    for target in (route.get("status") or {}).get("traffic") or []:
        if target.get("revisionName"):
            yield namespace, target["revisionName"]


def _virtual_hosts(route: Json, targets: Mapping[Key, Target], domain: str) -> Iterator[Json]:
    meta = route["metadata"]
    namespace = meta["namespace"]
    endings = ["", ".svc", ".svc.cluster.local"]
    if (meta.get("labels") or {}).get(VISIBILITY) != "cluster-local":
        endings.append(f".{domain}")
    for host, split in _named(route, targets).items():
        yield {
            "name": f"{namespace}/{host}",
            "domains": [f"{host}.{namespace}{ending}" for ending in endings],
            "routes": [_split(split)],
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


def _split(split: list[tuple[Target, int]]) -> Json:
    # A Revision's own time-outs come with _times; these are for all of them, and for the activator.
    timeout = max(t.timeout + (0 if t.ready else HOLD) for t, _ in split)
    idle = max(t.idle + (0 if t.ready else HOLD) for t, _ in split)
    return {
        "match": {"prefix": "/"},
        "route": {
            "timeout": f"{timeout}s",
            "idle_timeout": f"{idle if all(t.idle for t, _ in split) else 0}s",
            "weighted_clusters": {"clusters": [_weighted(t, p, timeout) for t, p in split]},
            # Only what cannot have had an effect: nothing of the request has left Envoy.
            "retry_policy": {
                "retry_on": "connect-failure,reset-before-request",
                "num_retries": 3,
                "retry_host_predicate": [
                    extension(
                        "previous_hosts", "retry.host.previous_hosts.v3.PreviousHostsPredicate"
                    )
                ],
                "host_selection_retry_max_attempts": 3,
            },
        },
    }


def _weighted(target: Target, percent: int, timeout: int) -> Json:
    namespace, name = target.key
    added = {"knative-serving-namespace": namespace, "knative-serving-revision": name}
    chosen: Json = {
        "name": cluster("rev" if target.ready else "act", target.key),
        "weight": percent,
    }
    if not target.ready:
        added["knative-serving-onward"] = target.onward
        added |= {TIMES[name]: value for name, value in _times(target).items()}
    elif target.response_start or target.timeout != timeout:  # else the route says it already
        kind = f"{TYPE}extensions.{MUTATION_KIND}PerRoute"
        config = {"@type": kind, "mutations": mutations(_times(target))}
        chosen["typed_per_filter_config"] = {MUTATION: config}
    return {**chosen, "request_headers_to_add": headers(added)}


def _times(target: Target) -> dict[str, str]:
    """Return a Revision's time-outs as the headers that the router towards its replicas reads."""
    seconds = (target.timeout, target.response_start or target.timeout)
    return {name: f"{time}000" for name, time in zip(TIMES, seconds, strict=True)}


def _fixed_host(host: str, name: str) -> Json:
    route = {"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "0s"}}
    return {"name": host, "domains": [host], "routes": [route]}


def _not_found() -> Json:
    body = {"status": 404, "body": {"inline_string": NOT_FOUND}}
    return {"match": {"prefix": "/"}, "direct_response": body}
