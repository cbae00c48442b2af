"""What a launch says about its image before money is spent: too old, soon too old, or not baked at all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import pytest

from runnerkit import boot, labels
from runnerkit.actions import Launch
from runnerkit.cli.say import SENTENCES
from runnerkit.errors import ForgeUnavailable, LaunchRejected, RunnerOutdated
from runnerkit.events import BakingAdvised, InstanceLaunched, RunnerAgeUnknown, RunnerAging
from runnerkit.launching import Launcher, Outside
from runnerkit.model import Release
from runnerkit.names import RunnerName
from runnerkit.testing import FakeClock, FakeCloud, FakeForge, MemoryJournal, RecordedEvents
from runnerkit.testing.clock import EPOCH
from runnerkit.wishes import Policy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runnerkit.ports import Image, RunnerPackage
    from runnerkit.wishes import RunnerSpec

REPO = "acme/widgets"
E = TypeVar("E")


class Cloud(FakeCloud):
    """Images with a runner of some version, made some time ago; or stock ones."""

    version = "2.335.0"
    made: datetime | None = EPOCH - timedelta(days=40)
    has_runner = True

    def image(self, spec: RunnerSpec, region: str, arch: str) -> Image:
        """The image."""
        found = super().image(spec, region, arch)
        return replace(found, baked=self.has_runner, runner_version=self.version, created_at=self.made)


class Forge(FakeForge):
    """Counts who asks, may be unable to tell, and may have no checksums."""

    asked = 0
    broken = False
    checksum = "0" * 64

    def releases(self, repo: str) -> Sequence[Release]:
        """Count, fail or tell."""
        self.asked += 1
        if self.broken:
            raise ForgeUnavailable("GitHub is away")
        return super().releases(repo)

    def downloads(self, repo: str) -> Sequence[RunnerPackage]:
        """Perhaps without checksums."""
        return [replace(package, sha256=self.checksum) for package in super().downloads(repo)]


@dataclass
class Ground:
    """A launcher, an image, and what GitHub knows of its runner."""

    clock: FakeClock = field(default_factory=FakeClock)
    events: RecordedEvents = field(default_factory=RecordedEvents)

    def __post_init__(self) -> None:
        self.cloud, self.forge = Cloud(self.clock), Forge(self.clock)
        outside = Outside(self.cloud, self.forge, self.clock, self.events, MemoryJournal())
        self.launcher = Launcher(outside, Policy(), "runnerkit", boot.user_data)

    def released(self, days_ago: float | None) -> None:
        """GitHub has 2.336.0, out for so many days (None: nobody tells), and 2.335.0 before that."""
        at = None if days_ago is None else self.clock.now() - timedelta(days=days_ago)
        self.forge.runner_releases = [Release("2.336.0", at), Release("2.335.0", at and at - timedelta(days=42))]

    def launch(self, job: int = 7, label: str = "runnerkit=1/gpu=t4") -> None:
        """Launch for a label."""
        spec = labels.parse(label).spec
        self.launcher.start(Launch(RunnerName.for_job(job), REPO, (label,), spec, job_id=job))

    def told(self, kind: type[E]) -> list[E]:
        """The events of a kind."""
        return [event for event in self.events.seen if isinstance(event, kind)]


def test_an_image_too_old_is_refused_before_anything_is_made() -> None:
    """No registration, no machine; the message names image and versions, the hint the command that bakes anew."""
    ground = Ground()
    ground.released(31)
    with pytest.raises(RunnerOutdated) as caught:
        ground.launch()
    assert (0, 0, 0) == (ground.cloud.launches, ground.forge.registrations, len(ground.forge.real_runners()))
    for word in ("ami-x64", "2.335.0", "2.336.0", "30 days"):
        assert word in caught.value.message
    assert "`runnerkit ami bake gpu-ubuntu-24.04`" in caught.value.hint
    assert not caught.value.retryable


def test_a_runner_that_cannot_register_is_refused_whatever_else_is_unknown() -> None:
    """Below the minimum even an undated list of releases is enough."""
    ground = Ground()
    ground.cloud.version = "2.300.0"
    ground.released(None)
    with pytest.raises(RunnerOutdated, match=r"2\.329\.0"):
        ground.launch()
    assert ground.cloud.launches == 0


def test_the_last_week_is_a_warning_once_a_day() -> None:
    """The machine starts; the warning tells how long it will go on and how to help, and is not repeated all day."""
    ground = Ground()
    ground.released(25)
    for job in (1, 2, 3):
        ground.launch(job)
    (warning,) = ground.told(RunnerAging)
    assert ("ami-x64", "2.335.0", "2.336.0") == (warning.image, warning.version, warning.newest)
    assert warning.days_left == pytest.approx(5)
    assert "`runnerkit ami bake" in warning.why
    assert ground.told(InstanceLaunched)
    ground.clock.advance(86_400)
    ground.launch(4)
    assert len(ground.told(RunnerAging)) == 2


@pytest.mark.parametrize("days", [0, 10, 22])
def test_a_young_runner_is_not_worth_a_word(days: float) -> None:
    """More than a week is left: nothing is said."""
    ground = Ground()
    ground.released(days)
    ground.launch()
    assert ground.told(RunnerAging) == []


def test_a_guess_never_refuses() -> None:
    """Undated, the image's age bounds the runner's: after three weeks that is told, and no launch refused."""
    ground = Ground()
    ground.released(None)
    for days, warnings in ((10, 0), (25, 1), (400, 1)):
        ground.events.seen.clear()
        ground.launcher.readier._freshness._told.clear()
        ground.cloud.made = ground.clock.now() - timedelta(days=days)
        ground.launch(days)
        assert warnings == len(ground.told(RunnerAging)), days
        assert ground.told(InstanceLaunched)
        assert all(each.days_left is None for each in ground.told(RunnerAging))


def test_what_cannot_be_found_out_stops_nothing() -> None:
    """GitHub does not answer that question, the machine starts, and one quiet event says why nothing was said."""
    ground = Ground()
    ground.forge.broken = True
    for job in (1, 2):
        ground.launch(job)
    assert ground.cloud.launches == 2
    (unknown,) = ground.told(RunnerAgeUnknown)
    assert "GitHub is away" in unknown.why


@pytest.mark.parametrize("version", ["", "unknown"])
def test_an_image_that_says_nothing_is_taken_as_it_is(version: str) -> None:
    """Whoever made the image did not write down what is in it."""
    ground = Ground()
    ground.cloud.version = version
    ground.released(99)
    ground.launch()
    assert ground.cloud.launches == 1
    assert ground.told(RunnerAging) == []


def test_where_github_does_not_care_nothing_is_said() -> None:
    """A GitHub Enterprise Server lists no releases: it brings its own runner."""
    ground = Ground()
    ground.forge.runner_releases = []
    ground.launch()
    assert (1, 1) == (ground.forge.asked, ground.cloud.launches)
    assert not ground.told(RunnerAging) + ground.told(RunnerAgeUnknown)


def test_a_stock_image_gets_one_piece_of_advice() -> None:
    """Once for any number of machines: what each spends on setting itself up, in seconds and dollars."""
    ground = Ground()
    ground.cloud.has_runner = False
    for job in (1, 2, 3):
        ground.launch(job)
    (advice,) = ground.told(BakingAdvised)
    assert ("ami-x64", "gpu-ubuntu-24.04") == (advice.image, advice.recipe)
    # g4dn.xlarge on spot costs 0.2104 dollars an hour in the fakes' market.
    assert advice.dollars == pytest.approx(0.2104 * advice.seconds / 3600)
    sentence = SENTENCES[BakingAdvised](advice)
    assert "bake an image with `runnerkit ami bake gpu-ubuntu-24.04`" in sentence
    assert "estimate" in sentence
    assert ground.forge.asked == 0, "its runner is GitHub's newest, so nobody asks how old it is"


def test_advice_fits_the_machine() -> None:
    """Without a GPU another recipe is the one to bake."""
    ground = Ground()
    ground.cloud.has_runner = False
    ground.launch(label="runnerkit=1/cpu=2/type=m7i.large")
    (advice,) = ground.told(BakingAdvised)
    assert advice.recipe == "cpu-ubuntu-24.04"


def test_a_runner_without_a_checksum_is_refused_before_anything_is_made() -> None:
    """An unchecked download never reaches a machine: no registration is made for it, no instance is started."""
    ground = Ground()
    ground.cloud.has_runner, ground.forge.checksum = False, ""
    with pytest.raises(LaunchRejected, match="checksum"):
        ground.launch()
    assert (0, 0) == (ground.cloud.launches, ground.forge.registrations)
