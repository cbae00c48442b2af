"""Instance types: as EC2 describes them, and which of them are worth asking about for a wish."""

from __future__ import annotations

from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast

from runnerkit.ec2.prices import price_table
from runnerkit.model import Gpu, InstanceType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_ec2.type_defs import GpuDeviceInfoTypeDef, InstanceTypeInfoTypeDef

    from runnerkit.wishes import RunnerSpec

# One page of DescribeInstanceTypes holds 100 types, and a fleet takes 60.
MOST_CANDIDATES = 100
_ARCHES = {"x86_64": "x64", "arm64": "arm64"}


def parse_type(described: InstanceTypeInfoTypeDef) -> InstanceType:
    """One entry of DescribeInstanceTypes."""
    arches = described.get("ProcessorInfo", {}).get("SupportedArchitectures", [])
    gpus = described.get("GpuInfo", {}).get("Gpus", [])
    return InstanceType(
        name=described["InstanceType"],
        arch=next((_ARCHES[arch] for arch in arches if arch in _ARCHES), "x64"),
        cpu=described.get("VCpuInfo", {}).get("DefaultVCpus", 0),
        ram=round(described.get("MemoryInfo", {}).get("SizeInMiB", 0) / 1024, 2),
        gpu=_gpu(gpus[0]) if gpus else None,
    )


def _gpu(device: GpuDeviceInfoTypeDef) -> Gpu:
    """The GPUs of a type. A type with a part of a GPU (g6f) says ``Count`` 0; its model is ``l4-fraction``."""
    count = device.get("Count", 0)
    model = str(device.get("Name", "")).lower().replace(" ", "-")
    memory = round(device.get("MemoryInfo", {}).get("SizeInMiB", 0) / 1024, 1)
    return Gpu(model if count else f"{model}-fraction", count or device.get("LogicalGpuCount", 1), memory)


def type_as_json(type_: InstanceType) -> dict[str, Any]:
    """For the cache."""
    return asdict(type_)


def type_from_json(kept: object) -> InstanceType:
    """From the cache."""
    fields = dict(cast("dict[str, Any]", kept))
    gpu = fields.pop("gpu")
    return InstanceType(**fields, gpu=Gpu(**gpu) if gpu else None)


def candidates(spec: RunnerSpec, region: str) -> list[str]:
    """The names (or patterns) of the types to ask EC2 about, at most :data:`MOST_CANDIDATES`, cheapest first.

    What the wish names but the shipped table does not know, such as a new family, is asked for as it is written.
    """
    fitting = [type_ for type_ in price_table().types.values() if _fits(spec, type_)]
    unknown = [name for name in spec.type if name not in price_table().types]
    unknown += [f"{family}.*" for family in spec.family if not any(_of_family(t, family) for t in fitting)]
    room = MOST_CANDIDATES - len(unknown)
    return unknown[:MOST_CANDIDATES] + [type_.name for type_ in _cheapest(fitting, region, max(room, 0))]


def _cheapest(types: Iterable[InstanceType], region: str, room: int) -> list[InstanceType]:
    """The cheapest, each architecture with its fair share: the wish may leave open which one it gets."""

    def price(type_: InstanceType) -> float:
        known = price_table().on_demand(type_.name, region) or price_table().home_prices.get(type_.name)
        return known if known is not None else float("inf")

    ranked = sorted(types, key=price)
    first = {id(t) for arch in ("x64", "arm64") for t in [t for t in ranked if t.arch == arch][: room // 2]}
    return sorted(ranked, key=lambda type_: (id(type_) not in first, price(type_)))[:room]


def wants_gpu(spec: RunnerSpec) -> bool:
    """Whether the machine needs a GPU driver: the wish names a GPU, or a type or family that has one."""
    named = spec.type or spec.family
    return bool(spec.gpu) or bool(named and any(t.gpu for t in price_table().types.values() if _fits(spec, t)))


def _fits(spec: RunnerSpec, type_: InstanceType) -> bool:
    return (
        (not spec.type or type_.name in spec.type)
        and (not spec.family or any(_of_family(type_, family) for family in spec.family))
        and (not spec.arch or type_.arch in spec.arch)
        and (spec.cpu is None or spec.cpu.holds(type_.cpu))
        and (spec.ram is None or spec.ram.holds(type_.ram))
        and _has_gpu(spec, type_)
    )


def _of_family(type_: InstanceType, family: str) -> bool:
    return fnmatchcase(type_.family, family)


def _has_gpu(spec: RunnerSpec, type_: InstanceType) -> bool:
    gpu = type_.gpu
    if spec.gpu:
        return gpu is not None and any(w.model in ("any", gpu.model) and w.count == gpu.count for w in spec.gpu)
    return gpu is None or (not spec.no_gpu and bool(spec.type or spec.family))
