"""Spot requests, prices and interruptions, seen by a real boto3 client."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.sandbox.ec2 import MachineEvent, Stage

QUEUE = "arn:aws:sqs:us-east-1:{account}:notices"


def request_of(stage: Stage, instance_id: str) -> dict[str, str]:
    """Type, state and status of a machine's spot request."""
    asked = [{"Name": "instance-id", "Values": [instance_id]}]
    (found,) = stage.ec2.describe_spot_instance_requests(Filters=asked)["SpotInstanceRequests"]
    return {"type": found["Type"], "state": found["State"], "status": found["Status"]["Code"]}


def test_a_spot_machine_has_a_request_that_closes_with_it(stage: Stage) -> None:
    """One-time and fulfilled; closed when the machine is terminated."""
    instance_id = stage.run()
    assert request_of(stage, instance_id) == {"type": "one-time", "state": "active", "status": "fulfilled"}
    stage.ec2.terminate_instances(InstanceIds=[instance_id])
    closed = {"type": "one-time", "state": "closed", "status": "instance-terminated-by-user"}
    assert request_of(stage, instance_id) == closed


def test_a_cancelled_request_leaves_its_machine_running(stage: Stage, refused: Callable[..., str]) -> None:
    """Cancelling is not terminating; an unknown request is refused."""
    instance_id = stage.run()
    request_id = stage.describe(instance_id)["SpotInstanceRequestId"]
    stage.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request_id])
    assert request_of(stage, instance_id)["state"] == "cancelled"
    assert stage.describe(instance_id)["State"]["Name"] == "running"
    unknown = {"SpotInstanceRequestIds": ["sir-00000000"]}
    assert refused(stage.ec2.cancel_spot_instance_requests, **unknown) == "InvalidSpotInstanceRequestID.NotFound"
    assert refused(stage.ec2.describe_spot_instance_requests, **unknown) == "InvalidSpotInstanceRequestID.NotFound"


def test_requests_carry_the_tags_of_the_launch(stage: Stage) -> None:
    """The resource type spot-instances-request; found by tag."""
    tags = [{"ResourceType": "spot-instances-request", "Tags": [{"Key": "owner", "Value": "me"}]}]
    instance_id = stage.run(TagSpecifications=tags)
    stage.run()
    asked = [{"Name": "tag:owner", "Values": ["me"]}]
    found = stage.ec2.describe_spot_instance_requests(Filters=asked)["SpotInstanceRequests"]
    assert [request["InstanceId"] for request in found] == [instance_id]


def test_an_interruption_is_announced_two_minutes_ahead(stage: Stage) -> None:
    """Notice, then the end with Server.SpotInstanceTermination, and a request closed for lack of capacity."""
    stage.world.times(shutdown=5)
    instance_id = stage.run()
    stage.world.interrupt(instance_id)
    notice = stage.world.notice(instance_id)
    assert notice is not None
    assert notice.action == "terminate"
    assert notice.at - datetime.now(UTC).timestamp() == pytest.approx(120, abs=10)
    assert request_of(stage, instance_id)["status"] == "marked-for-termination"
    stage.world.advance(119)
    assert stage.describe(instance_id)["State"]["Name"] == "running"
    stage.world.advance(2)
    seen = stage.describe(instance_id)
    assert (seen["State"]["Name"], seen["StateReason"]["Code"]) == ("shutting-down", "Server.SpotInstanceTermination")
    stage.world.advance(5)
    seen = stage.describe(instance_id)
    assert (seen["State"]["Name"], seen["StateReason"]["Code"]) == ("terminated", "Server.SpotInstanceTermination")
    assert request_of(stage, instance_id)["status"] == "instance-terminated-no-capacity"


def test_a_machine_that_ends_before_its_interruption_keeps_its_own_reason(stage: Stage) -> None:
    """A power-off between notice and end is a power-off."""
    instance_id = stage.run(InstanceInitiatedShutdownBehavior="terminate")
    stage.world.interrupt(instance_id)
    stage.world.power_off(instance_id)
    stage.world.advance(200)
    assert stage.describe(instance_id)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


def test_only_spot_machines_are_interrupted(stage: Stage) -> None:
    """A test that interrupts an on-demand machine is wrong."""
    instance_id = stage.run(spot=False)
    with pytest.raises(ValueError, match="on-demand"):
        stage.world.interrupt(instance_id)


def test_listeners_hear_of_notice_rebalance_and_end(stage: Stage) -> None:
    """What machines and their metadata services need to know, in order."""
    heard: list[MachineEvent] = []
    instance_id = stage.run()
    stop = stage.world.subscribe(heard.append)
    stage.world.rebalance(instance_id)
    stage.world.interrupt(instance_id, notice=0.05)
    deadline = time.monotonic() + 5
    while not any(e.kind == "terminated" for e in heard) and time.monotonic() < deadline:
        time.sleep(0.02)
    stop()
    kinds = [e.kind for e in heard if e.kind not in {"pending", "running"}]
    assert kinds == ["rebalance", "notice", "shutting-down", "terminated"]


