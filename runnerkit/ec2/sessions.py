"""The port :class:`runnerkit.connecting.Sessions` on AWS Systems Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.connecting import Access
from runnerkit.ec2.answers import told
from runnerkit.ec2.clients import Clients
from runnerkit.errors import CloudDenied

if TYPE_CHECKING:
    from runnerkit.settings import AwsSettings


class Ec2Sessions:
    """What AWS knows about sessions on instances. Making one calls nobody.

    Args:
        settings: Section ``[aws]``.
    """

    def __init__(self, settings: AwsSettings) -> None:
        self._clients = Clients(settings)

    def access(self, region: str, instance_id: str) -> Access:
        """The instance's profile, and its agent as far as these credentials may ask for it."""
        profile = self._profile(region, instance_id)
        try:
            return Access(profile, self._agent(region, instance_id))
        except CloudDenied as error:
            return Access(profile, "", unknown=error.message)

    def _profile(self, region: str, instance_id: str) -> str:
        with told(f"looking at {instance_id} in {region}"):
            found = self._clients.ec2(region).describe_instances(InstanceIds=[instance_id])["Reservations"]
        instances = [instance for reservation in found for instance in reservation.get("Instances", [])]
        return instances[0].get("IamInstanceProfile", {}).get("Arn", "") if instances else ""

    def _agent(self, region: str, instance_id: str) -> str:
        with told(f"asking Systems Manager in {region} about {instance_id}"):
            answer = self._clients.ssm(region).describe_instance_information(
                Filters=[{"Key": "InstanceIds", "Values": [instance_id]}]
            )
        known = [each for each in answer["InstanceInformationList"] if each.get("InstanceId") == instance_id]
        return str(known[0].get("PingStatus", "")) if known else ""
