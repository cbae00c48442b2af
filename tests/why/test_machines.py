"""Every place where a machine can be, and what a run and its timeline tell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runnerkit.why.explaining import explain
from runnerkit.why.questions import Question
from tests.why.cases import (
    DENIED,
    ENDED,
    INSTANCE,
    JOB,
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

RUNNER_ASKED = Question("rk-77-1", runner="rk-77-1")
INSTANCE_ASKED = Question(INSTANCE.id, instance=INSTANCE.id)
ONLINE = replace(RUNNER, online=True, connected=True)
LAUNCHED = note("instance-launched", 5, runner="rk-77-1", instance=INSTANCE.id, job=77, run=5, repo="acme/widgets")

MACHINES = {
    "booting": (
        evidence(seen=seen(instances=(INSTANCE,), runners=(RUNNER,))),
        "booting",
        "never been online",
        str(at(900)),
    ),
    "ready": (evidence(seen=seen(instances=(INSTANCE,), runners=(ONLINE,))), "ready", "waits for a job", str(at(1200))),
    "busy": (
        evidence(RUNNING, seen=seen(instances=(INSTANCE,), runners=(replace(ONLINE, busy=True),))),
        "busy",
        "is busy with job 77",
        str(at(86_400)),
    ),
    "lost": (
        evidence(
            seen=seen(instances=(replace(INSTANCE, lost_since=at(60)),), runners=(replace(RUNNER, connected=True),))
        ),
        "lost",
        "was online and is not any more",
        str(at(660)),
    ),
    "gone": (evidence(seen=seen(instances=(INSTANCE,))), "gone", "no runner", "terminated"),
    "dangling": (evidence(seen=seen(runners=(RUNNER,))), "dangling", "registered", "deregistered"),
    "GitHub could not be asked": (evidence(None, instances=(INSTANCE,)), "live", "not known", str(at(86_400))),
    "ended by itself after a job": (evidence(OVER, instances=(ENDED,)), "ended", "after job 77: it ended itself", ""),
    "ended without a job": (evidence(instances=(ENDED,)), "ended", "no job is known to have taken it", ""),
    "interrupted in a job": (evidence(OVER, instances=(TAKEN,)), "interrupted", "while job 77 had it", "could not be"),
    "interrupted after its job": (
        evidence(replace(OVER, conclusion="success"), instances=(TAKEN,)),
        "interrupted",
        "while job 77 had it",
        "",
    ),
    "interrupted before a job": (
        evidence(instances=(TAKEN,)),
        "interrupted",
        "before a job took it",
        "launches another",
    ),
    "interrupted, EC2 has forgotten it": (
        evidence(None, notes=(LAUNCHED, note("instance-interrupted", 90, runner="rk-77-1"))),
        "interrupted",
        "took back",
        "",
    ),
    "never online": (
        evidence(
            instances=(ENDED,),
            notes=(note("runner-deregistered", 305, runner="rk-77-1", reason="it never came online"),),
        ),
        "never-online",
        "never came online",
        "runnerkit logs i-0123456789abcdef0",
    ),
    "no capacity": (
        evidence(notes=(note("launch-failed", 9, runner="rk-77-1", error=NO_CAPACITY),)),
        "not-launched",
        "was refused",
        "",
    ),
    "skipped": (
        evidence(notes=(note("launch-skipped", 9, runner="rk-77-1", why="not queued any more"),)),
        "not-launched",
        "not queued",
        "",
    ),
    "long ago": (
        evidence(
            None,
            notes=(
                LAUNCHED,
                note("instance-ended", 300, runner="rk-77-1", reason=ENDED.state_reason),
                note("job-taken", 60, runner="rk-77-1", job=77, run=5),
            ),
        ),
        "ended",
        "after job 77: it ended itself (Client.",
        "",
    ),
    "nobody told its end": (evidence(None, notes=(LAUNCHED,)), "ended", "neither EC2 nor GitHub", ""),
}


@pytest.mark.parametrize(("known", "expected", "said", "after"), MACHINES.values(), ids=MACHINES)
def test_a_machine_is_explained(known: Evidence, expected: str, said: str, after: str) -> None:
    """Each row: what is known, the verdict, a part of the sentence, a part of what is next."""
    found = verdict(known, RUNNER_ASKED)
    assert found[0] == expected, found
    assert said in found[1]
    assert after in found[2]


@pytest.mark.parametrize("known", [evidence(instances=(ENDED,)), evidence(None, notes=(LAUNCHED,))])
def test_an_instance_is_the_machine_it_is(known: Evidence) -> None:
    """By EC2's id too, from EC2 or from the journal."""
    (answer,) = explain(INSTANCE_ASKED, known, NOW)
    assert (answer.kind, answer.subject, answer.facts["instance"]) == ("machine", "rk-77-1", INSTANCE.id)


@pytest.mark.parametrize("question", [RUNNER_ASKED, INSTANCE_ASKED, Question("9", number=9), Question("u", run=9)])
def test_what_nobody_knows_has_no_answer(question: Question) -> None:
    """Then the command says where it looked."""
    assert explain(question, evidence(), NOW) == ()


