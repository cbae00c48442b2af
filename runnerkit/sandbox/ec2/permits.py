"""Which permission a request asks for: the action of IAM, what it is to be done to, and what AWS asks for beside it.

Source: AWS's service authorization reference; for S3 also
https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from botocore.session import get_session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Where IAM's prefix is not the name that requests are signed for.
PREFIXES = {"email": "ses", "monitoring": "cloudwatch", "tagging": "tag"}
# Budgets knows two actions for all of its calls on budgets.
BUDGETS = {"Describe": "ViewBudget", "Create": "ModifyBudget", "Update": "ModifyBudget", "Delete": "ModifyBudget"}
RENAMED = {"lambda:Invoke": "lambda:InvokeFunction"}
REST = {"lambda", "scheduler"}
ANYTHING = ""
# Roles of AWS's own have a path, which a request does not tell.
AWS_OWN = {"AWSServiceRoleForEC2Spot": "aws-service-role/spot.amazonaws.com/"}
_OF_OBJECTS = {"acl": "Acl", "tagging": "Tagging", "retention": "Retention", "legal-hold": "LegalHold"}
_OF_BUCKETS = {
    "acl": "BucketAcl",
    "cors": "BucketCORS",
    "encryption": "EncryptionConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "location": "BucketLocation",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
}


@dataclass(frozen=True, slots=True)
class Permit:
    """What a caller must be allowed.

    Attributes:
        action: ``service:Action``; empty for what needs no permission.
        resource: The ARN, where the request names it and the sandbox understands it; otherwise empty.
        beside: Actions that AWS asks for on behalf of this call; see :mod:`runnerkit.permissions.dependent`.
    """

    action: str
    resource: str = ANYTHING
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Web:
    """The parts of an HTTP request that tell what it is for."""

    method: str = "POST"
    path: str = "/"
    query: str = ""
    copies: bool = False


def permit(service: str, action: str, params: Mapping[str, Any], body: bytes, web: Web, account: str) -> Permit:
    """What a request asks for; ``service`` is what it is signed for."""
    if service == "s3":
        return _s3(web)
    if action in {"AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "GetCallerIdentity"}:
        return Permit("")
    if service in REST:
        action = _operation(service, web.method, web.path) or action
    if service == "budgets":
        action = next((name for start, name in BUDGETS.items() if action.startswith(start)), action)
    name = f"{PREFIXES.get(service, service)}:{action}"
    name = RENAMED.get(name, name)
    given = params or _given(body)
    return Permit(name, _resource(service, given, account), tuple(_beside(name, given)))


def _given(body: bytes) -> dict[str, Any]:
    """The arguments of JSON and of forms; of what is neither, nothing."""
    try:
        text = body.decode()
        said = json.loads(text) if text.startswith("{") else dict(parse_qsl(text))
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _resource(service: str, given: Mapping[str, Any], account: str) -> str:
    if service == "ssm" and isinstance(given.get("Name"), str):
        name = str(given["Name"])
        owner = "" if name.startswith("/aws/") else account
        return f"arn:aws:ssm:*:{owner}:parameter{name if name.startswith('/') else f'/{name}'}"
    if service == "sns" and "TopicArn" in given:
        return str(given["TopicArn"])
    if service == "iam" and "RoleName" in given and "InstanceProfileName" not in given:
        return f"arn:aws:iam::{account}:role/{AWS_OWN.get(given['RoleName'], '')}{given['RoleName']}"
    if service == "iam" and "InstanceProfileName" in given:
        return f"arn:aws:iam::{account}:instance-profile/{given['InstanceProfileName']}"
    return ANYTHING


def _beside(name: str, given: Mapping[str, Any]) -> Iterator[str]:
    tagged = any(word in given for word in ("TagSpecifications", "Tags", "tags", "Tags.member.1.Key"))
    if name == "ec2:CreateFleet":
        yield "ec2:RunInstances"
    if name.startswith(("ec2:Create", "ec2:RunInstances")) and name != "ec2:CreateTags" and tagged:
        yield "ec2:CreateTags"
    for start, needed in _TAGGERS.items():
        if name.startswith(start) and tagged:
            yield needed
    if name == "iam:AddRoleToInstanceProfile" or (name == "batch:RegisterJobDefinition" and _has_role(given)):
        yield "iam:PassRole"


_TAGGERS = {
    "batch:Create": "batch:TagResource",
    "batch:RegisterJobDefinition": "batch:TagResource",
    "batch:SubmitJob": "batch:TagResource",
    "iam:CreateInstanceProfile": "iam:TagInstanceProfile",
    "iam:CreateOpenIDConnectProvider": "iam:TagOpenIDConnectProvider",
    "iam:CreateRole": "iam:TagRole",
    "ssm:PutParameter": "ssm:AddTagsToResource",
}


def _has_role(given: Mapping[str, Any]) -> bool:
    container = given.get("containerProperties") or {}
    return bool(container.get("jobRoleArn") or container.get("executionRoleArn"))


def _s3(web: Web) -> Permit:
    bucket, _, key = unquote(web.path).lstrip("/").partition("/")
    asked = dict(parse_qsl(web.query, keep_blank_values=True))
    if not bucket:
        return Permit("s3:ListAllMyBuckets")
    arn = f"arn:aws:s3:::{bucket}"
    if key:
        beside = ("s3:GetObject",) if web.copies else ()
        return Permit(f"s3:{_on_object(web.method, asked)}", f"{arn}/{key}", beside)
    name = _on_bucket(web.method, asked)
    # Which objects are deleted together is told in the body, which is moto's to read.
    return Permit(f"s3:{name}", ANYTHING if name == "DeleteObject" else arn)


def _on_object(method: str, asked: Mapping[str, str]) -> str:
    part = next((word for name, word in _OF_OBJECTS.items() if name in asked), "")
    version = "Version" if "versionId" in asked else ""
    if method in {"GET", "HEAD"}:
        return "ListMultipartUploadParts" if "uploadId" in asked else f"GetObject{version}{part}"
    if method == "DELETE":
        return "AbortMultipartUpload" if "uploadId" in asked else f"DeleteObject{version}{part}"
    return f"PutObject{version}{part}"


def _on_bucket(method: str, asked: Mapping[str, str]) -> str:
    part = next((word for name, word in _OF_BUCKETS.items() if name in asked), "")
    if method == "POST":
        return "DeleteObject" if "delete" in asked else "PutObject"
    if method in {"GET", "HEAD"}:
        listed = {"versions": "ListBucketVersions", "uploads": "ListBucketMultipartUploads"}
        return f"Get{part}" if part else next((word for name, word in listed.items() if name in asked), "ListBucket")
    if part:
        # There is no action of its own for taking a setting away, but for the policy.
        return f"DeleteBucket{part[6:]}" if method == "DELETE" and part == "BucketPolicy" else f"Put{part}"
    return "DeleteBucket" if method == "DELETE" else "CreateBucket"


def _operation(service: str, method: str, path: str) -> str:
    return next((name for verb, shape, name in _routes(service) if verb == method and shape.fullmatch(path)), "")


@cache
def _routes(service: str) -> list[tuple[str, re.Pattern[str], str]]:
    model = get_session().get_service_model(service)
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        shape = re.sub(r"\{[^}]+\}", "[^/]+", http["requestUri"].partition("?")[0])
        found.append((http["method"], re.compile(shape), str(name)))
    return found
