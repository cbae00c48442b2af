"""Which image a wish boots from, and what must be known of it to launch."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

from runnerkit import tags
from runnerkit.ec2.answers import told
from runnerkit.ec2.hardware import wants_gpu
from runnerkit.ec2.parallel import each
from runnerkit.errors import CloudThrottled, CloudUnavailable, ImageMissing
from runnerkit.ports import Image
from runnerkit.settings import ImageSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_ec2.type_defs import FilterTypeDef, ImageTypeDef

    from runnerkit.ec2.cache import Cache
    from runnerkit.ec2.clients import Clients
    from runnerkit.settings import AwsSettings
    from runnerkit.wishes import RunnerSpec

# Public parameters that Canonical and AWS keep pointing at their newest images.
UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current/{}/hvm/ebs-gp3/ami-id"
DEEP_LEARNING = "/aws/service/deeplearning/ami/{}/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
_UBUNTU_ARCH = {"x64": "amd64", "arm64": "arm64"}
_AWS_ARCH = {"x64": "x86_64", "arm64": "arm64"}
_ARCHES = {aws: ours for ours, aws in _AWS_ARCH.items()}


class Images:
    """Finds images; each answer is remembered for an hour."""

    def __init__(self, settings: AwsSettings, clients: Clients, cache: Cache) -> None:
        self._settings = settings
        self._clients = clients
        self._cache = cache
        self._origins: dict[str, tuple[RunnerSpec, str]] = {}

    def image(self, spec: RunnerSpec, region: str, arch: str) -> Image:
        """The image for a wish.

        Raises:
            ImageMissing: There is none; says what was looked for and where.
        """
        own = next((image for image in self._baked(spec, region) if image.arch == arch), None)
        if own is not None:
            return own
        found = self._cache.get("image", self._key(spec, region, arch), self._look(spec, region, arch), _image_from)
        self._origins[found.id] = (spec, arch)
        return found

    def baked(self, spec: RunnerSpec) -> tuple[Image, ...]:
        """Our own images for a wish, the newest for each region and architecture; none where an image is named.

        A region that cannot be reached is left out.

        Raises:
            CloudUnavailable: No region could be reached.
        """
        failures: list[CloudUnavailable | CloudThrottled] = []

        def there(region: str) -> tuple[Image, ...]:
            try:
                return self._baked(spec, region)
            except (CloudUnavailable, CloudThrottled) as error:
                failures.append(error)
                return ()

        regions = spec.region or self._clients.regions
        found = each(there, regions)
        if len(failures) == len(regions):
            raise failures[0]
        return tuple(image for images in found for image in images)

    def _baked(self, spec: RunnerSpec, region: str) -> tuple[Image, ...]:
        if spec.image or self._settings.image:
            return ()
        gpu = wants_gpu(spec)
        found = self._cache.get("own", self._own_key(spec, region), lambda: self._own(region, gpu=gpu), _images_from)
        self._origins |= {image.id: (spec, image.arch) for image in found}
        return found

    def anew(self, image: Image) -> Image:
        """What the same wish means now that the image is gone; the image itself when nobody asked for it here."""
        if image.id not in self._origins:
            return image
        spec, arch = self._origins[image.id]
        self._cache.drop("own", self._own_key(spec, image.region))
        self._cache.drop("image", self._key(spec, image.region, arch))
        return self.image(spec, image.region, arch)

    def _key(self, spec: RunnerSpec, region: str, arch: str) -> str:
        name = spec.image or self._settings.image or ""
        source = self._settings.images.get(name)
        meant = source.model_dump_json() if source else name or f"default gpu={wants_gpu(spec)}"
        return f"{self._clients.account_key()} {region} {arch} {meant}"

    def _own_key(self, spec: RunnerSpec, region: str) -> str:
        return f"{self._clients.account_key()} {region} gpu={wants_gpu(spec)}"

    def _look(self, spec: RunnerSpec, region: str, arch: str) -> Callable[[], object]:
        return lambda: _image_as_json(parse_image(self._chosen(spec, region, arch), region))

    def _chosen(self, spec: RunnerSpec, region: str, arch: str) -> ImageTypeDef:
        name = spec.image or self._settings.image
        if name is None:
            return self._stock(spec, region, arch)
        source = ImageSource(ami=name, arch=arch) if name.startswith("ami-") else self._settings.images.get(name)
        if source is None:
            raise self._unknown(name)
        found = self._from_source(name, source, region)
        if (has := _ARCHES.get(found.get("Architecture", ""), "another")) != arch:
            raise ImageMissing(
                f"image {name} ({found.get('ImageId')}) in {region} is for {has} and the machine is {arch}",
                hint=f"say arch={has}, or name an image for {arch}",
            )
        return found

    def from_source(self, name: str, source: ImageSource, region: str) -> Image:
        """The image of a source, asked afresh.

        Raises:
            ImageMissing: There is none.
        """
        return parse_image(self._from_source(name, source, region), region)

    def _from_source(self, name: str, source: ImageSource, region: str) -> ImageTypeDef:
        if source.name is not None:
            return self._newest_named(name, source, region)
        ami = source.ami or self._parameter(source.ssm or "", region)
        with told(f"looking for image {name} in {region}"):
            found = self._clients.ec2(region).describe_images(ImageIds=[ami])["Images"]
        if not found:
            raise ImageMissing(f"image {name}: {region} has no {ami}, or it is not shared with this account")
        return found[0]

    def _own(self, region: str, *, gpu: bool) -> list[object]:
        """Of both architectures by one call: most wishes leave the choice to the price."""
        wanted: list[FilterTypeDef] = [{"Name": "tag-key", "Values": [tags.RECIPE]}]
        found = self._available("our own images", region, "self", wanted)
        made_for = ([one for one in found if one.get("Architecture") == arch] for arch in _ARCHES)
        newest = (_newest(_suiting(images, gpu=gpu)) for images in made_for)
        return [_image_as_json(parse_image(image, region)) for image in newest if image is not None]

    def _newest_named(self, name: str, source: ImageSource, region: str) -> ImageTypeDef:
        pattern = source.name or ""
        wanted: list[FilterTypeDef] = [
            {"Name": "name", "Values": [pattern]},
            {"Name": "architecture", "Values": [_AWS_ARCH.get(source.arch, source.arch)]},
        ]
        found = _newest(self._available(f"image {name}", region, source.owner, wanted))
        if found is None:
            raise ImageMissing(
                f"image {name}: {source.owner} has no available {source.arch} image named {pattern!r} in {region}",
                hint="make it there too, for example with `aws ec2 copy-image`",
            )
        return found

    def _available(self, what: str, region: str, owner: str, wanted: Sequence[FilterTypeDef]) -> list[ImageTypeDef]:
        filters = [*wanted, cast("FilterTypeDef", {"Name": "state", "Values": ["available"]})]
        with told(f"looking for {what} in {region}"):
            return self._clients.ec2(region).describe_images(Owners=[owner], Filters=filters)["Images"]

    def _stock(self, spec: RunnerSpec, region: str, arch: str) -> ImageTypeDef:
        gpu = wants_gpu(spec)
        parameter = DEEP_LEARNING.format(_AWS_ARCH[arch]) if gpu else UBUNTU.format(_UBUNTU_ARCH[arch])
        return self._from_source("stock", ImageSource(ssm=parameter, arch=arch), region)

    def _parameter(self, name: str, region: str) -> str:
        with told(f"looking up the image that SSM parameter {name} names in {region}"):
            return self._clients.ssm(region).get_parameter(Name=name)["Parameter"].get("Value", "")

    def _unknown(self, name: str) -> ImageMissing:
        known = sorted(self._settings.images)
        near = get_close_matches(name, known, n=1)
        hint = (
            f"did you mean {near[0]}?" if near else f"configured are: {', '.join(known) or 'none'}; or give an ami-..."
        )
        return ImageMissing(f"no image named {name!r} is configured in [aws.images]", hint=hint)


def newest_of_recipe(clients: Clients, region: str, owner: str, recipe: str) -> ImageTypeDef | None:
    """The newest available image that an installation baked from a recipe."""
    wanted: list[FilterTypeDef] = [
        {"Name": f"tag:{tags.OWNER}", "Values": [owner]},
        {"Name": f"tag:{tags.RECIPE}", "Values": [recipe]},
        {"Name": "state", "Values": ["available"]},
    ]
    with told(f"looking for images of recipe {recipe} in {region}"):
        return _newest(clients.ec2(region).describe_images(Owners=["self"], Filters=wanted)["Images"])


def _suiting(found: list[ImageTypeDef], *, gpu: bool) -> list[ImageTypeDef]:
    """Those made for such machines, else those that do not say; an image with a driver also runs without a GPU."""
    said = [
        (image, {tag.get("Key"): tag.get("Value") for tag in image.get("Tags", [])}.get(tags.GPU)) for image in found
    ]
    made_for = [image for image, word in said if word == ("yes" if gpu else "no")]
    silent = [image for image, word in said if word not in {"yes", "no"}]
    return made_for or silent or ([] if gpu else found)


def _newest(found: list[ImageTypeDef]) -> ImageTypeDef | None:
    return max(found, key=lambda image: image.get("CreationDate", ""), default=None)


def parse_image(found: ImageTypeDef, region: str) -> Image:
    """One entry of DescribeImages."""
    marks = {tag.get("Key"): tag.get("Value", "") for tag in found.get("Tags", [])}
    device = found.get("RootDeviceName", "/dev/sda1")
    sizes = [
        mapping.get("Ebs", {}).get("VolumeSize", 0)
        for mapping in found.get("BlockDeviceMappings", [])
        if mapping.get("DeviceName") == device
    ]
    return Image(
        id=found.get("ImageId", ""),
        name=found.get("Name", ""),
        region=region,
        arch=_ARCHES.get(found.get("Architecture", ""), "x64"),
        baked=tags.RECIPE in marks,
        root_device=device,
        root_gb=max(sizes, default=0),
        created_at=_moment(found.get("CreationDate", "")),
        runner_version=marks.get(tags.RUNNER_VERSION, ""),
    )


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _image_as_json(image: Image) -> dict[str, Any]:
    created = image.created_at.isoformat() if image.created_at else ""
    return {**asdict(image), "created_at": created}


def _images_from(kept: object) -> tuple[Image, ...]:
    return tuple(map(_image_from, cast("list[object]", kept)))


def _image_from(kept: object) -> Image:
    fields = cast("dict[str, Any]", kept)
    return Image(**{**fields, "created_at": _moment(fields["created_at"])})
