"""What EC2 knows of an instance beside what its view tells. Asking the API would stand among the calls tests count."""

from __future__ import annotations

import shlex
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from runnerkit.tags import RECIPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.sandbox.ec2 import InstanceView, SandboxEc2
    from runnerkit.sandbox.ec2.model import Raw

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


def nvidia_smi(gpus: Sequence[str]) -> str:
    """Workflows begin with it: whatever the arguments, it says what it is, and leaves with 0."""
    lines = ["runnerkit's stand-in for nvidia-smi: the sandbox has no GPU behind it. On AWS this machine has:", *gpus]
    return "#!/bin/sh\n" + "".join(f"echo {shlex.quote(line)}\n" for line in lines)


def lets_in(ec2: SandboxEc2, view: InstanceView, port: int, address: str) -> bool:
    """Whether a rule of the instance's security groups lets this address reach a port (TCP)."""
    core, who = ec2._core, ip_address(address)  # noqa: SLF001 - as above
    with core.lock:
        groups = [core.region(view.region).ec2.get_security_group_from_id(group) for group in view.group_ids]
        rules = [rule for group in groups if group is not None for rule in group.ingress_rules if _covers(rule, port)]
        ranges = [rule.ip_range["CidrIp"] for rule in rules if "CidrIp" in rule.ip_range]
    return any(who in ip_network(each, strict=False) for each in ranges)


def _covers(rule: Raw, port: int) -> bool:
    if str(rule.ip_protocol) == "-1":
        return True
    if rule.ip_protocol != "tcp" or rule.from_port is None or rule.to_port is None:
        return False
    return int(rule.from_port) <= port <= int(rule.to_port)
