"""The fixtures that the pytest plugin hands to any project."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING

import boto3

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2 import SandboxEc2
    from runnerkit.sandbox.github import GitHubWorld


def test_ec2_is_what_boto3_talks_to(ec2: SandboxEc2) -> None:
    """With the fixture, plain boto3 finds the local EC2 by the environment alone."""
    zones = boto3.client("ec2").describe_availability_zones()["AvailabilityZones"]
    assert zones[0]["ZoneName"].startswith(ec2.region)
    assert ec2.calls.count("DescribeAvailabilityZones") == 1


def test_ec2_is_empty_for_each_test(ec2: SandboxEc2) -> None:
    """What an earlier test did is not to be seen."""
    assert ec2.calls.count("DescribeAvailabilityZones") == 0


def test_github_answers_over_http(github: GitHubWorld) -> None:
    """With the fixture there is a GitHub to talk to."""
    github.add_repository("acme/widgets")
    token = github.add_token("fine-grained")
    request = urllib.request.Request(f"{github.url}/repos/acme/widgets", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["full_name"] == "acme/widgets"
