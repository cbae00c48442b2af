"""The table as a CloudFormation template."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from runnerkit.setup.table import resources
from runnerkit.setup.words import SHARED, STACK, Kind, Where

if TYPE_CHECKING:
    from runnerkit.setup.words import Resource, Wanted

ACCOUNT, PARTITION, REGION = "${AWS::AccountId}", "${AWS::Partition}", "${AWS::Region}"
VPC, PROVIDER = "VpcId", "Provider"
# What stands for values that CloudFormation fills in; everything else in ${} is IAM's own.
_IAMS = re.compile(r"\$\{(?!AWS::|VpcId\})")
_FILLED = re.compile(r"\$\{(?:AWS::\w+|VpcId)\}")
_PARAMETERS = {
    Kind.PROVIDER: ("ProviderExists", "whether the account has GitHub's OIDC provider already"),
    Kind.SPOT_ROLE: ("SpotRoleExists", "whether the account has used spot machines before"),
}
# CloudFormation has no tags for these; the budget's have another name.
_TAGLESS = frozenset({Kind.PROFILE, Kind.SPOT_ROLE, Kind.PERMISSION})


def template(wanted: Wanted, regions: tuple[str, ...] = ()) -> dict[str, Any]:
    """A template for a stack in the first region; other regions' security groups are made by the first launch there.

    Args:
        wanted: What is wanted.
        regions: Where machines are launched; empty: in the stack's region.
    """
    where = Where(ACCOUNT, PARTITION, (REGION, *regions[1:]), {REGION: f"${{{VPC}}}"} if wanted.groups else {})
    made = resources(wanted, where, maker=STACK)
    shared = [each.kind for each in made if each.kind in SHARED]
    parameters = {VPC: _vpc()} if wanted.groups else {}
    parameters |= {_PARAMETERS[kind][0]: _switch(_PARAMETERS[kind][1]) for kind in shared}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"What runnerkit needs, for the owner {wanted.owner}; by `runnerkit setup aws --print`.",
        "Parameters": parameters,
        "Conditions": {_condition(kind): _not(_PARAMETERS[kind][0]) for kind in shared},
        "Resources": {each.key: _resource(each, {other.key for other in made}) for each in made},
        "Outputs": _outputs(made),
    }


def _resource(resource: Resource, keys: set[str]) -> dict[str, Any]:
    properties = {**resource.properties, **_tags(resource)}
    # An empty list of rules is what a group has without one.
    properties = {key: value for key, value in properties.items() if value != []}
    # What is made on a condition is referred to instead.
    needs = [key for key in resource.needs if key in keys and key != PROVIDER]
    shared = {"Condition": _condition(resource.kind)} if resource.kind in SHARED else {}
    kept = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"} if resource.kind in SHARED else {}
    depends = {"DependsOn": needs if len(needs) > 1 else needs[0]} if needs else {}
    return {"Type": str(resource.kind), **shared, **kept, **depends, "Properties": filled(properties)}


def _tags(resource: Resource) -> dict[str, Any]:
    if resource.kind in _TAGLESS:
        return {}
    name = "ResourceTags" if resource.kind is Kind.BUDGET else "Tags"
    return {name: [{"Key": key, "Value": value} for key, value in sorted(resource.tags.items())]}


def filled(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can say
    """The same value, with ``Fn::Sub`` where CloudFormation has to fill something in."""
    if isinstance(value, dict):
        return {key: _referred(key, filled(inner)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [filled(inner) for inner in value]
    if isinstance(value, str) and _FILLED.search(value):
        return {"Fn::Sub": _IAMS.sub("${!", value)}
    return value


def _referred(key: str, value: Any) -> Any:  # noqa: ANN401 - as above
    """The provider's ARN by way of the provider, so that it is made before what needs it."""
    is_provider = key == "Federated"
    return {"Fn::If": [_condition(Kind.PROVIDER), {"Ref": PROVIDER}, value]} if is_provider else value


def _condition(kind: Kind) -> str:
    return f"Make{kind.name.title().replace('_', '')}"


def _vpc() -> dict[str, str]:
    return {"Type": "AWS::EC2::VPC::Id", "Description": "The VPC that machines are launched in."}


def _switch(question: str) -> dict[str, Any]:
    return {
        "Type": "String",
        "Default": "no",
        "AllowedValues": ["yes", "no"],
        "Description": f"Say yes or no: {question}.",
    }


def _not(parameter: str) -> dict[str, Any]:
    return {"Fn::Equals": [{"Ref": parameter}, "no"]}


def _outputs(made: tuple[Resource, ...]) -> dict[str, Any]:
    said = {"LaunchRole": "The variable AWS_ROLE.", "JobRole": "For the job itself: its role."}
    return {
        f"{each.key}Arn": {"Description": said[each.key], "Value": {"Fn::GetAtt": [each.key, "Arn"]}}
        for each in made
        if each.key in said
    }
