"""An account is set up, repaired, and left as it was, over the local AWS."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.errors import CloudDenied, ConfigError, LaunchRejected
from runnerkit.setup.plan import Do
from runnerkit.setup.words import STACK
from tests.setup.conftest import EVERYTHING, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.setup.conftest import Office

READING = ("Describe", "Get", "List")
NOBODY = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}}
)
NOTHING = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})


def test_a_second_time_there_is_nothing_to_do_and_what_was_changed_is_repaired(office: Office) -> None:
    """Each property of each thing that somebody changed is put right; nothing else is touched."""
    made = office.make()
    assert 14 == len(made)
    assert {} == office.work()
    assert [] == list(office.make())

    iam, name = office.aws("iam"), "runnerkit-runnerkit-launch"
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=NOBODY)
    iam.put_role_policy(
        RoleName="runnerkit-runnerkit-deadman",
        PolicyName="runnerkit",
        PolicyDocument=NOTHING,
    )
    iam.untag_role(RoleName="runnerkit-runnerkit-job", TagKeys=["team"])
    group = _group(office)
    office.aws("ec2").authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0"
    )
    events, logs, function = office.aws("events"), office.aws("logs"), office.aws("lambda")
    events.disable_rule(Name="runnerkit-runnerkit-deadman")
    logs.put_retention_policy(logGroupName="/aws/lambda/runnerkit-runnerkit-deadman", retentionInDays=1)
    function.update_function_configuration(FunctionName="runnerkit-runnerkit-deadman", Timeout=3)
    budgets = office.aws("budgets")
    budget = budgets.describe_budget(AccountId=office.ec2.account, BudgetName="runnerkit-runnerkit-budget")["Budget"]
    assert "1234567.89" == budget["BudgetLimit"]["Amount"]
    kept = {key: budget[key] for key in ("BudgetName", "BudgetType", "TimeUnit")}
    limit = {"Amount": "9999", "Unit": "USD"}
    budgets.update_budget(AccountId=office.ec2.account, NewBudget={**kept, "BudgetLimit": limit})

    keys = ("LaunchRole", "JobRole", "Group", "Budget", "DeadmanRole", "DeadmanLog", "DeadmanFunction", "DeadmanRule")
    assert dict.fromkeys(keys, Do.CHANGE) == office.work()
    told = {step.resource.key: "; ".join(step.changes) for step in office.plan() if step.changes}
    assert "tcp 22-22 from 0.0.0.0/0" in told["Group"]
    assert "9999" in told["Budget"]
    assert "Timeout: 3 -> 300" == told["DeadmanFunction"]
    assert "tags: + team" == told["JobRole"]
    office.make()
    assert {} == office.work()


def test_other_wishes_change_what_there_is_and_leave_what_was_not_asked_for(office: Office) -> None:
    """A smaller wish makes policies smaller; things that it does not name are shown and left."""
    office.make()
    smaller = replace(EVERYTHING, burst=False, profile=False, budget=50.0, emails=("x@example.com",), bake=False)
    assert {"LaunchRole": Do.CHANGE, "JobRole": Do.CHANGE, "Budget": Do.CHANGE} == office.work(smaller)
    office.make(smaller)
    assert {} == office.work(smaller)
    left = {step.resource.name for step in office.plan(smaller) if step.do is Do.LEAVE}
    assert {"runnerkit-runnerkit-machine", "runnerkit-runnerkit-job"} == left


def test_what_was_made_is_removed_and_nothing_else(office: Office) -> None:
    """Everything of ours goes; other people's things of the same kinds stay, and so does EC2's own role."""
    iam = office.aws("iam")
    iam.create_role(RoleName="runnerkit-other-launch", AssumeRolePolicyDocument=NOBODY)
    vpc = office.aws("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    before = _inventory(office)
    office.make()
    assert before != _inventory(office)
    _like_ours_in_another(vpc, office)
    # Since then the configuration has come to name groups of its own, and more repositories than one role can trust.
    many = tuple(f"acme/widgets-{number}" for number in range(60))
    done = office.remove(replace(EVERYTHING, groups=False, repos=many))
    assert 14 == len(done)
    assert {"SpotRole"} == {step.resource.key for step in office.removal()}
    assert before == _inventory(office)


def _like_ours_in_another(vpc: str, office: Office) -> None:
    """The configuration named other subnets when this one was made."""
    marks = [{"Key": f"runnerkit:{key}", "Value": value} for key, value in (("owner", "runnerkit"), ("setup", "aws"))]
    told = [{"ResourceType": "security-group", "Tags": marks}]
    office.aws("ec2").create_security_group(
        GroupName="runnerkit-runnerkit", Description="x", VpcId=vpc, TagSpecifications=told
    )


def test_what_is_in_use_stays_and_it_is_said_by_whom(office: Office) -> None:
    """Machines stop the removal; a stranger's use of one thing keeps that thing alone."""
    office.make()
    machine = office.machine()
    with pytest.raises(ConfigError, match=machine) as refused:
        office.removal()
    assert "runnerkit terminate" in refused.value.hint
    office.aws("ec2").terminate_instances(InstanceIds=[machine])

    iam = office.aws("iam")
    provider = f"arn:aws:iam::{office.ec2.account}:oidc-provider/token.actions.githubusercontent.com"
    statement = {"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.create_role(RoleName="deployer", AssumeRolePolicyDocument=trust)
    iam.put_role_policy(RoleName="runnerkit-runnerkit-job", PolicyName="theirs", PolicyDocument=NOTHING)
    ec2, group = office.aws("ec2"), _group(office)
    ec2.create_network_interface(SubnetId=_subnet(office), Groups=[group])
    letting = ec2.create_security_group(GroupName="database", Description="x")["GroupId"]
    pairs = [{"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": group}]}]
    ec2.authorize_security_group_ingress(GroupId=letting, IpPermissions=pairs)
    theirs = office.machine("another", profile="runnerkit-runnerkit-machine")
    kept = {step.resource.key: step.why for step in office.removal() if step.do is Do.BLOCK}
    # A role stays with the profile that stays, and the provider with the role that trusts it.
    assert {"Provider", "JobRole", "Group", "MachineProfile", "MachineRole"} == set(kept)
    assert "the role deployer" in kept["Provider"]
    assert "the role runnerkit-runnerkit-job" in kept["Provider"]
    assert "the policy theirs" in kept["JobRole"]
    assert "the network interface eni-" in kept["Group"]
    assert f"a rule of the security group {letting}" in kept["Group"]
    assert f"the machine {theirs} in {REGION}" in kept["MachineProfile"]
    assert "the instance profile runnerkit-runnerkit-machine" in kept["MachineRole"]
    office.remove()
    assert {*kept, "SpotRole"} == {step.resource.key for step in office.removal()}


