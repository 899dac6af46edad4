"""Envoy's start-up file: the gateway, the activator's listener, and where the rest is read from.

The rule: nothing here depends on any Service. What changes Envoy asks for (discovery.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from knative.local.dataplane import clusters
from knative.local.dataplane.activator import REFUSED
from knative.local.dataplane.clusters import Json
from knative.local.dataplane.routing import MUTATION, TIMES

EXT = "type.googleapis.com/envoy.extensions."
# The counters that are read, nothing else: each one costs memory for every Revision.
KEPT_STATS = r"cluster\.[^.]+\.(upstream_rq_\d+|upstream_rq_time|upstream_rq_active)"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where Envoy listens, and where the platform's own servers are, all on loopback."""

    gateway: int
    admin: int
    activator: int
    ingress: int


def bootstrap(ports: Ports) -> Json:
    """Make the start-up file."""
    return {
        "node": {"id": "gateway", "cluster": "knative"},
        "admin": {"address": _address(ports.admin)},
        "stats_flush_on_admin": True,
        "stats_config": {
            "stats_matcher": {
                "inclusion_list": {"patterns": [{"safe_regex": {"regex": KEPT_STATS}}]}
            }
        },
        "bootstrap_extensions": [
            {
                "name": "envoy.bootstrap.internal_listener",
                "typed_config": {"@type": EXT + "bootstrap.internal_listener.v3.InternalListener"},
            }
        ],
        "dynamic_resources": {"cds_config": clusters.SOURCE},
        "static_resources": {
            "listeners": [_gateway(ports.gateway), _activator()],
            "clusters": [
                _loopback(clusters.CONFIGURATION, ports.activator),
                _loopback("activator-checks", ports.activator),
                _loopback("broker-ingress", ports.ingress),
                _loopback("request-metrics", ports.activator),
                _original_destination("dst"),
                _original_destination("dst-h2c", h2c=True),
            ],
        },
    }


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _gateway(port: int) -> Json:
    return {
        "name": "gateway",
        "address": _address(port),
        # Two gateways on one port would share its connections instead of one being refused.
        "enable_reuse_port": False,
        "filter_chains": [
            _manager(
                "gateway",
                {
                    "access_log": [_refusals()],
                    "use_remote_address": True,
                    "preserve_external_request_id": True,
                    "always_set_request_id_in_response": True,
                    "request_headers_timeout": "30s",
                    "rds": {"route_config_name": "gateway", "config_source": clusters.SOURCE},
                },
                [_mutation({}), _router()],
            )
        ],
    }


def _refusals() -> Json:
    """Log what was refused, in the form of the functions' logs: no query and no header, where secrets are."""
    at_least = {"default_value": 400, "runtime_key": "log.least"}
    line = {
        "timestamp": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "service": "gateway",
        "level": "WARNING",
        "message": "%REQ(:METHOD)% %REQ(:AUTHORITY)%%PATH(NQ)% %RESPONSE_CODE%",
        "reason": "%RESPONSE_CODE_DETAILS%",
        "request_id": "%REQ(X-REQUEST-ID)%",
    }
    return {
        "name": "envoy.access_loggers.stdout",
        "filter": {"status_code_filter": {"comparison": {"op": "GE", "value": at_least}}},
        "typed_config": {
            "@type": EXT + "access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"json_format": line},
        },
    }


def _activator() -> Json:
    route = {
        "match": {"prefix": "/"},
        "route": {"cluster_header": "knative-serving-onward", "timeout": "0s"},
        "request_headers_to_remove": ["knative-serving-onward", *TIMES.values()],
    }
    table = {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]}
    return {
        "name": clusters.ACTIVATOR_LISTENER,
        "internal_listener": {},
        "filter_chains": [
            _manager(
                "activator",
                # A caller in this same process cannot miss the end: an answer cut off is known at once.
                {"route_config": table, "delayed_close_timeout": "0s"},
                [_check(), _mutation(TIMES), _router()],
            )
        ],
    }


def _own_answers() -> Json:
    """Give the answers that Envoy makes itself the form of all our errors."""
    codes = {404: "not_found", 503: "unavailable", 504: "deadline_exceeded", REFUSED: "unavailable"}
    mappers = [_own_answer(status, code) for status, code in codes.items()]
    # Envoy takes a 5xx of a check for a fault of the check, so a refusal comes in another number.
    mappers[-1]["status_code"] = 503
    return {"mappers": mappers, "body_format": _error("bad_request")}


def _own_answer(status: int, code: str) -> Json:
    value = {"default_value": status, "runtime_key": f"answers.{status}"}
    wanted = {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}
    return {"filter": wanted, "body_format_override": _error(code)}


def _error(code: str) -> Json:
    fields = {"message": "%LOCAL_REPLY_BODY%", "request_id": "%REQ(X-REQUEST-ID)%"}
    return {"json_format": {"error": {"code": code, **fields}}}


def _check() -> Json:
    asked = ("knative-serving-namespace", "knative-serving-revision")
    return {
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": EXT + "filters.http.ext_authz.v3.ExtAuthz",
            "allowed_headers": {"patterns": [{"exact": name} for name in asked]},
            "status_on_error": {"code": "ServiceUnavailable"},
            "http_service": {
                "path_prefix": "/activate",
                "server_uri": {
                    "uri": "http://activator",
                    "cluster": "activator-checks",
                    "timeout": "3600s",
                },
                "authorization_response": {
                    "allowed_upstream_headers": {
                        "patterns": [{"exact": "x-envoy-original-dst-host"}]
                    }
                },
            },
        },
    }


def _mutation(copied: Mapping[str, str]) -> Json:
    """Change a request's headers before the router reads them: copy these, and what a route says."""
    mutations = [
        {
            "append": {
                "header": {"key": name, "value": f"%REQ({source})%"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        }
        for name, source in copied.items()
    ]
    config = {
        "@type": EXT + "filters.http.header_mutation.v3.HeaderMutation",
        "mutations": {"request_mutations": mutations},
    }
    return {"name": MUTATION, "typed_config": config}


def _router() -> Json:
    config = {"@type": EXT + "filters.http.router.v3.Router", "suppress_envoy_headers": True}
    return {"name": "envoy.filters.http.router", "typed_config": config}


def _manager(name: str, more: Mapping[str, Any], filters: list[Json]) -> Json:
    config = {
        "@type": EXT + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        # A request that waits for a start is quiet for as long as the start takes.
        "stream_idle_timeout": "0s",
        "server_header_transformation": "PASS_THROUGH",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http2_protocol_options": {"allow_connect": True},
        "local_reply_config": _own_answers(),
        **more,
        "http_filters": filters,
    }
    filter_name = "envoy.filters.network.http_connection_manager"
    return {"filters": [{"name": filter_name, "typed_config": config}]}


def _loopback(name: str, port: int) -> Json:
    return {
        **_static(clusters.base_cluster(name)),
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}],
        },
    }


def _original_destination(name: str, *, h2c: bool = False) -> Json:
    return {
        **_static(clusters.base_cluster(name, h2c=h2c)),
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "original_dst_lb_config": {"use_http_header": True},
    }


def _static(cluster: Json) -> Json:
    return {key: value for key, value in cluster.items() if key != "@type"}
