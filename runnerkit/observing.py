"""What a pass looks at: the cloud first, then the forge (the later list is the fresher one), then the queue."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit import labels
from runnerkit.actions import Demand, Refused
from runnerkit.errors import ConfigError, ForgeError, LabelError, PolicyRefused, RateLimited
from runnerkit.events import RepositorySkipped
from runnerkit.model import Interrupted, Observed
from runnerkit.specs import distrust, resolve
from runnerkit.wishes import Retry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from runnerkit.launching import Outside
    from runnerkit.model import Instance, Job, Runner
    from runnerkit.names import Birth
    from runnerkit.wishes import Policy, RunnerSpec


SELF_HOSTED = "self-hosted"
# GitHub gives a queued job up after a day; until then its failed machines are counted.
QUEUE_LIMIT = timedelta(hours=25)


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a job's labels become a wish: the configuration's named specs, its default, and whether arrays count."""

    named: Mapping[str, RunnerSpec]
    default: RunnerSpec
    arrays: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """The world, the jobs that shall get a machine, and those that ask for one and do not get it.

    ``blind`` says why not one of the repositories could be read; None when at least one could, or none is served.
    ``unserved`` are jobs for self-hosted runners that do not ask for us and that no registered runner could take.
    """

    observed: Observed
    demand: tuple[Demand, ...]
    refused: tuple[Refused, ...]
    blind: ForgeError | None = None
    unserved: tuple[Job, ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What GitHub said about one repository; None where it could not be asked, and why."""

    repo: str
    runners: Sequence[Runner] | None
    queued: Sequence[Job] | None
    error: ForgeError | None = None


class Observer:
    """Looks at the world for one installation."""

    def __init__(self, outside: Outside, policy: Policy, owner: str, repos: Sequence[str], wishes: Wishes) -> None:
        self._outside = outside
        self._policy = policy
        self._owner = owner.lower()
        self._repos = tuple(repos)
        self._wishes = wishes

    def look(self, *, queue: bool = True) -> Look:
        """Look at everything, or leave the queue out.

        A repository that cannot be read is left out: nothing is concluded about its machines, nothing starts for it.

        Raises:
            CloudError: The instances could not be listed; without them nothing can be decided.
        """
        outside, now = self._outside, self._outside.clock.now()
        instances = outside.cloud.instances()
        seen = self._ask_forge(queue=queue)
        runners = {
            (runner.place or runner.repo, runner.id): runner
            for one in seen
            for runner in one.runners or ()
            if self._is_ours(runner)
        }
        since = self._since(now)
        repos = frozenset(one.repo.lower() for one in seen if one.runners is not None)
        observed = Observed(
            at=now,
            repos=repos,
            instances=tuple(instances),
            runners=tuple(runners.values()),
            failures=tuple(outside.journal.failures(since)),
            launches=tuple(outside.journal.launches(since)),
            interrupted=self._interrupted(instances, repos) if queue else (),
        )
        demand, refused = self._demand([job for one in seen if one.runners is not None for job in one.queued or ()])
        asked = {wish.job.id for wish in demand} | {each.job.id for each in refused}
        unserved = tuple(job for one in seen for job in _unserved(one) if job.id not in asked)
        return Look(observed, demand, refused, _blind(seen), unserved)

    def _interrupted(self, instances: Sequence[Instance], repos: frozenset[str]) -> tuple[Interrupted, ...]:
        """The failed jobs of machines that AWS took back; GitHub knows by its runner's name which job that was."""
        lost = [each for each in instances if each.taken_back and each.run_id and each.repo.lower() in repos]
        found: list[Interrupted] = []
        for repo, run_id in dict.fromkeys((each.repo, each.run_id) for each in lost):
            names = {each.name.lower() for each in lost if each.run_id == run_id}
            try:
                jobs = self._outside.forge.jobs(repo, run_id or 0)
            except ForgeError:
                continue  # deleted, or unreadable just now; EC2 shows the machine for about an hour
            over = all(job.status == "completed" for job in jobs)
            hit = [job for job in jobs if (job.runner_name or "").lower() in names and self._repeatable(job)]
            found += [Interrupted(job, job.runner_name or "", over) for job in hit]
        return tuple(found)

    def _repeatable(self, job: Job) -> bool:
        if job.conclusion not in {"failure", "cancelled"}:
            return False
        try:
            label = labels.read(job.labels, arrays=self._wishes.arrays)
            spec = resolve(label.spec, self._wishes.named, self._wishes.default, self._policy) if label else None
        except (ConfigError, PolicyRefused):
            return False
        return spec is not None and spec.retry is not Retry.NEVER

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

    def _ask_forge(self, *, queue: bool) -> list[_Seen]:
        if not self._repos:
            return []
        with ThreadPoolExecutor(max_workers=min(8, len(self._repos))) as pool:
            return list(pool.map(lambda repo: self._ask_about(repo, queue=queue), self._repos))

    def _ask_about(self, repo: str, *, queue: bool) -> _Seen:
        forge = self._outside.forge
        try:
            runners = forge.runners(repo)
        except ForgeError as error:
            self._outside.events.emit(RepositorySkipped(repo, error))
            return _Seen(repo, None, None, error)
        try:
            return _Seen(repo, runners, forge.queued(repo) if queue else ())
        except ForgeError as error:
            # Without the queue nothing can start, but the leases of what runs are still kept.
            self._outside.events.emit(RepositorySkipped(repo, error))
            return _Seen(repo, runners, None, error)

    def _demand(self, jobs: Sequence[Job]) -> tuple[tuple[Demand, ...], tuple[Refused, ...]]:
        demand: list[Demand] = []
        refused: list[Refused] = []
        for job in {job.id: job for job in jobs}.values():
            try:
                spec = self.understand(job)
            except (ConfigError, PolicyRefused) as error:
                refused.append(Refused(job, error))
                continue
            if spec is not None:
                demand.append(Demand(job, spec, self._outside.forge.place(job.repo)))
        return tuple(demand), tuple(refused)

    def understand(self, job: Job) -> RunnerSpec | None:
        """The wish of a job; None when it does not ask for us.

        Raises:
            LabelError: It asks for us in words that cannot be understood.
            PolicyRefused: It asks for something, or comes from somewhere, that policy forbids.
        """
        label = labels.read(job.labels, arrays=self._wishes.arrays)
        if label is None:
            slip = labels.misspelt(job.labels)
            if slip is not None:
                raise LabelError(f"label {slip!r} is nobody's", hint=f"it begins with {labels.WORD}, spelt like this")
            return None
        distrusted = distrust(job, self._policy)
        if distrusted is not None:
            raise distrusted
        return resolve(label.spec, self._wishes.named, self._wishes.default, self._policy)


def _unserved(seen: _Seen) -> Iterator[Job]:
    """The queued jobs that only somebody's own runner can take, and that no runner has all the labels for."""
    carried = [{label.lower() for label in runner.labels} for runner in seen.runners or ()]
    for job in seen.queued or ():
        wanted = {label.lower() for label in job.labels}
        if SELF_HOSTED in wanted and seen.runners is not None and not any(wanted <= has for has in carried):
            yield job


def _blind(seen: Sequence[_Seen]) -> ForgeError | None:
    """Why nothing could be read at all; a reason that passes by itself comes before one that does not."""
    errors = [one.error for one in seen if one.error is not None]
    if not errors or len(errors) < len(seen):
        return None
    return min(errors, key=lambda error: (not error.retryable, not isinstance(error, RateLimited)))
