"""RunInstances, launch templates and client tokens, asked by a real boto3 client."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.sandbox.ec2 import Stage

A, B = "us-east-1a", "us-east-1b"
SG, SUBNET = "sg-00000000000000000", "subnet-00000000000000000"


def test_run_instances_starts_what_was_asked_for(stage: Stage) -> None:
    """Two machines in one reservation, pending in the answer and running afterwards."""
    answer = stage.ec2.run_instances(**stage.run_request(MinCount=2, MaxCount=2))
    ids = [i["InstanceId"] for i in answer["Instances"]]
    assert [i["State"]["Name"] for i in answer["Instances"]] == ["pending", "pending"]
    (reservation,) = stage.ec2.describe_instances(InstanceIds=ids)["Reservations"]
    assert reservation["ReservationId"] == answer["ReservationId"]
    assert {i["State"]["Name"] for i in reservation["Instances"]} == {"running"}


def test_disks_and_interfaces_get_the_tags_of_the_launch(stage: Stage) -> None:
    """Each kind its own tags."""
    kinds = ("volume", "network-interface")
    tags = [{"ResourceType": kind, "Tags": [{"Key": "kind", "Value": kind}]} for kind in kinds]
    stage.run(TagSpecifications=tags)
    (interface,) = stage.ec2.describe_network_interfaces()["NetworkInterfaces"]
    (volume,) = stage.ec2.describe_volumes()["Volumes"]
    assert interface["TagSet"] == [{"Key": "kind", "Value": "network-interface"}]
    assert volume["Tags"] == [{"Key": "kind", "Value": "volume"}]


def test_run_instances_keeps_everything_of_a_template(stage: Stage) -> None:
    """Profile, metadata options and shutdown behaviour too, and no spare disk; the request has the last word."""
    stage.connect("iam").create_instance_profile(InstanceProfileName="runner")
    disk = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 50, "VolumeType": "gp3", "Throughput": 200}}
    template = stage.template(
        IamInstanceProfile={"Name": "runner"},
        MetadataOptions={"HttpTokens": "required"},
        InstanceInitiatedShutdownBehavior="terminate",
        BlockDeviceMappings=[disk],
    )
    launch_template = {"LaunchTemplateId": template}
    made = stage.ec2.run_instances(LaunchTemplate=launch_template, InstanceType="g6.xlarge", MinCount=1, MaxCount=1)
    seen = stage.describe(made["Instances"][0]["InstanceId"])
    assert seen["InstanceType"] == "g6.xlarge"
    assert seen["IamInstanceProfile"]["Arn"].endswith("/runner")
    assert seen["MetadataOptions"]["HttpTokens"] == "required"
    assert {"Key": "aws:ec2launchtemplate:id", "Value": template} in seen["Tags"]
    assert stage.world.instance(seen["InstanceId"]).shutdown_behavior == "terminate"
    (mapped,) = seen["BlockDeviceMappings"]
    (volume,) = stage.ec2.describe_volumes(VolumeIds=[mapped["Ebs"]["VolumeId"]])["Volumes"]
    assert (volume["Size"], volume["Iops"], volume["Throughput"]) == (50, 3000, 200)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"InstanceType": "g99.xlarge"}, "InvalidParameterValue"),
        ({"ImageId": "ami-00000000000000000"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "nonsense"}, "InvalidAMIID.Malformed"),
        ({"ImageId": "resolve:ssm:/none"}, "InvalidParameterValue"),
        ({"SubnetId": SUBNET}, "InvalidSubnetID.NotFound"),
        ({"SecurityGroupIds": [SG]}, "InvalidGroup.NotFound"),
        ({"KeyName": "nobody"}, "InvalidKeyPair.NotFound"),
        ({"IamInstanceProfile": {"Name": "nobody"}}, "InvalidParameterValue"),
        ({"IamInstanceProfile": {"Arn": "arn:aws:iam::1:instance-profile/x"}}, "InvalidParameterValue"),
        ({"UserData": "x" * 16_385}, "InvalidUserData.Malformed"),
        ({"InstanceInitiatedShutdownBehavior": "hibernate"}, "InvalidParameterValue"),
        ({"BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 8}}]}, "InvalidBlockDeviceMapping"),
        ({"NetworkInterfaces": [{"DeviceIndex": 0}], "SecurityGroupIds": [SG]}, "InvalidParameterCombination"),
        ({"Placement": {"AvailabilityZone": B}}, "InvalidParameterValue"),
        ({"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "aws:x"}]}]}, "InvalidParameterValue"),
        (
            {"InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "persistent"}}},
            "InvalidParameterCombination",
        ),
        (
            {"InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.02"}}},
            "SpotMaxPriceTooLow",
        ),
    ],
)
def test_what_cannot_be_launched_is_refused(
    stage: Stage, refused: Callable[..., str], change: dict[str, Any], code: str
) -> None:
    """With AWS's code, and nothing is launched."""
    assert refused(stage.ec2.run_instances, **stage.run_request(**change)) == code
    assert stage.world.instances() == []


