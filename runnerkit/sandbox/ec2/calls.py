"""The record of every call that reached the server."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What runnerkit's clients add to their user agent.
OURS = "runnerkit"


@dataclass(slots=True)
class Call:
    """One call at the wire.

    ``status`` is None until an answer was sent, and stays None when it was lost on the way. ``error`` is AWS's code.
    ``permission`` is what IAM calls the action, for example ``s3:GetObject``, ``beside`` what AWS asks for with it;
    ``agent`` is how the client names itself.
    """

    service: str
    action: str
    at: float
    region: str
    access_key: str
    parameters: Mapping[str, Any] = field(repr=False)
    status: int | None = None
    error: str = ""
    permission: str = ""
    beside: tuple[str, ...] = ()
    agent: str = field(default="", repr=False)

    @property
    def is_ours(self) -> bool:
        """Whether runnerkit itself called, and not a test's or another program's client."""
        return OURS in self.agent.split()


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

    def permissions(self, access_key: str = "", *, ours: bool = False, beside: bool = False) -> frozenset[str]:
        """What was asked for, as ``service:Action``, whether it was granted or not.

        Args:
            access_key: Of this caller alone.
            ours: Of runnerkit's own clients alone.
            beside: Also what AWS asks for on behalf of these calls, such as ``ec2:RunInstances`` for CreateFleet.
        """
        asked = [c for c in self if access_key in {"", c.access_key} and (c.is_ours or not ours)]
        extra = {action for call in asked for action in call.beside} if beside else set()
        return frozenset({call.permission for call in asked if call.permission} | extra)

    def clear(self) -> None:
        """Forget every call."""
        with self._lock:
            self._calls.clear()
