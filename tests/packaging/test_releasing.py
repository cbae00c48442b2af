"""The workflows that release and audit: nothing that they hold can be taken, and their commands can be run."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
PACKAGE = '__version__ = "1.2.3"\n'
TOLD = "## Unreleased\n\n## 1.2.3 - 2026-12-01\n\n- Something.\n"


@cache
def workflow(name: str) -> dict[str, Any]:
    """A workflow; YAML reads the word ``on`` as a truth."""
    told: dict[Any, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    return {("on" if key is True else key): value for key, value in told.items()}


def runs(name: str, job: str) -> list[str]:
    return [step["run"] for step in workflow(name)["jobs"][job]["steps"] if "run" in step]


@cache
def script() -> Any:  # noqa: ANN401 - a module by path
    spec = importlib.util.spec_from_file_location("check_release", ROOT / "scripts" / "check_release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_release_needs_no_secret() -> None:
    """Identity tokens in the one job that publishes, from an environment that people must open; nothing is stored."""
    text = (FOLDER / "release.yml").read_text()
    assert "secrets." not in text
    assert "token:" not in text.replace("id-token:", "")
    release = workflow("release")
    assert {"push": {"tags": ["v*"]}} == release["on"]
    assert {} == release["permissions"]
    rights = {name: job["permissions"] for name, job in release["jobs"].items()}
    assert {"contents": "read"} == rights["build"] == rights["check"]
    assert {"attestations": "write", "id-token": "write"} == rights["publish"]
    assert "release" == release["jobs"]["publish"]["environment"]


def test_what_is_published_is_what_was_checked() -> None:
    """Built once; the job that may publish checks nothing out and runs no code of the package."""
    jobs = workflow("release")["jobs"]
    assert ("build", "check") == (jobs["check"]["needs"], jobs["publish"]["needs"])
    uses = [step.get("uses", "") for step in jobs["publish"]["steps"]]
    assert not [each for each in uses if "checkout" in each]
    attested = next(step for step in jobs["publish"]["steps"] if "attest" in step.get("uses", ""))
    assert "dist/*" == attested["with"]["subject-path"]
    assert "uv publish --trusted-publishing always dist/*" == runs("release", "publish")[-1]
    assert ["python -m build --no-isolation"] == [line for line in runs("release", "build") if "-m build" in line]


@pytest.mark.parametrize("name", ["ci", "release", "audit", "dvc"])
def test_no_input_of_strangers_is_pasted_into_a_script(name: str) -> None:
    """Values reach scripts by variables alone; checkouts keep no credentials for the steps after them."""
    for job in workflow(name)["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


def test_the_release_works_with_what_is_pinned() -> None:
    """The tools that build are those of the constraints, so a release is made as tests have made it."""
    (install,) = (line for line in runs("release", "build") if "pip install" in line)
    assert ["--constraint", "constraints.txt", "build", "hatchling"] == shlex.split(install)[-4:]
    # The job that publishes has no checkout to read them from, and a bad release of a tool would be worst there.
    installs = [shlex.split(line)[-1] for line in runs("release", "publish") if "pip install" in line]
    assert installs
    assert set(installs) <= set((ROOT / "constraints.txt").read_text().splitlines())


@pytest.mark.slow
def test_the_audit_reads_the_constraints() -> None:
    """The workflow's own command, but without asking for advisories: it understands each line of constraints.txt."""
    (command,) = (line for line in runs("audit", "audit") if line.startswith("pip-audit"))
    words = [sys.executable, "-m", "pip_audit", *shlex.split(command)[1:], "--dry-run"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    pins = re.findall(r"^[^#\s]+==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert f"would have audited {len(pins)} packages" in done.stderr
    assert workflow("audit")["on"]["schedule"]


@pytest.mark.parametrize(
    ("tag", "package", "changelog", "says"),
    [
        ("v1.2.3", PACKAGE, TOLD, ""),
        ("v1.2.4", PACKAGE, TOLD, "the tag must be v1.2.3"),
        ("1.2.3", PACKAGE, TOLD, "the tag must be v1.2.3"),
        ("v1.2.3.dev0", '__version__ = "1.2.3.dev0"\n', TOLD, "is no version to release"),
        ("v", "", TOLD, "no version"),
        ("v1.2.3", PACKAGE, "## Unreleased\n", "no heading '## 1.2.3 - "),
        ("v1.2.3", PACKAGE, TOLD.replace("2026-12-01", "soon"), "no heading"),
        ("v1.2.3", PACKAGE, TOLD.replace("Unreleased\n", "Unreleased\n\n- More.\n"), "still has changes"),
        ("v1.2.3", PACKAGE, TOLD.replace("1.2.3", "1x2.3"), "no heading"),
    ],
)
def test_a_tag_that_does_not_fit_is_not_released(tag: str, package: str, changelog: str, says: str) -> None:
    """The tag is the version, the version is a whole one, and the changelog tells of it and of nothing later."""
    found = script().problems(tag, package, changelog)
    assert bool(found) is bool(says)
    assert says in "; ".join(found)


def test_todays_version_is_not_released_by_mistake() -> None:
    """A development version cannot be, whatever the tag."""
    command = [sys.executable, "scripts/check_release.py", "v0.0.0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (1, "") == (done.returncode, done.stdout)
    assert "the tag must be" in done.stderr
