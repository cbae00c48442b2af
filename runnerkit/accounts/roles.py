"""Roles, instance profiles, the identity provider and EC2's own role for spot machines."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from botocore.exceptions import WaiterError

from runnerkit.accounts.handler import Ways, differs, listed, mapped
from runnerkit.accounts.trouble import unless, unless_absent
from runnerkit.setup.words import Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runnerkit.setup.words import Resource


class _Iam:
    service = "iam"

    def __init__(self, ways: Ways) -> None:
        self._ways = ways

    @property
    def _iam(self) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        return self._ways.of("iam")


class Roles(_Iam):
    """Roles with inline policies."""

    def look(self, resource: Resource) -> Found | None:
        """GetRole, and its policies: ours in full, others by name."""
        with unless_absent:
            role = self._iam.get_role(RoleName=resource.name)["Role"]
            own = {policy["PolicyName"] for policy in resource.properties["Policies"]}
            inline = self._iam.list_role_policies(RoleName=resource.name)["PolicyNames"]
            attached = self._iam.list_attached_role_policies(RoleName=resource.name)["AttachedPolicies"]
            policies = [
                {"PolicyName": name, "PolicyDocument": self._policy(resource.name, name)}
                for name in sorted(own & {*inline})
            ]
            return Found(
                {
                    "RoleName": role["RoleName"],
                    "Description": role.get("Description", ""),
                    "AssumeRolePolicyDocument": _document(role["AssumeRolePolicyDocument"]),
                    "MaxSessionDuration": role.get("MaxSessionDuration"),
                    "Policies": policies,
                },
                mapped(role.get("Tags")),
                (
                    *(f"the policy {name}" for name in sorted({*inline} - own)),
                    *(f"the policy {each['PolicyName']}" for each in attached),
                ),
            )
        return None

    def make(self, resource: Resource) -> None:
        """CreateRole with its tags, then its policies."""
        told = resource.properties
        self._iam.create_role(
            RoleName=resource.name,
            Description=told["Description"],
            AssumeRolePolicyDocument=json.dumps(told["AssumeRolePolicyDocument"]),
            MaxSessionDuration=told["MaxSessionDuration"],
            Tags=listed(resource.tags),
        )
        self._put_policies(resource)

    def mend(self, resource: Resource, found: Found) -> None:
        """Whatever differs of it."""
        name, told = resource.name, resource.properties
        if differs(resource, found, "AssumeRolePolicyDocument"):
            trust = json.dumps(told["AssumeRolePolicyDocument"])
            self._iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
        if differs(resource, found, "Description", "MaxSessionDuration"):
            self._iam.update_role(
                RoleName=name, Description=told["Description"], MaxSessionDuration=told["MaxSessionDuration"]
            )
        if differs(resource, found, "Policies"):
            self._put_policies(resource)
        if dict(resource.tags).items() - dict(found.tags).items():
            self._iam.tag_role(RoleName=name, Tags=listed(resource.tags))

    def remove(self, resource: Resource, found: Found) -> None:
        """DeleteRole, after its policies."""
        for policy in found.properties["Policies"]:
            with unless_absent:
                self._iam.delete_role_policy(RoleName=resource.name, PolicyName=policy["PolicyName"])
        with unless_absent:
            self._iam.delete_role(RoleName=resource.name)

    def users(self, resource: Resource, found: Found, ours: Sequence[str]) -> list[str]:
        """Instance profiles of others."""
        del found
        with unless_absent:
            profiles = self._iam.list_instance_profiles_for_role(RoleName=resource.name)["InstanceProfiles"]
            return [
                f"the instance profile {each['InstanceProfileName']}"
                for each in profiles
                if each["InstanceProfileName"] not in ours
            ]
        return []

    def _policy(self, role: str, name: str) -> Any:  # noqa: ANN401 - a document
        return _document(self._iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])

    def _put_policies(self, resource: Resource) -> None:
        for policy in resource.properties["Policies"]:
            self._iam.put_role_policy(
                RoleName=resource.name,
                PolicyName=policy["PolicyName"],
                PolicyDocument=json.dumps(policy["PolicyDocument"], separators=(",", ":")),
            )


class Profiles(_Iam):
    """Instance profiles, each with one role."""

    def look(self, resource: Resource) -> Found | None:
        """GetInstanceProfile."""
        with unless_absent:
            found = self._iam.get_instance_profile(InstanceProfileName=resource.name)["InstanceProfile"]
            roles = [role["RoleName"] for role in found["Roles"]]
            told = {"InstanceProfileName": resource.name, "Roles": roles}
            return Found(told, mapped(found.get("Tags")), id=found["Arn"])
        return None

    def make(self, resource: Resource) -> None:
        """CreateInstanceProfile with its tags, then its role."""
        self._iam.create_instance_profile(InstanceProfileName=resource.name, Tags=listed(resource.tags))
        self._add_role(resource)
        with suppress(WaiterError):
            self._iam.get_waiter("instance_profile_exists").wait(InstanceProfileName=resource.name)

    def mend(self, resource: Resource, found: Found) -> None:
        """Another role taken out, ours put in."""
        if differs(resource, found, "Roles"):
            for role in found.properties["Roles"]:
                self._iam.remove_role_from_instance_profile(InstanceProfileName=resource.name, RoleName=role)
            self._add_role(resource)
        if dict(resource.tags).items() - dict(found.tags).items():
            self._iam.tag_instance_profile(InstanceProfileName=resource.name, Tags=listed(resource.tags))

    def remove(self, resource: Resource, found: Found) -> None:
        """DeleteInstanceProfile, after its role was taken out."""
        for role in found.properties["Roles"]:
            with unless_absent:
                self._iam.remove_role_from_instance_profile(InstanceProfileName=resource.name, RoleName=role)
        with unless_absent:
            self._iam.delete_instance_profile(InstanceProfileName=resource.name)

    def users(self, resource: Resource, found: Found, ours: Sequence[str]) -> list[str]:
        """Machines of others: the owner's were looked for before."""
        del resource, ours
        filters = [{"Name": "iam-instance-profile.arn", "Values": [found.id]}]
        return [
            f"the machine {each['InstanceId']} in {region}"
            for region in self._ways.clients.regions
            for page in self._ways.of("ec2", region).get_paginator("describe_instances").paginate(Filters=filters)
            for group in page["Reservations"]
            for each in group["Instances"]
            if each["State"]["Name"] != "terminated"
        ]

    def _add_role(self, resource: Resource) -> None:
        for role in resource.properties["Roles"]:
            # It has one already, which AWS tells by this code.
            with unless(frozenset({"LimitExceeded"})):
                self._iam.add_role_to_instance_profile(InstanceProfileName=resource.name, RoleName=role)


