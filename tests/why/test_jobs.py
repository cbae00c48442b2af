"""Every place where a job can be, with its verdict, its sentence and what happens next."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from runnerkit.actions import Holds, Waiting
from runnerkit.breakers import Pause
from runnerkit.cli.commands import app
from runnerkit.names import RunnerName
from runnerkit.recovery import Reason, recoverable
from runnerkit.wishes import Policy, RunnerSpec
from tests.why.cases import (
    DENIED,
    ENDED,
    INSTANCE,
    JOB,
    LABEL,
    NO_CAPACITY,
    NOW,
    OVER,
    RUN,
    RUNNER,
    RUNNING,
    TAKEN,
    at,
    evidence,
    note,
    seen,
    verdict,
)

if TYPE_CHECKING:
    from runnerkit.why.evidence import Evidence

HAND = f"rk-5-1-{'0' * 8}-1"
SEEN = note("job-seen", 2, job=77, run=5, repo="acme/widgets")
FAILED = [note("launch-failed", 20 * n, runner="rk-77-1", error=NO_CAPACITY) for n in (1, 2, 3)]
LATER = Waiting(JOB, "nothing that it asks for could be had", at(700), Holds.PAUSE)
FULL = Waiting(JOB, "20 machines are running, policy allows 20 (max_machines)")
SERVED = Waiting(JOB, "a machine that can take it is on its way or ready", holds=Holds.MACHINE)
SPENT = Waiting(JOB, "3 machines were launched for it and none took it; cancel and re-run", holds=Holds.TRIES)
BROKE = Waiting(JOB, "9.00 dollars were spent today, policy allows 9.00 (dollars_per_day)", at(90_000))
NEVER_ONLINE = (
    note("instance-launched", 5, runner="rk-77-1", job=77, instance="i-1"),
    note("runner-deregistered", 305, runner="rk-77-1", reason="it never came online"),
)
BOUGHT = seen(launch=True, pause=Pause(at(2400), 2))
SIBLING = replace(RUNNING, id=78, name="test", runner_name="rk-77-1")
STRANGER = replace(JOB, labels=("self-hosted", "gpu"))


def decided(known: Evidence, policy: Policy | None = None) -> Evidence:
    """With the decision about the run, as the gatherer adds it."""
    jobs = [job for job in known.jobs if job.run_attempt == RUN.attempt]
    answer = recoverable(RUN, jobs, known.lost(), known.annotated, policy or Policy(), lambda _job: RunnerSpec())
    return replace(known, runs={5: RUN}, recoveries={5: answer})


WAITING = {
    "GitHub's own label": (evidence(replace(JOB, labels=("ubuntu-latest",))), "hosted", "ubuntu-latest", "no part"),
    "a label that nobody has": (
        evidence(STRANGER, seen=seen(unserved=True, job=STRANGER)),
        "nobody",
        "self-hosted, gpu",
        "24 hours",
    ),
    "a label that somebody has": (evidence(STRANGER, seen=seen()), "somebody-else", "somebody else's", "24 hours"),
    "misspelt": (evidence(replace(JOB, labels=("runerkit=5/gpu=t4",))), "refused", "not spelt so", "24 hours"),
    "not to be understood": (evidence(replace(JOB, labels=("runnerkit=5/gup=t4",))), "refused", "gup", "gpu"),
    "against policy": (
        evidence(seen=seen(refused="gpu=t4 is not allowed")),
        "refused",
        "is not allowed",
        "ask for less",
    ),
    "against policy, and told": (
        evidence(seen=seen(refused="no"), notes=(note("refusal-told", 9, job=77, how="check"),)),
        "refused",
        "no",
        "author was told",
    ),
    "not served": (evidence(served=False, seen=seen(launch=True)), "not-served", "acme/widgets", "[github]"),
    "an environment": (evidence(replace(JOB, status="waiting")), "gated", "approval", "/actions/runs/5"),
    "a concurrency group": (evidence(replace(JOB, status="pending")), "held", "concurrency", "queues it"),
    "requested": (evidence(replace(JOB, status="requested")), "held", "is requested", "queues it"),
    "no capacity": (
        evidence(seen=seen(waiting=LATER), notes=(SEEN, *FAILED)),
        "waits",
        "job 77 waits: no capacity for g4dn.xlarge in eu-west-1a, eu-west-1b (Insuff",
        f"could be had {at(700)}",
    ),
    "AWS says no to something else": (
        evidence(seen=seen(waiting=LATER), notes=(note("launch-failed", 9, runner="rk-77-1", error=DENIED),)),
        "waits",
        "CreateFleet is not allowed; tried once",
        str(at(700)),
    ),
    "the breaker": (
        evidence(
            seen=seen(
                waiting=Waiting(JOB, "launching for this label pauses after 3 failures in a row", at(1800), Holds.PAUSE)
            ),
            notes=NEVER_ONLINE,
        ),
        "waits",
        "rk-77-1 never came online",
        "pauses after 3 failures",
    ),
    "a budget, after trouble": (
        evidence(seen=seen(waiting=BROKE), notes=(SEEN, *FAILED)),
        "waits",
        "job 77 waits: 9.00 dollars were spent today",
        str(at(90_000)),
    ),
    "a cap, while a sibling's machine boots": (
        evidence(seen=seen(waiting=FULL, instances=(INSTANCE,), runners=(RUNNER,))),
        "waits",
        "max_machines",
        "decides again",
    ),
    "its tries are spent": (
        evidence(seen=seen(waiting=SPENT, instances=(ENDED,)), notes=NEVER_ONLINE),
        "waits",
        "gets no further machine: 3 machines were launched for it and none took it; cancel and re-run; rk-77-1 never",
        "runnerkit logs i-0123456789abcdef0",
    ),
    "the next pass, on demand": (evidence(seen=BOUGHT, notes=(SEEN,)), "launching", "spot pauses until 00:40", ""),
    "the next pass, of which there is no sign": (
        evidence(seen=seen(launch=True), notes=(note("job-seen", -1200, job=77),)),
        "launching",
        "rk-77-2",
        "look whether a controller still runs",
    ),
    "a cap": (evidence(seen=seen(waiting=FULL), notes=(SEEN, *FAILED)), "waits", "max_machines", "decides again"),
    "the next pass": (evidence(seen=seen(launch=True), notes=(SEEN,)), "launching", "rk-77-2", "launches rk-77-2"),
    "the next pass, after trouble": (
        evidence(seen=seen(launch=True), notes=tuple(FAILED)),
        "launching",
        "tried 3 times",
        "rk-77-2",
    ),
    "nobody looks": (evidence(seen=seen(launch=True)), "unseen", "no controller has seen it", "runnerkit serve"),
    "booting": (
        evidence(seen=seen(waiting=SERVED, instances=(INSTANCE,), runners=(RUNNER,))),
        "coming",
        "waits for rk-77-1, which is booting (i-0123456789abcdef0, g4dn.xlarge",
        str(at(900)),
    ),
    "ready": (
        evidence(
            seen=seen(waiting=SERVED, instances=(INSTANCE,), runners=(replace(RUNNER, online=True, connected=True),))
        ),
        "coming",
        "is ready",
        "GitHub gives the job to it",
    ),
    "a machine of launch is coming": (
        evidence(
            seen=seen(
                instances=(replace(INSTANCE, name=HAND, job_id=None),),
                runners=(replace(RUNNER, name=HAND),),
            )
        ),
        "coming",
        HAND,
        str(at(900)),
    ),
    "its machine was taken by a sibling": (
        evidence(
            jobs=(JOB, SIBLING),
            seen=seen(launch=True, instances=(INSTANCE,), runners=(replace(RUNNER, online=True, busy=True),)),
            notes=(SEEN,),
        ),
        "launching",
        "rk-77-2",
        "rk-77-2",
    ),
    "nothing could be looked up": (evidence(), "waits", "what a pass would do is not known", "24 hours"),
}

AFTER = {
    "it runs": (evidence(RUNNING, instances=(INSTANCE,)), "runs", "on rk-77-1", str(at(86_400))),
    "on a sibling's machine": (
        evidence(replace(RUNNING, runner_name="rk-80-1"), instances=(INSTANCE,)),
        "runs",
        "rk-80-1, a machine that was launched for another job (its own, rk-77-1, is still there)",
        "",
    ),
    "on a sibling's machine, its own took that one": (
        evidence(jobs=(replace(RUNNING, runner_name="rk-80-1"), SIBLING), instances=(INSTANCE,)),
        "runs",
        "its own, rk-77-1, took job 78",
        "",
    ),
    "on a sibling's machine, its own has ended": (
        evidence(replace(RUNNING, runner_name="rk-80-1"), instances=(ENDED,)),
        "runs",
        "its own, rk-77-1, has ended",
        "",
    ),
    "interrupted a moment ago": (
        evidence(RUNNING, instances=(TAKEN,)),
        "interrupted",
        "AWS took back rk-77-1",
        "10 minutes",
    ),
    "went well": (
        evidence(replace(OVER, conclusion="success"), instances=(ENDED,)),
        "done",
        "after 4m00s on rk-77-1",
        "",
    ),
    "merely failed": (evidence(OVER, instances=(ENDED,)), "failed", "AWS did not take the machine", "not run again"),
    "was skipped": (evidence(replace(JOB, status="completed", conclusion="skipped")), "skipped", "was skipped", ""),
    "somebody cancelled it": (
        evidence(replace(OVER, conclusion="cancelled")),
        "cancelled",
        "by a person",
        "gh run rerun",
    ),
    "cancelled with an interrupted sibling": (
        decided(
            evidence(
                jobs=(replace(OVER, runner_name="rk-78-1", conclusion="cancelled"), replace(OVER, id=78)),
                instances=(TAKEN,),
            )
        ),
        "cancelled",
        "with job 78",
        "as attempt 2",
    ),
    "nobody took it for a day": (
        evidence(
            replace(JOB, status="completed", conclusion="cancelled", completed_at=at(86_400)), notes=tuple(FAILED)
        ),
        "given-up",
        "24 hours; no capacity",
        "gh run rerun",
    ),
    "interrupted, by EC2": (
        decided(evidence(OVER, instances=(TAKEN,))),
        "interrupted",
        "AWS took back rk-77-1",
        "as attempt 2",
    ),
    "interrupted, by the annotation": (
        decided(evidence(OVER, annotated=frozenset({77}))),
        "interrupted",
        "took",
        "resume 5",
    ),
    "interrupted, by the journal": (
        decided(evidence(OVER, notes=(note("instance-interrupted", 300, runner="rk-77-1", run=5, job=77),))),
        "interrupted",
        "took back",
        "runs its failed jobs again",
    ),
    "interrupted, beside one that failed": (
        decided(evidence(jobs=(OVER, replace(OVER, id=79, runner_name="rk-79-1")), instances=(TAKEN,))),
        "interrupted",
        "took back",
        "runs job 77 alone again",
    ),
    "interrupted, on a machine of launch": (
        decided(evidence(replace(OVER, runner_name=HAND), instances=(replace(TAKEN, name=HAND),))),
        "interrupted",
        HAND,
        "launches 1 machine first",
    ),
    "interrupted too often": (
        decided(evidence(OVER, instances=(TAKEN,)), Policy(max_reruns=0)),
        "interrupted",
        "took",
        "max_reruns",
    ),
    "interrupted, the run is still going": (
        evidence(
            jobs=(OVER, replace(RUNNING, id=79)), instances=(TAKEN,), runs={5: replace(RUN, status="in_progress")}
        ),
        "interrupted",
        "took back",
        "1 of its jobs are not over yet",
    ),
    "interrupted, and running again": (
        evidence(
            jobs=(OVER, replace(JOB, id=90, run_attempt=2)), instances=(TAKEN,), runs={5: replace(RUN, attempt=2)}
        ),
        "interrupted",
        "took back",
        "job 90 (attempt 2, queued)",
    ),
    "interrupted, its run goes on without it": (
        evidence(OVER, instances=(TAKEN,), runs={5: replace(RUN, attempt=2)}),
        "interrupted",
        "took",
        "as attempt 2",
    ),
    "interrupted, and GitHub does not tell the run": (
        evidence(OVER, instances=(TAKEN,)),
        "interrupted",
        "took",
        "could not be",
    ),
}


@pytest.mark.parametrize(("known", "expected", "said", "after"), (WAITING | AFTER).values(), ids=WAITING | AFTER)
def test_a_job_is_explained(known: Evidence, expected: str, said: str, after: str) -> None:
    """Each row: what is known, the verdict, a part of the sentence, a part of what is next."""
    found = verdict(known)
    assert found[0] == expected, found
    assert said in found[1]
    assert after in found[2]


def test_a_merge_queues_run_is_not_promised_a_repetition() -> None:
    """The reason of the one rule about repetitions is what is told."""
    known = evidence(OVER, instances=(TAKEN,))
    queue = replace(RUN, event="merge_group")
    answer = recoverable(queue, known.jobs, known.lost(), (), Policy(), lambda _job: RunnerSpec())
    assert isinstance(answer, Reason)
    assert "merge queue" in verdict(replace(known, runs={5: queue}, recoveries={5: answer}))[2]


def test_what_is_told_to_type_can_be_typed() -> None:
    """Every option of our own commands in an answer is one that the command has."""
    for known, *_ in (WAITING | AFTER).values():
        _, text, after = verdict(known)
        for name, options in re.findall(r"`runnerkit ([a-z]+)([^`]*)`", f"{text} {after}"):
            shown = CliRunner().invoke(app, [name, "--help"]).stdout
            assert "Usage" in shown, name
            for option in re.findall(r"(?<= )--?[a-zA-Z-]+", options):
                assert re.search(rf"{option}\b", shown), (name, option)


def test_a_young_job_is_not_called_unseen() -> None:
    """A controller may take its time until the next pass."""
    known = evidence(seen=seen(launch=True))
    assert verdict(known, now=JOB.created_at + timedelta(seconds=30))[0] == "launching"
    assert verdict(known, now=NOW)[0] == "unseen"


def test_the_plans_own_name_is_told() -> None:
    """What is next is the plan's decision, not a guess of ours: the name is that of the launch."""
    known = evidence(seen=seen(launch=True), notes=(SEEN,))
    assert str(RunnerName.for_job(77, 2)) in verdict(known)[1]
    assert LABEL in JOB.labels