def test_a_type_that_the_zone_does_not_offer_is_refused(stage: Stage, refused: Callable[..., str]) -> None:
    """RunInstances says Unsupported where a fleet says InvalidFleetConfiguration."""
    gap = next(zone for zone in stage.subnets if zone.endswith("e"))
    assert refused(stage.run, SubnetId=stage.subnets[gap]) == "Unsupported"


def test_a_group_of_another_network_is_refused(stage: Stage, refused: Callable[..., str]) -> None:
    """Group and subnet must be in one VPC."""
    vpc = stage.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    group = stage.ec2.create_security_group(GroupName="far", Description="far", VpcId=vpc)["GroupId"]
    assert refused(stage.run, SecurityGroupIds=[group]) == "InvalidParameter"


def test_a_full_subnet_is_refused(stage: Stage, refused: Callable[..., str]) -> None:
    """A /28 has 11 addresses; the twelfth machine does not fit."""
    vpc = stage.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    made = stage.ec2.create_subnet(VpcId=vpc, CidrBlock="172.31.240.0/28", AvailabilityZone=A)
    small = made["Subnet"]["SubnetId"]
    stage.run(SubnetId=small, MinCount=11, MaxCount=11)
    assert refused(stage.run, SubnetId=small) == "InsufficientFreeAddressesInSubnet"


def test_an_empty_pool_is_a_server_error(stage: Stage, refused: Callable[..., str]) -> None:
    """InsufficientInstanceCapacity comes with HTTP 500, which botocore retries unless told otherwise."""
    stage.world.capacity("*", A, "spot", 0)
    assert refused(stage.run) == "InsufficientInstanceCapacity"
    assert [call.status for call in stage.world.calls.of("RunInstances")] == [500]


def test_as_many_as_there_is_room_for(stage: Stage, refused: Callable[..., str]) -> None:
    """MaxCount is tried, MinCount must be reached, and nothing is kept when it is not."""
    stage.world.capacity("*", A, "spot", 2)
    assert refused(stage.run, MinCount=3, MaxCount=5) == "InsufficientInstanceCapacity"
    assert stage.world.instances() == []
    stage.run(MinCount=1, MaxCount=5)
    assert len(stage.world.instances()) == 2


def test_user_data_of_exactly_16_kb_is_accepted(stage: Stage) -> None:
    """The limit counts bytes before base64."""
    text = "x" * 16_384
    instance_id = stage.run(UserData=text)
    assert stage.world.instance(instance_id).user_data == text.encode()


def test_an_image_can_be_named_by_a_parameter(stage: Stage) -> None:
    """``resolve:ssm:`` reads the parameter at launch."""
    stage.connect("ssm").put_parameter(Name="/my/image", Value=stage.image, Type="String")
    assert stage.describe(stage.run(ImageId="resolve:ssm:/my/image"))["ImageId"] == stage.image


# --- launch templates ----------------------------------------------------------------------------------------------


