"""The fixtures that the pytest plugin hands to any project."""

from __future__ import annotations

import inspect
import json
import os
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import boto3
import pytest

from runnerkit import pytest_plugin
from runnerkit.sandbox.direct import NAMES, PROXIES, direct, past_proxies

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
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.load(answer)["full_name"] == "acme/widgets"


def test_a_github_that_broke_its_description_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's test passes on an answer that GitHub would never give."""
    used = inspect.unwrap(pytest_plugin.github)(monkeypatch)
    next(used).service.violations.append("GET /x answered 200: wrong")
    with pytest.raises(pytest.fail.Exception, match="answered 200: wrong"):
        next(used)


@pytest.mark.parametrize("proxy", ["http_proxy", "HTTPS_PROXY"])
def test_a_proxy_is_not_asked_for_what_is_here(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a company's proxy the fixtures and the variables of a sandbox lead past it, and keep what is led past."""
    for name in (*NAMES, *PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.delenv(name, raising=False)
    assert past_proxies() == {}
    monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.org , .internal")
    led = "example.org,.internal,127.0.0.1"
    with direct():
        assert past_proxies() == {"no_proxy": led, "NO_PROXY": led}
        assert os.environ["no_proxy"] == led
    assert "no_proxy" not in os.environ
    assert os.environ["NO_PROXY"] == "example.org , .internal"
    assert past_proxies({proxy: "x", "no_proxy": "*"})["NO_PROXY"] == "*"
    used = inspect.unwrap(pytest_plugin.github)(monkeypatch)
    world = next(used)
    assert world.environment()["no_proxy"] == led
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{world.url}/repos/acme/nothing", timeout=30)
    assert next(used, None) is None
