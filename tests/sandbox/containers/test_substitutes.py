from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.containers.test_jobs import lines, work
from tests.sandbox.github_world import REPO
from tests.sandbox.standin.running import StandIn, ended, said

if TYPE_CHECKING:
    from runnerkit.sandbox.github import GitHubWorld

ACTION = """
name: Mine
description: Mine
runs:
  using: composite
  steps:
    - { shell: bash, run: 'echo $BASH_VERSION >version; cat /etc/os-release; pwd' }
    - { uses: actions/cache@v4, with: { key: k, path: p } }
"""


def test_substitutes_work_for_a_container(runner: StandIn, world: GitHubWorld) -> None:
    """Checkout, artifacts and the cache run on the machine, and what they do is seen in the container."""
    sha = world.push(REPO, {"file": "from git\n", "mine/action.yml": ACTION})
    job = runner.run(
        work(
            {"uses": "actions/checkout@v5"},
            {"name": "Read", "run": "cat file; mkdir out; echo result >out/result"},
            {
                "name": "Keep",
                "uses": "actions/upload-artifact@v4",
                "with": {"name": "r", "path": "/__w/train/train/out"},
            },
            {"name": "Fetch", "uses": "actions/download-artifact@v4", "with": {"name": "r", "path": "again"}},
            {"name": "Mine", "uses": "./mine"},
            {"name": "See", "run": "cat again/result; cat version >/dev/null && echo versioned"},
        )
        | {"github": {"sha": sha, "ref": "refs/heads/main"}}
    )
    assert job.conclusion == "success", job.log
    assert lines(job, "Read") == ["from git"]
    assert lines(job, "See") == ["result", "versioned"]
    assert "small image" in said(job, "Mine")
    assert "Cache not found for input keys: k" in said(job, "Mine")
    assert ended(job)["Post Run actions/checkout@v5"] == "success"


def test_setup_python_takes_the_images_own(runner: StandIn) -> None:
    """The machine's Python would not run there; what was asked for and what there is are compared as usual."""
    job = runner.run(
        work(
            {"id": "py", "name": "Set up", "uses": "actions/setup-python@v5", "with": {"python-version": "3.11"}},
            {"name": "See", "run": "echo ${{ steps.py.outputs.python-path }} ${PATH%%:*}"},
        )
    )
    assert lines(job, "See") == ["/opt/python/bin/python3 /opt/python/bin"]
    assert job.annotations == ["Python 3.11 was asked for; the sandbox has Python 3.12.99 and uses that."]


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ({"uses": "astral-sh/setup-uv@v6"}, "The job's container has no uv"),
        (
            {"uses": "actions/upload-artifact@v4", "with": {"path": "/opt/report"}},
            "/opt/report is in the job's container",
        ),
    ],
)
def test_what_a_substitute_cannot_reach_is_said(runner: StandIn, step: dict[str, Any], text: str) -> None:
    """No file of the machine is taken for one of the container, and nothing is skipped."""
    job = runner.run(work(step))
    assert job.conclusion == "failure"
    assert text in job.annotations[0]
