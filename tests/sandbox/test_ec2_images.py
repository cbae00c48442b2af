"""Images, snapshots and parameters, seen by a real boto3 client."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.sandbox.ec2 import Stage

DEEP_LEARNING = "/aws/service/deeplearning/ami/{arch}/base-oss-nvidia-driver-gpu-{system}/latest/ami-id"
UBUNTU = "/aws/service/canonical/ubuntu/server/{release}/stable/current/{arch}/hvm/ebs-gp3/ami-id"


def image(stage: Stage, image_id: str) -> dict[str, Any]:
    """DescribeImages of one id."""
    return dict(stage.ec2.describe_images(ImageIds=[image_id])["Images"][0])


def test_the_account_owns_only_what_it_has_baked(stage: Stage) -> None:
    """None of moto's 1,300 images, no snapshot of theirs; found by tag."""
    baked = stage.world.bake("gpu", {"runnerkit:recipe": "abc"}, gigabytes=60)
    mine = stage.ec2.describe_images(Owners=["self"])["Images"]
    assert {i["ImageId"] for i in mine} == {stage.image, baked}
    asked = [{"Name": "tag:runnerkit:recipe", "Values": ["abc"]}]
    (found,) = stage.ec2.describe_images(Owners=["self"], Filters=asked)["Images"]
    assert (found["ImageId"], found["Name"], found["State"]) == (baked, "gpu", "available")
    assert found["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 60


def test_images_are_as_old_as_the_world_says(stage: Stage) -> None:
    """Those that were baked and those of CreateImage: a world that waits a month has images of a month."""
    first = stage.world.bake("first", {})
    stage.world.advance(30 * 86_400)
    second = stage.ec2.create_image(InstanceId=stage.run(), Name="second")["ImageId"]
    born = [datetime.fromisoformat(image(stage, each)["CreationDate"]) for each in (first, second)]
    assert timedelta(days=30) <= born[1] - born[0] < timedelta(days=31)


@pytest.mark.parametrize(
    ("name", "arch"),
    [
        (DEEP_LEARNING.format(arch="x86_64", system="ubuntu-24.04"), "x86_64"),
        (DEEP_LEARNING.format(arch="x86_64", system="amazon-linux-2023"), "x86_64"),
        (DEEP_LEARNING.format(arch="arm64", system="ubuntu-22.04"), "arm64"),
        (UBUNTU.format(release="24.04", arch="amd64"), "x86_64"),
        (UBUNTU.format(release="22.04", arch="arm64"), "arm64"),
        ("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64", "x86_64"),
        ("/aws/service/ecs/optimized-ami/amazon-linux-2/gpu/recommended/image_id", "x86_64"),
    ],
)
def test_public_parameters_name_images_that_can_be_launched(stage: Stage, name: str, arch: str) -> None:
    """Stock images resolve, exist, belong to Amazon and boot."""
    value = stage.connect("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    found = image(stage, value)
    assert (found["Architecture"], found["ImageOwnerAlias"]) == (arch, "amazon")
    kind = "g5g.xlarge" if arch == "arm64" else "g5.xlarge"
    zone = "us-east-1a" if kind == "g5.xlarge" else "us-east-1c"
    instance_id = stage.run(ImageId=value, InstanceType=kind, SubnetId=stage.subnets[zone])
    assert stage.describe(instance_id)["RootDeviceName"] == found["RootDeviceName"]


def test_an_image_has_the_machines_disks_and_tagged_snapshots(stage: Stage) -> None:
    """Size, type, speed and encryption of the machine's own disks; tags for image and snapshot."""
    root = {"VolumeSize": 80, "VolumeType": "gp3", "Iops": 5000, "Throughput": 400, "Encrypted": True}
    disks = [
        {"DeviceName": "/dev/sda1", "Ebs": root},
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 20, "VolumeType": "gp3"}},
    ]
    instance_id = stage.run(BlockDeviceMappings=disks)
    tags = [{"ResourceType": kind, "Tags": [{"Key": "kind", "Value": kind}]} for kind in ("image", "snapshot")]
    made = stage.ec2.create_image(InstanceId=instance_id, Name="baked", TagSpecifications=tags)
    found = image(stage, made["ImageId"])
    assert found["Tags"] == [{"Key": "kind", "Value": "image"}]
    sizes = {d["DeviceName"]: d["Ebs"]["VolumeSize"] for d in found["BlockDeviceMappings"]}
    assert sizes == {"/dev/sda1": 80, "/dev/sdf": 20}
    ebs = found["BlockDeviceMappings"][0]["Ebs"]
    assert (ebs["VolumeType"], ebs["Iops"], ebs["Throughput"], ebs["Encrypted"]) == ("gp3", 5000, 400, True)
    asked = [{"Name": "tag:kind", "Values": ["snapshot"]}]
    snapshots = stage.ec2.describe_snapshots(OwnerIds=["self"], Filters=asked)["Snapshots"]
    assert sorted(s["VolumeSize"] for s in snapshots) == [20, 80]


