"""How each key's value is read: from text to fields of the wish. What does not fit raises :class:`Misspelt`."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from runnerkit.names import REGION
from runnerkit.wishes import Disk, GpuWish, Range

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from enum import StrEnum

    Reader = Callable[[str], dict[str, Any]]

T = TypeVar("T")

# EC2's GPU names, lower case, spaces as dashes (DescribeInstanceTypes, 2026-11). A newer one is asked for by type=.
GPUS = (
    *("t4", "t4g", "a10g", "l4", "l40s", "v100", "a100", "h100", "h200", "b200", "b300"),
    *("rtx-pro-4500", "rtx-pro-server-6000"),
)
ARCHS = ("x64", "arm64")
DISK_TYPES = ("gp3", "io2")
UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}

TYPE = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+")
FAMILY = re.compile(r"[a-z][a-z0-9-]*\*?")
ZONE = re.compile(rf"({REGION.pattern})(?:[a-z]|(?:-[a-z]+\d?)+-\d{{1,2}}[a-z])")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
# Source: IAM's API reference, CreateInstanceProfile, InstanceProfileName.
PROFILE = re.compile(r"[A-Za-z0-9_+=,.@-]{1,128}")
WHOLE = re.compile(r"\d{1,4}")
NUMBER = re.compile(r"\d{1,6}(?:\.\d{1,4})?")

_AMI = re.compile(r"ami-[0-9a-f]{8,17}")
_GPU = re.compile(r"(?:(\d{1,3})x)?([a-z].*)")
_DURATION = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,7})s)?")
_ARCH_ALIASES = {"amd64": "x64", "x86_64": "x64", "x86-64": "x64", "aarch64": "arm64"}


class Misspelt(ValueError):
    """A value is not what its key takes; ``nearest`` is a valid spelling, empty when nothing is near."""

    def __init__(self, reason: str, nearest: str = "") -> None:
        super().__init__(reason)
        self.nearest = nearest


def region_of(zone: str) -> str:
    """The region a zone lies in: ``eu-west-1`` of ``eu-west-1a``; empty when it is no zone."""
    match = ZONE.fullmatch(zone)
    return match[1] if match else ""


def nearest(word: str, known: Collection[str]) -> str:
    """The known word most like this one; empty when none is."""
    return next(iter(get_close_matches(word, known, n=1)), "")


# --- readers that are made for a field --------------------------------------------------------------------------------


def named(field: str, shape: re.Pattern[str]) -> Reader:
    """A reader of one name of a shape."""

    def read(raw: str) -> dict[str, Any]:
        if not shape.fullmatch(raw):
            raise Misspelt("a name has no such characters")
        return {field: raw}

    return read


def several(field: str, shape: re.Pattern[str], what: str) -> Reader:
    """A reader of alternatives of a shape; ``what`` says what each must be."""

    def read(raw: str) -> dict[str, Any]:
        found = _alternatives(raw)
        for value in found:
            if not shape.fullmatch(value):
                raise Misspelt(f"{value} is not {what}")
        return {field: tuple(found)}

    return read


def choice(field: str, kind: type[StrEnum]) -> Reader:
    """A reader of one of a few words."""
    return lambda raw: {field: kind(_known(raw, tuple(kind), "one of its words"))}


def span(field: str, number: re.Pattern[str]) -> Reader:
    """A reader of ``MIN`` (at least) or ``MIN+MAX``."""

    def read(raw: str) -> dict[str, Any]:
        low, *high = raw.split("+")
        if high == [""]:
            raise Misspelt("one number alone already means at least that", low)
        if len(high) > 1:
            raise Misspelt("a range has two ends, MIN+MAX")
        for value in (low, *high):
            if not number.fullmatch(value) or not float(value):
                raise Misspelt(f"{value or 'nothing'} is not a number it takes")
        return {field: Range(low=float(low), high=float(high[0]) if high else None)}

    return read


def duration(field: str) -> Reader:
    """A reader of ``90s``, ``5m``, ``1h30m``; seconds."""

    def read(raw: str) -> dict[str, Any]:
        match = _DURATION.fullmatch(raw)
        if match is None or not any(match.groups()):
            raise Misspelt("a duration has units, largest first", f"{raw}m" if raw.isdecimal() else "")
        counts = zip(match.groups("0"), UNITS.values(), strict=True)
        return {field: sum(int(count) * seconds for count, seconds in counts)}

    return read


# --- readers of one field ---------------------------------------------------------------------------------------------


def gpu(raw: str) -> dict[str, Any]:
    """``t4``, ``2xl4``, ``any``, alternatives of them, or ``0``."""
    found = _alternatives(raw)
    if found == ["0"]:
        return {"no_gpu": True}
    if "0" in found:
        raise Misspelt("0 means no GPU, so nothing can stand beside it")
    wishes = _each(found, _gpu_wish)
    if len(set(wishes)) < len(wishes):
        raise Misspelt("the same GPU is named twice")
    if len(wishes) > 1 and any(wish.model == "any" for wish in wishes):
        raise Misspelt("any means every model, so nothing can stand beside it", "any")
    return {"gpu": wishes}


def _gpu_wish(value: str) -> GpuWish:
    match = _GPU.fullmatch(value)
    if match is None:
        raise Misspelt(f"{value} is not a GPU", f"{value}xany" if value.isdecimal() else "")
    count, model = match.groups()
    if model != "any" and model not in GPUS:
        near = nearest(model, ("any", *GPUS))
        raise Misspelt(f"{model} is not a GPU that is known", f"{count}x{near}" if count and near else near)
    return GpuWish(model=model, count=int(count or 1))


def arch(raw: str) -> dict[str, Any]:
    """``x64``, ``arm64`` or both."""
    return {"arch": _each(_alternatives(raw), lambda value: _known(value, ARCHS, "an architecture"))}


def image(raw: str) -> dict[str, Any]:
    """An image's name or an AMI's id."""
    if raw.startswith("ami-") and not _AMI.fullmatch(raw):
        raise Misspelt("an AMI's id is ami- and 8 to 17 hexadecimal digits")
    return named("image", NAME)(raw)


def disk(raw: str) -> dict[str, Any]:
    """``100gb``, then type, throughput and operations in any order."""
    size, *options = raw.split(":")
    match = re.fullmatch(r"(\d{1,6})gb", size)
    if match is None:
        raise Misspelt(f"{size or 'nothing'} is not a size", f"{size}gb" if size.isdecimal() else "")
    said: dict[str, Any] = {"gb": int(match[1])}
    for option in options:
        name, value = _disk_option(option)
        if name in said:
            raise Misspelt(f"its {name} is said twice")
        said[name] = value
    if said.get("type") == "io2" and "mibps" in said:
        raise Misspelt("only gp3 takes a throughput")
    if said.get("type") == "io2" and "iops" not in said:
        raise Misspelt("io2 needs its iops", f"{raw}:3000iops")
    return {"disk": Disk(**said)}


def _disk_option(option: str) -> tuple[str, Any]:
    match = re.fullmatch(r"(\d{1,6})(mibps|iops)", option)
    if match is not None:
        return match[2], int(match[1])
    if option not in DISK_TYPES:
        raise Misspelt(f"{option or 'nothing'} is neither {' nor '.join(DISK_TYPES)} nor a number of mibps or iops")
    return "type", option


def price(raw: str) -> dict[str, Any]:
    """Dollars an hour."""
    if not NUMBER.fullmatch(raw):
        bare = raw.strip("$")
        raise Misspelt("it is not a number of dollars", bare if NUMBER.fullmatch(bare) else "")
    return {"price": float(raw)}


def _alternatives(raw: str) -> list[str]:
    found = raw.split("+")
    if "" in found:
        raise Misspelt("nothing stands on one side of a +", "+".join(filter(None, found)))
    once = list(dict.fromkeys(found))
    if once != found:
        raise Misspelt("something is named twice", "+".join(once))
    return found


def _each(values: Sequence[str], read: Callable[[str], T]) -> tuple[T, ...]:
    """All alternatives, each as it is read; when some are misspelt, the nearest keeps the others."""
    try:
        return tuple(map(read, values))
    except Misspelt as wrong:
        raise Misspelt(str(wrong), "+".join(dict.fromkeys(_mended(value, read) for value in values))) from None


def _mended(value: str, read: Callable[[str], object]) -> str:
    try:
        read(value)
    except Misspelt as wrong:
        return wrong.nearest
    return value


def _known(value: str, known: tuple[str, ...], what: str) -> str:
    if value not in known:
        raise Misspelt(f"{value} is not {what}", _ARCH_ALIASES.get(value) or nearest(value, known))
    return value
