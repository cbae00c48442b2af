"""The service as a whole: a server, the loop, and the search for lost webhooks, from the start to a good end."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from runnerkit.errors import RunnerkitError
from runnerkit.events import ActionFailed, ServiceStarted, ServiceStopping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runnerkit.passes import Pass
    from runnerkit.ports import Events
    from runnerkit.web.redelivery import Redelivery
    from runnerkit.web.server import Server

ENDING = (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
INTERRUPTED = 130
# A wait that is long does not end when another thread is chosen to take the signal.
LOOK_EVERY = 0.5


class Loop(Protocol):
    """What makes the passes; :class:`runnerkit.fleet.Fleet` is the one in use."""

    def run(self, interval: float, *, after: Callable[[Pass | RunnerkitError], None]) -> None:
        """Pass after pass, until told to stop. Raises what no later pass can mend."""

    def stop(self) -> None:
        """End after the pass that is under way."""


class Service:
    """Runs until a signal says otherwise.

    Args:
        loop: Makes the passes.
        server: Listens already.
        events: Hears of start and end.
        pages: Who may see the status page, in words.
        webhooks: Whether they are taken in.
        redelivery: Looks for lost webhooks; None where nobody can.
        interval: Seconds between two passes that nothing woke.
        after: Told of each pass, and of the error of one that failed.
        stop_within: Seconds for the pass that is under way when the signal comes.
    """

    def __init__(
        self,
        loop: Loop,
        server: Server,
        events: Events,
        *,
        pages: str,
        webhooks: bool,
        redelivery: Redelivery | None,
        interval: float,
        after: Callable[[Pass | RunnerkitError], None],
        stop_within: float,
    ) -> None:
        self._loop = loop
        self._server = server
        self._events = events
        self._pages = pages
        self._webhooks = webhooks
        self._redelivery = redelivery
        self._interval = interval
        self._after = after
        self._stop_within = stop_within
        self._ended = threading.Event()
        self._signal: signal.Signals | None = None
        self._error: BaseException | None = None

    def run(self) -> int:
        """Serve until SIGTERM (returns 0) or Ctrl-C (returns 130); a second signal ends the process at once.

        Raises:
            RunnerkitError: The first pass failed for a reason that only people can mend.
        """
        with self._listening():
            self._server.start()
            hooks = "on" if self._webhooks else "off"
            self._events.emit(ServiceStarted(self._server.address, hooks, self._pages))
            passes = self._thread("passes", self._pass_after_pass)
            if (redelivery := self._redelivery) is not None:
                self._thread("redelivery", lambda: redelivery.run(self._ended))
            while not self._ended.wait(LOOK_EVERY):
                self._see_to_the_server()
            if self._signal is not None:
                self._events.emit(ServiceStopping(self._signal.name))
            self._server.close()
            self._loop.stop()
            passes.join(self._stop_within)
        if self._error is not None:
            raise self._error
        return 0 if self._signal is signal.SIGTERM else INTERRUPTED

    def _see_to_the_server(self) -> None:
        """End when nobody answers any more: whoever watches the process starts it again."""
        if not self._server.alive:
            self._error = RunnerkitError("the server's thread has ended", hint="start the service again")
            self._ended.set()

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        return thread

    def _pass_after_pass(self) -> None:
        try:
            self._loop.run(self._interval, after=self._passed)
        except BaseException as error:  # noqa: BLE001 - told by the main thread, where somebody listens
            self._error = error
        finally:
            # Without passes there is nothing to serve.
            self._ended.set()

    def _passed(self, done: Pass | RunnerkitError) -> None:
        """Tell of a pass; whoever fails to show it must not end the passes."""
        try:
            self._after(done)
        except Exception as error:  # noqa: BLE001 - as the docstring says
            self._events.emit(ActionFailed("show", "", RunnerkitError(f"a pass could not be shown: {error!r}")))

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Hear the signals; what is ignored stays ignored, for ``nohup`` means it."""
        before = {number: signal.getsignal(number) for number in ENDING}
        heard = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
        for number in heard:
            signal.signal(number, self._told)
        try:
            yield
        finally:
            for number, handler in heard.items():
                signal.signal(number, handler)

    def _told(self, number: int, _frame: object) -> None:
        if self._signal is not None:
            os._exit(INTERRUPTED)
        self._signal = signal.Signals(number)
        self._ended.set()
