"""Steps that are an AWS role by their job's identity: from the runner's variables to AWS's answer."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

from runnerkit.sandbox.ec2.identities import ACTION, AUDIENCE, PROVIDER
from runnerkit.sandbox.ec2.stage import connect
from tests.sandbox.github_world import REPO
from tests.sandbox.standin.running import StandIn, payload, said

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2 import SandboxEc2

COMMAND = f"{shlex.quote(sys.executable)} -m runnerkit credentials"


def _role(aws: SandboxEc2) -> str:
    claims = {f"{PROVIDER}:aud": AUDIENCE, f"{PROVIDER}:sub": f"repo:{REPO}:ref:refs/heads/main"}
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{aws.account}:oidc-provider/{PROVIDER}"},
        "Action": f"sts:{ACTION}",
        "Condition": {"StringEquals": claims},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    made = connect(aws, "iam").create_role(RoleName="train", AssumeRolePolicyDocument=policy)
    return str(made["Role"]["Arn"])


def test_a_step_gets_credentials_for_its_jobs_identity(runner: StandIn, ec2_world: SandboxEc2) -> None:
    """With `id-token: write` the next steps are the role; without it, the error says what to write in the workflow."""
    world = runner.world
    ec2_world.trust(lambda: world.service.machines.identities.public_key)
    env = {"AWS_ENDPOINT_URL": ec2_world.url, "AWS_REGION": "us-east-1"}
    install = {"name": "Install", "run": f"{COMMAND} --role-arn {_role(ec2_world)} --install", "env": env}
    look = {"name": "Look", "run": "echo profile $AWS_PROFILE; echo asks ${#ACTIONS_ID_TOKEN_REQUEST_TOKEN}"}
    job = runner.run(payload(install, look, permissions={"id-token": "write"}))
    assert job.conclusion == "success", said(job, "Install")
    assert "the next steps are arn:aws:iam::" in said(job, "Install")
    assert "profile runnerkit" in said(job, "Look")
    assert ACTION in [call.action for call in ec2_world.calls]

    # Nor does the next job on this runner find what the first one kept: its temporary folder is emptied.
    refused = runner.run(payload(install, permissions={"contents": "read"}))
    assert refused.conclusion == "failure"
    assert "id-token: write" in said(refused, "Install")
    assert 1 == [call.action for call in ec2_world.calls].count(ACTION)
