"""What a pass looks at: the cloud first, then the forge (the later list is the fresher one), then the queue."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit import costs
from runnerkit.actions import Demand, Refused, Waiting
from runnerkit.errors import ConfigError, ForgeError, PolicyRefused, RateLimited
from runnerkit.events import RepositorySkipped
from runnerkit.following import TAKEN, Follower
from runnerkit.history import Interruption
from runnerkit.model import Observed
from runnerkit.recovering import Recoverer
from runnerkit.understanding import Understanding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from runnerkit.attention import Attention
    from runnerkit.launching import Outside
    from runnerkit.model import Instance, Job, Runner
    from runnerkit.names import Birth
    from runnerkit.recovery import Recovery
    from runnerkit.understanding import Wishes
    from runnerkit.wishes import Policy


QUEUED = "queued"
SELF_HOSTED = "self-hosted"
# GitHub gives a queued job up after a day; until then its failed machines are counted.
QUEUE_LIMIT = timedelta(hours=25)


@dataclass(frozen=True, slots=True)
class Look:
    """The world, the jobs that shall get a machine, and those that ask for one and do not get it.

    ``blind`` says why not one of the repositories could be read; None when at least one could, or none is served.
    ``unserved`` are jobs for self-hosted runners that do not ask for us and that no registered runner could take,
    ``unclear`` those that GitHub was needed for and could not be asked about; ``active`` are all jobs of runs that are
    not over, ``recoveries`` the runs that AWS interrupted and that may go on.
    """

    observed: Observed
    demand: tuple[Demand, ...]
    refused: tuple[Refused, ...]
    blind: ForgeError | None = None
    unserved: tuple[Job, ...] = ()
    unclear: tuple[Waiting, ...] = ()
    active: tuple[Job, ...] = ()
    recoveries: tuple[Recovery, ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What GitHub said about one repository; None where it could not be asked, and why."""

    repo: str
    runners: Sequence[Runner] | None
    active: Sequence[Job] | None
    error: ForgeError | None = None


