"""The dead-man's switch: the code that Lambda runs, run here against machines of the local EC2."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.setup.function import expired, handler
from runnerkit.setup.policies import deadman_policy
from runnerkit.setup.table import GRACE
from runnerkit.setup.words import Wanted, Where
from tests.setup.conftest import REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.setup.conftest import Office

PAST, FUTURE = str(int(time.time()) - GRACE - 60), str(int(time.time()) + 3600)


@pytest.fixture
def switch(office: Office, monkeypatch: pytest.MonkeyPatch) -> Office:
    """The function's surroundings as the template has them."""
    for name, value in {"OWNER": "runnerkit", "REGIONS": REGION, "GRACE": str(GRACE)}.items():
        monkeypatch.setenv(name, value)
    # boto3 keeps the credentials of a session that nobody made.
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    return office


def test_it_ends_what_is_over_and_nothing_else(switch: Office, capsys: pytest.CaptureFixture[str]) -> None:
    """An expired machine ends; others that live, are just over, are another owner's or bear no time stay."""
    over = switch.machine(expires_at=PAST, runner="rk-1-1")
    stay = [
        switch.machine(expires_at=FUTURE),
        switch.machine(expires_at=str(int(time.time()) - 5)),
        switch.machine(owner="another", expires_at=PAST),
        switch.machine(owner="runnerki?", expires_at=PAST),
        switch.machine(),
        switch.machine(expires_at="never"),
    ]
    done = handler({}, None)
    assert [over] == [each["instance"] for each in done["ended"]]
    assert "rk-1-1" == json.loads(capsys.readouterr().out)["ended"][0]["runner"]
    live = {each.id for each in switch.ec2.instances("pending", "running")}
    assert set(stay) == live
    assert [] == handler({}, None)["ended"]


def test_one_that_cannot_be_ended_does_not_save_the_others(switch: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused call and a region that does not answer are errors in the end, after everything else was done."""
    first, second = (switch.machine(owner="runnerkit", expires_at=PAST) for _ in range(2))
    monkeypatch.setenv("REGIONS", f"us-west-2,no region,{REGION}")
    switch.ec2.refuse("UnauthorizedOperation", "DescribeInstances")
    switch.ec2.refuse("OperationNotPermitted", "TerminateInstances")
    with pytest.raises(RuntimeError, match="us-west-2") as failed:
        handler({}, None)
    live = {each.id for each in switch.ec2.instances("pending", "running")}
    assert 1 == len(live & {first, second})
    assert next(iter(live)) in str(failed.value)
    assert "no region" in str(failed.value)


def test_a_page_that_fails_hides_none_before_it() -> None:
    """Machines are ended as they are found, not after the last page."""

    def pages(**_: object) -> Iterator[dict[str, Any]]:
        marks = {"runnerkit:owner": "runnerkit", "runnerkit:expires-at": PAST}
        told = [{"Key": key, "Value": value} for key, value in marks.items()]
        yield {"Reservations": [{"Instances": [{"InstanceId": "i-1", "Tags": told}]}]}
        raise TimeoutError

    ec2 = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=pages))
    found = expired(ec2, "runnerkit", time.time())
    assert "i-1" == next(found)["instance"]
    with pytest.raises(TimeoutError):
        next(found)


def test_its_role_can_end_machines_of_its_owner_only() -> None:
    """The one writing action is limited to the owner's tag; it may write its own log, and read."""
    said: Any = deadman_policy(Wanted(owner="ml"), Where("1" * 12, "aws", (REGION,)))["Statement"]
    by_action = {action: each for each in said for action in each["Action"]}
    assert {"ec2:DescribeInstances", "ec2:TerminateInstances", "logs:CreateLogStream", "logs:PutLogEvents"} == set(
        by_action
    )
    assert {"StringEquals": {"aws:ResourceTag/runnerkit:owner": "ml"}} == by_action["ec2:TerminateInstances"][
        "Condition"
    ]
    assert by_action["logs:PutLogEvents"]["Resource"].endswith(":log-group:/aws/lambda/runnerkit-ml-deadman:*")
