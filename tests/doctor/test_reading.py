"""What looks make of what they are told: workflow files, routes, rules of groups, remotes, headers."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.doctor import look_here, looking, workflows
from runnerkit.doctor.look_aws import skew
from runnerkit.doctor.look_network import group, road
from runnerkit.doctor.look_webhooks import shown
from runnerkit.errors import ConfigError
from runnerkit.testing.clock import EPOCH

if TYPE_CHECKING:
    from pathlib import Path

FLOW = """
on: [push, pull_request]
permissions: {contents: read, id-token: write}
jobs:
  launch:
    runs-on: ubuntu-latest
    environment: {name: gpu, url: https://example.com}
    steps: [{uses: acme/runnerkit/.github/actions/launch@v1, with: {role-to-assume: "arn:aws:iam::1:role/r"}}]
  train:
    needs: launch
    runs-on: [self-hosted, "runnerkit=${{ github.run_id }}-${{ strategy.job-index }}/gpu=t4"]
    permissions: {contents: read}
    steps: [{run: exec runnerkit credentials --role r}]
  report:
    needs: [train]
    runs-on: {group: big, labels: "runnerkit=7/gpu=${{ matrix.gpu }}"}
"""


def test_a_workflow_is_read() -> None:
    """Labels with their scope filled in, gates through what a job needs, and identity by job before workflow."""
    seen = workflows.read("acme/widgets", "train.yml", FLOW)
    launch, train, report = seen.jobs
    assert (("push", "pull_request"), "") == (seen.events, seen.problem)
    assert ("self-hosted", "runnerkit=0/gpu=t4") == train.labels
    assert ("runnerkit=7/gpu=${{ matrix.gpu }}",) == report.labels
    assert [("gpu",)] * 3 == [job.environments for job in seen.jobs]
    assert [(True, True), (True, False), (False, True)] == [(j.wants_identity, j.has_identity) for j in seen.jobs]
    assert ("ubuntu-latest",) == launch.labels
    assert [True, False, False] == [job.launches for job in seen.jobs]
    called = "jobs: {a: {uses: acme/runnerkit/.github/workflows/dvc.yml@v1, with: {environment: gpu}}}"
    assert [("gpu",)] == [job.environments for job in workflows.read("acme/widgets", "x.yml", called).jobs]


def test_what_a_workflow_reads_of_settings_is_found() -> None:
    """By expressions that have nothing else to fall back on; once, however aliases multiply or lead back."""
    text = """
env: {a: "${{ vars.One }}", b: "${{ vars.X || 'usual' }}", c: "${{ secrets.GITHUB_TOKEN }}", d: "no vars.this"}
jobs:
  t: &t
    runs-on: runnerkit=1/gpu=t4
    steps:
      - {run: x, with: {r: "${{ vars.A_ROLE || vars.B_ROLE }}"}}
      - {run: y, env: {e: "${{ secrets.SLACK }}", f: "${{ vars.Y || github.actor }}"}}
  u: *t
  again: &again [*again, *t, *t]
"""
    found = workflows.read("acme/widgets", "x.yml", text).settings
    assert {("vars.ONE",), ("vars.A_ROLE", "vars.B_ROLE"), ("secrets.SLACK",)} == {*found}
    assert 3 == len(found)


def test_what_is_not_pushed_yet_is_read_where_it_lies(tmp_path: Path) -> None:
    """Workflows of a checkout of a served repository; what GitHub has is read there, and another's checkout is none."""
    remote = ["remote", "add", "origin", "git@github.com:acme/widgets"]
    for words in (["init", "--quiet"], remote):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)  # noqa: S607 - whichever git there is
    (tmp_path / workflows.FOLDER).mkdir(parents=True)
    for name in ("a.yml", "b.yml"):
        (tmp_path / workflows.FOLDER / name).write_text(FLOW)
    there = workflows.read("Acme/widgets", f"{workflows.FOLDER}/a.yml", FLOW)
    (found,) = look_here.workflows(tmp_path, ["acme/*", "Acme/widgets"], [there])
    assert ("Acme/widgets", ".github/workflows/b.yml (not pushed)") == (found.repo, found.path)
    assert () == look_here.workflows(tmp_path, ["acme/gears"], [])
    assert () == look_here.workflows(tmp_path / "none", ["acme/widgets"], [])


@pytest.mark.parametrize("text", ["a: [", "[]", "on: push", "jobs: 7", "", "jobs: {a: 1, b: {needs: b, runs-on: [1]}}"])
def test_what_is_no_workflow_is_said(text: str) -> None:
    """Whatever lies in the folder is read without an error."""
    seen = workflows.read("acme/widgets", "x.yml", text)
    assert seen.problem or seen.jobs


