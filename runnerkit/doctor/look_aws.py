"""Looking at AWS: who signs in, regions, quotas, what is on offer, images, leftovers. It only reads.

Sources: AWS's API references of STS, EC2, Service Quotas and IAM; the role's name is from "Service-linked role for
Spot Instance requests".
"""

from __future__ import annotations

import os
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from runnerkit.doctor.facts_aws import Identity, ImageSeen, Leftovers, Limit, Offer, Region, TypeSeen
from runnerkit.doctor.facts_here import Skew
from runnerkit.doctor.gathering import Once
from runnerkit.ec2.answers import told
from runnerkit.ec2.parallel import each
from runnerkit.ec2.quotas import Quota, quota_for
from runnerkit.errors import CloudDenied, CloudError, CloudUnavailable, ConfigError, PolicyRefused
from runnerkit.model import Market, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runnerkit.choosing import Chooser
    from runnerkit.doctor.facts_aws import Wished
    from runnerkit.ec2.clients import Clients
    from runnerkit.model import Offering
    from runnerkit.ports import Clock, Cloud

SPOT_ROLE = "AWSServiceRoleForEC2Spot"
# Set by tools that get credentials for a time; botocore reads it, too.
EXPIRES = "AWS_CREDENTIAL_EXPIRATION"
# A machine ends itself at its deadline, and takes a while for it.
SLACK = timedelta(minutes=10)
MISSING_QUOTA = "NoSuchResourceException"
MISSING_ROLE = "NoSuchEntity"


