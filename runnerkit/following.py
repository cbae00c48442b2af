"""What has newly happened to jobs and machines since the last pass, told as events: each thing once.

Nothing here decides anything. What was told before is known from the journal; without it, things are told again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.errors import ForgeError
from runnerkit.events import InstanceEnded, InstanceInterrupted, JobOver, JobSeen, JobTaken, RunnerOnline
from runnerkit.history import Note
from runnerkit.names import RunnerName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from runnerkit.launching import Outside
    from runnerkit.model import Instance, Job, Runner

SEEN, TAKEN, OVER = "job-seen", "job-taken", "job-over"
ONLINE, LAUNCHED, ENDED, INTERRUPTED = "runner-online", "instance-launched", "instance-ended", "instance-interrupted"
KINDS = frozenset({SEEN, TAKEN, OVER, ONLINE, LAUNCHED, ENDED, INTERRUPTED})
COMPLETED = "completed"
LOOKBACK = timedelta(days=2)
REMEMBERED = 50_000
# After a long absence there may be many runs to ask about; the rest is asked about in the next passes.
MOST_ASKED = 50
# EC2 shows a terminated instance for about an hour; one that it does not show so long after its launch is gone.
UNSEEN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Working:
    """A job of ours that was seen on a runner and whose end nobody has told yet."""

    repo: str
    run_id: int
    job_id: int
    runner: str


class Follower:
    """Follows jobs and machines from pass to pass, and tells what is new."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._told: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._working: dict[int, Working] = {}
        self._rented: dict[str, Note] = {}
        self._shown: dict[str, datetime] = {}
        self._began = False

    def follow(
        self,
        instances: Sequence[Instance],
        runners: Iterable[Runner],
        active: Sequence[Job],
        asking: Collection[int],
        read: Collection[str],
    ) -> tuple[Job, ...]:
        """Tell what is new, and give the jobs of ours that are over now.

        Args:
            instances: Every instance, as EC2 lists them.
            runners: Our runners.
            active: The jobs of runs that are not over, of the repositories that could be read.
            asking: Ids of the queued jobs that ask for us, granted or refused.
            read: The repositories that could be read, in lower case.
        """
        self._begin()
        self._online(instances, runners)
        for job in active:
            if job.id in asking:
                self._seen(job)
            if RunnerName.parse((job.runner_name or "").lower()) is not None:
                self._taken(job)
        over = tuple(self._over(active, read))
        self._ends(instances)
        return over

    def interrupted(self, since: datetime) -> tuple[Note, ...]:
        """The interruptions noted since then, each machine's once."""
        found = {
            note.text("runner") or note.text("instance"): note
            for note in self._outside.journal.notes(since, {INTERRUPTED})
        }
        return tuple(found.values())

    def _begin(self) -> None:
        if self._began:
            return
        self._began = True
        for note in self._outside.journal.notes(self._outside.clock.now() - LOOKBACK, KINDS):
            self._remember(note)

    def _remember(self, note: Note) -> None:
        job = note.id("job")
        about = str(job) if note.kind in {SEEN, TAKEN, OVER} else note.text("instance") or note.text("runner")
        self._mark(note.kind, about)
        if note.kind == TAKEN and job is not None:
            self._working[job] = Working(note.text("repo"), note.id("run") or 0, job, note.text("runner"))
        elif note.kind == OVER and job is not None:
            self._working.pop(job, None)
        elif note.kind == LAUNCHED:
            self._rented[about] = note
        elif note.kind == ENDED:
            self._rented.pop(about, None)

    def _mark(self, kind: str, about: str) -> bool:
        """Remember that something was told; False when it was before."""
        if (kind, about) in self._told:
            return False
        self._told[kind, about] = None
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return True

    # --- machines -----------------------------------------------------------------------------------------------------

    def _online(self, instances: Sequence[Instance], runners: Iterable[Runner]) -> None:
        now, emit = self._outside.clock.now(), self._outside.events.emit
        launched = {each.name: each.launched_at for each in instances}
        for runner in runners:
            since = launched.get(runner.name)
            if runner.connected and since is not None and self._mark(ONLINE, runner.name):
                emit(RunnerOnline(runner.name, max(0.0, (now - since).total_seconds())))

    def _ends(self, instances: Sequence[Instance]) -> None:
        now = self._outside.clock.now()
        for instance in instances:
            self._shown[instance.id] = now
            if instance.live:
                self._rented.setdefault(instance.id, _rented(instance))
            else:
                self._gone(instance, now)
        shown = {each.id for each in instances}
        self._vanished(shown, now)
        self._shown = {id_: at for id_, at in self._shown.items() if id_ in shown or id_ in self._rented}

    def _gone(self, instance: Instance, now: datetime) -> None:
        emit, known = self._outside.events.emit, self._rented.pop(instance.id, None)
        if instance.taken_back and self._mark(INTERRUPTED, instance.id):
            facts = (instance.name, instance.id, instance.repo, instance.type, instance.zone, instance.wish)
            emit(InstanceInterrupted(*facts, instance.run_id, instance.job_id))
        if self._mark(ENDED, instance.id):
            since = known.at if known is not None else instance.launched_at
            emit(_ended(instance, since, instance.ended_at or now))

    def _vanished(self, shown: Collection[str], now: datetime) -> None:
        """What was launched, and ended while nobody looked: how long it ran is not known, so all of it is counted."""
        for id_, note in list(self._rented.items()):
            if id_ in shown or now < self._shown.get(id_, note.at) + UNSEEN:
                continue
            del self._rented[id_]
            if self._mark(ENDED, id_):
                place = (note.text("type"), note.text("region"), note.text("zone"), note.text("market"))
                self._outside.events.emit(
                    InstanceEnded(
                        note.text("runner"),
                        id_,
                        note.text("repo"),
                        *place,
                        note.at.isoformat(),
                        now.isoformat(),
                        "EC2 does not show it any more",
                        note.id("run"),
                        note.id("job"),
                    )
                )

    # --- jobs ---------------------------------------------------------------------------------------------------------

    def _seen(self, job: Job) -> None:
        if self._mark(SEEN, str(job.id)):
            labels, at = ", ".join(job.labels), job.created_at.isoformat()
            self._outside.events.emit(
                JobSeen(job.id, job.run_id, job.run_attempt, job.repo, job.name, labels, at, job.url)
            )

    def _taken(self, job: Job) -> None:
        runner = job.runner_name or ""
        if self._mark(TAKEN, str(job.id)):
            began = job.started_at or self._outside.clock.now()
            waited = max(0.0, (began - job.created_at).total_seconds())
            self._outside.events.emit(JobTaken(job.id, job.run_id, job.repo, runner, waited))
            self._working[job.id] = Working(job.repo, job.run_id, job.id, runner)

    def _over(self, active: Sequence[Job], read: Collection[str]) -> Iterable[Job]:
        """The jobs that are over: those of a run that goes on are listed, those of one that is over are asked for."""
        listed = {job.id: job for job in active}
        missing: dict[tuple[str, int], list[Working]] = {}
        for working in list(self._working.values()):
            job = listed.get(working.job_id)
            if job is not None and job.status == COMPLETED:
                yield self._ended(job)
            elif job is None and working.repo.lower() in read:
                missing.setdefault((working.repo, working.run_id), []).append(working)
        for (repo, run_id), jobs in list(missing.items())[:MOST_ASKED]:
            yield from self._asked(repo, run_id, jobs)

    def _asked(self, repo: str, run_id: int, working: Sequence[Working]) -> Iterable[Job]:
        try:
            known = {job.id: job for job in self._outside.forge.jobs(repo, run_id)}
            found = [known.get(each.job_id) or self._outside.forge.job(repo, each.job_id) for each in working]
        except ForgeError as error:
            if not error.retryable:
                self._forget(working)  # deleted, or not ours to see any more
            return
        for each, job in zip(working, found, strict=True):
            if job is None:
                self._forget([each])
            elif job.status == COMPLETED:
                yield self._ended(job)

    def _ended(self, job: Job) -> Job:
        self._working.pop(job.id, None)
        if self._mark(OVER, str(job.id)):
            times = (at.isoformat() if at else "" for at in (job.started_at, job.completed_at))
            self._outside.events.emit(
                JobOver(job.id, job.run_id, job.repo, job.runner_name or "", job.conclusion or "", *times)
            )
        return job

    def _forget(self, working: Iterable[Working]) -> None:
        for each in working:
            self._working.pop(each.job_id, None)


def _rented(instance: Instance) -> Note:
    """A machine that somebody else launched, or without a journal, as the note of its launch would tell it."""
    facts = {
        "runner": instance.name,
        "instance": instance.id,
        "repo": instance.repo,
        "type": instance.type,
        "region": instance.region,
        "zone": instance.zone,
        "market": str(instance.market),
        "run": instance.run_id,
        "job": instance.job_id,
    }
    return Note(instance.launched_at, LAUNCHED, facts)


def _ended(instance: Instance, since: datetime, until: datetime) -> InstanceEnded:
    return InstanceEnded(
        runner=instance.name,
        instance=instance.id,
        repo=instance.repo,
        type=instance.type,
        region=instance.region,
        zone=instance.zone,
        market=str(instance.market),
        since=since.isoformat(),
        until=until.isoformat(),
        reason=instance.state_reason,
        run=instance.run_id,
        job=instance.job_id,
    )
