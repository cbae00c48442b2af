"""What happened, in order, each moment with who says so. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from runnerkit.moments import moment
from runnerkit.why.answers import Moment, Source
from runnerkit.why.words import some, span

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from runnerkit.history import Note
    from runnerkit.model import Instance, Job
    from runnerkit.why.evidence import Evidence

# Words of AWS's for why an instance ended, as people say it. Source: EC2's state reason codes.
REASONS = {
    "Client.InstanceInitiatedShutdown": "it ended itself",
    "Client.UserInitiatedShutdown": "somebody ended it by the API",
    "Server.SpotInstance": "AWS took it back",
    "Server.InsufficientInstanceCapacity": "AWS had no capacity for it after all",
    "Server.InternalError": "AWS could not start it",
    "Client.InternalError": "it could not start; an encrypted disk it may not read is a usual cause",
}

# What happens to a job or a machine only once, so that GitHub or EC2 and the journal mean the same thing.
ONCE = {"instance-launched", "instance-ended", "job-taken", "job-over"}


def of_job(job_id: int, evidence: Evidence) -> tuple[Moment, ...]:
    """Everything about a job: itself, the machines launched for it, and the one it ran on."""
    job = next((each for each in evidence.jobs if each.id == job_id), None)
    names = set(evidence.names_for(job)) if job else _launched_for(job_id, evidence)
    if job and job.runner_name:
        names |= {job.runner_name.lower()}
    elif job:
        names |= evidence.names_by_hand(job)
    names |= {note.text("runner").lower() for note in evidence.notes_of(job_id)} - {""}
    notes = [*evidence.notes_of(job_id), *evidence.notes_about(names)]
    repeats = [note for note in evidence.notes if note.kind == "run-repeated" and job and note.id("run") == job.run_id]
    return _told(
        (
            *(_of_github(job) if job else ()),
            *(each for i in evidence.instances_named(names) for each in _of_ec2(i)),
            *_of_journal(_unique([*notes, *repeats])),
        )
    )


def of_machine(names: Collection[str], evidence: Evidence) -> tuple[Moment, ...]:
    """Everything about a machine, with the job that it took."""
    took = [job for job in evidence.jobs if (job.runner_name or "").lower() in names]
    return _told(
        (
            *(each for job in took for each in _of_github(job) if each.kind != "job-queued"),
            *(each for i in evidence.instances_named(names) for each in _of_ec2(i)),
            *_of_journal(_unique(evidence.notes_about(names))),
        )
    )


def _launched_for(job_id: int, evidence: Evidence) -> set[str]:
    return {note.text("runner").lower() for note in evidence.notes if note.id("job") == job_id} - {""}


def _unique(notes: Iterable[Note]) -> list[Note]:
    return sorted({id(note): note for note in notes}.values(), key=lambda note: note.at)


def _told(moments: Iterable[Moment]) -> tuple[Moment, ...]:
    """In order; what two sources tell of one thing is told once, as the one that saw it first tells it."""
    kept: dict[tuple[str, ...], Moment] = {}
    for each in sorted(moments, key=lambda m: m.at):
        kept.setdefault(_once(each), each)
    return tuple(kept.values())


def _once(told: Moment) -> tuple[str, ...]:
    kind = "instance-ended" if told.kind == "instance-interrupted" else told.kind
    return (kind, told.about) if kind in ONCE else (kind, told.about, told.text, told.at.isoformat())


# --- GitHub and EC2 ---------------------------------------------------------------------------------------------------


def _of_github(job: Job) -> Iterator[Moment]:
    about, asks = f"job {job.id}", ", ".join(job.labels)
    yield Moment(job.created_at, Source.GITHUB, "job-queued", about, f"{about} ({job.name}) queued for {asks}")
    if job.started_at and job.runner_name:
        waited = span((job.started_at - job.created_at).total_seconds())
        text = f"{about} began on {job.runner_name}, after {waited}"
        yield Moment(job.started_at, Source.GITHUB, "job-taken", about, text)
    if job.completed_at:
        yield Moment(job.completed_at, Source.GITHUB, "job-over", about, f"{about} ended: {job.conclusion}")


def _of_ec2(instance: Instance) -> Iterator[Moment]:
    name = instance.name
    price = "" if instance.price is None else f", ${instance.price:.3f}/h"
    what = f"{name}: launched {instance.id} ({instance.type} in {instance.zone}, {instance.market}{price})"
    yield Moment(instance.launched_at, Source.EC2, "instance-launched", name, what)
    if instance.ended_at:
        text = f"{name}: {said(instance.state_reason)}"
        yield Moment(instance.ended_at, Source.EC2, "instance-ended", name, text)


def said(reason: str) -> str:
    """EC2's reason for an end, in words and in its own."""
    words = next((words for code, words in REASONS.items() if reason.startswith(code)), "")
    return f"{words} ({reason})" if words else f"it ended ({reason or 'EC2 gives no reason'})"


