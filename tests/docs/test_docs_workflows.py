"""The workflows that we show and use: safe by themselves, and their commands run against the sandbox."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from runnerkit.sandbox.together import Sandbox
from runnerkit.sandbox.workflows import load
from tests.docs.doc_pages import ROOT, RUN_ID, name, workflows

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 90.0
BUCKET = "acme-journal"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A whole sandbox whose machines boot and work for half a second."""
    with Sandbox(boot=0.5, work=0.5) as world:
        yield world


def workflow(path: Path) -> dict[str, Any]:
    """A workflow; YAML takes the key ``on`` for a truth value."""
    read: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else str(key): value for key, value in read.items()}


def run(step: dict[str, Any], sandbox: Sandbox, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one step as GitHub's runner would: by bash, with the variables of a run."""
    world = sandbox.environment()
    known = {"RUNNERKIT_TOKEN": world.pop("GITHUB_TOKEN"), "RUNNERKIT_JOURNAL": f"s3://{BUCKET}/ml"}
    # What nobody set is empty, as on GitHub.
    given = {
        key: re.sub(r"\$\{\{ (?:secrets|vars)\.(\w+) \}\}", lambda match: known.get(match[1], ""), value)
        for key, value in step.get("env", {}).items()
    }
    prefixes = ("AWS_", "GITHUB_", "GH_", "RUNNERKIT_")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(prefixes)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run_ = {
        "GITHUB_RUN_ID": RUN_ID,
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
    }
    bash = shutil.which("bash")
    assert bash is not None
    return subprocess.run(
        [bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        env={**clean, **world, **run_, **given, "PATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def step_with(path: Path, command: str) -> dict[str, Any]:
    """The one step of a workflow that runs a command of ours."""
    steps = [step for job in workflow(path)["jobs"].values() for step in job["steps"]]
    (found,) = [step for step in steps if step.get("run", "").startswith(f"runnerkit {command}")]
    assert isinstance(found, dict)
    return found


def of_action(step: dict[str, Any]) -> dict[str, Any]:
    """The step of the action `launch` that launches, with the inputs that a workflow gives it."""
    folder = ROOT / ".github/actions/launch"
    action = workflow(folder / "action.yml")
    inputs = {name: told.get("default", "") for name, told in action["inputs"].items()} | step["with"]
    (found,) = [each for each in action["runs"]["steps"] if each.get("id") == "launch"]
    given = {
        key: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda m: inputs[m[1]], text) for key, text in found["env"].items()
    }
    # The credentials are the sandbox's own, and the region with them.
    given |= {"GITHUB_ACTION_PATH": str(folder), "PROGRAM": sys.executable, "INPUT_AWS_REGION": ""}
    return {"run": found["run"], "env": given}


def wait_until_nothing_is_left(sandbox: Sandbox) -> None:
    """Wait until the machines have ended themselves."""
    end = time.monotonic() + PATIENCE
    while any(sandbox.left().values()):
        assert time.monotonic() < end, sandbox.left()
        time.sleep(0.2)


@pytest.mark.slow
def test_the_launch_example_launches_a_machine_that_takes_the_job(sandbox: Sandbox, tmp_path: Path) -> None:
    """Its step ends well, its output is the label of a runner that waits, and a job with it runs and leaves nothing."""
    example = ROOT / "examples/launch-job.yml"
    (step,) = workflow(example)["jobs"]["launch"]["steps"]
    done = run(of_action(step), sandbox, tmp_path)
    assert (0, "") == (done.returncode, done.stderr if done.returncode else "")
    outputs = dict(
        re.findall(r"^(\w+)<<(?:\S+)\n(.*)\n", (tmp_path / "output").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert outputs["label"] == f"runnerkit={RUN_ID}/gpu=t4/disk=100gb/life=6h"
    assert workflow(example)["jobs"]["train"]["runs-on"] == "${{ needs.launch.outputs.label }}"
    assert workflow(example)["jobs"]["launch"]["outputs"] == {"label": f"${{{{ steps.{step['id']}.outputs.label }}}}"}
    assert [True] == [runner.online for runner in sandbox.github.runners()]
    job = sandbox.github.queue_job(sandbox.repository, [outputs["label"]])
    wait_until_nothing_is_left(sandbox)
    assert ("completed", "success") == (job.status, job.conclusion)


@pytest.mark.slow
def test_the_cron_example_serves_a_queued_job(sandbox: Sandbox, tmp_path: Path) -> None:
    """One pass launches for the job and writes its journal to S3, the job runs, a later pass finds nothing to do."""
    sandbox.aws("s3").create_bucket(Bucket=BUCKET)
    step = step_with(ROOT / "examples/cron-once.yml", "once")
    job = sandbox.github.queue_job(sandbox.repository, [f"runnerkit={RUN_ID}/gpu=t4"])
    done = run(step, sandbox, tmp_path)
    assert (0, True) == (done.returncode, "launched i-" in done.stderr), done.stderr
    assert sandbox.aws("s3").list_objects_v2(Bucket=BUCKET, Prefix="ml/")["KeyCount"] == 1
    wait_until_nothing_is_left(sandbox)
    assert ("completed", "success") == (job.status, job.conclusion)
    again = run(step, sandbox, tmp_path)
    assert (0, True) == (again.returncode, "0 actions, 0 failed" in again.stderr), again.stderr


def test_the_resume_example_follows_the_launch_example() -> None:
    """It hears of that workflow, no oftener than runs may be repeated, and of nobody else's code."""
    read = workflow(ROOT / "examples/resume.yml")
    assert read["on"]["workflow_run"]["workflows"] == [workflow(ROOT / "examples/launch-job.yml")["name"]]
    assert "workflow_run.run_attempt <= 2" in read["jobs"]["resume"]["if"]
    assert "head_repository.full_name == github.repository" in read["jobs"]["resume"]["if"]
    step = step_with(ROOT / "examples/resume.yml", "resume")
    assert step["env"]["RUN"] == "${{ github.event.workflow_run.id }}"


@pytest.mark.parametrize("path", workflows(), ids=name)
def test_a_workflow_can_be_read(path: Path) -> None:
    """By the sandbox's reader, which refuses what GitHub would refuse: unknown keys, expressions that cannot be."""
    read = load(f".github/workflows/{path.name}", path.read_text(encoding="utf-8"))
    assert read.name


def test_the_cron_example_makes_a_pass_when_a_run_was_interrupted() -> None:
    """And none after each run that went well, nor several that wait for each other."""
    read = workflow(ROOT / "examples/cron-once.yml")
    assert ["completed"] == read["on"]["workflow_run"]["types"]
    assert "conclusion != 'success'" in read["jobs"]["once"]["if"]
    assert {"group": "runnerkit"} == read["concurrency"]
    assert {} == read["permissions"]


# An action at a version; one of ours at a commit, or of the same repository and commit.
USED = re.compile(r"[\w-]+/[\w./-]+@v\d+(\.\d+)*|OWNER/runnerkit/[\w./-]+@COMMIT|\$/[\w./-]+")
MERGED = "${{ github.event.repository.default_branch }}"


@pytest.mark.parametrize("path", workflows(), ids=name)
def test_a_workflow_takes_no_more_than_it_needs(path: Path) -> None:
    """Permissions are said, jobs have a time limit, actions are pinned, and no expression is part of a script."""
    read = workflow(path)
    assert set(read["permissions"]) <= {"contents"}
    assert "write" not in read["permissions"].values()
    for title, job in read["jobs"].items():
        if "uses" in job:
            assert "contents" not in {key for key, value in job["permissions"].items() if value == "write"}, title
            continue
        hosted = job["runs-on"].startswith("ubuntu")
        limit = job["timeout-minutes"]
        assert limit == "${{ inputs.timeout-minutes }}" or limit <= (360 if hosted else 7200), title
        written = {key for key, value in job.get("permissions", {}).items() if value == "write"}
        scripts = [step["run"] for step in job["steps"] if "run" in step]
        words = ("runnerkit lock ", "runnerkit r", "runnerkit promote ", "runnerkit notify ", "python -m pip ")
        ours = all(script.startswith(words) for script in scripts)
        # Contents are written by a job alone that runs nothing of the repository's, or what was reviewed and merged.
        checkouts = [step["with"] for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        merged = bool(checkouts) and all(MERGED == each.get("ref") for each in checkouts)
        images = {"packages"} if hosted else set()  # a machine of ours may take images, and push none
        assert written <= {"id-token", "pull-requests", "attestations"} | images | (
            {"contents"} if hosted and (ours or merged) else set()
        ), title
        for step in job["steps"]:
            assert USED.fullmatch(step.get("uses", "a/b@v1")), step
            assert "${{" not in step.get("run", ""), step
        assert merged or all(each["persist-credentials"] is False for each in checkouts), title


def test_our_own_workflow_runs_what_contributors_run() -> None:
    """CI makes what the contributing page says, for the oldest and the newest Python that the package promises."""
    jobs = workflow(ROOT / ".github/workflows/ci.yml")["jobs"]
    scripts = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert ["make lint", "make test"] == sorted(scripts)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    promised = re.findall(r"Python :: (3\.\d+)", project)
    assert [promised[0], promised[-1]] == jobs["test"]["strategy"]["matrix"]["python-version"]


def test_the_issue_form_is_one() -> None:
    """GitHub's form has a body of known kinds, each question with a label, ids used once."""
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(form)
    questions = [part for part in form["body"] if part["type"] != "markdown"]
    assert {part["type"] for part in questions} <= {"textarea", "input", "dropdown", "checkboxes"}
    assert all(part["attributes"]["label"] for part in questions)
    assert len(questions) == len({part["id"] for part in questions})
