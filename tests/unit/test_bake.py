"""The baker over fakes: every way a bake can end, and what is left then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runnerkit import tags
from runnerkit.baking import recipe as recipes
from runnerkit.baking.baker import Baker
from runnerkit.baking.errors import BakeError, ConnectionLost, HostKeyMismatch, StepFailed
from runnerkit.baking.line import Line, Pace
from runnerkit.baking.plan import BakeWish
from runnerkit.baking.ports import Bakery, Outcome
from runnerkit.errors import CloudDenied
from runnerkit.events import BakeStageEnded
from runnerkit.names import Secret
from runnerkit.ports import RunnerPackage
from runnerkit.settings import AmiSettings
from runnerkit.testing import FakeClock, RecordedEvents
from runnerkit.testing.bakery import FakeBuilders, FakeImages, FakeKeys, FakeShells

if TYPE_CHECKING:
    from runnerkit.baking.plan import Baked
    from runnerkit.baking.ports import BakedImage, Builder, BuilderOrder
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
        ((124, ""), "ended with 124 after 1 s"),
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


def test_a_step_that_was_stopped_is_told_from_one_that_ended_so(kitchen: Kitchen) -> None:
    """124 is what `timeout` ends with, in a recipe's own script, too: the time decides."""
    kitchen.shells.disk.ends, kitchen.shells.disk.took = lambda _: (124, ""), 1800
    with pytest.raises(StepFailed, match="took longer than its 1800 s"):
        kitchen.bake()


def test_what_a_failed_step_printed_does_no_harm(kitchen: Kitchen) -> None:
    """No sequence that a terminal obeys, and no token, comes into the message."""
    token = "ghp_" + "a1" * 18
    kitchen.shells.disk.ends = lambda _: (1, f"\x1b]0;title\x07\x1b[31mred\x1b[0m {token}\r\n\x00end\n")
    with pytest.raises(StepFailed) as caught:
        kitchen.bake()
    assert "red ***\nend" == caught.value.output
    assert "\x1b" not in caught.value.message


def test_a_kept_builder_waits_no_longer_than_it_lives(kitchen: Kitchen) -> None:
    """The hint names the end that comes first."""
    kitchen.shells.disk.ends = lambda _: (1, "")
    kitchen.baker = kitchen.another(life=600, keep=1800)
    with pytest.raises(StepFailed) as caught:
        kitchen.bake()
    (builder,) = (each for each in kitchen.builders.known.values() if each.is_live)
    assert builder.kept_until == builder.expires_at is not None
    assert f"waits until {builder.expires_at:%H:%M} UTC" in caught.value.hint


def test_a_builder_that_waits_for_somebody_else_is_left_alone(kitchen: Kitchen) -> None:
    """Its key is on another computer, or another process took it a moment ago; nobody is told that it is at work."""
    kitchen.shells.disk.ends = lambda _: (1, "")
    with pytest.raises(StepFailed):
        kitchen.bake()
    kitchen.keys.kept.clear()
    with pytest.raises(BakeError, match="whoever has its key"):
        kitchen.bake()
    assert 1 == len(kitchen.builders.orders)


def test_an_interrupted_resumption_can_be_had_again(kitchen: Kitchen) -> None:
    """Ctrl-C while the kept builder is looked at: it waits as before, and its key is still here."""
    kitchen.shells.disk.ends = lambda script: (1 if "two" in script else 0, "")
    with pytest.raises(StepFailed):
        kitchen.bake()
    interrupt_once(kitchen.builders, "keep")
    with pytest.raises(KeyboardInterrupt):
        kitchen.bake()
    kitchen.shells.disk.ends = lambda _: (0, "fine\n")
    assert kitchen.bake().resumed
    assert kitchen.is_clean()


@pytest.mark.parametrize("rival_is_first", [True, False])
def test_of_two_bakes_at_once_one_goes_on(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, *, rival_is_first: bool
) -> None:
    """Both saw no builder when they looked; the later one ends its own and says why."""
    order, launch = _order(kitchen), kitchen.builders.launch

    def both(mine: BuilderOrder) -> Builder:
        if rival_is_first:
            launch(replace(order, name="rival"))
            return launch(mine)
        builder = launch(mine)
        launch(replace(order, name="rival"))
        return builder

    monkeypatch.setattr(kitchen.builders, "launch", both)
    if rival_is_first:
        with pytest.raises(BakeError, match="another bake is under way"):
            kitchen.bake()
    else:
        assert kitchen.bake().made
    assert ["rival"] == [each.name for each in kitchen.builders.known.values() if each.is_live]


