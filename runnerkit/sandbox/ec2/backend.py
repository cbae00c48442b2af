"""The one place that knows moto's objects (with ``beside``, ``images`` and ``server``): a moto upgrade ends here.

moto keeps everything per account and region; a world has an account of its own, so worlds do not see each other.
"""

from __future__ import annotations

import os
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.ec2.beside import Beside
from runnerkit.sandbox.ec2.errors import AwsError
from runnerkit.sandbox.ec2.model import STATE_CODES, Image, Subnet, Template

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2.model import Cause, LaunchSpec, Params, Raw, Tags

DEFAULT_IOPS, DEFAULT_THROUGHPUT = 3000, 125


def prepare() -> None:
    """Load moto's EC2 without its 1,300 ready-made images, which nobody here boots."""
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    import moto.ec2.models  # noqa: F401 - loading it is the point


def drop_account(account: str) -> None:
    """Forget everything that an account holds, in every service that was used."""
    from moto.core.base_backend import BackendDict

    in_use: Any = BackendDict
    for backends in list(in_use._instances):  # noqa: SLF001 - the only list of the services in use
        regions: dict[str, Any] = backends.pop(account, {})
        for backend in regions.values() if backends.service_name == "s3" else ():
            backend.reset()


def refusal(error: Exception) -> AwsError | None:
    """What moto refuses, in our words; None when it is not a refusal but a fault."""
    from moto.core.exceptions import ServiceException

    return AwsError(str(error.code), str(error.message)) if isinstance(error, ServiceException) else None


