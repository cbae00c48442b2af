"""What people are told of a run when it starts and when it is over: one message, whatever carries it.

The message is told by the command around the pipeline, and not by a stage of it, so that it is told when the pipeline
dies, too.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from runnerkit.errors import RunnerkitError
from runnerkit.job.gatefile import Rules, judged
from runnerkit.job.progress import State
from runnerkit.job.result import Result, duration, redacted
from runnerkit.job.values import Directions, compared, shown, shown_delta
from runnerkit.job.versions import Base, Versions, declared, ground

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runnerkit.job.gating import Judgement
    from runnerkit.job.pipeline import Project
    from runnerkit.job.place import Place
    from runnerkit.job.values import Change

HOUR = 3600.0
MOST_METRICS = 20
PUBLISHED = "published.json"


class Moment(StrEnum):
    """When people are told."""

    START = "start"
    SUCCESS = "success"
    FAILURE = "failure"
    INTERRUPTION = "interruption"
    MESSAGE = "message"


OF_OUTCOME = {"success": Moment.SUCCESS, "interrupted": Moment.INTERRUPTION, "preview": Moment.SUCCESS}
WORDS = {
    Moment.START: "Pipeline started",
    Moment.SUCCESS: "Pipeline done",
    Moment.FAILURE: "Pipeline failed",
    Moment.INTERRUPTION: "Interrupted: AWS takes the machine",
    Moment.MESSAGE: "Message",
}
ENDED = {"cancelled": "Pipeline cancelled", "running": "Pipeline ended from outside"}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as people read it; ``holds`` is what the gate says of it, None where it says nothing."""

    name: str
    value: str
    base: str = ""
    change: str = ""
    verdict: str = ""
    holds: bool | None = None


