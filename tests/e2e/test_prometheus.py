"""What a real Prometheus knows of a platform: counts across scale-to-zero, alerts, dashboards."""

import json
import math

import pytest

from tests.support.prometheus import FOLDER, PROGRAM, Prometheus, rules
from tests.support.watched import ONCE, Load, Watched

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(PROGRAM is None, reason="no prometheus here: apt-get install prometheus"),
]
DASHBOARDS = sorted(FOLDER.glob("dashboard*.json"))
PANELS = [
    (target["expr"], panel["title"])
    for file in DASHBOARDS
    for panel in json.loads(file.read_text())["panels"]
    for target in panel.get("targets", ())
]


def counted(told: Watched, metric: str, labels: str = "") -> int:
    """How often something was counted under the load, by Pods that are gone and Pods that are not.

    A Pod's last word is the greatest of what was scraped and what it pushed at its end.
    """
    server, load = known(told)
    expr = f"sum({ONCE} (max_over_time({metric}{{{labels}}}[1h])))"
    return round(server.total(expr, load.after) - server.total(expr, load.before))


def known(told: Watched) -> tuple[Prometheus, Load]:
    assert told.prometheus
    return told.prometheus, told.load


def test_requests_are_right_to_the_count_across_scale_to_zero(told: Watched) -> None:
    _, load = known(told)
    assert counted(told, "inference_requests_total", 'service="inference"') == load.questions
    assert counted(told, "inference_requests_total", 'service="ner"') == load.texts


def test_latencies_are_right_to_the_count_across_scale_to_zero(told: Watched) -> None:
    _, load = known(told)
    for service, expected in (("inference", load.questions), ("ner", load.texts)):
        labels = f'service="{service}"'
        assert counted(told, "inference_latency_seconds_count", labels) == expected
        bucket = f'{labels},le="+Inf"'
        assert counted(told, "inference_latency_seconds_bucket", bucket) == expected


def test_entities_are_right_to_the_count_across_scale_to_zero(told: Watched) -> None:
    _, load = known(told)
    assert load.entities > 0
    assert counted(told, "ner_entities_extracted_total") == load.entities


def test_the_size_of_the_index_is_what_answers_come_from(told: Watched) -> None:
    server, load = known(told)
    assert server.total("max(embedding_index_size)", load.after) == load.chunks > 0


def test_a_pod_that_slept_told_its_counts_itself_and_no_less_than_was_scraped(
    told: Watched,
) -> None:
    for service in ("inference", "ner"):
        pushed = by_pod(told, f'service="{service}",job="last-samples"')
        scraped = by_pod(told, f'service="{service}",job="functions"')
        assert scraped.keys() & pushed.keys()
        assert [pod for pod, count in pushed.items() if count < scraped.get(pod, 0)] == []


def by_pod(told: Watched, labels: str) -> dict[str, float]:
    """Requests by Pod, as they were known after the load."""
    server, load = known(told)
    expr = f"sum by (pod) (max_over_time(inference_requests_total{{{labels}}}[1h]))"
    return {names["pod"]: count for names, count in server.query(expr, load.after)}


def test_every_alert_fired_when_its_fault_was_made(told: Watched) -> None:
    server, load = known(told)
    expected = {rule["alert"] for group in rules() for rule in group["rules"] if "alert" in rule}
    assert fired(server, load.ended) == expected


def test_what_did_not_happen_yet_had_not_fired_before_the_faults(told: Watched) -> None:
    server, load = known(told)
    assert not fired(server, load.after) & {"DeadLetters", "SyncFailed", "RolledBack"}


def fired(server: Prometheus, when: float) -> set[str]:
    expr = 'max_over_time(ALERTS{alertstate="firing"}[1h])'
    return {labels["alertname"] for labels, _ in server.query(expr, when)}


def test_every_recorded_series_is_there(told: Watched) -> None:
    server, load = known(told)
    for group in rules():
        for name in (rule["record"] for rule in group["rules"] if "record" in rule):
            assert server.query(f"max_over_time({name}[1h])", load.ended), name


@pytest.mark.parametrize(("expr", "title"), PANELS)
def test_every_query_of_a_dashboard_returns_data(told: Watched, expr: str, title: str) -> None:
    server, load = known(told)
    asked = expr.replace("$__rate_interval", "15s").replace("$__range", "10m")
    found = server.during(asked, load.before, load.ended)
    numbers = [float(value) for series in found for _, value in series["values"]]
    assert [number for number in numbers if not math.isnan(number)], title
