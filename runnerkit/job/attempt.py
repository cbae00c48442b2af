"""The pipeline while it runs: one loop hears DVC, heeds signals and the spot notice, and sends what is finished."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runnerkit.job.listening import Lines, Signals
from runnerkit.job.notice import ANNOTATION, Notice
from runnerkit.job.processes import ON_CANCEL, ON_NOTICE, Group, Stopping
from runnerkit.job.progress import Progress, Stage, State, heard
from runnerkit.job.result import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from runnerkit.job.pushing import Pusher
    from runnerkit.job.recorder import Recorder

TICK = 0.2
GRACE = 4.0  # seconds for a push when a signal came
PAUSE = 30.0  # seconds after a push that failed


@dataclass(slots=True)
class Attempt:
    """One `dvc repro` and the pushes beside it.

    ``pusher`` is None when nothing shall be pushed; ``settled`` is called whenever the state of a stage is known anew.
    """

    argv: Sequence[str]
    here: Path
    environ: Mapping[str, str]
    progress: Progress
    recorder: Recorder
    pusher: Pusher | None
    signals: Signals
    say: Callable[[str], None]
    settled: Callable[[], None]
    push_after: float
    notice: Notice | None = None
    cancelled: bool = False
    push_failed: bool = False
    _stopping: Stopping | None = None
    _unpushed: list[Stage] = field(default_factory=list)
    _sending: list[Stage] = field(default_factory=list)
    _not_before: float = 0.0
    _pulled: bool = False

    @property
    def stopped(self) -> bool:
        """Whether we ended the pipeline."""
        return self._stopping is not None

    def go(self) -> int:
        """Run to the end; returns DVC's exit code."""
        with (
            Group(self.argv, cwd=self.here, environ=self.environ) as group,
            Lines(group.output, self.signals.reader) as lines,
        ):
            code = self._listen(group, lines)
        failed = code != 0
        before = {stage.name for stage in self.progress.stages() if stage.state is State.RUN}
        self.progress.over(time.time(), self.recorder.commands(), failed=failed, stopped=failed and self.stopped)
        for stage in self.progress.stages():
            if stage.state is State.RUN and stage.name not in before:
                self._finished(stage)
        self.settled()
        return code

    def _listen(self, group: Group, lines: Lines) -> int:
        while True:
            told = lines.read(TICK)
            for line in told or ():
                self._hear(line)
            self._attend(group)
            code = group.poll() if told is not None else group.wait(TICK)
            if code is not None:
                while rest := lines.read(0):
                    for line in rest:
                        self._hear(line)
                return code

    def _hear(self, line: str) -> None:
        news = heard(line)
        own = news is not None and bool(self.recorder.running())
        ended = self.progress.line(line, time.time(), own=own)
        if ended is not None:
            self._finished(ended)
        self.say(line)
        if news is None or own:
            return
        if news[1] is State.RUNNING and not self._pulled and self.pusher is not None:
            self.pusher.pulled()
        self._pulled = self._pulled or news[1] is State.RUNNING
        self.settled()

    def _finished(self, stage: Stage) -> None:
        if not self.recorder_knows(stage):
            return
        self.say(f"runnerkit: stage {stage.name!r} done in {duration(stage.seconds)}")
        self._unpushed.append(stage)

    def recorder_knows(self, stage: Stage) -> bool:
        """Whether a command of the stage was really run."""
        return any(command.stage == stage.name for command in self.recorder.commands())

    def _attend(self, group: Group) -> None:
        now = time.time()
        self._heed_signals(now)
        self._heed_notice(now)
        if self._stopping is not None:
            number = self._stopping.due(now)
            if number is not None:
                group.send(number)
        if self.pusher is not None:
            self._take_push(self.pusher.over())
            self._send(now)

    def _heed_signals(self, now: float) -> None:
        if not self.signals.fresh():
            return
        if self._stopping is None:
            self.cancelled = True
            self.say("runnerkit: told to stop; interrupting the pipeline")
            self._stopping = Stopping(ON_CANCEL, now)
        else:
            self._stopping.hasten(now)

    def _heed_notice(self, now: float) -> None:
        if self.notice is None:
            self.notice = Notice.read(self.environ, now)
            if self.notice is not None:
                at = time.strftime("%H:%M:%S UTC", time.gmtime(self.notice.at))
                self.say(
                    f"::warning::{ANNOTATION} - AWS takes this machine at {at}; finished stages are pushed, "
                    "run the job again to go on from there"
                )
        elif self._stopping is None and now >= self.notice.stop_at(self.pusher.seconds if self.pusher else 0.0):
            self.say("runnerkit: interrupting the pipeline, the machine is about to go")
            self._stopping = Stopping(ON_NOTICE, now)

    # --- pushes

    def _send(self, now: float) -> None:
        if self.pusher is None or not self._unpushed or self.pusher.busy() or self.cancelled:
            return
        at_risk = now - (self._unpushed[0].started or now)
        wanted = self.notice is not None or at_risk >= self.push_after
        if wanted and now >= self._not_before and self.pusher.start():
            self._sending, self._unpushed = self._unpushed, []
            self.say(f"runnerkit: pushing {_names(self._sending)}")

    def _take_push(self, well: bool | None) -> None:  # noqa: FBT001 - an answer with three values, passed on
        if well is None or self.pusher is None:
            return
        if well:
            self.say(f"runnerkit: pushed {_names(self._sending)} in {duration(self.pusher.seconds)}")
        else:
            self.say(f"::warning::runnerkit: a push failed and is tried again later: {_short(self.pusher.said())}")
            self._unpushed = [*self._sending, *self._unpushed]
            self._not_before = time.time() + PAUSE
        self.push_failed, self._sending = not well, []

    def push_rest(self) -> bool:
        """Push what is not on the remote yet; whether all of it is there now."""
        if self.pusher is None:
            return False
        until = self.notice.push_until() if self.notice else float("inf")
        self._await_push(until)
        executed = bool(self._unpushed)
        if not executed and not (self.pusher.seeded and not self.pusher.pushes and not self.stopped):
            return True
        if not self.pusher.start():
            return False
        self._sending, self._unpushed = self._unpushed, []
        self._await_push(until)
        return not self.push_failed and not self._unpushed

    def _await_push(self, until: float) -> None:
        if self.pusher is None:
            return
        pusher = self.pusher
        while pusher.busy():
            self._take_push(pusher.over(TICK))
            if self.signals.fresh():
                self.cancelled = True
                until = min(until, time.time() + GRACE)
            if pusher.busy() and time.time() >= until:
                pusher.abandon()
                self.push_failed, self._unpushed = True, [*self._sending, *self._unpushed]


def _names(stages: Sequence[Stage]) -> str:
    return ", ".join(stage.name for stage in stages) or "the cache"


def _short(text: str) -> str:
    errors = [line for line in text.splitlines() if line.startswith("ERROR")] or text.splitlines()
    return errors[-1].removeprefix("ERROR: ") if errors else "it said nothing"