class Region:
    """EC2 of one account in one region."""

    def __init__(self, account: str, name: str) -> None:
        from moto.ec2.models import ec2_backends

        self.account = account
        self.name = name
        self.beside = Beside(account, name)
        self.ec2: Any = ec2_backends[account][name]
        self._answer_tags_by_key()

    def _answer_tags_by_key(self) -> None:
        """Look tags up by resource: moto scans all tags of all resources for each one it shows."""
        scan, tags = self.ec2.describe_tags, self.ec2.tags

        def describe_tags(filters: dict[str, list[str]] | None = None) -> list[dict[str, str]]:
            ids = (filters or {}).get("resource-id", [])
            if filters and len(filters) == 1 and len(ids) == 1 and not set(ids[0]) & set("*?"):
                found = tags.get(ids[0], {})
                return [{"resource_id": ids[0], "key": k, "value": v, "resource_type": ""} for k, v in found.items()]
            return list(scan(filters))

        self.ec2.describe_tags = describe_tags

    # --- what exists ---------------------------------------------------------------------------------------------

    def zones(self) -> dict[str, str]:
        """Zone ids by zone name."""
        return {zone.name: zone.zone_id for zone in self.ec2.describe_availability_zones()}

    def subnets(self) -> list[Subnet]:
        """Every subnet."""
        return [_subnet(raw) for zone in self.ec2.subnets.values() for raw in zone.values()]

    def default_subnets(self) -> dict[str, Subnet]:
        """The default subnet of each zone."""
        return {zone: _subnet(raw) for zone, raw in self.ec2.get_default_subnets().items()}

    def open_default_vpc(self) -> None:
        """Give the default VPC its internet gateway and the route there, once."""
        vpc = next((vpc for vpc in self.ec2.vpcs.values() if str(vpc.is_default).lower() == "true"), None)
        gateways = self.ec2.internet_gateways.values()
        if vpc is None or any(each.vpc and each.vpc.id == vpc.id for each in gateways):
            return
        made = self.ec2.create_internet_gateway()
        self.ec2.attach_internet_gateway(made.id, vpc.id)
        tables = self.ec2.route_tables.values()
        main = next(each for each in tables if each.vpc_id == vpc.id and each.main_association_id)
        self.ec2.create_route(main.id, "0.0.0.0/0", None, gateway_id=made.id)

    def addresses_left(self, subnet_id: str) -> int:
        """How many machines still fit into a subnet."""
        return int(self.ec2.get_subnet(subnet_id).available_ip_address_count)

    def group(self, name_or_id: str) -> Raw:
        """A security group by id or name; None when there is none."""
        return self.ec2.get_security_group_by_name_or_id(name_or_id)

    def default_group(self, vpc_id: str) -> str:
        """The id of a VPC's default security group."""
        return str(self.ec2.get_default_security_group(vpc_id).id)

    def group_users(self, group_id: str) -> bool:
        """Whether a network interface, or a rule of another group, still uses a security group."""
        if any(group_id in {g.id for g in eni.group_set} for eni in self.ec2.enis.values()):
            return True
        groups = [g for by_id in self.ec2.groups.values() for g in by_id.values() if g.id != group_id]
        rules = [rule for g in groups for rule in (*g.ingress_rules, *g.egress_rules)]
        return any(group_id == rule.source_group.get("GroupId") for rule in rules)

    def key_pair_exists(self, name: str) -> bool:
        """Whether there is a key pair of this name."""
        return name in self.ec2.key_pairs

    def image(self, image_id: str) -> Image | None:
        """An image that is registered here."""
        raw = self.ec2.amis.get(image_id)
        if raw is None:
            return None
        arch = "arm64" if raw.architecture == "arm64" else "x86_64"
        return Image(raw.id, raw.state, raw.root_device_name, arch, tuple(raw.block_device_mappings))

    def type_info(self, instance_type: str) -> Params | None:
        """DescribeInstanceTypes's entry for a type that exists in AWS."""
        from moto.ec2.models.instance_types import INSTANCE_TYPES

        found: Params | None = INSTANCE_TYPES.get(instance_type)
        return found

    @cached_property
    def offerings(self) -> frozenset[tuple[str, str]]:
        """Type and zone of everything that is offered in this region."""
        return frozenset(self.pools)

    @property
    def pools(self) -> tuple[tuple[str, str], ...]:
        """The same in order."""
        return _pools(self.name)

    # --- launch templates -----------------------------------------------------------------------------------------

    def template(self, template_id: str | None, name: str | None) -> Raw:
        """A launch template by id or name; None when there is none."""
        if template_id is None and name is not None:
            template_id = self.ec2.launch_template_name_to_ids.get(name)
        return self.ec2.launch_templates.get(template_id)

    def template_version(self, raw: Raw, version: str) -> Template | None:
        """One version (a number, ``$Latest`` or ``$Default``) of a template."""
        number = {"$Latest": raw.latest_version_number, "$Default": raw.default_version_number}.get(version, version)
        if not str(number).isdigit() or not 0 < int(number) <= len(raw.versions):
            return None
        data = dict(raw.versions[int(number) - 1].data)
        if data.get("UserData") is not None:
            data["UserData"] = str(data["UserData"])
        return Template(raw.id, raw.name, int(number), {k: v for k, v in data.items() if v is not None})

    def replace_template_data(self, raw: Raw, version: int, data: Params) -> None:
        """Let a version hold exactly this data."""
        from moto.ec2.models.launch_templates import LaunchTemplateVersion

        old = raw.versions[version - 1]
        kept = {**data, "UserData": _encoded(data.get("UserData"))}
        raw.versions[version - 1] = LaunchTemplateVersion(raw, version, kept, old.description)

    # --- tags -----------------------------------------------------------------------------------------------------

    def tags(self, resource_id: str) -> Tags:
        """A resource's tags."""
        return dict(self.ec2.tags.get(resource_id, {}))

    def add_tags(self, resource_id: str, tags: Tags) -> None:
        """Tag a resource; keys that AWS reserves are allowed here."""
        self.ec2.tags[resource_id].update(tags)

    # --- instances ------------------------------------------------------------------------------------------------

    def launch(self, spec: LaunchSpec) -> Raw:
        """Start one machine with everything the specification says; it is pending."""
        options: dict[str, Any] = {
            "instance_type": spec.type,
            "is_instance_type_default": False,
            "region_name": self.name,
            "subnet_id": spec.subnet.id,
            "security_group_ids": list(spec.group_ids),
            "key_name": spec.key_name,
            "tags": {"instance": spec.tags.get("instance", {}), "volume": spec.tags.get("volume", {})},
            "associate_public_ip": spec.interface.get("AssociatePublicIpAddress"),
            "private_ip": spec.interface.get("PrivateIpAddress"),
            "ebs_optimized": spec.ebs_optimized,
            "monitoring_state": "enabled" if spec.monitored else "disabled",
            "instance_market_options": spec.market if spec.market == "spot" else None,
            "instance_initiated_shutdown_behavior": spec.shutdown_behavior,
            "metadata_options": spec.metadata_options,
            "disable_api_termination": spec.protected,
            "client_token": spec.client_token,
            "block_device_mappings": [],
        }
        raw = self.ec2.run_instances(spec.image_id, 1, _encoded(spec.user_data), [], **options).instances[0]
        self._attach_disks(raw, spec)
        self._finish(raw, spec)
        return raw

    def _attach_disks(self, raw: Raw, spec: LaunchSpec) -> None:
        for disk in spec.disks:
            ebs = disk["Ebs"]
            volume = self.ec2.create_volume(
                ebs["VolumeSize"],
                spec.subnet.zone,
                ebs.get("SnapshotId"),
                encrypted=bool(ebs.get("Encrypted")),
                kms_key_id=ebs.get("KmsKeyId"),
            )
            volume.volume_type = kind = ebs.get("VolumeType", "gp2")
            volume.iops = ebs.get("Iops") or (DEFAULT_IOPS if kind == "gp3" else None)
            volume.throughput = ebs.get("Throughput") or (DEFAULT_THROUGHPUT if kind == "gp3" else None)
            self.ec2.attach_volume(volume.id, raw.id, disk["DeviceName"], ebs.get("DeleteOnTermination", False))
            self.add_tags(volume.id, spec.tags.get("volume", {}))

    def _finish(self, raw: Raw, spec: LaunchSpec) -> None:
        self.set_state(raw, "pending")
        interface = raw.nics[0]
        interface.delete_on_termination = spec.interface.get("DeleteOnTermination", True)
        self.add_tags(interface.id, spec.tags.get("network-interface", {}))
        if spec.profile_arn:
            self.ec2.associate_iam_instance_profile(raw.id, iam_instance_profile_arn=spec.profile_arn)
            raw.iam_instance_profile = {"Arn": spec.profile_arn, "Id": spec.profile_id}

    def set_state(self, raw: Raw, name: str, cause: Cause | None = None) -> None:
        """Let moto's instance show a state and the reasons for it."""
        from moto.ec2.models.instances import StateReason

        raw._state.name, raw._state.code = name, STATE_CODES[name]  # noqa: SLF001 - moto offers no setter
        raw.state_reason = StateReason(cause.message, cause.code) if cause else StateReason()
        raw._reason = cause.transition if cause else ""  # noqa: SLF001 - moto offers no setter

    def end(self, raw: Raw) -> None:
        """Terminate in moto: disks and interface that go with the machine are gone."""
        raw.disable_api_termination = False
        raw.terminate()

    def forget(self, raw: Raw) -> None:
        """A terminated machine leaves every list."""
        self.ec2.tags.pop(raw.id, None)
        for key, reservation in list(self.ec2.reservations.items()):
            if raw in reservation.instances:
                del self.ec2.reservations[key]

    def strangers(self, known: set[str]) -> list[Any]:
        """Instances that came to be without us, for example by the legacy RequestSpotInstances."""
        return [raw for raw in self.ec2.all_instances() if raw.id not in known]


def _subnet(raw: Raw) -> Subnet:
    return Subnet(raw.id, raw.availability_zone, raw.vpc_id)


def _encoded(user_data: str | None) -> Raw:
    from moto.core.types import Base64EncodedString

    return Base64EncodedString(user_data) if user_data else None


@cache
def _pools(region: str) -> tuple[tuple[str, str], ...]:
    """One for all worlds: there are thousands."""
    from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS

    offered = INSTANCE_TYPE_OFFERINGS["availability-zone"].get(region, [])
    return tuple(sorted((entry["InstanceType"], entry["Location"]) for entry in offered))
