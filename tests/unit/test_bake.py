"""The baker over fakes: every way a bake can end, and what is left then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit import tags
from runnerkit.baking import recipe as recipes
from runnerkit.baking.baker import Baker
from runnerkit.baking.plan import BakeWish
from runnerkit.baking.ports import Bakery
from runnerkit.errors import BakeError, ConnectionLost, HostKeyMismatch, StepFailed
from runnerkit.events import BakeStageEnded
from runnerkit.ports import RunnerPackage
from runnerkit.settings import AmiSettings
from runnerkit.testing import FakeClock, RecordedEvents
from runnerkit.testing.bakery import FakeBuilders, FakeImages, FakeKeys, FakeShells

if TYPE_CHECKING:
    from runnerkit.baking.plan import Baked
    from runnerkit.baking.ports import BuilderOrder
    from runnerkit.baking.recipe import Recipe

URL = "https://github.com/actions/runner/releases/download/v2.336.0/actions-runner-linux-x64-2.336.0.tar.gz"
PACKAGE = RunnerPackage("linux", "x64", URL, "ab" * 32)
TEXT = """
base = "ami-0ba5e0000000000aa"
[[steps]]
name = "one"
run = "echo one"
[[steps]]
name = "two"
run = "echo two"
expect = "^fine"
[[checks]]
run = "true"
"""


class Kitchen:
    """A baker with everything that it works with."""

    def __init__(self) -> None:
        self.clock, self.events = FakeClock(), RecordedEvents()
        self.builders, self.images = FakeBuilders(self.clock), FakeImages(self.clock)
        self.shells, self.keys = FakeShells(), FakeKeys()
        self.shells.disk.ends = lambda script: (0, "fine\n" if "two" in script else "")
        self.baker = self.another()

    def another(self, **settings: int) -> Baker:
        """A baker of another process."""
        bakery = Bakery(
            builders=self.builders,
            images=self.images,
            connects=self.shells,
            keys=self.keys,
            clock=self.clock,
            events=self.events,
            offered=lambda: [PACKAGE],
        )
        return Baker(bakery, settings=AmiSettings(**settings), owner="ml", version="1.0")  # type: ignore[arg-type]  # whole numbers

    def bake(self, text: str = TEXT, *, force: bool = False, fresh: bool = False, keep: bool = True) -> Baked:
        """Bake a recipe."""
        wanted = BakeWish(force=force, fresh=fresh, keep=keep)
        return self.baker.bake(self.baker.plan(self.recipe(text), wanted), wanted)

    def recipe(self, text: str = TEXT) -> Recipe:
        """A recipe of a text."""
        return recipes.parse(text, "plain", "plain.toml")

    def is_clean(self) -> bool:
        """Whether nothing costs or lets anybody in."""
        live = [each for each in self.builders.known.values() if each.is_live]
        return not live and not self.builders.groups and not self.keys.kept


@pytest.fixture
def kitchen() -> Kitchen:
    """An empty one."""
    return Kitchen()


def test_a_bake_makes_a_tagged_image_and_leaves_nothing(kitchen: Kitchen) -> None:
    """Steps, checks, clean, stop, image, end: in this order, and once."""
    baked = kitchen.bake()
    stages = [event.stage for event in kitchen.events.of(BakeStageEnded)]
    assert ["boot", "one", "two", "check: true", "clean", "stop", "image", "end"] == stages
    assert (True, kitchen.shells.disk.cleaned, True) == (baked.made, True, kitchen.is_clean())
    marks = kitchen.images.tags[baked.image.id]
    assert ("plain", "ml", "ami-0ba5e0000000000aa") == (marks[tags.RECIPE], marks[tags.OWNER], marks[tags.BASE])


def test_baking_twice_is_no_work_unless_it_is_asked_for(kitchen: Kitchen) -> None:
    """The digest finds the image; --force makes another one beside it."""
    first, second = kitchen.bake(), kitchen.bake()
    assert (second.made, second.image.id) == (False, first.image.id)
    assert kitchen.bake(force=True).image.id != first.image.id
    assert 2 == len(kitchen.builders.orders)


def test_a_bake_waits_for_the_same_image_under_way(kitchen: Kitchen) -> None:
    """An image that a killed baker left pending is as good as any."""
    plan = kitchen.baker.plan(kitchen.recipe(), BakeWish())
    builder = kitchen.builders.launch(_order(kitchen))
    kitchen.builders.end(builder)
    kitchen.images.create(builder, plan.name, plan.tags("ml", kitchen.clock.now()))
    assert (False, "available") == ((baked := kitchen.bake()).made, baked.image.state)


def _order(kitchen: Kitchen) -> BuilderOrder:
    kitchen.bake(TEXT.replace("one", "other"))
    return kitchen.builders.orders[-1]


@pytest.mark.parametrize("cuts", [1, 3])
def test_a_lost_connection_changes_nothing(kitchen: Kitchen, cuts: int) -> None:
    """Commands whose outcome is unknown are repeated; no step runs twice."""
    kitchen.shells.cuts = cuts
    assert kitchen.bake().made
    assert 3 == len(kitchen.shells.disk.ran), "two steps and a check"
    assert cuts < kitchen.shells.made + 1


@pytest.mark.parametrize(
    ("ends", "says"),
    [
        ((3, "no disk\n"), "ended with 3"),
        ((124, ""), "took longer than its 1800 s"),
        ((0, "strange\n"), "ended with 0, but did not print what matches '^fine'"),
    ],
)
def test_a_failed_step_keeps_the_builder_and_the_next_bake_goes_on(
    kitchen: Kitchen, ends: tuple[int, str], says: str
) -> None:
    """What is done stays done, the failed step runs again, and then everything is taken away."""
    kitchen.shells.disk.ends = lambda script: ends if "two" in script else (0, "")
    with pytest.raises(StepFailed, match=r"step 2 of 2 \(two\) of plain " + says.replace("^", r"\^")) as caught:
        kitchen.bake()
    assert "run the same command again" in caught.value.hint
    assert 1 == len(kitchen.keys.kept)
    kitchen.shells.disk.ends = lambda _: (0, "fine\n")
    baked = kitchen.bake()
    assert (True, True, 1, True) == (baked.made, baked.resumed, len(kitchen.builders.orders), kitchen.is_clean())
    assert 1 == sum("echo one" in script for script in kitchen.shells.disk.ran)


def test_a_builder_is_not_kept_when_nobody_wants_it(kitchen: Kitchen) -> None:
    """In a workflow nobody resumes."""
    kitchen.shells.disk.ends = lambda _: (1, "")
    with pytest.raises(StepFailed, match="ended with 1") as caught:
        kitchen.bake(keep=False)
    assert ("the builder is gone; the next bake starts anew", True) == (caught.value.hint, kitchen.is_clean())


def test_a_finished_step_that_changed_needs_a_new_builder(kitchen: Kitchen) -> None:
    """What an old step did cannot be taken back."""
    kitchen.shells.disk.ends = lambda script: (1 if "two" in script else 0, "")
    with pytest.raises(StepFailed):
        kitchen.bake()
    kitchen.shells.disk.ends = lambda _: (0, "fine\n")
    baked = kitchen.bake(TEXT.replace("echo one", "echo other"))
    assert (True, False, 2, True) == (baked.made, baked.resumed, len(kitchen.builders.orders), kitchen.is_clean())


def test_another_bake_of_the_recipe_is_left_alone(kitchen: Kitchen) -> None:
    """Its builder is named, with when it ends; --fresh ends it."""
    kitchen.builders.launch(_order(kitchen))
    with pytest.raises(BakeError, match="another bake is under way, or was killed"):
        kitchen.bake()
    assert kitchen.bake(fresh=True).made
    assert kitchen.is_clean()


@pytest.mark.parametrize(
    ("error", "kind"),
    [(HostKeyMismatch("another key"), HostKeyMismatch), (ConnectionLost("refused"), type(None))],
)
def test_only_a_wrong_key_is_final(kitchen: Kitchen, error: BakeError, kind: type) -> None:
    """A machine that does not answer yet is waited for; one that is not ours is not."""
    kitchen.shells.refuse = [error]
    if kind is HostKeyMismatch:
        with pytest.raises(HostKeyMismatch):
            kitchen.bake()
    else:
        assert kitchen.bake().made
    assert kitchen.is_clean()


def test_a_silent_console_is_no_reason_to_trust(kitchen: Kitchen) -> None:
    """Without keys on the console nobody is connected to, and the builder ends."""
    kitchen.builders.prints_keys = False
    with pytest.raises(BakeError, match="console shows no SSH host keys"):
        kitchen.bake()
    assert (0, True) == (kitchen.shells.made, kitchen.is_clean())


def test_an_image_that_fails_is_deleted(kitchen: Kitchen) -> None:
    """Neither the half image nor the builder stays."""
    kitchen.images.fails = True
    with pytest.raises(BakeError, match="EC2 could not make"):
        kitchen.bake()
    assert ([], True) == (list(kitchen.images.images("eu-west-1")), kitchen.is_clean())


def test_an_interrupt_takes_everything_back(kitchen: Kitchen) -> None:
    """Ctrl-C in the middle of a step."""

    def interrupt(_: str) -> tuple[int, str]:
        raise KeyboardInterrupt

    kitchen.shells.disk.ends = interrupt
    with pytest.raises(KeyboardInterrupt):
        kitchen.bake()
    assert kitchen.is_clean()


def test_a_builder_s_user_data_arms_its_end_first(kitchen: Kitchen) -> None:
    """The lifetime and the dead-man's switch come before anything that could fail."""
    kitchen.bake()
    data = kitchen.builders.orders[0].user_data.decode()
    assert data.startswith("#cloud-config\n")
    assert data.index("runnerkit-bake-switch") < data.index("runnerkit-bake-life") < data.index("ssh_authorized_keys")
