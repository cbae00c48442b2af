"""Handing over: a machine of a burst gets its tags, and a parameter that only it may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from runnerkit import tags as words
from runnerkit.ec2.answers import AwsFault, code_of, error_of, verdict_of, was_lost
from runnerkit.ec2.codes import Remedy
from runnerkit.ec2.patience import Backoff
from runnerkit.ec2.requests import as_tags
from runnerkit.errors import LaunchRejected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runnerkit.ec2.clients import Clients
    from runnerkit.names import Secret
    from runnerkit.ports import Clock
    from runnerkit.settings import AwsSettings

FOLDER = "/runnerkit/"
# The key by which the machine's role is held to its own parameter; see docs/machine.md.
INSTANCE_TAG = "InstanceId"
# Source: AWS's quotas of Parameter Store. In bytes; the larger tier costs a few cents a month.
STANDARD, ADVANCED = 4_096, 8_192
# Parameter Store takes three writes a second, ten where higher throughput is switched on: a burst has to queue.
DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)
THERE_ALREADY = "ParameterAlreadyExists"


class HandOver:
    """Tags machines and writes their parameters; throttling is waited out."""

    def __init__(self, settings: AwsSettings, clients: Clients, clock: Clock) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock

    def give(self, region: str, instance_id: str, tags: Mapping[str, str], secret: Secret) -> None:
        """Tag the machine, then write its document.

        Raises:
            LaunchRejected: The document is too large.
            CloudError: AWS refuses, or did not answer.
        """
        size = len(secret.reveal().encode())
        if size > ADVANCED:
            raise LaunchRejected(
                f"the document of {instance_id} has {size} bytes and Parameter Store takes {ADVANCED}",
                hint="use fewer or shorter labels",
            )
        given = as_tags(tags)
        ec2 = self._clients.ec2(region)
        self._patiently(
            lambda: ec2.create_tags(Resources=[instance_id], Tags=given), f"tagging {instance_id} in {region}"
        )
        self._patiently(
            lambda: self._write(region, instance_id, secret, "Advanced" if size > STANDARD else "Standard"),
            f"writing the parameter {FOLDER}{instance_id} in {region}",
        )

    def _write(self, region: str, instance_id: str, secret: Secret, tier: Literal["Standard", "Advanced"]) -> object:
        tags = {**self._settings.tags, words.OWNER: self._settings.owner, INSTANCE_TAG: instance_id}
        return self._clients.ssm_once(region).put_parameter(
            Name=f"{FOLDER}{instance_id}",
            Value=secret.reveal(),
            Type="SecureString",
            Tier=tier,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )

    def _patiently(self, call: Callable[[], object], doing: str) -> None:
        """Both calls may be repeated: tags are the same again, and a parameter that is there is never overwritten."""
        backoff, lost = Backoff(self._clock, DELAYS), False
        while True:
            try:
                call()
            except AwsFault as fault:
                if lost and code_of(fault) == THERE_ALREADY:
                    # It is the one whose answer got lost.
                    return
                lost = lost or was_lost(fault)
                if verdict_of(fault).remedy is not Remedy.WAIT or not backoff.again():
                    raise error_of(fault, doing) from fault
            else:
                return
