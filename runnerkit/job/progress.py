"""What DVC says, read as the states of stages. Pure: lines and times come in, nothing is read or done here."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runnerkit.job.recorder import Command

TAIL_LINES = 60
TAIL_BYTES = 8_000
# Escape sequences (colours, titles, links), and control characters but for tab and newline.
_UNSEEN = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


class State(StrEnum):
    """What became of a stage."""

    RUNNING = "running"
    RUN = "run"
    RESTORED = "restored"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    STOPPED = "stopped"
    NOT_REACHED = "not reached"


@dataclass(slots=True)
class Stage:
    """A stage (or a ``.dvc`` file) and what is known of it; times are seconds since the epoch."""

    name: str
    state: State = State.NOT_REACHED
    started: float | None = None
    finished: float | None = None
    exit_code: int | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))

    @property
    def seconds(self) -> float | None:
        """How long it took, once that is known."""
        return None if self.started is None or self.finished is None else round(self.finished - self.started, 3)

    @property
    def is_data(self) -> bool:
        """Whether it is a tracked file rather than something that runs."""
        return self.name.endswith(".dvc")


_SAID = [
    (re.compile(r"Running stage '(.+)':"), State.RUNNING),
    (re.compile(r"Stage '(.+)' is cached - skipping run, checking out outputs"), State.RESTORED),
    (re.compile(r"Pulling data for (?:frozen )?stage: '(.+)'"), State.RESTORED),
    (re.compile(r"(?:Stage )?'(.+)' didn't change, skipping"), State.UNCHANGED),
    (re.compile(r"(?:Verifying (?:outputs|data sources) in (?:frozen )?stage: )'(.+)'"), State.UNCHANGED),
    (re.compile(r"(?:WARNING: )?(?:ERROR: )?failed to reproduce '(.+?)'"), State.FAILED),
]
_SETTLED = {State.RUN, State.FAILED, State.STOPPED}


def heard(line: str) -> tuple[str, State] | None:
    """The stage and the state that a line of DVC's speaks of."""
    for pattern, state in _SAID:
        if match := pattern.match(line):
            return match[1], state
    return None


class Progress:
    """The stages of a run, as they become known.

    Args:
        declared: The names in ``dvc.yaml``, for what is not reached.
    """

    def __init__(self, declared: Iterable[str]) -> None:
        self._declared = list(declared)
        self._stages: dict[str, Stage] = {}
        self.current: Stage | None = None
        self.before: deque[str] = deque(maxlen=TAIL_LINES)

    def line(self, text: str, now: float, *, own: bool) -> Stage | None:
        """Take a line; returns the stage that it ended, if it did.

        Args:
            text: Without its end.
            now: When it came.
            own: A stage's command is running, so it speaks, not DVC.
        """
        news = None if own else heard(text)
        if news is None:
            (self.current.tail if self.current else self.before).append(text[:TAIL_BYTES])
            return None
        name, state = news
        if state is State.FAILED:
            return self._failed(name, text, now)
        ended = self._end(now)
        stage = self._stages.setdefault(name, Stage(name))
        if state is State.UNCHANGED and stage.state in _SETTLED | {State.RESTORED}:
            return ended  # DVC comes to it a second time in one run of ours
        stage.state = state
        if state is State.RUNNING:
            stage.started, self.current = now, stage
            return ended
        stage.finished = now
        return ended

    def _failed(self, name: str, text: str, now: float) -> Stage | None:
        ended = self._end(now) if self.current is not None and self.current.name != name else None
        stage = self._stages.setdefault(name, Stage(name))
        stage.tail.append(text[:TAIL_BYTES])
        stage.state, stage.finished = State.FAILED, now
        self.current = None
        return ended

    def _end(self, now: float) -> Stage | None:
        ended, self.current = self.current, None
        if ended is not None:
            ended.state, ended.finished = State.RUN, now
        return ended

    def pause(self, now: float) -> Stage | None:
        """DVC has ended well and is started again for the rest; returns the stage that this ended, if it did."""
        return self._end(now)

    def over(self, now: float, commands: Sequence[Command], *, failed: bool, stopped: bool) -> None:
        """DVC has ended: settle every stage by what its commands did, which is no matter of words."""
        last = self.current
        self._end(now)
        if last is not None and (failed or stopped):
            last.state = State.STOPPED if stopped else State.FAILED
        for command in commands:
            stage = self._stages.setdefault(command.stage, Stage(command.stage, State.RUN, command.started, now))
            stage.exit_code = command.code
            if stage.state not in _SETTLED:
                stage.state = State.RUN
            if command.code and not stopped:
                stage.state = State.FAILED
        if stopped:
            for stage in self._stages.values():
                stage.state = State.STOPPED if stage.state is State.FAILED else stage.state

    def stages(self) -> list[Stage]:
        """Every stage: first those that DVC came to, in its order, then those it did not reach."""
        reached = {name.partition("@")[0] for name in self._stages}
        return [*self._stages.values(), *(Stage(name) for name in self._declared if name not in reached)]

    def addresses(self) -> frozenset[str]:
        """The stages that DVC came to."""
        return frozenset(self._stages)


def told_tail(stage: Stage) -> str:
    """The last lines of a stage's output, bounded, without colours and what else only a terminal understands."""
    text = _UNSEEN.sub("", "\n".join(stage.tail)).encode("utf-8", "replace")[-TAIL_BYTES:]
    return text.decode("utf-8", "ignore")
