"""The baker: from a recipe to an image. A builder is launched, runs the steps, and nothing but the image stays."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.baking import boot as remote
from runnerkit.baking.building import Building, under_way
from runnerkit.baking.errors import BakeError, HostKeyMismatch, StepFailed
from runnerkit.baking.imaging import Imaging, told
from runnerkit.baking.line import Pace
from runnerkit.baking.plan import Baked, BakePlan, BakeWish, Outlook, builder_tags, planned
from runnerkit.baking.ports import BuilderOrder, KeptKey
from runnerkit.baking.steps import chosen_runner
from runnerkit.errors import RunnerkitError
from runnerkit.events import ActionFailed, BakeStageBegan, BakeStageEnded, BuilderLaunched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.baking.ports import BakedImage, Bakery, Builder
    from runnerkit.baking.recipe import Recipe
    from runnerkit.settings import AmiSettings


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
        self._imaging = Imaging(bakery, settings.image_within, self._pace.look)

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

    def outlook(self, plan: BakePlan) -> Outlook:
        """What baking it would find, and cost; nothing is started."""
        builders = self._bakery.builders
        there = builders.live(plan.recipe.name, plan.region)
        prices = {each: builders.price(each, plan.region) for each in plan.types}
        return Outlook(plan, self._imaging.existing(plan), there[0] if there else None, prices)

    def bake(self, plan: BakePlan, wish: BakeWish) -> Baked:
        """Bake, or go on where an earlier bake stopped at a failed step, unless the image exists already.

        Raises:
            StepFailed: A step or check failed; the hint says what became of the builder.
            BakeError: The builder could not be used.
            CloudError: AWS refused something.
        """
        found = self._imaging.existing(plan)
        if found is not None and not wish.force:
            return Baked(self._imaging.available(plan.region, found.id), made=False)
        began = self._bakery.clock.now()
        building = self._resumed(plan, wish) or self._launched(plan, wish)
        try:
            image = self._made(building, plan)
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
        building = Building(b, builder, private, self._settings, self._pace, ssh_from=ssh_from)
        try:
            self._give_way(building)
        except BaseException:
            self._end(building)
            raise
        return building

    def _give_way(self, building: Building) -> None:
        """Of two bakes of a recipe that began at the same moment, one goes on.

        Raises:
            BakeError: The other one was first.
        """
        mine = building.builder
        there = {each.id: each for each in self._bakery.builders.live(mine.recipe, mine.region)}
        at_work = [each for each in {mine.id: mine, **there}.values() if each.kept_until is None]
        first = min(at_work, key=lambda each: (each.launched_at, each.id))
        if first.id != mine.id:
            raise under_way(first, self._boot_silence())

    def _boot_silence(self) -> int:
        return self._settings.reach_within + self._settings.silence

    def _sweep(self, plan: BakePlan, name: str) -> None:
        """End what a launch that did not come back may have started."""
        with told(self._bakery, "ending the builder", name):
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
            kept = None if wish.fresh or builder.kept_until is None else b.keys.take(builder.id)
            if kept is None and not wish.fresh:
                raise under_way(builder, self._boot_silence())
            building = Building(b, builder, kept.key if kept else None, self._settings, self._pace)
            if kept is not None and self._goes_on(building, kept, plan):
                self._tell(builder, resumed="yes")
                return replace(building, resumed=True)
            self._end(building)
        return None

    def _goes_on(self, building: Building, kept: KeptKey, plan: BakePlan) -> bool:
        """Whether a kept builder can be reached, and did nothing that the recipe no longer says."""
        try:
            building.reach(kept.host_keys)
            done = building.steps(plan.recipe.name).ready()
            self._bakery.builders.keep(building.builder, None)
        except HostKeyMismatch:
            self._end(building)
            raise
        except BakeError:
            return False
        except BaseException:
            building.close()
            self._bakery.keys.save(building.builder.id, kept)
            raise
        known = {work.chain for work in plan.works}
        return done <= known | {chain for chain in done if chain.startswith("check-")}

    def _keep_or_end(self, building: Building, wish: BakeWish, failed: StepFailed) -> None:
        """Let the builder wait for the next try, and say so in the error's hint."""
        builder, b = building.builder, self._bakery
        if wish.keep:
            until = b.clock.now() + timedelta(seconds=self._settings.keep)
            until = min(until, builder.expires_at or until)
            try:
                building.wait_for_us(self._settings.keep)
                b.keys.save(builder.id, KeptKey(building.key_in_use(), building.host_keys))
                b.builders.keep(builder, until)
            except (RunnerkitError, OSError) as error:
                b.events.emit(ActionFailed("keep", builder.name, _ours(error)))
            except BaseException:
                self._end(building)
                raise
            else:
                failed.hint = building.how_to_go_on(until)
                building.close()
                return
        self._end(building)
        failed.hint = "the builder is gone; the next bake starts anew"

    def _end(self, building: Building) -> None:
        builder, b = building.builder, self._bakery
        building.close()
        with told(self._bakery, "ending the builder", builder.name), self._stage(builder.recipe, "end"):
            b.builders.end(builder)
            b.keys.drop(builder.id)
            building.wait_until_gone()
            building.clear()

    # --- the image ---------------------------------------------------------------------------------------------------

    def _made(self, building: Building, plan: BakePlan) -> BakedImage:
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
        return self._imaged(building, plan)

    def _imaged(self, building: Building, plan: BakePlan) -> BakedImage:
        name = plan.recipe.name
        with self._stage(name, "clean"):
            building.clean()
        with self._stage(name, "stop"):
            building.stop()
        tags = {**self._tags, **plan.tags(self._owner, self._bakery.clock.now())}
        with self._stage(name, "image"):
            return self._imaging.made(building.builder, plan, tags)

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
