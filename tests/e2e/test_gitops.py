"""Git and the rollouts own different fields: applied again and by force, a manifest moves nothing."""

from typing import Any

import pytest
import yaml

from knative.serving.client import MANAGER
from scripts.laptop import kubectl
from scripts.laptop.process import Running
from scripts.laptop.provision import NAMESPACE
from tests.conftest import STORY
from tests.support.manifests import ROOT

pytestmark = pytest.mark.timeout(300)
OF_THE_ROLLOUT = ("ner", "inference")


def service(laptop: Running, name: str) -> Any:
    return kubectl.get(laptop.kubeconfig, "ksvc", name, "--show-managed-fields")


def revisions(laptop: Running) -> set[str]:
    return {item["metadata"]["name"] for item in kubectl.get(laptop.kubeconfig, "rev")["items"]}


@pytest.mark.parametrize("manager", ["kustomize-controller", "argocd-controller"])
def test_an_overlay_that_is_applied_again_by_force_leaves_the_rollouts_fields_alone(
    laptop: Running, manager: str
) -> None:
    before = {name: service(laptop, name) for name in OF_THE_ROLLOUT}
    known = revisions(laptop)
    kubectl.kubectl(
        laptop.kubeconfig, "apply", "--server-side", "--force-conflicts", "--field-manager", manager,
        "-f", "-", stdin=kubectl.render(STORY.overlay),
    )  # fmt: skip
    for name, old in before.items():
        new = service(laptop, name)
        assert new["spec"] == old["spec"]
        assert new["metadata"]["generation"] == old["metadata"]["generation"]
        assert new["metadata"]["annotations"] == old["metadata"]["annotations"]
    assert revisions(laptop) == known


def test_the_rollout_owns_what_no_manifest_has(laptop: Running) -> None:
    for name in OF_THE_ROLLOUT:
        owners = service(laptop, name)["metadata"]["managedFields"]
        own = [entry["fieldsV1"] for entry in owners if entry["manager"] == MANAGER]
        assert any("f:traffic" in fields.get("f:spec", {}) for fields in own), name
        others = [entry for entry in owners if entry["manager"] != MANAGER]
        assert not any("f:traffic" in str(entry["fieldsV1"].get("f:spec")) for entry in others)


def test_argo_cd_is_told_to_pass_over_this_owners_fields() -> None:
    found = yaml.safe_load((ROOT / "knative/gitops/argocd.yaml").read_text())["spec"]
    (passed_over,) = found["ignoreDifferences"]
    assert passed_over["managedFieldsManagers"] == [MANAGER]
    assert found["destination"]["namespace"] == NAMESPACE
    assert "RespectIgnoreDifferences=true" in found["syncPolicy"]["syncOptions"]
