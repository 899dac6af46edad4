"""Server-side apply: who owns a field, and what happens when two want it.

Of our API only, because a cluster's field manager is Kubernetes' own.
"""

from typing import Any

import yaml

from tests.support.kube_api import KubeApi

Object = dict[str, Any]


def apply(kube: KubeApi, obj: Object, *flags: str) -> str:
    return kube.kubectl("apply", "--server-side", *flags, "-f", "-", stdin=yaml.safe_dump(obj))


def config_map(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_an_apply_can_be_repeated(kube: KubeApi, service: Object, name: str) -> None:
    apply(kube, service)
    apply(kube, service)
    assert kube.get("ksvc", name)["metadata"]["generation"] == 1


def test_another_managers_field_is_a_conflict_unless_forced(kube: KubeApi, name: str) -> None:
    apply(kube, config_map(name, a="1"), "--field-manager=first")
    refusal = kube.refused(
        "apply",
        "--server-side",
        "--field-manager=second",
        "-f",
        "-",
        stdin=yaml.safe_dump(config_map(name, a="2")),
    )
    assert 'conflict with "first": .data.a' in refusal
    apply(kube, config_map(name, a="2"), "--field-manager=second", "--force-conflicts")
    assert kube.get("cm", name)["data"] == {"a": "2"}


def test_two_managers_share_an_object(kube: KubeApi, name: str) -> None:
    apply(kube, config_map(name, a="1"), "--field-manager=first")
    apply(kube, config_map(name, b="2"), "--field-manager=second")
    assert kube.get("cm", name)["data"] == {"a": "1", "b": "2"}
    apply(kube, config_map(name), "--field-manager=second")
    assert kube.get("cm", name)["data"] == {"a": "1"}


def test_a_patch_by_hand_takes_the_field(kube: KubeApi, name: str) -> None:
    apply(kube, config_map(name, a="1"))
    kube.kubectl("patch", "cm", name, "--type=merge", "-p", '{"data":{"a":"9"}}')
    refusal = kube.refused(
        "apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(config_map(name, a="1"))
    )
    assert 'conflict with "kubectl-patch" using' in refusal


def test_a_client_side_manifest_can_move_to_server_side(
    kube: KubeApi, service: Object, name: str
) -> None:
    kube.apply(service)
    apply(kube, service)
    service["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "b"}]
    apply(kube, service)
    containers = kube.get("ksvc", name)["spec"]["template"]["spec"]["containers"]
    assert containers[0]["env"] == [{"name": "A", "value": "b"}]


def test_manifests_without_traffic_do_not_touch_it(
    kube: KubeApi, service: Object, name: str
) -> None:
    apply(kube, service)
    kube.wait_for(f"{name}-00001")
    pinned = f'{{"spec":{{"traffic":[{{"revisionName":"{name}-00001","percent":100}}]}}}}'
    kube.kubectl("patch", "ksvc", name, "--type=merge", "-p", pinned)
    apply(kube, service)
    traffic = kube.get("ksvc", name)["spec"]["traffic"]
    assert [t.get("revisionName") for t in traffic] == [f"{name}-00001"]
