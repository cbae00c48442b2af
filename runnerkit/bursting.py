"""How many equal machines are started at once: register each, order all in one call, hand each its name and secret.

A crash at any line leaves either a registration without a machine, which is deleted after the settle window, or a
machine without a name, which is terminated when the time for its hand-over is up.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from runnerkit import tags
from runnerkit.errors import (
    CloudError,
    CloudUnavailable,
    NameTaken,
    NoCapacity,
    RunnerkitError,
)
from runnerkit.events import LaunchFailed, LaunchSkipped
from runnerkit.handing import Burst, BurstOutcome, Giver, Held
from runnerkit.model import LaunchNote
from runnerkit.pacing import PACED, pace_of_registrations
from runnerkit.ports import Batch, BatchOrder, Launched

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from runnerkit.actions import Launch
    from runnerkit.handing import Papers
    from runnerkit.launching import Launcher, Started
    from runnerkit.model import Job
    from runnerkit.pacing import Pace
    from runnerkit.readying import Outside, Readier, Ready

T = TypeVar("T")
R = TypeVar("R")
# All of a burst must have their machines before the first of them is taken for one that lost its own (settle).
MOST_AT_ONCE = 100
# Better to leave them to a later pass than to order machines one by one.
LEAST_AT_ONCE = 30


class Burster:
    """Starts machines by the burst. A launch that fails leaves no registration behind.

    Args:
        outside: The ports.
        readier: Chooses and registers; a launcher's, so that both know the same.
        papers: Renders what machines are told.
        workers: How many calls at once; 1 keeps everything in the calling thread.
        pace: Of registrations; everybody in the process who registers should share it.
    """

    def __init__(
        self, outside: Outside, readier: Readier, papers: Papers, workers: int = 8, pace: Pace | None = None
    ) -> None:
        self._outside = outside
        self._readier = readier
        self._papers = papers
        self._giver = Giver(outside, readier, papers.own)
        self._workers = workers
        self.pace = pace or pace_of_registrations(outside.clock)

    def takes(self, launch: Launch) -> bool:
        """Whether the launch can be served by a burst: its machine may read its own parameter."""
        return self._papers.carrier(launch.spec.profile) is not None

    def start(self, launches: Sequence[Launch]) -> tuple[BurstOutcome, ...]:
        """Start machines; those for the same label set and wish together. No launch's failure keeps another back.

        Nobody waits for the pace: what it does not allow now has the note ``PACED``, and is for a later pass.
        """
        groups = self._each(lambda group: list(self._group(group)), self._groups(launches))
        found = {str(outcome.launch.name): outcome for group in groups for outcome in group}
        return tuple(found[str(launch.name)] for launch in launches)

    def one(self, launch: Launch) -> Started:
        """Start a machine by itself, whatever the pace.

        Raises:
            As :meth:`runnerkit.launching.Launcher.start`.
        """
        try:
            ready = self._readier.ready(launch)
            held = [Held(launch, self._readier.register(launch))]
        except RunnerkitError as error:
            self._readier.failed(launch, error)
            raise
        (outcome,) = self._machines(ready, held)
        if outcome.started is None:
            assert outcome.error is not None  # noqa: S101 - it has its machine, or a failure
            raise outcome.error
        return outcome.started

    def _groups(self, launches: Iterable[Launch]) -> Iterable[list[Launch]]:
        groups: dict[tuple[str, str], list[Launch]] = defaultdict(list)
        for launch in launches:
            groups[self._readier.digest(launch), launch.spec.model_dump_json()].append(launch)
        return groups.values()

    def _group(self, launches: Sequence[Launch]) -> Iterator[BurstOutcome]:
        """As many bursts as the pace makes of it; when one gets nothing at all, the rest is not tried now."""
        todo, error = list(launches), None
        while todo and error is None and (size := self.pace.take(min(len(todo), MOST_AT_ONCE), LEAST_AT_ONCE)):
            batch, todo = todo[:size], todo[size:]
            outcomes = list(self._start(batch, []))
            yield from outcomes
            error = outcomes[-1].error if all(outcome.error for outcome in outcomes) else None
        yield from (BurstOutcome(launch, error=error, note="" if error else PACED) for launch in todo)

    def _start(self, launches: Sequence[Launch], held: list[Held]) -> Iterator[BurstOutcome]:
        wanted = yield from self._still_wanted(launches)
        if not wanted:
            return
        try:
            ready = self._readier.ready(wanted[0])
        except RunnerkitError as error:
            yield from self._failed(wanted, error)
            return
        try:
            yield from self._register(wanted, held)
        except BaseException:
            self._take_back(held)
            raise
        yield from self._machines(ready, held)

    def _machines(self, ready: Ready, held: Sequence[Held]) -> Iterator[BurstOutcome]:
        """Order a machine for each registration, and hand it over."""
        if not held:
            return
        try:
            burst, batch = self._launch(ready, held)
        except RunnerkitError as error:
            yield from self._without(held, error)
            return
        except BaseException:
            self._take_back(held)
            raise
        self._giver.end(batch.launched[len(held) :], "nobody is left for it")
        yield from self._without(held[len(batch.launched) :], batch.error)
        pairs = list(zip(held, batch.launched, strict=False))
        yield from self._each(lambda pair: self._giver.give(burst, *pair), pairs)

    # --- before -------------------------------------------------------------------------------------------------------

    def _still_wanted(self, launches: Sequence[Launch]) -> Generator[BurstOutcome, None, list[Launch]]:
        """A last look at the jobs: one read for each run."""
        runs: dict[tuple[str, int], list[Launch]] = defaultdict(list)
        wanted = []
        for launch in launches:
            if launch.job_id is None or launch.run_id is None:
                wanted.append(launch)
            else:
                runs[launch.repo, launch.run_id].append(launch)
        looks = self._each(lambda run: self._queued(*run), runs)
        for some, jobs in zip(runs.values(), looks, strict=True):
            if isinstance(jobs, RunnerkitError):
                yield from (BurstOutcome(launch, error=jobs) for launch in some)
                continue
            wanted += [launch for launch in some if launch.job_id in jobs]
            for launch in some:
                if launch.job_id not in jobs:
                    yield self._skipped(launch, "the job is not queued any more")
        return wanted

    def _queued(self, repo: str, run_id: int) -> set[int] | RunnerkitError:
        try:
            jobs: Sequence[Job] = self._outside.forge.jobs(repo, run_id)
        except RunnerkitError as error:
            return error
        return {job.id for job in jobs if job.status == "queued"}

    def _register(self, launches: Sequence[Launch], held: list[Held]) -> Iterator[BurstOutcome]:
        """Register a runner for each; those that were are added to ``held`` at once, whatever happens next."""

        def register(launch: Launch) -> RunnerkitError | None:
            try:
                held.append(Held(launch, self._readier.register(launch)))
            except RunnerkitError as error:
                return error
            return None

        failed: list[tuple[Launch, RunnerkitError]] = []
        for launch, error in zip(launches, self._each(register, launches), strict=True):
            if isinstance(error, NameTaken):
                yield self._skipped(launch, "another controller is launching it")
            elif error is not None:
                failed.append((launch, error))
                yield BurstOutcome(launch, error=error)
        if failed:
            self._readier.failed(*failed[0])
        held.sort(key=lambda each: launches.index(each.launch))

    # --- the burst itself ---------------------------------------------------------------------------------------------

    def _launch(self, ready: Ready, held: Sequence[Held]) -> tuple[Burst, Batch]:
        burst = self._order(ready, held)
        notes = [LaunchNote(str(each.launch.name), each.launch.repo, burst.at) for each in held]
        try:
            batch = self._outside.cloud.launch_batch(burst.order, ready.tries, len(held))
        except NoCapacity as error:
            batch = Batch((), error.refusals, error)
        except RunnerkitError as error:
            batch = Batch((), (), error)
        if isinstance(batch.error, CloudUnavailable):
            batch = replace(batch, launched=(*batch.launched, *self._unheard_of(burst.order.name, batch.launched)))
        else:
            notes = notes[: len(batch.launched)]
        for note in notes:
            self._outside.journal.launched(note)
        self._readier.remember(str(held[0].launch.name), batch.refusals)
        return burst, batch

    def _order(self, ready: Ready, held: Sequence[Held]) -> Burst:
        first, now = held[0].launch, self._outside.clock.now()
        machine = self._readier.machine(first, ready)
        name = tags.batch_of((str(each.launch.name) for each in held), now)
        profile = self._papers.carrier(first.spec.profile)
        assert profile is not None  # noqa: S101 - takes() says so
        order = BatchOrder(
            name=name,
            user_data=self._papers.shared(machine),
            tags=self._readier.tags(first, machine, batch=name),
            images=ready.images,
            profile=profile,
            profile_for_job=first.spec.profile is not None,
            disk=first.spec.disk,
        )
        return Burst(ready, order, now, tags.hand_over_by(name, now) or now)

    def _unheard_of(self, name: str, known: Sequence[Launched]) -> list[Launched]:
        """The machines of a call whose answer was lost, as far as they are to be seen."""
        ids = {launched.instance_id for launched in known}
        with suppress(CloudError):
            return [
                Launched(i.id, i.type, i.region, i.zone, i.market, i.price)
                for i in self._outside.cloud.instances()
                if i.live and i.unnamed and i.batch == name and i.id not in ids
            ]
        return []

    # --- after --------------------------------------------------------------------------------------------------------

    def _without(self, held: Sequence[Held], error: RunnerkitError | None) -> Iterator[BurstOutcome]:
        """Take back the registrations for which there was no machine."""
        self._take_back(held)
        if held:
            fault = error or NoCapacity("AWS gave fewer machines than were asked for", refusals=())
            yield from self._failed([each.launch for each in held], fault)

    def _take_back(self, held: Sequence[Held]) -> None:
        self._each(lambda each: self._readier.take_back(each.launch, each.registration.runner.id), held)

    def _failed(self, launches: Sequence[Launch], error: RunnerkitError) -> Iterator[BurstOutcome]:
        """One failure for the breaker, whatever the size of the burst: it was one try."""
        self._readier.failed(launches[0], error)
        for launch in launches:
            self._outside.events.emit(LaunchFailed(str(launch.name), error))
            yield BurstOutcome(launch, error=error)

    def _skipped(self, launch: Launch, why: str) -> BurstOutcome:
        self._outside.events.emit(LaunchSkipped(str(launch.name), why))
        return BurstOutcome(launch, note=why)

    def _each(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """The results in the order of the items."""
        todo = list(items)
        if self._workers == 1 or len(todo) < 2:  # noqa: PLR2004 - one needs no threads
            return [function(item) for item in todo]
        with ThreadPoolExecutor(max_workers=self._workers) as pool:
            return list(pool.map(function, todo))


class Starter:
    """Starts machines one by one, each with its secret carried as the configuration says.

    Args:
        launcher: Starts those that are told all by their user data.
        burster: Starts those that read a parameter; None: there are none.
    """

    def __init__(self, launcher: Launcher, burster: Burster | None) -> None:
        self._launcher = launcher
        self._burster = burster

    def start(self, launch: Launch) -> Started:
        """Start one machine.

        Raises:
            As :meth:`runnerkit.launching.Launcher.start`.
        """
        if self._burster is not None and self._burster.takes(launch):
            return self._burster.one(launch)
        return self._launcher.start(launch)
