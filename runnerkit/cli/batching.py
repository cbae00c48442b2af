"""What the commands on AWS Batch share: how options are read, and where lines go."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.batch.aws import AwsBatch
    from runnerkit.config import Config

OURS = "runnerkit: "
# GitHub's runner obeys what a step prints; a container may have its lines shown there and nothing more.
# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
_COMMAND = re.compile(r"(^\s*:|##)(?=[:\[])(?!.(?:error|warning|notice|debug|group|endgroup)\b)", re.IGNORECASE)


def opened(settings: Config, region: str) -> AwsBatch:
    """AWS Batch in a region (empty: the first one); connects nowhere before its first use."""
    from runnerkit.batch.aws import AwsBatch
    from runnerkit.system import SystemClock

    return AwsBatch(settings.aws, SystemClock(), region)


def split(given: Sequence[str] | None) -> tuple[str, ...]:
    """Words that were given one by one, or with commas."""
    return tuple(word.strip() for text in given or () for word in text.split(",") if word.strip())


def span(option: str, text: str) -> int:
    """Seconds of a duration as labels write it.

    Raises:
        ConfigError: It is none.
    """
    from runnerkit.errors import ConfigError
    from runnerkit.labels.values import Misspelt, duration

    try:
        return int(duration("seconds")(text)["seconds"])
    except Misspelt:
        raise ConfigError(f"{option} {text!r} is no duration", hint="write it as 90s, 30m, 12h or 1d") from None


def stem(name: str) -> str:
    """How the job's name begins: the workflow run, its attempt and its job, or chance elsewhere."""
    from runnerkit.batch.requests import named

    run_id = os.environ.get("GITHUB_RUN_ID", "")
    if not run_id:
        import secrets

        return named("rk", name, "local", secrets.token_hex(4))
    attempt, job = os.environ.get("GITHUB_RUN_ATTEMPT", "1"), os.environ.get("GITHUB_JOB", "")
    return named("rk", run_id, attempt, job[:40], name)


def job_tags() -> Mapping[str, str]:
    """What marks a job as one of this workflow run."""
    from runnerkit import tags

    told = {tags.REPO: os.environ.get("GITHUB_REPOSITORY", ""), tags.RUN: os.environ.get("GITHUB_RUN_ID", "")}
    return {key: value for key, value in told.items() if value}


def to_output(line: str) -> None:
    """A line of the log."""
    _write(sys.stdout, quoted(line))


def to_errors(line: str) -> None:
    """A line of the log, where standard output is for JSON."""
    _write(sys.stderr, quoted(line))


def said(text: str) -> None:
    """What happens to the job."""
    _write(sys.stderr, f"{OURS}{text}")


def quoted(line: str) -> str:
    """A line of the log that cannot be taken for one of ours, where GitHub shows both as one."""
    return f"> {line}" if line.startswith(OURS) and os.environ.get("GITHUB_ACTIONS") else line


def harmless(line: str) -> str:
    """A line that sets no output and stops no command of the step that prints it; annotations and groups are kept.

    >>> harmless("::set-output name=approved::yes")
    ': :set-output name=approved::yes'
    """
    return _COMMAND.sub(r"\1 ", line)


def _write(stream: Any, line: str) -> None:  # noqa: ANN401 - a text stream, or none when it is closed
    """Lines as they come; that nobody reads them any more must not end the job."""
    try:
        stream.write((harmless(line) if os.environ.get("GITHUB_ACTIONS") else line) + "\n")
        stream.flush()
    except (OSError, ValueError, AttributeError):
        return
