"""From a question and the evidence to answers. Pure: the same evidence at the same time gives the same answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit.why import jobs, machines
from runnerkit.why.answers import Answer, Finding, Next, Verdict
from runnerkit.why.cases import Case
from runnerkit.why.timeline import of_job, of_machine
from runnerkit.why.words import some, times

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from runnerkit.history import Run
    from runnerkit.model import Instance, Job
    from runnerkit.why.evidence import Evidence
    from runnerkit.why.questions import Question

MOST_JOBS = 50
WAITING = "waiting"


def explain(question: Question, evidence: Evidence, now: datetime) -> tuple[Answer, ...]:
    """What is known about a question; empty when nothing is.

    A number is tried as a job and as a run. A run is answered with its jobs of ours behind it.
    """
    return tuple(_answers(question, evidence, now))


def _answers(question: Question, evidence: Evidence, now: datetime) -> Iterator[Answer]:
    for number in dict.fromkeys(each for each in (question.job, question.number) if each is not None):
        found = next((job for job in evidence.jobs if job.id == number), None)
        if found is not None:
            yield _job(found, evidence, now)
        elif evidence.notes_of(number):
            yield _remembered(number, evidence)
    if question.job is None:
        for number in dict.fromkeys(each for each in (question.run, question.number) if each is not None):
            yield from _run(number, question, evidence, now)
    yield from _machines(question, evidence, now)


# --- jobs -------------------------------------------------------------------------------------------------------------


def _job(job: Job, evidence: Evidence, now: datetime) -> Answer:
    finding = jobs.find(job, evidence, now)
    ours = Case(job, evidence, now).is_ours
    facts: dict[str, Any] = {
        "job": job.id,
        "run": job.run_id,
        "attempt": job.run_attempt,
        "status": job.status,
        "conclusion": job.conclusion,
        "labels": list(job.labels),
        "runner": job.runner_name,
        "url": job.url,
    }
    unknown = evidence.unknown if ours else ()
    timeline = of_job(job.id, evidence)
    return Answer("job", f"job {job.id} ({job.name})", job.repo, finding, timeline, unknown, facts)


def _remembered(number: int, evidence: Evidence) -> Answer:
    """GitHub does not show the job (any more, or to us); the journal knows it."""
    notes = evidence.notes_of(number)
    repo = next((text for note in notes if (text := note.text("repo"))), "")
    timeline = of_job(number, evidence)
    last = f"; the last that is known: {timeline[-1].text}" if timeline else ""
    finding = Finding(Verdict.REMEMBERED, f"job {number} is known from the journal alone{last}")
    run = next((run for note in notes if (run := note.id("run"))), None)
    return Answer("job", f"job {number}", repo, finding, timeline, evidence.unknown, {"job": number, "run": run})


# --- runs -------------------------------------------------------------------------------------------------------------


def _run(number: int, question: Question, evidence: Evidence, now: datetime) -> Iterator[Answer]:
    run = evidence.runs.get(number)
    ours = [job for job in evidence.jobs if job.run_id == number and Case(job, evidence, now).is_ours]
    if run is not None:
        yield _of_run(run, ours, question, evidence, now)
        yield from (_job(job, evidence, now) for job in ours[:MOST_JOBS])
        return
    for job in dict.fromkeys(note.id("job") for note in evidence.notes if note.id("run") == number):
        if job is not None and evidence.notes_of(job):
            yield _remembered(job, evidence)


def _of_run(run: Run, ours: list[Job], question: Question, evidence: Evidence, now: datetime) -> Answer:
    found = [(job, jobs.find(job, evidence, now)) for job in ours]
    every = [job for job in evidence.jobs if job.run_id == run.id]
    states = some([f"{_count(found, verdict)} {verdict}" for verdict in dict.fromkeys(f.verdict for _, f in found)], 9)
    text = f"run {run.id}, attempt {run.attempt}, is {run.status}" + (f" ({run.conclusion})" if run.conclusion else "")
    text += f"; {len(ours)} of {times(len(every), 'job')} ask for runnerkit" + (f": {states}" if states else "")
    if question.attempt is not None and question.attempt < run.attempt:
        text += f"; attempt {question.attempt} is over, this is about the last one"
    gated = [job for job in every if job.status == WAITING and job not in ours]
    text += _waits(gated)
    nexts = (*_nexts([finding for _, finding in found]), *_approve(gated))
    verdict = Verdict.OVER if run.status == "completed" else Verdict.GOING
    finding = Finding(verdict, text, nexts)
    facts = {"run": run.id, "attempt": run.attempt, "status": run.status, "conclusion": run.conclusion}
    return Answer("run", f"run {run.id}", run.repo, finding, (), evidence.unknown, facts)


def _waits(gated: list[Job]) -> str:
    """The job that launches is none of ours, and all of them wait for it."""
    names = some([job.name for job in gated])
    return f"; {names} waits for its environment: a person's approval, a wait timer or another rule" if gated else ""


def _approve(gated: list[Job]) -> Iterator[Next]:
    for page in dict.fromkeys(job.url for job in gated):
        yield Next(f"somebody approves it{f' on {page}' if page else ''}")


def _count(found: list[tuple[Job, Finding]], verdict: str) -> int:
    return sum(finding.verdict == verdict for _, finding in found)


def _nexts(findings: list[Finding]) -> tuple[Next, ...]:
    """What holds for the run as a whole: how it goes on after an interruption."""
    hit = [finding for finding in findings if finding.verdict == Verdict.INTERRUPTED]
    return tuple(dict.fromkeys(each for finding in hit for each in finding.next))


# --- machines ---------------------------------------------------------------------------------------------------------


def _machines(question: Question, evidence: Evidence, now: datetime) -> Iterator[Answer]:
    for each in evidence.instances:
        if question.instance and each.id == question.instance and each.unnamed:
            yield _unnamed(each, evidence, now)
    for name in sorted(_names(question, evidence)):
        finding = machines.find(name, evidence, now)
        if finding is not None:
            yield _machine(name, finding, evidence)


def _names(question: Question, evidence: Evidence) -> set[str]:
    if question.runner:
        return {question.runner}
    if not question.instance:
        return set()
    shown = {each.name.lower() for each in evidence.instances if each.id == question.instance}
    noted = {note.text("runner").lower() for note in evidence.notes if note.text("instance") == question.instance}
    return (shown | noted) - {""}


def _unnamed(instance: Instance, evidence: Evidence, now: datetime) -> Answer:
    finding = machines.unnamed(instance, evidence, now)
    facts: dict[str, Any] = {"runner": "", "instance": instance.id, "job": None, "run": None}
    return Answer("machine", instance.id, instance.repo, finding, (), evidence.unknown, facts)


def _machine(name: str, finding: Finding, evidence: Evidence) -> Answer:
    instances = evidence.instances_named({name})
    notes = evidence.notes_about({name})
    last = instances[-1] if instances else None
    noted = next((text for note in reversed(notes) if (text := note.text("instance"))), None)
    repo = last.repo if last else next((text for note in notes if (text := note.text("repo"))), "")
    facts = {
        "runner": name,
        "instance": last.id if last else noted,
        "job": evidence.taker(name),
        "run": last.run_id if last else next((run for note in notes if (run := note.id("run"))), None),
    }
    return Answer("machine", name, repo, finding, of_machine({name}, evidence), evidence.unknown, facts)
