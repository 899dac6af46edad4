"""The workflow asks for what the repository has: files, targets and options."""

import re
import subprocess

import yaml

from tests.support.knative_target import add_options
from tests.support.manifests import ROOT

TEXT = (ROOT / ".github/workflows/ci.yaml").read_text()
JOBS = yaml.safe_load(TEXT)["jobs"]


def scripts() -> list[str]:
    return [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]


def test_every_path_that_a_step_names_exists() -> None:
    named = re.findall(
        r"(?<![\w/.-])((?:\.ci|scripts|tests|knative)/[\w./-]+)", "\n".join(scripts())
    )
    assert len(named) >= 4
    assert [path for path in named if not (ROOT / path).exists()] == []
    assert (ROOT / "requirements-cpu.lock").exists()


def test_the_contract_suite_is_called_by_options_that_it_has() -> None:
    class Options:
        known: set[str] = set()  # noqa: RUF012 - one instance, made below

        def getgroup(self, *_: str) -> "Options":
            return self

        def addoption(self, name: str, **_: object) -> None:
            self.known.add(name)

    options = Options()
    add_options(options)  # type: ignore[arg-type] # stands in for pytest's parser
    suite = next(text for text in scripts() if "tests/contract/knative" in text)
    assert set(re.findall(r"--[a-z-]+", suite.partition("pytest")[2])) <= options.known


def test_no_job_may_write_and_none_runs_for_ever() -> None:
    assert yaml.safe_load(TEXT)["permissions"] == {"contents": "read"}
    for name, job in JOBS.items():
        assert job["timeout-minutes"] <= 60, name
        assert "permissions" not in job, name


def test_every_step_is_a_shell_script_that_can_be_read() -> None:
    for text in scripts():
        plain = re.sub(r"\$\{\{.*?\}\}", "x", text)
        subprocess.run(["bash", "-n"], input=plain, text=True, check=True)


def test_dependencies_the_image_and_the_workflow_itself_are_looked_over() -> None:
    used = "\n".join(step.get("uses", "") for job in JOBS.values() for step in job["steps"])
    said = "\n".join(scripts())
    assert "pip-audit" in said
    assert "actionlint" in said
    assert "trivy-action" in used
    assert "sbom-action" in used


def test_what_is_brought_from_outside_names_its_version() -> None:
    for step in (step for job in JOBS.values() for step in job["steps"]):
        if "uses" in step:
            assert re.search(r"@v?\d", step["uses"]), step["uses"]
    for image in re.findall(r"docker run .*? (\S+/\S+?:\S+)", "\n".join(scripts())):
        assert not image.endswith(":latest"), image
