"""What becomes of a run whose machines AWS took back: :func:`recoverable` decides, and starts nothing.

One rule for everybody who repeats runs: the passes of a controller, and ``resume``. A job that merely failed is never
run again, so GitHub's "re-run failed jobs" is used only where everything it touches was lost to an interruption.
Sources: GitHub repeats a run only when nothing of it is going; a repeated job gets a new id and brings the jobs that
need it along; a job on a machine that was taken ends as ``failure`` or ``cancelled``; fail-fast cancels the siblings
of a failed job, never those of a cancelled one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from runnerkit.actions import Launch
from runnerkit.names import RunnerName, label_digest, label_key
from runnerkit.wishes import Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from runnerkit.history import Run
    from runnerkit.model import Job
    from runnerkit.wishes import Policy, RunnerSpec

# What a job of ours says in an annotation before its machine is taken; the second witness after EC2's state reason.
ANNOTATION = "runnerkit: spot interruption"
OVER, CANCELLED, FAILED = "completed", "cancelled", "failure"
WELL = frozenset({"success", "skipped", "neutral"})
# A dash for each of run, attempt and digest: the machine was started by `launch`, not by a controller.
_DASHES_OF_LAUNCH = 3


class Because(StrEnum):
    """Why a run is not repeated: stable words for programs."""

    NOT_OVER = "not-over"
    WELL = "nothing-failed"
    NOT_INTERRUPTED = "not-interrupted"
    MERGE_QUEUE = "merge-queue"
    CANCELLED = "cancelled"
    NEVER = "retry-never"
    ENOUGH = "attempts"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a run is left as it is."""

    because: Because
    text: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Machines that must be there before the run goes on: ``launch`` made those of the last attempt."""

    labels: tuple[str, ...]
    spec: RunnerSpec
    count: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """How a run goes on.

    ``interrupted`` are the jobs whose machine AWS took. ``job`` is the one to run again by its id; None means GitHub's
    "re-run failed jobs". ``later`` are interrupted jobs that get their turn when this attempt is over. ``place`` is
    where runners for the repository are registered, see :meth:`runnerkit.ports.Forge.place`.
    """

    run: Run
    interrupted: tuple[Job, ...]
    job: Job | None
    machines: tuple[Wanted, ...]
    text: str
    later: tuple[Job, ...] = ()
    place: str = ""

    @property
    def attempt(self) -> int:
        """The number of the attempt that begins."""
        return self.run.attempt + 1

    def launches(self, place: str = "") -> tuple[Launch, ...]:
        """The launches that come first, by the names that ``launch`` itself would give them in the new attempt."""
        where, run = place or self.place, self.run
        return tuple(
            Launch(self._name(where, wanted, serial), run.repo, wanted.labels, wanted.spec, run_id=run.id)
            for wanted in self.machines
            for serial in range(1, wanted.count + 1)
        )

    def _name(self, place: str, wanted: Wanted, serial: int) -> RunnerName:
        return RunnerName.for_launch(self.run.id, self.attempt, label_digest(place, wanted.labels), serial)


def launched_by_hand(runner_name: str | None) -> bool:
    """Whether a runner's name says that ``launch`` started its machine."""
    name = RunnerName.parse((runner_name or "").lower())
    return name is not None and name.stem.count("-") == _DASHES_OF_LAUNCH


def recoverable(
    run: Run,
    jobs: Sequence[Job],
    lost: Collection[str],
    annotated: Collection[int],
    policy: Policy,
    spec_of: Callable[[Job], RunnerSpec | None],
) -> Recovery | Reason:
    """How a run goes on after an interruption, or why it does not.

    Args:
        run: The run at its latest attempt, read fresh.
        jobs: Its jobs of that attempt.
        lost: Names of runners whose instances AWS took back.
        annotated: Ids of jobs with the annotation that says so.
        policy: Bounds; ``max_reruns`` counts.
        spec_of: The wish of a job; None when it is not ours, or not allowed any more.
    """
    names = {name.lower() for name in lost if name}
    bad = [job for job in jobs if job.conclusion not in WELL]
    hit = [job for job in bad if (job.runner_name or "").lower() in names or job.id in annotated]
    meant = [job for job in hit if _may_repeat(spec_of(job))]
    reason = _why_not(run, bad, hit, meant, policy)
    return reason or _recovery(run, jobs, (bad, hit, meant), spec_of)


