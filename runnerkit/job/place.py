"""Where a job runs, as GitHub's environment variables and event file tell it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_COMMIT = "0" * 40


@dataclass(frozen=True, slots=True)
class Place:
    """A job of a run; everything may be empty outside of GitHub Actions.

    ``sha`` is the commit that the report speaks of: a pull request's head, not the merge that was checked out. ``base``
    is what to compare with: a branch for pull requests, the commit before for a push or in a merge queue.
    """

    repo: str = ""
    sha: str = ""
    base: str = ""
    base_is_branch: bool = False
    number: int | None = None
    run_id: str = ""
    run_number: int = 0
    run_attempt: int = 1
    workflow: str = ""
    job: str = ""
    url: str = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Place:
        """Read it."""
        event = _event(environ.get("GITHUB_EVENT_PATH", ""))
        pull = event.get("pull_request")
        pull = pull if isinstance(pull, dict) else {}
        server, repo = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_REPOSITORY", "")
        run = environ.get("GITHUB_RUN_ID", "")
        base, is_branch = _base(environ, event, pull)
        return cls(
            repo=repo,
            sha=str(_below(pull, "head", "sha") or environ.get("GITHUB_SHA", "")),
            base=base,
            base_is_branch=is_branch,
            number=_number(environ, event, pull),
            run_id=run,
            run_number=_whole(environ.get("GITHUB_RUN_NUMBER"), 0),
            run_attempt=_whole(environ.get("GITHUB_RUN_ATTEMPT"), 1),
            workflow=environ.get("GITHUB_WORKFLOW", ""),
            job=environ.get("GITHUB_JOB", ""),
            url=f"{server}/{repo}/actions/runs/{run}" if server and repo and run else "",
        )

    @property
    def key(self) -> str:
        """What tells this job's report from others on the same pull request."""
        return "/".join(part for part in (self.workflow, self.job) if part) or "report"


def event_of(environ: Mapping[str, str]) -> dict[str, Any]:
    """What GitHub tells of the event that started the job; empty outside of GitHub."""
    return _event(environ.get("GITHUB_EVENT_PATH", ""))


def _event(path: str) -> dict[str, Any]:
    try:
        said = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _base(environ: Mapping[str, str], event: Mapping[str, Any], pull: Mapping[str, Any]) -> tuple[str, bool]:
    branch = environ.get("GITHUB_BASE_REF") or _below(pull, "base", "ref")
    if branch:
        return str(branch), True
    before = _below(event, "merge_group", "base_sha") or event.get("before")
    if isinstance(before, str) and re.fullmatch(r"[0-9a-f]{40}", before) and before != NO_COMMIT:
        return before, False
    default = _below(event, "repository", "default_branch")
    return (str(default), True) if default else ("", False)


def _number(environ: Mapping[str, str], event: Mapping[str, Any], pull: Mapping[str, Any]) -> int | None:
    number = pull.get("number") or _below(event, "issue", "number")
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    match = re.fullmatch(r"refs/pull/([0-9]+)/(?:merge|head)", environ.get("GITHUB_REF", ""))
    return int(match[1]) if match else None


def _below(said: object, *names: str) -> Any:  # noqa: ANN401 - JSON is anything
    for name in names:
        said = said.get(name) if isinstance(said, dict) else None
    return said


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else otherwise