# --- the journal ------------------------------------------------------------------------------------------------------


def _of_journal(notes: Iterable[Note]) -> Iterator[Moment]:
    for (kind, _, _), group in groupby(notes, key=_alike):
        alike = list(group)
        text = _refusals(alike) if kind == "offering-refused" else _sentence(alike[0])
        if text:
            yield Moment(alike[0].at, Source.JOURNAL, kind, _about(alike[0]), text)


def _about(note: Note) -> str:
    job = note.id("job")
    return note.text("runner") if not note.kind.startswith("job-") or job is None else f"job {job}"


def _alike(note: Note) -> tuple[str, str, object]:
    """Refusals of one try are told together; everything else stands alone."""
    if note.kind == "offering-refused":
        return note.kind, note.text("runner"), refusal(note).get("code")
    return note.kind, note.text("runner"), id(note)


def refusal(note: Note) -> dict[str, Any]:
    """The refusal in a note."""
    told = note.facts.get("refusal")
    return told if isinstance(told, dict) else {}


def _refusals(notes: list[Note]) -> str:
    told = [refusal(note) for note in notes]
    pools = [f"{t.get('type') or 'any type'} in {t.get('zone') or 'any zone'} ({t.get('market')})" for t in told]
    return f"{notes[0].text('runner')}: AWS refused {some(pools)}: {told[0].get('code')}"


def error(note: Note) -> str:
    """The message of the error in a note."""
    told = note.facts.get("error")
    return str(told.get("message", "")) if isinstance(told, dict) else ""


def _launched(note: Note) -> str:
    price = note.number("price")
    cost = "" if price is None else f", ${price:.3f}/h"
    machine = f"{note.text('type')} in {note.text('zone')}, {note.text('market')}{cost}"
    return f"{note.text('runner')}: launched {note.text('instance')} ({machine})"


def _ended(note: Note) -> str:
    return f"{note.text('runner')}: {said(note.text('reason'))}"


def _paused(note: Note) -> str:
    until = moment(note.text("until"))
    when = f" until {until:%H:%M:%S}" if until else ""
    count = int(note.number("interruptions") or 0)
    return f"{note.text('runner')}: bought on demand, spot pauses{when} after {count} interruptions"


SENTENCES: dict[str, Callable[[Note], str]] = {
    "job-seen": lambda n: f"a controller saw job {n.id('job')}",
    "job-refused": lambda n: f"refused: {error(n)}",
    "job-waiting": lambda n: f"waits: {n.text('why')}",
    "job-taken": lambda n: f"job {n.id('job')} began on {n.text('runner')}, after {span(n.number('seconds') or 0)}",
    "job-over": lambda n: f"job {n.id('job')} ended: {n.text('conclusion')}",
    "refusal-told": lambda n: (
        "the author was told that it holds no more"
        if n.text("how") == "withdrawn"
        else f"the author was told by a {n.text('how')}"
    ),
    "runner-registered": lambda n: f"{n.text('runner')}: registered at {n.text('repo')}",
    "instance-launched": _launched,
    "launch-failed": lambda n: f"{n.text('runner')}: not launched: {error(n)}",
    "launch-skipped": lambda n: f"{n.text('runner')}: not launched: {n.text('why')}",
    "runner-online": lambda n: f"{n.text('runner')}: online after {span(n.number('seconds') or 0)}",
    "runner-deregistered": lambda n: f"{n.text('runner')}: deregistered: {n.text('reason')}",
    "instance-terminated": lambda n: f"{n.text('runner')}: its end was ordered: {n.text('reason')}",
    "termination-spared": lambda n: f"{n.text('runner')}: left alone: {n.text('why')}",
    "instance-ended": _ended,
    "instance-interrupted": lambda n: f"{n.text('runner')}: AWS took it back",
    "spot-paused": _paused,
    "repeat-refused": lambda n: f"GitHub does not let run {n.id('run')} be repeated: {n.text('why')}",
    "run-repeated": lambda n: f"run {n.id('run')} goes on as attempt {int(n.number('attempt') or 0)}",
    "action-failed": lambda n: f"{n.text('runner')}: {n.text('action')} failed: {error(n)}",
}


def _sentence(note: Note) -> str:
    sentence = SENTENCES.get(note.kind)
    return sentence(note) if sentence else ""