def test_a_run_is_told_as_a_whole_and_job_by_job() -> None:
    """How many of its jobs are ours, where they are, and how it goes on."""
    jobs = (
        OVER,
        replace(RUNNING, id=78, runner_name="rk-78-1"),
        replace(OVER, id=79, labels=("ubuntu-latest",), conclusion="success"),
    )
    known = evidence(jobs=jobs, instances=(TAKEN,), runs={5: replace(RUN, status="in_progress", conclusion=None)})
    run, first, second = explain(Question("5", number=5), known, NOW)
    assert (run.kind, str(run.finding.verdict), first.facts["job"], second.facts["job"]) == ("run", "going", 77, 78)
    assert "2 of 3 jobs ask for runnerkit: 1 interrupted, 1 runs" in run.finding.text
    assert "GitHub refuses that before" in run.finding.next[0].text


def test_a_run_that_waits_for_an_approval_says_so() -> None:
    """The job that launches is none of ours; without it no job of ours is there at all."""
    gate = replace(OVER, id=80, name="launch", labels=("ubuntu-24.04",), status="waiting", url="https://x/80")
    known = evidence(jobs=(gate,), runs={5: replace(RUN, status="waiting", conclusion=None)})
    (run,) = explain(Question("5", number=5), known, NOW)
    assert "launch waits for its environment" in run.finding.text
    assert ["somebody approves it on https://x/80"] == [each.text for each in run.finding.next]


def test_an_earlier_attempt_is_answered_with_the_last() -> None:
    """GitHub's page of an attempt that is over: it is said that this is not about it."""
    known = evidence(OVER, runs={5: replace(RUN, attempt=3)})
    run, *_ = explain(Question("u", run=5, attempt=2), known, NOW)
    assert "attempt 2 is over, this is about the last one" in run.finding.text


def test_a_number_may_be_a_job_and_a_run() -> None:
    """Both are told."""
    known = evidence(jobs=(JOB, replace(JOB, id=78, run_id=77)), runs={77: replace(RUN, id=77)})
    assert [a.kind for a in explain(Question("77", number=77), known, NOW)] == ["job", "run", "job"]


def test_a_job_that_github_does_not_show_is_told_from_the_journal() -> None:
    """Deleted, or of a repository that this token may not see."""
    notes = (
        note("job-seen", 1, job=77, run=5, repo="acme/widgets"),
        note("job-waiting", 2, job=77, why="no room"),
        LAUNCHED,
    )
    found = verdict(evidence(None, notes=notes))
    assert (found[0], "launched i-0123" in found[1]) == ("remembered", True)
    (answer,) = explain(Question("5", number=5), evidence(None, notes=notes), NOW)
    assert (answer.subject, answer.repo) == ("job 77", "acme/widgets")


def test_the_timeline_tells_each_thing_once_and_who_says_so() -> None:
    """In order; the journal does not repeat what GitHub and EC2 tell; refusals of one try are one line."""
    pools = [("eu-west-1a", 3), ("eu-west-1b", 3.1)]
    refused = [
        note(
            "offering-refused",
            when,
            runner="rk-77-1",
            refusal={"type": "g5.xlarge", "zone": zone, "market": "spot", "code": "ICE"},
        )
        for zone, when in pools
    ]
    notes = (
        note("job-seen", 1, job=77, run=5, repo="acme/widgets"),
        *refused,
        note("launch-failed", 4, runner="rk-77-1", error=DENIED),
        LAUNCHED,
        note("runner-online", 40, runner="rk-77-1", seconds=35.0),
        note("job-taken", 61, job=77, run=5, runner="rk-77-1", seconds=61.0),
        note("instance-interrupted", 320, runner="rk-77-1", run=5, job=77),
        note("run-repeated", 400, runner="rk-77-1", run=5, attempt=2),
    )
    (answer,) = explain(Question("77", job=77), evidence(OVER, instances=(TAKEN,), notes=notes), NOW)
    assert [(str(m.source), m.kind) for m in answer.timeline] == [
        ("GitHub", "job-queued"),
        ("journal", "job-seen"),
        ("journal", "offering-refused"),
        ("journal", "launch-failed"),
        ("EC2", "instance-launched"),
        ("journal", "runner-online"),
        ("GitHub", "job-taken"),
        ("GitHub", "job-over"),
        ("EC2", "instance-ended"),
        ("journal", "run-repeated"),
    ]
    assert "eu-west-1a (spot), g5.xlarge in eu-west-1b (spot): ICE" in answer.timeline[2].text
    assert "AWS took it back" in answer.timeline[8].text


def test_an_answers_keys_are_stable() -> None:
    """What programs may rely on."""
    (answer,) = explain(Question("77", job=77), evidence(OVER, instances=(ENDED,), unknown=("the journal",)), NOW)
    told = answer.as_dict(NOW)
    assert {"kind", "subject", "repo", "verdict", "answer", "timeline", "next", "unknown", "job", "run"} <= set(told)
    assert {"at", "seconds_ago", "source", "kind", "about", "text"} == set(told["timeline"][0])
    assert (told["unknown"], {"text", "at"}) == (["the journal"], set(told["next"][0]))
