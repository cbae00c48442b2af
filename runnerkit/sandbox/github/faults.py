"""Scripted trouble: failures, lost answers, delays and calls held at their effect."""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

HOLD_LIMIT = 60.0


@dataclass(slots=True)
class Fault:
    """One rule; ``times`` counts down, None means always. ``path`` is a pattern as in file names."""

    method: str
    path: str
    times: int | None = 1
    status: int | None = None
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    lose: bool = False
    delay: float = 0.0
    hold: "Hold | None" = None

    def matches(self, method: str, path: str) -> bool:
        """Tell whether the rule means this call."""
        return self.method in {"*", method} and fnmatchcase(path, self.path)


class Hold:
    """A call stopped just before or just after its effect, until released."""

    def __init__(self, when: str) -> None:
        if when not in {"before", "after"}:
            raise ValueError(f"a call can be held before or after its effect, not {when!r}")
        self.when = when
        self.reached = threading.Event()
        self._released = threading.Event()
        self._dropped = False

    def stop(self) -> None:
        """Wait here, at most a minute, until somebody calls `release` or `drop`.

        Raises:
            ConnectionAbortedError: The call was dropped.
        """
        self.reached.set()
        self._released.wait(HOLD_LIMIT)
        if self._dropped:
            raise ConnectionAbortedError("the call is dropped, as scripted")

    def release(self) -> None:
        """Let the call go on."""
        self._released.set()

    def drop(self) -> None:
        """Forget the call: before its effect nothing happens at all, after it only the answer is lost."""
        self._dropped = True
        self._released.set()


class Faults:
    """The rules in force, first match first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Put a rule behind the others."""
        with self._lock:
            self._rules.append(fault)
        return fault

    def take(self, method: str, path: str) -> list[Fault]:
        """Use up one turn of every rule that means this call; of those that fail it, only the first."""
        taken: list[Fault] = []
        with self._lock:
            for rule in self._rules:
                if not rule.matches(method, path) or (rule.status and any(each.status for each in taken)):
                    continue
                taken.append(rule)
                rule.times = None if rule.times is None else rule.times - 1
            self._rules = [rule for rule in self._rules if rule.times is None or rule.times > 0]
        return taken

    def clear(self) -> None:
        """Forget all rules and release what is held by them."""
        with self._lock:
            rules, self._rules = self._rules, []
        for rule in rules:
            if rule.hold is not None:
                rule.hold.release()


def suffer(faults: Iterable[Fault], when: str) -> None:
    """Wait as scripted ``before`` a call's effect or ``after`` it; delays come before.

    Raises:
        ConnectionAbortedError: The call was dropped while it was held.
    """
    for each in faults:
        if each.delay and when == "before":
            time.sleep(each.delay)
        if each.hold is not None and each.hold.when == when:
            each.hold.stop()
