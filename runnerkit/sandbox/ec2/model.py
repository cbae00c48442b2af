"""The plain values that the sandbox's EC2 works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from runnerkit.sandbox.ec2.capacity import Pool, Stock

Params = dict[str, Any]
Tags = dict[str, str]
Raw = Any
"""One of moto's own objects; only ``backend``, ``images``, ``templates`` and ``views`` look into it."""
STATE_CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}


@dataclass(frozen=True, slots=True)
class Ask:
    """One EC2 request as a handler sees it: parameters under botocore's names, and who asks where."""

    action: str
    params: Params
    region: str
    access_key: str
    forward: Callable[[], Answer]


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/xml;charset=UTF-8"),)


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet as far as launches care."""

    id: str
    zone: str
    vpc_id: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image as far as launches care; ``disks`` are its block device mappings, the root's among them."""

    id: str
    state: str
    root_device: str
    arch: str
    disks: tuple[Params, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """One version of a launch template."""

    id: str
    name: str
    version: int
    data: Params


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """Everything one machine is launched with, templates merged and names resolved."""

    image_id: str
    type: str
    subnet: Subnet
    market: str
    group_ids: tuple[str, ...]
    disks: tuple[Params, ...]
    user_data: str
    profile_arn: str
    profile_id: str
    shutdown_behavior: str
    metadata_options: Params
    key_name: str | None
    interface: Params
    tags: Mapping[str, Tags]
    client_token: str
    spot_type: str = "one-time"
    max_price: str | None = None
    protected: bool = False
    ebs_optimized: bool = False
    monitored: bool = False
    vcpus: int = 1

    def pool(self) -> Pool:
        """The capacity pool it is launched from."""
        from runnerkit.sandbox.ec2.capacity import Pool

        return Pool(self.type, self.subnet.zone, self.market)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a machine stops or ends, as DescribeInstances tells it."""

    code: str
    message: str
    transition: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A spot interruption announced by AWS: ``action`` (terminate) at ``at`` (seconds since the epoch)."""

    action: str
    at: float


@dataclass(frozen=True, slots=True)
class MachineEvent:
    """Something that happened to a machine.

    ``kind`` is the state it entered (``pending``, ``running``, ``shutting-down``, ...), or ``notice``, ``rebalance``,
    ``rebooted``.
    """

    kind: str
    instance_id: str
    region: str
    at: float


@dataclass(frozen=True, slots=True)
class InstanceView:
    """A machine as it really is, whatever the API shows just now. ``user_data`` is decoded."""

    id: str
    region: str
    zone: str
    type: str
    market: str
    state: str
    image_id: str
    subnet_id: str
    private_ip: str
    group_ids: tuple[str, ...]
    profile_arn: str
    shutdown_behavior: str
    metadata_options: Mapping[str, Any]
    user_data: bytes = field(repr=False)
    tags: Mapping[str, str]
    launched_at: datetime
    reason: str
    spot_request_id: str
    client_token: str
    notice: Notice | None


@dataclass(slots=True)
class Machine:
    """One machine's life: what it was launched with and what has become of it. ``raw`` is moto's object."""

    id: str
    region: str
    raw: Raw = field(repr=False)
    spec: LaunchSpec = field(repr=False)
    launched_at: float
    stock: Stock | None = None
    reservation_id: str = ""
    history: list[tuple[float, str]] = field(default_factory=list)
    cause: Cause | None = None
    spot_request_id: str = ""
    notice: Notice | None = None
    rebalance_at: float | None = None
    console: bytearray = field(default_factory=bytearray, repr=False)
    console_at: float | None = None
    agent: str = ""

    @property
    def state(self) -> str:
        """The state it is in."""
        return self.history[-1][1]

    @property
    def alive(self) -> bool:
        """Whether it has not begun to end."""
        return self.state not in {"shutting-down", "terminated"}

    def state_at(self, moment: float) -> str | None:
        """The state it was in at a time; None before its launch."""
        return next((state for at, state in reversed(self.history) if at <= moment), None)
