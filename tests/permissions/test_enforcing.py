"""The sandbox demands permissions as AWS does: who may, how a denial looks, what is recorded, and dry runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from runnerkit.permissions import Place, Use, actions, policy
from runnerkit.sandbox.ec2.errors import AwsError
from runnerkit.sandbox.ec2.guarding import Guard
from runnerkit.sandbox.ec2.permits import Permit, Web, permit
from runnerkit.sandbox.ec2.principals import new_user
from runnerkit.sandbox.ec2.recording import noted
from runnerkit.sandbox.ec2.stage import connect
from tests.recorded import KEY, ROLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runnerkit.sandbox.ec2 import SandboxEc2

ACCOUNT = "123456789012"


def allow(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def refused(call: Callable[..., Any], **arguments: Any) -> tuple[str, int, str]:  # noqa: ANN401 - boto3's
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Message"]


def test_denials_look_like_aws_and_what_is_allowed_goes_through(ec2: SandboxEc2) -> None:
    """Users, sessions of roles, strangers and the root; each service in its own words; dry runs; what was asked for."""
    keys = ec2.user("ann", document(allow("ec2:Describe*"), allow("s3:*", "arn:aws:s3:::ours/a/*")))
    key, root = keys["AWS_ACCESS_KEY_ID"], ec2.environment()["AWS_ACCESS_KEY_ID"]
    connect(ec2, "s3", key=root).create_bucket(Bucket="ours")
    ec2.enforce()
    mine = connect(ec2, "ec2", key=key)
    mine.describe_instances()
    code, status, words = refused(mine.terminate_instances, InstanceIds=["i-00000000000000000"])
    assert ("UnauthorizedOperation", 403) == (code, status)
    assert "user/ann is not authorized to perform: ec2:TerminateInstances" in words
    assert "Encoded authorization failure message: " in words
    assert "DryRunOperation" == refused(mine.describe_subnets, DryRun=True)[0]
    assert "UnauthorizedOperation" == refused(mine.create_key_pair, KeyName="x", DryRun=True)[0]
    s3 = connect(ec2, "s3", key=key)
    s3.put_object(Bucket="ours", Key="a/x", Body=b"")
    assert ("AccessDenied", 403) == refused(s3.put_object, Bucket="ours", Key="b/x", Body=b"")[:2]
    assert ("AccessDeniedException", 400) == refused(connect(ec2, "ssm", key=key).get_parameter, Name="/x")[:2]
    assert ("AccessDenied", 403) == refused(connect(ec2, "iam", key=key).list_roles)[:2]
    batch = connect(ec2, "batch", key=key)
    assert ("AccessDeniedException", 403) == refused(batch.describe_jobs, jobs=["x"])[:2]
    assert "AuthorizationError" == refused(connect(ec2, "sns", key=key).publish, TopicArn="arn:x", Message="x")[0]
    assert ec2.account == connect(ec2, "sts", key=key).get_caller_identity()["Account"]
    assert ("AuthFailure", 401) == refused(connect(ec2, "ec2", key="AKIANOBODY").describe_instances)[:2]
    assert "InvalidClientTokenId" == refused(connect(ec2, "ssm", key="AKIANOBODY").get_parameter, Name="/x")[0]

    iam = connect(ec2, "iam", key=root)
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=json.dumps(document(allow("ec2:DescribeImages"))))
    sts = connect(ec2, "sts", key=root)
    made = sts.assume_role(RoleArn=role, RoleSessionName="run")["Credentials"]["AccessKeyId"]
    session = connect(ec2, "ec2", key=made)
    session.describe_images(Owners=["self"])
    assert "assumed-role/r/run" in refused(session.describe_subnets)[2]

    asked = {"ec2:DescribeImages", "ec2:DescribeSubnets"}
    assert asked == ec2.calls.permissions(made)
    with urlopen(f"{ec2.url}/_runnerkit/ec2/permissions") as answer:
        told = json.load(answer)
    assert (sorted(asked), []) == (told["access_keys"][made], told["runnerkit"])
    ec2.reset()
    connect(ec2, "ec2", key="AKIANOBODY").describe_instances()


def test_a_policy_without_any_one_of_its_actions_refuses_just_that_one() -> None:
    """For each action of each use, by the guard itself; and what is asked for beside a call is needed as well."""
    place = Place(ACCOUNT, roles=(ROLE,), key=KEY)
    for use in Use:
        for without in sorted(actions([use], place)):
            lacking = policy([use], place)
            for each in lacking["Statement"]:
                named = each["Action"] if isinstance(each["Action"], list) else [each["Action"]]
                each["Action"] = [action for action in named if action != without] or ["none:None"]
            name = f"{use}-{without.replace(':', '-')}"[:60]
            guard, key = Guard(ACCOUNT, ["root"]), new_user(ACCOUNT, name, {"p": lacking})[0]
            guard.demands = True
            allowed = next((each for each in sorted(actions([use], place)) if each != without), "")
            guard.check("ec2", "ec2", key, Permit(allowed))
            with pytest.raises(AwsError, match=f"perform: {without}"):
                guard.check("ec2", "ec2", key, Permit(without))
            if allowed:
                with pytest.raises(AwsError, match=f"perform: {without}"):
                    guard.check("ec2", "ec2", key, Permit(allowed, beside=(without,)))


@pytest.mark.parametrize(
    ("method", "path", "query", "action"),
    [
        ("GET", "/", "", "ListAllMyBuckets"),
        ("GET", "/b", "list-type=2&prefix=a", "ListBucket"),
        ("HEAD", "/b", "", "ListBucket"),
        ("PUT", "/b/", "", "CreateBucket"),
        ("PUT", "/b", "versioning", "PutBucketVersioning"),
        ("GET", "/b", "location", "GetBucketLocation"),
        ("DELETE", "/b", "policy", "DeleteBucketPolicy"),
        ("POST", "/b", "delete", "DeleteObject"),
        ("HEAD", "/b/k/l", "", "GetObject"),
        ("GET", "/b/k", "versionId=1", "GetObjectVersion"),
        ("GET", "/b/k", "tagging", "GetObjectTagging"),
        ("PUT", "/b/k", "partNumber=1&uploadId=u", "PutObject"),
        ("POST", "/b/k", "uploads", "PutObject"),
        ("DELETE", "/b/k", "uploadId=u", "AbortMultipartUpload"),
        ("DELETE", "/b/k", "", "DeleteObject"),
    ],
)
def test_requests_to_s3_are_known_by_iams_names(method: str, path: str, query: str, action: str) -> None:
    """By method, path and query, as S3's own page has them."""
    assert f"s3:{action}" == permit("s3", "", {}, b"", Web(method, path, query), ACCOUNT).action


def test_only_what_runnerkit_asks_is_noted_and_by_each_process_once(
    ec2: SandboxEc2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients of others name themselves otherwise."""
    monkeypatch.setenv("RUNNERKIT_SANDBOX_RECORD_ACTIONS", str(tmp_path))
    monkeypatch.setattr("runnerkit.sandbox.ec2.recording._noted", set())
    connect(ec2, "ec2").describe_vpcs()
    for _ in range(2):
        boto3.client("ec2", config=Config(user_agent_extra="runnerkit")).describe_key_pairs()
    assert {"ec2:DescribeKeyPairs"} == noted(tmp_path)
    assert ["ec2:DescribeKeyPairs"] == [line for file in tmp_path.iterdir() for line in file.read_text().split()]
