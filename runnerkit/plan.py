"""Every decision about the life of machines, in one pure function: :func:`plan`.

Upkeep (what ends) is decided by phase, each phase by the rule of the same name in ``RULES``. Provisioning (what starts)
is decided per label set: queued jobs minus machines that can still take one, within caps and breaker.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from runnerkit.actions import Action, Deregister, Launch, Mark, Plan, Rerun, Retire, Terminate, Waiting
from runnerkit.errors import NoCapacity, NotOffered, PolicyRefused
from runnerkit.model import Failure
from runnerkit.names import RunnerName, label_digest
from runnerkit.phases import Pair, Phase, is_capacity, join, phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from runnerkit.actions import Demand
    from runnerkit.model import Instance, Interrupted, Observed
    from runnerkit.wishes import Policy

# Launches that failed for these reasons say nothing about the label's machines, only that there are none to be had.
UNOBTAINABLE = frozenset({NoCapacity.code, NotOffered.code, PolicyRefused.code})
_NEVER = datetime.min.replace(tzinfo=UTC)
GONE_SINCE, LOST_SINCE = "gone-since", "lost-since"


def plan(observed: Observed, demand: Sequence[Demand], policy: Policy, now: datetime) -> Plan:
    """Decide what to do about the world as observed: first what must end, then what must start.

    The same input gives the same plan in the same order. Nothing is assumed about earlier passes.
    """
    pairs = list(join(observed))
    upkeep = sorted(
        (*_upkeep(pairs, policy, now), *_expired_elsewhere(observed, policy, now)),
        key=lambda action: (action.name, type(action).__name__),
    )
    # Those that this very pass finds out count as well: the breaker must not be one machine late.
    failures = (*observed.failures, *_found_out(upkeep, now))
    # EC2 forgets the dead after an hour; the journal's names keep the tries of a job bounded for longer.
    serials = _highest_serials((*(pair.name for pair in pairs), *(launch.name for launch in observed.launches)))
    launches, waiting = _provision(_Room(observed, pairs, policy, now), serials, demand, failures, policy, now)
    return Plan(actions=(*upkeep, *_reruns(observed.interrupted, policy), *launches), waiting=waiting)


# --- what ends --------------------------------------------------------------------------------------------------------


def _upkeep(pairs: Iterable[Pair], policy: Policy, now: datetime) -> Iterator[Action]:
    for pair in pairs:
        if pair.instance is not None and _expired(pair.instance, policy, now):
            yield _terminate(pair, "its maximum lifetime is over")
        else:
            yield from RULES[phase(pair, policy, now)](pair, policy, now)


def _found_out(upkeep: Iterable[Action], now: datetime) -> Iterator[Failure]:
    for action in upkeep:
        if isinstance(action, Deregister | Retire) and action.failed:
            yield Failure(now, action.digest, "never-online", action.name)


def _expired_elsewhere(observed: Observed, policy: Policy, now: datetime) -> Iterator[Action]:
    """Of machines that serve repositories we were not told to look at, only the lifetime is our business."""
    for instance in observed.instances:
        if instance.repo.lower() not in observed.repos and _expired(instance, policy, now):
            yield _terminate(Pair(instance, None), "its maximum lifetime is over")


def _expired(instance: Instance, policy: Policy, now: datetime) -> bool:
    expiry = instance.expires_at or instance.launched_at + timedelta(seconds=policy.max_life)
    return instance.live and now >= expiry


def _nothing(_pair: Pair, _policy: Policy, _now: datetime) -> Iterator[Action]:
    """Nothing ends it from here: it is too early, or the machine does it itself."""
    yield from ()


def _booting(pair: Pair, policy: Policy, now: datetime) -> Iterator[Action]:
    """A machine that misses its online deadline is retired; its job gets another while it is still queued."""
    instance, runner = pair.instance, pair.runner
    if instance is None or runner is None:
        return
    online_by = instance.online_by or instance.launched_at + timedelta(seconds=policy.online_within)
    if now >= online_by:
        yield _retire(pair, "it never came online", failed=True)


def _alive(pair: Pair, _policy: Policy, _now: datetime) -> Iterator[Action]:
    """An idle machine ends itself: GitHub's ``busy`` is too unreliable to justify a kill. Old suspicions are wiped."""
    instance = pair.instance
    if instance is not None and instance.gone_since is not None:
        yield Mark(pair.name, instance.id, instance.region, GONE_SINCE, None)
    if instance is not None and instance.lost_since is not None:
        yield Mark(pair.name, instance.id, instance.region, LOST_SINCE, None)


