"""`runnerkit dvc run`: the pipeline, restored where it can be, run where it must, pushed as it goes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError, JobCancelled, RunnerkitError, SpotInterrupted
from runnerkit.job import checks, forcing, freezing, judging, looking
from runnerkit.job.attempt import Attempt
from runnerkit.job.checkpoints.declared import declared
from runnerkit.job.checkpoints.keeper import Keeper
from runnerkit.job.edits import edited, heal
from runnerkit.job.listening import signals
from runnerkit.job.notice import machine_facts
from runnerkit.job.pipeline import Project
from runnerkit.job.progress import Progress, Stage, State
from runnerkit.job.pushing import Pusher
from runnerkit.job.recorder import Recorder
from runnerkit.job.result import FILE, Result, StageResult, folder_for_results, redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from runnerkit.job.listening import Signals
    from runnerkit.job.stores import Store

    # Hears `start`, and at the end `success`, `failure` (cancelled too) or `interruption`; each with the result so far.
    Listener = Callable[[str, Result], None]

OUTCOMES = {SpotInterrupted.exit_code: "interrupted", JobCancelled.exit_code: "cancelled"}
MOMENTS = {"success": "success", "interrupted": "interruption"}
# Stages write as they go, so that the log lives; and nothing is sent to DVC's makers from a job.
MASK = "::add-mask::"
ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "DVC_NO_ANALYTICS": "1"}


@dataclass(frozen=True, slots=True)
class Options:
    """What a run shall do.

    ``push_after`` is how much finished work, in seconds, may be on this machine alone; a spot notice pushes at once.
    ``wait_for_lock`` is how many seconds another dvc command in this project may keep the run from starting.
    ``unfreeze``, ``force`` and ``params`` hold for this run alone: stages that are not frozen, stages that run in any
    case, and params as ``[FILE:]NAME=VALUE``. ``keep_every`` is how many seconds lie between two looks at a
    running stage's checkpoints.
    """

    targets: tuple[str, ...] = ()
    push: bool = True
    push_after: float = 10.0
    wait_for_lock: float = 600.0
    unfreeze: tuple[str, ...] = ()
    force: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    keep_every: float = 60.0


class Pipeline:
    """The pipeline of a folder, checked and ready to run.

    Args:
        options: What shall be done.
        say: Takes every line, DVC's and ours.
        start: The folder; the current one by default.
        environ: The environment of DVC and its stages.
        stores: Opens the store beside a DVC remote, from its address and options; needed where stages keep checkpoints.
        listeners: Are told when a run starts and how it ended, also when it died; one that fails is only a warning.

    Raises:
        ConfigError: It cannot run here; the message says what is missing.
    """

    def __init__(
        self,
        options: Options,
        *,
        say: Callable[[str], None],
        start: Path | None = None,
        environ: Mapping[str, str] = os.environ,
        stores: Callable[[str, Mapping[str, str]], Store] | None = None,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._options = options
        self.listeners = list(listeners)
        # What is left for others when all is done and pushed; what it raises is how the run ends.
        self.leave: Callable[[Result], None] = lambda _: None
        self._say = say
        self._environ = {**ENVIRONMENT, **environ}
        self._dvc = checks.find_dvc(self._environ)
        self.project = Project.find(start or Path.cwd())
        version = checks.dvc_version(self._dvc)
        checks.check_version(version)
        heal(self.project.root, say)
        self._progress = Progress(self.project.declared(options.targets))
        self._changes = freezing.changes(self.project, options.unfreeze, options.params)
        forcing.check(self.project, options.force, options.unfreeze)
        sha = checks.check_git(self.project)
        if options.push:
            checks.check_remote(self.project, self._environ)
        self._kept = declared(self.project) if options.push else {}
        self._store = self._opened(stores) if self._kept else None
        self._masks: list[str] = []
        self.result = Result(
            started=time.time(),
            targets=list(options.targets),
            sha=sha,
            dvc=version,
            overrides=list(options.params),
            unfrozen=list(options.unfreeze),
            forced=list(options.force),
        )

    def _opened(self, stores: Callable[[str, Mapping[str, str]], Store] | None) -> Store:
        if stores is None:
            raise ConfigError(f"nobody said how to reach the store for the checkpoints of {', '.join(self._kept)}")
        settings = self.project.settings(self._environ)
        return stores(settings.remote_url, settings.remote_options).below("checkpoints")

    def preview(self) -> Result:
        """Say which stages would run, without running or restoring anything.

        What comes after a stage that would run cannot always be told: then those are not reached.

        Raises:
            PipelineFailed: DVC cannot tell anything.
        """
        argv = [self._dvc, "repro", "--dry", "--allow-missing", *self._options.targets]
        with edited(self.project.root, self._changes, self._say):
            code = looking.dry(argv, self.project.here, self._progress, self._environ, self._say)
        self._settle()
        if code and not self.result.count(State.RUN):
            raise self._failure()
        for stage in self.result.stages:
            stage.state = State.NOT_REACHED if stage.state == State.FAILED else stage.state
            if {stage.name, stage.name.partition("@")[0]} & set(self._options.force):
                stage.state = State.RUN
        self.result.outcome, self.result.finished = "preview", time.time()
        return self.result

    def answer(self) -> looking.Answer:
        """Whether anything would run.

        Raises:
            PipelineFailed: DVC cannot tell anything.
        """
        stages = [(stage.name, stage.state) for stage in self.preview().stages]
        return looking.answer(stages, looking.uncached(self.project))

    def run(self) -> Result:
        """Run to the end; the result is also in ``.runnerkit/run.json``, whatever happens.

        Raises:
            PipelineFailed: A stage or DVC failed.
            OutputsMissing: DVC reported success, but declared outputs do not exist.
            NotPushed: The pipeline is done, but its results are not on the remote.
            SpotInterrupted: AWS takes the machine.
            JobCancelled: SIGINT or SIGTERM came.
        """
        folder = folder_for_results(self.project.work)
        self.result.machine = machine_facts(self._environ)
        self.result.write(folder)
        with signals() as heard:
            return self._told(heard, folder)

    def _told(self, heard: Signals, folder: Path) -> Result:
        """Run, and keep and tell what came of it."""
        self._tell("start")
        try:
            with edited(self.project.root, self._changes, self._say):
                self._go(heard, folder)
            self.leave(self.result)
        except RunnerkitError as error:
            self.result.outcome = OUTCOMES.get(error.exit_code, "failed")
            self.result.exit_code, self.result.hint = error.exit_code, error.hint
            self.result.error = redacted(error.message, self._hidden())
            raise
        except Exception as error:
            self.result.outcome = "failed"
            self.result.error = redacted(f"{type(error).__name__}: {error}", self._hidden())
            raise
        else:
            self.result.outcome, self.result.exit_code = "success", 0
            return self.result
        finally:
            self.result.finished = time.time()
            self._write(folder)
            self._tell(MOMENTS.get(self.result.outcome, "failure"))

    def _tell(self, moment: str) -> None:
        for listener in self.listeners:
            try:
                listener(moment, self.result)
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost the run
                self._say(f"::warning::runnerkit: {moment} could not be told: {error}")

    def _write(self, folder: Path) -> None:
        """Write the result; a full disk must end neither a training nor the telling of what really happened."""
        try:
            self.result.write(folder)
        except OSError as error:
            self._say(f"::warning::runnerkit: {folder / FILE} could not be written: {error.strerror or error}")

    def _go(self, heard: Signals, folder: Path) -> None:
        before = checks.changed_files(self.project)
        for sentence in looking.cannot_resume(looking.uncached(self.project), self._kept):
            self._say(f"::notice::runnerkit: {sentence}")
        attempt = self._attempt(heard, folder)
        try:
            code = attempt.go()
            if not attempt.cancelled and not attempt.locked_out:
                self._look(code, before)
                self.result.pushed = attempt.push_rest()
                if attempt.pusher is not None and self.result.pushed and code == 0:
                    attempt.pusher.remember()
            attempt.keep_rest()
            judging.judge(attempt, self.result, code, self._failure)
        finally:
            self.result.continued = attempt.keeper.continued if attempt.keeper else []
            self.result.interrupted = attempt.notice is not None
            self._leave(attempt)

    def _attempt(self, heard: Signals, folder: Path) -> Attempt:
        recorder = Recorder(folder, self._environ)
        environ = {**self._environ, "SHELL": str(recorder.shell)}
        return Attempt(
            commands=self._commands(recorder),
            here=self.project.here,
            environ=environ,
            progress=self._progress,
            recorder=recorder,
            pusher=Pusher(self.project, self._dvc, self._environ) if self._options.push else None,
            signals=heard,
            say=self._heard,
            settled=lambda: self._settle(folder),
            push_after=self._options.push_after,
            lock=self.project.root / ".dvc/tmp/lock",
            keeper=self._keeper(folder),
            wait_for_lock=self._options.wait_for_lock,
        )

    def _commands(self, recorder: Recorder) -> Iterator[Sequence[str]]:
        # Waiting for the lock: another dvc command at the moment when a stage ends must not cost the stage.
        repro = [self._dvc, "--wait-for-lock", "repro"]
        yield from forcing.commands(repro, self._options.force, self._progress, recorder)
        yield [*repro, "--pull", *self._options.targets]

    def _keeper(self, folder: Path) -> Keeper | None:
        if self._store is None:
            return None
        return Keeper(self.project, self._kept, self._store, folder, self._heard, self._options.keep_every)

    def _heard(self, line: str) -> None:
        """Pass a line on; what it asks GitHub to mask in the log must not be in the result either."""
        if line.startswith(MASK) and len(line) > len(MASK):
            self._masks.append(line.removeprefix(MASK))
        self._say(line)

    def _hidden(self) -> Mapping[str, str]:
        """The environment, and what stages declared to be secret."""
        return {**self._environ, **{f"SECRET {number}": text for number, text in enumerate(self._masks)}}

    def _settle(self, folder: Path | None = None) -> None:
        hidden = self._hidden()
        self.result.stages = [StageResult.of(stage, hidden) for stage in self._progress.stages()]
        if folder is not None:
            self._write(folder)

    def _look(self, code: int, before: set[str]) -> None:
        judging.look(self.project, self.result, self._progress.addresses(), before, well=code == 0)
        if self.result.changed:
            self._say(f"::warning::runnerkit: changed but declared by no stage: {', '.join(self.result.changed)}")

    def _failure(self) -> RunnerkitError:
        failed = next((stage for stage in self._progress.stages() if stage.state is State.FAILED), Stage(""))
        output = "\n".join([*self._progress.before, *failed.tail])
        self.result.log_tail = "" if failed.name else redacted(output, self._hidden())
        return checks.pipeline_failed(failed.name, failed.exit_code, output)

    def _leave(self, attempt: Attempt) -> None:
        if attempt.keeper is not None:
            attempt.keeper.give_up()
        if attempt.pusher is not None:
            self.result.pushes = attempt.pusher.pushes
            attempt.pusher.abandon()
            attempt.pusher.clear()
