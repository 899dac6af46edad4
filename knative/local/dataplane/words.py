"""The shapes that recur all over Envoy's configuration, written once. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

TYPE = "type.googleapis.com/envoy."


def extension(name: str, kind: str, **config: Any) -> Json:
    """Name an extension of Envoy, with its configuration of this type."""
    return {"name": name, "typed_config": {"@type": f"{TYPE}extensions.{kind}", **config}}


def address(port: int) -> Json:
    """Return an address on loopback."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def endpoints(cluster: str, places: Iterable[Json]) -> Json:
    """Return which endpoints a cluster has."""
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": [*places]}]}


def headers(values: Mapping[str, str]) -> list[Json]:
    """Return headers that a request is given, whatever it had."""
    return [
        {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for key, value in values.items()
    ]


def mutations(values: Mapping[str, str]) -> Json:
    """Return the same for the filter that changes headers before the router reads them."""
    return {"request_mutations": [{"append": header} for header in headers(values)]}