def test_a_new_version_takes_over_what_its_source_says(stage: Stage) -> None:
    """SourceVersion is merged: the new version can be launched although it names only what changed."""
    template = stage.template(UserData="b25l")
    made = stage.ec2.create_launch_template_version(
        LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={"UserData": "dHdv"}
    )
    assert made["LaunchTemplateVersion"]["VersionNumber"] == 2
    shown = stage.ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["2"])
    data = shown["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    assert (data["ImageId"], data["UserData"]) == (stage.image, "dHdv")
    answer = stage.ec2.create_fleet(**stage.fleet_request(template))
    (instance_id,) = answer["Instances"][0]["InstanceIds"]
    assert stage.world.instance(instance_id).user_data == b"two"


def test_templates_are_found_by_tag_name_and_id(stage: Stage, refused: Callable[..., str]) -> None:
    """With wildcards in filters, and AWS's codes for what does not exist."""
    ec2 = stage.ec2
    tags = [{"ResourceType": "launch-template", "Tags": [{"Key": "owner", "Value": "runnerkit"}]}]
    data = {"InstanceType": "g5.xlarge"}
    ec2.create_launch_template(LaunchTemplateName="tagged", LaunchTemplateData=data, TagSpecifications=tags)
    stage.template("plain")

    def names(**asked: object) -> list[str]:
        return [t["LaunchTemplateName"] for t in ec2.describe_launch_templates(**asked)["LaunchTemplates"]]

    assert names(Filters=[{"Name": "tag:owner", "Values": ["runner*"]}]) == ["tagged"]
    assert names(Filters=[{"Name": "launch-template-name", "Values": ["pl?in"]}]) == ["plain"]
    assert names(LaunchTemplateNames=["plain"]) == ["plain"]
    unknown = {"LaunchTemplateIds": ["lt-00000000000000000"]}
    assert refused(ec2.describe_launch_templates, **unknown) == "InvalidLaunchTemplateId.NotFound"
    gone = {"LaunchTemplateName": "never-made"}
    assert refused(ec2.delete_launch_template, **gone) == "InvalidLaunchTemplateName.NotFoundException"
    ec2.delete_launch_template(LaunchTemplateName="plain")
    assert names() == ["tagged"]


def test_a_templates_own_tags_stay_out_of_its_data(stage: Stage) -> None:
    """Tags of the template are not tags of what it launches."""
    tags = [{"ResourceType": "launch-template", "Tags": [{"Key": "owner", "Value": "me"}]}]
    stage.ec2.create_launch_template(
        LaunchTemplateName="tagged", LaunchTemplateData={"ImageId": stage.image}, TagSpecifications=tags
    )
    shown = stage.ec2.describe_launch_template_versions(LaunchTemplateName="tagged")["LaunchTemplateVersions"]
    assert shown[0]["LaunchTemplateData"].get("TagSpecifications", []) == []


def test_a_template_name_can_be_used_once(stage: Stage, refused: Callable[..., str]) -> None:
    """Another token with the same name is refused."""
    stage.template("runner")
    assert refused(stage.template, name="runner") == "InvalidLaunchTemplateName.AlreadyExistsException"


def test_a_template_refuses_long_user_data(stage: Stage, refused: Callable[..., str]) -> None:
    """At creation already."""
    long = base64.b64encode(b"x" * 16_385).decode()
    assert refused(stage.template, UserData=long) == "InvalidUserData.Malformed"


# --- client tokens -------------------------------------------------------------------------------------------------


def test_a_fleet_token_replays_its_answer(stage: Stage) -> None:
    """The same call with the same token is answered again and launches nothing."""
    request = stage.fleet_request(stage.template(), ClientToken="attempt-1")
    first, second = stage.ec2.create_fleet(**request), stage.ec2.create_fleet(**request)
    assert (first["FleetId"], first["Instances"]) == (second["FleetId"], second["Instances"])
    assert len(stage.world.instances()) == 1


def test_a_token_replays_an_empty_answer_too(stage: Stage) -> None:
    """Capacity that has come back does not help a token that was answered without."""
    request = stage.fleet_request(stage.template(), ClientToken="attempt-1")
    stage.world.capacity("*", "*", "spot", 0)
    assert stage.ec2.create_fleet(**request)["Instances"] == []
    stage.world.capacity("*", "*", "spot", None)
    assert stage.ec2.create_fleet(**request)["Instances"] == []
    assert len(stage.ec2.create_fleet(**{**request, "ClientToken": "attempt-2"})["Instances"]) == 1


def test_a_token_with_other_parameters_is_refused(stage: Stage, refused: Callable[..., str]) -> None:
    """The on-demand retry of a spot fleet needs a token of its own."""
    template = stage.template()
    stage.ec2.create_fleet(**stage.fleet_request(template, ClientToken="attempt-1"))
    other = stage.fleet_request(template, market="on-demand", ClientToken="attempt-1")
    assert refused(stage.ec2.create_fleet, **other) == "IdempotentParameterMismatch"


def test_run_instances_and_templates_honour_tokens(stage: Stage, refused: Callable[..., str]) -> None:
    """The same token gives the same machine and the same template."""
    assert stage.run(ClientToken="one") == stage.run(ClientToken="one")
    assert len(stage.world.instances()) == 1
    assert refused(stage.run, ClientToken="one", InstanceType="g6.xlarge") == "IdempotentParameterMismatch"
    data = {"ImageId": stage.image}
    made = [
        stage.ec2.create_launch_template(LaunchTemplateName="same", LaunchTemplateData=data, ClientToken="two")
        for _ in range(2)
    ]
    assert len({answer["LaunchTemplate"]["LaunchTemplateId"] for answer in made}) == 1


def test_a_capacity_error_burns_the_token(stage: Stage, refused: Callable[..., str]) -> None:
    """After InsufficientInstanceCapacity the token still belongs to those parameters."""
    stage.world.capacity("*", A, "spot", 0)
    assert refused(stage.run, ClientToken="one") == "InsufficientInstanceCapacity"
    assert refused(stage.run, ClientToken="one", InstanceType="g6.xlarge") == "IdempotentParameterMismatch"
    stage.world.capacity("*", A, "spot", None)
    assert stage.run(ClientToken="one")


def test_the_token_of_a_terminated_machine_is_refused(stage: Stage, refused: Callable[..., str]) -> None:
    """RunInstances does not bring an ended machine back."""
    stage.ec2.terminate_instances(InstanceIds=[stage.run(ClientToken="one")])
    assert refused(stage.run, ClientToken="one") == "IdempotentInstanceTerminated"