class Observer:
    """Looks at the world for one installation.

    Args:
        outside: The ports.
        policy: Bounds and deadlines.
        owner: The installation, as birth labels name it.
        attention: Which repositories to look at.
        wishes: What labels mean.
    """

    def __init__(self, outside: Outside, policy: Policy, owner: str, attention: Attention, wishes: Wishes) -> None:
        self._outside = outside
        self._policy = policy
        self._owner = owner.lower()
        self._attention = attention
        self.understanding = Understanding(outside, policy, wishes)
        self._follower = Follower(outside)
        self._recoverer = Recoverer(outside, policy, self.understanding, self._follower)

    def look(self, *, queue: bool = True, tell: bool = False) -> Look:
        """Look at everything, or leave the queue out; with ``tell``, what is new is told as events.

        A repository that cannot be read is left out: nothing is concluded about its machines, nothing starts for it.

        Raises:
            CloudError: The instances could not be listed; without them nothing can be decided.
        """
        outside, now = self._outside, self._outside.clock.now()
        instances = outside.cloud.instances()
        seen = self._ask_forge(instances, now, queue=queue)
        runners = {
            (runner.place or runner.repo, runner.id): runner
            for one in seen
            for runner in one.runners or ()
            if self._is_ours(runner)
        }
        read = {one.repo.lower(): one.repo for one in seen if one.runners is not None}
        active = tuple(job for one in seen if one.runners is not None for job in one.active or ())
        demand, refused, unclear = self._demand([job for job in active if job.status == QUEUED])
        asked = {each.job.id for each in demand} | {each.job.id for each in refused} | {each.job.id for each in unclear}
        recoveries: tuple[Recovery, ...] = ()
        if queue:
            listed = {one.repo.lower() for one in seen if one.active is not None}
            over = self._follower.follow(instances, runners.values(), active, asked, listed) if tell else ()
            recoveries = self._recoverer.look(
                instances, active, over, {key: read[key] for key in read if key in listed}, note=tell
            )
        observed = self._observed(now, instances, tuple(runners.values()), frozenset(read))
        unserved = tuple(job for one in seen for job in _unserved(one) if job.id not in asked)
        return Look(observed, demand, refused, _blind(seen), unserved, unclear, active, recoveries)

    def _observed(
        self, now: datetime, instances: Sequence[Instance], runners: tuple[Runner, ...], repos: frozenset[str]
    ) -> Observed:
        journal = self._outside.journal
        since = self._since(now)
        return Observed(
            at=now,
            repos=repos,
            instances=tuple(instances),
            runners=runners,
            failures=tuple(journal.failures(since)),
            launches=tuple(journal.launches(since)),
            interruptions=self._interruptions(instances, now),
            spent=costs.spent_today(journal, instances, self._policy, now),
            taken=self._taken(now),
        )

    def _taken(self, now: datetime) -> dict[str, datetime]:
        """The runners that took a job as long ago as a machine may look young without one."""
        notes = self._outside.journal.notes(now - timedelta(seconds=self._policy.settle), {TAKEN})
        return {note.text("runner").lower(): note.at for note in notes}

    def _interruptions(self, instances: Sequence[Instance], now: datetime) -> tuple[Interruption, ...]:
        """Those that the journal knows, and those that EC2 still shows; each machine's once."""
        policy = self._policy
        since = now - timedelta(seconds=policy.spot_breaker_window + policy.spot_breaker_pause)
        shown = {
            each.name or each.id: Interruption(each.ended_at or now, each.wish, each.name or each.id)
            for each in _taken_back(instances)
        }
        noted = {}
        for note in self._follower.interrupted(since):
            name = note.text("runner") or note.text("instance")
            noted[name] = Interruption(note.at, note.text("wish"), name)
        return tuple(each for each in (shown | noted).values() if each.at >= since)

    def recall(self, observed: Observed) -> Observed:
        """The same world with what the journal has learnt since."""
        since = self._since(observed.at)
        journal = self._outside.journal
        failures, launches = tuple(journal.failures(since)), tuple(journal.launches(since))
        return replace(observed, failures=failures, launches=launches)

    def _since(self, now: datetime) -> datetime:
        return now - max(QUEUE_LIMIT, timedelta(seconds=self._policy.breaker_window + self._policy.breaker_pause))

    def _is_ours(self, runner: Runner) -> bool:
        birth: Birth | None = runner.birth
        return birth is not None and birth.owner.lower() == self._owner

    def _ask_forge(self, instances: Sequence[Instance], now: datetime, *, queue: bool) -> list[_Seen]:
        busy = {instance.repo for instance in instances}
        repos = self._attention.repositories(now, busy)
        unlisted = [_Seen(owner, None, None, error) for owner, error in self._attention.unlisted]
        for each in unlisted:
            if each.error is not None:
                self._outside.events.emit(RepositorySkipped(each.repo, each.error))
        if not repos:
            return unlisted
        if len(repos) == 1:
            return [*unlisted, self._ask_about(repos[0], queue=queue)]
        with ThreadPoolExecutor(max_workers=min(8, len(repos))) as pool:
            return [*unlisted, *pool.map(lambda repo: self._ask_about(repo, queue=queue), repos)]

    def _ask_about(self, repo: str, *, queue: bool) -> _Seen:
        forge = self._outside.forge
        try:
            runners = forge.runners(repo)
        except ForgeError as error:
            self._outside.events.emit(RepositorySkipped(repo, error))
            return _Seen(repo, None, None, error)
        try:
            return _Seen(repo, runners, forge.active(repo) if queue else ())
        except ForgeError as error:
            # Without the queue nothing can start, but the leases of what runs are still kept.
            self._outside.events.emit(RepositorySkipped(repo, error))
            return _Seen(repo, runners, None, error)

    def _demand(self, jobs: Sequence[Job]) -> tuple[tuple[Demand, ...], tuple[Refused, ...], tuple[Waiting, ...]]:
        demand: list[Demand] = []
        refused: list[Refused] = []
        unclear: list[Waiting] = []
        for job in {job.id: job for job in jobs}.values():
            try:
                spec = self.understanding.wish(job)
            except (ConfigError, PolicyRefused) as error:
                refused.append(Refused(job, error))
            except ForgeError as error:
                unclear.append(Waiting(job, f"whether it may have a machine cannot be told: {error.message}"))
            else:
                if spec is not None:
                    demand.append(Demand(job, spec, self._outside.forge.place(job.repo)))
        return tuple(demand), tuple(refused), tuple(unclear)


def _taken_back(instances: Sequence[Instance]) -> list[Instance]:
    return [instance for instance in instances if instance.taken_back]


def _unserved(seen: _Seen) -> Iterator[Job]:
    """The queued jobs that only somebody's own runner can take, and that no runner has all the labels for."""
    carried = [{label.lower() for label in runner.labels} for runner in seen.runners or ()]
    for job in seen.active or ():
        wanted = {label.lower() for label in job.labels}
        if (
            job.status == QUEUED
            and SELF_HOSTED in wanted
            and seen.runners is not None
            and not any(wanted <= has for has in carried)
        ):
            yield job


def _blind(seen: Sequence[_Seen]) -> ForgeError | None:
    """Why nothing could be read at all; a reason that passes by itself comes before one that does not."""
    errors = [one.error for one in seen if one.error is not None]
    if not errors or len(errors) < len(seen):
        return None
    return min(errors, key=lambda error: (not error.retryable, not isinstance(error, RateLimited)))
