"""From a stopped builder to an image that is available; what did not become one is taken away."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.baking.errors import BakeError
from runnerkit.errors import LaunchRejected, RunnerkitError
from runnerkit.events import ActionFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runnerkit.baking.plan import BakePlan
    from runnerkit.baking.ports import BakedImage, Bakery, Builder

PENDING, AVAILABLE = "pending", "available"
# EC2 may not know an image at once that it has just named.
LOOKS_FOR_A_NEW_IMAGE = 12


@contextmanager
def told(bakery: Bakery, doing: str, name: str) -> Iterator[None]:
    """Let nothing that fails at the end hide what went before; what stays is swept later."""
    try:
        yield
    except RunnerkitError as error:
        bakery.events.emit(ActionFailed(doing, name, error))


class Imaging:
    """Makes images of builders.

    Args:
        bakery: The outside.
        within: Seconds an image may take.
        look: Seconds between two looks.
    """

    def __init__(self, bakery: Bakery, within: int, look: float) -> None:
        self._bakery = bakery
        self._within = within
        self._look = look

    def existing(self, plan: BakePlan) -> BakedImage | None:
        """The image that a plan would make, if there is one."""
        there = self._bakery.images.images(plan.region)
        good = (image for image in there if image.digest == plan.digest and image.state in {PENDING, AVAILABLE})
        return next((image for image in good if image.recipe == plan.recipe.name), None)

    def made(self, builder: Builder, plan: BakePlan, tags: Mapping[str, str]) -> BakedImage:
        """An image of the builder, available. One that fails, or is interrupted, is deleted.

        Raises:
            BakeError: EC2 could not make it, or took too long.
            CloudError: AWS refused it.
        """
        image_id = self._begun(builder, plan, tags)
        try:
            return self.available(plan.region, image_id)
        except BaseException:
            self._discard(plan.region, image_id)
            raise

    def _begun(self, builder: Builder, plan: BakePlan, tags: Mapping[str, str]) -> str:
        """Ask for the image, under a name with the time when an image of that name exists, whatever its state."""
        try:
            return self._bakery.images.create(builder, plan.name, tags)
        except LaunchRejected:
            now = int(self._bakery.clock.now().timestamp())
            return self._bakery.images.create(builder, f"{plan.name}-{now}", tags)

    def _discard(self, region: str, image_id: str) -> None:
        with told(self._bakery, "deleting the unfinished image", image_id):
            for _ in range(LOOKS_FOR_A_NEW_IMAGE):
                image = self._bakery.images.image(region, image_id)
                if image is not None:
                    self._bakery.images.delete(image)
                    return
                self._bakery.clock.wait(self._look)
            raise BakeError(
                f"EC2 does not show {image_id} in {region}, so it was not deleted",
                hint="`runnerkit ami list` shows it later, `runnerkit ami prune` deletes it",
            )

    def available(self, region: str, image_id: str) -> BakedImage:
        """Wait until EC2 has made an image.

        Raises:
            BakeError: It failed, or took too long.
        """
        clock = self._bakery.clock
        end = clock.now() + timedelta(seconds=self._within)
        while True:
            image = self._bakery.images.image(region, image_id)
            if image is not None and image.state == AVAILABLE:
                return image
            if image is not None and image.state != PENDING:
                raise BakeError(
                    f"EC2 could not make {image_id}: {image.state} {image.state_reason}".strip(),
                    hint="bake again; if it happens again, look at the limits of EBS snapshots in that region",
                )
            if clock.now() >= end:
                raise BakeError(
                    f"{image_id} is not available after {self._within} s",
                    hint="large disks take long the first time; set image_within in [ami]",
                )
            clock.wait(self._look)
