"""Machines on request: each of ``--count`` machines is a slot that is filled by adopting or launching.

The name is the lock: the same run, attempt and label give the same names, so asking twice finds what the first try
made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit import costs
from runnerkit.actions import Launch
from runnerkit.breakers import MENDABLE, breaker_open_until
from runnerkit.errors import (
    ForgeError,
    LeaseExpired,
    NameTaken,
    NoCapacity,
    NotOffered,
    PolicyRefused,
    RunnerBusy,
    RunnerOutdated,
)
from runnerkit.events import InstanceTerminated, LaunchAdopted, RunnerDeregistered, RunnerOnline
from runnerkit.model import Observed
from runnerkit.names import RunnerName, label_digest
from runnerkit.phases import Pair, Phase, is_capacity, join, phase
from runnerkit.starting import Known, Room

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from runnerkit.bursting import Starter
    from runnerkit.launching import Launcher, Outside
    from runnerkit.model import Instance, Runner
    from runnerkit.wishes import Policy, RunnerSpec

# Seconds between two looks at an awaited runner, by the machine's age: none boots at once, most do within a minute.
LOOKS = ((12.0, 2.0), (60.0, 0.3), (float("inf"), 1.0))
LOOK_AT_HOLDER_EVERY = 5.0
REMEMBERED = timedelta(days=1)
LOOKS_BEFORE_FORGOTTEN = 3


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """A wish for machines under one label.

    ``run_id`` and ``run_attempt`` are the workflow run that asks; 0 outside of one.
    """

    repo: str
    labels: tuple[str, ...]
    spec: RunnerSpec
    run_id: int = 0
    run_attempt: int = 1
    count: int = 1


@dataclass(frozen=True, slots=True)
class Slot:
    """One requested machine. ``since`` is when it was launched, ``online`` once its runner listens."""

    request: LaunchRequest
    name: RunnerName
    runner_id: int
    instance_id: str
    region: str
    zone: str
    type: str
    market: str
    price: float | None
    since: datetime
    online_by: datetime
    adopted: bool = False
    online: bool = False


class SlotKeeper:
    """Fills slots, and waits for their runners."""

    def __init__(self, outside: Outside, launcher: Launcher | Starter, policy: Policy, owner: str) -> None:
        self._outside = outside
        self._launcher = launcher
        self._policy = policy
        self._owner = owner.lower()

    def fill(self, request: LaunchRequest, told: Callable[[Slot], None]) -> tuple[Slot, ...]:
        """Fill every slot of a request, in order, and tell each."""
        self._check_bounds(request)
        slots: list[Slot] = []
        for serial in range(1, request.count + 1):
            slots.append(self._fill(request, serial))
            told(slots[-1])
        return tuple(slots)

    def _fill(self, request: LaunchRequest, serial: int) -> Slot:
        """Launch under the slot's name; where that name is spent, under the next of the same slot.

        The slots' serials are ``count`` apart, so no slot ever takes the name of another.
        """
        first = self._newest(request, serial)
        for attempt in range(self._policy.max_tries):
            name = self._name(request, first + attempt * request.count)
            try:
                return self._launch(request, name)
            except (NameTaken, NoCapacity, NotOffered, RunnerOutdated) as error:
                # Nothing may be on offer any more, or the image too old, while the machine of an earlier try lives.
                adopted = self._adopt(request, name)
                if adopted is not None:
                    return adopted
                if not isinstance(error, NameTaken):
                    raise
        raise LeaseExpired(
            f"the names of {self._policy.max_tries} earlier machines for this label are all taken",
            hint="`runnerkit status` shows them; another SCOPE in the label asks for a new machine",
        )

    def _newest(self, request: LaunchRequest, serial: int) -> int:
        """The slot's serial to begin with: where a machine was replaced, the older names are free but not meant."""
        stem = self._name(request, serial).stem
        since = self._outside.clock.now() - REMEMBERED
        known = [RunnerName.parse(note.name) for note in self._outside.journal.launches(since)]
        serials = [name.serial for name in known if name is not None and name.stem == stem]
        return max((s for s in serials if s > serial and s % request.count == serial % request.count), default=serial)

    def _check_bounds(self, request: LaunchRequest) -> None:
        """Refuse what policy's caps or the breaker forbid; EC2 is not read for one machine where nobody set a cap."""
        policy, now = self._policy, self._outside.clock.now()
        digest = label_digest(self._outside.forge.place(request.repo), request.labels)
        since = now - timedelta(seconds=policy.breaker_window + policy.breaker_pause)
        noted = self._outside.journal.failures(since)
        failures = [each for each in noted if each.digest == digest and each.code not in MENDABLE]
        closed = breaker_open_until(failures, digest, policy, now)
        if closed is not None:
            after = f"{policy.breaker_failures} failures, the last of them {failures[-1].code}"
            raise PolicyRefused(
                f"launching for this label pauses until {closed:%H:%M} UTC after {after}",
                hint="another SCOPE in the label does not wait; policy keys breaker_failures, breaker_pause",
            )
        said = policy.model_fields_set & {"max_machines", "max_machines_per_repo", "dollars_per_day"}
        if request.count > 1 or said or any(cap.covers(request.repo) for cap in policy.caps()[1:]):
            self._check_caps(request)

    def _check_caps(self, request: LaunchRequest) -> None:
        """Count the machines of others; those of this request, replacements included, are the ones asked for."""
        policy, stem, now = self._policy, self._name(request, 1).stem, self._outside.clock.now()
        there = self._outside.cloud.instances()
        others = tuple(each for each in there if each.live and each.name.rpartition("-")[0] != stem)
        spent = costs.spent_today(self._outside.journal, there, policy, now)
        room = Room(Known(Observed(now, frozenset(), others, spent=spent), (), (), policy, now))
        for _ in range(request.count):
            held = room.full(request.repo)
            if held is not None:
                raise PolicyRefused(
                    f"{request.count} machines are asked for {request.repo}: {held.why}",
                    hint="`runnerkit status` shows what runs; the policy key is named in brackets",
                )
            room.take(request.repo)

    def _name(self, request: LaunchRequest, serial: int) -> RunnerName:
        return _name(request, self._outside.forge.place(request.repo), serial)

    def _launch(self, request: LaunchRequest, name: RunnerName) -> Slot:
        run_id = request.run_id or None
        started = self._launcher.start(Launch(name, request.repo, request.labels, request.spec, run_id=run_id))
        there = started.launched
        place = (there.instance_id, there.region, there.zone, there.type, str(there.market), there.price)
        return Slot(request, name, started.runner_id, *place, since=started.at, online_by=started.online_by)

    def _adopt(self, request: LaunchRequest, name: RunnerName) -> Slot | None:
        """The machine that holds a name, once it is to be seen; None when the name turns out to be spent.

        A holder without an instance may be another launch under way: it gets the settle window, then it is deleted.
        """
        clock = self._outside.clock
        for _ in range(2 + int(self._policy.settle / LOOK_AT_HOLDER_EVERY)):
            pair, where = self._look(request.repo, str(name))
            if pair is None:
                return None
            if pair.instance is not None and pair.runner is not None and self._serves(pair, where):
                self._outside.events.emit(LaunchAdopted(str(name), pair.instance.id))
                return _adopted(request, name, pair.instance, pair.runner, self._policy)
            if where is not Phase.REGISTERED:
                self._release(request, pair)
                return None
            clock.wait(LOOK_AT_HOLDER_EVERY)
        return None

    def _serves(self, pair: Pair, where: Phase) -> bool:
        return where is Phase.BUSY or is_capacity(pair, self._policy, self._outside.clock.now())

    def _release(self, request: LaunchRequest, pair: Pair) -> None:
        """Give a spent name's registration back; what GitHub refuses to delete is left to the next pass."""
        if pair.runner is None:
            return
        try:
            self._outside.forge.deregister(request.repo, pair.runner.id)
        except (RunnerBusy, ForgeError):
            return
        self._outside.events.emit(RunnerDeregistered(pair.name, "its machine is over"))

    def _look(self, repo: str, name: str) -> tuple[Pair | None, Phase]:
        """The newest machine of a name, as far as it is to be seen."""
        now = self._outside.clock.now()
        instances = tuple(self._outside.cloud.find(name))
        runner = self._outside.forge.runner_named(repo, name)
        # Another installation's runner is not ours to judge: it only spends the name.
        ours = runner is not None and runner.birth is not None and runner.birth.owner.lower() == self._owner
        observed = Observed(now, frozenset({repo.lower()}), instances, (runner,) if runner and ours else ())
        pairs = [(pair, phase(pair, self._policy, now)) for pair in join(observed)]
        with_runner = [found for found in pairs if found[0].runner is not None]
        return with_runner[0] if with_runner else (None, Phase.ENDED)

    # --- waiting ------------------------------------------------------------------------------------------------------

    def wait(self, slot: Slot, told: Callable[[Slot], None]) -> Slot:
        """Wait for a slot's runner; a machine that misses its deadline is retired and replaced."""
        last = slot.name.serial + slot.request.count * (self._policy.max_tries - 1)
        while True:
            online = self._wait_once(slot)
            if online is not None:
                told(online)
                return online
            if not self._retire(slot):
                return replace(slot, online=True)
            if slot.name.serial >= last:
                raise LeaseExpired(
                    f"runner {slot.name} on {slot.instance_id} did not come online, nor did those before it",
                    hint=f"its console may tell why: `runnerkit logs {slot.instance_id}`",
                )
            slot = self._fill(slot.request, slot.name.serial + slot.request.count)
            told(slot)

    def _wait_once(self, slot: Slot) -> Slot | None:
        """The slot once its runner is online; None when the deadline passed or GitHub forgot the runner."""
        clock, missing, looks = self._outside.clock, 0, 0
        # At least one look: a machine adopted late may be past that deadline and online all the same.
        while not looks or ((now := clock.now()) < slot.online_by and missing < LOOKS_BEFORE_FORGOTTEN):
            now, looks = clock.now(), looks + 1
            try:
                runner = self._outside.forge.runner(slot.request.repo, slot.runner_id)
            except ForgeError as error:
                if not error.retryable:
                    raise
                # The machine boots on, whether or not GitHub can be asked about it.
                clock.wait(LOOK_AT_HOLDER_EVERY)
                continue
            if runner is not None and (runner.online or runner.busy):
                self._outside.events.emit(RunnerOnline(str(slot.name), (now - slot.since).total_seconds()))
                return replace(slot, online=True)
            settled = now >= slot.since + timedelta(seconds=self._policy.settle)
            missing = missing + 1 if runner is None and settled else 0
            clock.wait(_until_next_look((now - slot.since).total_seconds()))
        return None

    def _retire(self, slot: Slot) -> bool:
        """End a machine that missed its deadline; False when GitHub says that it runs a job after all."""
        try:
            if self._outside.forge.deregister(slot.request.repo, slot.runner_id):
                self._outside.events.emit(RunnerDeregistered(str(slot.name), "it never came online"))
        except RunnerBusy:
            return False
        self._outside.cloud.terminate(slot.region, [slot.instance_id])
        self._outside.events.emit(InstanceTerminated(str(slot.name), slot.instance_id, "it never came online"))
        return True


def _until_next_look(age: float) -> float:
    return next(every for up_to, every in LOOKS if age < up_to)


def names(request: LaunchRequest, place: str, tries: int = 1) -> list[RunnerName]:
    """The names of a request's machines, as far as none of them is spent; with more ``tries`` those of replacements."""
    return [_name(request, place, serial) for serial in range(1, request.count * tries + 1)]


def _name(request: LaunchRequest, place: str, serial: int) -> RunnerName:
    return RunnerName.for_launch(request.run_id, request.run_attempt, label_digest(place, request.labels), serial)


def _adopted(request: LaunchRequest, name: RunnerName, instance: Instance, runner: Runner, policy: Policy) -> Slot:
    return Slot(
        request,
        name,
        runner.id,
        instance.id,
        instance.region,
        instance.zone,
        instance.type,
        str(instance.market),
        instance.price,
        since=instance.launched_at,
        online_by=instance.online_by or instance.launched_at + timedelta(seconds=policy.online_within),
        adopted=True,
        online=runner.online,
    )