def test_what_somebody_else_made_is_never_changed(office: Office) -> None:
    """A shared provider is used as it is; a role of our name without our tags stands in the way, whole."""
    iam = office.aws("iam")
    issuer = "https://token.actions.githubusercontent.com"
    iam.create_open_id_connect_provider(Url=issuer, ClientIDList=["sts.amazonaws.com", "x"], ThumbprintList=["a" * 40])
    iam.create_role(RoleName="runnerkit-runnerkit-launch", AssumeRolePolicyDocument=NOBODY)
    steps = {step.resource.key: step for step in office.plan()}
    assert (Do.KEEP, Do.BLOCK) == (steps["Provider"].do, steps["LaunchRole"].do)
    assert "runnerkit:setup" in steps["LaunchRole"].why
    iam.tag_role(
        RoleName="runnerkit-runnerkit-launch",
        Tags=[{"Key": "runnerkit:owner", "Value": "runnerkit"}, {"Key": "runnerkit:setup", "Value": STACK}],
    )
    # CloudFormation cannot tag these: with our role in it, it is as good as one of ours.
    iam.create_role(RoleName="runnerkit-runnerkit-machine", AssumeRolePolicyDocument=NOBODY)
    for name, role in (("machine", "machine"), ("job", "launch")):
        iam.create_instance_profile(InstanceProfileName=f"runnerkit-runnerkit-{name}")
        iam.add_role_to_instance_profile(
            InstanceProfileName=f"runnerkit-runnerkit-{name}", RoleName=f"runnerkit-runnerkit-{role}"
        )
    steps = {step.resource.key: step for step in office.plan()}
    assert (Do.KEEP, Do.BLOCK) == (steps["MachineProfile"].do, steps["JobProfile"].do)
    stacked = steps["LaunchRole"]
    assert (Do.BLOCK, True) == (stacked.do, "--print" in stacked.why)
    kept = {step.resource.key: step.do for step in office.removal()}
    assert dict.fromkeys(("Provider", "LaunchRole", "MachineRole", "MachineProfile", "JobProfile"), Do.LEAVE) == kept


