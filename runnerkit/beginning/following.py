"""The commands that come after a beginning, as lines that can be copied."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import PurePosixPath
from shlex import join
from typing import TYPE_CHECKING, Any

from runnerkit.beginning import workflows
from runnerkit.beginning.deciding import USUAL_ENVIRONMENT
from runnerkit.beginning.words import Way

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runnerkit.beginning.words import Answers, Found

PACKAGE = "runnerkit"
BY_HAND = f"gh workflow run {PurePosixPath(workflows.MAIN).name}"
# Stands where only a person knows what pip shall install.
UNKNOWN = "runnerkit @ git+https://github.com/OWNER/runnerkit@COMMIT"


def setup_aws(found: Found, answers: Answers) -> str:
    """The line that makes AWS fit: whose jobs may launch, and where the data is."""
    words = ["runnerkit", "setup", "aws"]
    if answers.way is Way.LAUNCH and not answers.environment:
        words.append("--any-job")
    elif answers.environment and answers.environment != USUAL_ENVIRONMENT:
        words += ["--environment", answers.environment]
    if found.pipeline is not None and found.pipeline.place:
        words += ["--data", found.pipeline.place]
    return join(words)


def setup_github(answers: Answers, requirement: str) -> str:
    """The line that makes GitHub fit; the roles it finds in AWS by itself."""
    words = ["runnerkit", "setup", "github", "--variable", f"RUNNERKIT={requirement or UNKNOWN}"]
    if answers.way is Way.LAUNCH:
        words += ["--token", "--secrets"]
    if answers.environment:
        words += ["--environment", answers.environment]
    return join(words)


def pushing(found: Found, files: Sequence[str], top: Path) -> str:
    """The line that gives GitHub the files that are there."""
    git = ["git", "-C", str(top)] if found.prefix else ["git"]
    push = ["push", "--set-upstream", found.address.remote, "HEAD"] if found.address.remote else ["push"]
    return " && ".join(join([*git, *words]) for words in (["add", *files], ["commit", "-m", "runnerkit"], push))


def first_run(found: Found) -> str:
    """What starts the workflow: with a pipeline a push alone does not."""
    if found.pipeline is None:
        return f"the first run begins with a push to {found.branch}, or: {BY_HAND}"
    return f"the first run begins with a pull request that has these files or changes the pipeline, or: {BY_HAND}"


def requirement() -> str:
    """What pip must be told to install what runs here; empty where only this computer has it.

    Source: PEP 610, which pip and uv follow: ``direct_url.json`` is there for all that came from no index.
    """
    try:
        installed = distribution(PACKAGE)
        text = installed.read_text("direct_url.json")
        return _of_address(json.loads(text)) if text else f"{PACKAGE}=={installed.version}"
    except (PackageNotFoundError, ValueError):
        return ""


def _of_address(told: Any) -> str:  # noqa: ANN401 - JSON is anything
    """A repository at a commit; an address that may hold a password is left out, and so is a folder."""
    url, version = str(told.get("url", "")), told.get("vcs_info") or {}
    commit = version.get("commit_id", "") if version.get("vcs") == "git" else ""
    return f"{PACKAGE} @ git+{url}@{commit}" if commit and url.startswith("https://") and "@" not in url else ""
