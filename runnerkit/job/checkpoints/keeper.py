"""Keeps the checkpoints of the stages that ask for it, while the pipeline runs and without holding it up.

All that takes time happens in one thread that nobody waits for longer than there is time: a piece that is being sent
when the machine goes is lost, and the checkpoint before it is whole.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runnerkit.errors import RunnerkitError
from runnerkit.job.checkpoints.inputs import digest
from runnerkit.job.checkpoints.vault import Abandoned, Unsteady, Vault, holds_files, told_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from runnerkit.job.checkpoints.declared import Declared
    from runnerkit.job.pipeline import Project
    from runnerkit.job.stores import Store

SOON = 1.0  # seconds until a look at files that were just being written
TRIES = 5  # then what never rests, such as a log, is left out
TICK = 0.05
# A command that ended like this had no say in what its files look like.
KILLED = frozenset({134, 135, 136, 137, 139})


@dataclass(slots=True)
class Held:
    """A stage that runs, or ran, and its checkpoint; times are seconds since the epoch."""

    address: str
    folders: Sequence[Path]
    vault: Vault | None = None
    restored: float | None = None
    next: float = float("inf")
    unsteady: int = 0
    ready: bool = False
    ended: bool = False


@dataclass(slots=True)
class Keeper:
    """What the run's loop talks to.

    ``folder`` is where the stages' shell asks and waits; ``every`` is how many seconds may pass between two looks.
    """

    project: Project
    stages: Mapping[str, Declared]
    store: Store
    folder: Path
    say: Callable[[str], None]
    every: float = 60.0
    continued: list[str] = field(default_factory=list)
    seconds: float = 0.0
    _held: dict[str, Held] = field(default_factory=dict)
    _current: Held | None = None
    _work: queue.SimpleQueue[Callable[[], None] | None] = field(default_factory=queue.SimpleQueue)
    _said: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    _pending: int = 0
    _given_up: bool = False
    _counted: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for name in ("ask", "go"):
            (self.folder / name).unlink(missing_ok=True)
        (self.folder / "held").write_text("".join(f"{each}\n" for each in self.stages), encoding="utf-8")
        threading.Thread(target=self._worker, name=f"checkpoints of {self.project.root}", daemon=True).start()

    # --- what the loop calls

    def attend(self, now: float) -> None:
        """Answer a stage that wants to begin, and keep what the running one has written."""
        self._speak()
        asking = self._asking()
        if asking:
            self._begin(asking)
        held = self._current
        if held is not None and held.ready and held.vault is not None and not self._pending and now >= held.next:
            held.next = now + self.every
            self._submit(lambda: self._save(held))

    def hurry(self) -> None:
        """Keep what there is at once: the machine is about to go."""
        if self._current is not None:
            self._current.next = 0.0

    def ended(self, address: str) -> None:
        """A stage is done; what it kept is of no more use once its results are pushed."""
        held = self._held.get(address)
        if held is not None:
            held.ended, self._current = True, None if self._current is held else self._current

    def pushed(self, addresses: Sequence[str]) -> None:
        """These stages are on the remote, so their checkpoints go."""
        for held in [self._held[name] for name in addresses if name in self._held]:
            if held.ended and held.vault is not None:
                del self._held[held.address]
                self._submit(held.vault.remove)

    def last(self, code: int | None, *, failed: bool) -> None:
        """The pipeline has ended: keep what the stage under way left behind.

        Args:
            code: What its command ended with; None when it did not say.
            failed: By its own fault, not because we ended it.
        """
        held, self._current = self._current, None
        if held is None or held.vault is None or held.ended:
            return
        if failed and held.restored is not None and not held.vault.saves:
            # It may be the checkpoint that it stumbled over, and would on every machine.
            self.say(f"::warning::runnerkit: {held.address!r} failed from its checkpoint, which is removed")
            self._submit(held.vault.remove)
        elif code is not None and code not in KILLED:
            self._submit(lambda: self._save(held, over=True))

    def wait(self, until: float) -> bool:
        """Wait for what is under way, at most until then (seconds since the epoch); whether all is done."""
        while self._pending and time.time() < until:
            time.sleep(TICK)
        self._speak()
        return not self._pending

    def give_up(self) -> None:
        """Send no more, and end the thread."""
        self._given_up = True
        self._work.put(None)
        self._speak()

    # --- the beginning of a stage

    def _asking(self) -> str:
        try:
            return (self.folder / "ask").read_text(encoding="utf-8").strip()
        except OSError:
            return ""

    def _begin(self, address: str) -> None:
        if address in self._held:
            if self._held[address].ready:
                self._go()  # a further command of the same stage
            return
        stage = self.stages[address.partition("@")[0]]
        held = self._held[address] = self._current = Held(address, stage.places(address))
        self._submit(lambda: self._open(held, stage))

    def _go(self) -> None:
        (self.folder / "ask").unlink(missing_ok=True)

    def _open(self, held: Held, stage: Declared) -> None:
        try:
            held.vault = self._vault(held, stage)
            self._restore(held, held.vault)
        except (RunnerkitError, OSError) as error:
            self._warn(f"the checkpoint of {held.address!r} cannot be used, so the stage starts afresh: {error}")
        finally:
            held.next, held.ready = time.time() + self.every, True
            self._go()

    def _vault(self, held: Held, stage: Declared) -> Vault:
        found = digest(self.project, stage, held.address)
        return Vault(self.store.below(found), self.project.root, held.folders, lambda: not self._given_up)

    def _restore(self, held: Held, vault: Vault) -> None:
        if holds_files(held.folders):
            self._said.put(f"runnerkit: {held.address!r} goes on from the checkpoint that is here")
            return
        held.restored = vault.restore(self.project.root / ".dvc/tmp/runnerkit-checkpoint")
        if held.restored is not None:
            self.continued.append(held.address)
            when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(held.restored))
            self._said.put(f"runnerkit: {held.address!r} goes on from its checkpoint of {when}")

    # --- the thread

    def _save(self, held: Held, *, over: bool = False) -> None:
        if held.vault is None:
            return
        begun = time.monotonic()
        try:
            sent = held.vault.save(quiet=not over, patient=not over and held.unsteady < TRIES)
        except Unsteady:
            held.unsteady, held.next = held.unsteady + 1, time.time() + SOON
            return
        held.unsteady = 0
        if sent:
            self.seconds = time.monotonic() - begun
            self._said.put(f"runnerkit: checkpoint of {held.address!r} kept, {told_bytes(sent)} sent")

    def _submit(self, work: Callable[[], None]) -> None:
        with self._counted:
            self._pending += 1
        self._work.put(work)

    def _worker(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except Abandoned:
                self._warn("there was no time to send a checkpoint whole; the one before it stands")
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost the training
                self._warn(f"a checkpoint could not be kept: {error}")
            finally:
                with self._counted:
                    self._pending -= 1

    def _warn(self, text: str) -> None:
        self._said.put(f"::warning::runnerkit: {text}")

    def _speak(self) -> None:
        while not self._said.empty():
            self.say(self._said.get())
