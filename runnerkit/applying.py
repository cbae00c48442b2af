"""How decisions are carried out: each action on its own, with a last look where a decision rests on an absence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.actions import Deregister, Launch, Mark, Rerun, Retire, Terminate
from runnerkit.errors import ForgeRejected, NameTaken, RunnerBusy, RunnerkitError
from runnerkit.events import (
    ActionFailed,
    InstanceTerminated,
    LaunchSkipped,
    RepeatRefused,
    RunnerDeregistered,
    RunRepeated,
    SpotPaused,
    TerminationSpared,
)
from runnerkit.model import Failure
from runnerkit.names import TAG_PREFIX
from runnerkit.pacing import PACED, Pace, pace_of_registrations
from runnerkit.plan import GONE_SINCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.actions import Action
    from runnerkit.bursting import Burster, Starter
    from runnerkit.launching import Launcher, Outside


REFUSED = "GitHub refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an action: done, or failed with an error, or left undone at the last look for the reason noted."""

    action: Action
    error: RunnerkitError | None = None
    note: str = ""

    @property
    def done(self) -> bool:
        """Whether it was carried out."""
        return self.error is None and not self.note


class Applier:
    """Carries out the actions of a plan. A failed action is an event, and the next pass is the retry.

    Args:
        outside: The ports.
        launcher: Starts machines one by one.
        workers: How many actions at once; 1 keeps everything in the calling thread.
        burster: Starts equal machines together; None: each by itself.
    """

    def __init__(
        self, outside: Outside, launcher: Launcher | Starter, workers: int = 8, burster: Burster | None = None
    ) -> None:
        self._outside = outside
        self._launcher = launcher
        self._workers = workers
        self._burster = burster
        self.pace: Pace = burster.pace if burster is not None else pace_of_registrations(outside.clock)

    def apply(self, actions: Sequence[Action]) -> tuple[Outcome, ...]:
        """Carry out the actions, what ends before what starts and repeats, and tell what became of each."""
        ends = [action for action in actions if not isinstance(action, Launch | Rerun)]
        starts = [action for action in actions if isinstance(action, Launch | Rerun)]
        together = [action for action in starts if isinstance(action, Launch) and self._together(action)]
        alone = [action for action in starts if action not in together]
        return (*self._all(ends), *self._burst(together), *self._all(alone))

    def _together(self, launch: Launch) -> bool:
        return self._burster is not None and self._burster.takes(launch)

    def _burst(self, launches: Sequence[Launch]) -> Sequence[Outcome]:
        """Start machines by the burst; what each of them needs to be told is as if it were started alone."""
        if self._burster is None or not launches:
            return ()
        found = self._burster.start(launches)
        for outcome in found:
            if outcome.note != PACED:
                self._tell_pause(outcome.launch)
            if outcome.error is not None:
                self._outside.events.emit(ActionFailed("launch", str(outcome.launch.name), outcome.error))
        return [Outcome(each.launch, each.error, each.note) for each in found]

    def _all(self, actions: Sequence[Action]) -> Sequence[Outcome]:
        if self._workers == 1 or len(actions) < 2:  # noqa: PLR2004 - one action needs no threads
            return [self._one(action) for action in actions]
        with ThreadPoolExecutor(max_workers=self._workers) as pool:
            return list(pool.map(self._one, actions))

    def _one(self, action: Action) -> Outcome:
        try:
            note = self._do(action)
        except RunnerkitError as error:
            self._outside.events.emit(ActionFailed(type(action).__name__.lower(), str(action.name), error))
            return Outcome(action, error)
        return Outcome(action, note=note)

    def _do(self, action: Action) -> str:
        """Carry it out; the answer is why it was left undone after all, or empty."""
        match action:
            case Launch():
                return self._start(action)
            case Mark():
                since = str(int(action.since.timestamp())) if action.since else None
                self._outside.cloud.tag(action.region, action.instance_id, {TAG_PREFIX + action.key: since})
                return ""
            case Deregister():
                return self._deregister(action)
            case Retire():
                return self._retire(action)
            case Terminate():
                return self._terminate(action)
            case Rerun():
                return self._rerun(action)

    def _start(self, action: Launch) -> str:
        if not self.pace.take():
            return PACED
        job = self._outside.forge.job(action.repo, action.job_id) if action.job_id is not None else None
        if action.job_id is not None and (job is None or job.status != "queued"):
            return self._skipped(action, "the job is not queued any more")
        try:
            self._launch(action)
        except NameTaken:
            return self._skipped(action, "another controller is launching it")
        return ""

    def _launch(self, action: Launch) -> None:
        self._tell_pause(action)
        self._launcher.start(action)

    def _tell_pause(self, launch: Launch) -> None:
        if launch.spot_paused is not None:
            pause = launch.spot_paused
            self._outside.events.emit(SpotPaused(str(launch.name), pause.times, pause.until.isoformat()))

    def _skipped(self, action: Launch, why: str) -> str:
        self._outside.events.emit(LaunchSkipped(str(action.name), why))
        return why

    def _deregister(self, action: Deregister) -> str:
        if action.confirm:
            live = [i for i in self._outside.cloud.find(action.name) if i.live and i.runner_id == action.runner_id]
            if live:
                return self._spared(action.name, live[0].id, "its instance is there after all")
        if self._outside.forge.deregister(action.repo, action.runner_id):
            self._outside.events.emit(RunnerDeregistered(action.name, action.reason))
            self._note(action)
        return ""

    def _retire(self, action: Retire) -> str:
        """GitHub's yes is what allows the termination; a 404 is an absence, which has its own, slower rule."""
        try:
            accepted = self._outside.forge.deregister(action.repo, action.runner_id)
        except RunnerBusy:
            return self._spared(action.name, action.instance_id, "GitHub says it is busy")
        if not accepted:
            return self._spared(action.name, action.instance_id, "GitHub knows no such runner")
        self._outside.events.emit(RunnerDeregistered(action.name, action.reason))
        self._note(action)
        self._end(action.name, action.region, action.instance_id, action.reason)
        return ""

    def _spared(self, name: str, instance_id: str, why: str) -> str:
        self._outside.events.emit(TerminationSpared(name, instance_id, why))
        return why

    def _note(self, action: Deregister | Retire) -> None:
        """Remember a machine that never came online; the breaker counts them."""
        if action.failed:
            failure = Failure(self._outside.clock.now(), action.digest, "never-online", action.name)
            self._outside.journal.failed(failure)

    def _terminate(self, action: Terminate) -> str:
        if action.unnamed:
            return self._end_unnamed(action)
        if action.confirm and self._still_known(action):
            self._outside.cloud.tag(action.region, action.instance_id, {TAG_PREFIX + GONE_SINCE: None})
            return self._spared(action.name, action.instance_id, "GitHub knows its runner")
        self._end(action.name, action.region, action.instance_id, action.reason)
        return ""

    def _rerun(self, action: Rerun) -> str:
        forge = self._outside.forge
        run = forge.run(action.repo, action.run_id)
        if run is None or run.attempt != action.run_attempt or run.status != "completed":
            return "somebody has repeated it already"
        for launch in action.launches:
            self._ahead(launch)
        try:
            if action.job_id is None:
                forge.rerun_failed(action.repo, action.run_id)
            else:
                forge.rerun_job(action.repo, action.job_id)
        except ForgeRejected as error:
            # Somebody else was faster, or GitHub lets nobody repeat this run any more.
            self._outside.events.emit(RepeatRefused(action.repo, action.run_id, action.run_attempt, error.message))
            return f"{REFUSED}: {error.message}"
        again = RunRepeated(action.name, action.repo, action.run_id, action.run_attempt + 1)
        self._outside.events.emit(again)
        return ""

    def _ahead(self, launch: Launch) -> None:
        """Start a machine for a job that is about to be queued; one that cannot be had now, the queued job asks for."""
        if not self.pace.take():
            self._outside.events.emit(LaunchSkipped(str(launch.name), PACED))
            return
        try:
            self._launch(launch)
        except NameTaken:
            self._outside.events.emit(LaunchSkipped(str(launch.name), "it was launched before"))
        except RunnerkitError as error:
            self._outside.events.emit(ActionFailed("launch", str(launch.name), error))

    def _end_unnamed(self, action: Terminate) -> str:
        """A machine of a burst that has no name is ended unless it got one since it was listed."""
        there = [each for each in self._outside.cloud.instances() if each.id == action.instance_id]
        if there and not there[0].unnamed:
            return self._spared(there[0].name, action.instance_id, "it has its name after all")
        self._end(action.name, action.region, action.instance_id, action.reason)
        return ""

    def _still_known(self, action: Terminate) -> bool:
        forge = self._outside.forge
        if action.runner_id is not None:
            return forge.runner(action.repo, action.runner_id) is not None
        return forge.runner_named(action.repo, action.name) is not None

    def _end(self, name: str, region: str, instance_id: str, reason: str) -> None:
        self._outside.cloud.terminate(region, [instance_id])
        self._outside.events.emit(InstanceTerminated(name, instance_id, reason))
