"""The doctor over a whole sandbox: green where all is set up, and each thing that breaks is told."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from runnerkit.cli.commands import app
from runnerkit.errors import AILING
from runnerkit.permissions import Place, Use, policy
from runnerkit.sandbox.together import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runnerkit.sandbox.ec2 import SandboxEc2

REPO = "acme/widgets"
CONFIG = """
[aws]
regions = ["us-east-1"]
secrets = "ssm"
instance_profile = "runners"
[journal]
where = "s3://acme-journal/runnerkit"
[policy]
require_environment = ["gpu"]
[default]
gpu = "t4"
"""
FLOW = """
on: workflow_dispatch
permissions: {contents: read, id-token: write}
jobs:
  train:
    runs-on: runnerkit=${{ github.run_id }}/gpu=t4
    environment: gpu
    steps:
      - uses: aws-actions/configure-aws-credentials@v5
        with: {role-to-assume: "arn:aws:iam::123456789012:role/dvc", aws-region: us-east-1}
"""
REMOTE = "[core]\n    remote = s\n['remote \"s\"']\n    url = s3://acme-data/dvc\n"
TRUST = {"Version": "2012-10-17", "Statement": []}


@dataclass
class Practice:
    """A sandbox that is set up well, and the doctor."""

    world: Sandbox
    environment: dict[str, str]
    told: str = ""

    def examine(self, *words: str, **environment: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
        """Exit code, and findings by check."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**self.environment, **environment}.items():
                patch.setenv(name, value)
            done = CliRunner().invoke(app, ["doctor", "--json", *words], catch_exceptions=False)
        told: dict[str, list[dict[str, str]]] = {}
        for finding in json.loads(done.stdout)["findings"]:
            told.setdefault(finding["check"], []).append(finding)
        return done.exit_code, told

    def worst(self, check: str, level: str, words: str, **environment: str) -> None:
        """Hold that a check now finds something at this level, in such words."""
        _, told = self.examine("--only", check, **environment)
        said = [f"{each['found']} {each['why']} {each['next']}" for each in told[check] if each["level"] == level]
        assert any(words in each for each in said), told


@contextmanager
def built(ec2: SandboxEc2, folder: Path) -> Iterator[Practice]:
    """A sandbox as somebody leaves it who has done everything that the doctor asks for."""
    with Sandbox(REPO, boot=0.3, machines="hollow", ec2=ec2) as world:
        s3, iam = world.aws("s3"), world.aws("iam")
        for bucket in ("acme-journal", "acme-data"):
            s3.create_bucket(Bucket=bucket)
        iam.create_role(RoleName="runners", AssumeRolePolicyDocument=json.dumps(TRUST))
        own = json.dumps(policy([Use.MACHINE], Place(account=ec2.account)))
        iam.put_role_policy(RoleName="runners", PolicyName="own", PolicyDocument=own)
        iam.create_instance_profile(InstanceProfileName="runners")
        iam.add_role_to_instance_profile(InstanceProfileName="runners", RoleName="runners")
        version = world.github.options.runner_version
        ec2.bake("gpu-new", {"runnerkit:recipe": "gpu-ubuntu-24.04", "runnerkit:runner-version": version})
        world.github.add_environment(REPO, "gpu", ["octocat"])
        world.github.push(REPO, {".github/workflows/train.yml": FLOW})
        (folder / "runnerkit.toml").write_text(CONFIG)
        (folder / ".dvc").mkdir()
        (folder / ".dvc/config").write_text(REMOTE)
        yield Practice(world, world.environment())
        assert [] == world.github.violations + world.github.refused_requests


@pytest.fixture(scope="module")
def practice(_ec2_server: SandboxEc2, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    """One for all tests here; each puts right what it breaks."""
    folder = tmp_path_factory.mktemp("practice")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "GITHUB_", "GH_", "RUNNERKIT_")):
                patch.delenv(name)
        patch.chdir(folder)
        _ec2_server.reset()
        with built(_ec2_server, folder) as found:
            yield found
        _ec2_server.reset()


