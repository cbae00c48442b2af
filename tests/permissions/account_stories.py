"""The stories about a whole account: setting it up and leaving it, and the doctor's look at it."""

from __future__ import annotations

import json
from contextlib import chdir, suppress
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from runnerkit.cli.commands import app as commands
from runnerkit.ec2.clients import Clients
from runnerkit.errors import LaunchRejected
from runnerkit.settings import AwsSettings
from tests.contract.ec2_world import REGION
from tests.setup.conftest import Office

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.permissions.stories import Ground


def setting_up(ground: Ground) -> None:
    """An account is set up, everything of it is meddled with and mended, and it is left as it was."""
    clients = Clients(AwsSettings(regions=(REGION,)))
    office = Office(ground.ec2, clients)
    office.make()
    _meddle(ground)
    office.make()
    assert {} == office.work()
    provider = f"arn:aws:iam::{ground.account}:oidc-provider/token.actions.githubusercontent.com"
    iam = ground.root("iam")
    # What others have added keeps a role, and the role keeps the provider.
    iam.delete_role_policy(RoleName="runnerkit-runnerkit-job", PolicyName="strange")
    marks = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider)["Tags"]
    office.remove()
    other = {"ClientIDList": ["other"], "ThumbprintList": ["a" * 40], "Tags": marks}
    iam.create_open_id_connect_provider(Url=f"https://{provider.partition('/')[2]}", **other)
    with suppress(LaunchRejected):  # moto knows no AddClientIDToOpenIDConnectProvider
        office.make()


def doctoring(ground: Ground) -> None:
    """All that the doctor looks at in an account; its dry runs are a runner's calls."""
    ground.root("iam").create_service_linked_role(AWSServiceName="spot.amazonaws.com")
    looks = [f"--only={name}" for name in ("aws", "network", "images")]
    settings = {"RUNNERKIT_AWS__SECRETS": "ssm", "RUNNERKIT_AWS__INSTANCE_PROFILE": "rk-machine"}
    with chdir(ground.world.cache_dir.parent):
        told = CliRunner().invoke(commands, ["doctor", "--json", *looks], env=settings, catch_exceptions=False)
    levels = {each["check"]: each["level"] for each in json.loads(told.stdout)["findings"]}
    assert {"ok"} == {levels[name] for name in ("aws-spot-role", "aws-region")}, told.stdout
    # The user has no permissions of bursts, and the machines' role has none at all.
    assert {"failure"} == {levels[name] for name in ("aws-permissions", "aws-ssm-role")}, told.stdout


def _meddle(ground: Ground) -> None:
    name, log = "runnerkit-runnerkit-{}".format, "/aws/lambda/runnerkit-runnerkit-deadman"
    strange = {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"}
    trusted = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}
    iam, ec2, events, budgets = (ground.root(each) for each in ("iam", "ec2", "events", "budgets"))
    iam.update_assume_role_policy(RoleName=name("launch"), PolicyDocument=_document(trusted))
    iam.update_role(RoleName=name("launch"), MaxSessionDuration=7200)
    iam.put_role_policy(RoleName=name("job"), PolicyName="strange", PolicyDocument=_document(strange))
    iam.untag_role(RoleName=name("job"), TagKeys=["team"])
    iam.untag_instance_profile(InstanceProfileName=name("machine"), TagKeys=["team"])
    iam.remove_role_from_instance_profile(InstanceProfileName=name("machine"), RoleName=name("machine"))
    groups = ec2.describe_security_groups(Filters=[{"Name": "tag-key", "Values": ["team"]}])["SecurityGroups"]
    group = groups[0]["GroupId"]
    ec2.delete_tags(Resources=[group], Tags=[{"Key": "team"}])
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    events.put_targets(Rule=name("deadman"), Targets=[{"Id": "strange", "Arn": "arn:aws:sqs:us-east-1:1:q"}])
    events.untag_resource(ResourceARN=events.describe_rule(Name=name("deadman"))["Arn"], TagKeys=["team"])
    function = ground.root("lambda")
    function.update_function_configuration(FunctionName=name("deadman"), Timeout=3)
    function.update_function_code(FunctionName=name("deadman"), ZipFile=b"PK\x05\x06" + bytes(18))
    arn = function.get_function(FunctionName=name("deadman"))["Configuration"]["FunctionArn"]
    function.untag_resource(Resource=arn, TagKeys=["team"])
    ground.root("logs").untag_log_group(logGroupName=log, tags=["team"])
    ground.root("logs").put_retention_policy(logGroupName=log, retentionInDays=1)
    budget = budgets.describe_budget(AccountId=ground.account, BudgetName=name("budget"))["Budget"]
    kept = {key: budget[key] for key in ("BudgetName", "BudgetType", "TimeUnit")}
    kept["BudgetLimit"] = {"Amount": "9999", "Unit": "USD"}
    budgets.update_budget(AccountId=ground.account, NewBudget=kept)


def _document(statement: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