class Providers(_Iam):
    """GitHub's identity provider: one for each account and issuer."""

    def look(self, resource: Resource) -> Found | None:
        """GetOpenIDConnectProvider."""
        with unless_absent:
            found = self._iam.get_open_id_connect_provider(OpenIDConnectProviderArn=resource.name)
            url = str(found["Url"])
            audiences = [each for each in resource.properties["ClientIdList"] if each in found["ClientIDList"]]
            # Further audiences are somebody's own matter.
            told = {"Url": url if "://" in url else f"https://{url}", "ClientIdList": audiences}
            return Found(told, mapped(found.get("Tags")), id=resource.name)
        return None

    def make(self, resource: Resource) -> None:
        """CreateOpenIDConnectProvider; AWS finds the certificate's thumbprint by itself."""
        told = resource.properties
        self._iam.create_open_id_connect_provider(
            Url=told["Url"], ClientIDList=told["ClientIdList"], Tags=listed(resource.tags)
        )

    def mend(self, resource: Resource, found: Found) -> None:
        """The audience that is missing."""
        for audience in set(resource.properties["ClientIdList"]) - set(found.properties["ClientIdList"]):
            self._iam.add_client_id_to_open_id_connect_provider(
                OpenIDConnectProviderArn=resource.name, ClientID=audience
            )

    def remove(self, resource: Resource, found: Found) -> None:
        """DeleteOpenIDConnectProvider."""
        del found
        with unless_absent:
            self._iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=resource.name)

    def users(self, resource: Resource, found: Found, ours: Sequence[str]) -> list[str]:
        """Other roles that trust it."""
        del found
        pages = self._iam.get_paginator("list_roles").paginate()
        roles = [role for page in pages for role in page["Roles"] if role["RoleName"] not in ours]
        return [f"the role {each['RoleName']}" for each in roles if resource.name in _trusted(each)]


class SpotRoles(_Iam):
    """EC2's role for spot machines, which AWS keeps."""

    def look(self, resource: Resource) -> Found | None:
        """GetRole."""
        with unless_absent:
            self._iam.get_role(RoleName=resource.name)
            return Found(dict(resource.properties))
        return None

    def make(self, resource: Resource) -> None:
        """CreateServiceLinkedRole."""
        self._iam.create_service_linked_role(AWSServiceName=resource.properties["AWSServiceName"])

    def mend(self, resource: Resource, found: Found) -> None:
        """There is nothing to change."""

    def remove(self, resource: Resource, found: Found) -> None:
        """It is never removed."""

    def users(self, resource: Resource, found: Found, ours: Sequence[str]) -> list[str]:
        """Everybody."""
        del resource, found, ours
        return []


def _trusted(role: dict[str, Any]) -> Iterator[str]:
    """Who may be a role, as far as tokens say who it is."""
    document = _document(role["AssumeRolePolicyDocument"])
    statements = document.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", {})
        federated = principal.get("Federated", []) if isinstance(principal, dict) else []
        yield from federated if isinstance(federated, list) else [federated]


def _document(told: Any) -> Any:  # noqa: ANN401 - a document, which boto3 has read already or not
    return json.loads(unquote(told)) if isinstance(told, str) else told
