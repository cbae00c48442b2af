"""The contracts of the ports :class:`runnerkit.baking.ports.Builders` and :class:`runnerkit.baking.ports.Images`."""

# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import pytest

from runnerkit import tags as words
from runnerkit.baking.ports import BuilderOrder
from runnerkit.baking.recipe import Base
from runnerkit.errors import ImageMissing, LaunchRejected

if TYPE_CHECKING:
    from runnerkit.baking.ports import BakedImage, Builder, Builders, Images
    from runnerkit.ports import Clock

RECIPE = "plain"
STOCK = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
MOST_LOOKS = 60


class BakeryBench(Protocol):
    """Both ports over one world, whose clock moves it."""

    builders: Builders
    images: Images
    clock: Clock
    owner: str


class BakeryContract:
    """What the baker relies on. Needs a fixture ``bakery``."""

    def order(self, bakery: BakeryBench, name: str = "runnerkit-builder-plain-1") -> BuilderOrder:
        """A builder to launch."""
        region, now = bakery.builders.regions()[0], bakery.clock.now()
        return BuilderOrder(
            name=name,
            region=region,
            image=bakery.builders.base(Base(ssm=STOCK), region, "x64"),
            types=("m7i.large", "t3.large"),
            disk=20,
            spot=False,
            ssh_from="203.0.113.7/32",
            ssh_port=22,
            user_data=b"#cloud-config\n{}",
            tags={
                words.NAME: name,
                words.OWNER: bakery.owner,
                words.BUILDER: RECIPE,
                words.EXPIRES_AT: str(int((now + timedelta(hours=1)).timestamp())),
            },
        )

    def running(self, bakery: BakeryBench, name: str = "runnerkit-builder-plain-1") -> Builder:
        """A builder that runs."""
        return self.reached(bakery, bakery.builders.launch(self.order(bakery, name)), "running")

    def reached(self, bakery: BakeryBench, builder: Builder, state: str) -> Builder:
        """The builder when it has come to a state."""
        for _ in range(MOST_LOOKS):
            found = bakery.builders.look(builder.region, builder.id)
            if found is not None and found.state == state:
                return found
            bakery.clock.wait(5)
        raise AssertionError(f"{builder.id} is not {state}")

    def baked(self, bakery: BakeryBench, builder: Builder, name: str) -> BakedImage:
        """An image of a builder, available."""
        marks = {words.OWNER: bakery.owner, words.RECIPE: RECIPE, words.DIGEST: "0a1b", words.RUNNER_VERSION: "2.336.0"}
        made = bakery.images.create(builder, name, marks)
        for _ in range(MOST_LOOKS):
            found = bakery.images.image(builder.region, made)
            if found is not None and found.state == "available":
                return found
            bakery.clock.wait(5)
        raise AssertionError(f"{made} is not available")

    def test_a_builder_is_listed_until_it_is_over(self, bakery: BakeryBench) -> None:
        """By its recipe, with its end and an address; ending it twice is no error."""
        builder = self.running(bakery)
        assert [builder.id] == [each.id for each in bakery.builders.live(RECIPE, builder.region)]
        assert list(bakery.builders.live("other", builder.region)) == []
        assert builder.expires_at is not None
        assert builder.private_address != ""
        bakery.builders.end(builder)
        bakery.builders.end(builder)
        self.reached(bakery, builder, "terminated")
        assert list(bakery.builders.live(RECIPE, builder.region)) == []

    def test_what_was_made_for_a_builder_goes_after_it(self, bakery: BakeryBench) -> None:
        """Not while it lives, and clearing twice is no error."""
        builder = self.running(bakery)
        assert not bakery.builders.clear(builder.region, builder.name)
        bakery.builders.end(builder)
        self.reached(bakery, builder, "terminated")
        assert bakery.builders.clear(builder.region, builder.name)
        assert bakery.builders.clear(builder.region, builder.name)

    def test_a_builder_is_kept_and_no_longer(self, bakery: BakeryBench) -> None:
        """The time until it waits is a note on the builder itself."""
        builder, until = self.running(bakery), bakery.clock.now().replace(microsecond=0) + timedelta(minutes=30)
        bakery.builders.keep(builder, until)
        assert until == self.reached(bakery, builder, "running").kept_until
        bakery.builders.keep(builder, None)
        assert self.reached(bakery, builder, "running").kept_until is None

    def test_an_image_has_what_it_was_tagged_with(self, bakery: BakeryBench) -> None:
        """And is listed; a second one of its name is refused."""
        builder = self.running(bakery)
        bakery.builders.stop(builder)
        stopped = self.reached(bakery, builder, "stopped")
        image = self.baked(bakery, stopped, "runnerkit-plain-1")
        assert (image.recipe, image.digest, image.runner_version) == (RECIPE, "0a1b", "2.336.0")
        assert [image.id] == [each.id for each in bakery.images.images(builder.region)]
        assert image.snapshots != ()
        with pytest.raises(LaunchRejected):
            bakery.images.create(stopped, "runnerkit-plain-1", {})

    def test_a_deleted_image_is_gone_with_its_snapshots(self, bakery: BakeryBench) -> None:
        """Deleting it again is no error."""
        builder = self.running(bakery)
        bakery.builders.stop(builder)
        image = self.baked(bakery, self.reached(bakery, builder, "stopped"), "runnerkit-plain-1")
        assert list(bakery.images.delete(image)) == []
        assert bakery.images.image(builder.region, image.id) is None
        assert list(bakery.images.delete(image)) == []

    def test_a_base_that_does_not_exist_is_told(self, bakery: BakeryBench) -> None:
        """A recipe without an image has to be baked first."""
        with pytest.raises(ImageMissing, match="no image in"):
            bakery.builders.base(Base(recipe="nothing"), bakery.builders.regions()[0], "x64")