@dataclass(slots=True)
class Message:
    """All that a message says; empty texts and None are unknown. ``seconds`` is how long it took, ``cost`` in dollars.

    ``gate`` is the gate in a sentence, and ``gate_holds`` its answer.
    """

    moment: Moment
    title: str
    repo: str = ""
    ref: str = ""
    sha: str = ""
    number: int | None = None
    workflow: str = ""
    job: str = ""
    run_url: str = ""
    run_number: int = 0
    attempt: int = 1
    stages: str = ""
    failed_stage: str = ""
    seconds: float | None = None
    machine: str = ""
    cost: float | None = None
    metrics: list[Metric] = field(default_factory=list)
    more_metrics: int = 0
    gate: str = ""
    gate_holds: bool | None = None
    report: str = ""
    error: str = ""
    hint: str = ""
    text: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The message for programs."""
        return asdict(self)

    @property
    def where(self) -> str:
        """Repository, and branch or pull request."""
        pull = f"#{self.number}" if self.number else ""
        branch = f"@ {self.ref}" if self.ref and not pull else ""
        return " ".join(part for part in (f"{self.repo}{pull}", branch) if part)

    def facts(self) -> list[tuple[str, str]]:
        """What there is to say in a line each: name and value."""
        sha = f"commit {self.sha[:8]}" if self.sha else ""
        attempt = f", attempt {self.attempt}" if self.attempt > 1 else ""
        work = " / ".join(part for part in (self.workflow, self.job) if part) + attempt
        told = {
            "where": ", ".join(part for part in (self.where, sha) if part),
            "job": work if self.workflow or self.job else "",
            "stages": self.stages,
            "took": duration(self.seconds) if self.seconds is not None else "",
            "machine": self.machine,
            "cost": f"about ${self.cost:.{2 if self.cost >= 1 else 4}f}" if self.cost is not None else "",
            "gate": self.gate,
        }
        return [(name, value) for name, value in told.items() if value]


def moment_of(result: Result | None) -> Moment:
    """The moment that a result speaks of; one that does not exist, or is not finished, is a failure."""
    return OF_OUTCOME.get(result.outcome, Moment.FAILURE) if result else Moment.FAILURE


def compose(
    moment: Moment,
    place: Place,
    environ: Mapping[str, str],
    *,
    result: Result | None = None,
    project: Project | None = None,
    text: str = "",
    title: str = "",
    report: str = "",
) -> Message:
    """Put a message together from what is known.

    Args:
        moment: What it speaks of.
        place: The job.
        environ: Its variables; values that look secret are struck out of the message.
        result: What the pipeline came to, so far.
        project: Where metrics are read, if the run came to its own end.
        text: What somebody wants to say.
        title: Instead of the usual one.
        report: The address of a report; the one that this run published last by default.
    """
    ended = ENDED.get(result.outcome) if result and moment == Moment.FAILURE else None
    message = Message(
        moment,
        title or ended or WORDS[moment],
        repo=place.repo,
        ref=environ.get("GITHUB_HEAD_REF") or environ.get("GITHUB_REF_NAME", ""),
        sha=place.sha or (result.sha if result else ""),
        number=place.number,
        workflow=place.workflow,
        job=place.job,
        run_url=place.url,
        run_number=place.run_number,
        attempt=place.run_attempt,
        report=report or (_published(project.work, place) if project else ""),
        text=redacted(text, environ),
    )
    if result is not None:
        _tell_of(result, message, environ)
    if project is not None and moment in {Moment.SUCCESS, Moment.FAILURE} and ended is None:
        _measure(project, place, message)
    return message


def _tell_of(result: Result, message: Message, environ: Mapping[str, str]) -> None:
    counts = [(result.count(state), words) for state, words in _COUNTED]
    message.stages = ", ".join(f"{count} {words}" for count, words in counts if count)
    message.failed_stage = next((each.name for each in result.stages if each.state == State.FAILED), "")
    message.seconds = result.seconds
    message.error, message.hint = redacted(result.error, environ), redacted(result.hint, environ)
    facts = result.machine
    kind = " ".join(str(facts[name]) for name in ("type", "market") if facts.get(name))
    message.machine = f"{kind} in {facts['zone']}" if kind and facts.get("zone") else kind
    with suppress(KeyError, TypeError, ValueError):
        price, since = float(facts["price"]), float(facts["started_at"])
        message.cost = price * max((result.finished or time.time()) - since, 0.0) / HOUR


_COUNTED = (
    (State.RUN, "run"),
    (State.RESTORED, "restored"),
    (State.UNCHANGED, "unchanged"),
    (State.FAILED, "failed"),
    (State.STOPPED, "stopped"),
)


def _measure(project: Project, place: Place, message: Message) -> None:
    """Metrics and gate; a message without them is better than none."""
    with suppress(RunnerkitError, OSError, ValueError):
        base = Base.find(project, place, "")
        read = Versions.read(declared(project).metrics, project.here, base)
        changes = compared(read.old, read.new)
        gate = judged(ground(project.here), place, Rules())
        if gate.verdicts:
            message.gate, message.gate_holds = gate.sentence(), gate.holds
        rows = [_metric(each, gate, based=bool(base.rev)) for each in changes]
        rows.sort(key=lambda row: (row.holds is not False, row.verdict == ""))
        message.metrics, message.more_metrics = rows[:MOST_METRICS], max(len(rows) - MOST_METRICS, 0)


def _metric(change: Change, gate: Judgement, *, based: bool) -> Metric:
    said = gate.of(change)
    held = said.holds if said is not None else None
    if not based:
        return Metric(change.name, shown(change.new), holds=held)
    verdict = Directions().verdict(change)
    return Metric(change.name, shown(change.new), shown(change.old), shown_delta(change), verdict, held)


def _published(work: Path, place: Place) -> str:
    """Where ``runnerkit publish`` put this run's report."""
    try:
        said = json.loads((work / PUBLISHED).read_text(encoding="utf-8"))
        return str(said["url"]) if str(said.get("run", "")) == place.run_id else ""
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return ""