def test_a_failed_image_of_that_name_is_no_obstacle(kitchen: Kitchen) -> None:
    """A name stays taken until its image is deregistered; the next bake does not find that out at its very end."""
    plan = kitchen.baker.plan(kitchen.recipe(), BakeWish())
    builder = kitchen.builders.launch(_order(kitchen))
    kitchen.builders.end(builder)
    kitchen.images.fails = True
    kitchen.images.create(builder, plan.name, plan.tags("ml", kitchen.clock.now()))
    kitchen.clock.wait(kitchen.images.takes)
    assert ["failed", "available"] == sorted((each.state for each in kitchen.images.images(plan.region)), reverse=True)
    kitchen.images.fails = False
    baked = kitchen.bake()
    assert (True, True) == (baked.made, baked.image.name.startswith(f"{plan.name}-"))


def test_an_image_that_ec2_does_not_show_yet_is_deleted_all_the_same(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C right after it was asked for: the first looks may find nothing."""
    look, seen = kitchen.images.image, []

    def late(region: str, image_id: str) -> BakedImage | None:
        seen.append(image_id)
        if len(seen) == 1:
            raise KeyboardInterrupt
        return look(region, image_id) if len(seen) > 4 else None

    monkeypatch.setattr(kitchen.images, "image", late)
    with pytest.raises(KeyboardInterrupt):
        kitchen.bake()
    monkeypatch.undo()
    assert ([], True) == (list(kitchen.images.images("eu-west-1")), kitchen.is_clean())


def interrupt_once(thing: object, method: str) -> None:
    """Let the next call of a fake's method be interrupted, before it does anything."""
    kept = getattr(thing, method)

    def interrupted(*_: object, **__: object) -> None:
        setattr(thing, method, kept)
        raise KeyboardInterrupt

    setattr(thing, method, interrupted)


@pytest.mark.parametrize("stage", ["launch", "live", "look", "console", "stop", "create", "image", "new", "save"])
def test_an_interrupt_at_any_stage_leaves_nothing(kitchen: Kitchen, stage: str) -> None:
    """Wherever Ctrl-C comes; ``save`` is when a failed step's builder is about to be kept."""
    if stage == "save":
        kitchen.shells.disk.ends = lambda _: (1, "")
    for thing in (kitchen.builders, kitchen.images, kitchen.keys):
        if hasattr(thing, stage):
            interrupt_once(thing, stage)
            break
    with pytest.raises(KeyboardInterrupt):
        kitchen.bake()
    assert ([], True) == (list(kitchen.images.images("eu-west-1")), kitchen.is_clean())


def test_a_long_command_may_still_lose_its_connection(kitchen: Kitchen) -> None:
    """Patience begins with the loss, not with the command: an upload of ten minutes is tried again."""
    clock, tries = kitchen.clock, []

    class Slow:
        def run(self, command: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Outcome:
            tries.append((command, stdin, timeout))
            clock.wait(400)
            if len(tries) == 1:
                raise ConnectionLost("cut")
            return Outcome(0, b"done")

        def close(self) -> None:
            pass

    line = Line(Slow, lambda: None, clock, Pace(patience=300))
    assert (b"done", 2) == (line.run("upload").out, len(tries))


def test_a_connection_that_stays_lost_is_given_up(kitchen: Kitchen) -> None:
    """After the patience that is said, and not before."""
    kitchen.shells.refuse, began = [ConnectionLost("refused")] * 10_000, kitchen.clock.now()
    line = Line(lambda: kitchen.shells("", 22, Secret("k"), ()), lambda: None, kitchen.clock, Pace(patience=300))
    with pytest.raises(ConnectionLost, match="could not be had again for 300 s"):
        line.run("true")
    assert 300 <= (kitchen.clock.now() - began).total_seconds() <= 305


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


def test_an_image_that_ec2_refuses_leaves_nothing(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of snapshots, a missing permission: AWS's words are passed on, and the builder ends."""

    def refused(*_: object) -> str:
        raise CloudDenied("making the image: the permission ec2:CreateImage is missing")

    monkeypatch.setattr(kitchen.images, "create", refused)
    with pytest.raises(CloudDenied, match="ec2:CreateImage"):
        kitchen.bake()
    assert kitchen.is_clean()


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
