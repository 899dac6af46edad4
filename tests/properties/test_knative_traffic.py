"""Whatever is asked of a Service, nobody is sent to a Revision that has never been ready."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from knative.local.conditions import get_condition, set_condition
from knative.local.serving.controller import reconcile
from knative.local.serving.rules import default_service
from knative.local.serving.traffic import Urls
from knative.local.store import Store

Object = dict[str, Any]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Numbers = st.integers(1, 4)


class Serving(RuleBasedStateMachine):
    """Templates change, Revisions come up and break, people edit traffic, the process restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "store.db"
        self.store = Store(self.path)
        self.was_ready: set[str] = set()
        self.templates = 0

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @initialize()
    def create(self) -> None:
        obj: Object = {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": {"name": "ner", "namespace": "d"},
            "spec": {"template": {"spec": {"containers": [{"image": "x0"}]}}},
        }
        default_service(obj, None)
        self.store.create(obj)
        self.settle()

    @rule()
    def change_template(self) -> None:
        self.templates += 1
        containers = [{"image": f"x{self.templates}"}]
        self.edit(template={"spec": {"containers": containers}})

    @rule(number=Numbers, value=st.sampled_from(["True", "False", "Unknown"]))
    def become(self, number: int, value: Any) -> None:
        names = [r["metadata"]["name"] for r in self.store.list("Revision")]
        name = names[number % len(names)]
        status = self.store.get("Revision", "d", name).get("status") or {}
        set_condition(status, "Ready", value, now=NOW)
        self.store.update_status("Revision", "d", name, status)
        if value == "True":
            self.was_ready.add(name)
        self.settle()

    @rule(one=Numbers, other=Numbers, percent=st.integers(0, 100))
    def split(self, one: int, other: int, percent: int) -> None:
        first = {"revisionName": f"ner-{one:05d}", "percent": percent, "latestRevision": False}
        rest = {
            "revisionName": f"ner-{other:05d}",
            "percent": 100 - percent,
            "latestRevision": False,
        }
        self.edit(traffic=[first, rest])

    @rule()
    def follow_latest(self) -> None:
        self.edit(traffic=[{"latestRevision": True, "percent": 100}])

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = Store(self.path)
        self.settle()

    def edit(self, **spec: Any) -> None:
        service = self.store.get("Service", "d", "ner")
        self.store.update({**service, "spec": {**service["spec"], **spec}})
        self.settle()

    def settle(self) -> None:
        reconcile(self.store, Urls("localhost", 80), ("d", "ner"))

    def targets(self) -> list[Object]:
        found: list[Object] = self.store.get("Route", "d", "ner")["status"].get("traffic") or []
        return found

    @invariant()
    def only_revisions_that_were_ready_are_routed_to(self) -> None:
        assert {t["revisionName"] for t in self.targets()} <= self.was_ready

    @invariant()
    def all_of_the_traffic_goes_somewhere(self) -> None:
        if self.targets():
            assert sum(t["percent"] for t in self.targets()) == 100

    @invariant()
    def the_latest_ready_revision_was_ready(self) -> None:
        status = self.store.get("Configuration", "d", "ner")["status"]
        assert status.get("latestReadyRevisionName") in {None, *self.was_ready}

    @invariant()
    def a_ready_service_routes_as_asked(self) -> None:
        service = self.store.get("Service", "d", "ner")
        condition = get_condition(service["status"], "Ready") or {}
        if condition["status"] == "True":
            asked = [t["percent"] for t in service["spec"]["traffic"]]
            assert [t["percent"] for t in self.targets()] == asked

    @invariant()
    def settled_means_settled(self) -> None:
        before = self.store.revision()
        self.settle()
        assert self.store.revision() == before


TestServing = Serving.TestCase
TestServing.settings = settings(max_examples=30, stateful_step_count=15, deadline=None)
