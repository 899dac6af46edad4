"""kubectl with no special flags: it must not notice that this is not a cluster.

Of our API only: these are Kubernetes' own rules, which every cluster keeps by being one. Knative's
are in `knative/`.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.support.kube_api import KubeApi
from tests.support.kubectl import KUBECTL

Object = dict[str, Any]


def config_map(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_apply_creates_then_changes_then_leaves_alone(kube: KubeApi, name: str) -> None:
    assert "created" in kube.apply(config_map(name, a="1"))
    assert "configured" in kube.apply(config_map(name, a="2"))
    assert "unchanged" in kube.apply(config_map(name, a="2"))
    assert kube.get("cm", name)["data"] == {"a": "2"}


def test_apply_says_nothing_on_stderr(kube: KubeApi, name: str, service: Object) -> None:
    manifest = yaml.safe_dump_all([config_map(name, a="1"), service])
    for _ in range(2):
        done = kube.run("apply", "-f", "-", stdin=manifest)
        assert (done.returncode, done.stderr) == (0, "")


def test_apply_removes_what_the_manifest_no_longer_says(kube: KubeApi, name: str) -> None:
    kube.apply(config_map(name, a="1", b="2"))
    kube.apply(config_map(name, a="1"))
    assert kube.get("cm", name)["data"] == {"a": "1"}


def test_apply_k_takes_a_kustomization(kube: KubeApi, name: str, tmp_path: Path) -> None:
    (tmp_path / "cm.yaml").write_text(yaml.safe_dump(config_map(name, a="1")))
    kustomization = {"resources": ["cm.yaml"], "labels": [{"pairs": {"part": "x"}}]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    kube.kubectl("apply", "-k", str(tmp_path))
    assert kube.get("cm", name)["metadata"]["labels"] == {"part": "x"}


def test_dry_run_and_diff_change_nothing(kube: KubeApi, name: str) -> None:
    manifest = yaml.safe_dump(config_map(name, a="1"))
    kube.kubectl("apply", "--dry-run=server", "-f", "-", stdin=manifest)
    assert "NotFound" in kube.refused("get", "cm", name)
    kube.apply(config_map(name, a="1"))
    assert kube.run("diff", "-f", "-", stdin=manifest).returncode == 0
    other = yaml.safe_dump(config_map(name, a="2"))
    assert '+  a: "2"' in kube.run("diff", "-f", "-", stdin=other).stdout


def test_typed_clients_that_send_protobuf_are_understood(kube: KubeApi, name: str) -> None:
    kube.kubectl("create", "secret", "generic", name, "--from-literal=key=välue")
    kube.kubectl("create", "configmap", name, "--from-literal=key=value")
    kube.kubectl("create", "serviceaccount", name)
    kube.kubectl("create", "role", name, "--verb=get", "--resource=services.serving.knative.dev")
    kube.kubectl("create", "rolebinding", name, f"--role={name}", "--serviceaccount=default:x")
    assert kube.get("secret", name)["data"] == {"key": "dsOkbHVl"}
    assert kube.get("cm", name)["data"] == {"key": "value"}
    assert kube.get("role", name)["rules"][0]["verbs"] == ["get"]
    assert kube.get("rolebinding", name)["subjects"][0]["name"] == "x"


def test_a_namespace_must_exist_and_takes_its_contents_with_it(kube: KubeApi, name: str) -> None:
    refusal = kube.refused("create", "configmap", "x", "-n", name)
    assert f'namespaces "{name}" not found' in refusal
    kube.kubectl("create", "namespace", name)
    kube.kubectl("create", "configmap", "x", "-n", name)
    kube.kubectl("delete", "namespace", name)
    assert "NotFound" in kube.refused("get", "cm", "x", "-n", name)


def test_nothing_new_gets_into_a_namespace_that_ends(kube: KubeApi, name: str) -> None:
    kube.kubectl("create", "namespace", name)
    kube.kubectl("create", "configmap", "old", "-n", name)
    kube.kubectl("delete", "namespace", name, "--wait=false")
    assert kube.get("ns", name)["status"]["phase"] == "Terminating"
    refusal = kube.refused("create", "configmap", "new", "-n", name)
    assert f"unable to create new content in namespace {name}" in refusal
    kube.kubectl("delete", "configmap", "old", "-n", name)
    kube.kubectl("wait", f"ns/{name}", "--for=delete", "--timeout=30s")


def test_the_namespaces_of_the_platform_are_there(kube: KubeApi) -> None:
    assert {"default", "marketresearch", "knative-serving", "knative-eventing"} <= set(
        kube.kubectl("get", "ns", "-o", "name").replace("namespace/", "").split()
    )


def test_get_sorts_by_what_is_not_in_metadata(kube: KubeApi, name: str) -> None:
    for suffix, value in (("a", "2"), ("b", "1")):
        labelled = config_map(f"{name}-{suffix}", order=value)
        labelled["metadata"]["labels"] = {"sorted": name}
        kube.apply(labelled)
    listed = kube.kubectl(
        "get", "cm", "-l", f"sorted={name}", "--sort-by=.data.order", "--no-headers"
    )
    assert [line.split()[0] for line in listed.splitlines()] == [f"{name}-b", f"{name}-a"]


def test_get_prints_knatives_own_columns(kube: KubeApi, service: Object) -> None:
    kube.apply(service)
    header = kube.kubectl("get", "ksvc").splitlines()[0].split()
    assert header == ["NAME", "URL", "LATESTCREATED", "LATESTREADY", "READY", "REASON"]
    assert kube.kubectl("get", "ksvc", "-o", "name").startswith("service.serving.knative.dev/")


def test_short_names_and_categories_are_known(kube: KubeApi, service: Object, name: str) -> None:
    kube.apply(service)
    kube.wait_for(f"{name}-00001")
    for kind in ("ksvc", "kservice", "cfg", "rt", "services.serving.knative.dev"):
        assert kube.get(kind, name)["metadata"]["name"] == name
    assert f"revision.serving.knative.dev/{name}-00001" in kube.kubectl("get", "all", "-o", "name")


def test_label_and_field_selectors_choose(kube: KubeApi, name: str) -> None:
    kube.apply(config_map(f"{name}-a"), config_map(f"{name}-b"))
    kube.kubectl("label", "cm", f"{name}-a", f"tier={name}")
    chosen = kube.kubectl("get", "cm", "-l", f"tier in ({name}, other)", "-o", "name")
    assert chosen == f"configmap/{name}-a\n"
    selector = f"metadata.name={name}-b"
    assert kube.kubectl("get", "cm", "--field-selector", selector, "-o", "name") == (
        f"configmap/{name}-b\n"
    )


def test_long_lists_come_in_pages(kube: KubeApi, name: str) -> None:
    kube.kubectl("create", "namespace", name)
    kube.kubectl(
        "apply",
        "-n",
        name,
        "-f",
        "-",
        stdin=yaml.safe_dump_all([config_map(f"c{i}") for i in range(7)]),
    )
    listed = kube.kubectl("get", "cm", "-n", name, "--chunk-size=3", "-o", "name")
    assert len(listed.splitlines()) == 7
    page = json.loads(kube.kubectl("get", "--raw", f"/api/v1/namespaces/{name}/configmaps?limit=3"))
    assert len(page["items"]) == 3
    assert page["metadata"]["remainingItemCount"] == 4


def test_patch_merge_json_and_strategic(kube: KubeApi, name: str) -> None:
    kube.apply(config_map(name, a="1"))
    kube.kubectl("patch", "cm", name, "--type=merge", "-p", '{"data":{"b":"2","a":null}}')
    operations = (
        '[{"op":"test","path":"/data/b","value":"2"},{"op":"add","path":"/data/c","value":"3"}]'
    )
    kube.kubectl("patch", "cm", name, "--type=json", "-p", operations)
    kube.kubectl("patch", "cm", name, "-p", '{"data":{"d":"4"}}')
    assert kube.get("cm", name)["data"] == {"b": "2", "c": "3", "d": "4"}
    failing = '[{"op":"test","path":"/data/b","value":"9"}]'
    kube.refused("patch", "cm", name, "--type=json", "-p", failing)


def test_a_stale_write_is_a_conflict(kube: KubeApi, name: str) -> None:
    kube.apply(config_map(name, a="1"))
    old = kube.get("cm", name)
    kube.apply(config_map(name, a="2"))
    refusal = kube.refused("replace", "-f", "-", stdin=json.dumps(old))
    assert "the object has been modified" in refusal


def test_wait_sees_a_condition_appear(kube: KubeApi, service: Object, name: str) -> None:
    kube.apply(service)
    wait = [KUBECTL, "wait", f"ksvc/{name}", "--for=condition=Ready", "--timeout=30s"]
    with subprocess.Popen(wait, env=kube.environ, stdout=subprocess.PIPE, text=True) as waiting:
        kube.set_ready(f"{name}-00001")
        out, _ = waiting.communicate(timeout=30)
    assert waiting.returncode == 0
    assert "condition met" in out


def test_wait_sees_a_deletion(kube: KubeApi, name: str) -> None:
    kube.apply(config_map(name))
    wait = [KUBECTL, "wait", f"cm/{name}", "--for=delete", "--timeout=30s"]
    with subprocess.Popen(wait, env=kube.environ, stdout=subprocess.PIPE) as waiting:
        kube.kubectl("delete", "cm", name)
        assert waiting.wait(30) == 0


def test_describe_shows_events(kube: KubeApi, service: Object, name: str) -> None:
    kube.apply(service)
    kube.wait_for(f"{name}-00001")
    assert f'Created Configuration "{name}"' in kube.kubectl("describe", "ksvc", name)
    assert f"service/{name}" in kube.kubectl("get", "events")


def test_explain_shows_the_fields(kube: KubeApi) -> None:
    assert "revisionName" in kube.kubectl("explain", "ksvc.spec.traffic")


def test_logs_reads_and_follows_a_pods_log(kube: KubeApi, name: str) -> None:
    container = {"name": "c", "image": "i"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container]},
    }
    kube.apply(pod)
    log = kube.data / "logs" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("one\ntwo\nthree\n")
    assert kube.kubectl("logs", name) == "one\ntwo\nthree\n"
    assert kube.kubectl("logs", name, "--tail=1") == "three\n"
    assert "use tailLines" in kube.refused("logs", name, "--since=1h")
    follow = [KUBECTL, "logs", "-f", "--tail=1", name]
    with subprocess.Popen(follow, env=kube.environ, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout
        assert following.stdout.readline() == "three\n"
        with log.open("a") as file:
            file.write("four\n")
        assert following.stdout.readline() == "four\n"
        ended = '{"status":{"phase":"Succeeded"}}'
        kube.kubectl("patch", "pod", name, "--subresource=status", "--type=merge", "-p", ended)
        assert following.wait(30) == 0


def test_strict_validation_names_the_unknown_field(kube: KubeApi, service: Object) -> None:
    service["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    manifest = yaml.safe_dump(service)
    refusal = kube.refused("apply", "-f", "-", stdin=manifest)
    assert (
        'strict decoding error: unknown field "spec.template.spec.containers[0].imagee"' in refusal
    )
    lenient = kube.run("apply", "--validate=warn", "-f", "-", stdin=manifest)
    assert lenient.returncode == 0
    assert "Warning: unknown field" in lenient.stderr


def test_a_wrong_type_is_refused(kube: KubeApi, service: Object, name: str) -> None:
    service["spec"]["template"]["spec"]["timeoutSeconds"] = "soon"
    refusal = kube.refused("apply", "-f", "-", stdin=yaml.safe_dump(service))
    assert "spec.template.spec.timeoutSeconds" in refusal
    assert "must be of type integer" in refusal


def test_unknown_kinds_are_not_served(kube: KubeApi) -> None:
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}}
    refusal = kube.refused("apply", "-f", "-", stdin=yaml.safe_dump(deployment))
    assert 'no matches for kind "Deployment"' in refusal
    assert "NotFound" in kube.refused("get", "--raw", "/apis/apps/v1/deployments")


def test_claims_are_bound_and_secrets_encoded(kube: KubeApi, name: str) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {"a": "b"},
    }
    kube.apply(claim, secret)
    assert kube.get("pvc", name)["status"]["phase"] == "Bound"
    assert kube.get("secret", name)["data"] == {"a": "Yg=="}
