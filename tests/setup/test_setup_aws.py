"""The command ``setup aws``: what it says, what it asks, and how it ends."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typer.testing import CliRunner

from runnerkit.cli import setup_aws
from runnerkit.cli.commands import app
from runnerkit.setup.trust import issuer_of

if TYPE_CHECKING:
    from pathlib import Path

    from runnerkit.sandbox.ec2 import SandboxEc2

WRITES = ("Create", "Put", "Delete", "Update", "Add", "Remove", "Attach", "Revoke", "Tag")


def run(*words: str) -> Any:  # noqa: ANN401 - click's result
    return CliRunner().invoke(app, ["setup", "aws", *words], catch_exceptions=False)


@pytest.fixture
def desk(ec2: SandboxEc2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxEc2:
    """An empty folder, and an account that nobody has used."""
    for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN", "GH_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    ec2.spot_role(exists=False)
    return ec2


def test_from_nothing_to_set_up_and_back(desk: SandboxEc2) -> None:
    """A plan that touches nothing, a refusal to act unasked, then all is made, found again, and removed."""
    words = ("--repo", "acme/widgets", "--data", "s3://acme-data/dvc", "--budget", "200")
    plan = run(*words, "--dry-run")
    assert (0, []) == (plan.exit_code, [call for call in desk.calls if call.action.startswith(WRITES)])
    assert "runnerkit-runnerkit-launch" in plan.stdout
    unasked = run(*words)
    assert (2, True) == (unasked.exit_code, "--yes" in unasked.stderr)

    done = run(*words, "--yes")
    assert 0 == done.exit_code
    assert "made the function runnerkit-runnerkit-deadman in us-east-1" in done.stderr
    for line in (
        f"AWS_ROLE=arn:aws:iam::{desk.account}:role/runnerkit-runnerkit-launch",
        "AWS_REGION=us-east-1",
        'regions = ["us-east-1"]',
        "cost allocation tag runnerkit:owner",
        "runnerkit doctor",
    ):
        assert line in done.stdout, line

    again = run(*words, "--yes", "--json")
    assert {"keep"} == {step["do"] for step in json.loads(again.stdout)["steps"]}
    removed = run("--remove", "--yes")
    assert (0, True) == (removed.exit_code, "removed the role runnerkit-runnerkit-job" in removed.stderr)


def test_the_template_needs_nobodys_credentials(desk: SandboxEc2) -> None:
    """It is printed without one call of AWS, as YAML for people and as JSON."""
    printed = run("--repo", "acme/widgets", "--print")
    assert (0, 0) == (printed.exit_code, len(desk.calls))
    as_json = json.loads(run("--repo", "acme/widgets", "--print", "--json").stdout)
    assert as_json == yaml.safe_load(printed.stdout)
    assert "ZipFile: |" in printed.stdout


def test_what_the_configuration_says_needs_no_option(desk: SandboxEc2, tmp_path: Path) -> None:
    """Owner, tags, repositories, bursts, journal, and groups of one's own are taken from it."""
    (tmp_path / "runnerkit.toml").write_text(
        '[aws]\nowner = "ml"\nsecrets = "ssm"\ninstance_profile = "runnerkit-ml-machine"\n'
        'security_groups = ["sg-0123456789abcdef0"]\ntags = {team = "ml"}\n'
        '[github]\nrepositories = ["acme/widgets"]\n[journal]\nwhere = "s3://acme-journal/rk"\n',
        encoding="utf-8",
    )
    said = json.loads(run("--print", "--json").stdout)["Resources"]
    assert ("MachineProfile" in said, "Group" in said) == (True, False)
    role = said["LaunchRole"]["Properties"]
    assert "runnerkit-ml-launch" == role["RoleName"]
    assert {"Key": "team", "Value": "ml"} in role["Tags"]
    assert "acme-journal/rk/*" in json.dumps(role["Policies"])
    elsewhere = json.loads(run("--print", "--json", "--region", "eu-west-1", "--region", "us-west-2").stdout)
    variables = elsewhere["Resources"]["DeadmanFunction"]["Properties"]["Environment"]["Variables"]
    assert {"Fn::Sub": "${AWS::Region},us-west-2"} == variables["REGIONS"]
    assert 0 == len(desk.calls)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "--repo OWNER/NAME"),
        (["--repo", "acme/*widgets"], "OWNER/NAME"),
        (["--repo", "acme/w", "--environment", "*"], "--environment"),
        (["--repo", "acme/w", "--branch", "rel${aws:x}"], "--branch"),
        (["--repo", "acme/w", "--data", "acme-data"], "s3://BUCKET/PREFIX"),
        (["--repo", "acme/w", "--profile"], "--data"),
        (["--repo", "acme/w", "--budget-email", "a@example.com"], "--budget"),
        (["--repo", "acme/w", "--budget", "nan"], "--budget"),
        (["--repo", "acme/w", "--topic", "*"], "arn:aws:sns:"),
        (["--repo", "acme/w", "--budget", "9", "--budget-topic", "arn:aws:sns:*:*:*"], "arn:aws:sns:"),
        (["--repo", "acme/w", "--any-job", "--environment", "gpu"], "--any-job"),
        (["--repo", "acme/w", "--region", "us-east-1,x"], "--region"),
        (["--remove"], "exclude each other"),
        (["--repo", "acme/w", "--data", "s3://acme-ml", "--journal", "s3://acme-ml/journal"], "within the data"),
        (["--repo", "acme/w", "--data", "s3://acme-ml/a/", "--journal", "s3://acme-ml/a"], "within the data"),
        ([word for n in range(30) for word in ("--repo", f"acme/widgets-{n}")], "AWS takes 2048"),
    ],
)
def test_wishes_that_mean_something_else_are_refused(words: list[str], says: str, desk: SandboxEc2) -> None:
    """Nothing reaches AWS, and the message names the option."""
    refused = run(*words, "--print")
    assert (2, 0) == (refused.exit_code, len(desk.calls))
    assert says in refused.stderr


