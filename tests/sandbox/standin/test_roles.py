"""Steps that are an AWS role by their job's identity: from the runner's variables to AWS's answer."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.ec2.identities import ACTION, AUDIENCE, PROVIDER
from runnerkit.sandbox.ec2.stage import connect
from tests.sandbox.github_world import REPO
from tests.sandbox.standin.running import StandIn, ended, payload, said

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2 import SandboxEc2

# Ends of `sub` that a job on main without an environment does not have.
STRANGE = ("environment:gpu", "ref:refs/heads/other", "pull_request", "ref:refs/heads/[m]ain")
COMMAND = f"{shlex.quote(sys.executable)} -m runnerkit credentials"


def _role(aws: SandboxEc2, name: str = "train", end: str = "ref:refs/heads/main") -> str:
    claims = {f"{PROVIDER}:aud": AUDIENCE, f"{PROVIDER}:sub": f"repo:{REPO}:{end}"}
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{aws.account}:oidc-provider/{PROVIDER}"},
        "Action": f"sts:{ACTION}",
        "Condition": {"StringLike": claims},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    made = connect(aws, "iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy)
    return str(made["Role"]["Arn"])


def test_a_step_gets_credentials_for_its_jobs_identity(runner: StandIn, ec2_world: SandboxEc2) -> None:
    """With `id-token: write` the next steps are the role; without it, the error says what to write in the workflow."""
    world = runner.world
    ec2_world.trust(lambda: world.service.machines.identities.public_key)
    env = {"AWS_ENDPOINT_URL": ec2_world.url, "AWS_REGION": "us-east-1"}
    install = {"name": "Install", "run": f"{COMMAND} --role-arn {_role(ec2_world)} --install", "env": env}
    look: dict[str, object] = {
        "name": "Look",
        "run": "echo profile $AWS_PROFILE; echo asks ${#ACTIONS_ID_TOKEN_REQUEST_TOKEN}",
    }
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


def test_the_action_for_credentials_is_a_role_that_trusts_the_job_and_no_other(
    runner: StandIn, ec2_world: SandboxEc2
) -> None:
    """The next steps have the role's own keys; a role for another environment, and for an unknown audience, refuse."""
    world = runner.world
    ec2_world.trust(lambda: world.service.machines.identities.public_key)

    def action(name: str, role: str, **more: str) -> dict[str, Any]:
        given = {"aws-region": "us-east-1", "role-to-assume": role, **more}
        step = {"name": name, "uses": "aws-actions/configure-aws-credentials@v5", "if": "always()"}
        return {**step, "with": given, "env": {"RUNNERKIT_SANDBOX_AWS_ENDPOINT_URL": ec2_world.url}}

    own = _role(ec2_world)
    strange = [_role(ec2_world, f"other-{number}", end) for number, end in enumerate(STRANGE)]
    look: dict[str, object] = {"name": "Look", "run": "echo ${AWS_ACCESS_KEY_ID::4} ${#AWS_SESSION_TOKEN}"}
    refused = [action(f"Refused {number}", role) for number, role in enumerate(strange)]
    steps = (action("Own", own), look, *refused, action("Audience", own, audience="elsewhere"))
    job = runner.run(payload(*steps, permissions={"id-token": "write"}))
    assert "ASIA 0" < said(job, "Look").splitlines()[-1]
    for step in refused:
        assert "Not authorized to perform sts:AssumeRoleWithWebIdentity" in said(job, step["name"])
    assert "Incorrect token audience" in said(job, "Audience")
    assert 2 + len(STRANGE) == [call.action for call in ec2_world.calls].count(ACTION)
    assert {"Own": "success", "Audience": "failure"}.items() <= ended(job).items()
