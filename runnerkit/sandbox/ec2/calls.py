"""The record of every call that reached the server."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(slots=True)
class Call:
    """One call at the wire.

    ``status`` is None until an answer was sent, and stays None when it was lost on the way. ``error`` is AWS's code.
    """

    service: str
    action: str
    at: float
    region: str
    access_key: str
    parameters: Mapping[str, Any] = field(repr=False)
    status: int | None = None
    error: str = ""


class CallLog:
    """Calls in the order in which they arrived. Safe to read while the server answers."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._lock = Lock()

    def __iter__(self) -> Iterator[Call]:
        with self._lock:
            return iter(list(self._calls))

    def __len__(self) -> int:
        with self._lock:
            return len(self._calls)

    def add(self, call: Call) -> None:
        """Record a call."""
        with self._lock:
            self._calls.append(call)

    def of(self, action: str) -> list[Call]:
        """The calls of one action, for example ``CreateFleet``."""
        return [call for call in self if call.action == action]

    def count(self, action: str) -> int:
        """How often an action was called."""
        return len(self.of(action))

    def actions(self) -> list[str]:
        """The names of the actions, in order."""
        return [call.action for call in self]

    def clear(self) -> None:
        """Forget every call."""
        with self._lock:
            self._calls.clear()
