"""The reusable workflow from the pull request to its report, as the examples call it, and the action beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.actions.conftest import REPO

if TYPE_CHECKING:
    from tests.theatre import Theatre

pytestmark = [pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "examples"
BUCKET = "acme-models"
PATIENCE = 300.0
PIPELINE = """
stages:
  train:
    cmd: python3 -c "open('COUNTER/train', 'a').write('ran;'); open('metrics.json', 'w').write('{\\"accuracy\\":0.9}')"
    params: [rate]
    metrics:
      - metrics.json:
          cache: false
"""


def test_approved_launched_trained_and_told(theatre: Theatre) -> None:
    """Nothing is launched before somebody approves; then the pipeline runs, is reported, and its lock comes back."""
    github = theatre.world.github
    settle(theatre)
    counter = str(theatre.folder)
    files = {
        ".github/workflows/train.yml": (EXAMPLES / "pull-request.yml").read_text(encoding="utf-8"),
        ".dvc/config": f'[core]\n    remote = s3\n[remote "s3"]\n    url = s3://{BUCKET}/data\n',
        ".dvc/.gitignore": "/cache\n/tmp\n",
        "dvc.yaml": PIPELINE.replace("COUNTER", counter),
        "params.yaml": "rate: 0.1\n",
        "requirements.txt": "",
    }
    github.push(REPO, files, message="Begin")
    github.push(REPO, {"params.yaml": "rate: 0.2\n"}, branch="faster", message="Learn faster")
    github.open_pull_request(REPO, head="faster", title="Learn faster")

    theatre.until("somebody is asked", lambda: any(run.waiting_for for run in theatre.runs))
    run = theatre.run
    assert [(job.name, job.status) for job in theatre.jobs(run)] == [("train / launch", "waiting")]
    assert theatre.machines() == []
    github.approve(run, "gpu", "hubot")

    theatre.until_over(PATIENCE)
    theatre.ends("", machines=1)
    jobs = {job.name: job for job in theatre.jobs(run)}
    assert {name: job.conclusion for name, job in jobs.items()} == dict.fromkeys(
        ("train / launch", "train / dvc", "train / report", "lock"), "success"
    ), theatre.describe()
    assert str(jobs["train / dvc"].runner_name).startswith(f"rk-{run.id}-1-")
    assert (jobs["train / dvc"].hosted, jobs["train / report"].hosted) == (False, True)
    assert (theatre.folder / "train").read_text(encoding="utf-8") == "ran;"
    told = [each.body for each in github.state.comments.values()]
    assert len(told) == 1, told
    assert "accuracy" in told[0]
    assert "0.9" in told[0]
    assert b"train:" in (github.read_file(REPO, "dvc.lock", "faster") or b"")
    # What each job's token may do: nobody who runs the branch's code may write.
    held = {name: job.payload["permissions"] for name, job in jobs.items()}
    assert {name: sorted(k for k, v in levels.items() if v == "write") for name, levels in held.items()} == {
        "train / launch": ["id-token"],
        "train / dvc": ["id-token"],
        "train / report": ["id-token", "pull-requests"],
        "lock": ["contents"],
    }


def settle(theatre: Theatre) -> None:
    """What the example asks for: an environment with a reviewer and the token in it, roles, a bucket."""
    github = theatre.world.github
    theatre.world.aws("s3").create_bucket(Bucket=BUCKET)
    github.add_environment(REPO, "gpu", ["hubot"])
    github.set_secret(REPO, "RUNNERKIT_TOKEN", github.add_token("fine-grained"), environment="gpu")
    subject = {"token.actions.githubusercontent.com:sub": f"repo:{REPO}:pull_request"}
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": "arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {**subject, "token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}
                },
            }
        ],
    }
    made = theatre.world.aws("iam").create_role(RoleName="data", AssumeRolePolicyDocument=json.dumps(trust))
    variables = {"AWS_ROLE": "arn:aws:iam::210000000001:role/launch", "AWS_DATA_ROLE": made["Role"]["Arn"]}
    for name, value in {**variables, "AWS_REGION": "us-east-1"}.items():
        github.set_variable(REPO, name, value)