def test_a_crash_at_any_call_is_repaired_by_the_next_time(office: Office) -> None:
    """The process dies after each writing call in turn; the next one goes on, until all is there, and all is gone."""
    # One of each kind is enough: each death costs a look at everything.
    wanted = replace(EVERYTHING, data="", profile=False)
    assert _deaths(office, lambda: office.make(wanted)) > 15
    assert {} == office.work(wanted)
    assert _deaths(office, lambda: office.remove(wanted)) > 10
    assert {"SpotRole"} == {step.resource.key for step in office.removal()}


def test_an_answer_that_was_lost_is_no_error(office: Office) -> None:
    """The call is sent again, finds the thing made, and what it lacks is added."""
    for action in ("CreateRole", "CreateInstanceProfile", "CreateBudget", "CreateLogGroup"):
        office.ec2.lose_answer(action)
    office.make()
    assert {} == office.work()


def test_what_aws_does_not_take_is_not_taken_for_something_that_is_there(office: Office) -> None:
    """IAM has one code for tags that it refuses and for a service-linked role that exists."""
    office.ec2.refuse("InvalidInput", "CreateRole")
    with pytest.raises(LaunchRejected, match=r"making the role runnerkit-runnerkit-launch: InvalidInput"):
        office.make()


@pytest.mark.parametrize(
    ("action", "code", "permission"),
    [
        ("CreateRole", "AccessDenied", "iam:CreateRole"),
        ("CreateBudget", "AccessDeniedException", "budgets:ModifyBudget"),
        ("DescribeSecurityGroups", "UnauthorizedOperation", "ec2:DescribeSecurityGroups"),
    ],
)
def test_a_missing_permission_is_named_and_who_can_help(
    action: str, code: str, permission: str, office: Office
) -> None:
    """The reader hears the action, and of an administrator and the template."""
    office.ec2.refuse(code, action)
    with pytest.raises(CloudDenied, match=permission) as denied:
        office.make()
    assert "administrator" in denied.value.hint
    assert "--print" in denied.value.hint


class _Died(Exception):
    """The process is gone."""


@contextmanager
def _dying_after_each_write(office: Office) -> Iterator[None]:
    """Every writing call is carried out by AWS, and the process dies before it hears of it."""

    def die(model: Any, **_: object) -> None:  # noqa: ANN401 - botocore's
        if not model.name.startswith(READING):
            raise _Died

    services = ("iam", "ec2", "budgets", "logs", "lambda", "events")
    hooks = [office.clients.of(service, REGION).meta.events for service in services]
    for hook in hooks:
        hook.register("after-call", die, unique_id="die")
    try:
        yield
    finally:
        for hook in hooks:
            hook.unregister("after-call", die, unique_id="die")


def _deaths(office: Office, act: Callable[[], object]) -> int:
    """How often the process died until all was done."""
    with _dying_after_each_write(office):
        for times in range(60):
            try:
                act()
            except _Died:
                continue
            return times
    raise AssertionError("never done")


def _group(office: Office) -> str:
    filters = [{"Name": "group-name", "Values": ["runnerkit-runnerkit"]}]
    return str(office.aws("ec2").describe_security_groups(Filters=filters)["SecurityGroups"][0]["GroupId"])


def _subnet(office: Office) -> str:
    return str(office.aws("ec2").describe_subnets()["Subnets"][0]["SubnetId"])


def _inventory(office: Office) -> dict[str, set[str]]:
    """Names of everything of the kinds that a set-up makes."""
    iam, name = office.aws("iam"), office.ec2.account
    budgets = office.aws("budgets").describe_budgets(AccountId=name).get("Budgets") or []
    return {
        "roles": {each["RoleName"] for each in iam.list_roles()["Roles"] if not each["RoleName"].startswith("AWS")},
        "profiles": {each["InstanceProfileName"] for each in iam.list_instance_profiles()["InstanceProfiles"]},
        "providers": {each["Arn"] for each in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]},
        "groups": {each["GroupId"] for each in office.aws("ec2").describe_security_groups()["SecurityGroups"]},
        "budgets": {each["BudgetName"] for each in budgets},
        "functions": {each["FunctionName"] for each in office.aws("lambda").list_functions()["Functions"]},
        "rules": {each["Name"] for each in office.aws("events").list_rules()["Rules"]},
        "logs": {each["logGroupName"] for each in office.aws("logs").describe_log_groups()["logGroups"]},
    }
