"""The table: everything that there should be in an account, in the order in which it is made."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from runnerkit import tags
from runnerkit.errors import ConfigError
from runnerkit.setup import policies, trust
from runnerkit.setup.words import AUDIENCE, DIRECT, SETUP, Kind, Resource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runnerkit.setup.words import Wanted, Where

POLICY = "runnerkit"
SPOT = "spot.amazonaws.com"
SPOT_ROLE = "AWSServiceRoleForEC2Spot"
# The longest session in which an image can be baked.
LAUNCH_SESSION, JOB_SESSION = 3_600, 43_200
EVERY = "rate(5 minutes)"
# A machine ends itself at its time, and a controller ends what does not; this one comes after both.
GRACE = 600
LOG_DAYS = 30
# Shares of the budget in percent, of what was spent and of what is foreseen.
ALARMS = (("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))
# IAM counts what CloudFormation has filled in.
_TYPICAL = {"AccountId": "1" * 12, "Partition": "aws", "Region": "eu-central-1"}
_PLACEHOLDER = re.compile(rf"\$\{{AWS::({'|'.join(_TYPICAL)})\}}")
GROUP_DESCRIPTION = "Runners launched by runnerkit: nothing in, everything out"


def resources(wanted: Wanted, where: Where, *, maker: str = DIRECT) -> tuple[Resource, ...]:
    """Everything that there should be; each thing after what it needs.

    Args:
        wanted: What is wanted.
        where: The account.
        maker: Who makes it, for the tag ``runnerkit:setup``.

    Raises:
        ConfigError: What is wanted cannot be: a policy that is larger than AWS takes, names that mean something else.
    """
    policies.checked(trust.checked(wanted))
    marks = {**wanted.tags, tags.OWNER: wanted.owner, SETUP: maker}
    made = (
        *_provider(wanted, where, marks),
        *_launch(wanted, where, marks),
        *_machine(wanted, where, marks),
        *_job(wanted, where, marks),
        *_groups(wanted, where, marks),
        *_spot(),
        *_budget(wanted, marks),
        *_deadman(wanted, where, marks),
    )
    for each in made:
        _fits(each)
    return made


def _provider(wanted: Wanted, where: Where, marks: Mapping[str, str]) -> Iterator[Resource]:
    if wanted.repos:
        yield Resource(
            "Provider",
            Kind.PROVIDER,
            trust.provider_arn(wanted.issuer, where),
            {"Url": wanted.issuer, "ClientIdList": [AUDIENCE]},
            marks,
            "lets AWS believe what GitHub says about a job; one for each account",
        )


def _launch(wanted: Wanted, where: Where, marks: Mapping[str, str]) -> Iterator[Resource]:
    if wanted.repos:
        whose, may = trust.launch_trust(wanted, where), policies.launch_policy(wanted, where)
        why = "for the job that launches machines (variable AWS_ROLE), and for the controller"
        yield _role(wanted, "launch", whose, may, LAUNCH_SESSION, marks, why, "Provider")


def _machine(wanted: Wanted, where: Where, marks: Mapping[str, str]) -> Iterator[Resource]:
    if wanted.burst:
        whose, may = trust.service_trust("ec2.amazonaws.com"), policies.machine_policy(wanted, where)
        why = "for machines of bursts: read and delete their own registration, nothing else"
        yield _role(wanted, "machine", whose, may, LAUNCH_SESSION, marks, why)
        yield _profile(wanted, "machine", marks)


def _job(wanted: Wanted, where: Where, marks: Mapping[str, str]) -> Iterator[Resource]:
    if wanted.data and wanted.repos:
        whose, may = trust.job_trust(wanted, where), policies.job_policy(wanted, where)
        why = "for the job itself: the DVC remote"
        yield _role(wanted, "job", whose, may, JOB_SESSION, marks, why, "Provider")
        if wanted.profile:
            yield _profile(wanted, "job", marks)


def _role(
    wanted: Wanted,
    part: str,
    whose: Mapping[str, Any],
    may: Mapping[str, Any],
    session: int,
    marks: Mapping[str, str],
    why: str,
    *needs: str,
) -> Resource:
    name = wanted.name(part)
    return Resource(
        f"{part.capitalize()}Role",
        Kind.ROLE,
        name,
        {
            "RoleName": name,
            "Description": f"runnerkit: {why.split(':', maxsplit=1)[0].split(' (', maxsplit=1)[0]}",
            "AssumeRolePolicyDocument": whose,
            "MaxSessionDuration": session,
            "Policies": [{"PolicyName": POLICY, "PolicyDocument": may}],
        },
        marks,
        why,
        needs=needs,
    )


def _profile(wanted: Wanted, part: str, marks: Mapping[str, str]) -> Resource:
    name = wanted.name(part)
    key = part.capitalize()
    why = "carries that role to the machine"
    made = {"InstanceProfileName": name, "Roles": [name]}
    return Resource(f"{key}Profile", Kind.PROFILE, name, made, marks, why, needs=(f"{key}Role",))


def _groups(wanted: Wanted, where: Where, marks: Mapping[str, str]) -> Iterator[Resource]:
    """The groups that a launch would make where they are missing."""
    for number, region in enumerate(where.regions if wanted.groups else ()):
        if region in where.vpcs:
            name = wanted.group
            made = {"GroupName": name, "GroupDescription": GROUP_DESCRIPTION, "VpcId": where.vpcs[region]}
            why = "every machine is in it: nothing comes in, everything goes out"
            key = f"Group{number}" if number else "Group"
            yield Resource(key, Kind.GROUP, name, {**made, "SecurityGroupIngress": []}, marks, why, region)


def _spot() -> Iterator[Resource]:
    why = "EC2 needs it for the first spot machine of an account"
    yield Resource("SpotRole", Kind.SPOT_ROLE, SPOT_ROLE, {"AWSServiceName": SPOT}, {}, why)


def _budget(wanted: Wanted, marks: Mapping[str, str]) -> Iterator[Resource]:
    if not wanted.budget:
        return
    told = [{"SubscriptionType": "EMAIL", "Address": address} for address in wanted.emails]
    told += [{"SubscriptionType": "SNS", "Address": wanted.topic}] if wanted.topic else []
    name = wanted.name("budget")
    budget = {
        "BudgetName": name,
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": amount(wanted.budget), "Unit": "USD"},
        "CostFilters": {"TagKeyValue": [f"user:{tags.OWNER}${wanted.owner}"]},
    }
    alarms = [{"Notification": _alarm(kind, percent), "Subscribers": told} for kind, percent in ALARMS]
    made = {"Budget": budget, "NotificationsWithSubscribers": alarms if told else []}
    yield Resource("Budget", Kind.BUDGET, name, made, marks, "tells when a month's machines cost too much")


def amount(dollars: float | str) -> str:
    """An amount as AWS Budgets takes it: digits to the last cent, and no exponent.

    >>> amount(1234567.80), amount("200.0")
    ('1234567.8', '200')
    """
    return f"{Decimal(str(dollars)).normalize():f}"


def _alarm(kind: str, percent: int) -> dict[str, Any]:
    return {
        "NotificationType": kind,
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": percent,
        "ThresholdType": "PERCENTAGE",
    }


def _deadman(wanted: Wanted, where: Where, marks: Mapping[str, str]) -> Iterator[Resource]:
    """A schedule, the function that it starts, and what the function needs."""
    if not wanted.deadman:
        return
    name, home = wanted.name("deadman"), where.home
    rule_arn, function_arn = where.arn("events", f"rule/{name}", home), where.arn("lambda", f"function:{name}", home)
    whose, may = trust.service_trust("lambda.amazonaws.com"), policies.deadman_policy(wanted, where)
    why = "for the dead-man's switch: end machines of this owner, and no others"
    yield _role(wanted, "deadman", whose, may, LAUNCH_SESSION, marks, why)
    log = {"LogGroupName": f"/aws/lambda/{name}", "RetentionInDays": LOG_DAYS}
    yield Resource("DeadmanLog", Kind.LOG, log["LogGroupName"], log, marks, "what the switch has done", home)  # type: ignore[arg-type]  # a text
    yield Resource(
        "DeadmanFunction",
        Kind.FUNCTION,
        name,
        {
            "FunctionName": name,
            "Description": "Ends runnerkit's machines whose time is over, when nobody else has.",
            "Runtime": "python3.13",
            "Architectures": ["arm64"],
            "Handler": "index.handler",
            "Role": policies.role_arn(wanted, where, "deadman"),
            "Timeout": 300,
            "MemorySize": 256,
            "Environment": {
                "Variables": {"OWNER": wanted.owner, "REGIONS": ",".join(where.regions), "GRACE": str(GRACE)}
            },
            "Code": {"ZipFile": function_code()},
        },
        marks,
        "ends machines whose time is over, when neither they nor a controller did",
        home,
        ("DeadmanRole", "DeadmanLog"),
    )
    rule = {
        "Name": name,
        "Description": "runnerkit: the dead-man's switch",
        "ScheduleExpression": EVERY,
        "State": "ENABLED",
        "Targets": [{"Id": "function", "Arn": function_arn}],
    }
    yield Resource("DeadmanRule", Kind.RULE, name, rule, marks, "starts it", home, ("DeadmanFunction",))
    allowed = {
        "FunctionName": name,
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
        "SourceArn": rule_arn,
    }
    yield Resource(
        "DeadmanPermission", Kind.PERMISSION, name, allowed, {}, "lets that schedule start it", home, ("DeadmanRule",)
    )


def function_code() -> str:
    """The code of the dead-man's switch."""
    return files("runnerkit.setup").joinpath("function.py").read_text(encoding="utf-8")


def _fits(resource: Resource) -> None:
    size = _size(resource.properties.get("AssumeRolePolicyDocument", {}))
    if size > trust.TRUST_LIMIT:
        raise ConfigError(
            f"the trust policy of {resource.name} has {size} characters; AWS takes {trust.TRUST_LIMIT}",
            hint="trust all repositories of an owner with --organization, write OWNER@ID/NAME@ID, which is one spelling"
            " instead of two, or use a second owner for some of them",
        )
    for inline in resource.properties.get("Policies", []):
        size = _size(inline["PolicyDocument"])
        if size > policies.INLINE_LIMIT:
            raise ConfigError(
                f"the policy of {resource.name} has {size} characters; AWS takes {policies.INLINE_LIMIT}",
                hint="ask for fewer extras, topics or regions, or use a second owner for some of them",
            )


def _size(document: Mapping[str, Any]) -> int:
    text = json.dumps(document, separators=(",", ":"))
    return len(_PLACEHOLDER.sub(lambda found: _TYPICAL[found[1]], text))
