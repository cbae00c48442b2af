"""The pipeline while it runs: one loop hears DVC, heeds signals and the spot notice, and sends what is finished."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runnerkit.job.checks import last_error, lock_holder
from runnerkit.job.listening import Lines, Signals
from runnerkit.job.notice import ANNOTATION, Notice
from runnerkit.job.processes import ON_CANCEL, ON_NOTICE, Group, Stopping
from runnerkit.job.progress import Progress, Stage, State, heard
from runnerkit.job.result import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from runnerkit.job.checkpoints.keeper import Keeper
    from runnerkit.job.pushing import Pusher
    from runnerkit.job.recorder import Recorder

TICK = 0.2
NOT_STARTED = 130  # of a command that was not even begun
GRACE = 4.0  # seconds for a push when a signal came
SIGNALLED = 7.0  # seconds from the first signal, for checkpoints
PAUSE = 30.0  # seconds after a push that failed
LOCK_SAID = 5.0  # seconds of silence before we look whether DVC waits for somebody
PATIENCE = 3600.0  # seconds for checkpoints, when nobody is in a hurry
DRAIN = 1.0  # seconds for what is in the pipe when DVC has ended: something it left behind may print for ever


@dataclass(slots=True)
class Attempt:
    """One `dvc repro`, or several on end, and the pushes beside it.

    Each of ``commands`` begins when the one before has ended well. ``pusher`` is None when nothing shall be pushed,
    ``keeper`` when no stage keeps checkpoints; ``settled`` is called whenever the state of a stage is known anew.
    """

    commands: Iterable[Sequence[str]]
    here: Path
    environ: Mapping[str, str] = field(repr=False)
    progress: Progress
    recorder: Recorder
    pusher: Pusher | None
    signals: Signals
    say: Callable[[str], None]
    settled: Callable[[], None]
    push_after: float
    lock: Path
    keeper: Keeper | None = None
    notice: Notice | None = None
    cancelled: bool = False
    push_failed: bool = False
    wait_for_lock: float = 600.0
    locked_out: int = 0
    _waits_for: int = 0
    _stopping: Stopping | None = None
    _unpushed: list[Stage] = field(default_factory=list)
    _sending: list[Stage] = field(default_factory=list)
    _not_before: float = 0.0
    _own: bool = False
    _begun: float = field(default_factory=time.time)
    _heard_of: bool = False
    _told_at: float = 0.0

    @property
    def stopped(self) -> bool:
        """Whether we ended the pipeline because somebody or AWS said so."""
        return self._stopping is not None and not self.locked_out

    @property
    def taken(self) -> bool:
        """Whether AWS has ended it: also when it was the agent that told us so, by ending the job."""
        if self.notice is None:
            return False
        return time.time() >= self.notice.push_until() if self.cancelled else self.stopped

    def go(self) -> int:
        """Run to the end; returns DVC's exit code."""
        code = 0
        for number, argv in enumerate(self.commands):
            if self._stopping is not None:
                code = NOT_STARTED
                break
            if number:
                self._between()
            code = self._once(argv)
            if code != 0:
                break
        failed = code != 0
        before = {stage.name for stage in self.progress.stages() if stage.state is State.RUN}
        self.progress.over(time.time(), self.recorder.commands(), failed=failed, stopped=failed and self.stopped)
        for stage in self.progress.stages():
            if stage.state is State.RUN and stage.name not in before:
                self._finished(stage)
        if self.keeper is not None:
            commands = self.recorder.commands()
            self.keeper.last(commands[-1].code if commands else None, failed=failed and not self.stopped)
        self.settled()
        return code

    def _once(self, argv: Sequence[str]) -> int:
        self._begun, self._heard_of, self._own = time.time(), False, False
        with (
            Group(argv, cwd=self.here, environ=self.environ) as group,
            Lines(group.output, self.signals.reader) as lines,
        ):
            return self._listen(group, lines)

    def _between(self) -> None:
        ended = self.progress.pause(time.time())
        if ended is not None:
            self._finished(ended)

    def _listen(self, group: Group, lines: Lines) -> int:
        while True:
            told = lines.read(TICK)
            for line in told or ():
                self._hear(line)
            self._attend(group)
            code = group.poll() if told is not None else group.wait(TICK)
            if code is not None:
                self._linger(group, lines)
                return code

    def _linger(self, group: Group, lines: Lines) -> None:
        """Hear the rest; what we are ending keeps its time although DVC, which dies at once, is gone."""
        until = time.monotonic() + DRAIN
        while (rest := lines.read(0)) and time.monotonic() < until:
            for line in rest:
                self._hear(line)
        while self._stopping is not None and not self._stopping.over() and group.alive():
            number = self._stopping.due(time.time())
            if number is not None:
                group.send(number)
            time.sleep(TICK / 4)

    def _hear(self, line: str) -> None:
        text, mark = self.recorder.boundary(line)
        if text or not mark:
            self._take(text)
        if mark:
            self._own = mark == "start"

    def _take(self, line: str) -> None:
        news = None if self._own else heard(line)
        ended = self.progress.line(line, time.time(), own=self._own)
        if ended is not None:
            self._finished(ended)
        self.say(line)
        if news is not None:
            self._heard_of = True
            self.settled()

    def _finished(self, stage: Stage) -> None:
        if all(command.stage != stage.name for command in self.recorder.commands()):
            return  # DVC said so, but no command of it was run
        self.say(f"runnerkit: stage {stage.name!r} done in {duration(stage.seconds)}")
        self._unpushed.append(stage)
        if self.keeper is not None:
            self.keeper.ended(stage.name)

    def _attend(self, group: Group) -> None:
        now = time.time()
        self._heed_signals(now)
        self._heed_notice(now)
        self._heed_lock(group, now)
        if self._stopping is not None:
            number = self._stopping.due(now)
            if number is not None:
                group.send(number)
        if self.keeper is not None:
            self.keeper.attend(now)
        if self.pusher is not None:
            self._take_push(self.pusher.over())
            self._send(now)

    def _heed_signals(self, now: float) -> None:
        if not self.signals.fresh():
            return
        if self._stopping is None:
            self.cancelled, self._told_at = True, now
            self.say("runnerkit: told to stop; interrupting the pipeline")
            self._stopping = Stopping(ON_CANCEL, now)
        else:
            self._stopping.hasten(now)

    def _heed_notice(self, now: float) -> None:
        if self.notice is None:
            self._look_for_notice(now)
        elif self._stopping is None and now >= self.notice.stop_at(self._sending_takes()):
            self.say("runnerkit: interrupting the pipeline, the machine is about to go")
            self._stopping = Stopping(ON_NOTICE, now, self.notice.scale)

    def _sending_takes(self) -> float:
        return max(self.pusher.seconds if self.pusher else 0.0, self.keeper.seconds if self.keeper else 0.0)

    def _look_for_notice(self, now: float) -> None:
        self.notice = Notice.read(self.environ, now)
        if self.notice is not None:
            at = time.strftime("%H:%M:%S UTC", time.gmtime(self.notice.at))
            self.say(
                f"::warning::{ANNOTATION} - AWS takes this machine at {at}; finished stages are pushed, "
                "run the job again to go on from there"
            )
            if self.keeper is not None:
                self.keeper.hurry()

    def _heed_lock(self, group: Group, now: float) -> None:
        """DVC waits without a word, and for ever; so we say for whom, and give it up some time."""
        if self._heard_of or self._stopping is not None or now - self._begun < LOCK_SAID:
            return
        holder = lock_holder(self.lock, group.pid)
        if holder and not self._waits_for:
            self.say(f"runnerkit: another dvc command (process {holder}) works in this project; waiting for it to end")
        self._waits_for = holder
        if holder and now - self._begun >= self.wait_for_lock:
            self.locked_out, self._stopping = holder, Stopping(ON_CANCEL, now)

    # --- pushes

    def _send(self, now: float) -> None:
        if self.pusher is None or not self._unpushed or self.pusher.busy() or self.cancelled:
            return
        at_risk = now - (self._unpushed[0].started or now)
        wanted = self.notice is not None or at_risk >= self.push_after
        if wanted and now >= self._not_before and self._start(self.pusher):
            self.say(f"runnerkit: pushing {_names(self._sending)}")

    def _start(self, pusher: Pusher, *, last: bool = False) -> bool:
        if not pusher.start([stage.name for stage in self._unpushed], self.recorder.began(), last=last):
            return False
        self._sending, self._unpushed = self._unpushed, []
        return True

    def _take_push(self, well: bool | None) -> None:  # noqa: FBT001 - an answer with three values, passed on
        if well is None or self.pusher is None:
            return
        if well:
            if self.keeper is not None:
                self.keeper.pushed([stage.name for stage in self._sending])
            self.say(f"runnerkit: pushed {_names(self._sending)} in {duration(self.pusher.seconds)}")
        else:
            self.say(f"::warning::runnerkit: a push failed and is tried again later: {last_error(self.pusher.said())}")
            self._unpushed = [*self._sending, *self._unpushed]
            self._not_before = time.time() + PAUSE
        self.push_failed, self._sending = not well, []

    def push_rest(self) -> bool:
        """Push what is not on the remote yet; whether all of it is there now."""
        if self.pusher is None:
            return False
        self._await_push()
        if not self._unpushed and not self._may_hold_more(self.pusher):
            return True
        if not self._start(self.pusher, last=True):
            return False
        self._await_push()
        return not self.push_failed and not self._unpushed

    def _may_hold_more(self, pusher: Pusher) -> bool:
        """Whether an earlier run here may have left something unsent."""
        return pusher.seeded and not pusher.pushes and not self.stopped and not pusher.remembered()

    def _await_push(self) -> None:
        if self.pusher is None:
            return
        pusher, until = self.pusher, float("inf")
        while pusher.busy():
            self._take_push(pusher.over(TICK))
            if self.signals.fresh():
                self.cancelled, self._told_at = True, time.time()
                until = min(until, self._told_at + GRACE)
            if self.notice is None:
                self._look_for_notice(time.time())
            if pusher.busy() and time.time() >= min(until, self.notice.push_until() if self.notice else until):
                pusher.abandon()
                self.push_failed, self._unpushed = True, [*self._sending, *self._unpushed]

    def keep_rest(self) -> None:
        """Wait for the checkpoints as long as there is time; what is not sent by then is given up."""
        if self.keeper is None:
            return
        # GitHub's second signal comes 7.5 s after the first; what a stubborn pipeline took of them is gone.
        until = self._told_at + SIGNALLED if self.cancelled else time.time() + PATIENCE
        if self.notice is not None:
            until = min(until, self.notice.push_until())
        while not self.keeper.wait(min(until, time.time() + TICK)) and time.time() < until:
            if self.signals.fresh():
                until = min(until, time.time() + GRACE)
        self.keeper.give_up()


def _names(stages: Sequence[Stage]) -> str:
    return ", ".join(stage.name for stage in stages) or "the cache"