def test_eventbridge_delivers_the_warning(stage: Stage) -> None:
    """A rule for spot warnings with a queue as its target gets one in AWS's envelope."""
    events, sqs = stage.connect("events"), stage.connect("sqs")
    url = sqs.create_queue(QueueName="notices")["QueueUrl"]
    pattern = {"source": ["aws.ec2"], "detail-type": ["EC2 Spot Instance Interruption Warning"]}
    events.put_rule(Name="spot", EventPattern=json.dumps(pattern))
    target = {"Id": "queue", "Arn": QUEUE.format(account=stage.world.account)}
    events.put_targets(Rule="spot", Targets=[target])
    instance_id = stage.run()
    stage.world.interrupt(instance_id)
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    body = json.loads(message["Body"])
    assert body["detail"] == {"instance-id": instance_id, "instance-action": "terminate"}
    assert (body["source"], body["region"]) == ("aws.ec2", "us-east-1")
    assert datetime.fromisoformat(body["time"]).year >= 2026
    assert body["resources"] == [f"arn:aws:ec2:us-east-1:{stage.world.account}:instance/{instance_id}"]


def test_spot_prices_are_believable_and_stable(stage: Stage) -> None:
    """30 to 45 % of the on-demand price in every zone with the type, dated now, the same each time."""
    asked = {"InstanceTypes": ["g5.xlarge"], "ProductDescriptions": ["Linux/UNIX"], "StartTime": datetime.now(UTC)}
    first, second = (stage.ec2.describe_spot_price_history(**asked)["SpotPriceHistory"] for _ in range(2))
    assert [row["SpotPrice"] for row in first] == [row["SpotPrice"] for row in second]
    assert len({row["SpotPrice"] for row in first}) > 1
    for row in first:
        assert 0.30 * 1.006 <= float(row["SpotPrice"]) <= 0.45 * 1.006
        assert abs(row["Timestamp"] - datetime.now(UTC)) < timedelta(minutes=1)
        assert row["ProductDescription"] == "Linux/UNIX"


def test_a_spot_price_can_be_fixed(stage: Stage) -> None:
    """For one zone or for all."""
    stage.world.spot_price("g5.xlarge", "*", 0.5)
    stage.world.spot_price("g5.xlarge", "us-east-1a", 0.25)
    asked = [{"Name": "instance-type", "Values": ["g5.xl*"]}]
    found = stage.ec2.describe_spot_price_history(Filters=asked)["SpotPriceHistory"]
    prices = {row["AvailabilityZone"]: float(row["SpotPrice"]) for row in found}
    assert prices.pop("us-east-1a") == 0.25
    assert set(prices.values()) == {0.5}


def test_price_history_comes_in_pages(stage: Stage) -> None:
    """All types of the region are several thousand rows."""
    pages = list(stage.ec2.get_paginator("describe_spot_price_history").paginate())
    assert len(pages) > 3
    assert all(len(page["SpotPriceHistory"]) <= 1000 for page in pages)
    windows = stage.ec2.describe_spot_price_history(ProductDescriptions=["Windows"])
    assert windows["SpotPriceHistory"] == []


def test_spot_needs_the_role_of_its_service(stage: Stage, refused: Callable[..., str]) -> None:
    """In fleets and elsewhere, until somebody makes it; on-demand needs none."""
    stage.world.spot_role(exists=False)
    missing, iam = "AuthFailure.ServiceLinkedRoleCreationNotPermitted", stage.connect("iam")
    answer = stage.ec2.create_fleet(**stage.fleet_request(stage.template()))
    assert {error["ErrorCode"] for error in answer["Errors"]} == {missing}
    assert refused(stage.run) == missing
    assert stage.run(spot=False)
    assert refused(iam.get_role, RoleName="AWSServiceRoleForEC2Spot") == "NoSuchEntity"
    iam.create_service_linked_role(AWSServiceName="spot.amazonaws.com")
    assert stage.run()


def test_quotas_can_be_read_as_they_are_scripted(stage: Stage, refused: Callable[..., str]) -> None:
    """Those of virtual CPUs, one by one, with the codes of Service Quotas."""
    quotas, asked = stage.connect("service-quotas"), {"ServiceCode": "ec2", "QuotaCode": "L-3819A6DF"}
    assert quotas.get_service_quota(**asked)["Quota"]["Value"] > 0
    stage.world.quota("spot", "G", 0)
    assert quotas.get_service_quota(**asked)["Quota"]["Value"] == 0
    assert refused(quotas.get_service_quota, ServiceCode="ec2", QuotaCode="L-0") == "NoSuchResourceException"
