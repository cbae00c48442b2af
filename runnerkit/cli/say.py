"""Events and errors in words, for people who watch."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, TextIO

from runnerkit import events
from runnerkit.errors import NoCapacity
from runnerkit.plain import lines, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runnerkit.errors import RunnerkitError
    from runnerkit.events import Event
    from runnerkit.model import Refusal


def dollars(price: float | None) -> str:
    """A price as people read it."""
    return "price unknown" if price is None else f"${price:.3f}/h"


def advice(image: str, recipe: str, seconds: float, price: float | None) -> str:
    """What baking would save."""
    cost = "" if price is None else f" (${price:.4f})"
    return (
        f"hint: image {image} has no runner in it, so each machine sets itself up for about {seconds:.0f} s{cost}, an"
        f" estimate; bake an image with `runnerkit ami bake {recipe}`"
    )


def failing(place: str, error: RunnerkitError) -> str:
    """What is wrong with a place, and what to do."""
    where = "" if place in error.message else f"{place}: "
    return f"{where}{error.message}" + (f"; {error.hint}" if error.hint else "")


SENTENCES: dict[type[Event], Callable[..., str]] = {
    events.OfferingChosen: lambda e: (
        f"{e.runner}: {e.candidates} offerings fit, the cheapest is {e.type} in {e.zone} "
        f"({e.market}, {dollars(e.price)})"
    ),
    events.RunnerAging: lambda e: f"warning: image {e.image}: {e.why}",
    events.RunnerAgeUnknown: lambda _: "",
    events.BakingAdvised: lambda e: advice(e.image, e.recipe, e.seconds, e.dollars),
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
    events.RepeatRefused: lambda e: f"run {e.run} of {e.repo}: GitHub does not let it be repeated: {e.why}",
    events.RunRepeated: lambda e: (
        f"{e.runner}: AWS took it back; the failed jobs of run {e.run} of {e.repo} run again (attempt {e.attempt})"
    ),
    events.JobSeen: lambda e: f"job {e.job} of {e.repo}: {e.title or 'a job'} asks for {e.labels}",
    events.JobTaken: lambda e: f"job {e.job} of {e.repo}: taken by {e.runner} after {e.seconds:.0f} s",
    events.JobOver: lambda e: f"job {e.job} of {e.repo}: over on {e.runner or 'no runner'}: {e.conclusion}",
    events.InstanceEnded: lambda e: f"{e.runner}: {e.instance} is gone ({e.reason})",
    events.InstanceInterrupted: lambda e: f"{e.runner}: AWS took back {e.instance} ({e.type} in {e.zone})",
    events.SpotPaused: lambda e: (
        f"{e.runner}: bought on demand, because AWS took back {e.interruptions} machines of this kind lately"
    ),
    events.RefusalTold: lambda e: f"job {e.job} of {e.repo}: its author is told why ({e.how})",
    events.JobRefused: lambda e: f"job {e.job} of {e.repo}: refused: {e.error.message}",
    events.JobWaiting: lambda e: f"job {e.job} of {e.repo}: waits: {e.why}",
    events.LeftoverRemoved: lambda e: f"{e.kind} {e.id} removed",
    events.ActionFailed: lambda e: f"{e.runner or e.action}: {e.action} failed: {e.error.message}",
    events.ServiceStarted: lambda e: f"{e.address}: listening; webhooks {e.webhooks}, status page for {e.pages}",
    events.ServiceStopping: lambda e: f"{e.why}: ending; the actions under way are finished first",
    events.DeliveryRefused: lambda e: f"{e.address or 'somebody'} sent a webhook that was refused: {e.why}",
    events.DeliveriesRepeated: lambda e: f"{e.asked} webhooks did not reach us; GitHub sends them again",
    events.RedeliveryDenied: lambda e: f"lost webhooks cannot be asked for again: {e.why}",
    events.JournalFailing: lambda e: f"warning: {failing(e.place, e.error)}",
    events.MessageDropped: lambda e: f"message {e.message or 'without an id'} dropped: {e.why}",
    events.BuilderLaunched: lambda e: (
        f"{e.recipe}: {'goes on with' if e.resumed else 'launched'} builder {e.builder} ({e.type} in {e.zone}, "
        f"{dollars(e.price)})"
    ),
    # Its end says as much; who wants to watch hears of it in the log and with --verbose.
    events.BakeStageBegan: lambda _: "",
    events.BakeStageEnded: lambda e: f"{e.recipe}: {e.stage}: {e.outcome} ({e.seconds:.1f} s)",
    events.BakeOutput: lambda _: "",
    events.ImageDeleted: lambda e: (
        f"{e.title}: {e.image} deregistered" + (f"; snapshots that stay: {e.stayed}" if e.stayed else "")
    ),
    events.PassEnded: lambda e: (
        f"pass done: {e.queued} jobs wait, {e.machines} machines live, {e.actions} actions, {e.failed} failed"
    ),
}


# What every pass says again as long as it is so, by what it is about; people read it when it changes.
REPEATING: dict[type[Event], Callable[..., object]] = {
    events.JobWaiting: lambda e: (e.repo, e.job),
    events.JobRefused: lambda e: (e.repo, e.job),
    events.PassEnded: lambda _: "",
}
REMEMBERED = 10_000


class Narrator:
    """Tells events as they happen, a line each."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._said: OrderedDict[tuple[str, object], str] = OrderedDict()
        self._lock = Lock()

    def emit(self, event: Event) -> None:
        """Say it, unless it is what was said of the same thing a pass ago."""
        sentence = SENTENCES.get(type(event))
        # Without words: of no use to people at work, but logs have it.
        text = sentence(event) if sentence is not None else ""
        with self._lock:
            if text and not self._is_old(event, text):
                self._stream.write(one_line(text) + "\n")
                self._stream.flush()

    def _is_old(self, event: Event, text: str) -> bool:
        about = REPEATING.get(type(event))
        if about is None:
            return False
        key = (event.name, about(event))
        is_old = self._said.pop(key, "") == text
        self._said[key] = text
        while len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        return is_old


def tell_error(error: RunnerkitError, stream: TextIO) -> None:
    """What happened, who refused, and what to do next."""
    stream.write(f"error: {lines(error.message)}\n")
    if isinstance(error, NoCapacity) and error.refusals:
        stream.write(lines(refusal_lines(error.refusals)))
    if error.hint:
        stream.write(f"hint: {lines(error.hint)}\n")
    stream.flush()


def refusal_lines(refusals: Sequence[Refusal]) -> str:
    """One line for each pool and code, aligned."""
    rows = dict.fromkeys((r.type or "any type", r.zone or "any zone", str(r.market), r.code) for r in refusals)
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "".join(
        "  " + "  ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
    )
