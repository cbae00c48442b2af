from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.sandbox.github_world import REPO
from tests.sandbox.standin.running import StandIn, ended, payload, said

if TYPE_CHECKING:
    from runnerkit.sandbox.github import GitHubWorld

ROLE = "arn:aws:iam::123456789012:role/train"
KEYS = {
    "RUNNERKIT_SANDBOX_AWS_ACCESS_KEY_ID": "AKIALOCAL",
    "RUNNERKIT_SANDBOX_AWS_SECRET_ACCESS_KEY": "hush hush",
    "RUNNERKIT_SANDBOX_AWS_ENDPOINT_URL": "http://127.0.0.1:1",
}
AWS = {"name": "AWS", "uses": "aws-actions/configure-aws-credentials@v5"}
SHOW = {"name": "Show", "run": "env | grep AWS_ | grep -v RUNNERKIT"}


@pytest.fixture
def commits(world: GitHubWorld) -> list[str]:
    """Three commits on main: the second is a run's."""
    return [world.push(REPO, {"file": f"{number}\n"}, message=f"commit {number}") for number in range(3)]


def test_checkout_gives_the_commit_of_the_run(runner: StandIn, commits: list[str]) -> None:
    """Not the newest one: the run's, on its branch, one deep, with credentials that are gone at the end."""
    github = {"sha": commits[1], "ref": "refs/heads/main"}
    look = "cat file; git rev-parse HEAD; git branch --show-current; git rev-list --count HEAD; git fetch origin main"
    job = runner.run(payload({"id": "co", "uses": "actions/checkout@v5"}, {"name": "Look", "run": look}, github=github))
    assert said(job, "Look").splitlines()[2:6] == ["1", commits[1], "main", "1"]
    assert ended(job)["Post Run actions/checkout@v5"] == "success"
    assert "extraheader" not in (runner.root / "_work/train/train/.git/config").read_text()
    assert job.conclusion == "success"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"fetch-depth": 0}, ["1", "2"]),
        ({"ref": "main"}, ["2", "1"]),
        ({"ref": "OLDEST"}, ["0", "1"]),
        ({"path": "below/here"}, ["1", "1"]),
        ({"repository": REPO, "fetch-depth": "2", "ref": "refs/heads/main"}, ["2", "2"]),
    ],
)
def test_checkout_takes_its_inputs(
    runner: StandIn, commits: list[str], given: dict[str, object], expected: list[str]
) -> None:
    """Depth, ref as branch and as commit, path and repository mean what they mean in the real action."""
    if given.get("ref") == "OLDEST":
        given = given | {"ref": commits[0]}
    look = {"name": "Look", "run": "cat file; git rev-list --count HEAD", "working-directory": given.get("path", ".")}
    github = {"sha": commits[1], "ref": "refs/heads/main"}
    job = runner.run(payload({"uses": "actions/checkout@v5", "with": given}, look, github=github))
    assert said(job, "Look").splitlines()[2:] == expected


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"ref": "nowhere"}, "A branch or tag with the name 'nowhere' could not be found"),
        ({"token": "wrong"}, "git fetch"),
        ({"path": "../.."}, "is not under"),
    ],
)
def test_checkout_fails_with_the_reason(runner: StandIn, commits: list[str], given: dict[str, str], text: str) -> None:
    """A wrong ref, a token without access, a path outside the workspace."""
    step = {"name": "Get", "uses": "actions/checkout@v5", "with": given}
    job = runner.run(payload(step, github={"sha": commits[1], "ref": "refs/heads/main"}))
    assert job.conclusion == "failure"
    assert text in job.annotations[0]


def test_artifacts_go_up_and_come_down(runner: StandIn) -> None:
    """Several patterns below their common folder, without what is excluded or hidden; one by name and all at once."""
    upload = {"name": "model", "path": "out/**/*.txt\nout/deep\n!out/deep/not.txt", "if-no-files-found": "error"}
    script = "mkdir -p out/deep; for f in a.txt deep/b.txt deep/not.txt deep/.hid b.bin; do echo $f >out/$f; done"
    job = runner.run(
        payload(
            {"run": script},
            {"id": "up", "uses": "actions/upload-artifact@v5", "with": upload},
            {"uses": "actions/upload-artifact@v5", "with": {"name": "one", "path": "out/b.bin"}},
            {"uses": "actions/download-artifact@v6", "with": {"name": "model", "path": "back"}},
            {"uses": "actions/download-artifact@v6", "with": {"path": "all"}},
            {"name": "Look", "run": "find back all -type f | sort; echo ${{ steps.up.outputs.artifact-url }}"},
        )
    )
    *found, url = said(job, "Look").splitlines()[2:]
    assert found == ["all/model/a.txt", "all/model/deep/b.txt", "all/one/b.bin", "back/a.txt", "back/deep/b.txt"]
    assert url.startswith(f"{runner.world.url}/{REPO}/actions/runs/{job.run_id}/artifacts/")


@pytest.mark.parametrize(
    ("given", "conclusion", "text"),
    [
        ({}, "success", "No files were found with the provided path: out."),
        ({"if-no-files-found": "error"}, "failure", "No files were found with the provided path: out."),
        ({"name": "a/b"}, "failure", "The artifact name is not valid"),
    ],
)
def test_an_upload_of_nothing(runner: StandIn, given: dict[str, str], conclusion: str, text: str) -> None:
    """A warning or an error, as asked; a name that is none is refused."""
    step = {"uses": "actions/upload-artifact@v5", "with": {"path": "out"} | given}
    job = runner.run(payload(step))
    assert job.conclusion == conclusion
    assert job.annotations[0].startswith(text)


