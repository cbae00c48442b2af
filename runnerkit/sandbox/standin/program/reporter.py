"""Tells the service how a job goes on: log and steps every moment, and the end."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from .service import Service, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY = 0.3
TRIES = 30
REFUSED, BROKEN = 400, 500
MOST_WAITING = 8 << 20
ROOM_WITHIN = 20.0


class Reporter:
    """Posts in a thread of its own, so that a slow service does not keep a cancellation waiting."""

    def __init__(self, url: str, session: str, note: Callable[[str], None]) -> None:
        self._service = Service(url)
        self._path = f"sessions/{session}"
        self._note = note
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._waiting = 0
        self._texts: dict[int, str] = {}
        self._steps: list[dict[str, Any]] | None = None
        self._away = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._post_on, name="reporter", daemon=True)
        self._thread.start()

    def add(self, step: int, text: str) -> None:
        """Add to a step's log."""
        if text:
            with self._lock:
                self._texts[step] = self._texts.get(step, "") + text
                self._waiting += len(text)

    @property
    def full(self) -> bool:
        """Whether more waits to be posted than should."""
        return self._waiting > MOST_WAITING

    def wait_for_room(self) -> None:
        """Wait until there is room; not for ever, when the service is away."""
        with self._room:
            self._room.wait_for(lambda: not self.full or self._away, ROOM_WITHIN)

    def show(self, steps: list[dict[str, Any]]) -> None:
        """Tell how far the steps are."""
        with self._lock:
            self._steps = steps

    def _post_on(self) -> None:
        while not self._over.wait(EVERY):
            self._post()

    def _post(self) -> None:
        with self._lock:
            texts, self._texts = self._texts, {}
            steps, self._steps = self._steps, None
        if steps is not None and not texts:
            self._send("log", {"steps": steps})
        for number, text in sorted(texts.items()):
            well = self._send("log", {"step": number, "text": text} | ({} if steps is None else {"steps": steps}))
            with self._room:
                self._away = not well
                if well:
                    self._waiting -= len(text)
                else:
                    self._texts[number] = text + self._texts.get(number, "")
                self._room.notify_all()

    def _send(self, what: str, body: dict[str, Any]) -> bool:
        try:
            status, answer = self._service.call("POST", f"{self._path}/{what}", body)
        except Unreachable as error:
            self._note(f"not told yet: {error}")
            return False
        if status >= REFUSED:
            self._note(f"{what} was refused: {status} {answer}")
        return status < BROKEN

    def finish(self, body: dict[str, Any]) -> None:
        """Tell the rest, then the end; a service that is away is waited for."""
        self._over.set()
        self._thread.join()
        for _ in range(TRIES):
            # The end of the log as well, should the service be away just now.
            self._post()
            if self._send("finish", body):
                return
            time.sleep(1)
