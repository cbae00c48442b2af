"""CreateFleet of type instant, asked by a real boto3 client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.sandbox.ec2 import Stage

A, B, C = "us-east-1a", "us-east-1b", "us-east-1c"
GP3 = {"VolumeSize": 90, "VolumeType": "gp3", "Iops": 4000, "Throughput": 300, "Encrypted": True}


def test_a_fleet_takes_the_cheapest_pool_first(stage: Stage) -> None:
    """Price-capacity-optimized starts in the cheapest zone that has capacity."""
    stage.world.spot_price("g5.xlarge", A, 0.50)
    stage.world.spot_price("g5.xlarge", B, 0.30)
    options: dict[str, Any] = {"SpotOptions": {"AllocationStrategy": "price-capacity-optimized"}}
    answer = stage.ec2.create_fleet(**stage.fleet_request(stage.template(), **options))
    assert [(i["AvailabilityZone"], i["Lifecycle"]) for i in answer["Instances"]] == [(B, "spot")]
    assert answer["Errors"] == []


def test_an_empty_pool_is_an_error_beside_the_success(stage: Stage) -> None:
    """Errors are told for every pool that refused, although another one launched."""
    stage.world.spot_price("g5.xlarge", A, 0.10)
    stage.world.capacity("g5.xlarge", A, "spot", 0)
    answer = stage.ec2.create_fleet(**stage.fleet_request(stage.template()))
    (error,) = answer["Errors"]
    assert (error["ErrorCode"], error["Lifecycle"]) == ("UnfulfillableCapacity", "spot")
    assert error["LaunchTemplateAndOverrides"]["Overrides"]["SubnetId"] == stage.subnets[A]
    assert [i["AvailabilityZone"] for i in answer["Instances"]] == [B]


def test_no_capacity_anywhere_is_still_a_success(stage: Stage) -> None:
    """HTTP 200 with an error for each pool and no instance."""
    stage.world.capacity("*", "*", "spot", 0)
    answer = stage.ec2.create_fleet(**stage.fleet_request(stage.template()))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert len(answer["Errors"]) == 2
    assert answer["Instances"] == []
    assert stage.world.instances() == []


@pytest.mark.parametrize("code", ["InsufficientFreeAddressesInSubnet", "InsufficientInstanceCapacity"])
def test_a_pool_refuses_with_any_scripted_code(stage: Stage, code: str) -> None:
    """The capacity table names the error that a pool gives."""
    stage.world.capacity("g5.xlarge", "*", "*", 0, code=code, message="none left")
    answer = stage.ec2.create_fleet(**stage.fleet_request(stage.template()))
    assert {(e["ErrorCode"], e["ErrorMessage"]) for e in answer["Errors"]} == {(code, "none left")}


def test_on_demand_runs_out_with_its_own_code(stage: Stage) -> None:
    """On demand an empty pool is InsufficientInstanceCapacity, with AWS's words."""
    stage.world.capacity("g5.xlarge", "*", "on-demand", 0)
    answer = stage.ec2.create_fleet(**stage.fleet_request(stage.template(), market="on-demand"))
    assert {e["ErrorCode"] for e in answer["Errors"]} == {"InsufficientInstanceCapacity"}
    assert "sufficient g5.xlarge capacity" in answer["Errors"][0]["ErrorMessage"]


def test_capacity_is_used_up_and_comes_back(stage: Stage) -> None:
    """A pool for one machine refuses the second, and takes one again when the first has ended."""
    stage.world.capacity("g5.xlarge", "*", "spot", 0)
    stage.world.capacity("g5.xlarge", A, "spot", 1)
    request = stage.fleet_request(stage.template())
    first = stage.ec2.create_fleet(**request)["Instances"][0]["InstanceIds"]
    assert stage.ec2.create_fleet(**request)["Instances"] == []
    stage.ec2.terminate_instances(InstanceIds=first)
    assert len(stage.ec2.create_fleet(**request)["Instances"]) == 1


