"""Envoy's start-up file: the gateway, the activator's listener, and where the rest is read from.

The rule: nothing here depends on any Service. What changes Envoy asks for (discovery.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from knative.local.dataplane import clusters
from knative.local.dataplane.activator import REFUSED
from knative.local.dataplane.routing import MUTATION, MUTATION_KIND, TIMES
from knative.local.dataplane.words import Json, address, extension, mutations

# The counters that are read, nothing else: each one costs memory for every Revision.
KEPT_STATS = r"cluster\.[^.]+\.(upstream_rq_\d+|upstream_rq_time|upstream_rq_active)"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where Envoy listens, and where the platform's own servers are, all on loopback."""

    gateway: int
    admin: int
    platform: int
    ingress: int


def bootstrap(ports: Ports) -> Json:
    """Make the start-up file."""
    kept = {"patterns": [{"safe_regex": {"regex": KEPT_STATS}}]}
    ours = {clusters.PLATFORM: ports.platform, clusters.BROKER: ports.ingress}
    return {
        "node": {"id": "gateway", "cluster": "knative"},
        "admin": {"address": address(ports.admin)},
        "stats_flush_on_admin": True,
        "stats_config": {"stats_matcher": {"inclusion_list": kept}},
        "bootstrap_extensions": [
            extension(
                "envoy.bootstrap.internal_listener",
                "bootstrap.internal_listener.v3.InternalListener",
            )
        ],
        "dynamic_resources": {"cds_config": clusters.SOURCE},
        "static_resources": {
            "listeners": [_gateway(ports.gateway), _activator()],
            "clusters": [
                *(clusters.static_cluster(name, address(port)) for name, port in ours.items()),
                _original_destination("dst"),
                _original_destination("dst-h2c", h2c=True),
            ],
        },
    }


def _gateway(port: int) -> Json:
    config = {
        "access_log": [_refusals()],
        "use_remote_address": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "request_headers_timeout": "30s",
        "rds": {"route_config_name": "gateway", "config_source": clusters.SOURCE},
    }
    return {
        "name": "gateway",
        "address": address(port),
        # Two gateways on one port would share its connections instead of one being refused.
        "enable_reuse_port": False,
        "filter_chains": [_manager("gateway", config, [_mutation({}), _router()])],
    }


def _refusals() -> Json:
    """Log what was refused, in the form of the functions' logs: no query and no header, where secrets are."""
    line = {
        "timestamp": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "service": "gateway",
        "level": "WARNING",
        "message": "%REQ(:METHOD)% %REQ(:AUTHORITY)%%PATH(NQ)% %RESPONSE_CODE%",
        "reason": "%RESPONSE_CODE_DETAILS%",
        "request_id": "%REQ(X-REQUEST-ID)%",
    }
    log = extension(
        "envoy.access_loggers.stdout",
        "access_loggers.stream.v3.StdoutAccessLog",
        log_format={"json_format": line},
    )
    return {**log, "filter": _status("GE", 400)}


def _status(op: str, code: int) -> Json:
    """Return the filter for answers with such a status."""
    value = {"default_value": code, "runtime_key": f"status.{op}.{code}"}
    return {"status_code_filter": {"comparison": {"op": op, "value": value}}}


def _activator() -> Json:
    route = {
        "match": {"prefix": "/"},
        "route": {"cluster_header": "knative-serving-onward", "timeout": "0s"},
        "request_headers_to_remove": ["knative-serving-onward", *TIMES.values()],
    }
    config = {
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        # A caller in this same process cannot miss the end: an answer cut off is known at once.
        "delayed_close_timeout": "0s",
    }
    return {
        "name": clusters.ACTIVATOR_LISTENER,
        "internal_listener": {},
        "filter_chains": [_manager("activator", config, [_check(), _mutation(TIMES), _router()])],
    }


def _own_answers() -> Json:
    """Give the answers that Envoy makes itself the form of all our errors."""
    codes = {404: "not_found", 503: "unavailable", 504: "deadline_exceeded", REFUSED: "unavailable"}
    mappers: list[Json] = [
        {"filter": _status("EQ", status), "body_format_override": _error(code)}
        for status, code in codes.items()
    ]
    # Envoy takes a 5xx of a check for a fault of the check, so a refusal comes in another number.
    mappers[-1]["status_code"] = 503
    return {"mappers": mappers, "body_format": _error("bad_request")}


def _error(code: str) -> Json:
    fields = {"message": "%LOCAL_REPLY_BODY%", "request_id": "%REQ(X-REQUEST-ID)%"}
    return {"json_format": {"error": {"code": code, **fields}}}


def _check() -> Json:
    asked = ("knative-serving-namespace", "knative-serving-revision")
    server = {"uri": "http://activator", "cluster": clusters.PLATFORM, "timeout": "3600s"}
    answer = {"allowed_upstream_headers": _exactly("x-envoy-original-dst-host")}
    return extension(
        "envoy.filters.http.ext_authz",
        "filters.http.ext_authz.v3.ExtAuthz",
        allowed_headers=_exactly(*asked),
        status_on_error={"code": "ServiceUnavailable"},
        http_service={
            "path_prefix": "/activate",
            "server_uri": server,
            "authorization_response": answer,
        },
    )


def _exactly(*names: str) -> Json:
    return {"patterns": [{"exact": name} for name in names]}


def _mutation(copied: Mapping[str, str]) -> Json:
    """Change a request's headers before the router reads them: copy these, and what a route says."""
    values = {name: f"%REQ({source})%" for name, source in copied.items()}
    return extension(MUTATION, MUTATION_KIND, mutations=mutations(values))


def _router() -> Json:
    name, kind = "envoy.filters.http.router", "filters.http.router.v3.Router"
    return extension(name, kind, suppress_envoy_headers=True)


def _manager(name: str, more: Mapping[str, Any], filters: list[Json]) -> Json:
    manager = extension(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=name,
        # A request that waits for a start is quiet for as long as the start takes.
        stream_idle_timeout="0s",
        server_header_transformation="PASS_THROUGH",
        upgrade_configs=[{"upgrade_type": "websocket"}],
        http2_protocol_options={"allow_connect": True},
        local_reply_config=_own_answers(),
        http_filters=filters,
        **more,
    )
    return {"filters": [manager]}


def _original_destination(name: str, *, h2c: bool = False) -> Json:
    return {
        **clusters.base_cluster(name, h2c=h2c),
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "original_dst_lb_config": {"use_http_header": True},
    }
