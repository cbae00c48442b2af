"""The baker: from a recipe to an image. A builder is launched, runs the steps, and nothing but the image stays."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.baking import boot as remote
from runnerkit.baking.building import Building, under_way
from runnerkit.baking.line import Pace
from runnerkit.baking.plan import Baked, BakePlan, BakeWish, builder_tags, planned
from runnerkit.baking.ports import BuilderOrder, KeptKey
from runnerkit.baking.steps import chosen_runner
from runnerkit.errors import BakeError, HostKeyMismatch, RunnerkitError, StepFailed
from runnerkit.events import ActionFailed, BakeStageBegan, BakeStageEnded, BuilderLaunched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.baking.ports import BakedImage, Bakery, Builder
    from runnerkit.baking.recipe import Recipe
    from runnerkit.settings import AmiSettings

PENDING, AVAILABLE = "pending", "available"


class Baker:
    """Bakes images for one installation.

    Args:
        bakery: The outside.
        settings: Section ``[ami]``.
        owner: Whose images these are.
        version: Of runnerkit itself.
        tags: More tags for everything that is made.
        pace: How often to look.
    """

    def __init__(
        self,
        bakery: Bakery,
        *,
        settings: AmiSettings,
        owner: str,
        version: str,
        tags: dict[str, str] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._bakery = bakery
        self._settings = settings
        self._owner = owner
        self._version = version
        self._tags = tags or {}
        self._pace = pace or Pace(look=settings.poll, watch=min(settings.poll, 1.0))

    def plan(self, recipe: Recipe, wish: BakeWish) -> BakePlan:
        """What baking a recipe would do; nothing is started.

        Raises:
            ConfigError: The recipe cannot be used here.
            ImageMissing: There is no such base image.
        """
        region = wish.region or self._bakery.builders.regions()[0]
        base = self._bakery.builders.base(wish.base or recipe.base, region, recipe.arch)
        runner = chosen_runner(recipe, self._bakery.offered() if recipe.needs_runner() else ())
        return planned(
            recipe, wish=wish, region=region, base=base, runner=runner, owner=self._owner, version=self._version
        )

    def existing(self, plan: BakePlan) -> BakedImage | None:
        """The image that this plan would make, if there is one."""
        there = self._bakery.images.images(plan.region)
        good = (image for image in there if image.digest == plan.digest and image.state in {PENDING, AVAILABLE})
        return next((image for image in good if image.recipe == plan.recipe.name), None)

    def bake(self, plan: BakePlan, wish: BakeWish) -> Baked:
        """Bake, or go on where an earlier bake stopped at a failed step, unless the image exists already.

        Raises:
            StepFailed: A step or check failed; the hint says what became of the builder.
            BakeError: The builder could not be used.
            CloudError: AWS refused something.
        """
        found = self.existing(plan)
        if found is not None and not wish.force:
            return Baked(self._available(plan, found.id), made=False)
        began = self._bakery.clock.now()
        taken = found is not None
        building = self._resumed(plan, wish) or self._launched(plan, wish)
        try:
            image = self._made(building, plan, taken=taken)
        except StepFailed as failed:
            self._keep_or_end(building, wish, failed)
            raise
        except BaseException:
            self._end(building)
            raise
        self._end(building)
        seconds = (self._bakery.clock.now() - began).total_seconds()
        return Baked(
            image,
            made=True,
            seconds=seconds,
            builder=building.builder.id,
            cost=self._cost(building.builder),
            resumed=building.resumed,
        )

    # --- the builder -------------------------------------------------------------------------------------------------

    def _launched(self, plan: BakePlan, wish: BakeWish) -> Building:
        b, settings = self._bakery, self._settings
        ssh_from = wish.ssh_from or settings.ssh_from or b.builders.own_network()
        now = b.clock.now()
        name = f"runnerkit-builder-{plan.recipe.name}-{secrets.token_hex(4)}"
        expires_at = now + timedelta(seconds=settings.life)
        private, public = b.keys.new()
        order = BuilderOrder(
            name=name,
            region=plan.region,
            image=plan.base,
            types=plan.types,
            disk=plan.disk,
            spot=wish.spot,
            ssh_from=ssh_from,
            ssh_port=settings.ssh_port,
            user_data=remote.user_data(public, life=settings.life, silence=self._boot_silence()),
            tags=builder_tags(plan, owner=self._owner, name=name, now=now, expires_at=expires_at, extra=self._tags),
        )
        try:
            builder = b.builders.launch(order)
        except BaseException:
            self._sweep(plan, name)
            raise
        self._tell(builder, resumed="")
        return Building(b, builder, private, self._settings, self._pace, ssh_from=ssh_from)

    def _boot_silence(self) -> int:
        return self._settings.reach_within + self._settings.silence

    def _sweep(self, plan: BakePlan, name: str) -> None:
        """End what a launch that did not come back may have started."""
        with self._told("ending the builder", name):
            for builder in self._bakery.builders.live(plan.recipe.name, plan.region):
                if builder.name == name:
                    self._bakery.builders.end(builder)
            self._bakery.builders.clear(plan.region, name)

    def _resumed(self, plan: BakePlan, wish: BakeWish) -> Building | None:
        """The builder that an earlier bake kept, if its finished steps are still those of the recipe.

        Raises:
            BakeError: Another bake of the recipe is under way.
        """
        b = self._bakery
        for builder in b.builders.live(plan.recipe.name, plan.region):
            kept = b.keys.load(builder.id)
            if not wish.fresh and (kept is None or builder.kept_until is None):
                raise under_way(builder, self._boot_silence())
            building = Building(b, builder, kept.key if kept else None, self._settings, self._pace)
            try:
                if kept is not None and not wish.fresh and self._goes_on(building, kept, plan):
                    self._tell(builder, resumed="yes")
                    return replace(building, resumed=True)
            except HostKeyMismatch:
                self._end(building)
                raise
            self._end(building)
        return None

    def _goes_on(self, building: Building, kept: KeptKey, plan: BakePlan) -> bool:
        try:
            building.reach(kept.host_keys)
            done = building.steps(plan.recipe.name).ready()
        except HostKeyMismatch:
            raise
        except BakeError:
            return False
        self._bakery.builders.keep(building.builder, None)
        known = {work.chain for work in plan.works}
        return done <= known | {chain for chain in done if chain.startswith("check-")}

    def _keep_or_end(self, building: Building, wish: BakeWish, failed: StepFailed) -> None:
        """Let the builder wait for the next try, and say so in the error's hint."""
        builder, b = building.builder, self._bakery
        if wish.keep:
            until = b.clock.now() + timedelta(seconds=self._settings.keep)
            try:
                building.wait_for_us(self._settings.keep)
                b.keys.save(builder.id, KeptKey(building.key_in_use(), building.host_keys))
                b.builders.keep(builder, until)
            except (RunnerkitError, OSError) as error:
                b.events.emit(ActionFailed("keep", builder.name, _ours(error)))
            else:
                failed.hint = building.how_to_go_on(until)
                building.close()
                return
        self._end(building)
        failed.hint = "the builder is gone; the next bake starts anew"

    def _end(self, building: Building) -> None:
        builder, b = building.builder, self._bakery
        building.close()
        with self._told("ending the builder", builder.name), self._stage(builder.recipe, "end"):
            b.builders.end(builder)
            b.keys.drop(builder.id)
            building.wait_until_gone()
            building.clear()

    @contextmanager
    def _told(self, doing: str, name: str) -> Iterator[None]:
        """Let nothing that fails at the end hide what went before; what stays is swept later."""
        try:
            yield
        except RunnerkitError as error:
            self._bakery.events.emit(ActionFailed(doing, name, error))

    # --- the image ---------------------------------------------------------------------------------------------------

    def _made(self, building: Building, plan: BakePlan, *, taken: bool) -> BakedImage:
        name = plan.recipe.name
        if not building.resumed:
            with self._stage(name, "boot"):
                building.reach()
        steps = building.steps(name)
        done = steps.ready()
        for number, work in enumerate(plan.works, start=1):
            place = f"step {number} of {len(plan.works)} ({work.title}) of {name}"
            if work.chain in done:
                self._bakery.events.emit(BakeStageEnded(name, work.title, "kept", 0.0))
                continue
            with self._stage(name, work.title):
                steps.run(work, work.chain, place)
        for number, check in enumerate(plan.checks, start=1):
            with self._stage(name, f"check: {check.title}"):
                building.forget(f"check-{number}")
                steps.run(check, f"check-{number}", f"check {number} of {len(plan.checks)} ({check.title}) of {name}")
        return self._imaged(building, plan, taken=taken)

    def _imaged(self, building: Building, plan: BakePlan, *, taken: bool) -> BakedImage:
        name, b = plan.recipe.name, self._bakery
        with self._stage(name, "clean"):
            building.clean()
        with self._stage(name, "stop"):
            building.stop()
        now = b.clock.now()
        title = f"{plan.name}-{int(now.timestamp())}" if taken else plan.name
        with self._stage(name, "image"):
            image_id = b.images.create(building.builder, title, {**self._tags, **plan.tags(self._owner, now)})
            try:
                return self._available(plan, image_id)
            except BaseException:
                self._discard(plan.region, image_id)
                raise

    def _discard(self, region: str, image_id: str) -> None:
        with self._told("deleting the unfinished image", image_id):
            image = self._bakery.images.image(region, image_id)
            if image is not None:
                self._bakery.images.delete(image)

    def _available(self, plan: BakePlan, image_id: str) -> BakedImage:
        """Wait until EC2 has made the image.

        Raises:
            BakeError: It failed, or took too long.
        """
        clock = self._bakery.clock
        end = clock.now() + timedelta(seconds=self._settings.image_within)
        while True:
            image = self._bakery.images.image(plan.region, image_id)
            if image is not None and image.state == AVAILABLE:
                return image
            if image is not None and image.state != PENDING:
                raise BakeError(f"EC2 could not make {image_id}: {image.state} {image.state_reason}".strip())
            if clock.now() >= end:
                raise BakeError(
                    f"{image_id} is not available after {self._settings.image_within} s",
                    hint="large disks take long the first time; set image_within in [ami]",
                )
            clock.wait(self._pace.look)

    # --- telling -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _stage(self, recipe: str, stage: str) -> Iterator[None]:
        clock, events = self._bakery.clock, self._bakery.events
        began, outcome = clock.now(), "failed"
        events.emit(BakeStageBegan(recipe, stage))
        try:
            yield
            outcome = "ok"
        finally:
            events.emit(BakeStageEnded(recipe, stage, outcome, (clock.now() - began).total_seconds()))

    def _tell(self, builder: Builder, resumed: str) -> None:
        self._bakery.events.emit(
            BuilderLaunched(builder.recipe, builder.id, builder.type, builder.region, builder.price, resumed)
        )

    def _cost(self, builder: Builder) -> float | None:
        if builder.price is None:
            return None
        return builder.price * (self._bakery.clock.now() - builder.launched_at).total_seconds() / 3600


def _ours(error: Exception) -> RunnerkitError:
    return error if isinstance(error, RunnerkitError) else BakeError(str(error))
