"""Scripted trouble: refusals, throttles, slow and lost answers, and calls held at an exact point."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING, Literal, Self, TypeVar

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2.calls import Call
    from runnerkit.sandbox.ec2.errors import AwsError

When = Literal["before", "after"]
LONGEST_HOLD = 120.0


@dataclass(slots=True, kw_only=True)
class _Rule:
    action: str = "*"
    times: int | None = 1

    def wants(self, action: str) -> bool:
        return self.action in {"*", action} and self.times != 0


@dataclass(slots=True, kw_only=True)
class _Refusal(_Rule):
    error: AwsError


@dataclass(slots=True, kw_only=True)
class _Delay(_Rule):
    seconds: float


@dataclass(slots=True, kw_only=True)
class Hold(_Rule):
    """A call stopped just before or just after its effect.

    Wait for ``reached``, do what the test is about, then ``release()`` the call or ``drop()`` it: a call dropped
    before its effect never happened, one dropped after it happened but nobody hears of it. Also a context manager
    that releases at its end.
    """

    when: When = "before"
    reached: Event = field(default_factory=Event)
    call: Call | None = None
    dropped: bool = False
    _over: Event = field(default_factory=Event)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let the call go on."""
        self._over.set()

    def drop(self) -> None:
        """Close the connection without an answer."""
        self.dropped = True
        self._over.set()

    def wait(self, call: Call) -> None:
        """Stop here, on the server's side.

        Raises:
            ConnectionAbortedError: The call was dropped.
        """
        self.call = call
        self.reached.set()
        self._over.wait(LONGEST_HOLD)
        if self.dropped:
            raise ConnectionAbortedError("the held call was dropped")


RuleT = TypeVar("RuleT", bound=_Rule)


class Faults:
    """Everything scripted and not yet used up. An action of ``*`` means any."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._refusals: list[_Refusal] = []
        self._delays: list[_Delay] = []
        self._losses: list[_Rule] = []
        self._holds: list[Hold] = []

    def refuse(self, error: AwsError, action: str, times: int | None) -> None:
        """Answer the next calls with an error (``times=None``: all calls)."""
        self._refusals.append(_Refusal(action=action, times=times, error=error))

    def delay(self, action: str, seconds: float, times: int | None) -> None:
        """Let calls wait before anything happens."""
        self._delays.append(_Delay(action=action, times=times, seconds=seconds))

    def lose_answer(self, action: str, times: int | None) -> None:
        """Do what the calls ask, then drop the connection."""
        self._losses.append(_Rule(action=action, times=times))

    def hold(self, action: str, when: When) -> Hold:
        """Stop the next such call before or after its effect."""
        hold = Hold(action=action, when=when)
        self._holds.append(hold)
        return hold

    def before(self, call: Call) -> None:
        """Everything that happens to a call before its effect.

        Raises:
            AwsError: It is refused.
            ConnectionAbortedError: It was held and dropped.
        """
        slow = self._take(self._delays, call.action)
        if slow is not None:
            time.sleep(slow.seconds)
        self._stop(call, "before")
        refusal = self._take(self._refusals, call.action)
        if refusal is not None:
            raise refusal.error

    def after(self, call: Call) -> None:
        """Everything that happens to a call after its effect.

        Raises:
            ConnectionAbortedError: Its answer is lost.
        """
        self._stop(call, "after")
        if self._take(self._losses, call.action) is not None:
            raise ConnectionAbortedError("the answer was lost")

    def clear(self) -> None:
        """Forget every script and drop what is held."""
        with self._lock:
            held, self._holds = self._holds, []
            for rules in (self._refusals, self._delays, self._losses):
                rules.clear()
        for hold in held:
            hold.drop()

    def _stop(self, call: Call, when: When) -> None:
        hold = self._take([hold for hold in self._holds if hold.when == when], call.action)
        if hold is not None:
            hold.wait(call)

    def _take(self, rules: list[RuleT], action: str) -> RuleT | None:
        with self._lock:
            rule = next((rule for rule in rules if rule.wants(action)), None)
            if rule is not None and rule.times is not None:
                rule.times -= 1
            return rule
