"""What a webhook says, read as leniently as can be: only what is needed to know where to look. Pure.

GitHub's payloads vary with their age: fields are missing, null or of another type. What cannot be told wakes the loop
rather than being missed, for a look too many costs little. Jobs are judged by ``workflow_job.status``: the ``action``
of a delivery can say ``queued`` of a job that an environment still holds.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from runnerkit import labels

FORM = "application/x-www-form-urlencoded"
FORM_FIELDS = 8
# Nothing can be done about a job that runs, or that an approval holds.
UNHEEDED = frozenset({"in_progress", "waiting", "pending", "requested"})

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Said:
    """What a delivery came to: ``heed`` whether somebody should look, ``why`` (or why not), and where."""

    heed: bool
    why: str
    repo: str = ""


def read(event: str, content_type: str, body: bytes) -> Said:
    """Read a delivery whose signature was checked.

    Args:
        event: The header ``X-GitHub-Event``.
        content_type: JSON, or a form whose field ``payload`` holds JSON.
        body: As it came.

    Raises:
        ValueError: It is neither.
    """
    document = _document(content_type, body)
    if event not in {"workflow_job", "workflow_run"}:
        return Said(heed=False, why="pong" if event == "ping" else "nothing here depends on this event")
    repo = _text(_table(document.get("repository")).get("full_name"))
    if not _REPOSITORY.fullmatch(repo):
        return Said(heed=False, why="it names no repository")
    about = _table(document.get(event))
    status = _text(about.get("status"))
    if event == "workflow_run":
        over = status in {"", "completed"}
        return Said(over, "the run is over" if over else f"a run that is {_shown(status)} needs nothing", repo)
    return _job(repo, about, status)


def _job(repo: str, about: dict[str, Any], status: str) -> Said:
    if status in UNHEEDED:
        return Said(heed=False, why=f"a job that is {status} needs nothing", repo=repo)
    if not _asks_us(about.get("labels")):
        return Said(heed=False, why="the job asks for other runners", repo=repo)
    return Said(heed=True, why=f"a job is {_shown(status)}", repo=repo)


def _document(content_type: str, body: bytes) -> dict[str, Any]:
    text: str | bytes = body
    if content_type.partition(";")[0].strip().lower() == FORM:
        fields = parse_qs(body.decode("utf-8"), max_num_fields=FORM_FIELDS)
        text = fields.get("payload", [""])[0]
    try:
        document = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("not an object")  # noqa: TRY004 - what was sent is wrong, not our program
    return document


def _asks_us(said: Any) -> bool:  # noqa: ANN401 - whatever the payload holds
    """Whether the labels may mean us; a job that names a runner group alone comes without any."""
    texts = [text for text in said if isinstance(text, str)] if isinstance(said, list) else []
    return not texts or any(map(labels.is_ours, texts)) or labels.misspelt(texts) is not None


def _table(value: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the payload holds
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:  # noqa: ANN401 - whatever the payload holds
    return value if isinstance(value, str) else ""


def _shown(status: str) -> str:
    """A status as an answer may repeat it."""
    return status if re.fullmatch(r"[a-z_]{1,30}", status) else "in an unknown state"
