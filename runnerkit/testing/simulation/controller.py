"""A controller of a simulation: the real ``Fleet.run`` in a thread of its own, which runs only when it is its turn."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from runnerkit.testing.lies import Crash

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from runnerkit.testing.simulation.agenda import Agenda

PATIENCE = 120.0


class Turns:
    """A program that runs beside the agenda: it goes on when its time has come, and until it waits again.

    Only one of all of them runs at any moment, so the same seed gives the same course.
    """

    def __init__(self, agenda: Agenda, program: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self.over = threading.Event()
        self._agenda = agenda
        self._ending = False
        self._go = threading.Semaphore(0)
        self._parked = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(program,), daemon=True, name="controller")
        self._started = False

    def resume(self) -> None:
        """Let it run until it waits, or ends.

        Raises:
            TimeoutError: It does neither.
        """
        if self.over.is_set():
            return
        if not self._started:
            self._started = True
            self._thread.start()
        else:
            self._go.release()
        if not self._parked.acquire(timeout=PATIENCE):
            raise TimeoutError("a controller does not come to the end of its turn")
        if self.over.is_set():
            self._thread.join(PATIENCE)

    def park(self) -> None:
        """Called by the program itself: wait until somebody resumes it.

        Raises:
            Crash: The simulation is over.
        """
        self._parked.release()
        self._go.acquire()
        if self._ending:
            raise Crash

    def sleep(self, seconds: float) -> None:
        """Called by the program, or by a helper thread of its, for which no time passes."""
        if seconds > 0 and threading.current_thread() is self._thread:
            self._agenda.after(seconds, self.resume)
            self.park()

    def end(self) -> None:
        """End it where it waits."""
        self._ending = True
        if self._started:
            self.resume()

    def _run(self, program: Callable[[], None]) -> None:
        try:
            program()
        except Crash:
            pass
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever runs the simulation
            self.error = error
        self.over.set()
        self._parked.release()


class TurnClock:
    """The port Clock for one controller: waiting is parking."""

    def __init__(self, agenda: Agenda) -> None:
        self.turns: Turns | None = None
        self._agenda = agenda
        self._woken = False
        self._ticket = 0
        self._waiting = False

    def now(self) -> datetime:
        """The time, aware UTC."""
        return self._agenda.now()

    def wait(self, seconds: float) -> bool:
        """Let others go on for so long, or until somebody wakes this controller."""
        if not self._woken and self.turns is not None:
            self._waiting = True
            self._resume_after(seconds)
            self.turns.park()
            self._waiting = False
        woken, self._woken = self._woken, False
        return woken

    def wake(self) -> None:
        """End the wait that is under way, or the next one."""
        if self._woken:
            return
        self._woken = True
        if self._waiting:
            self._resume_after(0.0)

    def _resume_after(self, seconds: float) -> None:
        self._ticket += 1
        ticket = self._ticket
        self._agenda.after(seconds, lambda: self._resume(ticket))

    def _resume(self, ticket: int) -> None:
        # A wait that was ended earlier leaves its entry behind.
        if ticket == self._ticket and self._waiting and self.turns is not None:
            self.turns.resume()