def _lost(pair: Pair, policy: Policy, now: datetime) -> Iterator[Action]:
    """A runner that stays offline is retired, which GitHub refuses while it thinks that a job is running."""
    instance = pair.instance
    if instance is None:
        return
    if instance.lost_since is None:
        yield Mark(pair.name, instance.id, instance.region, LOST_SINCE, now)
    elif now >= instance.lost_since + timedelta(seconds=policy.lost_within):
        yield _retire(pair, "its runner has been offline for too long")


def _gone(pair: Pair, policy: Policy, now: datetime) -> Iterator[Action]:
    """Absence from a list is a hint: noted first, confirmed by id after a window, only then a reason."""
    instance = pair.instance
    if instance is None:
        return
    if instance.gone_since is None:
        yield Mark(pair.name, instance.id, instance.region, GONE_SINCE, now)
    elif now >= instance.gone_since + timedelta(seconds=policy.confirm):
        yield _terminate(pair, "GitHub knows no runner for it", confirm=True)


def _dangling(pair: Pair, _policy: Policy, _now: datetime) -> Iterator[Action]:
    """A registration without a machine only blocks its name."""
    instance, runner = pair.instance, pair.runner
    if runner is None:
        return
    reason = "its instance is dead" if instance else "its instance never came"
    # A machine that AWS took back, or could not start, says nothing about the label.
    failed = instance is not None and not runner.connected and not instance.state_reason.startswith("Server.")
    yield Deregister(
        pair.name, pair.repo, runner.id, reason, confirm=instance is None, digest=pair.digest, failed=failed
    )


def _stopped(pair: Pair, _policy: Policy, _now: datetime) -> Iterator[Action]:
    """A stopped machine runs nothing and is billed for its disk."""
    yield _terminate(pair, "it was stopped instead of terminated")


RULES: dict[Phase, Callable[[Pair, Policy, datetime], Iterator[Action]]] = {
    Phase.REGISTERED: _nothing,
    Phase.BOOTING: _booting,
    Phase.READY: _alive,
    Phase.BUSY: _alive,
    Phase.LOST: _lost,
    Phase.GONE: _gone,
    Phase.DANGLING: _dangling,
    Phase.STOPPED: _stopped,
    Phase.ENDED: _nothing,
}


def _terminate(pair: Pair, reason: str, *, confirm: bool = False) -> Terminate:
    instance = pair.instance
    assert instance is not None  # noqa: S101 - only machines are terminated
    return Terminate(
        pair.name, pair.repo, instance.id, instance.region, reason, confirm=confirm, runner_id=instance.runner_id
    )


def _retire(pair: Pair, reason: str, *, failed: bool = False) -> Retire:
    instance, runner = pair.instance, pair.runner
    assert instance is not None  # noqa: S101 - the phases with a machine and a runner
    assert runner is not None  # noqa: S101 - as above
    return Retire(
        pair.name, pair.repo, runner.id, instance.id, instance.region, reason, digest=pair.digest, failed=failed
    )


# --- what is repeated -------------------------------------------------------------------------------------------------


def _reruns(interrupted: Iterable[Interrupted], policy: Policy) -> Iterator[Rerun]:
    """A run with an interrupted job is repeated once nothing of it is going any more: GitHub refuses it before."""
    runs = {(each.job.repo.lower(), each.job.run_id): each for each in interrupted}
    for each in runs.values():
        if each.over and each.job.run_attempt <= policy.max_reruns:
            reason = "AWS took back the machine of one of its jobs"
            yield Rerun(each.runner, each.job.repo, each.job.run_id, each.job.run_attempt, reason)


# --- what starts ------------------------------------------------------------------------------------------------------


def _provision(
    room: _Room,
    serials: dict[str, int],
    demand: Sequence[Demand],
    failures: Sequence[Failure],
    policy: Policy,
    now: datetime,
) -> tuple[list[Launch], tuple[Waiting, ...]]:
    groups: dict[str, list[Demand]] = defaultdict(list)
    failed: dict[str, list[Failure]] = defaultdict(list)
    for failure in failures:
        failed[failure.digest].append(failure)
    for wish in demand:
        groups[label_digest(wish.place or wish.job.repo, wish.job.labels)].append(wish)
    launches: list[Launch] = []
    waiting: list[Waiting] = []
    for digest in sorted(groups, key=lambda key: min(_age(wish) for wish in groups[key])):
        jobs = sorted(groups[digest], key=_age)
        served, unserved = _split(jobs, room.capacity[digest], room.named)
        waiting += [Waiting(wish.job, "a machine that can take it is on its way or ready") for wish in served]
        closed = breaker_open_until(failed[digest], digest, policy, now)
        hopeless = unobtainable_until(failed[digest], digest, policy, now)
        for wish in unserved:
            serial = serials.get(RunnerName.for_job(wish.job.id).stem, 0) + 1
            why = _why_not(serial, closed, hopeless, room, wish, policy)
            if why:
                waiting.append(Waiting(wish.job, why, until=closed or hopeless))
            else:
                launches.append(_launch(wish, serial))
                room.take(wish.job.repo)
    return launches, tuple(waiting)


