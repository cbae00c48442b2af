"""AWS's own IAM policies: moto knows their texts, and has them there only when it is told to load all thousand."""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

PREFIX = "arn:aws:iam::aws:policy/"


def provide(account: str, body: bytes) -> None:
    """Have the policy of AWS's that an AttachRolePolicy names, as every account has it."""
    arn = dict(parse_qsl(body.decode())).get("PolicyArn", "")
    name = arn.rpartition("/")[2]
    if not arn.startswith(PREFIX) or name not in _texts():
        return
    from moto.iam.models import AWSManagedPolicy, iam_backends

    iam = iam_backends[account]["aws"]
    if arn not in iam.managed_policies:
        policy = AWSManagedPolicy.from_data(name, account, iam.region_name, _texts()[name])
        iam.managed_policies[policy.arn] = policy


@cache
def _texts() -> dict[str, Any]:
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    return dict(json.loads(aws_managed_policies_data))
