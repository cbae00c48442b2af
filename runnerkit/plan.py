"""Every decision about the life of machines, in one pure function: :func:`plan`.

What ends is decided here by phase, each phase by the rule of the same name in ``RULES``. What starts is decided in
:mod:`runnerkit.starting`, what is repeated in :mod:`runnerkit.recovery`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.actions import Action, Deregister, Mark, Plan, Rerun, Retire, Terminate
from runnerkit.model import Failure
from runnerkit.phases import Pair, Phase, join, phase
from runnerkit.starting import Known, Room, ahead, starts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from runnerkit.actions import Demand
    from runnerkit.model import Instance, Observed
    from runnerkit.recovery import Recovery
    from runnerkit.wishes import Policy

GONE_SINCE, LOST_SINCE = "gone-since", "lost-since"


def plan(
    observed: Observed,
    demand: Sequence[Demand],
    policy: Policy,
    now: datetime,
    recoveries: Sequence[Recovery] = (),
) -> Plan:
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
    known = Known(observed, pairs, failures, policy, now)
    room = Room(known)
    reruns = list(_reruns(recoveries, known, room))
    launches, waiting = starts(known, demand, room)
    return Plan(actions=(*upkeep, *reruns, *launches), waiting=waiting)


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
    if instance is None or runner is None or instance.unnamed:
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


def _unnamed(pair: Pair, _policy: Policy, _now: datetime) -> Iterator[Action]:
    """A machine that nobody came back for can serve nobody."""
    instance = pair.instance
    if instance is not None:
        reason = f"it was never handed its name (burst {instance.batch})"
        yield Terminate("", instance.repo, instance.id, instance.region, reason, unnamed=True)


RULES: dict[Phase, Callable[[Pair, Policy, datetime], Iterator[Action]]] = {
    Phase.REGISTERED: _nothing,
    Phase.BOOTING: _booting,
    Phase.READY: _alive,
    Phase.BUSY: _alive,
    Phase.LOST: _lost,
    Phase.GONE: _gone,
    Phase.DANGLING: _dangling,
    Phase.STOPPED: _stopped,
    Phase.UNNAMED: _unnamed,
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


def _reruns(recoveries: Iterable[Recovery], known: Known, room: Room) -> Iterator[Rerun]:
    """A run that AWS interrupted goes on; :mod:`runnerkit.recovery` has decided that it may, and how."""
    for recovery in recoveries:
        run, first = recovery.run, recovery.interrupted[0]
        launches = ahead(known, recovery.launches(), room)
        job_id = recovery.job.id if recovery.job is not None else None
        yield Rerun(first.runner_name or "", run.repo, run.id, run.attempt, recovery.text, job_id, launches)
