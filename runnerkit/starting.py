"""What starts: for each label set, queued jobs minus the machines that can still take one, within every bound. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from runnerkit.actions import Holds, Launch, Waiting
from runnerkit.breakers import UNOBTAINABLE, breaker_open_until, search_paused, spot_paused
from runnerkit.names import RunnerName, label_digest
from runnerkit.phases import is_capacity
from runnerkit.specs import digest
from runnerkit.wishes import SpotUse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.actions import Demand
    from runnerkit.breakers import Pause
    from runnerkit.model import Failure, Observed
    from runnerkit.phases import Pair
    from runnerkit.wishes import Cap, Policy, RunnerSpec

COMING = "a machine that can take it is on its way or ready"


@dataclass(frozen=True, slots=True)
class Known:
    """What the decision rests on: the world, its pairs, the failures (this pass's included), the policy, the time."""

    observed: Observed
    pairs: Sequence[Pair]
    failures: Sequence[Failure]
    policy: Policy
    now: datetime


def starts(known: Known, demand: Sequence[Demand], room: Room) -> tuple[list[Launch], tuple[Waiting, ...]]:
    """The launches that are due, those of the longest waiting first, and why the other jobs wait."""
    groups: dict[str, list[Demand]] = defaultdict(list)
    for wish in demand:
        groups[label_digest(wish.place or wish.job.repo, wish.job.labels)].append(wish)
    serials, failed = _highest_serials(known, demand), _by_digest(known)
    launches: list[Launch] = []
    waiting: list[Waiting] = []
    for label_set in sorted(groups, key=lambda key: min(_age(wish) for wish in groups[key])):
        served, unserved = _split(sorted(groups[label_set], key=_age), room.capacity[label_set], room.named)
        waiting += [Waiting(wish.job, COMING, holds=Holds.MACHINE) for wish in served]
        closed = _closed(failed[label_set], label_set, known)
        for wish in unserved:
            serial = serials.get(RunnerName.for_job(wish.job.id).stem, 0) + 1
            held = closed or _spent_tries(serial, known.policy) or room.full(wish.job.repo)
            if held is not None:
                waiting.append(Waiting(wish.job, held.why, held.until, held.holds))
            else:
                launches.append(_launch(wish, serial, known))
                room.take(wish.job.repo)
    return launches, tuple(waiting)


def ahead(known: Known, launches: Sequence[Launch], room: Room) -> tuple[Launch, ...]:
    """Those launches for a run that is about to go on that may start: a job that gets none now will ask as it waits.

    A name that was launched before is not launched again: then GitHub does not let the run go on.
    """
    tried = {each.name for each in known.observed.instances} | {each.name for each in known.observed.launches}
    failed = _by_digest(known)
    found = []
    for launch in launches:
        label_set = launch.name.stem.rpartition("-")[2]
        held = _closed(failed[label_set], label_set, known) or room.full(launch.repo)
        if str(launch.name) not in tried and held is None:
            found.append(paused(launch, known))
            room.take(launch.repo)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Held:
    """Why a job gets no machine now, and when that changes by itself; None when it may change at any time."""

    why: str
    until: datetime | None = None
    holds: Holds = Holds.BOUND


def _by_digest(known: Known) -> dict[str, list[Failure]]:
    """The failures by label set; a search that found something since then wipes out those that found nothing."""
    together = timedelta(seconds=known.policy.refusal_memory / 2)
    launched: dict[str, datetime] = {}
    for instance in known.observed.instances:
        launched[instance.digest] = max(instance.launched_at, launched.get(instance.digest, instance.launched_at))
    found: dict[str, list[Failure]] = defaultdict(list)
    for failure in known.failures:
        latest = launched.get(failure.digest)
        if latest is None or failure.code not in UNOBTAINABLE or failure.at + together > latest:
            found[failure.digest].append(failure)
    return found


def _age(wish: Demand) -> tuple[datetime, int]:
    return wish.job.created_at, wish.job.id


def _split(jobs: list[Demand], capacity: int, named: Counter[str]) -> tuple[list[Demand], list[Demand]]:
    """Divide jobs into those that the capacity serves and the others.

    Any sibling may take any machine, so only the numbers matter; jobs whose own machine is on its way count as served
    first, so that the names of the others are free.
    """
    by_claim = sorted(jobs, key=lambda wish: -min(1, named[RunnerName.for_job(wish.job.id).stem]))
    return by_claim[:capacity], by_claim[capacity:]


def _closed(failures: Sequence[Failure], label_set: str, known: Known) -> _Held | None:
    policy, now = known.policy, known.now
    closed = breaker_open_until(failures, label_set, policy, now)
    if closed is not None:
        return _Held(
            f"launching for this label pauses after {policy.breaker_failures} failures in a row", closed, Holds.PAUSE
        )
    pause = search_paused(failures, label_set, policy, now)
    return _Held(_searching(pause), pause.until, Holds.PAUSE) if pause is not None else None


def _searching(pause: Pause) -> str:
    tries = "a moment ago" if pause.times == 1 else f"in {pause.times} searches"
    return f"nothing that it asks for could be had {tries}; the next search is at {pause.until:%H:%M:%S} UTC"


def _spent_tries(serial: int, policy: Policy) -> _Held | None:
    if serial <= policy.max_tries:
        return None
    tries = f"{serial - 1} machines were launched for it and none took it"
    return _Held(f"{tries}; cancel and re-run the job to try again", holds=Holds.TRIES)


def _launch(wish: Demand, serial: int, known: Known) -> Launch:
    job = wish.job
    name = RunnerName.for_job(job.id, serial)
    return paused(Launch(name, job.repo, job.labels, wish.spec, run_id=job.run_id, job_id=job.id), known)


def paused(launch: Launch, known: Known) -> Launch:
    """The launch, on demand where AWS took spot back too often for what it wants."""
    pause = _spot_pause(launch.spec, known)
    if pause is None:
        return launch
    return replace(launch, spec=launch.spec.model_copy(update={"spot": SpotUse.NEVER}), spot_paused=pause)


def _spot_pause(spec: RunnerSpec, known: Known) -> Pause | None:
    """Who insists on spot gets spot; who never wants it needs no breaker."""
    if spec.spot not in {None, SpotUse.PREFER} or not known.observed.interruptions:
        return None
    return spot_paused(known.observed.interruptions, digest(spec), known.policy, known.now)


class Room:
    """What there is already: machines and dollars under each cap, and capacity by label set and by name."""

    def __init__(self, known: Known) -> None:
        observed, policy, now = known.observed, known.policy, known.now
        self.capacity: Counter[str] = Counter()
        self.named: Counter[str] = Counter()
        self._policy = policy
        self._caps = policy.caps()
        self._now = now
        self._machines: Counter[str] = Counter()
        self._spent = {cap.pattern: _covered(cap, observed.spent) for cap in self._caps if cap.dollars_per_day}
        shown = {instance.name for instance in observed.instances}
        settled = now - timedelta(seconds=policy.settle)
        fresh = [note for note in observed.launches if note.at > settled]
        # EC2's list lags behind: a machine launched a moment ago counts though it is not shown yet.
        unseen = {note.name: note.repo for note in fresh if note.name not in shown}
        for instance in observed.instances:
            if instance.live:
                self.take(instance.repo)
        nameless = Counter(each.repo.lower() for each in observed.instances if each.live and each.unnamed)
        for repo in unseen.values():
            if nameless[repo.lower()] > 0:
                nameless[repo.lower()] -= 1  # it is shown, and counted, without its name
            else:
                self.take(repo)
        for pair in known.pairs:
            if is_capacity(pair, policy, now):
                self.capacity[pair.digest] += 1
                name = RunnerName.parse(pair.name)
                self.named[name.stem if name else pair.name] += 1
                if pair.instance is None and pair.name not in unseen:
                    self.take(pair.repo)

    def take(self, repo: str) -> None:
        """Count one more machine."""
        self._machines[repo.lower()] += 1

    def full(self, repo: str) -> _Held | None:
        """Why a repository may have no further machine; None when it may."""
        policy = self._policy
        for cap in self._caps:
            if cap.covers(repo):
                held = self._full(cap)
                if held is not None:
                    return held
        here, most = self._machines[repo.lower()], policy.max_machines_per_repo
        if most is not None and here >= most:
            return _Held(f"{here} machines are running for {repo}, policy allows {most} (max_machines_per_repo)")
        return None

    def _full(self, cap: Cap) -> _Held | None:
        of = "" if cap.pattern == "*" else f" for {cap.pattern}"
        running = _covered(cap, self._machines)
        if cap.machines is not None and running >= cap.machines:
            return _Held(f"{running} machines are running{of}, policy allows {cap.machines} (max_machines)")
        if cap.dollars_per_day is None:
            return None
        spent = self._spent.get(cap.pattern, 0.0)
        if spent >= cap.dollars_per_day:
            tomorrow = datetime.combine(self._now.date() + timedelta(days=1), time(), tzinfo=UTC)
            most = f"policy allows {cap.dollars_per_day:.2f} (dollars_per_day)"
            return _Held(f"{spent:.2f} dollars were spent today{of}, {most}", tomorrow)
        return None


def _covered(cap: Cap, counted: Mapping[str, float] | Counter[str]) -> float:
    return sum(count for repo, count in counted.items() if cap.covers(repo))


def _highest_serials(known: Known, demand: Sequence[Demand]) -> dict[str, int]:
    """EC2 forgets the dead after an hour; the journal's names keep the tries of a job bounded for longer."""
    wanted = {RunnerName.for_job(wish.job.id).stem for wish in demand}
    if not wanted:
        return {}
    highest: dict[str, int] = {}
    for text in (*(pair.name for pair in known.pairs), *(note.name for note in known.observed.launches)):
        name = RunnerName.parse(text) if text.rpartition("-")[0] in wanted else None
        if name:
            highest[name.stem] = max(name.serial, highest.get(name.stem, 0))
    return highest
