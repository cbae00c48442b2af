"""What is removed, and what is left, over a Batch in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runnerkit.batch.removing import Removed, Remover
from runnerkit.batch.states import Definition
from runnerkit.errors import CloudDenied
from runnerkit.tags import OWNER
from runnerkit.testing import FakeClock
from tests.batch.ground import FINE, QUEUE, RUNNABLE, Scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

OURS = {OWNER: "runnerkit"}
DEFINITION = Definition("d", "arn:d", 1, OURS)


@dataclass
class Busy(Scripted):
    """A Batch whose things are ours, and into whose queue somebody else submits just before it is closed."""

    late: bool = False
    stuck: bool = False

    def switch_queue(self, name: str, state: str) -> None:
        """The state; with it comes the late job."""
        self.done.append(f"{state} {name}")
        assert self.queue_now is not None
        self.queue_now = replace(self.queue_now, state=state)
        if self.late:
            self.beside = {"j9": RUNNABLE}

    def delete_queue(self, name: str) -> None:
        """Gone."""
        self.done.append(f"delete {name}")
        self.queue_now = None

    def switch_compute(self, name: str, state: str) -> None:
        """The state, unless it may not be changed."""
        self.done.append(f"{state} {name}")
        if self.stuck:
            raise CloudDenied("the permission batch:UpdateComputeEnvironment is missing")
        self.compute_now = [replace(each, state=state) for each in self.compute_now]

    def delete_compute(self, name: str) -> None:
        """Gone."""
        self.done.append(f"delete {name}")
        self.compute_now = []

    def remove_surroundings(self) -> Sequence[str]:
        """The profile."""
        return ["profile"]


def removed(batch: Busy, queue: str = "q") -> Removed:
    return Remover(batch, FakeClock(), "runnerkit", lambda _: None).used(queue, DEFINITION)


def busy(*, late: bool = False, stuck: bool = False) -> Busy:
    queue, compute = replace(QUEUE, tags=OURS), replace(FINE, tags=OURS)
    return Busy(looks=[RUNNABLE], queue_now=queue, compute_now=[compute], late=late, stuck=stuck)


def test_what_one_run_used_goes() -> None:
    """Queue, compute environment, definition, profile."""
    assert ["q", "spot", "arn:d", "profile"] == removed(busy()).removed


def test_a_job_that_comes_while_its_queue_is_closed_keeps_it() -> None:
    """Deleting the queue would end it: the queue is opened again."""
    batch = busy(late=True)
    done = removed(batch)
    assert (["q", "spot"], ["arn:d"]) == (done.kept, done.removed)
    assert ["DISABLED q", "ENABLED q"] == batch.done


def test_a_queue_that_was_named_is_left() -> None:
    """Also one of ours: only the definition is the run's own."""
    batch = busy()
    assert ["arn:d"] == removed(batch, "").removed
    assert batch.queue_now is not None


def test_a_compute_environment_that_stays_keeps_its_profile() -> None:
    """Without it the compute environment could neither work nor be deleted later; what failed is told."""
    for done in (removed(busy(stuck=True)), Remover(busy(stuck=True), FakeClock(), "runnerkit", print).everything()):
        assert "profile" not in done.removed
        assert "UpdateComputeEnvironment" in done.failed[0]


def test_what_is_somebody_elses_is_never_touched() -> None:
    """By the tag alone, whatever the names say."""
    batch = busy()
    batch.queue_now, batch.compute_now = replace(QUEUE, name="rk-runnerkit-cpu"), [FINE]
    assert [] == Remover(batch, FakeClock(), "runnerkit", print).everything(force=True).removed[:-1]
    assert [] == batch.done
