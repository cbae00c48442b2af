"""From events to the journal: what is worth remembering is noted once, as the facts that the event tells."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from runnerkit.history import Note

if TYPE_CHECKING:
    from runnerkit.events import Event
    from runnerkit.ports import Clock, Events, Journal

# What `why`, the status page and the bill are made of. Others are for the log alone.
KEPT = frozenset(
    {
        "job-seen",
        "job-refused",
        "job-waiting",
        "job-taken",
        "job-over",
        "refusal-told",
        "runner-registered",
        "offering-refused",
        "instance-launched",
        "launch-failed",
        "launch-skipped",
        "runner-online",
        "runner-deregistered",
        "instance-terminated",
        "termination-spared",
        "instance-ended",
        "instance-interrupted",
        "spot-paused",
        "run-repeated",
        "repeat-refused",
        "action-failed",
    }
)
# Said again in each pass as long as it holds: noted when it changes.
REPEATING = frozenset({"job-refused", "job-waiting", "action-failed"})
REMEMBERED = 10_000


class Chronicle:
    """Passes events on, and notes those that matter. The port :class:`runnerkit.ports.Events`."""

    def __init__(self, events: Events, journal: Journal, clock: Clock) -> None:
        self._events = events
        self._journal = journal
        self._clock = clock
        self._said: OrderedDict[tuple[str, str], str] = OrderedDict()

    def emit(self, event: Event) -> None:
        """Pass an event on and note it, unless it says what it said before."""
        self._events.emit(event)
        if event.name not in KEPT:
            return
        facts = event.as_dict()
        del facts["event"]
        if event.name in REPEATING and self._is_old(event.name, facts):
            return
        self._journal.note(Note(self._clock.now(), event.name, facts))

    def _is_old(self, kind: str, facts: dict[str, object]) -> bool:
        about = str(facts.get("job") or facts.get("runner") or "")
        said = repr(facts)
        known = self._said.get((kind, about))
        self._said[kind, about] = said
        self._said.move_to_end((kind, about))
        while len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        return known == said