def test_an_image_is_pending_for_a_while(stage: Stage, refused: Callable[..., str]) -> None:
    """With a delay set, it cannot be launched before it is available."""
    stage.world.times(image=60)
    made = stage.ec2.create_image(InstanceId=stage.run(), Name="baked")["ImageId"]
    assert image(stage, made)["State"] == "pending"
    assert refused(stage.run, ImageId=made) == "InvalidAMIID.Unavailable"
    stage.world.advance(60)
    assert image(stage, made)["State"] == "available"
    stage.run(ImageId=made)


def test_what_cannot_become_an_image(stage: Stage, refused: Callable[..., str]) -> None:
    """A name that is taken, a machine that is gone, a tag for something else."""
    instance_id = stage.run()
    call = stage.ec2.create_image
    assert refused(call, InstanceId=instance_id, Name="runner-image") == "InvalidAMIName.Duplicate"
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}]
    wrong = {"InstanceId": instance_id, "Name": "tagged", "TagSpecifications": tags}
    assert refused(call, **wrong) == "InvalidParameterValue"
    stage.ec2.terminate_instances(InstanceIds=[instance_id])
    assert refused(call, InstanceId=instance_id, Name="late") == "IncorrectState"


@pytest.mark.parametrize("also", [True, False])
def test_deregistering_deletes_snapshots_if_asked_to(stage: Stage, *, also: bool) -> None:
    """DeleteAssociatedSnapshots; without it they stay."""
    snapshot = image(stage, stage.image)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    answer = stage.ec2.deregister_image(ImageId=stage.image, DeleteAssociatedSnapshots=also)
    left = {s["SnapshotId"] for s in stage.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    assert (snapshot in left) is not also
    assert stage.ec2.describe_images(Owners=["self"])["Images"] == []
    results = [r["ReturnCode"] for r in answer.get("DeleteSnapshotResults", [])]
    assert results == (["success"] if also else [])


def test_an_unknown_image_cannot_be_deregistered(stage: Stage, refused: Callable[..., str]) -> None:
    """InvalidAMIID.NotFound."""
    assert refused(stage.ec2.deregister_image, ImageId="ami-00000000000000000") == "InvalidAMIID.NotFound"


def test_long_parameters_need_the_advanced_tier(stage: Stage, refused: Callable[..., str]) -> None:
    """4 KB in the standard tier, 8 KB in the advanced one."""
    ssm = stage.connect("ssm")
    asked = {"Name": "/runnerkit/i-1", "Type": "SecureString"}
    assert refused(ssm.put_parameter, **asked, Value="x" * 4097) == "ValidationException"
    ssm.put_parameter(**asked, Value="x" * 4096)
    ssm.put_parameter(**asked, Value="x" * 8192, Tier="Advanced", Overwrite=True)
    assert refused(ssm.put_parameter, **asked, Value="x" * 8193, Tier="Advanced", Overwrite=True) == (
        "ValidationException"
    )
    found = ssm.get_parameter(Name="/runnerkit/i-1", WithDecryption=True)["Parameter"]["Value"]
    assert len(found) == 8192