@pytest.mark.parametrize(
    ("routes", "leads"),
    [
        ([{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}], ""),
        ([{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"}], "internet"),
        ([{"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1"}], "nat"),
        ([{"DestinationCidrBlock": "0.0.0.0/0", "TransitGatewayId": "tgw-1"}], "nat"),
        ([{"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "blackhole"}], ""),
    ],
)
def test_where_a_route_leads(routes: list[dict[str, Any]], leads: str) -> None:
    """To the internet, through a device in between, or nowhere, also when the device is gone."""
    assert leads == road({"Routes": routes})


def test_rules_of_a_group_are_told() -> None:
    """What it lets in, and whether HTTPS gets out."""
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    some = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 90, "UserIdGroupPairs": [{"GroupId": "sg-2"}]}
    every = {"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
    seen = group("eu-west-1", {"GroupId": "sg-1", "IpPermissions": [ssh, some, every], "IpPermissionsEgress": [some]})
    assert ("tcp 22 from 0.0.0.0/0", "tcp 80-90 from sg-2", "everything from ::/0") == seen.inbound
    assert not seen.https_out
    https = {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 443}
    assert group("eu-west-1", {"GroupId": "sg-1", "IpPermissionsEgress": [https]}).https_out


def test_the_clock_is_compared_with_a_header() -> None:
    """Ahead is positive; what is no time is said."""
    assert 30.0 == skew("AWS", "Thu, 01 Jan 2026 00:00:00 GMT", EPOCH + timedelta(seconds=30)).seconds
    with pytest.raises(ConfigError, match="AWS told no time"):
        skew("AWS", "soon", EPOCH)


def test_the_dvc_remote_is_found(tmp_path: Path) -> None:
    """The default remote's address as DVC writes it, the local file last."""
    assert ("", False) == look_here.remote_here(tmp_path)
    (tmp_path / ".dvc").mkdir()
    text = "[core]\n    analytics = false\n    remote = s\n['remote \"s\"']\n    url = s3://acme/dvc\n"
    (tmp_path / ".dvc/config").write_text(text)
    assert ("s3://acme/dvc", False) == look_here.remote_here(tmp_path)
    (tmp_path / ".dvc/config.local").write_text("['remote \"s\"']\n    endpointurl = http://127.0.0.1:1\n")
    assert ("s3://acme/dvc", True) == look_here.remote_here(tmp_path)


def test_a_broken_file_leaves_what_the_environment_says(tmp_path: Path) -> None:
    """The problem is told, and the checks go on with what is left; a broken variable leaves nothing but defaults."""
    (tmp_path / "runnerkit.toml").write_text('[aws]\nowner = "ml"\nonwer = "x"\n')
    said = looking.written({"RUNNERKIT_AWS__REGIONS": "eu-west-1"}, tmp_path)
    assert (("eu-west-1",), "runnerkit") == (said.config.aws.regions, said.config.aws.owner)
    assert "did you mean owner?" in said.problem
    broken = looking.written({"RUNNERKIT_AWS__SECRETS": "paper"}, tmp_path / "none")
    assert "RUNNERKIT_AWS__SECRETS" in broken.problem
    assert "user-data" == broken.config.aws.secrets


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://chat.example/services/T0/B0/secret", "https://chat.example"),
        ("https://me:secret@ci.example:8443/hook?key=secret#secret", "https://ci.example:8443/hook"),
        ("https://[secret", "an address that cannot be read"),
    ],
)
def test_addresses_of_hooks_are_told_without_secrets(address: str, told: str) -> None:
    """Whole where they may be meant for us, to see what is wrong; of another service its host alone."""
    assert told == shown(address, "https://ci.example/hooks")


def test_secrets_in_files_of_git_are_seen(tmp_path: Path) -> None:
    """A file that git would add is exposed, one that it ignores is not."""
    origins: Any = {("github", "token"): "runnerkit.toml", ("aws", "owner"): "runnerkit.toml"}
    (tmp_path / "runnerkit.toml").write_text("")
    assert () == look_here.configuration(origins, "", "", tmp_path).exposed
    (tmp_path / ".git").mkdir()
    for name in ("objects", "refs"):
        (tmp_path / ".git" / name).mkdir()
    (tmp_path / ".git/HEAD").write_text("ref: refs/heads/main\n")
    assert (("github.token", "runnerkit.toml"),) == look_here.configuration(origins, "", "", tmp_path).exposed
    (tmp_path / ".gitignore").write_text("runnerkit.toml\n")
    assert () == look_here.configuration(origins, "", "", tmp_path).exposed


def test_the_journals_file_is_tried_without_writing(tmp_path: Path) -> None:
    """A folder that is not there yet can be made; a file in the way cannot be a folder."""
    clients: Any = None
    config = looking.written({}, tmp_path).config
    seen = look_here.journal(config, tmp_path / "state/new/journal.jsonl", clients)
    assert ("", "") == (seen.unreadable, seen.unwritable)
    assert [] == list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    assert "no permission" == look_here.journal(config, tmp_path / "file/journal.jsonl", clients).unwritable
