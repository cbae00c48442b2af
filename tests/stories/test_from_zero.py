"""From nothing to a first green job and back to nothing, with the commands that a platform engineer types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.permissions import Place, Use, policy
from tests.stories.conftest import REPO, Theatre

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [pytest.mark.slow]
BIN = Path(sys.executable).parent
FINE = {"ok", "note"}
REFUSALS = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
PROJECT = {
    "dvc.yaml": "stages:\n  train:\n    cmd: python train.py\n    deps: [train.py]\n    metrics: [metrics.json]\n",
    "train.py": "import json\njson.dump({'loss': 0.25}, open('metrics.json', 'w'))\n",
    ".dvc/config": "[core]\n    remote = s\n    analytics = false\n['remote \"s\"']\n    url = s3://acme-data/widgets\n",
    ".dvc/.gitignore": "/cache\n/tmp\n",
}


@dataclass(frozen=True)
class Checkout:
    """A clone of the repository, and commands typed in it."""

    folder: Path
    environment: Mapping[str, str]

    def says(self, *words: str, code: int = 0) -> str:
        """Run a command of ours; what it printed."""
        return self._ran([sys.executable, "-m", "runnerkit", *words], code)

    def data(self, *words: str) -> Any:  # noqa: ANN401 - JSON is anything
        """Run a command of ours for programs."""
        return json.loads(self.says(*words, "--json"))

    def git(self, *words: str) -> str:
        """Run git."""
        return self._ran(["git", "-c", "user.name=octocat", "-c", "user.email=octocat@example.com", *words], 0)

    def _ran(self, command: list[str], code: int) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **self.environment, "COLUMNS": "200", "PATH": f"{BIN}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def checkout(theatre: Theatre, tmp_path: Path) -> Checkout:
    """A clone of a private repository with a DVC project and nothing of ours; AWS demands permissions."""
    theatre.world.aws("s3").create_bucket(Bucket="acme-data")
    theatre.world.github.push(REPO, PROJECT, message="A project")
    uses = (Use.SETUP, Use.RUNNERS, Use.DOCTOR, Use.JOB)
    engineer = theatre.world.ec2.user("engineer", policy(uses, Place(theatre.world.ec2.account)))
    environment = {**theatre.world.environment(), **engineer}
    theatre.world.ec2.enforce()
    clone = theatre.world.github.clone_url(REPO, environment["GITHUB_TOKEN"])
    subprocess.run(["git", "clone", "--quiet", clone, str(tmp_path / "project")], check=True)  # noqa: S607 - the git that is there
    return Checkout(tmp_path / "project", environment)


def account(theatre: Theatre) -> dict[str, set[str]]:
    """What an account holds that `setup aws` might have made."""
    iam = theatre.world.aws("iam")
    return {
        "roles": {role["RoleName"] for role in iam.list_roles()["Roles"]},
        "providers": {each["Arn"] for each in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]},
        "policies": {each["Arn"] for each in iam.list_policies(Scope="Local")["Policies"]},
        "groups": {g["GroupId"] for g in theatre.world.aws("ec2").describe_security_groups()["SecurityGroups"]},
        "functions": {f["FunctionName"] for f in theatre.world.aws("lambda").list_functions()["Functions"]},
        "schedules": {s["Name"] for s in theatre.world.aws("scheduler").list_schedules()["Schedules"]},
        "logs": {g["logGroupName"] for g in theatre.world.aws("logs").describe_log_groups()["logGroups"]},
    }


def repository(theatre: Theatre) -> dict[str, Any]:
    """What a repository holds that `setup github` might have made."""
    of = f"/repos/{REPO}"
    return {
        "variables": {v["name"] for v in theatre.world.asked(f"{of}/actions/variables")["variables"]},
        "secrets": {s["name"] for s in theatre.world.asked(f"{of}/actions/secrets")["secrets"]},
        "environments": {e["name"] for e in theatre.world.asked(f"{of}/environments")["environments"]},
    }


def test_from_nothing_to_a_green_job_and_back(theatre: Theatre, checkout: Checkout) -> None:
    """`init`, `setup aws`, `setup github`, `doctor`, a job that somebody approves, `--remove`: nothing is left."""
    before = account(theatre), repository(theatre)
    checkout.says("init", "--yes", "--gpu", "t4", "--environment", "gpu")

    wanted = ("-r", REPO, "--environment", "gpu", "--data", "s3://acme-data/widgets", "--yes")
    made = checkout.data("setup", "aws", *wanted)
    values = made["variables"]
    assert set(values) == {"AWS_ROLE", "AWS_REGION", "AWS_JOB_ROLE"}
    checkout.says(
        *("setup", "github", "-r", REPO, "--token", "--secrets", "--yes"),
        *("--role", values["AWS_ROLE"], "--region", values["AWS_REGION"]),
        *("--environment", "gpu", "--reviewer", "octocat"),
        *("--variable", "RUNNERKIT=runnerkit", "--variable", f"AWS_JOB_ROLE={values['AWS_JOB_ROLE']}"),
    )
    checkout.git("add", "--all")
    checkout.git("commit", "--quiet", "--message", "Jobs on machines of their own")
    checkout.git("push", "--quiet", "origin", "HEAD:main")

    looked = checkout.data("doctor")
    assert looked["worst"] in FINE, [each for each in looked["findings"] if each["level"] not in FINE]

    theatre.world.github.dispatch(REPO, "runnerkit.yml")
    theatre.until("it waits for approval", lambda: theatre.runs and theatre.job("launch").status == "waiting")
    run = theatre.run
    assert theatre.machines() == [], "nothing is launched before somebody agreed"
    theatre.world.github.approve(run, "gpu")
    theatre.until("both jobs are over", lambda: [j.status for j in theatre.jobs(run)] == ["completed"] * 2)
    theatre.ends("success", machines=1)
    assert {job.name: job.conclusion for job in theatre.jobs(run)} == {"launch": "success", "train": "success"}
    calls = list(theatre.world.ec2.calls)
    assert [] == [call.permission for call in calls if call.error in REFUSALS], "the roles' policies suffice"
    assert 2 == [call.action for call in calls].count("AssumeRoleWithWebIdentity"), "the launch, and the job"
    launches = [call.access_key for call in calls if call.action == "CreateFleet" and not call.parameters.get("DryRun")]
    assert ["ASIA"] == [key[:4] for key in launches], "by the role"
    kept = theatre.world.aws("s3").list_objects_v2(Bucket="acme-data", Prefix="widgets/")
    assert any("/runs/" in each["Key"] for each in kept["Contents"]), "the finished stage is on the remote"

    checkout.says("setup", "github", "-r", REPO, "--token", "--environment", "gpu", "--remove", "--yes")
    checkout.says("setup", "aws", "--remove", "--yes")
    assert (account(theatre), repository(theatre)) == before
