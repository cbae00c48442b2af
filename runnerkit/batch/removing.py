"""Taking back what was made: queues, then compute environments, then definitions, and what they stood on. Pure.

Only what bears our owner's tag is ever touched. Batch deletes only what is disabled, and a compute environment only
when it is in no queue any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from runnerkit.batch.states import DELETED, DELETING, DISABLED, ENABLED, UPDATING, Compute, Queue, last_part
from runnerkit.errors import CloudUnavailable, RunnerkitError
from runnerkit.tags import OWNER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runnerkit.batch.ports import Service
    from runnerkit.batch.states import Definition
    from runnerkit.ports import Clock

SLOWER, LATEST = 1.5, 10.0
# About ten minutes: Batch ends a compute environment's machines first.
MOST_LOOKS = 70
_Thing = TypeVar("_Thing", Compute, Queue)


@dataclass(slots=True)
class Removed:
    """What went, what was kept because jobs use it, and what failed; each as a sentence or a name."""

    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, list[str]]:
        """For programs."""
        return {"removed": self.removed, "kept": self.kept, "failed": self.failed}


class Remover:
    """Removes what is ours.

    Args:
        service: Batch.
        clock: For waiting.
        owner: Whose things.
        say: Hears what is removed.
        poll: Seconds between the first looks at what is on its way out.
    """

    def __init__(
        self, service: Service, clock: Clock, owner: str, say: Callable[[str], None], poll: float = 1.0
    ) -> None:
        self._service = service
        self._clock = clock
        self._owner = owner
        self._say = say
        self._poll = poll
        self.done = Removed()

    def everything(self, *, force: bool = False) -> Removed:
        """Remove all that bears our tag; queues with living jobs only with ``force``, which ends these jobs."""
        for queue in self._ours(self._service.queues()):
            self._part(queue.name, partial(self._queue, queue, force=force))
        self._unused(self._service.computes())
        if not self.done.kept:
            for definition in self._service.definitions():
                self._part(definition.arn, partial(self._definition, definition))
        self._surroundings()
        return self.done

    def used(self, queue_name: str, definition: Definition) -> Removed:
        """Remove what one run used, as far as it is ours and no other job needs it; no queue without its name."""
        for queue in self._ours(self._service.queues(queue_name)) if queue_name else []:
            self._part(queue.name, partial(self._queue, queue, force=False))
            self._unused(self._service.computes(*queue.computes) if queue.computes else ())
        self._part(definition.arn, partial(self._definition, definition))
        self._surroundings()
        return self.done

    def _ours(self, things: Sequence[_Thing]) -> list[_Thing]:
        return [each for each in things if self._is_ours(each.tags) and each.status not in {DELETING, DELETED}]

    def _is_ours(self, tags: Mapping[str, str]) -> bool:
        return tags.get(OWNER) == self._owner

    def _part(self, name: str, remove: Callable[[], None]) -> None:
        """One part; that it cannot be removed is no reason to leave the others."""
        try:
            remove()
        except RunnerkitError as error:
            self.done.failed.append(f"{last_part(name)}: {error.message}")

    def _queue(self, queue: Queue, *, force: bool) -> None:
        if not force and self._has_jobs(queue):
            return
        if queue.state != DISABLED:
            self._service.switch_queue(queue.name, DISABLED)
            self._until(queue.name, self._service.queues, settled=True)
        # A disabled queue takes no more jobs; deleting it would end one that came before.
        if not force and self._has_jobs(queue):
            self._service.switch_queue(queue.name, ENABLED)
            return
        self._service.delete_queue(queue.name)
        self._until(queue.name, self._service.queues)
        self._gone(queue.name, "job queue")

    def _has_jobs(self, queue: Queue) -> bool:
        living = len(self._service.living(queue.arn))
        if living:
            self.done.kept.append(queue.name)
            self._say(
                f"kept {queue.name}: {living} of its jobs are not over (`runnerkit batch remove --force` ends them)"
            )
        return bool(living)

    def _unused(self, computes: Sequence[Compute]) -> None:
        """Remove the compute environments of ours that are in no queue any more."""
        in_use = {arn for queue in self._service.queues() if queue.status != DELETED for arn in queue.computes}
        for compute in self._ours(computes):
            if compute.arn in in_use:
                self.done.kept.append(compute.name)
            else:
                self._part(compute.name, partial(self._compute, compute))

    def _compute(self, compute: Compute) -> None:
        if compute.state != DISABLED:
            self._service.switch_compute(compute.name, DISABLED)
            self._until(compute.name, self._service.computes, settled=True)
        self._service.delete_compute(compute.name)
        self._until(compute.name, self._service.computes)
        self._gone(compute.name, "compute environment")

    def _definition(self, definition: Definition) -> None:
        if self._is_ours(definition.tags):
            self._service.deregister(definition.arn)
            self._gone(last_part(definition.arn), "job definition")

    def _surroundings(self) -> None:
        def remove() -> None:
            # A compute environment without its profile can neither work nor be deleted.
            if self._ours(self._service.computes()):
                return
            for name in self._service.remove_surroundings():
                self._gone(name)

        self._part("what the compute environments stood on", remove)

    def _gone(self, name: str, kind: str = "") -> None:
        self.done.removed.append(name)
        self._say(f"removed the {kind} {name}" if kind else f"removed the {name}")

    def _until(self, name: str, look: Callable[[str], Sequence[_Thing]], *, settled: bool = False) -> None:
        """Wait until something is gone, or has settled after a change of its state."""
        pause = self._poll
        for _ in range(MOST_LOOKS):
            found = next((each for each in look(name) if each.status != DELETED), None)
            if found is None or (settled and found.state == DISABLED and found.status != UPDATING):
                return
            self._clock.wait(pause)
            pause = min(pause * SLOWER, LATEST)
        raise CloudUnavailable(f"{name} could not be removed within minutes", hint="`runnerkit batch remove` goes on")
