"""The world of one job, as rows of the tables say it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from runnerkit.actions import Launch, Plan, Refused, Waiting
from runnerkit.errors import PolicyRefused
from runnerkit.history import Note, Run
from runnerkit.model import Instance, Job, Market, Observed, Runner, State
from runnerkit.names import RunnerName, label_digest
from runnerkit.passes import Pass
from runnerkit.testing.clock import EPOCH
from runnerkit.why.evidence import Evidence
from runnerkit.why.explaining import explain
from runnerkit.why.questions import Question
from runnerkit.wishes import Policy, RunnerSpec

if TYPE_CHECKING:
    from runnerkit.breakers import Pause

REPO, LABEL = "acme/widgets", "runnerkit=5/gpu=t4"
NOW = EPOCH + timedelta(minutes=10)
DIGEST = label_digest(REPO, [LABEL])


def at(seconds: float) -> datetime:
    """A time, counted from the job's queueing."""
    return EPOCH + timedelta(seconds=seconds)


JOB = Job(
    77, 5, 1, REPO, "train", "queued", (LABEL,), EPOCH, url="https://github.com/acme/widgets/actions/runs/5/job/77"
)
RUNNING = replace(JOB, status="in_progress", runner_name="rk-77-1", started_at=at(60))
OVER = replace(RUNNING, status="completed", conclusion="failure", completed_at=at(300))
RUN = Run(5, REPO, "completed", 1, EPOCH, conclusion="failure", event="push")

INSTANCE = Instance(
    "i-0123456789abcdef0",
    "rk-77-1",
    REPO,
    "eu-west-1",
    "eu-west-1a",
    "g4dn.xlarge",
    Market.SPOT,
    State.RUNNING,
    at(5),
    digest=DIGEST,
    runner_id=1,
    run_id=5,
    job_id=77,
    online_by=at(900),
    idle_until=at(1200),
    expires_at=at(86_400),
    price=0.2,
)
ENDED = replace(INSTANCE, state=State.TERMINATED, state_reason="Client.InstanceInitiatedShutdown", ended_at=at(310))
TAKEN = replace(ENDED, state_reason="Server.SpotInstanceTermination")
RUNNER = Runner(1, "rk-77-1", REPO, online=False, busy=False, labels=(LABEL, "runnerkit-born-1"), place=REPO)


def note(kind: str, when: float, /, **facts: object) -> Note:
    """A note of the journal."""
    return Note(at(when), kind, facts)


REFUSALS = [
    {"type": "g4dn.xlarge", "zone": zone, "market": "spot", "code": "InsufficientInstanceCapacity"}
    for zone in ("eu-west-1a", "eu-west-1b")
]
NO_CAPACITY = {"code": "no-capacity", "message": "every offering for rk-77-1 was refused", "refusals": REFUSALS}
DENIED = {"code": "aws-denied", "message": "CreateFleet is not allowed", "hint": ""}


def seen(
    *,
    waiting: Waiting | None = None,
    launch: bool = False,
    pause: Pause | None = None,
    refused: str = "",
    unserved: bool = False,
    instances: tuple[Instance, ...] = (),
    runners: tuple[Runner, ...] = (),
    job: Job = JOB,
) -> Pass:
    """What a pass would see and decide."""
    second = Launch(RunnerName.for_job(77, 2), REPO, (LABEL,), RunnerSpec(), run_id=5, job_id=77, spot_paused=pause)
    launches = (second,) if launch else ()
    told = (Refused(job, PolicyRefused(refused, hint="ask for less")),) if refused else ()
    return Pass(
        Observed(NOW, frozenset({REPO}), instances, runners),
        (),
        told,
        Plan(launches, (waiting,) if waiting else ()),
        unserved=(job,) if unserved else (),
    )


def evidence(job: Job | None = JOB, **more: Any) -> Evidence:  # noqa: ANN401 - Evidence's own fields
    """What is known."""
    jobs = more.pop("jobs", (job,) if job else ())
    world: Pass | None = more.get("seen")
    if world is not None:
        more.setdefault("instances", world.observed.instances)
        more.setdefault("runners", world.observed.runners)
    return Evidence(more.pop("policy", Policy()), jobs=tuple(jobs), **more)


def verdict(known: Evidence, question: Question | None = None, now: datetime = NOW) -> tuple[str, str, str]:
    """Verdict, sentence and what is next of the first answer, in one look."""
    first, *_ = explain(question or Question("77", job=77), known, now)
    finding = first.finding
    return str(finding.verdict), finding.text, " / ".join(f"{n.text} {n.at or ''}" for n in finding.next)
