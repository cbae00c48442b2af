"""The keys of a label: how each one's value is read, written and explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runnerkit.labels import values, writing
from runnerkit.names import REGION
from runnerkit.wishes import Retry, SpotUse

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.wishes import RunnerSpec


@dataclass(frozen=True, slots=True)
class Key:
    """One key: from its text to fields of the wish and back. ``words`` are its fixed values, for hints."""

    allowed: str
    read: Callable[[str], dict[str, Any]]
    write: Callable[[RunnerSpec], str]
    words: tuple[str, ...] = ()
    keeps_case: bool = False


# In this order they are spelt.
KEYS: dict[str, Key] = {
    "spec": Key(
        "the name of a spec in the configuration",
        values.named("spec", values.NAME),
        writing.text("spec"),
    ),
    "gpu": Key(
        f"{', '.join(values.GPUS)}, any; a count in front (2xl4), + for alternatives; or 0 for none",
        values.gpu,
        writing.gpu,
        ("any", *values.GPUS),
    ),
    "type": Key(
        "instance types such as g5.xlarge, joined by + for alternatives",
        values.several("type", values.TYPE, "an instance type; a family goes to family="),
        writing.several("type"),
    ),
    "family": Key(
        "families such as g5 or g6*, joined by + for alternatives",
        values.several("family", values.FAMILY, "a family; a whole type goes to type="),
        writing.several("family"),
    ),
    "cpu": Key(
        "vCPUs: 4 for at least 4, 4+16 for 4 to 16",
        values.span("cpu", values.WHOLE),
        writing.span("cpu"),
    ),
    "ram": Key(
        "GiB: 16 for at least 16, 16+64 for 16 to 64",
        values.span("ram", values.NUMBER),
        writing.span("ram"),
    ),
    "arch": Key("x64, arm64, or x64+arm64 for either", values.arch, writing.several("arch"), values.ARCHS),
    "image": Key("the name of an image, or an AMI's id", values.image, writing.text("image")),
    "profile": Key(
        "the name of an IAM instance profile",
        values.named("profile", values.PROFILE),
        writing.text("profile"),
        keeps_case=True,
    ),
    "spot": Key("prefer, only, never", values.choice("spot", SpotUse), writing.text("spot"), tuple(SpotUse)),
    "region": Key(
        "regions such as eu-west-1, joined by + for alternatives",
        values.several("region", REGION, "a region; a zone goes to zone="),
        writing.several("region"),
    ),
    "zone": Key(
        "zones such as eu-west-1a, joined by + for alternatives",
        values.several("zone", values.ZONE, "a zone; a region goes to region="),
        writing.several("zone"),
    ),
    "disk": Key(
        "a size of 8 to 65536 GB, then in any order gp3 or io2, throughput, operations: 100gb:gp3:500mibps:6000iops",
        values.disk,
        writing.disk,
    ),
    "idle": Key("a duration up to 1d: 90s, 5m, 1h30m", values.duration("idle"), writing.duration("idle")),
    "life": Key("a duration up to 5d: 30m, 12h, 1d12h", values.duration("life"), writing.duration("life")),
    "retry": Key("interrupted, never", values.choice("retry", Retry), writing.text("retry"), tuple(Retry)),
    "price": Key("most dollars an hour: 0.50", values.price, writing.price),
}
