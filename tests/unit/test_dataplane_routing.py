"""Routes and replicas → Envoy's configuration, looked at as a person would read it."""

from typing import Any

from knative.local.dataplane.clusters import Endpoint, Json, Key, Target
from knative.local.dataplane.routing import Resources, build

A, B = ("ns", "web-00001"), ("ns", "web-00002")
READY = (Endpoint(20001),)


def route(*traffic: Json, name: str = "web", labels: Any = None) -> Json:
    meta = {"namespace": "ns", "name": name, "labels": labels or {}}
    return {"metadata": meta, "status": {"traffic": list(traffic)}}


def to(key: Key, percent: int = 100, tag: str = "") -> Json:
    return {"revisionName": key[1], "percent": percent} | ({"tag": tag} if tag else {})


def made(routes: list[Json], *targets: Target) -> Resources:
    return build(routes, {t.key: t for t in targets}, "localhost", {})


def hosts(resources: Resources) -> dict[str, Json]:
    return {d: h for h in resources.routes["virtual_hosts"] for d in h["domains"]}


def weights(resources: Resources, host: str) -> dict[str, int]:
    found = hosts(resources)[host]["routes"][0]["route"]["weighted_clusters"]["clusters"]
    return {c["name"]: c["weight"] for c in found}


def test_a_revision_with_a_ready_replica_is_reached_straight_and_a_sleeping_one_by_the_activator() -> (
    None
):
    resources = made([route(to(A, 90), to(B, 10))], Target(A, READY), Target(B))
    assert weights(resources, "web.ns.localhost") == {
        "rev/ns/web-00001": 90,
        "act/ns/web-00002": 10,
    }


def test_a_draining_replica_gets_nothing_new_and_is_still_known() -> None:
    resources = made([route(to(A))], Target(A, (Endpoint(20001, draining=True),)))
    assert weights(resources, "web.ns.localhost") == {"act/ns/web-00001": 100}
    only = resources.endpoints["rev/ns/web-00001"]["endpoints"][0]["lb_endpoints"][0]
    assert only["health_status"] == "DRAINING"


def test_a_hard_limit_keeps_the_activator_in_the_way_and_bounds_connections_per_replica() -> None:
    resources = made([route(to(A))], Target(A, READY, concurrency=3))
    assert weights(resources, "web.ns.localhost") == {"act/ns/web-00001": 100}
    breakers = resources.clusters["limit/ns/web-00001"]["circuit_breakers"]
    assert breakers["per_host_thresholds"] == [{"max_connections": 3}]


def test_a_service_has_its_outer_and_its_cluster_names_and_each_tag_too() -> None:
    known = hosts(made([route(to(A, tag="next"))], Target(A)))
    for name in ("web", "next-web"):
        for ending in ("localhost", "svc.cluster.local", "svc"):
            assert f"{name}.ns.{ending}" in known


def test_a_cluster_local_service_has_no_outer_name() -> None:
    label = {"networking.knative.dev/visibility": "cluster-local"}
    known = hosts(made([route(to(A), labels=label)], Target(A)))
    assert "web.ns.svc.cluster.local" in known
    assert "web.ns.localhost" not in known


def test_a_tag_at_zero_percent_has_its_address_and_no_share() -> None:
    resources = made([route(to(A), to(B, 0, "next"))], Target(A), Target(B))
    assert weights(resources, "web.ns.localhost") == {"act/ns/web-00001": 100}
    assert weights(resources, "next-web.ns.localhost") == {"act/ns/web-00002": 100}


def test_a_route_without_traffic_and_an_unknown_revision_make_no_host() -> None:
    assert list(hosts(made([route(), route(to(A), name="other")]))) == ["*"]


def test_a_tag_that_reads_like_another_service_never_doubles_a_name() -> None:
    resources = made([route(to(A), name="a-web"), route(to(A, tag="a"))], Target(A))
    every = [d for h in resources.routes["virtual_hosts"] for d in h["domains"]]
    assert len(every) == len(set(every))


def test_time_outs_are_the_revisions_own_and_waiting_for_a_start_comes_on_top() -> None:
    asleep, awake = (
        hosts(made([route(to(A))], Target(A, e, timeout=30)))["web.ns.localhost"]
        for e in ((), READY)
    )
    assert awake["routes"][0]["route"]["timeout"] == "30s"
    assert asleep["routes"][0]["route"]["timeout"] == "630s"


def test_a_revision_s_time_outs_go_with_the_request_to_the_router_before_its_replicas() -> None:
    straight, held = Target(A, READY, timeout=30, response_start=5), Target(B, timeout=40)
    split = hosts(made([route(to(A, 50), to(B, 50))], straight, held))["web.ns.localhost"]
    first, second = split["routes"][0]["route"]["weighted_clusters"]["clusters"]
    (config,) = first["typed_per_filter_config"].values()
    now = {h["append"]["header"]["key"]: h for h in config["mutations"]["request_mutations"]}
    assert [*now] == [
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-upstream-rq-per-try-timeout-ms",
    ]
    assert now["x-envoy-upstream-rq-timeout-ms"]["append"]["header"]["value"] == "30000"
    later = {h["header"]["key"]: h["header"]["value"] for h in second["request_headers_to_add"]}
    assert later["knative-serving-timeout-ms"] == "40000"
    assert later["knative-serving-response-start-ms"] == "40000"


def test_an_idle_time_holds_only_where_every_revision_has_one() -> None:
    both = [route(to(A, 50), to(B, 50))]
    one, other = Target(A, READY, idle=5), Target(B, READY, idle=7)
    for targets, idle in (((one, other), "7s"), ((one, Target(B, READY)), "0s")):
        made_of = hosts(made(both, *targets))["web.ns.localhost"]["routes"][0]["route"]
        assert made_of["idle_timeout"] == idle


def test_only_what_never_left_envoy_is_tried_again() -> None:
    policy = hosts(made([route(to(A))], Target(A)))["web.ns.localhost"]["routes"][0]["route"]
    assert policy["retry_policy"]["retry_on"] == "connect-failure,reset-before-request"


def test_unknown_hosts_get_a_404_in_words() -> None:
    last = made([]).routes["virtual_hosts"][-1]["routes"][0]["direct_response"]
    assert last["status"] == 404
    assert "no Route" in last["body"]["inline_string"]


def test_a_revision_long_asleep_has_only_the_way_to_the_activator() -> None:
    resources = made([route(to(A))], Target(A, direct=False))
    assert [*resources.clusters] == ["act/ns/web-00001"]
    assert resources.endpoints == {}
