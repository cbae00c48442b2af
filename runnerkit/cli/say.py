"""Events and errors in words, for people who watch."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from runnerkit import events
from runnerkit.errors import NoCapacity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runnerkit.errors import RunnerkitError
    from runnerkit.events import Event
    from runnerkit.model import Refusal


def dollars(price: float | None) -> str:
    """A price as people read it."""
    return "price unknown" if price is None else f"${price:.3f}/h"


SENTENCES: dict[type[Event], Callable[..., str]] = {
    events.OfferingChosen: lambda e: (
        f"{e.runner}: {e.candidates} offerings fit, the cheapest is {e.type} in {e.zone} "
        f"({e.market}, {dollars(e.price)})"
    ),
    events.RunnerRegistered: lambda e: f"{e.runner}: registered at {e.repo}",
    events.OfferingRefused: lambda e: (
        f"{e.runner}: {e.refusal.type} in {e.refusal.zone} ({e.refusal.market}) refused: {e.refusal.code}"
    ),
    events.InstanceLaunched: lambda e: (
        f"{e.runner}: launched {e.instance} ({e.type} in {e.zone}, {e.market}, {dollars(e.price)})"
    ),
    events.LaunchFailed: lambda e: f"{e.runner}: not launched: {e.error.message}",
    events.LaunchAdopted: lambda e: f"{e.runner}: exists already as {e.instance}",
    events.LaunchSkipped: lambda e: f"{e.runner}: not launched: {e.why}",
    events.RepositorySkipped: lambda e: f"{e.repo}: left out of this pass: {e.error.message}",
    events.RunnerOnline: lambda e: f"{e.runner}: online after {e.seconds:.0f} s",
    events.RunnerDeregistered: lambda e: f"{e.runner}: deregistered ({e.reason})",
    events.InstanceTerminated: lambda e: f"{e.runner}: {e.instance} terminated ({e.reason})",
    events.TerminationSpared: lambda e: f"{e.runner}: {e.instance} left alone ({e.why})",
    events.RunRepeated: lambda e: (
        f"{e.runner}: AWS took it back; the failed jobs of run {e.run} of {e.repo} run again (attempt {e.attempt})"
    ),
    events.JobRefused: lambda e: f"job {e.job} of {e.repo}: refused: {e.error.message}",
    events.JobWaiting: lambda e: f"job {e.job} of {e.repo}: waits: {e.why}",
    events.LeftoverRemoved: lambda e: f"{e.kind} {e.id} removed",
    events.ActionFailed: lambda e: f"{e.runner or e.action}: {e.action} failed: {e.error.message}",
    events.PassEnded: lambda e: (
        f"pass done: {e.queued} jobs wait, {e.machines} machines live, {e.actions} actions, {e.failed} failed"
    ),
}


class Narrator:
    """Tells events as they happen, a line each."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def emit(self, event: Event) -> None:
        """Say it."""
        sentence = SENTENCES.get(type(event))
        if sentence is not None:
            self._stream.write(sentence(event) + "\n")
            self._stream.flush()


def tell_error(error: RunnerkitError, stream: TextIO) -> None:
    """What happened, who refused, and what to do next."""
    stream.write(f"error: {error.message}\n")
    if isinstance(error, NoCapacity) and error.refusals:
        stream.write(refusal_lines(error.refusals))
    if error.hint:
        stream.write(f"hint: {error.hint}\n")
    stream.flush()


def refusal_lines(refusals: Sequence[Refusal]) -> str:
    """One line for each pool and code, aligned."""
    rows = dict.fromkeys((r.type or "any type", r.zone or "any zone", str(r.market), r.code) for r in refusals)
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "".join(
        "  " + "  ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
    )