def test_who_is_trusted() -> None:
    """Jobs of the environments and branches of the repositories, in both spellings that GitHub has of them."""
    words = (
        "--repo",
        "acme/widgets",
        "--repo",
        "acme/widgets",
        "--repo",
        "acme@1/tools@2",
        "--environment",
        "gpu",
        "--branch",
        "main",
    )
    said = json.loads(run(*words, "--organization", "beta", "--print", "--json").stdout)
    trust = said["Resources"]["LaunchRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
    assert {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"} == trust["StringEquals"]
    spelt = ("acme/widgets", "acme@*/widgets@*", "acme@1/tools@2", "beta/*", "beta@*/*")
    ends = ("environment:gpu", "ref:refs/heads/main")
    assert sorted(f"repo:{each}:{end}" for each in spelt for end in ends) == sorted(
        trust["StringLike"]["token.actions.githubusercontent.com:sub"]
    )
    anybody = json.loads(run("--repo", "acme@1/tools@2", "--any-job", "--print", "--json").stdout)
    said = anybody["Resources"]["LaunchRole"]["Properties"]["AssumeRolePolicyDocument"]
    assert '["repo:acme@1/tools@2:*"]' in json.dumps(said)


@pytest.mark.parametrize(
    ("api", "issuer"),
    [
        ("https://api.github.com", "https://token.actions.githubusercontent.com"),
        ("https://api.acme.ghe.com", "https://token.actions.acme.ghe.com"),
        ("https://github.acme.com/api/v3", "https://github.acme.com/_services/token"),
        ("http://127.0.0.1:4000", "https://token.actions.githubusercontent.com"),
    ],
)
def test_each_github_signs_with_its_own_name(api: str, issuer: str) -> None:
    """GitHub.com, data residency and Enterprise Server; the sandbox signs like GitHub.com."""
    assert issuer == issuer_of(api)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_who_is_asked_and_goes_has_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C at the question, and a terminal that closes, end the command as anywhere else: with 130."""
    monkeypatch.setattr("sys.stdin", _Terminal())
    with pytest.raises(KeyboardInterrupt):
        setup_aws._ask((), setup_aws._Way(remove=True, yes=False, dry_run=False, as_json=False))


def test_something_in_the_way_means_that_nothing_is_made(desk: SandboxEc2) -> None:
    """The plan shows it, and the command refuses as a whole."""
    import boto3

    trust = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}}
    boto3.client("iam").create_role(RoleName="runnerkit-runnerkit-launch", AssumeRolePolicyDocument=json.dumps(trust))
    desk.calls.clear()
    refused = run("--repo", "acme/widgets", "--yes")
    assert (2, []) == (refused.exit_code, [call for call in desk.calls if call.action.startswith(WRITES)])
    assert "somebody else's" in refused.stderr
    assert 9 == run("--repo", "acme/widgets", "--dry-run").exit_code
