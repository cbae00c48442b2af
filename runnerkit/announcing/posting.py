"""Tells several targets beside the work: nobody waits for a slow one, and each hears things in their order."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

from runnerkit.errors import RunnerkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runnerkit.announcing import Target
    from runnerkit.job.notifying import Message


class Posts:
    """A thread for each target. A message that does not arrive is a warning, and nothing else.

    Args:
        targets: Who is told.
        warn: Takes a sentence on each message that did not arrive.
    """

    def __init__(self, targets: Sequence[Target], warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._boxes: list[queue.SimpleQueue[Message | None]] = []
        self._threads: list[tuple[threading.Thread, Target]] = []
        for target in targets:
            box: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
            # A daemon: a target that hangs keeps no job alive.
            thread = threading.Thread(target=self._carry, args=(target, box), daemon=True, name=f"tells {target.name}")
            thread.start()
            self._boxes.append(box)
            self._threads.append((thread, target))

    def post(self, message: Message) -> None:
        """Hand a message over to all of them, and come back at once."""
        for box in self._boxes:
            box.put(message)

    def close(self, within: float) -> None:
        """Wait until all are told, for so many seconds altogether."""
        for box in self._boxes:
            box.put(None)
        until = time.monotonic() + within
        for thread, target in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))
            if thread.is_alive():
                self._warn(f"{target.name} was not told in {within:g} s")
        self._boxes, self._threads = [], []

    def _carry(self, target: Target, box: queue.SimpleQueue[Message | None]) -> None:
        while (message := box.get()) is not None:
            try:
                target.send(message)
            except RunnerkitError as error:
                self._warn("; ".join(filter(None, (error.message, error.hint))))
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost the job
                self._warn(f"{target.name}: {type(error).__name__}")
