"""The line to a builder: it survives a lost connection, and the steps go on meanwhile."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.baking import boot as remote
from runnerkit.baking.errors import BakeError, ConnectionLost, StepFailed
from runnerkit.consoles import shown
from runnerkit.events import BakeOutput

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from runnerkit.baking.ports import Outcome, Shell
    from runnerkit.baking.steps import Work
    from runnerkit.ports import Clock, Events

LAST_LINES = 15
_KEPT_OUTPUT = 1_000_000
_OVERTIME = 90
_STOPPED, _KILLED = 124, 137
_UPLOAD_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How often is looked, in seconds: at AWS, and at a step. ``patience`` is for a connection that is gone."""

    look: float = 5.0
    watch: float = 1.0
    patience: float = 300.0


class Line:
    """Runs commands on the builder, connecting anew where needed. Every command must bear being run twice.

    Args:
        connect: Makes a connection.
        alive: Raises when the builder is over, so that nobody waits for it.
        clock: For waiting.
        pace: How long to be patient.
    """

    def __init__(self, connect: Callable[[], Shell], alive: Callable[[], object], clock: Clock, pace: Pace) -> None:
        self._connect = connect
        self._alive = alive
        self._clock = clock
        self._pace = pace
        self._shell: Shell | None = None

    def run(self, command: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Outcome:
        """Run a command to its end.

        Raises:
            ConnectionLost: The connection could not be had again in time.
            BakeError: The builder is over.
        """
        end: datetime | None = None
        while True:
            try:
                self._shell = self._shell or self._connect()
                return self._shell.run(command, stdin=stdin, timeout=timeout)
            except ConnectionLost as lost:
                self.close()
                # From the first loss on: the command before it may have taken its time.
                end = end or self._clock.now() + timedelta(seconds=self._pace.patience)
                if self._clock.now() >= end:
                    raise ConnectionLost(
                        f"{lost.message}; it could not be had again for {self._pace.patience:.0f} s",
                        hint="check the network to the builder, then bake again",
                    ) from lost
            self._alive()
            self._clock.wait(self._pace.watch)

    def must(self, command: str, doing: str, *, stdin: bytes = b"", timeout: float = 60.0) -> bytes:
        """Run a command that has to end with 0, and return what it wrote.

        Raises:
            BakeError: It did not.
        """
        outcome = self.run(command, stdin=stdin, timeout=timeout)
        if outcome.code != 0:
            said = outcome.out.decode(errors="replace").strip()
            raise BakeError(f"{doing} failed on the builder with {outcome.code}: {said or 'it said nothing'}")
        return outcome.out

    def close(self) -> None:
        """End the connection, if there is one."""
        shell, self._shell = self._shell, None
        if shell is not None:
            shell.close()


class Steps:
    """Runs steps on the builder, apart from the connection, and watches them."""

    def __init__(self, line: Line, clock: Clock, events: Events, recipe: str, silence: int, pace: Pace) -> None:
        self._line = line
        self._clock = clock
        self._events = events
        self._recipe = recipe
        self._silence = silence
        self._pace = pace

    def ready(self) -> set[str]:
        """Make the builder ready for steps; returns the chains of those that ended well before."""
        self._line.must(remote.ready(), "making room for the steps", stdin=remote.RUN.encode())
        return set(self._line.must(remote.finished(), "looking for finished steps").decode().split())

    def run(self, work: Work, chain: str, place: str) -> None:
        """Run a step that has not ended well yet; one that is under way is watched.

        Args:
            work: The step.
            chain: The name of its folder on the builder.
            place: What it is called in messages.

        Raises:
            StepFailed: It failed, took too long, or did not print what is expected.
        """
        state, _, _ = self._look(chain, 0)
        if state not in {"absent", "running"}:
            self._line.must(remote.forget(chain), "making room for the step")
        if state != "running":
            self._line.must(remote.receive(chain, "payload.tar"), place, stdin=work.payload, timeout=_UPLOAD_SECONDS)
            self._line.must(remote.receive(chain, "script"), place, stdin=work.script.encode())
            self._line.must(remote.start(chain, work.timeout), f"starting {place}")
        self._judge(work, chain, place, *self._watched(work, chain))

    def _watched(self, work: Work, chain: str) -> tuple[str, str]:
        """The last state of a step and everything it printed."""
        end = self._clock.now() + timedelta(seconds=work.timeout + _OVERTIME)
        decoder, offset, printed = codecs.getincrementaldecoder("utf-8")(errors="replace"), 0, ""
        while True:
            state, begins, log = self._look(chain, offset)
            left_out, offset = begins - offset, begins + len(log)
            text = f"\n[{left_out} bytes are left out here]\n" if left_out > 0 else ""
            if text := text + decoder.decode(log):
                printed = (printed + text)[-_KEPT_OUTPUT:]
                self._events.emit(BakeOutput(self._recipe, work.title, text))
            late = self._clock.now() > end
            if len(log) >= remote.CHUNK and not late:
                continue
            if state != "running":
                return state, printed
            if late:
                return f"exit {_STOPPED} {work.timeout}", printed
            self._clock.wait(self._pace.watch)

    def _look(self, chain: str, offset: int) -> tuple[str, int, bytes]:
        """A step's state, and the part of its log that begins there."""
        told = self._line.must(remote.watch(chain, offset, self._silence), "watching a step")
        state, _, more = told.partition(b"\n")
        begins, _, log = more.partition(b"\n")
        return state.decode(errors="replace").strip(), int(begins) if begins.isdigit() else offset, log

    def _judge(self, work: Work, chain: str, place: str, state: str, printed: str) -> None:
        word, _, figures = state.partition(" ")
        code, _, seconds = figures.partition(" ")
        if word != "exit" or not code.lstrip("-").isdecimal():
            raise _failed(
                work, place, "its process is gone: did it end the machine's processes, or reboot?", None, printed
            )
        took = int(seconds) if seconds.isdecimal() else 0
        # A script may end with these numbers on its own.
        if int(code) in {_STOPPED, _KILLED} and took >= work.timeout:
            raise _failed(work, place, f"took longer than its {work.timeout} s and was stopped", None, printed)
        if int(code) != 0:
            raise _failed(work, place, f"ended with {code} after {took} s", int(code), printed)
        if work.expect and not re.search(work.expect, printed, re.MULTILINE):
            self._line.must(remote.failed(chain), "noting the step's outcome")
            raise _failed(work, place, f"ended with 0, but did not print what matches {work.expect!r}", 0, printed)


def _failed(work: Work, place: str, how: str, code: int | None, printed: str) -> StepFailed:
    lines = shown(printed).strip().splitlines()[-LAST_LINES:]
    last = "\n".join(f"    {line}" for line in lines) if lines else "    (nothing)"
    return StepFailed(
        f"{place} {how}; the last it printed:\n{last}", step=work.title, step_exit=code, output="\n".join(lines)
    )
