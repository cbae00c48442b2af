"""Checks of images: that they can be used, and that GitHub still gives jobs to the runner in them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.doctor.checking import check
from runnerkit.doctor.words import Group, Remark, failure, note, ok, unknown, warning
from runnerkit.runner_age import judge, lacks_since, newest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.doctor.facts_aws import ImageSeen
    from runnerkit.doctor.seen import Observed

OLD = timedelta(days=90)
BAKE = "runnerkit ami bake gpu-ubuntu-24.04 (cpu-ubuntu-24.04 for specs without a GPU)"


@check(
    "images-access",
    Group.IMAGES,
    "Is there an image for each spec in each region, may it be used, and is it baked?",
    reads=("images",),
    levels="nf",
    todo="Bake one (`runnerkit ami bake gpu-ubuntu-24.04`), copy or share it, or correct `[aws] image`.",
)
def access(seen: Observed) -> Iterator[Remark]:
    """Each wish has an image that can be launched."""
    for image in _different(seen.images.value):
        if not image.seen:
            yield unknown(f"{image.wish} in {image.region}: {image.problem}", image.hint)
        elif image.image is None:
            yield failure(
                f"{image.wish} in {image.region}: {image.problem}",
                "nothing can be launched without",
                image.hint or BAKE,
            )
        elif image.state != "available":
            yield failure(
                f"{image.image.id} ({image.image.name}) in {image.region} is {image.state}",
                "only an available image can be launched",
                f"aws ec2 describe-images --image-ids {image.image.id} --region {image.region}",
            )
        elif not image.image.baked:
            yield note(
                f"{image.wish} in {image.region} boots the stock image {image.image.id}",
                "each machine fetches the runner first, and jobs install the rest: minutes that are paid for",
                BAKE,
            )
        else:
            yield ok(f"{image.wish} in {image.region} boots {image.image.id} ({image.image.name})")


def _different(images: tuple[ImageSeen, ...]) -> Iterator[ImageSeen]:
    told: set[tuple[str, str]] = set()
    for image in images:
        key = (image.region, image.image.id if image.image else image.problem)
        if key not in told:
            told.add(key)
            yield image


@check(
    "images-age",
    Group.IMAGES,
    "How old is the image?",
    reads=("images",),
    levels="n",
    todo="Bake it anew: it then has the security updates and drivers of today.",
)
def age(seen: Observed) -> Iterator[Remark]:
    """Baked images are not months old."""
    baked = [each.image for each in _different(seen.images.value) if each.image is not None and each.image.baked]
    if not baked:
        yield ok("no baked image is used")
    for image in baked:
        if image.created_at is None:
            yield unknown(f"{image.id} does not say when it was made")
            continue
        old = seen.now - image.created_at
        told = f"{image.id} in {image.region} is {old.days} days old"
        yield note(told, "it has the updates of that day", BAKE) if old > OLD else ok(told)


@check(
    "images-runner",
    Group.IMAGES,
    "Will GitHub still give jobs to the runner in the image? After a release it has 30 days.",
    reads=("images", "releases"),
    levels="wf",
    todo="Bake the image anew (`runnerkit ami bake gpu-ubuntu-24.04`): the newest runner is put in.",
)
def runner(seen: Observed) -> Iterator[Remark]:
    """The runner's version is young enough."""
    images = [each.image for each in _different(seen.images.value) if each.image is not None and each.image.baked]
    if not images:
        yield ok("stock images fetch the newest runner at boot")
        return
    releases = seen.releases.value
    current = newest(releases)
    for image in images:
        if not image.runner_version:
            yield unknown(f"{image.id} does not say which runner it holds", BAKE)
            continue
        since = lacks_since(image.runner_version, releases)
        verdict = judge(image.runner_version, current, since or image.created_at, seen.now)
        told = f"{image.id} in {image.region}: {verdict.text}"
        if verdict.level == "error":
            yield failure(told, "launches are refused: such a runner is online and gets no job", BAKE)
        elif verdict.level == "warn":
            yield warning(told, "after that launches are refused", BAKE)
        else:
            yield ok(told)


CHECKS = (access, age, runner)