def _age(wish: Demand) -> tuple[datetime, int]:
    return wish.job.created_at, wish.job.id


def _split(jobs: list[Demand], capacity: int, named: Counter[str]) -> tuple[list[Demand], list[Demand]]:
    """Divide jobs into those that the capacity serves and the others.

    Any sibling may take any machine, so only the numbers matter; jobs whose own machine is on its way count as served
    first, so that the names of the others are free.
    """
    by_claim = sorted(jobs, key=lambda wish: -min(1, named[RunnerName.for_job(wish.job.id).stem]))
    return by_claim[:capacity], by_claim[capacity:]


def _why_not(
    serial: int, closed: datetime | None, hopeless: datetime | None, room: _Room, wish: Demand, policy: Policy
) -> str:
    if closed is not None:
        return f"launching for this label pauses after {policy.breaker_failures} failures in a row"
    if hopeless is not None:
        return "nothing that it asks for could be had a moment ago; it is tried again soon"
    if serial > policy.max_tries:
        return f"{serial - 1} machines were launched for it and none took it; cancel and re-run the job to try again"
    if room.machines >= policy.max_machines:
        return f"{room.machines} machines are running, policy allows {policy.max_machines} (max_machines)"
    cap = policy.max_machines_per_repo
    if cap is not None and room.per_repo[wish.job.repo.lower()] >= cap:
        return f"{room.per_repo[wish.job.repo.lower()]} machines are running for {wish.job.repo}, policy allows {cap}"
    return ""


def _launch(wish: Demand, serial: int) -> Launch:
    job = wish.job
    return Launch(RunnerName.for_job(job.id, serial), job.repo, job.labels, wish.spec, run_id=job.run_id, job_id=job.id)


class _Room:
    """What there is already: machines in all and by repository, and capacity by label set and by name."""

    def __init__(self, observed: Observed, pairs: list[Pair], policy: Policy, now: datetime) -> None:
        self.capacity: Counter[str] = Counter()
        self.named: Counter[str] = Counter()
        self.per_repo: Counter[str] = Counter()
        self.machines = 0
        shown = {instance.name for instance in observed.instances}
        fresh = [note for note in observed.launches if now < note.at + timedelta(seconds=policy.settle)]
        # EC2's list lags behind: a machine launched a moment ago counts though it is not shown yet.
        unseen = {note.name: note.repo for note in fresh if note.name not in shown}
        for instance in observed.instances:
            if instance.live:
                self.take(instance.repo)
        for repo in unseen.values():
            self.take(repo)
        for pair in pairs:
            if is_capacity(pair, policy, now):
                self.capacity[pair.digest] += 1
                name = RunnerName.parse(pair.name)
                self.named[name.stem if name else pair.name] += 1
                if pair.instance is None and pair.name not in unseen:
                    self.take(pair.repo)

    def take(self, repo: str) -> None:
        """Count one more machine."""
        self.machines += 1
        self.per_repo[repo.lower()] += 1


def _highest_serials(names: Iterable[str]) -> dict[str, int]:
    highest: dict[str, int] = {}
    for text in names:
        name = RunnerName.parse(text)
        if name:
            highest[name.stem] = max(name.serial, highest.get(name.stem, 0))
    return highest


def breaker_open_until(failures: Iterable[Failure], digest: str, policy: Policy, now: datetime) -> datetime | None:
    """Until when nothing is launched for a label set, after too many failures within a window; None when it may be."""
    counted = [failure.at for failure in failures if failure.digest == digest and failure.code not in UNOBTAINABLE]
    times = sorted(counted)[-policy.breaker_failures :]
    if len(times) < policy.breaker_failures:
        return None
    tripped = times[-1] - times[0] <= timedelta(seconds=policy.breaker_window)
    until = times[-1] + timedelta(seconds=policy.breaker_pause)
    return until if tripped and now < until else None


def unobtainable_until(failures: Iterable[Failure], digest: str, policy: Policy, now: datetime) -> datetime | None:
    """Until when a label set whose wish could not be had takes no room from those behind it; None when it may try."""
    times = [failure.at for failure in failures if failure.digest == digest and failure.code in UNOBTAINABLE]
    until = max(times, default=_NEVER) + timedelta(seconds=policy.refusal_memory)
    return until if now < until else None
