"""From GitHub's JSON to our words. Leniently: what is missing or odd becomes None or empty, never an exception."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any

from runnerkit.history import Run
from runnerkit.model import Comment, Job, Release, Runner
from runnerkit.ports import Delivery, RunnerPackage

DESCRIPTION_LIMIT = 140
SUMMARY_LIMIT = 65_535
_JOB_KEYS = (
    "id",
    "run_id",
    "run_attempt",
    "name",
    "status",
    "labels",
    "created_at",
    "started_at",
    "completed_at",
    "conclusion",
    "runner_name",
    "head_sha",
    "html_url",
)
_JOINERS = frozenset({"\u200d", "\ufe0f", "\ufe0e"})


def record(value: object) -> dict[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """The array, or an empty one."""
    return value if isinstance(value, list) else []


def integer(value: object) -> int | None:
    """The whole number, if it is one (GitHub's ids are positive)."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def text(value: object) -> str:
    """The text, or an empty one."""
    return value if isinstance(value, str) else ""


def truth(value: object) -> bool | None:
    """Yes, no, or None for not said."""
    return value if isinstance(value, bool) else None


def moment(value: object) -> datetime | None:
    """The time, aware UTC, if it is one."""
    try:
        told = datetime.fromisoformat(text(value))
        return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def runner(value: object, repo: str, place: str) -> Runner | None:
    """A runner; None without id or name."""
    told = record(value)
    number, name = integer(told.get("id")), text(told.get("name"))
    if number is None or not name:
        return None
    online, busy = text(told.get("status")) == "online", told.get("busy") is True
    labels = tuple(label for each in items(told.get("labels")) if (label := _label(each)))
    connected = bool(text(told.get("version"))) or online or busy
    return Runner(number, name, repo, online, busy, labels, connected, place)


def run(value: object, repo: str) -> Run | None:
    """A workflow run; None without an id."""
    told = record(value)
    number = integer(told.get("id"))
    if number is None:
        return None
    return Run(
        id=number,
        repo=repo,
        status=text(told.get("status")),
        attempt=integer(told.get("run_attempt")) or 1,
        created_at=moment(told.get("created_at")),
        conclusion=text(told.get("conclusion")) or None,
        event=text(told.get("event")),
        head_sha=text(told.get("head_sha")),
        private=truth(record(told.get("repository")).get("private")),
        fork=_is_fork(told),
    )


def job(value: object, repo: str, of: Run | None, now: datetime) -> Job | None:
    """A job, completed by its run where that is known; None without the job's or the run's id."""
    told = record(value)
    number, run_id = integer(told.get("id")), integer(told.get("run_id")) or (of.id if of else None)
    if number is None or run_id is None:
        return None
    created_at = moment(told.get("created_at")) or moment(told.get("started_at")) or (of.created_at if of else None)
    return Job(
        id=number,
        run_id=run_id,
        run_attempt=integer(told.get("run_attempt")) or (of.attempt if of else 1),
        repo=repo,
        name=text(told.get("name")),
        status=text(told.get("status")),
        labels=tuple(each for each in items(told.get("labels")) if isinstance(each, str)),
        created_at=created_at or now,
        conclusion=text(told.get("conclusion")) or None,
        runner_name=text(told.get("runner_name")) or None,
        event=of.event if of else "",
        head_sha=text(told.get("head_sha")) or (of.head_sha if of else ""),
        private=of.private if of else None,
        fork=of.fork if of else None,
        url=text(told.get("html_url")),
        started_at=moment(told.get("started_at")),
        completed_at=moment(told.get("completed_at")),
    )


def slim_job(value: object) -> dict[str, Any]:
    """What :func:`job` reads of a job, without its steps and addresses: this is what is kept of a list."""
    told = record(value)
    return {key: told[key] for key in _JOB_KEYS if key in told}


def comment(value: object, now: datetime) -> Comment | None:
    """A comment; None without an id."""
    told = record(value)
    number = integer(told.get("id"))
    if number is None:
        return None
    author = text(record(told.get("user")).get("login"))
    updated_at = moment(told.get("updated_at")) or moment(told.get("created_at")) or now
    return Comment(number, text(told.get("body")), author, text(told.get("html_url")), updated_at)


def package(value: object) -> RunnerPackage | None:
    """A runner application; None without platform or address."""
    told = record(value)
    system, arch, url = text(told.get("os")), text(told.get("architecture")), text(told.get("download_url"))
    return RunnerPackage(system, arch, url, text(told.get("sha256_checksum"))) if system and arch and url else None


def release(value: object) -> Release | None:
    """A release that everybody gets; None for a draft, a trial, or one without a version."""
    told = record(value)
    version = text(told.get("tag_name")).removeprefix("v")
    if not version or told.get("draft") is True or told.get("prerelease") is True:
        return None
    return Release(version, moment(told.get("published_at")))


def delivery(value: object, hook_id: int) -> Delivery | None:
    """A delivery of a webhook; None without an id, a GUID or a time. ``status`` is 0 where nobody answered."""
    told = record(value)
    number, guid, at = integer(told.get("id")), text(told.get("guid")), moment(told.get("delivered_at"))
    if number is None or not guid or at is None:
        return None
    return Delivery(
        id=number,
        hook_id=hook_id,
        guid=guid,
        event=text(told.get("event")),
        action=text(told.get("action")),
        at=at,
        status=integer(told.get("status_code")) or 0,
        again=told.get("redelivery") is True,
    )


def shortened(words: str, limit: int) -> str:
    """The text cut to so many characters, with an ellipsis, and never inside what a reader sees as one character."""
    if len(words) <= limit:
        return words
    end = limit - 1
    while end > 0 and (_clings(words[end]) or words[end - 1] == "\u200d"):
        end -= 1
    return words[:end].rstrip() + "…"


def _clings(letter: str) -> bool:
    return letter in _JOINERS or bool(unicodedata.combining(letter)) or "\U0001f3fb" <= letter <= "\U0001f3ff"


def _label(value: object) -> str:
    return value if isinstance(value, str) else text(record(value).get("name"))


def _is_fork(told: dict[str, Any]) -> bool | None:
    head = text(record(told.get("head_repository")).get("full_name"))
    base = text(record(told.get("repository")).get("full_name"))
    return head.lower() != base.lower() if head and base else None
