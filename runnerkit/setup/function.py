"""The dead-man's switch: ends machines of one owner whose time is over, when everybody else has failed to.

This file as it is becomes the code of a Lambda function, so it needs nothing but Python and boto3. The time is in the
tag ``runnerkit:expires-at``. What bears no time is left alone: it is not a runner.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER, EXPIRES, RUNNER = "runnerkit:owner", "runnerkit:expires-at", "runnerkit:runner"
LIVE = ["pending", "running", "stopping", "stopped"]

# A region that does not answer must leave time for the others.
PATIENCE = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})


def handler(_event: object, _context: object) -> dict[str, Any]:
    """Look through all regions; one that fails hides no other, and is an error in the end."""
    done: dict[str, Any] = {"ended": [], "failed": []}
    before = time.time() - float(os.environ["GRACE"])
    for region in os.environ["REGIONS"].split(","):
        try:
            ec2 = boto3.client("ec2", region_name=region, config=PATIENCE)
            for machine in expired(ec2, os.environ["OWNER"], before):
                end(ec2, {"region": region, **machine}, done)
        except Exception as error:  # noqa: BLE001 - the other regions must be looked through
            done["failed"].append({"region": region, "error": str(error)})
    print(json.dumps(done))  # noqa: T201 - a function's output is its log
    if done["failed"]:
        raise RuntimeError(f"not all could be looked at or ended: {json.dumps(done['failed'])}")
    return done


def expired(ec2: Any, owner: str, before: float) -> Iterator[dict[str, str]]:  # noqa: ANN401 - boto3's client
    """The owner's machines whose time was over before then, page by page: a later page may fail."""
    filters = [
        {"Name": f"tag:{OWNER}", "Values": [owner]},
        {"Name": "tag-key", "Values": [EXPIRES]},
        {"Name": "instance-state-name", "Values": LIVE},
    ]
    for page in ec2.get_paginator("describe_instances").paginate(Filters=filters):
        for instance in (each for group in page["Reservations"] for each in group["Instances"]):
            marks = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}
            at = marks.get(EXPIRES, "")
            if marks.get(OWNER) == owner and at.isascii() and at.isdecimal() and int(at) < before:
                yield {"instance": instance["InstanceId"], "runner": marks.get(RUNNER, ""), "expired": at}


def end(ec2: Any, machine: dict[str, str], done: dict[str, Any]) -> None:  # noqa: ANN401 - boto3's client
    """End one machine by itself: a bad id would void a call for several."""
    try:
        ec2.terminate_instances(InstanceIds=[machine["instance"]])
        done["ended"].append(machine)
    except Exception as error:  # noqa: BLE001 - the other machines must be ended
        code = getattr(error, "response", {}).get("Error", {}).get("Code")
        if code != "InvalidInstanceID.NotFound":
            done["failed"].append({**machine, "error": str(error)})