def test_all_is_well_and_nothing_is_written(practice: Practice) -> None:
    """Green where everything is set up; at the wire there is no write but dry runs and writes about nothing."""
    ec2, github = practice.world.ec2, practice.world.github
    before, asked = len(ec2.calls), len(github.calls)
    left = practice.world.left()
    code, told = practice.examine()
    found = [each for findings in told.values() for each in findings]
    assert 0 == code, [each for each in found if each["level"] == "failure"]
    bad = {each["check"] for each in found if each["level"] in {"failure", "warning", "unknown"}}
    # Whether DVC is installed is this computer's matter.
    assert bad <= {"data-dvc"}, [each for each in found if each["check"] in bad]
    for call in list(ec2.calls)[before:]:
        reads = call.permission.partition(":")[2].startswith(("Describe", "Get", "List", "Simulate", "Head"))
        refused = call.permission == "s3:PutObject" and (call.status or 0) >= 400
        assert reads or not call.permission or call.parameters.get("DryRun") or refused, call
    assert [] == [call for call in github.calls[asked:] if call.method != "GET" and call.status != 404]
    assert left == practice.world.left()


def test_aws_that_breaks_is_told(practice: Practice) -> None:
    """Credentials, permissions, quotas, spot's role, machines past their life."""
    ec2 = practice.world.ec2
    ec2.credentials("InvalidClientTokenId")
    words = ("--only", "aws-credentials,github-token,aws-spot-role,images-access")
    code, told = practice.examine(*words)
    assert (15, "unknown") == (code, told["images-access"][0]["level"]), told
    assert ["failure", "unknown", "ok"] == [
        told[c][0]["level"] for c in ("aws-credentials", "aws-spot-role", "github-token")
    ]
    ec2.credentials(None)

    ec2.quota("spot", "G", 0)
    practice.worst("aws-spot-quota", "warning", "0 vCPUs of All G and VT Spot Instance Requests")
    ec2.quota("on-demand", "G", 0)
    practice.worst("aws-on-demand-quota", "failure", "--quota-code L-DB2E81BA --desired-value 32 --region us-east-1")
    ec2.quota("spot", "G", None)
    ec2.quota("on-demand", "G", None)

    ec2.spot_role(exists=False)
    practice.worst("aws-spot-role", "warning", "create-service-linked-role")
    practice.world.aws("iam").create_service_linked_role(AWSServiceName="spot.amazonaws.com")
    assert "ok" == practice.examine("--only", "aws-spot-role")[1]["aws-spot-role"][0]["level"]

    late = {"runnerkit:owner": "runnerkit", "runnerkit:runner": "rk-1-1", "runnerkit:expires-at": "1700000000"}
    marks = [{"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in late.items()]}]
    image = practice.world.aws("ec2").describe_images(Owners=["self"])["Images"][0]["ImageId"]
    made = practice.world.aws("ec2").run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=marks)
    practice.worst("aws-leftovers", "failure", "runnerkit sweep")
    practice.world.aws("ec2").terminate_instances(InstanceIds=[made["Instances"][0]["InstanceId"]])


def test_permissions_that_lack_are_named(practice: Practice) -> None:
    """By dry run and by simulation; without simulation what no dry run can tell is unknown; and the SSM role."""
    ec2 = practice.world.ec2
    uses = [Use.RUNNERS, Use.BURST, Use.JOURNAL, Use.DOCTOR]
    machines = (f"arn:aws:iam::{ec2.account}:role/runners",)
    place = Place(ec2.account, ("us-east-1",), roles=machines, journal="acme-journal/runnerkit")
    full = policy(uses, place)
    ec2.enforce()
    me = ec2.user("launcher", full)
    assert "ok" == practice.examine("--only", "aws-permissions", **me)[1]["aws-permissions"][0]["level"]
    ec2.user("launcher", _without(full, "ec2:RunInstances", "ssm:PutParameter"))
    practice.worst("aws-permissions", "failure", "not allowed: ec2:RunInstances, ssm:PutParameter", **me)
    ec2.user("launcher", policy(uses, replace(place, roles=(f"{machines[0]}-of-others",))))
    practice.worst("aws-permissions", "failure", "not allowed: iam:PassRole", **me)
    ec2.user("launcher", _without(full, "iam:SimulatePrincipalPolicy"))
    practice.worst("aws-permissions", "unknown", "ec2:TerminateInstances", **me)
    practice.worst("aws-ssm-role", "unknown", "iam:SimulatePrincipalPolicy", **me)
    ec2.user("launcher", _without(full, "s3:PutObject"))
    practice.worst("data-journal", "failure", "cannot be written", **me)
    ec2.enforce(enabled=False)
    iam = practice.world.aws("iam")
    own = iam.get_role_policy(RoleName="runners", PolicyName="own")["PolicyDocument"]
    iam.delete_role_policy(RoleName="runners", PolicyName="own")
    practice.worst("aws-ssm-role", "failure", "does not allow ssm:GetParameter and ssm:DeleteParameter")
    iam.put_role_policy(RoleName="runners", PolicyName="own", PolicyDocument=json.dumps(own))
    practice.worst("aws-ssm-role", "failure", "no such profile", RUNNERKIT_AWS__INSTANCE_PROFILE="gone")


def _without(document: dict[str, Any], *actions: str) -> dict[str, Any]:
    def kept(statement: dict[str, Any]) -> dict[str, Any]:
        given = statement["Action"]
        left = [each for each in ([given] if isinstance(given, str) else given) if each not in actions]
        return {**statement, "Action": left or ["none:Nothing"]}

    return {**document, "Statement": [kept(statement) for statement in document["Statement"]]}


def test_network_images_and_data_that_break_are_told(practice: Practice) -> None:
    """A group that lets SSH in, subnets without a road, an image that is gone or old, a bucket elsewhere."""
    aws = practice.world.aws("ec2")
    group = aws.create_security_group(GroupName="open", Description="ssh")["GroupId"]
    aws.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    practice.worst("network-security-group", "warning", "tcp 22", RUNNERKIT_AWS__SECURITY_GROUPS=group)
    subnet = aws.describe_subnets()["Subnets"][0]["SubnetId"]
    aws.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": False})
    practice.worst("network-internet", "failure", "--map-public-ip-on-launch", RUNNERKIT_AWS__SUBNETS=subnet)
    aws.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    practice.worst("images-access", "failure", "ami-0123456789abcdef0", RUNNERKIT_AWS__IMAGE="ami-0123456789abcdef0")
    old = practice.world.ec2.bake("old", {"runnerkit:recipe": "r", "runnerkit:runner-version": "2.300.0"})
    practice.worst("images-runner", "failure", "runnerkit ami bake", RUNNERKIT_AWS__IMAGE=old)
    elsewhere = {"AWS_REGION": "eu-west-1", "RUNNERKIT_AWS__REGIONS": "eu-west-1"}
    practice.worst("data-region", "warning", 'set regions = ["us-east-1"]', **elsewhere)
    practice.worst("data-journal", "failure", "cannot be read", RUNNERKIT_JOURNAL__WHERE="s3://nobodys/journal")
    practice.worst("data-journal", "unknown", "Could not connect", AWS_ENDPOINT_URL_S3="http://127.0.0.1:9")
    practice.worst("aws-region", "failure", "no region eu-wst-1", RUNNERKIT_AWS__REGIONS="eu-wst-1")


def test_github_that_breaks_is_told(practice: Practice) -> None:
    """Kinds of tokens, permissions, repositories, groups, webhooks."""
    github = practice.world.github
    held = github.add_token("fine-grained", {"actions": "read", "contents": "read", "issues": "write"})
    practice.worst("github-permissions", "failure", "register runners: administration: write", GITHUB_TOKEN=held)
    practice.worst("github-permissions", "warning", "repeat interrupted runs: actions: write", GITHUB_TOKEN=held)
    practice.worst("github-token", "warning", "a classic token", GITHUB_TOKEN=github.add_token("classic"))
    job = {"GITHUB_TOKEN": github.add_token("actions"), "GITHUB_ACTIONS": "true"}
    practice.worst("github-token", "failure", "cannot register runners", **job)
    practice.worst("github-permissions", "failure", "register runners", **job)
    practice.worst("github-token", "failure", "Bad credentials", GITHUB_TOKEN="github_pat_gone")
    practice.worst("github-repositories", "failure", "may not see it", GITHUB_REPOSITORY="acme/gone")
    github.add_organization("initech")
    github.add_group("initech", "gpu", visibility="selected")
    wanted = {"RUNNERKIT_GITHUB__ORGANIZATION": "initech", "RUNNERKIT_GITHUB__RUNNER_GROUP": "gpu"}
    practice.worst("github-runner-group", "failure", "not open to acme/widgets", **wanted)
    wanted["RUNNERKIT_GITHUB__RUNNER_GROUP"] = "tpu"
    practice.worst("github-runner-group", "failure", "it has: Default, gpu", **wanted)
    url = "http://127.0.0.1:9/hooks"
    practice.worst("github-webhooks", "failure", "no webhook sends to", RUNNERKIT_SERVE__PUBLIC_URL=url)
    github.add_hook(REPO, url, ("workflow_job",))
    github.queue_job(REPO, ["gpu"])
    assert github.await_webhooks()
    practice.worst("github-webhooks", "failure", "GitHub got no answer", RUNNERKIT_SERVE__PUBLIC_URL=url)


def test_all_of_an_owner_is_looked_at(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> None:
    """`owner/*` means the repositories of the owner, as it does for a controller, and its webhooks."""
    github, every = practice.world.github, {"RUNNERKIT_GITHUB__REPOSITORIES": "hooli/*", "GITHUB_REPOSITORY": ""}
    github.add_organization("hooli")
    practice.worst("github-repositories", "failure", "hooli/*: no repository", **every)
    practice.worst("github-permissions", "unknown", "hooli/* names no repository", **every)
    for name in ("one", "two", "three"):
        github.add_repository(f"hooli/{name}")
    github.push("hooli/two", {".github/workflows/train.yml": FLOW.replace("gpu=t4", "gpu=t5")})
    url = "http://127.0.0.1:9/hooks"
    github.add_hook("hooli", url, ("push",))
    code, told = practice.examine("--only", "github,policy-workflows", RUNNERKIT_SERVE__PUBLIC_URL=url, **every)
    assert AILING == code
    assert [("ok", "hooli/one, hooli/three, hooli/two")] == [
        (each["level"], ", ".join(sorted(each["found"].split(", ")))) for each in told["github-repositories"]
    ]
    assert ["ok"] == [each["level"] for each in told["github-permissions"]]
    assert any("job train" in each["found"] and "hooli/two" in each["found"] for each in told["policy-workflows"])
    assert any("does not send workflow_job" in each["found"] for each in told["github-webhooks"]), told
    monkeypatch.setattr("runnerkit.doctor.look_repositories.MOST_REPOSITORIES", 2)
    practice.worst("github-repositories", "note", "1 more are served", **every)


def test_policy_that_does_not_fit_is_told(practice: Practice) -> None:
    """A public repository, an environment without reviewers, labels that are refused, a job without identity."""
    github = practice.world.github
    github.add_repository("acme/open", private=False)
    practice.worst("policy-repositories", "failure", "policy refuses its jobs", GITHUB_REPOSITORY="acme/open")
    github.add_repository("acme/sloppy")
    bad = FLOW.replace("gpu=t4", "gpu=t5").replace("id-token: write", "id-token: none").replace(": gpu\n", ": free\n")
    github.push("acme/sloppy", {".github/workflows/train.yml": bad})
    github.add_environment("acme/sloppy", "free")
    reading = FLOW.replace("arn:aws:iam::123456789012:role/dvc", "${{ vars.AWS_ROLE }}")
    github.push(REPO, {".github/workflows/train.yml": reading})
    practice.worst("policy-settings", "failure", "vars.AWS_ROLE is not set")
    narrow = github.add_token("fine-grained", {"contents": "read"})
    practice.worst("policy-settings", "unknown", "nobody may see", GITHUB_TOKEN=narrow)
    github.state.repository(REPO).variables["AWS_ROLE"] = "arn:aws:iam::123456789012:role/dvc"
    practice.worst("policy-settings", "ok", "all are there")
    _, told = practice.examine("--only", "policy", GITHUB_REPOSITORY="acme/sloppy")
    assert {"policy-environments", "policy-workflows", "policy-identity"} == {
        name for name, findings in told.items() if any(each["level"] == "failure" for each in findings)
    }
    assert any("'free' of acme/sloppy has no reviewers" in each["found"] for each in told["policy-environments"])


def test_half_of_it_missing_hides_nothing(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS that hangs, no token, a broken file: what can be seen is told, and the rest says what is missing."""
    with practice.world.ec2.hold("GetCallerIdentity"):
        code, told = practice.examine("--only", "aws-credentials", "--only", "computer", "--within", "2")
    assert 0 == code
    assert "no answer within 2 s" in told["aws-credentials"][0]["found"]
    assert "ok" == told["computer-configuration"][0]["level"]
    monkeypatch.setitem(practice.environment, "GITHUB_TOKEN", "")
    code, told = practice.examine("--only", "github", "--only", "aws-credentials")
    assert (15, "ok") == (code, told["aws-credentials"][0]["level"])
    assert "nothing to sign in to GitHub with" in told["github-token"][0]["found"]
    assert {"failure", "unknown", "ok"} == {each["level"] for rows in told.values() for each in rows}
    monkeypatch.setenv("RUNNERKIT_CONFIG", "broken.toml")
    code, told = practice.examine("--only", "computer-configuration", "--only", "aws-credentials")
    assert ("failure", "ok") == (told["computer-configuration"][0]["level"], told["aws-credentials"][0]["level"])
