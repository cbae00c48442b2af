"""The instance profile of Batch's machines: what lets them join their cluster."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError

from runnerkit.batch.requests import named
from runnerkit.batch.trouble import told
from runnerkit.ec2.answers import code_of
from runnerkit.errors import CloudUnavailable, ConfigError
from runnerkit.tags import OWNER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# https://docs.aws.amazon.com/batch/latest/userguide/instance_IAM_role.html
POLICY = "policy/service-role/AmazonEC2ContainerServiceforEC2Role"
_ABSENT = "NoSuchEntity"
ROLE_NAME_LIMIT = 64


class Profiles:
    """Instance profiles of one account.

    Args:
        iam: A boto3 client.
        region: Whose compute environments it is for; tells the partition of ARNs too.
        owner: Whose profile is made.
        tags: What marks it as ours.
    """

    def __init__(self, iam: Any, region: str, owner: str, tags: Mapping[str, str]) -> None:  # noqa: ANN401 - boto3's
        self._iam = iam
        starts = {"cn-": "aws-cn", "eusc-": "aws-eusc", "us-gov-": "aws-us-gov"}
        self._partition = next((name for start, name in starts.items() if region.startswith(start)), "aws")
        self._owner = owner
        self._tags = [{"Key": key, "Value": value} for key, value in tags.items()]
        # IAM knows no regions, and the compute environments of each live on when those of another go.
        self.name = named("rk-batch", owner, region, limit=ROLE_NAME_LIMIT)

    def known(self, name: str) -> str:
        """The ARN of an existing profile.

        Raises:
            ConfigError: There is none.
        """
        found = self._profile(name)
        if found is None:
            raise ConfigError(
                f"--instance-profile {name}: there is none",
                hint="leave it out to get one, or make it: it needs AmazonEC2ContainerServiceforEC2Role",
            )
        return str(found["Arn"])

    def ours(self) -> str:
        """The ARN of our profile, made with its role when it is missing."""
        found = self._profile(self.name)
        if found is None or not found["Roles"]:
            self._make()
            found = self._profile(self.name)
        if found is None:
            raise CloudUnavailable(f"the instance profile {self.name} was made and cannot be seen", hint="try again")
        return str(found["Arn"])

    def remove(self) -> Sequence[str]:
        """Remove our profile and its role, where they bear our tag; the names of what went."""
        gone = []
        found = self._profile(self.name)
        with told(f"removing the instance profile {self.name}"):
            if found is not None and self._is_ours(found.get("Tags", [])):
                for role in found["Roles"]:
                    self._iam.remove_role_from_instance_profile(
                        InstanceProfileName=self.name, RoleName=role["RoleName"]
                    )
                self._iam.delete_instance_profile(InstanceProfileName=self.name)
                gone.append(f"instance profile {self.name}")
            if self._role_is_ours():
                with _unless(_ABSENT):
                    self._iam.detach_role_policy(RoleName=self.name, PolicyArn=self._policy)
                self._iam.delete_role(RoleName=self.name)
                gone.append(f"role {self.name}")
        return gone

    @property
    def _policy(self) -> str:
        return f"arn:{self._partition}:iam::aws:{POLICY}"

    def _profile(self, name: str) -> dict[str, Any] | None:
        with told(f"looking at the instance profile {name}"), _unless(_ABSENT):
            return dict(self._iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"])
        return None

    def _make(self) -> None:
        """Each part may be there already, from somebody who was interrupted."""
        suffix = ".cn" if self._partition == "aws-cn" else ""
        who = {"Effect": "Allow", "Principal": {"Service": f"ec2.amazonaws.com{suffix}"}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [who]})
        exists = "EntityAlreadyExists"
        with told(f"making the role and the instance profile {self.name}"):
            with _unless(exists):
                self._iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=trust, Tags=self._tags)
            self._iam.attach_role_policy(RoleName=self.name, PolicyArn=self._policy)
            with _unless(exists):
                self._iam.create_instance_profile(InstanceProfileName=self.name, Tags=self._tags)
            with _unless("LimitExceeded"):
                self._iam.add_role_to_instance_profile(InstanceProfileName=self.name, RoleName=self.name)
            with suppress(WaiterError):
                self._iam.get_waiter("instance_profile_exists").wait(InstanceProfileName=self.name)

    def _role_is_ours(self) -> bool:
        with _unless(_ABSENT):
            return self._is_ours(self._iam.get_role(RoleName=self.name)["Role"].get("Tags", []))
        return False

    def _is_ours(self, tags: list[dict[str, str]]) -> bool:
        return any(tag.get("Key") == OWNER and tag.get("Value") == self._owner for tag in tags)


class _unless:  # noqa: N801 - reads as a part of the sentence
    """Passes over one error code of AWS's."""

    def __init__(self, code: str) -> None:
        self._code = code

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, fault: BaseException | None, _trace: object) -> bool:
        return isinstance(fault, ClientError) and code_of(fault) == self._code
