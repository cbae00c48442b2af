"""What the registry knows of a run."""

from __future__ import annotations

import json
import re
import secrets
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ConfigError
from runnerkit.job.values import flat, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runnerkit.job.place import Place
    from runnerkit.job.result import Result

VERSION = 1
HOUR = 3600.0
LONGEST_NOTE = 1000
MOST_VALUES = 2000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TYPE = re.compile(r"[a-z][a-z0-9-]{0,29}")


@dataclass(frozen=True, slots=True)
class Record:
    """A run.

    ``type`` is a word of the team's own, such as baseline, candidate, test or junk; ``inputs`` are the params that were
    set for this run alone; metrics and params are values by ``FILE: NAME``; times are seconds since the epoch,
    ``price`` is dollars an hour, ``cost`` dollars.
    """

    id: str
    type: str = ""
    note: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    outcome: str = "running"
    exit_code: int | None = None
    error: str = ""
    sha: str = ""
    ref: str = ""
    repo: str = ""
    workflow: str = ""
    job: str = ""
    actor: str = ""
    run: str = ""
    attempt: int = 1
    link: str = ""
    started: float = 0.0
    finished: float | None = None
    instance: str = ""
    market: str = ""
    zone: str = ""
    price: float | None = None
    cost: float | None = None
    interrupted: bool = False
    stages: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    lock: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return None if self.finished is None else round(self.finished - self.started, 3)

    def as_dict(self) -> dict[str, Any]:
        """The record for its file and for programs."""
        return {"version": VERSION, **asdict(self), "seconds": self.seconds}

    def packed(self) -> bytes:
        """The record as it is kept."""
        return (json.dumps(self.as_dict(), indent=1, default=str) + "\n").encode()

    def told(self, result: Result, now: float) -> Record:
        """The record with what a result says."""
        facts = result.machine
        price, since = number(_as_number(facts.get("price"))), number(_as_number(facts.get("started_at")))
        until = result.finished or now
        return replace(
            self,
            outcome=result.outcome,
            exit_code=result.exit_code,
            error=result.error,
            sha=result.sha or self.sha,
            started=result.started,
            finished=result.finished,
            instance=str(facts.get("type") or ""),
            market=str(facts.get("market") or ""),
            zone=str(facts.get("zone") or ""),
            price=price,
            cost=None if price is None else round(price * max(until - (since or result.started), 0.0) / HOUR, 6),
            interrupted=result.interrupted,
            stages={stage.name: str(stage.state) for stage in result.stages},
        )


def unpacked(body: bytes) -> Record | None:
    """A record as it was kept; None when it cannot be read by this version."""
    try:
        said = json.loads(body)
        known = {name: value for name, value in said.items() if name in Record.__dataclass_fields__}
        record = Record(**known)
        return record if all(map(_sound, asdict(_BLANK).items(), asdict(record).values())) else None
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


_BLANK = Record("")


def _sound(blank: tuple[str, Any], value: object) -> bool:
    """Whether a value is of the kind that its field has: what is in the store may be from anybody."""
    name, like = blank
    if name == "id":
        return isinstance(value, str) and _ID.fullmatch(value) is not None
    if isinstance(like, (str, dict, bool)):
        return isinstance(value, type(like))
    return (value is None and like is None) or number(value) is not None


def begun(place: Place, environ: Mapping[str, str], *, name: str = "") -> Record:
    """A record of the run we are in.

    Args:
        place: The job.
        environ: GitHub's variables.
        name: Tells the jobs of one run apart, as in a matrix.

    Raises:
        ConfigError: The name cannot be part of an id.
    """
    return Record(
        id=id_of(place, name),
        sha=place.sha,
        ref=environ.get("GITHUB_HEAD_REF") or environ.get("GITHUB_REF_NAME", ""),
        repo=place.repo,
        workflow=place.workflow,
        job=place.job,
        actor=environ.get("GITHUB_ACTOR", ""),
        run=place.run_id,
        attempt=place.run_attempt,
        link=place.url,
        started=time.time(),
    )


def id_of(place: Place, name: str = "") -> str:
    """``RUN-ATTEMPT`` in a job, otherwise the time and something random; with the name behind it."""
    drawn = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    start = f"{place.run_id}-{place.run_attempt}" if place.run_id else drawn
    return checked_id(f"{start}-{name}" if name else start)


def checked_id(run: str) -> str:
    """The id, if it can be one.

    Raises:
        ConfigError: It cannot.
    """
    if not _ID.fullmatch(run):
        raise ConfigError(f"{run!r} is not the id of a run", hint="`runnerkit runs list` shows them")
    return run


def checked_type(word: str) -> str:
    """The type, if it is one word that a shell and a file take.

    Raises:
        ConfigError: It is not.
    """
    if not _TYPE.fullmatch(word):
        raise ConfigError(
            f"{word!r} cannot be the type of a run",
            hint="one word in lower case, such as baseline, candidate, test or junk; at most 30 letters",
        )
    return word


def checked_note(note: str) -> str:
    """The note, if it is not too long.

    Raises:
        ConfigError: It is.
    """
    if len(note) > LONGEST_NOTE:
        raise ConfigError(f"the note has {len(note)} characters, and {LONGEST_NOTE} are the most")
    return note


def values(files: Mapping[str, object]) -> dict[str, Any]:
    """What files of metrics or params say, by ``FILE: NAME``; at most two thousand."""
    pairs = [(f"{file}: {name}", value) for file, said in files.items() for name, value in flat(said).items()]
    return dict(pairs[:MOST_VALUES])


def _as_number(value: object) -> object:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return None
