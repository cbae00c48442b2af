"""Which runs AWS has interrupted, by all witnesses: EC2's state reason, the journal, and what the job itself said."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.errors import ForgeError, NotFound
from runnerkit.history import Note
from runnerkit.recovery import ANNOTATION, Because, Recovery, recoverable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from runnerkit.following import Follower
    from runnerkit.history import Run
    from runnerkit.launching import Outside
    from runnerkit.model import Instance, Job
    from runnerkit.understanding import Understanding
    from runnerkit.wishes import Policy

RunKey = tuple[str, int]
FAILED = frozenset({"failure", "cancelled"})
# A run that was interrupted is repeated within this time, or by a person.
LOOKBACK = timedelta(days=1)
# How far back a new controller looks for jobs that failed and may have said why.
UNFINISHED = timedelta(hours=2)
MOST_REFUSALS = 3
# The journal's word for a run that is left as it is, so that the next process need not ask again.
SETTLED = "run-settled"
REMEMBERED = 10_000


class Recoverer:
    """Finds the runs that shall go on. A settled run is not asked for again until something about it changes."""

    def __init__(self, outside: Outside, policy: Policy, understanding: Understanding, follower: Follower) -> None:
        self._outside = outside
        self._policy = policy
        self._understanding = understanding
        self._follower = follower
        self._settled: OrderedDict[tuple[RunKey, frozenset[str]], None] = OrderedDict()
        self._suspected: dict[RunKey, set[int]] = defaultdict(set)
        self._began, self._noting = False, True

    def look(
        self,
        instances: Iterable[Instance],
        active: Sequence[Job],
        over: Iterable[Job],
        read: Mapping[str, str],
        *,
        note: bool = True,
    ) -> tuple[Recovery, ...]:
        """The runs to repeat now.

        Args:
            instances: Every instance, as EC2 lists them.
            active: The jobs of runs that are not over; those runs are left alone until they are.
            over: Jobs of ours whose end was noticed just now.
            read: The repositories that could be read, by their names in lower case.
            note: Whether runs that are left as they are may be noted in the journal.
        """
        self._begin()
        self._noting = note
        for job in over:
            if job.conclusion in FAILED:
                self._suspected[job.repo.lower(), job.run_id].add(job.id)
        lost = self._lost(instances, active)
        going = {(job.repo.lower(), job.run_id) for job in active}
        due = [run for run in (*lost, *self._suspected) if run not in going and run[0] in read]
        found = (self._of(run, read[run[0]], lost.get(run, set())) for run in dict.fromkeys(due))
        return tuple(recovery for recovery in found if recovery is not None)

    def _begin(self) -> None:
        """A controller that ended between a job's end and the repetition of its run leaves that to the next one."""
        if self._began:
            return
        self._began = True
        journal, now = self._outside.journal, self._outside.clock.now()
        for note in journal.notes(now - UNFINISHED, {"job-over"}):
            if note.text("conclusion") in FAILED:
                self._suspected[note.text("repo").lower(), note.id("run") or 0].add(note.id("job") or 0)
        for note in journal.notes(now - LOOKBACK, {SETTLED}):
            about = note.facts.get("about")
            if isinstance(about, list):
                self._settled[(note.text("repo"), note.id("run") or 0), frozenset(map(str, about))] = None

    def _lost(self, instances: Iterable[Instance], active: Iterable[Job]) -> dict[RunKey, set[str]]:
        """The names of the machines that AWS took, by the runs that they served or were launched for."""
        since = self._outside.clock.now() - LOOKBACK
        found: dict[RunKey, set[str]] = defaultdict(set)
        for note in self._follower.interrupted(since):
            found[note.text("repo").lower(), note.id("run") or 0].add(note.text("runner"))
        for instance in instances:
            if instance.taken_back:
                found[instance.repo.lower(), instance.run_id or 0].add(instance.name)
        # A machine of a burst that was never handed its name served nobody.
        names = {name.lower() for each in found.values() for name in each if name}
        # Under a label that runs share, a job of another run may have had the machine.
        for key, name in self._served(names, active, since):
            found[key].add(name)
        return {run: each - {""} for run, each in found.items() if run[1] and each - {""}}

    def _served(self, names: Collection[str], active: Iterable[Job], since: datetime) -> Iterable[tuple[RunKey, str]]:
        if not names:
            return
        for job in active:
            if (job.runner_name or "").lower() in names:
                yield (job.repo.lower(), job.run_id), job.runner_name or ""
        # A busy day has thousands of these, and every pass looks through them.
        for note in self._outside.journal.notes(since, {"job-taken"}):
            if str(note.facts.get("runner")).lower() in names:
                yield (note.text("repo").lower(), note.id("run") or 0), note.text("runner")

    def _of(self, run: RunKey, repo: str, lost: Collection[str]) -> Recovery | None:
        suspected = self._suspected.get(run, set())
        key = run, frozenset({*lost, *map(str, suspected)})
        if key in self._settled:
            self._suspected.pop(run, None)
            return None
        try:
            answer = self._asked(repo, run[1], lost, suspected)
        except NotFound:
            answer = None  # deleted
        except ForgeError:
            return None  # the next pass asks again
        if isinstance(answer, Recovery):
            return answer
        self._settle(key)
        return None

    def _asked(self, repo: str, run_id: int, lost: Collection[str], suspected: Collection[int]) -> Recovery | None:
        """The recovery of a run; None when there is none and will be none.

        Raises:
            ForgeError: It cannot be told now, or the run is still going.
        """
        forge = self._outside.forge
        run = forge.run(repo, run_id)
        if run is None or self._refused(run) >= MOST_REFUSALS:
            return None
        jobs = forge.jobs(repo, run_id)
        names = {name.lower() for name in lost}
        said = {
            job.id
            for job in jobs
            if job.id in suspected and (job.runner_name or "").lower() not in names and self._says_so(job)
        }
        answer = recoverable(run, jobs, lost, said, self._policy.of(repo), self._understanding.repeats)
        if isinstance(answer, Recovery):
            return replace(answer, place=forge.place(run.repo))
        if answer.because is Because.NOT_OVER:
            raise ForgeError(answer.text)
        return None

    def _refused(self, run: Run) -> int:
        """How often GitHub did not let this attempt be repeated, whoever asked."""
        notes = self._outside.journal.notes(self._outside.clock.now() - LOOKBACK, {"repeat-refused"})
        asked = (run.repo.lower(), run.id, run.attempt)
        return sum((note.text("repo").lower(), note.id("run"), note.id("attempt")) == asked for note in notes)

    def _says_so(self, job: Job) -> bool:
        """Whether the job itself said that its machine is taken; who may not read that, has EC2 and the journal."""
        if job.conclusion not in FAILED:
            return False
        try:
            return any(ANNOTATION in text for text in self._outside.forge.annotations(job.repo, job.id))
        except ForgeError as error:
            if error.retryable:
                raise
            return False

    def _settle(self, key: tuple[RunKey, frozenset[str]]) -> None:
        (repo, run), about = key
        facts = {"repo": repo, "run": run, "about": sorted(about)}
        if self._noting:
            self._outside.journal.note(Note(self._outside.clock.now(), SETTLED, facts))
        self._settled[key] = None
        self._suspected.pop(key[0], None)
        while len(self._settled) > REMEMBERED:
            self._settled.popitem(last=False)