class AwsLooks:
    """The looks at AWS; each may be called from a thread of its own.

    Args:
        clients: boto3's clients.
        cloud: EC2 as launches see it.
        chooser: What a wish can get.
        wished: What may be asked for.
        clock: The time.
    """

    def __init__(
        self, clients: Clients, cloud: Cloud, chooser: Chooser, wished: Sequence[Wished], clock: Clock
    ) -> None:
        self._clients = clients
        self._cloud = cloud
        self._chooser = chooser
        self._wished = [each for each in wished if each.spec is not None]
        self._clock = clock
        self._called = Once(self._call)
        self.offers = Once(self._offers)
        self.images = Once(self._images)

    def regions_used(self) -> tuple[str, ...]:
        """The regions of the configuration, or AWS's own one."""
        return self._clients.regions

    # --- who --------------------------------------------------------------------------------------------------------

    def identity(self) -> Identity:
        """Who signs in."""
        answer, _ = self._called()
        ends = os.environ.get(EXPIRES, "")
        regions = self._clients.regions
        return Identity(answer["Account"], answer["Arn"], regions, _moment(ends) if ends else None)

    def skew(self) -> Skew:
        """How far this computer's clock is from AWS's."""
        answer, at = self._called()
        return skew("AWS", answer["ResponseMetadata"]["HTTPHeaders"].get("date", ""), at)

    def _call(self) -> tuple[dict[str, Any], datetime]:
        client = self._clients.of("sts", self._clients.regions[0])
        with told("asking AWS who signs in"):
            return dict(client.get_caller_identity()), self._clock.now()

    def regions(self) -> tuple[Region, ...]:
        """The configured regions, and whether the account may use them."""
        import boto3

        make: Any = boto3.Session()
        known = {name for part in make.get_available_partitions() for name in make.get_available_regions("ec2", part)}
        there = [name for name in self._clients.regions if name in known]
        status: dict[str, str] = {}
        if there:
            with told(f"listing the regions that {there[0]} knows"):
                rows = self._clients.ec2(there[0]).describe_regions(AllRegions=True)["Regions"]
            status = {row.get("RegionName", ""): row.get("OptInStatus", "") for row in rows}
        return tuple(Region(name, status.get(name, "")) for name in self._clients.regions)

    def spot_role(self) -> bool:
        """Whether the service-linked role for spot is there."""
        client = self._clients.of("iam", self._clients.regions[0])
        try:
            with told(f"looking for the role {SPOT_ROLE}"):
                client.get_role(RoleName=SPOT_ROLE)
        except CloudError as error:
            if error.aws_code == MISSING_ROLE:
                return False
            raise
        return True

    # --- what can be had ----------------------------------------------------------------------------------------------

    def _offers(self) -> tuple[Offer, ...]:
        return tuple(offer for offers in each(self._offers_of, self._wished) for offer in offers)

    def _offers_of(self, wished: Wished) -> list[Offer]:
        if wished.spec is None:
            return []
        try:
            found = self._chooser.fitting(wished.spec)
        except (ConfigError, PolicyRefused) as error:
            region = ", ".join(wished.spec.region or self._clients.regions)
            return [Offer(wished.name, region, problem=error.message, hint=error.hint)]
        by_region: dict[str, list[Offering]] = defaultdict(list)
        for offering in found:
            by_region[offering.region].append(offering)
        return [_offer(wished.name, region, offerings) for region, offerings in by_region.items()]

    def limits(self) -> tuple[Limit, ...]:
        """The quotas that the offers count against."""
        wanted = {
            (offer.region, market, quota_for(type_.name, market))
            for offer in self.offers()
            for type_ in offer.types
            for market in Market
        }
        return tuple(each(self._limit, sorted(wanted, key=lambda one: (one[0], one[1], one[2].name))))

    def _limit(self, asked: tuple[str, Market, Quota]) -> Limit:
        region, market, quota = asked
        return Limit(region, market, quota.name, quota.code, self._vcpus(region, quota) if quota.code else None)

    def _vcpus(self, region: str, quota: Quota) -> float | None:
        client = self._clients.of("service-quotas", region)
        try:
            with told(f"reading the quota {quota.code} of {region}"):
                return float(client.get_service_quota(ServiceCode="ec2", QuotaCode=quota.code)["Quota"]["Value"])
        except CloudError as error:
            if error.aws_code == MISSING_QUOTA:
                return None
            raise

    # --- images -----------------------------------------------------------------------------------------------------

    def _images(self) -> tuple[ImageSeen, ...]:
        places = [
            (wished, region, arch)
            for wished in self._wished
            if wished.spec is not None
            for region in wished.spec.region or self._clients.regions
            for arch in wished.spec.arch or ("x64",)
        ]
        found = each(lambda place: self._image(*place), places)
        return tuple(each(self._with_state, found))

    def _image(self, wished: Wished, region: str, arch: str) -> ImageSeen:
        try:
            if wished.spec is None:
                return ImageSeen(wished.name, region, problem=wished.problem)
            return ImageSeen(wished.name, region, self._cloud.image(wished.spec, region, arch))
        except (CloudError, ConfigError) as error:
            seen = not isinstance(error, CloudUnavailable | CloudDenied)
            return ImageSeen(wished.name, region, problem=error.message, hint=error.hint, seen=seen)

    def _with_state(self, seen: ImageSeen) -> ImageSeen:
        if seen.image is None:
            return seen
        with told(f"looking at image {seen.image.id} in {seen.region}"):
            rows = self._clients.ec2(seen.region).describe_images(ImageIds=[seen.image.id])["Images"]
        state = rows[0].get("State", "available") if rows else "gone"
        return ImageSeen(seen.wish, seen.region, seen.image, state)

    # --- what is left -------------------------------------------------------------------------------------------------

    def leftovers(self) -> Leftovers:
        """Machines past their life, and what launches left behind."""
        now, over = self._clock.now(), {State.TERMINATED, State.SHUTTING_DOWN}
        expired = [
            f"{one.name or one.id} ({one.id})"
            for one in self._cloud.instances()
            if one.expires_at and one.expires_at + SLACK < now and one.state not in over
        ]
        return Leftovers(tuple(expired), tuple(f"{one.kind} {one.id}" for one in self._cloud.leftovers()))


def skew(whose: str, date: str, now: datetime) -> Skew:
    """How far ``now`` is from what a server's Date header says, to the second that the header has.

    Raises:
        ConfigError: There is no such header, because something else answers in its place.
    """
    try:
        there = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        raise ConfigError(f"{whose} told no time", hint="check that no proxy answers in its place") from None
    return Skew(whose, (now - there.astimezone(UTC)).total_seconds())


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _offer(wish: str, region: str, offerings: Sequence[Offering]) -> Offer:
    types = {one.type.name: one.type for one in offerings}
    return Offer(
        wish,
        region,
        tuple(
            TypeSeen(name, type_.cpu, {market: quota_for(name, market).name for market in Market})
            for name, type_ in types.items()
        ),
        tuple(sorted({one.zone for one in offerings})),
        _cheapest(offerings, Market.SPOT),
        _cheapest(offerings, Market.ON_DEMAND),
    )


def _cheapest(offerings: Iterable[Offering], market: Market) -> float | None:
    return min((one.price for one in offerings if one.market is market and one.price is not None), default=None)
