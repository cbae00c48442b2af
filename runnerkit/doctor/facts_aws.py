"""What the looks at AWS see: plain values. Times are aware UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runnerkit.model import Market
    from runnerkit.ports import Image
    from runnerkit.wishes import RunnerSpec


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs in to AWS; ``expires_at`` None: the credentials do not say that they end."""

    account: str
    arn: str
    regions: tuple[str, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """A configured region; ``status`` as EC2 has it: opt-in-not-required, opted-in, not-opted-in, or empty: unknown."""

    name: str
    status: str


@dataclass(frozen=True, slots=True)
class Right:
    """Whether an action is allowed: True, False, or None: nobody could tell.

    ``how`` is how it was found out: ``dry run``, ``simulation``; ``why`` is what the action is for, or AWS's own words.
    """

    action: str
    allowed: bool | None
    how: str = ""
    why: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """A quota in vCPUs; ``vcpus`` None: Service Quotas does not know it."""

    region: str
    market: Market
    name: str
    code: str
    vcpus: float | None


@dataclass(frozen=True, slots=True)
class Wished:
    """What may be asked for: the default, or a named spec; ``problem`` says why it can never be had."""

    name: str
    spec: RunnerSpec | None
    problem: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class TypeSeen:
    """An instance type on offer, with the names of the quotas that it counts against."""

    name: str
    vcpus: int
    quotas: Mapping[Market, str]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a wish can get in a region just now; ``problem`` is why it gets nothing."""

    wish: str
    region: str
    types: tuple[TypeSeen, ...] = ()
    zones: tuple[str, ...] = ()
    spot: float | None = None
    on_demand: float | None = None
    problem: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Machines past their life by their tags (``name`` or id), and other things that launches left behind."""

    expired: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Carrier:
    """An instance profile that is to carry our SSM statement; None: nobody could tell whether it does."""

    profile: str
    role: str
    allowed: bool | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class SubnetSeen:
    """A subnet that machines are launched into.

    ``road`` is where its default route leads: ``internet`` (an internet gateway), ``nat`` (a NAT or another device in
    between), or empty: nowhere. ``public_ips``: machines get a public address at launch.
    """

    id: str
    region: str
    zone: str
    vpc: str
    addresses: int
    public_ips: bool
    road: str


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """A security group of our machines; ``id`` is empty where it is made at the first launch."""

    region: str
    id: str
    name: str
    inbound: tuple[str, ...] = ()
    https_out: bool = True
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ImageSeen:
    """The image of a wish in a region, or why there is none; ``state`` as EC2 has it.

    ``seen`` False: AWS could not be asked, and ``problem`` says why.
    """

    wish: str
    region: str
    image: Image | None = None
    state: str = "available"
    problem: str = ""
    hint: str = ""
    seen: bool = True
