"""Looking side by side: each look in a thread of its own, all of them within a time, and none that hides another."""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runnerkit.doctor.words import Look, blind, saw
from runnerkit.errors import RunnerkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
# One for each look: those that hang are not to keep others from being made.
MOST_THREADS = 32


def gather(
    looks: Mapping[str, Callable[[], object]],
    *,
    within: float,
    heard: Callable[[str, int], None] = lambda _name, _left: None,
) -> dict[str, Look[Any]]:
    """What each look saw; one that fails or takes longer than all may take together is blind, and says why.

    Args:
        looks: By name; each is called once, in a thread that does not keep the process from ending.
        within: Seconds for all of them.
        heard: Told the name of each look that is over, and how many are not.
    """
    done: SimpleQueue[tuple[str, Look[Any]]] = SimpleQueue()
    waiting: SimpleQueue[str] = SimpleQueue()
    for name in looks:
        waiting.put(name)

    def work() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except Empty:
                return
            done.put((name, _looked(looks[name])))

    for _ in range(min(len(looks), MOST_THREADS)):
        threading.Thread(target=work, name="doctor", daemon=True).start()
    return _collected(done, looks, time.monotonic() + within, within, heard)


def _collected(
    done: SimpleQueue[tuple[str, Look[Any]]],
    looks: Mapping[str, object],
    until: float,
    within: float,
    heard: Callable[[str, int], None],
) -> dict[str, Look[Any]]:
    found: dict[str, Look[Any]] = {}
    while len(found) < len(looks):
        try:
            name, look = done.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            break
        found[name] = look
        heard(name, len(looks) - len(found))
    late = blind(RunnerkitError(f"there was no answer within {within:g} s", hint="try again, or --within with more"))
    return {name: found.get(name, late) for name in looks}


def _looked(look: Callable[[], object]) -> Look[Any]:
    try:
        return saw(look())
    except RunnerkitError as error:
        return blind(error)
    except Exception as error:  # noqa: BLE001 - whatever one look stumbles over, the others are told
        return blind(RunnerkitError(f"looking failed: {type(error).__name__}: {error}"))


class Once(Generic[T]):
    """Something that several looks need, asked for once; who comes while it is asked for waits for the answer."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._look: Look[T] | None = None

    def __call__(self) -> T:
        """The answer.

        Raises:
            RunnerkitError: What kept it from being found, the same each time.
        """
        with self._lock:
            if self._look is None:
                self._look = _looked(self._ask)
        if self._look.error is not None:
            raise self._look.error
        return self._look.value