@pytest.mark.parametrize(
    ("market", "code"), [("spot", "MaxSpotInstanceCountExceeded"), ("on-demand", "VcpuLimitExceeded")]
)
def test_a_quota_is_counted_in_virtual_cpus(stage: Stage, market: str, code: str) -> None:
    """A quota of 4 virtual CPUs is one g5.xlarge; another family class has its own quota."""
    stage.world.quota(market, "G", 4)
    request = stage.fleet_request(stage.template(), market=market)
    assert len(stage.ec2.create_fleet(**request)["Instances"]) == 1
    assert {e["ErrorCode"] for e in stage.ec2.create_fleet(**request)["Errors"]} == {code}
    other = [{"InstanceType": "m5.large", "SubnetId": stage.subnets[A]}]
    again = stage.fleet_request(stage.template("other"), other, market=market)
    assert len(stage.ec2.create_fleet(**again)["Instances"]) == 1
    stage.world.quota(market, "G", 12)
    three = stage.fleet_request(stage.template("three"), market=market, count=3)
    assert sum(len(i["InstanceIds"]) for i in stage.ec2.create_fleet(**three)["Instances"]) == 2


def test_every_field_of_the_template_reaches_the_machine(stage: Stage) -> None:
    """Groups, profile, metadata options, disks, shutdown behaviour, user data and tags, which moto drops in part."""
    iam = stage.connect("iam")
    iam.create_instance_profile(InstanceProfileName="runner")
    template = stage.template(
        IamInstanceProfile={"Name": "runner"},
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2, "InstanceMetadataTags": "enabled"},
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {**GP3, "DeleteOnTermination": True}}],
        InstanceInitiatedShutdownBehavior="terminate",
        UserData="aGVsbG8=",
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "from", "Value": "template"}]}],
    )
    tags = [{"ResourceType": kind, "Tags": [{"Key": "by", "Value": kind}]} for kind in ("instance", "volume", "fleet")]
    answer = stage.ec2.create_fleet(**stage.fleet_request(template, TagSpecifications=tags))
    (instance_id,) = answer["Instances"][0]["InstanceIds"]
    seen = stage.describe(instance_id)
    assert [g["GroupId"] for g in seen["SecurityGroups"]] == [stage.group]
    assert seen["IamInstanceProfile"]["Arn"].endswith(":instance-profile/runner")
    assert seen["MetadataOptions"]["HttpTokens"] == "required"
    assert seen["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    assert seen["MetadataOptions"]["InstanceMetadataTags"] == "enabled"
    assert {t["Key"]: t["Value"] for t in seen["Tags"]} == {
        "from": "template",
        "by": "instance",
        "aws:ec2:fleet-id": answer["FleetId"],
        "aws:ec2launchtemplate:id": template,
        "aws:ec2launchtemplate:version": "1",
    }
    asked = stage.ec2.describe_instance_attribute
    behavior = asked(InstanceId=instance_id, Attribute="instanceInitiatedShutdownBehavior")
    assert behavior["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"
    assert asked(InstanceId=instance_id, Attribute="userData")["UserData"]["Value"] == "aGVsbG8="
    assert stage.world.instance(instance_id).user_data == b"hello"
    by_instance = [{"Name": "attachment.instance-id", "Values": [instance_id]}]
    (volume,) = stage.ec2.describe_volumes(Filters=by_instance)["Volumes"]
    assert (volume["Size"], volume["VolumeType"], volume["Iops"], volume["Throughput"]) == (90, "gp3", 4000, 300)
    assert volume["Encrypted"]
    assert {"Key": "by", "Value": "volume"} in volume["Tags"]


def test_markets_are_what_was_asked_for(stage: Stage) -> None:
    """Spot machines say so and have a one-time request; on-demand machines say nothing."""
    template = stage.template()
    spot = stage.ec2.create_fleet(**stage.fleet_request(template))["Instances"][0]["InstanceIds"][0]
    plain = stage.ec2.create_fleet(**stage.fleet_request(template, market="on-demand"))["Instances"][0]
    assert plain["Lifecycle"] == "on-demand"
    assert stage.describe(spot)["InstanceLifecycle"] == "spot"
    assert "InstanceLifecycle" not in stage.describe(plain["InstanceIds"][0])
    by_instance = [{"Name": "instance-id", "Values": [spot]}]
    (request,) = stage.ec2.describe_spot_instance_requests(Filters=by_instance)["SpotInstanceRequests"]
    assert (request["Type"], request["State"]) == ("one-time", "active")
    assert stage.describe(spot)["SpotInstanceRequestId"] == request["SpotInstanceRequestId"]


def test_two_subnets_of_one_zone_are_refused(stage: Stage, refused: Callable[..., str]) -> None:
    """A fleet may name one subnet per zone; AWS speaks of duplicate instance pools."""
    vpc = stage.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    other = stage.ec2.create_subnet(VpcId=vpc, CidrBlock="172.31.200.0/24", AvailabilityZone=A)["Subnet"]["SubnetId"]
    overrides = [{"InstanceType": "g5.xlarge", "SubnetId": subnet} for subnet in (stage.subnets[A], other)]
    request = stage.fleet_request(stage.template(), overrides)
    assert refused(stage.ec2.create_fleet, **request) == "InvalidFleetConfig"
    assert stage.world.instances() == []


def test_a_type_that_a_zone_does_not_offer_is_an_error_of_its_pool(stage: Stage) -> None:
    """The zone's gap is told per pool as InvalidFleetConfiguration; the other zone launches."""
    gap = next(zone for zone in stage.subnets if zone.endswith("e"))
    overrides = [{"InstanceType": "g5.xlarge", "SubnetId": stage.subnets[zone]} for zone in (gap, A)]
    answer = stage.ec2.create_fleet(**stage.fleet_request(stage.template(), overrides))
    assert [e["ErrorCode"] for e in answer["Errors"]] == ["InvalidFleetConfiguration"]
    assert [i["AvailabilityZone"] for i in answer["Instances"]] == [A]


@pytest.mark.parametrize(
    ("data", "override", "code"),
    [
        ({"IamInstanceProfile": {"Name": "nobody"}}, {}, "InvalidParameterValue"),
        ({}, {"SubnetId": "subnet-00000000000000000"}, "InvalidSubnetID.NotFound"),
        ({"SecurityGroupIds": ["sg-00000000000000000"]}, {}, "InvalidGroup.NotFound"),
        ({"ImageId": "ami-00000000000000000"}, {}, "InvalidAMIID.NotFound"),
        ({}, {"InstanceType": "g99.xlarge"}, "InvalidParameterValue"),
        ({}, {"InstanceType": "g5g.xlarge"}, "InvalidParameterValue"),
        ({}, {"MaxPrice": "0.01"}, "SpotMaxPriceTooLow"),
        ({}, {"MaxPrice": "0.0001"}, "InvalidParameterValue"),
    ],
)
def test_what_cannot_be_launched_is_an_error_of_its_pool(
    stage: Stage, data: dict[str, Any], override: dict[str, str], code: str
) -> None:
    """A bad profile, subnet, group, image, type, architecture or price is told in Errors, never an instance."""
    full = {"InstanceType": "g5.xlarge", "SubnetId": stage.subnets[A], **override}
    answer = stage.ec2.create_fleet(**stage.fleet_request(stage.template(**data), [full]))
    assert [e["ErrorCode"] for e in answer["Errors"]] == [code]
    assert answer["Instances"] == []


def test_an_unknown_template_fails_the_whole_call(stage: Stage, refused: Callable[..., str]) -> None:
    """By id, by name and by version."""
    request = stage.fleet_request("lt-00000000000000000")
    assert refused(stage.ec2.create_fleet, **request) == "InvalidLaunchTemplateId.NotFound"
    request["LaunchTemplateConfigs"][0]["LaunchTemplateSpecification"] = {"LaunchTemplateName": "none", "Version": "1"}
    assert refused(stage.ec2.create_fleet, **request) == "InvalidLaunchTemplateName.NotFoundException"
    request["LaunchTemplateConfigs"][0]["LaunchTemplateSpecification"] = {
        "LaunchTemplateId": stage.template(),
        "Version": "7",
    }
    assert refused(stage.ec2.create_fleet, **request) == "InvalidLaunchTemplateId.VersionNotFound"


def test_priorities_decide_where_the_strategy_says_so(stage: Stage) -> None:
    """Prioritized strategies start with the lowest number, whatever it costs."""
    kinds = {"g6.xlarge": 2, "g5.xlarge": 1}
    overrides = [{"InstanceType": k, "SubnetId": stage.subnets[A], "Priority": p} for k, p in kinds.items()]
    template = stage.template()
    dear = stage.ec2.create_fleet(
        **stage.fleet_request(
            template, overrides, market="on-demand", OnDemandOptions={"AllocationStrategy": "prioritized"}
        )
    )
    cheap = stage.ec2.create_fleet(**stage.fleet_request(template, overrides, market="on-demand"))
    assert [dear["Instances"][0]["InstanceType"], cheap["Instances"][0]["InstanceType"]] == ["g5.xlarge", "g6.xlarge"]


def test_several_machines_fill_pool_after_pool(stage: Stage) -> None:
    """Three machines, two of which fit into the first pool; the answer groups them by pool."""
    stage.world.spot_price("g5.xlarge", A, 0.10)
    stage.world.capacity("g5.xlarge", A, "spot", 2)
    answer = stage.ec2.create_fleet(**stage.fleet_request(stage.template(), count=3))
    assert [(i["AvailabilityZone"], len(i["InstanceIds"])) for i in answer["Instances"]] == [(A, 2), (B, 1)]
    assert len({m.client_token for m in stage.world.instances()}) == 3


def test_diversified_spreads(stage: Stage) -> None:
    """The diversified strategy takes the pools in turn."""
    request = stage.fleet_request(stage.template(), count=4, SpotOptions={"AllocationStrategy": "diversified"})
    answer = stage.ec2.create_fleet(**request)
    assert sorted(len(i["InstanceIds"]) for i in answer["Instances"]) == [2, 2]


def test_a_minimum_that_cannot_be_reached_launches_nothing(stage: Stage) -> None:
    """MinTargetCapacity is all or nothing, and gives the capacity back."""
    stage.world.capacity("g5.xlarge", "*", "spot", 1)
    options: dict[str, Any] = {"SpotOptions": {"MinTargetCapacity": 2, "SingleInstanceType": True}}
    template = stage.template()
    answer = stage.ec2.create_fleet(**stage.fleet_request(template, count=2, **options))
    assert answer["Instances"] == []
    assert len(stage.ec2.create_fleet(**stage.fleet_request(template))["Instances"]) == 1


def test_spot_and_on_demand_in_one_fleet(stage: Stage) -> None:
    """The parts of the target get their own market."""
    request = stage.fleet_request(stage.template(), count=3)
    request["TargetCapacitySpecification"] |= {"SpotTargetCapacity": 1, "OnDemandTargetCapacity": 2}
    stage.ec2.create_fleet(**request)
    assert sorted(m.market for m in stage.world.instances()) == ["on-demand", "on-demand", "spot"]


def test_an_override_without_a_subnet_uses_any_zone_with_the_type(stage: Stage) -> None:
    """The default subnets stand in, and zones without the type are not errors."""
    answer = stage.ec2.create_fleet(**stage.fleet_request(stage.template(), [{"InstanceType": "g5.xlarge"}]))
    assert answer["Errors"] == []
    assert answer["Instances"][0]["SubnetId"] in stage.subnets.values()


def test_fleets_can_be_described_and_deletion_takes_their_machines(stage: Stage) -> None:
    """DescribeFleets by id, DescribeFleetInstances, DeleteFleets."""
    answer = stage.ec2.create_fleet(**stage.fleet_request(stage.template()))
    fleet, ids = answer["FleetId"], answer["Instances"][0]["InstanceIds"]
    (described,) = stage.ec2.describe_fleets(FleetIds=[fleet])["Fleets"]
    assert (described["Type"], described["FulfilledCapacity"]) == ("instant", 1.0)
    assert fleet not in {f["FleetId"] for f in stage.ec2.describe_fleets()["Fleets"]}
    active = stage.ec2.describe_fleet_instances(FleetId=fleet)["ActiveInstances"]
    assert [i["InstanceId"] for i in active] == ids
    deleted = stage.ec2.delete_fleets(FleetIds=[fleet, "fleet-none"], TerminateInstances=True)
    assert [f["FleetId"] for f in deleted["SuccessfulFleetDeletions"]] == [fleet]
    assert [f["FleetId"] for f in deleted["UnsuccessfulFleetDeletions"]] == ["fleet-none"]
    assert [m.id for m in stage.world.instances("terminated")] == ids


def test_a_dry_run_launches_nothing(stage: Stage, refused: Callable[..., str]) -> None:
    """DryRunOperation after everything was checked."""
    request = stage.fleet_request(stage.template())
    assert refused(stage.ec2.create_fleet, **request, DryRun=True) == "DryRunOperation"
    assert refused(stage.ec2.describe_instances, DryRun=True) == "DryRunOperation"
    assert stage.world.instances() == []


def test_requirements_instead_of_types_are_refused_openly(stage: Stage, refused: Callable[..., str]) -> None:
    """What the sandbox does not do it says."""
    wish = {"InstanceRequirements": {"VCpuCount": {"Min": 4}, "MemoryMiB": {"Min": 1024}}}
    request = stage.fleet_request(stage.template(), [wish])
    assert refused(stage.ec2.create_fleet, **request) == "UnsupportedOperation"
