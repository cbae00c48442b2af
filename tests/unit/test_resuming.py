"""`resume` without a network: EC2's late reason, somebody faster, GitHub's refusal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runnerkit import labels
from runnerkit.errors import ForgeDenied, ForgeRejected, NothingKnown
from runnerkit.events import RunRepeated
from runnerkit.model import State
from runnerkit.names import label_digest
from runnerkit.recovery import Because, Reason
from runnerkit.resuming import Done, Resumed, Resumer
from runnerkit.testing import FakeWorld, Habits
from runnerkit.wishes import Policy, Retry, RunnerSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.model import Instance, Job
    from runnerkit.slots import LaunchRequest, Slot

REPO, LABEL = "acme/widgets", "runnerkit=5/gpu=t4"


class Play:
    """A job of a run whose machine was made by `launch`, in a world without a controller."""

    def __init__(self) -> None:
        self.world = FakeWorld(habits=Habits(boot=10, job=60_000))
        self.fleet = self.world.fleet()
        self.job = self.world.forge.queue(REPO, [LABEL])
        request = self.fleet.request(LABEL, REPO, run_id=self.job.run_id)
        (self.slot,) = self.fleet.launch(request)
        self.world.clock.advance(120)
        assert [job.status for job in self.world.forge.real_jobs()] == ["in_progress"]

    def fail(self) -> None:
        """The job fails, as after a notice: in seconds."""
        self.world.forge.finish(self.job.id, "failure")

    def resume(self, resumer: Resumer | None = None, *, dry_run: bool = False) -> Resumed:
        """What becomes of the run."""
        return (resumer or self.resumer()).resume(REPO, self.job.run_id, dry_run=dry_run)

    def resumer(self, policy: Policy | None = None) -> Resumer:
        """One that knows nothing of earlier ones."""
        return Resumer(self.world.outside, policy or Policy(), self.spec_of, self.launch)

    def launch(self, request: LaunchRequest) -> Sequence[Slot]:
        """As the fleet does it."""
        return self.fleet.launch(request)

    def spec_of(self, job: Job) -> RunnerSpec | None:
        """The wish, as its label says it."""
        label = labels.read(job.labels)
        return label.spec.over(RunnerSpec(retry=Retry.INTERRUPTED)) if label else None


def test_ec2s_reason_is_waited_for() -> None:
    """The job fails seconds after the notice, a minute and more before AWS takes the machine."""
    play = Play()
    play.fail()
    began = play.world.clock.now()

    def take() -> None:
        if (play.world.clock.now() - began).total_seconds() >= 90:
            play.world.interrupt(play.slot.instance_id)

    play.world.clock.listen(take)
    told = play.resume()
    digest = label_digest(REPO, [LABEL])
    assert (told.done, [str(slot.name) for slot in told.slots]) == (
        Done.REPEATED,
        [f"rk-{play.job.run_id}-2-{digest}-1"],
    )
    assert [event.attempt for event in play.world.events.of(RunRepeated)] == [2]
    assert [job.status for job in play.world.forge.real_jobs()] == ["completed", "queued"]


def test_a_machine_that_never_ends_is_not_waited_for_without_end() -> None:
    """It is somebody else's to end; the run merely failed, as far as anybody knows."""
    play = Play()
    play.fail()
    began = play.world.clock.now()

    class Stuck:
        """EC2, as long as the machine does not end."""

        def __getattr__(self, name: str) -> object:
            return getattr(play.world.cloud, name)

        def instances(self) -> list[Instance]:
            """It lives on."""
            return [replace(each, state=State.RUNNING, state_reason="") for each in play.world.cloud.instances()]

    stuck = Resumer(
        replace(play.world.outside, cloud=Stuck()),  # type: ignore[arg-type]  # a port with one fault
        Policy(),
        play.spec_of,
        play.launch,
    )
    told = play.resume(stuck)
    assert isinstance(told.decision, Reason)
    assert told.decision.because is Because.NOT_INTERRUPTED
    assert (play.world.clock.now() - began).total_seconds() < 400


def test_twice_at_once_repeats_once() -> None:
    """Whoever launches last sees, before it repeats, that the run goes on already."""
    play = Play()
    play.fail()
    play.world.interrupt(play.slot.instance_id)
    other = play.resumer()

    def launch(request: LaunchRequest) -> Sequence[Slot]:
        other.resume(REPO, play.job.run_id)
        return play.launch(request)

    slow = Resumer(play.world.outside, Policy(), play.spec_of, launch)
    assert play.resume(slow).done is Done.SOMEBODY
    assert play.world.forge.reruns == [play.job.run_id]
    assert len(play.world.cloud.live()) == 1


@pytest.mark.parametrize("faster", [True, False])
def test_githubs_refusal_is_fine_when_somebody_was_faster(faster: bool) -> None:
    """And told when nobody was."""
    play = Play()
    play.fail()
    play.world.interrupt(play.slot.instance_id)

    class Refusing:
        """GitHub, where the run is repeated between the last look and the repetition."""

        def __getattr__(self, name: str) -> object:
            return getattr(play.world.forge, name)

        def rerun_failed(self, repo: str, run_id: int) -> None:
            """Refuse it."""
            if faster:
                play.world.forge.rerun_failed(repo, run_id)
            raise ForgeRejected("the run is going already")

    resumer = Resumer(
        replace(play.world.outside, forge=Refusing()),  # type: ignore[arg-type]  # a port with one fault
        Policy(),
        play.spec_of,
        play.launch,
    )
    if faster:
        assert play.resume(resumer).done is Done.SOMEBODY
    else:
        with pytest.raises(ForgeRejected):
            play.resume(resumer)


def test_who_may_not_read_annotations_has_ec2s_word() -> None:
    """A token without that permission is no reason to leave a run failed."""
    play = Play()
    play.fail()
    play.world.interrupt(play.slot.instance_id)

    class Closed:
        """GitHub for such a token."""

        def __getattr__(self, name: str) -> object:
            return getattr(play.world.forge, name)

        def annotations(self, repo: str, job_id: int) -> Sequence[str]:
            """Deny it."""
            raise ForgeDenied(f"{repo}: {job_id}: checks may not be read")

    resumer = Resumer(
        replace(play.world.outside, forge=Closed()),  # type: ignore[arg-type]  # a port with one fault
        Policy(),
        play.spec_of,
        play.launch,
    )
    assert play.resume(resumer, dry_run=True).done is Done.WOULD_REPEAT


def test_nothing_starts_for_a_run_that_is_left() -> None:
    """Bounds come before machines."""
    play = Play()
    play.fail()
    play.world.interrupt(play.slot.instance_id)
    told = play.resume(play.resumer(Policy(max_reruns=0)))
    assert (told.done, told.slots, play.world.cloud.live()) == (Done.LEFT, (), [])
    with pytest.raises(NothingKnown):
        play.resumer().resume(REPO, 123_456)
