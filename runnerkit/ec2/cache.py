"""What AWS told us lately, kept in memory and on disk. A cache never fails: what cannot be read was never there."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from runnerkit.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runnerkit.ports import Clock

HOUR = 3600
DAY = 24 * HOUR
AGES = {"types": 7 * DAY, "zones": DAY, "spot": 600, "subnets": HOUR, "group": HOUR, "own": HOUR, "image": HOUR}

# To be raised when something kept means something else from now on, while it still looks the same.
FORMAT = 2

T = TypeVar("T")
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError)


class Cache:
    """Answers by kind and key, each kind with an age at which it is asked for again (:data:`AGES`, seconds).

    Args:
        folder: Where to keep answers between processes; None keeps them in memory only.
        clock: Tells the age.
    """

    def __init__(self, folder: Path | None, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._memory: dict[str, tuple[float, object]] = {}

    def get(self, kind: str, key: str, load: Callable[[], object], read: Callable[[object], T]) -> T:
        """The answer if it is young enough, else what ``load`` returns (made of JSON's types); given through ``read``.

        A kept answer that ``read`` cannot make sense of counts as none.
        """
        name = _name(kind, key)
        held = self._young(name, AGES[kind])
        if held is not None:
            with suppress(*_UNREADABLE):
                return read(held[1])
        value = load()
        answer = read(value)
        self._keep(name, (self._clock.now().timestamp(), value))
        return answer

    def drop(self, kind: str, key: str) -> None:
        """Forget one answer."""
        name = _name(kind, key)
        self._memory.pop(name, None)
        if self._folder is not None:
            with suppress(OSError):
                (self._folder / name).unlink(missing_ok=True)

    def forget(self, kind: str) -> None:
        """Forget every answer of a kind, whoever keeps it in this folder."""
        for name in [name for name in self._memory if name.startswith(f"{kind}-")]:
            self._memory.pop(name, None)
        if self._folder is not None:
            with suppress(OSError):
                for path in self._folder.glob(f"{kind}-*.json"):
                    path.unlink(missing_ok=True)

    def _young(self, name: str, age: int) -> tuple[float, object] | None:
        held = self._memory.get(name) or self._read(name)
        if held is None or not 0 <= self._clock.now().timestamp() - held[0] <= age:
            return None
        self._memory[name] = held
        return held

    def _keep(self, name: str, held: tuple[float, object]) -> None:
        self._memory[name] = held
        if self._folder is not None:
            with suppress(OSError):
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._prune(self._folder, held[0])
                write_whole(self._folder / name, json.dumps({"at": held[0], "value": held[1]}))

    def _read(self, name: str) -> tuple[float, object] | None:
        if self._folder is None:
            return None
        with suppress(OSError, *_UNREADABLE):
            held = json.loads((self._folder / name).read_bytes())
            return float(held["at"]), held["value"]
        return None

    def _prune(self, folder: Path, now: float) -> None:
        """Delete what no age allows any more, so that the folder does not grow for ever."""
        for path in folder.iterdir():
            with suppress(OSError):
                if now - path.stat().st_mtime > max(AGES.values()):
                    path.unlink(missing_ok=True)


def _name(kind: str, key: str) -> str:
    digest = hashlib.sha256(f"{FORMAT} {key}".encode()).hexdigest()
    return f"{kind}-{digest[:24]}.json"