def test_a_download_of_what_is_not_there(runner: StandIn) -> None:
    """The name is told."""
    job = runner.run(payload({"uses": "actions/download-artifact@v6", "with": {"name": "gone"}}))
    assert "Artifact not found for name: gone" in job.annotations[0]


@pytest.mark.parametrize(("wanted", "warned"), [("3.x", 0), ("2.7", 1), (f"{sys.version_info[0]}", 0), ("", 0)])
def test_setup_python_gives_the_interpreter_there_is(runner: StandIn, wanted: str, warned: int) -> None:
    """It is first on the path, also for `shell: python`; another version is warned about."""
    step = {"id": "py", "uses": "actions/setup-python@v6", "with": {"python-version": wanted}}
    look = {"name": "Look", "run": "command -v python; echo ${{ steps.py.outputs.python-version }}"}
    shell = {"name": "Shell", "run": "import sys; print(sys.executable)", "shell": "python"}
    job = runner.run(payload(step, look, shell), RUNNERKIT_SANDBOX_PYTHON=sys.executable)
    version = ".".join(map(str, sys.version_info[:3]))
    assert said(job, "Look").splitlines()[2:] == [str(Path(sys.executable).parent / "python"), version]
    assert said(job, "Shell").splitlines()[2] == str(Path(sys.executable).parent / "python")
    assert len(job.annotations) == warned


def test_setup_uv_uses_the_uv_there_is(runner: StandIn, tmp_path: Path) -> None:
    """The one beside the interpreter; where there is none, that is the error."""
    (tmp_path / "uv").write_text("#!/bin/sh\necho uv 0.9.1\n")
    (tmp_path / "uv").chmod(0o755)
    step = {"id": "uv", "uses": "astral-sh/setup-uv@v7"}
    look = {"name": "Look", "run": "command -v uv; echo ${{ steps.uv.outputs.uv-version }}"}
    job = runner.run(payload(step, look), RUNNERKIT_SANDBOX_PYTHON=str(tmp_path / "python"))
    assert said(job, "Look").splitlines()[2:] == [str(tmp_path / "uv"), "0.9.1"]


def test_there_is_no_cache_and_it_says_so(runner: StandIn) -> None:
    """A miss is told; who insists on a hit fails."""
    cache = {"key": "k", "path": "p"}
    look = {"name": "Look", "run": "echo 'hit:${{ steps.cache.outputs.cache-hit }}'"}
    job = runner.run(
        payload(
            {"id": "cache", "name": "Cache", "uses": "actions/cache@v4", "with": cache},
            look,
            {"name": "Save", "uses": "actions/cache/save@v4", "with": cache},
            {"uses": "actions/cache/restore@v4", "with": cache | {"fail-on-cache-miss": True}},
        )
    )
    assert "Cache not found for input keys: k" in said(job, "Cache")
    assert "Cache not saved" in said(job, "Save")
    assert said(job, "Look").splitlines()[2] == "hit:"
    assert "fail-on-cache-miss" in job.annotations[0]


def test_a_role_needs_the_id_token_permission(runner: StandIn) -> None:
    """Without `id-token: write` there are no credentials, as at AWS."""
    given = {"aws-region": "eu-west-1", "role-to-assume": ROLE}
    job = runner.run(payload(AWS | {"with": given}), **KEYS)
    assert job.conclusion == "failure"
    assert "id-token" in job.annotations[0]


def test_a_role_gives_the_sandboxes_keys(runner: StandIn) -> None:
    """Keys, both region variables and the endpoint for later steps; the secret is masked."""
    given = {"aws-region": "eu-west-1", "role-to-assume": ROLE}
    job = runner.run(payload(AWS | {"with": given}, SHOW, permissions={"id-token": "write"}), **KEYS)
    assert sorted(said(job, "Show").splitlines()[2:]) == [
        "AWS_ACCESS_KEY_ID=***",
        "AWS_DEFAULT_REGION=eu-west-1",
        "AWS_ENDPOINT_URL=http://127.0.0.1:1",
        "AWS_REGION=eu-west-1",
        "AWS_SECRET_ACCESS_KEY=***",
    ]
    assert "hush" not in job.log


@pytest.mark.parametrize(
    ("given", "conclusion"),
    [
        ({"aws-region": "eu-west-1", "aws-access-key-id": "AKIA", "aws-secret-access-key": "s3cret"}, "success"),
        ({"aws-region": "eu-west-1", "aws-access-key-id": "AKIA"}, "failure"),
        ({"aws-access-key-id": "AKIA", "aws-secret-access-key": "s3cret"}, "failure"),
        ({"aws-region": "eu-west-1"}, "failure"),
    ],
)
def test_static_keys_need_no_permission(runner: StandIn, given: dict[str, str], conclusion: str) -> None:
    """They are passed on; half of them, no region or nothing at all is an error."""
    job = runner.run(payload(AWS | {"with": given}, {"run": '[ "$AWS_SECRET_ACCESS_KEY" = s3cret ]'}), **KEYS)
    assert job.conclusion == conclusion
