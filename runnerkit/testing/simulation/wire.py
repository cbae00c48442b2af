"""What lies between a controller and the fakes: it counts calls, takes time, breaks down, and notices death."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from runnerkit.errors import CloudUnavailable, ForgeUnavailable, RateLimited
from runnerkit.testing.lies import Crash

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from runnerkit.ports import Clock
    from runnerkit.testing.lies import Lies

GITHUB, EC2 = "github", "ec2"
# The calls that change something: they take time, and a controller may die before or after each.
EFFECTS = frozenset(
    {"register", "deregister", "launch", "launch_batch", "hand_over", "tag", "terminate", "remove", "rerun_failed",
     "rerun_job", "cancel", "check", "status", "comment"}
)  # fmt: skip
# What costs no call: they only name something that is known.
FREE = frozenset({"place", "prepare"})


class Breakdown:
    """Which system is down just now, and until when GitHub's rate limit is spent."""

    def __init__(self) -> None:
        self.down: Counter[str] = Counter()
        self.limited_until: datetime | None = None

    def check(self, system: str, what: str, now: datetime) -> None:
        """Fail if the system does.

        Raises:
            ForgeUnavailable, CloudUnavailable: It is down.
            RateLimited: GitHub answers nothing before its limit is reset.
        """
        if self.down[system]:
            raise (ForgeUnavailable if system == GITHUB else CloudUnavailable)(f"{system} is down ({what})")
        if system == GITHUB and self.limited_until is not None and now < self.limited_until:
            raise RateLimited(f"the rate limit is spent ({what})", reset=self.limited_until)

    def active(self, now: datetime) -> bool:
        """Whether anything is broken just now."""
        return any(self.down.values()) or (self.limited_until is not None and now < self.limited_until)


class Line:
    """One controller's connection to both systems; a dead controller's calls have no effect.

    Args:
        clock: The time.
        breakdown: What is down.
        lies: What the fakes draw their luck from.
        latency: Called before each call that changes something; lets time pass.
    """

    def __init__(self, clock: Clock, breakdown: Breakdown, lies: Lies, latency: Callable[[], None]) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.dead = False
        self.effects_left: int | None = None
        self.watchers: list[Callable[[str, tuple[Any, ...]], None]] = []
        self._clock = clock
        self._breakdown = breakdown
        self._lies = lies
        self._latency = latency
        self._drawn: Counter[tuple[Any, ...]] = Counter()
        self._lock = threading.Lock()

    def to(self, system: str, inner: object) -> Any:  # noqa: ANN401 - stands for whichever port the fake keeps
        """The fake behind this line."""
        return _End(self, system, inner)

    def call(self, system: str, name: str, method: Callable[..., Any], args: Any, kwargs: Any) -> Any:  # noqa: ANN401 - whatever the port takes and gives
        """One call: whatever can go wrong does so here, or in the fake."""
        effect = name in EFFECTS
        if effect:
            self._latency()
        with self._lock:
            if effect:
                self._maybe_die()
            if self.dead:
                raise Crash
            if name not in FREE:
                self.calls[system, name] += 1
                self._breakdown.check(system, name, self._clock.now())
                self._draw(system, name, args)
            for watcher in self.watchers:
                watcher(name, args)
            answer = method(*args, **kwargs)
            if effect:
                self._maybe_die()
        return answer

    def _maybe_die(self) -> None:
        if self.effects_left is None:
            return
        self.effects_left -= 1
        if self.effects_left <= 0:
            self.dead = True
            raise Crash

    def _draw(self, system: str, name: str, args: tuple[Any, ...]) -> None:
        """Luck by what is asked and when, not by who asks first: threads of a controller may ask in any order."""
        lies = self._lies
        if not (lies.lag or lies.missing or lies.lost or lies.failing):
            return
        about = (system, name, str(args[0]) if args and isinstance(args[0], str) else "", self._clock.now())
        self._drawn[about] += 1
        lies.random.seed(f"{lies.seed} {about} {self._drawn[about]}")


class _End:
    """A fake as one controller reaches it."""

    def __init__(self, line: Line, system: str, inner: object) -> None:
        self._line = line
        self._system = system
        self._inner = inner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the fake has
        method = getattr(self._inner, name)
        if not callable(method):
            return method

        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the method takes
            return self._line.call(self._system, name, method, args, kwargs)

        setattr(self, name, call)
        return call
