"""What EC2 knows of an instance beside what its view tells. Asking the API would stand among the calls tests count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.tags import RECIPE

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2 import InstanceView, SandboxEc2

MAKER = "NVIDIA"


def is_baked(ec2: SandboxEc2, view: InstanceView) -> bool:
    """Whether its image was baked by us."""
    core = ec2._core  # noqa: SLF001 - there is no public way to an image's tags
    with core.lock:
        return RECIPE in core.region(view.region).tags(view.image_id)


def gpus(ec2: SandboxEc2, view: InstanceView) -> list[str]:
    """NVIDIA's GPUs in an instance of this type, one text for each kind."""
    core = ec2._core  # noqa: SLF001 - nor to the description of a type
    with core.lock:
        described = core.region(view.region).type_info(view.type) or {}
    found = described.get("GpuInfo", {}).get("Gpus", [])
    return [_told(gpu) for gpu in found if gpu.get("Manufacturer") == MAKER]


def _told(gpu: dict[str, object]) -> str:
    # A type with a part of a GPU says that it has none.
    count, memory = gpu.get("Count") or "a part of 1", gpu.get("MemoryInfo")
    size = memory.get("SizeInMiB") if isinstance(memory, dict) else None
    return f"{count} x {MAKER} {gpu.get('Name')}" + (f", {size} MiB" if size else "")
