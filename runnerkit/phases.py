"""Where a machine is in its life. The phase is derived anew in each pass from EC2 and GitHub, and never stored.

``LIFE`` is the table of all phases: what each means, whether it counts as capacity, what ends it and what may follow.
The plan, the property tests and the diagram in ``docs/phases.md`` are all taken from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from runnerkit.model import State
from runnerkit.names import label_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from runnerkit.model import Instance, Observed, Runner
    from runnerkit.wishes import Policy


class Phase(StrEnum):
    """One word for what EC2 and GitHub together say about a machine."""

    REGISTERED = "registered"
    BOOTING = "booting"
    READY = "ready"
    BUSY = "busy"
    LOST = "lost"
    GONE = "gone"
    DANGLING = "dangling"
    STOPPED = "stopped"
    UNNAMED = "unnamed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of life."""

    means: str
    capacity: bool
    ends: str
    then: frozenset[Phase]


P = Phase
_DEAD = {P.DANGLING, P.ENDED}
# A runner that vanishes within the settle window, as after a job so quick that nobody saw it, leaves a machine that
# seems to boot.

LIFE: dict[Phase, Row] = {
    P.REGISTERED: Row(
        "a runner is registered, its instance is not to be seen yet",
        capacity=True,
        ends="after the settle window it is dangling",
        then=frozenset({P.BOOTING, P.READY, P.BUSY, P.GONE, P.LOST, P.STOPPED, *_DEAD}),
    ),
    P.BOOTING: Row(
        "an instance lives, its runner has never been online",
        capacity=True,
        ends="after the online deadline it is retired",
        then=frozenset({P.REGISTERED, P.READY, P.BUSY, P.LOST, P.GONE, P.STOPPED, P.UNNAMED, *_DEAD}),
    ),
    P.READY: Row(
        "the runner is online and waits for a job",
        capacity=True,
        ends="the machine ends itself when idle; after the idle deadline it no longer counts as capacity",
        then=frozenset({P.BOOTING, P.BUSY, P.LOST, P.GONE, P.STOPPED, *_DEAD}),
    ),
    P.BUSY: Row(
        "the runner is online and works",
        capacity=False,
        ends="the machine ends itself after the job; nobody else ends it before its maximum lifetime",
        then=frozenset({P.BOOTING, P.READY, P.LOST, P.GONE, P.STOPPED, *_DEAD}),
    ),
    P.LOST: Row(
        "the runner was online and is not any more, its instance lives",
        capacity=False,
        ends="after the lost deadline it is retired, unless GitHub says that it is busy",
        then=frozenset({P.BOOTING, P.READY, P.BUSY, P.GONE, P.STOPPED, *_DEAD}),
    ),
    P.GONE: Row(
        "an instance lives, GitHub lists no runner for it",
        capacity=False,
        ends="after the confirm window, and if GitHub denies the runner by id too, it is terminated",
        then=frozenset({P.BOOTING, P.READY, P.BUSY, P.LOST, P.STOPPED, P.ENDED, P.DANGLING}),
    ),
    P.STOPPED: Row(
        "an instance was stopped instead of terminated",
        capacity=False,
        ends="it is terminated at once: a stopped machine does not run and is still billed",
        then=frozenset(_DEAD),
    ),
    P.UNNAMED: Row(
        "an instance of a burst lives and was not handed its name in time",
        capacity=False,
        ends="it is terminated, unless EC2 shows a name by then: whoever launched it is gone",
        then=frozenset({P.BOOTING, P.READY, P.BUSY, P.GONE, P.LOST, P.STOPPED, *_DEAD}),
    ),
    P.DANGLING: Row(
        "a runner is registered, its instance is dead or was never there",
        capacity=False,
        ends="it is deregistered, again and again while GitHub says that it is busy",
        then=frozenset({P.ENDED, P.BOOTING, P.READY, P.BUSY, P.LOST, P.GONE, P.STOPPED}),
    ),
    P.ENDED: Row(
        "neither a live instance nor a runner",
        capacity=False,
        ends="",
        then=frozenset({P.DANGLING, P.GONE}),
    ),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """An instance and the runner that belongs to it; either may be missing.

    ``taken`` says that the runner was seen to take a job: it takes no other.
    """

    instance: Instance | None
    runner: Runner | None
    taken: bool = False

    @property
    def name(self) -> str:
        """The name that joins the two; that of the runner where the machine was not handed it yet."""
        own = self.instance.name if self.instance else ""
        return own or (self.runner.name if self.runner else "")

    @property
    def repo(self) -> str:
        """The repository it serves."""
        return self.instance.repo if self.instance else self.runner.repo if self.runner else ""

    @property
    def digest(self) -> str:
        """The label set whose jobs it can take."""
        if self.instance and self.instance.digest:
            return self.instance.digest
        runner = self.runner
        return label_digest(runner.place or runner.repo, runner.labels) if runner else ""


def join(observed: Observed) -> Iterator[Pair]:
    """Bring instances and runners together: by the registration's id, or by name where the id was lost.

    A name may be registered again after its runner vanished, so a name alone would tie a new runner to an old machine.
    GitHub counts runners anew for every owner, so an id means something only together with its place.
    Machines of repositories that were not listed, and runners that are not ours, are left out.
    """
    runners = {(_place(runner), runner.id): runner for runner in observed.runners if runner.birth}
    names = {(place, runner.name): id_ for (place, id_), runner in runners.items()}
    unnamed: list[Instance] = []
    # The living choose first: should two instances claim one registration, the dead one must not cost it.
    for instance in sorted(observed.instances, key=lambda i: (not i.live, i.launched_at, i.id)):
        if instance.repo.lower() not in observed.repos:
            continue
        repo = instance.repo.lower()
        # It was registered at the repository, or at the organisation that owns it.
        for place in (repo, repo.partition("/")[0]):
            by_name = names.get((place, instance.name)) if instance.name else None
            id_ = by_name if instance.runner_id is None else instance.runner_id
            runner = runners.pop((place, id_), None) if id_ is not None else None
            if runner is not None:
                break
        if instance.unnamed:
            unnamed.append(instance)
        else:
            yield Pair(instance, runner, _took_a_job(instance, observed))
    yield from _handed_over_soon(unnamed, runners, observed.at)
    for left in runners.values():
        yield Pair(None, left)


def _took_a_job(instance: Instance, observed: Observed) -> bool:
    """Whether its runner did: one that had the same name before it is not meant."""
    taken = observed.taken.get(instance.name.lower())
    return taken is not None and taken >= instance.launched_at


def _handed_over_soon(
    unnamed: Sequence[Instance], runners: dict[tuple[str, int], Runner], now: datetime
) -> Iterator[Pair]:
    """The machines of a burst that have no name yet, each with one of the registrations that wait for such machines.

    Which machine will get which name is not decided yet, and makes no difference: only the numbers matter. Past the
    time for that, or without a registration, nobody is coming for it any more.
    """
    waiting: dict[str, list[tuple[str, int]]] = {}
    for key, runner in runners.items():
        if not runner.connected:
            waiting.setdefault(label_digest(runner.place or runner.repo, runner.labels), []).append(key)
    for instance in unnamed:
        keys = waiting.get(instance.digest)
        soon = instance.live and instance.hand_over_by is not None and now < instance.hand_over_by
        yield Pair(instance, runners.pop(keys.pop(0)) if keys and soon else None)


def _place(runner: Runner) -> str:
    """The repository that a runner serves, or for runners of a group the owner of all repositories that it serves."""
    repo = runner.repo.lower()
    return repo if runner.place.lower() in {"", repo} else repo.partition("/")[0]


def phase(pair: Pair, policy: Policy, now: datetime) -> Phase:
    """The phase of a machine, from what EC2 and GitHub say just now."""
    instance, runner = pair.instance, pair.runner
    if instance is None or not instance.live:
        return _without_machine(pair, policy, now)
    if instance.state in (State.STOPPING, State.STOPPED):
        return Phase.STOPPED
    if instance.unnamed:
        waiting = instance.hand_over_by is not None and now < instance.hand_over_by
        return Phase.BOOTING if waiting else Phase.UNNAMED
    if runner is None:
        # GitHub may not list a runner in the first seconds after its registration, nor does it after a quick job.
        young = not pair.taken and now < instance.launched_at + timedelta(seconds=policy.settle)
        return Phase.BOOTING if young else Phase.GONE
    if runner.online:
        return Phase.BUSY if runner.busy else Phase.READY
    return Phase.LOST if runner.connected or runner.busy else Phase.BOOTING


def _without_machine(pair: Pair, policy: Policy, now: datetime) -> Phase:
    runner = pair.runner
    if runner is None:
        return Phase.ENDED
    if pair.instance is not None:
        return Phase.DANGLING
    if runner.online:
        # GitHub hears it, so it lives: EC2's list is behind.
        return Phase.BUSY if runner.busy else Phase.READY
    birth = runner.birth
    young = birth is not None and now < birth.at + timedelta(seconds=policy.settle)
    return Phase.REGISTERED if young else Phase.DANGLING


def is_capacity(pair: Pair, policy: Policy, now: datetime) -> bool:
    """Whether a machine can still take a job: the right phase, and within its lease."""
    where = phase(pair, policy, now)
    if not LIFE[where].capacity:
        return False
    instance = pair.instance
    if instance is None:
        return True
    if pair.runner is None and instance.unnamed:
        return False  # no registration waits for it, so nothing can come of it
    deadline = instance.idle_until if where is Phase.READY else instance.online_by
    return deadline is None or now < deadline