def _may_repeat(spec: RunnerSpec | None) -> bool:
    return spec is not None and spec.retry is not Retry.NEVER


def _why_not(run: Run, bad: list[Job], hit: list[Job], meant: list[Job], policy: Policy) -> Reason | None:
    """The first reason that holds."""
    others_cancelled = any(job.conclusion == CANCELLED and job not in hit for job in bad)
    reasons = (
        (
            run.status != OVER or any(job.status != OVER for job in bad),
            Because.NOT_OVER,
            "it is still going, and GitHub repeats only what is over",
        ),
        (not bad, Because.WELL, "none of its jobs failed"),
        (not hit, Because.NOT_INTERRUPTED, f"{_named(bad)} did not end well, but AWS took no machine of the run"),
        (
            run.event == "merge_group",
            Because.MERGE_QUEUE,
            "the merge queue has thrown the change out already, so its result would not count; queue it again",
        ),
        (
            run.conclusion == CANCELLED and others_cancelled,
            Because.CANCELLED,
            "somebody, or a newer run of its concurrency group, cancelled it",
        ),
        (
            not meant,
            Because.NEVER,
            f"AWS took the machine of {_named(hit)}, whose label is not one to repeat (retry=never, or not ours)",
        ),
        (
            run.attempt > policy.max_reruns,
            Because.ENOUGH,
            f"attempt {run.attempt} was interrupted, too; policy allows {policy.max_reruns} repeats (max_reruns)",
        ),
    )
    return next((Reason(because, text) for holds, because, text in reasons if holds), None)


def _recovery(
    run: Run,
    jobs: Sequence[Job],
    sorts: tuple[list[Job], list[Job], list[Job]],
    spec_of: Callable[[Job], RunnerSpec | None],
) -> Recovery:
    """One call of GitHub's: all failed jobs where nobody merely failed, else one interrupted job with what needs it."""
    bad, hit, meant = sorts
    # A cancelled job that was not hit followed from one that was: fail-fast, or the run would be a cancelled one.
    merely = [job for job in bad if job not in meant and (job in hit or job.conclusion != CANCELLED)]
    # Whether a run without any failed job can be repeated by "re-run failed jobs" is written nowhere.
    alone = len(meant) == 1 and all(job.conclusion == CANCELLED for job in bad)
    one = bool(merely) or alone
    again = meant[:1] if one else bad
    text = f"AWS took the machine of {_named(meant)}"
    if merely:
        text += f"; {_named(merely)} failed without that, or is not one to repeat, and stays as it is"
    machines = tuple(_machines(jobs, again, spec_of))
    return Recovery(run, tuple(meant), meant[0] if one else None, machines, text, tuple(meant[1:]) if one else ())


def _machines(
    jobs: Sequence[Job], again: Iterable[Job], spec_of: Callable[[Job], RunnerSpec | None]
) -> Iterable[Wanted]:
    """One machine for each job that runs again under a label for which ``launch`` made the machines.

    A sibling that was cancelled before it began counts as well: the machine that waited for it has ended itself.
    """
    by_hand = {label_key(job.labels) for job in jobs if launched_by_hand(job.runner_name)}
    groups: dict[frozenset[str], list[Job]] = {}
    for job in again:
        if label_key(job.labels) in by_hand:
            groups.setdefault(label_key(job.labels), []).append(job)
    for group in groups.values():
        spec = spec_of(group[0])
        if spec is not None:
            yield Wanted(group[0].labels, spec, len(group))


def _named(jobs: Sequence[Job]) -> str:
    names = [f"job {job.id} ({job.name})" if job.name else f"job {job.id}" for job in jobs[:3]]
    return ", ".join(names) + (f" and {len(jobs) - 3} more" if len(jobs) > 3 else "")  # noqa: PLR2004 - three names are told, the rest counted
