"""Alerts as Prometheus itself reads them; dashboards that ask for what exists."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from knative.serving.samples import GENERATIONS
from tests.support.manifests import ROOT

FOLDER = ROOT / "knative/observability"
RULES = yaml.safe_load((FOLDER / "rules.yaml").read_text())["spec"]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
PROMTOOL = shutil.which("promtool")
NAME = re.compile(r"\b([a-z]+_[a-z_]+)\b(?=[{\[)]| ==|$)")
GROUPING = re.compile(r"\b(by|without) \([^)]*\)")
DECLARED = re.compile(r'(?:counter|gauge|histogram)\(\s*"(\w+)"')
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="no promtool here: apt-get install prometheus"
)


def declared() -> set[str]:
    """Every series' name that the functions may tell."""
    sources = (path.read_text() for path in (ROOT / "functions").rglob("*.py"))
    found = {name for source in sources for name in DECLARED.findall(source)}
    endings = ("", "_total", "_bucket", "_count", "_sum")
    knatives = {name for each in GENERATIONS for name in (each.count, each.bucket)}
    return {name + ending for name in found for ending in endings} | knatives


def alerts() -> list[dict[str, object]]:
    return [rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules.json").write_text(json.dumps({"groups": RULES["groups"]}))
    shutil.copy(FOLDER / "rules.test.yaml", tmp_path)
    return tmp_path


def promtool(folder: Path, *arguments: str) -> None:
    assert PROMTOOL
    done = subprocess.run(
        [PROMTOOL, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_prometheus_reads_every_rule(rules: Path) -> None:
    promtool(rules, "check", "rules", "rules.json")


@needs_promtool
def test_every_alert_fires_when_it_should_and_is_quiet_when_it_should_be(rules: Path) -> None:
    promtool(rules, "test", "rules", "rules.test.yaml")


def test_every_alert_has_a_case() -> None:
    cases = yaml.safe_load((FOLDER / "rules.test.yaml").read_text())["tests"]
    tried = {
        case["alertname"]
        for test in cases
        for case in test.get("alert_rule_test", ())
        if case["exp_alerts"]
    }
    assert tried == {rule["alert"] for rule in alerts()}


def test_every_alert_says_what_to_do_at_a_place_that_exists() -> None:
    for rule in alerts():
        annotations = rule["annotations"]
        assert isinstance(annotations, dict)
        file, _, anchor = annotations["runbook"].partition("#")
        headings = re.findall(r"^#+ (.+)$", (ROOT / file).read_text(), re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
        assert anchor in slugs, rule["alert"]


def test_rules_and_dashboards_ask_for_series_that_exist() -> None:
    asked = [rule["expr"] for group in RULES["groups"] for rule in group["rules"]]
    asked += [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    used = {name for expr in asked for name in NAME.findall(GROUPING.sub("", expr))}
    used -= {"histogram_quantile", "last_over_time", "max_over_time"}
    assert used
    assert used - declared() == set()
