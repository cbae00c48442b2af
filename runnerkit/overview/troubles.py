"""What AWS refused, and what failed, in the last 24 hours."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.moments import moment
from runnerkit.overview.words import FailureLine, RefusalLine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from runnerkit.errors import RunnerkitError
    from runnerkit.history import Note
    from runnerkit.overview.past import Past
    from runnerkit.wishes import Policy

MOST = 20
LAUNCH_FAILED, ACTION_FAILED = "launch-failed", "action-failed"


def refusal_lines(past: Past, policy: Policy) -> tuple[RefusalLine, ...]:
    """By code and pool, the latest first."""
    memory = timedelta(seconds=policy.refusal_memory)
    found: dict[tuple[str, str, str, str], tuple[int, datetime, str]] = {}
    for note in past.day("offering-refused"):
        said = note.facts.get("refusal")
        if isinstance(said, dict):
            key = (_text(said, "code"), _text(said, "type"), _text(said, "zone"), _text(said, "market"))
            at = moment(_text(said, "at")) or note.at
            times, last, message = found.get(key, (0, at, ""))
            found[key] = (times + 1, max(last, at), _text(said, "message") or message)
    lines = [RefusalLine(*key, times, last, last + memory, message) for key, (times, last, message) in found.items()]
    return tuple(sorted(lines, key=lambda line: (line.last, line.code, line.type), reverse=True)[:MOST])


def failure_lines(past: Past) -> tuple[FailureLine, ...]:
    """The latest first; what failed in the same way for the same machine is one line."""
    found: dict[tuple[str, ...], FailureLine] = {}
    for note in past.day(LAUNCH_FAILED, ACTION_FAILED):
        line = _failure(note)
        key = (line.what, line.runner, line.code, line.message)
        known = found.pop(key, None)
        # A launch that fails is also an action that failed: the same moment counts once.
        times = 1 if known is None else known.times + (known.at != line.at)
        found[key] = replace(line, times=times)
    return tuple(reversed(list(found.values())[-MOST:]))


def unread_lines(errors: Mapping[str, RunnerkitError], at: datetime) -> tuple[FailureLine, ...]:
    """The repositories that the last pass could not read: a line for each reason, for an outage is one of all."""
    found: dict[str, list[str]] = {}
    for repo, error in errors.items():
        found.setdefault(error.code, []).append(repo)
    return tuple(
        FailureLine(at, "look at GitHub", _some(repos), code, errors[repos[0]].message, errors[repos[0]].hint)
        for code, repos in found.items()
    )


def _some(repos: Sequence[str]) -> str:
    return repos[0] if len(repos) == 1 else f"{repos[0]} and {len(repos) - 1} more"


def _failure(note: Note) -> FailureLine:
    said = note.facts.get("error")
    error = said if isinstance(said, dict) else {}
    what = "launch" if note.kind == LAUNCH_FAILED else note.text("action")
    told = (_text(error, "code"), _text(error, "message"), _text(error, "hint"))
    return FailureLine(note.at, what, note.text("runner"), *told)


def _text(said: Mapping[str, object], name: str) -> str:
    return str(said.get(name) or "")
