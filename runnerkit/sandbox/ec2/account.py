"""What an account has beside EC2 itself and moto does not know: quotas, the role for spot, and IAM's simulation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from runnerkit.sandbox.ec2.capacity import SPOT
from runnerkit.sandbox.ec2.errors import AwsError
from runnerkit.sandbox.ec2.model import Answer

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.model import Ask

SPOT_ROLE, SPOT_SERVICE = "AWSServiceRoleForEC2Spot", "spot.amazonaws.com"
# Market and class of families by the code of Service Quotas; the codes are those of AWS's "EC2 instance quotas".
CODES = {
    "L-34B43A08": ("spot", "Standard"),
    "L-1216C47A": ("on-demand", "Standard"),
    "L-3819A6DF": ("spot", "G"),
    "L-DB2E81BA": ("on-demand", "G"),
    "L-7212CCBC": ("spot", "P"),
    "L-417A185B": ("on-demand", "P"),
    "L-C4BD4855": ("spot", "P"),
}
# What an account is told that scripts do not limit.
PLENTY = 4096
_XMLNS = "https://iam.amazonaws.com/doc/2010-05-08/"


def answer(core: Core, service: str, action: str, region: str, body: bytes) -> Answer | None:
    """The answer to a call that is answered here; None for all others."""
    if service == "servicequotas" and action == "GetServiceQuota":
        return _quota(core, region, json.loads(body))
    if service != "iam":
        return None
    form = dict(parse_qsl(body.decode()))
    if action == "GetRole" and form.get("RoleName") == SPOT_ROLE:
        return _spot_role(core, action)
    if action == "CreateServiceLinkedRole" and form.get("AWSServiceName") == SPOT_SERVICE:
        core.spot_role = True
        return _spot_role(core, action)
    return _simulated(core, form) if action == "SimulatePrincipalPolicy" else None


def check_spot(core: Core, market: str) -> None:
    """Refuse spot where nobody has made the role for it.

    Raises:
        AwsError: There is none.
    """
    if market == SPOT and not core.spot_role:
        message = (
            "The provided credentials do not have permission to create the service-linked role for EC2 Spot Instances."
        )
        raise AwsError("AuthFailure.ServiceLinkedRoleCreationNotPermitted", message, 403)


def route_tables(core: Core, ask: Ask) -> Answer:
    """DescribeRouteTables; a default VPC has its road to the internet, as every account's has and moto's has not."""
    core.region(ask.region).open_default_vpc()
    return ask.forward()


def _quota(core: Core, region: str, asked: dict[str, Any]) -> Answer:
    code = asked.get("QuotaCode", "")
    if asked.get("ServiceCode") != "ec2" or code not in CODES:
        raise AwsError(
            "NoSuchResourceException", "The request failed because the specified service or quota does not exist."
        )
    market, family = CODES[code]
    limit = core.capacity.quota(market, family)
    told = {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": f"arn:aws:servicequotas:{region}:{core.account}:ec2/{code}",
        "QuotaCode": code,
        "QuotaName": f"{family} ({market})",
        "Value": float(PLENTY if limit is None else limit),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
    return Answer(json.dumps({"Quota": told}).encode(), 200, (("Content-Type", "application/x-amz-json-1.1"),))


def _spot_role(core: Core, action: str) -> Answer:
    if not core.spot_role:
        raise AwsError("NoSuchEntity", f"The role with name {SPOT_ROLE} cannot be found.", 404)
    path = f"/aws-service-role/{SPOT_SERVICE}/"
    role = f"<Path>{path}</Path><RoleName>{SPOT_ROLE}</RoleName><RoleId>AROASANDBOXSPOT000000</RoleId>"
    more = f"<Arn>arn:aws:iam::{core.account}:role{path}{SPOT_ROLE}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>"
    return Answer(_xml(action, f"<{action}Result><Role>{role}{more}</Role></{action}Result>"))


def _simulated(core: Core, form: dict[str, str]) -> Answer:
    """What the policies of a user or role say of actions on a resource; conditions count as if they held."""
    source = form.get("PolicySourceArn", "")
    resource = form.get("ResourceArns.member.1", "*")
    actions = [value for name, value in form.items() if name.startswith("ActionNames.member.")]
    rows = "".join(
        f"<member><EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalDecision>{core.guard.simulated(source, action, '' if resource == '*' else resource)}</EvalDecision>"
        "<MatchedStatements/><MissingContextValues/></member>"
        for action in actions
    )
    result = f"<EvaluationResults>{rows}</EvaluationResults><IsTruncated>false</IsTruncated>"
    return Answer(
        _xml("SimulatePrincipalPolicy", f"<SimulatePrincipalPolicyResult>{result}</SimulatePrincipalPolicyResult>")
    )


def _xml(action: str, result: str) -> bytes:
    metadata = "<ResponseMetadata><RequestId>runnerkit</RequestId></ResponseMetadata>"
    return f'<{action}Response xmlns="{_XMLNS}">{result}{metadata}</{action}Response>'.encode()
